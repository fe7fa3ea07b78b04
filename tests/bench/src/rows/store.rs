//! Store: 200 records a transaction, looked up, written and logged, against the same by hand.

use crate::child;
use crate::error::BenchError;
use crate::lab::Lab;
use crate::reading::Reading;
use crate::row::{Row, Wanted};
use crate::task::{Rounds, StoreAt, Task};
use async_trait::async_trait;
use tempfile::TempDir;

/// Keys in a SQLite file: LIMIT's figure is of as many.
const FILE_KEYS: u64 = 50_000;

const FIRST: Wanted = Wanted::AtLeast(0.4);
const GOAL: Wanted = Wanted::AtLeast(0.9);

/// On PostgreSQL.
pub(super) struct InPostgres;

#[async_trait(?Send)]
impl Row for InPostgres {
    fn name(&self) -> String {
        "store-postgres".to_owned()
    }

    fn what(&self) -> String {
        "Store, 200 records a transaction, PostgreSQL".to_owned()
    }

    fn against(&self) -> String {
        "`store batch`".to_owned()
    }

    fn unit(&self) -> &'static str {
        "rows/s"
    }

    fn first(&self) -> Wanted {
        FIRST
    }

    fn goal(&self) -> Wanted {
        GOAL
    }

    async fn baseline(&self, lab: &Lab) -> Result<Option<Reading>, BenchError> {
        let database = lab.database().await?;
        let keys = lab.scale.keys.to_string();
        let case = ["--sizes", "200", "--connections", "1", "--sync", "on"];
        let arguments = [&["store", "batch", "--runs", "1", "--keys", &keys], &case[..]].concat();
        let variables = lab.limit_variables(&database).await?;
        let printed = child::run(&lab.limit, &arguments, &variables).await?;
        lab.drop_database(&database).await?;
        Reading::last("store batch", &printed).map(Some)
    }

    async fn duet(&self, lab: &Lab) -> Result<Reading, BenchError> {
        let (keys, count) = (lab.scale.keys, lab.scale.transactions);
        let (database, servers) = (lab.linked(keys).await?, lab.running().await?.servers);
        let at = StoreAt::Postgres { database: database.clone(), servers };
        let printed = child::run_task(&Task::Store(Rounds { at, keys, count })).await?;
        lab.drop_database(&database).await?;
        Reading::last("store", &printed)
    }
}

/// In a SQLite file.
pub(super) struct InSqlite;

#[async_trait(?Send)]
impl Row for InSqlite {
    fn name(&self) -> String {
        "store-sqlite".to_owned()
    }

    fn what(&self) -> String {
        "Store, 200 records a transaction, SQLite".to_owned()
    }

    fn against(&self) -> String {
        "`store lite` json_each".to_owned()
    }

    fn unit(&self) -> &'static str {
        "rows/s"
    }

    fn first(&self) -> Wanted {
        FIRST
    }

    fn goal(&self) -> Wanted {
        GOAL
    }

    async fn baseline(&self, lab: &Lab) -> Result<Option<Reading>, BenchError> {
        let keys = FILE_KEYS.min(lab.scale.keys).to_string();
        let case = ["--sizes", "200", "--how", "json_each", "--sync", "NORMAL"];
        let arguments = [&["store", "lite", "--runs", "1", "--keys", &keys], &case[..]].concat();
        let variables = [("LIMIT_JSON", "1".to_owned()), ("LIMIT_TRIES", "1".to_owned())];
        let printed = child::run(&lab.limit, &arguments, &variables).await?;
        Reading::last("store lite", &printed).map(Some)
    }

    async fn duet(&self, lab: &Lab) -> Result<Reading, BenchError> {
        let folder = TempDir::new_in(lab.folder.path()).map_err(BenchError::io("make a folder"))?;
        let at = StoreAt::Sqlite { folder: folder.path().to_owned() };
        let (keys, count) = (FILE_KEYS.min(lab.scale.keys), lab.scale.transactions);
        let printed = child::run_task(&Task::Store(Rounds { at, keys, count })).await?;
        Reading::last("store", &printed)
    }
}
