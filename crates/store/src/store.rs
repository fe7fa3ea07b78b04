//! The store on a SQL database: the port's methods, each in the file of its topic. Statements are
//! written by hand over batches, in the words of each database; lists go through the entities.

mod advance;
mod claim;
mod counts;
mod details;
mod due;
mod facts;
mod field_errors;
mod inspect;
mod lease;
mod letters;
mod lists;
mod lock;
mod migrate;
mod neighbours;
mod people;
#[cfg(test)]
mod plans;
mod port;
mod route;
mod rows;
mod save;
mod save_claims;
mod save_effects;
mod save_field_errors;
mod save_links;
mod unit;

use crate::postgres::{Pool, error as postgres_error};
use crate::session::{Connection, Row, Transaction};
use crate::sqlite::{Pools, error as sqlite_error};
use crate::statement::Query;
use crate::stored::corrupt;
use duet_ports::store::StoreError;
use sea_orm::{DatabaseConnection, DbErr};
use std::sync::atomic::AtomicBool;

/// The store on a SQL database: what [`crate::Postgres::connect`] and [`crate::Sqlite::open`] give.
#[derive(Debug)]
pub struct SqlStore {
    database: Database,
    lists: DatabaseConnection,
    /// The schema was found to be the one this build needs.
    current: AtomicBool,
}

/// Which database, and the ways to it.
#[derive(Debug)]
pub(crate) enum Database {
    Postgres(Pool),
    Sqlite(Pools),
}

impl SqlStore {
    pub(crate) fn new(database: Database) -> Self {
        let lists = match &database {
            Database::Postgres(pool) => pool.lists(),
            Database::Sqlite(pools) => pools.lists(),
        };
        SqlStore { database, lists, current: AtomicBool::new(false) }
    }

    /// Gives all connections back and waits until they are closed.
    pub async fn close(&self) {
        match &self.database {
            Database::Postgres(pool) => pool.close().await,
            Database::Sqlite(pools) => pools.close().await,
        }
    }

    /// How many transactions wait for another one to end before they begin. None ever does on
    /// PostgreSQL, where they wait for single rows.
    #[must_use]
    pub fn waiting(&self) -> usize {
        match &self.database {
            Database::Postgres(_) => 0,
            Database::Sqlite(pools) => pools.waiting(),
        }
    }

    async fn begin_transaction(&self) -> Result<Transaction, StoreError> {
        self.ready().await?;
        match &self.database {
            Database::Postgres(pool) => pool.begin().await,
            Database::Sqlite(pools) => pools.begin().await,
        }
    }

    /// A connection to read from, for `what`.
    async fn reading(&self, what: &'static str) -> Result<Connection, StoreError> {
        match &self.database {
            Database::Postgres(pool) => pool.connection(what).await,
            Database::Sqlite(pools) => pools.reader(what).await,
        }
    }

    /// All rows of a statement that reads.
    async fn all(&self, query: Query<'_>) -> Result<Vec<Row>, StoreError> {
        self.reading(query.statement.what).await?.session().all(query).await
    }

    /// The row of a statement that reads and gives one or none.
    async fn first(&self, query: Query<'_>) -> Result<Option<Row>, StoreError> {
        self.reading(query.statement.what).await?.session().first(query).await
    }

    /// The row of a statement that reads and always gives one.
    async fn one(&self, query: Query<'_>) -> Result<Row, StoreError> {
        let what = query.statement.what;
        self.first(query).await?.ok_or_else(|| corrupt(what, "no row"))
    }

    /// A statement that writes, by itself: a transaction of its own. Its row, if it gives one.
    async fn write(&self, query: Query<'_>) -> Result<Option<Row>, StoreError> {
        let what = query.statement.what;
        match &self.database {
            Database::Postgres(pool) => pool.connection(what).await?.session().first(query).await,
            Database::Sqlite(pools) => {
                let mut transaction = pools.begin().await?;
                let row = transaction.session().first(query).await?;
                transaction.commit(what).await?;
                Ok(row)
            }
        }
    }

    /// Turns an error of the list layer into the port's.
    fn list_fault(&self, what: &'static str) -> impl FnOnce(DbErr) -> StoreError {
        move |error| match &self.database {
            Database::Postgres(_) => postgres_error::list_fault(what)(error),
            Database::Sqlite(pools) => sqlite_error::list_fault(what, pools.file())(error),
        }
    }
}
