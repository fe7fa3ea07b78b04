//! The rows of one batch of verdicts, column by column, as a statement over arrays takes them. Says
//! what is to be written; each database says how.

use crate::stored::{checked, name_of, to_json};
use duet_core::agreed::Agreed;
use duet_core::id::{LinkId, RecordId};
use duet_core::link::{Alias, Link, Memory, Phase};
use duet_core::side::{Both, Side};
use duet_core::stamp::Stamp;
use duet_core::verdict::Verdict;
use duet_ports::store::{Contents, Decided, StoreError};
use std::collections::HashMap;
use std::sync::Arc;
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
    pub(crate) contents: Arc<Contents>,
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

/// A row of `contents`.
#[derive(Debug)]
pub(crate) struct ContentsRow {
    pub(crate) link: Uuid,
    /// Which of the following are written: [`AGREED`], [`SEEN`].
    pub(crate) written: i32,
    pub(crate) agreed: Option<String>,
    pub(crate) seen: Both<Option<String>>,
}

/// In [`ContentsRow::written`]: the agreed state.
const AGREED: i32 = 1;
/// In [`ContentsRow::written`]: what was seen of a side.
const SEEN: Both<i32> = Both { left: 2, right: 4 };

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
    /// Links that have such a row.
    pub(crate) contents: Vec<ContentsRow>,
    /// Links that may have none yet; all of it is written.
    pub(crate) new_contents: Vec<ContentsRow>,
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
            let stored = stored.map(|stored| stored.contents.as_ref());
            let row = ContentsRow::of(one, stored)?;
            match stored.is_some_and(has_row) {
                _ if row.written == 0 => {}
                true => batch.contents.push(row),
                false => batch.new_contents.push(row),
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

impl ContentsRow {
    /// What isn't known to be stored as it is.
    fn of(one: &Decided, stored: Option<&Contents>) -> Result<ContentsRow, StoreError> {
        let Verdict { link, agreed, seen, .. } = &one.verdict;
        let seen_now = |side: Side| seen.get(side).as_ref();
        let mut row =
            ContentsRow { link: link.id.0, written: 0, agreed: None, seen: Both::default() };
        if stored.is_none_or(|stored| stored.agreed != *agreed) {
            row.written |= AGREED;
            let is_any = *agreed != Agreed::None;
            row.agreed = is_any.then(|| to_json("agreed", agreed)).transpose()?;
        }
        for side in Side::BOTH {
            let now = seen_now(side);
            if stored.is_none_or(|stored| stored.seen.get(side).as_ref() != now) {
                row.written |= SEEN.get(side);
                *row.seen.get_mut(side) =
                    now.map(|seen| to_json("observation", seen)).transpose()?;
            }
        }
        Ok(row)
    }
}

/// Whether a row of `contents` stands for it.
fn has_row(contents: &Contents) -> bool {
    contents.agreed != Agreed::None
        || Side::BOTH.iter().any(|side| contents.seen.get(*side).is_some())
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
