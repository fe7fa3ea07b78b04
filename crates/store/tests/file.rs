//! What a SQLite file is told apart by: made or missing, of its user alone, no database at all, or
//! locked. Every failure names the file and says what to do.

mod rig;

use std::error::Error;
use std::fs;
use std::path::Path;
use std::time::Duration;

use duet_ports::inspect::Inspect;
use duet_ports::store::{Store, StoreError};
use duet_store::{SqlStore, Sqlite, SqliteOptions};
use duet_testkit::store_contract::sample::{
    NOW, agreed, facts, flow, held, lefts, linked, verdict,
};
use rig::SqliteRig;
use tempfile::TempDir;

fn folder() -> TempDir {
    TempDir::new().expect("a folder can be made")
}

async fn open(file: &Path, create: bool) -> Result<SqlStore, StoreError> {
    let busy_timeout = Duration::from_millis(100);
    Sqlite::open(file, SqliteOptions { create, busy_timeout, ..SqliteOptions::default() }).await
}

/// The sentence of an error, and its cause's.
fn told(error: &StoreError) -> String {
    format!("{error}: {}", error.source().map(ToString::to_string).unwrap_or_default())
}

/// What is told of a file that can't be opened; it must name the file.
async fn refused(file: &Path, create: bool) -> String {
    let error = open(file, create).await.expect_err("it can't be opened");
    assert!(matches!(error, StoreError::Unreachable { .. }), "{error:?}");
    let told = told(&error);
    assert!(told.contains(&file.display().to_string()), "{told}");
    told
}

#[tokio::test]
async fn a_missing_file_is_made_only_on_request() {
    let folder = folder();
    let file = folder.path().join("duet.db");
    let told = refused(&file, false).await;
    assert!(told.contains("no such file") && told.contains("duet migrate"), "{told}");
    assert!(!file.exists());
    let store = open(&file, true).await.expect("it is made");
    let error = store.begin().await.err().expect("there are no tables");
    assert!(matches!(error, StoreError::NotMigrated { .. }), "{error:?}");
    store.migrate().await.expect("it is migrated");
    store.close().await;
    let again = open(&file, false).await.expect("it is there");
    linked(&again, &["a"]).await;
}

#[cfg(unix)]
#[tokio::test]
async fn what_is_made_belongs_to_its_user_alone() {
    use std::os::unix::fs::PermissionsExt;
    let rig = SqliteRig::new().await;
    let store = rig.open().await;
    linked(&*store, &["a"]).await;
    let folder = rig.file().parent().expect("it is in a folder").to_owned();
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).expect("it can be listed") {
        let entry = entry.expect("it can be listed");
        let mode = entry.metadata().expect("it is there").permissions().mode();
        names.push(entry.file_name().into_string().expect("a plain name"));
        assert_eq!(mode & 0o777, 0o600, "{names:?}");
    }
    names.sort_unstable();
    assert_eq!(names, ["duet.db", "duet.db-shm", "duet.db-wal"]);
}

#[tokio::test]
async fn a_missing_folder_is_told() {
    let folder = folder();
    let told = refused(&folder.path().join("no/duet.db"), true).await;
    assert!(told.contains("its folder isn't there"), "{told}");
    let told = refused(folder.path(), true).await;
    assert!(told.contains("it is a folder"), "{told}");
}

#[tokio::test]
async fn what_is_no_database_is_told_and_left_alone() {
    let folder = folder();
    let file = folder.path().join("notes.txt");
    let text = "not a database ".repeat(100);
    fs::write(&file, &text).expect("it can be written");
    let told = refused(&file, true).await;
    assert!(told.contains("not a SQLite database"), "{told}");
    assert_eq!(fs::read_to_string(&file).expect("it can be read"), text);
}

#[tokio::test]
async fn a_damaged_file_is_told() {
    let folder = folder();
    let file = folder.path().join("duet.db");
    let store = open(&file, true).await.expect("it is made");
    store.migrate().await.expect("it is migrated");
    store.close().await;
    let mut bytes = fs::read(&file).expect("it can be read");
    // All but its first hundred bytes, by which it is known as a database.
    bytes[100..].fill(0xee);
    fs::write(&file, bytes).expect("it can be written");
    let opened = open(&file, false).await;
    let error = match opened {
        Ok(store) => store.begin().await.err().expect("nothing in it can be read"),
        Err(error) => error,
    };
    assert!(matches!(error, StoreError::Unreachable { .. }), "{error:?}");
    assert!(told(&error).contains("damaged"), "{error:?}");
}

#[tokio::test]
async fn a_file_that_stays_locked_is_busy() {
    let rig = SqliteRig::new().await;
    let mut other = rig.plain().await;
    let store = open(&rig.file(), false).await.expect("it is there");
    sqlx::query("BEGIN IMMEDIATE").execute(&mut other).await.expect("it begins");
    let begun = store.begin().await.err();
    let paused = store.pause_connection(&"shop".into(), Some(NOW), None).await.err();
    for error in [begun, paused] {
        let error = error.expect("the file is locked");
        assert!(matches!(error, StoreError::Busy { .. }), "{error:?}");
        let told = told(&error);
        assert!(told.contains("duet.db") && told.contains("was locked for 0.1 s"), "{told}");
    }
    assert!(store.connections().await.expect("reading goes on").is_empty());
    let applied = store.migrate().await.expect("what is up to date is only read");
    assert!(applied.is_empty(), "{applied:?}");
    assert_eq!(store.waiting(), 0);
    sqlx::query("COMMIT").execute(&mut other).await.expect("it ends");
    linked(&store, &["a"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reading_never_waits_for_a_writer() {
    let rig = SqliteRig::new().await;
    let store = rig.open().await;
    let (mut unit, facts_before) = held(&*store, &lefts(&["a"])).await;
    let decided = verdict(&facts_before[0], |new| new.agreed = agreed("new"));
    unit.save(&[decided], NOW).await.expect("it is locked");
    let links = store.links(&flow(), &[], None, 9).await.expect("it answers");
    assert!(links.is_empty(), "nothing is committed");
    assert_eq!(store.counts(&flow()).await.expect("it answers").phases, []);
    unit.commit().await.expect("it is stored");
    let links = store.links(&flow(), &[], None, 9).await.expect("it answers");
    assert_eq!(links.len(), 1);
    assert_eq!(facts(&*store, links[0].id).await.agreed, agreed("new"));
}

#[tokio::test]
async fn odd_names_are_names() {
    let folder = folder();
    for name in [":memory:", "file:x?mode=memory", "a b%20'\"é.db"] {
        let file = folder.path().join(name);
        let store = open(&file, true).await.expect("it is made");
        store.migrate().await.expect("it is migrated");
        linked(&store, &["a"]).await;
        assert!(file.exists(), "{name}");
    }
}
