//! What tests read from the environment, all of it. Product code reads none of this.

/// Address of the shared PostgreSQL server, with a user who may create databases.
pub(super) const POSTGRES_URL: &str = "DUET_TEST_POSTGRES_URL";
/// Address of the shared broker.
pub(super) const AMQP_URL: &str = "DUET_TEST_AMQP_URL";
/// Node of the shared broker for its command-line tool: `name|epmd port|home folder`.
pub(super) const RABBITMQ_NODE: &str = "DUET_TEST_RABBITMQ_NODE";

/// A variable of the environment, if set and not empty.
#[expect(clippy::disallowed_methods, reason = "the one place where tests read the environment")]
pub(super) fn read(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
