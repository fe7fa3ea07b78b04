//! The README and the tutorial keep their word: all blocks of a page marked `sh test` are one script,
//! run from its first line to its last in a clone, with servers of the test's own in the places that
//! it names.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use duet_testkit::servers::{postgres, rabbitmq};
use duet_testkit::wait::wait_until;
use duet_tests::duet::{Places, Project};
use tempfile::TempDir;

use crate::shown::{parts, root};

/// How long the whole of it may take.
const LIMIT: Duration = Duration::from_secs(240);

/// The lines of the marked blocks, without prompts.
fn script(page: &str) -> Vec<String> {
    let (blocks, _) = parts("page", page);
    let run = blocks.into_iter().filter(|block| block.mark == "sh test");
    let line = |line: String| line.strip_prefix("$ ").map(str::to_owned).unwrap_or(line);
    run.flat_map(|block| block.lines).map(line).collect()
}

/// The parts of a server's address: user, password, host, port.
fn address(url: &str) -> [String; 4] {
    let (_, rest) = url.split_once("://").unwrap();
    let (who, place) = rest.split_once('@').unwrap();
    let (user, password) = who.split_once(':').unwrap_or((who, ""));
    let place = place.split('/').next().unwrap();
    let (host, port) = place.split_once(':').unwrap_or((place, "5432"));
    [user, password, host, port].map(str::to_owned)
}

/// The script with other places; each of those that it names must be there to be exchanged.
fn moved(script: &str, places: &[(&str, String)]) -> String {
    places.iter().fold(script.to_owned(), |script, (from, to)| {
        assert!(script.contains(from), "the README doesn't name {from} any more");
        script.replace(from, to)
    })
}

/// A folder that looks like a clone in which duet was built, with duet on the path beside it.
fn clone_of(program: &Path) -> TempDir {
    let folder = TempDir::new().unwrap();
    std::fs::create_dir(folder.path().join("target")).unwrap();
    std::fs::create_dir(folder.path().join("bin")).unwrap();
    symlink(program, folder.path().join("bin/duet")).unwrap();
    // A copy: from behind a link, `..` would lead elsewhere.
    let tests = folder.path().join("tests");
    std::fs::create_dir(&tests).unwrap();
    let mut copy = Command::new("cp");
    let copied = copy.arg("-R").arg(root().join("tests/northwind")).arg(&tests).status().unwrap();
    assert!(copied.success());
    folder
}

/// The shell that runs a script in a folder; what it prints is kept there.
fn shell(folder: &Path, script: &str) -> Child {
    let file = folder.join("script");
    // Whatever happens, nothing is left running; -x tells which line it was.
    let head = "set -euxo pipefail\ntrap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n";
    std::fs::write(&file, format!("{head}{script}\n")).unwrap();
    let path = format!("{}:/usr/local/bin:/usr/bin:/bin", folder.join("bin").display());
    let open = |name: &str| std::fs::File::create(folder.join(name)).unwrap();
    let mut bash = Command::new("bash");
    bash.arg(&file).current_dir(folder).env("PATH", path).stdin(Stdio::null());
    bash.stdout(open("out")).stderr(open("err")).spawn().unwrap()
}

/// The end of what a script printed.
fn printed(folder: &Path, name: &str) -> String {
    std::fs::read_to_string(folder.join(name)).unwrap_or_default()
}

async fn ended(mut child: Child) -> ExitStatus {
    let mut status = None;
    wait_until(LIMIT, "the script ends", || {
        status = child.try_wait().unwrap();
        std::future::ready(status.is_some())
    })
    .await;
    status.unwrap()
}

fn program() -> PathBuf {
    let places = Places { state: "", hub: "", shop: "", login: "", price_book: "" };
    Project::northwind(places).unwrap().command(&[]).get_program().into()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_readme_works_from_its_first_line_to_its_last() {
    let (server, broker) = (postgres().await.unwrap(), rabbitmq().await.unwrap());
    let [user, password, host, port] = address(server.url());
    let own = server.url().rsplit('/').next().unwrap().split('?').next().unwrap().to_owned();
    let free = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap();
    let (shop, state) = (format!("{own}_shop"), format!("{own}_state"));
    let at = |database: &str| format!("postgres://{user}:{password}@{host}:{port}/{database}");
    let places = [
        (
            "PGHOST=127.0.0.1 PGUSER=postgres",
            format!("PGHOST={host} PGPORT={port} PGUSER={user} PGPASSWORD={password}"),
        ),
        ("postgres://postgres@127.0.0.1:5432/duet", at(&state)),
        ("postgres://postgres@127.0.0.1:5432/shop", at(&shop)),
        ("amqp://guest:guest@127.0.0.1:5672/%2f", broker.url().to_owned()),
        ("127.0.0.1:8080", free.to_string()),
        // Before the shop's: its own name begins so.
        ("createdb duet", format!("createdb {state}")),
        ("createdb shop", format!("createdb {shop}")),
        ("northwind.sql shop", format!("northwind.sql {shop}")),
        ("'ALFKI'\" shop", format!("'ALFKI'\" {shop}")),
        ("dropdb duet", format!("dropdb {state}")),
        ("dropdb shop", format!("dropdb {shop}")),
    ];
    let page = std::fs::read_to_string(root().join("README.md")).unwrap();
    let script = moved(&script(&page).join("\n"), &places);
    let folder = clone_of(&program());
    let status = ended(shell(folder.path(), &script)).await;
    let (out, err) = (printed(folder.path(), "out"), printed(folder.path(), "err"));
    assert!(status.success(), "{status}\n{out}\n{err}");
    for told in [
        "5 flows: 0 errors, 0 warnings",
        " lines      running  2155    0",
        "why    F3 at ",
        "agreed \"Alfreds\"",
        "+49 30 1",
        "no conflicts",
        "no errors",
    ] {
        assert!(out.contains(told), "it doesn't say {told:?}:\n{out}");
    }
    assert!(!folder.path().join("target/org.jsonl").exists(), "nothing is left behind");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tutorial_works_from_its_first_line_to_its_last() {
    let page = std::fs::read_to_string(root().join("docs/tutorial.md")).unwrap();
    let folder = clone_of(&program());
    // A test doesn't wait as long as a person who watches.
    let script =
        moved(&script(&page).join("\n"), &[("--seed 7", "--seed 7 --outage 1s".to_owned())]);
    let status = ended(shell(folder.path(), &script)).await;
    let (out, err) = (printed(folder.path(), "out"), printed(folder.path(), "err"));
    assert!(status.success(), "{status}\n{out}\n{err}");
    let shown = parts("docs/tutorial.md", &page).0.into_iter().filter(|block| block.mark == "text");
    let lines = shown.flat_map(|block| block.lines).filter(|line| is_same_each_time(line));
    for line in lines {
        assert!(out.lines().any(|told| told.trim_end() == line), "it doesn't say {line:?}:\n{out}");
    }
    assert!(!folder.path().join("my-demo").exists(), "nothing is left behind");
}

/// Lines without times, ids and places, and not what was decided last: a read may have followed.
fn is_same_each_time(line: &str) -> bool {
    let hex = |word: &str| word.len() >= 8 && word.chars().all(|c| c.is_ascii_hexdigit());
    let volatile =
        ["2026-", "127.0.0.1", "/tmp/", "verified", "conflict ", "duet read", "arrived", " s"];
    let words = |line: &str| line.split([' ', '(', ')', ':']).any(hex);
    let is_decision = line.starts_with("    duet ") || line.starts_with("                ");
    !line.is_empty()
        && !is_decision
        && !words(line)
        && !volatile.iter().any(|word| line.contains(word))
}

#[test]
fn a_script_is_the_marked_blocks_in_order() {
    let page =
        "```sh test\na\n$ b  # why\n```\n```sh\nno\n```\n```text\n$ no\n```\n```sh test\nc\n```\n";
    assert_eq!(script(page), ["a", "b  # why", "c"]);
    assert_eq!(moved("a b a", &[("a", "c".to_owned())]), "c b c");
    let whole = address("postgres://me:pw@host:1/x");
    assert_eq!(whole, ["me", "pw", "host", "1"].map(str::to_owned));
    assert_eq!(address("postgres://me@host/x")[3], "5432");
}

#[tokio::test]
async fn a_line_that_fails_ends_the_script() {
    let folder = clone_of(Path::new("/bin/true"));
    let status = ended(shell(folder.path(), "duet\nfalse\necho reached")).await;
    assert!(!status.success());
    assert!(!printed(folder.path(), "out").contains("reached"));
    assert!(printed(folder.path(), "err").contains("+ false"), "it tells the line");
}
