//! Writes: what may go wrong with one record, its neighbours, the server, and beside others.

use crate::rig::{Shop, connect, creating, intent, on_both};
use duet_core::intent::{Op, Outcome, WritePath};
use duet_core::observation::{Deletion, Presence};
use duet_core::retry::{Failure, FailureClass};
use duet_core::value::Value;
use duet_ports::connector::{Batch, Call, Connector};
use duet_sql::Product;
use duet_testkit::connector_contract::landed;
use serde_json::json;

fn refused(outcome: &Outcome) -> &Failure {
    match outcome {
        Outcome::Refused { failure, .. } => failure,
        other => panic!("it was not refused: {other:?}"),
    }
}

async fn an_edit_between_read_and_write_is_not_overwritten(product: Product) {
    let shop = Shop::items(product).await;
    shop.run("INSERT INTO items (title, note) VALUES ('a', 'n')").await;
    let call = shop.call(1, "1", &[("title", Value::text("ours"))]).await;
    shop.run("UPDATE items SET note = 'theirs'").await;
    let outcome = shop.send(Op::Update, vec![call]).await.remove(0);
    let Outcome::Refused { failure, observed: Some(found) } = outcome else {
        panic!("{outcome:?}")
    };
    assert_eq!(failure.class, FailureClass::Stale);
    assert_eq!(found.observation.image.get("note"), Some(&Value::text("theirs")));
    let again = Call { expected: found.observation.version, ..shop.call(1, "1", &[]).await };
    let again = Call { values: crate::rig::image(&[("title", Value::text("ours"))]), ..again };
    landed(&shop.send(Op::Update, vec![again]).await[0]);
}

async fn an_edit_under_way_is_waited_for_and_then_seen(product: Product) {
    let shop = Shop::items(product).await;
    shop.run("INSERT INTO items (title) VALUES ('a')").await;
    let call = shop.call(1, "1", &[("title", Value::text("ours"))]).await;
    let mut theirs = shop.begin().await;
    theirs.run("UPDATE items SET title = 'theirs'").await;
    let writing = shop.send(Op::Update, vec![call]);
    let committing = async {
        let waiting = "SELECT count(*) FROM pg_stat_activity
            WHERE datname = current_database() AND wait_event_type = 'Lock'";
        // Who waits for a file can't be seen; who doesn't yet finds it changed all the same.
        while product == Product::Postgres && shop.number(waiting).await == 0 {}
        theirs.run("COMMIT").await;
    };
    let (outcomes, ()) = tokio::join!(writing, committing);
    assert_eq!(refused(&outcomes[0]).class, FailureClass::Stale);
    assert_eq!(shop.read("1").await.image.get("title"), Some(&Value::text("theirs")));
}

async fn without_a_version_the_values_decide_beside_a_capture_too(product: Product) {
    let shop = Shop::items(product).await;
    shop.run("INSERT INTO items (title, note) VALUES ('a', 'n')").await;
    let call = shop.call(1, "1", &[("title", Value::text("ours"))]).await;
    let unread = Call { expected: None, ..call };
    shop.run("UPDATE items SET title = 'theirs'").await;
    let outcome = shop.send(Op::Update, vec![unread.clone()]).await.remove(0);
    assert_eq!(refused(&outcome).class, FailureClass::Stale);
    assert_eq!(shop.read("1").await.image.get("title"), Some(&Value::text("theirs")));
    shop.run("UPDATE items SET title = 'a'").await;
    landed(&shop.send(Op::Update, vec![unread.clone()]).await[0]);
    let expected_values = duet_core::image::Image::new();
    let presence = Call { intent: intent(2), expected_values, ..unread };
    landed(&shop.send(Op::Update, vec![presence]).await[0]);
}

async fn a_constraint_checked_at_the_commit_refuses_one_record_only(product: Product) {
    let ddl = "CREATE TABLE parents (id int PRIMARY KEY); CREATE TABLE items (id int PRIMARY KEY,
        parent int REFERENCES parents DEFERRABLE INITIALLY DEFERRED);
        INSERT INTO parents VALUES (1); INSERT INTO items (id) VALUES (1), (2), (3)";
    let shop = Shop::captured(product, ddl, "items").await;
    let mut calls = Vec::new();
    for (id, parent) in [("1", 1), ("2", 99), ("3", 1)] {
        calls.push(
            shop.call(parent.try_into().expect("small"), id, &[("parent", Value::Integer(parent))])
                .await,
        );
    }
    for (call, number) in calls.iter_mut().zip(1..) {
        call.intent = intent(number);
    }
    let outcomes = shop.send(Op::Update, calls).await;
    assert_eq!(landed(&outcomes[0]).as_str(), "1");
    assert_eq!(refused(&outcomes[1]).class, FailureClass::Dependency);
    assert_eq!(landed(&outcomes[2]).as_str(), "3");
    assert_eq!(shop.read("3").await.marker, Some(intent(3)));
}

async fn a_delete_that_dependants_forbid_is_restricted(product: Product) {
    let ddl = "CREATE TABLE items (id int PRIMARY KEY);
        CREATE TABLE parts (item int REFERENCES items);
        INSERT INTO items VALUES (1), (2); INSERT INTO parts VALUES (1)";
    let shop = Shop::captured(product, ddl, "items").await;
    let calls = vec![shop.call(1, "1", &[]).await, shop.call(2, "2", &[]).await];
    let outcomes = shop.send(Op::Delete, calls).await;
    assert_eq!(refused(&outcomes[0]).class, FailureClass::Restricted);
    let Outcome::Landed { after: Some(after), .. } = &outcomes[1] else { panic!("{outcomes:?}") };
    assert_eq!(after.presence, Presence::Deleted(Deletion::Hard));
    assert_eq!(after.marker, Some(intent(2)));
    assert_eq!(shop.read("1").await.presence, Presence::Present);
    let none = shop.send(Op::Undelete, vec![creating(3, &[])]).await;
    assert_eq!(refused(&none[0]).code, "unsupported");
}

async fn the_answer_shows_what_the_tables_own_triggers_made_of_it(product: Product) {
    let table = "CREATE TABLE items (id int PRIMARY KEY, title text, slug text);";
    let trigger = match product {
        Product::Postgres => {
            "CREATE FUNCTION slug() RETURNS trigger LANGUAGE plpgsql AS
                 $$ BEGIN NEW.slug := lower(NEW.title); RETURN NEW; END $$;
             CREATE TRIGGER slug BEFORE INSERT OR UPDATE ON items
                 FOR EACH ROW EXECUTE FUNCTION slug();"
        }
        Product::Sqlite => {
            "CREATE TRIGGER slug AFTER INSERT ON items BEGIN
                 UPDATE items SET slug = lower(NEW.title) WHERE id = NEW.id; END;"
        }
    };
    let shop = Shop::captured(product, &format!("{table} {trigger}"), "items").await;
    let call = creating(1, &[("id", Value::Integer(1)), ("title", Value::text("ABC"))]);
    let outcomes = shop.send(Op::Create, vec![call]).await;
    let Outcome::Landed { after: Some(after), .. } = &outcomes[0] else { panic!("{outcomes:?}") };
    assert_eq!(after.image.get("slug"), Some(&Value::text("abc")));
    assert_eq!(after.marker, Some(intent(1)));
    assert_eq!(after.version, shop.read("1").await.version);
}

async fn creates_without_any_unique_value_happen_once_too(product: Product) {
    let shop = Shop::items(product).await;
    let call = creating(1, &[("title", Value::text("new"))]);
    let other = connect(&shop.ground, json!({}));
    let batch = Batch { op: Op::Create, path: WritePath::Guarded, calls: vec![call] };
    let (a, b) = tokio::join!(
        shop.side.apply(&shop.collection, &batch),
        other.apply(&shop.collection, &batch),
    );
    let a = landed(&a.expect("it answers").outcomes[0]);
    let b = landed(&b.expect("it answers").outcomes[0]);
    assert_eq!(a, b);
    assert_eq!(shop.rows("items").await, 1);
}

async fn two_creates_of_one_key_in_a_batch_make_one_record(product: Product) {
    let shop = Shop::captured(product, "CREATE TABLE t (id int PRIMARY KEY, a text)", "t").await;
    let values = |text| [("id", Value::Integer(1)), ("a", Value::text(text))];
    let calls = vec![
        creating(1, &values("first")),
        creating(2, &values("second")),
        creating(3, &[("id", Value::Integer(2)), ("a", Value::text("x"))]),
    ];
    let outcomes = shop.send(Op::Create, calls).await;
    assert_eq!(landed(&outcomes[2]).as_str(), "2");
    let fates: Vec<bool> =
        outcomes[..2].iter().map(|it| matches!(it, Outcome::Landed { .. })).collect();
    assert_eq!(fates.iter().filter(|landed| **landed).count(), 1, "{outcomes:?}");
    let loser = fates.iter().position(|landed| !landed).expect("one lost");
    assert_eq!(refused(&outcomes[loser]).class, FailureClass::Uniqueness);
    assert_eq!(shop.rows("t").await, 2);
}

async fn two_hundred_records_are_one_transaction(product: Product) {
    let shop = Shop::items(product).await;
    shop.run(&format!("INSERT INTO items (title) VALUES ('x'){}", ", ('x')".repeat(199))).await;
    let ids: Vec<_> = (1..=200).map(|id: u128| id.to_string().as_str().into()).collect();
    let found = shop.side.read(&shop.collection, &ids).await.expect("it can be read");
    let calls = found.into_iter().zip(1..).map(|(record, number)| Call {
        record: Some(record.record),
        expected: record.observation.version,
        ..creating(number, &[("title", Value::text("ours"))])
    });
    let outcomes = shop.send(Op::Update, calls.collect()).await;
    assert!(outcomes.iter().all(|it| matches!(it, Outcome::Landed { after: Some(_), .. })));
    if product == Product::Postgres {
        assert_eq!(shop.number("SELECT count(DISTINCT xmin::text) FROM items").await, 1);
    }
    assert_eq!(shop.number("SELECT count(*) FROM items WHERE title = 'ours'").await, 200);
}

async fn without_a_capture_the_old_values_decide(product: Product) {
    let mut shop = Shop::bare(product, crate::rig::items(product), "items").await;
    shop.describe().await;
    shop.run("INSERT INTO items (title, note) VALUES ('a', 'n')").await;
    let call = shop.call(1, "1", &[("title", Value::text("ours"))]).await;
    assert!(call.expected.is_none() && !call.expected_values.is_empty());
    landed(&shop.send(Op::Update, vec![call.clone()]).await[0]);
    assert_eq!(refused(&shop.send(Op::Update, vec![call]).await[0]).class, FailureClass::Stale);
}

async fn an_empty_batch_and_unknown_ids_are_answered(product: Product) {
    let shop = Shop::items(product).await;
    assert!(shop.send(Op::Update, Vec::new()).await.is_empty());
    assert!(shop.send(Op::Create, Vec::new()).await.is_empty());
    let nobody = Call { record: Some("x".into()), ..creating(1, &[("title", Value::text("a"))]) };
    assert_eq!(refused(&shop.send(Op::Update, vec![nobody]).await[0]).class, FailureClass::Gone);
    assert_eq!(refused(&shop.send(Op::Create, vec![creating(2, &[])]).await[0]).code, "no_values");
    let nul = creating(3, &[("title", Value::text("nul\0"))]);
    assert_eq!(refused(&shop.send(Op::Create, vec![nul]).await[0]).class, FailureClass::Validation);
}

on_both!(
    an_edit_between_read_and_write_is_not_overwritten,
    an_edit_under_way_is_waited_for_and_then_seen,
    without_a_version_the_values_decide_beside_a_capture_too,
    a_constraint_checked_at_the_commit_refuses_one_record_only,
    a_delete_that_dependants_forbid_is_restricted,
    the_answer_shows_what_the_tables_own_triggers_made_of_it,
    creates_without_any_unique_value_happen_once_too,
    two_creates_of_one_key_in_a_batch_make_one_record,
    two_hundred_records_are_one_transaction,
    without_a_capture_the_old_values_decide,
    an_empty_batch_and_unknown_ids_are_answered
);
