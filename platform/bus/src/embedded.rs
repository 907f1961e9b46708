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

use std::{
    fs::{self, File},
    io,
    net::{Ipv4Addr, TcpListener},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread::JoinHandle,
    time::{Duration, Instant},
};

use serde::Deserialize;

use crate::{
    BusError, ConnectOptions, Credentials, Result, Room,
    storage::{DISK_RESERVE_BYTES, free_space},
};

/// How long the broker may take to accept connections; it reads its streams first.
const START_TIMEOUT: Duration = Duration::from_secs(60);

/// How long it may take to stop before it is killed.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);

/// Pause before a broker that died is started again.
const RESTART_PAUSE: Duration = Duration::from_millis(250);

/// How often the supervisor looks after the child.
const WATCH_INTERVAL: Duration = Duration::from_millis(50);

/// Folder of what it stores, in its data folder.
const STORE: &str = "jetstream";

/// Least limit of what it stores where nobody chose one, so that it starts on a full disk.
const LEAST_STORAGE_BYTES: u64 = 64 * 1024 * 1024;

/// Deepest folder that is looked into for what is stored; the broker's own go six deep.
const MAX_DEPTH: usize = 16;

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
    /// [`DISK_RESERVE_BYTES`].
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
        let lock = own(&options.data)?;
        let port = free_port()?;
        let (user, password) = (
            "colloquy".to_owned(),
            hex::encode(rand::random::<[u8; 24]>()),
        );
        let log = options.data.join("nats-server.log");
        let limit_bytes = match max_storage_bytes {
            Some(limit) => limit,
            None => default_limit(&options.data)?,
        };
        let config = write_config(&options.data, port, &user, &password, limit_bytes)?;
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

struct Supervised {
    program: PathBuf,
    config: PathBuf,
    log: PathBuf,
    port: u16,
}

/// Keeps the child running until told to stop, then stops it.
fn supervise(
    supervised: &Supervised,
    started: &mpsc::Sender<Result<()>>,
    stopped: &mpsc::Receiver<()>,
) {
    let mut first = true;
    loop {
        match start_child(supervised) {
            Ok(mut child) => {
                if first {
                    first = false;
                    let _ = started.send(Ok(()));
                }
                if watch(&mut child, stopped) == Watched::Stop {
                    end(&mut child);
                    return;
                }
                tracing::error!("the embedded broker died; starting it again");
            }
            Err(error) if first => {
                let _ = started.send(Err(error));
                return;
            }
            Err(error) => tracing::error!(%error, "the embedded broker does not start"),
        }
        if stopped.recv_timeout(RESTART_PAUSE) != Err(mpsc::RecvTimeoutError::Timeout) {
            return;
        }
    }
}

fn start_child(supervised: &Supervised) -> Result<Child> {
    let mut command = Command::new(&supervised.program);
    command
        .arg("--config")
        .arg(&supervised.config)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    // A Ctrl-C at the terminal is for us, who stop it when all is settled.
    command.process_group(0);
    die_with_us(&mut command);
    let mut child = command.spawn().map_err(|error| {
        embedded(format!(
            "'{}' cannot be started ({error}); fetch it with 'colloquy assets fetch'",
            supervised.program.display()
        ))
    })?;
    let deadline = Instant::now() + START_TIMEOUT;
    while Instant::now() < deadline {
        if let Ok(Some(status)) = child.try_wait() {
            return Err(embedded(format!(
                "it ended with {status}; its log is {}",
                supervised.log.display()
            )));
        }
        if answers(supervised.port) {
            return Ok(child);
        }
        std::thread::sleep(WATCH_INTERVAL);
    }
    end(&mut child);
    Err(embedded(format!(
        "it did not get ready within {START_TIMEOUT:?}; its log is {}",
        supervised.log.display()
    )))
}

#[derive(PartialEq, Eq)]
enum Watched {
    Stop,
    Died,
}

fn watch(child: &mut Child, stopped: &mpsc::Receiver<()>) -> Watched {
    loop {
        match stopped.recv_timeout(WATCH_INTERVAL) {
            Err(mpsc::RecvTimeoutError::Timeout) => {}
            Ok(()) | Err(mpsc::RecvTimeoutError::Disconnected) => return Watched::Stop,
        }
        if !matches!(child.try_wait(), Ok(None)) {
            return Watched::Died;
        }
    }
}

/// Asks the child to stop, and kills it if it does not.
fn end(child: &mut Child) {
    let pid = i32::try_from(child.id())
        .ok()
        .and_then(rustix::process::Pid::from_raw);
    if let Some(pid) = pid {
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
    }
    let deadline = Instant::now() + STOP_TIMEOUT;
    while Instant::now() < deadline {
        if !matches!(child.try_wait(), Ok(None)) {
            return;
        }
        std::thread::sleep(WATCH_INTERVAL);
    }
    let _ = child.kill();
    let _ = child.wait();
}

/// Whether the broker greets: its first line is `INFO {…}`, with JetStream once that is ready.
fn answers(port: u16) -> bool {
    #[derive(Deserialize)]
    struct Info {
        #[serde(default)]
        jetstream: bool,
    }
    let greet = || -> io::Result<bool> {
        let stream = std::net::TcpStream::connect_timeout(
            &(Ipv4Addr::LOCALHOST, port).into(),
            Duration::from_secs(1),
        )?;
        stream.set_read_timeout(Some(Duration::from_secs(1)))?;
        let mut line = String::new();
        let mut limited = io::Read::take(stream, 64 * 1024);
        io::BufRead::read_line(&mut io::BufReader::new(&mut limited), &mut line)?;
        let Some(json) = line.strip_prefix("INFO ") else {
            return Ok(false);
        };
        Ok(serde_json::from_str::<Info>(json).is_ok_and(|info| info.jetstream))
    };
    greet().unwrap_or(false)
}

/// Owns the data folder for as long as the file lives; the system releases it when we die.
fn own(data: &Path) -> Result<File> {
    let file = File::create(data.join("lock"))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(fs::TryLockError::WouldBlock) => Err(embedded(format!(
            "another process uses the data folder {}; stop it or choose another folder",
            data.display()
        ))),
        Err(fs::TryLockError::Error(error)) => Err(error.into()),
    }
}

/// A port that was free a moment ago. It must be known before the start, so that a restarted
/// broker is found again; if somebody takes it in between, the start fails and says so.
fn free_port() -> Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?
        .local_addr()?
        .port())
}

/// What is stored already and what the disk has left, but for the reserve. It does not shrink with
/// each start as more is stored.
fn default_limit(data: &Path) -> Result<u64> {
    let stored = stored_bytes(&data.join(STORE), MAX_DEPTH);
    let free = free_space(data)?.saturating_sub(DISK_RESERVE_BYTES);
    Ok(stored.saturating_add(free).max(LEAST_STORAGE_BYTES))
}

/// Bytes of the files in a folder. What cannot be read counts nothing.
fn stored_bytes(folder: &Path, depth: usize) -> u64 {
    let Ok(entries) = fs::read_dir(folder) else {
        return 0;
    };
    let sizes = entries.flatten().map(|entry| match entry.file_type() {
        Ok(kind) if kind.is_dir() && depth > 0 => stored_bytes(&entry.path(), depth - 1),
        Ok(kind) if kind.is_file() => entry.metadata().map_or(0, |file| file.len()),
        _ => 0,
    });
    sizes.sum()
}

fn write_config(
    data: &Path,
    port: u16,
    user: &str,
    password: &str,
    limit_bytes: u64,
) -> Result<PathBuf> {
    // JSON is a subset of the server's configuration language, and quotes everything.
    let config = serde_json::json!({
        "server_name": "colloquy-embedded",
        "host": "127.0.0.1",
        "port": port,
        "log_file": data.join("nats-server.log"),
        "logfile_size_limit": 16 * 1024 * 1024,
        "logfile_max_num": 3,
        "max_payload": 1024 * 1024,
        "lame_duck_grace_period": "1s",
        "jetstream": {
            "store_dir": data.join(STORE),
            "sync_interval": "always",
            "max_file_store": limit_bytes,
            "max_memory_store": 16 * 1024 * 1024,
        },
        "authorization": { "user": user, "password": password },
    });
    let path = data.join("nats-server.conf");
    let text = serde_json::to_string_pretty(&config)
        .map_err(|error| embedded(format!("its configuration cannot be written: {error}")))?;
    write_private(&path, text.as_bytes())?;
    Ok(path)
}

/// Writes a file that only we can read.
fn write_private(path: &Path, content: &[u8]) -> io::Result<()> {
    use std::io::Write;
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)?.write_all(content)
}

#[cfg(target_os = "linux")]
#[allow(unsafe_code, reason = "the only way to run code between fork and exec")]
fn die_with_us(command: &mut Command) {
    use std::os::unix::process::CommandExt;
    let parent = rustix::process::getpid();
    // SAFETY: the closure makes only system calls that are async-signal-safe: prctl and getppid.
    unsafe {
        command.pre_exec(move || {
            rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::TERM))?;
            // The parent may have died between fork and prctl.
            if rustix::process::getppid() == Some(parent) {
                Ok(())
            } else {
                Err(io::ErrorKind::BrokenPipe.into())
            }
        });
    }
}

#[cfg(not(target_os = "linux"))]
fn die_with_us(_command: &mut Command) {}

fn embedded(reason: impl Into<String>) -> BusError {
    BusError::Embedded {
        reason: reason.into(),
    }
}
