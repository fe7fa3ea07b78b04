//! `duet demo edit`: an edit in the demo's folder, as a person would make it: in the shop's file, or in
//! the emulator, past duet. Nobody needs a database client or a Salesforce account to try.

use super::flows::{self, CUSTOMERS, Field, Flow, Kind};
use super::folder::{self, ORG, SHOP};
use super::org::{Fields, Org};
use super::shop::Shop;
use crate::args::{Cli, DemoEditArgs, EditSide};
use crate::exit::{Exit, Failure};
use crate::output;
use serde_json::{Value, json};
use std::path::Path;

/// A field and what it is to hold.
type Set = (&'static Field, Value);

/// Makes the edit.
pub(crate) async fn edit(cli: &Cli, args: &DemoEditArgs) -> Result<Exit, Failure> {
    let login = folder::login(&cli.dir).filter(|_| cli.dir.join(SHOP).is_file());
    let login = login.ok_or_else(|| {
        let sentence = format!("{} is no folder of a demo", cli.dir.display());
        Failure::new(Exit::Failed, sentence).hint("name it with -C, as `duet demo` did at its end")
    })?;
    let (flow, key) = named(&args.record)?;
    let sets = args.values.iter().map(|text| set(flow, text)).collect::<Result<Vec<Set>, _>>()?;
    match args.side {
        EditSide::Right => in_shop(&cli.dir, flow, key, &sets).await?,
        EditSide::Left => in_salesforce(&cli.dir, login, flow, key, &sets).await?,
    }
    let place = match args.side {
        EditSide::Left => "Salesforce",
        EditSide::Right => "the shop",
    };
    let document = json!({ "record": args.record, "edited": args.values, "in": place });
    output::result(cli.output, "demo_edit", &document, || {
        format!("{}: {} in {place}", args.record, args.values.join(", "))
    })?;
    Ok(Exit::Done)
}

fn wrong(sentence: String, hint: String) -> Failure {
    Failure::new(Exit::Usage, sentence).hint(hint)
}

fn named(record: &str) -> Result<(&'static Flow, &str), Failure> {
    let found = record.split_once('/').and_then(|(flow, key)| Some((flows::named(flow)?, key)));
    found.filter(|(_, key)| !key.is_empty()).ok_or_else(|| {
        let names = flows::FLOWS.map(|flow| format!("{}/KEY", flow.name)).join(", ");
        wrong(format!("{record} names no record of the demo"), format!("there are: {names}"))
    })
}

/// `FIELD=VALUE`; nothing behind the sign empties the field.
fn set(flow: &'static Flow, text: &str) -> Result<Set, Failure> {
    let can_be = |field: &&Field| field.kind != Kind::Customer;
    let (name, value) = text.split_once('=').unwrap_or((text, ""));
    let field = flow.field(name).filter(can_be).filter(|_| text.contains('='));
    let field = field.ok_or_else(|| {
        let names: Vec<&str> = flow.fields.iter().filter(can_be).map(|field| field.name).collect();
        let hint = format!("write FIELD=VALUE; {} have: {}", flow.name, names.join(", "));
        wrong(format!("{text:?} sets no field"), hint)
    })?;
    let value = match (field.kind, value) {
        (_, "") => Value::Null,
        (Kind::Number, digits) => {
            let number = digits.parse::<i64>().map_err(|_| {
                wrong(format!("{digits:?} is no number"), format!("{name} holds a whole number"))
            })?;
            json!(number)
        }
        (Kind::Text | Kind::Word | Kind::Customer, text) => json!(text),
    };
    Ok((field, value))
}

fn nobody(flow: &Flow, key: &str) -> Failure {
    let sentence = format!("there is no {}/{key} on that side", flow.name);
    let example = if flow.name == CUSTOMERS.name { " such as 1001" } else { "" };
    Failure::new(Exit::Failed, sentence).hint(format!("name it by its key in the shop{example}"))
}

async fn in_shop(folder: &Path, flow: &Flow, key: &str, sets: &[Set]) -> Result<(), Failure> {
    let shop = Shop::open(&folder.join(SHOP)).await?;
    let mut hand = shop.begin().await?;
    let mut there = false;
    for (field, value) in sets {
        there = hand.set(flow, key, field.right, value).await?;
    }
    if !there {
        return Err(nobody(flow, key));
    }
    hand.commit().await?;
    shop.close().await;
    Ok(())
}

async fn in_salesforce(
    folder: &Path,
    login: String,
    flow: &Flow,
    key: &str,
    sets: &[Set],
) -> Result<(), Failure> {
    let org = Org::new(login, folder.join(ORG));
    let record = org.find(flow, key)?.ok_or_else(|| nobody(flow, key))?;
    let mut body = Fields::new();
    for (field, value) in sets {
        let value = match value {
            Value::String(text) => json!(field.kind.to_left(text)),
            other => other.clone(),
        };
        body.insert(field.left.to_owned(), value);
    }
    org.update(flow.object, &record.id, body).await
}

#[cfg(test)]
mod tests {
    use super::super::flows::PRODUCTS;
    use super::*;

    #[test]
    fn a_field_is_set_in_its_own_type() {
        let value = |text| set(&PRODUCTS, text).map(|(field, value)| (field.name, value)).ok();
        assert_eq!(value("stock=12"), Some(("stock", json!(12))));
        assert_eq!(value("title=Oak desk = new"), Some(("title", json!("Oak desk = new"))));
        assert_eq!(value("title="), Some(("title", Value::Null)));
        for wrong in ["stock=many", "stock", "colour=red", "=", ""] {
            assert_eq!(value(wrong), None, "{wrong}");
        }
        assert!(set(flows::named("orders").expect("a flow"), "customer_id=1").is_err());
    }

    #[test]
    fn a_record_has_a_flow_of_the_demo_and_a_key() {
        assert!(
            named("products/OAK-DESK")
                .is_ok_and(|(flow, key)| flow.name == "products" && key == "OAK-DESK")
        );
        for wrong in ["products", "products/", "carts/1", ""] {
            let told = named(wrong).map(|_| ()).expect_err(wrong);
            assert_eq!(told.exit, Exit::Usage);
        }
    }
}
