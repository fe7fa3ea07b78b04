//! A project of real processes: a shop in PostgreSQL whose triggers tell its changes, another side
//! (Salesforce stood in for by the emulator, or a second database), and `duet` as a person starts it.

use crate::child::{self, Child};
use crate::error::BenchError;
use crate::lab::Lab;
use crate::shop;
use crate::watch::Watch;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;

/// Columns of duet's own on a contact, and whether each is a unique key.
const COLUMNS: [(&str, bool); 3] =
    [("Ext__c", true), ("Duet_Key__c", true), ("Duet_Write__c", false)];

/// How long a command may take.
const COMMAND: Duration = Duration::from_secs(240);

/// What the shop is kept in agreement with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum With {
    /// Salesforce, where no contact is yet.
    Salesforce,
    /// A second database with the same contacts.
    Database,
}

/// A project, with its servers' parts.
pub(crate) struct Project {
    folder: TempDir,
    /// The shop's database.
    pub(crate) shop: String,
    /// The second database; without contacts where the shop is kept with Salesforce.
    pub(crate) other: String,
    /// duet's own.
    pub(crate) state: String,
    /// The broker.
    pub(crate) amqp: String,
    host: String,
    login: String,
    emulator: Option<Child>,
}

impl Project {
    /// A shop with so many contacts, and every table of duet's; everything is adopted.
    pub(crate) async fn new(lab: &Lab, with: With, contacts: u64) -> Result<Project, BenchError> {
        let folder = TempDir::new_in(lab.folder.path()).map_err(BenchError::io("make a folder"))?;
        let (shop, other, state) =
            (lab.database().await?, lab.database().await?, lab.database().await?);
        let (amqp, host) = lab.virtual_host().await?;
        write(folder.path(), with)?;
        let address = format!("127.0.0.1:{}", free_port()?);
        let login = format!("http://{address}");
        let emulator = None;
        let mut project = Project { folder, shop, other, state, amqp, host, login, emulator };
        shop::fill(&project.shop, contacts).await?;
        match with {
            With::Database => shop::fill(&project.other, contacts).await?,
            With::Salesforce => project.emulate(&address).await?,
        }
        for command in [&["migrate"][..], &["capture", "install"], &["adopt", "--yes"]] {
            project.run(command).await?;
        }
        project.run(&["sync", "--once"]).await?;
        Ok(project)
    }

    async fn emulate(&mut self, address: &str) -> Result<(), BenchError> {
        let (data, metadata) = (self.org(), self.path("metadata"));
        let (file, folder) = (text(&data), text(&metadata));
        let options = ["--listen", address, "--data", &file, "--metadata", &folder];
        let arguments = [&["emulator"], &options[..]].concat();
        self.emulator = Some(Child::silent(&binary()?, &arguments, &[])?);
        let watch = Watch::start();
        while !data.exists() {
            if watch.elapsed() > Duration::from_secs(20) {
                return Err(BenchError::Check("the emulator doesn't start".to_owned()));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    /// Runs a command of duet to its end.
    pub(crate) async fn run(&self, arguments: &[&str]) -> Result<String, BenchError> {
        let folder = text(self.folder.path());
        let arguments = [arguments, &["-C", &folder]].concat();
        let (binary, variables) = (binary()?, self.variables());
        let ran = child::run(&binary, &arguments, &variables);
        tokio::time::timeout(COMMAND, ran).await.unwrap_or_else(|_| {
            let program = format!("duet {}", arguments.join(" "));
            Err(BenchError::Program { program, output: "it didn't end".to_owned() })
        })
    }

    /// Starts `duet run`.
    pub(crate) fn start(&self) -> Result<Child, BenchError> {
        let folder = text(self.folder.path());
        Child::silent(&binary()?, &["run", "-C", &folder], &self.variables())
    }

    /// The organization's data file: a line for each state of a record, written before it is told.
    pub(crate) fn org(&self) -> PathBuf {
        self.path("org.jsonl")
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn variables(&self) -> Vec<(&'static str, String)> {
        vec![
            ("STATE_URL", self.state.clone()),
            ("AMQP_URL", self.amqp.clone()),
            ("SHOP_URL", self.shop.clone()),
            ("OTHER_URL", self.other.clone()),
            ("LOGIN_URL", self.login.clone()),
            // What the emulator asks for.
            ("SECRET", "secret".to_owned()),
            ("PASSWORD", "pwtok".to_owned()),
        ]
    }

    /// Ends the emulator and gives databases and virtual host back.
    pub(crate) async fn end(mut self, lab: &Lab) -> Result<(), BenchError> {
        drop(self.emulator.take());
        lab.drop_virtual_host(&self.host).await?;
        for database in [&self.shop, &self.other, &self.state] {
            lab.drop_database(database).await?;
        }
        Ok(())
    }
}

/// The binary of duet, built beside the bench.
fn binary() -> Result<PathBuf, BenchError> {
    child::beside("duet")
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

fn free_port() -> Result<u16, BenchError> {
    let listener = TcpListener::bind("127.0.0.1:0").and_then(|one| one.local_addr());
    listener.map(|address| address.port()).map_err(BenchError::io("find a free port"))
}

fn write(folder: &Path, with: With) -> Result<(), BenchError> {
    let (project, flow) = match with {
        With::Salesforce => {
            (include_str!("../projects/crm/duet.toml"), include_str!("../projects/crm/flow.toml"))
        }
        With::Database => {
            (include_str!("../projects/sql/duet.toml"), include_str!("../projects/sql/flow.toml"))
        }
    };
    let fields = folder.join("metadata/objects/Contact/fields");
    let mut files = vec![
        (folder.join("duet.toml"), project.to_owned()),
        (folder.join("flow.toml"), flow.to_owned()),
    ];
    files.extend(COLUMNS.map(|(name, unique)| {
        (fields.join(format!("{name}.field-meta.xml")), field(name, unique))
    }));
    std::fs::create_dir_all(&fields).map_err(BenchError::io("write the project"))?;
    for (path, content) in files {
        std::fs::write(path, content).map_err(BenchError::io("write the project"))?;
    }
    Ok(())
}

fn field(name: &str, unique: bool) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <CustomField xmlns=\"http://soap.sforce.com/2006/04/metadata\">\
         <fullName>{name}</fullName><label>{name}</label><externalId>{unique}</externalId>\
         <length>64</length><required>false</required><type>Text</type>\
         <unique>{unique}</unique></CustomField>\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_project_is_written_whole() {
        for with in [With::Salesforce, With::Database] {
            let folder = tempfile::tempdir().unwrap();
            write(folder.path(), with).unwrap();
            for file in ["duet.toml", "flow.toml"] {
                let written = std::fs::read_to_string(folder.path().join(file)).unwrap();
                assert!(written.contains("contacts") || written.contains("connections"), "{file}");
            }
            let fields = folder.path().join("metadata/objects/Contact/fields");
            assert_eq!(std::fs::read_dir(fields).unwrap().count(), COLUMNS.len());
        }
    }
}
