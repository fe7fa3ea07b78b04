//! Reads, searches and scans.

use crate::org::{Org, call, image};
use duet_core::id::RecordId;
use duet_core::intent::{FindKey, Op, Outcome, WritePath};
use duet_core::observation::{Absence, ActorClass, Deletion, Presence, Source};
use duet_core::stamp::Stamp;
use duet_core::value::Value;
use duet_ports::connector::{Connector, Search};
use serde_json::json;

fn search(number: u128, keys: Vec<FindKey>) -> Search {
    Search { intent: call(number, None, &[]).intent, keys }
}

fn by(rule: usize, columns: &[(&str, &str)]) -> FindKey {
    let columns = image(columns).into_iter().collect();
    FindKey { rule: Some(rule), columns }
}

#[tokio::test]
async fn a_record_is_read_in_canonical_form() {
    let org = Org::start().await;
    let id = org
        .account(json!({ "Name": " Acme ", "Phone": "", "Score__c": 1.5, "Tags__c": "green;red",
            "Seen_At__c": "2026-01-02T03:04:05Z", "Since__c": "2026-01-02",
            "Description": "a\r\nb", "NumberOfEmployees": 7 }))
        .await;
    let columns = [
        "Name",
        "Phone",
        "Score__c",
        "Tags__c",
        "Seen_At__c",
        "Since__c",
        "Description",
        "NumberOfEmployees",
        "OwnerId",
        "IsDeleted",
    ];
    let collection = org.accounts(&columns).await;
    let read = org.side.read(&collection, std::slice::from_ref(&id)).await.unwrap().remove(0);
    let seen = read.observation;
    let value = |name: &str| seen.image[name].clone();
    assert_eq!(value("Name"), Value::text("Acme"));
    assert_eq!(value("Phone"), Value::Null);
    assert_eq!(value("Score__c"), Value::decimal("1.5".parse().unwrap()));
    assert_eq!(value("Tags__c"), Value::Set(["green".to_owned(), "red".to_owned()].into()));
    assert_eq!(value("Seen_At__c"), Value::Instant(Stamp(1_767_323_045_000_000)));
    assert_eq!(value("Since__c"), Value::Date("2026-01-02".parse().unwrap()));
    assert_eq!(value("Description"), Value::text("a\nb"));
    assert_eq!(value("NumberOfEmployees"), Value::Integer(7));
    assert_eq!((seen.presence, seen.source), (Presence::Present, Source::Read));
    assert_eq!(seen.actor.class, ActorClass::User);
    assert_eq!((seen.marker, seen.key), (None, None));
    let version = seen.version.expect("a version");
    assert_eq!(version.order, seen.changed_at.map(|at| at.0));
    assert_eq!(seen.changed_at.unwrap().0 % 1_000_000, 0);
}

#[tokio::test]
async fn absence_is_told_apart() {
    let org = Org::start().await;
    let (inside, outside) = (json!({ "Name": "a", "Rating": "Hot" }), json!({ "Name": "b" }));
    let (inside, outside) = (org.account(inside).await, org.account(outside).await);
    let deleted = org.account(json!({ "Name": "c", "Rating": "Hot" })).await;
    org.delete(&deleted).await;
    let nowhere = RecordId::from("001000000000zzzAAA");
    let nonsense = RecordId::from("it's nothing");
    let mut collection = org.accounts(&["Name"]).await;
    collection.filter = Some("Rating = 'Hot' OR Rating = 'Warm'".to_owned());
    let asked = [nonsense, deleted, outside, nowhere, inside];
    let read = org.side.read(&collection, &asked).await.unwrap();
    assert!(read.iter().map(|one| &one.record).eq(asked.iter()));
    let told: Vec<_> = read.into_iter().map(|one| one.observation.presence).collect();
    let expected = [
        Presence::OutOfScope(Absence::Visibility),
        Presence::Deleted(Deletion::Soft),
        Presence::OutOfScope(Absence::Filter),
        Presence::OutOfScope(Absence::Visibility),
        Presence::Present,
    ];
    assert_eq!(told, expected);
}

#[tokio::test]
async fn five_hundred_records_are_read_in_order() {
    let org = Org::start().await;
    let calls = |from: u128| -> Vec<_> {
        (from..from + 200).map(|n| call(n, None, &[("Name", "many")])).collect()
    };
    let collection = org.accounts(&["Name"]).await;
    let mut ids = Vec::new();
    for from in [1, 201, 401] {
        let batch = duet_ports::connector::Batch {
            op: Op::Create,
            path: WritePath::Batch,
            calls: calls(from),
        };
        for outcome in org.side.apply(&collection, &batch).await.unwrap().outcomes {
            let Outcome::Landed { record, .. } = outcome else { panic!("{outcome:?}") };
            ids.push(record);
        }
    }
    ids.reverse();
    let read = org.side.read(&collection, &ids).await.unwrap();
    assert!(read.iter().map(|one| &one.record).eq(ids.iter()));
    assert!(read.iter().all(|one| one.observation.presence == Presence::Present));
    let (mut pages, mut scanned, mut after) = (0, Vec::new(), None);
    loop {
        let page = org.side.scan(&collection, after.as_ref(), 250).await.unwrap();
        assert_eq!(page.estimate, (pages == 0).then_some(600));
        scanned.extend(page.records.into_iter().map(|one| one.record));
        pages += 1;
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    ids.sort();
    scanned.sort();
    assert_eq!((pages, scanned.len()), (3, 600));
    assert_eq!(scanned, ids);
}

#[tokio::test]
async fn searches_tell_which_rule_holds() {
    let org = Org::start().await;
    let hostile = r"O'Neil \ (x) OR Name != ''";
    let a = org.account(json!({ "Name": hostile, "Ext__c": "k-1", "AccountNumber": "7" })).await;
    let b = org.account(json!({ "Name": "b", "Ext__c": "K-2", "AccountNumber": "7" })).await;
    org.account(json!({ "Name": "c" })).await;
    let collection = org.accounts(&["Phone"]).await;
    let blank = FindKey { rule: Some(0), columns: vec![("Ext__c".into(), Value::Null)] };
    let searches = [
        search(1, vec![by(0, &[("Ext__c", "k-2")]), by(1, &[("AccountNumber", "7")])]),
        search(2, vec![by(1, &[("Name", hostile)])]),
        search(3, vec![by(2, &[("Name", "b"), ("AccountNumber", "7")])]),
        search(4, vec![blank, by(0, &[("Ext__c", "nowhere")])]),
    ];
    let found = org.side.find(&collection, &searches).await.unwrap();
    let told: Vec<Vec<_>> = found
        .iter()
        .map(|some| some.iter().map(|one| (one.record.clone(), one.rule)).collect())
        .collect();
    assert_eq!(told[0][0], (b.clone(), Some(0)));
    assert_eq!(told[0].len(), 3, "both hold the number");
    assert_eq!(told[1], [(a, Some(1))]);
    assert_eq!(told[2], [(b, Some(2))]);
    assert!(told[3].is_empty());
}

#[tokio::test]
async fn our_own_key_is_found() {
    let org = Org::start().await;
    let create = call(9, None, &[("Name", "mine")]);
    let Outcome::Landed { record, .. } =
        org.write(Op::Create, WritePath::Batch, create.clone()).await
    else {
        panic!("landed")
    };
    let key = FindKey {
        rule: None,
        columns: vec![("Duet_Key__c".into(), Value::text(create.link.to_string()))],
    };
    let collection = org.accounts(&["Name"]).await;
    let found = org.side.find(&collection, &[search(9, vec![key])]).await.unwrap();
    assert_eq!(found[0][0].record, record);
    assert_eq!(found[0][0].observation.marker, Some(create.intent));
    assert_eq!(found[0][0].observation.key, Some(create.link));
    assert_eq!(found[0][0].observation.actor.class, ActorClass::Duet);
}

#[tokio::test]
async fn columns_of_parents_are_read() {
    let org = Org::start().await;
    let parent = org.account(json!({ "Name": "parent" })).await;
    let record = json!({ "LastName": "x", "AccountId": parent.as_str() });
    let (child, orphan) = (
        org.insert("Contact", record).await,
        org.insert("Contact", json!({ "LastName": "y" })).await,
    );
    let mut collection = org.collection("Contact", &["LastName", "AccountId", "Phone"]).await;
    let text = collection.columns["Phone"].clone();
    collection.columns.insert("Account.Name".into(), text);
    let read = org.side.read(&collection, &[child, orphan]).await.unwrap();
    assert_eq!(read[0].observation.image["Account.Name"], Value::text("parent"));
    assert_eq!(read[0].observation.image["AccountId"], Value::text(parent.as_str()));
    assert_eq!(read[1].observation.image["Account.Name"], Value::Null);
}
