//! The table of values that are kept back.

use crate::schema::{Kind, Table, made, must};
use sea_orm_migration::prelude::{
    DbErr, MigrationName, MigrationTrait, SchemaManager, async_trait,
};
use sea_orm_migration::sea_orm::ConnectionTrait;

/// Adds the table.
pub(crate) struct FieldErrors;

const FIELD_ERRORS: Table = Table {
    name: "field_errors",
    about: "Values that are kept back while the record's other fields go on; gone when mended.",
    columns: &[
        must("id", Kind::Uuid, "Its id, derived from link and field."),
        must("link", Kind::Uuid, "The link."),
        must("flow", Kind::Text, "The flow of that link."),
        must("field", Kind::Text, "The field."),
        must("code", Kind::Text, "Why: unmappable, dependency."),
        must("source", Kind::Text, "The side whose value is kept back."),
        must("side", Kind::Text, "The side of the column."),
        must("side_column", Kind::Text, "The column that the value doesn't fit, or comes from."),
        must("reason", Kind::Text, "What is wrong, without values."),
        must("since", Kind::Stamp, "Since when, without a break."),
    ],
    key: "id",
    indexes: &[
        "CREATE INDEX field_errors_link ON field_errors (link)",
        "CREATE INDEX field_errors_since ON field_errors (since, id)",
        "CREATE INDEX field_errors_flow ON field_errors (flow, since, id)",
    ],
};

impl MigrationName for FieldErrors {
    fn name(&self) -> &str {
        "0002_field_errors"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for FieldErrors {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for statement in made(manager.get_database_backend(), &FIELD_ERRORS)? {
            manager.get_connection().execute_unprepared(&statement).await?;
        }
        Ok(())
    }
}
