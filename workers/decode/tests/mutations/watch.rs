//! Watches one case at a time: its time, its memory and its panics.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use peak_alloc::PeakAlloc;

/// Counts all memory of the process, also what is asked for and never touched.
#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// A case takes milliseconds; this long is a hang, not a busy machine.
const DEADLINE: Duration = Duration::from_secs(60);

/// Forgets the peak; returns the memory in use.
pub(crate) fn count_from_here() -> usize {
    MEMORY.reset_peak_usage();
    MEMORY.current_usage()
}

/// The most memory in use at once since [`count_from_here`].
pub(crate) fn peak() -> usize {
    MEMORY.peak_usage()
}

#[derive(Default)]
struct State {
    running: Option<(String, Instant)>,
    panics: Vec<String>,
    over: bool,
}

/// Ends the process if a case hangs: nothing less stops a thread that never returns.
pub(crate) struct Watch {
    state: Arc<Mutex<State>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Watch {
    /// Replaces the panic hook: a panic while a case runs is noted, not printed.
    pub(crate) fn start() -> Self {
        let state = Arc::new(Mutex::new(State::default()));
        let usual = std::panic::take_hook();
        let noted = Arc::clone(&state);
        std::panic::set_hook(Box::new(move |info| {
            let mut state = lock(&noted);
            if state.running.is_none() {
                drop(state);
                return usual(info);
            }
            let place = info.location().map(ToString::to_string).unwrap_or_default();
            state.panics.push(shorten(&place) + &caller(&place));
        }));
        let watched = Arc::clone(&state);
        let thread = std::thread::spawn(move || watch(&watched));
        Self {
            state,
            thread: Some(thread),
        }
    }

    pub(crate) fn begin(&self, what: &str) {
        lock(&self.state).running = Some((what.to_owned(), Instant::now()));
    }

    pub(crate) fn end(&self) {
        lock(&self.state).running = None;
    }

    /// Where the last case panicked.
    pub(crate) fn panics(&self) -> Vec<String> {
        std::mem::take(&mut lock(&self.state).panics)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        lock(&self.state).over = true;
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            let _ = thread.join();
        }
    }
}

fn watch(state: &Mutex<State>) {
    loop {
        std::thread::park_timeout(Duration::from_millis(500));
        let state = lock(state);
        if state.over {
            return;
        }
        if let Some((what, since)) = &state.running
            && since.elapsed() > DEADLINE
        {
            println!("{what} hangs");
            std::process::abort();
        }
    }
}

/// For a panic in the standard library, the first function outside of it that led there.
fn caller(place: &str) -> String {
    if !place.starts_with("/rustc/") {
        return String::new();
    }
    let trace = std::backtrace::Backtrace::force_capture().to_string();
    let inner = [
        "std::",
        "core::",
        "alloc::",
        "rust_",
        "__rust",
        "<alloc",
        "<core",
        "mutations::",
    ];
    let mut functions = trace
        .lines()
        .filter_map(|line| line.trim().split_once(": ").map(|(_, name)| name))
        .filter(|name| !inner.iter().any(|inner| name.starts_with(inner)));
    functions
        .next()
        .map(|name| format!(" from {name}"))
        .unwrap_or_default()
}

/// The crate and what is behind it, without the folder of the registry.
fn shorten(place: &str) -> String {
    let behind = place.split_once("registry/src/").map(|(_, rest)| rest);
    let behind = behind.and_then(|rest| rest.split_once('/'));
    behind.map_or(place, |(_, rest)| rest).to_owned()
}
