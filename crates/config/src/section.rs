//! One table of the configuration while it is read: unknown keys are told at once, values by type.

use crate::code::Code;
use crate::mistake::Mistake;
use crate::source::Source;
use crate::tree::{Entry, Node, Tree};
use duet_core::bind::closest;
use duet_ports::keys::Table;
use std::ops::Range;

/// The file at hand and what is wrong with it so far.
pub(crate) struct Reading<'a> {
    pub(crate) source: &'a Source,
    pub(crate) mistakes: Vec<Mistake>,
}

impl Reading<'_> {
    /// Tells a mistake.
    pub(crate) fn told(
        &mut self,
        code: Code,
        span: &Range<usize>,
        sentence: impl Into<String>,
    ) -> &mut Mistake {
        self.mistakes.push(Mistake::new(code, self.source, span.clone(), sentence.into()));
        self.mistakes.last_mut().expect("one was pushed just now")
    }

    /// Tells that a value is of another type. Broken ones have been told of.
    pub(crate) fn wrong_type(&mut self, node: &Node, name: &str, wanted: &str) {
        if !matches!(node.value, Tree::Broken) {
            let sentence = format!("{name} must be {wanted}, not {}", node.type_name());
            self.told(Code::WrongType, &node.span, sentence);
        }
    }

    /// One of several words. Words of later work have their own code.
    pub(crate) fn word<T: Copy>(
        &mut self,
        node: &Node,
        name: &str,
        words: &[(&str, T)],
        later: &[&str],
    ) -> Option<T> {
        let (written, value) = self.text(node, name)?;
        if let Some((_, found)) = words.iter().find(|(word, _)| *word == value) {
            return Some(*found);
        }
        if later.contains(&value) {
            let sentence = format!("{name} = \"{written}\": not supported yet");
            self.told(Code::ValueNotSupportedYet, &node.span, sentence).help =
                format!("one of {}", list(words.iter().map(|(word, _)| *word)));
            return None;
        }
        let near = closest(written, words.iter().map(|(word, _)| *word));
        let help = match near {
            Some(near) => format!("did you mean \"{near}\"?"),
            None => format!("one of {}", list(words.iter().map(|(word, _)| *word))),
        };
        let sentence = format!("{name} doesn't know \"{}\"", clipped(written));
        self.told(Code::UnknownValue, &node.span, sentence).help = help;
        None
    }

    /// A text that isn't empty: as written, and its value.
    pub(crate) fn text<'n>(&mut self, node: &'n Node, name: &str) -> Option<(&'n str, &'n str)> {
        let Tree::Text { written, value } = &node.value else {
            self.wrong_type(node, name, "text");
            return None;
        };
        if value.trim().is_empty() {
            self.told(Code::EmptyValue, &node.span, format!("{name} is empty"));
            return None;
        }
        Some((written, value))
    }

    /// A text, or a list of texts.
    pub(crate) fn texts(&mut self, node: &Node, name: &str) -> Option<Vec<String>> {
        let Tree::List(items) = &node.value else {
            return self.text(node, name).map(|(_, value)| vec![value.to_owned()]);
        };
        if items.is_empty() {
            self.told(Code::EmptyValue, &node.span, format!("{name} is empty"));
            return None;
        }
        let texts: Vec<Option<String>> = items
            .iter()
            .map(|item| self.text(item, name).map(|(_, text)| text.to_owned()))
            .collect();
        texts.into_iter().collect()
    }

    /// A table's entries.
    pub(crate) fn entries<'n>(&mut self, node: &'n Node, name: &str) -> Option<&'n [Entry]> {
        if let Tree::Table(entries) = &node.value {
            return Some(entries);
        }
        self.wrong_type(node, name, "a table");
        None
    }

    /// A name of the project's own: connections, flows, fields.
    pub(crate) fn name(&mut self, what: &str, name: &str, span: &Range<usize>) -> bool {
        let fine = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        if !name.is_empty() && name.len() <= NAME_MAX && name.chars().all(fine) {
            return true;
        }
        let sentence = format!("{what} can't have this name");
        self.told(Code::BadName, span, sentence).help =
            format!("letters, digits, `_` and `-`, at most {NAME_MAX} of them");
        false
    }
}

/// Names become parts of queue names, which end at 255 bytes.
const NAME_MAX: usize = 63;

/// A text short enough to be shown.
pub(crate) fn clipped(text: &str) -> String {
    const MOST: usize = 60;
    if text.chars().count() <= MOST {
        return text.to_owned();
    }
    text.chars().take(MOST).chain(['…']).collect()
}

/// Words for a message.
pub(crate) fn list<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    let quoted: Vec<String> = words.into_iter().map(|word| format!("\"{word}\"")).collect();
    quoted.join(", ")
}

/// A table.
#[derive(Clone)]
pub(crate) struct Section<'n> {
    /// As messages call it.
    pub(crate) name: String,
    /// Where it stands.
    pub(crate) span: Range<usize>,
    entries: &'n [Entry],
}

impl<'n> Section<'n> {
    /// Opens a table: keys that it doesn't know are told at once.
    pub(crate) fn open(
        reading: &mut Reading<'_>,
        name: impl Into<String>,
        span: Range<usize>,
        entries: &'n [Entry],
        keys: &Table,
    ) -> Section<'n> {
        let section = Section { name: name.into(), span, entries };
        for entry in entries {
            section.check_key(reading, entry, keys);
        }
        section
    }

    /// Opens the table under a node.
    pub(crate) fn open_node(
        reading: &mut Reading<'_>,
        name: impl Into<String>,
        node: &'n Node,
        keys: &Table,
    ) -> Option<Section<'n>> {
        let name = name.into();
        let entries = reading.entries(node, &name)?;
        Some(Section::open(reading, name, node.span.clone(), entries, keys))
    }

    fn check_key(&self, reading: &mut Reading<'_>, entry: &Entry, keys: &Table) {
        let known = keys.key(&entry.key);
        let written = clipped(&entry.key);
        match known {
            Some(key) if key.later => {
                let sentence = format!("{}: `{written}` is not supported yet", self.name);
                reading.told(Code::NotSupportedYet, &entry.key_span, sentence);
            }
            Some(_) => {}
            None => {
                let sentence = format!("{} has no key `{written}`", self.name);
                let now = || keys.usable().map(|key| key.name);
                let help = match closest(&entry.key, now()) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("one of {}", list(now())),
                };
                reading.told(Code::UnknownKey, &entry.key_span, sentence).help = help;
            }
        }
    }

    /// The entry of a key.
    pub(crate) fn entry(&self, key: &str) -> Option<&'n Entry> {
        self.entries.iter().find(|entry| entry.key == key)
    }

    /// The value of a key.
    pub(crate) fn get(&self, key: &str) -> Option<&'n Node> {
        self.entry(key).map(|entry| &entry.node)
    }

    /// The value of a key that must be there.
    pub(crate) fn need(&self, reading: &mut Reading<'_>, key: &str) -> Option<&'n Node> {
        let found = self.get(key);
        if found.is_none() {
            let sentence = format!("{} needs `{key}`", self.name);
            reading.told(Code::MissingKey, &self.span, sentence);
        }
        found
    }

    /// A text.
    pub(crate) fn text(&self, reading: &mut Reading<'_>, key: &str) -> Option<String> {
        let node = self.get(key)?;
        reading.text(node, key).map(|(_, value)| value.to_owned())
    }

    /// True or false.
    pub(crate) fn flag(&self, reading: &mut Reading<'_>, key: &str) -> Option<bool> {
        let node = self.get(key)?;
        if let Tree::Boolean(flag) = node.value {
            return Some(flag);
        }
        reading.wrong_type(node, key, "true or false");
        None
    }

    /// One of several words.
    pub(crate) fn word<T: Copy>(
        &self,
        reading: &mut Reading<'_>,
        key: &str,
        words: &[(&str, T)],
    ) -> Option<T> {
        let node = self.get(key)?;
        reading.word(node, key, words, &[])
    }
}
