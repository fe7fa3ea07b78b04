//! Edits on both sides while duet is in trouble, none of which may be lost. No field is edited on
//! both sides, so that nothing has to be decided: what a field must hold at the end is known.

use std::collections::BTreeMap;

use duet_tests::flows::{CUSTOMERS, Flow, LINES, ORDERS, PRODUCTS};
use duet_tests::northwind;
use serde_json::json;

use crate::dice::Dice;
use crate::rig::Rig;

/// New orders have numbers that the shop hasn't reached.
const FIRST_NEW_ORDER: u32 = 20_000;

/// One field of one record.
type Place = (&'static str, String, &'static str);

/// What must be so at the end.
#[derive(Default)]
pub(crate) struct Edits {
    made: u32,
    values: BTreeMap<Place, String>,
    /// Lines that were taken out of the shop.
    gone: Vec<String>,
}

impl Edits {
    /// Some edits on each side.
    pub(crate) async fn make(&mut self, rig: &Rig, dice: &mut Dice) {
        for _ in 0..4 {
            self.in_shop(rig, dice).await;
            self.in_salesforce(rig, dice).await;
        }
        self.new_order(rig, dice).await;
        self.line_gone(rig, dice).await;
    }

    /// How many there were.
    pub(crate) fn count(&self) -> usize {
        self.values.len() + self.gone.len()
    }

    /// Keys of lines that were taken out.
    pub(crate) fn gone(&self) -> &[String] {
        &self.gone
    }

    async fn in_shop(&mut self, rig: &Rig, dice: &mut Dice) {
        self.made += 1;
        let number = self.made;
        let flow = *dice.one_of(&[&CUSTOMERS, &PRODUCTS, &ORDERS]);
        let key = key_of(rig, flow, dice).await;
        let (field, statement, value) = match flow.name {
            "customers" => (
                "Phone",
                format!("UPDATE customers SET phone = '+47 {number}' WHERE customer_id = '{key}'"),
                format!("+47 {number}"),
            ),
            "orders" => (
                "Ship_Name__c",
                format!("UPDATE orders SET ship_name = 'Shop {number}' WHERE order_id = {key}"),
                format!("Shop {number}"),
            ),
            // A counter: every single addition must arrive, and none twice.
            _ => {
                let before = rig.right(&PRODUCTS, &key, "Units_In_Stock__c").await;
                let after = before.parse::<u32>().unwrap() + 3;
                let add = "UPDATE products SET units_in_stock = units_in_stock + 3 WHERE";
                let statement = format!("{add} product_id = {key}");
                ("Units_In_Stock__c", statement, after.to_string())
            }
        };
        rig.sell(&statement).await;
        self.values.insert((flow.name, key, field), value);
    }

    async fn in_salesforce(&mut self, rig: &Rig, dice: &mut Dice) {
        self.made += 1;
        let edited: [(&Flow, &'static str); 3] = [
            (&CUSTOMERS, "Contact_Name__c"),
            (&PRODUCTS, "Quantity_Per_Unit__c"),
            (&LINES, "UnitPrice"),
        ];
        let (flow, field) = *dice.one_of(&edited);
        let org = rig.salesforce.org().unwrap();
        let there: Vec<_> =
            org.of(flow.object).filter(|one| one.text("Ext__c").is_some()).collect();
        if there.is_empty() {
            return;
        }
        let record = *dice.one_of(&there);
        let (value, text) = match field {
            "UnitPrice" => (json!(self.made), self.made.to_string()),
            _ => (json!(format!("Left {}", self.made)), format!("Left {}", self.made)),
        };
        let key = record.text("Ext__c").unwrap().to_owned();
        // A line that is gone from the shop may not be edited any more: that would be a conflict.
        if self.gone.contains(&key) {
            return;
        }
        let edit = rig.salesforce.edit(flow.object, &record.id, json!({ field: value }));
        edit.await.unwrap();
        self.values.insert((flow.name, key, field), text);
    }

    async fn new_order(&mut self, rig: &Rig, dice: &mut Dice) {
        self.made += 1;
        let number = FIRST_NEW_ORDER + self.made;
        let customer = key_of(rig, &CUSTOMERS, dice).await;
        let product = key_of(rig, &PRODUCTS, dice).await;
        rig.sell(&format!(
            "INSERT INTO orders (order_id, customer_id, order_date, ship_name, freight)
                VALUES ({number}, '{customer}', '2024-05-06', 'New {number}', 1);
            INSERT INTO order_details VALUES ({number}, {product}, 2, 7, 0)"
        ))
        .await;
        let (order, line) = (number.to_string(), format!("{number}-{product}"));
        self.values.insert(("orders", order, "Ship_Name__c"), format!("New {number}"));
        self.values.insert(("lines", line, "Quantity"), "7".to_owned());
    }

    async fn line_gone(&mut self, rig: &Rig, dice: &mut Dice) {
        let rows = northwind::rows(rig.shop.url(), &LINES).await.unwrap();
        let edited =
            |key: &str| self.values.keys().any(|(flow, of, _)| *flow == "lines" && of == key);
        let rows: Vec<_> = rows.into_iter().filter(|row| !edited(&row.key)).collect();
        let key = dice.one_of(&rows).key.clone();
        let (order, product) = key.split_once('-').unwrap();
        rig.sell(&format!(
            "DELETE FROM order_details WHERE order_id = {order} AND product_id = {product}"
        ))
        .await;
        self.gone.push(key);
    }

    /// Every edit that isn't on both sides.
    pub(crate) async fn lost(&self, rig: &Rig) -> Vec<String> {
        let mut lost = Vec::new();
        for ((name, key, field), wanted) in &self.values {
            let flow = duet_tests::flows::ALL.into_iter().find(|flow| flow.name == *name).unwrap();
            let left = rig.left(flow, key, field);
            let right = rig.right(flow, key, field).await;
            let same = |found: &str| match (found.parse::<f64>(), wanted.parse::<f64>()) {
                (Ok(found), Ok(wanted)) => (found - wanted).abs() < 0.001,
                _ => found == wanted,
            };
            if !same(&left) || !same(&right) {
                lost.push(format!("{name}/{key} {field}: {wanted} became {left} | {right}"));
            }
        }
        lost
    }
}

async fn key_of(rig: &Rig, flow: &Flow, dice: &mut Dice) -> String {
    let rows = northwind::rows(rig.shop.url(), flow).await.unwrap();
    dice.one_of(&rows).key.clone()
}
