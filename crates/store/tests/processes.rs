//! Two processes with one SQLite file: a command writes beside a process that is always at work, one
//! that is killed leaves nothing half done, and one whose disk is full says so. The test starts itself
//! as the other process, which is why it has no harness but answers `--list` on its own.

#![allow(
    clippy::print_stdout,
    reason = "the other process says how far it is, the list what there is"
)]

use std::future::pending;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use duet_ports::store::{Store, StoreError};
use duet_store::{SqlStore, Sqlite, SqliteOptions};
use duet_testkit::store_contract::sample::{
    NOW, agreed, decide, facts, held, lefts, linked, verdict,
};
use duet_testkit::wait::wait_until;
use tempfile::TempDir;
use tokio::time::timeout;

const BESIDE: &str = "a_command_writes_beside_a_process_at_work";
const KILLED: &str = "a_process_that_is_killed_leaves_nothing_half_done";
const FULL: &str = "a_full_disk_stops_the_process_that_meets_it";

/// For anything that happens soon.
const SOON: Duration = Duration::from_secs(60);

#[tokio::main]
async fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["work", file] => work(&open(Path::new(file)).await).await,
        ["hold", file] => hold(&open(Path::new(file)).await).await,
        ["fill", file] => fill(&open(Path::new(file)).await).await,
        words if words.contains(&"--list") => {
            if !words.contains(&"--ignored") {
                println!("{BESIDE}: test\n{KILLED}: test\n{FULL}: test");
            }
        }
        words => {
            let wanted = |name| words.contains(&name) || !words.contains(&"--exact");
            if wanted(BESIDE) {
                timeout(SOON, a_command_writes_beside_a_process_at_work()).await.expect(BESIDE);
            }
            if wanted(KILLED) {
                let test = a_process_that_is_killed_leaves_nothing_half_done();
                timeout(SOON, test).await.expect(KILLED);
            }
            if wanted(FULL) {
                timeout(SOON, a_full_disk_stops_the_process_that_meets_it()).await.expect(FULL);
            }
        }
    }
}

async fn open(file: &Path) -> SqlStore {
    let options = SqliteOptions { create: true, busy_timeout: SOON, ..SqliteOptions::default() };
    Sqlite::open(file, options).await.expect("the file can be opened")
}

/// One transaction after the other.
async fn work(store: &SqlStore) {
    let link = linked(store, &["worked"]).await[0];
    println!("at work");
    for number in 0_u64.. {
        let value = agreed(&number.to_string());
        decide(store, link, |new| new.agreed = value).await.expect("it is stored");
    }
}

/// One transaction that never ends.
async fn hold(store: &SqlStore) {
    let (mut unit, facts) = held(store, &lefts(&["held"])).await;
    let decided = verdict(&facts[0], |new| new.agreed = agreed("half"));
    unit.save(&[decided], NOW).await.expect("it is locked");
    println!("holding");
    pending::<()>().await;
}

/// Writes until nothing more can be written, and tells what the last transaction was told.
async fn fill(store: &SqlStore) {
    let link = linked(store, &["filled"]).await[0];
    let most = "x".repeat(20_000);
    loop {
        match decide(store, link, |new| new.agreed = agreed(&most)).await {
            Ok(_) => {}
            Err(StoreError::Unreachable { place, source, .. }) => {
                println!("{} {source}", place.unwrap_or_default());
                return;
            }
            Err(error) => panic!("another error: {error:?}"),
        }
    }
}

/// A file with the schema.
async fn file() -> (TempDir, PathBuf, SqlStore) {
    let folder = TempDir::new().expect("a folder can be made");
    let file = folder.path().join("duet.db");
    let store = open(&file).await;
    store.migrate().await.expect("an empty file can be migrated");
    (folder, file, store)
}

/// Another process, ended with the test at the latest.
struct Other(Child);

impl Other {
    /// Starts one and waits for its first line.
    fn started(mut command: Command) -> (Self, String) {
        let child = command.stdout(Stdio::piped()).spawn().expect("a process can be started");
        let mut other = Other(child);
        let mut line = String::new();
        let out = other.0.stdout.take().expect("it was asked for");
        BufReader::new(out).read_line(&mut line).expect("it says something");
        (other, line.trim().to_owned())
    }

    fn kill(&mut self) {
        self.0.kill().expect("it may be killed");
        self.0.wait().expect("it ends");
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        self.kill();
    }
}

fn own(role: &str, file: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("this program has a path"));
    command.arg(role).arg(file);
    command
}

async fn a_command_writes_beside_a_process_at_work() {
    let (_folder, file, store) = file().await;
    let (mut worker, told) = Other::started(own("work", &file));
    assert_eq!(told, "at work");
    let links = linked(&store, &["worked", "ours"]).await;
    let before = facts(&store, links[0]).await.link.rev;
    for number in 0..50 {
        let value = agreed(&number.to_string());
        decide(&store, links[1], |new| new.agreed = value).await.expect("it is stored");
    }
    assert_eq!(facts(&store, links[1]).await.link.rev, 50);
    while facts(&store, links[0]).await.link.rev < before + 50 {}
    worker.kill();
}

async fn a_process_that_is_killed_leaves_nothing_half_done() {
    let (_folder, file, store) = file().await;
    let (mut holder, told) = Other::started(own("hold", &file));
    assert_eq!(told, "holding");
    let waiting = linked(&store, &["held"]);
    tokio::pin!(waiting);
    tokio::select! {
        _ = waiting.as_mut() => panic!("the other process holds everything"),
        () = wait_until(SOON, "it waits", async || store.waiting() == 1) => {}
    }
    holder.kill();
    let link = waiting.await[0];
    let facts = facts(&store, link).await;
    assert_eq!((facts.link.rev, facts.agreed), (0, duet_core::agreed::Agreed::None));
}

async fn a_full_disk_stops_the_process_that_meets_it() {
    let (_folder, file, store) = file().await;
    // To the other process the disk is full when its files have grown by some more kilobytes.
    let mut command = Command::new("sh");
    command.args(["-c", "trap '' XFSZ; ulimit -f 2000; exec \"$0\" fill \"$1\""]);
    command.arg(std::env::current_exe().expect("this program has a path")).arg(&file);
    let (mut filler, told) = Other::started(command);
    assert!(told.starts_with(&file.display().to_string()), "{told}");
    assert!(told.contains("disk"), "{told}");
    assert!(filler.0.wait().expect("it ends by itself").success());
    let link = linked(&store, &["filled"]).await[0];
    let stored = facts(&store, link).await;
    assert!(stored.link.rev > 0, "what was answered is there");
    decide(&store, link, |new| new.link.waits = 1).await.expect("where there is room it goes on");
}
