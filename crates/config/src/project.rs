//! The project as a whole: `duet.toml`, its connections, and what only shows when all flows are
//! known. Text in, result out; no file is read here.

use crate::code::Code;
use crate::connection::{ConnectionSection, kind_word};
use crate::flow::{self, FlowDraft};
use crate::interpolate::Environment;
use crate::keys;
use crate::mistake::Mistake;
use crate::policy::FlowPolicy;
use crate::section::{Reading, Section, clipped, list};
use crate::source::Source;
use crate::tree::{self, Entry, Node, Tree};
use duet_core::bind::closest;
use duet_core::id::{ConnectionName, FlowName};
use duet_core::side::Side;
use duet_core::spec::Mapping;
use std::collections::BTreeSet;
use std::fmt;
use std::ops::Range;

/// A project, read and checked as far as that goes without its systems.
#[derive(Clone, Debug, PartialEq)]
pub struct Project {
    /// Its name.
    pub name: String,
    /// Broker and state database, shared by any number of processes. `None`: one process keeps both
    /// by itself, in memory and in a file.
    pub servers: Option<Servers>,
    /// The systems, in the order of the file.
    pub connections: Vec<ConnectionSection>,
    /// The flows, in the order of the files.
    pub flows: Vec<FlowDraft>,
    /// The files; the first is `duet.toml`.
    pub sources: Vec<Source>,
}

/// `[hub]` and `[state]`: both or neither.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Servers {
    /// The broker.
    pub hub: HubSection,
    /// The state database.
    pub state: StateSection,
}

/// `[hub]`.
#[derive(Clone, PartialEq, Eq)]
pub struct HubSection {
    /// Where the broker is. Holds a password: never shown.
    pub url: String,
    /// Queues for changes.
    pub partitions: u32,
    /// Where the address stands.
    pub(crate) span: Range<usize>,
}

impl fmt::Debug for HubSection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HubSection").field("partitions", &self.partitions).finish_non_exhaustive()
    }
}

/// `[state]`.
#[derive(Clone, PartialEq, Eq)]
pub struct StateSection {
    /// Where the store is. Holds a password: never shown.
    pub url: String,
}

impl fmt::Debug for StateSection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StateSection").finish_non_exhaustive()
    }
}

/// What `duet.toml` says, flows of other files not included.
pub(crate) struct Root {
    name: Option<String>,
    servers: Option<Servers>,
    connections: Vec<ConnectionSection>,
    defaults: FlowPolicy,
    /// Patterns of flow files, and where they stand.
    pub(crate) patterns: Vec<(String, Range<usize>)>,
    flows: Vec<FlowDraft>,
    /// Names that stand in the files, whether what they name could be read or not.
    declared: Declared,
    pub(crate) mistakes: Vec<Mistake>,
}

/// What is named somewhere: nobody is told that it isn't there.
#[derive(Default)]
struct Declared {
    connections: BTreeSet<String>,
    flows: BTreeSet<String>,
}

/// Partitions if the file doesn't say.
const PARTITIONS: u32 = 4;
/// Most partitions: each is a queue with a consumer of its own.
const PARTITIONS_MAX: u32 = 64;

/// Reads `duet.toml`.
pub(crate) fn root(source: &Source, environment: &Environment<'_>) -> Root {
    let (entries, mistakes) = tree::parse(source, environment);
    let broken = !mistakes.is_empty() && entries.is_empty();
    let mut reading = Reading { source, mistakes };
    let section = Section::open(&mut reading, "duet.toml", 0..0, &entries, keys::PROJECT);
    if broken {
        return Root::empty(reading.mistakes);
    }
    version(&mut reading, &section);
    let name = section.need(&mut reading, "project").and_then(|node| {
        let (_, name) = reading.text(node, "project")?;
        reading.name("a project", name, &node.span).then(|| name.to_owned())
    });
    let defaults = defaults(&mut reading, &section);
    let flows = flows(&mut reading, 0, &section, &defaults);
    let declared =
        Declared { connections: named(&section, "connections"), flows: named(&section, "flow") };
    let patterns = patterns(&mut reading, &section);
    let connections = connections(&mut reading, &section);
    let servers = servers(&mut reading, &section);
    let mistakes = reading.mistakes;
    Root { name, servers, connections, defaults, patterns, flows, declared, mistakes }
}

impl Root {
    fn empty(mistakes: Vec<Mistake>) -> Root {
        Root {
            name: None,
            servers: None,
            connections: Vec::new(),
            defaults: FlowPolicy::default(),
            patterns: Vec::new(),
            flows: Vec::new(),
            declared: Declared::default(),
            mistakes,
        }
    }

    /// Reads a file of flows.
    pub(crate) fn add(&mut self, index: usize, source: &Source, environment: &Environment<'_>) {
        let (entries, mistakes) = tree::parse(source, environment);
        let mut reading = Reading { source, mistakes };
        let name = source.name.clone();
        let section = Section::open(&mut reading, name, 0..0, &entries, keys::FLOW_FILE);
        self.flows.extend(flows(&mut reading, index, &section, &self.defaults));
        self.declared.flows.extend(named(&section, "flow"));
        self.mistakes.extend(reading.mistakes);
    }

    /// The whole project, if nothing is wrong with it.
    pub(crate) fn finish(mut self, sources: Vec<Source>) -> Result<Project, Vec<Mistake>> {
        // What seems missing in a torn file, or because a file wasn't found, is only unread.
        if !self.mistakes.iter().any(|mistake| hides(mistake.code)) {
            let mistakes = across(&self.flows, &self.connections, &self.declared, &sources);
            self.mistakes.extend(mistakes);
        }
        if !self.mistakes.is_empty() {
            let place = |file: &str| sources.iter().position(|source| source.name == file);
            self.mistakes.sort_by_key(|one| (place(&one.file), one.span.start, one.code));
            self.mistakes.dedup();
            return Err(self.mistakes);
        }
        let Some(name) = self.name else {
            let sentence = "the project isn't whole".to_owned();
            return Err(vec![Mistake::of_file(Code::MissingKey, "duet.toml", sentence)]);
        };
        let Root { servers, connections, flows, .. } = self;
        Ok(Project { name, servers, connections, flows, sources })
    }
}

/// Whether a mistake means that parts of the project weren't read.
fn hides(code: Code) -> bool {
    let unread = [Code::Unreadable, Code::TooLarge, Code::NotUtf8, Code::BadPattern];
    let torn = [Code::Syntax, Code::TooDeep, Code::HoldsNul, Code::NoFlowFiles];
    unread.contains(&code) || torn.contains(&code)
}

fn named(section: &Section<'_>, key: &str) -> BTreeSet<String> {
    match section.get(key).map(|node| &node.value) {
        Some(Tree::Table(entries)) => entries.iter().map(|entry| entry.key.clone()).collect(),
        Some(_) | None => BTreeSet::new(),
    }
}

fn version(reading: &mut Reading<'_>, section: &Section<'_>) {
    let Some(node) = section.need(reading, "version") else { return };
    match node.value {
        Tree::Integer(1) => {}
        Tree::Integer(_) => {
            reading.told(Code::BadVersion, &node.span, "this duet reads version 1");
        }
        Tree::Text { .. }
        | Tree::Float(_)
        | Tree::Boolean(_)
        | Tree::Time(_)
        | Tree::List(_)
        | Tree::Table(_)
        | Tree::Broken => reading.wrong_type(node, "version", "a whole number"),
    }
}

fn defaults(reading: &mut Reading<'_>, section: &Section<'_>) -> FlowPolicy {
    let base = FlowPolicy::default();
    let Some(node) = section.get("defaults") else { return base };
    match Section::open_node(reading, "[defaults]", node, keys::DEFAULTS) {
        Some(inner) => base.with(reading, &inner),
        None => base,
    }
}

fn flows(
    reading: &mut Reading<'_>,
    source: usize,
    section: &Section<'_>,
    defaults: &FlowPolicy,
) -> Vec<FlowDraft> {
    let entries = section.get("flow").and_then(|node| reading.entries(node, "flow"));
    let entries = entries.unwrap_or_default().iter();
    entries.filter_map(|entry| flow::read(reading, source, entry, defaults)).collect()
}

fn patterns(reading: &mut Reading<'_>, section: &Section<'_>) -> Vec<(String, Range<usize>)> {
    let Some(node) = section.get("flows") else { return Vec::new() };
    let nodes = match &node.value {
        Tree::List(items) => items.as_slice(),
        _ => std::slice::from_ref(node),
    };
    let mut patterns = Vec::new();
    for node in nodes {
        if let Some((_, text)) = reading.text(node, "flows") {
            patterns.push((text.to_owned(), node.span.clone()));
        }
    }
    patterns
}

fn connections(reading: &mut Reading<'_>, section: &Section<'_>) -> Vec<ConnectionSection> {
    let entries = section.get("connections").map(|node| reading.entries(node, "connections"));
    let entries = entries.flatten().unwrap_or_default();
    if entries.is_empty() && section.get("connections").is_none_or(is_table) {
        reading.told(Code::NoConnections, &section.span, "the project has no connection").help =
            "[connections.NAME]".to_owned();
    }
    let read = |entry: &Entry| ConnectionSection::read(reading, entry);
    entries.iter().filter_map(read).collect()
}

fn is_table(node: &Node) -> bool {
    matches!(node.value, Tree::Table(_))
}

/// Both servers, or `None`: neither is set, or a mistake was told.
fn servers(reading: &mut Reading<'_>, section: &Section<'_>) -> Option<Servers> {
    match (section.get("hub"), section.get("state")) {
        (None, None) => None,
        (Some(at), None) => {
            let hub = hub(reading, at);
            let sentence = "`[hub]` is set and `[state]` isn't";
            reading.told(Code::StateUnset, &at.span, sentence);
            hub.and(None)
        }
        (None, Some(at)) => {
            let state = state(reading, at);
            let sentence = "`[state]` is set and `[hub]` isn't";
            reading.told(Code::HubUnset, &at.span, sentence);
            state.and(None)
        }
        (Some(broker), Some(database)) => {
            let (hub, state) = (hub(reading, broker), state(reading, database));
            Some(Servers { hub: hub?, state: state? })
        }
    }
}

fn hub(reading: &mut Reading<'_>, node: &Node) -> Option<HubSection> {
    let inner = Section::open_node(reading, "[hub]", node, keys::HUB)?;
    let span = inner.get("url").map_or(node.span.clone(), |node| node.span.clone());
    let url = inner.need(reading, "url").and_then(|node| url(reading, node, &["amqp", "amqps"]));
    let partitions = partitions(reading, &inner);
    Some(HubSection { url: url?, partitions: partitions?, span })
}

fn partitions(reading: &mut Reading<'_>, inner: &Section<'_>) -> Option<u32> {
    let Some(node) = inner.get("partitions") else { return Some(PARTITIONS) };
    let Tree::Integer(number) = node.value else {
        reading.wrong_type(node, "partitions", "a whole number");
        return None;
    };
    let found = u32::try_from(number).ok().filter(|number| (1..=PARTITIONS_MAX).contains(number));
    if found.is_none() {
        let sentence = format!("partitions must be 1 to {PARTITIONS_MAX}");
        reading.told(Code::OutOfRange, &node.span, sentence);
    }
    found
}

fn state(reading: &mut Reading<'_>, node: &Node) -> Option<StateSection> {
    let inner = Section::open_node(reading, "[state]", node, keys::STATE)?;
    let schemes = ["postgres", "postgresql"];
    let url = inner.need(reading, "url").and_then(|node| url(reading, node, &schemes))?;
    Some(StateSection { url })
}

/// An address of one of these schemes. Its text is never shown: it may hold a password.
fn url(reading: &mut Reading<'_>, node: &Node, schemes: &[&str]) -> Option<String> {
    let (_, text) = reading.text(node, "url")?;
    let scheme = text.split_once("://").map(|(scheme, _)| scheme);
    if scheme.is_some_and(|scheme| schemes.contains(&scheme)) {
        return Some(text.to_owned());
    }
    let sentence = format!("url must begin with {}://", schemes.join(":// or "));
    // Other stores come later; any other word is a slip.
    let later = scheme.is_some_and(|scheme| ["sqlite", "mysql", "mariadb"].contains(&scheme));
    let code = if later { Code::ValueNotSupportedYet } else { Code::UnknownValue };
    reading.told(code, &node.span, sentence);
    None
}

/// What only shows when everything is known.
fn across(
    flows: &[FlowDraft],
    connections: &[ConnectionSection],
    declared: &Declared,
    sources: &[Source],
) -> Vec<Mistake> {
    let mut mistakes = Vec::new();
    if declared.flows.is_empty()
        && let Some(source) = sources.first()
    {
        let sentence = "the project has no flow".to_owned();
        mistakes.push(Mistake::new(Code::NoFlows, source, 0..0, sentence));
    }
    for (index, draft) in flows.iter().enumerate() {
        let mut reading = Reading { source: &sources[draft.source], mistakes: Vec::new() };
        check_name(&mut reading, &flows[..index], draft, sources);
        check_ends(&mut reading, draft, connections, &declared.connections);
        check_parents(&mut reading, draft, flows, &declared.flows);
        mistakes.extend(reading.mistakes);
    }
    mistakes
}

fn check_name(
    reading: &mut Reading<'_>,
    earlier: &[FlowDraft],
    draft: &FlowDraft,
    sources: &[Source],
) {
    if let Some(first) = earlier.iter().find(|one| one.spec.name == draft.spec.name) {
        let source = &sources[first.source];
        let (line, _) = source.position(first.spans.name.start);
        let sentence = format!("the flow {} stands in {}:{line} too", draft.spec.name, source.name);
        reading.told(Code::DuplicateFlow, &draft.spans.name, sentence);
    }
}

fn check_ends(
    reading: &mut Reading<'_>,
    draft: &FlowDraft,
    connections: &[ConnectionSection],
    declared: &BTreeSet<String>,
) {
    let ends = &draft.spec.ends;
    for side in Side::BOTH {
        let name = &ends.get(side).connection;
        let place = draft.spans.connections.get(side);
        let Some(connection) = connections.iter().find(|one| one.name == *name) else {
            if !declared.is_empty() && !declared.contains(name.as_str()) {
                unknown_connection(reading, name, place, declared);
            }
            continue;
        };
        let (Some(wanted), used) = (kind_word(&connection.kind), *draft.words.get(side)) else {
            continue;
        };
        if wanted != used {
            let sentence = format!("{} has `{wanted}`s, not `{used}`s", connection.name);
            reading.told(Code::WrongCollectionKey, draft.spans.ends.get(side), sentence).help =
                format!("{wanted} = \"{}\"", ends.get(side).collection);
        }
    }
    let same = ends.left.connection == ends.right.connection;
    if same && ends.left.collection == ends.right.collection {
        reading.told(Code::SameEnds, &draft.spans.ends.right, "both ends are one collection");
    }
}

fn unknown_connection(
    reading: &mut Reading<'_>,
    name: &ConnectionName,
    place: &Range<usize>,
    declared: &BTreeSet<String>,
) {
    let sentence = format!("there is no connection \"{}\"", clipped(name.as_str()));
    reading.told(Code::UnknownConnection, place, sentence).help = instead(name.as_str(), declared);
}

/// The name that was meant, or those that there are.
fn instead(written: &str, declared: &BTreeSet<String>) -> String {
    let names = || declared.iter().map(String::as_str);
    match closest(written, names()) {
        Some(near) => format!("did you mean \"{near}\"?"),
        None => format!("one of {}", list(names())),
    }
}

fn check_parents(
    reading: &mut Reading<'_>,
    draft: &FlowDraft,
    flows: &[FlowDraft],
    declared: &BTreeSet<String>,
) {
    for field in &draft.spec.fields {
        let Mapping::Parent { flow, .. } = &field.mapping else { continue };
        let Some(place) = draft.spans.fields.get(&field.name) else { continue };
        let Some(parent) = flows.iter().find(|one| one.spec.name == *flow) else {
            if declared.contains(flow.as_str()) {
                continue;
            }
            let sentence = format!("there is no flow \"{}\"", clipped(FlowName::as_str(flow)));
            reading.told(Code::UnknownParentFlow, &place.named, sentence).help =
                instead(flow.as_str(), declared);
            continue;
        };
        let elsewhere = Side::BOTH.into_iter().any(|side| {
            parent.spec.ends.get(side).connection != draft.spec.ends.get(side).connection
        });
        if elsewhere {
            let sentence = format!("the flow {flow} joins other connections");
            reading.told(Code::ParentElsewhere, &place.named, sentence);
        }
    }
}
