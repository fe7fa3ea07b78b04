//! Many clients at once.

use std::sync::Arc;

use serde_json::json;

use crate::client::{column, start};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_many_creates_of_a_key_wins() {
    let client = Arc::new(start().await);
    let tasks: Vec<_> = (0..8)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move {
                let mut wins = 0;
                for key in 0..20 {
                    let body = json!({ "Name": "a", "Ext__c": format!("K{key}") });
                    let (status, body) = client.call("POST", "/sobjects/Account", body).await;
                    wins += usize::from(status == 201);
                    assert!(status == 201 || body[0]["errorCode"] == "DUPLICATE_VALUE", "{body}");
                }
                wins
            })
        })
        .collect();
    let mut wins = 0;
    for task in tasks {
        wins += task.await.unwrap();
    }
    assert_eq!(wins, 20);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_poll_by_stamp_and_id_misses_nothing() {
    let client = Arc::new(start().await);
    let writers: Vec<_> = (0..3)
        .map(|writer| {
            let client = client.clone();
            tokio::spawn(async move {
                for n in 0..60 {
                    let body = json!({ "Name": format!("{writer}-{n}") });
                    client.create("Account", body).await;
                }
            })
        })
        .collect();
    let mut seen = std::collections::BTreeSet::new();
    let mut from = "2000-01-01T00:00:00.000+0000".to_owned();
    loop {
        let done = writers.iter().all(|writer| writer.is_finished());
        let soql = format!(
            "SELECT Id, SystemModstamp FROM Account WHERE SystemModstamp >= {from} \
             ORDER BY SystemModstamp, Id LIMIT 500"
        );
        let (_, body) = client.query(&soql).await;
        let ids = column(&body, "Id").into_iter();
        seen.extend(ids.map(|id| id.as_str().unwrap().to_owned()));
        if let Some(last) = column(&body, "SystemModstamp").last() {
            from = last.as_str().unwrap().to_owned();
        }
        if done {
            break;
        }
    }
    assert_eq!(seen.len(), 180);
}
