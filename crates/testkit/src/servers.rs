//! Servers for tests: a share of a running one where that is enough, an own process where a test
//! stops, kills or restarts it. Not a cluster manager: one node each, on loopback, gone on drop.
//!
//! | Function | Gives | Use it for |
//! |---|---|---|
//! | [`postgres()`] | a fresh database on the shared server | nearly everything |
//! | [`private_postgres`] | an own server process | outages, kills, restarts |
//! | [`noting_postgres`] | a fresh database on an own server | what really reached it, by its statements |
//! | [`private_postgres_with`], [`private_rabbitmq_with`] | the same, set up for a purpose | measurements |
//! | [`rabbitmq()`] | a fresh virtual host on the shared broker | nearly everything |
//! | [`private_rabbitmq`] | an own broker node | restarts of the broker |
//! | [`proxy()`] | a TCP proxy before a server | connections that drop, hang, or break in the middle |
//!
//! The shared servers are those of `DUET_TEST_POSTGRES_URL` and `DUET_TEST_AMQP_URL`, else those
//! on the usual ports of 127.0.0.1. Where none answers, the value owns a private server instead.
//! Every process is killed when its value is dropped, and also when the test process is killed.

mod error;
mod leftover;
mod port;
mod postgres;
mod process;
mod proxy;
mod rabbitmq;
mod rabbitmq_share;
mod settings;
mod statements;

pub use error::ServerError;
pub use leftover::clear_leftovers;
pub use postgres::{
    Database, PrivatePostgres, noting_postgres, postgres, private_postgres, private_postgres_with,
};
pub use proxy::{Fault, Proxy, proxy};
pub use rabbitmq::{PrivateRabbit, private_rabbitmq, private_rabbitmq_with};
pub use rabbitmq_share::{Broker, rabbitmq};
pub use statements::Statement;
