//! Children that a test starts: they die with it, and what they said is shown when it fails.

use std::{
    fs, io,
    path::Path,
    process::{Child, Command},
    sync::{LazyLock, Mutex, PoisonError, mpsc},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

/// How often a state is looked at while it is waited for.
pub(crate) const LOOK: Duration = Duration::from_millis(10);

type Order = (Command, mpsc::Sender<io::Result<Child>>);

/// The kernel ties a child's life to the thread that made it, and threads of tests come and go:
/// this one lives as long as the process.
static SPAWNER: LazyLock<mpsc::Sender<Order>> = LazyLock::new(|| {
    let (orders, next) = mpsc::channel::<Order>();
    std::thread::Builder::new()
        .name("testkit-spawner".to_owned())
        .spawn(move || {
            for (mut command, answer) in next {
                die_with_us(&mut command);
                let _ = answer.send(command.spawn());
            }
        })
        .expect("a thread can be started");
    orders
});

/// Starts a child that is killed when this process ends, however it ends.
fn spawn(command: Command) -> io::Result<Child> {
    let (answer, answered) = mpsc::channel();
    SPAWNER
        .send((command, answer))
        .map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
    answered
        .recv()
        .map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?
}

/// Killed, not asked: a paused child would keep a request to end for later.
#[cfg(target_os = "linux")]
#[allow(unsafe_code, reason = "the only way to run code between fork and exec")]
fn die_with_us(command: &mut Command) {
    use std::os::unix::process::CommandExt;
    let parent = rustix::process::getpid();
    // SAFETY: the closure makes only system calls that are async-signal-safe: prctl and getppid.
    unsafe {
        command.pre_exec(move || {
            rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
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

/// A place for one child at a time. Dropping it kills the child.
#[derive(Debug, Default)]
pub(crate) struct Slot(Mutex<Option<Child>>);

impl Slot {
    /// Starts a child here; there must be none.
    pub(crate) fn start(&self, command: Command) -> io::Result<()> {
        let child = spawn(command)?;
        let before = self.lock().replace(child);
        assert!(before.is_none(), "a child runs here already");
        Ok(())
    }

    /// Whether the child runs, paused or not.
    pub(crate) fn is_running(&self) -> bool {
        let mut slot = self.lock();
        let running = slot
            .as_mut()
            .is_some_and(|child| matches!(child.try_wait(), Ok(None)));
        if !running {
            *slot = None;
        }
        running
    }

    /// Sends the child a signal, if it is there.
    pub(crate) fn signal(&self, signal: Signal) {
        let slot = self.lock();
        let pid = slot
            .as_ref()
            .and_then(|child| Pid::from_raw(i32::try_from(child.id()).ok()?));
        if let Some(pid) = pid {
            let _ = kill_process(pid, signal);
        }
    }

    /// Kills the child, paused or not, and returns once it is gone.
    pub(crate) fn kill(&self) {
        if let Some(mut child) = self.lock().take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Whether the child is gone within `bound`.
    pub(crate) async fn is_gone_within(&self, bound: Duration) -> bool {
        let deadline = Instant::now() + bound;
        while self.is_running() {
            if Instant::now() > deadline {
                return false;
            }
            tokio::time::sleep(LOOK).await;
        }
        true
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Child>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A file that a child's output is added to.
pub(crate) fn output_file(path: &Path) -> io::Result<fs::File> {
    fs::OpenOptions::new().create(true).append(true).open(path)
}

/// Shows the end of a file among the output of the test, if the test is failing.
pub(crate) fn show_on_failure(what: &str, path: &Path) {
    /// Most lines shown.
    const LINES: usize = 80;
    if !std::thread::panicking() {
        return;
    }
    let text = fs::read(path).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<_> = text.lines().collect();
    let shown = &lines[lines.len().saturating_sub(LINES)..];
    say(&format!("--- {what}, its last {} lines ---", shown.len()));
    for line in shown {
        say(line);
    }
}

/// Adds a line to the output of the test.
#[allow(clippy::print_stderr, reason = "the output of a test that fails")]
pub(crate) fn say(line: &str) {
    eprintln!("{line}");
}
