//! Queries with values that try to be more than values, and with odd forms that are right.

use serde_json::{Value, json};

use crate::client::{Client, column, start};

const NAMES: [&str; 16] = [
    "it's",
    "' OR Name != '",
    "') OR (Name != '",
    "a\\",
    "\\' OR Id != null OR Name = \\'",
    "100%",
    "a_b",
    "axb",
    "%",
    "\"quoted\"",
    "tab\there",
    "ünïcödé ẞ ß",
    "💥 boom",
    "null",
    "LIMIT 0",
    "\\u0041\\n",
];

/// A literal as careful clients write it.
fn quoted(text: &str) -> String {
    let mut out = String::from("'");
    for letter in text.chars() {
        match letter {
            '\'' | '\\' | '"' => out.extend(['\\', letter]),
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            other => out.push(other),
        }
    }
    out + "'"
}

async fn filled() -> Client {
    let client = start().await;
    for name in NAMES {
        client.create("Account", json!({ "Name": name })).await;
    }
    client
}

async fn names(client: &Client, rest: &str) -> Vec<Value> {
    let (status, body) = client.query(&format!("SELECT Name FROM Account {rest}")).await;
    assert_eq!(status, 200, "{rest}: {body}");
    column(&body, "Name")
}

#[tokio::test]
async fn a_value_stays_a_value() {
    let client = filled().await;
    for name in NAMES {
        let literal = quoted(name);
        assert_eq!(names(&client, &format!("WHERE Name = {literal}")).await, [name]);
        assert_eq!(names(&client, &format!("WHERE Name IN ({literal}, 'x')")).await, [name]);
        let others = names(&client, &format!("WHERE Name != {literal}")).await;
        assert_eq!(others.len(), NAMES.len() - 1, "{name}");
        let like = literal.replace('%', "\\%").replace('_', "\\_");
        assert_eq!(names(&client, &format!("WHERE Name LIKE {like}")).await, [name]);
    }
    assert_eq!(names(&client, "WHERE Name LIKE 'a_b'").await.len(), 2, "unescaped it matches any");
    assert_eq!(names(&client, "WHERE Name LIKE '%'").await.len(), NAMES.len());
}

#[tokio::test]
async fn a_value_that_isnt_escaped_breaks_the_statement_only() {
    let client = filled().await;
    for name in NAMES.iter().filter(|name| name.contains(['\'', '\\'])) {
        let soql = format!("SELECT Id FROM Account WHERE Name = '{name}'");
        let (status, body) = client.query(&soql).await;
        if status == 200 {
            // Right by accident: it must at least be what the text says.
            continue;
        }
        assert_eq!(status, 400);
        assert_eq!(body[0]["errorCode"], "MALFORMED_QUERY", "{soql}");
    }
    let (_, rows) = client.query("SELECT COUNT() FROM Account").await;
    assert_eq!(rows["totalSize"], NAMES.len());
}

#[tokio::test]
async fn odd_forms_are_right() {
    let client = filled().await;
    let all = NAMES.len();
    for (rest, count) in [
        ("LIMIT 0", 0),
        ("LIMIT 3", 3),
        ("ORDER BY Name LIMIT 3 OFFSET 15", 1),
        ("OFFSET 2000", 0),
        ("WHERE(Name='100%')", 1),
        ("WHERE NOT(Name='100%')", all - 1),
        ("WHERE NOT Name = '100%' AND Name != '%'", all - 2),
        ("WHERE Name = null", 0),
        ("WHERE Name != null", all),
        ("WHERE Name IN (null)", 0),
        ("WHERE Name NOT IN ('100%', null)", all - 1),
        ("WHERE Parent.Name = null", all),
        ("WHERE Parent.Name != 'x'", 0),
        ("WHERE (Name = '%' OR Name = '100%') AND IsDeleted = false", 2),
        ("WHERE CreatedDate = TODAY OR CreatedDate = YESTERDAY", all),
        ("WHERE CreatedDate > 2000-01-01T00:00:00.000+00:00", all),
        ("\n\t WHERE\r\n Name  =  '%' \n", 1),
        ("A WHERE A.Name = '%'", 1),
        ("AS a WHERE a.Name = '%' FOR VIEW", 1),
    ] {
        assert_eq!(names(&client, rest).await.len(), count, "{rest}");
    }
    let (_, counted) = client.query("SELECT COUNT() FROM Account LIMIT 5").await;
    assert_eq!((&counted["totalSize"], &counted["records"]), (&json!(5), &json!([])));
}

#[tokio::test]
async fn sorting_puts_nulls_where_it_is_told() {
    let client = start().await;
    for (name, site) in [("1", Some("b")), ("2", None), ("3", Some("A")), ("4", None)] {
        client.create("Account", json!({ "Name": name, "Site": site })).await;
    }
    for (order, expected) in [
        ("Site, Name", "2431"),
        ("Site ASC NULLS LAST, Name DESC", "3142"),
        ("Site DESC, Name", "2413"),
        ("Site DESC NULLS LAST, Id DESC", "1342"),
        ("Parent.Name, Name DESC", "4321"),
    ] {
        let found = names(&client, &format!("ORDER BY {order}")).await;
        let found: String = found.iter().filter_map(Value::as_str).collect();
        assert_eq!(found, expected, "{order}");
    }
}

#[tokio::test]
async fn a_long_list_is_searched_at_once() {
    let client = start().await;
    client.create_accounts("n", 400).await;
    // Longer than an address may be, so inside a composite call.
    let list: Vec<_> = (0..9_000).map(|n| format!("'n-{n}'")).collect();
    let soql = format!("SELECT Id FROM Account WHERE Ext__c IN ({})", list.join(","));
    assert!(soql.len() < 100_000);
    let ask = |soql: &str| {
        let url = format!("/services/data/v60.0/query?q={}", crate::client::encoded(soql));
        json!({ "compositeRequest": [{ "method": "GET", "url": url, "referenceId": "q" }] })
    };
    let (_, body) = client.call("POST", "/composite", ask(&soql)).await;
    assert_eq!(body["compositeResponse"][0]["body"]["totalSize"], 400, "{body}");
    let longer = format!("{soql}{}", " ".repeat(100_000));
    let (_, body) = client.call("POST", "/composite", ask(&longer)).await;
    assert_eq!(body["compositeResponse"][0]["body"][0]["errorCode"], "MALFORMED_QUERY");
}
