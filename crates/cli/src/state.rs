//! The state file: where duet keeps what it knows when no servers are configured. It lies in the
//! project's folder, is made at the first use, and is nobody's business but duet's.

use crate::exit::{Exit, Failure};
use duet_ports::store::Store;
use duet_store::{Sqlite, SqliteOptions};
use std::fs::OpenOptions;
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The folder in the project's, and the file in it.
const FOLDER: &str = ".duet";
const FILE: &str = "state.db";
/// What says which of the folder's files belong into version control.
pub(crate) const IGNORE: &str = ".duet/.gitignore";
/// The state doesn't; what editors know of the keys does: a clone has it, too.
pub(crate) const IGNORED: &str = "*\n!/.gitignore\n!/duet.schema.json\n";
/// The JSON Schema that the files of a project name in their first line.
pub(crate) const SCHEMA: &str = ".duet/duet.schema.json";

/// Where the file of a project is.
pub(crate) fn place(project: &Path) -> PathBuf {
    project.join(FOLDER).join(FILE)
}

/// Opens the file, made and brought up to date where that is needed: nobody else would.
pub(crate) async fn open(project: &Path) -> Result<Arc<dyn Store>, Failure> {
    make_folder(project)?;
    let options = SqliteOptions { create: true, ..SqliteOptions::default() };
    let store = Sqlite::open(&place(project), options).await?;
    store.migrate().await?;
    Ok(Arc::new(store))
}

/// Makes the folder and what keeps the state out of version control; `duet init` may have done so.
fn make_folder(project: &Path) -> Result<(), Failure> {
    let folder = project.join(FOLDER);
    let ignore = || OpenOptions::new().write(true).create_new(true).open(project.join(IGNORE));
    let made = there_already(std::fs::create_dir(&folder))
        .and_then(|_| there_already(ignore()))
        .and_then(|file| file.map_or(Ok(()), |mut file| file.write_all(IGNORED.as_bytes())));
    made.map_err(|error| {
        let sentence = format!("can't make the folder {}", folder.display());
        let hint = "duet keeps its state there; let it write into the project's folder, or set \
                    [hub] and [state]";
        Failure::new(Exit::Connection, sentence).hint(hint).because(error)
    })
}

/// What was made, or nothing if it was there.
fn there_already<T>(made: io::Result<T>) -> io::Result<Option<T>> {
    match made {
        Ok(made) => Ok(Some(made)),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    //! Shows what stands in the folder beside the state.

    use super::*;
    use tempfile::TempDir;

    #[test]
    fn the_state_is_kept_out_of_version_control_whoever_makes_the_folder() {
        for there in [false, true] {
            let project = TempDir::new().expect("a folder");
            if there {
                std::fs::create_dir(project.path().join(FOLDER)).expect("a folder");
            }
            make_folder(project.path()).expect("it is made");
            let text = std::fs::read_to_string(project.path().join(IGNORE)).expect("a file");
            assert_eq!(text, IGNORED);
            std::fs::write(project.path().join(IGNORE), "mine").expect("a file");
            make_folder(project.path()).expect("it is there");
            let text = std::fs::read_to_string(project.path().join(IGNORE)).expect("a file");
            assert_eq!(text, "mine", "what a person wrote stays");
        }
    }
}
