//! A server process in a process group of its own that can't outlive the test: a watcher kills
//! the group when the test process is gone. Not a supervisor: nothing is started again by itself.

use std::fs::File;
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::ServerError;

/// How much of a log an error shows.
const LOG_TAIL: usize = 2_000;

/// How a process is asked to end.
#[derive(Clone, Copy, Debug)]
pub(super) enum Signal {
    /// Ends in order.
    Terminate,
    /// PostgreSQL: a fast, orderly end.
    Interrupt,
    /// No chance to do anything.
    Kill,
}

impl Signal {
    fn flag(self) -> &'static str {
        match self {
            Self::Terminate => "-TERM",
            Self::Interrupt => "-INT",
            Self::Kill => "-KILL",
        }
    }
}

/// A running server and the watcher that ends with us.
#[derive(Debug)]
pub(super) struct Process {
    program: String,
    child: Child,
    watcher: Child,
    log: PathBuf,
}

impl Process {
    /// Starts the command with its output in a file of its folder. The folder is removed with the
    /// process when the test is killed; otherwise it is its owner's.
    pub(super) fn start(
        mut command: Command,
        folder: &Path,
        log: &str,
    ) -> Result<Self, ServerError> {
        let program = command.get_program().to_string_lossy().into_owned();
        let log = folder.join(log);
        let prepare = |source| ServerError::Folder { path: log.clone(), source };
        let output = File::options().create(true).append(true).open(&log).map_err(prepare)?;
        let errors = output.try_clone().map_err(prepare)?;
        command.stdin(Stdio::null()).stdout(output).stderr(errors).process_group(0);
        let start = |source| ServerError::Start { program: program.clone(), source };
        let child = command.spawn().map_err(start)?;
        let watcher = watch(child.id(), folder).map_err(start)?;
        Ok(Self { program, child, watcher, log })
    }

    /// Waits until `answers` or the process ends or the time is up.
    pub(super) async fn wait_for(
        &mut self,
        limit: Duration,
        mut answers: impl AsyncFnMut() -> bool,
    ) -> Result<(), ServerError> {
        let looking = async {
            while !answers().await {
                if self.child.try_wait().is_ok_and(|ended| ended.is_some()) {
                    return false;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            true
        };
        match tokio::time::timeout(limit, looking).await {
            Ok(true) => Ok(()),
            Ok(false) => {
                Err(ServerError::Failed { program: self.program.clone(), output: tail(&self.log) })
            }
            Err(_) => {
                Err(ServerError::Silent { program: self.program.clone(), output: tail(&self.log) })
            }
        }
    }

    /// Signals the process and waits until it is gone; what doesn't go in time is killed.
    pub(super) fn end(mut self, signal: Signal, limit: Duration) {
        send(signal, &self.child.id().to_string());
        let looks = limit.as_millis() / LOOK.as_millis();
        for _ in 0..looks {
            if self.child.try_wait().is_ok_and(|ended| ended.is_some()) {
                break;
            }
            std::thread::sleep(LOOK);
        }
    }
}

/// How long the wait for the end of a process rests between two looks.
const LOOK: Duration = Duration::from_millis(20);

impl Drop for Process {
    fn drop(&mut self) {
        // The watcher first: after the group is gone its number may belong to somebody else.
        let _ = self.watcher.kill();
        let _ = self.watcher.wait();
        if self.child.try_wait().is_ok_and(|ended| ended.is_none()) {
            send(Signal::Kill, &format!("-{}", self.child.id()));
        }
        let _ = self.child.wait();
    }
}

/// What the watcher does when its standard input ends; the processes that the killed ones leave
/// alone need a moment to see it, and could still write into the folder.
const WATCH: &str = "read -r line; kill -KILL \"-$0\" 2>/dev/null; sleep 1; rm -rf -- \"$1\"";

/// A shell whose standard input ends when this process does, however it does.
fn watch(group: u32, folder: &Path) -> std::io::Result<Child> {
    Command::new("sh")
        .args(["-c", WATCH, &group.to_string()])
        .arg(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
}

fn send(signal: Signal, target: &str) {
    let sent = Command::new("kill")
        .args([signal.flag(), "--", target])
        .stderr(Stdio::null())
        .stdout(Stdio::null())
        .status();
    debug_assert!(sent.is_ok(), "every system with a shell has `kill`");
}

/// Runs a command to its end.
pub(super) fn run(mut command: Command) -> Result<String, ServerError> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|source| ServerError::Start { program: program.clone(), source })?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() {
        return Ok(text(&output.stdout));
    }
    let output = format!("{}{}", text(&output.stdout), text(&output.stderr));
    Err(ServerError::Failed { program, output })
}

fn tail(log: &Path) -> String {
    let mut text = Vec::new();
    let read = File::open(log).and_then(|mut file| file.read_to_end(&mut text));
    match read {
        Ok(_) => String::from_utf8_lossy(&text[text.len().saturating_sub(LOG_TAIL)..]).into_owned(),
        Err(_) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    //! Shows that a process is gone after its end and that its failure is told.

    use super::*;

    fn alive(id: u32) -> bool {
        Path::new(&format!("/proc/{id}")).exists()
    }

    fn sleeper(folder: &Path) -> Process {
        let mut command = Command::new("sleep");
        command.arg("60");
        Process::start(command, folder, "log").unwrap()
    }

    #[test]
    fn a_dropped_process_and_its_watcher_are_gone() {
        let folder = tempfile::tempdir().unwrap();
        let process = sleeper(folder.path());
        let (child, watcher) = (process.child.id(), process.watcher.id());
        assert!(alive(child) && alive(watcher));
        drop(process);
        assert!(!alive(child) && !alive(watcher));
    }

    #[test]
    fn the_watcher_kills_the_group_and_clears_up_when_its_input_ends() {
        let folder = tempfile::tempdir().unwrap();
        let mut process = sleeper(folder.path());
        drop(process.watcher.stdin.take());
        let ended = process.child.wait().unwrap();
        assert!(!ended.success());
        process.watcher.wait().unwrap();
        assert!(!folder.path().exists());
    }

    #[tokio::test]
    async fn a_process_that_ends_early_is_reported_with_its_output() {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", "echo no such disk; exit 3"]);
        let mut process = Process::start(command, folder.path(), "log").unwrap();
        let failed = process.wait_for(Duration::from_secs(10), async || false).await;
        assert!(failed.unwrap_err().to_string().contains("no such disk"));
    }
}
