//! Publishing: persistent, mandatory, all confirms of a call polled together.
//!
//! Each call has a channel of the publishing connection to itself (`docs/decisions/0029-*`): lapin
//! numbers messages and hands out returned ones in a way that is exact for one task only.

use super::failure::{Failure, soft};
use super::session::Session;
use super::topology::short;
use crate::envelope::encode;
use crate::queues::Names;
use duet_core::stamp::Stamp;
use duet_ports::envelope::Envelope;
use duet_ports::hub::{Outgoing, Published};
use futures_util::StreamExt;
use futures_util::stream;
use lapin::options::BasicPublishOptions;
use lapin::types::ShortString;
use lapin::{BasicProperties, Channel, Confirmation};
use std::pin::pin;
use std::time::Duration;

/// Publishes under way at once: beyond it nothing gets faster, only later.
const UNDER_WAY: usize = 256;
const PERSISTENT: u8 = 2;

/// A message ready for the wire.
pub(super) struct Ready {
    key: ShortString,
    properties: BasicProperties,
    body: Vec<u8>,
}

impl Ready {
    /// `None`: longer than the hub carries.
    pub(super) fn new(
        names: &Names,
        message: &Outgoing,
        now: Stamp,
    ) -> Result<Option<Self>, Failure> {
        let key = short(&names.queue(&message.queue))?;
        Ok(encode(&message.envelope).map(|body| Ready {
            key,
            properties: properties(&message.envelope, now),
            body,
        }))
    }

    /// Whether both would say the same to the same reader.
    pub(super) fn same(&self, other: &Ready) -> bool {
        self.key == other.key && self.body == other.body
    }
}

fn properties(envelope: &Envelope, now: Stamp) -> BasicProperties {
    let seconds = u64::try_from(now.0 / Stamp::SECOND).unwrap_or(0);
    let properties = BasicProperties::default()
        .with_delivery_mode(PERSISTENT)
        .with_content_type("application/json".into())
        .with_app_id("duet".into())
        .with_type(envelope.body.kind().into())
        .with_timestamp(seconds);
    let id = envelope.number.as_ref().map(|number| {
        ShortString::try_new(format!("{}/{}/{}", number.source, number.token, number.number))
    });
    match id {
        Some(Ok(id)) => properties.with_message_id(id),
        // A name too long for the wire is left out: the number is in the body.
        Some(Err(_)) | None => properties,
    }
}

/// What became of the messages of one call.
struct Ledger {
    fates: Vec<Published>,
    answers: usize,
    gone: bool,
}

impl Ledger {
    fn note(&mut self, index: usize, answer: Result<Confirmation, lapin::Error>) {
        self.answers += 1;
        let (fate, returned) = match answer {
            Ok(Confirmation::Ack(returned)) => (Published::Confirmed, returned),
            Ok(Confirmation::Nack(returned)) => (Published::Refused, returned),
            Ok(Confirmation::NotRequested) => (Published::Unknown, None),
            Err(error) => {
                // The exchange itself is missing: the channel was closed over it.
                self.gone |= soft(&error).is_some();
                (Published::Unknown, None)
            }
        };
        // A returned message may arrive with the confirm of another one of this call.
        if self.fates[index] != Published::Unroutable {
            self.fates[index] = fate;
        }
        let correlated = returned.and_then(|message| {
            message.delivery.properties.correlation_id().as_ref()?.as_str().parse::<usize>().ok()
        });
        if let Some(fate) = correlated.and_then(|index| self.fates.get_mut(index)) {
            *fate = Published::Unroutable;
            self.gone = true;
        }
    }
}

/// The result of one call.
pub(super) struct Sent {
    /// One per message, in order.
    pub(super) fates: Vec<Published>,
    /// The topology is incomplete and must be declared again.
    pub(super) gone: bool,
}

/// Publishes on a session.
///
/// # Errors
/// When no channel can be opened: nothing was sent.
pub(super) async fn publish(
    session: &Session,
    names: &Names,
    messages: &[Ready],
    silence_limit: Duration,
) -> Result<Sent, Failure> {
    let channel = tokio::time::timeout(silence_limit, session.confirming())
        .await
        .map_err(|_| Failure::lost("open a channel in time", None))??;
    let exchange = short(names.exchange())?;
    let mut ledger =
        Ledger { fates: vec![Published::Unknown; messages.len()], answers: 0, gone: false };
    let sending = stream::iter(0..messages.len())
        .map(|index| one(&channel, &exchange, index, &messages[index]))
        .buffer_unordered(UNDER_WAY);
    let mut sending = pin!(sending);
    while ledger.answers < messages.len() {
        tokio::select! {
            biased;
            Some((index, answer)) = sending.next() => ledger.note(index, answer),
            () = session.until_blocked() => break,
            () = tokio::time::sleep(silence_limit) => break,
        }
    }
    let Ledger { fates, answers, gone } = ledger;
    settle(session, &channel, &fates, answers);
    Ok(Sent { fates, gone })
}

/// Keeps the channel if nothing is outstanding on it; gives up a connection that is silent.
fn settle(session: &Session, channel: &Channel, fates: &[Published], answers: usize) {
    if fates.contains(&Published::Confirmed) {
        session.worked();
    }
    if !fates.contains(&Published::Unknown) {
        session.keep(channel.clone());
    } else if answers == 0 && session.blocked().is_none() {
        session.give_up();
    }
}

async fn one(
    channel: &Channel,
    exchange: &ShortString,
    index: usize,
    message: &Ready,
) -> (usize, Result<Confirmation, lapin::Error>) {
    let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
    let properties = message.properties.clone().with_correlation_id(index.to_string().into());
    let sent = channel
        .basic_publish(exchange.clone(), message.key.clone(), options, &message.body, properties)
        .await;
    match sent {
        Ok(confirm) => (index, confirm.await),
        Err(error) => (index, Err(error)),
    }
}
