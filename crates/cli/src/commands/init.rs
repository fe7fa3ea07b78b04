//! `duet init`: a commented configuration to begin with. Never overwrites: if one of its files is
//! there already, it writes none.

use super::Ended;
use crate::args::{Cli, External, InitArgs, Template};
use crate::exit::{Exit, Failure};
use crate::output::{self, count};
use crate::{ask, catalogue, state};
use serde_json::json;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Path and content.
pub(crate) type File = (&'static str, String);

macro_rules! shop_orders {
    ($name:literal) => {
        include_str!(concat!("../../templates/shop-orders/", $name))
    };
}

/// What is put where a template says `{{name}}`: a part of duet.toml, and one of `.env.example`.
type Part = (&'static str, &'static str);

const ALONE: Part = (shop_orders!("state/alone.toml"), "");
const SERVERS: Part = (shop_orders!("state/servers.toml"), shop_orders!("state/servers.env"));
const POSTGRES: Part = (shop_orders!("shop/postgres.toml"), shop_orders!("shop/postgres.env"));
const SQLITE: Part = (shop_orders!("shop/sqlite.toml"), "");

/// Runs it.
pub(crate) fn run(cli: &Cli, args: &InitArgs) -> Ended {
    // Nobody is asked for what can't be written then; which files there are depends on no answer.
    refuse_what_is_there(&cli.dir, &files(args.template, External::Postgres, false))?;
    let (external, servers) = said(cli, args).map_err(unanswered)?;
    let files = files(args.template, external, servers);
    write_all(&cli.dir, &files)?;
    let names: Vec<&str> = files.iter().map(|(name, _)| *name).collect();
    let value = json!({ "template": args.template.name(), "written": names });
    output::result(cli.output, "init", &value, || text(&names, servers))?;
    Ok(Exit::Done)
}

/// What the options say, or the person at the terminal.
fn said(cli: &Cli, args: &InitArgs) -> io::Result<(External, bool)> {
    let asks = ask::is_possible(cli.no_input);
    let external = match args.external {
        Some(external) => external,
        None if asks => {
            let choices = [("postgres", External::Postgres), ("sqlite", External::Sqlite)];
            ask::choice("External system?", &choices)?
        }
        None => External::Postgres,
    };
    // Whoever names the system knows the options: a script on a terminal isn't held up.
    let servers = match args.external {
        None if asks && !args.servers => {
            let choices = [("in a file, no server needed", false), ("PostgreSQL + RabbitMQ", true)];
            ask::choice("Where does duet remember?", &choices)?
        }
        _ => args.servers,
    };
    Ok((external, servers))
}

fn unanswered(error: io::Error) -> Failure {
    Failure::new(Exit::Usage, "nothing was chosen, and nothing was written")
        .hint("--external and --servers say it beforehand; --no-input takes the defaults")
        .because(error)
}

/// Everything that is written.
fn files(template: Template, external: External, servers: bool) -> Vec<File> {
    let Template::ShopOrders = template;
    let shop = match external {
        External::Postgres => POSTGRES,
        External::Sqlite => SQLITE,
    };
    let state = if servers { SERVERS } else { ALONE };
    let filled = |text: &str, of: fn(Part) -> &'static str| {
        text.replace("{{state}}", of(state)).replace("{{shop}}", of(shop))
    };
    vec![
        ("duet.toml", filled(shop_orders!("duet.toml"), |part| part.0)),
        ("flows/customers.toml", shop_orders!("flows/customers.toml").to_owned()),
        ("flows/products.toml", shop_orders!("flows/products.toml").to_owned()),
        ("flows/orders.toml", shop_orders!("flows/orders.toml").to_owned()),
        (".env.example", filled(shop_orders!("env.example"), |part| part.1)),
        (".github/workflows/duet.yml", shop_orders!("workflows/duet.yml").to_owned()),
        (state::SCHEMA, catalogue::schema()),
        (state::IGNORE, state::IGNORED.to_owned()),
    ]
}

/// Everything that can be written, for tests of what it says.
#[cfg(test)]
pub(crate) fn every() -> Vec<Vec<File>> {
    let systems = [External::Postgres, External::Sqlite].into_iter();
    let all = systems.flat_map(|external| [(external, false), (external, true)]);
    all.map(|(external, servers)| files(Template::ShopOrders, external, servers)).collect()
}

fn text(names: &[&str], servers: bool) -> String {
    let number = u64::try_from(names.len()).unwrap_or(u64::MAX);
    let then = if servers { "`duet check` and `duet migrate`" } else { "`duet check`" };
    let next = format!(
        "next: look at the lines marked CHANGE, fill in .env as .env.example says, then {then}"
    );
    let wrote = format!("wrote {}: {}", count(number, "file", "files"), names.join(", "));
    format!("{}\n{}", output::wrapped(&wrote, 2), output::wrapped(&next, 2))
}

fn refuse_what_is_there(folder: &Path, files: &[File]) -> Result<(), Failure> {
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
    Ok(())
}

/// All of them, or none: what one that can't be written leaves behind is taken away again.
fn write_all(folder: &Path, files: &[File]) -> Result<(), Failure> {
    refuse_what_is_there(folder, files)?;
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
        let refused =
            write_all(folder.path(), &files(Template::ShopOrders, External::Postgres, false))
                .expect_err("it is there");
        assert!(refused.sentence.contains("flows/orders.toml"), "{refused}");
        assert!(!folder.path().join("duet.toml").exists());
        let kept = fs::read_to_string(folder.path().join("flows/orders.toml")).expect("a file");
        assert_eq!(kept, "mine");
    }

    /// Somebody is asked only after it is known that nothing stands in the way.
    #[test]
    fn which_files_there_are_depends_on_no_answer() {
        let names = |files: Vec<File>| files.into_iter().map(|(name, _)| name).collect::<Vec<_>>();
        let every: Vec<Vec<&str>> = every().into_iter().map(names).collect();
        assert!(every.iter().all(|names| names == &every[0]), "{every:?}");
    }

    #[test]
    fn what_is_written_is_whole_and_names_the_schema() {
        for files in every() {
            for (name, text) in &files {
                assert!(!text.contains("{{"), "{name}:\n{text}");
                assert!(!text.contains("\n\n\n"), "{name} has gaps:\n{text}");
                let schema = match name.rsplit_once('/') {
                    None => "#:schema ./.duet/duet.schema.json\n",
                    Some(_) => "#:schema ../.duet/duet.schema.json\n",
                };
                assert!(!name.ends_with(".toml") || text.starts_with(schema), "{name}");
            }
        }
    }

    #[test]
    fn what_was_written_before_one_failed_is_taken_away() {
        let folder = TempDir::new().expect("a folder");
        let files = [("a/b", "content"), ("a/b/c", "can't be: b is a file")];
        let files = files.map(|(name, text)| (name, text.to_owned()));
        write_all(folder.path(), &files).expect_err("it can't be written");
        assert!(!folder.path().join("a/b").exists());
    }
}
