//! A go-between for the servers of a cluster, so that one of them can be cut off.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use colloquy_bus::CancellationToken;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    task::{JoinHandle, JoinSet},
};

use super::config::{self, Ports};

/// A server names itself within its first bytes on a route.
const INTRODUCTION_BYTES: usize = 16 * 1024;

/// Listens in front of every server's route port.
#[derive(Debug)]
pub(super) struct Routes {
    addresses: Vec<SocketAddr>,
    links: Arc<Links>,
    accepting: Vec<JoinHandle<()>>,
}

/// The connections between servers.
#[derive(Debug, Default)]
struct Links(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    isolated: BTreeSet<usize>,
    next: u64,
    open: BTreeMap<u64, Link>,
}

#[derive(Debug)]
struct Link {
    to: usize,
    /// Known once it has introduced itself.
    from: Option<usize>,
    cut: CancellationToken,
}

impl Routes {
    pub(super) async fn open(ports: &[Ports]) -> Self {
        let links = Arc::new(Links::default());
        let (mut addresses, mut accepting) = (Vec::new(), Vec::new());
        for (to, ports) in ports.iter().enumerate() {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
                .await
                .expect("a port is free");
            addresses.push(listener.local_addr().expect("it has an address"));
            accepting.push(tokio::spawn(accept(
                listener,
                links.clone(),
                to,
                ports.route,
            )));
        }
        Self {
            addresses,
            links,
            accepting,
        }
    }

    /// Where each server is reached.
    pub(super) fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Cuts a server's connections to the others and allows no new ones.
    pub(super) fn isolate(&self, node: usize) {
        let mut state = self.links.lock();
        state.isolated.insert(node);
        for link in state.open.values() {
            // One that has not said who it is comes again.
            if link.to == node || link.from.is_none_or(|from| from == node) {
                link.cut.cancel();
            }
        }
    }

    pub(super) fn rejoin(&self, node: usize) {
        self.links.lock().isolated.remove(&node);
    }
}

impl Drop for Routes {
    fn drop(&mut self) {
        for task in &self.accepting {
            task.abort();
        }
    }
}

impl Links {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a connection to a server, unless that is cut off.
    fn add(&self, to: usize) -> Option<(u64, CancellationToken)> {
        let mut state = self.lock();
        if state.isolated.contains(&to) {
            return None;
        }
        let cut = CancellationToken::new();
        let id = state.next;
        state.next += 1;
        let link = Link {
            to,
            from: None,
            cut: cut.clone(),
        };
        state.open.insert(id, link);
        Some((id, cut))
    }

    /// The connection says who it is from.
    fn introduce(&self, id: u64, from: usize) {
        let mut state = self.lock();
        let isolated = state.isolated.contains(&from);
        if let Some(link) = state.open.get_mut(&id) {
            link.from = Some(from);
            if isolated {
                link.cut.cancel();
            }
        }
    }
}

async fn accept(listener: TcpListener, links: Arc<Links>, to: usize, port: u16) {
    let mut connections = JoinSet::new();
    loop {
        let Ok((dialer, _)) = listener.accept().await else {
            continue;
        };
        while connections.try_join_next().is_some() {}
        let Some((id, cut)) = links.add(to) else {
            continue;
        };
        let links = links.clone();
        connections.spawn(async move {
            tokio::select! {
                () = cut.cancelled() => {}
                () = carry(dialer, port, &links, id) => {}
            }
            links.lock().open.remove(&id);
        });
    }
}

/// Carries bytes both ways until one side is gone.
async fn carry(dialer: TcpStream, port: u16, links: &Links, id: u64) {
    let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await else {
        return;
    };
    let _ = (dialer.set_nodelay(true), server.set_nodelay(true));
    let (dialer_reads, mut dialer_writes) = dialer.into_split();
    let (mut server_reads, server_writes) = server.into_split();
    tokio::select! {
        () = listen_and_carry(dialer_reads, server_writes, links, id) => {}
        _ = tokio::io::copy(&mut server_reads, &mut dialer_writes) => {}
    }
}

async fn listen_and_carry(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, links: &Links, id: u64) {
    let mut buffer = vec![0; 64 * 1024];
    let mut introduction = Some(Vec::new());
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        if let Some(heard) = &mut introduction {
            heard.extend_from_slice(&buffer[..count]);
            if let Some(node) = introduced(heard) {
                links.introduce(id, node);
            }
            if introduced(heard).is_some() || heard.len() > INTRODUCTION_BYTES {
                introduction = None;
            }
        }
        if to.write_all(&buffer[..count]).await.is_err() {
            return;
        }
    }
}

/// Who speaks: the first server name in what a server says.
fn introduced(heard: &[u8]) -> Option<usize> {
    let heard = String::from_utf8_lossy(heard);
    let (_, rest) = heard.split_once("\"server_name\":\"")?;
    let (name, _) = rest.split_once('"')?;
    (0..3).find(|&index| config::name(index) == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_introduces_itself() {
        let said = br#"CONNECT {"name":"NX"}
INFO {"server_id":"NX","server_name":"testkit-n2","version":"2"}"#;
        assert_eq!(introduced(said), Some(2));
        for cut in 0..said.len() - 16 {
            assert!(matches!(introduced(&said[..cut]), None | Some(2)));
        }
        assert_eq!(introduced(b"INFO {\"server_name\":\"testkit-n"), None);
    }
}
