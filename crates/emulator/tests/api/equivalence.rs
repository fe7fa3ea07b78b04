//! Random filters against a plain model over the records' JSON: indexes, nulls and case must not
//! change what a filter means.

use serde_json::{Value, json};

use crate::client::{Client, column, start};

const SEED: u64 = 20_240_131;
const RECORDS: usize = 120;
const FILTERS: usize = 400;

/// A small generator; the seed is in every message.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % sides
    }

    fn pick<'a, T: ?Sized>(&mut self, from: &[&'a T]) -> &'a T {
        from[self.roll(from.len())]
    }
}

const TEXTS: [&str; 6] = ["Alfa", "ALFA", "beta", "Gamma", "be", "x"];

enum Filter {
    Text { field: &'static str, op: &'static str, value: Option<&'static str> },
    Number { op: &'static str, value: usize },
    In { field: &'static str, negated: bool, values: Vec<&'static str> },
    Starts { field: &'static str, value: &'static str },
    And(Vec<Filter>),
    Or(Vec<Filter>),
    Not(Box<Filter>),
}

impl Filter {
    fn random(dice: &mut Dice, depth: usize) -> Self {
        let field = dice.pick(&["Name", "Phone", "Site", "Ext__c"]);
        let parts = |dice: &mut Dice| {
            (0..2 + dice.roll(2)).map(|_| Self::random(dice, depth + 1)).collect()
        };
        match dice.roll(if depth > 2 { 4 } else { 7 }) {
            0 => {
                let value = dice.pick(&TEXTS);
                let value = (dice.roll(4) > 0).then_some(value);
                Self::Text { field, op: dice.pick(&["=", "!="]), value }
            }
            1 => Self::Number {
                op: dice.pick(&["=", "!=", "<", "<=", ">", ">="]),
                value: dice.roll(5),
            },
            2 => {
                let values = (0..1 + dice.roll(3)).map(|_| dice.pick(&TEXTS)).collect();
                Self::In { field, negated: dice.roll(2) == 0, values }
            }
            3 => Self::Starts { field, value: dice.pick(&TEXTS) },
            4 => Self::And(parts(dice)),
            5 => Self::Or(parts(dice)),
            _ => Self::Not(Box::new(Self::random(dice, depth + 1))),
        }
    }

    fn soql(&self) -> String {
        let joined = |parts: &[Filter], word: &str| {
            let parts: Vec<_> = parts.iter().map(|part| format!("({})", part.soql())).collect();
            parts.join(word)
        };
        match self {
            Self::Text { field, op, value: Some(value) } => format!("{field} {op} '{value}'"),
            Self::Text { field, op, value: None } => format!("{field} {op} null"),
            Self::Number { op, value } => format!("NumberOfEmployees {op} {value}"),
            Self::In { field, negated, values } => {
                let word = if *negated { "NOT IN" } else { "IN" };
                format!("{field} {word} ('{}')", values.join("', '"))
            }
            Self::Starts { field, value } => format!("{field} LIKE '{value}%'"),
            Self::And(parts) => joined(parts, " AND "),
            Self::Or(parts) => joined(parts, " OR "),
            Self::Not(inner) => format!("NOT ({})", inner.soql()),
        }
    }

    fn holds(&self, record: &Value) -> bool {
        let text = |field: &str| record[field].as_str().map(str::to_lowercase);
        match self {
            Self::Text { field, op, value } => {
                (text(field) == value.map(str::to_lowercase)) == (*op == "=")
            }
            Self::Number { op, value } => match record["NumberOfEmployees"].as_u64() {
                None => *op == "!=",
                Some(found) => {
                    let order = found.cmp(&(*value as u64));
                    match *op {
                        "=" => order.is_eq(),
                        "!=" => order.is_ne(),
                        "<" => order.is_lt(),
                        "<=" => order.is_le(),
                        ">" => order.is_gt(),
                        _ => order.is_ge(),
                    }
                }
            },
            Self::In { field, negated, values } => {
                let found = text(field);
                let one_of = values.iter().any(|value| found == Some(value.to_lowercase()));
                one_of != *negated
            }
            Self::Starts { field, value } => {
                text(field).is_some_and(|text| text.starts_with(&value.to_lowercase()))
            }
            Self::And(parts) => parts.iter().all(|part| part.holds(record)),
            Self::Or(parts) => parts.iter().any(|part| part.holds(record)),
            Self::Not(inner) => !inner.holds(record),
        }
    }
}

async fn fill(client: &Client, dice: &mut Dice) -> Vec<Value> {
    let mut left_keys = vec!["Alfa", "beta", "Gamma", "be", "x"];
    for _ in 0..RECORDS {
        let mut record = json!({ "Name": dice.pick(&TEXTS) });
        for field in ["Phone", "Site"] {
            if dice.roll(3) > 0 {
                record[field] = json!(dice.pick(&TEXTS));
            }
        }
        if dice.roll(3) > 0 {
            record["NumberOfEmployees"] = json!(dice.roll(5));
        }
        if dice.roll(10) == 0 {
            record["Ext__c"] = json!(left_keys.pop());
        }
        client.create("Account", record).await;
    }
    let fields = "Id, Name, Phone, Site, Ext__c, NumberOfEmployees";
    let (_, body) = client.query(&format!("SELECT {fields} FROM Account ORDER BY Id")).await;
    body["records"].as_array().unwrap().clone()
}

#[tokio::test]
async fn random_filters_mean_what_the_model_says() {
    let client = start().await;
    let mut dice = Dice(SEED);
    let records = fill(&client, &mut dice).await;
    assert_eq!(records.len(), RECORDS);
    for round in 0..FILTERS {
        let filter = Filter::random(&mut dice, 0);
        let soql = filter.soql();
        let statement = format!("SELECT Id FROM Account WHERE {soql} ORDER BY Id");
        let (status, body) = client.query(&statement).await;
        assert_eq!(status, 200, "seed {SEED}, round {round}: {soql}: {body}");
        let expected: Vec<_> = records
            .iter()
            .filter(|record| filter.holds(record))
            .map(|record| record["Id"].clone())
            .collect();
        assert_eq!(column(&body, "Id"), expected, "seed {SEED}, round {round}: {soql}");
    }
}
