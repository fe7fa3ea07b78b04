//! What a flow's links are keyed by, and when ids mean other records.

use duet_core::keyed::{KeyedBy, Rekeyed};
use duet_core::side::{Both, Side};

use super::stories::customers;

fn by(connection: &str, collection: &str, key: &[&str]) -> KeyedBy {
    KeyedBy {
        connection: connection.into(),
        collection: collection.to_owned(),
        key: key.iter().map(|column| (*column).into()).collect(),
    }
}

fn sides(right: KeyedBy) -> Both<KeyedBy> {
    Both::new(by("crm", "Account", &["Id"]), right)
}

fn compared(noted: KeyedBy, now: KeyedBy) -> Option<Rekeyed> {
    Rekeyed::of(&"customers".into(), &sides(noted), &sides(now))
}

#[test]
fn ids_mean_the_same_while_connection_collection_and_key_stay() {
    let noted = by("shop", "customers", &["country", "id"]);
    assert_eq!(compared(noted.clone(), noted.clone()), None);
    let others = [
        by("shop", "customers", &["id", "country"]),
        by("shop", "customers", &["country"]),
        by("shop", "customers", &["email"]),
        by("shop", "clients", &["country", "id"]),
        by("store", "customers", &["country", "id"]),
    ];
    for other in others {
        let changed = compared(noted.clone(), other.clone()).expect("other records");
        let [moved] = &changed.sides[..] else { panic!("one side moved: {changed:?}") };
        assert_eq!((moved.side, &moved.was, &moved.is), (Side::Right, &noted, &other));
        let told = changed.to_string();
        for part in ["flow customers", "on the right", &noted.to_string(), &other.to_string()] {
            assert!(told.contains(part), "{part}: {told}");
        }
    }
}

#[test]
fn a_key_that_nobody_told_yet_is_no_other_key() {
    let noted = by("shop", "customers", &["id"]);
    let untold = by("shop", "customers", &[]);
    assert_eq!(compared(noted.clone(), untold.clone()), None);
    assert!(compared(noted, by("shop", "clients", &[])).is_some());
    assert_eq!(untold.to_string(), "customers (primary key) of connection shop");
}

#[test]
fn both_sides_may_move() {
    let was = sides(by("shop", "customers", &["id"]));
    let is = Both::new(was.right.clone(), was.left.clone());
    let changed = Rekeyed::of(&"customers".into(), &was, &is).expect("they changed places");
    assert_eq!(changed.sides.iter().map(|moved| moved.side).collect::<Vec<_>>(), Side::BOTH);
}

#[test]
fn an_end_that_names_no_key_has_the_one_its_side_tells() {
    let mut end = customers().spec.ends.right;
    let named = end.key.clone();
    assert_eq!(KeyedBy::of(&end, &["told".into()]).key, named);
    end.key.clear();
    assert_eq!(KeyedBy::of(&end, &["told".into()]).key, ["told".into()]);
    assert_eq!(KeyedBy::of(&end, &[]).key, []);
}
