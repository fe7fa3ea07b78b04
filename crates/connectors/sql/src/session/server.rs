//! Connections to a PostgreSQL server: sessions that write every text in one form, and in which
//! nothing waits for ever.

use super::Pool;
use crate::settings::{ACQUIRE, Settings};
use sqlx::ConnectOptions;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions, PgSslMode};
use std::net::IpAddr;

/// One snapshot for several statements.
pub(super) const SNAPSHOT: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

/// Connections to a server. Nothing is sent before one is used.
pub(crate) fn open(settings: &Settings, address: PgConnectOptions) -> Pool {
    let pool = PgPoolOptions::new()
        .max_connections(settings.connections)
        .acquire_timeout(ACQUIRE)
        .connect_lazy_with(options(settings, address));
    Pool::Server(pool)
}

fn options(settings: &Settings, address: PgConnectOptions) -> PgConnectOptions {
    let statement = settings.timeout.mul_f64(0.8).as_millis().max(1);
    let lock = settings.lock_timeout().as_millis().max(1);
    let options = address
        .application_name("duet")
        .options([
            ("TimeZone", "UTC".to_owned()),
            ("DateStyle", "ISO".to_owned()),
            ("IntervalStyle", "iso_8601".to_owned()),
            ("bytea_output", "hex".to_owned()),
            ("standard_conforming_strings", "on".to_owned()),
            ("statement_timeout", statement.to_string()),
            ("lock_timeout", lock.to_string()),
            ("idle_in_transaction_session_timeout", statement.to_string()),
        ])
        // Statements hold no values, but slow ones would be logged with the filter of the user.
        .disable_statement_logging();
    without_idle_tls(options)
}

/// On this machine TLS is of no use unless asked for, and the driver leaves Nagle's algorithm on:
/// every large statement would be held up by 40 ms (as for the store, decision 26).
fn without_idle_tls(options: PgConnectOptions) -> PgConnectOptions {
    let host = options.get_host().trim_start_matches('[').trim_end_matches(']').to_owned();
    let here = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|at| at.is_loopback());
    if here && matches!(options.get_ssl_mode(), PgSslMode::Prefer) {
        options.ssl_mode(PgSslMode::Disable)
    } else {
        options
    }
}
