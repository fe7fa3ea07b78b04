//! Describes a collection: columns with their canonical forms, rights, promises, what is missing.

use crate::capture;
use crate::database::{Database, Known};
use crate::error::{is_contention, is_outdated, is_read_only, words};
use crate::product::Product;
use crate::sql::catalog;
use duet_core::spec::PathClass;
use duet_ports::connector::{About, Collection, ConnectorError, Description, May, Remark};

/// Asks the catalogue and the server's clock.
pub(crate) async fn describe(
    side: &Database,
    collection: &Collection,
) -> Result<Description, ConnectorError> {
    let known = side.look(collection).await?;
    let skew_us = side.measure().await?;
    let writable = is_writable(side, &known).await?;
    let mut remarks = remarks(collection, &known);
    if !writable {
        let text = "the file can't be written: give this user the right to write it, and to make \
                    files beside it";
        remarks.push(fatal(None, text.to_owned()));
    }
    remarks.extend(capture_remark(side, collection, &known).await?);
    remarks.extend(filter_remark(side, collection, &known).await?);
    let table = &known.table;
    let class = if known.captured() { PathClass::K3 } else { PathClass::K2 };
    Ok(Description {
        columns: table.columns.iter().map(|c| (c.name.clone(), c.spec.clone())).collect(),
        key: table.key.iter().map(|column| column.name.clone()).collect(),
        unique: table.unique_columns(),
        key_column: None,
        marker: known.captured(),
        guarded: class,
        batch: class,
        grain_us: 0,
        // Versions are numbers; times of a file are off by the milliseconds that they don't tell.
        skew_us: match side.product() {
            Product::Postgres => skew_us.abs(),
            Product::Sqlite => skew_us.abs().saturating_add(1_000),
        },
        may: May {
            create: writable && table.may_create,
            update: writable && table.may_update,
            delete: writable && table.may_delete,
        },
        remarks,
    })
}

fn fatal(about: Option<About>, text: String) -> Remark {
    Remark { fatal: true, about, text }
}

/// Whether anything can be written at all, where no right tells: by a write of no row. What somebody
/// else is writing now can be.
async fn is_writable(side: &Database, known: &Known) -> Result<bool, ConnectorError> {
    let table = &known.table;
    if side.product() == Product::Postgres || !table.is_table {
        return Ok(true);
    }
    let tried = async {
        let mut session = side.pool().begin().await?;
        session.run(&catalog::sqlite::touch(&table.name)).await?;
        session.rollback().await
    };
    match tried.await {
        Ok(()) => Ok(true),
        Err(error) if is_read_only(&error) => Ok(false),
        Err(error) if is_contention(&error) => Ok(true),
        // Triggers that miss a table of the capture: what is wrong with that is told of itself.
        Err(error) if is_outdated(&error) && !known.captured() => Ok(true),
        Err(error) => Err(side.failed(error)),
    }
}

fn remarks(collection: &Collection, known: &Known) -> Vec<Remark> {
    let table = &known.table;
    let mut remarks = Vec::new();
    let name = &collection.name;
    if !table.may_read {
        let text = format!("no right to read {name}: GRANT SELECT ON it to this user");
        remarks.push(fatal(None, text));
    }
    if !capture::is_unique_key(table) {
        let text = format!(
            "the key of {name} is not unique: add a unique constraint over it, or choose \
             other columns"
        );
        remarks.push(fatal(Some(About::Key), text));
    }
    if table.row_security {
        remarks.push(Remark {
            fatal: false,
            about: None,
            text: format!(
                "policies of row security hide rows of {name}: a missing row is not taken as \
                 deleted"
            ),
        });
    }
    if !known.untimed.is_empty() {
        let names: Vec<&str> = known.untimed.iter().map(|column| column.as_str()).collect();
        remarks.push(Remark {
            fatal: false,
            about: None,
            text: format!(
                "{name} has columns that its capture doesn't know ({}): their changes are told, \
                 with the time of the whole row; `duet capture install` makes them known",
                names.join(", ")
            ),
        });
    }
    remarks
}

async fn capture_remark(
    side: &Database,
    collection: &Collection,
    known: &Known,
) -> Result<Option<Remark>, ConnectorError> {
    let Some(fault) = known.standing.fault(collection) else { return Ok(None) };
    let home = side.home();
    let mut session = side.pool().acquire().await.map_err(|error| side.failed(error))?;
    let rights = capture::rights(&mut session, home).await;
    let (exists, usable) = rights.map_err(|error| side.failed(error))?;
    if exists && !usable {
        let text = format!(
            "no right to use the tables in schema {}: grant them as the capture's page says",
            home.name
        );
        return Ok(Some(fatal(None, text)));
    }
    Ok(Some(fatal(None, fault)))
}

/// Tries the filter on no row: what the server says of it is for the person who wrote it.
async fn filter_remark(
    side: &Database,
    collection: &Collection,
    known: &Known,
) -> Result<Option<Remark>, ConnectorError> {
    if collection.filter.is_none() {
        return Ok(None);
    }
    let shape = side.shape(collection, known)?;
    let Some(page) = shape.page(None, 0) else { return Ok(None) };
    let mut session = side.pool().acquire().await.map_err(|error| side.failed(error))?;
    match session.run(&page).await {
        Ok(()) => Ok(None),
        Err(error) => match words(&error) {
            Some(told) => {
                let text = format!("the filter can't be used: {told}");
                Ok(Some(fatal(Some(About::Filter), text)))
            }
            None => Err(side.failed(error)),
        },
    }
}
