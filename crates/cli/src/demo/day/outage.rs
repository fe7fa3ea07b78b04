//! Salesforce is away for a while, and the shop goes on.

use super::super::flows::CUSTOMERS;
use super::{Apart, Day, Plan, set};
use crate::exit::Failure;
use crate::output::count;
use duet_core::side::Side;
use duet_ports::inspect::ConnectionRow;
use serde_json::json;
use std::time::Duration;
use tokio::time::Instant;

impl Day<'_> {
    pub(super) async fn outage(&mut self) -> Result<(), Failure> {
        let length = self.outage;
        self.begin("Salesforce is away, the shop goes on")?;
        let millis = u64::try_from(length.as_millis()).unwrap_or(u64::MAX);
        self.stage.org.faults(&json!({ "outage_ms": millis })).await?;
        let begun = Instant::now();
        self.teller.say("Salesforce", &format!("cuts every connection for {}", seconds(length)))?;
        let keys = self.sample.cast.outage.clone();
        let cities: Vec<String> = keys.iter().map(|key| self.new_city(key)).collect();
        self.teller.say("shop", &format!("customers/{} get another city", keys.join(", ")))?;
        for (key, city) in keys.iter().zip(&cities) {
            let plan = Plan(Side::Right, &CUSTOMERS, key.clone(), set("city", city));
            self.make(vec![plan], Apart::AtOnce).await?;
        }
        self.tell_waiting(&keys).await?;
        self.until_back(begun + length).await;
        for (key, city) in keys.iter().zip(cities) {
            self.until_agreed(&CUSTOMERS, key, &[("city", city)]).await?;
        }
        let later = begun.elapsed().saturating_sub(length);
        let all =
            format!("all {} arrived {} after Salesforce was back", keys.len(), seconds(later));
        self.teller.say("duet", &format!("{all}; {}", self.tries(&keys).await?))
    }

    /// Every edit is known to duet and planned, and the connection rests.
    async fn tell_waiting(&self, keys: &[String]) -> Result<(), Failure> {
        let all_wait =
            async || Ok(self.waiting(keys).await? == keys.len() && self.rests().await?.is_some());
        self.stage.until("what the shop did waits for Salesforce", all_wait).await?;
        let number = u64::try_from(self.waiting(keys).await?).unwrap_or(u64::MAX);
        let why = self.rests().await?.and_then(|one| one.reason).unwrap_or_default();
        let text = format!(
            "{} in its state; the connection rests ({why}) and is tried again after 1, 2, 4, 8 s",
            count(number, "change waits", "changes wait"),
        );
        self.teller.say("duet", &text)
    }

    async fn waiting(&self, keys: &[String]) -> Result<usize, Failure> {
        let mut waiting = 0;
        for key in keys {
            waiting += usize::from(!self.stage.is_quiet(&CUSTOMERS, Side::Right, key).await?);
        }
        Ok(waiting)
    }

    /// The connection that rests.
    async fn rests(&self) -> Result<Option<ConnectionRow>, Failure> {
        let connections = self.stage.context.store.connections().await?;
        Ok(connections.into_iter().find(|one| one.paused_until.is_some()))
    }

    /// Counts down until Salesforce answers again: nothing can be decided earlier.
    async fn until_back(&self, back: Instant) {
        while Instant::now() < back {
            let left = back.saturating_duration_since(Instant::now());
            let scene = self.scene;
            self.teller.wait_for(format!(
                "{scene} of {}: back in {}",
                super::SCENES,
                seconds(left)
            ));
            tokio::time::sleep(left.min(Duration::from_millis(500))).await;
        }
    }

    /// How often it was tried.
    async fn tries(&self, keys: &[String]) -> Result<String, Failure> {
        let (mut calls, mut landed) = (0, 0);
        for key in keys {
            let told = self.stage.explain(&CUSTOMERS, Side::Right, key).await?;
            let of_scene = told.calls.iter().filter(|call| call.sent_at >= self.since);
            let writes = of_scene.filter(|call| call.op.is_some_and(|op| op.writes()));
            let outcomes: Vec<&str> = writes.map(|call| call.outcome.as_str()).collect();
            calls += outcomes.len();
            landed += outcomes.iter().filter(|outcome| **outcome == "landed").count();
        }
        Ok(format!("{calls} writes tried, {landed} landed, none twice"))
    }
}

fn seconds(length: Duration) -> String {
    format!("{:.1} s", length.as_secs_f64())
}
