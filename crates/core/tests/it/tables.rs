//! The decision tables as data: every case of `tests/tables/*.toml` is run as written and with left
//! and right exchanged.
//!
//! A case gives what is agreed and what each side holds, and says what must come out.

use super::steps::{
    CandidateIs, Last, ParentIs, Then, before_the_last, claims, parent_link, parents,
};
use super::support::flow::{any_column, column};
use super::support::state::fresh;
use super::support::{at, field, flow};
use duet_core::agreed::{Agreed, AgreedField, Origin, Pair, Tomb};
use duet_core::conflict::{CloseReason, Conflict, ConflictState};
use duet_core::facts::{Event, Facts};
use duet_core::id::{FieldName, FlowName, RecordId};
use duet_core::intent::{Intent, IntentState, Op};
use duet_core::link::Phase;
use duet_core::mapping;
use duet_core::observation::*;
use duet_core::reconcile::decide;
use duet_core::side::{Both, Side};
use duet_core::spec::*;
use duet_core::stamp::Stamp;
use duet_core::value::{Value, ValueType};
use duet_core::verdict::{Effect, Verdict};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

#[derive(Clone, Debug, Deserialize)]
struct File {
    case: Vec<Case>,
}

/// One side of a case; a plain value is short for `{ value = … }`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Part {
    pub(crate) value: Option<toml::Value>,
    is: Option<String>,
    /// What is accounted for on this side, if not the base.
    acc: Option<toml::Value>,
    /// Seconds of its last change.
    at: Option<i64>,
    by: Option<ActorClass>,
    /// Its version is older than the deletion that was agreed.
    stale: bool,
    most: Option<u32>,
    undelete: bool,
    soft: bool,
    synced: Option<i64>,
    /// Without a stamp.
    undated: bool,
    /// Seconds at which the side itself lists the field's change.
    listed: Option<i64>,
    /// Its clock may be off by so many seconds.
    skew: i64,
    /// Seconds of its grain.
    grain: i64,
    /// Tolerated as it differs.
    tolerated: bool,
    /// What it is matched by, if not `K`.
    key: Option<String>,
    deletes: Option<DeletePolicy>,
    none: Option<OnNone>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Case {
    pub(crate) is: String,
    pub(crate) base: Option<toml::Value>,
    pub(crate) tomb: bool,
    pub(crate) origin: Option<Origin>,
    pub(crate) left: Option<toml::Value>,
    pub(crate) right: Option<toml::Value>,
    pub(crate) strategy: Option<Strategy>,
    pub(crate) kind: Option<ValueType>,
    pub(crate) direction: Option<Direction>,
    pub(crate) on_one_way_edit: Option<OneWayEdit>,
    pub(crate) propagate_null: Option<bool>,
    pub(crate) fill_nulls: Option<bool>,
    pub(crate) same_change: Option<SameChange>,
    pub(crate) on_delete_conflict: Option<DeleteConflict>,
    pub(crate) on_leave_filter: Option<LeaveFilter>,
    pub(crate) initial: Option<Side>,
    pub(crate) on_blank_key: Option<BlankKey>,
    pub(crate) deletes_held: bool,
    /// Values are references to records of another flow, and this is known of the one they name.
    pub(crate) parent: Option<ParentIs>,
    /// For how many seconds it is waited for, and what then.
    pub(crate) wait: Option<i64>,
    pub(crate) missing: Option<AfterWait>,
    /// Other links that claim the same key, by what they are.
    pub(crate) candidates: Vec<CandidateIs>,
    pub(crate) rivals: bool,
    /// Nothing of the record was in agreement since it was linked.
    pub(crate) unsynced: bool,
    /// The field is a group of two columns.
    pub(crate) group: bool,
    /// What happens after the first decision; what must come out is meant of the last one.
    pub(crate) then: Vec<Then>,
    // What must come out.
    pub(crate) row: Option<String>,
    pub(crate) field: Option<String>,
    pub(crate) trunk: Option<toml::Value>,
    pub(crate) write: BTreeMap<String, toml::Value>,
    pub(crate) call: BTreeMap<String, String>,
    pub(crate) conflict: Option<toml::Value>,
    /// Why a conflict was closed.
    pub(crate) reason: Option<CloseReason>,
    /// The state of the open write on the right.
    pub(crate) open: Option<IntentState>,
    /// The value that is kept back: code, the side it comes from, the side of the column.
    pub(crate) error: Option<String>,
    pub(crate) phase: Option<Phase>,
}

pub(crate) fn names() -> Vec<String> {
    cases().into_iter().map(|case| case.is).collect()
}

fn cases() -> Vec<Case> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tables");
    let files = std::fs::read_dir(folder).expect("the folder of the tables");
    let mut paths: Vec<PathBuf> = files.map(|file| file.expect("a file").path()).collect();
    paths.sort();
    let cases = paths.iter().map(|path| {
        let text = std::fs::read_to_string(path).expect("a table file");
        toml::from_str::<File>(&text).unwrap_or_else(|why| panic!("{}: {why}", path.display()))
    });
    cases.flat_map(|file| file.case).collect()
}

#[test]
fn every_case_holds_as_written_and_mirrored() {
    let mut wrong = Vec::new();
    for case in cases() {
        let mirror = mirrored(case.clone());
        for (case, which) in [(case, "as written"), (mirror, "mirrored")] {
            let told = std::panic::catch_unwind(|| check(&case));
            if let Err(why) = told {
                let why = why.downcast_ref::<String>().cloned().unwrap_or_default();
                wrong.push(format!("{} ({which}): {why}", case.is));
            }
        }
    }
    assert!(wrong.is_empty(), "{} cases fail:\n{}", wrong.len(), wrong.join("\n"));
}

pub(crate) fn mirrored(mut case: Case) -> Case {
    std::mem::swap(&mut case.left, &mut case.right);
    case.strategy = case.strategy.map(mirrored_strategy);
    case.initial = case.initial.map(Side::other);
    case.origin = case.origin.map(|origin| match origin {
        Origin::Left => Origin::Right,
        Origin::Right => Origin::Left,
        other => other,
    });
    case.direction = case.direction.map(|direction| match direction {
        Direction::ToLeft => Direction::ToRight,
        Direction::ToRight => Direction::ToLeft,
        Direction::Both => Direction::Both,
    });
    case.write = swapped(case.write);
    case.call = swapped(case.call);
    case.parent = case.parent.map(ParentIs::mirrored);
    case.then = case.then.into_iter().map(Then::mirrored).collect();
    case.row = case.row.map(|row| mirrored_row(&row));
    case.field = case.field.map(|row| mirrored_row(&row));
    case.error = case.error.map(|error| mirrored_error(&error));
    case
}

fn swapped<T>(map: BTreeMap<String, T>) -> BTreeMap<String, T> {
    let other = |name: String| if name == "left" { "right".to_owned() } else { "left".to_owned() };
    map.into_iter().map(|(side, value)| (other(side), value)).collect()
}

fn mirrored_row(row: &str) -> String {
    let other = match row {
        "F2" => "F3",
        "F3" => "F2",
        "G2" => "G3",
        "G3" => "G2",
        "R21" => "R22",
        "R22" => "R21",
        same => same,
    };
    other.to_owned()
}

fn mirrored_error(error: &str) -> String {
    let other = |word| match word {
        "left" => "right",
        "right" => "left",
        code => code,
    };
    error.split(' ').map(other).collect::<Vec<_>>().join(" ")
}

fn mirrored_strategy(strategy: Strategy) -> Strategy {
    match strategy {
        Strategy::LastWriteWins { tie } => Strategy::LastWriteWins {
            tie: tie
                .into_iter()
                .map(|tie| match tie {
                    Tie::Left => Tie::Right,
                    Tie::Right => Tie::Left,
                    other => other,
                })
                .collect(),
        },
        Strategy::SourceOfTruth(side) => Strategy::SourceOfTruth(side.other()),
        Strategy::Merge { kind, otherwise } => {
            Strategy::Merge { kind, otherwise: Box::new(mirrored_strategy(*otherwise)) }
        }
        Strategy::ManualReview => Strategy::ManualReview,
    }
}

fn part(case: &Case, side: Side) -> Part {
    let given = match side {
        Side::Left => case.left.clone(),
        Side::Right => case.right.clone(),
    };
    part_of(given)
}

pub(crate) fn part_of(given: Option<toml::Value>) -> Part {
    match given {
        None => Part { is: Some("absent".to_owned()), ..Part::default() },
        Some(toml::Value::Table(table)) => {
            toml::Value::Table(table).try_into().expect("a side of a case")
        }
        Some(value) => Part { value: Some(value), ..Part::default() },
    }
}

pub(crate) fn value(given: &toml::Value) -> Value {
    match given {
        toml::Value::String(text) if text == "~" => Value::Null,
        toml::Value::String(text) => Value::text(text),
        toml::Value::Integer(number) => Value::Integer(*number),
        toml::Value::Boolean(flag) => Value::Boolean(*flag),
        toml::Value::Array(items) => {
            let items = items.iter().map(|item| item.as_str().expect("a text").to_owned());
            Value::Set(items.collect())
        }
        other => panic!("no value of a case: {other}"),
    }
}

fn kind(case: &Case) -> ValueType {
    let sample = part(case, Side::Left).value.or(part(case, Side::Right).value);
    case.kind.unwrap_or(match sample {
        Some(toml::Value::Integer(_)) => ValueType::Integer,
        Some(toml::Value::Boolean(_)) => ValueType::Boolean,
        Some(toml::Value::Array(_)) if !case.group => ValueType::Set,
        _ => ValueType::Text,
    })
}

pub(crate) fn spec(case: &Case) -> FlowSpec {
    let mut one = field("f", case.strategy.clone().unwrap_or_default());
    one = super::support::flow::typed(one, kind(case));
    one.direction = case.direction.unwrap_or_default();
    one.on_one_way_edit = case.on_one_way_edit.unwrap_or_default();
    one.propagate_null = case.propagate_null.unwrap_or(true);
    one.fill_nulls = case.fill_nulls.unwrap_or(true);
    one.same_change = case.same_change.unwrap_or_default();
    if case.group {
        one.columns = Both::build(|side| vec![column(side, "f"), column(side, "g")]);
    }
    if case.parent.is_some() {
        let flow = FlowName::from("people");
        let wait_us = case.wait.map(|seconds| seconds * Stamp::SECOND);
        let missing = MissingParent { wait_us, then: case.missing.unwrap_or(AfterWait::Flag) };
        one.mapping = Mapping::Parent { flow, missing, none: Both::default() };
    }
    let mut spec = flow(vec![one]);
    spec.policy.on_blank_key = case.on_blank_key.unwrap_or_default();
    spec.policy.on_delete_conflict = case.on_delete_conflict.unwrap_or_default();
    spec.policy.on_leave_filter = case.on_leave_filter.unwrap_or_default();
    spec.policy.initial = case.initial;
    for side in Side::BOTH {
        let part = part(case, side);
        let end = spec.ends.get_mut(side);
        end.promise.undelete = part.undelete;
        end.soft = part.soft.then(|| (column(side, "gone"), Value::Boolean(true)));
        let mut known = any_column(kind(case));
        known.max_length = part.most;
        end.columns.insert(column(side, "f"), known);
        end.promise.skew_us = part.skew * Stamp::SECOND;
        end.promise.grain_us = part.grain * Stamp::SECOND;
        *spec.policy.deletes.get_mut(side) = part.deletes.unwrap_or_default();
        *spec.policy.on_none.get_mut(side) = part.none.unwrap_or_default();
    }
    spec
}

fn presence(is: &str) -> Presence {
    match is {
        "there" => Presence::Present,
        "gone" => Presence::Deleted(Deletion::Hard),
        "soft" => Presence::Deleted(Deletion::Soft),
        "unclassified" => Presence::Deleted(Deletion::Unclassified),
        "merged" => Presence::Deleted(Deletion::MergedInto(RecordId::from("W"))),
        "out" => Presence::OutOfScope(Absence::Filter),
        "hidden" => Presence::OutOfScope(Absence::Visibility),
        "unknown" => Presence::Unknown,
        other => panic!("no presence: {other}"),
    }
}

fn seen(case: &Case, side: Side) -> Option<Observation> {
    observed(case, &part(case, side), side)
}

pub(crate) fn observed(case: &Case, part: &Part, side: Side) -> Option<Observation> {
    let is = part.is.as_deref().unwrap_or("there");
    if is == "absent" {
        return None;
    }
    let key = part.key.as_deref().unwrap_or("K");
    let mut image = duet_core::image::Image::from([
        (column(side, "id"), Value::text(format!("{side}-1"))),
        (column(side, "key"), Value::text(key)),
    ]);
    let held = part.value.as_ref().or(case.base.as_ref());
    if let Some(held) = held.filter(|held| held.as_str() != Some("?")) {
        let held = native(case, side, held);
        image.extend(mapping::spread(&spec(case).fields[0], side, &held));
    }
    let order = if part.stale { 5 } else { 100 };
    let stamps = part.listed.map(|seconds| (column(side, "f"), at(seconds)));
    Some(Observation {
        presence: presence(is),
        image,
        version: Some(Version { order: Some(order), token: order.to_string() }),
        changed_at: (!part.undated).then(|| at(part.at.unwrap_or(50))),
        column_stamps: stamps.into_iter().collect(),
        actor: Actor { class: part.by.unwrap_or_default(), name: None },
        read_at: at(90),
        ..Observation::default()
    })
}

/// A value as a side holds it: a reference is the parent's id on that side.
fn native(case: &Case, side: Side, given: &toml::Value) -> Value {
    match given.as_str() {
        Some(name) if case.parent.is_some() && name != "~" => Value::text(format!("{name}-{side}")),
        Some(_) | None => own(case, given),
    }
}

/// A plain value of the case's type.
fn own(case: &Case, given: &toml::Value) -> Value {
    match given {
        toml::Value::Array(items) if case.group => Value::Tuple(items.iter().map(value).collect()),
        plain => value(plain),
    }
}

/// A value as it is agreed: a reference is the parent's link.
fn neutral(case: &Case, given: &toml::Value) -> Value {
    match given.as_str() {
        Some(name) if case.parent.is_some() && name != "~" => Value::Link(parent_link(name)),
        Some(_) | None => own(case, given),
    }
}

fn agreed(case: &Case) -> Agreed {
    let Some(base) = &case.base else { return Agreed::None };
    let trunk = neutral(case, base);
    let accounted = Both::build(|side| {
        let part = part(case, side);
        Some(native(case, side, part.acc.as_ref().unwrap_or(base)))
    });
    let entry = AgreedField {
        trunk,
        at: at(10),
        origin: case.origin.unwrap_or(Origin::Both),
        accounted,
        tolerated: Both::build(|side| part(case, side).tolerated),
        hops: 0,
        changed: Some((at(9), at(10))),
        by: ActorClass::Unknown,
        moved: Both::default(),
    };
    let pair = Pair { fields: [(FieldName::from("f"), entry)].into() };
    if !case.tomb {
        return Agreed::Pair(pair);
    }
    Agreed::Tomb(Tomb {
        at: at(10),
        version: Both::build(|_| Some(Version { order: Some(10), token: "10".to_owned() })),
        record: Both::default(),
        last: pair,
    })
}

pub(crate) fn facts(case: &Case) -> Facts {
    let mut facts = fresh(1);
    facts.as_of = at(100);
    facts.seen = Both::build(|side| seen(case, side));
    facts.link.record = Both::build(|side| {
        facts.seen.get(side).as_ref().map(|_| RecordId::new(format!("{side}-1")))
    });
    facts.agreed = agreed(case);
    facts.flow.deletes_held = case.deletes_held;
    facts.parents = parents(case);
    facts.claims = claims(case);
    if case.base.is_some() {
        facts.link.phase = if case.tomb { Phase::Tombstoned } else { Phase::Linked };
        let synced = |side| Some(at(part(case, side).synced.unwrap_or(10)));
        facts.link.synced_at = Some(at(10));
        facts.link.synced = Both::build(|side| synced(side).filter(|_| !case.unsynced));
    }
    facts
}

fn check(case: &Case) {
    let spec = spec(case);
    let Last { facts, events, spec, mut closed } = before_the_last(case, facts(case), spec);
    let verdict = decide(facts.clone(), &events, &spec);
    check_rows(case, &verdict);
    check_trunk(case, &verdict);
    check_writes(case, &spec, &verdict);
    check_conflict(case, &verdict);
    check_errors(case, &verdict);
    assert_eq!(verdict, decide(facts.clone(), &events, &spec), "not deterministic");
    let next = super::support::after(&facts, &verdict, &mut closed);
    check_open(case, &next);
    let again = decide(next, &[Event::Due], &spec);
    let (row, effects) = (&again.row, &again.effects);
    assert!(!again.changed, "a second look changes something: {row} {effects:?}");
}

fn check_open(case: &Case, next: &Facts) {
    let Some(state) = case.open else { return };
    let open = Side::BOTH.into_iter().find_map(|side| next.intents.get(side).write.as_ref());
    assert_eq!(open.map(|open| open.state), Some(state), "the open write");
}

fn check_errors(case: &Case, verdict: &Verdict) {
    let told = verdict.link.memory.field_errors.iter().map(|error| {
        assert!(!error.reason.is_empty() && !error.column.as_str().is_empty(), "{error:?}");
        format!("{} {} {}", error.code.as_str(), error.source, error.side)
    });
    assert_eq!(told.collect::<Vec<_>>(), Vec::from_iter(case.error.clone()), "field errors");
}

fn check_rows(case: &Case, verdict: &Verdict) {
    if let Some(row) = &case.row {
        assert_eq!(verdict.row.as_str(), row, "record row ({})", verdict.rule);
    }
    if let Some(row) = &case.field {
        assert_eq!(&field_row(verdict), row, "field row {:?}", verdict.outcomes);
    }
    if let Some(phase) = case.phase {
        assert_eq!(verdict.link.phase, phase, "phase");
    }
    assert!(!verdict.rule.is_empty(), "a verdict says why");
}

/// The row of the only field. That nobody moved (F1) is what isn't told of a field that is agreed.
fn field_row(verdict: &Verdict) -> String {
    let silent = || match &verdict.agreed {
        Agreed::Pair(pair) if pair.fields.contains_key("f") => "F1".to_owned(),
        Agreed::Pair(_) | Agreed::None | Agreed::Tomb(_) => "none".to_owned(),
    };
    let told = verdict.outcomes.first().map(|told| told.row.as_str().to_owned());
    assert_ne!(told.as_deref(), Some("F1"), "told of a field that nobody moved");
    told.unwrap_or_else(silent)
}

fn check_trunk(case: &Case, verdict: &Verdict) {
    let Some(trunk) = &case.trunk else { return };
    let pair = match &verdict.agreed {
        Agreed::Pair(pair) => pair.fields.get(&FieldName::from("f")),
        Agreed::None | Agreed::Tomb(_) => None,
    };
    let held = pair.map(|entry| entry.trunk.clone());
    if trunk.as_str() == Some("none") {
        assert_eq!(held, None, "trunk");
    } else {
        assert_eq!(held, Some(neutral(case, trunk)), "trunk");
    }
}

fn planned(verdict: &Verdict) -> Vec<&Intent> {
    let plans = verdict.effects.iter().filter_map(|effect| {
        if let Effect::Plan(intent) = effect { Some(&**intent) } else { None }
    });
    plans.collect()
}

fn check_writes(case: &Case, spec: &FlowSpec, verdict: &Verdict) {
    let field = spec.fields.first();
    let mut written = BTreeMap::new();
    let mut called = BTreeMap::new();
    for intent in planned(verdict) {
        let value = field.and_then(|field| mapping::native(field, intent.side, &intent.values));
        if let (Op::Update, Some(value)) = (intent.op, value) {
            written.insert(intent.side.to_string(), value);
        } else {
            called.insert(intent.side.to_string(), intent.op.as_str().to_owned());
        }
    }
    let wanted: BTreeMap<String, Value> = case
        .write
        .iter()
        .map(|(name, given)| (name.clone(), wanted_value(case, name, given)))
        .collect();
    assert_eq!(written, wanted, "writes");
    assert_eq!(called, case.call, "calls");
}

fn wanted_value(case: &Case, name: &str, given: &toml::Value) -> Value {
    native(case, if name == "left" { Side::Left } else { Side::Right }, given)
}

fn check_conflict(case: &Case, verdict: &Verdict) {
    let stored: Vec<&Conflict> = verdict
        .effects
        .iter()
        .filter_map(|effect| if let Effect::Conflict(one) = effect { Some(&**one) } else { None })
        .collect();
    let mut told: Vec<String> = stored.iter().map(|one| told(one)).collect();
    told.sort();
    let wanted: Vec<String> = match &case.conflict {
        None => Vec::new(),
        Some(toml::Value::String(one)) => vec![one.clone()],
        Some(several) => several.clone().try_into().expect("names of conflicts"),
    };
    assert_eq!(told, wanted, "conflicts");
    if let Some(reason) = case.reason {
        assert!(stored.iter().any(|one| one.reason == Some(reason)), "closed as {reason:?}");
    }
}

fn told(conflict: &Conflict) -> String {
    let json = serde_json::to_value(conflict.kind).expect("a kind");
    let state = match conflict.state {
        ConflictState::Open => "open",
        ConflictState::Applied => "applied",
        ConflictState::Closed => "closed",
        ConflictState::Snoozed => "snoozed",
        ConflictState::Decided => "decided",
    };
    format!("{} {state}", json.as_str().expect("a name"))
}
