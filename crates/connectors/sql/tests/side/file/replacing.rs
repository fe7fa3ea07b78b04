//! `REPLACE` by the programs of the shop: SQLite tells no trigger of the rows that it takes away,
//! unless the writer asks it to (`recursive_triggers`). Whatever the writer says, none is lost.

use crate::rig::{FILE, Outsider, Shop, changes, drain, settle};
use duet_core::observation::{Deletion, Presence};
use duet_core::value::Value;
use duet_ports::connector::Detected;
use duet_ports::envelope::WhatV1;

const ITEMS: &str = "CREATE TABLE items (id INTEGER PRIMARY KEY, code text COLLATE NOCASE UNIQUE,
    a int, b int, title text, UNIQUE (a, b));
    INSERT INTO items VALUES (1, 'one', 1, 1, 'x'), (2, 'two', 2, 2, 'x'), (3, 'three', 3, 3, 'x')";

/// What happened, one word a change: `2:gone 4:x`.
fn words(told: &[Detected]) -> String {
    let word = |one: &Detected| match &one.what {
        WhatV1::Seen(seen) if seen.presence == Presence::Deleted(Deletion::Hard) => {
            format!("{}:gone", one.record)
        }
        WhatV1::Seen(seen) => match seen.image.get("title") {
            Some(Value::Text(title)) => format!("{}:{title}", one.record),
            other => format!("{}:{other:?}", one.record),
        },
        WhatV1::KeyChanged { old, .. } => format!("{old}>{}", one.record),
        WhatV1::Gap => format!("{}:gap", one.record),
    };
    told.iter().map(word).collect::<Vec<_>>().join(" ")
}

/// What a write makes the outbox tell, by a writer who asks for triggers and one who doesn't.
async fn told(ddl: &str, key: &str, write: &str) -> String {
    let mut both = Vec::new();
    for recursive in [false, true] {
        let mut shop = Shop::bare(FILE, ddl, "items").await;
        if !key.is_empty() {
            shop.collection.key = vec![key.into()];
        }
        shop.install().await;
        let mut detector = shop.detector().await;
        let readings = drain(&mut *detector).await;
        settle(&mut *detector, &readings).await;
        let mut writer: Outsider = shop.outsider().await;
        writer.run(&format!("PRAGMA recursive_triggers = {recursive}")).await;
        writer.run(write).await;
        both.push(words(&changes(&mut *detector).await));
    }
    let sorted = |words: &str| {
        let mut words: Vec<String> = words.split(' ').map(str::to_owned).collect();
        words.sort_unstable();
        words
    };
    assert_eq!(sorted(&both[0]), sorted(&both[1]), "asked for or not");
    both.remove(0)
}

#[tokio::test]
async fn a_row_replaced_under_its_own_id_is_told_as_it_is_now() {
    let write = "INSERT OR REPLACE INTO items VALUES (1, 'one', 1, 1, 'new')";
    assert_eq!(told(ITEMS, "", write).await, "1:new");
    assert_eq!(told(ITEMS, "", "REPLACE INTO items (id, title) VALUES (2, 'y')").await, "2:y");
}

#[tokio::test]
async fn every_row_that_a_new_one_replaces_is_told_as_gone() {
    let write = "REPLACE INTO items VALUES (NULL, 'ONE', 2, 2, 'new')";
    assert_eq!(told(ITEMS, "", write).await, "1:gone 2:gone 4:new");
    let write = "REPLACE INTO items VALUES (3, 'two', 1, 1, 'new')";
    assert_eq!(told(ITEMS, "", write).await, "1:gone 2:gone 3:new");
    let many = "REPLACE INTO items SELECT id + 10, code, a + 10, b, 'new' FROM items";
    assert_eq!(told(ITEMS, "", many).await, "1:gone 11:new 2:gone 12:new 3:gone 13:new");
}

#[tokio::test]
async fn every_row_that_a_change_replaces_is_told_as_gone() {
    let write = "UPDATE OR REPLACE items SET code = 'Two', title = 'new' WHERE id = 3";
    assert_eq!(told(ITEMS, "", write).await, "2:gone 3:new");
    let write = "UPDATE OR REPLACE items SET id = 2, title = 'new' WHERE id = 3";
    assert_eq!(told(ITEMS, "", write).await, "2:gone 3>2 2:new");
}

#[tokio::test]
async fn a_key_of_its_own_beside_the_row_id_is_told_by_its_own_name() {
    let write = "REPLACE INTO items VALUES (1, 'other', 9, 9, 'new')";
    assert_eq!(told(ITEMS, "code", write).await, "one:gone other:new");
    let write = "REPLACE INTO items VALUES (7, 'ONE', 9, 9, 'new')";
    assert_eq!(told(ITEMS, "code", write).await, "one:gone ONE:new");
}

#[tokio::test]
async fn a_table_whose_own_rule_is_to_replace_is_watched_too() {
    let ddl = "CREATE TABLE items (id text PRIMARY KEY, code text UNIQUE ON CONFLICT REPLACE,
        title text) WITHOUT ROWID;
        INSERT INTO items VALUES ('a', '1', 'x'), ('b', '2', 'x')";
    let write = "INSERT INTO items VALUES ('c', '1', 'new')";
    assert_eq!(told(ddl, "", write).await, "a:gone c:new");
    assert_eq!(told(ddl, "", "UPDATE items SET code = '2' WHERE id = 'a'").await, "b:gone a:x");
}

#[tokio::test]
async fn what_is_ignored_or_turned_into_a_change_replaces_nothing() {
    let ignored = "INSERT OR IGNORE INTO items VALUES (9, 'one', 9, 9, 'new')";
    assert_eq!(told(ITEMS, "", ignored).await, "");
    let ignored = "UPDATE OR IGNORE items SET code = 'two' WHERE id = 1;
                   UPDATE items SET title = 'y' WHERE id = 3";
    assert_eq!(told(ITEMS, "", ignored).await, "3:y");
    let changed = "INSERT INTO items VALUES (9, 'one', 9, 9, 'new')
                   ON CONFLICT (code) DO UPDATE SET title = excluded.title";
    assert_eq!(told(ITEMS, "", changed).await, "1:new");
}

/// The rules of a statement reach into the triggers that it fires.
#[tokio::test]
async fn no_rule_on_conflicts_keeps_the_triggers_from_telling() {
    for rule in ["ABORT", "FAIL", "IGNORE", "REPLACE", "ROLLBACK"] {
        let write = format!(
            "INSERT OR {rule} INTO items (id, title) VALUES (5, 'a');
             UPDATE OR {rule} items SET title = 'b' WHERE id = 5;
             UPDATE OR {rule} items SET title = 'c' WHERE id = 5;
             UPDATE OR {rule} items SET id = 6 WHERE id = 5"
        );
        assert_eq!(told(ITEMS, "", &write).await, "5>6 6:c", "{rule}");
    }
}

/// What duet itself writes never takes another row away, whatever the table's own rule says.
#[tokio::test]
async fn our_own_writes_replace_nothing() {
    let ddl = "CREATE TABLE items (id INTEGER PRIMARY KEY ON CONFLICT REPLACE,
        code text UNIQUE ON CONFLICT REPLACE, title text NOT NULL ON CONFLICT IGNORE);
        INSERT INTO items VALUES (1, 'one', 'x'), (2, 'two', 'x')";
    let shop = Shop::captured(FILE, ddl, "items").await;
    let code = [("code", Value::text("one"))];
    let update = shop.call(1, "2", &code).await;
    let null = shop.call(2, "1", &[("title", Value::Null)]).await;
    let outcomes = shop.send(duet_core::intent::Op::Update, vec![update, null]).await;
    let new = [("code", Value::text("one")), ("title", Value::text("new"))];
    let create = vec![crate::rig::creating(3, &new)];
    let created = shop.send(duet_core::intent::Op::Create, create).await;
    for outcome in outcomes.iter().chain(&created) {
        assert!(matches!(outcome, duet_core::intent::Outcome::Refused { .. }), "{outcome:?}");
    }
    assert_eq!(shop.text("SELECT group_concat(code) FROM items").await, "one,two");
}
