//! Does a row pass a filter? Null passes `= null`, `!=` and `NOT IN`, and no comparison by order;
//! a missing parent passes `= null` only.

use std::{cmp::Ordering, collections::HashSet};

use super::{ast::Op, bind::Column};
use crate::{
    cell::Cell,
    org::{Key, Org, Row, key},
};

/// A filter bound to places.
#[derive(Clone, Debug)]
pub(super) enum Filter {
    All(Vec<Filter>),
    Any(Vec<Filter>),
    Not(Box<Filter>),
    Test { column: Column, check: Check, sensitive: bool },
}

/// What one value must satisfy.
#[derive(Clone, Debug)]
pub(super) enum Check {
    Compare(Op, Cell),
    /// From, and up to but not including.
    Range(Op, Cell, Cell),
    In {
        keys: HashSet<Key>,
        with_null: bool,
        negated: bool,
    },
    Includes {
        sets: Vec<HashSet<String>>,
        negated: bool,
    },
    Like(Pattern),
}

/// A letter of a string literal.
#[derive(Clone, Copy, Debug)]
pub(super) enum Text {
    Plain(char),
    Escaped(char),
}

impl Text {
    pub(super) fn letter(self) -> char {
        match self {
            Self::Plain(letter) | Self::Escaped(letter) => letter,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Part {
    Any,
    One,
    Letter(char),
}

/// A LIKE pattern.
#[derive(Clone, Debug)]
pub(super) struct Pattern(Vec<Part>);

impl Pattern {
    pub(super) fn new(letters: &[Text]) -> Self {
        let mut parts = Vec::with_capacity(letters.len());
        for letter in letters {
            match letter {
                Text::Plain('%') => parts.push(Part::Any),
                Text::Plain('_') => parts.push(Part::One),
                Text::Plain(c) | Text::Escaped(c) => {
                    parts.extend(c.to_lowercase().map(Part::Letter));
                }
            }
        }
        Self(parts)
    }

    /// Walks both once, going back to the last `%` only: no pattern takes exponential time.
    pub(super) fn matches(&self, text: &str) -> bool {
        let text: Vec<char> = text.to_lowercase().chars().collect();
        let (mut part, mut at) = (0, 0);
        let mut last_any = None;
        while at < text.len() {
            match self.0.get(part) {
                Some(Part::Any) => {
                    last_any = Some((part, at));
                    part += 1;
                }
                Some(Part::One) => (part, at) = (part + 1, at + 1),
                Some(Part::Letter(letter)) if *letter == text[at] => {
                    (part, at) = (part + 1, at + 1);
                }
                Some(Part::Letter(_)) | None => match last_any {
                    None => return false,
                    Some((any, from)) => {
                        last_any = Some((any, from + 1));
                        (part, at) = (any + 1, from + 1);
                    }
                },
            }
        }
        self.0[part..].iter().all(|rest| *rest == Part::Any)
    }
}

/// The value of a column: nothing if a parent on the way is missing.
pub(super) fn cell<'a>(org: &'a Org, row: &'a Row, column: &Column, now: i64) -> Option<&'a Cell> {
    let mut row = row;
    if column.hops.is_empty() {
        return Some(&row.cells[column.field]);
    }
    // The object of the first hop is that of the ids it holds.
    for hop in &column.hops {
        let id = row.cells[*hop].id()?;
        row = org.view(org.object_of(id)?, id, now)?;
    }
    Some(&row.cells[column.field])
}

impl Filter {
    pub(super) fn passes(&self, org: &Org, row: &Row, now_ms: i64) -> bool {
        match self {
            Self::All(parts) => parts.iter().all(|part| part.passes(org, row, now_ms)),
            Self::Any(parts) => parts.iter().any(|part| part.passes(org, row, now_ms)),
            Self::Not(inner) => !inner.passes(org, row, now_ms),
            Self::Test { column, check, sensitive } => match cell(org, row, column, now_ms) {
                Some(cell) => check.passes(cell, *sensitive),
                None => matches!(check, Check::Compare(Op::Equal, Cell::Null)),
            },
        }
    }
}

impl Check {
    fn passes(&self, cell: &Cell, sensitive: bool) -> bool {
        match self {
            Self::Compare(Op::Equal, wanted) => key(cell, sensitive) == key(wanted, sensitive),
            Self::Compare(Op::NotEqual, wanted) => key(cell, sensitive) != key(wanted, sensitive),
            Self::Compare(op, wanted) => {
                !cell.is_null() && !wanted.is_null() && holds(*op, compare(cell, wanted))
            }
            Self::Range(op, start, end) => in_range(*op, cell, start, end),
            Self::In { keys, with_null, negated } => {
                let found = key(cell, sensitive).map_or(*with_null, |key| keys.contains(&key));
                found != *negated
            }
            Self::Includes { sets, negated } => {
                let text = cell.text().unwrap_or_default().to_lowercase();
                let held: HashSet<String> = text.split(';').map(str::to_owned).collect();
                sets.iter().any(|set| set.is_subset(&held)) != *negated
            }
            Self::Like(pattern) => cell.text().is_some_and(|text| pattern.matches(text)),
        }
    }
}

fn holds(op: Op, order: Ordering) -> bool {
    match op {
        Op::Less => order.is_lt(),
        Op::LessEqual => order.is_le(),
        Op::Greater => order.is_gt(),
        Op::GreaterEqual => order.is_ge(),
        Op::Equal => order.is_eq(),
        Op::NotEqual => order.is_ne(),
        Op::Like | Op::In | Op::NotIn | Op::Includes | Op::Excludes => false,
    }
}

fn in_range(op: Op, cell: &Cell, start: &Cell, end: &Cell) -> bool {
    if cell.is_null() {
        return op == Op::NotEqual;
    }
    let (from, to) = (compare(cell, start), compare(cell, end));
    match op {
        Op::Equal => from.is_ge() && to.is_lt(),
        Op::NotEqual => from.is_lt() || to.is_ge(),
        Op::Less => from.is_lt(),
        Op::LessEqual => to.is_lt(),
        Op::Greater => to.is_ge(),
        Op::GreaterEqual => from.is_ge(),
        Op::Like | Op::In | Op::NotIn | Op::Includes | Op::Excludes => false,
    }
}

/// The order of two values of one field: ids byte by byte, text without case first.
pub(super) fn compare(one: &Cell, other: &Cell) -> Ordering {
    match (one, other) {
        (Cell::Bool(a), Cell::Bool(b)) => a.cmp(b),
        (Cell::Number(a), Cell::Number(b)) => a.total_cmp(b),
        (Cell::Text(a), Cell::Text(b)) => {
            let folded = a.to_lowercase().cmp(&b.to_lowercase());
            folded.then_with(|| a.cmp(b))
        }
        (Cell::Id(a), Cell::Id(b)) => a.cmp(b),
        (Cell::Date(a), Cell::Date(b)) => a.cmp(b),
        (Cell::Instant(a), Cell::Instant(b)) => a.cmp(b),
        _ => Ordering::Equal,
    }
}
