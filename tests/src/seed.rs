//! What is in the organization beforehand: accounts of another company, and a part of the shop's
//! customers and products, found by different ways and not all with the same values.
//!
//! Of 30 customers and 20 products, taken in order of key: the first half has the key in `Ext__c`,
//! the second only in `AccountNumber` or `ProductCode`; two of the second half are there twice; the
//! last has no key at all. Every third differs in one field.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::client::{ClientError, Fields, Session};
use crate::northwind::{Row, folder};

/// How many customers and products are there beforehand.
pub const CUSTOMERS: usize = 30;
/// See [`CUSTOMERS`].
pub const PRODUCTS: usize = 20;
/// Every so many differs in one field.
const DIFFERS: usize = 3;
/// How many of the second half are there twice.
const TWICE: usize = 2;

/// How a seeded record can be found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// By `Ext__c`.
    ExternalId,
    /// By the number field only.
    Number,
    /// By the number field, but so can another.
    Twice,
    /// Not at all.
    Never,
}

/// A record to be put into the organization.
#[derive(Clone, Debug, PartialEq)]
pub struct Seed {
    /// Its object.
    pub object: &'static str,
    /// The key of the shop's record that it stands for.
    pub key: String,
    /// How it can be found.
    pub found: Found,
    /// The field in which it differs from the shop, if any.
    pub differs: Option<&'static str>,
    /// Its fields.
    pub fields: Fields,
}

/// One way to differ: a field and its other value.
type Other = (&'static str, fn() -> Value);

const OTHER_CUSTOMERS: [Other; 5] = [
    ("Phone", || json!("+47 22 00 00 00")),
    ("Name", || json!("Old Name AS")),
    ("BillingStreet", || json!("Old Street 1")),
    ("Fax", || json!("+47 22 00 00 01")),
    ("Contact_Roles__c", || json!("Owner")),
];
const OTHER_PRODUCTS: [Other; 5] = [
    ("Units_In_Stock__c", || json!(7)),
    ("Name", || json!("Old Name")),
    ("Reorder_Level__c", || json!(99)),
    ("Quantity_Per_Unit__c", || json!("1 box")),
    ("Units_On_Order__c", || json!(3)),
];

/// The customers that are there beforehand, from the rows of the shop.
pub fn customers(rows: &[Row]) -> Vec<Seed> {
    plan("Account", "AccountNumber", &rows[..CUSTOMERS.min(rows.len())], &OTHER_CUSTOMERS)
}

/// The products that are there beforehand, from the rows of the shop.
pub fn products(rows: &[Row]) -> Vec<Seed> {
    plan("Product2", "ProductCode", &rows[..PRODUCTS.min(rows.len())], &OTHER_PRODUCTS)
}

fn plan(object: &'static str, number: &str, rows: &[Row], others: &[Other]) -> Vec<Seed> {
    let mut seeds = Vec::new();
    for (at, row) in rows.iter().enumerate() {
        let found = way(at, rows.len());
        let mut fields = row.values.clone();
        match found {
            Found::ExternalId => fields.insert("Ext__c".to_owned(), json!(row.key)),
            Found::Number | Found::Twice => fields.insert(number.to_owned(), json!(row.key)),
            Found::Never => None,
        };
        let other = at.is_multiple_of(DIFFERS).then(|| &others[at / DIFFERS % others.len()]);
        if let Some((field, value)) = other {
            fields.insert((*field).to_owned(), value());
        }
        let differs = other.map(|(field, _)| *field);
        let seed = Seed { object, key: row.key.clone(), found, differs, fields };
        if found == Found::Twice {
            seeds.push(seed.clone());
        }
        seeds.push(seed);
    }
    seeds
}

fn way(at: usize, all: usize) -> Found {
    let half = all / 2;
    if at < half {
        Found::ExternalId
    } else if at < half + TWICE {
        Found::Twice
    } else if at + 1 < all {
        Found::Number
    } else {
        Found::Never
    }
}

/// The accounts of another company, which must stay alone.
pub fn strangers() -> Vec<Fields> {
    let text = std::fs::read_to_string(folder().join("ebikes/Accounts.json"));
    let text = text.expect("the file is part of the tree");
    let tree: Value = serde_json::from_str(&text).expect("the file is JSON");
    let records = tree["records"].as_array().cloned().unwrap_or_default();
    let bare = records.into_iter().filter_map(|record| match record {
        Value::Object(mut fields) => {
            fields.remove("attributes");
            Some(fields)
        }
        _ => None,
    });
    bare.collect()
}

/// What is in the organization beforehand, with the ids it got.
#[derive(Clone, Debug, Default)]
pub struct Planted {
    /// What stands for records of the shop.
    pub seeds: Vec<(Seed, String)>,
    /// The accounts of another company.
    pub strangers: Vec<String>,
}

impl Planted {
    /// The records that no key leads to: they stay alone.
    pub fn lone(&self) -> BTreeSet<String> {
        let never = self.seeds.iter().filter(|(seed, _)| seed.found == Found::Never);
        never.map(|(_, id)| id.clone()).chain(self.strangers.iter().cloned()).collect()
    }

    /// Whether something stands for this record of the shop.
    pub fn stands_for(&self, object: &str, key: &str) -> bool {
        self.seeds.iter().any(|(seed, _)| seed.object == object && seed.key == key)
    }
}

/// Puts everything into the organization: the strangers, and what stands for a part of the shop's
/// customers and products.
///
/// # Errors
/// When the organization refuses a record.
pub async fn plant(
    session: &Session,
    shops_customers: &[Row],
    shops_products: &[Row],
) -> Result<Planted, ClientError> {
    let strangers: Vec<_> = strangers().into_iter().map(|fields| ("Account", fields)).collect();
    let strangers = session.create(&strangers).await?;
    let mut seeds = customers(shops_customers);
    seeds.extend(products(shops_products));
    let records: Vec<_> = seeds.iter().map(|seed| (seed.object, seed.fields.clone())).collect();
    let ids = session.create(&records).await?;
    Ok(Planted { seeds: seeds.into_iter().zip(ids).collect(), strangers })
}

#[cfg(test)]
mod tests {
    //! Shows the counts that the proof is made of.

    use super::*;

    fn rows(count: usize) -> Vec<Row> {
        let values = json!({ "Name": "Same", "Phone": "1" }).as_object().unwrap().clone();
        (0..count).map(|at| Row { key: format!("K{at:02}"), values: values.clone() }).collect()
    }

    fn count(seeds: &[Seed], found: Found) -> usize {
        seeds.iter().filter(|seed| seed.found == found).count()
    }

    #[test]
    fn thirty_customers_are_found_in_four_ways() {
        let seeds = customers(&rows(91));
        assert_eq!(count(&seeds, Found::ExternalId), 15);
        assert_eq!(count(&seeds, Found::Number), 12);
        assert_eq!(count(&seeds, Found::Twice), 2 * TWICE);
        assert_eq!(count(&seeds, Found::Never), 1);
        let keyless = seeds.iter().find(|seed| seed.found == Found::Never).unwrap();
        assert!(!keyless.fields.contains_key("Ext__c"));
        assert!(!keyless.fields.contains_key("AccountNumber"));
    }

    #[test]
    fn a_third_differs_in_one_field_each() {
        let seeds = customers(&rows(91));
        let mut keys: Vec<&str> =
            seeds.iter().filter(|seed| seed.differs.is_some()).map(|seed| &*seed.key).collect();
        keys.dedup();
        assert_eq!(keys.len(), CUSTOMERS / DIFFERS);
        let phone = seeds.iter().find(|seed| seed.differs == Some("Phone")).unwrap();
        assert_eq!(phone.fields["Phone"], "+47 22 00 00 00");
    }

    #[test]
    fn twenty_products_carry_their_key_in_the_code() {
        let seeds = products(&rows(77));
        assert_eq!(seeds.len(), PRODUCTS + TWICE);
        let number = seeds.iter().find(|seed| seed.found == Found::Number).unwrap();
        assert_eq!(number.fields["ProductCode"], number.key.as_str());
    }

    #[test]
    fn the_strangers_have_names_and_no_keys() {
        let strangers = strangers();
        assert_eq!(strangers.len(), 3);
        assert!(strangers.iter().all(|fields| fields["Name"].is_string()));
        assert!(strangers.iter().all(|fields| !fields.contains_key("Ext__c")));
    }
}
