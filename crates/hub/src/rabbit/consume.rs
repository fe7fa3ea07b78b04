//! Reading one queue: a channel of its own, settled in order, subscribed again after a loss.
//!
//! Tags handed out grow over all subscriptions, so that a tag of an earlier one is known to be
//! stale instead of settling something else.

use super::failure::Failure;
use super::line::{Line, Wanted, wanted};
use super::session::Session;
use super::topology::{self, short};
use crate::envelope::decode;
use crate::queues::Names;
use async_trait::async_trait;
use duet_ports::hub::{Consumer, Delivery, HubError};
use futures_util::{FutureExt, StreamExt};
use lapin::Channel;
use lapin::message::Delivery as Received;
use lapin::options::{
    BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, BasicNackOptions, BasicQosOptions,
};
use lapin::types::FieldTable;
use std::sync::Arc;
use std::time::Duration;

/// What a consumer needs to subscribe.
pub(super) struct Source {
    pub(super) line: Line,
    pub(super) names: Names,
    pub(super) wanted: Arc<Wanted>,
    pub(super) queue: String,
    pub(super) prefetch: u16,
    pub(super) answer_timeout: Duration,
}

/// Reads one queue.
pub(super) struct RabbitConsumer {
    source: Source,
    subscription: Option<Subscription>,
    /// All tags up to this one belong to earlier subscriptions.
    base: u64,
    /// Asked for nothing more: never subscribes again.
    retired: bool,
}

/// One subscription; its tags are the broker's.
struct Subscription {
    session: Arc<Session>,
    channel: Channel,
    stream: lapin::Consumer,
    /// The last one handed out.
    handed: u64,
    /// The last one settled.
    settled: u64,
    /// Nothing comes any more: cancelled by us or by the broker. The stream says so only once.
    ended: bool,
}

impl Source {
    /// Subscribes, making the topology again when the queue is missing.
    pub(super) async fn subscribe(self, patience: Duration) -> Result<RabbitConsumer, Failure> {
        let subscription = self.subscription(patience).await?;
        let subscription = Some(subscription);
        Ok(RabbitConsumer { source: self, subscription, base: 0, retired: false })
    }

    async fn subscription(&self, patience: Duration) -> Result<Subscription, Failure> {
        let session = self.line.session(patience).await?;
        let opening = self.open_or_make(&session);
        let Ok(opened) = tokio::time::timeout(self.answer_timeout, opening).await else {
            session.give_up();
            return Err(Failure::lost("subscribe in time", None));
        };
        let (channel, stream) = opened?;
        session.worked();
        Ok(Subscription { session, channel, stream, handed: 0, settled: 0, ended: false })
    }

    async fn open_or_make(&self, session: &Session) -> Result<(Channel, lapin::Consumer), Failure> {
        match self.open(session).await {
            Err(Failure::Missing(queue)) => {
                let Some(topology) = wanted(&self.wanted) else {
                    return Err(Failure::Missing(queue));
                };
                topology::declare(&session.channel().await?, &self.names, &topology).await?;
                self.open(session).await
            }
            opened => opened,
        }
    }

    async fn open(&self, session: &Session) -> Result<(Channel, lapin::Consumer), Failure> {
        let failed = |error| Failure::of_queue(&self.queue, "subscribe", error);
        let channel = session.channel().await?;
        channel.basic_qos(self.prefetch, BasicQosOptions::default()).await.map_err(failed)?;
        let options = BasicConsumeOptions::default();
        let queue = short(&self.queue)?;
        let stream = channel
            .basic_consume(queue, "".into(), options, FieldTable::default())
            .await
            .map_err(failed)?;
        Ok((channel, stream))
    }
}

impl Subscription {
    /// The first delivery within `patience`, and what is there behind it; `None` for nothing.
    async fn take(&mut self, max: usize, patience: Duration) -> Result<Vec<Received>, Failure> {
        if self.ended {
            return Err(lost(None));
        }
        let first = tokio::select! {
            biased;
            first = self.stream.next() => heard(first)?,
            () = self.session.over() => return Err(lost(None)),
            () = tokio::time::sleep(patience) => return Ok(Vec::new()),
        };
        let mut taken = vec![first];
        while taken.len() < max {
            match self.stream.next().now_or_never() {
                Some(None) => {
                    self.ended = true;
                    break;
                }
                Some(next) => taken.push(heard(next)?),
                None => break,
            }
        }
        self.handed = taken.last().map_or(self.handed, |last| last.delivery_tag);
        Ok(taken)
    }

    fn alive(&self) -> bool {
        !self.session.is_over() && self.channel.status().connected()
    }

    async fn cancel(&self) -> Result<(), Failure> {
        let cancelled =
            self.channel.basic_cancel(self.stream.tag(), BasicCancelOptions::default()).await;
        cancelled.map_err(|error| lost(Some(error)))
    }
}

fn heard(next: Option<Result<Received, lapin::Error>>) -> Result<Received, Failure> {
    match next {
        Some(Ok(received)) => Ok(received),
        Some(Err(error)) => Err(lost(Some(error))),
        // Cancelled by the broker: the queue is gone or moves to another node.
        None => Err(lost(None)),
    }
}

fn lost(cause: Option<lapin::Error>) -> Failure {
    Failure::lost("keep the subscription", cause)
}

impl RabbitConsumer {
    /// Forgets the subscription: its channel closes, what it held will come again.
    fn drop_subscription(&mut self) {
        if let Some(left) = self.subscription.take() {
            self.base += left.handed;
        }
    }

    async fn subscribed(&mut self, patience: Duration) -> Result<&mut Subscription, Failure> {
        if !self.subscription.as_ref().is_some_and(Subscription::alive) {
            self.drop_subscription();
            if self.retired {
                return Err(lost(None));
            }
            self.subscription = Some(self.source.subscription(patience).await?);
        }
        Ok(self.subscription.as_mut().expect("made above when there was none"))
    }

    /// The subscription that handed out a tag, and the broker's tag.
    fn holder(&mut self, tag: u64) -> Option<(&mut Subscription, u64)> {
        let held = self.subscription.as_mut().filter(|held| held.alive())?;
        let own = tag.checked_sub(self.base)?;
        (1..=held.handed).contains(&own).then_some((held, own))
    }
}

#[async_trait]
impl Consumer for RabbitConsumer {
    async fn next(&mut self, max: usize, patience: Duration) -> Result<Vec<Delivery>, HubError> {
        if self.retired && self.subscription.is_none() {
            return Ok(Vec::new());
        }
        let taken = self.subscribed(patience).await?.take(max, patience).await;
        match taken {
            Ok(received) => {
                let base = self.base;
                Ok(received.into_iter().map(|received| delivery(base, received)).collect())
            }
            Err(failure) => {
                self.drop_subscription();
                if self.retired { Ok(Vec::new()) } else { Err(failure.into()) }
            }
        }
    }

    async fn ack(&mut self, up_to: u64) -> Result<(), HubError> {
        let limit = self.source.answer_timeout;
        let (held, tag) = self.holder(up_to).ok_or(HubError::StaleDelivery)?;
        if tag <= held.settled {
            return Ok(());
        }
        let acking = held.channel.basic_ack(tag, BasicAckOptions { multiple: true });
        let Ok(Ok(())) = tokio::time::timeout(limit, acking).await else {
            self.drop_subscription();
            return Err(HubError::StaleDelivery);
        };
        held.settled = tag;
        Ok(())
    }

    async fn give_back(&mut self) -> Result<(), HubError> {
        let limit = self.source.answer_timeout;
        let Some(held) = self.subscription.as_mut().filter(|held| held.alive()) else {
            return Err(lost(None).into());
        };
        if held.handed <= held.settled {
            return Ok(());
        }
        let options = BasicNackOptions { multiple: true, requeue: true };
        let giving = held.channel.basic_nack(held.handed, options);
        let Ok(Ok(())) = tokio::time::timeout(limit, giving).await else {
            self.drop_subscription();
            return Err(lost(None).into());
        };
        held.settled = held.handed;
        Ok(())
    }

    fn is_served(&self) -> bool {
        self.subscription.as_ref().is_some_and(|held| held.alive() && held.handed > 0)
    }

    async fn retire(&mut self) -> Result<(), HubError> {
        self.retired = true;
        let limit = self.source.answer_timeout;
        let Some(held) = self.subscription.as_ref().filter(|held| held.alive()) else {
            self.drop_subscription();
            return Err(lost(None).into());
        };
        let Ok(Ok(())) = tokio::time::timeout(limit, held.cancel()).await else {
            self.drop_subscription();
            return Err(lost(None).into());
        };
        Ok(())
    }
}

fn delivery(base: u64, received: Received) -> Delivery {
    Delivery {
        tag: base + received.delivery_tag,
        redelivered: received.redelivered,
        envelope: decode(received.data),
    }
}
