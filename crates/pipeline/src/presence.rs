//! Presence: this process among the others. It holds a lease of its own while it is at work, knows
//! how many others there are, and so how many partitions are its share (design, 2.5). A process that
//! the hub can't be reached from for longer than a lease is not at work, though the store is there.
//!
//! Not here: who consumes a partition. The broker decides that; a process only gives up what is
//! above its share, highest partition first, and every process in this order, so that sharing comes
//! to rest: the lowest partition never moves, and each other one moves on until it meets a process
//! whose share isn't full of lower ones.

use crate::context::Context;
use crate::error::StageError;
use crate::rest::{Rest, wait};
use duet_core::stamp::Stamp;
use duet_ports::envelope::Body;
use duet_ports::hub::{HubError, Queue};
use duet_ports::store::Lease;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio_util::sync::CancellationToken;

/// What is known of this process and the others.
#[derive(Debug)]
pub(crate) struct Presence {
    partitions: u32,
    standing: Mutex<Standing>,
}

#[derive(Debug, Default)]
struct Standing {
    /// Processes at work, this one included; 0: not known yet.
    live: u32,
    /// Partitions whose messages come to this process.
    served: BTreeSet<u32>,
    /// When the hub was last reached.
    reached_at: Option<Stamp>,
    /// The hub is out of reach for longer than a lease.
    cut_off: bool,
}

impl Presence {
    pub(crate) fn new(partitions: u32) -> Presence {
        Presence { partitions, standing: Mutex::default() }
    }

    /// Notes whether a partition's messages come to this process.
    pub(crate) fn note(&self, partition: u32, is_served: bool) {
        let mut standing = self.standing();
        if is_served {
            standing.served.insert(partition);
        } else {
            standing.served.remove(&partition);
        }
    }

    /// The partitions whose messages come to this process.
    pub(crate) fn served(&self) -> Vec<u32> {
        self.standing().served.iter().copied().collect()
    }

    /// How many processes are at work; 0: not known yet.
    pub(crate) fn live(&self) -> u32 {
        self.standing().live
    }

    /// Whether a partition is above this process's share.
    pub(crate) fn is_surplus(&self, partition: u32) -> bool {
        let standing = self.standing();
        let lower = standing.served.range(..partition).count();
        standing.served.contains(&partition) && lower >= share(self.partitions, standing.live)
    }

    /// Whether the hub has been out of reach for longer than a lease.
    pub(crate) fn is_cut_off(&self) -> bool {
        self.standing().cut_off
    }

    fn standing(&self) -> MutexGuard<'_, Standing> {
        // A poisoned lock still holds whole values: each is replaced, never edited.
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes over how many are at work; whether that is another number than before.
    fn count(&self, live: u32) -> bool {
        std::mem::replace(&mut self.standing().live, live) != live
    }

    /// Takes over whether the hub was reached; says so when that changes what this process may do.
    fn reached(&self, reached: bool, now: Stamp, lease_us: i64) {
        let mut standing = self.standing();
        if reached {
            standing.reached_at = Some(now);
        }
        let since = *standing.reached_at.get_or_insert(now);
        let cut_off = now.0.saturating_sub(since.0) > lease_us;
        let changed = std::mem::replace(&mut standing.cut_off, cut_off) != cut_off;
        drop(standing);
        if changed && cut_off {
            tracing::warn!("the hub is out of reach: the sources are left to other processes");
        } else if changed {
            tracing::info!("the hub is back: the sources are read again");
        }
    }
}

/// How many partitions are one process's share: all of them while nobody was counted.
fn share(partitions: u32, live: u32) -> usize {
    usize::try_from(partitions.div_ceil(live.max(1))).unwrap_or(usize::MAX)
}

/// Shows that this process is at work until it is stopped, then that it isn't.
pub(crate) async fn keep(context: Arc<Context>, presence: Arc<Presence>, stop: CancellationToken) {
    let mut rest = Rest::new("presence");
    let mut held = None;
    while !stop.is_cancelled() {
        match step(&context, &presence, &mut held).await {
            Ok(()) => {
                rest.worked();
                wait(&context, &stop, context.options.lease / 3).await;
            }
            Err(error) => rest.failed(&context, &stop, &error).await,
        }
    }
    if let Err(error) = leave(&context, &mut held).await {
        tracing::debug!(error = &error as &dyn std::error::Error, "lease not given back");
    }
}

/// Renews this process's lease and counts the others, if the hub can be reached.
///
/// Idempotence: a lease that is renewed twice holds as long as one renewed once.
///
/// # Errors
/// When the store can't be reached; the lease then runs out by itself.
async fn step(
    context: &Context,
    presence: &Presence,
    held: &mut Option<Lease>,
) -> Result<(), StageError> {
    let looked = context.hub.depth(&Queue::Changes(0)).await;
    // A queue that is missing is made again by whoever needs it: the broker did answer.
    let reached = !matches!(looked, Err(HubError::Unreachable { .. }));
    let length = i64::try_from(context.options.lease.as_micros()).unwrap_or(i64::MAX);
    let now = context.clock.now();
    presence.reached(reached, now, length);
    if presence.is_cut_off() {
        return leave(context, held).await;
    }
    let process = &context.options.process;
    let name = format!("process/{process}");
    *held = context.store.lease(&name, process, context.options.lease, now).await?;
    let live = context.store.live_processes(now).await?;
    if presence.count(live) {
        tracing::info!(live, partitions = share(presence.partitions, live), "sharing partitions");
        if live > 1 {
            call_the_roll(context, presence.partitions).await;
        }
    }
    Ok(())
}

async fn leave(context: &Context, held: &mut Option<Lease>) -> Result<(), StageError> {
    if let Some(lease) = held.take() {
        context.store.release(&lease).await?;
    }
    Ok(())
}

/// A message into every partition, so that each process learns which ones come to it, though
/// nothing else may be going on. Wakes no link.
async fn call_the_roll(context: &Context, partitions: u32) {
    for partition in 0..partitions {
        context.wake(Queue::Changes(partition), Body::WakeLinks { links: Vec::new() }).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_rounded_up() {
        let shares = |partitions| [0, 1, 2, 3, 4, 5].map(|live| share(partitions, live));
        assert_eq!(shares(4), [4, 4, 2, 2, 1, 1]);
        assert_eq!(shares(1), [1, 1, 1, 1, 1, 1]);
    }

    #[test]
    fn the_highest_partitions_are_above_the_share() {
        let presence = Presence::new(4);
        for partition in [3, 0, 2] {
            presence.note(partition, true);
        }
        let surplus = || (0..4).filter(|one| presence.is_surplus(*one)).collect::<Vec<_>>();
        assert!(surplus().is_empty(), "nobody was counted yet");
        assert!(presence.count(2) && !presence.count(2));
        assert_eq!(surplus(), [3]);
        presence.note(3, false);
        assert!(surplus().is_empty());
        presence.count(4);
        assert_eq!(surplus(), [2]);
        assert_eq!(presence.served(), [0, 2]);
    }

    /// Whoever is over its share gives up, the next in each queue's line takes over.
    #[test]
    fn sharing_comes_to_rest_wherever_it_begins() {
        for live in 1..=5_u32 {
            for partitions in 1..=7_u32 {
                for start in 0..live.pow(partitions.min(5)) {
                    let moves = settle(live, partitions, start);
                    assert!(moves <= live * partitions, "{live} {partitions} {start}: {moves}");
                }
            }
        }
    }

    /// Moves until nobody is over its share. `start`, to the base `live`: who begins with what.
    fn settle(live: u32, partitions: u32, start: u32) -> u32 {
        let digit = |partition| start / live.pow(u32::min(partition, 5)) % live;
        let mut owner: Vec<u32> = (0..partitions).map(digit).collect();
        let mut moves = 0;
        loop {
            let over = (0..partitions).find(|partition| {
                let presence = Presence::new(partitions);
                presence.count(live);
                let own = owner[*partition as usize];
                let served = (0..partitions).filter(|one| owner[*one as usize] == own);
                served.for_each(|one| presence.note(one, true));
                presence.is_surplus(*partition)
            });
            let Some(partition) = over else { return moves };
            let one = &mut owner[partition as usize];
            *one = (*one + 1) % live;
            moves += 1;
        }
    }

    #[test]
    fn a_process_is_cut_off_when_the_hub_is_away_for_longer_than_a_lease() {
        let presence = Presence::new(4);
        presence.reached(false, Stamp(0), 10);
        assert!(!presence.is_cut_off(), "it counts from the first look");
        presence.reached(false, Stamp(11), 10);
        assert!(presence.is_cut_off());
        presence.reached(true, Stamp(12), 10);
        assert!(!presence.is_cut_off());
        presence.reached(false, Stamp(22), 10);
        assert!(!presence.is_cut_off());
        presence.reached(false, Stamp(23), 10);
        assert!(presence.is_cut_off());
    }
}
