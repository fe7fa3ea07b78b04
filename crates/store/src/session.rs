//! Where statements run: a connection or a transaction of one of the databases. What is the same for
//! both is here; how each begins, and what its errors mean, stands in its own folder.

use crate::postgres::error::fault as postgres_fault;
use crate::sqlite::error::fault as sqlite_fault;
use crate::statement::{NOTHING, Query};
use duet_ports::store::StoreError;
use sqlx::pool::PoolConnection;
use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;
use sqlx::{ColumnIndex, Decode, PgConnection, Postgres, Row as _, Sqlite, SqliteConnection, Type};
use std::path::Path;
use std::sync::Arc;

/// A connection that statements run on.
pub(crate) enum Session<'s> {
    Postgres(&'s mut PgConnection),
    /// With the file, for errors.
    Sqlite(&'s mut SqliteConnection, &'s Path),
}

/// A connection of a pool.
pub(crate) enum Connection {
    Postgres(PoolConnection<Postgres>),
    Sqlite(PoolConnection<Sqlite>, Arc<Path>),
}

/// A transaction. Dropped, it rolls back.
pub(crate) enum Transaction {
    Postgres(sqlx::Transaction<'static, Postgres>),
    Sqlite(sqlx::Transaction<'static, Sqlite>, Arc<Path>),
}

/// A row that a statement gave.
pub(crate) struct Row {
    what: &'static str,
    cells: Cells,
}

enum Cells {
    Postgres(PgRow),
    Sqlite(SqliteRow),
}

/// What can be read from a column of any database.
pub(crate) trait Stored:
    for<'r> Decode<'r, Postgres> + Type<Postgres> + for<'r> Decode<'r, Sqlite> + Type<Sqlite>
{
}

impl<T> Stored for T where
    T: for<'r> Decode<'r, Postgres> + Type<Postgres> + for<'r> Decode<'r, Sqlite> + Type<Sqlite>
{
}

/// A column, by name or by position.
pub(crate) trait Place: ColumnIndex<PgRow> + ColumnIndex<SqliteRow> {}

impl<T> Place for T where T: ColumnIndex<PgRow> + ColumnIndex<SqliteRow> {}

impl Row {
    /// The value of a column.
    pub(crate) fn get<T: Stored>(&self, column: impl Place) -> Result<T, StoreError> {
        match &self.cells {
            Cells::Postgres(row) => row.try_get(column).map_err(postgres_fault(self.what)),
            Cells::Sqlite(row) => {
                row.try_get(column).map_err(sqlite_fault(self.what, Path::new("")))
            }
        }
    }
}

impl Session<'_> {
    /// Runs a statement whose rows nobody reads.
    pub(crate) async fn run(&mut self, query: Query<'_>) -> Result<(), StoreError> {
        let what = query.statement.what;
        match self {
            Session::Postgres(connection) => {
                query
                    .for_postgres()
                    .execute(&mut **connection)
                    .await
                    .map_err(postgres_fault(what))?;
            }
            Session::Sqlite(..) if query.statement.sqlite == NOTHING => {}
            Session::Sqlite(connection, file) => {
                let done = query.for_sqlite().execute(&mut **connection).await;
                done.map_err(sqlite_fault(what, file))?;
            }
        }
        Ok(())
    }

    /// All rows of a statement.
    pub(crate) async fn all(&mut self, query: Query<'_>) -> Result<Vec<Row>, StoreError> {
        let what = query.statement.what;
        let row = |cells| Row { what, cells };
        match self {
            Session::Postgres(connection) => {
                let rows = query.for_postgres().fetch_all(&mut **connection).await;
                let rows = rows.map_err(postgres_fault(what))?;
                Ok(rows.into_iter().map(Cells::Postgres).map(row).collect())
            }
            Session::Sqlite(connection, file) => {
                let rows = query.for_sqlite().fetch_all(&mut **connection).await;
                let rows = rows.map_err(sqlite_fault(what, file))?;
                Ok(rows.into_iter().map(Cells::Sqlite).map(row).collect())
            }
        }
    }

    /// The one row of a statement that gives one or none.
    pub(crate) async fn first(&mut self, query: Query<'_>) -> Result<Option<Row>, StoreError> {
        Ok(self.all(query).await?.into_iter().next())
    }
}

impl Connection {
    pub(crate) fn session(&mut self) -> Session<'_> {
        match self {
            Connection::Postgres(connection) => Session::Postgres(connection),
            Connection::Sqlite(connection, file) => Session::Sqlite(connection, file),
        }
    }
}

impl Transaction {
    pub(crate) fn session(&mut self) -> Session<'_> {
        match self {
            Transaction::Postgres(transaction) => Session::Postgres(transaction),
            Transaction::Sqlite(transaction, file) => Session::Sqlite(transaction, file),
        }
    }

    /// Commits; `what` was done in it.
    pub(crate) async fn commit(self, what: &'static str) -> Result<(), StoreError> {
        match self {
            Transaction::Postgres(transaction) => {
                transaction.commit().await.map_err(postgres_fault(what))
            }
            Transaction::Sqlite(transaction, file) => {
                transaction.commit().await.map_err(sqlite_fault(what, &file))
            }
        }
    }
}
