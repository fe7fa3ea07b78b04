//! The demo keeps its word: its account stands the check, the same seed gives the same one, every
//! command works in the folder that it leaves, and with `--keep` a decision is carried out while it
//! goes on. What both sides hold is looked up here once more, past the demo.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use duet_testkit::wait::wait_until;
use duet_tests::duet::{Done, Places, Project};
use serde_json::Value;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
use tempfile::TempDir;

/// How long a whole demo may take on a busy machine.
const LIMIT: Duration = Duration::from_secs(170);
/// Shorter than for people.
const OUTAGE: &str = "1s";

/// The binary, without a variable of its environment that a demo might need.
fn duet(arguments: &[&str]) -> Command {
    let places = Places { state: "", hub: "", shop: "", login: "", price_book: "" };
    let project = Project::northwind(places).unwrap();
    let mut command = Command::new(project.command(&[]).get_program());
    command.args(arguments).env_clear().env("DUET_USER", "tester");
    command
}

fn done(arguments: &[&str]) -> Done {
    let output = duet(arguments).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    Done { code: output.status.code(), out: text(&output.stdout), err: text(&output.stderr) }
}

fn well(arguments: &[&str]) -> String {
    let done = done(arguments);
    assert_eq!(done.code, Some(0), "{arguments:?}: {}\n{}", done.out, done.err);
    done.out
}

fn document(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// A demo under way in a folder of its own.
struct Demo {
    folder: TempDir,
    child: Child,
}

impl Demo {
    fn start(seed: &str, more: &[&str]) -> Demo {
        let folder = TempDir::new().unwrap();
        let place = folder.path().join("demo");
        let log = |name: &str| std::fs::File::create(folder.path().join(name)).unwrap();
        let place = place.to_str().unwrap();
        let mut command =
            duet(&["-C", place, "demo", "--seed", seed, "--outage", OUTAGE, "-o", "json"]);
        command.args(more).stdin(Stdio::null()).stdout(log("out")).stderr(log("err"));
        let child = command.spawn().unwrap();
        Demo { folder, child }
    }

    fn place(&self) -> String {
        self.folder.path().join("demo").to_str().unwrap().to_owned()
    }

    fn printed(&self, name: &str) -> String {
        std::fs::read_to_string(self.folder.path().join(name)).unwrap()
    }

    /// The account, once it is there.
    async fn account(&mut self) -> Value {
        wait_until(LIMIT, "the demo gives its account", || {
            let ended = self.child.try_wait().unwrap().is_some();
            std::future::ready(ended || self.printed("out").ends_with('\n'))
        })
        .await;
        let (out, err) = (self.printed("out"), self.printed("err"));
        assert!(!out.is_empty(), "{err}");
        document(&out)
    }

    async fn ended(&mut self) -> Option<i32> {
        let mut code = None;
        wait_until(LIMIT, "the demo ends", || {
            let status = self.child.try_wait().unwrap();
            code = status.map(|status| status.code());
            std::future::ready(status.is_some())
        })
        .await;
        code.flatten()
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An account without what is different each time: `run`, and every `id`.
fn lasting(mut account: Value) -> Value {
    account.as_object_mut().unwrap().remove("run");
    strip(&mut account);
    account
}

fn strip(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.remove("id");
            fields.values_mut().for_each(strip);
        }
        Value::Array(items) => items.iter_mut().for_each(strip),
        _ => {}
    }
}

/// What the shop really holds of a customer.
async fn in_shop(folder: &str, key: &str, column: &str) -> Option<String> {
    let options = SqliteConnectOptions::new().filename(Path::new(folder).join("shop.db"));
    let pool = SqlitePoolOptions::new().max_connections(1).connect_with(options).await.unwrap();
    let query = format!("SELECT {column} FROM customers WHERE id = ?");
    let found = sqlx::query_scalar(sqlx::AssertSqlSafe(query)).bind(key).fetch_one(&pool).await;
    pool.close().await;
    found.unwrap()
}

/// The accounts that Salesforce really holds, by the shop's key.
fn accounts(folder: &str) -> BTreeMap<String, Value> {
    let text = std::fs::read_to_string(Path::new(folder).join("salesforce.jsonl")).unwrap();
    let whole = text.rsplit_once('\n').unwrap().0;
    let records = whole.lines().skip(1).map(document);
    let records = records.filter(|record| record["attributes"]["type"] == "Account");
    let keyed = |record: Value| Some((record["Shop_Id__c"].as_str()?.to_owned(), record.clone()));
    records.filter_map(keyed).collect()
}

fn conflict<'a>(account: &'a Value, kind: &str) -> &'a Value {
    let conflicts = account["conflicts"].as_array().unwrap();
    conflicts.iter().find(|one| one["kind"] == kind).unwrap_or_else(|| panic!("{kind}: {account}"))
}

fn key(conflict: &Value) -> &str {
    conflict["record"].as_str().unwrap().split_once('/').unwrap().1
}

/// All that is asked of any account.
fn is_sound(account: &Value) {
    assert_eq!(account["schema"], "duet.demo.v1");
    assert_eq!(account["verified"], true, "{account}");
    let edits = account["edits"].as_object().unwrap();
    let sum: u64 =
        edits.iter().filter(|(name, _)| *name != "made").map(|(_, n)| n.as_u64().unwrap()).sum();
    assert_eq!(edits["made"].as_u64(), Some(sum), "{edits:?}");
    for count in ["applied", "merged", "overruled", "waiting", "refused", "kept_back"] {
        assert!(edits[count].as_u64() > Some(0), "the day shows no {count}: {edits:?}");
    }
    assert_eq!((&edits["lost"], &account["duplicated"]), (&Value::from(0), &Value::from(0)));
    for kind in ["both_changed", "delete_update", "duplicate", "first_link_differs"] {
        conflict(account, kind);
    }
    assert!(account["unexplained"].as_array().unwrap().is_empty());
    let scenes: Vec<u64> = account["day"]
        .as_array()
        .unwrap()
        .iter()
        .map(|edit| edit["scene"].as_u64().unwrap())
        .collect();
    assert!((1..=10).all(|scene| scenes.contains(&scene)), "{scenes:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_seed_gives_the_same_account_and_every_command_works_on_what_is_left() {
    let (mut first, mut again, mut other) =
        (Demo::start("7", &[]), Demo::start("7", &[]), Demo::start("8", &[]));
    let account = first.account().await;
    is_sound(&account);
    let repeated = again.account().await;
    assert_eq!(lasting(repeated), lasting(account.clone()), "seed 7 twice");
    let differs = other.account().await;
    is_sound(&differs);
    assert_ne!(lasting(differs), lasting(account.clone()));
    for demo in [&mut first, &mut again, &mut other] {
        assert_eq!(demo.ended().await, Some(0), "{}", demo.printed("err"));
    }
    tells_its_story(&first.printed("err"));
    follow_up(&first.place(), &account);
}

/// Where a program reads the account, the story is on stderr, and fits a terminal.
fn tells_its_story(story: &str) {
    // What was decided last about a record may be that a read changed nothing: no row is named here.
    for told in ["Pairing what exists", "(both_changed)", "(duplicate)", "FIELD_CUSTOM"] {
        assert!(story.contains(told), "no {told:?} in\n{story}");
    }
    assert!(!story.contains('\u{1b}'), "no colour without a terminal");
    let wide = story.lines().find(|line| line.chars().count() > 80);
    assert_eq!(wide, None, "over 80 columns");
}

/// The demo has ended; what needs nothing but its state works.
fn follow_up(place: &str, account: &Value) {
    let listed = document(&well(&["-C", place, "conflicts", "list", "-o", "json"]));
    let open = account["conflicts"].as_array().unwrap();
    assert_eq!(listed["items"].as_array().unwrap().len(), open.len());
    let phone = conflict(account, "both_changed");
    let (id, record) = (phone["id"].as_str().unwrap(), phone["record"].as_str().unwrap());
    assert!(well(&["-C", place, "conflicts", "show", id]).contains("--take left"));
    assert!(
        well(&["-C", place, "explain", record, "--field", "phone"]).contains("held   by conflict")
    );
    assert!(well(&["-C", place, "errors", "list"]).contains("unmappable"));
    assert!(well(&["-C", place, "status"]).contains("customers"));
    well(&["-C", place, "conflicts", "resolve", id, "--take", "right"]);
    assert!(well(&["-C", place, "conflicts", "list"]).contains("decided"));
    let again = done(&["-C", place, "demo"]);
    assert_eq!(again.code, Some(1), "{}", again.err);
    assert!(again.err.contains("isn't empty"), "{}", again.err);
    let away = done(&["-C", place, "demo", "edit", "left", "customers/1001", "city=Oslo"]);
    assert_eq!(away.code, Some(5), "its Salesforce has ended: {}", away.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_decided_while_it_goes_on_is_carried_out_on_both_sides() {
    let mut demo = Demo::start("3", &["--keep"]);
    let account = demo.account().await;
    is_sound(&account);
    let place = demo.place();
    let phone = conflict(&account, "both_changed");
    let (id, key) = (phone["id"].as_str().unwrap(), key(phone));
    let chosen = in_shop(&place, key, "phone").await.unwrap();
    assert_ne!(accounts(&place)[key]["Phone"], chosen.as_str());
    well(&["-C", &place, "conflicts", "resolve", id, "--take", "right"]);
    wait_until(LIMIT, "the chosen number is in Salesforce", || {
        std::future::ready(accounts(&place)[key]["Phone"] == chosen.as_str())
    })
    .await;
    let record = format!("customers/{key}");
    well(&["-C", &place, "demo", "edit", "left", &record, "city=Røros"]);
    wait_until(LIMIT, "an edit by hand comes through", || async {
        in_shop(&place, key, "city").await.as_deref() == Some("Røros")
    })
    .await;
    let nobody = done(&["-C", &place, "demo", "edit", "right", "customers/9", "city=Oslo"]);
    assert_eq!(nobody.code, Some(1), "{}", nobody.err);
    let stopped = Command::new("kill").args(["-TERM", &demo.child.id().to_string()]).status();
    assert!(stopped.unwrap().success());
    assert_eq!(demo.ended().await, Some(0), "{}", demo.printed("err"));
}

#[tokio::test(flavor = "multi_thread")]
async fn it_can_be_interrupted_and_tells_where_it_was() {
    let mut demo = Demo::start("5", &[]);
    wait_until(LIMIT, "the day has begun", || {
        std::future::ready(demo.printed("err").contains("\n 1  "))
    })
    .await;
    let stopped = Command::new("kill").args(["-INT", &demo.child.id().to_string()]).status();
    assert!(stopped.unwrap().success());
    assert_eq!(demo.ended().await, Some(130));
    assert!(demo.printed("err").contains(&demo.place()), "{}", demo.printed("err"));
    assert_eq!(demo.printed("out"), "");
}
