//! `duet version`, `duet completions` and `duet man`: what shells and readers of manuals need, from
//! the same definition as the command line itself.

use super::Ended;
use crate::args::{Cli, Format};
use crate::catalogue;
use crate::exit::{Exit, Failure};
use crate::output;
use clap::CommandFactory;
use clap_complete::Shell;
use serde_json::json;
use std::io::{self, Write};
use std::path::Path;

/// Prints the version.
pub(crate) fn version(format: Format, json: bool) -> Ended {
    let format = if json && format == Format::Text { Format::Json } else { format };
    let version = env!("CARGO_PKG_VERSION");
    output::result(format, "version", &json!({ "version": version }), || {
        format!("duet {version}")
    })?;
    Ok(Exit::Done)
}

/// Prints the JSON Schema for editors.
pub(crate) fn schema() -> Ended {
    printed(catalogue::schema().as_bytes())
}

/// Prints the completions of a shell.
pub(crate) fn completions(shell: Shell) -> Ended {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "duet", &mut text);
    printed(&text)
}

/// Prints the manual page, or writes one for each command into a folder.
pub(crate) fn man(folder: Option<&Path>) -> Ended {
    let Some(folder) = folder else {
        let mut text = Vec::new();
        clap_mangen::Man::new(Cli::command()).render(&mut text).map_err(failed)?;
        return printed(&text);
    };
    std::fs::create_dir_all(folder).map_err(failed)?;
    clap_mangen::generate_to(Cli::command(), folder).map_err(failed)?;
    Ok(Exit::Done)
}

fn printed(text: &[u8]) -> Ended {
    match io::stdout().lock().write_all(text) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(failed(error)),
        Ok(()) | Err(_) => Ok(Exit::Done),
    }
}

fn failed(error: io::Error) -> Failure {
    Failure::new(Exit::Failed, "the text can't be written").because(error)
}
