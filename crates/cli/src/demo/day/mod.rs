//! The scripted day: scene by scene, people edit, duet decides, and what it decided is told from its
//! own rows. A scene is over when its records have come to rest; so the same seed gives the same day.

mod outage;
mod person;
mod together;

use super::chance::Chance;
use super::edit::{Did, Edit};
use super::flows::Flow;
use super::sample::Sample;
use super::shop::Hand;
use super::stage::{Stage, fields};
use super::teller::Teller;
use super::words;
use crate::exit::Failure;
use crate::output::short;
use duet_core::conflict::{Conflict, Scope};
use duet_core::side::Side;
use duet_core::stamp::Stamp;
use duet_core::value::Value as Held;
use duet_ports::clock::{Clock as _, System};
use serde_json::{Value, json};
use std::time::Duration;

/// Scenes of the day.
const SCENES: usize = 10;

/// What the clocks of two programs on one machine may seem to be apart.
const CLOCKS: Duration = Duration::from_millis(200);

/// A day under way.
pub(crate) struct Day<'a> {
    stage: &'a Stage,
    teller: &'a Teller,
    sample: &'a Sample,
    chance: Chance,
    /// How long Salesforce is away.
    outage: Duration,
    /// What people did so far.
    pub(crate) edits: Vec<Edit>,
    scene: usize,
    since: Stamp,
}

/// Whether edits are made at one time, or those of the shop surely later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Apart {
    AtOnce,
    ShopLater,
}

/// An edit to be made.
struct Plan(Side, &'static Flow, String, Did);

impl<'a> Day<'a> {
    /// Begins a day.
    pub(crate) fn new(
        stage: &'a Stage,
        teller: &'a Teller,
        sample: &'a Sample,
        chance: Chance,
        outage: Duration,
    ) -> Day<'a> {
        let (edits, since) = (Vec::new(), System.now());
        Day { stage, teller, sample, chance, outage, edits, scene: 0, since }
    }

    /// Plays it, and tells it.
    pub(crate) async fn play(&mut self) -> Result<(), Failure> {
        self.one_side().await?;
        self.different_fields().await?;
        self.one_field_for_a_person().await?;
        self.one_field_by_rule().await?;
        self.stock().await?;
        self.order().await?;
        self.deletion().await?;
        self.refused().await?;
        self.outage().await?;
        self.duplicate().await?;
        self.stage.rest("duet has nothing more to do").await
    }

    fn begin(&mut self, title: &str) -> Result<(), Failure> {
        self.scene += 1;
        self.since = System.now();
        self.teller.wait_for(format!("{} of {SCENES}: {title}", self.scene));
        self.teller.head(&format!("{:>2}  {title}", self.scene))
    }

    /// People make these edits at one time, which is told.
    async fn people(&mut self, plans: Vec<Plan>, apart: Apart) -> Result<(), Failure> {
        for Plan(side, flow, key, did) in &plans {
            self.teller.say(place(*side), &told(flow, key, did))?;
        }
        self.make(plans, apart).await
    }

    /// Edits at one time: what the shop does is seen once all is done, so that duet can't come in
    /// between.
    async fn make(&mut self, plans: Vec<Plan>, apart: Apart) -> Result<(), Failure> {
        let mut hand = self.stage.shop.begin().await?;
        for Plan(_, flow, key, did) in plans.iter().filter(|plan| plan.0 == Side::Left) {
            self.by_petra(flow, key, did).await?;
        }
        if apart == Apart::ShopLater {
            tokio::time::sleep(until_surely_later()).await;
        }
        for Plan(_, flow, key, did) in plans.iter().filter(|plan| plan.0 == Side::Right) {
            by_sam(&mut hand, flow, key, did).await?;
        }
        hand.commit().await?;
        for Plan(side, flow, key, did) in plans {
            self.edits.push(Edit { scene: self.scene, side, flow, key, did });
        }
        Ok(())
    }

    /// An edit in Salesforce, by its user interface.
    async fn by_petra(&self, flow: &Flow, key: &str, did: &Did) -> Result<(), Failure> {
        let Some(record) = self.stage.org.find(flow, key)? else { return Ok(()) };
        let set = |field: &str, value: Value| {
            let field = flow.field(field).expect("the scenes name fields of their flows");
            fields(json!({ field.left: value }))
        };
        let body = match did {
            Did::Set { field, value } => {
                let kind = flow.field(field).expect("a field of the flow").kind;
                set(field, json!(kind.to_left(value)))
            }
            Did::Count { field, by, from } => set(field, json!(from + by)),
            Did::Make { .. } | Did::Delete => return Ok(()),
        };
        self.stage.org.update(flow.object, &record.id, body).await
    }

    /// Waits until both sides hold these values of a row of the shop.
    async fn until_agreed(
        &self,
        flow: &Flow,
        key: &str,
        wanted: &[(&str, String)],
    ) -> Result<(), Failure> {
        let what = format!("both sides agree on {}", words::record(flow, key));
        self.stage.until(&what, async || self.stage.agree(flow, key, wanted).await).await
    }

    /// What duet decided about fields of a record in this scene, and what it wrote.
    async fn tell(
        &self,
        flow: &Flow,
        side: Side,
        record: &str,
        of: &[&str],
    ) -> Result<(), Failure> {
        let told = self.stage.explain(flow, side, record).await?;
        for line in words::decided(&told, of, self.since) {
            self.teller.say("duet", &line)?;
        }
        for line in words::written(&told, of, self.since) {
            self.teller.say("wrote", &line)?;
        }
        Ok(())
    }

    /// What duet decided about a record as a whole in this scene.
    async fn tell_record(&self, flow: &Flow, side: Side, record: &str) -> Result<(), Failure> {
        let detail = self.stage.detail(flow, side, record).await?;
        let rows = detail.map(|detail| detail.decisions).unwrap_or_default();
        match words::decided_of_record(&rows, self.since) {
            Some(line) => self.teller.say("duet", &line),
            None => Ok(()),
        }
    }

    /// Waits until a conflict about a record waits for a person and holds what was done, and tells it.
    async fn tell_conflict(
        &self,
        flow: &Flow,
        side: Side,
        record: &str,
        holds: impl Fn(&Conflict) -> bool,
    ) -> Result<(), Failure> {
        let what = format!("a person is asked about {}", words::record(flow, record));
        let stage = self.stage;
        let open = async || {
            let conflict = stage.open_conflict(flow, side, record).await?;
            Ok(conflict.is_some_and(|conflict| holds(&conflict)))
        };
        stage.until(&what, open).await?;
        let Some(conflict) = stage.open_conflict(flow, side, record).await? else { return Ok(()) };
        match &conflict.scope {
            Scope::Field(field) => self.tell(flow, side, record, &[field.as_str()]).await?,
            Scope::Record => self.tell_record(flow, side, record).await?,
        }
        let kind = serde_json::to_value(conflict.kind).unwrap_or_default();
        let (id, kind) = (short(&conflict.id.to_string()), kind.as_str().unwrap_or_default());
        let text = format!("conflict {id} ({kind}) is open; nothing is overwritten");
        self.teller.say("waits", &text)
    }

    /// Another city than the customer's.
    fn new_city(&mut self, customer: &str) -> String {
        let old = self.sample.customer(customer).city;
        super::sample::other_city(&mut self.chance, &[old]).to_owned()
    }

    /// A new phone number.
    fn new_phone(&mut self) -> String {
        super::sample::phone(&mut self.chance)
    }
}

/// An edit in the shop.
async fn by_sam(hand: &mut Hand, flow: &Flow, key: &str, did: &Did) -> Result<(), Failure> {
    match did {
        Did::Set { field, value } => {
            hand.set(flow, key, column(flow, field), &json!(value)).await.map(drop)
        }
        Did::Count { field, by, .. } => hand.add(flow, key, column(flow, field), *by).await,
        Did::Delete => hand.delete(flow, key).await,
        Did::Make { .. } => Ok(()),
    }
}

fn column(flow: &Flow, field: &str) -> &'static str {
    flow.field(field).expect("the scenes name fields of their flows").right
}

/// How long it is until an edit is surely later than one in Salesforce just now, whose stamp is cut to
/// its second: what is later must be more than a second beyond that.
fn until_surely_later() -> Duration {
    let into_second = System.now().0.rem_euclid(Stamp::SECOND);
    let rest = u64::try_from(Stamp::SECOND - into_second).unwrap_or_default();
    Duration::from_micros(rest).saturating_add(CLOCKS)
}

/// What a side is called in a label.
fn place(side: Side) -> &'static str {
    match side {
        Side::Left => "Salesforce",
        Side::Right => "shop",
    }
}

fn told(flow: &Flow, key: &str, did: &Did) -> String {
    let record = words::record(flow, key);
    match did {
        Did::Set { field, value } => format!("{record}: {field} = {value:?}"),
        Did::Count { field, by, from } => {
            format!("{record}: {field} {from} -> {} ({by:+})", from + by)
        }
        Did::Make { .. } => format!("{record} is made"),
        Did::Delete => format!("{record} is deleted"),
    }
}

/// Whether each side's part of a conflict holds this of a field.
fn both_told(conflict: &Conflict, field: &str, left: &str, right: Option<&str>) -> bool {
    let told = |side, wanted: &str| {
        conflict.sides.get(side).values.get(field) == Some(&Held::text(wanted))
    };
    told(Side::Left, left) && right.is_none_or(|right| told(Side::Right, right))
}

fn set(field: &'static str, value: &str) -> Did {
    Did::Set { field, value: value.to_owned() }
}
