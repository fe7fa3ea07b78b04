//! A process of duet's stages, put together as `duet run` does: the real pipeline, hub and store
//! between the two sides of the bench.

use crate::error::BenchError;
use crate::flow;
use crate::ledger::Ledger;
use crate::sample::FLOW;
use crate::side::BenchSide;
use duet_core::side::Side;
use duet_core::spec::FlowSpec;
use duet_hub::{RabbitHub, RabbitSettings};
use duet_pipeline::context::{Connection, Context, Options, Tally};
use duet_pipeline::detect::{CHANGES_PER_MESSAGE, source_name};
use duet_pipeline::pause::Pauses;
use duet_pipeline::recent::Recent;
use duet_pipeline::run::topology;
use duet_ports::clock::System;
use duet_ports::envelope::{Body, ChangeV1, ENVELOPE_VERSION, Envelope, Numbered};
use duet_ports::hub::{Hub, Outgoing, Published, Queue};
use duet_ports::partition::partition;
use duet_ports::store::Store;
use duet_store::{Postgres, PostgresOptions, SqlStore};
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The token of the only lease of the source.
const TOKEN: i64 = 1;
/// Messages published together.
const TOGETHER: usize = 256;

/// Where the servers are, and how wide the left side is.
#[derive(Clone, Debug)]
pub(crate) struct Wiring {
    /// The state database.
    pub(crate) database: String,
    /// The broker.
    pub(crate) amqp: String,
    /// The HTTP side.
    pub(crate) http: String,
    /// How long it takes for a call.
    pub(crate) delay_ms: u64,
    /// Calls under way at once.
    pub(crate) parallel: usize,
    /// How long a write may wait until its call is full.
    pub(crate) patience_ms: u64,
    /// Partitions of the change queues.
    pub(crate) partitions: u32,
}

/// The stages' surroundings.
pub(crate) struct Stage {
    /// What every stage needs.
    pub(crate) context: Arc<Context>,
    /// The left side.
    pub(crate) left: Arc<BenchSide>,
    /// What arrived there.
    pub(crate) ledger: Arc<Ledger>,
}

/// The hub.
pub(crate) fn hub(amqp: &str) -> Result<Arc<dyn Hub>, BenchError> {
    let settings = RabbitSettings::parse(amqp)
        .map_err(|error| BenchError::Check(format!("the broker's address: {error}")))?;
    Ok(Arc::new(RabbitHub::open(settings, Arc::new(System), Arc::new(System))))
}

/// The store, with as many connections as `duet run` has.
pub(crate) async fn store(database: &str) -> Result<Arc<SqlStore>, BenchError> {
    Ok(Arc::new(Postgres::connect(database, PostgresOptions::default()).await?))
}

/// Everything that the stages need, with the queues declared.
pub(crate) async fn stage(wiring: &Wiring) -> Result<Stage, BenchError> {
    let spec = flow::spec()?;
    let ledger = Arc::new(Ledger::default());
    let (crm, shop) = (flow::connection(Side::Left), flow::connection(Side::Right));
    let left = Arc::new(BenchSide::http(crm, wiring, Arc::clone(&ledger))?);
    let connections = [
        (crm.into(), Connection::new(left.clone())),
        (shop.into(), Connection::new(Arc::new(BenchSide::memory(shop)))),
    ];
    let context = Context {
        store: store(&wiring.database).await?,
        hub: hub(&wiring.amqp)?,
        connections: connections.into(),
        flows: [(spec.name.clone(), Arc::new(spec))].into(),
        rekeyed: BTreeMap::new(),
        clock: Arc::new(System),
        entropy: Arc::new(System),
        options: Options { partitions: wiring.partitions, ..Options::default() },
        pauses: Pauses::default(),
        tally: Tally::default(),
        recent: Recent::default(),
    };
    context.hub.declare(&topology(&context)).await?;
    Ok(Stage { context: Arc::new(context), left, ledger })
}

/// The source of all changes, as detectors name it.
pub(crate) fn source() -> String {
    source_name(&FLOW.into(), Side::Right)
}

/// Changes as messages, the way a detector makes them: apart by partition, reading by reading.
pub(crate) fn messages(
    changes: &[ChangeV1],
    partitions: u32,
    reading: usize,
) -> Result<Vec<Vec<Outgoing>>, BenchError> {
    let (mut readings, mut last) = (Vec::new(), 0);
    for reading in changes.chunks(reading) {
        let mut messages = Vec::new();
        let mut apart: BTreeMap<u32, Vec<Box<RawValue>>> = BTreeMap::new();
        for change in reading {
            let at = partition(&change.flow, change.side, &change.record, partitions);
            apart.entry(at).or_default().push(serde_json::value::to_raw_value(change)?);
        }
        for (at, mut changes) in apart {
            while !changes.is_empty() {
                let rest = changes.split_off(changes.len().min(CHANGES_PER_MESSAGE));
                let changes = std::mem::replace(&mut changes, rest);
                last += 1;
                messages.push(message(at, last, changes));
            }
        }
        readings.push(messages);
    }
    Ok(readings)
}

fn message(partition: u32, number: i64, changes: Vec<Box<RawValue>>) -> Outgoing {
    let number = Some(Numbered { source: source(), token: TOKEN, number });
    let envelope = Envelope { v: ENVELOPE_VERSION, number, body: Body::Changes { changes } };
    Outgoing { queue: Queue::Changes(partition), envelope }
}

/// Publishes everything and waits for every confirm.
pub(crate) async fn publish(hub: &dyn Hub, messages: &[Outgoing]) -> Result<(), BenchError> {
    for some in messages.chunks(TOGETHER) {
        let fates = hub.publish(some).await?;
        if let Some(fate) = fates.into_iter().find(|fate| *fate != Published::Confirmed) {
            return Err(BenchError::Check(format!("a message was not confirmed: {fate:?}")));
        }
    }
    Ok(())
}

/// Numbers of messages that are settled.
pub(crate) async fn settled(store: &dyn Store) -> Result<usize, BenchError> {
    Ok(store.settled(&source(), TOKEN).await?.len())
}

/// The flow under measurement.
pub(crate) fn flow_of(context: &Context) -> &Arc<FlowSpec> {
    context.flows.values().next().expect("there is one")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::Changes;

    #[test]
    fn messages_hold_every_change_once_and_are_numbered() {
        let changes: Vec<ChangeV1> =
            Changes::new(1, 1_000).take(2_500).map(|(_, change)| change).collect();
        let messages = messages(&changes, 2, 1_000).unwrap().concat();
        let held: usize = messages
            .iter()
            .map(|message| match &message.envelope.body {
                Body::Changes { changes } => changes.len(),
                _ => 0,
            })
            .sum();
        assert_eq!(held, 2_500);
        let numbers: Vec<i64> = messages
            .iter()
            .filter_map(|message| message.envelope.number.as_ref().map(|one| one.number))
            .collect();
        let wanted: Vec<i64> = (1..).take(messages.len()).collect();
        assert_eq!(numbers, wanted);
        assert!((50..70).contains(&messages.len()), "{} messages", messages.len());
    }
}
