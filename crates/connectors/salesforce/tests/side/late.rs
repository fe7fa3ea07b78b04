//! The looks back of detection, which take ten minutes: against a small table of rows with a clock
//! that the test turns.

use crate::made_up::{connect, described, token};
use crate::org::{bare, drain, ids};
use async_trait::async_trait;
use duet_core::id::{Column, RecordId};
use duet_core::stamp::Stamp;
use duet_ports::clock::Clock;
use duet_ports::connector::{Collection, Connector, Detector};
use duet_salesforce::Salesforce;
use serde_json::{Value as Json, json};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate};

const START: i64 = 1_800_000_000;

/// A clock in seconds, turned by hand.
struct Turned(AtomicI64);

#[async_trait]
impl Clock for Turned {
    fn now(&self) -> Stamp {
        Stamp(self.0.load(Ordering::SeqCst) * Stamp::SECOND)
    }
    async fn sleep(&self, _pause: Duration) {}
}

#[derive(Clone)]
struct Row {
    id: String,
    stamp: i64,
    name: String,
}

/// Answers the three kinds of queries that detection sends.
#[derive(Clone)]
struct Table {
    rows: Arc<Mutex<Vec<Row>>>,
    queries: Arc<Mutex<Vec<String>>>,
    clock: Arc<Turned>,
}

fn date(clock: &Turned) -> String {
    clock.now().to_datetime().expect("a date").to_rfc2822()
}

fn text(second: i64) -> String {
    Stamp(second * Stamp::SECOND).to_string()
}

fn bound<'a>(soql: &'a str, operator: &str) -> Option<&'a str> {
    let place = soql.find(&format!("SystemModstamp {operator} "))?;
    soql[place..].split_whitespace().nth(2).map(|text| text.trim_end_matches(')'))
}

impl Table {
    fn answer(&self, soql: &str) -> Vec<Row> {
        let mut rows = self.rows.lock().expect("no test panics with it").clone();
        rows.sort_by(|a, b| (a.stamp, &a.id).cmp(&(b.stamp, &b.id)));
        if soql.contains("DESC") {
            return rows.last().cloned().into_iter().collect();
        }
        if soql.contains("Id IN (") {
            return rows.into_iter().filter(|row| soql.contains(&row.id)).collect();
        }
        let least = bound(soql, ">=").expect("one page only, so no keyset").to_owned();
        let most = bound(soql, "<").map(str::to_owned);
        let inside = |row: &Row| {
            let at = text(row.stamp);
            at >= least && most.as_ref().is_none_or(|most| at < *most)
        };
        rows.into_iter().filter(inside).collect()
    }

    fn queries(&self, with: &str) -> usize {
        self.queries
            .lock()
            .expect("no test panics with it")
            .iter()
            .filter(|soql| soql.contains(with))
            .count()
    }

    /// An answer of a side whose only clock is the turned one.
    fn dated(&self, body: Json) -> ResponseTemplate {
        let date = date(&self.clock);
        ResponseTemplate::new(200).set_body_json(body).insert_header("Date", date.as_str())
    }

    fn put(&self, id: &str, stamp: i64, name: &str) {
        let mut rows = self.rows.lock().expect("no test panics with it");
        rows.retain(|row| row.id != id);
        rows.push(Row { id: id.to_owned(), stamp, name: name.to_owned() });
    }
}

impl Respond for Table {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let soql = request.url.query_pairs().find(|(name, _)| name == "q").expect("a query").1;
        self.queries.lock().expect("no test panics with it").push(soql.to_string());
        let records: Vec<Json> = self
            .answer(&soql)
            .into_iter()
            .map(|row| {
                json!({ "Id": row.id, "IsDeleted": false, "Name": row.name,
                "SystemModstamp": text(row.stamp), "LastModifiedDate": text(row.stamp) })
            })
            .collect();
        self.dated(json!({ "totalSize": records.len(), "done": true, "records": records }))
    }
}

struct Scene {
    table: Table,
    side: Salesforce,
    collection: Collection,
    server: MockServer,
}

const A: &str = "001000000000001AAA";
const B: &str = "001000000000002AAA";
const C: &str = "001000000000003AAA";

async fn scene() -> Scene {
    let server = MockServer::start().await;
    let clock = Arc::new(Turned(AtomicI64::new(START)));
    let table = Table { rows: Arc::default(), queries: Arc::default(), clock: clock.clone() };
    Mock::given(method("POST"))
        .and(path("/services/oauth2/token"))
        .respond_with(token(&server, "t").insert_header("Date", date(&clock).as_str()))
        .mount(&server)
        .await;
    Mock::given(path("/services/data/v65.0/sobjects/Account/describe"))
        .respond_with(table.dated(described()))
        .mount(&server)
        .await;
    Mock::given(path("/services/data/v65.0/queryAll"))
        .respond_with(table.clone())
        .mount(&server)
        .await;
    let side = connect(&server, clock);
    let mut collection = bare("Account");
    let columns = side.describe(&collection).await.expect("a description").columns;
    let name = Column::from("Name");
    collection.columns.insert(name.clone(), columns[&name].clone());
    Scene { table, side, collection, server }
}

impl Scene {
    async fn detector(&self) -> Box<dyn Detector> {
        self.side.detector(&self.collection, None).await.expect("a detector")
    }

    fn turn(&self, seconds: i64) {
        self.table.clock.0.fetch_add(seconds, Ordering::SeqCst);
    }
}

fn only(id: &str) -> Vec<RecordId> {
    vec![RecordId::from(id)]
}

#[tokio::test]
async fn ten_minutes_before_the_position_are_looked_at_once_a_minute() {
    let scene = scene().await;
    scene.table.put(A, START, "a");
    let mut detector = scene.detector().await;
    assert_eq!(ids(&drain(&mut *detector).await), only(A), "the overlap repeats");
    let looks = || scene.table.queries("SELECT Id, SystemModstamp FROM Account WHERE");
    assert_eq!(looks(), 1, "the first poll looks far back");
    scene.table.put(B, START - 300, "its transaction was open for five minutes");
    scene.turn(15);
    assert!(drain(&mut *detector).await.is_empty(), "not within the thirty seconds");
    scene.turn(45);
    assert_eq!(ids(&drain(&mut *detector).await), only(B));
    assert_eq!(looks(), 2);
    scene.table.put(C, START - 20, "within the thirty seconds");
    scene.turn(15);
    assert_eq!(ids(&drain(&mut *detector).await), only(C));
    assert_eq!(looks(), 2);
}

#[tokio::test]
async fn the_look_back_counts_from_the_position_not_from_now() {
    let scene = scene().await;
    scene.table.put(A, START - 86_400, "the newest for a day");
    let mut detector = scene.detector().await;
    drain(&mut *detector).await;
    scene.table.put(B, START - 86_400 - 500, "late");
    scene.turn(60);
    assert_eq!(ids(&drain(&mut *detector).await), only(B));
}

/// Looks are a minute apart, and the position moves on between them: the window of a look follows
/// the position that the look before it began at.
#[tokio::test]
async fn what_shows_after_ten_minutes_between_two_looks_is_not_missed() {
    let scene = scene().await;
    scene.table.put(A, START, "a");
    let mut detector = scene.detector().await;
    drain(&mut *detector).await;
    scene.turn(59);
    scene.table.put(C, START + 59, "moves the position on, without a look back");
    let moved = drain(&mut *detector).await;
    assert_eq!(ids(&moved), only(C));
    scene.table.put(B, START - 598, "its transaction ended just after the first look");
    scene.turn(1);
    assert_eq!(ids(&drain(&mut *detector).await), only(B));
    scene.turn(60);
    assert!(drain(&mut *detector).await.is_empty(), "once");
}

#[tokio::test]
async fn a_successor_looks_back_beyond_what_its_predecessor_may_have_missed() {
    let scene = scene().await;
    scene.table.put(A, START, "a");
    let mut first = scene.detector().await;
    drain(&mut *first).await;
    scene.turn(59);
    scene.table.put(C, START + 59, "read a minute after the look back");
    let position = first.detect(10).await.expect("a reading").position.expect("a position");
    drop(first);
    scene.table.put(B, START - 590, "shows after the predecessor ended");
    let successor = scene.side.detector(&scene.collection, Some(&position)).await;
    let seen = ids(&drain(&mut *successor.expect("a detector")).await);
    assert!(seen.contains(&RecordId::from(B)), "{seen:?}");
}

#[tokio::test]
async fn a_poll_rarer_than_the_looks_misses_nothing_either() {
    let scene = scene().await;
    scene.table.put(A, START, "a");
    let mut detector = scene.detector().await;
    drain(&mut *detector).await;
    scene.turn(540);
    scene.table.put(C, START + 540, "moves the position on");
    scene.table.put(B, START - 30, "visible after nine and a half minutes");
    let mut seen = ids(&drain(&mut *detector).await);
    seen.sort();
    assert_eq!(seen, [RecordId::from(B), RecordId::from(C)]);
    scene.turn(540);
    let hidden = "009000000000009AAA";
    scene.table.put(hidden, START + 10, "and one that the last poll couldn't see");
    assert_eq!(ids(&drain(&mut *detector).await), only(hidden));
}

#[tokio::test]
async fn a_second_is_read_again_only_when_all_of_it_is_ten_minutes_old() {
    let scene = scene().await;
    let mut detector = scene.detector().await;
    scene.table.put(A, START, "a");
    drain(&mut *detector).await;
    scene.turn(100);
    scene.table.put(C, START + 100, "moves the position on");
    drain(&mut *detector).await;
    scene.turn(500);
    assert!(drain(&mut *detector).await.is_empty());
    scene.table.put(A, START, "saved late in that second, open for ten minutes");
    scene.turn(1);
    assert_eq!(ids(&drain(&mut *detector).await), only(A));
}

#[tokio::test]
async fn the_look_back_reads_ids_and_stamps_and_values_only_of_what_is_new() {
    let scene = scene().await;
    for (number, id) in [A, B].iter().enumerate() {
        scene.table.put(id, START - 100 - i64::try_from(number).unwrap_or_default(), "old");
    }
    scene.table.put(C, START, "the newest");
    let mut detector = scene.detector().await;
    assert_eq!(drain(&mut *detector).await.len(), 3, "a new detector remembers nothing");
    let by_id = || scene.table.queries("Id IN (");
    assert_eq!(by_id(), 1, "those behind the overlap were fetched in one call");
    for _ in 0..3 {
        scene.turn(60);
        assert!(drain(&mut *detector).await.is_empty());
    }
    assert_eq!(by_id(), 1, "what is known isn't fetched again");
    let looks = scene.table.queries("SELECT Id, SystemModstamp FROM Account WHERE");
    assert_eq!(looks, 4);
}

#[tokio::test]
async fn a_change_is_read_again_when_its_stamp_is_ten_minutes_old() {
    let scene = scene().await;
    let mut detector = scene.detector().await;
    scene.table.put(A, START, "a");
    scene.table.put(B, START, "b");
    drain(&mut *detector).await;
    scene.turn(100);
    scene.table.put(C, START + 100, "moves the position on");
    drain(&mut *detector).await;
    scene.table.put(A, START, "the same second, seen too early");
    scene.turn(60);
    assert!(drain(&mut *detector).await.is_empty(), "the look back compares stamps only");
    scene.turn(441);
    let seen = drain(&mut *detector).await;
    assert_eq!(ids(&seen), only(A));
    scene.turn(60);
    assert!(drain(&mut *detector).await.is_empty(), "once");
}

#[tokio::test]
async fn a_look_at_a_head_goes_far_back_at_once() {
    let scene = scene().await;
    scene.table.put(A, START, "a");
    let mut detector = scene.detector().await;
    drain(&mut *detector).await;
    scene.table.put(B, START - 400, "late");
    let head = detector.head().await.unwrap();
    assert_eq!(ids(&drain(&mut *detector).await), only(B));
    assert!(detector.reached(&head).await.unwrap());
}

/// What an administrator changes is heeded within ten minutes, without a description per call.
#[tokio::test]
async fn a_description_counts_for_ten_minutes() {
    let scene = scene().await;
    scene.table.put(A, START - 100, "a");
    for (seconds, described) in [(0, 1), (599, 1), (1, 2), (599, 2)] {
        scene.turn(seconds);
        let read = scene.side.read(&scene.collection, &only(A)).await.expect("a read");
        assert!(read[0].observation.version.is_some());
        let requests = scene.server.received_requests().await.expect("they are recorded");
        let asked = requests.iter().filter(|one| one.url.path().ends_with("/describe")).count();
        assert_eq!(asked, described, "{seconds}");
    }
}
