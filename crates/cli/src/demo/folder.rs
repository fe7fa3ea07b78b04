//! The folder that the demo makes and leaves behind: a project like any other, with the shop's file
//! and the emulator's beside it. Never writes into a folder that holds something.

use crate::exit::{Exit, Failure};
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

/// The shop's file.
pub(crate) const SHOP: &str = "shop.db";
/// The emulator's file.
pub(crate) const ORG: &str = "salesforce.jsonl";
/// The emulator's own fields.
pub(crate) const METADATA: &str = "metadata";
/// What the file of the project holds in place of the emulator's address.
const LOGIN: &str = "@LOGIN@";
/// What a folder is called unless told otherwise; a number follows.
const NAME: &str = "duet-demo";
/// Numbers that are tried.
const NUMBERS: u32 = 10_000;

macro_rules! template {
    ($name:literal) => {
        ($name, include_str!(concat!("../../templates/demo/", $name)))
    };
}

/// Path and text of the project's files.
const PROJECT: [(&str, &str); 4] = [
    template!("duet.toml"),
    template!("flows/customers.toml"),
    template!("flows/products.toml"),
    template!("flows/orders.toml"),
];

/// A custom field of an object: what its file says besides its name.
struct Custom(&'static str, &'static str, &'static str);

const KEY: &str = "<length>64</length><type>Text</type><unique>true</unique>\
    <externalId>true</externalId>";
const TEXT: &str = "<length>64</length><type>Text</type>";

const FIELDS: [Custom; 13] = [
    Custom("Account", "Shop_Id__c", KEY),
    Custom("Account", "Email__c", "<type>Email</type>"),
    Custom("Account", "Duet_Key__c", KEY),
    Custom("Account", "Duet_Write__c", TEXT),
    Custom("Product2", "Shop_Id__c", KEY),
    Custom("Product2", "Stock__c", "<precision>18</precision><scale>0</scale><type>Number</type>"),
    Custom("Product2", "Duet_Key__c", KEY),
    Custom("Product2", "Duet_Write__c", TEXT),
    Custom("Order", "Shop_Id__c", KEY),
    Custom("Order", "Fulfilment__c", TEXT),
    Custom("Order", "Tracking__c", TEXT),
    Custom("Order", "Duet_Key__c", KEY),
    Custom("Order", "Duet_Write__c", TEXT),
];

/// Makes the folder: the one that is named, which may be there if it is empty, or a new one among
/// the system's temporary files.
pub(crate) fn make(named: &Path) -> Result<PathBuf, Failure> {
    if named == Path::new(".") {
        return fresh(&std::env::temp_dir());
    }
    let made = fs::create_dir_all(named).and_then(|()| Ok(fs::read_dir(named)?.next().is_none()));
    match made {
        Ok(true) => Ok(named.to_owned()),
        Ok(false) => {
            let sentence = format!("{} isn't empty; nothing was written", named.display());
            Err(Failure::new(Exit::Failed, sentence)
                .hint("name a folder that isn't there yet with -C, or none"))
        }
        Err(error) => Err(unusable(named, error)),
    }
}

/// The first free number: making a folder either makes it or tells that it is there.
fn fresh(among: &Path) -> Result<PathBuf, Failure> {
    for number in 1..NUMBERS {
        let folder = among.join(format!("{NAME}-{number}"));
        match fs::create_dir(&folder) {
            Ok(()) => return Ok(folder),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(unusable(&folder, error)),
        }
    }
    let sentence = format!("{} holds too many folders named {NAME}-…", among.display());
    Err(Failure::new(Exit::Failed, sentence).hint("delete those that are not needed any more"))
}

fn unusable(folder: &Path, error: io::Error) -> Failure {
    let sentence = format!("the folder {} can't be made", folder.display());
    Failure::new(Exit::Failed, sentence).hint("name another one with -C").because(error)
}

/// Writes the fields that Salesforce needs, in its own source format.
pub(crate) fn write_metadata(folder: &Path) -> Result<(), Failure> {
    FIELDS.iter().try_for_each(|Custom(object, name, rest)| {
        let place = format!("{METADATA}/objects/{object}/fields/{name}.field-meta.xml");
        let label = name.trim_end_matches("__c").replace('_', " ");
        let text = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
             <CustomField xmlns=\"http://soap.sforce.com/2006/04/metadata\">\n    \
             <fullName>{name}</fullName>\n    <label>{label}</label>\n    {}\n</CustomField>\n",
            rest.replace("><", ">\n    <"),
        );
        write(&folder.join(place), &text)
    })
}

/// Writes the project, with the emulator's address.
pub(crate) fn write_project(folder: &Path, login: &str) -> Result<(), Failure> {
    PROJECT
        .iter()
        .try_for_each(|(name, text)| write(&folder.join(name), &text.replace(LOGIN, login)))
}

/// The emulator's address, as a project that the demo wrote names it.
pub(crate) fn login(folder: &Path) -> Option<String> {
    let text = fs::read_to_string(folder.join("duet.toml")).ok()?;
    let (_, auth) = text.split_once("\nauth ")?;
    let (_, rest) = auth.split_once("login = \"")?;
    rest.split_once('"').map(|(login, _)| login.to_owned())
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let written = path.parent().map_or(Ok(()), fs::create_dir_all);
    written.and_then(|()| fs::write(path, text)).map_err(|error| {
        Failure::new(Exit::Failed, format!("{} can't be written", path.display())).because(error)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use tempfile::TempDir;

    #[test]
    fn a_folder_that_holds_something_is_left_alone() {
        let folder = TempDir::new().expect("a folder");
        fs::write(folder.path().join("mine"), "mine").expect("a file");
        let refused = make(folder.path()).expect_err("it isn't empty");
        assert!(refused.sentence.contains("isn't empty"), "{refused}");
        let new = folder.path().join("a/b");
        assert_eq!(make(&new).expect("made"), new);
        assert_eq!(make(&new).expect("still empty"), new);
    }

    #[test]
    fn each_demo_gets_a_folder_of_its_own() {
        let among = TempDir::new().expect("a folder");
        let names = [(); 3].map(|()| fresh(among.path()).expect("a folder"));
        let ends = names.iter().map(|name| name.to_string_lossy().ends_with("duet-demo-3"));
        assert_eq!(ends.collect::<Vec<_>>(), [false, false, true]);
    }

    #[test]
    fn the_project_names_the_emulator_and_nothing_is_left_to_fill_in() {
        let folder = TempDir::new().expect("a folder");
        assert_eq!(login(folder.path()), None);
        write_project(folder.path(), "http://127.0.0.1:1").expect("written");
        assert_eq!(login(folder.path()).as_deref(), Some("http://127.0.0.1:1"));
        for (name, _) in PROJECT {
            let text = fs::read_to_string(folder.path().join(name)).expect("written");
            assert!(!text.contains('@') || !text.contains(LOGIN), "{name}");
            assert!(!text.contains("= \"${"), "{name}: the environment leads nowhere");
        }
        let project = duet_config::load(folder.path(), &|_| None);
        assert!(project.is_ok(), "{:?}", project.err());
    }
}
