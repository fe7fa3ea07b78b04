//! How a table of the configuration is described: its keys, what they hold, what they mean.
//!
//! Every table is described once, by whoever reads it: `duet-config` its own, a connector that of its
//! connections. From these descriptions come which keys are refused, the JSON Schema for editors and
//! the reference page; nothing here reads a value.

use std::fmt;

/// One key of a table.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// As written.
    pub name: &'static str,
    /// What it holds.
    pub holds: Holds,
    /// What holds without it, as the page shows it; empty: it must be there, or nothing does.
    pub default: &'static str,
    /// What it means.
    pub meaning: &'static str,
    /// It must be there.
    pub needed: bool,
    /// It belongs to later work, and is refused by its name.
    pub later: bool,
}

impl Key {
    /// A key that may be left out.
    #[must_use]
    pub const fn new(
        name: &'static str,
        holds: Holds,
        default: &'static str,
        meaning: &'static str,
    ) -> Key {
        Key { name, holds, default, meaning, needed: false, later: false }
    }

    /// A key that must be there.
    #[must_use]
    pub const fn needed(name: &'static str, holds: Holds, meaning: &'static str) -> Key {
        Key { name, holds, default: "", meaning, needed: true, later: false }
    }

    /// A key of later work.
    #[must_use]
    pub const fn later(name: &'static str) -> Key {
        Key { later: true, ..Key::new(name, Holds::Text, "", "") }
    }
}

/// One table of the configuration.
#[derive(Clone, Copy, Debug)]
pub struct Table {
    /// As the reference page heads it.
    pub title: &'static str,
    /// Its keys.
    pub keys: &'static [Key],
}

impl Table {
    /// A key by its name, one of later work too.
    #[must_use]
    pub fn key(&self, name: &str) -> Option<&'static Key> {
        self.keys.iter().find(|key| key.name == name)
    }

    /// The keys that can be used by now.
    pub fn usable(&self) -> impl Iterator<Item = &'static Key> + use<> {
        self.keys.iter().filter(|key| !key.later)
    }
}

/// What a key holds.
#[derive(Clone, Copy, Debug)]
pub enum Holds {
    /// Any text that isn't empty.
    Text,
    /// The name of a column.
    Column,
    /// A name of the project's own: letters, digits, `_` and `-`.
    Name,
    /// A length of time, such as `10m`.
    Duration,
    /// Text, number, truth value or time.
    Plain,
    /// A number.
    Number,
    /// A whole number within these bounds, both included.
    Whole(i64, i64),
    /// True or false.
    Flag,
    /// True; what false would be isn't there yet.
    True,
    /// One of these words.
    Words(&'static [&'static str]),
    /// A text of this form: as the page shows it, and as a regular expression.
    Form(&'static str, &'static str),
    /// An address of one of these schemes.
    Address(&'static [&'static str]),
    /// A list of at least so many.
    List(&'static Holds, usize),
    /// A table whose keys are names of the project's own.
    ByName(&'static Holds),
    /// A table whose keys are values.
    ByValue(&'static Holds),
    /// `{ left, right }`, each of them or one.
    Sides(&'static Holds),
    /// A table with these keys.
    Table(&'static Table),
    /// One of several.
    Any(&'static [Holds]),
}

/// As the reference page shows it.
impl fmt::Display for Holds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Holds::Text => f.write_str("text"),
            Holds::Column => f.write_str("column"),
            Holds::Name => f.write_str("name"),
            Holds::Duration => f.write_str("duration"),
            Holds::Plain => f.write_str("value"),
            Holds::Number => f.write_str("number"),
            Holds::Whole(least, most) if least == most => write!(f, "{least}"),
            Holds::Whole(least, most) => write!(f, "{least} to {most}"),
            Holds::Flag => f.write_str("`true`, `false`"),
            Holds::True => f.write_str("`true`"),
            Holds::Words(words) => quoted(f, words, ""),
            Holds::Form(shown, _) => f.write_str(shown),
            Holds::Address(schemes) => quoted(f, schemes, "://…"),
            Holds::List(of, _) => write!(f, "list of {of}"),
            Holds::ByName(of) => write!(f, "by name: {of}"),
            Holds::ByValue(of) => write!(f, "by value: {of}"),
            Holds::Sides(of) => write!(f, "{{ left, right }} of {of}"),
            Holds::Table(table) => write!(f, "table: {}", table.title),
            Holds::Any(several) => {
                for (at, one) in several.iter().enumerate() {
                    write!(f, "{}{one}", if at == 0 { "" } else { ", or " })?;
                }
                Ok(())
            }
        }
    }
}

fn quoted(f: &mut fmt::Formatter<'_>, words: &[&str], end: &str) -> fmt::Result {
    for (at, word) in words.iter().enumerate() {
        write!(f, "{}`{word}{end}`", if at == 0 { "" } else { ", " })?;
    }
    Ok(())
}

/// The words of pairs of a word and its meaning: what a parser knows is what the page lists.
#[must_use]
pub const fn words<T, const N: usize>(pairs: &[(&'static str, T)]) -> [&'static str; N] {
    assert!(pairs.len() == N, "room for every word");
    let mut words = [""; N];
    let mut at = 0;
    while at < N {
        words[at] = pairs[at].0;
        at += 1;
    }
    words
}

/// The keys of two tables in one.
#[must_use]
pub const fn joined<const N: usize>(first: &[Key], second: &[Key]) -> [Key; N] {
    assert!(first.len() + second.len() == N, "room for the keys of both");
    let mut keys = [Key::later(""); N];
    let mut at = 0;
    while at < N {
        keys[at] = if at < first.len() { first[at] } else { second[at - first.len()] };
        at += 1;
    }
    keys
}

#[cfg(test)]
mod tests {
    //! Shows how what a key holds is told.

    use super::*;

    #[test]
    fn what_a_key_holds_is_told_in_words() {
        const ONE: Table = Table { title: "one", keys: &[Key::later("a"), Key::later("b")] };
        let sides = Holds::Sides(&Holds::Words(&["flag", "skip"]));
        assert_eq!(sides.to_string(), "{ left, right } of `flag`, `skip`");
        let any = Holds::Any(&[Holds::Column, Holds::List(&Holds::Column, 1)]);
        assert_eq!(any.to_string(), "column, or list of column");
        assert_eq!(Holds::Whole(1, 1).to_string(), "1");
        assert_eq!(Holds::Whole(1, 64).to_string(), "1 to 64");
        assert_eq!(Holds::Address(&["amqp"]).to_string(), "`amqp://…`");
        assert_eq!(Holds::ByName(&Holds::Table(&ONE)).to_string(), "by name: table: one");
        assert_eq!((ONE.usable().count(), ONE.key("b").is_some()), (0, true));
    }

    #[test]
    fn words_and_tables_are_put_together() {
        assert_eq!(words(&[("a", 1), ("b", 2)]), ["a", "b"]);
        let keys: [Key; 3] = joined(&[Key::later("a")], &[Key::later("b"), Key::later("c")]);
        assert_eq!(keys.map(|key| key.name), ["a", "b", "c"]);
    }
}
