//! Scenes that end in agreement: one side, different fields, a rule, a counter, an order.

use super::super::edit::{Did, Edit};
use super::super::flows::{CUSTOMERS, ORDERS, PRODUCTS};
use super::{Apart, Day, Plan, set};
use crate::exit::Failure;
use duet_core::side::Side;
use duet_ports::clock::{Clock as _, System};
use serde_json::json;

/// The new order, and its tracking number.
const ORDER: &str = "5101";
/// What the new order begins with.
const PLACED: &str = "2026-11-29";

impl Day<'_> {
    pub(super) async fn one_side(&mut self) -> Result<(), Failure> {
        self.begin("An edit in the shop, an edit in Salesforce")?;
        let keys = self.sample.cast.one_side.clone();
        let (city, phone) = (self.new_city(&keys.right), self.new_phone());
        let plans = vec![
            Plan(Side::Left, &CUSTOMERS, keys.left.clone(), set("phone", &phone)),
            Plan(Side::Right, &CUSTOMERS, keys.right.clone(), set("city", &city)),
        ];
        self.people(plans, Apart::AtOnce).await?;
        self.until_agreed(&CUSTOMERS, &keys.left, &[("phone", phone)]).await?;
        self.until_agreed(&CUSTOMERS, &keys.right, &[("city", city)]).await?;
        self.tell(&CUSTOMERS, Side::Right, &keys.left, &["phone"]).await?;
        self.tell(&CUSTOMERS, Side::Right, &keys.right, &["city"]).await
    }

    pub(super) async fn different_fields(&mut self) -> Result<(), Failure> {
        self.begin("The same customer on both sides, in different fields")?;
        let key = self.sample.cast.apart.clone();
        let (city, phone) = (self.new_city(&key), self.new_phone());
        let plans = vec![
            Plan(Side::Left, &CUSTOMERS, key.clone(), set("phone", &phone)),
            Plan(Side::Right, &CUSTOMERS, key.clone(), set("city", &city)),
        ];
        self.people(plans, Apart::AtOnce).await?;
        self.until_agreed(&CUSTOMERS, &key, &[("phone", phone), ("city", city)]).await?;
        self.tell(&CUSTOMERS, Side::Right, &key, &["phone", "city"]).await
    }

    pub(super) async fn one_field_by_rule(&mut self) -> Result<(), Failure> {
        self.begin("The same field again, but its rule says: the later edit wins")?;
        let key = self.sample.cast.city.clone();
        let old = self.sample.customer(&key).city;
        let earlier = self.new_city(&key);
        let later = super::super::sample::other_city(&mut self.chance, &[old, &earlier]).to_owned();
        let plans = vec![
            Plan(Side::Left, &CUSTOMERS, key.clone(), set("city", &earlier)),
            Plan(Side::Right, &CUSTOMERS, key.clone(), set("city", &later)),
        ];
        self.people(plans, Apart::ShopLater).await?;
        self.until_agreed(&CUSTOMERS, &key, &[("city", later)]).await?;
        self.tell(&CUSTOMERS, Side::Right, &key, &["city"]).await?;
        self.teller.say("kept", &format!("{earlier:?}, in the history of this conflict"))
    }

    pub(super) async fn stock(&mut self) -> Result<(), Failure> {
        self.begin("Stock: Salesforce sells, the shop receives")?;
        let sku = self.sample.cast.counted.clone();
        let from = self.sample.products[0].stock;
        let (sold, received) = (-self.chance.between(1, 5), self.chance.between(6, 12));
        let count = |by| Did::Count { field: "stock", by, from };
        let plans = vec![
            Plan(Side::Left, &PRODUCTS, sku.clone(), count(sold)),
            Plan(Side::Right, &PRODUCTS, sku.clone(), count(received)),
        ];
        self.people(plans, Apart::AtOnce).await?;
        let sum = from + sold + received;
        self.until_agreed(&PRODUCTS, &sku, &[("stock", sum.to_string())]).await?;
        self.tell(&PRODUCTS, Side::Right, &sku, &["stock"]).await?;
        self.teller.say("both hold", &format!("{from} {sold:+} {received:+} = {sum}"))
    }

    pub(super) async fn order(&mut self) -> Result<(), Failure> {
        self.begin("An order is taken in the shop and shipped from Salesforce")?;
        let buyer = self.sample.cast.buyer.clone();
        self.take_order(&buyer).await?;
        let of_new =
            [("customer_id", buyer), ("placed", PLACED.to_owned()), ("status", "new".to_owned())];
        self.until_agreed(&ORDERS, ORDER, &of_new).await?;
        self.tell_record(&ORDERS, Side::Right, ORDER).await?;
        self.tell(&ORDERS, Side::Right, ORDER, &["status"]).await?;
        self.since = System.now();
        let tracking = format!("NO{}", self.chance.between(10_000_000, 99_999_999));
        let plans = vec![
            Plan(Side::Left, &ORDERS, ORDER.to_owned(), set("status", "shipped")),
            Plan(Side::Left, &ORDERS, ORDER.to_owned(), set("tracking", &tracking)),
        ];
        self.people(plans, Apart::AtOnce).await?;
        let shipped = [("status", "shipped".to_owned()), ("tracking", tracking)];
        self.until_agreed(&ORDERS, ORDER, &shipped).await?;
        self.tell(&ORDERS, Side::Right, ORDER, &["status", "tracking"]).await
    }

    async fn take_order(&mut self, buyer: &str) -> Result<(), Failure> {
        let mut hand = self.stage.shop.begin().await?;
        let values = [json!(ORDER), json!(buyer), json!(PLACED)];
        hand.run("INSERT INTO orders VALUES (?, ?, ?, 'new', NULL)", &values).await?;
        hand.commit().await?;
        let did = Did::Make { id: None };
        self.teller.say("shop", &format!("orders/{ORDER} is made, for customers/{buyer}"))?;
        let (scene, key) = (self.scene, ORDER.to_owned());
        self.edits.push(Edit { scene, side: Side::Right, flow: &ORDERS, key, did });
        Ok(())
    }
}
