//! What an error means for the caller, whatever the database. Which code means what is each database's
//! own table.

use crate::stored::corrupt;
use duet_ports::store::StoreError;
use sea_orm::{DbErr, RuntimeErr};
use sqlx::Error;
use std::sync::Arc;

/// A cause.
pub(crate) type Source = Box<dyn std::error::Error + Send + Sync>;

/// What to do about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// The database can't be reached, or can't work at all at the moment.
    Unreachable,
    /// Another transaction was in the way.
    Busy,
    /// A table or column isn't there.
    NotMigrated,
    /// An invariant that a constraint guards was about to break.
    Corrupt,
    /// Anything else.
    Refused,
}

/// An error as the port has it. `what` was tried, at `place`; `broken` would have been broken.
pub(crate) fn told(
    what: &'static str,
    meaning: Meaning,
    place: Option<String>,
    broken: &str,
    source: Source,
) -> StoreError {
    match meaning {
        Meaning::Unreachable => StoreError::Unreachable { what, place, source },
        Meaning::Busy => StoreError::Busy { what, source },
        Meaning::NotMigrated => {
            StoreError::NotMigrated { reason: "a table or column is missing".to_owned() }
        }
        Meaning::Corrupt => corrupt(what, &format!("{broken} does not allow it")),
        Meaning::Refused => StoreError::Refused { what, source },
    }
}

/// What an error means that the driver found by itself.
pub(crate) fn of_driver(error: &Error) -> Meaning {
    match error {
        Error::Io(_)
        | Error::Tls(_)
        | Error::Protocol(_)
        | Error::PoolTimedOut
        | Error::PoolClosed
        | Error::WorkerCrashed
        | Error::BeginFailed => Meaning::Unreachable,
        Error::Database(_)
        | Error::Configuration(_)
        | Error::InvalidArgument(_)
        | Error::RowNotFound
        | Error::TypeNotFound { .. }
        | Error::ColumnIndexOutOfBounds { .. }
        | Error::ColumnNotFound(_)
        | Error::ColumnDecode { .. }
        | Error::Encode(_)
        | Error::Decode(_)
        | Error::AnyDriverError(_)
        | Error::InvalidSavePointStatement => Meaning::Refused,
        // The driver reserves the right to add kinds.
        _ => Meaning::Refused,
    }
}

/// The driver's error within one of the list layer.
pub(crate) fn of_lists(error: &DbErr) -> Option<Arc<Error>> {
    match error {
        DbErr::Conn(RuntimeErr::SqlxError(inner))
        | DbErr::Exec(RuntimeErr::SqlxError(inner))
        | DbErr::Query(RuntimeErr::SqlxError(inner)) => Some(Arc::clone(inner)),
        // Every other error comes from this crate's own use of the layer.
        _ => None,
    }
}
