//! The check of the account: what the shop's file and the emulator's really hold, record by record
//! and field by field. Knows neither duet's state nor its configuration, and explains nothing.

use super::flows::{CUSTOMERS, FLOWS, Field, Flow, Kind, SHOP_ID};
use super::org::{Org, Record};
use super::shop::{Row, Shop};
use crate::exit::Failure;
use duet_core::side::Side;
use serde::Serialize;
use std::collections::BTreeMap;

/// Everything that both sides hold, read at one time.
#[derive(Debug, Default)]
pub(crate) struct Held {
    /// Records of Salesforce.
    pub(crate) left: Vec<Record>,
    /// Rows of the shop, by flow.
    pub(crate) right: BTreeMap<&'static str, Vec<Row>>,
}

/// A difference between the sides.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(crate) struct Difference {
    /// The flow.
    pub(crate) flow: &'static str,
    /// The key in the shop, as far as there is one.
    pub(crate) key: Option<String>,
    /// What is different.
    #[serde(flatten)]
    pub(crate) what: What,
}

/// What is different.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub(crate) enum What {
    /// A record of Salesforce has no row in the shop.
    OnlyLeft {
        /// Its id there.
        left_id: String,
    },
    /// A row of the shop has no record in Salesforce.
    OnlyRight,
    /// Several records of Salesforce stand for one row.
    Duplicate {
        /// Their ids.
        left_ids: Vec<String>,
    },
    /// A side holds another number of records than there were made.
    Count {
        /// Where.
        side: Side,
        /// So many were there at the beginning or made by people, on either side.
        expected: usize,
        /// So many are there.
        found: usize,
    },
    /// A field holds two values.
    Field {
        /// The field.
        field: &'static str,
        /// In Salesforce.
        left: Option<String>,
        /// In the shop.
        right: Option<String>,
    },
}

/// What a flow comes to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Counts {
    /// Records in Salesforce.
    pub(crate) left: usize,
    /// Rows in the shop.
    pub(crate) right: usize,
    /// Records that stand on both sides, once on each.
    pub(crate) pairs: usize,
    /// Of these, those that differ in a field.
    pub(crate) differing: usize,
}

impl Held {
    /// Reads both sides.
    pub(crate) async fn read(org: &Org, shop: &Shop) -> Result<Held, Failure> {
        let mut held = Held { left: org.records()?, right: BTreeMap::new() };
        for flow in FLOWS {
            held.right.insert(flow.name, shop.rows(flow).await?);
        }
        Ok(held)
    }

    /// The records of a flow in Salesforce.
    pub(crate) fn left_of(&self, flow: &Flow) -> impl Iterator<Item = &Record> {
        self.left.iter().filter(|record| record.object == flow.object)
    }

    /// The rows of a flow in the shop.
    pub(crate) fn right_of(&self, flow: &Flow) -> &[Row] {
        self.right.get(flow.name).map_or(&[], Vec::as_slice)
    }

    /// The record and the row that hold a key of the shop, where both are there.
    pub(crate) fn pair(&self, flow: &Flow, key: &str) -> Option<(&Record, &Row)> {
        self.record(flow, key).zip(self.row(flow, key))
    }

    /// The record of Salesforce that holds a key of the shop.
    pub(crate) fn record(&self, flow: &Flow, key: &str) -> Option<&Record> {
        self.left_of(flow).find(|record| record.text(SHOP_ID).as_deref() == Some(key))
    }

    /// The row of the shop.
    pub(crate) fn row(&self, flow: &Flow, key: &str) -> Option<&Row> {
        self.right_of(flow).iter().find(|row| row.key == key)
    }

    /// A field's value on the left, in the form in which both are compared.
    pub(crate) fn left_form(&self, field: &Field, record: &Record) -> Option<String> {
        let value = record.text(field.left)?;
        match field.kind {
            Kind::Customer => {
                let account = self.left_of(&CUSTOMERS).find(|account| account.id == value);
                account.map_or(Some(value), |account| account.text(SHOP_ID))
            }
            Kind::Text | Kind::Number | Kind::Word => Some(value),
        }
    }

    /// The same of the shop.
    pub(crate) fn right_form(field: &Field, row: &Row) -> Option<String> {
        let value = row.columns.get(field.right).cloned().flatten();
        value.filter(|value| !value.is_empty()).map(|value| field.kind.to_left(&value))
    }

    /// Compares a flow.
    pub(crate) fn compare(&self, flow: &'static Flow) -> (Counts, Vec<Difference>) {
        let mut partners: BTreeMap<&str, Vec<&Record>> =
            self.right_of(flow).iter().map(|row| (row.key.as_str(), Vec::new())).collect();
        let mut found = Vec::new();
        for record in self.left_of(flow) {
            let key = record.text(SHOP_ID);
            match key.as_deref().and_then(|key| partners.get_mut(key)) {
                Some(records) => records.push(record),
                None => {
                    let what = What::OnlyLeft { left_id: record.id.clone() };
                    found.push(Difference { flow: flow.name, key, what });
                }
            }
        }
        let mut counts = Counts {
            left: self.left_of(flow).count(),
            right: self.right_of(flow).len(),
            ..Counts::default()
        };
        for row in self.right_of(flow) {
            let of_row = self.compare_row(flow, row, &partners[row.key.as_str()], &mut counts);
            let named = |what| Difference { flow: flow.name, key: Some(row.key.clone()), what };
            found.extend(of_row.into_iter().map(named));
        }
        (counts, found)
    }

    fn compare_row(
        &self,
        flow: &'static Flow,
        row: &Row,
        records: &[&Record],
        counts: &mut Counts,
    ) -> Vec<What> {
        match records {
            [] => vec![What::OnlyRight],
            [record] => {
                let differing = self.compare_fields(flow, row, record);
                counts.pairs += 1;
                counts.differing += usize::from(!differing.is_empty());
                differing
            }
            many => {
                let left_ids = many.iter().map(|one| one.id.clone()).collect();
                vec![What::Duplicate { left_ids }]
            }
        }
    }

    fn compare_fields(&self, flow: &'static Flow, row: &Row, record: &Record) -> Vec<What> {
        let compared = flow.fields.iter().map(|field| {
            let (left, right) = (self.left_form(field, record), Held::right_form(field, row));
            (left != right).then_some(What::Field { field: field.name, left, right })
        });
        compared.flatten().collect()
    }
}

#[cfg(test)]
mod tests {
    //! Shows that the check can fail: every way in which two sides can differ is told.

    use super::super::flows::{ORDERS, PRODUCTS};
    use super::*;
    use serde_json::{Value, json};

    fn record(object: &str, id: &str, fields: &Value) -> Record {
        let fields = fields.as_object().cloned().expect("an object");
        Record { id: id.to_owned(), object: object.to_owned(), fields }
    }

    fn row(key: &str, columns: &[(&'static str, &str)]) -> Row {
        let columns = columns.iter().map(|(name, value)| (*name, Some((*value).to_owned())));
        Row { key: key.to_owned(), columns: columns.collect() }
    }

    fn account(id: &str, key: &str, city: &str) -> Record {
        let fields = json!({ "Shop_Id__c": key, "Name": "Ada", "BillingCity": city });
        record("Account", id, &fields)
    }

    fn held(left: Vec<Record>, flow: &Flow, rows: Vec<Row>) -> Held {
        Held { left, right: BTreeMap::from([(flow.name, rows)]) }
    }

    fn told(held: &Held, flow: &'static Flow) -> Vec<String> {
        let told = |one: &Difference| serde_json::to_string(one).expect("a document");
        held.compare(flow).1.iter().map(told).collect()
    }

    #[test]
    fn equal_sides_have_no_difference() {
        let rows = vec![row("1001", &[("name", "Ada"), ("city", "Oslo"), ("phone", "")])];
        let held = held(vec![account("a", "1001", "Oslo")], &CUSTOMERS, rows);
        let counts = Counts { left: 1, right: 1, pairs: 1, differing: 0 };
        assert_eq!(held.compare(&CUSTOMERS), (counts, Vec::new()));
    }

    #[test]
    fn a_pair_that_differs_is_told_with_both_values() {
        let rows = vec![row("1001", &[("name", "Ada"), ("city", "Bodø")])];
        let held = held(vec![account("a", "1001", "Oslo")], &CUSTOMERS, rows);
        let wanted = concat!(
            r#"{"flow":"customers","key":"1001","what":"field","#,
            r#""field":"city","left":"Oslo","right":"Bodø"}"#,
        );
        assert_eq!(told(&held, &CUSTOMERS), [wanted]);
        assert_eq!(held.compare(&CUSTOMERS).0.differing, 1);
    }

    #[test]
    fn what_one_side_lacks_is_told() {
        let rows = vec![row("1002", &[("name", "Bo")])];
        let stranger = record("Account", "b", &json!({ "Name": "Bo" }));
        let held = held(vec![account("a", "1001", "Oslo"), stranger], &CUSTOMERS, rows);
        let told = told(&held, &CUSTOMERS);
        assert_eq!(told.len(), 3, "{told:?}");
        assert!(told[0].contains(r#""key":"1001","what":"only_left","left_id":"a""#), "{told:?}");
        assert!(told[1].contains(r#""key":null,"what":"only_left","left_id":"b""#), "{told:?}");
        assert!(told[2].contains(r#""key":"1002","what":"only_right""#), "{told:?}");
        assert_eq!(held.compare(&CUSTOMERS).0.pairs, 0);
    }

    #[test]
    fn a_record_that_is_there_twice_is_told() {
        let left = vec![account("a", "1001", "Oslo"), account("b", "1001", "Oslo")];
        let held = held(left, &CUSTOMERS, vec![row("1001", &[("name", "Ada")])]);
        assert!(told(&held, &CUSTOMERS)[0].contains(r#""what":"duplicate","left_ids":["a","b"]"#));
    }

    #[test]
    fn numbers_words_and_parents_compare_by_what_they_mean() {
        let product =
            record("Product2", "p", &json!({ "Shop_Id__c": "X", "Name": "x", "Stock__c": 7.0 }));
        let held =
            held(vec![product], &PRODUCTS, vec![row("X", &[("title", "x"), ("stock", "7")])]);
        assert!(told(&held, &PRODUCTS).is_empty());
        let order = json!({ "Shop_Id__c": "5", "AccountId": "a", "Fulfilment__c": "Packed",
            "EffectiveDate": "2026-11-01" });
        let left = vec![account("a", "1001", "Oslo"), record("Order", "o", &order)];
        let columns = [("customer_id", "1001"), ("placed_on", "2026-11-01"), ("status", "packed")];
        let same = Held { left, right: BTreeMap::from([("orders", vec![row("5", &columns)])]) };
        assert!(told(&same, &ORDERS).is_empty());
        let other = [("customer_id", "1002"), ("placed_on", "2026-11-01"), ("status", "new")];
        let right = BTreeMap::from([("orders", vec![row("5", &other)])]);
        let differs = Held { left: same.left, right };
        assert_eq!(told(&differs, &ORDERS).len(), 2, "{:?}", told(&differs, &ORDERS));
    }
}
