//! Reads the files of a project. The only place here that touches a disk.

use crate::code::Code;
use crate::interpolate::Environment;
use crate::mistake::Mistake;
use crate::project::{self, Project};
use crate::source::Source;
use std::fs;
use std::io::Read as _;
use std::path::{Component, Path};

/// The file that a project's folder must hold.
pub const PROJECT_FILE: &str = "duet.toml";
/// Where flows are looked for if the project doesn't say.
const FLOWS_DEFAULT: &str = "flows/*.toml";
/// Largest file; a hundred times what people write.
const FILE_MAX: u64 = 1024 * 1024;

/// Reads the project in a folder. `variable` gives the environment.
///
/// # Errors
/// Every mistake in it, in the order of the files.
pub fn load(
    dir: &Path,
    variable: &dyn Fn(&str) -> Option<String>,
) -> Result<Project, Vec<Mistake>> {
    let file = |path: &str| text(&dir.join(path)).ok();
    let environment = Environment { variable, file: &file };
    let source = source(dir, PROJECT_FILE).map_err(|mistake| vec![of_folder(dir, *mistake)])?;
    let mut root = project::root(&source, &environment);
    let (names, mistakes) = flow_files(dir, &source, &root.patterns);
    root.mistakes.extend(mistakes);
    let mut sources = vec![source];
    for name in names {
        match self::source(dir, &name) {
            Ok(source) => {
                root.add(sources.len(), &source, &environment);
                sources.push(source);
            }
            Err(mistake) => root.mistakes.push(*mistake),
        }
    }
    root.finish(sources)
}

/// Reads a project from texts: no file but those that `${file:NAME}` names. The first is
/// `duet.toml`, the others hold flows.
///
/// # Errors
/// Every mistake in them.
pub fn parse(
    sources: Vec<Source>,
    variable: &dyn Fn(&str) -> Option<String>,
) -> Result<Project, Vec<Mistake>> {
    let file = |_: &str| None;
    let environment = Environment { variable, file: &file };
    let Some(first) = sources.first() else {
        let sentence = "there is no duet.toml".to_owned();
        return Err(vec![Mistake::of_file(Code::Unreadable, PROJECT_FILE, sentence)]);
    };
    let mut root = project::root(first, &environment);
    for (index, source) in sources.iter().enumerate().skip(1) {
        root.add(index, source, &environment);
    }
    root.finish(sources)
}

/// A mistake about the project's file itself: where it was looked for isn't in any text.
fn of_folder(dir: &Path, mistake: Mistake) -> Mistake {
    let file = dir.join(PROJECT_FILE);
    let mut mistake = Mistake { file: shown(&file), ..mistake };
    if !file.exists() && mistake.code == Code::Unreadable {
        mistake.sentence = "there is no project here: the file isn't there".to_owned();
        mistake.help =
            "name the folder that holds duet.toml with `-C DIR`, or write one with `duet init`"
                .to_owned();
    }
    mistake
}

/// A path as a message may show it.
fn shown(path: &Path) -> String {
    let text = path.strip_prefix(".").unwrap_or(path).to_string_lossy();
    text.replace(char::is_control, " ")
}

fn source(dir: &Path, name: &str) -> Result<Source, Box<Mistake>> {
    let text = text(&dir.join(name))
        .map_err(|(code, sentence)| Box::new(Mistake::of_file(code, name, sentence)))?;
    Ok(Source { name: name.to_owned(), text })
}

fn text(path: &Path) -> Result<String, (Code, String)> {
    let unreadable = |error: std::io::Error| {
        (Code::Unreadable, format!("the file can't be read ({})", error.kind()))
    };
    // A pipe would be waited for, a device may have no end.
    if !fs::metadata(path).map_err(unreadable)?.is_file() {
        return Err((Code::Unreadable, "this isn't a file".to_owned()));
    }
    let file = fs::File::open(path).map_err(unreadable)?;
    let mut bytes = Vec::new();
    file.take(FILE_MAX + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > FILE_MAX {
        return Err((Code::TooLarge, "the file is larger than 1 MiB".to_owned()));
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        let place = error.utf8_error().valid_up_to();
        let line = error.as_bytes()[..place].iter().filter(|byte| **byte == b'\n').count() + 1;
        (Code::NotUtf8, format!("line {line} isn't UTF-8"))
    })?;
    // Editors of one system put a mark before the text.
    Ok(text.strip_prefix('\u{feff}').map_or(text.clone(), str::to_owned))
}

/// The files that the patterns find, sorted, each once.
fn flow_files(
    dir: &Path,
    source: &Source,
    patterns: &[(String, std::ops::Range<usize>)],
) -> (Vec<String>, Vec<Mistake>) {
    let mut names = Vec::new();
    let mut mistakes = Vec::new();
    if patterns.is_empty() {
        names = matching(dir, FLOWS_DEFAULT).unwrap_or_default();
    }
    for (pattern, span) in patterns {
        let told = |code, sentence: &str| Mistake::new(code, source, span.clone(), sentence.into());
        match matching(dir, pattern) {
            None => mistakes.push(told(Code::BadPattern, "this can't be a pattern of files")),
            Some(found) if found.is_empty() => {
                mistakes.push(told(Code::NoFlowFiles, "no file is found by this pattern"));
            }
            Some(found) => names.extend(found),
        }
    }
    names.sort();
    names.dedup();
    names.retain(|name| name != PROJECT_FILE);
    (names, mistakes)
}

/// Files of one pattern: a path inside the folder whose last part may hold stars.
fn matching(dir: &Path, pattern: &str) -> Option<Vec<String>> {
    let path = Path::new(pattern);
    let inside = path.components().all(|part| matches!(part, Component::Normal(_)));
    let (folder, last) = (path.parent()?, path.file_name()?.to_str()?);
    if !inside || folder.to_str()?.contains('*') {
        return None;
    }
    let Ok(entries) = fs::read_dir(dir.join(folder)) else { return Some(Vec::new()) };
    let mut found: Vec<String> = entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| fits(name, last))
        .filter_map(|name| folder.join(name).to_str().map(str::to_owned))
        .filter(|name| dir.join(name).is_file())
        .collect();
    found.sort();
    Some(found)
}

/// Whether a name fits a pattern with stars.
fn fits(name: &str, pattern: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = name.strip_prefix(first) else { return false };
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    for part in parts {
        let Some(place) = rest.find(part) else { return false };
        rest = &rest[place + part.len()..];
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stand_for_anything() {
        assert!(fits("a.toml", "*.toml"));
        assert!(fits("a-b.toml", "a*b.to*l"));
        assert!(fits("a.toml", "a.toml"));
        assert!(!fits("a.toml2", "a.toml"));
        assert!(!fits("a.json", "*.toml"));
        assert!(!fits("ab", "ab*b"));
    }
}
