//! Values as they are read: every type in canonical form, odd values kept, odd questions answered.

use crate::rig::{Shop, creating, decimal, on_both};
use duet_core::intent::Op;
use duet_core::value::Value;
use duet_ports::connector::{Connector, Position};
use duet_sql::Product;

async fn real_prices_are_equal_to_what_was_written(product: Product) {
    let shop =
        Shop::captured(product, "CREATE TABLE p (id int PRIMARY KEY, price real)", "p").await;
    let prices = ["18", "21.35", "263.5", "0.1", "97.01", "1234.56", "99999.9"];
    let calls = prices.iter().zip(1_i64..).map(|(price, id)| {
        creating(id.unsigned_abs().into(), &[("id", Value::Integer(id)), ("price", decimal(price))])
    });
    shop.send(Op::Create, calls.collect()).await;
    for (price, id) in prices.iter().zip(1..) {
        let read = shop.read(&id.to_string()).await;
        assert_eq!(read.image.get("price"), Some(&decimal(price)));
    }
}

async fn a_scan_goes_in_key_order_over_composite_keys(product: Product) {
    let order = match product {
        Product::Postgres => "\"C\"",
        Product::Sqlite => "BINARY",
    };
    let ddl = format!("CREATE TABLE l (o int, p text COLLATE {order}, q int, PRIMARY KEY (o, p))");
    let mut shop = Shop::captured(product, &ddl, "l").await;
    for o in 9..12 {
        shop.run(&format!(
            "INSERT INTO l VALUES ({o}, 'a-b', {o}), ({o}, 'B', {o}), ({o}, 'a', {o})"
        ))
        .await;
    }
    shop.collection.filter = Some("q <> 10".to_owned());
    let mut ids = Vec::new();
    let mut after = None;
    loop {
        let page = shop.side.scan(&shop.collection, after.as_ref(), 2).await;
        let page = page.expect("it can be scanned");
        assert_eq!(page.estimate.is_some(), after.is_none());
        ids.extend(page.records.into_iter().map(|record| record.record.as_str().to_owned()));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(ids, ["9-B", "9-a", "9-a%2Db", "11-B", "11-a", "11-a%2Db"]);
    let foreign = Position("no position".to_owned());
    assert!(shop.side.scan(&shop.collection, Some(&foreign), 2).await.is_err());
}

on_both!(real_prices_are_equal_to_what_was_written, a_scan_goes_in_key_order_over_composite_keys);
