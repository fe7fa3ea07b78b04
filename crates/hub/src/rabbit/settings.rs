//! How to reach RabbitMQ and how patient to be. Parsed once; holds a password, so it never prints
//! its address.

use lapin::uri::AMQPUri;
use std::fmt;
use std::time::Duration;

/// The address is no AMQP address. It is not repeated here: it may hold a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the hub's address must look like amqp://user:password@host:5672/vhost (or amqps://)")]
pub struct BadUrl;

/// Settings of a [`RabbitHub`](crate::RabbitHub).
#[derive(Clone)]
pub struct RabbitSettings {
    pub(super) uri: AMQPUri,
    /// First word of the exchange and of every queue: `duet`, or another so that several
    /// installations share a virtual host.
    pub prefix: String,
    /// The name that the broker shows for our connections.
    pub name: String,
    /// For a connection to be made.
    pub connect_timeout: Duration,
    /// For one answer of the broker (declare, subscribe, look at a queue).
    pub answer_timeout: Duration,
    /// Without any confirm for so long, what is not confirmed counts as unknown.
    pub confirm_timeout: Duration,
    /// How long a call waits for a connection that is just being made again.
    pub reconnect_patience: Duration,
    /// The first pause between two attempts to connect; doubled up to the longest.
    pub pause_min: Duration,
    /// The longest pause.
    pub pause_max: Duration,
    /// Wake-ups waiting in memory; more are dropped.
    pub wakes_waiting_max: usize,
}

impl RabbitSettings {
    /// Usual settings for an address. Heartbeats are 10 s unless the address says
    /// `?heartbeat=SECONDS`.
    ///
    /// # Errors
    /// When it is no AMQP address.
    pub fn parse(url: &str) -> Result<Self, BadUrl> {
        let mut uri: AMQPUri = url.parse().map_err(|_| BadUrl)?;
        let connect_timeout = Duration::from_secs(10);
        uri.query.heartbeat.get_or_insert(10);
        uri.query.connection_timeout.get_or_insert(10_000);
        Ok(Self {
            uri,
            prefix: "duet".to_owned(),
            name: "duet".to_owned(),
            connect_timeout,
            answer_timeout: Duration::from_secs(10),
            confirm_timeout: Duration::from_secs(15),
            reconnect_patience: Duration::from_secs(2),
            pause_min: Duration::from_millis(50),
            pause_max: Duration::from_secs(15),
            wakes_waiting_max: 1_000,
        })
    }

    /// Where the broker is, without credentials.
    #[must_use]
    pub fn place(&self) -> String {
        let authority = &self.uri.authority;
        format!("{}:{}, virtual host {}", authority.host, authority.port, self.uri.vhost)
    }

    /// The same with another first word for exchange and queues.
    #[must_use]
    pub fn with_prefix(self, prefix: impl Into<String>) -> Self {
        Self { prefix: prefix.into(), ..self }
    }
}

impl fmt::Debug for RabbitSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RabbitSettings")
            .field("place", &self.place())
            .field("prefix", &self.prefix)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_never_printed() {
        let settings = RabbitSettings::parse("amqp://ann:s3cret@mq.example:5671/duet").unwrap();
        let printed = format!("{settings:?}");
        assert!(printed.contains("mq.example"), "{printed}");
        assert!(!printed.contains("s3cret") && !printed.contains("ann"), "{printed}");
        for wrong in ["", "mq.example", "http://ann:s3cret@mq.example/"] {
            let error = RabbitSettings::parse(wrong).unwrap_err();
            assert!(!error.to_string().contains("s3cret"));
        }
    }

    #[test]
    fn the_address_may_set_the_heartbeat() {
        let heartbeat = |url| RabbitSettings::parse(url).unwrap().uri.query.heartbeat;
        assert_eq!(heartbeat("amqp://mq.example"), Some(10));
        assert_eq!(heartbeat("amqp://mq.example/%2f?heartbeat=30"), Some(30));
    }
}
