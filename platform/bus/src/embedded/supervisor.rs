//! The child, for as long as its supervisor's thread runs: started, started again if it dies, and
//! stopped.
//!
//! Promise: when the thread has ended, the child is gone; when we are gone, even killed, so is it
//! (Linux).

use std::{
    io,
    net::Ipv4Addr,
    os::unix::process::CommandExt,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::mpsc,
    time::{Duration, Instant},
};

use serde::Deserialize;

use super::embedded;
use crate::Result;

/// How long the broker may take to accept connections; it reads its streams first.
const START_TIMEOUT: Duration = Duration::from_secs(60);

/// How long it may take to stop before it is killed.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);

/// Pause before a broker that died is started again.
const RESTART_PAUSE: Duration = Duration::from_millis(250);

/// How often the supervisor looks after the child.
const WATCH_INTERVAL: Duration = Duration::from_millis(50);

/// What is supervised.
pub(super) struct Supervised {
    pub(super) program: PathBuf,
    pub(super) config: PathBuf,
    pub(super) log: PathBuf,
    pub(super) port: u16,
}

/// Keeps the child running until told to stop, then stops it.
pub(super) fn supervise(
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

#[cfg(target_os = "linux")]
#[allow(unsafe_code, reason = "the only way to run code between fork and exec")]
fn die_with_us(command: &mut Command) {
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
