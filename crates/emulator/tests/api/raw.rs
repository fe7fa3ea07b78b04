//! HTTP below what a client library sends: pipelines, HEAD, bodies in pieces, slow and broken ones.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::client::{Client, start};

const ACCOUNTS: &str = "/services/data/v60.0/sobjects/Account";

/// A request; without a length in `more` it ends after its headers.
fn request(client: &Client, line: &str, more: &str, body: &str) -> String {
    let token = &client.token;
    format!("{line} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n{more}\r\n{body}")
}

fn create(client: &Client, more: &str, body: &str) -> String {
    let length = body.len();
    let more = format!("Content-Length: {length}\r\n{more}");
    request(client, &format!("POST {ACCOUNTS}"), &more, body)
}

async fn connect(client: &Client) -> TcpStream {
    TcpStream::connect(client.running.addr()).await.unwrap()
}

/// Sends text and reads until the server closes.
async fn talk(client: &Client, text: &str) -> String {
    let mut stream = connect(client).await;
    stream.write_all(text.as_bytes()).await.unwrap();
    rest(&mut stream).await
}

async fn rest(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    let reading = stream.read_to_end(&mut answer);
    tokio::time::timeout(Duration::from_secs(30), reading).await.expect("it closes").unwrap();
    String::from_utf8(answer).unwrap()
}

fn statuses(answer: &str) -> Vec<&str> {
    answer.match_indices("HTTP/1.1 ").map(|(at, _)| &answer[at + 9..at + 12]).collect()
}

async fn count(client: &Client) -> Value {
    client.query("SELECT COUNT() FROM Account").await.1["totalSize"].clone()
}

const LAST: &str = "Connection: close\r\n";

#[tokio::test]
async fn requests_in_a_row_are_answered_in_order() {
    let client = start().await;
    let get = |path: &str, more: &str| request(&client, &format!("GET {path}"), more, "");
    let texts = [
        create(&client, "", r#"{"Name":"piped"}"#),
        request(&client, &format!("HEAD {ACCOUNTS}/describe"), "", ""),
        get("/services/data/v60.0/query?q=SELECT+Name+FROM+Account", ""),
        request(&client, &format!("HEAD {ACCOUNTS}/001000000000009"), "", ""),
        get("/services/data/v60.0/limits", LAST),
    ];
    let answer = talk(&client, &texts.concat()).await;
    assert_eq!(statuses(&answer), ["201", "200", "200", "404", "200"], "{answer}");
    let (created, found) = (answer.find("\"success\":true"), answer.find("\"Name\":\"piped\""));
    assert!(created.unwrap() < found.unwrap());
    assert!(!answer.contains("NOT_FOUND"), "HEAD has no body: {answer}");
}

#[tokio::test]
async fn a_body_may_come_in_any_form() {
    let client = start().await;
    let body = r#"{"Name":"a"}"#;
    for kind in ["", "Content-Type: text/plain\r\n", "Content-Type: application/json\r\n"] {
        let answer = talk(&client, &create(&client, &format!("{kind}{LAST}"), body)).await;
        assert_eq!(statuses(&answer), ["201"], "{kind}");
    }
    let pieces = "Transfer-Encoding: chunked\r\nConnection: close\r\n";
    let chunked = "7\r\n{\"Name\"\r\n5\r\n:\"b\"}\r\n0\r\n\r\n";
    let chunked = request(&client, &format!("POST {ACCOUNTS}"), pieces, chunked);
    assert_eq!(statuses(&talk(&client, &chunked).await), ["201"]);
    let expects = create(&client, &format!("Expect: 100-continue\r\n{LAST}"), body);
    assert_eq!(statuses(&talk(&client, &expects).await).last(), Some(&"201"));
    let twice = create(&client, LAST, r#"{"Name":"first","Name":"second"}"#);
    assert_eq!(statuses(&talk(&client, &twice).await), ["201"]);
    assert_eq!(count(&client).await, 6);
    let (_, found) = client.query("SELECT Id FROM Account WHERE Name = 'second'").await;
    assert_eq!(found["totalSize"], 1, "of a repeated key the last one counts");
}

#[tokio::test]
async fn a_slow_body_holds_up_nobody() {
    let client = start().await;
    let text = create(&client, LAST, r#"{"Name":"slow"}"#);
    let (first, last) = text.split_at(text.len() - 5);
    let mut slow = connect(&client).await;
    slow.write_all(first.as_bytes()).await.unwrap();
    for number in 0..5 {
        client.create("Account", json!({ "Name": format!("quick {number}") })).await;
    }
    assert_eq!(count(&client).await, 5, "nothing is written before the body is whole");
    slow.write_all(last.as_bytes()).await.unwrap();
    assert_eq!(statuses(&rest(&mut slow).await), ["201"]);
    assert_eq!(count(&client).await, 6);
}

#[tokio::test]
async fn a_body_that_breaks_off_writes_nothing() {
    let client = start().await;
    let text = create(&client, "", r#"{"Name":"cut"}"#);
    for end in [text.len() - 1, text.len() - 10] {
        let mut stream = connect(&client).await;
        stream.write_all(&text.as_bytes()[..end]).await.unwrap();
        stream.shutdown().await.unwrap();
        let answer = rest(&mut stream).await;
        assert!(!answer.contains("201"), "{answer}");
    }
    // A length that is too short leaves half a body, and the rest of it is no request.
    let short = request(
        &client,
        &format!("POST {ACCOUNTS}"),
        "Content-Length: 5\r\n",
        "{\"Name\":\"short\"}\r\n\r\n",
    );
    let answer = talk(&client, &short).await;
    assert!(statuses(&answer).iter().all(|status| *status == "400"), "{answer}");
    assert_eq!(count(&client).await, 0);
}

#[tokio::test]
async fn what_is_no_http_is_refused_and_forgotten() {
    let client = start().await;
    let many: String = (0..300).map(|n| format!("X-{n}: y\r\n")).collect();
    let texts = [
        "nonsense\r\n\r\n".to_owned(),
        "GET / HTTP/9.9\r\n\r\n".to_owned(),
        "GET /\0 HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(),
        "\r\n\r\n\r\n\u{1}\u{2}".to_owned(),
        request(&client, "GET /services/data", &format!("{many}{LAST}"), ""),
        request(&client, "POST /", "Content-Length: -1\r\n", ""),
        request(&client, "POST /", "Content-Length: 1\r\nContent-Length: 2\r\n", "ab"),
        request(&client, "GET /", "No colon here\r\n", ""),
    ];
    for text in texts {
        let mut stream = connect(&client).await;
        stream.write_all(text.as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
        let answer = rest(&mut stream).await;
        assert!(statuses(&answer).iter().all(|status| status.starts_with('4')), "{text}: {answer}");
        assert_eq!(client.get("/limits").await.0, 200, "after {text}");
    }
}

#[tokio::test]
async fn methods_that_a_resource_lacks_are_told() {
    let client = start().await;
    let id = client.create("Account", json!({ "Name": "a" })).await;
    let row = format!("/sobjects/Account/{id}");
    let cases = [
        ("PUT", row.as_str(), "GET,HEAD,PATCH,DELETE"),
        ("POST", row.as_str(), "GET,HEAD,PATCH,DELETE"),
        ("DELETE", "/sobjects/Account", "GET,HEAD,POST"),
        ("POST", "/query?q=x", "GET,HEAD"),
        ("GET", "/composite", "POST"),
        ("GET", "/composite/sobjects", "DELETE,PATCH,POST"),
        ("POST", "/composite/sobjects/Account/Ext__c", "PATCH"),
        ("PATCH", "/limits", "GET,HEAD"),
    ];
    for (method, path, allowed) in cases {
        let (status, body) = client.call(method, path, Value::Null).await;
        assert_eq!((status, &body[0]["errorCode"]), (405, &json!("METHOD_NOT_ALLOWED")), "{path}");
        let text = format!("HTTP Method '{method}' not allowed. Allowed are {allowed}");
        assert_eq!(body[0]["message"], text, "{path}");
    }
    let answer = talk(&client, &request(&client, "BREW /services/data", LAST, "")).await;
    assert_eq!(statuses(&answer), ["405"]);
    let head = client.send("HEAD", &row, &[], None).await.unwrap();
    assert_eq!(head.status(), 200);
    assert!(head.headers().contains_key("last-modified"));
    assert_eq!(head.text().await.unwrap(), "");
}
