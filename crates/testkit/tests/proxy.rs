//! Shows each fault of the proxy on an echo server. No real server is behind it here.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::Duration;

use duet_testkit::servers::{Fault, Proxy, proxy};
use duet_testkit::wait::wait_until;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;

async fn echo() -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut read, mut write) = client.split();
                tokio::io::copy(&mut read, &mut write).await
            });
        }
    });
    address
}

async fn before_echo() -> (Proxy, TcpStream) {
    let proxy = proxy(echo().await).await.unwrap();
    let client = TcpStream::connect(proxy.address()).await.unwrap();
    (proxy, client)
}

async fn say(client: &mut TcpStream, words: &[u8]) -> Vec<u8> {
    let mut answer = vec![0; words.len()];
    client.write_all(words).await.unwrap();
    client.read_exact(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn bytes_pass_unchanged() {
    let (_proxy, mut client) = before_echo().await;
    assert_eq!(say(&mut client, b"hello").await, b"hello");
    let long: Vec<u8> = (0..100_000).map(|n| u8::try_from(n % 251).unwrap()).collect();
    let (mut read, mut write) = client.into_split();
    let sent = long.clone();
    tokio::spawn(async move { write.write_all(&sent).await });
    let mut answer = vec![0; long.len()];
    read.read_exact(&mut answer).await.unwrap();
    assert!(answer == long);
}

#[tokio::test]
async fn dropped_connections_end_and_new_ones_are_served() {
    let (proxy, mut client) = before_echo().await;
    say(&mut client, b"open").await;
    proxy.drop_connections();
    assert_eq!(client.read(&mut [0; 8]).await.unwrap_or(0), 0);
    let mut again = TcpStream::connect(proxy.address()).await.unwrap();
    assert_eq!(say(&mut again, b"again").await, b"again");
}

#[tokio::test]
async fn refused_connections_come_back_at_the_same_address() {
    let (proxy, mut client) = before_echo().await;
    say(&mut client, b"accepted").await;
    proxy.set(Fault::Refuse);
    wait_until(Duration::from_secs(60), "connections are refused", || async {
        let refused = TcpStream::connect(proxy.address()).await;
        refused.is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused)
    })
    .await;
    assert_eq!(say(&mut client, b"still open").await, b"still open");
    proxy.set(Fault::None);
    wait_until(Duration::from_secs(60), "connections are accepted", || async {
        TcpStream::connect(proxy.address()).await.is_ok()
    })
    .await;
}

#[tokio::test]
async fn a_delay_counts_in_both_directions() {
    let (proxy, mut client) = before_echo().await;
    proxy.set(Fault::Delay(Duration::from_millis(60)));
    let start = Instant::now();
    say(&mut client, b"slow").await;
    assert!(start.elapsed() >= Duration::from_millis(120));
}

#[tokio::test]
async fn an_answer_is_cut_after_so_many_bytes() {
    let (proxy, mut client) = before_echo().await;
    proxy.set(Fault::CutAfter(3));
    client.write_all(b"abcdef").await.unwrap();
    let mut answer = Vec::new();
    let ended = client.read_to_end(&mut answer).await;
    assert!(ended.is_ok() || ended.is_err_and(|error| error.kind() == ErrorKind::ConnectionReset));
    assert_eq!(answer, b"abc");
}
