//! Latency: single edits in the shop, one after another on an idle system, each until the emulator
//! has stored it. Through triggers, `duet run`, the broker and the state database.

use crate::error::BenchError;
use crate::lab::{Lab, note};
use crate::project::{Project, With};
use crate::reading::Reading;
use crate::row::{Row, Wanted};
use crate::sample::{Dice, record};
use crate::statistics::percentile;
use crate::watch::Watch;
use async_trait::async_trait;
use sqlx::{Connection, PgConnection};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use std::time::Duration;

/// The value of the row, in words of its other figures.
const P99: &str = "p99 ms";
/// Edits that nobody counts: connections are made and plans are cached.
const WARM_UP: u64 = 20;
/// Between two looks at the organization's file.
const LOOK: Duration = Duration::from_millis(1);
/// An edit that takes longer is lost.
const LOST: Duration = Duration::from_secs(30);

pub(super) struct Latency;

#[async_trait(?Send)]
impl Row for Latency {
    fn name(&self) -> String {
        "latency".to_owned()
    }

    fn what(&self) -> String {
        "Latency of one edit on an idle system, outbox capture, until stored on the other side, p50"
            .to_owned()
    }

    fn against(&self) -> String {
        String::new()
    }

    fn unit(&self) -> &'static str {
        "ms"
    }

    fn first(&self) -> Wanted {
        Wanted::AtMost(100.0)
    }

    fn goal(&self) -> Wanted {
        Wanted::AtMostAnd(30.0, P99, 150.0)
    }

    fn runs_max(&self) -> usize {
        1
    }

    async fn baseline(&self, _lab: &Lab) -> Result<Option<Reading>, BenchError> {
        Ok(None)
    }

    async fn duet(&self, lab: &Lab) -> Result<Reading, BenchError> {
        let edits = u64::try_from(lab.scale.edits).unwrap_or(1);
        let project = Project::new(lab, With::Salesforce, WARM_UP + edits).await?;
        let measured = measured(&project, edits).await;
        project.end(lab).await?;
        measured
    }
}

async fn measured(project: &Project, edits: u64) -> Result<Reading, BenchError> {
    let running = project.start()?;
    let mut shop = PgConnection::connect(&project.shop).await?;
    let mut org = Tail::open(&project.org())?;
    let (mut dice, mut times) = (Dice::new(5), Vec::new());
    for number in 0..WARM_UP + edits {
        let took = edit(&mut shop, &mut org, number).await?;
        if number >= WARM_UP {
            times.push(took.as_secs_f64() * 1e3);
        }
        // Not in step with anything that duet does by the clock.
        let pause = Duration::from_millis(30 + dice.below(30));
        tokio::time::sleep(pause).await;
        if number > 0 && number % 250 == 0 {
            note(&format!("latency: {number} edits, {:.0} ms p50", percentile(&times, 0.5)));
        }
    }
    drop(running);
    Ok(Reading::of(percentile(&times, 0.5))
        .with("p90 ms", percentile(&times, 0.9))
        .with(P99, percentile(&times, 0.99))
        .with("most ms", percentile(&times, 1.0)))
}

/// Edits a contact and waits until the organization holds it.
async fn edit(
    shop: &mut PgConnection,
    org: &mut Tail,
    number: u64,
) -> Result<Duration, BenchError> {
    let phone = format!("+49 30 {number} x");
    let watch = Watch::start();
    sqlx::query("UPDATE contacts SET phone = $1 WHERE id = $2")
        .bind(&phone)
        .bind(record(number).as_str())
        .execute(shop)
        .await?;
    let wanted = format!("\"{phone}\"");
    while !org.shows(&wanted)? {
        if watch.elapsed() > LOST {
            return Err(BenchError::Check(format!("edit {number} didn't arrive")));
        }
        tokio::time::sleep(LOOK).await;
    }
    Ok(watch.elapsed())
}

/// What is appended to a file.
struct Tail {
    file: File,
    unread: String,
}

impl Tail {
    /// From its present end on.
    fn open(path: &Path) -> Result<Tail, BenchError> {
        let mut file = File::open(path).map_err(BenchError::io("open the organization"))?;
        file.seek(SeekFrom::End(0)).map_err(BenchError::io("read the organization"))?;
        Ok(Tail { file, unread: String::new() })
    }

    /// Whether a text was appended since the last one that was found.
    fn shows(&mut self, text: &str) -> Result<bool, BenchError> {
        let mut more = Vec::new();
        self.file.read_to_end(&mut more).map_err(BenchError::io("read the organization"))?;
        self.unread.push_str(&String::from_utf8_lossy(&more));
        let found = self.unread.contains(text);
        if found {
            self.unread.clear();
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn what_is_appended_is_seen_once() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        writeln!(file, "old \"+49 30 1 x\"").unwrap();
        let mut tail = Tail::open(file.path()).unwrap();
        assert!(!tail.shows("\"+49 30 1 x\"").unwrap());
        write!(file, "new \"+49 30").unwrap();
        assert!(!tail.shows("\"+49 30 1 x\"").unwrap());
        writeln!(file, " 1 x\"").unwrap();
        assert!(tail.shows("\"+49 30 1 x\"").unwrap());
        assert!(!tail.shows("\"+49 30 1 x\"").unwrap());
    }
}
