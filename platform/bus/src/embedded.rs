//! The embedded broker: a supervised `nats-server` child for a platform on one machine.
//!
//! - Everything it acknowledges is on disk first (`sync_interval: always`).
//! - It listens on the loopback interface, on a port the system chose, with credentials that are
//!   made at each start, and keeps its data in one folder, which one process owns at a time.
//! - What it stores has a limit, so that it refuses to store before its disk is full: a broker that
//!   fills its disk stops altogether.
//! - If it dies it is started again on the same port, so that connections mend themselves.
//! - A signal for us from the terminal is not one for it: it is stopped when all is settled.
//! - When we are gone it is gone, even if we were killed: the kernel signals it (Linux).

mod folder;
mod supervisor;

use std::{
    fs,
    net::{Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
    sync::mpsc,
    thread::JoinHandle,
};

use crate::{BusError, ConnectOptions, Credentials, Result, Room};

use supervisor::{Supervised, supervise};

/// What the embedded broker needs.
#[derive(Debug, Clone)]
pub struct EmbeddedOptions {
    /// The `nats-server` program, 2.12 or newer.
    pub program: PathBuf,
    /// Its data folder, created if missing.
    pub data: PathBuf,
}

/// A running embedded broker. Dropping it stops the broker.
#[derive(Debug)]
pub struct EmbeddedBroker {
    url: String,
    credentials: Credentials,
    room: Room,
    log: PathBuf,
    stop: Option<mpsc::Sender<()>>,
    supervisor: Option<JoinHandle<()>>,
}

impl EmbeddedBroker {
    /// Starts the broker and waits until it accepts connections.
    ///
    /// # Errors
    /// If another process owns the folder, the program cannot be run, or it does not get ready;
    /// the message says which, and where the broker's own log is.
    pub async fn start(options: EmbeddedOptions) -> Result<Self> {
        Self::start_limited(options, None).await
    }

    /// The same with a limit of what it stores, in bytes. Without one, it may fill its disk but for
    /// [`DISK_RESERVE_BYTES`](crate::DISK_RESERVE_BYTES).
    ///
    /// The limit is the server's (`max_file_store`), which refuses what goes beyond it, but does not
    /// tell it to anybody: [`Self::room`] does.
    pub async fn start_limited(
        options: EmbeddedOptions,
        max_storage_bytes: Option<u64>,
    ) -> Result<Self> {
        tokio::task::spawn_blocking(move || Self::start_blocking(&options, max_storage_bytes))
            .await
            .map_err(|_| embedded("starting it was interrupted"))?
    }

    /// How much it may store, and where.
    pub const fn room(&self) -> &Room {
        &self.room
    }

    /// How to connect to it.
    pub fn connect_options(&self, name: &str) -> ConnectOptions {
        ConnectOptions {
            url: self.url.clone(),
            credentials: self.credentials.clone(),
            name: name.to_owned(),
            root_certificates: None,
        }
    }

    /// Address without credentials.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The broker's own log file.
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// Stops the broker and waits until it is gone.
    pub async fn stop(mut self) {
        let _ = tokio::task::spawn_blocking(move || self.stop_blocking()).await;
    }

    fn start_blocking(options: &EmbeddedOptions, max_storage_bytes: Option<u64>) -> Result<Self> {
        fs::create_dir_all(&options.data)?;
        let lock = folder::own(&options.data)?;
        let port = free_port()?;
        let (user, password) = (
            "colloquy".to_owned(),
            hex::encode(rand::random::<[u8; 24]>()),
        );
        let log = folder::log(&options.data);
        let limit_bytes = match max_storage_bytes {
            Some(limit) => limit,
            None => folder::default_limit(&options.data)?,
        };
        let config = folder::write_config(&options.data, port, &user, &password, limit_bytes)?;
        let (stop, stopped) = mpsc::channel();
        let (started, ready) = mpsc::channel();
        let supervised = Supervised {
            program: options.program.clone(),
            config,
            log: log.clone(),
            port,
        };
        // The child's life ends with the thread that made it, so that thread lives as long.
        let supervisor = std::thread::Builder::new()
            .name("nats-supervisor".to_owned())
            .spawn(move || {
                let _lock = lock;
                supervise(&supervised, &started, &stopped);
            })?;
        let broker = Self {
            url: format!("nats://127.0.0.1:{port}"),
            credentials: Credentials::Password { user, password },
            room: Room {
                limit_bytes: Some(limit_bytes),
                folder: Some(options.data.clone()),
            },
            log,
            stop: Some(stop),
            supervisor: Some(supervisor),
        };
        // On error the broker is dropped here, which stops the supervisor.
        ready
            .recv()
            .map_err(|_| embedded("its supervisor ended"))??;
        Ok(broker)
    }

    fn stop_blocking(&mut self) {
        // Dropping the sender tells the supervisor to stop.
        drop(self.stop.take());
        if let Some(supervisor) = self.supervisor.take() {
            let _ = supervisor.join();
        }
    }
}

impl Drop for EmbeddedBroker {
    fn drop(&mut self) {
        self.stop_blocking();
    }
}

/// A port that was free a moment ago. It must be known before the start, so that a restarted
/// broker is found again; if somebody takes it in between, the start fails and says so.
fn free_port() -> Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?
        .local_addr()?
        .port())
}

fn embedded(reason: impl Into<String>) -> BusError {
    BusError::Embedded {
        reason: reason.into(),
    }
}
