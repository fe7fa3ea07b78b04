//! A flow whose key changes after it was adopted, as the commands tell it.

use std::time::Duration;

use duet_testkit::wait::wait_until;
use duet_tests::flows::CUSTOMERS;

use crate::rig::Rig;

const SOON: Duration = Duration::from_secs(60);
/// What every command says: what changed, and what to do.
const TOLD: [&str; 4] =
    ["the key of flow customers changed", "(customer_id)", "(company_name)", "put the key back"];

/// The command names the change, with this exit code.
fn told(rig: &Rig, arguments: &[&str], code: i32) {
    let done = rig.duet(arguments);
    assert_eq!(done.code, Some(code), "{arguments:?}\n{}\n{}", done.out, done.err);
    let all = format!("{}{}", done.out, done.err);
    let all = all.split_whitespace().collect::<Vec<_>>().join(" ");
    for word in TOLD {
        assert!(all.contains(word), "{arguments:?} lacks {word:?}: {all}");
    }
    assert!(!all.contains("capture install"), "bad advice: {all}");
}

fn configure(rig: &Rig, from: &str, to: &str) {
    let file = rig.project.folder().join("flows/customers.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.contains(from), "{text}");
    std::fs::write(&file, text.replace(from, to)).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_key_stops_its_flow_and_no_other() {
    let rig = Rig::new().await;
    rig.prepare(&["customers", "products"]);
    rig.done(&["sync", "--once"]);
    let key = |column: &str| format!("table = \"customers\", key = \"{column}\"");
    configure(&rig, &key("customer_id"), &key("company_name"));
    rig.sell(
        "UPDATE customers SET contact_name = 'Ann' WHERE customer_id = 'ALFKI';
        UPDATE products SET product_name = 'Chai Latte' WHERE product_id = 1",
    )
    .await;
    let customers = rig.salesforce.org().unwrap().of(CUSTOMERS.object).count();
    for (arguments, code) in [
        (&["check"][..], 4),
        (&["status"], 0),
        (&["adopt", "--yes"], 4),
        (&["adopt", "--flow", "customers"], 4),
        (&["capture", "install"], 4),
        (&["sync", "--once"], 4),
    ] {
        told(&rig, arguments, code);
    }
    let products = duet_tests::flows::PRODUCTS;
    assert_eq!(rig.left(&products, "1", "Name"), "Chai Latte", "other flows are synced");
    assert_ne!(rig.left(&CUSTOMERS, "ALFKI", "Contact_Name__c"), "Ann");
    assert_eq!(rig.json(&["status"])["flows"][0]["state"], "rekeyed");
    rig.sell("UPDATE products SET product_name = 'Chai Mocca' WHERE product_id = 1").await;
    let running = rig.run();
    wait_until(SOON, "the other flow goes on", || async {
        rig.left(&products, "1", "Name") == "Chai Mocca"
    })
    .await;
    assert!(running.stop(SOON).unwrap().success());
    assert!(rig.project.printed_by_all("stderr").contains("ERROR"), "run says it in its log");
    configure(&rig, &key("company_name"), &key("customer_id"));
    rig.done(&["check"]);
    rig.done(&["sync", "--once"]);
    assert_eq!(rig.left(&CUSTOMERS, "ALFKI", "Contact_Name__c"), "Ann", "nothing was lost");
    assert_eq!(rig.salesforce.org().unwrap().of(CUSTOMERS.object).count(), customers);
    assert_eq!(rig.done(&["conflicts", "list"]).out, "no conflicts\n");
}
