//! Free ports below the range from which the system takes ports of outgoing connections, so that
//! a server that is down for a moment finds its port free again. Not a reservation.

use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering};

use super::ServerError;

/// Ports handed out by this process so far.
static TAKEN: AtomicU16 = AtomicU16::new(0);

const FIRST: u16 = 12_000;
const COUNT: u16 = 20_000;
/// Ports between two processes' starting points, so that parallel tests rarely meet.
const STRIDE: u32 = 37;

/// A port of 127.0.0.1 on which nobody listens now and which this process gives out once.
pub(super) fn free() -> Result<u16, ServerError> {
    let start = std::process::id().wrapping_mul(STRIDE) % u32::from(COUNT);
    for _ in 0..COUNT {
        let step = u32::from(TAKEN.fetch_add(1, Ordering::Relaxed));
        let offset = u16::try_from((start + step) % u32::from(COUNT)).expect("below COUNT");
        let port = FIRST + offset;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(port);
        }
    }
    Err(ServerError::NoPort)
}

#[cfg(test)]
mod tests {
    //! Shows that a port is given out once and can be bound.

    use super::*;

    #[test]
    fn two_ports_differ_and_can_be_bound() {
        let (one, two) = (free().unwrap(), free().unwrap());
        assert_ne!(one, two);
        TcpListener::bind((Ipv4Addr::LOCALHOST, one)).unwrap();
        TcpListener::bind((Ipv4Addr::LOCALHOST, two)).unwrap();
    }
}
