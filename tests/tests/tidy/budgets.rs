//! Budgets: how long a function, a file and a line may be, and how much of the tree is tests.

use super::exceptions::{BUDGETS, SHARES_OWED};
use super::tree::{Source, files, read, sources};

const FUNCTION_MOST: usize = 70;
const FUNCTION_NINE_IN_TEN: usize = 35;
const FUNCTION_MEDIAN: usize = 10;
const FILE_MOST: usize = 600;
const FILE_NINE_IN_TEN: usize = 400;
const FILE_MEDIAN: usize = 150;
const LINE_MOST: usize = 100;
/// Test lines for 100 lines of code, over all crates and in the core.
const WORKSPACE_SHARE: usize = 100;
const CORE_SHARE: usize = 150;
/// A crate with fewer lines of code is only begun; shares are not asked of it yet.
pub(crate) const BEGUN: usize = 300;

fn product() -> impl Iterator<Item = &'static Source> {
    sources()
        .iter()
        .filter(|source| source.path.contains("/src/") && source.path.starts_with("crates/"))
}

fn length(source: &Source) -> usize {
    let all = source.text.lines().count();
    (1..=all).filter(|line| !source.measured.is_test_line(*line)).count()
}

/// The value that `share` of all values don't exceed.
fn percentile(mut values: Vec<usize>, share: usize) -> usize {
    values.sort_unstable();
    values.get((values.len().saturating_sub(1)) * share / 100).copied().unwrap_or(0)
}

#[test]
fn no_function_and_no_file_is_too_long() {
    let mut long = Vec::new();
    for source in product().filter(|source| !source.is_test) {
        let exception = BUDGETS.iter().find(|exception| exception.path == source.path);
        let file_most = exception.map_or(FILE_MOST, |exception| exception.file_lines);
        let function_most = exception.map_or(FUNCTION_MOST, |exception| exception.function_lines);
        if length(source) > file_most {
            long.push(format!("{}: {} lines, most {file_most}", source.path, length(source)));
        }
        for function in source.measured.functions.iter().filter(|f| f.lines > function_most) {
            let (name, line, lines) = (&function.name, function.line, function.lines);
            long.push(format!(
                "{}:{line}: fn {name} has {lines} lines, most {function_most}",
                source.path
            ));
        }
    }
    assert!(long.is_empty(), "too long:\n{}", long.join("\n"));
}

#[test]
fn most_functions_and_files_are_short() {
    let shipped = || product().filter(|source| !source.is_test);
    let functions: Vec<usize> =
        shipped().flat_map(|source| source.measured.functions.iter().map(|f| f.lines)).collect();
    let files: Vec<usize> = shipped().map(length).collect();
    let within = |what: &str, values: &[usize], share, most| {
        let found = percentile(values.to_vec(), share);
        assert!(found <= most, "{share} in 100 {what} have up to {found} lines, wanted {most}");
    };
    within("functions", &functions, 50, FUNCTION_MEDIAN);
    within("functions", &functions, 90, FUNCTION_NINE_IN_TEN);
    within("files", &files, 50, FILE_MEDIAN);
    within("files", &files, 90, FILE_NINE_IN_TEN);
}

#[test]
fn no_line_is_too_wide() {
    let wide: Vec<String> = sources()
        .iter()
        .flat_map(|source| source.code().map(move |(number, line)| (source, number, line)))
        .filter(|(_, _, line)| line.chars().count() > LINE_MOST)
        .map(|(source, number, _)| format!("{}:{number}", source.path))
        .collect();
    assert!(wide.is_empty(), "over {LINE_MOST} columns:\n{}", wide.join("\n"));
}

fn code_lines(package: &str) -> usize {
    of(package).map(|source| source.code().count()).sum()
}

fn of(package: &str) -> impl Iterator<Item = &'static Source> {
    sources().iter().filter(move |source| source.package() == package)
}

/// Lines of tests of a package; its tables of cases are tests as well.
fn test_lines(package: &str) -> usize {
    let rust: usize = of(package).map(|source| source.tests().count()).sum();
    let data = files().iter().filter(|path| {
        path.starts_with(&format!("{package}/tests/"))
            && [".toml", ".txt", ".duet"].iter().any(|ending| path.ends_with(ending))
    });
    rust + data.filter_map(|path| read(path)).map(|text| text.lines().count()).sum::<usize>()
}

pub(crate) fn is_begun_only(package: &str) -> bool {
    code_lines(package) < BEGUN
}

fn packages() -> Vec<&'static str> {
    let mut packages: Vec<&str> = sources().iter().map(Source::package).collect();
    packages.sort_unstable();
    packages.dedup();
    packages
}

#[test]
fn there_are_as_many_lines_of_tests_as_of_code() {
    let filled = packages().into_iter().filter(|package| !is_begun_only(package));
    let code: usize = filled.clone().map(code_lines).sum();
    let shared: usize = ["tests", "crates/testkit"].into_iter().map(test_lines).sum();
    let tests: usize = filled.clone().map(test_lines).sum::<usize>() + shared;
    let short: Vec<String> = filled
        .filter(|package| test_lines(package) < code_lines(package))
        .map(|package| format!("{package}: {} for {}", test_lines(package), code_lines(package)))
        .collect();
    let short = short.join("\n");
    let wanted = share_of("workspace", WORKSPACE_SHARE);
    assert!(
        100 * tests >= wanted * code,
        "{tests} lines of tests for {code} of code, wanted {wanted} for 100; fewer have\n{short}"
    );
}

#[test]
fn the_core_has_half_as_many_again() {
    let (code, tests) = (code_lines("crates/core"), test_lines("crates/core"));
    let wanted = share_of("crates/core", CORE_SHARE);
    assert!(
        100 * tests >= wanted * code,
        "core: {tests} lines of tests for {code} lines of code, wanted {wanted} for 100"
    );
}

/// Test lines wanted for 100 lines of code: the budget, or what is owed of it.
fn share_of(what: &str, budget: usize) -> usize {
    let owed = SHARES_OWED.iter().find(|(of, _, _)| *of == what);
    owed.map_or(budget, |(_, share, reason)| {
        assert!(*share < budget, "{what} keeps its budget by now; drop its line");
        assert!(reason.len() > 20, "{what} needs a reason");
        *share
    })
}

#[test]
fn exceptions_are_needed_and_reasoned() {
    for exception in BUDGETS {
        let source = sources().iter().find(|source| source.path == exception.path);
        let source = source.unwrap_or_else(|| panic!("{} is gone; drop its line", exception.path));
        let longest = source.measured.functions.iter().map(|function| function.lines).max();
        let over = length(source) > FILE_MOST || longest.unwrap_or(0) > FUNCTION_MOST;
        assert!(over, "{} keeps the budgets by now; drop its line", exception.path);
        assert!(exception.reason.len() > 20, "{} needs a reason", exception.path);
    }
}

#[test]
fn a_percentile_is_a_value_of_the_list() {
    assert_eq!(percentile(vec![3, 1, 2], 50), 2);
    assert_eq!(percentile((1..=10).collect(), 90), 9);
    assert_eq!(percentile(Vec::new(), 90), 0);
}
