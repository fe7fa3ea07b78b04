//! Thousands of rows: long lists and keyset paging stay quick.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::client::{column, start};

#[tokio::test]
async fn five_thousand_rows_are_read_by_lists_and_by_keyset() {
    let client = start().await;
    client.create_accounts("row", 5_000).await;
    let (_, body) = client.query("SELECT Id FROM Account ORDER BY Id LIMIT 500").await;
    let ids = column(&body, "Id");
    let list: Vec<_> = ids.iter().map(|id| format!("'{}'", id.as_str().unwrap())).collect();
    #[expect(clippy::disallowed_methods, reason = "a limit on real time")]
    let start = Instant::now();
    for _ in 0..10 {
        let soql = format!("SELECT Id, Name FROM Account WHERE Id IN ({})", list.join(","));
        let (_, body) = client.query(&soql).await;
        assert_eq!(body["totalSize"], 500);
    }
    let mut seen = 0;
    let mut after = ("2000-01-01T00:00:00.000+0000".to_owned(), "000000000000000AAA".to_owned());
    loop {
        let (at, id) = &after;
        let soql = format!(
            "SELECT Id, SystemModstamp FROM Account WHERE (SystemModstamp = {at} AND Id > '{id}') \
             OR SystemModstamp > {at} ORDER BY SystemModstamp, Id LIMIT 500"
        );
        let (_, body) = client.query(&soql).await;
        let rows = body["records"].as_array().unwrap();
        seen += rows.len();
        let Some(last) = rows.last() else { break };
        let text = |name: &str| last[name].as_str().unwrap().to_owned();
        after = (text("SystemModstamp"), text("Id"));
    }
    assert_eq!(seen, 5_000);
    // Twenty-one reads, half a second on an idle machine. A search that compares everything with
    // everything takes minutes, so the bound can be wide: test machines are busy.
    assert!(start.elapsed() < Duration::from_secs(30), "{:?}", start.elapsed());
    let (_, body) = client.query("SELECT Id FROM Account WHERE Ext__c = 'ROW-4999'").await;
    assert_eq!(body["totalSize"], json!(1));
}
