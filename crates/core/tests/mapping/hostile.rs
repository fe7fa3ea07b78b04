//! The round-trip laws at the edges of every type: NUL, huge and tiny decimals, leap seconds, days
//! at the ends of the calendar, emoji, combining characters, empty sets. Enumerated, then drawn.

use crate::round_trips::{holds, one, returns};
use crate::{column, flow, get, number, put, values};
use chrono::NaiveDate;
use duet_core::mapping::same_trunk;
use duet_core::side::Side;
use duet_core::spec::Transform;
use duet_core::stamp::Stamp;
use duet_core::transform::{kind_after, takes};
use duet_core::value::{Value, ValueType};
use proptest::prelude::*;

/// Pieces of text that tools stumble over.
const PIECES: [&str; 24] = [
    "",
    " ",
    "\u{a0}",
    "\u{200b}",
    "\u{200f}",
    "\u{feff}",
    "\r\n",
    "\r",
    "\n\r",
    "\t",
    ";",
    ", ",
    "é",
    "e\u{301}",
    "\u{301}",
    "İ",
    "ß",
    "ŉ",
    "ΑΣ",
    "ǅ",
    "👩‍👩‍👧",
    "🇩🇪",
    "\u{10ffff}",
    "\u{fffd}",
];

fn texts() -> Vec<Value> {
    let keys = ["007", "1e3", "-0", "+1", "NaN", "true", "TRUE", "null", "2016-12-31T23:59:60Z"];
    let days = ["0000-01-01", "9999-12-31", "-262143-01-01", "2024-02-30", "1970-01-01T00:00:00Z"];
    PIECES.iter().chain(&keys).chain(&days).map(|text| Value::text(*text)).collect()
}

fn decimals() -> Vec<Value> {
    let long = "9".repeat(900);
    let written = [
        "0",
        "-0",
        "0.000",
        "1e400",
        "-1e400",
        "1e-400",
        "9223372036854775807",
        "9223372036854775808",
        "-9223372036854775809",
        "0.1",
        "123456789012345678901234567890.5",
    ];
    let mut all: Vec<Value> = written.iter().map(|text| number(text)).collect();
    all.extend([number(&long), number(&format!("0.{long}"))]);
    all
}

fn times() -> Vec<Value> {
    let leap = 1_483_228_800_000_000;
    let stamps = [0, -1, 1, leap - 1, leap, 253_402_300_799_999_999, -62_135_596_800_000_001];
    let mut all: Vec<Value> = stamps.map(|at| Value::Instant(Stamp(at))).to_vec();
    let days = [(1, 1, 1), (1582, 10, 10), (1970, 1, 1), (2024, 2, 29), (9999, 12, 31)];
    let days = days.map(|(year, month, day)| NaiveDate::from_ymd_opt(year, month, day));
    all.extend(days.into_iter().flatten().map(Value::Date));
    all
}

fn sets() -> Vec<Value> {
    let of = |items: &[&str]| Value::Set(items.iter().map(|item| (*item).to_owned()).collect());
    vec![of(&[]), of(&[""]), of(&["", "a"]), of(&[";"]), of(&PIECES), of(&["a", "A"])]
}

fn everything() -> Vec<Value> {
    let whole = [0, 1, -1, i64::MAX, i64::MIN].map(Value::Integer);
    let flags = [true, false].map(Value::Boolean);
    let mut all = vec![Value::Null];
    for some in [texts(), decimals(), times(), sets(), whole.to_vec(), flags.to_vec()] {
        all.extend(some);
    }
    all
}

fn steps() -> Vec<Transform> {
    use ValueType::{Boolean, Date, Decimal, Instant, Integer, Set, Text};
    let mut all = vec![Transform::Trim, Transform::Lower, Transform::Upper];
    all.extend([-18, -2, 0, 2, 18].map(Transform::Scale));
    all.extend([0, 2, 30].map(Transform::Round));
    all.extend([";", ", ", "é", "👩‍👩‍👧"].map(|text| Transform::Split(text.to_owned())));
    all.extend([-50_400, 0, 50_400].map(Transform::DayOf));
    all.extend([Text, Integer, Decimal, Boolean, Date, Instant, Set].map(Transform::Cast));
    all
}

const KINDS: [ValueType; 7] = {
    use ValueType::{Boolean, Date, Decimal, Instant, Integer, Set, Text};
    [Text, Integer, Decimal, Boolean, Date, Instant, Set]
};

fn kinds(value: &Value) -> Vec<ValueType> {
    value.kind().map_or(KINDS.to_vec(), |kind| vec![kind])
}

/// Both laws for a value that a column of this type holds, and for one that is agreed as this type.
fn laws(value: &Value, kind: ValueType, step: &Transform) -> Result<(), TestCaseError> {
    if takes(step, kind) {
        let neutral = kind_after(Some(kind), step).expect("a type");
        holds(&one(kind, neutral, vec![step.clone()]), value)?;
    }
    let columns = KINDS
        .into_iter()
        .filter(|column| takes(step, *column) && kind_after(Some(*column), step) == Some(kind));
    for column in columns {
        returns(&one(column, kind, vec![step.clone()]), value)?;
    }
    Ok(())
}

#[test]
fn both_laws_hold_at_the_edges_for_every_transform() {
    let mut wrong = Vec::new();
    for value in everything() {
        for kind in kinds(&value) {
            for step in steps() {
                if let Err(why) = laws(&value, kind, &step) {
                    wrong.push(format!("{value:?} by {step:?}: {why}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} break a law:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn every_edge_is_stored_and_read_back_as_it_is() {
    for value in everything() {
        let stored = serde_json::to_string(&value).expect("a value is stored");
        let read: Value = serde_json::from_str(&stored).expect("what was stored is read");
        assert_eq!(read, value, "{stored}");
    }
}

#[test]
fn a_nul_is_never_written() {
    for text in ["\0", "a\0", "\0\0b", "é\0🇩🇪"] {
        let plain = one(ValueType::Text, ValueType::Text, Vec::new());
        for side in Side::BOTH {
            assert_eq!(put(&plain, side, &Value::text(text)), None, "{text:?}");
        }
        let set = one(ValueType::Text, ValueType::Set, vec![Transform::Split(";".to_owned())]);
        assert_eq!(put(&set, Side::Left, &Value::Set([text.to_owned()].into())), None);
    }
}

#[test]
fn texts_that_only_look_alike_are_different_values() {
    let plain = one(ValueType::Text, ValueType::Text, Vec::new());
    let pairs = [("é", "e\u{301}"), ("a", "a\u{200b}"), ("", " "), ("\r\n", "\n"), ("ß", "ss")];
    for (one, other) in pairs {
        let (one, other) = (Value::text(one), Value::text(other));
        assert!(!same_trunk(&plain.fields[0], &one, &other), "{one:?} {other:?}");
        for value in [one, other] {
            let neutral = get(&plain, Side::Left, &value).expect("text is text");
            assert_eq!(put(&plain, Side::Right, &neutral), Some(value));
        }
    }
}

#[test]
fn a_column_counts_characters_not_bytes() {
    let mut narrow = column(ValueType::Text);
    narrow.max_length = Some(3);
    let narrow =
        flow(vec![column(ValueType::Text)], vec![narrow], values(ValueType::Text, Vec::new()));
    for (text, fits) in [("éé🇩", true), ("abc", true), ("abcd", false), ("e\u{301}e\u{301}", false)]
    {
        let value = Value::text(text);
        assert_eq!(put(&narrow, Side::Right, &value).is_some(), fits, "{text:?}");
    }
}

fn hostile_text() -> impl Strategy<Value = String> {
    proptest::collection::vec(proptest::sample::select(PIECES.to_vec()), 0..6)
        .prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn texts_made_of_hostile_pieces(
        text in hostile_text(),
        step in proptest::sample::select(steps()),
    ) {
        laws(&Value::text(text), ValueType::Text, &step)?;
    }

    #[test]
    fn sets_made_of_hostile_pieces(
        items in proptest::collection::btree_set(hostile_text(), 0..5),
        separator in proptest::sample::select(vec![";", ", ", "é", "\r\n", "👩‍👩‍👧"]),
    ) {
        let split = vec![Transform::Split(separator.to_owned())];
        returns(&one(ValueType::Text, ValueType::Set, split), &Value::Set(items))?;
    }

    #[test]
    fn huge_numbers_through_shifts(digits in "[1-9][0-9]{0,200}", power in -300_i32..300) {
        for text in [digits.clone(), format!("-{digits}"), format!("0.{digits}")] {
            let steps = vec![Transform::Scale(power)];
            let flow = one(ValueType::Decimal, ValueType::Decimal, steps);
            holds(&flow, &number(&text))?;
            returns(&flow, &number(&text))?;
        }
    }
}
