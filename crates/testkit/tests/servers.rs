//! Shows that launched servers answer, survive what a test does to them, and leave nothing behind.
//! Nothing is faked: these are the installed PostgreSQL and RabbitMQ.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::TcpListener;
use std::process::Command;
use std::time::Duration;

use duet_testkit::servers::{
    clear_leftovers, postgres, private_postgres, private_postgres_with, private_rabbitmq,
    private_rabbitmq_with, rabbitmq,
};
use duet_testkit::wait::wait_until;
use sqlx::{Connection, PgConnection};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

async fn count(url: &str, query: &'static str) -> i64 {
    let mut connection = PgConnection::connect(url).await.unwrap();
    sqlx::query_scalar(query).fetch_one(&mut connection).await.unwrap()
}

async fn greeted(port: u16) -> bool {
    let Ok(mut connection) = TcpStream::connect(("127.0.0.1", port)).await else { return false };
    let sent = connection.write_all(b"AMQP\x00\x00\x09\x01").await;
    sent.is_ok() && connection.read_u8().await.is_ok_and(|byte| byte == 1)
}

fn processes_with(word: &str) -> String {
    let found = Command::new("pgrep").args(["-af", word]).output().unwrap();
    String::from_utf8(found.stdout).unwrap()
}

#[tokio::test]
async fn databases_are_separate_and_dropped() {
    let (one, two) = (postgres().await.unwrap(), postgres().await.unwrap());
    one.run("CREATE TABLE only_here (n int); INSERT INTO only_here VALUES (1), (2)").await.unwrap();
    assert_eq!(count(one.url(), "SELECT count(*) FROM only_here").await, 2);
    assert!(two.run("SELECT * FROM only_here").await.is_err());
    let gone = one.url().to_owned();
    drop(one);
    assert!(PgConnection::connect(&gone).await.is_err());
}

#[tokio::test]
async fn private_postgres_keeps_its_data_through_stop_kill_and_restart() {
    let mut server = private_postgres().await.unwrap();
    let url = server.url().to_owned();
    let mut connection = PgConnection::connect(&url).await.unwrap();
    let fill = "CREATE TABLE kept AS SELECT generate_series(1, 10) AS n";
    sqlx::raw_sql(fill).execute(&mut connection).await.unwrap();
    server.stop();
    assert!(PgConnection::connect(&url).await.is_err());
    server.start().await.unwrap();
    assert_eq!(count(&url, "SELECT count(*) FROM kept").await, 10);
    server.kill();
    assert!(PgConnection::connect(&url).await.is_err());
    server.restart().await.unwrap();
    assert_eq!(count(&url, "SELECT count(*) FROM kept").await, 10);
    let port = server.port();
    drop(server);
    assert_eq!(processes_with(&format!("postgres.* -p {port} ")), "");
    TcpListener::bind(("127.0.0.1", port)).unwrap();
}

#[tokio::test]
async fn private_servers_are_set_up_as_asked_for() {
    let server = private_postgres_with(&["shared_buffers=64MB"]).await.unwrap();
    let asked =
        "SELECT count(*) FROM pg_settings WHERE name = 'shared_buffers' AND setting = '8192'
                 OR name = 'fsync' AND setting = 'on'";
    assert_eq!(count(server.url(), asked).await, 2, "set, and synced as it comes");
    let broker = private_rabbitmq_with(&["rabbitmq_consistent_hash_exchange"]).await.unwrap();
    let known = "rabbit_registry:lookup_module(exchange, 'x-consistent-hash').";
    let told = broker.evaluate(known).unwrap();
    assert!(told.contains("{ok"), "{told}");
}

#[tokio::test]
async fn private_rabbitmq_stops_is_killed_and_comes_back() {
    let mut broker = private_rabbitmq().await.unwrap();
    let (port, node) = (broker.port(), broker.node_setting());
    assert!(greeted(port).await);
    broker.stop();
    assert!(!greeted(port).await);
    broker.start().await.unwrap();
    assert!(greeted(port).await);
    broker.kill();
    assert!(!greeted(port).await);
    broker.start().await.unwrap();
    assert!(greeted(port).await);
    drop(broker);
    let name = node.split('|').next().unwrap();
    wait_until(Duration::from_secs(10), "the node's processes are gone", || {
        std::future::ready(processes_with(name).is_empty())
    })
    .await;
}

#[tokio::test]
async fn virtual_hosts_are_separate_and_deleted() {
    let (one, two) = (rabbitmq().await.unwrap(), rabbitmq().await.unwrap());
    assert_ne!(one.url(), two.url());
    one.purge().unwrap();
    assert!(one.url().contains("/duet_test_"));
}

#[tokio::test]
async fn leftovers_of_dead_processes_are_cleared_and_nothing_else() {
    let ours = postgres().await.unwrap();
    let dead = "duet_test_4000000001_0";
    // Left by an earlier run of this very test, if it was killed.
    let _ = ours.run(&format!("DROP DATABASE {dead}")).await;
    ours.run(&format!("CREATE DATABASE {dead}")).await.unwrap();
    let cleared = clear_leftovers().await.unwrap();
    assert!(cleared.contains(&format!("database {dead}")), "{cleared:?}");
    ours.run("SELECT 1").await.unwrap();
}
