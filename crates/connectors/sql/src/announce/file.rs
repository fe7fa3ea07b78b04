//! Tells that a SQLite file was written, by its time and size and those of the log beside it. Takes no
//! lock: the programs of the shop never find their file busy because somebody watches it.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// Between two looks.
const LOOK: Duration = Duration::from_millis(20);

/// Times and sizes of the file and its log; none where there is none.
type Seen = [Option<(SystemTime, u64)>; 2];

/// Waits for writes to one file.
pub(crate) struct Written {
    files: [PathBuf; 2],
    seen: Seen,
}

impl Written {
    /// Begins to watch.
    pub(super) async fn open(path: &Path) -> Written {
        let mut log = path.as_os_str().to_owned();
        log.push("-wal");
        let mut written = Written { files: [path.to_owned(), log.into()], seen: [None; 2] };
        written.seen = written.look().await;
        written
    }

    async fn look(&self) -> Seen {
        let [file, log] = &self.files;
        [seen(file).await, seen(log).await]
    }

    /// Waits until the file isn't what it was at the last return, at most `patience`.
    pub(super) async fn wait(&mut self, patience: Duration) {
        let changed = async {
            loop {
                let now = self.look().await;
                if now != self.seen {
                    return now;
                }
                tokio::time::sleep(LOOK).await;
            }
        };
        if let Ok(now) = tokio::time::timeout(patience, changed).await {
            self.seen = now;
        }
    }
}

async fn seen(path: &Path) -> Option<(SystemTime, u64)> {
    let found = tokio::fs::metadata(path).await.ok()?;
    Some((found.modified().ok()?, found.len()))
}
