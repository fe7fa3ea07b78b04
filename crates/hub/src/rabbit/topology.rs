//! Arguments and making of the exchange and the queues (`docs/decisions/0027-*`). Every
//! setting is a queue argument: no policy, no plugin.

use super::failure::Failure;
use crate::queues::{DELIVERY_LIMIT, Names, queues};
use duet_ports::hub::{Queue, Topology};
use lapin::options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable, ShortString};
use lapin::{Channel, ExchangeKind};

/// What has no further place to go must not be thrown away by a limit, and before RabbitMQ 4 a
/// limit can't be switched off (`-1`): more than will ever be counted.
const DELIVERY_LIMIT_NEVER: i64 = 1_000_000;
/// Wake-ups: more than that say nothing new.
const WAKES_MAX: i64 = 100_000;
/// Messages with content.
const CONTENT_BYTES_MAX: i64 = 1 << 30;

/// A name on the wire.
///
/// # Errors
/// When it is longer than AMQP allows: then there is no such queue.
pub(super) fn short(name: &str) -> Result<ShortString, Failure> {
    ShortString::try_new(name).map_err(|_| Failure::Missing(name.to_owned()))
}

/// `known` and `more` together: what was declared once by this process stays wanted.
pub(super) fn union(known: Option<Topology>, more: &Topology) -> Topology {
    let Some(mut all) = known else { return more.clone() };
    all.partitions = all.partitions.max(more.partitions);
    all.connections.extend(more.connections.iter().cloned());
    all.connections.sort();
    all.connections.dedup();
    all
}

/// Makes the exchange and the queues on a channel. The first failure closes the channel.
pub(super) async fn declare(
    channel: &Channel,
    names: &Names,
    topology: &Topology,
) -> Result<(), Failure> {
    let exchange = names.exchange();
    let durable = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
    channel
        .exchange_declare(short(exchange)?, ExchangeKind::Direct, durable, FieldTable::default())
        .await
        .map_err(|error| Failure::of_queue(exchange, "declare the exchange", error))?;
    for queue in queues(topology) {
        declare_queue(channel, names, &queue).await?;
    }
    Ok(())
}

async fn declare_queue(channel: &Channel, names: &Names, queue: &Queue) -> Result<(), Failure> {
    let name = names.queue(queue);
    let failed = |error| Failure::of_queue(&name, "declare a queue", error);
    let on_wire = short(&name)?;
    channel
        .queue_declare(on_wire.clone(), QueueDeclareOptions::durable(), arguments(names, queue))
        .await
        .map_err(failed)?;
    let exchange = short(names.exchange())?;
    let options = QueueBindOptions::default();
    channel
        .queue_bind(on_wire.clone(), exchange, on_wire, options, FieldTable::default())
        .await
        .map_err(failed)
}

/// The arguments of a queue.
fn arguments(names: &Names, queue: &Queue) -> FieldTable {
    let mut table = FieldTable::default();
    let mut text = |key: &'static str, value: &str| {
        table.insert(key.into(), AMQPValue::LongString(value.into()));
    };
    text("x-queue-type", "quorum");
    text("x-overflow", "reject-publish");
    if *queue != Queue::Dead {
        text("x-dead-letter-exchange", names.exchange());
        text("x-dead-letter-routing-key", &names.queue(&Queue::Dead));
        text("x-dead-letter-strategy", "at-least-once");
    }
    let (limit_key, limit) = length_limit(queue);
    let deliveries =
        if *queue == Queue::Dead { DELIVERY_LIMIT_NEVER } else { DELIVERY_LIMIT.into() };
    table.insert("x-delivery-limit".into(), deliveries.into());
    table.insert(limit_key.into(), limit.into());
    if matches!(queue, Queue::Changes(_)) {
        table.insert("x-single-active-consumer".into(), true.into());
    }
    table
}

fn length_limit(queue: &Queue) -> (&'static str, i64) {
    match queue {
        Queue::Intents(_) | Queue::Retry => ("x-max-length", WAKES_MAX),
        Queue::Changes(_) | Queue::Bulk | Queue::Dead => ("x-max-length-bytes", CONTENT_BYTES_MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topology(partitions: u32, connections: &[&str]) -> Topology {
        let connections = connections.iter().map(|name| (*name).into()).collect();
        Topology { partitions, connections }
    }

    /// The arguments as text, in the order of their keys.
    fn written(queue: &Queue) -> Vec<String> {
        let table = arguments(&Names::new("duet"), queue);
        let value = |value: &AMQPValue| match value {
            AMQPValue::LongString(text) => text.to_string(),
            AMQPValue::LongLongInt(number) => number.to_string(),
            AMQPValue::Boolean(flag) => flag.to_string(),
            other => panic!("RabbitMQ 3.10 takes no {other:?} here"),
        };
        table.inner().iter().map(|(key, held)| format!("{key}={}", value(held))).collect()
    }

    #[test]
    fn the_arguments_are_those_of_the_design() {
        let poison = [
            "x-dead-letter-exchange=duet",
            "x-dead-letter-routing-key=duet.dead",
            "x-dead-letter-strategy=at-least-once",
            "x-delivery-limit=20",
        ];
        let with = |rest: &[&'static str]| [&poison, rest].concat();
        let changes = with(&[
            "x-max-length-bytes=1073741824",
            "x-overflow=reject-publish",
            "x-queue-type=quorum",
            "x-single-active-consumer=true",
        ]);
        assert_eq!(written(&Queue::Changes(0)), changes);
        let wakes =
            with(&["x-max-length=100000", "x-overflow=reject-publish", "x-queue-type=quorum"]);
        assert_eq!(written(&Queue::Retry), wakes);
        assert_eq!(written(&Queue::Intents("shop".into())), wakes);
        let dead = [
            "x-delivery-limit=1000000",
            "x-max-length-bytes=1073741824",
            "x-overflow=reject-publish",
            "x-queue-type=quorum",
        ];
        assert_eq!(written(&Queue::Dead), dead);
    }

    #[test]
    fn declaring_twice_wants_both() {
        let both = union(Some(topology(4, &["shop"])), &topology(2, &["crm", "shop"]));
        assert_eq!(both, topology(4, &["crm", "shop"]));
    }

    #[test]
    fn a_name_too_long_for_the_wire_is_refused() {
        assert!(short(&"n".repeat(255)).is_ok());
        assert!(matches!(short(&"n".repeat(256)), Err(Failure::Missing(_))));
    }
}
