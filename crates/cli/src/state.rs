//! The state file: where duet keeps what it knows when no servers are configured. It lies in the
//! project's folder, is made at the first use, and is nobody's business but duet's.

use crate::exit::{Exit, Failure};
use duet_ports::store::Store;
use duet_store::{Sqlite, SqliteOptions};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The folder in the project's, and the file in it.
const FOLDER: &str = ".duet";
const FILE: &str = "state.db";
/// Nothing in the folder belongs into version control.
const IGNORED: &str = "*\n";

/// Where the file of a project is.
pub(crate) fn place(project: &Path) -> PathBuf {
    project.join(FOLDER).join(FILE)
}

/// Opens the file, made and brought up to date where that is needed: nobody else would.
pub(crate) async fn open(project: &Path) -> Result<Arc<dyn Store>, Failure> {
    make_folder(&project.join(FOLDER))?;
    let options = SqliteOptions { create: true, ..SqliteOptions::default() };
    let store = Sqlite::open(&place(project), options).await?;
    store.migrate().await?;
    Ok(Arc::new(store))
}

fn make_folder(folder: &Path) -> Result<(), Failure> {
    let made = std::fs::create_dir(folder).and_then(|()| {
        let ignore = folder.join(".gitignore");
        std::fs::write(ignore, IGNORED)
    });
    match made {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => {
            let sentence = format!("can't make the folder {}", folder.display());
            let hint = "duet keeps its state there; let it write into the project's folder, or set \
                        [hub] and [state]";
            Err(Failure::new(Exit::Connection, sentence).hint(hint).because(error))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}
