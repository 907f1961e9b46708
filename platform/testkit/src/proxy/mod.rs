//! A go-between for clients and a server that makes trouble on request.

mod frames;
mod trouble;

use std::{
    future::pending,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, PoisonError, atomic::Ordering},
};

use bytes::Bytes;
use colloquy_bus::CancellationToken;
use rand::{Rng, SeedableRng, rngs::StdRng};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch},
    task::{JoinHandle, JoinSet},
    time::Instant,
};

use frames::{Frame, Frames};
use trouble::{Counts, Fate, Judge};

pub use trouble::{Done, Trouble};

/// Bytes that one direction of a connection may hold back: a few of the largest messages.
const HELD_BYTES: usize = 4 * 1024 * 1024;

/// A proxy in front of one server. Without [`Trouble`] it passes everything as it comes.
///
/// What it decides by chance follows from its seed, the number of the connection, and the order of
/// the messages on it. Dropping it closes everything.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    server: SocketAddr,
    seed: u64,
    trouble: watch::Sender<Trouble>,
    cut: Mutex<CancellationToken>,
    counts: Counts,
}

impl Proxy {
    /// Listens on a free port in front of a server on the loopback interface.
    pub async fn start(server_port: u16, seed: u64) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .expect("a port is free");
        let shared = Arc::new(Shared {
            server: (Ipv4Addr::LOCALHOST, server_port).into(),
            seed,
            trouble: watch::Sender::new(Trouble::default()),
            cut: Mutex::default(),
            counts: Counts::default(),
        });
        Self {
            address: listener.local_addr().expect("it has an address"),
            shared: shared.clone(),
            accepting: tokio::spawn(accept(listener, shared)),
        }
    }

    /// Port on which it listens for clients.
    pub const fn port(&self) -> u16 {
        self.address.port()
    }

    /// Changes the trouble from now on.
    pub fn make(&self, change: impl FnOnce(&mut Trouble)) {
        self.shared.trouble.send_modify(change);
    }

    /// Ends all trouble.
    pub fn heal(&self) {
        self.shared.trouble.send_replace(Trouble::default());
    }

    /// Cuts all connections.
    pub fn cut(&self) {
        let mut cut = self.shared.cut();
        cut.cancel();
        *cut = CancellationToken::new();
    }

    /// What it did so far.
    pub fn done(&self) -> Done {
        self.shared.counts.done()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Shared {
    fn cut(&self) -> std::sync::MutexGuard<'_, CancellationToken> {
        self.cut.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn judge(&self, connection: u64, direction: u64) -> Judge<'_> {
        // Any two of them differ; odd factors keep them apart.
        let seed = self
            .seed
            .wrapping_mul(0x9e37_79b9_7f4a_7c15)
            .wrapping_add(2 * connection + direction);
        Judge {
            random: StdRng::seed_from_u64(seed),
            counts: &self.counts,
        }
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    let mut number = 0;
    loop {
        let Ok((client, _)) = listener.accept().await else {
            continue;
        };
        while connections.try_join_next().is_some() {}
        if shared.trouble.borrow().refuse {
            shared.counts.connections.fetch_add(1, Ordering::Relaxed);
            continue;
        }
        let (shared, cut) = (shared.clone(), shared.cut().clone());
        connections.spawn(async move {
            tokio::select! {
                () = cut.cancelled() => {
                    shared.counts.connections.fetch_add(1, Ordering::Relaxed);
                }
                () = serve(client, &shared, number) => {}
            }
        });
        number += 1;
    }
}

/// Serves one connection until one side has gone and what it said was passed on.
async fn serve(client: TcpStream, shared: &Shared, number: u64) {
    let Ok(server) = TcpStream::connect(shared.server).await else {
        return;
    };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let (client_reads, client_writes) = client.into_split();
    let (server_reads, server_writes) = server.into_split();
    let (to_server, for_server) = lane();
    let (to_client, for_client) = lane();
    let trouble = || shared.trouble.subscribe();
    let up = async {
        let mut judge = shared.judge(number, 0);
        let decide = |frame: &Frame, trouble: &Trouble| judge.read_from_client(frame, trouble);
        read(client_reads, trouble(), decide, &to_server, &to_client).await;
    };
    let down = async {
        let mut judge = shared.judge(number, 1);
        let decide = |frame: &Frame, trouble: &Trouble| judge.read_from_broker(frame, trouble);
        read(server_reads, trouble(), decide, &to_client, &to_server).await;
    };
    tokio::select! {
        () = up => {}
        () = down => {}
        () = write(server_writes, trouble(), for_server) => {}
        () = write(client_writes, trouble(), for_client) => {}
    }
}

/// Something to be written, not before its time; nothing more after the end.
enum Held {
    Bytes(Instant, Bytes, OwnedSemaphorePermit),
    End,
}

struct Lane {
    held: mpsc::UnboundedSender<Held>,
    /// Bounds what is held.
    room: Arc<Semaphore>,
}

fn lane() -> (Lane, mpsc::UnboundedReceiver<Held>) {
    let (held, holding) = mpsc::unbounded_channel();
    let room = Arc::new(Semaphore::new(HELD_BYTES));
    (Lane { held, room }, holding)
}

impl Lane {
    async fn pass(&self, due: Instant, bytes: Bytes) {
        let size = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        if let Ok(room) = self.room.clone().acquire_many_owned(size).await {
            let _ = self.held.send(Held::Bytes(due, bytes, room));
        }
    }
}

/// Reads frames, has it decided what becomes of them, passes them on. Never returns: the writer
/// does, once it has written what was passed.
async fn read(
    mut from: OwnedReadHalf,
    trouble: watch::Receiver<Trouble>,
    mut decide: impl FnMut(&Frame, &Trouble) -> Fate,
    on: &Lane,
    back: &Lane,
) {
    let (mut frames, mut buffer) = (Frames::default(), vec![0; 64 * 1024]);
    let mut last_due = Instant::now();
    'reading: while let Ok(count @ 1..) = from.read(&mut buffer).await {
        frames.feed(&buffer[..count]);
        loop {
            let frame = match frames.next() {
                Ok(Some(frame)) => frame,
                Ok(None) => break,
                Err(_) => break 'reading,
            };
            let present = *trouble.borrow();
            last_due = last_due.max(Instant::now() + held(&present));
            let fate = decide(&frame, &present);
            for _ in 0..fate.passes {
                on.pass(last_due, frame.bytes().clone()).await;
            }
            if let Some(answer) = fate.answer {
                back.pass(Instant::now(), answer).await;
            }
        }
    }
    let _ = on.held.send(Held::End);
    pending().await
}

/// How long a frame is held. When does not change what is decided, so it needs no seed.
fn held(trouble: &Trouble) -> std::time::Duration {
    match trouble.jitter {
        std::time::Duration::ZERO => trouble.delay,
        jitter => trouble.delay + rand::rng().random_range(std::time::Duration::ZERO..=jitter),
    }
}

async fn write(
    mut to: OwnedWriteHalf,
    mut trouble: watch::Receiver<Trouble>,
    mut held: mpsc::UnboundedReceiver<Held>,
) {
    while let Some(Held::Bytes(due, bytes, _room)) = held.recv().await {
        tokio::time::sleep_until(due).await;
        if trouble.wait_for(|trouble| !trouble.stall).await.is_err() {
            return;
        }
        if to.write_all(&bytes).await.is_err() {
            return;
        }
    }
}
