//! The rows of one batch of verdicts, column by column, as a statement over arrays takes them. Says
//! what is to be written; each database says how.

use crate::stored::{checked, name_of, to_json};
use duet_core::agreed::Agreed;
use duet_core::id::{LinkId, RecordId};
use duet_core::link::{Alias, Link, Memory, Phase};
use duet_core::side::{Both, Side};
use duet_core::stamp::Stamp;
use duet_ports::store::{Decided, StoreError};
use std::collections::HashMap;
use uuid::Uuid;

/// What a unit knows of a link it has locked.
#[derive(Debug)]
pub(crate) struct Known {
    /// The revision under the lock.
    pub(crate) rev: i64,
    /// What is stored, once loaded: only what differs is written.
    pub(crate) stored: Option<StoredLink>,
}

/// What was loaded of a link, as far as it is compared before writing.
#[derive(Clone, Debug)]
pub(crate) struct StoredLink {
    pub(crate) record: Both<Option<RecordId>>,
    pub(crate) aliases: Vec<Alias>,
    /// JSON as stored.
    pub(crate) agreed: Option<String>,
    /// JSON as stored, per side.
    pub(crate) seen: Both<Option<String>>,
}

/// Rows of `links`.
#[derive(Debug, Default)]
pub(crate) struct LinkColumns {
    pub(crate) id: Vec<Uuid>,
    pub(crate) from_rev: Vec<i64>,
    pub(crate) rev: Vec<i64>,
    pub(crate) phase: Vec<String>,
    pub(crate) left_id: Vec<Option<String>>,
    pub(crate) right_id: Vec<Option<String>>,
    pub(crate) synced_at: Vec<Option<i64>>,
    pub(crate) synced_left: Vec<Option<i64>>,
    pub(crate) synced_right: Vec<Option<i64>>,
    pub(crate) due_at: Vec<Option<i64>>,
    pub(crate) waits: Vec<i32>,
    pub(crate) memory: Vec<Option<String>>,
}

/// Rows of `aliases`.
#[derive(Debug, Default)]
pub(crate) struct AliasColumns {
    pub(crate) flow: Vec<String>,
    pub(crate) side: Vec<&'static str>,
    pub(crate) record: Vec<String>,
    pub(crate) link: Vec<Uuid>,
}

/// Everything of the links themselves that a batch of verdicts changes.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    pub(crate) links: LinkColumns,
    /// Links whose record ids change: they let go of the old ones before anyone takes new ones.
    pub(crate) released: Vec<Uuid>,
    /// Links whose aliases change; theirs are written anew.
    pub(crate) realiased: Vec<Uuid>,
    pub(crate) aliases: AliasColumns,
    pub(crate) agreed: Vec<(Uuid, String)>,
    pub(crate) agreed_gone: Vec<Uuid>,
    pub(crate) seen: Vec<(Uuid, &'static str, String)>,
    pub(crate) seen_gone: Vec<(Uuid, &'static str)>,
}

impl Batch {
    /// The rows of verdicts that changed something.
    pub(crate) fn of(
        decided: &[Decided],
        known: &HashMap<LinkId, Known>,
    ) -> Result<Batch, StoreError> {
        let mut batch = Batch::default();
        for one in decided.iter().filter(|one| one.verdict.changed) {
            let stored = known.get(&one.verdict.link.id).and_then(|known| known.stored.as_ref());
            batch.add_link(one, stored)?;
            batch.add_agreed(one, stored)?;
            for side in Side::BOTH {
                batch.add_seen(one, side, stored)?;
            }
        }
        Ok(batch)
    }

    fn add_link(&mut self, one: &Decided, stored: Option<&StoredLink>) -> Result<(), StoreError> {
        let link = &one.verdict.link;
        self.links.push(link, one.from_rev)?;
        if stored.is_none_or(|stored| lets_go(&stored.record, link)) {
            self.released.push(link.id.0);
        }
        if stored.is_none_or(|stored| stored.aliases != link.aliases) {
            self.realiased.push(link.id.0);
            for alias in &link.aliases {
                self.aliases.push(link, alias)?;
            }
        }
        Ok(())
    }

    fn add_agreed(&mut self, one: &Decided, stored: Option<&StoredLink>) -> Result<(), StoreError> {
        let (id, agreed) = (one.verdict.link.id.0, &one.verdict.agreed);
        if *agreed == Agreed::None {
            if stored.is_none_or(|stored| stored.agreed.is_some()) {
                self.agreed_gone.push(id);
            }
            return Ok(());
        }
        let data = to_json("agreed", agreed)?;
        if stored.and_then(|stored| stored.agreed.as_ref()) != Some(&data) {
            self.agreed.push((id, data));
        }
        Ok(())
    }

    fn add_seen(
        &mut self,
        one: &Decided,
        side: Side,
        stored: Option<&StoredLink>,
    ) -> Result<(), StoreError> {
        let id = one.verdict.link.id.0;
        let before = stored.map(|stored| stored.seen.get(side).as_ref());
        let Some(observation) = one.verdict.seen.get(side) else {
            if before.is_none_or(|before| before.is_some()) {
                self.seen_gone.push((id, side.as_str()));
            }
            return Ok(());
        };
        let data = to_json("observation", observation)?;
        if before.flatten() != Some(&data) {
            self.seen.push((id, side.as_str(), data));
        }
        Ok(())
    }
}

impl LinkColumns {
    fn push(&mut self, link: &Link, from_rev: i64) -> Result<(), StoreError> {
        let text = |record: &Option<RecordId>| {
            record.as_ref().map(|id| checked("record id", id.as_str()).map(str::to_owned))
        };
        let micros = |stamp: Option<Stamp>| stamp.map(|stamp| stamp.0);
        self.left_id.push(text(&link.record.left).transpose()?);
        self.right_id.push(text(&link.record.right).transpose()?);
        self.id.push(link.id.0);
        self.from_rev.push(from_rev);
        self.rev.push(link.rev);
        self.phase.push(name_of(link.phase));
        self.synced_at.push(micros(link.synced_at));
        self.synced_left.push(micros(link.synced.left));
        self.synced_right.push(micros(link.synced.right));
        self.due_at.push(micros(link.due_at));
        self.memory.push(memory(&link.memory)?);
        self.waits.push(i32::try_from(link.waits).unwrap_or(i32::MAX));
        Ok(())
    }
}

impl AliasColumns {
    fn push(&mut self, link: &Link, alias: &Alias) -> Result<(), StoreError> {
        self.record.push(checked("alias", alias.record.as_str())?.to_owned());
        self.flow.push(link.flow.as_str().to_owned());
        self.side.push(alias.side.as_str());
        self.link.push(link.id.0);
        Ok(())
    }
}

/// Nothing remembered is stored as null.
fn memory(memory: &Memory) -> Result<Option<String>, StoreError> {
    match *memory == Memory::default() {
        true => Ok(None),
        false => to_json("memory", memory).map(Some),
    }
}

/// Whether a link gives up a record id that is stored with it.
fn lets_go(stored: &Both<Option<RecordId>>, link: &Link) -> bool {
    let holds = |side: Side| stored.get(side).is_some();
    let keeps = |side: Side| stored.get(side) == link.record.get(side);
    let joined = link.phase == Phase::Joined;
    Side::BOTH.into_iter().any(|side| holds(side) && (joined || !keeps(side)))
}
