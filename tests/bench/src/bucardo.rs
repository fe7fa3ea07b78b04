//! Bucardo: a multi-master replication for PostgreSQL, from its Debian package, between two databases
//! of a server. Its daemon is ended with this value.

use crate::child;
use crate::error::BenchError;
use crate::lab::Lab;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;

/// Where its package puts it.
const PROGRAM: &str = "/usr/bin/bucardo";
/// The language of its triggers, of another package.
const LANGUAGE: &str = "/usr/share/postgresql/15/extension/plperlu.control";
/// How long its processes take to see that they are to end.
const GOODBYE: Duration = Duration::from_secs(5);

/// A running Bucardo.
pub(crate) struct Bucardo {
    folder: TempDir,
    port: u16,
}

/// Why it can't be had on this machine, if it can't.
pub(crate) fn missing() -> Option<&'static str> {
    if !Path::new(PROGRAM).exists() {
        return Some("Bucardo isn't installed (apt-get install bucardo postgresql-plperl-15)");
    }
    if !Path::new(LANGUAGE).exists() {
        return Some("Bucardo needs PL/Perl (apt-get install postgresql-plperl-15)");
    }
    None
}

impl Bucardo {
    /// Starts it between two databases with a table of contacts; either may change.
    pub(crate) async fn start(lab: &Lab, one: &str, other: &str) -> Result<Bucardo, BenchError> {
        let folder = TempDir::new_in(lab.folder.path()).map_err(BenchError::io("make a folder"))?;
        let bucardo = Bucardo { folder, port: lab.running().await?.port() };
        bucardo.write()?;
        let port = bucardo.port.to_string();
        let (pids, logs) = (bucardo.path("run"), bucardo.path("log"));
        let server = ["--dbhost", "127.0.0.1", "--dbport", &port, "--dbuser", "postgres"];
        let install = ["install", "--batch", "--dbname", "postgres", "--pid-dir", &pids];
        bucardo.run(&[&install[..], &server].concat()).await?;
        for (name, url) in [("one", one), ("other", other)] {
            let database = format!("dbname={}", url.rsplit('/').next().unwrap_or_default());
            let place = ["dbhost=127.0.0.1", &format!("dbport={port}"), "dbuser=postgres"];
            bucardo.run(&[&["add", "db", name, &database], &place[..]].concat()).await?;
        }
        bucardo.run(&["add", "table", "public.contacts", "db=one", "relgroup=all"]).await?;
        let both = ["relgroup=all", "dbs=one:source,other:source"];
        let latest = "conflict_strategy=bucardo_latest";
        bucardo.run(&["add", "sync", "contacts", both[0], both[1], latest]).await?;
        bucardo.run(&["start", "bench", "--log-destination", &logs]).await?;
        Ok(bucardo)
    }

    fn write(&self) -> Result<(), BenchError> {
        let made = ["run", "log"].iter().try_for_each(|name| std::fs::create_dir(self.path(name)));
        made.map_err(BenchError::io("make Bucardo's folders"))?;
        let settings = format!(
            "dbhost = 127.0.0.1\ndbport = {}\ndbname = bucardo\ndbuser = bucardo\npiddir = {}\n",
            self.port,
            self.path("run")
        );
        std::fs::write(self.path("rc"), settings).map_err(BenchError::io("write its settings"))
    }

    async fn run(&self, arguments: &[&str]) -> Result<String, BenchError> {
        let settings = self.path("rc");
        let arguments = [arguments, &["--bucardorc", &settings]].concat();
        child::run(Path::new(PROGRAM), &arguments, &[]).await
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_string_lossy().into_owned()
    }

    /// Its processes, as it wrote them down.
    fn processes(&self) -> Vec<u32> {
        let listed = std::fs::read_dir(self.path("run")).into_iter().flatten().flatten();
        listed.filter_map(|entry| process(&entry.path())).collect()
    }
}

/// The process of a file; only one of Bucardo's, as the number may be another's by now.
fn process(file: &PathBuf) -> Option<u32> {
    let written = std::fs::read_to_string(file).ok()?;
    let id: u32 = written.lines().next()?.trim().parse().ok()?;
    let command = std::fs::read_to_string(format!("/proc/{id}/cmdline")).ok()?;
    command.starts_with("Bucardo").then_some(id)
}

impl Drop for Bucardo {
    fn drop(&mut self) {
        let _ = std::fs::write(Path::new(&self.path("run")).join("fullstopbucardo"), "bench\n");
        let looks = GOODBYE.as_millis() / 100;
        for _ in 0..looks {
            if self.processes().is_empty() {
                return;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        for id in self.processes() {
            let _ = Command::new("kill").arg(id.to_string()).status();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_bucardo_s_own_processes_are_ended() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("some.pid");
        std::fs::write(&file, format!("{}\n", std::process::id())).unwrap();
        assert_eq!(process(&file), None, "that is this test");
        assert_eq!(process(&folder.path().join("none")), None);
    }
}
