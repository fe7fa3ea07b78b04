//! Store: the deciding transaction's reading and writing, 200 links at a time, without a decision:
//! find the links, lock them, load their facts, save verdicts with decision rows, commit.

use crate::error::BenchError;
use crate::flow;
use crate::processes::{Servers, since, usage};
use crate::reading::Reading;
use crate::sample::{AGREED_AT, Dice, MOVED};
use crate::seed;
use crate::side::BATCH;
use crate::stage;
use crate::statistics::{float, percentile};
use crate::watch::Watch;
use duet_core::agreed::Agreed;
use duet_core::facts::Facts;
use duet_core::id::LinkId;
use duet_core::value::Value;
use duet_core::verdict::{FieldOutcome, Verdict};
use duet_ports::clock::{Clock, Entropy, System};
use duet_ports::envelope::Numbered;
use duet_ports::store::{Address, Decided, Store};
use duet_store::{Sqlite, SqliteOptions};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

/// Which store.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum StoreAt {
    /// PostgreSQL, with links for these keys.
    Postgres {
        /// The database.
        database: String,
        /// Its server.
        servers: Servers,
    },
    /// A SQLite file in this folder, made here.
    Sqlite {
        /// The folder.
        folder: PathBuf,
    },
}

/// How many transactions on how many keys.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Rounds {
    /// Which store.
    pub(crate) at: StoreAt,
    /// Keys that have links.
    pub(crate) keys: u64,
    /// Transactions.
    pub(crate) count: usize,
}

pub(super) async fn run(task: &Rounds) -> Result<Reading, BenchError> {
    let servers = match &task.at {
        StoreAt::Postgres { servers, .. } => *servers,
        StoreAt::Sqlite { .. } => Servers::default(),
    };
    let store = open(task).await?;
    let mut dice = Dice::new(77);
    let mut times = Vec::with_capacity(task.count);
    let (before, watch) = (usage(servers)?, Watch::start());
    for number in 0..task.count {
        let addresses = draw(&mut dice, task.keys);
        let one = Watch::start();
        transaction(store.as_ref(), &addresses, number, &mut dice).await?;
        times.push(one.seconds() * 1e3);
    }
    let (seconds, used) = (watch.seconds(), since(&before, servers)?);
    let rows = task.count * BATCH;
    let reading = Reading::of_records(float(rows) / seconds, rows, &used);
    Ok(reading
        .with("transaction ms p50", percentile(&times, 0.5))
        .with("p99", percentile(&times, 0.99)))
}

async fn open(task: &Rounds) -> Result<Arc<dyn Store>, BenchError> {
    match &task.at {
        StoreAt::Postgres { database, .. } => Ok(stage::store(database).await?),
        StoreAt::Sqlite { folder } => {
            let options = SqliteOptions { create: true, ..SqliteOptions::default() };
            let store = Sqlite::open(&folder.join("bench.db"), options).await?;
            store.migrate().await?;
            seed::links(&store, &flow::spec()?, task.keys).await?;
            Ok(Arc::new(store))
        }
    }
}

/// 200 different records in the order of their keys.
fn draw(dice: &mut Dice, keys: u64) -> Vec<Address> {
    let mut drawn = BTreeSet::new();
    while drawn.len() < BATCH {
        drawn.insert(dice.below(keys));
    }
    drawn.into_iter().map(seed::address).collect()
}

async fn transaction(
    store: &dyn Store,
    addresses: &[Address],
    number: usize,
    dice: &mut Dice,
) -> Result<(), BenchError> {
    let now = System.now();
    let mut unit = store.begin().await?;
    let mut links = unit.ensure(addresses, &|| LinkId(System.id()), now).await?;
    links.sort_unstable();
    unit.lock(&links, false).await?;
    let facts = unit.load(&links, &[], now).await?;
    if facts.len() != BATCH {
        return Err(BenchError::Check(format!("{} links of {BATCH} were loaded", facts.len())));
    }
    let decided: Vec<Decided> = facts.into_iter().map(|facts| changed(facts, dice)).collect();
    unit.save(&decided, now).await?;
    let number = i64::try_from(number).unwrap_or(i64::MAX);
    unit.settle(&[Numbered { source: stage::source(), token: 1, number }], &[], now).await?;
    unit.commit().await?;
    Ok(())
}

/// A verdict as a change of four fields gives, without a write to be made.
fn changed(facts: Facts, dice: &mut Dice) -> Decided {
    let from_rev = facts.link.rev;
    let Facts { mut link, mut agreed, mut seen, .. } = facts;
    link.rev += 1;
    let text = format!("{:032x}", dice.roll());
    for column in MOVED {
        if let Some(seen) = &mut seen.right {
            seen.image.insert(column.into(), Value::text(text.clone()));
        }
        if let Agreed::Pair(pair) = &mut agreed
            && let Some(field) = pair.fields.get_mut(column)
        {
            field.trunk = Value::text(text.clone());
            field.at = AGREED_AT.plus(from_rev);
            field.accounted.right = Some(Value::text(text.clone()));
        }
    }
    let outcome = |column: &&str| FieldOutcome {
        field: (**column).into(),
        row: "F3".into(),
        rule: "only right moved".to_owned(),
        outcome: "trunk := right, write left".to_owned(),
    };
    let verdict = Verdict {
        link,
        agreed,
        seen,
        effects: Vec::new(),
        row: "R23".into(),
        rule: "one side changed".to_owned(),
        outcomes: MOVED.iter().map(outcome).collect(),
        echo: false,
        changed: true,
    };
    Decided { from_rev, verdict, cause: "seen right".to_owned(), policy: "bench".to_owned() }
}
