//! `duet init`: a commented configuration to begin with. Never overwrites: if one of its files is
//! there already, it writes none.

use super::Ended;
use crate::args::{Cli, InitArgs, Template};
use crate::exit::{Exit, Failure};
use crate::output::{self, count};
use serde_json::json;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Path and content.
type File = (&'static str, &'static str);

macro_rules! shop_orders {
    ($name:literal) => {
        include_str!(concat!("../../templates/shop-orders/", $name))
    };
}

const SHOP_ORDERS: [File; 6] = [
    ("duet.toml", shop_orders!("duet.toml")),
    ("flows/customers.toml", shop_orders!("flows/customers.toml")),
    ("flows/products.toml", shop_orders!("flows/products.toml")),
    ("flows/orders.toml", shop_orders!("flows/orders.toml")),
    (".env.example", shop_orders!("env.example")),
    (".github/workflows/duet.yml", shop_orders!("workflows/duet.yml")),
];

/// Runs it.
pub(crate) fn run(cli: &Cli, args: &InitArgs) -> Ended {
    let files: &[File] = match args.template {
        Template::ShopOrders => &SHOP_ORDERS,
    };
    write_all(&cli.dir, files)?;
    let names: Vec<&str> = files.iter().map(|(name, _)| *name).collect();
    let value = json!({ "template": args.template.name(), "written": names });
    output::result(cli.output, "init", &value, || text(&names))?;
    Ok(Exit::Done)
}

fn text(names: &[&str]) -> String {
    let number = u64::try_from(names.len()).unwrap_or(u64::MAX);
    format!(
        "wrote {}: {}\nnext: look at the lines marked CHANGE, fill in .env as .env.example says, \
         then `duet check`",
        count(number, "file", "files"),
        names.join(", "),
    )
}

/// All of them, or none: what one that can't be written leaves behind is taken away again.
fn write_all(folder: &Path, files: &[File]) -> Result<(), Failure> {
    let there: Vec<&str> = files
        .iter()
        .map(|(name, _)| *name)
        .filter(|name| folder.join(name).symlink_metadata().is_ok())
        .collect();
    if !there.is_empty() {
        let sentence = format!("there already: {}; nothing was written", there.join(", "));
        return Err(Failure::new(Exit::Failed, sentence)
            .hint("say -C DIR for another folder, or take these away first"));
    }
    let mut written: Vec<PathBuf> = Vec::new();
    for (name, content) in files {
        let path = folder.join(name);
        if let Err(error) = write_new(&path, content) {
            // What can't be taken away was told by the error that follows, or is an empty file.
            written.iter().for_each(|path| drop(fs::remove_file(path)));
            let sentence = format!("{} can't be written", path.display());
            return Err(Failure::new(Exit::Failed, sentence).because(error));
        }
        written.push(path);
    }
    Ok(())
}

fn write_new(path: &Path, content: &str) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
    file.write_all(content.as_bytes()).and_then(|()| file.sync_all()).inspect_err(|_| {
        drop(fs::remove_file(path));
    })
}

#[cfg(test)]
mod tests {
    //! Shows that nothing is overwritten and nothing is left half done.

    use super::*;
    use tempfile::TempDir;

    #[test]
    fn a_file_that_is_there_stays_and_no_other_is_written() {
        let folder = TempDir::new().expect("a folder");
        fs::create_dir(folder.path().join("flows")).expect("a folder");
        fs::write(folder.path().join("flows/orders.toml"), "mine").expect("a file");
        let refused = write_all(folder.path(), &SHOP_ORDERS).expect_err("it is there");
        assert!(refused.sentence.contains("flows/orders.toml"), "{refused}");
        assert!(!folder.path().join("duet.toml").exists());
        let kept = fs::read_to_string(folder.path().join("flows/orders.toml")).expect("a file");
        assert_eq!(kept, "mine");
    }

    #[test]
    fn what_was_written_before_one_failed_is_taken_away() {
        let folder = TempDir::new().expect("a folder");
        let files = [("a/b", "content"), ("a/b/c", "can't be: b is a file")];
        write_all(folder.path(), &files).expect_err("it can't be written");
        assert!(!folder.path().join("a/b").exists());
    }
}
