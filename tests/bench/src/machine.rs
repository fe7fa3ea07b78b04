//! The machine and the versions that figures belong to.

use crate::child;
use std::process::Command;

/// What figures depend on, in a line each.
pub(crate) fn described() -> Vec<String> {
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let memory = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    vec![
        format!("Machine: {}, {}", processors(&cpu), total(&memory)),
        format!("System: {}, {}", system(), said("uname", &["-sr"])),
        format!("RabbitMQ {}, {}", package("rabbitmq-server"), said("postgres", &["--version"])),
        format!("{}; duet {}", said("rustc", &["--version"]), commit()),
    ]
}

fn processors(cpuinfo: &str) -> String {
    let of = |name: &str| {
        let lines = cpuinfo.lines().filter(|line| line.starts_with(name));
        lines.filter_map(|line| Some(line.split_once(':')?.1.trim().to_owned())).collect::<Vec<_>>()
    };
    let model = of("model name").into_iter().next().unwrap_or_else(|| "unknown".to_owned());
    format!("{} processors ({model})", of("processor").len())
}

fn total(meminfo: &str) -> String {
    let line = meminfo.lines().find(|line| line.starts_with("MemTotal:"));
    let kib = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
    kib.map_or_else(|| "unknown memory".to_owned(), |kib| format!("{} GiB", kib.div_ceil(1 << 20)))
}

fn system() -> String {
    let release = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
    let name = release.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="));
    name.map_or_else(|| "unknown".to_owned(), |name| name.trim_matches('"').to_owned())
}

/// The version of a Debian package: asking the broker itself would take seconds.
fn package(name: &str) -> String {
    said("dpkg-query", &["--show", "--showformat=${Version}", name])
}

fn commit() -> String {
    let root = child::root().map(|path| path.to_string_lossy().into_owned());
    let root = root.unwrap_or_else(|_| ".".to_owned());
    let version = env!("CARGO_PKG_VERSION");
    let hash = said("git", &["-C", &root, "rev-parse", "--short", "HEAD"]);
    format!("{version} at {hash}")
}

/// The first line that a program prints; Debian keeps PostgreSQL's out of the path.
fn said(program: &str, arguments: &[&str]) -> String {
    let places = [program.to_owned(), format!("/usr/lib/postgresql/15/bin/{program}")];
    let outputs =
        places.iter().filter_map(|place| Command::new(place).args(arguments).output().ok());
    let told = outputs
        .filter(|output| output.status.success())
        .map(|output| String::from_utf8_lossy(&output.stdout).lines().next().map(str::to_owned));
    told.flatten().next().unwrap_or_else(|| format!("{program} unknown"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processors_and_memory_are_counted() {
        let cpuinfo = "processor\t: 0\nmodel name\t: Xeon\nprocessor\t: 1\nmodel name\t: Xeon\n";
        assert_eq!(processors(cpuinfo), "2 processors (Xeon)");
        assert_eq!(total("MemTotal:       24689104 kB\n"), "24 GiB");
        assert_eq!(total(""), "unknown memory");
    }

    #[test]
    fn a_program_that_isn_t_there_is_unknown() {
        assert_eq!(said("no-such-program", &[]), "no-such-program unknown");
        assert_eq!(described().len(), 4);
    }
}
