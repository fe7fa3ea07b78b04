//! Edits on both sides, as `northwind/edits.txt` and `policies.txt` tell them, until both sides are
//! equal again but for what the scripts list.

use duet_tests::northwind;

use crate::ending::ends_as_recorded;
use crate::explaining::explains;
use crate::ground::{Way, both_ways};
use crate::rig::Rig;
use crate::script::Script;

both_ways!(
    edits_on_both_sides_come_to_agree_or_wait_for_a_person,
    every_other_policy_comes_to_agree_too,
);

async fn edits_on_both_sides_come_to_agree_or_wait_for_a_person(way: Way) {
    let mut rig = Rig::agreed(way).await;
    let text = std::fs::read_to_string(northwind::folder().join("edits.txt")).unwrap();
    let mut script = Script::new(&mut rig);
    script.run(&text).await;
    let (wrong, edits, open) = (script.wrong, script.edits, script.open);
    assert!(wrong.is_empty(), "{} lines aren't so:\n{}", wrong.len(), wrong.join("\n"));
    assert!(edits.0 + edits.1 >= 60 && edits.0 >= 20 && edits.1 >= 20, "edits: {edits:?}");
    assert_eq!(rig.differences().await, [""; 0]);
    assert_eq!(rig.untold(&open).await, [""; 0]);
    rig.nothing_to_write().await;
    ends_as_recorded(&rig, "edits.end.txt").await;
    assert!(explains(&rig).await >= 50);
}

/// The same with three small flows that have the policies, and meet the accidents, which the five
/// have no place for.
async fn every_other_policy_comes_to_agree_too(way: Way) {
    let mut rig = Rig::policies(way).await;
    let text = std::fs::read_to_string(northwind::folder().join("policies.txt")).unwrap();
    let mut script = Script::new(&mut rig);
    script.run(&text).await;
    let (wrong, open) = (script.wrong, script.open);
    assert!(wrong.is_empty(), "{} lines aren't so:\n{}", wrong.len(), wrong.join("\n"));
    assert_eq!(rig.differences().await, [""; 0]);
    assert_eq!(rig.untold(&open).await, [""; 0]);
    rig.nothing_to_write().await;
    ends_as_recorded(&rig, "policies.end.txt").await;
}
