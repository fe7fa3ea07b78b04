//! Shows that SQLite, which keeps no statistics here, finds the rows of frequent statements by an
//! index, and by which one where another would read far more of them.

use super::{
    claim, counts, due, facts, lock, neighbours, route, save_claims, save_effects,
    save_field_errors, save_links,
};
use crate::entity::{conflicts, intents};
use crate::filters;
use crate::statement::Statement;
use crate::{Sqlite, SqliteOptions};
use duet_ports::inspect::{ConflictFilter, ErrorFilter};
use duet_ports::store::Store;
use sea_orm::{DbBackend, EntityTrait, QueryFilter, QueryTrait};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, SqliteConnection};
use tempfile::TempDir;

/// A statement, and the index that counts in it; "": any will do.
const FREQUENT: [(&Statement, &str); 33] = [
    (&claim::LOCK_DUE, "intents_due (connection=? AND due_at<?)"),
    (&claim::SEND, "sqlite_autoindex_intents_1 (id=?)"),
    (&claim::GIVE_BACK, "sqlite_autoindex_intents_1 (id=?)"),
    (&counts::DUE, "links_due"),
    (&counts::UNDER_WAY, "links_due (due_at<?)"),
    (&counts::UNDER_WAY, "intents_errors (flow=?)"),
    (&counts::NEXT_INTENT, "intents_errors (flow=?)"),
    (&counts::INTENTS, "intents_errors (flow=?)"),
    (&due::LINKS, "links_due (due_at<?)"),
    (&due::CONNECTIONS, "intents_due (connection=? AND due_at<?)"),
    (&due::OVERDUE, "intents_overdue (deadline<?)"),
    (&facts::LINKS, "sqlite_autoindex_contents_1 (link=?)"),
    (&facts::ALIASES, "aliases_link"),
    (&facts::CONFLICTS, "conflicts_unclosed (link=?)"),
    (&facts::INTENTS, "intents_open_write (link=?)"),
    (&facts::INTENTS, "intents_open_read (link=?)"),
    (&lock::LOCK, ""),
    (&lock::TOUCH, ""),
    (&neighbours::CLAIMS, "intents_open_write (link=?)"),
    (&neighbours::PARENTS, "links_left (flow=? AND left_id=?)"),
    (&neighbours::RIVALS, "intents_errors (flow=?)"),
    (&neighbours::HOLDERS, "links_right (flow=? AND right_id=?)"),
    (&route::ROUTE, "links_left (flow=? AND left_id=?)"),
    (&route::ROUTE, "links_right (flow=? AND right_id=?)"),
    (&save_effects::SETTLE, ""),
    (&save_claims::UNCLAIM, "claims_link (link=? AND side=?)"),
    (&save_claims::CHILDREN, "PRIMARY KEY (flow=? AND side=? AND record=?)"),
    (&save_claims::HOLDERS, "PRIMARY KEY (flow=? AND rule=? AND key=? AND side=?)"),
    (&save_claims::DUE, ""),
    (&save_links::LINKS, "sqlite_autoindex_links_1 (id=?)"),
    (&save_links::CONTENTS, "sqlite_autoindex_contents_1 (link=?)"),
    (&save_links::FORGET_ALIASES, "aliases_link"),
    (&save_field_errors::FORGET, "field_errors_link"),
];

/// What may be read from end to end: what a statement was given, what it made of that, and the index
/// of open dead letters, of which the first is enough.
const GIVEN: [&str; 16] = [
    "dead_letters",
    "json_each",
    "n",
    "s",
    "a",
    "o",
    "first",
    "these",
    "oldest",
    "enough",
    "chosen",
    "planned",
    "wanted",
    "CONSTANT",
    "2",
    "(subquery-",
];

async fn migrated() -> (TempDir, SqliteConnection) {
    let folder = TempDir::new().expect("a folder can be made");
    let file = folder.path().join("duet.db");
    let options = SqliteOptions { create: true, ..SqliteOptions::default() };
    let store = Sqlite::open(&file, options).await.expect("it is made");
    store.migrate().await.expect("it is migrated");
    let options = SqliteConnectOptions::new().filename(file);
    (folder, options.connect().await.expect("it is there"))
}

/// The steps of a plan.
async fn plan(connection: &mut SqliteConnection, sql: &str) -> Vec<String> {
    let explain = AssertSqlSafe(format!("EXPLAIN QUERY PLAN {sql}"));
    let rows: Vec<(i64, i64, i64, String)> =
        sqlx::query_as(explain).fetch_all(connection).await.expect("it is a statement");
    rows.into_iter().map(|row| row.3).collect()
}

fn is_given(step: &str) -> bool {
    let read = step.strip_prefix("SCAN ").unwrap_or_default();
    let name = read.split(' ').next().unwrap_or_default();
    GIVEN.iter().any(|given| *given == name || (given.ends_with('-') && name.starts_with(given)))
}

#[tokio::test]
async fn frequent_statements_use_an_index() {
    let (_folder, mut connection) = migrated().await;
    for (statement, index) in FREQUENT {
        let steps = plan(&mut connection, statement.sqlite).await;
        let what = statement.what;
        let whole = steps.iter().find(|step| step.starts_with("SCAN ") && !is_given(step));
        assert_eq!(whole, None, "{what}: {steps:#?}");
        assert!(steps.iter().any(|step| step.contains(index)), "{what}, {index}: {steps:#?}");
    }
}

#[tokio::test]
async fn lists_of_what_waits_read_nothing_else() {
    let (_folder, mut connection) = migrated().await;
    let inbox = conflicts::Entity::find().filter(filters::conflicts(&ConflictFilter::default()));
    let failed = intents::Entity::find().filter(filters::errors(&ErrorFilter::default()));
    let lists = [
        (inbox.build(DbBackend::Sqlite).sql, "conflicts_inbox"),
        (failed.build(DbBackend::Sqlite).sql, "intents_errors"),
    ];
    for (sql, index) in lists {
        let steps = plan(&mut connection, &sql).await;
        assert!(steps.iter().any(|step| step.contains(index)), "{sql}: {steps:#?}");
    }
}
