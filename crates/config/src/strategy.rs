//! What decides when both sides changed a field: `strategy` and the keys that belong to it.

use crate::code::Code;
use crate::policy::SIDE;
use crate::section::{Reading, Section};
use crate::tree::{Node, Tree};
use duet_core::side::Side;
use duet_core::spec::{MergeKind, Strategy, Tie};
use duet_core::value::Value;
use std::cmp::Ordering;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Word {
    LastWriteWins,
    SourceOfTruth,
    Merge,
    ManualReview,
}

pub(crate) const STRATEGY: &[(&str, Word)] = &[
    ("manual_review", Word::ManualReview),
    ("last_write_wins", Word::LastWriteWins),
    ("source_of_truth", Word::SourceOfTruth),
    ("merge", Word::Merge),
];

pub(crate) const TIE: &[(&str, Tie)] = &[
    ("manual_review", Tie::ManualReview),
    ("user_over_automation", Tie::UserOverAutomation),
    ("left", Tie::Left),
    ("right", Tie::Right),
];

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Counter,
    Set,
    Max,
    Min,
    Progress,
    Strictest,
    FirstNonEmpty,
}

pub(crate) const KIND: &[(&str, Kind)] = &[
    ("counter", Kind::Counter),
    ("set", Kind::Set),
    ("max", Kind::Max),
    ("min", Kind::Min),
    ("progress", Kind::Progress),
    ("strictest", Kind::Strictest),
    ("first_non_empty", Kind::FirstNonEmpty),
];

#[derive(Clone, Copy)]
pub(crate) enum Otherwise {
    ManualReview,
    LastWriteWins,
    Side(Side),
}

pub(crate) const OTHERWISE: &[(&str, Otherwise)] = &[
    ("manual_review", Otherwise::ManualReview),
    ("last_write_wins", Otherwise::LastWriteWins),
    ("left", Otherwise::Side(Side::Left)),
    ("right", Otherwise::Side(Side::Right)),
];

/// Which keys belong to which strategy.
const BELONGING: &[(&str, Word)] = &[
    ("truth", Word::SourceOfTruth),
    ("merge", Word::Merge),
    ("otherwise", Word::Merge),
    ("path", Word::Merge),
    ("also", Word::Merge),
    ("order", Word::Merge),
    ("min", Word::Merge),
    ("max", Word::Merge),
    ("on_min", Word::Merge),
    ("on_backward", Word::Merge),
];

/// Which keys belong to which kind of merge.
const KIND_BELONGING: &[(&str, Kind)] = &[
    ("path", Kind::Progress),
    ("also", Kind::Progress),
    ("on_backward", Kind::Progress),
    ("order", Kind::Strictest),
    ("min", Kind::Counter),
    ("max", Kind::Counter),
    ("on_min", Kind::Counter),
];

const FLAG: &[(&str, ())] = &[("flag", ())];

/// The strategy of a field or parent: none if it has none of its own.
pub(crate) fn of_field(reading: &mut Reading<'_>, section: &Section<'_>) -> Option<Strategy> {
    let word = section.get("strategy").map(|_| section.word(reading, "strategy", STRATEGY));
    if word == Some(None) {
        return None;
    }
    let word = word.flatten();
    check_belonging(reading, section, word);
    match word? {
        Word::ManualReview => Some(Strategy::ManualReview),
        Word::LastWriteWins => Some(last_write_wins(reading, section)),
        Word::SourceOfTruth => truth(reading, section),
        Word::Merge => merge(reading, section),
    }
}

/// The strategy of a flow or of `[defaults]`: `merge` there means field by field.
pub(crate) fn of_flow(reading: &mut Reading<'_>, section: &Section<'_>) -> Option<Strategy> {
    let word = section.word(reading, "strategy", STRATEGY);
    if section.get("strategy").is_none() || word.is_some() {
        check_belonging(reading, section, word);
    }
    match word? {
        Word::ManualReview | Word::Merge => Some(Strategy::ManualReview),
        Word::LastWriteWins => Some(last_write_wins(reading, section)),
        Word::SourceOfTruth => truth(reading, section),
    }
}

fn check_belonging(reading: &mut Reading<'_>, section: &Section<'_>, word: Option<Word>) {
    for (key, owner) in BELONGING {
        if word != Some(*owner) {
            refuse(reading, section, key, name_of(STRATEGY, *owner), "strategy");
        }
    }
    let falls_back = section.get("otherwise").is_some() && word == Some(Word::Merge);
    if word != Some(Word::LastWriteWins) && !falls_back {
        refuse(reading, section, "tie", name_of(STRATEGY, Word::LastWriteWins), "strategy");
    }
}

fn name_of<T: PartialEq + Copy>(words: &[(&'static str, T)], value: T) -> &'static str {
    words.iter().find(|(_, one)| *one == value).map_or("", |(word, _)| word)
}

fn refuse(
    reading: &mut Reading<'_>,
    section: &Section<'_>,
    key: &str,
    owner: &str,
    owner_key: &str,
) {
    if let Some(entry) = section.entry(key) {
        let sentence = format!("{}: `{key}` belongs to `{owner_key} = \"{owner}\"`", section.name);
        reading.told(Code::WithoutStrategy, &entry.key_span, sentence);
    }
}

fn last_write_wins(reading: &mut Reading<'_>, section: &Section<'_>) -> Strategy {
    let Some(node) = section.get("tie") else { return Strategy::LastWriteWins { tie: Vec::new() } };
    let nodes = match &node.value {
        Tree::List(items) => items.as_slice(),
        _ => std::slice::from_ref(node),
    };
    let tie = nodes.iter().filter_map(|item| reading.word(item, "tie", TIE, &[])).collect();
    Strategy::LastWriteWins { tie }
}

fn truth(reading: &mut Reading<'_>, section: &Section<'_>) -> Option<Strategy> {
    if section.get("truth").is_none() {
        let sentence = format!("{}: whose value stays?", section.name);
        let place = section.entry("strategy").map_or(&section.span, |entry| &entry.key_span);
        reading.told(Code::TruthMissing, place, sentence).help =
            "truth = \"left\" or \"right\"".to_owned();
        return None;
    }
    section.word(reading, "truth", SIDE).map(Strategy::SourceOfTruth)
}

fn merge(reading: &mut Reading<'_>, section: &Section<'_>) -> Option<Strategy> {
    let Some(node) = section.get("merge") else {
        let sentence = format!("{}: how do values combine?", section.name);
        let place = section.entry("strategy").map_or(&section.span, |entry| &entry.key_span);
        reading.told(Code::MergeMissing, place, sentence).help =
            "merge = \"counter\", \"set\", \"max\", \"min\", \"progress\", …".to_owned();
        return None;
    };
    let word = reading.word(node, "merge", KIND, &["text"])?;
    for (key, owner) in KIND_BELONGING {
        if word != *owner {
            refuse(reading, section, key, name_of(KIND, *owner), "merge");
        }
    }
    section.word(reading, "on_min", FLAG);
    section.word(reading, "on_backward", FLAG);
    let kind = match word {
        Kind::Counter => counter(reading, section),
        Kind::Set => MergeKind::Set,
        Kind::Max => MergeKind::Max,
        Kind::Min => MergeKind::Min,
        Kind::Progress => progress(reading, section, node)?,
        Kind::Strictest => MergeKind::Strictest { order: steps(reading, section, "order", node)? },
        Kind::FirstNonEmpty => MergeKind::FirstNonEmpty,
    };
    Some(Strategy::Merge { kind, otherwise: Box::new(otherwise(reading, section)) })
}

fn otherwise(reading: &mut Reading<'_>, section: &Section<'_>) -> Strategy {
    match section.word(reading, "otherwise", OTHERWISE) {
        Some(Otherwise::LastWriteWins) => last_write_wins(reading, section),
        Some(Otherwise::Side(side)) => Strategy::SourceOfTruth(side),
        Some(Otherwise::ManualReview) | None => Strategy::ManualReview,
    }
}

fn counter(reading: &mut Reading<'_>, section: &Section<'_>) -> MergeKind {
    let min = bound(reading, section, "min");
    let max = bound(reading, section, "max");
    if let (Some(least), Some(most)) = (&min, &max)
        && decimal(least).cmp(&decimal(most)) == Ordering::Greater
        && let Some(entry) = section.entry("min")
    {
        let sentence = format!("{}: `min` is greater than `max`", section.name);
        reading.told(Code::MinAboveMax, &entry.key_span, sentence);
    }
    MergeKind::Counter { min, max }
}

fn decimal(value: &Value) -> Option<Value> {
    duet_core::cast::cast(value.clone(), duet_core::value::ValueType::Decimal)
}

fn bound(reading: &mut Reading<'_>, section: &Section<'_>, key: &str) -> Option<Value> {
    let node = section.get(key)?;
    if matches!(node.value, Tree::Integer(_) | Tree::Float(_)) {
        return node.plain();
    }
    reading.wrong_type(node, key, "a number");
    None
}

/// Two values at least, none of them twice.
fn steps(
    reading: &mut Reading<'_>,
    section: &Section<'_>,
    key: &str,
    merge: &Node,
) -> Option<Vec<Value>> {
    let Some(node) = section.get(key) else {
        let sentence = format!("{} needs `{key}`", section.name);
        reading.told(Code::StepsMissing, &merge.span, sentence);
        return None;
    };
    let values = values(reading, node, key)?;
    if values.len() < 2 {
        reading.told(Code::StepsMissing, &node.span, format!("`{key}` has fewer than two values"));
        return None;
    }
    Some(values)
}

fn values(reading: &mut Reading<'_>, node: &Node, key: &str) -> Option<Vec<Value>> {
    let Tree::List(items) = &node.value else {
        reading.wrong_type(node, key, "a list");
        return None;
    };
    let mut values: Vec<Value> = Vec::with_capacity(items.len());
    for item in items {
        let Some(value) = item.plain() else {
            reading.wrong_type(item, key, "a list of plain values");
            continue;
        };
        if values.contains(&value) {
            reading.told(Code::RepeatedValue, &item.span, format!("`{key}` has this value twice"));
        }
        values.push(value);
    }
    Some(values)
}

fn progress(reading: &mut Reading<'_>, section: &Section<'_>, merge: &Node) -> Option<MergeKind> {
    let path = steps(reading, section, "path", merge)?;
    let mut also = Vec::new();
    if let Some(node) = section.get("also")
        && let Some(entries) = reading.entries(node, "also")
    {
        for entry in entries {
            let Some(from) = values(reading, &entry.node, "also") else { continue };
            // Keys of TOML are text; the path may be of numbers.
            let known = |value: &Value| path.iter().any(|step| alike(step, value));
            if from.iter().any(|value| !known(value)) {
                let sentence = format!("`also` of {} starts off the path", entry.key);
                reading.told(Code::OffPath, &entry.node.span, sentence);
            }
            also.push((Value::text(entry.key.clone()), from));
        }
    }
    Some(MergeKind::Progress { path, also })
}

fn alike(a: &Value, b: &Value) -> bool {
    a == b || duet_core::cast::text_of(a) == duet_core::cast::text_of(b)
}
