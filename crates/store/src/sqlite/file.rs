//! The file itself: found, or made with rights for its user alone.

use super::error::advised;
use crate::fault::Source;
use duet_ports::store::StoreError;
use std::io::{Error, ErrorKind};
use std::path::{Path, PathBuf};
use tokio::fs::{OpenOptions, metadata};

/// The full path of a file that is there, made if it was to be.
pub(super) async fn found(path: &Path, create: bool) -> Result<PathBuf, StoreError> {
    let file = std::path::absolute(path).map_err(|error| trouble(path, UNUSABLE, Some(error)))?;
    match metadata(&file).await {
        Ok(found) if found.is_dir() => Err(trouble(&file, "it is a folder; name a file", None)),
        Ok(_) => Ok(file),
        Err(error) if error.kind() == ErrorKind::NotFound => match create {
            true => make(&file).await.map(|()| file),
            false => Err(trouble(&file, MISSING, Some(error))),
        },
        Err(error) => Err(trouble(&file, UNUSABLE, Some(error))),
    }
}

const MISSING: &str = "there is no such file; `duet migrate` makes it";

const NO_FOLDER: &str = "its folder isn't there; make it, or name a file in another one";

const UNUSABLE: &str = "the file can't be made or looked at; the user who runs duet must be \
                        allowed to use its folder";

/// Makes an empty file: SQLite takes it for a new database, and gives what it keeps beside it the
/// same rights.
async fn make(file: &Path) -> Result<(), StoreError> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    options.mode(0o600);
    match options.open(file).await {
        Ok(_) => Ok(()),
        // Another process was faster.
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            Err(trouble(file, NO_FOLDER, Some(error)))
        }
        Err(error) => Err(trouble(file, UNUSABLE, Some(error))),
    }
}

fn trouble(file: &Path, advice: &str, error: Option<Error>) -> StoreError {
    let cause = error.map(|error| Box::new(error) as Source);
    let place = Some(file.display().to_string());
    StoreError::Unreachable { what: "open", place, source: advised(advice, cause) }
}
