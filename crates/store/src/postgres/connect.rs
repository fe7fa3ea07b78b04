//! The first connection: one try, so that a database that isn't there is told at once, with its
//! address. The pool would ask a closed port again and again until its patience ends, and say only
//! that it did.

use super::error::fault;
use duet_ports::store::StoreError;
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, PgConnection};
use std::time::Duration;

/// What is tried here, as errors name it.
const WHAT: &str = "connect";

/// Connects once, and closes again.
pub(super) async fn try_once(
    options: &PgConnectOptions,
    limit: Duration,
) -> Result<(), StoreError> {
    let connected = tokio::time::timeout(limit, PgConnection::connect_with(options)).await;
    let failed = match connected {
        Ok(Ok(connection)) => {
            // It answered, and that is all that was asked; how it closes doesn't matter.
            drop(connection.close().await);
            return Ok(());
        }
        Ok(Err(error)) => fault(WHAT)(error),
        Err(_) => {
            let source = format!("no answer within {} s", limit.as_secs()).into();
            StoreError::Unreachable { what: WHAT, place: None, source }
        }
    };
    Err(match failed {
        StoreError::Unreachable { what, place: _, source } => {
            StoreError::Unreachable { what, place: Some(place(options)), source }
        }
        other => other,
    })
}

/// The address, without user and password.
fn place(options: &PgConnectOptions) -> String {
    match options.get_socket() {
        Some(socket) => socket.display().to_string(),
        None => format!("{}:{}", options.get_host(), options.get_port()),
    }
}

#[cfg(test)]
mod tests {
    //! Shows how fast, and in which words, a database that isn't there is told.

    use super::*;
    use std::error::Error;
    use std::net::TcpListener;

    async fn failure(url: &str, limit: Duration) -> StoreError {
        let options: PgConnectOptions = url.parse().expect("an address");
        try_once(&options, limit).await.expect_err("nobody is there")
    }

    #[tokio::test]
    async fn a_closed_port_is_told_at_once() {
        let closed = TcpListener::bind("127.0.0.1:0").and_then(|one| one.local_addr());
        let address = closed.expect("a free port");
        let url = format!("postgres://ann:secret@{address}/duet?sslmode=disable");
        let told = failure(&url, Duration::from_secs(60));
        let told = tokio::time::timeout(Duration::from_secs(30), told).await;
        let error = told.expect("it is not tried again");
        let told = format!("can't reach the state database {address} (connect)");
        assert_eq!(error.to_string(), told);
        let cause = error.source().expect("a cause").to_string();
        assert!(cause.contains("refused"), "{cause}");
    }

    #[tokio::test]
    async fn a_port_that_says_nothing_is_waited_for_as_long_as_allowed() {
        let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = silent.local_addr().expect("an address");
        let url = format!("postgres://ann:secret@{address}/duet?sslmode=disable");
        let error = failure(&url, Duration::from_millis(50)).await;
        assert!(error.to_string().contains(&address.to_string()), "{error}");
        let cause = error.source().expect("a cause").to_string();
        assert!(cause.contains("no answer within"), "{cause}");
    }
}
