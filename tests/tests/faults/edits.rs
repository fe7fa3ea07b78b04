//! Edits on either side while duet is in trouble, none of which may be lost: what every edited field
//! must hold at the end is known. Edits of both sides at once are in `collisions`.

use std::collections::{BTreeMap, BTreeSet};

use duet_tests::compare::{form, left_form};
use duet_tests::flows::{self, CUSTOMERS, Flow, LINES, ORDERS, PRODUCTS};
use duet_tests::northwind::{self, Row};
use duet_tests::org::Record;
use duet_tests::seed::Planted;
use serde_json::{Value, json};

use crate::collisions::Held;
use crate::dice::Dice;
use crate::rig::Rig;

/// New orders have numbers that the shop hasn't reached.
const FIRST_NEW_ORDER: u32 = 20_000;

/// One field of one record.
pub(crate) type Place = (&'static str, String, &'static str);

/// What must be so at the end.
#[derive(Default)]
pub(crate) struct Edits {
    pub(crate) made: u32,
    /// What fields must hold: counters and sets everything that was added on either side.
    pub(crate) values: BTreeMap<Place, Value>,
    /// Records that were taken out of one side: flow and key.
    pub(crate) gone: BTreeSet<(&'static str, String)>,
    /// What waits for a person, and what the person will say.
    pub(crate) held: Vec<Held>,
    /// Values that lost by rule and must be in the store.
    pub(crate) overruled: Vec<String>,
    /// What was there on both sides before: nobody edits it, as nothing of it was agreed yet.
    planted: Planted,
}

impl Edits {
    /// None yet.
    pub(crate) fn beside(planted: Planted) -> Edits {
        Edits { planted, ..Edits::default() }
    }

    /// Some edits on each side.
    pub(crate) async fn make(&mut self, rig: &Rig, dice: &mut Dice) {
        for _ in 0..4 {
            self.in_shop(rig, dice).await;
            self.in_salesforce(rig, dice).await;
        }
        self.new_order(rig, dice).await;
        self.line_gone_in_shop(rig, dice).await;
        self.line_gone_in_salesforce(rig, dice).await;
        self.order_gone_in_shop(rig, dice).await;
    }

    async fn in_shop(&mut self, rig: &Rig, dice: &mut Dice) {
        self.made += 1;
        let number = self.made;
        match dice.below(3) {
            0 => {
                let key = self.any(rig, &CUSTOMERS, dice).await;
                let phone = format!("+47 {number}");
                rig.sell(&format!(
                    "UPDATE customers SET phone = '{phone}' WHERE customer_id = '{key}'"
                ))
                .await;
                self.values.insert(("customers", key, "Phone"), json!(phone));
            }
            1 => {
                let key = self.any(rig, &ORDERS, dice).await;
                let name = format!("Shop {number}");
                rig.sell(&format!("UPDATE orders SET ship_name = '{name}' WHERE order_id = {key}"))
                    .await;
                self.values.insert(("orders", key, "Ship_Name__c"), json!(name));
            }
            _ => {
                let key = self.any(rig, &PRODUCTS, dice).await;
                self.add_in_shop(rig, key, 3).await;
            }
        }
    }

    /// A counter: every single addition must arrive, and none twice.
    pub(crate) async fn add_in_shop(&mut self, rig: &Rig, key: String, more: i64) {
        self.expect_more(rig, &key, more).await;
        let add = format!("units_in_stock = units_in_stock + {more}");
        rig.sell(&format!("UPDATE products SET {add} WHERE product_id = {key}")).await;
    }

    /// The sum of a counter: what it was before anybody edited it, and every addition.
    pub(crate) async fn expect_more(&mut self, rig: &Rig, key: &str, more: i64) {
        let place = ("products", key.to_owned(), "Units_In_Stock__c");
        let before = match self.values.get(&place) {
            Some(sum) => sum.as_i64().unwrap(),
            None => rig.right(&PRODUCTS, key, "Units_In_Stock__c").await.parse().unwrap(),
        };
        self.values.insert(place, json!(before + more));
    }

    async fn in_salesforce(&mut self, rig: &Rig, dice: &mut Dice) {
        self.made += 1;
        let edited: [(&'static Flow, &'static str); 3] = [
            (&CUSTOMERS, "Contact_Name__c"),
            (&PRODUCTS, "Quantity_Per_Unit__c"),
            (&LINES, "UnitPrice"),
        ];
        let (flow, field) = *dice.one_of(&edited);
        let Some((key, record)) = self.partner(rig, flow, dice) else { return };
        let value = match field {
            "UnitPrice" => json!(self.made),
            _ => json!(format!("Left {}", self.made)),
        };
        // A line that is gone from the shop isn't edited by the way: that is a collision.
        let held = self.held.iter().any(|held| held.record() == (flow.name, &key));
        if held || self.gone.contains(&(flow.name, key.clone())) {
            return;
        }
        let edit = rig.salesforce.edit(flow.object, &record.id, json!({ field: value }));
        edit.await.unwrap();
        self.values.insert((flow.name, key, field), value);
    }

    async fn new_order(&mut self, rig: &Rig, dice: &mut Dice) {
        self.made += 1;
        let number = FIRST_NEW_ORDER + self.made;
        let rows = northwind::rows(rig.shop.url(), &CUSTOMERS).await.unwrap();
        let customer = dice.one_of(&rows).key.clone();
        let rows = northwind::rows(rig.shop.url(), &PRODUCTS).await.unwrap();
        let product = dice.one_of(&rows).key.clone();
        rig.sell(&format!(
            "INSERT INTO orders (order_id, customer_id, order_date, ship_name, freight)
                VALUES ({number}, '{customer}', '2024-05-06', 'New {number}', 1);
            INSERT INTO order_details VALUES ({number}, {product}, 2, 7, 0)"
        ))
        .await;
        let (order, line) = (number.to_string(), format!("{number}-{product}"));
        self.values.insert(("orders", order, "Ship_Name__c"), json!(format!("New {number}")));
        self.values.insert(("lines", line, "Quantity"), json!(7));
    }

    async fn line_gone_in_shop(&mut self, rig: &Rig, dice: &mut Dice) {
        let key = self.untouched(rig, &LINES, dice).await.key;
        self.drop_line(rig, key).await;
    }

    /// Takes a line out of the shop.
    pub(crate) async fn drop_line(&mut self, rig: &Rig, key: String) {
        let (order, product) = key.split_once('-').unwrap();
        rig.sell(&format!(
            "DELETE FROM order_details WHERE order_id = {order} AND product_id = {product}"
        ))
        .await;
        self.gone.insert(("lines", key));
    }

    /// A line that duet knows on both sides is taken out of the organization: what nobody knows to
    /// be there can't be missed.
    async fn line_gone_in_salesforce(&mut self, rig: &Rig, dice: &mut Dice) {
        let key = self.untouched(rig, &LINES, dice).await.key;
        if let Some(id) = rig.agreed_partner(&LINES, &key) {
            rig.salesforce.delete(LINES.object, &id).await.unwrap();
            self.gone.insert(("lines", key));
        }
    }

    /// An order goes with its lines.
    async fn order_gone_in_shop(&mut self, rig: &Rig, dice: &mut Dice) {
        let key = self.untouched(rig, &ORDERS, dice).await.key;
        let lines = northwind::rows(rig.shop.url(), &LINES).await.unwrap();
        let of_it = |row: &&Row| row.key.split_once('-').unwrap().0 == key;
        let lines: Vec<&str> = lines.iter().filter(of_it).map(|row| row.key.as_str()).collect();
        if lines.iter().any(|line| self.is_touched("lines", line)) {
            return;
        }
        rig.sell(&format!(
            "DELETE FROM order_details WHERE order_id = {key};
            DELETE FROM orders WHERE order_id = {key}"
        ))
        .await;
        self.gone.extend(lines.into_iter().map(|line| ("lines", line.to_owned())));
        self.gone.insert(("orders", key));
    }

    /// The key of any row that may be edited.
    async fn any(&self, rig: &Rig, flow: &'static Flow, dice: &mut Dice) -> String {
        let rows = northwind::rows(rig.shop.url(), flow).await.unwrap();
        let free = |row: &Row| !self.planted.stands_for(flow.object, &row.key);
        let rows: Vec<Row> = rows.into_iter().filter(free).collect();
        dice.one_of(&rows).key.clone()
    }

    /// A row that nobody has edited or taken away.
    pub(crate) async fn untouched(&self, rig: &Rig, flow: &'static Flow, dice: &mut Dice) -> Row {
        let rows = northwind::rows(rig.shop.url(), flow).await.unwrap();
        let free = |row: &Row| {
            let planted = self.planted.stands_for(flow.object, &row.key);
            !planted && !self.is_touched(flow.name, &row.key)
        };
        let rows: Vec<Row> = rows.into_iter().filter(free).collect();
        dice.one_of(&rows).clone()
    }

    fn is_touched(&self, flow: &str, key: &str) -> bool {
        self.values.keys().any(|(name, of, _)| *name == flow && of == key)
            || self.gone.iter().any(|(name, of)| *name == flow && of == key)
            || self.held.iter().any(|held| held.record() == (flow, key))
    }

    /// A record of the organization that stands for a row, and may be edited.
    fn partner(&self, rig: &Rig, flow: &'static Flow, dice: &mut Dice) -> Option<(String, Record)> {
        let org = rig.salesforce.org().unwrap();
        let free = |record: &&Record| {
            let key = record.text("Ext__c");
            key.is_some_and(|key| !self.planted.stands_for(flow.object, key))
        };
        let there: Vec<&Record> = org.of(flow.object).filter(free).collect();
        let record = if there.is_empty() { return None } else { *dice.one_of(&there) };
        Some((record.text("Ext__c")?.to_owned(), record.clone()))
    }

    /// Every edit that isn't on both sides, and what is back.
    pub(crate) async fn lost(&self, rig: &Rig) -> Vec<String> {
        let mut lost = Vec::new();
        let org = rig.salesforce.org().unwrap();
        for flow in flows::ALL {
            let rows = northwind::rows(rig.shop.url(), flow).await.unwrap();
            let rows: BTreeMap<&str, &Row> =
                rows.iter().map(|row| (row.key.as_str(), row)).collect();
            let records: BTreeMap<&str, &Record> =
                org.of(flow.object).filter_map(|one| Some((one.text("Ext__c")?, one))).collect();
            for ((_, key, name), wanted) in self.values.iter().filter(|one| one.0.0 == flow.name) {
                let field = flow.fields.iter().find(|field| field.name == *name).unwrap();
                let row = rows.get(key.as_str());
                let right = form(field.kind, row.and_then(|row| row.values.get(*name)));
                let record = records.get(key.as_str());
                let left = record.map_or_else(String::new, |one| left_form(field, one, &org));
                let wanted = form(field.kind, Some(wanted));
                if left != wanted || right != wanted {
                    let of = format!("{}/{key} {name}", flow.name);
                    lost.push(format!("{of}: {wanted} became {left} | {right}"));
                }
            }
            let gone = self.gone.iter().filter(|(name, _)| *name == flow.name);
            let gone = gone.map(|(_, key)| key.as_str());
            let back = gone.filter(|key| rows.contains_key(key) || records.contains_key(key));
            lost.extend(back.map(|key| format!("{}/{key} is back", flow.name)));
        }
        lost
    }
}
