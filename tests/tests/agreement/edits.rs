//! Edits on both sides, as `northwind/edits.txt` and `policies.txt` tell them, until both sides are
//! equal again but for what the scripts list.

use std::collections::BTreeSet;

use duet_tests::northwind;
use serde_json::Value;

use crate::explaining::explains;
use crate::rig::Rig;
use crate::script::Script;

#[tokio::test]
async fn edits_on_both_sides_come_to_agree_or_wait_for_a_person() {
    let mut rig = Rig::agreed().await;
    let text = std::fs::read_to_string(northwind::folder().join("edits.txt")).unwrap();
    let mut script = Script::new(&mut rig);
    script.run(&text).await;
    let (wrong, edits, open) = (script.wrong, script.edits, script.open);
    assert!(wrong.is_empty(), "{} lines aren't so:\n{}", wrong.len(), wrong.join("\n"));
    assert!(edits.0 + edits.1 >= 60 && edits.0 >= 20 && edits.1 >= 20, "edits: {edits:?}");
    assert_eq!(rig.differences().await, [""; 0]);
    only_listed_conflicts(&rig, &open).await;
    rig.nothing_to_write().await;
    assert!(explains(&rig).await >= 50);
}

/// The same with three small flows that have the policies, and meet the accidents, which the five
/// have no place for.
#[tokio::test]
async fn every_other_policy_comes_to_agree_too() {
    let mut rig = Rig::policies().await;
    let text = std::fs::read_to_string(northwind::folder().join("policies.txt")).unwrap();
    let mut script = Script::new(&mut rig);
    script.run(&text).await;
    let (wrong, open) = (script.wrong, script.open);
    assert!(wrong.is_empty(), "{} lines aren't so:\n{}", wrong.len(), wrong.join("\n"));
    assert_eq!(rig.differences().await, [""; 0]);
    only_listed_conflicts(&rig, &open).await;
    rig.nothing_to_write().await;
}

/// Every listed difference has its conflict with both values as they are, and there is no other.
async fn only_listed_conflicts(rig: &Rig, open: &[(String, String, String)]) {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let conflicts = rig.conflicts(false);
    let found: BTreeSet<_> =
        conflicts.iter().map(|one| (text(&one["record"]), text(&one["field"]))).collect();
    let listed: BTreeSet<_> =
        open.iter().map(|(record, field, _)| (record.clone(), field.clone())).collect();
    assert_eq!(found, listed);
    for (record, field, column) in open {
        let conflict = conflicts.iter().find(|one| one["record"] == **record).unwrap();
        let shown = rig.json(&["conflicts", "show", conflict["id"].as_str().unwrap()]);
        let (flow, key) = record.split_once('/').unwrap();
        let left = rig.partner(flow, key).unwrap().fields[column].clone();
        let rows = rig.rows(flow).await;
        let right = rows.iter().find(|row| row.key == key).unwrap().values[column].clone();
        for (side, value) in [("left", left), ("right", right)] {
            let stored = text(&shown["sides"][side]["values"][field]);
            assert_eq!(stored.trim_matches('"'), text(&value), "{side}: {shown}");
            assert!(shown["sides"][side]["changed"].is_array(), "{shown}");
        }
        assert!(shown["agreed"][field].is_string(), "{shown}");
    }
}
