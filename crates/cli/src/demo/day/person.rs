//! Scenes that end with a person: one field on both sides, a deletion against an edit, values that
//! the other side doesn't take, a duplicate.

use super::super::edit::{Did, Edit};
use super::super::flows::CUSTOMERS;
use super::super::stage::fields;
use super::{Apart, Day, Plan, both_told, set};
use crate::exit::Failure;
use duet_core::conflict::Conflict;
use duet_core::field_error::FieldError;
use duet_core::intent::{Intent, IntentState};
use duet_core::side::Side;
use serde_json::json;

/// A city that Salesforce refuses.
const REFUSED: &str = "n/a";
/// What its rule says.
const WORDS: &str = "Enter the city, or leave it empty.";
/// What somebody typed for a phone number: 40 characters is what Salesforce holds.
const LONG: &str = "22 11 00 99 (mornings), 22 11 00 98 (all other times)";

impl Day<'_> {
    pub(super) async fn one_field_for_a_person(&mut self) -> Result<(), Failure> {
        self.begin("The same field on both sides: phone numbers are for a person")?;
        let key = self.sample.cast.phone.clone();
        let (left, right) = (self.new_phone(), self.new_phone());
        let plans = vec![
            Plan(Side::Left, &CUSTOMERS, key.clone(), set("phone", &left)),
            Plan(Side::Right, &CUSTOMERS, key.clone(), set("phone", &right)),
        ];
        self.people(plans, Apart::AtOnce).await?;
        let holds = |one: &Conflict| both_told(one, "phone", &left, Some(&right));
        self.tell_conflict(&CUSTOMERS, Side::Right, &key, holds).await
    }

    pub(super) async fn deletion(&mut self) -> Result<(), Failure> {
        self.begin("Deleted in the shop, edited in Salesforce")?;
        let (key, phone) = (self.sample.cast.deleted.clone(), self.new_phone());
        let plans = vec![
            Plan(Side::Left, &CUSTOMERS, key.clone(), set("phone", &phone)),
            Plan(Side::Right, &CUSTOMERS, key.clone(), Did::Delete),
        ];
        self.people(plans, Apart::AtOnce).await?;
        let holds = |one: &Conflict| both_told(one, "phone", &phone, None);
        self.tell_conflict(&CUSTOMERS, Side::Right, &key, holds).await
    }

    pub(super) async fn refused(&mut self) -> Result<(), Failure> {
        self.begin("Values that Salesforce doesn't take")?;
        let rule = json!({ "object": "Account", "field": "BillingCity", "value": REFUSED,
            "message": WORDS });
        self.stage.org.faults(&json!({ "refuse": [rule] })).await?;
        let (refused, long) = (self.sample.cast.refused.clone(), self.sample.cast.long.clone());
        let plans = vec![
            Plan(Side::Right, &CUSTOMERS, refused.clone(), set("city", REFUSED)),
            Plan(Side::Right, &CUSTOMERS, long.clone(), set("phone", LONG)),
        ];
        self.people(plans, Apart::AtOnce).await?;
        self.tell_refused(&refused).await?;
        self.tell_kept_back(&long).await
    }

    async fn tell_refused(&self, key: &str) -> Result<(), Failure> {
        let is_refused = async || Ok(self.parked(key).await?.is_some());
        self.stage.until("Salesforce refuses the city", is_refused).await?;
        self.tell(&CUSTOMERS, Side::Right, key, &["city"]).await?;
        let failure = self.parked(key).await?.and_then(|intent| intent.failure);
        let told = failure.map(|failure| format!("{}: {}", failure.code, failure.message));
        let told = told.unwrap_or_default();
        self.teller.say("refused", &format!("{told} It waits in `errors list`."))
    }

    /// The call about a customer that isn't tried again by itself.
    async fn parked(&self, key: &str) -> Result<Option<Intent>, Failure> {
        let detail = self.stage.detail(&CUSTOMERS, Side::Right, key).await?;
        let intents = detail.map(|detail| detail.intents).unwrap_or_default();
        Ok(intents.into_iter().find(|intent| intent.state == IntentState::Parked))
    }

    async fn tell_kept_back(&self, key: &str) -> Result<(), Failure> {
        let stage = self.stage;
        let is_kept = async || {
            let quiet = stage.is_quiet(&CUSTOMERS, Side::Right, key).await?;
            Ok(quiet && self.kept(key).await?.is_some())
        };
        stage.until("the number is kept back", is_kept).await?;
        self.tell(&CUSTOMERS, Side::Right, key, &["phone"]).await?;
        let reason = self.kept(key).await?.map(|error| error.reason).unwrap_or_default();
        self.teller.say("kept back", &format!("{reason}; nothing is cut off"))
    }

    /// The value of a customer that is kept back.
    async fn kept(&self, key: &str) -> Result<Option<FieldError>, Failure> {
        let detail = self.stage.detail(&CUSTOMERS, Side::Right, key).await?;
        let errors = detail.map(|detail| detail.link.memory.field_errors).unwrap_or_default();
        Ok(errors.into_iter().next())
    }

    pub(super) async fn duplicate(&mut self) -> Result<(), Failure> {
        self.begin("A customer is made a second time in Salesforce")?;
        let original = self.sample.customer(&self.sample.cast.twice).clone();
        let record = json!({ "Name": original.name, "Email__c": original.email,
            "Phone": self.new_phone() });
        let id = self.stage.org.create(CUSTOMERS.object, fields(record)).await?;
        let text =
            format!("a new account for {}, who is customers/{}", original.email, original.key);
        self.teller.say("Salesforce", &text)?;
        self.edits.push(Edit {
            scene: self.scene,
            side: Side::Left,
            flow: &CUSTOMERS,
            key: original.email,
            did: Did::Make { id: Some(id.clone()) },
        });
        self.tell_conflict(&CUSTOMERS, Side::Left, &id, |_| true).await
    }
}
