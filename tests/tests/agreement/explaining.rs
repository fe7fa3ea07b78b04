//! Why any field of any record is as it is: both values, the agreed one, stamps, row, rule, and what
//! was written.

use duet_tests::flows::ALL;
use serde_json::Value;

use crate::rig::Rig;

/// Records of each flow that are asked for.
const EACH: usize = 11;

/// Asks about records all over the flows; answers how many.
pub(crate) async fn explains(rig: &Rig) -> usize {
    let mut asked = 0;
    for flow in ALL {
        let rows = rig.rows(flow.name).await;
        let step = rows.len() / EACH;
        let linked: Vec<_> = rows
            .iter()
            .filter(|row| rig.listed.right_alone.iter().all(|(_, key)| *key != row.key))
            .step_by(step)
            .collect();
        for row in linked {
            let seeded = rig.planted.seeds.iter().any(|(seed, _)| seed.key == row.key);
            record(rig, &format!("{}/right:{}", flow.name, row.key), !seeded);
            asked += 1;
        }
    }
    asked
}

fn record(rig: &Rig, name: &str, created: bool) {
    let told = rig.json(&["explain", name, "--reveal"]);
    assert_eq!(told["phase"], "linked", "{told}");
    for side in ["left", "right"] {
        assert!(told["record"][side].is_string(), "{name}: no record {side}");
    }
    assert!(!told["changed"]["left"].is_null(), "{name}: no stamp");
    assert!(told["decision"]["row"].is_string(), "{name}: no decision");
    let fields = told["fields"].as_array().unwrap();
    assert!(!fields.is_empty(), "{name}: no fields");
    for field in fields {
        explained(name, field, created);
    }
}

fn explained(name: &str, field: &Value, created: bool) {
    let told = format!("{name}: {field}");
    assert!(field["values"]["left"].is_string() && field["values"]["right"].is_string(), "{told}");
    assert!(field["agreed"].is_string() && !field["agreed_at"].is_null(), "{told}");
    assert!(field["origin"].is_string(), "{told}");
    let decision = &field["decision"];
    for part in ["row", "rule", "cause", "policy"] {
        assert!(decision[part].is_string(), "no {part}: {told}");
    }
    assert!(!decision["at"].is_null(), "{told}");
    if created {
        let written = &field["written"]["left"];
        assert!(written["value"].is_string() && written["state"].is_string(), "{told}");
        assert!(!written["at"].is_null() && !written["intent"].is_null(), "{told}");
    }
}
