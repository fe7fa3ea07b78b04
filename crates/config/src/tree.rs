//! The parsed text as a tree with places: TOML in, values with spans out, variables replaced.

use crate::code::Code;
use crate::interpolate::{Environment, interpolate};
use crate::mistake::Mistake;
use crate::source::Source;
use duet_core::cast::parse_decimal;
use duet_core::value::Value;
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) span: Range<usize>,
    pub(crate) value: Tree,
}

/// A value.
#[derive(Clone, Debug)]
pub(crate) enum Tree {
    /// As written, and with variables replaced. Only the first may be shown.
    Text {
        written: String,
        value: String,
    },
    Integer(i64),
    /// A number with a point, as text without loss.
    Float(String),
    Boolean(bool),
    Time(String),
    List(Vec<Node>),
    Table(Vec<Entry>),
    /// Told as a mistake already.
    Broken,
}

/// A key and its value, in the order of the file.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) key_span: Range<usize>,
    pub(crate) node: Node,
}

impl Node {
    /// What it is, for messages.
    pub(crate) fn type_name(&self) -> &'static str {
        match &self.value {
            Tree::Text { .. } => "text",
            Tree::Integer(_) => "a whole number",
            Tree::Float(_) => "a number",
            Tree::Boolean(_) => "true or false",
            Tree::Time(_) => "a time",
            Tree::List(_) => "a list",
            Tree::Table(_) => "a table",
            Tree::Broken => "broken",
        }
    }

    /// As a value of the core; lists and tables aren't.
    pub(crate) fn plain(&self) -> Option<Value> {
        match &self.value {
            Tree::Text { value, .. } => Some(Value::text(value.clone())),
            Tree::Integer(number) => Some(Value::Integer(*number)),
            Tree::Float(text) => parse_decimal(text).map(Value::decimal),
            Tree::Boolean(flag) => Some(Value::Boolean(*flag)),
            Tree::Time(text) => Some(Value::text(text.clone())),
            Tree::List(_) | Tree::Table(_) | Tree::Broken => None,
        }
    }

    /// As JSON, for sections that somebody else reads.
    pub(crate) fn json(&self) -> serde_json::Value {
        match &self.value {
            Tree::Text { value, .. } => value.clone().into(),
            Tree::Integer(number) => (*number).into(),
            Tree::Float(text) => text.parse::<f64>().map_or(serde_json::Value::Null, Into::into),
            Tree::Boolean(flag) => (*flag).into(),
            Tree::Time(text) => text.clone().into(),
            Tree::List(items) => items.iter().map(Node::json).collect(),
            Tree::Table(entries) => {
                let pairs = entries.iter().map(|entry| (entry.key.clone(), entry.node.json()));
                serde_json::Value::Object(pairs.collect())
            }
            Tree::Broken => serde_json::Value::Null,
        }
    }
}

/// Parses a text. What can be read is read, mistakes beside it.
pub(crate) fn parse(source: &Source, environment: &Environment<'_>) -> (Vec<Entry>, Vec<Mistake>) {
    if let Some(place) = source.text.find('\0') {
        let sentence = "the file holds a NUL".to_owned();
        return (
            Vec::new(),
            vec![Mistake::new(Code::HoldsNul, source, place..place + 1, sentence)],
        );
    }
    let (table, errors) = DeTable::parse_recoverable(&source.text);
    let mut mistakes: Vec<Mistake> = errors.iter().map(|error| syntax(source, error)).collect();
    // After one slip of the pen the rest of a line may fail too: the first of a line tells enough.
    mistakes.dedup_by_key(|mistake| mistake.line);
    mistakes.truncate(SYNTAX_MISTAKES_MAX);
    let mut growing = Growing { source, environment, mistakes };
    let entries = growing.table(table.get_ref());
    (entries, growing.mistakes)
}

/// Most syntax mistakes told of one file.
const SYNTAX_MISTAKES_MAX: usize = 20;

fn syntax(source: &Source, error: &toml::de::Error) -> Mistake {
    let text = error.message();
    let code = if text.contains("duplicate key") {
        Code::DuplicateKey
    } else if text.contains("recurs") || text.contains("depth") {
        Code::TooDeep
    } else {
        Code::Syntax
    };
    Mistake::new(code, source, error.span().unwrap_or(0..0), text.to_owned())
}

struct Growing<'a> {
    source: &'a Source,
    environment: &'a Environment<'a>,
    mistakes: Vec<Mistake>,
}

impl Growing<'_> {
    fn table(&mut self, table: &DeTable<'_>) -> Vec<Entry> {
        let mut entries: Vec<Entry> = table
            .iter()
            .map(|(key, value)| Entry {
                key: key.get_ref().to_string(),
                key_span: key.span(),
                node: self.node(value),
            })
            .collect();
        entries.sort_by_key(|entry| entry.key_span.start);
        for entry in &entries {
            if entry.key.contains("${") {
                let sentence = "a key can't hold a variable".to_owned();
                self.told(Code::VariableInKey, entry.key_span.clone(), sentence);
            }
        }
        entries
    }

    fn node(&mut self, value: &Spanned<DeValue<'_>>) -> Node {
        let span = value.span();
        let value = match value.get_ref() {
            DeValue::String(text) => self.text(text, &span),
            DeValue::Integer(number) => {
                match i64::from_str_radix(number.as_str(), number.radix()) {
                    Ok(number) => Tree::Integer(number),
                    Err(_) => self.broken_number(&span),
                }
            }
            DeValue::Float(number) => match parse_decimal(number.as_str()) {
                Some(_) => Tree::Float(number.as_str().to_owned()),
                None => self.broken_number(&span),
            },
            DeValue::Boolean(flag) => Tree::Boolean(*flag),
            DeValue::Datetime(time) => Tree::Time(time.to_string()),
            DeValue::Array(items) => Tree::List(items.iter().map(|item| self.node(item)).collect()),
            DeValue::Table(table) => Tree::Table(self.table(table)),
        };
        Node { span, value }
    }

    fn text(&mut self, text: &str, span: &Range<usize>) -> Tree {
        if text.contains('\0') {
            self.told(Code::HoldsNul, span.clone(), "the text holds a NUL".to_owned());
            return Tree::Broken;
        }
        match interpolate(text, self.environment) {
            Ok(value) => Tree::Text { written: text.to_owned(), value },
            Err((code, sentence)) => {
                self.told(code, span.clone(), sentence);
                Tree::Broken
            }
        }
    }

    fn broken_number(&mut self, span: &Range<usize>) -> Tree {
        self.told(Code::BadNumber, span.clone(), "the number can't be used".to_owned());
        Tree::Broken
    }

    fn told(&mut self, code: Code, span: Range<usize>, sentence: String) {
        self.mistakes.push(Mistake::new(code, self.source, span, sentence));
    }
}
