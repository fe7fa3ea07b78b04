//! Rows that change with every decision, lean on PostgreSQL: JSON that nobody asks about in SQL is
//! plain text, which the server takes as it is; rows of up to 8 kB stay whole, neither compressed nor
//! moved out; and a page keeps room, so that a new version of a row needs no new entry in an index.

use sea_orm_migration::prelude::{
    DbErr, MigrationName, MigrationTrait, SchemaManager, async_trait,
};
use sea_orm_migration::sea_orm::{ConnectionTrait, DbBackend};

/// Changes types and storage of tables; SQLite needs none of it.
pub(crate) struct LeanRows;

const STATEMENTS: [&str; 9] = [
    "ALTER TABLE agreed ALTER COLUMN data TYPE text",
    "ALTER TABLE observations ALTER COLUMN data TYPE text",
    "ALTER TABLE intents ALTER COLUMN data TYPE text",
    "ALTER TABLE decisions ALTER COLUMN outcomes TYPE text",
    "ALTER TABLE links SET (fillfactor = 70)",
    "ALTER TABLE agreed SET (fillfactor = 60, toast_tuple_target = 8160)",
    "ALTER TABLE observations SET (fillfactor = 60, toast_tuple_target = 8160)",
    "ALTER TABLE intents SET (toast_tuple_target = 8160)",
    "ALTER TABLE decisions SET (toast_tuple_target = 8160)",
];

impl MigrationName for LeanRows {
    fn name(&self) -> &str {
        "0005_lean_rows"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for LeanRows {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        if manager.get_database_backend() != DbBackend::Postgres {
            return Ok(());
        }
        for statement in STATEMENTS {
            manager.get_connection().execute_unprepared(statement).await?;
        }
        Ok(())
    }
}
