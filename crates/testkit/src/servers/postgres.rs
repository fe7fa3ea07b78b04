//! PostgreSQL: a fresh database on a shared server, or a server process of one's own. Not tuned
//! for safety: a private server runs without fsync, as it need not survive a power cut.

use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tempfile::TempDir;

use super::leftover::PREFIX;
use super::process::{Process, Signal, run};
use super::statements::{self, Statement};
use super::{ServerError, port, settings};

/// A server is up in about a second; more on a busy machine.
const START_LIMIT: Duration = Duration::from_secs(60);
const STOP_LIMIT: Duration = Duration::from_secs(20);
/// A server that is there answers at once, but on a busy machine.
const CONNECT_LIMIT: Duration = Duration::from_secs(20);
/// Tried in turn when the environment names no server.
const USUAL: [&str; 2] =
    ["postgres://postgres@127.0.0.1:5432/postgres", "postgres://root@127.0.0.1:5432/postgres"];

/// Databases made by this process so far; with the process id it makes their names unique.
static MADE: AtomicU32 = AtomicU32::new(0);

/// A database that is dropped with this value.
#[derive(Debug)]
pub struct Database {
    url: String,
    name: String,
    admin: String,
    // Last: the server must still run when the database is dropped.
    server: Option<PrivatePostgres>,
}

impl Database {
    /// The address of the database, for any client.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Runs a script of statements in the database.
    ///
    /// # Errors
    /// What the server refused.
    pub async fn run(&self, script: &str) -> Result<(), ServerError> {
        execute(&self.url, script).await
    }

    /// Every statement of a program here so far, in the order in which its server began them. Only
    /// a database of [`noting_postgres`] has noted any.
    ///
    /// # Errors
    /// When the server's notes can't be read, or it doesn't answer.
    pub async fn statements(&self, program: &str) -> Result<Vec<Statement>, ServerError> {
        match &self.server {
            Some(server) if server.notes => {
                statements::read(&server.data(), &self.url, &self.name, program).await
            }
            Some(_) | None => Ok(Vec::new()),
        }
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let statement = drop_statement(&self.name);
        let admin = self.admin.clone();
        // A thread of its own: a drop may happen inside a runtime, where blocking on one panics.
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.map(|runtime| runtime.block_on(execute(&admin, &statement)))
        });
        let _ = dropping.join();
    }
}

/// A fresh, empty database on the shared server, or on a private one where none is reachable.
///
/// # Errors
/// When no server answers and none can be started.
pub async fn postgres() -> Result<Database, ServerError> {
    match shared().await {
        Some(admin) => create(admin, None).await,
        None => {
            let server = private_postgres().await?;
            create(server.url().to_owned(), Some(server)).await
        }
    }
}

/// A fresh, empty database on a server of its own that notes every statement.
///
/// # Errors
/// When PostgreSQL isn't installed or doesn't start.
pub async fn noting_postgres() -> Result<Database, ServerError> {
    let server = private(UNSAFE, true).await?;
    create(server.url().to_owned(), Some(server)).await
}

pub(super) fn drop_statement(name: &str) -> String {
    format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")
}

/// The address of the shared server, if one answers.
pub(super) async fn shared() -> Option<String> {
    if let Some(url) = settings::read(settings::POSTGRES_URL) {
        return Some(url);
    }
    for url in USUAL {
        if answers(url).await {
            return Some(url.to_owned());
        }
    }
    None
}

async fn create(admin: String, server: Option<PrivatePostgres>) -> Result<Database, ServerError> {
    let name = format!("{PREFIX}{}_{}", std::process::id(), MADE.fetch_add(1, Ordering::Relaxed));
    // An earlier process of this id may have been killed before it dropped its own.
    execute(&admin, &drop_statement(&name)).await?;
    execute(&admin, &format!("CREATE DATABASE {name}")).await?;
    let base = admin.rsplit_once('/').map_or(admin.as_str(), |(base, _)| base);
    Ok(Database { url: format!("{base}/{name}"), name, admin, server })
}

/// A PostgreSQL server of one's own.
#[derive(Debug)]
pub struct PrivatePostgres {
    url: String,
    port: u16,
    process: Option<Process>,
    settings: Vec<String>,
    /// Every statement is noted.
    notes: bool,
    folder: TempDir,
}

/// Starts a PostgreSQL server of one's own on a free port.
///
/// # Errors
/// When PostgreSQL isn't installed or doesn't start.
pub async fn private_postgres() -> Result<PrivatePostgres, ServerError> {
    private(UNSAFE, false).await
}

/// Starts a PostgreSQL server of one's own with these settings (`name=value`) and otherwise as it
/// comes: unlike the others it syncs its files. For measurements.
///
/// # Errors
/// When PostgreSQL isn't installed or doesn't start so.
pub async fn private_postgres_with(settings: &[&str]) -> Result<PrivatePostgres, ServerError> {
    private(settings, false).await
}

/// What spares a test time and no product may spare.
const UNSAFE: &[&str] = &["fsync=off"];

async fn private(settings: &[&str], notes: bool) -> Result<PrivatePostgres, ServerError> {
    let folder = TempDir::with_prefix("duet-postgres-")
        .map_err(|source| ServerError::Folder { path: std::env::temp_dir(), source })?;
    own(folder.path())?;
    let mut initdb = as_postgres("initdb");
    initdb.args(["--no-sync", "--auth=trust", "--username=postgres", "--encoding=UTF8"]);
    initdb.args(["--locale=C", "--pgdata"]).arg(folder.path().join("data"));
    run(initdb)?;
    let port = port::free()?;
    let url = format!("postgres://postgres@127.0.0.1:{port}/postgres");
    let settings = settings.iter().map(|&setting| setting.to_owned()).collect();
    let mut server = PrivatePostgres { url, port, process: None, settings, notes, folder };
    server.start().await?;
    Ok(server)
}

impl PrivatePostgres {
    /// The address of its first database.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Its port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Starts it, on the same data and port, and waits until it answers.
    ///
    /// # Errors
    /// When it doesn't answer in time.
    pub async fn start(&mut self) -> Result<(), ServerError> {
        if self.process.is_some() {
            return Ok(());
        }
        let mut process = Process::start(self.command(), self.folder.path(), "log")?;
        let url = self.url.clone();
        process.wait_for(START_LIMIT, async || answers(&url).await).await?;
        self.process = Some(process);
        Ok(())
    }

    /// Ends it in order: open connections are cut, nothing committed is lost.
    pub fn stop(&mut self) {
        if let Some(process) = self.process.take() {
            process.end(Signal::Interrupt, STOP_LIMIT);
        }
    }

    /// Ends it at once, as a crash would.
    pub fn kill(&mut self) {
        if let Some(process) = self.process.take() {
            process.end(Signal::Kill, STOP_LIMIT);
        }
    }

    /// Stops and starts it.
    ///
    /// # Errors
    /// When it doesn't answer in time.
    pub async fn restart(&mut self) -> Result<(), ServerError> {
        self.stop();
        self.start().await
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn command(&self) -> Command {
        let mut command = as_postgres("postgres");
        command.arg("-D").arg(self.data());
        command.args(["-p", &self.port.to_string(), "-h", "127.0.0.1"]);
        let notes: &[&str] = if self.notes { &statements::SETTINGS } else { &[] };
        let usual = ["unix_socket_directories=", "max_connections=200"];
        let own = self.settings.iter().map(String::as_str);
        for setting in usual.into_iter().chain(own).chain(notes.iter().copied()) {
            command.args(["-c", setting]);
        }
        command
    }
}

impl Drop for PrivatePostgres {
    fn drop(&mut self) {
        // In order, so that its shared memory is given back; its folder goes after it.
        self.stop();
    }
}

/// PostgreSQL refuses to run as root, so root runs it as the user of the Debian package.
fn as_postgres(program: &str) -> Command {
    let path = find(program);
    if !is_root() {
        return Command::new(path);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]).arg(path);
    command.current_dir("/");
    command
}

/// Debian keeps the server's programs out of the path.
fn find(program: &str) -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> = versions
        .map(|version| version.path().join("bin").join(program))
        .filter(|path| path.exists())
        .collect();
    found.sort();
    found.pop().unwrap_or_else(|| PathBuf::from(program))
}

fn own(folder: &Path) -> Result<(), ServerError> {
    if !is_root() {
        return Ok(());
    }
    let fail = |source| ServerError::Folder { path: folder.to_owned(), source };
    let user = user_number("postgres")?;
    chown(folder, Some(user), None).map_err(fail)?;
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755)).map_err(fail)
}

fn is_root() -> bool {
    let mut id = Command::new("id");
    id.arg("-u");
    run(id).is_ok_and(|number| number.trim() == "0")
}

fn user_number(user: &str) -> Result<u32, ServerError> {
    let mut id = Command::new("id");
    id.args(["-u", user]);
    let number = run(id)?;
    number.trim().parse().map_err(|_| ServerError::Failed { program: "id".into(), output: number })
}

async fn answers(url: &str) -> bool {
    let attempt = tokio::time::timeout(CONNECT_LIMIT, PgConnection::connect(url)).await;
    match attempt {
        Ok(Ok(connection)) => connection.close().await.is_ok(),
        Ok(Err(_)) | Err(_) => false,
    }
}

pub(super) async fn execute(url: &str, script: &str) -> Result<(), ServerError> {
    let fail =
        |source| ServerError::Statement { statement: script.chars().take(200).collect(), source };
    let mut connection = PgConnection::connect(url).await.map_err(fail)?;
    sqlx::raw_sql(AssertSqlSafe(script.to_owned())).execute(&mut connection).await.map_err(fail)?;
    connection.close().await.map_err(fail)
}
