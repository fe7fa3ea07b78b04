//! What the record ids of a flow's links are made of.

use sea_orm_migration::prelude::{
    DbErr, MigrationName, MigrationTrait, SchemaManager, async_trait,
};
use sea_orm_migration::sea_orm::ConnectionTrait;

/// Adds the columns. Null: nothing is noted yet; the first process that works on the flow notes what
/// is configured.
pub(crate) struct FlowKeys;

const STATEMENTS: [&str; 3] = [
    "ALTER TABLE flows ADD COLUMN keyed_form smallint, ADD COLUMN keyed_by json",
    "COMMENT ON COLUMN flows.keyed_form IS 'The form of keyed_by.'",
    "COMMENT ON COLUMN flows.keyed_by IS \
     'Per side the connection, collection and key columns that its record ids belong to; null: not \
     noted yet.'",
];

impl MigrationName for FlowKeys {
    fn name(&self) -> &str {
        "0003_flow_keys"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for FlowKeys {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for statement in STATEMENTS {
            manager.get_connection().execute_unprepared(statement).await?;
        }
        Ok(())
    }
}
