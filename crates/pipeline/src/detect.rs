//! Detect: reads what is new at one source and publishes it under numbers; gives up a position
//! only when the store has settled everything read before it (design, 2.3). What a source can't tell
//! any more is found by a scan (`gap`).

mod gap;

use crate::batch::Batch;
use crate::context::{Context, Tally};
use crate::error::StageError;
use crate::letter;
use crate::settled::Ledger;
use duet_core::id::{FlowName, RecordId};
use duet_core::side::Side;
use duet_core::spec::FlowSpec;
use duet_ports::connector::{Detected, Detector, Position, Reading};
use duet_ports::envelope::{Body, ChangeV1, ENVELOPE_VERSION, Envelope, Numbered, WhatV1};
use duet_ports::hub::{BODY_LIMIT_BYTES, Depth, Outgoing, Published, Queue};
use duet_ports::partition::partition;
use duet_ports::store::{Lease, StoreError};
use gap::Gap;
use serde_json::value::RawValue;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Most changes in one message: the broker's cost is per message, the store's per record.
pub const CHANGES_PER_MESSAGE: usize = 50;
/// Most bytes of changes in one message; what is left of the hub's limit is for the envelope.
const MESSAGE_BYTES: usize = BODY_LIMIT_BYTES - 64 * 1024;
/// Most changes read at once.
const READ: usize = 1_000;

/// What a step of a detector did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Changes read.
    pub read: usize,
    /// Messages settled since the last step.
    pub settled: usize,
    /// More is waiting at the source right now.
    pub more: bool,
    /// Messages not settled yet.
    pub unsettled: usize,
    /// A gap is being closed by a scan.
    pub scanning: bool,
}

/// Reads one source under one lease.
pub struct Detection {
    flow: FlowName,
    side: Side,
    source: String,
    holder: String,
    lease: Lease,
    detector: Box<dyn Detector>,
    ledger: Ledger,
    /// Positions that are settled and that the source doesn't know of yet.
    owed: Vec<Position>,
    /// Numbers of a reading with key changes: after the first one, up to the last. They leave when
    /// everything before is settled, and nothing is read until they are, because ids mean other
    /// records before and after, and partitions keep no order among each other.
    turn: Option<(i64, i64)>,
    /// A reading was put off meanwhile.
    put_off: bool,
    /// What the source could not tell, being found by a scan: until then no position is stored.
    gap: Option<Gap>,
    spec: Arc<FlowSpec>,
}

/// The name of a source, in messages, cursors and leases.
#[must_use]
pub fn source_name(flow: &FlowName, side: Side) -> String {
    format!("{flow}/{side}")
}

impl Detection {
    /// Takes the lease of a source and opens it where it was left. `None`: another process reads it.
    /// If the source can't be read from there any more it is opened at its present end, and a scan
    /// finds what was missed.
    ///
    /// # Errors
    /// When the store or the side can't be reached.
    pub async fn open(
        context: &Context,
        spec: &Arc<FlowSpec>,
        side: Side,
    ) -> Result<Option<Detection>, StageError> {
        let (source, holder) = (source_name(&spec.name, side), context.holder());
        let Some(lease) = lease(context, &source, &holder).await? else { return Ok(None) };
        match detector(context, spec, side, &source, &lease).await {
            Ok((detector, gap)) => Ok(Some(Detection {
                flow: spec.name.clone(),
                side,
                source,
                holder,
                lease,
                detector,
                ledger: Ledger::default(),
                owed: Vec::new(),
                turn: None,
                put_off: false,
                gap,
                spec: Arc::clone(spec),
            })),
            Err(error) => {
                context.store.release(&lease).await?;
                Err(error)
            }
        }
    }

    /// The flow and side it reads.
    #[must_use]
    pub fn place(&self) -> (&FlowName, Side) {
        (&self.flow, self.side)
    }

    /// The specification it reads by.
    #[must_use]
    pub fn spec(&self) -> &FlowSpec {
        &self.spec
    }

    /// The position that covers every change up to now.
    ///
    /// # Errors
    /// When the side can't be read.
    pub async fn head(&mut self) -> Result<Position, StageError> {
        Ok(self.detector.head().await?)
    }

    /// Whether everything up to a position has been read and settled.
    ///
    /// # Errors
    /// When the side can't be read.
    pub async fn settled_up_to(&mut self, head: &Position) -> Result<bool, StageError> {
        let idle = self.ledger.is_idle() && self.owed.is_empty() && self.gap.is_none();
        Ok(idle && self.detector.reached(head).await?)
    }

    /// Waits for news of the source, at most `patience`.
    pub async fn wait(&mut self, patience: std::time::Duration) {
        self.detector.wait(patience).await;
    }

    /// Gives the lease back.
    ///
    /// # Errors
    /// When the store can't be reached; the lease then runs out by itself.
    pub async fn close(self, context: &Context) -> Result<(), StoreError> {
        if let Some(gap) = self.gap {
            gap.leave(context).await?;
        }
        context.store.release(&self.lease).await
    }

    /// Renews the lease, gives up what is settled, sends again what was lost, and, with `read`,
    /// reads what is new.
    ///
    /// Idempotence: changes read twice are published twice and join to the same observation;
    /// positions are given up by number, and giving up twice changes nothing.
    ///
    /// # Errors
    /// [`StageError::LeaseHeld`] when another process took the source over: drop this detection.
    /// A lost position: close it and open the source again. Else when a port can't be reached: step
    /// again later.
    pub async fn step(&mut self, context: &Context, read: bool) -> Result<Progress, StageError> {
        self.renew(context).await?;
        let settled = self.give_up(context).await?;
        self.publish_again(context).await?;
        let mut progress = Progress { settled, ..Progress::default() };
        let room = context.options.unsettled_max.saturating_sub(self.ledger.unsettled());
        if room > 0 && self.may_read(read) {
            let reading = self.detector.detect(READ).await?;
            progress.read = reading.changes.len();
            progress.more = reading.more;
            Tally::add(&context.tally.read, progress.read);
            self.take(context, reading);
            self.publish_again(context).await?;
        }
        progress.scanning = self.close_gap(context).await?;
        progress.unsettled = self.ledger.unsettled();
        Ok(progress)
    }

    /// Whether to read now: not before key changes that were read are settled.
    fn may_read(&mut self, asked: bool) -> bool {
        let settled = self.ledger.settled_up_to();
        self.turn.take_if(|(_, last)| *last <= settled);
        self.put_off |= asked;
        self.turn.is_none() && std::mem::take(&mut self.put_off)
    }

    async fn renew(&mut self, context: &Context) -> Result<(), StageError> {
        let now = context.clock.now();
        let length = i64::try_from(context.options.lease.as_micros()).unwrap_or(i64::MAX);
        if self.lease.until.0.saturating_sub(now.0) > length / 3 * 2 {
            return Ok(());
        }
        match lease(context, &self.source, &self.holder).await? {
            Some(renewed) if renewed.token == self.lease.token => {
                self.lease = renewed;
                Ok(())
            }
            // A new token means that the lease had run out: what this detection has in flight
            // carries the old one, so it starts over.
            Some(renewed) => {
                context.store.release(&renewed).await?;
                Err(StageError::LeaseHeld { name: self.lease.name.clone() })
            }
            None => Err(StageError::LeaseHeld { name: self.lease.name.clone() }),
        }
    }

    /// Gives up the positions of everything that the store has settled.
    async fn give_up(&mut self, context: &Context) -> Result<usize, StageError> {
        if self.ledger.is_idle() && self.owed.is_empty() && self.gap.is_none() {
            return Ok(0);
        }
        let before = self.ledger.settled_up_to();
        let numbers = context.store.settled(&self.source, self.lease.token).await?;
        self.owed.append(&mut self.ledger.settle(&numbers));
        let settled = self.ledger.settled_up_to();
        // A scan's messages have marks to be deleted, but no position of their own.
        let scanned = self.gap.is_some() && settled > before;
        let closed = self.gap.as_ref().is_some_and(|gap| gap.is_closed(settled));
        if self.owed.is_empty() && !scanned && !closed {
            return Ok(0);
        }
        if !self.owed.is_empty() {
            self.detector.settle(&self.owed).await?;
        }
        let cursor = if self.gap.is_none() || closed { self.detector.cursor() } else { None };
        let (token, now) = (self.lease.token, context.clock.now());
        let ours =
            context.store.advance(&self.source, token, cursor.as_ref(), settled, now).await?;
        if !ours {
            return Err(StageError::LeaseHeld { name: self.lease.name.clone() });
        }
        self.owed.clear();
        if let Some(gap) = self.gap.take_if(|_| closed) {
            tracing::info!(source = %self.source, "the gap is closed");
            gap.leave(context).await?;
        }
        Ok(numbers.len())
    }

    /// Numbers a reading's changes, some to a message, by partition.
    fn take(&mut self, context: &Context, reading: Reading) {
        let Some(position) = reading.position else { return };
        let moves = reading.changes.iter().any(|one| matches!(one.what, WhatV1::KeyChanged { .. }));
        let before = self.ledger.last();
        self.number_all(context, reading.changes);
        self.turn = moves.then(|| (before, self.ledger.last()));
        self.ledger.read(position);
    }

    fn number_all(&mut self, context: &Context, changes: Vec<Detected>) {
        let mut by_partition: BTreeMap<u32, Vec<Box<RawValue>>> = BTreeMap::new();
        let homes = homes(&changes);
        for change in changes {
            let home = homes.get(&change.record).unwrap_or(&change.record);
            let number = partition(&self.flow, self.side, home, context.options.partitions);
            by_partition.entry(number).or_default().push(self.encode(change));
        }
        for (partition, changes) in by_partition {
            for part in messages(changes) {
                self.number(partition, part);
            }
        }
    }

    fn encode(&self, change: Detected) -> Box<RawValue> {
        let change = ChangeV1 {
            flow: self.flow.clone(),
            side: self.side,
            record: change.record,
            what: change.what,
        };
        serde_json::value::to_raw_value(&change).expect("a change has no failing serializer")
    }

    fn number(&mut self, partition: u32, changes: Vec<Box<RawValue>>) {
        let number = self.ledger.number();
        let numbered = Numbered { source: self.source.clone(), token: self.lease.token, number };
        let body = Body::Changes { changes };
        let envelope = Envelope { v: ENVELOPE_VERSION, number: Some(numbered), body };
        self.ledger.add(number, partition, envelope);
    }

    /// Publishes what was never accepted, and what has been silent for too long while its queue
    /// shows nothing ready or a later number is settled.
    async fn publish_again(&mut self, context: &Context) -> Result<(), StageError> {
        let now = context.clock.now();
        let age = i64::try_from(context.options.resend_after.as_micros()).unwrap_or(i64::MAX);
        let empty = empty_queues(context, self.ledger.silent(now, age)).await?;
        let mut numbers = self.ledger.to_send(now, age, |partition, number| {
            empty.contains(&partition) || self.ledger.overtaken(partition, number)
        });
        let settled = self.ledger.settled_up_to();
        let waits = self.turn.filter(|(before, _)| *before > settled);
        numbers.retain(|number| waits.is_none_or(|(before, _)| *number <= before));
        if numbers.is_empty() {
            return Ok(());
        }
        let messages: Vec<Outgoing> = numbers
            .iter()
            .filter_map(|number| self.ledger.get(*number))
            .map(|message| Outgoing {
                queue: Queue::Changes(message.partition),
                envelope: message.envelope.clone(),
            })
            .collect();
        let fates = context.hub.publish(&messages).await?;
        let sent_at = context.clock.now();
        self.tell_unconfirmed(&fates);
        for (number, fate) in numbers.into_iter().zip(fates) {
            if let Some(burial) = (fate == Published::TooLarge).then(|| self.burial(number)) {
                crate::decide::step(context, burial.unwrap_or_default()).await?;
            }
            self.ledger.sent(number, fate, sent_at);
        }
        Ok(())
    }

    /// One line, however many messages it is about.
    fn tell_unconfirmed(&self, fates: &[Published]) {
        let mut unconfirmed = fates.iter().filter(|fate| **fate != Published::Confirmed);
        if let Some(fate) = unconfirmed.next() {
            let messages = 1 + unconfirmed.count();
            tracing::warn!(source = %self.source, messages, ?fate, "changes were not confirmed");
        }
    }

    /// What settles a message that no hub can carry: its change becomes a dead letter.
    fn burial(&self, number: i64) -> Option<Batch> {
        let envelope = &self.ledger.get(number)?.envelope;
        let Body::Changes { changes } = &envelope.body else { return None };
        let reason = || format!("longer than the {BODY_LIMIT_BYTES} bytes that a message carries");
        let letter = |change: &RawValue| letter::of_text(change.get(), "detect", reason());
        let dead = changes.iter().map(AsRef::as_ref).map(letter).collect();
        let numbers = envelope.number.iter().cloned().collect();
        Some(Batch { numbers, dead, ..Batch::default() })
    }
}

/// Ids that key changes tie together, each with the one whose partition they share: what one key
/// change leaves, the next one takes, so they are decided in the order in which they were told.
fn homes(changes: &[Detected]) -> BTreeMap<RecordId, RecordId> {
    let mut homes: BTreeMap<RecordId, RecordId> = BTreeMap::new();
    for change in changes {
        let WhatV1::KeyChanged { old, .. } = &change.what else { continue };
        let home = homes.get(&change.record).unwrap_or(&change.record).clone();
        let other = homes.get(old).unwrap_or(old).clone();
        homes.values_mut().filter(|one| **one == other).for_each(|one| *one = home.clone());
        homes.insert(old.clone(), home.clone());
        homes.insert(change.record.clone(), home);
    }
    homes
}

/// Changes of one partition, some to a message, no message longer than the hub carries unless it
/// is of one change.
fn messages(changes: Vec<Box<RawValue>>) -> Vec<Vec<Box<RawValue>>> {
    let mut messages: Vec<Vec<Box<RawValue>>> = Vec::new();
    let mut bytes = 0;
    for change in changes {
        let length = change.get().len() + 1;
        match messages.last_mut() {
            Some(last) if last.len() < CHANGES_PER_MESSAGE && bytes + length <= MESSAGE_BYTES => {
                bytes += length;
                last.push(change);
            }
            _ => {
                bytes = length;
                messages.push(vec![change]);
            }
        }
    }
    messages
}

/// Which of these partitions' queues show nothing ready.
async fn empty_queues(
    context: &Context,
    partitions: BTreeSet<u32>,
) -> Result<BTreeSet<u32>, StageError> {
    let mut empty = BTreeSet::new();
    for partition in partitions {
        let Depth { ready, .. } = context.hub.depth(&Queue::Changes(partition)).await?;
        if ready == 0 {
            empty.insert(partition);
        }
    }
    Ok(empty)
}

/// Opens a source where it was left, or at its end if it can't be read from there any more.
async fn detector(
    context: &Context,
    spec: &FlowSpec,
    side: Side,
    source: &str,
    lease: &Lease,
) -> Result<(Box<dyn Detector>, Option<Gap>), StageError> {
    let Some(connection) = context.connection_of(spec, side) else {
        return Err(StageError::NoFlow { flow: spec.name.clone() });
    };
    let from = context.store.position(source).await?;
    let collection = Context::collection(spec, side);
    let opened = connection.connector.detector(&collection, from.as_ref()).await;
    if let (Err(lost), Some(_)) = (&opened, &from)
        && lost.is_lost_position()
    {
        tracing::warn!(
            source,
            error = lost as &dyn std::error::Error,
            "the source can't be read from where it was left: scanning its collection for what was \
             missed",
        );
        // The end first, then the scan: what changes meanwhile is told by one or the other.
        let detector = connection.connector.detector(&collection, None).await?;
        return Ok((detector, Some(Gap::default())));
    }
    let detector = opened?;
    if from.is_none() {
        // From the first moment on a restart finds the place where this reading began.
        let (cursor, now) = (detector.cursor(), context.clock.now());
        context.store.advance(source, lease.token, cursor.as_ref(), 0, now).await?;
    }
    Ok((detector, None))
}

async fn lease(context: &Context, source: &str, holder: &str) -> Result<Option<Lease>, StoreError> {
    let Context { store, options, clock, .. } = context;
    store.lease(&format!("detect/{source}"), holder, options.lease, clock.now()).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(length: usize) -> Box<RawValue> {
        RawValue::from_string(format!("\"{}\"", "x".repeat(length))).expect("JSON")
    }

    #[test]
    fn ids_that_change_hands_share_a_partition() {
        let renamed = |old: &str, new: &str| {
            let what = WhatV1::KeyChanged { old: old.into(), order: None };
            Detected { record: new.into(), what }
        };
        let lost = |record: &str| Detected { record: record.into(), what: WhatV1::Gap };
        let homes = homes(&[
            lost("x"),
            renamed("a", "t"),
            renamed("b", "a"),
            renamed("t", "b"),
            renamed("c", "d"),
        ]);
        let home = |id: &str| homes.get(&RecordId::from(id));
        assert_eq!(home("c"), Some(&"d".into()), "alone: that of the new id, as ever");
        assert!(["a", "t"].into_iter().all(|id| home(id) == home("b") && home(id).is_some()));
        assert!(home("x").is_none() && home("a") != home("c"));
    }

    #[test]
    fn messages_keep_to_their_number_of_changes_and_of_bytes() {
        let lengths = |changes| messages(changes).iter().map(Vec::len).collect::<Vec<_>>();
        assert_eq!(lengths(Vec::new()), Vec::<usize>::new());
        let many = (0..2 * CHANGES_PER_MESSAGE + 1).map(|_| change(1)).collect();
        assert_eq!(lengths(many), [CHANGES_PER_MESSAGE, CHANGES_PER_MESSAGE, 1]);
        let half = MESSAGE_BYTES / 2;
        let large =
            vec![change(half), change(half), change(1), change(BODY_LIMIT_BYTES), change(1)];
        assert_eq!(lengths(large), [1, 2, 1, 1]);
    }
}
