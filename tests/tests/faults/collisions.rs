//! Edits of the same field, or of the same record, on both sides while duet is away: it must see
//! both. What comes of each is known, by rule or because a person will say so.

use std::collections::BTreeSet;

use duet_tests::desk::{self, Open};
use duet_tests::duet::RunError;
use duet_tests::flows::{CUSTOMERS, Flow, LINES, PRODUCTS};
use duet_tests::northwind::Row;
use serde_json::{Value, json};

use crate::dice::Dice;
use crate::edits::Edits;
use crate::rig::Rig;

/// A contact's title has room for thirty characters, two roles more included.
const TITLE_MAX: usize = 20;

/// Something that waits for a person.
#[derive(Clone, Debug)]
pub(crate) enum Held {
    /// A contact with two names, and the choice; without one it stays open.
    Contact { key: String, choice: Option<Vec<String>> },
    /// A line that the shop dropped and somebody edited: the shop is right.
    Line { key: String },
}

impl Held {
    /// Flow and key.
    pub(crate) fn record(&self) -> (&'static str, &str) {
        match self {
            Held::Contact { key, .. } => ("customers", key),
            Held::Line { key } => ("lines", key),
        }
    }

    fn choice(&self) -> Option<Vec<&str>> {
        match self {
            Held::Contact { choice, .. } => {
                choice.as_ref().map(|choice| choice.iter().map(String::as_str).collect())
            }
            Held::Line { .. } => Some(vec!["--take", "right"]),
        }
    }

    fn is(&self, conflict: &Value) -> bool {
        let (flow, key) = self.record();
        let (field, kind) = match self {
            Held::Contact { .. } => (json!("contact"), "both_changed"),
            Held::Line { .. } => (Value::Null, "delete_update"),
        };
        let record = conflict["record"] == format!("{flow}/{key}");
        record && conflict["kind"] == kind && conflict["field"] == field
    }
}

impl Edits {
    /// One collision of every kind, as far as records are there on both sides. duet must be away.
    pub(crate) async fn collide(&mut self, rig: &Rig, dice: &mut Dice) {
        self.both_add_to_a_set(rig, dice).await;
        self.both_count(rig, dice).await;
        self.both_rename(rig, dice).await;
        self.both_reorder(rig, dice).await;
        self.both_call_the_contact(rig, dice).await;
        self.drop_what_is_edited(rig, dice).await;
    }

    /// A row that nobody has touched, and the id of the record that stands for it.
    async fn pair(
        &mut self,
        rig: &Rig,
        flow: &'static Flow,
        dice: &mut Dice,
    ) -> Option<(Row, String)> {
        self.made += 1;
        let row = self.untouched(rig, flow, dice).await;
        let id = rig.agreed_partner(flow, &row.key)?;
        Some((row, id))
    }

    /// Left adds one, right gives up all there were and adds another.
    async fn both_add_to_a_set(&mut self, rig: &Rig, dice: &mut Dice) {
        let Some((row, id)) = self.pair(rig, &CUSTOMERS, dice).await else { return };
        let (key, number) = (row.key, self.made);
        let title = row.values["Contact_Roles__c"].as_str().unwrap_or_default();
        if title.len() > TITLE_MAX || title.contains('/') {
            return;
        }
        let roles = json!({ "Contact_Roles__c": format!("{title};L{number}") });
        if rig.left(&CUSTOMERS, &key, "Contact_Roles__c") == title {
            rig.salesforce.edit(CUSTOMERS.object, &id, roles).await.unwrap();
            let set = format!("contact_title = 'R{number}'");
            rig.sell(&format!("UPDATE customers SET {set} WHERE customer_id = '{key}'")).await;
            let wanted = json!(format!("L{number};R{number}"));
            self.values.insert(("customers", key, "Contact_Roles__c"), wanted);
        }
    }

    /// Somebody counts what somebody else sells.
    pub(crate) async fn both_count(&mut self, rig: &Rig, dice: &mut Dice) {
        let Some((row, id)) = self.pair(rig, &PRODUCTS, dice).await else { return };
        let field = "Units_In_Stock__c";
        // What is written meanwhile isn't overwritten: it is counted anew.
        loop {
            let Ok(held) = rig.left(&PRODUCTS, &row.key, field).parse::<f64>() else { return };
            let (before, after) = (json!({ field: held }), json!({ field: held + 5.0 }));
            if rig.salesforce.edit_if(PRODUCTS.object, &id, before, after).await.unwrap() {
                break;
            }
        }
        self.expect_more(rig, &row.key, 5).await;
        self.add_in_shop(rig, row.key, 2).await;
    }

    /// The shop's name is the truth; the other one is kept.
    async fn both_rename(&mut self, rig: &Rig, dice: &mut Dice) {
        let Some((row, id)) = self.pair(rig, &CUSTOMERS, dice).await else { return };
        let (left, right) = (format!("Left {}", self.made), format!("Right {}", self.made));
        rig.salesforce.edit(CUSTOMERS.object, &id, json!({ "Name": left })).await.unwrap();
        let key = row.key;
        rig.sell(&format!(
            "UPDATE customers SET company_name = '{right}' WHERE customer_id = '{key}'"
        ))
        .await;
        self.values.insert(("customers", key, "Name"), json!(right));
        self.overruled.push(left);
    }

    /// The greater level counts.
    async fn both_reorder(&mut self, rig: &Rig, dice: &mut Dice) {
        let Some((row, id)) = self.pair(rig, &PRODUCTS, dice).await else { return };
        let (less, more) = (1_000 + self.made, 2_000 + self.made);
        let (left, right) = if dice.below(2) == 0 { (less, more) } else { (more, less) };
        let level = json!({ "Reorder_Level__c": left });
        rig.salesforce.edit(PRODUCTS.object, &id, level).await.unwrap();
        let key = row.key;
        rig.sell(&format!("UPDATE products SET reorder_level = {right} WHERE product_id = {key}"))
            .await;
        self.values.insert(("products", key, "Reorder_Level__c"), json!(more));
    }

    /// Nobody may choose but a person: left's, right's, another, or not yet.
    async fn both_call_the_contact(&mut self, rig: &Rig, dice: &mut Dice) {
        let Some((row, id)) = self.pair(rig, &CUSTOMERS, dice).await else { return };
        let (key, number) = (row.key, self.made);
        let (left, right) = (format!("Left {number}"), format!("Right {number}"));
        let contact = json!({ "Contact_Name__c": left });
        rig.salesforce.edit(CUSTOMERS.object, &id, contact).await.unwrap();
        rig.sell(&format!(
            "UPDATE customers SET contact_name = '{right}' WHERE customer_id = '{key}'"
        ))
        .await;
        let hand = format!("By hand {number}");
        let choices = [
            (vec!["--take", "left"], &left),
            (vec!["--take", "right"], &right),
            (vec!["--value", &hand], &hand),
        ];
        let contacts = self.held.iter().filter(|held| held.record().0 == "customers").count();
        let choice = choices.get(contacts % (choices.len() + 1)).map(|(choice, wanted)| {
            self.values.insert(("customers", key.clone(), "Contact_Name__c"), json!(wanted));
            choice.iter().map(|word| (*word).to_owned()).collect()
        });
        self.held.push(Held::Contact { key, choice });
    }

    async fn drop_what_is_edited(&mut self, rig: &Rig, dice: &mut Dice) {
        let Some((row, id)) = self.pair(rig, &LINES, dice).await else { return };
        let quantity = json!({ "Quantity": self.made });
        rig.salesforce.edit(LINES.object, &id, quantity).await.unwrap();
        self.drop_line(rig, row.key.clone()).await;
        self.held.push(Held::Line { key: row.key });
    }

    /// A person looks: says who belongs to whom and what of two it is; what nobody expects stays
    /// open. Answers whether there was nothing to say.
    pub(crate) fn decide(&self, rig: &Rig) -> bool {
        let alone = desk::link_ambiguous(&rig.project);
        let mut said = again(&alone).is_none_or(|alone| !alone.is_empty());
        // Pairs that meet for the first time, and the twins of those that were linked.
        let first = ["first_link_differs", "duplicate"].map(Value::from);
        let decided = desk::decide(&rig.project, |conflict| !first.contains(&conflict["kind"]));
        said |= again(&decided).is_none_or(|count| *count > 0);
        for conflict in desk::conflicts(&rig.project, false).unwrap() {
            let held = self.held.iter().find(|held| held.is(&conflict));
            let Some(choice) = held.and_then(Held::choice) else { continue };
            said = true;
            if conflict["state"] != "decided" {
                again(&desk::resolve(&rig.project, &conflict, &choice));
            }
        }
        !said
    }

    /// What stays open to the end.
    pub(crate) fn open(&self) -> Vec<Open> {
        let open = self.held.iter().filter_map(|held| match held {
            Held::Contact { key, choice: None } => {
                let record = format!("customers/{key}");
                Some((record, "contact".to_owned(), "Contact_Name__c".to_owned()))
            }
            Held::Contact { .. } | Held::Line { .. } => None,
        });
        open.collect()
    }

    /// Collisions of every kind have been made.
    pub(crate) fn assert_varied(&self) {
        let fields: BTreeSet<&str> = self.values.keys().map(|(_, _, field)| *field).collect();
        for field in ["Contact_Roles__c", "Units_In_Stock__c", "Name", "Reorder_Level__c"] {
            assert!(fields.contains(field), "nobody edited {field} on both sides");
        }
        let open = self.open().len();
        let lines = self.held.iter().filter(|held| held.record().0 == "lines").count();
        assert!(open > 0 && self.held.len() > open + lines && lines > 0, "{:?}", self.held);
    }
}

/// What was said, or nothing where the sides had moved on since the look: then a person looks again.
fn again<T>(said: &Result<T, RunError>) -> Option<&T> {
    match said {
        Ok(said) => Some(said),
        Err(RunError::Failed { code: Some(1 | 75), .. }) => None,
        Err(error) => panic!("{error}"),
    }
}
