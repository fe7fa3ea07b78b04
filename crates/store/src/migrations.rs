//! Migrations, oldest first. A migration that was released never changes: a later one follows it.

mod m0001_first;
mod m0002_field_errors;
mod m0003_flow_keys;
mod m0004_letters;
mod m0005_lean_rows;
mod m0006_contents;

use sea_orm_migration::prelude::{Alias, DynIden, IntoIden, MigrationTrait, MigratorTrait};

/// Every migration of this build.
pub(crate) struct Migrator;

/// Where the names of applied migrations are kept.
pub(crate) const TABLE: &str = "migrations";

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m0001_first::First),
            Box::new(m0002_field_errors::FieldErrors),
            Box::new(m0003_flow_keys::FlowKeys),
            Box::new(m0004_letters::Letters),
            Box::new(m0005_lean_rows::LeanRows),
            Box::new(m0006_contents::Contents),
        ]
    }

    fn migration_table_name() -> DynIden {
        Alias::new(TABLE).into_iden()
    }
}

/// The names of this build's migrations, oldest first.
pub(crate) fn names() -> Vec<String> {
    Migrator::migrations().iter().map(|migration| migration.name().to_owned()).collect()
}
