//! Fields and parents of a flow.

use crate::code::Code;
use crate::keys;
use crate::policy::FieldPolicy;
use crate::section::{Reading, Section, clipped};
use crate::steps;
use crate::strategy;
use crate::tree::{Node, Tree};
use duet_core::id::{Column, FieldName, FlowName};
use duet_core::side::{Both, Side};
use duet_core::spec::{
    AfterWait, Direction, FieldSpec, Mapping, MergeKind, MissingParent, Strategy,
};
use duet_core::value::ValueType;
use duet_ports::duration::micros;
use duet_ports::keys::Holds;
use std::ops::Range;

/// Where the parts of a field stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldSpans {
    /// Its name.
    pub name: Range<usize>,
    /// The flow that a parent names; elsewhere its name.
    pub named: Range<usize>,
    /// Its columns, per side.
    pub columns: Both<Range<usize>>,
}

/// What `missing` says.
pub(crate) const MISSING: Holds = Holds::Form(
    "`wait`, `wait 10m, then flag`, `wait 10m, then null`",
    r"^\s*wait\s*(\d+\s*(ms|s|m|h|d)\s*,\s*then (flag|null)\s*)?$",
);

/// Columns per side, and where they stand.
type PlacedColumns = (Both<Vec<Column>>, Both<Range<usize>>);

/// A field and where it stands.
pub(crate) type Placed = (FieldSpec, FieldSpans);

/// Reads one entry of `fields`.
pub(crate) fn field(
    reading: &mut Reading<'_>,
    name: &str,
    name_span: &Range<usize>,
    node: &Node,
    policy: &FieldPolicy,
) -> Option<Placed> {
    reading.name("a field", name, name_span);
    let title = format!("the field {}", clipped(name));
    let section = Section::open_node(reading, title, node, keys::FIELD)?;
    let own = own_policy(reading, &section, policy);
    let group = section.flag(reading, "group").unwrap_or(false);
    let columns = columns(reading, &section, group);
    let mapping = Mapping::Values {
        // Settled by binding: both sides' steps lead to it.
        kind: ValueType::Text,
        transforms: steps::of(reading, &section),
        defaults: Both::new(
            plain(reading, &section, "default_left"),
            plain(reading, &section, "default_right"),
        ),
    };
    accept_flags(reading, &section);
    let sensitive = sensitive(reading, &section);
    let create_only = section.flag(reading, "create_only").unwrap_or(false);
    let (columns, spans) = columns?;
    check_group_merge(reading, &section, &own, &columns);
    let spec = spec(FieldName::new(name), columns, mapping, own, sensitive, create_only);
    let (name, named) = (name_span.clone(), name_span.clone());
    Some((spec, FieldSpans { name, named, columns: spans }))
}

/// Reads one entry of `parents`.
pub(crate) fn parent(
    reading: &mut Reading<'_>,
    node: &Node,
    policy: &FieldPolicy,
) -> Option<Placed> {
    let section = Section::open_node(reading, "the parent", node, keys::PARENT)?;
    let own = own_policy(reading, &section, policy);
    let flow = section.need(reading, "flow").and_then(|node| reading.text(node, "flow"));
    let missing = missing(reading, &section);
    let none = none(reading, &section);
    let left = section.need(reading, "left").and_then(|node| names(reading, node, "left"));
    let right = section.need(reading, "right").and_then(|node| names(reading, node, "right"));
    let (left, right, (_, flow)) = (left?, right?, flow?);
    let joined: Vec<&str> = right.iter().map(Column::as_str).collect();
    let name = FieldName::new(joined.join("_"));
    let spans = FieldSpans {
        name: node.span.clone(),
        named: section.get("flow").map_or(node.span.clone(), |node| node.span.clone()),
        columns: Both::build(|side| {
            section.get(side.as_str()).map_or(node.span.clone(), |node| node.span.clone())
        }),
    };
    let mapping = Mapping::Parent { flow: FlowName::new(flow), missing: missing?, none };
    Some((spec(name, Both::new(left, right), mapping, own, false, false), spans))
}

fn spec(
    name: FieldName,
    columns: Both<Vec<Column>>,
    mapping: Mapping,
    policy: FieldPolicy,
    sensitive: bool,
    create_only: bool,
) -> FieldSpec {
    FieldSpec {
        name,
        columns,
        mapping,
        direction: policy.direction,
        on_one_way_edit: policy.on_one_way_edit,
        strategy: policy.strategy,
        propagate_null: policy.propagate_null,
        fill_nulls: policy.fill_nulls,
        same_change: policy.same_change,
        sensitive,
        create_only,
    }
}

fn own_policy(reading: &mut Reading<'_>, section: &Section<'_>, base: &FieldPolicy) -> FieldPolicy {
    let mut own = base.with(reading, section);
    if let Some(strategy) = strategy::of_field(reading, section) {
        own.strategy = strategy;
    }
    if own.direction == Direction::Both
        && let Some(entry) = section.entry("on_one_way_edit")
    {
        let sentence = format!("{} goes both ways", section.name);
        reading.told(Code::OneWayEditBothWays, &entry.key_span, sentence);
    }
    own
}

/// A group has two lists of one length, anything else two names.
fn columns(reading: &mut Reading<'_>, section: &Section<'_>, group: bool) -> Option<PlacedColumns> {
    let left = section.need(reading, "left");
    let right = section.need(reading, "right");
    let (left, right) = (left?, right?);
    let spans = Both::new(left.span.clone(), right.span.clone());
    let lists = [left, right].map(|node| matches!(node.value, Tree::List(_)));
    let columns = Both::new(names(reading, left, "left")?, names(reading, right, "right")?);
    let fits = columns.left.len() == columns.right.len();
    if lists != [group; 2] || !fits {
        let sentence = format!(
            "{}: {}",
            section.name,
            match (group, fits) {
                (false, _) => "several columns make a group",
                (true, true) => "a group is two lists of columns",
                (true, false) => "a group has as many columns on the left as on the right",
            }
        );
        reading.told(Code::GroupShape, &section.span, sentence).help =
            "group = true, left = [\"A\", \"B\"], right = [\"a\", \"b\"]".to_owned();
        return None;
    }
    Some((columns, spans))
}

/// A column, or a list of columns.
pub(crate) fn names(reading: &mut Reading<'_>, node: &Node, key: &str) -> Option<Vec<Column>> {
    let texts = reading.texts(node, key)?;
    Some(texts.into_iter().map(Column::new).collect())
}

fn plain(
    reading: &mut Reading<'_>,
    section: &Section<'_>,
    key: &str,
) -> Option<duet_core::value::Value> {
    let node = section.get(key)?;
    let value = node.plain();
    if value.is_none() {
        reading.wrong_type(node, key, "a plain value");
    }
    value
}

/// Keys that name what happens anyway.
fn accept_flags(reading: &mut Reading<'_>, section: &Section<'_>) {
    for key in ["unmapped", "on_too_long"] {
        section.word(reading, key, &[("flag", ())]);
    }
}

fn sensitive(reading: &mut Reading<'_>, section: &Section<'_>) -> bool {
    let Some(node) = section.get("sensitive") else { return false };
    if matches!(node.value, Tree::Text { .. }) {
        return reading.word(node, "sensitive", &[("pii", true)], &[]).unwrap_or(true);
    }
    section.flag(reading, "sensitive").unwrap_or(true)
}

fn check_group_merge(
    reading: &mut Reading<'_>,
    section: &Section<'_>,
    policy: &FieldPolicy,
    columns: &Both<Vec<Column>>,
) {
    let Strategy::Merge { kind, .. } = &policy.strategy else { return };
    let single = match kind {
        MergeKind::FirstNonEmpty => false,
        MergeKind::Counter { .. }
        | MergeKind::Set
        | MergeKind::Max
        | MergeKind::Min
        | MergeKind::Progress { .. }
        | MergeKind::Strictest { .. } => true,
    };
    if single && columns.left.len() > 1 {
        let place = section.get("merge").map_or(&section.span, |node| &node.span);
        let sentence = format!("{} is a group, this merge is for one column", section.name);
        reading.told(Code::GroupMerge, place, sentence);
    }
}

fn missing(reading: &mut Reading<'_>, section: &Section<'_>) -> Option<MissingParent> {
    let Some(node) = section.get("missing") else {
        return Some(MissingParent { wait_us: None, then: AfterWait::Flag });
    };
    let (_, text) = reading.text(node, "missing")?;
    let found = missing_of(text);
    if found.is_none() {
        reading.told(Code::BadMissing, &node.span, "`missing` isn't understood").help =
            "\"wait\", \"wait 10m, then flag\" or \"wait 10m, then null\"".to_owned();
    }
    found
}

fn missing_of(text: &str) -> Option<MissingParent> {
    let rest = text.trim().strip_prefix("wait")?;
    if rest.trim().is_empty() {
        return Some(MissingParent { wait_us: None, then: AfterWait::Flag });
    }
    let (duration, then) = rest.split_once(',')?;
    let then = match then.trim() {
        "then flag" => AfterWait::Flag,
        "then null" => AfterWait::Null,
        _ => return None,
    };
    Some(MissingParent { wait_us: Some(micros(duration)?), then })
}

fn none(reading: &mut Reading<'_>, section: &Section<'_>) -> Both<Option<duet_core::value::Value>> {
    let Some(node) = section.get("none") else { return Both::default() };
    if !matches!(node.value, Tree::Table(_)) {
        return Both::new(plain(reading, section, "none"), None);
    }
    let Some(inner) = Section::open_node(reading, "`none`", node, keys::SIDES) else {
        return Both::default();
    };
    Both::build(|side: Side| plain(reading, &inner, side.as_str()))
}
