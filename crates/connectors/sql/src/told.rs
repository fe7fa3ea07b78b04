//! What the position of an outbox is known by: the capture's base, and in a file the last change that
//! was told. A file that doesn't know that change is an older copy that was put back: what happened
//! since is undone in it, and nothing else in it says so. Pure.

use crate::fold::Change;
use duet_ports::connector::Position;

/// A change that was told: its number, and the record's id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) seq: i64,
    pub(crate) key: String,
}

impl Told {
    /// The last one of these that is about a record.
    pub(crate) fn last(changes: &[Change]) -> Option<Told> {
        changes.iter().rev().find_map(|change| {
            let key = change.key.as_ref()?.as_str();
            // One that can't be stored can't be looked for.
            (!key.contains('\0')).then(|| Told { seq: change.seq, key: key.to_owned() })
        })
    }

    /// Whether a record whose version is this one has had that change.
    pub(crate) fn is_known(&self, version: Option<i64>) -> bool {
        version.is_some_and(|version| version >= self.seq)
    }
}

/// The position of an outbox.
pub(crate) fn cursor(base: i64, last: Option<&Told>) -> Position {
    Position(match last {
        Some(Told { seq, key }) => format!("c:{base}:{seq}:{key}"),
        None => format!("c:{base}"),
    })
}

/// Its parts. `None`: it is no position of an outbox.
pub(crate) fn parts(position: &Position) -> Option<(i64, Option<Told>)> {
    let rest = position.0.strip_prefix("c:")?;
    let Some((base, last)) = rest.split_once(':') else { return Some((rest.parse().ok()?, None)) };
    let (seq, key) = last.split_once(':')?;
    let last = Told { seq: seq.parse().ok()?, key: key.to_owned() };
    Some((base.parse().ok()?, Some(last)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_comes_back() {
        let last = |key: &str| Some(Told { seq: 7, key: key.to_owned() });
        for last in [None, last("A"), last(""), last("a:b:c")] {
            assert_eq!(parts(&cursor(5, last.as_ref())), Some((5, last)));
        }
        for foreign in ["", "c:", "c:x", "c:5:x:A", "c:5:7", "h:5"] {
            assert_eq!(parts(&Position(foreign.to_owned())), None, "{foreign}");
        }
    }

    #[test]
    fn a_later_version_knows_what_was_before_it() {
        let told = Told { seq: 7, key: "A".to_owned() };
        assert!(told.is_known(Some(7)) && told.is_known(Some(8)));
        assert!(!told.is_known(Some(6)) && !told.is_known(None));
    }
}
