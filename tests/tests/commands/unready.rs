//! An installation that isn't ready: nothing prepared, or a part that doesn't answer.

use std::net::TcpListener;
use std::time::Duration;

use duet_testkit::wait::wait_until;

use crate::rig::Rig;

const SOON: Duration = Duration::from_secs(60);

/// Commands that need the state database.
const ASKING: [&[&str]; 9] = [
    &["status"],
    &["explain", "customers/ALFKI"],
    &["conflicts", "list"],
    &["conflicts", "show", "00"],
    &["errors", "list"],
    &["errors", "retry", "--all"],
    &["adopt"],
    &["sync", "--once"],
    &["run"],
];
/// Those of them that need broker and sides too.
const WORKING: [&[&str]; 2] = [&["adopt"], &["sync", "--once"]];

/// The command ends with 5, a sentence, a hint, and nothing on stdout.
fn refuses(rig: &Rig, arguments: &[&str], words: &[&str]) {
    let done = rig.duet(arguments);
    assert_eq!(done.code, Some(5), "{arguments:?}\n{}\n{}", done.out, done.err);
    let told = done.err.lines().any(|line| line.starts_with("error: "));
    assert!(told, "{arguments:?}: {}", done.err);
    for word in words {
        assert!(done.err.contains(word), "{arguments:?} lacks {word:?}: {}", done.err);
    }
    assert_eq!(done.out, "", "{arguments:?}");
}

/// A service waits for a side that is down, and ends well when it is asked to.
async fn waits(rig: &Rig) {
    let running = rig.project.start(&["run"]).unwrap();
    wait_until(SOON, "it says that it waits", || {
        std::future::ready(rig.project.printed_by_all("stderr").contains("trying again"))
    })
    .await;
    assert_eq!(running.stop(SOON).unwrap().code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_that_is_missing_is_named_with_a_hint() {
    let mut rig = Rig::new().await;
    refuses(&rig, &["sync", "--once"], &["run `duet capture install`"]);
    rig.done(&["capture", "install"]);
    for arguments in ASKING {
        refuses(&rig, arguments, &["= help: run `duet migrate`"]);
    }
    let done = rig.duet(&["check"]);
    assert_eq!(done.code, Some(5), "{}", done.out);
    assert!(done.out.contains("run `duet migrate`"), "{}", done.out);
    rig.prepare(&["customers"]);
    let silent = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap();
    let parts = [
        ("DUET_DATABASE_URL", format!("postgres://duet:canary-db@{silent}/duet"), "[state] url"),
        ("DUET_AMQP_URL", format!("amqp://duet:canary-mq@{silent}/%2f"), "RabbitMQ"),
        ("SHOP_DATABASE_URL", format!("postgres://duet:canary-shop@{silent}/shop"), "right"),
        ("SF_LOGIN_URL", format!("http://{silent}"), "left"),
    ];
    for (variable, address, word) in parts {
        let before = rig.project.get(variable).unwrap().to_owned();
        rig.project.set(variable, &address);
        // A database is waited for ten seconds: one command stands for all of them.
        let slow = address.starts_with("postgres");
        let asking: &[&[&str]] = match (slow, word) {
            (true, "[state] url") => &ASKING[..1],
            (true, _) => &WORKING[..1],
            (false, _) => &WORKING,
        };
        for arguments in asking {
            refuses(&rig, arguments, &[word, "= help: "]);
        }
        if word == "left" {
            waits(&rig).await;
        }
        let check = rig.duet(&["check"]);
        assert_eq!(check.code, Some(5), "check without {variable}: {}{}", check.out, check.err);
        rig.project.set(variable, &before);
    }
    rig.project.set("SF_PASSWORD", "wrong-canary-sf");
    refuses(&rig, &["sync", "--once"], &["left", "= help: "]);
    let told = rig.project.printed_by_all("stderr") + &rig.project.printed_by_all("stdout");
    assert!(!told.contains("canary"), "a secret is shown:\n{told}");
    assert!(!told.contains("panicked"), "{told}");
}
