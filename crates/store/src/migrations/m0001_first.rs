//! The first schema. Tables are declared in [`tables`] and its neighbours; here they are made.

mod flow_tables;
mod intent_tables;
mod link_tables;
mod review_tables;

use crate::schema::{Table, made};
use sea_orm_migration::prelude::{
    DbErr, MigrationName, MigrationTrait, SchemaManager, async_trait,
};
use sea_orm_migration::sea_orm::{ConnectionTrait, DbBackend};

/// The first schema.
pub(crate) struct First;

/// Decisions are evidence: no program that can write them may change them afterwards.
const POSTGRES_APPEND_ONLY: &str = "
CREATE FUNCTION decisions_append_only() RETURNS trigger LANGUAGE plpgsql AS $body$
BEGIN
    RAISE EXCEPTION 'decisions are append-only' USING ERRCODE = 'restrict_violation';
END
$body$;
CREATE TRIGGER decisions_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON decisions
    FOR EACH STATEMENT EXECUTE FUNCTION decisions_append_only();
";

const SQLITE_APPEND_ONLY: [&str; 3] = [
    "CREATE TRIGGER decisions_no_update BEFORE UPDATE ON decisions
BEGIN SELECT RAISE(ABORT, 'decisions are append-only'); END",
    "CREATE TRIGGER decisions_no_delete BEFORE DELETE ON decisions
BEGIN SELECT RAISE(ABORT, 'decisions are append-only'); END",
    "CREATE TRIGGER decisions_no_replace BEFORE INSERT ON decisions
WHEN EXISTS (SELECT 1 FROM decisions WHERE id = NEW.id)
BEGIN SELECT RAISE(ABORT, 'decisions are append-only'); END",
];

fn tables() -> impl Iterator<Item = &'static Table> {
    let groups =
        [link_tables::TABLES, intent_tables::TABLES, review_tables::TABLES, flow_tables::TABLES];
    groups.into_iter().flatten()
}

impl MigrationName for First {
    fn name(&self) -> &str {
        "0001_first"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for First {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let database = manager.get_connection();
        let backend = manager.get_database_backend();
        for table in tables() {
            for statement in made(backend, table)? {
                database.execute_unprepared(&statement).await?;
            }
        }
        let append_only: &[&str] = match backend {
            DbBackend::Sqlite => &SQLITE_APPEND_ONLY,
            _ => &[POSTGRES_APPEND_ONLY],
        };
        for statement in append_only {
            database.execute_unprepared(statement).await?;
        }
        Ok(())
    }
}
