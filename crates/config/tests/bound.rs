//! What only shows on the sides: one wrong pair of flow and sides for every code of binding, each
//! told with its place and what to do. What binds rightly stands in `binds.rs`.

mod facts;

use duet_config::{Code, Mistake, Source, parse};
use duet_core::bind::{SideFacts, examine};
use duet_core::id::Column;
use duet_core::side::Both;
use duet_core::spec::{Canon, ColumnSpec, PathClass};
use duet_core::value::ValueType;
use std::collections::BTreeSet;

const PROJECT: &str = r#"version = 1
project = "shop"
[state]
url = "postgres://localhost/duet"
[hub]
url = "amqp://localhost"
[connections.crm]
kind = "salesforce"
[connections.shop]
kind = "postgres"
[flow.people]
left  = { connection = "crm", object = "Contact" }
right = { connection = "shop", table = "customers", key = "id" }
match = [{ by = "external_id", left = "Ext__c", right = "id" }]
on_none = { left = "skip", right = "create" }
[flow.people.fields]
name  = { left = "LastName", right = "name" }
stock = { left = "Stock__c", right = "stock" }
"#;

/// A code, what is replaced in the project, what is changed on the sides, and how the line begins
/// that the mistake is about.
type Case = (Code, (&'static str, &'static str), fn(&mut Both<SideFacts>), &'static str);

fn column(kind: ValueType) -> ColumnSpec {
    ColumnSpec {
        kind,
        nullable: true,
        max_length: (kind == ValueType::Text).then_some(80),
        scale: None,
        precision: None,
        range: None,
        allowed: None,
        createable: true,
        updateable: true,
        canon: Canon::default(),
    }
}

fn side(key: &str, columns: &[(&str, ValueType)], unique: &str) -> SideFacts {
    let columns = columns.iter().map(|(name, kind)| (Column::new(*name), column(*kind)));
    SideFacts { columns: columns.collect(), unique: vec![unique.into()], ..facts::empty(key) }
}

/// Sides that the project fits.
fn sides() -> Both<SideFacts> {
    use ValueType::{Date, Integer, Text};
    let mut left = vec![("Id", Text), ("LastName", Text), ("Ext__c", Text)];
    left.extend([("Stock__c", Integer), ("Code__c", Text)]);
    let right = [("id", Text), ("name", Text), ("stock", Integer), ("born", Date)];
    Both::new(side("Id", &left, "Ext__c"), side("id", &right, "id"))
}

fn of<'a>(facts: &'a mut SideFacts, name: &str) -> &'a mut ColumnSpec {
    facts.columns.get_mut(&Column::new(name)).expect("the column is there")
}

/// What is told of a project on these sides.
fn found(text: &str, sides: &Both<SideFacts>) -> Vec<Mistake> {
    let source = Source { name: "duet.toml".to_owned(), text: text.to_owned() };
    let project = parse(vec![source], &|_| None).unwrap_or_else(|mistakes| {
        let told: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
        panic!("the text itself is wrong:\n{}", told.join("\n"))
    });
    let (_, found) = examine(project.flows[0].spec.clone(), &sides.left, &sides.right);
    found.iter().map(|mistake| project.locate(mistake)).collect()
}

const AS_IT_IS: (&str, &str) = ("", "");
const NAME: &str = "name  =";
const STOCK: &str = "stock =";
const MATCH: &str = "match =";

const CASES: [Case; 16] = [
    (Code::BindUnknownColumn, ("right = \"name\"", "right = \"nmae\""), |_| {}, NAME),
    (Code::BindNoKey, (", key = \"id\"", ""), |sides| sides.right.key.clear(), "right ="),
    (Code::BindTypeMismatch, ("right = \"stock\"", "right = \"born\""), |_| {}, STOCK),
    (Code::BindStepMismatch, ("\"name\"", "\"name\", transform = [\"round(2)\"]"), |_| {}, NAME),
    (Code::BindValueMismatch, ("\"stock\"", "\"stock\", default_left = \"many\""), |_| {}, STOCK),
    (Code::BindPartsDiffer, ("\"Ext__c\"", "[\"Ext__c\", \"LastName\"]"), |_| {}, MATCH),
    (
        Code::BindNoRoundTrip,
        ("\"Stock__c\", right", "\"Code__c\", map = { 1 = \"one\", 01 = \"two\" }, right"),
        |_| {},
        STOCK,
    ),
    (
        Code::BindTooLong,
        AS_IT_IS,
        |sides| of(&mut sides.left, "LastName").max_length = Some(255),
        NAME,
    ),
    (Code::BindNotWritable, AS_IT_IS, |sides| closed(of(&mut sides.right, "name"), false), NAME),
    (Code::BindOnlyOnCreate, AS_IT_IS, |sides| closed(of(&mut sides.right, "name"), true), NAME),
    (
        Code::BindRequiredUncovered,
        AS_IT_IS,
        |sides| {
            let title = ColumnSpec { nullable: false, ..column(ValueType::Text) };
            sides.left.columns.insert(Column::new("Title"), title);
        },
        "left  =",
    ),
    (Code::BindExternalIdNotUnique, AS_IT_IS, |sides| sides.left.unique.clear(), MATCH),
    (Code::BindExternalIdWithoutKey, ("right = \"id\"", "right = \"name\""), |_| {}, MATCH),
    (
        Code::BindCounterNeedsMarker,
        ("\"stock\"", "\"stock\", strategy = \"merge\", merge = \"counter\""),
        |sides| sides.left.guarded = PathClass::K1p,
        STOCK,
    ),
    (Code::BindClassTooWeak, AS_IT_IS, |sides| sides.left.guarded = PathClass::K0, NAME),
    (Code::BindNotAllowed, AS_IT_IS, |sides| sides.left.may.update = false, "left  ="),
];

fn closed(column: &mut ColumnSpec, createable: bool) {
    (column.updateable, column.createable) = (false, createable);
}

#[test]
fn the_project_fits_its_sides() {
    assert_eq!(found(PROJECT, &sides()), []);
}

#[test]
fn every_code_of_binding_is_told_with_its_place_and_a_cure() {
    for (code, (from, to), change, line) in CASES {
        let text = PROJECT.replacen(from, to, 1);
        assert!(from.is_empty() || text != PROJECT, "{code}: {from} isn't there");
        let mut sides = sides();
        change(&mut sides);
        let told = found(&text, &sides);
        let codes: Vec<Code> = told.iter().map(|mistake| mistake.code).collect();
        let here = told.iter().find(|mistake| mistake.code == code);
        let here = here.unwrap_or_else(|| panic!("{code} isn't among {codes:?}"));
        assert!(here.source_line.starts_with(line), "{here}");
        let word = if code.is_warning() { "warning" } else { "error" };
        let head = format!("{word}[{code}]: {}\n  --> duet.toml:{}:", here.sentence, here.line);
        assert!(here.to_string().starts_with(&head), "{here}");
        assert!(here.to_string().contains(" = help: "), "{here}");
    }
}

/// D0717 can't come from a file: the text refuses what would give it, as D0509. D0718 to D0720 are
/// what a side says of a whole end: shown with real sides, by the tests of the commands.
#[test]
fn no_code_of_binding_is_forgotten() {
    let elsewhere =
        [Code::BindWrittenTwice, Code::NoSuchCollection, Code::KeyNotUnique, Code::BadFilter];
    let shown: BTreeSet<Code> = CASES.iter().map(|case| case.0).chain(elsewhere).collect();
    let all: BTreeSet<Code> =
        Code::ALL.iter().copied().filter(|code| code.as_str().starts_with("D07")).collect();
    assert_eq!(shown, all);
}
