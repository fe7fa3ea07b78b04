//! Processes that the bench starts: LIMIT, and the bench itself with a task. They end with us.

use crate::error::BenchError;
use crate::reading::tail;
use crate::task::Task;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, ChildStdout, Command, Stdio};

/// A process that is talked with by lines.
pub(crate) struct Child {
    name: String,
    process: std::process::Child,
    to: Option<ChildStdin>,
    from: Option<BufReader<ChildStdout>>,
}

impl Child {
    /// Starts a program.
    pub(crate) fn start(program: &Path, arguments: &[&str]) -> Result<Child, BenchError> {
        Child::of(command(program, arguments)?, arguments.first().copied().unwrap_or_default())
    }

    /// Starts this program with a task.
    pub(crate) fn task(task: &Task) -> Result<Child, BenchError> {
        Child::of(task_command(task)?, "task")
    }

    /// Starts a program that nobody talks with, with variables of the environment.
    pub(crate) fn silent(
        program: &Path,
        arguments: &[&str],
        variables: &[(&str, String)],
    ) -> Result<Child, BenchError> {
        let mut command = command(program, arguments)?;
        command.envs(variables.iter().map(|(name, value)| (*name, value)));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let name = arguments.first().copied().unwrap_or_default().to_owned();
        let process = command.spawn().map_err(BenchError::io(format!("start {name}")))?;
        Ok(Child { name, process, to: None, from: None })
    }

    /// Its process.
    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    /// Whether it is still there.
    pub(crate) fn is_running(&mut self) -> bool {
        matches!(self.process.try_wait(), Ok(None))
    }

    fn of(mut command: Command, name: &str) -> Result<Child, BenchError> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().map_err(BenchError::io(format!("start {name}")))?;
        let from = process.stdout.take().map(BufReader::new);
        let to = process.stdin.take();
        Ok(Child { name: name.to_owned(), process, to, from })
    }

    /// The next line that it says.
    pub(crate) fn line(&mut self) -> Result<String, BenchError> {
        let mut line = String::new();
        if let Some(from) = &mut self.from {
            let read = from.read_line(&mut line);
            read.map_err(BenchError::io(format!("listen to {}", self.name)))?;
        }
        if line.is_empty() {
            let output = "it ended without a word".to_owned();
            return Err(BenchError::Program { program: self.name.clone(), output });
        }
        Ok(line.trim().to_owned())
    }

    /// Says a line to it.
    pub(crate) fn say(&mut self, line: &str) -> Result<(), BenchError> {
        let Some(to) = &mut self.to else { return Ok(()) };
        let said = writeln!(to, "{line}").and_then(|()| to.flush());
        said.map_err(BenchError::io(format!("talk to {}", self.name)))
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // The end of its input is the word to end; whoever doesn't listen is ended.
        drop(self.to.take());
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Runs a program to its end; what it printed.
pub(crate) async fn run(
    program: &Path,
    arguments: &[&str],
    variables: &[(&str, String)],
) -> Result<String, BenchError> {
    let mut command = command(program, arguments)?;
    command.envs(variables.iter().map(|(name, value)| (*name, value)));
    finished(command, arguments.first().copied().unwrap_or_default().to_owned()).await
}

/// Does a task in a process of its own; what it printed.
pub(crate) async fn run_task(task: &Task) -> Result<String, BenchError> {
    finished(task_command(task)?, "the measured part of duet".to_owned()).await
}

async fn finished(mut command: Command, name: String) -> Result<String, BenchError> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut process = command.spawn().map_err(BenchError::io(format!("start {name}")))?;
    let streams = (process.stdout.take(), process.stderr.take());
    // Whoever waits for it may be dropped (Ctrl-C): then it must not go on alone.
    let mut guard = Guard(process);
    let ended = tokio::task::spawn_blocking(move || {
        let mut errors = streams.1;
        let told = std::thread::spawn(move || text(errors.as_mut()));
        let mut out = streams.0;
        let printed = text(out.as_mut());
        (printed, told.join().unwrap_or_default())
    });
    let (printed, told) = ended.await.unwrap_or_default();
    let status = guard.0.wait().map_err(BenchError::io(format!("wait for {name}")))?;
    if status.success() && !told.contains("CHECK FAILED") {
        return Ok(printed);
    }
    let output = format!("{}\n{}", tail(&printed), tail(&told));
    Err(BenchError::Program { program: name, output })
}

fn text(from: Option<&mut impl Read>) -> String {
    let mut bytes = Vec::new();
    if let Some(from) = from {
        let _ = from.read_to_end(&mut bytes);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Ends its process when dropped before its time.
struct Guard(std::process::Child);

impl Drop for Guard {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn command(program: &Path, arguments: &[&str]) -> Result<Command, BenchError> {
    if !program.exists() {
        return Err(BenchError::Missing { path: program.to_owned() });
    }
    let mut command = Command::new(program);
    command.args(arguments);
    Ok(command)
}

fn task_command(task: &Task) -> Result<Command, BenchError> {
    let mut command = Command::new(own()?);
    command.arg("task").arg(serde_json::to_string(task)?);
    Ok(command)
}

fn own() -> Result<PathBuf, BenchError> {
    std::env::current_exe().map_err(BenchError::io("find this program"))
}

/// The root of the tree that this program was built in.
pub(crate) fn root() -> Result<PathBuf, BenchError> {
    let built = own()?;
    let mut folders = built.ancestors();
    let root = folders.find(|folder| folder.join("Cargo.lock").is_file());
    root.map(Path::to_owned)
        .ok_or_else(|| BenchError::Check("this program isn't in a tree of duet".to_owned()))
}

/// A program that was built beside this one.
pub(crate) fn beside(name: &str) -> Result<PathBuf, BenchError> {
    Ok(own()?.with_file_name(name))
}
