//! How the demo tells its story: plain lines of at most 80 columns, on stdout for people, on stderr
//! where a program reads the account, nowhere with `--quiet`. A bar on a terminal shows what is
//! waited for.

use crate::app;
use crate::args::{Cli, Format};
use crate::exit::Failure;
use crate::output::{self, wrapped};
use crate::progress;
use crate::report;
use indicatif::ProgressBar;
use std::io::IsTerminal;

/// Where the text behind a label begins.
const TEXT: usize = 16;
/// What the bar shows.
const BAR: &str = "{spinner} {msg} {elapsed}";

/// Where the story goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum To {
    Stdout,
    Stderr,
    Nowhere,
}

/// Who tells it.
pub(crate) struct Teller {
    to: To,
    paints: bool,
    bar: ProgressBar,
}

impl Teller {
    /// As the command line asks for it.
    pub(crate) fn new(cli: &Cli) -> Teller {
        let to = match (cli.quiet, cli.output) {
            (true, _) => To::Nowhere,
            (false, Format::Text) => To::Stdout,
            (false, Format::Json | Format::Jsonl) => To::Stderr,
        };
        let is_terminal = match to {
            To::Stdout => std::io::stdout().is_terminal(),
            To::Stderr | To::Nowhere => std::io::stderr().is_terminal(),
        };
        let paints = app::color_on(cli.color, is_terminal);
        Teller { to, paints, bar: progress::begin_as(BAR, "starting", cli.quiet) }
    }

    /// A line as it is.
    pub(crate) fn line(&self, text: &str) -> Result<(), Failure> {
        self.bar.suspend(|| match self.to {
            To::Stdout => output::line(text).map_err(Failure::from),
            To::Stderr => {
                report::note(text);
                Ok(())
            }
            To::Nowhere => Ok(()),
        })
    }

    /// A headline, after an empty line.
    pub(crate) fn head(&self, text: &str) -> Result<(), Failure> {
        self.line("")?;
        self.line(&if self.paints { bold(text) } else { text.to_owned() })
    }

    /// A text behind a label, over as many lines as it needs.
    pub(crate) fn say(&self, label: &str, text: &str) -> Result<(), Failure> {
        self.line(&labelled(label, text))
    }

    /// What is waited for.
    pub(crate) fn wait_for(&self, what: String) {
        self.bar.set_message(what);
    }

    /// Nothing is waited for any more.
    pub(crate) fn end(&self) {
        self.bar.finish_and_clear();
    }
}

fn labelled(label: &str, text: &str) -> String {
    format!("    {label:<11} {}", wrapped(text, TEXT))
}

fn bold(text: &str) -> String {
    format!("\u{1b}[1m{text}\u{1b}[0m")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_goes_on_under_its_beginning() {
        let told = labelled("Salesforce", &"word ".repeat(30));
        assert!(told.starts_with("    Salesforce  word"), "{told}");
        assert!(
            told.lines().skip(1).all(|line| line.starts_with("                word")),
            "{told}"
        );
        assert!(told.lines().all(|line| line.chars().count() <= 80), "{told}");
    }
}
