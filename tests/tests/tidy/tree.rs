//! The files of the tree: those that are tracked, or new and not ignored.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use super::measure::{self, Measured};

/// A Rust file and what was measured in it.
pub(crate) struct Source {
    /// From the root of the tree.
    pub(crate) path: String,
    pub(crate) text: String,
    pub(crate) measured: Measured,
    /// The whole file exists for tests only.
    pub(crate) is_test: bool,
}

impl Source {
    /// The folder of its package, `crates/core`.
    pub(crate) fn package(&self) -> &str {
        self.path
            .split_once("/src/")
            .or_else(|| self.path.split_once("/tests/"))
            .map_or("", |p| p.0)
    }

    /// Lines that ship, with their numbers; comments and blank lines are left out.
    pub(crate) fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        self.lines().filter(|(number, _)| !self.is_test && !self.measured.is_test_line(*number))
    }

    /// Lines that test.
    pub(crate) fn tests(&self) -> impl Iterator<Item = (usize, &str)> {
        self.lines().filter(|(number, _)| self.is_test || self.measured.is_test_line(*number))
    }

    fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        let numbered = self.text.lines().enumerate().map(|(at, line)| (at + 1, line));
        numbered.filter(|(_, line)| measure::is_code(line))
    }
}

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Every file, from the root.
pub(crate) fn files() -> &'static [String] {
    static FILES: OnceLock<Vec<String>> = OnceLock::new();
    FILES.get_or_init(|| {
        let listed = Command::new("git")
            .args(["ls-files", "--cached", "--others", "--exclude-standard"])
            .current_dir(root())
            .output()
            .unwrap();
        assert!(listed.status.success(), "tidy needs a git checkout");
        let names = String::from_utf8(listed.stdout).unwrap();
        names.lines().filter(|name| root().join(name).is_file()).map(str::to_owned).collect()
    })
}

pub(crate) fn read(path: &str) -> Option<String> {
    String::from_utf8(std::fs::read(root().join(path)).ok()?).ok()
}

/// Every Rust file, measured.
pub(crate) fn sources() -> &'static [Source] {
    static SOURCES: OnceLock<Vec<Source>> = OnceLock::new();
    SOURCES.get_or_init(|| {
        let rust: Vec<&String> = files().iter().filter(|path| path.ends_with(".rs")).collect();
        let mut sources: Vec<Source> = rust.into_iter().filter_map(|path| source(path)).collect();
        let only_tests: Vec<String> = sources.iter().flat_map(test_modules).collect();
        for source in &mut sources {
            source.is_test |= only_tests.iter().any(|module| is_of(&source.path, module));
        }
        sources
    })
}

fn source(path: &str) -> Option<Source> {
    let text = read(path)?;
    let measured = measure::measure(&text).unwrap_or_else(|error| panic!("{path}: {error}"));
    let is_test = path.starts_with("tests/")
        || path.starts_with("crates/testkit/")
        || path.contains("/tests/")
        || path.contains("/benches/");
    Some(Source { path: path.to_owned(), text, measured, is_test })
}

/// Files that a file includes under `#[cfg(test)] mod name;`, without their ending.
fn test_modules(source: &Source) -> Vec<String> {
    let (folder, file) = source.path.rsplit_once('/').unwrap_or(("", &source.path));
    let base = match file {
        "lib.rs" | "main.rs" | "mod.rs" => folder.to_owned(),
        _ => format!("{folder}/{}", file.trim_end_matches(".rs")),
    };
    source.measured.test_modules.iter().map(|name| format!("{base}/{name}")).collect()
}

fn is_of(path: &str, module: &str) -> bool {
    path.strip_prefix(module).is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
}
