//! What is agreed and what was seen of a link stand in one row: a decision reads one instead of three,
//! and writes one instead of two.

use crate::schema::{Kind, Table, made, may, must};
use sea_orm_migration::prelude::{
    DbErr, MigrationName, MigrationTrait, SchemaManager, async_trait,
};
use sea_orm_migration::sea_orm::{ConnectionTrait, DbBackend};

/// Moves the rows of `agreed` and `observations` into `contents`.
pub(crate) struct Contents;

const CONTENTS: Table = Table {
    name: "contents",
    about: "What both sides of a link owe each other, and what was last seen of each. No row: nothing \
            of it was ever seen.",
    columns: &[
        must("link", Kind::Uuid, "The link."),
        must("form", Kind::Small, "The newest form among the following."),
        may(
            "agreed",
            Kind::Text,
            "JSON: per field trunk, stamp, origin and accounted values, or the memory of an agreed \
             deletion; null: nothing was ever agreed.",
        ),
        may(
            "seen_left",
            Kind::Text,
            "JSON: of the left record presence, values, version, stamps, actor, when it was read.",
        ),
        may("seen_right", Kind::Text, "JSON: the same of the right record."),
    ],
    key: "link",
    indexes: &[],
};

const MOVE: [&str; 3] = [
    "INSERT INTO contents (link, form, agreed, seen_left, seen_right)
    SELECT link, max(form), max(agreed), max(seen_left), max(seen_right) FROM (
        SELECT link, form, data AS agreed, NULL AS seen_left, NULL AS seen_right FROM agreed
        UNION ALL
        SELECT link, form, NULL, CASE side WHEN 'left' THEN data END,
            CASE side WHEN 'right' THEN data END FROM observations
    ) AS parts GROUP BY link",
    "DROP TABLE agreed",
    "DROP TABLE observations",
];

/// Rows of up to 8 kB stay whole, and a page keeps room for the next version of what it holds.
const ROOM: &str = "ALTER TABLE contents SET (fillfactor = 60, toast_tuple_target = 8160)";

impl MigrationName for Contents {
    fn name(&self) -> &str {
        "0006_contents"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Contents {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let (database, backend) = (manager.get_connection(), manager.get_database_backend());
        let mut statements = made(backend, &CONTENTS)?;
        if backend == DbBackend::Postgres {
            statements.push(ROOM.to_owned());
        }
        for statement in statements.iter().map(String::as_str).chain(MOVE) {
            database.execute_unprepared(statement).await?;
        }
        Ok(())
    }
}
