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
    about: "What both sides of a link owe each other, and what was last seen of each. No row: \
            nothing of it was ever seen.",
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

#[cfg(test)]
mod tests {
    use crate::migrations::Migrator;
    use duet_testkit::servers::postgres;
    use sea_orm::{
        ConnectOptions, Database, DatabaseConnection, DbBackend, FromQueryResult, Statement,
    };
    use sea_orm_migration::MigratorTrait;
    use sea_orm_migration::sea_orm::ConnectionTrait;
    use uuid::Uuid;

    /// Migrations before this one.
    const BEFORE: u32 = 5;

    #[derive(Debug, FromQueryResult, PartialEq)]
    struct Row {
        link: Uuid,
        form: i16,
        agreed: Option<String>,
        seen_left: Option<String>,
        seen_right: Option<String>,
    }

    fn link(number: u128) -> Uuid {
        Uuid::from_u128(number)
    }

    async fn opened(url: &str) -> DatabaseConnection {
        let mut options = ConnectOptions::new(url);
        options.max_connections(1).sqlx_logging(false);
        Database::connect(options).await.expect("the database is up")
    }

    async fn given(database: &DatabaseConnection, sql: &str, values: Vec<sea_orm::Value>) {
        let statement =
            Statement::from_sql_and_values(database.get_database_backend(), sql, values);
        database.execute_raw(statement).await.expect("it is stored");
    }

    async fn nothing_is_lost(database: &DatabaseConnection) {
        Migrator::up(database, Some(BEFORE)).await.expect("it is migrated");
        let agreed = "INSERT INTO agreed (link, form, data) VALUES ($1, $2, $3)";
        let seen = "INSERT INTO observations (link, side, form, data) VALUES ($1, $2, $3, $4)";
        given(database, agreed, vec![link(1).into(), 1_i16.into(), "a".into()]).await;
        for (number, side, form, data) in
            [(1, "left", 1_i16, "l"), (1, "right", 2, "r"), (2, "right", 1, "only")]
        {
            given(database, seen, vec![link(number).into(), side.into(), form.into(), data.into()])
                .await;
        }
        Migrator::up(database, None).await.expect("it is migrated");
        let sql = "SELECT link, form, agreed, seen_left, seen_right FROM contents ORDER BY link";
        let found =
            Row::find_by_statement(Statement::from_string(database.get_database_backend(), sql));
        let text = |text: &str| Some(text.to_owned());
        let expected = [
            Row {
                link: link(1),
                form: 2,
                agreed: text("a"),
                seen_left: text("l"),
                seen_right: text("r"),
            },
            Row { link: link(2), form: 1, agreed: None, seen_left: None, seen_right: text("only") },
        ];
        assert_eq!(found.all(database).await.expect("it answers"), expected);
    }

    #[tokio::test]
    async fn contents_of_before_are_kept_in_postgres() {
        let database = postgres().await.expect("a database can be made");
        nothing_is_lost(&opened(database.url()).await).await;
    }

    #[tokio::test]
    async fn contents_of_before_are_kept_in_a_file() {
        let database = opened("sqlite::memory:").await;
        assert_eq!(database.get_database_backend(), DbBackend::Sqlite);
        nothing_is_lost(&database).await;
    }
}
