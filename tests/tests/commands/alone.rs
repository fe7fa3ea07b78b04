//! Neither `[hub]` nor `[state]`: one process, its hub in memory and its state in a file, behaves as
//! with servers; commands of other processes work beside it.

use std::time::Duration;

use duet_testkit::wait::wait_until;
use duet_tests::flows::CUSTOMERS;

use crate::rig::Rig;

const SOON: Duration = Duration::from_secs(60);
const SERVERS: &str =
    "[state]\nurl = \"${DUET_DATABASE_URL}\"\n\n[hub]\nurl = \"${DUET_AMQP_URL}\"\n";

/// The installation without its servers.
pub(crate) async fn alone() -> Rig {
    let rig = Rig::new().await;
    let file = rig.project.folder().join("duet.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.contains(SERVERS), "{text}");
    std::fs::write(&file, text.replace(SERVERS, "")).unwrap();
    rig
}

#[tokio::test(flavor = "multi_thread")]
async fn one_process_keeps_its_state_in_a_file() {
    let rig = alone().await;
    let state = rig.project.folder().join(".duet/state.db");
    rig.done(&["check", "--offline"]);
    assert_eq!(rig.duet(&["check"]).code, Some(4), "counters need a capture");
    assert!(!state.exists(), "looking makes nothing");
    rig.done(&["capture", "install"]);
    rig.done(&["check"]);
    rig.done(&["adopt", "--yes", "--flow", "customers"]);
    assert!(state.exists());
    let ignored = rig.project.folder().join(".duet/.gitignore");
    let kept_out = "*\n!/.gitignore\n!/duet.schema.json\n";
    assert_eq!(std::fs::read_to_string(ignored).unwrap(), kept_out, "a state is never committed");
    rig.done(&["sync", "--once"]);
    assert_eq!(rig.salesforce.org().unwrap().of(CUSTOMERS.object).count(), 91);
    assert!(rig.done(&["status"]).out.contains("customers"));
    rig.salesforce.mark().await.unwrap();
    rig.done(&["sync", "--once"]);
    assert_eq!(rig.salesforce.log().await.unwrap()["writing_calls"], 0, "a second pass");
}

#[tokio::test(flavor = "multi_thread")]
async fn other_commands_work_beside_the_one_process() {
    let rig = alone().await;
    rig.done(&["capture", "install"]);
    rig.done(&["adopt", "--yes", "--flow", "customers"]);
    let running = rig.run();
    wait_until(SOON, "the customers are there", || async {
        rig.salesforce.org().unwrap().of(CUSTOMERS.object).count() == 91
    })
    .await;
    rig.sell("UPDATE customers SET contact_name = 'Ann' WHERE customer_id = 'ALFKI'").await;
    wait_until(SOON, "an edit comes through", || async {
        rig.left(&CUSTOMERS, "ALFKI", "Contact_Name__c") == "Ann"
    })
    .await;
    assert_eq!(rig.duet(&["sync", "--once"]).code, Some(75), "its sources are taken");
    rig.done(&["explain", "customers/ALFKI", "--field", "contact"]);
    assert!(running.stop(SOON).unwrap().success());
    rig.done(&["sync", "--once"]);
}
