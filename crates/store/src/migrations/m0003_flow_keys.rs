//! What the record ids of a flow's links are made of.

use crate::schema::{Column, Kind, added, may};
use sea_orm_migration::prelude::{
    DbErr, MigrationName, MigrationTrait, SchemaManager, async_trait,
};
use sea_orm_migration::sea_orm::ConnectionTrait;

/// Adds the columns. Null: nothing is noted yet; the first process that works on the flow notes what
/// is configured.
pub(crate) struct FlowKeys;

const COLUMNS: [Column; 2] = [
    may("keyed_form", Kind::Small, "The form of keyed_by."),
    may(
        "keyed_by",
        Kind::Json,
        "Per side the connection, collection and key columns that its record ids belong to; null: \
         not noted yet.",
    ),
];

impl MigrationName for FlowKeys {
    fn name(&self) -> &str {
        "0003_flow_keys"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for FlowKeys {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for statement in added(manager.get_database_backend(), "flows", &COLUMNS)? {
            manager.get_connection().execute_unprepared(&statement).await?;
        }
        Ok(())
    }
}
