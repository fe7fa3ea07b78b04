//! Who uses the processors, from /proc: by process for the table, and what strangers use for the
//! refusal. Only Linux tells it so.

use crate::error::BenchError;
use crate::watch::Watch;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs;

/// Ticks of the kernel's clock in a second, the same on every Linux.
const TICKS: f64 = 100.0;

/// The servers whose work is told apart.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Servers {
    /// The broker's process.
    pub(crate) broker: u32,
    /// The first process of PostgreSQL.
    pub(crate) postgres: u32,
}

/// Processor seconds used so far.
#[derive(Clone, Debug)]
pub(crate) struct Usage {
    by: BTreeMap<String, f64>,
    all: f64,
    watch: Watch,
}

/// What was used between two looks.
#[derive(Clone, Debug)]
pub(crate) struct Used {
    /// Seconds by process.
    pub(crate) by: BTreeMap<String, f64>,
    /// Cores used by everybody else.
    pub(crate) strangers: f64,
}

/// A process, as /proc tells.
#[derive(Clone, Debug, PartialEq)]
struct Process {
    id: u32,
    name: String,
    parent: u32,
    own: f64,
    waited_for: f64,
}

/// The process that looks.
#[derive(Clone, Copy, Debug)]
struct Myself {
    id: u32,
    name: &'static str,
}

/// A process with a task is the measured one; without, it only waits for others.
fn own_name() -> &'static str {
    if std::env::args().nth(1).is_some_and(|word| word == "task") { "duet" } else { "bench" }
}

/// Looks at all processes.
pub(crate) fn usage(servers: Servers) -> Result<Usage, BenchError> {
    let mut by = BTreeMap::new();
    let me = Myself { id: std::process::id(), name: own_name() };
    for process in all()? {
        let Some((name, used)) = named(&process, servers, me) else { continue };
        *by.entry(name).or_default() += used;
    }
    let stat = fs::read_to_string("/proc/stat").map_err(BenchError::io("read /proc/stat"))?;
    Ok(Usage { by, all: busy(&stat), watch: Watch::start() })
}

/// What was used since.
pub(crate) fn since(before: &Usage, servers: Servers) -> Result<Used, BenchError> {
    Ok(between(before, &usage(servers)?, before.watch.seconds()))
}

fn between(before: &Usage, after: &Usage, seconds: f64) -> Used {
    let earlier = |name: &String| before.by.get(name).copied().unwrap_or(0.0);
    let by: BTreeMap<String, f64> = after
        .by
        .iter()
        .map(|(name, used)| (name.clone(), (used - earlier(name)).max(0.0)))
        .collect();
    let known: f64 = by.values().sum();
    let strangers = ((after.all - before.all - known) / seconds.max(0.01)).max(0.0);
    Used { by, strangers }
}

/// The group of a process, and what counts of it.
fn named(process: &Process, servers: Servers, me: Myself) -> Option<(String, f64)> {
    let Process { id, ref name, parent, own, waited_for } = *process;
    // A daemon: nobody's child.
    if name.starts_with("Bucardo") {
        return Some(("Bucardo".to_owned(), own));
    }
    if id == servers.broker {
        return Some(("broker".to_owned(), own));
    }
    // No server: process 0 is the parent of whatever the kernel started.
    let is_postgres = id == servers.postgres || parent == servers.postgres;
    if servers.postgres > 0 && is_postgres {
        return Some(("PostgreSQL".to_owned(), own + waited_for));
    }
    if id == me.id {
        return Some((me.name.to_owned(), own));
    }
    (parent == me.id).then(|| (task(name, &command(id)), own))
}

/// What a child of ours is for. One that has ended keeps its name, but no command.
fn task(name: &str, command: &str) -> String {
    let words: Vec<&str> = command.split('\0').collect();
    let task = match (name, words.get(1).copied()) {
        (_, Some("serve")) => "HTTP side",
        (_, Some("emulator")) => "emulator",
        (_, Some("run")) => "duet",
        ("bench", _) => "publisher",
        _ => "others",
    };
    task.to_owned()
}

fn command(id: u32) -> String {
    fs::read_to_string(format!("/proc/{id}/cmdline")).unwrap_or_default()
}

fn all() -> Result<Vec<Process>, BenchError> {
    let listed = fs::read_dir("/proc").map_err(BenchError::io("list /proc"))?;
    let ids = listed.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    Ok(ids.filter_map(process).collect())
}

fn process(id: u32) -> Option<Process> {
    // One that ended meanwhile is no error.
    parsed(id, &fs::read_to_string(format!("/proc/{id}/stat")).ok()?)
}

/// `12 (name) S 1 …`: the name may hold anything, so what follows the last parenthesis counts.
fn parsed(id: u32, stat: &str) -> Option<Process> {
    let (named, rest) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let seconds = |at: usize| Some(fields.get(at)?.parse::<f64>().ok()? / TICKS);
    Some(Process {
        id,
        name: named.split_once('(')?.1.to_owned(),
        parent: fields.get(1)?.parse().ok()?,
        own: seconds(11)? + seconds(12)?,
        waited_for: seconds(13)? + seconds(14)?,
    })
}

/// Seconds in which a processor worked: user, nice, system, and interrupts.
fn busy(stat: &str) -> f64 {
    let first = stat.lines().next().unwrap_or_default();
    let values: Vec<f64> =
        first.split_whitespace().skip(1).filter_map(|word| word.parse().ok()).collect();
    let of = |at: usize| values.get(at).copied().unwrap_or(0.0);
    (of(0) + of(1) + of(2) + of(5) + of(6)) / TICKS
}

/// The parent of a process.
pub(crate) fn parent(id: u32) -> Option<u32> {
    process(id).map(|process| process.parent)
}

/// The most memory that a process ever held, in MiB.
pub(crate) fn peak_mib(id: u32) -> Option<f64> {
    memory(&fs::read_to_string(format!("/proc/{id}/status")).ok()?, "VmHWM:")
}

fn memory(status: &str, what: &str) -> Option<f64> {
    let line = status.lines().find(|line| line.starts_with(what))?;
    line.split_whitespace().nth(1)?.parse::<f64>().ok().map(|kib| kib / 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some(by: &[(&str, f64)], all: f64) -> Usage {
        let by = by.iter().map(|(name, used)| ((*name).to_owned(), *used)).collect();
        Usage { by, all, watch: Watch::start() }
    }

    #[test]
    fn a_process_with_a_strange_name_is_read() {
        let stat = "7 (a) b (c)) S 3 7 7 0 -1 4194560 1 2 3 4 250 50 25 25 20 0 1 0 5 6 7";
        let name = "a) b (c)".to_owned();
        let wanted = Process { id: 7, name, parent: 3, own: 3.0, waited_for: 0.5 };
        assert_eq!(parsed(7, stat), Some(wanted));
        assert_eq!(parsed(7, "7 (gone"), None);
    }

    #[test]
    fn what_is_nobody_s_is_strangers() {
        let (before, after) = (some(&[("duet", 1.0)], 10.0), some(&[("duet", 3.0)], 13.0));
        let used = between(&before, &after, 2.0);
        assert!((used.strangers - 0.5).abs() < 1e-9, "{used:?}");
        assert_eq!(used.by, BTreeMap::from([("duet".to_owned(), 2.0)]));
        // Rounding of the kernel's clock must not make it negative.
        assert!(between(&before, &some(&[("duet", 3.0)], 11.9), 2.0).strangers.abs() < 1e-9);
    }

    #[test]
    fn groups_are_told_apart() {
        let servers = Servers { broker: 10, postgres: 20 };
        let of = |id, parent| {
            let name = if id == 40 { "Bucardo Kid" } else { "other" }.to_owned();
            let process = Process { id, name, parent, own: 1.0, waited_for: 0.5 };
            named(&process, servers, Myself { id: 30, name: "duet" })
                .map(|(name, used)| format!("{name} {used}"))
        };
        assert_eq!(of(10, 1).as_deref(), Some("broker 1"));
        assert_eq!(of(21, 20).as_deref(), Some("PostgreSQL 1.5"));
        assert_eq!(of(30, 1).as_deref(), Some("duet 1"));
        assert_eq!(of(40, 1).as_deref(), Some("Bucardo 1"));
        assert_eq!(of(99, 1), None);
        assert_eq!(task("duet-bench-limi", "limit\0serve\0"), "HTTP side");
        assert_eq!(task("bench", ""), "publisher");
    }

    #[test]
    fn our_own_work_is_seen() {
        let before = usage(Servers::default()).unwrap();
        assert!(before.by.contains_key(own_name()) && before.all > 0.0);
        assert!(since(&before, Servers::default()).unwrap().strangers >= 0.0);
        assert!(peak_mib(std::process::id()).unwrap() > 1.0);
        assert!(parent(std::process::id()).is_some());
    }
}
