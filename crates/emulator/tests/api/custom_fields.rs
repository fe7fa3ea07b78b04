//! Every type of custom field: what it takes, what it refuses, how it is found again.

use serde_json::{Value, json};

use crate::client::{Client, field, start_with_metadata};

const TYPES: [(&str, &str); 13] = [
    ("Text__c", "<type>Text</type><length>5</length>"),
    (
        "Exact__c",
        "<type>Text</type><length>9</length><unique>true</unique>\
                  <caseSensitive>true</caseSensitive>",
    ),
    ("Area__c", "<type>TextArea</type>"),
    ("Long__c", "<type>LongTextArea</type><length>300</length>"),
    ("Number__c", "<type>Number</type><precision>5</precision><scale>2</scale>"),
    ("Money__c", "<type>Currency</type><precision>18</precision><scale>2</scale>"),
    ("Share__c", "<type>Percent</type><precision>4</precision><scale>1</scale>"),
    ("Flag__c", "<type>Checkbox</type><defaultValue>true</defaultValue>"),
    ("Day__c", "<type>Date</type>"),
    ("At__c", "<type>DateTime</type>"),
    ("Mail__c", "<type>Email</type>"),
    ("Call__c", "<type>Phone</type>"),
    ("Page__c", "<type>Url</type>"),
];

fn list(kind: &str) -> String {
    let values = "<value><fullName>Red</fullName><default>true</default></value>\
                  <value><fullName>Blue</fullName></value>\
                  <value><fullName>Old</fullName><isActive>false</isActive></value>";
    format!(
        "<type>{kind}</type><valueSet><restricted>true</restricted><valueSetDefinition>{values}\
         </valueSetDefinition></valueSet>"
    )
}

async fn start() -> Client {
    let mut files: Vec<_> = TYPES.iter().map(|(name, rest)| field("Account", name, rest)).collect();
    files.push(field("Account", "One__c", &list("Picklist")));
    files.push(field("Account", "Many__c", &list("MultiselectPicklist")));
    start_with_metadata(&files).await
}

#[tokio::test]
async fn values_come_back_in_their_stored_form() {
    let client = start().await;
    let id = client.create("Account", json!({ "Name": "a" })).await;
    let path = format!("/sobjects/Account/{id}");
    for (name, given, stored) in [
        ("Text__c", json!("  ab  "), json!("ab")),
        ("Text__c", json!("äöüßé"), json!("äöüßé")),
        ("Area__c", json!("a\rb\nc\r\nd"), json!("a\r\nb\r\nc\r\nd")),
        ("Long__c", json!("x".repeat(300)), json!("x".repeat(300))),
        ("Number__c", json!(1.005), json!(1.01)),
        ("Number__c", json!(-1.005), json!(-1.01)),
        ("Number__c", json!("7.5"), json!(7.5)),
        ("Number__c", json!(999.994), json!(999.99)),
        ("Money__c", json!(1_234_567_890.55), json!(1_234_567_890.55)),
        ("Share__c", json!(15), json!(15.0)),
        ("Flag__c", json!("false"), json!(false)),
        ("Flag__c", json!(true), json!(true)),
        ("Day__c", json!("2024-02-29"), json!("2024-02-29")),
        ("At__c", json!("2024-01-31T10:00:00.999Z"), json!("2024-01-31T10:00:00.000+0000")),
        ("At__c", json!("2024-01-31T10:00:00+02:00"), json!("2024-01-31T08:00:00.000+0000")),
        ("Mail__c", json!("a.b@example.test"), json!("a.b@example.test")),
        ("Call__c", json!("+49 (0) 1"), json!("+49 (0) 1")),
        ("Page__c", json!("example.test/x"), json!("example.test/x")),
        ("One__c", json!("Blue"), json!("Blue")),
        ("Many__c", json!("Blue; Red;Blue"), json!("Red;Blue")),
        ("Text__c", json!(""), Value::Null),
        ("Number__c", json!(""), Value::Null),
        ("Day__c", json!(""), Value::Null),
    ] {
        let (status, body) = client.call("PATCH", &path, json!({ name: given })).await;
        assert_eq!(status, 204, "{name} {given}: {body}");
        assert_eq!(client.get(&path).await.1[name], stored, "{name} {given}");
    }
}

#[tokio::test]
async fn values_of_another_type_are_refused() {
    let client = start().await;
    let id = client.create("Account", json!({ "Name": "a" })).await;
    let path = format!("/sobjects/Account/{id}");
    let restricted = "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST";
    for (name, given, code) in [
        ("Text__c", json!("abcdef"), "STRING_TOO_LONG"),
        ("Text__c", json!(1), "JSON_PARSER_ERROR"),
        ("Text__c", json!(["a"]), "JSON_PARSER_ERROR"),
        ("Long__c", json!("x".repeat(301)), "STRING_TOO_LONG"),
        ("Area__c", json!("x".repeat(256)), "STRING_TOO_LONG"),
        ("Number__c", json!(1000), "NUMBER_OUTSIDE_VALID_RANGE"),
        ("Number__c", json!("1e400"), "NUMBER_OUTSIDE_VALID_RANGE"),
        ("Number__c", json!("x"), "JSON_PARSER_ERROR"),
        ("Number__c", json!(true), "JSON_PARSER_ERROR"),
        ("Flag__c", json!(1), "JSON_PARSER_ERROR"),
        ("Flag__c", json!("maybe"), "JSON_PARSER_ERROR"),
        ("Flag__c", Value::Null, "INVALID_TYPE_ON_FIELD_IN_RECORD"),
        ("Day__c", json!("2023-02-29"), "JSON_PARSER_ERROR"),
        ("Day__c", json!("2024-01-31T10:00:00Z"), "JSON_PARSER_ERROR"),
        ("At__c", json!("2024-01-31"), "JSON_PARSER_ERROR"),
        ("Mail__c", json!("a@b@c.d"), "INVALID_EMAIL_ADDRESS"),
        ("Mail__c", json!("a@.d"), "INVALID_EMAIL_ADDRESS"),
        ("One__c", json!("Green"), restricted),
        ("One__c", json!("Old"), restricted),
        ("Many__c", json!("Red;Green"), restricted),
    ] {
        let (status, body) = client.call("PATCH", &path, json!({ name: given })).await;
        assert_eq!((status, &body[0]["errorCode"]), (400, &json!(code)), "{name} {given}");
        assert_eq!(body[0]["fields"], json!([name]), "{name} {given}");
    }
}

#[tokio::test]
async fn defaults_are_set_on_creation_only() {
    let client = start().await;
    let id = client.create("Account", json!({ "Name": "a" })).await;
    let path = format!("/sobjects/Account/{id}");
    let (_, row) = client.get(&path).await;
    assert_eq!((&row["Flag__c"], &row["One__c"]), (&json!(true), &json!("Red")));
    assert_eq!(client.call("PATCH", &path, json!({ "One__c": null })).await.0, 204);
    assert_eq!(client.call("PATCH", &path, json!({ "Phone": "1" })).await.0, 204);
    assert_eq!(client.get(&path).await.1["One__c"], Value::Null);
}

#[tokio::test]
async fn a_unique_field_may_mind_case() {
    let client = start().await;
    for exact in ["k", "K"] {
        client.create("Account", json!({ "Name": "a", "Exact__c": exact })).await;
    }
    let again = json!({ "Name": "a", "Exact__c": "K" });
    assert_eq!(client.call("POST", "/sobjects/Account", again).await.0, 400);
    let (_, found) = client.query("SELECT Id FROM Account WHERE Exact__c = 'k'").await;
    assert_eq!(found["totalSize"], 1);
    let (_, describe) = client.get("/sobjects/Account/describe").await;
    let fields = describe["fields"].as_array().unwrap();
    let field = fields.iter().find(|field| field["name"] == "Exact__c").unwrap();
    assert_eq!((&field["caseSensitive"], &field["idLookup"]), (&json!(true), &json!(false)));
}

#[tokio::test]
async fn every_type_can_be_filtered_and_sorted() {
    let client = start().await;
    for (name, number, day, at, many, mail) in [
        ("a", 1.5, "2024-01-01", "2024-01-01T00:00:00Z", "Red", "a@x.y"),
        ("b", 2.5, "2024-01-02", "2024-01-02T00:00:00Z", "Red;Blue", "b@x.y"),
        ("c", 3.5, "2024-01-03", "2024-01-03T00:00:00Z", "Blue", "c@x.y"),
    ] {
        let record = json!({
            "Name": name, "Number__c": number, "Day__c": day, "At__c": at, "Many__c": many,
            "Mail__c": mail, "Flag__c": name == "b",
        });
        client.create("Account", record).await;
    }
    for (filter, expected) in [
        ("Number__c = 2.5", "b"),
        ("Number__c IN (1.5, 3.5)", "ac"),
        ("Number__c > -1 AND Number__c <= 2.5", "ab"),
        ("Day__c > 2024-01-01", "bc"),
        ("Day__c IN (2024-01-01, 2024-01-03)", "ac"),
        ("Day__c < TODAY", "abc"),
        ("At__c <= 2024-01-02T01:00:00+01:00", "ab"),
        ("At__c != 2024-01-02T00:00:00.000Z", "ac"),
        ("At__c = THIS_YEAR OR At__c < LAST_N_YEARS:1", "abc"),
        ("Flag__c = true", "b"),
        ("Flag__c != true", "ac"),
        ("Many__c INCLUDES ('Blue')", "bc"),
        ("Many__c INCLUDES ('Red;Blue', 'x')", "b"),
        ("Many__c EXCLUDES ('Red')", "c"),
        ("Many__c = 'Red;Blue'", "b"),
        ("Mail__c LIKE 'b@%'", "b"),
        ("One__c = 'red'", "abc"),
        ("Text__c = null", "abc"),
        ("Number__c != null AND NOT Number__c = 1.5", "bc"),
    ] {
        let soql = format!("SELECT Name FROM Account WHERE {filter} ORDER BY At__c DESC, Name");
        let (status, body) = client.query(&soql).await;
        assert_eq!(status, 200, "{filter}: {body}");
        let rows = body["records"].as_array().unwrap().iter().rev();
        let names: String = rows.map(|row| row["Name"].as_str().unwrap()).collect();
        assert_eq!(names, expected, "{filter}");
    }
}
