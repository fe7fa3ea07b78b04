//! What a dead letter is about, and what a person made of it.

use sea_orm_migration::prelude::{
    DbErr, MigrationName, MigrationTrait, SchemaManager, async_trait,
};
use sea_orm_migration::sea_orm::ConnectionTrait;

/// Adds the columns. Letters from before are open and name no record.
pub(crate) struct Letters;

const STATEMENTS: [&str; 9] = [
    "ALTER TABLE dead_letters ADD COLUMN side text, ADD COLUMN record text, \
     ADD COLUMN read_at bigint, ADD COLUMN state text NOT NULL DEFAULT 'open', \
     ADD COLUMN handled_by text, ADD COLUMN note text, ADD COLUMN closed_at bigint",
    "COMMENT ON COLUMN dead_letters.side IS 'The side, as far as known.'",
    "COMMENT ON COLUMN dead_letters.record IS 'The record, as far as known.'",
    "COMMENT ON COLUMN dead_letters.read_at IS \
     'When the record was read, by its side''s time; null: it was not about a look at one.'",
    "COMMENT ON COLUMN dead_letters.state IS 'open, asked, replayed, discarded, superseded.'",
    "COMMENT ON COLUMN dead_letters.handled_by IS 'Who wants it decided again, or gave it up.'",
    "COMMENT ON COLUMN dead_letters.note IS 'Why, in the words of that person.'",
    "COMMENT ON COLUMN dead_letters.closed_at IS 'When it was over; null: it is open.'",
    "CREATE INDEX dead_letters_open ON dead_letters (flow, side, record) WHERE closed_at IS NULL",
];

impl MigrationName for Letters {
    fn name(&self) -> &str {
        "0004_letters"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Letters {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for statement in STATEMENTS {
            manager.get_connection().execute_unprepared(statement).await?;
        }
        Ok(())
    }
}
