//! Describes a collection: columns with their canonical forms, rights, promises, what is missing.

use crate::capture;
use crate::error::database;
use crate::postgres::{Known, Postgres};
use crate::table::Table;
use duet_core::spec::PathClass;
use duet_ports::connector::{About, Collection, ConnectorError, Description, May, Remark};

/// Asks the catalogue and the server's clock.
pub(crate) async fn describe(
    side: &Postgres,
    collection: &Collection,
) -> Result<Description, ConnectorError> {
    let known = side.look(collection).await?;
    let skew_us = side.measure().await?;
    let mut remarks = remarks(collection, &known.table);
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
        skew_us: skew_us.abs(),
        may: May { create: table.may_create, update: table.may_update, delete: table.may_delete },
        remarks,
    })
}

fn fatal(about: Option<About>, text: String) -> Remark {
    Remark { fatal: true, about, text }
}

fn remarks(collection: &Collection, table: &Table) -> Vec<Remark> {
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
    remarks
}

async fn capture_remark(
    side: &Postgres,
    collection: &Collection,
    known: &Known,
) -> Result<Option<Remark>, ConnectorError> {
    let Some(fault) = known.standing.fault(collection) else { return Ok(None) };
    let schema = &side.settings().schema;
    let mut connection = side.pool().acquire().await.map_err(|error| side.failed(error))?;
    let rights = capture::rights(&mut connection, schema).await;
    let (exists, usable) = rights.map_err(|error| side.failed(error))?;
    if exists && !usable {
        let text = format!(
            "no right to use the tables in schema {schema}: grant them as the capture's page says"
        );
        return Ok(Some(fatal(None, text)));
    }
    Ok(Some(fatal(None, fault)))
}

/// Tries the filter on no row: what the server says of it is for the person who wrote it.
async fn filter_remark(
    side: &Postgres,
    collection: &Collection,
    known: &Known,
) -> Result<Option<Remark>, ConnectorError> {
    if collection.filter.is_none() {
        return Ok(None);
    }
    let shape = side.shape(collection, known)?;
    let mut connection = side.pool().acquire().await.map_err(|error| side.failed(error))?;
    let tried = sqlx::query(crate::sql::rows::page(&shape, false).text())
        .bind(collection.flow.as_str())
        .bind(collection.side.as_str())
        .bind(0_i64)
        .execute(&mut *connection)
        .await;
    match tried {
        Ok(_) => Ok(None),
        Err(error) => match database(&error) {
            Some(told) => {
                let text = format!("the filter can't be used: {}", told.message());
                Ok(Some(fatal(Some(About::Filter), text)))
            }
            None => Err(side.failed(error)),
        },
    }
}
