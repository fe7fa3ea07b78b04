//! `capture install | remove | status`: what it takes to see changes without touching the user's
//! tables but for triggers. Every function may run twice: the second run finds nothing to do.

mod status;

pub use status::CaptureStatus;

use crate::database::Database;
use crate::error::is_denied;
use crate::product::Product;
use crate::session::Session;
use crate::sql::{self, Capture, Home, Place, Statement};
use crate::table::Table;
use duet_core::id::Column;
use duet_core::retry::FailureClass;
use duet_ports::connector::{Collection, ConnectorError};

impl Database {
    /// Installs the capture for these collections, all or none. What stands already is left alone.
    ///
    /// # Errors
    /// When a table can't be captured, or rights are missing; then nothing was changed.
    pub async fn capture_install(
        &self,
        collections: &[Collection],
    ) -> Result<Vec<CaptureStatus>, ConnectorError> {
        self.limited(async {
            self.in_transaction(async |session| {
                prepare(self, session).await?;
                for collection in collections {
                    install(self, session, collection).await?;
                }
                Ok(())
            })
            .await?;
            for collection in collections {
                self.forget(collection);
            }
            self.statuses(collections).await
        })
        .await
    }

    /// Takes the capture of these collections away, with all that is waiting; with the last one,
    /// everything that installing made.
    ///
    /// # Errors
    /// When rights are missing; then nothing was changed.
    pub async fn capture_remove(&self, collections: &[Collection]) -> Result<(), ConnectorError> {
        let capture = |collection| Capture::of(self.home(), collection);
        let captures = collections.iter().map(capture).collect();
        self.limited(self.removed(captures)).await?;
        for collection in collections {
            self.forget(collection);
        }
        Ok(())
    }

    /// Takes captures away that belong to no flow any more, as [`Database::capture_others`] tells
    /// them.
    ///
    /// # Errors
    /// When rights are missing; then nothing was changed.
    pub async fn capture_remove_others(
        &self,
        others: &[CaptureStatus],
    ) -> Result<(), ConnectorError> {
        let capture = |other: &CaptureStatus| Capture {
            home: self.home(),
            flow: other.flow.clone(),
            side: other.side,
        };
        self.limited(self.removed(others.iter().map(capture).collect())).await
    }

    async fn removed(&self, captures: Vec<Capture<'_>>) -> Result<(), ConnectorError> {
        self.in_transaction(async |session| {
            self.lock(session).await?;
            match self.product() {
                Product::Postgres if !self.exists(session).await? => return Ok(()),
                Product::Postgres => {}
                // What is left of them may be a part only.
                Product::Sqlite => self.ddl(session, &self.home().tables(false)).await?,
            }
            for capture in &captures {
                remove(self, session, capture).await?;
            }
            sweep(self, session).await
        })
        .await
    }

    async fn in_transaction(
        &self,
        work: impl AsyncFnOnce(&mut Session) -> Result<(), ConnectorError>,
    ) -> Result<(), ConnectorError> {
        let mut session = self.pool().begin().await.map_err(|error| self.failed(error))?;
        work(&mut session).await?;
        session.commit().await.map_err(|error| self.failed(error))
    }

    async fn lock(&self, session: &mut Session) -> Result<(), ConnectorError> {
        match self.home().lock() {
            Some(lock) => session.run(&lock).await.map_err(|error| self.failed(error)),
            None => Ok(()),
        }
    }

    async fn ddl(
        &self,
        session: &mut Session,
        statement: &Statement,
    ) -> Result<(), ConnectorError> {
        session.script(statement).await.map_err(|error| self.explain(error))
    }

    /// Missing rights are what goes wrong here; the server's words alone don't tell what to do.
    fn explain(&self, error: sqlx::Error) -> ConnectorError {
        let denied = is_denied(&error);
        let mut failed = self.failed(error);
        if denied {
            failed.failure.message.push_str(
                "; installing needs CREATE on the database (or on the schema of the capture) and \
                 TRIGGER on the table",
            );
        }
        failed
    }

    async fn exists(&self, session: &mut Session) -> Result<bool, ConnectorError> {
        let found = rights(session, self.home()).await;
        found.map(|(exists, _)| exists).map_err(|error| self.failed(error))
    }
}

/// Whether the capture's tables exist, and whether we may use them.
pub(crate) async fn rights(
    session: &mut Session,
    home: Home<'_>,
) -> Result<(bool, bool), sqlx::Error> {
    let row = match session.one(&home.rights()).await {
        Ok(row) => row,
        // Without rights on the schema its tables can't even be looked for.
        Err(error) if is_denied(&error) => return Ok((false, false)),
        Err(error) => return Err(error),
    };
    Ok((row.is("present")?, row.is("usable")?))
}

/// Whether nobody has taken a table of the capture away.
async fn is_whole(session: &mut Session, home: Home<'_>) -> Result<bool, sqlx::Error> {
    match home.is_whole() {
        Some(asked) => session.one(&asked).await?.is("whole"),
        None => Ok(true),
    }
}

/// How a capture stands for a collection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Changes of the collection aren't captured.
    Missing,
    /// They are, by triggers or into tables of an older version, which lack what we ask for.
    Older,
    /// They are, and this is the base of their versions.
    Captured(i64),
}

impl Standing {
    /// What is wrong with the capture of a collection and what to do about it, if anything is.
    pub(crate) fn fault(self, collection: &Collection) -> Option<String> {
        let name = &collection.name;
        match self {
            Standing::Missing => {
                Some(format!("changes of {name} are not captured: run `duet capture install`"))
            }
            Standing::Older => Some(format!(
                "the capture of {name} in the database is of an older version, or a part of it was \
                 taken away: run `duet capture install`"
            )),
            Standing::Captured(_) => None,
        }
    }
}

/// How the capture of a collection stands: with all triggers, made for the key that the flow uses;
/// and the table's columns that it knows no times of.
pub(crate) async fn installed(
    session: &mut Session,
    capture: &Capture<'_>,
    table: &Table,
) -> Result<(Standing, Vec<Column>), sqlx::Error> {
    let missing = (Standing::Missing, Vec::new());
    if rights(session, capture.home).await? != (true, true) {
        return Ok(missing);
    }
    let entry = entry(session, capture).await?;
    let Some(entry) = entry.filter(|entry| entry.is_of(table)) else { return Ok(missing) };
    if !is_watched(session, capture, &table.identity).await? {
        return Ok(missing);
    }
    let standing = match entry.is_older(capture.home) {
        true => Standing::Older,
        false => Standing::Captured(entry.base),
    };
    Ok((standing, entry.untimed(table)))
}

async fn is_watched(
    session: &mut Session,
    capture: &Capture<'_>,
    identity: &str,
) -> Result<bool, sqlx::Error> {
    session.one(&capture.watching(identity)).await?.is("watched")
}

/// What is recorded of a capture.
struct Entry {
    relation: String,
    key: Vec<String>,
    version: i64,
    base: i64,
    /// Whether the capture's tables have every column that we ask for.
    whole: bool,
    /// Schema and name of the table, if it still exists.
    table: Option<(String, String)>,
    /// The columns that its triggers name; none where they name no column.
    columns: Option<Vec<String>>,
}

impl Entry {
    /// The version alone doesn't tell: a restored copy of the tables may lack a column.
    fn is_older(&self, home: Home) -> bool {
        self.version < home.version().into() || !self.whole
    }

    fn is_of(&self, table: &Table) -> bool {
        self.relation == table.identity && self.key == table.key_names()
    }

    fn untimed(&self, table: &Table) -> Vec<Column> {
        let Some(timed) = &self.columns else { return Vec::new() };
        let names = table.columns.iter().map(|column| &column.name);
        names.filter(|name| !timed.iter().any(|one| one == name.as_str())).cloned().collect()
    }
}

async fn entry(session: &mut Session, capture: &Capture<'_>) -> Result<Option<Entry>, sqlx::Error> {
    let Some(row) = session.first(&capture.registered()).await? else { return Ok(None) };
    let columns = match capture.home.product {
        Product::Postgres => None,
        Product::Sqlite => Some(row.texts("columns")?),
    };
    Ok(Some(Entry {
        relation: row.own_text("relation")?,
        key: row.texts("key")?,
        version: row.own_integer("version")?,
        base: row.own_integer("base")?,
        whole: row.is("whole")?,
        table: row.text("schema")?.zip(row.text("name")?),
        columns,
    }))
}

/// Makes what all captures share, or brings its functions up to date.
async fn prepare(side: &Database, session: &mut Session) -> Result<(), ConnectorError> {
    side.lock(session).await?;
    let home = side.home();
    if !side.exists(session).await? {
        let made = make_schema(side, session).await?;
        side.ddl(session, &home.tables(made)).await?;
    } else if !is_whole(session, home).await.map_err(|error| side.failed(error))? {
        mend(side, session).await?;
    }
    match home.functions() {
        Some(functions) => side.ddl(session, &functions).await,
        None => Ok(()),
    }
}

/// Makes what somebody took away. Meanwhile changes may have been missed, of any capture.
async fn mend(side: &Database, session: &mut Session) -> Result<(), ConnectorError> {
    let home = side.home();
    side.ddl(session, &home.tables(false)).await?;
    match home.rebase() {
        Some(rebase) => side.ddl(session, &rebase).await,
        None => Ok(()),
    }
}

/// Makes the schema, if there are schemas and this one isn't there; tells whether it did.
async fn make_schema(side: &Database, session: &mut Session) -> Result<bool, ConnectorError> {
    let home = side.home();
    let (Some(there), Some(schema)) = (home.has_schema(), home.schema()) else { return Ok(false) };
    let there = async { session.one(&there).await?.is("there") };
    if there.await.map_err(|error| side.failed(error))? {
        return Ok(false);
    }
    side.ddl(session, &schema).await?;
    Ok(true)
}

async fn install(
    side: &Database,
    session: &mut Session,
    collection: &Collection,
) -> Result<(), ConnectorError> {
    let known = side.load(session, collection).await?;
    let table = &known.table;
    capturable(side, collection, table)?;
    let fail = |error| side.failed(error);
    let capture = Capture::of(side.home(), collection);
    let old = entry(session, &capture).await.map_err(fail)?;
    let same = old.as_ref().is_some_and(|old| old.is_of(table));
    let watched = is_watched(session, &capture, &table.identity).await.map_err(fail)?;
    if let Some(old) = old.filter(|_| !same) {
        // Of another table, or with another key: its ids mean nothing here.
        forget(side, session, &capture, Some(old)).await?;
    }
    // Triggers that name columns are made anew for those that the table has now.
    if !(same && watched) || side.product() == Product::Sqlite {
        side.ddl(session, &capture.triggers(table)).await?;
    }
    for statement in capture.register(&collection.name, table, !watched) {
        session.run(&statement).await.map_err(fail)?;
    }
    Ok(())
}

fn capturable(
    side: &Database,
    collection: &Collection,
    table: &Table,
) -> Result<(), ConnectorError> {
    if table.is_table {
        return Ok(());
    }
    let text = format!("{} is not a table: its changes can't be captured", collection.name);
    Err(side.refuse(FailureClass::Permission, "42809", text))
}

async fn remove(
    side: &Database,
    session: &mut Session,
    capture: &Capture<'_>,
) -> Result<(), ConnectorError> {
    let old = entry(session, capture).await.map_err(|error| side.failed(error))?;
    forget(side, session, capture, old).await
}

async fn forget(
    side: &Database,
    session: &mut Session,
    capture: &Capture<'_>,
    old: Option<Entry>,
) -> Result<(), ConnectorError> {
    // In a file they have names of their own, and may stand although nothing is recorded any more.
    let found = old.and_then(|old| old.table);
    let anywhere = (side.product() == Product::Sqlite).then(Default::default);
    if let Some((schema, name)) = found.or(anywhere) {
        let from = Place { schema: &schema, name: &name };
        side.ddl(session, &capture.drop_triggers(from)).await?;
    }
    for statement in capture.forget() {
        session.run(&statement).await.map_err(|error| side.failed(error))?;
    }
    Ok(())
}

/// With the last capture goes what all of them share; the schema only if it was made by us and
/// holds nothing else.
async fn sweep(side: &Database, session: &mut Session) -> Result<(), ConnectorError> {
    let home = side.home();
    let fail = |error| side.failed(error);
    let left = session.one(&home.left()).await.map_err(fail)?;
    let (vacant, made) = (left.is("vacant").map_err(fail)?, left.is("made").map_err(fail)?);
    if vacant {
        side.ddl(session, &home.drop_tables()).await?;
    }
    match home.drop_schema().filter(|_| vacant && made) {
        Some(schema) => drop_schema(side, session, &schema).await,
        None => Ok(()),
    }
}

/// What a user put into our schema keeps it.
async fn drop_schema(
    side: &Database,
    session: &mut Session,
    schema: &Statement,
) -> Result<(), ConnectorError> {
    session.run(&sql::savepoint()).await.map_err(|error| side.failed(error))?;
    let dropped = side.ddl(session, schema).await;
    let end = if dropped.is_ok() { sql::release() } else { sql::back() };
    session.script(&end).await.map_err(|error| side.failed(error))
}

/// The columns that a capture of this collection would take as key.
pub(crate) fn is_unique_key(table: &Table) -> bool {
    let key: Vec<Column> = table.key.iter().map(|column| column.name.clone()).collect();
    table.is_unique(&key)
}
