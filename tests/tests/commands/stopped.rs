//! A command that is interrupted: it ends soon with 130 or 143, and the next one isn't in its way.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use duet_testkit::wait::wait_until;
use serde_json::json;

use crate::rig::Rig;

const SOON: Duration = Duration::from_secs(30);

fn start(rig: &Rig, arguments: &[&str]) -> Child {
    let mut command = rig.project.command(arguments);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Whether somebody holds a lease whose name begins so.
fn held(rig: &Rig, name: &str) -> bool {
    let status = rig.json(&["status"]);
    let sources = status["sources"].as_array().unwrap().iter();
    let mut held = sources.filter(|one| !one["holder"].is_null());
    held.any(|one| one["source"].as_str().unwrap().starts_with(name))
}

/// Sends the signal, and answers the exit code and what was told.
fn stop(child: Child, signal: &str) -> (Option<i32>, String) {
    let sent = Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
    let ended = child.wait_with_output().unwrap();
    (ended.status.code(), String::from_utf8(ended.stderr).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_command_gives_way_to_the_next() {
    let mut rig = Rig::new().await;
    // A lease that isn't given back would be in the way for all of this test.
    rig.project.set("DUET_LEASE_S", "600");
    rig.prepare(&["customers"]);
    rig.salesforce.fail(json!({ "latency_ms": 700 })).await.unwrap();
    let passing = start(&rig, &["sync", "--once"]);
    wait_until(SOON, "it reads", || std::future::ready(held(&rig, "products/right"))).await;
    let (code, told) = stop(passing, "-INT");
    assert_eq!(code, Some(130), "{told}");
    assert!(told.starts_with("error: stopped before it was done"), "{told}");
    let passing = start(&rig, &["sync", "--once"]);
    wait_until(SOON, "it reads", || std::future::ready(held(&rig, "products/right"))).await;
    assert_eq!(stop(passing, "-TERM").0, Some(143));
    rig.salesforce.mend().await.unwrap();
    rig.done(&["sync", "--once"]);

    rig.salesforce.fail(json!({ "latency_ms": 700 })).await.unwrap();
    rig.salesforce.mark().await.unwrap();
    let adopting = start(&rig, &["adopt", "--flow", "orders", "--yes"]);
    wait_until(SOON, "it reads", || async {
        let log = rig.salesforce.log().await.unwrap();
        log["by_kind"].as_object().unwrap().keys().any(|kind| kind.contains("query"))
    })
    .await;
    let (code, told) = stop(adopting, "-INT");
    assert_eq!(code, Some(130), "{told}");
    assert!(told.contains("= help: run it again"), "{told}");
    rig.salesforce.mend().await.unwrap();
    rig.done(&["adopt", "--flow", "orders", "--yes"]);
}
