//! Writes a batch: one transaction, in which each record has a fate of its own. What may be tried
//! again here is what surely left nothing behind; everything else is the core's to decide.

mod create;
mod existing;
mod piecewise;
mod prepare;
mod standing;

use crate::database::Database;
use crate::error::{
    Doing, failure, is_about_rows, is_constraint, is_contention, is_surely_undone, made, too_long,
    whole,
};
use crate::product::Product;
use crate::read;
use crate::record::Row;
use crate::session::Session;
use crate::sql::Shape;
use duet_core::id::{IntentId, RecordId};
use duet_core::intent::{Found, Op, Outcome};
use duet_core::observation::{ActorClass, Observation, Source};
use duet_core::retry::FailureClass;
use duet_core::stamp::Stamp;
use duet_ports::connector::{Answers, Batch, Call, Collection, ConnectorError};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};

/// Writes a batch.
pub(crate) async fn apply(
    side: &Database,
    collection: &Collection,
    batch: &Batch,
) -> Result<Answers, ConnectorError> {
    let committing = AtomicBool::new(false);
    let limit = side.settings().timeout;
    let outcomes = tokio::time::timeout(limit, write(side, collection, batch, &committing)).await;
    let late = || too_long(side.name(), committing.load(Ordering::Relaxed));
    let outcomes = outcomes.map_err(|_| late())??;
    Ok(Answers { at: side.time(), outcomes })
}

async fn write(
    side: &Database,
    collection: &Collection,
    batch: &Batch,
    committing: &AtomicBool,
) -> Result<Vec<Outcome>, ConnectorError> {
    let known = side.known(collection).await?;
    let shape = side.shape(collection, &known)?;
    let work = Work { side, collection, shape, op: batch.op, committing };
    let calls: Vec<&Call> = batch.calls.iter().collect();
    match work.attempt(&calls, Locking::Wait).await {
        // Rows can be left out, a file can't.
        Err(Broken::Before(error))
            if is_contention(&error) && side.product() == Product::Postgres =>
        {
            let again = work.attempt(&calls, Locking::Skip).await;
            work.settle(&calls, again).await
        }
        first => work.settle(&calls, first).await,
    }
}

/// What is done about rows that somebody else holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Locking {
    /// Wait a little for all of them.
    Wait,
    /// Leave them out, so that they don't hold up their neighbours.
    Skip,
}

/// Where a transaction broke off.
enum Broken {
    /// Before the commit: nothing was written.
    Before(sqlx::Error),
    /// At the commit: nothing was written if the server said so, else nobody knows.
    Commit(sqlx::Error),
}

impl From<sqlx::Error> for Broken {
    fn from(error: sqlx::Error) -> Self {
        Broken::Before(error)
    }
}

struct Work<'a> {
    side: &'a Database,
    collection: &'a Collection,
    shape: Shape<'a>,
    op: Op,
    committing: &'a AtomicBool,
}

impl Work<'_> {
    fn doing(&self) -> Doing {
        if self.op == Op::Delete { Doing::Deleting } else { Doing::Other }
    }

    async fn attempt(&self, calls: &[&Call], locking: Locking) -> Result<Vec<Outcome>, Broken> {
        let mut session = self.side.pool().begin().await?;
        if let Some(capture) = &self.shape.capture
            && let Some(begin) = capture.home.begin()
        {
            session.run(&begin).await?;
        }
        let outcomes = match self.op {
            Op::Create => self.create(&mut session, calls).await?,
            Op::Update | Op::Delete => self.existing(&mut session, calls, locking).await?,
            Op::Undelete | Op::Read | Op::Find => calls.iter().map(|_| unsupported()).collect(),
        };
        self.committing.store(true, Ordering::Relaxed);
        session.commit().await.map_err(Broken::Commit)?;
        Ok(outcomes)
    }

    async fn settle(
        &self,
        calls: &[&Call],
        attempt: Result<Vec<Outcome>, Broken>,
    ) -> Result<Vec<Outcome>, ConnectorError> {
        match attempt {
            Ok(outcomes) => Ok(outcomes),
            // A constraint that is checked at the commit: only alone can it be told whose it is.
            Err(Broken::Commit(error)) if is_about_rows(&error) => Ok(self.each_alone(calls).await),
            // A trigger of the user's that ends the whole transaction (`RAISE(ROLLBACK)`).
            Err(Broken::Before(error)) if is_constraint(&error) => Ok(self.each_alone(calls).await),
            Err(Broken::Commit(error)) => {
                let sent = !is_surely_undone(&error);
                Err(whole(self.side.name(), error, sent))
            }
            Err(Broken::Before(error)) => Err(self.side.outdated(self.collection, error)),
        }
    }

    async fn each_alone(&self, calls: &[&Call]) -> Vec<Outcome> {
        let mut outcomes = Vec::with_capacity(calls.len());
        for call in calls {
            let outcome = match self.attempt(&[*call], Locking::Wait).await {
                Ok(mut outcomes) => outcomes.pop().unwrap_or_else(unsupported),
                Err(broken) => self.broken_alone(&broken),
            };
            outcomes.push(outcome);
        }
        outcomes
    }

    fn broken_alone(&self, broken: &Broken) -> Outcome {
        match broken {
            Broken::Commit(error) if !is_surely_undone(error) => {
                let mut failure = failure(error, self.doing());
                failure.class = FailureClass::UnknownOutcome;
                Outcome::Unknown(failure)
            }
            Broken::Commit(error) | Broken::Before(error) => {
                Outcome::Refused { failure: failure(error, self.doing()), observed: None }
            }
        }
    }

    /// Leaves the markers of these writes, in the transaction that made them.
    async fn mark(
        &self,
        session: &mut Session,
        written: &[(RecordId, IntentId)],
    ) -> Result<(), sqlx::Error> {
        let Some(capture) = self.shape.capture.as_ref().filter(|_| !written.is_empty()) else {
            return Ok(());
        };
        for statement in capture.mark(written) {
            session.run(&statement).await?;
        }
        Ok(())
    }

    /// The records as they are after the writes, the user's own triggers included.
    async fn read_back(
        &self,
        session: &mut Session,
        records: &[RecordId],
    ) -> Result<HashMap<RecordId, Observation>, sqlx::Error> {
        let read_at = self.side.time();
        let rows = read::by_key(session, &self.shape, records).await?;
        let after = |row: Row| {
            let record = row.record.clone();
            (record, self.observe(row, read_at, Source::WriteAnswer))
        };
        Ok(rows.into_iter().map(after).collect())
    }

    fn observe(&self, row: Row, read_at: Stamp, source: Source) -> Observation {
        let mut seen = row.observe(&self.shape, self.collection, read_at, source);
        if source == Source::WriteAnswer {
            seen.actor.class = ActorClass::Duet;
        }
        seen
    }

    fn found(&self, row: Row, read_at: Stamp) -> Box<Found> {
        let record = row.record.clone();
        let observation = self.observe(row, read_at, Source::Read);
        Box::new(Found { record, rule: None, observation })
    }
}

fn unsupported() -> Outcome {
    let text = "a deleted row can't be brought back here";
    let failure = made(FailureClass::Validation, "unsupported", text);
    Outcome::Refused { failure, observed: None }
}
