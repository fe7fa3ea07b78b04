//! Passwords, tokens and values of records are never told: not with every word switched on, not in
//! errors, not in panics that could be.

use std::time::Duration;

use duet_testkit::wait::wait_until;
use duet_tests::flows::CUSTOMERS;
use serde_json::json;

use crate::ground::Hub;
use crate::rig::Rig;

const SOON: Duration = Duration::from_secs(60);
const STOPS_WITHIN: Duration = Duration::from_secs(60);
const PHONE: &str = "+47 98 76 54 32";
const REFUSED: &str = "+47 98 76 54 33";

#[tokio::test(flavor = "multi_thread")]
async fn nothing_secret_is_ever_told_on_the_side() {
    let mut rig = Rig::with_own_broker().await;
    let secrets = with_canaries(&mut rig);
    rig.project.set("RUST_BACKTRACE", "full");
    rig.project.set("DUET_LOG", "trace");
    let rule = json!({ "object": "Account", "field": "Phone", "value": REFUSED,
        "message": format!("{REFUSED} isn't a number") });
    rig.salesforce.fail(json!({ "refuse": [rule], "lost_rate": 0.1 })).await.unwrap();
    rig.sell(&format!(
        "UPDATE customers SET phone = '{PHONE}', contact_name = 'canary person'
            WHERE customer_id = 'ALFKI';
        UPDATE customers SET phone = '{REFUSED}' WHERE customer_id = 'ANATR';
        UPDATE customers SET company_name = 'canary company' WHERE customer_id = 'ANTON'"
    ))
    .await;
    for arguments in [
        &["check", "-vv"][..],
        &["migrate", "-vv"],
        &["capture", "install", "-vv"],
        &["adopt", "--flow", "customers", "--yes", "-vv"],
        &["sync", "--once", "-vv"],
    ] {
        rig.duet(arguments);
    }
    busy(&mut rig).await;
    for arguments in [
        &["explain", "customers/ALFKI", "-vv"][..],
        &["errors", "list", "-vv"],
        &["errors", "retry", "--all", "-vv"],
        &["sync", "--once", "-vv", "--log-format", "json"],
        &["conflicts", "list", "-vv"],
    ] {
        rig.duet(arguments);
    }
    let told = rig.project.printed_by_all("stderr");
    assert!(told.lines().count() > 200, "it told something: {} lines", told.lines().count());
    for secret in secrets.iter().map(String::as_str).chain([PHONE, REFUSED, "canary"]) {
        let line = told.lines().find(|line| line.contains(secret));
        assert_eq!(line, None, "{secret} is told");
    }
    assert!(!told.contains("panicked"));
    let out = rig.project.printed_by_all("stdout");
    for secret in &secrets {
        assert!(!out.contains(secret.as_str()), "{secret} is shown");
    }
}

/// Passwords that are used nowhere else.
fn with_canaries(rig: &mut Rig) -> Vec<String> {
    let Hub::Own(broker) = &rig.hub else { panic!("the broker is this test's own") };
    let change = "rabbit_auth_backend_internal:change_password(<<\"guest\">>, \
        <<\"canarymq\">>, <<\"test\">>).";
    broker.evaluate(change).unwrap();
    let hub = broker.url().replace("guest:guest", "guest:canarymq");
    rig.project.set("DUET_AMQP_URL", &hub);
    // The database trusts everyone: it doesn't look at the password.
    for (variable, password) in
        [("DUET_DATABASE_URL", "canarydb"), ("SHOP_DATABASE_URL", "canaryshop")]
    {
        let url = rig.project.get(variable).unwrap().to_owned();
        let (scheme, rest) = url.split_once("://").unwrap();
        let (user, place) = rest.split_once('@').unwrap();
        rig.project.set(variable, &format!("{scheme}://{user}:{password}@{place}"));
    }
    ["canarymq", "canarydb", "canaryshop", "pwtok", "guest:guest"].map(str::to_owned).to_vec()
}

/// A while of `duet run` in trouble: outages of the side and of the broker.
async fn busy(rig: &mut Rig) {
    let running = rig.project.start(&["run", "-vv"]).unwrap();
    wait_until(SOON, "it reads", || std::future::ready(rig.reads("customers"))).await;
    rig.salesforce.fail(json!({ "outage_ms": 1000, "lost_rate": 0.2 })).await.unwrap();
    rig.sell("UPDATE customers SET fax = 'canary fax'").await;
    let Hub::Own(broker) = &mut rig.hub else { panic!("the broker is this test's own") };
    broker.restart().await.unwrap();
    rig.salesforce.mend().await.unwrap();
    wait_until(SOON * 2, "the edits pass", || {
        std::future::ready(rig.left(&CUSTOMERS, "WOLZA", "Fax") == "canary fax")
    })
    .await;
    assert_eq!(running.stop(STOPS_WITHIN).unwrap().code(), Some(0));
}
