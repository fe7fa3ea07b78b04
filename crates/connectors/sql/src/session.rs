//! Connections, transactions and statements, whichever driver carries them: the one place that
//! knows there are two.

mod file;
mod server;

pub(crate) use file::FilePool;
pub(crate) use server::open as open_server;

use crate::answer::Answer;
use crate::sql::{Bound, Statement};
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgArguments, PgConnection, PgPool, Postgres};
use sqlx::query::Query;
use sqlx::sqlite::{Sqlite, SqliteArguments, SqliteConnection};
use sqlx::{Error, Transaction};
use tokio::sync::OwnedMutexGuard;

/// Connections to one database.
pub(crate) enum Pool {
    /// To a PostgreSQL server.
    Server(PgPool),
    /// To a SQLite file.
    File(Box<FilePool>),
}

/// A connection at hand; gone back on drop, with what its transaction didn't commit.
pub(crate) struct Session {
    held: Held,
    /// Our writers to a file go one after the other: else they would meet as strangers do.
    _turn: Option<OwnedMutexGuard<()>>,
}

enum Held {
    Server(PoolConnection<Postgres>),
    ServerWork(Transaction<'static, Postgres>),
    File(PoolConnection<Sqlite>),
    FileWork(Transaction<'static, Sqlite>),
}

enum Driver<'c> {
    Server(&'c mut PgConnection),
    File(&'c mut SqliteConnection),
}

impl Pool {
    /// A connection, for single statements that read.
    pub(crate) async fn acquire(&self) -> Result<Session, Error> {
        let held = match self {
            Pool::Server(pool) => Held::Server(pool.acquire().await?),
            Pool::File(file) => Held::File(file.pool().acquire().await?),
        };
        Ok(Session { held, _turn: None })
    }

    /// A connection, for single statements that write.
    pub(crate) async fn acquire_to_write(&self) -> Result<Session, Error> {
        let turn = self.turn().await;
        Ok(Session { _turn: turn, ..self.acquire().await? })
    }

    /// A transaction that reads: everything as of one moment.
    pub(crate) async fn snapshot(&self) -> Result<Session, Error> {
        let held = match self {
            Pool::Server(pool) => Held::ServerWork(pool.begin_with(server::SNAPSHOT).await?),
            Pool::File(file) => Held::FileWork(file.pool().begin().await?),
        };
        Ok(Session { held, _turn: None })
    }

    /// A transaction that writes.
    pub(crate) async fn begin(&self) -> Result<Session, Error> {
        let turn = self.turn().await;
        let held = match self {
            Pool::Server(pool) => Held::ServerWork(pool.begin().await?),
            Pool::File(file) => Held::FileWork(file.pool().begin_with(file::IMMEDIATE).await?),
        };
        Ok(Session { held, _turn: turn })
    }

    async fn turn(&self) -> Option<OwnedMutexGuard<()>> {
        match self {
            Pool::Server(_) => None,
            Pool::File(file) => Some(file.turn().await),
        }
    }
}

impl Session {
    fn driver(&mut self) -> Driver<'_> {
        match &mut self.held {
            Held::Server(held) => Driver::Server(held),
            Held::ServerWork(held) => Driver::Server(held),
            Held::File(held) => Driver::File(held),
            Held::FileWork(held) => Driver::File(held),
        }
    }

    /// Every row that a statement answers.
    pub(crate) async fn all(&mut self, statement: &Statement) -> Result<Vec<Answer>, Error> {
        match self.driver() {
            Driver::Server(driver) => {
                let rows = for_server(statement).fetch_all(driver).await?;
                Ok(rows.into_iter().map(Answer::Postgres).collect())
            }
            Driver::File(driver) => {
                let rows = for_file(statement)?.fetch_all(driver).await?;
                Ok(rows.into_iter().map(Answer::Sqlite).collect())
            }
        }
    }

    /// The first row that a statement answers, if it does.
    pub(crate) async fn first(&mut self, statement: &Statement) -> Result<Option<Answer>, Error> {
        match self.driver() {
            Driver::Server(driver) => {
                let row = for_server(statement).fetch_optional(driver).await?;
                Ok(row.map(Answer::Postgres))
            }
            Driver::File(driver) => {
                let row = for_file(statement)?.fetch_optional(driver).await?;
                Ok(row.map(Answer::Sqlite))
            }
        }
    }

    /// The row that a statement always answers.
    pub(crate) async fn one(&mut self, statement: &Statement) -> Result<Answer, Error> {
        self.first(statement).await?.ok_or(Error::RowNotFound)
    }

    /// Carries a statement out.
    pub(crate) async fn run(&mut self, statement: &Statement) -> Result<(), Error> {
        match self.driver() {
            Driver::Server(driver) => for_server(statement).execute(driver).await.map(drop),
            Driver::File(driver) => for_file(statement)?.execute(driver).await.map(drop),
        }
    }

    /// Carries out several statements without values.
    pub(crate) async fn script(&mut self, statements: &Statement) -> Result<(), Error> {
        let script = sqlx::raw_sql(statements.text());
        match self.driver() {
            Driver::Server(driver) => script.execute(driver).await.map(drop),
            Driver::File(driver) => script.execute(driver).await.map(drop),
        }
    }

    /// Ends a transaction.
    pub(crate) async fn commit(self) -> Result<(), Error> {
        match self.held {
            Held::ServerWork(work) => work.commit().await,
            Held::FileWork(work) => work.commit().await,
            Held::Server(_) | Held::File(_) => Ok(()),
        }
    }

    /// Ends a transaction and leaves nothing behind.
    pub(crate) async fn rollback(self) -> Result<(), Error> {
        match self.held {
            Held::ServerWork(work) => work.rollback().await,
            Held::FileWork(work) => work.rollback().await,
            Held::Server(_) | Held::File(_) => Ok(()),
        }
    }
}

fn for_server(statement: &Statement) -> Query<'static, Postgres, PgArguments> {
    let query = sqlx::query(statement.text()).persistent(statement.is_repeated());
    statement.values().iter().cloned().fold(query, |query, value| match value {
        Bound::Text(text) => query.bind(text),
        Bound::Integer(number) => query.bind(number),
        Bound::Real(number) => query.bind(number),
        Bound::Bytes(bytes) => query.bind(bytes),
        Bound::Flag(flag) => query.bind(flag),
        Bound::Texts(texts) => query.bind(texts),
        Bound::Integers(numbers) => query.bind(numbers),
        Bound::Ids(ids) => query.bind(ids),
    })
}

/// Lists go as JSON, as SQLite has none.
fn for_file(statement: &Statement) -> Result<Query<'static, Sqlite, SqliteArguments>, Error> {
    fn json(list: impl serde::Serialize) -> Result<String, Error> {
        serde_json::to_string(&list).map_err(|error| Error::Encode(error.into()))
    }
    let mut query = sqlx::query(statement.text()).persistent(statement.is_repeated());
    for value in statement.values().iter().cloned() {
        query = match value {
            Bound::Text(text) => query.bind(text),
            Bound::Integer(number) => query.bind(number),
            Bound::Real(number) => query.bind(number),
            Bound::Bytes(bytes) => query.bind(bytes),
            Bound::Flag(flag) => query.bind(flag),
            Bound::Texts(texts) => query.bind(json(texts)?),
            Bound::Integers(numbers) => query.bind(json(numbers)?),
            Bound::Ids(ids) => query.bind(json(ids)?),
        };
    }
    Ok(query)
}
