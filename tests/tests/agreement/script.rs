//! The small language of `northwind/edits.txt` and `policies.txt`: who edits what, and what must
//! follow. It names the line of everything that isn't so, and goes on.

use std::collections::BTreeMap;
use std::time::Duration;

use duet_tests::compare::{form, left_form};
use duet_tests::desk::Open;
use duet_tests::flows::{self, Field, Flow};
use serde_json::{Value, json};

use crate::rig::Rig;

/// How long the shop's clock may take to move on by some seconds.
const CLOCK_LIMIT: Duration = Duration::from_secs(60);
/// After so many seconds a change is later than another beyond doubt.
const LATER_SECONDS: f64 = 3.0;

/// A script under way.
pub(crate) struct Script<'a> {
    rig: &'a mut Rig,
    /// The ids of records on the left, also of those that have lost their key.
    ids: BTreeMap<String, String>,
    /// Digests of conflicts as they were seen, by record and field.
    noted: BTreeMap<String, String>,
    /// Fields that end with an open conflict.
    pub(crate) open: Vec<Open>,
    /// Edits so far, on the shop and in the organization.
    pub(crate) edits: (usize, usize),
    /// What isn't as the script says.
    pub(crate) wrong: Vec<String>,
}

/// A line, cut into its words; the rest is as written.
struct Line<'a> {
    word: &'a str,
    first: &'a str,
    rest: &'a str,
}

fn cut(line: &str) -> Line<'_> {
    let (word, tail) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let tail = tail.trim_start();
    let (first, rest) = tail.split_once(char::is_whitespace).unwrap_or((tail, ""));
    Line { word, first, rest: rest.trim() }
}

fn flow(record: &str) -> (&'static Flow, &str) {
    let (name, key) = record.split_once('/').unwrap();
    (flows::named(name).unwrap_or_else(|| panic!("no flow {name}")), key)
}

fn field(flow: &'static Flow, name: &str) -> &'static Field {
    let found = flow.fields.iter().find(|field| field.name == name);
    found.unwrap_or_else(|| panic!("{} compares no {name}", flow.name))
}

/// The table and the condition of a row.
fn row_of(record: &str) -> (&'static str, String) {
    let (flow, key) = flow(record);
    match flow.name {
        "customers" => ("customers", format!("customer_id = '{key}'")),
        "orders" => ("orders", format!("order_id = {key}")),
        "lines" => {
            let (order, product) = key.split_once('-').unwrap();
            ("order_details", format!("order_id = {order} AND product_id = {product}"))
        }
        "staff" => ("employees", format!("employee_id = {key}")),
        "suppliers" => ("suppliers", format!("supplier_id = {key}")),
        "shippers" => ("shippers", format!("shipper_id = {key}")),
        _ => ("products", format!("product_id = {key}")),
    }
}

impl<'a> Script<'a> {
    pub(crate) fn new(rig: &'a mut Rig) -> Self {
        let (ids, noted) = (BTreeMap::new(), BTreeMap::new());
        Self { rig, ids, noted, open: Vec::new(), edits: (0, 0), wrong: Vec::new() }
    }

    /// Runs a script to its end.
    pub(crate) async fn run(&mut self, text: &str) {
        for (at, line) in text.lines().map(str::trim).enumerate() {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let cut = cut(line);
            if let Err(wrong) = self.line(&cut).await {
                let told = match cut.first.contains('/') {
                    true => self.rig.duet(&["explain", cut.first, "--reveal"]).out,
                    false => String::new(),
                };
                let told = told.replace('\n', "\n    ");
                self.wrong.push(format!("line {}: {line}\n    {wrong}\n    {told}", at + 1));
            }
        }
    }

    async fn line(&mut self, line: &Line<'_>) -> Result<(), String> {
        let Line { word, first, rest } = *line;
        match word {
            "shop" | "org" | "new" | "sql" => self.edit(line).await,
            "postgres" | "sqlite" => self.in_words_of(line).await,
            "sync" => self.sync(first),
            "later" => self.later().await,
            "fault" => self.fault(first, rest).await,
            "both" => {
                self.left(first, rest)?;
                self.right(first, rest).await
            }
            "left" => self.left(first, rest),
            "right" => self.right(first, rest).await,
            "held" => self.held(first, rest),
            "free" => self.free(first),
            "kept" => self.kept(first, rest),
            "why" => self.why(first, rest),
            "note" => self.note(first, rest),
            "choose" => self.choose(first, rest),
            "stale" => self.stale(first, rest),
            "gone" => self.gone(first, rest).await,
            "ends" => self.ends(first, rest),
            _ => Err(format!("{word} is no word of the script")),
        }
    }

    /// `shop RECORD SET-clause`, `shop RECORD DELETE`, `org RECORD {…}`, `org RECORD DELETE`,
    /// `new Object NAME {…}`, `sql statement`.
    async fn edit(&mut self, line: &Line<'_>) -> Result<(), String> {
        let Line { word, first, rest } = *line;
        match word {
            "sql" => self.rig.sell(&format!("{first} {rest}")).await,
            "shop" => {
                let (table, row) = row_of(first);
                let statement = match rest {
                    "DELETE" => format!("DELETE FROM {table} WHERE {row}"),
                    set => format!("UPDATE {table} SET {set} WHERE {row}"),
                };
                self.rig.sell(&statement).await;
            }
            "new" => {
                let (name, record) = rest.split_once(' ').ok_or("needs a name and a record")?;
                let record = self.with_ids(record)?;
                let id = self.rig.hand("create", first, "", parse(&record)?).await;
                self.ids.insert(name.to_owned(), id);
            }
            _ => {
                let id = self.id(first)?;
                let object = flow(first).0.object;
                match rest {
                    "DELETE" => self.rig.hand("delete", object, &id, json!({})).await,
                    record => {
                        let record = parse(&self.with_ids(record)?)?;
                        self.rig.hand("update", object, &id, record).await
                    }
                };
            }
        }
        let (shop, org) = &mut self.edits;
        *if matches!(word, "shop" | "sql") { shop } else { org } += 1;
        Ok(())
    }

    /// `postgres statement`, `sqlite statement`: what each says in words of its own, line by line.
    async fn in_words_of(&mut self, line: &Line<'_>) -> Result<(), String> {
        if line.word == self.rig.shop.product() {
            self.rig.sell(&format!("{} {}", line.first, line.rest)).await;
            self.edits.0 += 1;
        }
        Ok(())
    }

    /// `@RECORD` in the text of a record is that record's id.
    fn with_ids(&mut self, record: &str) -> Result<String, String> {
        let Some((head, tail)) = record.split_once("\"@") else { return Ok(record.to_owned()) };
        let (name, tail) = tail.split_once('"').ok_or("an open quote")?;
        Ok(format!("{head}\"{}\"{tail}", self.id(name)?))
    }

    /// The id of the record on the left, remembered from the first time.
    fn id(&mut self, record: &str) -> Result<String, String> {
        let (flow, key) = flow(record);
        if let Some(partner) = self.rig.partner(flow.name, key) {
            self.ids.insert(record.to_owned(), partner.id);
        }
        self.ids.get(record).cloned().ok_or_else(|| "is not in the organization".to_owned())
    }

    /// `sync` or `sync CODE`: one pass, with its exit code if it isn't 0.
    fn sync(&mut self, code: &str) -> Result<(), String> {
        let wanted = if code.is_empty() { 0 } else { code.parse().map_err(|_| "no exit code")? };
        let done = self.rig.duet(&["sync", "--once"]);
        let fine = done.code == Some(wanted);
        fine.then_some(()).ok_or_else(|| format!("{:?}: {}{}", done.code, done.out, done.err))
    }

    /// `fault {…}`: what the organization does to the writes of programs from now on; `fault none`.
    async fn fault(&mut self, first: &str, rest: &str) -> Result<(), String> {
        let done = match first {
            "none" => self.rig.org.mend().await,
            _ => self.rig.org.fail(parse(&format!("{first} {rest}"))?).await,
        };
        done.map_err(|error| error.to_string())
    }

    /// Waits until what follows is later than what was, by both clocks.
    async fn later(&self) -> Result<(), String> {
        let url = self.rig.shop.url();
        let from = northwind_clock(url).await;
        for _ in 0..CLOCK_LIMIT.as_millis() / 50 {
            if northwind_clock(url).await - from >= LATER_SECONDS {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Err("the shop's clock stands still".to_owned())
    }

    fn left(&mut self, record: &str, rest: &str) -> Result<(), String> {
        let (name, wanted) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
        let id = self.id(record)?;
        let org = self.rig.read_org();
        let found = org.get(&id).ok_or("is not in the organization")?;
        same("left", &left_form(field(flow(record).0, name), found, &org), wanted)
    }

    async fn right(&mut self, record: &str, rest: &str) -> Result<(), String> {
        let (name, wanted) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
        let (flow, key) = flow(record);
        let rows = self.rig.rows(flow.name).await;
        let row = rows.iter().find(|row| row.key == key).ok_or("is not in the shop")?;
        same("right", &form(field(flow, name).kind, row.values.get(name)), wanted)
    }

    /// Conflicts of a record; `-` stands for the record as a whole, `*` for any field.
    fn conflicts(&mut self, record: &str, field: &str, all: bool) -> Vec<Value> {
        let mut names = vec![record.to_owned()];
        if let Ok(id) = self.id(record) {
            names.push(format!("{}/{id}", flow(record).0.name));
        }
        let is_it = |one: &Value| {
            let named = names.iter().any(|name| one["record"] == **name);
            let about = one["field"].as_str().unwrap_or("-");
            named && (field == "*" || field == about)
        };
        self.rig.conflicts(all).into_iter().filter(is_it).collect()
    }

    /// `held RECORD FIELD KIND`
    fn held(&mut self, record: &str, rest: &str) -> Result<(), String> {
        let (field, kind) = rest.split_once(char::is_whitespace).ok_or("needs field and kind")?;
        let found = self.conflicts(record, field, false);
        let kinds: Vec<&str> = found.iter().filter_map(|one| one["kind"].as_str()).collect();
        let fine = kinds == [kind.trim()];
        fine.then_some(()).ok_or_else(|| format!("open are {kinds:?}"))
    }

    /// `free RECORD`: nothing of it waits for a person.
    fn free(&mut self, record: &str) -> Result<(), String> {
        let found = self.conflicts(record, "*", false);
        let told = found.iter().map(|one| format!("{} {}", one["field"], one["kind"]));
        let told: Vec<String> = told.collect();
        told.is_empty().then_some(()).ok_or_else(|| format!("open are {told:?}"))
    }

    /// `kept RECORD FIELD VALUE`: a value that lost is in the store.
    fn kept(&mut self, record: &str, rest: &str) -> Result<(), String> {
        let (field, value) = rest.split_once(char::is_whitespace).ok_or("needs field and value")?;
        let found = self.conflicts(record, field, true);
        let text = |one: &Value| format!("{}{}", one["sides"], one["agreed"]).replace('\\', "");
        let fine = found.iter().any(|one| text(one).contains(value.trim()));
        fine.then_some(()).ok_or_else(|| format!("not among {found:?}"))
    }

    /// `why RECORD FIELD TEXT`: the rule that decided last about a field, by `explain`.
    fn why(&mut self, record: &str, rest: &str) -> Result<(), String> {
        let (field, text) = rest.split_once(char::is_whitespace).ok_or("needs field and text")?;
        let told = self.rig.json(&["explain", record, "--field", field]);
        let rule = &told["fields"][0]["decision"]["rule"];
        let fine = rule.as_str().is_some_and(|rule| rule.contains(text.trim()));
        fine.then_some(()).ok_or_else(|| format!("the rule was {rule}"))
    }

    fn one(&mut self, record: &str, field: &str) -> Result<Value, String> {
        let mut found = self.conflicts(record, field, false);
        match (found.pop(), found.len()) {
            (Some(one), 0) => Ok(one),
            (one, more) => Err(format!("{} conflicts", more + usize::from(one.is_some()))),
        }
    }

    /// `note RECORD FIELD`: keeps what a person saw, for a `stale` later.
    fn note(&mut self, record: &str, field: &str) -> Result<(), String> {
        let one = self.one(record, field)?;
        let seen = one["seen"].as_str().unwrap_or_default().to_owned();
        self.noted.insert(format!("{record} {field}"), seen);
        Ok(())
    }

    /// `choose RECORD FIELD CHOICE`
    fn choose(&mut self, record: &str, rest: &str) -> Result<(), String> {
        let (field, choice) = rest.split_once(char::is_whitespace).ok_or("needs a choice")?;
        let one = self.one(record, field)?;
        let seen = one["seen"].as_str().unwrap_or_default();
        let done = self.resolve(&one, seen, choice);
        (done.0 == Some(0)).then_some(()).ok_or(done.1)
    }

    /// `stale RECORD FIELD CHOICE`: a choice made from what was noted is refused.
    fn stale(&mut self, record: &str, rest: &str) -> Result<(), String> {
        let (field, choice) = rest.split_once(char::is_whitespace).ok_or("needs a choice")?;
        let one = self.one(record, field)?;
        let seen = self.noted.get(&format!("{record} {field}")).cloned().ok_or("not noted")?;
        let done = self.resolve(&one, &seen, choice);
        (done.0 == Some(75) || done.0 == Some(1)).then_some(()).ok_or_else(|| format!("{done:?}"))
    }

    /// `--link RECORD` names a record of the organization as the script does.
    fn resolve(&mut self, one: &Value, seen: &str, choice: &str) -> (Option<i32>, String) {
        let id = one["id"].as_str().unwrap_or_default();
        let mut arguments = vec!["conflicts", "resolve", id, "--seen", seen, "--by", "ann"];
        let (flag, value) = choice.trim().split_once(' ').unwrap_or((choice.trim(), ""));
        let chosen = match flag {
            "--link" => self.id(value).unwrap_or_default(),
            _ => value.to_owned(),
        };
        arguments.push(flag);
        arguments.extend((!chosen.is_empty()).then_some(&*chosen));
        let done = self.rig.duet(&arguments);
        (done.code, done.err)
    }

    /// `gone left RECORD`, `gone right RECORD`
    async fn gone(&mut self, side: &str, record: &str) -> Result<(), String> {
        let (flow, key) = flow(record);
        let there = match side {
            "left" => self.rig.partner(flow.name, key).is_some(),
            _ => self.rig.rows(flow.name).await.iter().any(|row| row.key == key),
        };
        (!there).then_some(()).ok_or_else(|| "is there".to_owned())
    }

    /// `ends open RECORD FIELD LEFT-FIELD`, `ends differs RECORD LEFT-FIELD`, `ends left RECORD`,
    /// `ends right RECORD`: how it is at the end.
    fn ends(&mut self, how: &str, rest: &str) -> Result<(), String> {
        let words: Vec<&str> = rest.split_whitespace().collect();
        let (flow, key) = flow(words[0]);
        match (how, &words[1..]) {
            ("open", [field, column]) => {
                self.rig.listed.open(flow, key, column);
                self.open.push((words[0].to_owned(), (*field).to_owned(), (*column).to_owned()));
            }
            ("differs", [column]) => self.rig.listed.open(flow, key, column),
            ("left", []) => {
                let id = self.id(words[0])?;
                self.rig.listed.left_alone.insert(id);
            }
            ("right", []) => self.rig.listed.right_alone(flow, key),
            _ => return Err("doesn't say how it ends".to_owned()),
        }
        Ok(())
    }
}

fn parse(text: &str) -> Result<Value, String> {
    serde_json::from_str(text).map_err(|error| error.to_string())
}

fn same(side: &str, found: &str, wanted: &str) -> Result<(), String> {
    let fine = found == wanted.trim();
    fine.then_some(()).ok_or_else(|| format!("{side} is {found}"))
}

/// The shop's clock, in seconds.
async fn northwind_clock(url: &str) -> f64 {
    duet_tests::database::clock(url).await.unwrap()
}
