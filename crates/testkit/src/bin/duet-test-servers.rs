//! Gives a whole test run its servers: starts those that nobody offers, prints their addresses as
//! variables and `ready`, and ends them when its standard input ends. Before, it clears what killed
//! tests left on servers that stay. Not for production.

#![expect(clippy::print_stdout, reason = "its output is what tests/run reads")]

use std::io::Read;
use std::net::TcpStream;

use duet_testkit::servers::{ServerError, clear_leftovers, private_postgres, private_rabbitmq};

#[tokio::main]
async fn main() -> Result<(), ServerError> {
    for leftover in clear_leftovers().await? {
        println!("cleared {leftover}");
    }
    let postgres = match offered("DUET_TEST_POSTGRES_URL", 5432) {
        true => None,
        false => Some(private_postgres().await?),
    };
    let rabbitmq = match offered("DUET_TEST_AMQP_URL", 5672) {
        true => None,
        false => Some(private_rabbitmq().await?),
    };
    if let Some(server) = &postgres {
        println!("DUET_TEST_POSTGRES_URL={}", server.url());
    }
    if let Some(server) = &rabbitmq {
        println!("DUET_TEST_AMQP_URL={}", server.url());
        println!("DUET_TEST_RABBITMQ_NODE='{}'", server.node_setting());
    }
    println!("ready");
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
    Ok(())
}

/// Whether the environment or the usual port offers a server.
#[expect(clippy::disallowed_methods, reason = "this program exists to fill the environment")]
fn offered(variable: &str, port: u16) -> bool {
    std::env::var(variable).is_ok_and(|url| !url.is_empty())
        || TcpStream::connect(("127.0.0.1", port)).is_ok()
}
