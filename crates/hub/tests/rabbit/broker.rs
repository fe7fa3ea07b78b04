//! The part of the hub's contract that breaks a broker: each case has one of its own.

use crate::rig;

use duet_testkit::hub_contract::losing;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_loses_nothing() {
    losing::a_crash_loses_nothing(&rig::private().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_blocked_connection_is_told() {
    losing::a_blocked_connection_is_told(&rig::private().await).await;
}
