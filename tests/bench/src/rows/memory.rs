//! Memory: the most that a `duet run` held while a backlog waited in its queues. What isn't fetched
//! must not count.

use crate::error::BenchError;
use crate::lab::{Lab, note};
use crate::processes::peak_mib;
use crate::project::{Project, With};
use crate::reading::Reading;
use crate::row::{Row, Wanted};
use crate::sample::{Changes, FLOW};
use crate::stage;
use crate::statistics::float;
use crate::watch::Watch;
use async_trait::async_trait;
use duet_core::image::Image;
use duet_core::side::Side;
use duet_pipeline::detect::CHANGES_PER_MESSAGE;
use duet_ports::envelope::{Body, ChangeV1, Envelope, WhatV1};
use duet_ports::hub::{Hub, Outgoing, Queue};
use duet_ports::partition::partition;
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::time::Duration;

/// Contacts that the changes are of.
const CONTACTS: u64 = 2_000;
/// How long it is watched, unless the backlog is done before.
const WATCHED: Duration = Duration::from_secs(60);
/// Partitions of an installation without a setting.
const PARTITIONS: u32 = 4;
/// The smaller backlog.
const SMALL: usize = 100_000;

/// At a backlog of so many changes.
pub(super) struct Memory {
    pub(super) backlog: usize,
}

impl Memory {
    fn is_small(&self) -> bool {
        self.backlog <= SMALL
    }
}

#[async_trait(?Send)]
impl Row for Memory {
    fn name(&self) -> String {
        let size = if self.is_small() { "100k" } else { "1m" };
        format!("memory-{size}")
    }

    fn what(&self) -> String {
        let backlog = crate::table::number(float(self.backlog));
        format!("Memory of `duet run` at a backlog of {backlog}")
    }

    fn against(&self) -> String {
        if self.is_small() { String::new() } else { "at 100,000".to_owned() }
    }

    fn unit(&self) -> &'static str {
        "MiB"
    }

    fn first(&self) -> Wanted {
        Wanted::AtMost(256.0)
    }

    fn goal(&self) -> Wanted {
        if self.is_small() { Wanted::AtMost(128.0) } else { Wanted::RatioAtMost(1.1) }
    }

    fn runs_max(&self) -> usize {
        1
    }

    async fn baseline(&self, lab: &Lab) -> Result<Option<Reading>, BenchError> {
        if self.is_small() {
            return Ok(None);
        }
        peak(lab, SMALL).await.map(Some)
    }

    async fn duet(&self, lab: &Lab) -> Result<Reading, BenchError> {
        peak(lab, self.backlog).await
    }
}

async fn peak(lab: &Lab, backlog: usize) -> Result<Reading, BenchError> {
    let project = Project::new(lab, With::Salesforce, CONTACTS).await?;
    let watched = watched(&project, backlog).await;
    project.end(lab).await?;
    watched
}

async fn watched(project: &Project, backlog: usize) -> Result<Reading, BenchError> {
    let hub = stage::hub(&project.amqp)?;
    fill(hub.as_ref(), backlog).await?;
    let before = ready(hub.as_ref()).await?;
    note(&format!("memory: {before} messages with {backlog} changes wait"));
    let (mut running, watch) = (project.start()?, Watch::start());
    let mut peak = 0.0_f64;
    let mut left = before;
    while watch.elapsed() < WATCHED && left > 0 {
        tokio::time::sleep(Duration::from_millis(250)).await;
        if !running.is_running() {
            return Err(BenchError::Check("`duet run` ended by itself".to_owned()));
        }
        peak = peak.max(peak_mib(running.id()).unwrap_or(0.0));
        left = ready(hub.as_ref()).await?;
    }
    if left == before {
        return Err(BenchError::Check("`duet run` took nothing of the backlog".to_owned()));
    }
    let taken = f64::from(before - left) / f64::from(before.max(1));
    Ok(Reading::of(peak).with("% of it taken meanwhile", 100.0 * taken))
}

async fn ready(hub: &dyn Hub) -> Result<u32, BenchError> {
    let mut ready = 0;
    for partition in 0..PARTITIONS {
        ready += hub.depth(&Queue::Changes(partition)).await?.ready;
    }
    Ok(ready)
}

/// Puts a backlog into the queues, a part at a time: the bench is no better than what it measures.
async fn fill(hub: &dyn Hub, backlog: usize) -> Result<(), BenchError> {
    let mut changes = Changes::new(1, CONTACTS).map(|(_, change)| of_the_project(change));
    let mut left = backlog;
    while left > 0 {
        let some: Vec<ChangeV1> = changes.by_ref().take(left.min(10_000)).collect();
        left -= some.len();
        stage::publish(hub, &messages(&some)?).await?;
    }
    Ok(())
}

/// The columns that the project maps, long after it was adopted.
fn of_the_project(mut change: ChangeV1) -> ChangeV1 {
    let columns = ["id", "first_name", "last_name", "title", "department", "phone", "mailing_city"];
    if let WhatV1::Seen(seen) = &mut change.what {
        let image = std::mem::take(&mut seen.image);
        let known = image.into_iter().filter(|(column, _)| columns.contains(&column.as_str()));
        seen.image = known.collect::<Image>();
    }
    change
}

/// Messages without a number: the detector of the process that is watched numbers its own.
fn messages(changes: &[ChangeV1]) -> Result<Vec<Outgoing>, BenchError> {
    let mut apart: BTreeMap<u32, Vec<Box<RawValue>>> = BTreeMap::new();
    for change in changes {
        let at = partition(&FLOW.into(), Side::Right, &change.record, PARTITIONS);
        apart.entry(at).or_default().push(serde_json::value::to_raw_value(change)?);
    }
    let message = |at, changes: &[Box<RawValue>]| Outgoing {
        queue: Queue::Changes(at),
        envelope: Envelope::unnumbered(Body::Changes { changes: changes.to_vec() }),
    };
    let of = |(at, changes): (u32, Vec<Box<RawValue>>)| {
        changes.chunks(CHANGES_PER_MESSAGE).map(|some| message(at, some)).collect::<Vec<_>>()
    };
    Ok(apart.into_iter().flat_map(of).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backlog_is_of_the_project_s_columns_and_of_every_partition() {
        let changes: Vec<ChangeV1> =
            Changes::new(1, CONTACTS).map(|(_, change)| of_the_project(change)).take(500).collect();
        let WhatV1::Seen(seen) = &changes[0].what else { panic!("a look") };
        assert_eq!(seen.image.len(), 7);
        let messages = messages(&changes).unwrap();
        let of = |at| messages.iter().filter(|one| one.queue == Queue::Changes(at)).count();
        assert!((0..PARTITIONS).all(|at| of(at) >= 2), "{} messages", messages.len());
    }
}
