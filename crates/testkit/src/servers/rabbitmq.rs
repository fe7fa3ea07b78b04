//! A RabbitMQ node of one's own: own name, ports, folders, cookie and port mapper, so that it meets
//! no other node. No plugins but those asked for. Not for a test that only needs queues: see `rabbitmq()`.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::process::{Process, Signal, run};
use super::{ServerError, port};

/// A node is up in about five seconds; more on a busy machine.
const START_LIMIT: Duration = Duration::from_secs(120);
const STOP_LIMIT: Duration = Duration::from_secs(30);
const ANSWER_LIMIT: Duration = Duration::from_secs(10);
/// The first bytes of AMQP 0-9-1; a broker that is ready answers with a method frame.
const GREETING: &[u8] = b"AMQP\x00\x00\x09\x01";
const METHOD_FRAME: u8 = 1;
/// Behind Debian's wrappers, which switch to another user and folder.
const PACKAGED: &str = "/usr/lib/rabbitmq/bin";

/// A RabbitMQ node of one's own.
#[derive(Debug)]
pub struct PrivateRabbit {
    port: u16,
    distribution_port: u16,
    // Before the mapper and the folder: a node says goodbye to both.
    process: Option<Process>,
    mapper: Process,
    node: Node,
    folder: TempDir,
}

/// What the broker's command-line tool needs to find a node.
#[derive(Clone, Debug)]
pub(super) struct Node {
    name: String,
    mapper_port: String,
    home: String,
}

impl Node {
    /// Reads the form that [`Node::setting`] writes.
    pub(super) fn parse(setting: &str) -> Option<Self> {
        let mut parts = setting.splitn(3, '|').map(str::to_owned);
        Some(Self { name: parts.next()?, mapper_port: parts.next()?, home: parts.next()? })
    }

    fn setting(&self) -> String {
        format!("{}|{}|{}", self.name, self.mapper_port, self.home)
    }

    fn point(&self, command: &mut Command) {
        command.env("RABBITMQ_NODENAME", &self.name);
        command.env("ERL_EPMD_PORT", &self.mapper_port);
        command.env("HOME", &self.home);
        command.env("RABBITMQ_CONF_ENV_FILE", Path::new(&self.home).join("environment"));
    }

    /// Evaluates an expression in the node.
    pub(super) fn evaluate(&self, expression: &str) -> Result<String, ServerError> {
        let mut command = packaged("rabbitmqctl");
        self.point(&mut command);
        command.args(["--quiet", "eval", expression]);
        run(command)
    }
}

/// Starts a RabbitMQ node of one's own on free ports.
///
/// # Errors
/// When RabbitMQ isn't installed or doesn't start.
pub async fn private_rabbitmq() -> Result<PrivateRabbit, ServerError> {
    private_rabbitmq_with(&[]).await
}

/// Starts a RabbitMQ node of one's own with these plugins, which come with the package.
///
/// # Errors
/// When RabbitMQ isn't installed or doesn't start so.
pub async fn private_rabbitmq_with(plugins: &[&str]) -> Result<PrivateRabbit, ServerError> {
    let plugins = format!("[{}].", plugins.join(","));
    let folder = TempDir::with_prefix("duet-rabbitmq-")
        .map_err(|source| ServerError::Folder { path: std::env::temp_dir(), source })?;
    for (name, content) in [("environment", ""), ("plugins", &plugins), ("rabbitmq.conf", "")] {
        let path = folder.path().join(name);
        std::fs::write(&path, content).map_err(|source| ServerError::Folder { path, source })?;
    }
    let (port, distribution_port, mapper_port) = (port::free()?, port::free()?, port::free()?);
    let node = Node {
        name: format!("duet{port}@localhost"),
        mapper_port: mapper_port.to_string(),
        home: folder.path().to_string_lossy().into_owned(),
    };
    let mapper = start_mapper(mapper_port, folder.path())?;
    let mut broker = PrivateRabbit { port, distribution_port, process: None, mapper, node, folder };
    broker.start().await?;
    Ok(broker)
}

impl PrivateRabbit {
    /// Its address for AMQP clients, with the default user and virtual host.
    pub fn url(&self) -> String {
        self.url_of("%2f")
    }

    /// Its address with another virtual host.
    pub fn url_of(&self, virtual_host: &str) -> String {
        format!("amqp://guest:guest@127.0.0.1:{}/{virtual_host}", self.port)
    }

    /// Its port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// What another process sets as `DUET_TEST_RABBITMQ_NODE` to share it.
    pub fn node_setting(&self) -> String {
        self.node.setting()
    }

    /// Evaluates an Erlang expression in the node: for alarms and other faults.
    ///
    /// # Errors
    /// What the node refused.
    pub fn evaluate(&self, expression: &str) -> Result<String, ServerError> {
        self.node.evaluate(expression)
    }

    pub(super) fn node(&self) -> &Node {
        &self.node
    }

    /// Starts it on the same data and ports, and waits until it answers.
    ///
    /// # Errors
    /// When it doesn't answer in time.
    pub async fn start(&mut self) -> Result<(), ServerError> {
        if self.process.is_some() {
            return Ok(());
        }
        let mut process = Process::start(self.command(), self.folder.path(), "output")?;
        let port = self.port;
        process.wait_for(START_LIMIT, async || greets(port).await).await?;
        self.process = Some(process);
        Ok(())
    }

    /// Ends it in order: queues and confirmed messages stay.
    pub fn stop(&mut self) {
        if let Some(process) = self.process.take() {
            process.end(Signal::Terminate, STOP_LIMIT);
        }
    }

    /// Ends it at once, as a crash would.
    pub fn kill(&mut self) {
        // Dropping kills the whole group: the start script has the node as its child.
        self.process = None;
        self.forget();
    }

    /// Stops and starts it.
    ///
    /// # Errors
    /// When it doesn't answer in time.
    pub async fn restart(&mut self) -> Result<(), ServerError> {
        self.stop();
        self.start().await
    }

    /// Waits until the port mapper noticed the crash: it refuses a name that is still taken.
    fn forget(&self) {
        let _ = &self.mapper;
        for _ in 0..100 {
            let mut names = Command::new("epmd");
            names.args(["-port", &self.node.mapper_port, "-names"]);
            match run(names) {
                Ok(listed) if listed.contains("name duet") => {}
                Ok(_) | Err(_) => return,
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn command(&self) -> Command {
        let mut command = packaged("rabbitmq-server");
        let folder = self.folder.path();
        self.node.point(&mut command);
        command
            .env("RABBITMQ_NODE_IP_ADDRESS", "127.0.0.1")
            .env("RABBITMQ_NODE_PORT", self.port.to_string())
            .env("RABBITMQ_DIST_PORT", self.distribution_port.to_string())
            .env("RABBITMQ_MNESIA_BASE", folder.join("data"))
            .env("RABBITMQ_LOG_BASE", folder.join("log"))
            .env("RABBITMQ_GENERATED_CONFIG_DIR", folder.join("generated"))
            .env("RABBITMQ_ENABLED_PLUGINS_FILE", folder.join("plugins"))
            .env("RABBITMQ_CONFIG_FILE", folder.join("rabbitmq.conf"))
            .env("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", "+sbwt none +sbwtdcpu none +sbwtdio none")
            .current_dir(folder);
        command
    }
}

impl Drop for PrivateRabbit {
    fn drop(&mut self) {
        self.process = None;
    }
}

fn packaged(program: &str) -> Command {
    let path = Path::new(PACKAGED).join(program);
    if path.exists() { Command::new(path) } else { Command::new(program) }
}

fn start_mapper(port: u16, folder: &Path) -> Result<Process, ServerError> {
    let mut command = Command::new("epmd");
    command.args(["-port", &port.to_string(), "-address", "127.0.0.1"]);
    Process::start(command, folder, "mapper")
}

/// Whether a broker speaks at this port.
pub(super) async fn greets(port: u16) -> bool {
    let greeting = async {
        let mut connection = TcpStream::connect(("127.0.0.1", port)).await.ok()?;
        connection.write_all(GREETING).await.ok()?;
        connection.read_u8().await.ok()
    };
    let answer = tokio::time::timeout(ANSWER_LIMIT, greeting).await;
    answer.ok().flatten() == Some(METHOD_FRAME)
}
