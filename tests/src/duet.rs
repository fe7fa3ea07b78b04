//! The program under test, as a person would start it: a folder with the Northwind configuration,
//! the environment it names, and the binary of `tests/run`. Knows commands and exit codes only, and
//! where files are when there are no servers.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use thiserror::Error;

use crate::{database, northwind};

/// Names the binary; set by `tests/run`.
pub const BINARY: &str = "DUET_BIN";
/// How long a command may take at most.
pub const LIMIT: Duration = Duration::from_secs(180);
/// How long the end of a command rests between two looks.
const LOOK: Duration = Duration::from_millis(20);

/// A project folder and its environment.
#[derive(Debug)]
pub struct Project {
    folder: TempDir,
    environment: BTreeMap<&'static str, String>,
    /// Commands so far; their output is kept in the folder under their numbers.
    started: Cell<u32>,
}

/// What a command did.
#[derive(Clone, Debug)]
pub struct Done {
    /// Its exit code; nothing when a signal ended it.
    pub code: Option<i32>,
    /// What it printed.
    pub out: String,
    /// What it told people on the side.
    pub err: String,
}

/// The servers that the project connects.
#[derive(Clone, Copy, Debug)]
pub struct Places<'a> {
    /// duet's own database.
    pub state: &'a str,
    /// The broker.
    pub hub: &'a str,
    /// The shop's database.
    pub shop: &'a str,
    /// The organization's login address.
    pub login: &'a str,
    /// Its standard price book.
    pub price_book: &'a str,
}

/// Why the program couldn't be run.
#[derive(Debug, Error)]
pub enum RunError {
    /// A file of the project couldn't be copied.
    #[error("cannot prepare {path}")]
    Folder {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The binary couldn't be started.
    #[error("cannot start {path}; build it: cargo build --profile ci -p duet-cli")]
    Start {
        /// The binary.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// It didn't end in time and was killed.
    #[error("`duet {arguments}` didn't end within {limit:?}: {printed}")]
    Endless {
        /// The command.
        arguments: String,
        /// How long it had.
        limit: Duration,
        /// What it had printed for people.
        printed: String,
    },
    /// It printed something else than a document.
    #[error("`duet {arguments}` printed no document: {printed}")]
    Unreadable {
        /// The command.
        arguments: String,
        /// What it printed, on both streams.
        printed: String,
    },
    /// It failed.
    #[error("`duet {arguments}` ended with {code:?}: {printed}")]
    Failed {
        /// The command.
        arguments: String,
        /// Its exit code.
        code: Option<i32>,
        /// What it printed.
        printed: String,
    },
}

impl Project {
    /// Copies the configuration of the five flows into a folder of its own.
    ///
    /// # Errors
    /// When a file can't be copied.
    pub fn northwind(places: Places<'_>) -> Result<Self, RunError> {
        Self::with_flows("flows", places)
    }

    /// The same with the flows of `folder`, beside `flows`.
    ///
    /// # Errors
    /// When a file can't be copied.
    pub fn with_flows(folder: &str, places: Places<'_>) -> Result<Self, RunError> {
        let servers = BTreeMap::from([
            ("DUET_DATABASE_URL", places.state),
            ("DUET_AMQP_URL", places.hub),
            ("SHOP_DATABASE_URL", places.shop),
        ]);
        Self::prepared("duet.toml", folder, places.login, places.price_book, servers)
    }

    /// The same without servers: the shop is a file in the project's folder, which is still to be
    /// made, and the state is one, too.
    ///
    /// # Errors
    /// When a file can't be copied.
    pub fn alone(folder: &str, login: &str, price_book: &str) -> Result<Self, RunError> {
        Self::prepared("alone.toml", folder, login, price_book, BTreeMap::new())
    }

    fn prepared(
        configuration: &str,
        folder: &str,
        login: &str,
        price_book: &str,
        servers: BTreeMap<&'static str, &str>,
    ) -> Result<Self, RunError> {
        let fail = |path: &Path, source| RunError::Folder { path: path.to_owned(), source };
        let project = TempDir::new().map_err(|source| fail(Path::new("."), source))?;
        let (from, to) = (northwind::folder(), project.path().to_owned());
        let flows = to.join("flows");
        std::fs::create_dir(&flows).map_err(|source| fail(&flows, source))?;
        let copy = |file: PathBuf, to: PathBuf| {
            std::fs::copy(&file, to).map(drop).map_err(|source| fail(&file, source))
        };
        copy(from.join(configuration), to.join("duet.toml"))?;
        let folder = from.join(folder);
        for file in std::fs::read_dir(&folder).map_err(|source| fail(&folder, source))? {
            let file = file.map_err(|source| fail(&folder, source))?;
            copy(file.path(), flows.join(file.file_name()))?;
        }
        let environment = BTreeMap::from([
            ("SF_LOGIN_URL", login),
            ("SF_PRICEBOOK_ID", price_book),
            ("SF_CLIENT_ID", "client"),
            ("SF_CLIENT_SECRET", "secret"),
            ("SF_USER", "u@example.test"),
            ("SF_PASSWORD", "pwtok"),
        ]);
        let environment = environment.into_iter().chain(servers);
        let environment = environment.map(|(name, value)| (name, value.to_owned())).collect();
        Ok(Self { folder: project, environment, started: Cell::new(0) })
    }

    /// The folder, for a test that changes a file in it.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The address of the shop's file, where there is no server.
    pub fn shop_file(&self) -> String {
        database::file(&self.folder().join("shop.db"))
    }

    /// The address of the state's file, where there is no server.
    pub fn state_file(&self) -> String {
        database::file(&self.folder().join(".duet/state.db"))
    }

    /// Sets a variable of the environment.
    pub fn set(&mut self, name: &'static str, value: &str) {
        self.environment.insert(name, value.to_owned());
    }

    /// A variable of the environment.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.environment.get(name).map(String::as_str)
    }

    /// Runs a command to its end.
    ///
    /// # Errors
    /// When it can't be started or doesn't end in time. A bad exit code is the caller's to judge.
    pub fn run(&self, arguments: &[&str], limit: Duration) -> Result<Done, RunError> {
        let number = self.started.get();
        let ended = self.start(arguments)?.wait(limit);
        let code = ended.ok_or_else(|| RunError::Endless {
            arguments: arguments.join(" "),
            limit,
            printed: self.printed(number, "stderr"),
        })?;
        let (out, err) = (self.printed(number, "stdout"), self.printed(number, "stderr"));
        Ok(Done { code: code.code(), out, err })
    }

    /// Runs a command for its document, and answers that with the exit code.
    ///
    /// # Errors
    /// When it can't be run, or prints something else than a document that names its schema.
    /// Failures print none.
    pub fn ask(&self, arguments: &[&str]) -> Result<(Value, Option<i32>), RunError> {
        let arguments: Vec<&str> = arguments.iter().copied().chain(["-o", "json"]).collect();
        let done = self.run(&arguments, LIMIT)?;
        let document: Option<Value> = serde_json::from_str(&done.out).ok();
        let document = document.filter(|document| document["schema"].is_string());
        let (arguments, printed) = (arguments.join(" "), format!("{}\n{}", done.out, done.err));
        match (document, done.code) {
            (Some(document), code) => Ok((document, code)),
            (None, Some(0)) => Err(RunError::Unreadable { arguments, printed }),
            (None, code) => Err(RunError::Failed { arguments, code, printed }),
        }
    }

    /// Runs a command that must succeed, for its document.
    ///
    /// # Errors
    /// As [`ask`](Self::ask), and when it ends with another code than 0.
    pub fn answer(&self, arguments: &[&str]) -> Result<Value, RunError> {
        let (document, code) = self.ask(arguments)?;
        match code {
            Some(0) => Ok(document),
            code => Err(RunError::Failed {
                arguments: arguments.join(" "),
                code,
                printed: document.to_string(),
            }),
        }
    }

    /// Everything that the commands so far printed on either stream, for a test that looks for
    /// what must not be there.
    pub fn printed_by_all(&self, stream: &str) -> String {
        (0..self.started.get()).map(|number| self.printed(number, stream)).collect()
    }

    fn printed(&self, number: u32, stream: &str) -> String {
        std::fs::read_to_string(self.log(number, stream)).unwrap_or_default()
    }

    fn log(&self, number: u32, stream: &str) -> PathBuf {
        self.folder().join(format!("{number:03}.{stream}"))
    }

    fn open(&self, stream: &str) -> Result<File, RunError> {
        let path = self.log(self.started.get(), stream);
        File::create(&path).map_err(|source| RunError::Folder { path, source })
    }

    /// Starts a command that goes on, such as `run`.
    ///
    /// # Errors
    /// When it can't be started.
    pub fn start(&self, arguments: &[&str]) -> Result<Running, RunError> {
        self.spawn(self.command(arguments))
    }

    /// A command in the project, for a test that holds its streams itself.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(binary());
        command.args(arguments).current_dir(self.folder()).envs(&self.environment);
        command
    }

    fn spawn(&self, mut command: Command) -> Result<Running, RunError> {
        let (out, err) = (self.open("stdout")?, self.open("stderr")?);
        command.stdin(Stdio::null()).stdout(out).stderr(err);
        let path = PathBuf::from(command.get_program());
        let child = command.spawn().map_err(|source| RunError::Start { path, source })?;
        self.started.set(self.started.get() + 1);
        Ok(Running { child })
    }
}

/// A command under way; killed when dropped.
#[derive(Debug)]
pub struct Running {
    child: Child,
}

impl Running {
    /// Kills it at once, as a crash would (SIGKILL).
    pub fn kill(self) {
        drop(self);
    }

    /// Asks it to end in order (SIGTERM) and waits; nothing when it didn't in time.
    pub fn stop(self, limit: Duration) -> Option<ExitStatus> {
        let _ = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        self.wait(limit)
    }

    /// Waits for its end; nothing when it didn't come in time and it was killed.
    pub fn wait(mut self, limit: Duration) -> Option<ExitStatus> {
        for _ in 0..limit.as_millis() / LOOK.as_millis() {
            match self.child.try_wait() {
                Ok(None) => std::thread::sleep(LOOK),
                Ok(Some(status)) => return Some(status),
                Err(_) => return None,
            }
        }
        None
    }

    /// Whether it is still under way.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The binary that `tests/run` built, else the one beside the tests.
#[expect(clippy::disallowed_methods, reason = "the one variable that the end-to-end tests read")]
fn binary() -> PathBuf {
    if let Ok(path) = std::env::var(BINARY) {
        return PathBuf::from(path);
    }
    let test = std::env::current_exe().unwrap_or_default();
    let profile = test.parent().and_then(Path::parent);
    profile.map_or_else(|| PathBuf::from("duet"), |profile| profile.join("duet"))
}

#[cfg(test)]
mod tests {
    //! Shows the harness itself with another program in duet's place.

    use super::*;

    const LIMIT: Duration = Duration::from_secs(10);

    fn project() -> Project {
        let places = Places { state: "a", hub: "b", shop: "c", login: "d", price_book: "e" };
        Project::northwind(places).unwrap()
    }

    fn shell(project: &Project, script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]).current_dir(project.folder()).envs(&project.environment);
        command
    }

    #[test]
    fn the_folder_holds_the_configuration_and_the_environment_every_variable() {
        let project = project();
        let mut text = String::new();
        for file in ["duet.toml", "flows/prices.toml", "flows/orders.toml"] {
            text += &std::fs::read_to_string(project.folder().join(file)).unwrap();
        }
        for variable in text.split("${").skip(1).map(|rest| rest.split('}').next().unwrap()) {
            assert!(project.environment.contains_key(variable), "{variable} is not set");
        }
    }

    #[test]
    fn output_and_exit_code_are_kept() {
        let project = project();
        let started = project.spawn(shell(&project, "echo $SF_USER; echo oh >&2; exit 3"));
        let status = started.unwrap().wait(LIMIT).unwrap();
        assert_eq!(status.code(), Some(3));
        assert_eq!(project.printed(0, "stdout"), "u@example.test\n");
        assert_eq!(project.printed(0, "stderr"), "oh\n");
    }

    #[test]
    fn what_does_not_end_is_killed() {
        let project = project();
        let mut endless = project.spawn(shell(&project, "exec sleep 60")).unwrap();
        assert!(endless.is_running());
        let id = endless.child.id();
        assert!(endless.wait(Duration::from_millis(100)).is_none());
        assert!(!Path::new(&format!("/proc/{id}")).exists());
    }

    #[test]
    fn a_stop_lets_it_end_in_order() {
        let project = project();
        let script = "trap 'exit 5' TERM; touch ready; while :; do sleep 0.05; done";
        let waiting = project.spawn(shell(&project, script)).unwrap();
        let ready = project.folder().join("ready");
        let mut looks = (0..500).take_while(|_| !ready.exists());
        looks.by_ref().for_each(|_| std::thread::sleep(LOOK));
        assert!(ready.exists(), "the shell didn't begin within ten seconds");
        assert_eq!(waiting.stop(LIMIT).unwrap().code(), Some(5));
    }
}
