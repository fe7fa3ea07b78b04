//! One flow: both ends, match rules, fields, policy.

use crate::code::Code;
use crate::field::{self, FieldSpans, Placed};
use crate::keys;
use crate::policy::{FlowPolicy, SIDE};
use crate::section::{Reading, Section, clipped};
use crate::tree::{Entry, Node, Tree};
use duet_core::id::{Column, ConnectionName, FieldName, FlowName};
use duet_core::image::Image;
use duet_core::side::{Both, Side};
use duet_core::spec::{
    DeletePolicy, End, FieldSpec, FlowSpec, MatchBy, MatchRule, Normalize, Promise,
};
use duet_core::value::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

/// Where the parts of a flow stand in its file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FlowSpans {
    /// Its name.
    pub name: Range<usize>,
    /// Both ends.
    pub ends: Both<Range<usize>>,
    /// The connection of each end.
    pub connections: Both<Range<usize>>,
    /// The collection of each end.
    pub collections: Both<Range<usize>>,
    /// The key of each end, where it is set.
    pub keys: Both<Option<Range<usize>>>,
    /// The filter of each end, where it is set.
    pub filters: Both<Option<Range<usize>>>,
    /// Match rules.
    pub matching: Vec<Range<usize>>,
    /// Fields and parents.
    pub fields: BTreeMap<FieldName, FieldSpans>,
    /// Constants, per side.
    pub constants: Both<Range<usize>>,
    /// Soft deletion, per side.
    pub soft: Both<Range<usize>>,
}

/// A flow as it stands in a file, not bound to its sides yet.
#[derive(Clone, Debug, PartialEq)]
pub struct FlowDraft {
    /// The flow; [`duet_core::bind`] makes it ready to decide with.
    pub spec: FlowSpec,
    /// Position of its file in [`crate::Project::sources`].
    pub source: usize,
    /// Where its parts stand.
    pub spans: FlowSpans,
    /// Which word each end uses for its collection: `object` or `table`.
    pub words: Both<&'static str>,
}

pub(crate) const NORMALIZE: &[(&str, Normalize)] = &[
    ("trim", Normalize::Trim),
    ("lower", Normalize::Lower),
    ("upper", Normalize::Upper),
    ("alnum", Normalize::Alnum),
];

pub(crate) const BY: &[(&str, MatchBy)] =
    &[("external_id", MatchBy::ExternalId), ("equal", MatchBy::Equal)];

/// Reads `[flow.NAME]`.
pub(crate) fn read(
    reading: &mut Reading<'_>,
    source: usize,
    entry: &Entry,
    defaults: &FlowPolicy,
) -> Option<FlowDraft> {
    reading.name("a flow", &entry.key, &entry.key_span);
    let title = format!("the flow {}", clipped(&entry.key));
    let section = Section::open_node(reading, title, &entry.node, keys::FLOW)?;
    let policy = defaults.with(reading, &section);
    let mut spans = FlowSpans { name: entry.key_span.clone(), ..FlowSpans::default() };
    let left = end(reading, &section, Side::Left, &mut spans);
    let right = end(reading, &section, Side::Right, &mut spans);
    let matching = matching(reading, &section, &mut spans);
    let fields = fields(reading, &section, &policy, &mut spans);
    let constants = constants(reading, &section, &mut spans);
    let soft = soft(reading, &section, &policy, &mut spans);
    let initial = section.word(reading, "initial", SIDE);
    check_constants(reading, &fields, &constants, &spans);
    let ((mut left, left_word), (mut right, right_word)) = (left?, right?);
    (left.soft, right.soft) = (soft.left, soft.right);
    let unique = matching.iter().any(|rule| rule.by == MatchBy::ExternalId);
    let spec = FlowSpec {
        name: FlowName::new(entry.key.clone()),
        ends: Both::new(left, right),
        matching,
        fields,
        constants,
        policy: policy.record(initial, unique),
        version: String::new(),
    };
    let words = Both::new(left_word, right_word);
    Some(FlowDraft { spec, source, spans, words })
}

fn end(
    reading: &mut Reading<'_>,
    flow: &Section<'_>,
    side: Side,
    spans: &mut FlowSpans,
) -> Option<(End, &'static str)> {
    let node = flow.need(reading, side.as_str())?;
    *spans.ends.get_mut(side) = node.span.clone();
    let title = format!("the {side} end of {}", flow.name);
    let section = Section::open_node(reading, title, node, keys::END)?;
    let connection = section.need(reading, "connection");
    if let Some(node) = connection {
        *spans.connections.get_mut(side) = node.span.clone();
    }
    let connection = connection.and_then(|node| reading.text(node, "connection"));
    let span = |name: &str| section.get(name).map(|node| node.span.clone());
    *spans.keys.get_mut(side) = span("key");
    *spans.filters.get_mut(side) = span("where");
    let named = span("object").or_else(|| span("table"));
    *spans.collections.get_mut(side) = named.unwrap_or_else(|| node.span.clone());
    let key = section.get("key").and_then(|node| field::names(reading, node, "key"));
    let filter = section.text(reading, "where");
    let collection = collection(reading, &section);
    let (_, connection) = connection?;
    let (word, collection) = collection?;
    let end = End {
        connection: ConnectionName::new(connection),
        collection,
        key: key.unwrap_or_default(),
        filter,
        soft: None,
        options: BTreeMap::new(),
        promise: Promise::default(),
        columns: BTreeMap::new(),
    };
    Some((end, word))
}

fn collection(reading: &mut Reading<'_>, section: &Section<'_>) -> Option<(&'static str, String)> {
    let words = ["object", "table"];
    let mut named = words.into_iter().filter(|word| section.get(word).is_some());
    let (first, second) = (named.next(), named.next());
    if let (Some(word), None) = (first, second) {
        return section.text(reading, word).map(|text| (word, text));
    }
    // A word of later work has been told of.
    if second.is_some() || section.get("resource").is_none() {
        let sentence = format!("{} must name one collection: `object` or `table`", section.name);
        reading.told(Code::NoCollection, &section.span, sentence);
    }
    None
}

fn items<'n>(reading: &mut Reading<'_>, node: &'n Node, key: &str) -> &'n [Node] {
    if let Tree::List(items) = &node.value {
        return items;
    }
    reading.wrong_type(node, key, "a list");
    &[]
}

fn matching(
    reading: &mut Reading<'_>,
    flow: &Section<'_>,
    spans: &mut FlowSpans,
) -> Vec<MatchRule> {
    let nodes = flow.get("match").map(|node| items(reading, node, "match"));
    if nodes.is_none_or(<[Node]>::is_empty) {
        let sentence = format!("{} has no match rule", flow.name);
        let place = flow.get("match").map_or(&spans.name, |node| &node.span).clone();
        reading.told(Code::NoMatch, &place, sentence).help =
            "match = [ { by = \"external_id\", left = \"COLUMN\", right = \"KEY\" } ]".to_owned();
    }
    let mut rules: Vec<MatchRule> = Vec::new();
    for node in nodes.unwrap_or_default() {
        let Some(rule) = rule(reading, node) else { continue };
        if rules.contains(&rule) {
            reading.told(Code::RepeatedMatch, &node.span, "this match rule stands twice");
        }
        rules.push(rule);
        spans.matching.push(node.span.clone());
    }
    rules
}

fn rule(reading: &mut Reading<'_>, node: &Node) -> Option<MatchRule> {
    let section = Section::open_node(reading, "the match rule", node, keys::MATCH)?;
    section.need(reading, "by");
    let by = section.word(reading, "by", BY);
    if section.flag(reading, "unique") == Some(false)
        && let Some(node) = section.get("unique")
    {
        let sentence = "matches that aren't unique are not supported yet";
        reading.told(Code::ValueNotSupportedYet, &node.span, sentence);
    }
    let left = section.need(reading, "left").and_then(|node| field::names(reading, node, "left"));
    let right =
        section.need(reading, "right").and_then(|node| field::names(reading, node, "right"));
    let normalize = normalize(reading, &section);
    let (by, left, right) = (by?, left?, right?);
    let joined = by == MatchBy::ExternalId && (left.len() == 1 || right.len() == 1);
    if left.len() != right.len() && !joined {
        let sentence = "the match rule names more columns on one side than on the other";
        reading.told(Code::PartsDiffer, &node.span, sentence);
    }
    Some(MatchRule { by, columns: Both::new(left, right), normalize })
}

fn normalize(reading: &mut Reading<'_>, section: &Section<'_>) -> Vec<Normalize> {
    let Some(node) = section.get("normalize") else { return Vec::new() };
    let nodes = items(reading, node, "normalize");
    nodes.iter().filter_map(|item| reading.word(item, "normalize", NORMALIZE, &[])).collect()
}

fn fields(
    reading: &mut Reading<'_>,
    flow: &Section<'_>,
    policy: &FlowPolicy,
    spans: &mut FlowSpans,
) -> Vec<FieldSpec> {
    let entries = flow.get("fields").and_then(|node| reading.entries(node, "fields"));
    let entries = entries.unwrap_or_default();
    if entries.is_empty() {
        reading.told(Code::NoFields, &spans.name.clone(), format!("{} maps no field", flow.name));
    }
    let parents = match flow.get("parents") {
        Some(node) => items(reading, node, "parents"),
        None => &[],
    };
    let mut placed: Vec<Placed> = Vec::new();
    for node in parents {
        placed.extend(field::parent(reading, node, &policy.fields));
    }
    for entry in entries {
        let Entry { key, key_span, node } = entry;
        placed.extend(field::field(reading, key, key_span, node, &policy.fields));
    }
    check_columns(reading, &placed);
    let mut specs = Vec::with_capacity(placed.len());
    for (spec, place) in placed {
        if spans.fields.contains_key(&spec.name) {
            let sentence = format!("{} names a parent too", spec.name);
            reading.told(Code::NameTaken, &place.name, sentence).help =
                "a parent is named after its right column: rename the field".to_owned();
            continue;
        }
        spans.fields.insert(spec.name.clone(), place);
        specs.push(spec);
    }
    specs
}

/// Two fields must not write one column of a side.
fn check_columns(reading: &mut Reading<'_>, placed: &[Placed]) {
    for side in Side::BOTH {
        let mut written: BTreeMap<&Column, &FieldName> = BTreeMap::new();
        for (spec, place) in placed {
            if spec.direction.owner() == Some(side) {
                continue;
            }
            for column in spec.columns.get(side) {
                if let Some(first) = written.insert(column, &spec.name) {
                    let sentence = format!("{column} is written by {first} too");
                    let place = place.columns.get(side);
                    reading.told(Code::ColumnTwice, place, sentence);
                }
            }
        }
    }
}

fn constants(reading: &mut Reading<'_>, flow: &Section<'_>, spans: &mut FlowSpans) -> Both<Image> {
    let mut constants: Both<Image> = Both::default();
    let Some(node) = flow.get("constants") else { return constants };
    let Some(inner) = Section::open_node(reading, "constants", node, keys::SIDES) else {
        return constants;
    };
    for side in Side::BOTH {
        let Some(node) = inner.get(side.as_str()) else { continue };
        *spans.constants.get_mut(side) = node.span.clone();
        for entry in reading.entries(node, "constants").unwrap_or_default() {
            match entry.node.plain() {
                Some(value) => {
                    constants.get_mut(side).insert(Column::new(entry.key.clone()), value);
                }
                None => reading.wrong_type(&entry.node, "a constant", "a plain value"),
            }
        }
    }
    constants
}

fn check_constants(
    reading: &mut Reading<'_>,
    fields: &[FieldSpec],
    constants: &Both<Image>,
    spans: &FlowSpans,
) {
    for side in Side::BOTH {
        let written: BTreeSet<&Column> = fields
            .iter()
            .filter(|field| field.direction.owner() != Some(side))
            .flat_map(|field| field.columns.get(side))
            .collect();
        for column in constants.get(side).keys().filter(|column| written.contains(column)) {
            let sentence = format!("{column} is written by a field too");
            reading.told(Code::ConstantMapped, spans.constants.get(side), sentence);
        }
    }
}

/// A deletion on one side marks the record on the other, which must say how.
fn soft(
    reading: &mut Reading<'_>,
    flow: &Section<'_>,
    policy: &FlowPolicy,
    spans: &mut FlowSpans,
) -> Both<Option<(Column, Value)>> {
    let inner =
        flow.get("soft").and_then(|node| Section::open_node(reading, "soft", node, keys::SIDES));
    let soft = Both::build(|side| {
        let node = inner.as_ref()?.get(side.as_str())?;
        *spans.soft.get_mut(side) = node.span.clone();
        soft_column(reading, node)
    });
    for side in Side::BOTH {
        let wanted = *policy.deletes.get(side) == DeletePolicy::Soft;
        let given = inner.as_ref().is_some_and(|inner| inner.get(side.other().as_str()).is_some());
        if wanted && !given {
            let other = side.other();
            let sentence = format!("how does a deletion on the {side} show on the {other} side?");
            let place = flow.get("deletes").map_or(&spans.name, |node| &node.span).clone();
            reading.told(Code::SoftWithoutColumn, &place, sentence).help =
                format!("soft = {{ {other} = {{ column = \"COLUMN\", value = \"now\" }} }}");
        }
    }
    soft
}

fn soft_column(reading: &mut Reading<'_>, node: &Node) -> Option<(Column, Value)> {
    let section = Section::open_node(reading, "soft", node, keys::SOFT)?;
    let column = section.need(reading, "column").and_then(|node| reading.text(node, "column"));
    let value = section.need(reading, "value");
    let (_, column) = column?;
    let node = value?;
    let value = node.plain();
    if value.is_none() {
        reading.wrong_type(node, "value", "a plain value");
    }
    Some((Column::new(column), value?))
}
