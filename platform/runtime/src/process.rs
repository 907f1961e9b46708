//! What the process itself uses: processor time, memory, threads, files, the async runtime.
//!
//! Names follow OpenTelemetry's semantic conventions for processes where those have one. The
//! figures come from `/proc`; where there is none they are left out.

use opentelemetry::global;
#[cfg(target_os = "linux")]
use opentelemetry::{
    KeyValue,
    metrics::{AsyncInstrument, Meter},
};
use tokio::runtime::{Handle, RuntimeMetrics};

/// Name of this process among those of its service: its host and its number there.
pub(crate) fn instance() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname")
        .ok()
        .or_else(|| std::env::var("HOSTNAME").ok())
        .unwrap_or_default();
    format!("{}-{}", host.trim(), std::process::id())
}

/// Observes this process from now on. To be called once, after the meter provider is set.
#[cfg(target_os = "linux")]
pub(crate) fn observe() {
    let meter = global::meter("colloquy-process");
    cpu(&meter);
    levels(&meter);
    since_start(&meter);
}

/// There is no `/proc`.
#[cfg(not(target_os = "linux"))]
pub(crate) fn observe() {}

/// A number of an async runtime.
type Level = fn(&RuntimeMetrics) -> usize;

/// Observes an async runtime.
pub fn observe_runtime(runtime: &Handle) {
    let meter = global::meter("colloquy-process");
    let levels: [(&str, &str, Level); 3] = [
        (
            "colloquy.tokio.workers",
            "Threads of the async runtime",
            RuntimeMetrics::num_workers,
        ),
        (
            "colloquy.tokio.alive_tasks",
            "Tasks that are not done",
            RuntimeMetrics::num_alive_tasks,
        ),
        (
            "colloquy.tokio.global_queue_depth",
            "Tasks that wait for a thread",
            RuntimeMetrics::global_queue_depth,
        ),
    ];
    for (name, what, value) in levels {
        let metrics = runtime.metrics();
        meter
            .u64_observable_gauge(name)
            .with_description(what)
            .with_callback(move |observer| observer.observe(value(&metrics) as u64, &[]))
            .build();
    }
    let metrics = runtime.metrics();
    meter
        .f64_observable_counter("colloquy.tokio.busy")
        .with_unit("s")
        .with_description("Time that threads of the async runtime had work")
        .with_callback(move |observer| {
            let workers = 0..metrics.num_workers();
            let busy: std::time::Duration = workers
                .map(|worker| metrics.worker_total_busy_duration(worker))
                .sum();
            observer.observe(busy.as_secs_f64(), &[]);
        })
        .build();
}

#[cfg(target_os = "linux")]
fn stat() -> Option<procfs::process::Stat> {
    procfs::process::Process::myself().ok()?.stat().ok()
}

/// Ticks of the system's clock as seconds.
#[cfg(target_os = "linux")]
#[allow(
    clippy::cast_precision_loss,
    reason = "a process does not run for 2^52 ticks"
)]
fn seconds(ticks: u64) -> f64 {
    ticks as f64 / procfs::ticks_per_second().max(1) as f64
}

#[cfg(target_os = "linux")]
fn cpu(meter: &Meter) {
    meter
        .f64_observable_counter("process.cpu.time")
        .with_unit("s")
        .with_description("Processor time used")
        .with_callback(|observer| {
            let Some(stat) = stat() else { return };
            for (mode, ticks) in [("user", stat.utime), ("system", stat.stime)] {
                observer.observe(seconds(ticks), &[KeyValue::new("cpu.mode", mode)]);
            }
        })
        .build();
}

#[cfg(target_os = "linux")]
fn levels(meter: &Meter) {
    let level = |name: &'static str, unit: &'static str, what: &'static str| {
        let level = meter.i64_observable_up_down_counter(name);
        level.with_unit(unit).with_description(what)
    };
    level("process.memory.usage", "By", "Memory that is resident")
        .with_callback(|observer| {
            tell(observer, stat().map(|s| s.rss * procfs::page_size()));
        })
        .build();
    level("process.memory.virtual", "By", "Address space")
        .with_callback(|observer| tell(observer, stat().map(|s| s.vsize)))
        .build();
    level("process.thread.count", "{thread}", "Threads")
        .with_callback(|observer| {
            let threads = stat().and_then(|s| u64::try_from(s.num_threads).ok());
            tell(observer, threads);
        })
        .build();
    level(
        "process.unix.file_descriptor.count",
        "{file_descriptor}",
        "Open file descriptors",
    )
    .with_callback(|observer| {
        let myself = procfs::process::Process::myself().ok();
        let open = myself.and_then(|process| process.fd_count().ok());
        tell(observer, open.map(|count| count as u64));
    })
    .build();
    level(
        "colloquy.process.file_descriptor.limit",
        "{file_descriptor}",
        "File descriptors that may be open at once",
    )
    .with_callback(|observer| tell(observer, file_limit()))
    .build();
}

#[cfg(target_os = "linux")]
fn file_limit() -> Option<u64> {
    use procfs::process::{LimitValue, Process};
    let limits = Process::myself().ok()?.limits().ok()?;
    match limits.max_open_files.soft_limit {
        LimitValue::Value(limit) => Some(limit),
        LimitValue::Unlimited => None,
    }
}

#[cfg(target_os = "linux")]
fn tell(observer: &dyn AsyncInstrument<i64>, value: Option<u64>) {
    if let Some(value) = value {
        observer.observe(i64::try_from(value).unwrap_or(i64::MAX), &[]);
    }
}

#[cfg(target_os = "linux")]
fn since_start(meter: &Meter) {
    let started = std::time::Instant::now();
    meter
        .f64_observable_gauge("process.uptime")
        .with_unit("s")
        .with_description("Time since the process started")
        .with_callback(move |observer| observer.observe(started.elapsed().as_secs_f64(), &[]))
        .build();
    let booted = procfs::boot_time_secs().ok();
    let start_time = stat().zip(booted).map(|(stat, booted)| {
        // Both are whole seconds of the same clock.
        booted + stat.starttime / procfs::ticks_per_second().max(1)
    });
    meter
        .u64_observable_gauge("colloquy.process.start_time")
        .with_unit("s")
        .with_description("When the process started, seconds since the epoch")
        .with_callback(move |observer| {
            if let Some(start_time) = start_time {
                observer.observe(start_time, &[]);
            }
        })
        .build();
}
