//! What a dead letter is about, and what a person made of it.

use crate::schema::{Column, Kind, added, may};
use sea_orm_migration::prelude::{
    DbErr, MigrationName, MigrationTrait, SchemaManager, async_trait,
};
use sea_orm_migration::sea_orm::ConnectionTrait;

/// Adds the columns. Letters from before are open and name no record.
pub(crate) struct Letters;

const COLUMNS: [Column; 8] = [
    may("side", Kind::Text, "The side, as far as known."),
    may("record", Kind::Text, "The record, as far as known."),
    may(
        "read_at",
        Kind::Stamp,
        "When the record was read, by its side's time; null: it was not about a look at one.",
    ),
    may("version", Kind::Text, "The record's version that was read, where its side tells one."),
    may("state", Kind::Text, "open, asked, replayed, discarded, superseded."),
    may("handled_by", Kind::Text, "Who wants it decided again, or gave it up."),
    may("note", Kind::Text, "Why, in the words of that person."),
    may("closed_at", Kind::Stamp, "When it was over; null: it is open."),
];

const AFTERWARDS: [&str; 3] = [
    "UPDATE dead_letters SET state = 'open' WHERE state IS NULL",
    "CREATE INDEX dead_letters_open ON dead_letters (flow, side, record) WHERE closed_at IS NULL",
    "CREATE INDEX dead_letters_version ON dead_letters (flow, side, record, version) WHERE \
     version IS NOT NULL",
];

impl MigrationName for Letters {
    fn name(&self) -> &str {
        "0004_letters"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Letters {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let added = added(manager.get_database_backend(), "dead_letters", &COLUMNS)?;
        let statements = added.iter().map(String::as_str).chain(AFTERWARDS);
        for statement in statements {
            manager.get_connection().execute_unprepared(statement).await?;
        }
        Ok(())
    }
}
