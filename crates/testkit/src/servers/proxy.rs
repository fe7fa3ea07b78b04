//! A TCP proxy before a real server, with faults on purpose. It moves bytes and knows no protocol.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

/// What the proxy does wrong from now on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing: bytes pass.
    None,
    /// New connections are refused as if nobody listened; open ones stay.
    Refuse,
    /// Every piece waits this long in each direction.
    Delay(Duration),
    /// Each connection is cut after the server has answered so many bytes: a request may have
    /// been carried out although its answer is lost.
    CutAfter(u64),
}

/// A proxy that ends with this value.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    orders: watch::Sender<Orders>,
    task: JoinHandle<()>,
}

/// What every part of the proxy watches.
#[derive(Clone, Copy, Debug)]
struct Orders {
    fault: Fault,
    /// Raised to drop all connections of an earlier number.
    generation: u64,
}

/// Starts a proxy on a free port of 127.0.0.1 before `target`.
///
/// # Errors
/// When no port can be bound.
pub async fn proxy(target: SocketAddr) -> std::io::Result<Proxy> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let address = listener.local_addr()?;
    let (orders, watched) = watch::channel(Orders { fault: Fault::None, generation: 0 });
    let task = tokio::spawn(listen(listener, address, target, watched));
    Ok(Proxy { address, orders, task })
}

impl Proxy {
    /// Where clients connect.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Changes what goes wrong, for open connections too.
    pub fn set(&self, fault: Fault) {
        self.orders.send_modify(|orders| orders.fault = fault);
    }

    /// Cuts every open connection; new ones are served.
    pub fn drop_connections(&self) {
        self.orders.send_modify(|orders| orders.generation += 1);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn listen(
    mut listener: TcpListener,
    address: SocketAddr,
    target: SocketAddr,
    mut orders: watch::Receiver<Orders>,
) {
    let mut connections = JoinSet::new();
    loop {
        if orders.borrow_and_update().fault == Fault::Refuse {
            drop(listener);
            if orders.wait_for(|now| now.fault != Fault::Refuse).await.is_err() {
                return;
            }
            let Ok(again) = TcpListener::bind(address).await else { return };
            listener = again;
        }
        tokio::select! {
            accepted = listener.accept() => {
                if let Ok((client, _)) = accepted {
                    connections.spawn(connect(client, target, orders.clone()));
                }
            }
            changed = orders.changed() => if changed.is_err() { return },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn connect(client: TcpStream, target: SocketAddr, orders: watch::Receiver<Orders>) {
    let Ok(server) = TcpStream::connect(target).await else { return };
    let generation = orders.borrow().generation;
    let mut dropped = orders.clone();
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let both = async {
        tokio::try_join!(
            carry(from_client, to_server, orders.clone(), false),
            carry(from_server, to_client, orders, true),
        )
    };
    // A cut one way cuts both: dropping the halves closes the sockets.
    tokio::select! {
        _ = both => {}
        _ = dropped.wait_for(|now| now.generation != generation) => {}
    }
}

/// A connection that ended in the middle.
struct Cut;

/// Moves bytes one way until an orderly end, which is passed on, or a failure or fault. Only
/// answers are counted for a cut.
async fn carry(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    orders: watch::Receiver<Orders>,
    answers: bool,
) -> Result<(), Cut> {
    let mut piece = [0; 16 * 1024];
    let mut carried: u64 = 0;
    loop {
        let read = from.read(&mut piece).await.map_err(|_| Cut)?;
        if read == 0 {
            return to.shutdown().await.map_err(|_| Cut);
        }
        let fault = orders.borrow().fault;
        if let Fault::Delay(pause) = fault {
            tokio::time::sleep(pause).await;
        }
        let allowed = if answers { allowance(fault, carried, read) } else { read };
        to.write_all(&piece[..allowed]).await.map_err(|_| Cut)?;
        if allowed < read {
            return Err(Cut);
        }
        carried += allowed as u64;
    }
}

/// How much of a piece may still pass.
fn allowance(fault: Fault, carried: u64, read: usize) -> usize {
    match fault {
        Fault::CutAfter(limit) => {
            usize::try_from(limit.saturating_sub(carried)).map_or(read, |left| left.min(read))
        }
        Fault::None | Fault::Refuse | Fault::Delay(_) => read,
    }
}
