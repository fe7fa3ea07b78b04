//! `docs/reference/commands.md`: every command and option, from the definition that parses them.

use super::{head, keep, row};
use crate::args::Cli;
use clap::builder::StyledStr;
use clap::{Arg, Command, CommandFactory};

fn plain(text: Option<&StyledStr>) -> String {
    text.map(ToString::to_string).unwrap_or_default()
}

/// How an argument is written.
fn name(arg: &Arg) -> String {
    let values: Vec<String> =
        arg.get_value_names().unwrap_or_default().iter().map(ToString::to_string).collect();
    let takes = arg.get_action().takes_values() && !values.is_empty();
    let value = if takes { format!(" {}", values.join(" ")) } else { String::new() };
    let short = arg.get_short().map(|short| format!("-{short}"));
    let long = arg.get_long().map(|long| format!("--{long}"));
    match [short, long].into_iter().flatten().collect::<Vec<_>>() {
        none if none.is_empty() => format!("`{}`", value.trim()),
        written => format!("`{}{value}`", written.join(", ")),
    }
}

fn cells(arg: &Arg) -> String {
    let mut meaning = plain(arg.get_help());
    let words: Vec<String> = arg
        .get_possible_values()
        .iter()
        .map(|word| match word.get_help() {
            Some(help) => format!("`{}` ({help})", word.get_name()),
            None => format!("`{}`", word.get_name()),
        })
        .collect();
    if arg.get_action().takes_values() && !words.is_empty() {
        meaning.push_str(&format!(": {}", words.join(", ")));
    }
    let defaults = arg.get_default_values().iter().map(|value| value.to_string_lossy());
    let defaults = defaults.collect::<Vec<_>>().join(" ");
    if arg.get_action().takes_values() && !defaults.is_empty() {
        meaning.push_str(&format!(" (default: `{defaults}`)"));
    }
    row(&[&name(arg), &meaning])
}

fn options<'c>(args: impl Iterator<Item = &'c Arg>) -> String {
    let known = |arg: &&Arg| !["help", "version"].contains(&arg.get_id().as_str());
    let rows: String = args.filter(known).map(cells).collect();
    if rows.is_empty() {
        String::new()
    } else {
        format!("{}{rows}\n", head(&["Option", "Meaning"]))
    }
}

fn block(text: &str) -> String {
    let text = text.trim();
    if text.is_empty() { String::new() } else { format!("```text\n{text}\n```\n\n") }
}

fn section(command: &Command, path: &str) -> String {
    let about = plain(command.get_about());
    // What only leads to other commands is called by none of its own.
    let usage = match command.has_subcommands() {
        true => String::new(),
        false => command.clone().render_usage().to_string(),
    };
    let usage = usage.trim_start_matches("Usage:").trim();
    let own = command.get_arguments().filter(|arg| !arg.is_global_set());
    let mut text = format!("## `{path}`\n\n{about}.\n\n{}", block(usage));
    text.push_str(&options(own));
    text.push_str(&block(&plain(command.get_after_help())));
    text + &below(command, path)
}

fn below(command: &Command, path: &str) -> String {
    let commands = command.get_subcommands().filter(|command| command.get_name() != "help");
    commands.map(|command| section(command, &format!("{path} {}", command.get_name()))).collect()
}

#[test]
fn every_command_is_in_the_page() {
    let mut duet = Cli::command();
    duet.build();
    let everywhere = options(duet.get_arguments().filter(|arg| arg.is_global_set()));
    assert!(everywhere.contains("`-C, --dir DIR`"), "{everywhere}");
    let commands = below(&duet, "duet");
    assert!(commands.contains("## `duet conflicts resolve`"), "{commands}");
    let places = [("everywhere", everywhere), ("commands", commands)];
    keep("docs/reference/commands.md", &places);
}
