//! What the pages show of the command line is true: every shell block is run (`sh test`, by
//! `readme.rs`) or at least parsed (`sh parsed`), and every `duet …` in running text names commands
//! and flags that there are.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use duet_tests::duet::{Places, Project};

/// A fenced block.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Block {
    /// Its page, from the root.
    pub(crate) page: String,
    /// What stands after the fence.
    pub(crate) mark: String,
    /// Its lines.
    pub(crate) lines: Vec<String>,
}

/// What a block may be marked with: run, parsed, or no shell at all.
const MARKS: [&str; 7] = ["sh test", "sh parsed", "text", "toml", "json", "python", "sql"];
/// Whether a line can be right.
type Look = fn(&str) -> bool;
/// Programs of blocks that are only parsed, each with how its line is looked at.
const PARSED: [(&str, Look); 6] = [
    ("cargo", |line| {
        ["build", "run", "nextest", "fmt", "clippy"].iter().any(|verb| has(line, verb))
    }),
    ("tests/run", |_| root().join("tests/run").is_file()),
    ("docker", |line| has(line, "compose") && root().join("docker-compose.yml").is_file()),
    ("just", |line| line.split_whitespace().nth(1).is_some_and(is_recipe)),
    ("export", |line| line.contains('=')),
    ("createdb", |line| line.split_whitespace().count() == 2),
];

fn has(line: &str, word: &str) -> bool {
    line.split_whitespace().any(|one| one == word)
}

fn is_recipe(name: &str) -> bool {
    let file = std::fs::read_to_string(root().join("justfile")).unwrap();
    file.lines().any(|line| line.split([' ', ':']).next() == Some(name))
}

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

/// README, CONTRIBUTING, CHANGELOG and everything below `docs`.
fn pages() -> Vec<(String, String)> {
    let mut pages: Vec<PathBuf> =
        ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"].map(PathBuf::from).to_vec();
    let mut folders = vec![PathBuf::from("docs")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(root().join(&folder)).unwrap() {
            let entry = entry.unwrap();
            let path = folder.join(entry.file_name());
            if entry.file_type().unwrap().is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "md") {
                pages.push(path);
            }
        }
    }
    let read = |path: PathBuf| {
        let text = std::fs::read_to_string(root().join(&path)).unwrap();
        (path.to_string_lossy().into_owned(), text)
    };
    pages.into_iter().map(read).collect()
}

/// The fenced blocks of a page, and its text without them.
pub(crate) fn parts(page: &str, text: &str) -> (Vec<Block>, String) {
    let (mut blocks, mut prose) = (Vec::new(), String::new());
    let mut open: Option<Block> = None;
    for line in text.lines() {
        let fence = line.trim_start().strip_prefix("```");
        match (open.take(), fence) {
            (None, Some(mark)) => {
                let (page, mark) = (page.to_owned(), mark.trim().to_owned());
                open = Some(Block { page, mark, lines: Vec::new() });
            }
            (Some(block), Some(_)) => blocks.push(block),
            (Some(mut block), None) => {
                block.lines.push(line.to_owned());
                open = Some(block);
            }
            (None, None) => prose = prose + line + "\n",
        }
    }
    (blocks, prose)
}

/// Everything in code of a text that calls duet; a call may go over a line's end.
fn calls(prose: &str) -> Vec<String> {
    let spans = prose.split('`').skip(1).step_by(2);
    let joined = spans.map(|span| span.split_whitespace().collect::<Vec<_>>().join(" "));
    joined.filter(|span| span.starts_with("duet ")).collect()
}

/// The help of every command, asked once.
struct Commands {
    program: PathBuf,
    help: BTreeMap<String, String>,
}

impl Commands {
    fn new() -> Commands {
        let places = Places { state: "", hub: "", shop: "", login: "", price_book: "" };
        let project = Project::northwind(places).unwrap();
        let program = PathBuf::from(project.command(&[]).get_program());
        Commands { program, help: BTreeMap::new() }
    }

    fn help(&mut self, command: &str) -> &str {
        let program = &self.program;
        self.help.entry(command.to_owned()).or_insert_with(|| {
            let mut asked = Command::new(program);
            let asked = asked.args(command.split_whitespace()).arg("--help").output().unwrap();
            assert!(asked.status.success(), "duet {command} --help");
            String::from_utf8(asked.stdout).unwrap()
        })
    }

    fn below(&mut self, command: &str) -> BTreeSet<String> {
        let help = self.help(command);
        let listed = help.lines().skip_while(|line| *line != "Commands:").skip(1);
        let listed = listed.take_while(|line| line.starts_with("  "));
        listed.filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
    }

    /// What is wrong with a call, in the notation of pages: `[--flag VALUE]`, `a|b`, `…`.
    fn wrong(&mut self, call: &str) -> Option<String> {
        // What a comment, another program or a file comes to is not duet's.
        let own = |call: &'_ str, end: &str| call.split(end).next().unwrap_or_default().to_owned();
        let call = [" #", " | ", " > "].iter().fold(call.to_owned(), |call, end| own(&call, end));
        let plain = call.replace(['[', ']', '<', '>', '(', ')', '…', ',', ';', '"'], " ");
        let mut words = plain.split_whitespace().skip(1).peekable();
        if words.next_if_eq(&"-C").is_some() {
            words.next();
        }
        let mut command = String::new();
        while let Some(below) = Some(self.below(&command)).filter(|below| !below.is_empty()) {
            let Some(word) = words.next_if(|word| !word.starts_with('-')) else { break };
            if let Some(absent) = word.split('|').find(|one| !below.contains(*one)) {
                return Some(format!("there is no command `duet {command} {absent}`"));
            }
            command = format!("{command} {}", word.split('|').next().unwrap_or_default());
            command = command.trim().to_owned();
        }
        let help = self.help(&command);
        let known: BTreeSet<&str> = help.split(|c: char| " ,.`\n[]=".contains(c)).collect();
        let flags = words.flat_map(|word| word.split(['|', '='])).filter(|w| w.starts_with('-'));
        let mut flags = flags.filter(|flag| flag.len() > 1);
        let absent = flags.find(|flag| !known.contains(flag))?;
        Some(format!("`duet {command}` has no {absent}"))
    }
}

/// What is wrong with a block, if anything.
fn wrong(block: &Block, commands: &mut Commands) -> Option<String> {
    let mark = block.mark.as_str();
    if !MARKS.contains(&mark) {
        return Some(format!("a block is marked {mark:?}; known: {MARKS:?}"));
    }
    let lines = || block.lines.iter().map(|line| line.strip_prefix("$ ").unwrap_or(line).trim());
    if ["sh test", "sh parsed", "text"].contains(&mark) {
        // In columns it is duet that speaks.
        let is_call = |line: &&str| line.starts_with("duet ") && !line.starts_with("duet  ");
        let calls = lines().filter(is_call);
        let wrong = calls.map(|line| line.trim_end_matches('&')).find_map(|l| commands.wrong(l));
        if wrong.is_some() {
            return wrong;
        }
    }
    let shell = lines().filter(|line| !line.is_empty() && mark == "sh parsed");
    let mut others = shell.filter(|line| !line.starts_with("duet ") && !line.starts_with('#'));
    let stranger = others.find(|line| {
        let program = line.split_whitespace().next().unwrap_or_default();
        !PARSED.iter().any(|(name, is_right)| *name == program && is_right(line))
    })?;
    Some(format!("nothing shows that this can be run: {stranger}"))
}

#[test]
fn every_command_that_a_page_shows_exists() {
    let mut commands = Commands::new();
    let (mut told, mut seen) = (Vec::new(), 0);
    for (page, text) in pages() {
        let (blocks, prose) = parts(&page, &text);
        let inline = calls(&prose);
        seen += inline.len();
        let inline = inline.iter().filter_map(|call| commands.wrong(call)).collect::<Vec<_>>();
        let shown = blocks.iter().filter_map(|block| wrong(block, &mut commands));
        told.extend(shown.chain(inline).map(|sentence| format!("{page}: {sentence}")));
        let tests = blocks.iter().filter(|block| block.mark == "sh test").count();
        let is_run = ["README.md", "docs/tutorial.md"].contains(&page.as_str());
        assert!(tests == 0 || is_run, "{page}: no test runs its blocks");
    }
    assert!(seen > 20, "calls in running text are found: {seen}");
    assert!(told.is_empty(), "{}", told.join("\n"));
}

#[test]
fn what_a_page_must_not_show_is_found() {
    let mut commands = Commands::new();
    for (call, word) in [
        ("duet chekc", "chekc"),
        ("duet check --onlin", "--onlin"),
        ("duet capture install|unstall", "unstall"),
        ("duet sync --twice", "--twice"),
        ("duet check -x", "-x"),
        ("duet -C DIR chekc", "chekc"),
    ] {
        let told = commands.wrong(call).unwrap_or_else(|| panic!("{call} passes"));
        assert!(told.contains(word), "{call}: {told}");
    }
    for call in [
        "duet check",
        "duet -C DIR check",
        "duet capture install|remove|status",
        "duet emulator --listen A [--data FILE]",
        "duet explain FLOW/KEY --field F -o json",
        "duet man | man -l -",
        "duet check --schema > a-file --not-duet-s",
    ] {
        assert_eq!(commands.wrong(call), None, "{call}");
    }
    let page = "a `duet check\n--strict` b `duet` c\n```sh\nls\n```\n```sh parsed\nrm -r x\n```\n";
    let (blocks, prose) = parts("x.md", page);
    assert_eq!(calls(&prose), ["duet check --strict"]);
    let told: Vec<String> = blocks.iter().filter_map(|block| wrong(block, &mut commands)).collect();
    assert!(told[0].contains("marked \"sh\"") && told[1].contains("rm -r x"), "{told:?}");
}
