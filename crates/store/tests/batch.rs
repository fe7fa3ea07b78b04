//! The design point, 200 links in one transaction: few statements however many links, every change
//! stored. Prints how long a transaction took; times are no test.

mod rig;

use duet_core::id::LinkId;
use duet_core::intent::Op;
use duet_core::side::{Both, Side};
use duet_core::stamp::Stamp;
use duet_ports::store::{Address, Most, Store};
use duet_testkit::store_contract::sample::{
    NOW, address, agreed, flow, fresh_link, intent, observation, plan, verdict,
};
use rig::{PostgresRig, SqliteRig};
use std::time::{Duration, Instant};

const LINKS: usize = 200;
const ROUNDS: i64 = 20;

fn addresses() -> Vec<Address> {
    (0..LINKS).map(|number| address(Side::Left, &format!("r{number:04}"))).collect()
}

/// One deciding transaction over all links; in the first round every link also plans a write.
async fn round(store: &dyn Store, number: i64) -> Duration {
    let addresses = addresses();
    let started = now();
    let mut unit = store.begin().await.expect("the store is up");
    let mut links = unit.ensure(&addresses, &fresh_link, NOW).await.expect("they find links");
    links.sort_unstable();
    unit.lock(&links, false).await.expect("they can be locked");
    let facts = unit.load(&links, &[], Stamp(number)).await.expect("they are loaded");
    let decided: Vec<_> = facts
        .iter()
        .map(|facts| {
            verdict(facts, |new| {
                new.agreed = agreed(&format!("{number} {}", "x".repeat(400)));
                new.seen = Both::new(Some(observation(&number.to_string())), None);
                new.link.due_at = (number == 0).then_some(NOW);
                if number == 0 {
                    new.effects = vec![plan(&intent(facts.link.id, Side::Right, Op::Update))];
                }
            })
        })
        .collect();
    unit.save(&decided, NOW).await.expect("they are locked");
    unit.commit().await.expect("they are stored");
    started.elapsed()
}

#[expect(clippy::disallowed_methods, reason = "a measurement, not a test")]
fn now() -> Instant {
    Instant::now()
}

/// Decisions, the least revision of a link, intents, observations.
const COUNTED: &str = "SELECT (SELECT count(*) FROM decisions), (SELECT min(rev) FROM links),
    (SELECT count(*) FROM intents), (SELECT count(seen_left) + count(seen_right) FROM contents)";

fn expected() -> (i64, i64, i64, i64) {
    let links = i64::try_from(LINKS).expect("a small number");
    (links * ROUNDS, ROUNDS, links, links)
}

/// How long the transactions took: the first, the one in the middle, the best.
async fn rounds(store: &dyn Store) -> (Duration, Duration, Duration) {
    let mut times = Vec::new();
    for number in 0..ROUNDS {
        times.push(round(store, number).await);
    }
    let first = times.remove(0);
    times.sort_unstable();
    let most = Most::of(LINKS);
    let claimed = store.claim(&"shop".into(), &[flow()], most, NOW, NOW.plus(1)).await;
    let claimed = claimed.expect("it answers");
    assert_eq!(claimed.map(|claimed| claimed.intents.len()), Some(LINKS));
    let due: Vec<LinkId> = store.due_links(&[flow()], LINKS, NOW).await.expect("it answers");
    assert!(due.is_empty(), "the last verdict asked for nothing");
    (first, times[times.len() / 2], times[0])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_links_are_one_transaction() {
    let rig = PostgresRig::new().await;
    println!("first, median, best: {:?}", rounds(&rig.connect().await).await);
    let counted = sqlx::query_as(COUNTED).fetch_one(&mut rig.plain().await).await;
    assert_eq!(expected(), counted.expect("it counts"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_links_are_one_transaction_of_a_file() {
    let rig = SqliteRig::new().await;
    println!("first, median, best: {:?}", rounds(&*rig.open().await).await);
    let counted = sqlx::query_as(COUNTED).fetch_one(&mut rig.plain().await).await;
    assert_eq!(expected(), counted.expect("it counts"));
}
