//! The state file: where duet keeps what it knows when no servers are configured. It lies in the
//! project's folder, is made at the first use, and is nobody's business but duet's. Beside it stands
//! who runs: of `duet run` there is one, as two wouldn't hear of each other's work.

use crate::exit::{Exit, Failure};
use duet_ports::store::Store;
use duet_store::{Sqlite, SqliteOptions};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Read, Write};
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
/// Locked by the one process, which writes its number into it.
const RUNNING: &str = "run.lock";

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

/// Who runs, for as long as this lives. The system gives it up with the process, however that ends.
pub(crate) struct Running(#[expect(dead_code, reason = "what it holds is a lock")] File);

/// Takes the place of the one process.
pub(crate) fn run(project: &Path) -> Result<Running, Failure> {
    make_folder(project)?;
    let path = project.join(FOLDER).join(RUNNING);
    let opened = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
    let mut file = opened.map_err(|error| unusable(&path, error))?;
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => return Err(taken(project, &mut file)),
        // A drive without locks is no reason not to run.
        Err(TryLockError::Error(error)) if error.kind() != ErrorKind::Unsupported => {
            return Err(unusable(&path, error));
        }
        Ok(()) | Err(TryLockError::Error(_)) => {}
    }
    let noted = file.set_len(0).and_then(|()| write!(file, "{}", std::process::id()));
    noted.map_err(|error| unusable(&path, error))?;
    Ok(Running(file))
}

fn taken(project: &Path, file: &mut File) -> Failure {
    let mut who = String::new();
    let read = file.read_to_string(&mut who).is_ok_and(|_| !who.is_empty());
    let who = if read { format!(" (process {who})") } else { String::new() };
    let sentence = format!("another `duet run`{who} works with {}", place(project).display());
    let hint = "one process keeps its state in a file: stop the other one first; set [hub] and \
                [state] to run several";
    Failure::new(Exit::TryLater, sentence).hint(hint)
}

fn unusable(path: &Path, error: std::io::Error) -> Failure {
    let sentence = format!("can't use the file {}", path.display());
    let hint = "`duet run` notes there that it runs; let it write into that folder";
    Failure::new(Exit::Connection, sentence).hint(hint).because(error)
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
