//! What RabbitMQ's client does beyond the port's contract: brokers that aren't there, sharing a
//! virtual host, saying goodbye.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use duet_hub::{RabbitHub, RabbitSettings};
use duet_ports::clock::System;
use duet_ports::hub::{Hub, HubError, Queue};
use duet_testkit::hub_contract::{
    changes, number, publish_all, publish_stubbornly, read, read_stubbornly, usual,
};
use duet_testkit::servers::Fault;

use crate::rig;

fn open(settings: RabbitSettings) -> RabbitHub {
    RabbitHub::open(settings, Arc::new(System), Arc::new(System))
}

/// The error and its causes, as a log would show them.
fn told(error: &HubError) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

async fn fails_in_time(settings: RabbitSettings) -> String {
    let hub = open(settings);
    let limit = Duration::from_secs(60);
    let answer = tokio::time::timeout(limit, hub.declare(&usual())).await.expect("it has a limit");
    let error = answer.expect_err("nobody is there");
    assert!(matches!(error, HubError::Unreachable { .. }), "{error:?}");
    let sent = tokio::time::timeout(limit, hub.publish(&changes([1]))).await;
    assert!(sent.expect("it has a limit").is_err());
    for wake in changes(1..=5_000) {
        hub.wake(wake).await;
    }
    told(&error)
}

#[tokio::test]
async fn nobody_listens() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = format!("amqp://ann:s3cret@127.0.0.1:{port}/%2f");
    let told = fails_in_time(RabbitSettings::parse(&url).unwrap()).await;
    assert!(told.contains("refused") && told.contains(&port.to_string()), "{told}");
    assert!(!told.contains("s3cret"), "{told}");
}

#[tokio::test]
async fn the_broker_says_nothing() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("amqp://127.0.0.1:{}/%2f", silent.local_addr().unwrap().port());
    let mut settings = RabbitSettings::parse(&url).unwrap();
    settings.connect_timeout = Duration::from_millis(300);
    let told = fails_in_time(settings).await;
    assert!(told.contains("virtual host / in time"), "{told}");
}

#[tokio::test]
async fn a_wrong_password_is_told() {
    let rig = rig::shared().await;
    let url = format!("amqp://guest:s3cret@{}/%2f", rig.access.proxy.address());
    let told = fails_in_time(RabbitSettings::parse(&url).unwrap()).await;
    assert!(told.contains("ACCESS_REFUSED"), "{told}");
    assert!(!told.contains("s3cret"), "{told}");
}

#[tokio::test]
async fn it_connects_when_the_broker_appears() {
    let rig = rig::shared().await;
    rig.access.proxy.set(Fault::Refuse);
    let hub = open(rig.access.settings());
    assert!(hub.declare(&usual()).await.is_err());
    rig.access.proxy.set(Fault::None);
    duet_testkit::wait::wait_until(Duration::from_secs(60), "the hub is up", || async {
        hub.declare(&usual()).await.is_ok()
    })
    .await;
    publish_stubbornly(&hub, changes([1])).await;
}

#[tokio::test]
async fn a_connection_gone_silent_is_given_up() {
    let rig = rig::shared().await;
    let mut settings = rig.access.settings_with("?heartbeat=1");
    settings.connect_timeout = Duration::from_secs(2);
    let hub = open(settings);
    hub.declare(&usual()).await.unwrap();
    let mut consumer = hub.consume(Queue::Changes(0), 10).await.unwrap();
    rig.access.proxy.set(Fault::Delay(Duration::from_secs(3_600)));
    let long = Duration::from_secs(600);
    let next = tokio::time::timeout(Duration::from_secs(60), consumer.next(1, long)).await;
    let lost = next.expect("heartbeats are missed").expect_err("the connection is silent");
    assert!(matches!(lost, HubError::Unreachable { .. }), "{lost:?}");
    rig.access.proxy.set(Fault::None);
    publish_stubbornly(&hub, changes([1])).await;
    assert_eq!(number(&read_stubbornly(&mut *consumer, 1).await[0]), 1);
}

#[tokio::test]
async fn two_installations_share_a_virtual_host() {
    let rig = rig::shared().await;
    let one = open(rig.access.settings());
    let other = open(rig.access.settings().with_prefix("elsewhere"));
    one.declare(&usual()).await.unwrap();
    other.declare(&usual()).await.unwrap();
    publish_all(&one, &changes([1])).await;
    publish_all(&other, &changes([2])).await;
    let mut consumer = other.consume(Queue::Changes(0), 10).await.unwrap();
    let came = read(&mut *consumer, 1).await;
    assert_eq!(number(&came[0]), 2);
    assert_eq!(one.depth(&Queue::Changes(0)).await.unwrap().ready, 1);
}

#[tokio::test]
async fn closing_ends_everything_in_time() {
    let rig = rig::shared().await;
    let hub = open(rig.access.settings());
    hub.declare(&usual()).await.unwrap();
    let mut consumer = hub.consume(Queue::Changes(0), 10).await.unwrap();
    let limit = Duration::from_secs(30);
    tokio::time::timeout(limit, hub.close()).await.expect("a goodbye has a limit");
    let next = tokio::time::timeout(limit, consumer.next(1, limit)).await;
    let lost = next.expect("it ends at once").expect_err("the hub is closed");
    assert!(matches!(lost, HubError::Unreachable { .. }), "{lost:?}");
    let error = hub.publish(&changes([1])).await.expect_err("the hub is closed");
    assert!(told(&error).contains("closed"), "{}", told(&error));
}
