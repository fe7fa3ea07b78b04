//! Every key does what the reference says: `meanings.txt` names, for each of them, what comes out.

use duet_config::keys::{END, FIELD, FLOW, MATCH, PARENT};
use duet_config::{Mistake, Source, parse};
use duet_ports::keys::{Key, Table};
use serde_json::Value;

const CASES: &str = include_str!("meanings.txt");

/// A piece of configuration, and what it comes to.
struct Case {
    line: usize,
    place: String,
    toml: String,
    wanted: Vec<(String, Value)>,
}

fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    for (number, line) in CASES.lines().enumerate() {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some((pointer, json)) =
            line.strip_prefix('/').and_then(|rest| rest.split_once(" = "))
        {
            let json = serde_json::from_str(json).unwrap_or_else(|_| panic!("line {number}"));
            let case = cases.last_mut().expect("a case has begun");
            case.wanted.push((format!("/{pointer}"), json));
            continue;
        }
        let start = line.split_once(':').filter(|(place, _)| !place.contains(' '));
        if let Some((place, toml)) = start {
            let (place, toml) = (place.to_owned(), format!("{}\n", toml.trim()));
            cases.push(Case { line: number + 1, place, toml, wanted: Vec::new() });
        } else {
            let case = cases.last_mut().expect("a case has begun");
            case.toml.push_str(&format!("{line}\n"));
        }
    }
    cases
}

impl Case {
    /// The project that the piece stands in.
    fn text(&self) -> String {
        let here = |place: &str| self.place == place;
        let own = |place: &str, otherwise: &str| match here(place) {
            true => self.toml.trim().to_owned(),
            false => otherwise.to_owned(),
        };
        let lines = |place: &str| if here(place) { self.toml.clone() } else { String::new() };
        let parents = match here("parent") {
            true => format!("parents = [{{ {} }}]", self.toml.trim()),
            false => String::new(),
        };
        format!(
            "version = 1\nproject = \"p\"\nstate.url = \"postgres://h\"\nhub.url = \"amqp://h\"\n\
             [connections.crm]\nkind = \"salesforce\"\n[connections.shop]\nkind = \"postgres\"\n\
             [defaults]\n{}[flow.people]\nleft = {{ {} }}\nright = {{ {} }}\nmatch = [{{ {} }}]\n\
             {}\n{parents}\n[flow.people.fields]\nf = {{ {} }}\n",
            lines("defaults"),
            own("left", "connection = \"crm\", object = \"Contact\""),
            own("right", "connection = \"shop\", table = \"customers\", key = \"id\""),
            own("match", "by = \"external_id\", left = \"Ext__c\", right = \"id\""),
            lines("flow"),
            own("field", "left = \"LastName\", right = \"name\""),
        )
    }

    fn read(&self) -> Value {
        let source = Source { name: "duet.toml".to_owned(), text: self.text() };
        let variable = |name: &str| (name != "UNSET").then(|| format!("value of {name}"));
        let project = parse(vec![source], &variable).unwrap_or_else(|mistakes| {
            let blocks: Vec<String> = mistakes.iter().map(Mistake::to_string).collect();
            panic!("line {}:\n{}", self.line, blocks.join("\n"));
        });
        serde_json::to_value(&project.flows[0].spec).expect("a flow can be written")
    }
}

#[test]
fn every_key_comes_to_what_it_says() {
    let cases = cases();
    assert!(cases.len() >= 80, "{} cases", cases.len());
    for case in cases {
        assert!(!case.wanted.is_empty(), "line {} wants nothing", case.line);
        let flow = case.read();
        for (pointer, wanted) in &case.wanted {
            let found = flow.pointer(pointer);
            assert_eq!(found, Some(wanted), "line {}: {pointer}", case.line);
        }
    }
}

#[test]
fn no_key_is_left_out() {
    let cases = cases();
    let named = |place: &str, key: &Key| {
        let written = |case: &Case| case.toml.contains(&format!("{} = ", key.name));
        cases.iter().any(|case| case.place == place && written(case))
    };
    let ends = |key: &Key| named("left", key) || named("right", key);
    // What every case has anyway.
    let always = ["left", "right", "match", "fields", "parents"];
    let mut missing: Vec<&str> = Vec::new();
    let now = Table::usable;
    missing.extend(now(FIELD).filter(|key| !named("field", key)).map(|key| key.name));
    missing.extend(now(PARENT).filter(|key| !named("parent", key)).map(|key| key.name));
    missing.extend(now(MATCH).filter(|key| !named("match", key)).map(|key| key.name));
    missing.extend(now(END).filter(|key| !ends(key)).map(|key| key.name));
    missing.extend(
        now(FLOW).filter(|key| !always.contains(&key.name) && !named("flow", key)).map(|k| k.name),
    );
    assert!(missing.is_empty(), "no case for {missing:?}");
}

#[test]
fn keys_of_later_work_are_refused_by_name() {
    let tables = [("flow", FLOW), ("field", FIELD), ("match", MATCH), ("parent", PARENT)];
    for (place, keys) in tables {
        for key in keys.keys.iter().filter(|key| key.later) {
            let base = match place {
                "flow" => String::new(),
                "match" => "by = \"equal\", left = \"A\", right = \"a\", ".to_owned(),
                "parent" => "left = \"A\", right = \"a\", flow = \"people\", ".to_owned(),
                _ => "left = \"A\", right = \"a\", ".to_owned(),
            };
            let toml = format!("{base}{} = true\n", key.name);
            let case = Case { line: 0, place: place.to_owned(), toml, wanted: Vec::new() };
            let source = Source { name: "duet.toml".to_owned(), text: case.text() };
            let mistakes = parse(vec![source], &|_| None).expect_err(key.name);
            let told: Vec<&str> = mistakes.iter().map(|one| one.code.as_str()).collect();
            assert_eq!(told, ["D0301"], "{place} {}", key.name);
            assert!(mistakes[0].sentence.ends_with("not supported yet"), "{}", mistakes[0]);
        }
    }
}
