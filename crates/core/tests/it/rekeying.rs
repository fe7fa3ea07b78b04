//! A key changes onto an id that another link holds: one link's part at a time.

use duet_core::conflict::ConflictKind;
use duet_core::facts::{Event, Holder};
use duet_core::id::RecordId;
use duet_core::link::{Alias, Phase};
use duet_core::observation::{Deletion, Observation, Presence, Version};
use duet_core::reconcile::{is_followed, needs, waits_for_key_change};
use duet_core::side::Side::{Left, Right};
use duet_core::value::Value;
use duet_core::verdict::{Effect, Verdict};

use super::protocol::{linked, write};
use super::stories::customers;
use super::support::{World, link_id};

fn changed(new: &str, order: Option<i64>) -> Event {
    Event::KeyChanged { side: Right, old: "C1".into(), new: new.into(), order }
}

fn taken(world: &mut World) -> Verdict {
    world.decide(link_id(1), &[Event::KeyTaken { side: Right, record: "C1".into() }])
}

fn alias() -> Alias {
    Alias { side: Right, record: "C1".into() }
}

/// What the right side shows under an id, at a place among its versions.
fn seen(world: &World, order: i64, name: &str) -> Box<Observation> {
    let mut seen = world.link(1).seen.right.clone().expect("it was seen");
    seen.image.insert("name".into(), Value::text(name));
    seen.version = Some(Version { order: Some(order), token: order.to_string() });
    seen.read_at = seen.read_at.plus_seconds(1);
    Box::new(seen)
}

#[test]
fn a_link_whose_record_is_gone_leaves_its_id_behind() {
    let mut world = linked(customers());
    let facts = world.links.get_mut(&link_id(1)).expect("linked");
    facts.seen.right.as_mut().expect("it was seen").presence = Presence::Deleted(Deletion::Hard);
    taken(&mut world);
    let link = &world.link(1).link;
    assert_eq!(link.record.right, None);
    assert!(link.aliases.contains(&alias()), "it is still found by it");
    assert!(!waits_for_key_change(link, Right, &"C1".into()), "nothing more is told of it");
    assert!(write(&world, Right).is_none());
}

#[test]
fn a_link_taken_apart_stays_so_without_its_id() {
    let mut world = linked(customers());
    let facts = world.links.get_mut(&link_id(1)).expect("linked");
    facts.link.phase = Phase::Unlinked;
    taken(&mut world);
    let link = &world.link(1).link;
    assert_eq!((link.phase, &link.record.right), (Phase::Unlinked, &None));
    assert_eq!(link.memory.displaced.right, None);
}

#[test]
fn a_link_that_lost_its_id_waits_for_its_own_key_change() {
    let mut world = linked(customers());
    world.sides.edit(Left, "A1", &[("name", Value::text("Acme Ltd"))]);
    let verdict = taken(&mut world);
    assert_eq!(verdict.row.as_str(), "S4");
    assert!(waits_for_key_change(&world.link(1).link, Right, &"C1".into()));
    world.see(1, Left, "A1");
    assert!(write(&world, Right).is_none(), "nothing is written to an id that isn't its own");
    assert!(world.link(1).conflicts.is_empty());
    let verdict = world.decide(link_id(1), &[changed("C2", Some(9))]);
    assert!(verdict.effects.contains(&Effect::WakeChildren(Right)));
    let link = &world.link(1).link;
    assert_eq!(link.record.right, Some("C2".into()));
    assert_eq!((link.memory.displaced.right.as_ref(), link.memory.keyed_at.right), (None, Some(9)));
    assert_eq!(write(&world, Right).expect("it goes on").record, Some("C2".into()));
}

#[test]
fn if_nothing_is_told_of_it_a_person_decides_and_a_late_notice_ends_that() {
    let mut world = linked(customers());
    taken(&mut world);
    world.sides.pass(299);
    world.decide(link_id(1), &[Event::Due]);
    assert!(world.link(1).conflicts.is_empty());
    world.sides.pass(1);
    let verdict = world.decide(link_id(1), &[Event::Due]);
    assert_eq!(verdict.row.as_str(), "S4");
    let kinds: Vec<ConflictKind> = world.link(1).conflicts.iter().map(|one| one.kind).collect();
    assert_eq!(kinds, [ConflictKind::DeleteUnclassified]);
    let row = world.sides.rows.right.remove(&RecordId::from("C1")).expect("the row");
    world.sides.rows.right.insert("C2".into(), row);
    world.decide(link_id(1), &[changed("C2", None)]);
    world.settle();
    assert_eq!(world.link(1).link.record.right, Some("C2".into()));
    assert_eq!(world.link(1).link.phase, Phase::Linked);
    assert!(world.link(1).conflicts.iter().all(|one| !one.state.holds()), "it is over");
}

#[test]
fn what_was_seen_of_an_id_before_the_record_had_it_is_another_record_s() {
    let mut world = linked(customers());
    world.decide(link_id(1), &[changed("C2", Some(1_000))]);
    for (order, name, known) in [(999, "Somebody else", false), (1_000, "Acme Ltd", true)] {
        let observation = seen(&world, order, name);
        let event = Event::Seen { side: Right, record: "C2".into(), observation };
        world.decide(link_id(1), &[event]);
        let held = world.link(1).seen.right.as_ref().expect("it was seen");
        assert_eq!(held.image.get("name") == Some(&Value::text(name)), known, "{name}");
    }
}

#[test]
fn a_record_that_was_seen_under_its_new_id_first_is_read() {
    let mut world = linked(customers());
    let event = changed("C2", None);
    let facts = world.links.get_mut(&link_id(1)).expect("linked");
    let needed = needs(facts, std::slice::from_ref(&event), &world.spec);
    assert_eq!(needed.holders, [(Right, "C2".into())]);
    facts.holders = vec![Holder {
        side: Right,
        record: "C2".into(),
        link: link_id(7),
        phase: Phase::Matching,
        whole: false,
        creating: false,
    }];
    let facts = facts.clone();
    let verdict = duet_core::reconcile::decide(facts, &[event], &world.spec);
    let seen = verdict.seen.right.expect("it was seen");
    assert_eq!((seen.presence, seen.version), (Presence::Unknown, None));
    assert!(verdict.effects.iter().any(|effect| matches!(effect, Effect::Plan(_))), "a read");
}

#[test]
fn a_key_change_is_followed_once() {
    let mut link = linked(customers()).link(1).link.clone();
    let none = link.clone();
    link.memory.keyed_at.right = Some(5);
    assert!(is_followed(&link, None, Right, Some(5)) && is_followed(&link, None, Right, Some(4)));
    assert!(is_followed(&none, Some(&link), Right, Some(5)), "the holder came by it");
    assert!(!is_followed(&link, Some(&link), Right, Some(6)));
    assert!(!is_followed(&link, Some(&link), Left, Some(5)), "each side has its own");
    assert!(!is_followed(&link, Some(&link), Right, None), "no order, no telling");
}

#[test]
fn an_id_that_is_not_this_link_s_can_t_be_taken_from_it() {
    let mut world = linked(customers());
    let before = world.link(1).link.clone();
    world.decide(link_id(1), &[Event::KeyTaken { side: Right, record: "C9".into() }]);
    assert_eq!(world.link(1).link.record, before.record);
    assert_eq!(world.link(1).link.aliases, before.aliases);
}
