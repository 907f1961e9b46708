//! Services as processes of their own, to be killed, paused and started again.
//!
//! A test without libtest's harness (`harness = false`) can be its own service: its `main` looks
//! at [`role`] first, and [`Process::role`] runs the test binary again in that role.
//!
//! ```no_run
//! use colloquy_testkit::{Process, child};
//!
//! #[tokio::main]
//! async fn main() {
//!     match child::role().as_deref() {
//!         Some("eraser") => {
//!             let _bus = child::bus("eraser").await;
//!             child::ready();
//!             child::told_to_end().await;
//!         }
//!         Some(other) => panic!("no role {other}"),
//!         None => {
//!             let eraser = Process::role("eraser", "nats://127.0.0.1:4222");
//!             eraser.start().await;
//!             eraser.kill();
//!         }
//!     }
//! }
//! ```

use std::{
    ffi::{OsStr, OsString},
    fmt, fs,
    path::PathBuf,
    process::{Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

use colloquy_bus::{Bus, ConnectOptions, Credentials};
use colloquy_contract::permissions::connection_name;
use futures::future::BoxFuture;
use rustix::process::Signal;
use tempfile::TempDir;

use crate::{connect, faults::Victim, process};

/// Names the role that a test binary is run again in.
const ROLE: &str = "COLLOQUY_TESTKIT_ROLE";

/// Where that role finds the broker.
const URL: &str = "COLLOQUY_TESTKIT_URL";

/// What a role prints once it is ready.
const READY: &str = "testkit: ready";

/// How long a process may take to get ready; the broker may be away at that moment.
const START_PATIENCE: Duration = Duration::from_secs(60);

/// How long it may take to end when it is asked to.
const END_PATIENCE: Duration = Duration::from_secs(60);

/// The role that this process was started in; `None` if it is the test itself.
pub fn role() -> Option<String> {
    std::env::var(ROLE).ok()
}

/// The address of the broker that this role was given.
pub fn url() -> String {
    std::env::var(URL).expect("a role is given the broker's address; see Process::role")
}

/// A service's connection to the broker that this role was given; waits for a broker that is away.
pub async fn bus(service: &str) -> Bus {
    connect(ConnectOptions {
        url: url(),
        credentials: Credentials::None,
        name: connection_name(service),
        root_certificates: None,
    })
    .await
}

/// Says that this role is ready; see [`Process::start`].
pub fn ready() {
    process::say(READY);
}

/// Waits until this role is asked to end.
pub async fn told_to_end() {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate()).expect("signals can be listened to");
    terminate.recv().await;
}

type MakeCommand = dyn Fn() -> Command + Send + Sync;

/// A process that can be started, harmed, and started again. What it prints is kept, and shown if
/// the test fails. It is killed when this is dropped or the test's process ends.
pub struct Process {
    name: String,
    command: Box<MakeCommand>,
    variables: Vec<(OsString, OsString)>,
    ready: String,
    slot: process::Slot,
    starts: AtomicU32,
    folder: TempDir,
}

impl Process {
    /// This test binary in another role; the role finds the broker at `url`.
    pub fn role(role: &str, url: &str) -> Self {
        let (role_name, url) = (role.to_owned(), url.to_owned());
        let command = move || {
            let program = std::env::current_exe().expect("the test binary knows itself");
            let mut command = Command::new(program);
            command.env(ROLE, &role_name).env(URL, &url);
            command
        };
        Self::command(role, READY, command)
    }

    /// Any program; it is ready once it has printed `ready`.
    pub fn command(
        name: &str,
        ready: &str,
        command: impl Fn() -> Command + Send + Sync + 'static,
    ) -> Self {
        Self {
            name: name.to_owned(),
            command: Box::new(command),
            variables: Vec::new(),
            ready: ready.to_owned(),
            slot: process::Slot::default(),
            starts: AtomicU32::new(0),
            folder: tempfile::tempdir().expect("a temporary folder can be made"),
        }
    }

    /// With a variable in its environment.
    #[must_use]
    pub fn env(mut self, key: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        let variable = (key.as_ref().to_owned(), value.as_ref().to_owned());
        self.variables.push(variable);
        self
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Starts it and waits until it is ready; nothing if it runs.
    pub async fn start(&self) {
        if let Err(why) = self.try_start().await {
            panic!("{why}");
        }
    }

    /// The same, but what ends before it is ready, or does not get ready in time, fails no test:
    /// for services that need what may be away, and are started again. See [`Supervised`].
    ///
    /// # Errors
    /// With what it said.
    ///
    /// [`Supervised`]: crate::Supervised
    pub async fn try_start(&self) -> Result<(), String> {
        if self.slot.is_running() {
            return Ok(());
        }
        let start = self.starts.fetch_add(1, Ordering::Relaxed);
        let path = self.output_path(start);
        let output = || process::output_file(&path).expect("its output can be kept");
        let mut command = (self.command)();
        command
            .envs(self.variables.iter().map(|(key, value)| (key, value)))
            .stdin(Stdio::null())
            .stdout(output())
            .stderr(output());
        if let Err(error) = self.slot.start(command) {
            panic!("{} cannot be started: {error}", self.name);
        }
        let deadline = Instant::now() + START_PATIENCE;
        let said = || fs::read_to_string(&path).unwrap_or_default();
        while !said().contains(&self.ready) {
            let (running, late) = (self.slot.is_running(), Instant::now() > deadline);
            if (!running || late) && !said().contains(&self.ready) {
                self.slot.kill();
                let how = match running {
                    true => "does not get ready",
                    false => "ended before it was ready",
                };
                return Err(format!("{} {how}; it said:\n{}", self.name, said()));
            }
            tokio::time::sleep(process::LOOK).await;
        }
        Ok(())
    }

    /// Kills it (`SIGKILL`).
    pub fn kill(&self) {
        self.slot.kill();
    }

    /// Stops it in the middle of what it does (`SIGSTOP`).
    pub fn pause(&self) {
        self.slot.signal(Signal::STOP);
    }

    /// Lets it go on (`SIGCONT`).
    pub fn resume(&self) {
        self.slot.signal(Signal::CONT);
    }

    /// Asks it to end (`SIGTERM`), waits until it has.
    pub async fn stop(&self) {
        self.slot.signal(Signal::TERM);
        assert!(
            self.slot.is_gone_within(END_PATIENCE).await,
            "{} does not end within {END_PATIENCE:?}",
            self.name
        );
    }

    /// Whether it runs, paused or not.
    pub fn is_running(&self) -> bool {
        self.slot.is_running()
    }

    /// How often it was started.
    pub fn starts(&self) -> u32 {
        self.starts.load(Ordering::Relaxed)
    }

    /// The last line that it printed since it was last started.
    pub fn last_line(&self) -> String {
        let last = self.starts().saturating_sub(1);
        let said = fs::read_to_string(self.output_path(last)).unwrap_or_default();
        said.lines().next_back().unwrap_or_default().to_owned()
    }

    /// What it printed since it was first started.
    pub fn output(&self) -> String {
        let starts = 0..self.starts.load(Ordering::Relaxed);
        starts
            .map(|start| fs::read_to_string(self.output_path(start)).unwrap_or_default())
            .collect()
    }

    fn output_path(&self, start: u32) -> PathBuf {
        self.folder.path().join(format!("{start}.log"))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.slot.kill();
        let starts = self.starts.load(Ordering::Relaxed);
        // The last two: what ended, and what came after it.
        for start in starts.saturating_sub(2)..starts {
            let what = format!("output of {}, start {start}", self.name);
            process::show_on_failure(&what, &self.output_path(start));
        }
    }
}

impl fmt::Debug for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Process")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl Victim for Process {
    fn name(&self) -> &str {
        self.name()
    }

    fn kill(&self) {
        self.kill();
    }

    fn pause(&self) {
        self.pause();
    }

    fn resume(&self) {
        self.resume();
    }

    fn start(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.start())
    }

    fn stop(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.stop())
    }
}
