//! How fast recordings are decoded, beside ffmpeg doing the same: 16 kHz, 16 bits, channels kept.
//!
//! The recordings are the sample calls, one after the other and repeated, in the formats that calls
//! come in; ffmpeg makes them once. Each tool writes its FLAC to the same folder; ffmpeg also writes
//! bare samples to nowhere, which is the least it can do. They take turns, and the least of the
//! rounds counts. Time is processor time, ffmpeg's without that of its start-up, which is shown
//! apart; what the clock on the wall said is shown too.
//!
//! `make bench-decode`; names of formats as arguments run these only.

#![allow(
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a bench prints its result"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use colloquy_decode::audio::{Limits, decode_file};

/// As in the program.
#[path = "../src/memory.rs"]
mod memory;

/// Length of each recording.
const SECONDS: u32 = 900;
const ROUNDS: usize = 3;

/// Name, extension, and what makes ffmpeg write it.
const FORMATS: [(&str, &str, &str); 11] = [
    ("MP3 8 kHz mono", "mp3", "-ar 8000 -ac 1 -b:a 16k"),
    ("MP3 44.1 kHz stereo", "mp3", "-ar 44100 -b:a 96k"),
    ("MP3 48 kHz mono", "mp3", "-ac 1 -b:a 64k"),
    ("Opus 48 kHz mono", "opus", "-ac 1 -c:a libopus -b:a 24k"),
    ("Opus 48 kHz stereo", "opus", "-c:a libopus -b:a 32k"),
    ("FLAC 8 kHz stereo", "flac", "-ar 8000"),
    ("FLAC 44.1 kHz stereo", "flac", "-ar 44100"),
    ("FLAC 48 kHz mono", "flac", "-ac 1"),
    ("WAV 8 kHz mono", "wav", "-ar 8000 -ac 1"),
    ("WAV 44.1 kHz stereo", "wav", "-ar 44100"),
    ("WAV 48 kHz stereo", "wav", ""),
];

/// Seconds of the processor and of the clock.
#[derive(Debug, Clone, Copy)]
struct Spent {
    cpu: f64,
    wall: f64,
}

impl Spent {
    const MOST: Self = Self {
        cpu: f64::MAX,
        wall: f64::MAX,
    };

    fn least(self, other: Self) -> Self {
        Self {
            cpu: self.cpu.min(other.cpu),
            wall: self.wall.min(other.wall),
        }
    }
}

/// Processor time of this process and of the children it has waited for.
fn cpu_seconds() -> f64 {
    // Linux counts in hundredths of a second. Behind the name: utime, stime, cutime, cstime are
    // fields 11 to 14.
    let stat = fs::read_to_string("/proc/self/stat").expect("the bench needs Linux");
    let fields = stat.rsplit(')').next().unwrap().split_whitespace();
    let ticks = fields
        .skip(11)
        .take(4)
        .map(|field| field.parse::<f64>().unwrap());
    ticks.sum::<f64>() / 100.0
}

fn spend(work: impl FnOnce()) -> Spent {
    let (cpu, start) = (cpu_seconds(), Instant::now());
    work();
    Spent {
        cpu: cpu_seconds() - cpu,
        wall: start.elapsed().as_secs_f64(),
    }
}

fn ffmpeg(arguments: &[&str]) {
    let status = Command::new("ffmpeg")
        .args(["-nostdin", "-loglevel", "error", "-y"])
        .args(arguments)
        .stdin(Stdio::null())
        .status()
        .expect("ffmpeg starts");
    assert!(status.success(), "ffmpeg {arguments:?}");
}

/// ffmpeg from a file to 16 kHz.
fn convert(input: &Path, threads: Option<&str>, output: &[&str]) -> Spent {
    let input = input.to_str().unwrap();
    let mut arguments = Vec::new();
    if let Some(threads) = threads {
        arguments.extend(["-filter_threads", threads, "-threads", threads]);
    }
    arguments.extend(["-i", input, "-ar", "16000", "-sample_fmt", "s16"]);
    arguments.extend(output);
    spend(|| ffmpeg(&arguments))
}

/// The sample calls as one 48 kHz stereo WAV of [`SECONDS`].
fn master(folder: &Path) -> PathBuf {
    let master = folder.join("master.wav");
    if master.exists() {
        return master;
    }
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/samples");
    let mut calls: Vec<PathBuf> = fs::read_dir(samples)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            let extension = path.extension().and_then(|extension| extension.to_str());
            matches!(
                extension,
                Some("wav" | "opus" | "mp3" | "m4a" | "flac" | "ogg")
            )
        })
        .collect();
    calls.sort();
    let list: String = (0..calls.len()).fold(String::new(), |mut list, call| {
        let part = folder.join(format!("part{call}.wav"));
        let input = calls[call].to_str().unwrap();
        ffmpeg(&[
            "-i",
            input,
            "-ar",
            "48000",
            "-ac",
            "2",
            part.to_str().unwrap(),
        ]);
        list.push_str(&format!("file '{}'\n", part.display()));
        list
    });
    let parts = folder.join("parts.txt");
    fs::write(&parts, list.repeat(10)).unwrap();
    let seconds = SECONDS.to_string();
    let unfinished = folder.join("unfinished.wav");
    ffmpeg(&[
        "-f",
        "concat",
        "-safe",
        "0",
        "-i",
        parts.to_str().unwrap(),
        "-t",
        &seconds,
        "-c",
        "copy",
        unfinished.to_str().unwrap(),
    ]);
    fs::rename(unfinished, &master).unwrap();
    master
}

/// The recording in one format.
fn recording(
    folder: &Path,
    master: &Path,
    (name, extension, options): (&str, &str, &str),
) -> PathBuf {
    let name = name.to_lowercase().replace([' ', '.'], "-");
    let path = folder.join(format!("{name}.{extension}"));
    if !path.exists() {
        let unfinished = folder.join(format!("unfinished.{extension}"));
        let mut arguments = vec!["-i", master.to_str().unwrap()];
        arguments.extend(options.split_whitespace());
        arguments.push(unfinished.to_str().unwrap());
        ffmpeg(&arguments);
        fs::rename(&unfinished, &path).unwrap();
    }
    path
}

fn main() {
    memory::keep_freed();
    let wanted: Vec<String> = std::env::args()
        .skip(1)
        .filter(|a| !a.starts_with("--"))
        .collect();
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("decode-bench");
    fs::create_dir_all(&folder).unwrap();
    let master = master(&folder);
    let formats = FORMATS.iter().filter(|(name, ..)| {
        let name = name.to_lowercase();
        wanted.is_empty()
            || wanted
                .iter()
                .any(|part| name.contains(&part.to_lowercase()))
    });
    let inputs: Vec<(&str, PathBuf)> = formats
        .map(|&format| (format.0, recording(&folder, &master, format)))
        .collect();
    let (ours, theirs) = (folder.join("ours.flac"), folder.join("theirs.flac"));
    let to_flac = ["-c:a", "flac", theirs.to_str().unwrap()];
    let to_nowhere = ["-c:a", "pcm_s16le", "-f", "s16le", "/dev/null"];
    let short = folder.join("short.wav");
    ffmpeg(&[
        "-i",
        master.to_str().unwrap(),
        "-t",
        "0.1",
        short.to_str().unwrap(),
    ]);
    let start_up = (0..5 * ROUNDS)
        .map(|_| convert(&short, Some("1"), &to_flac))
        .fold(Spent::MOST, Spent::least);
    println!(
        "{SECONDS} s of calls; least of {ROUNDS} rounds; seconds of processor (wall); ffmpeg's \
         start-up, taken off its processor time: {:.2} ({:.2})",
        start_up.cpu, start_up.wall
    );
    println!(
        "| recording | colloquy | ffmpeg, 1 thread | ffmpeg, default | ratio | ffmpeg to bare samples | ratio |"
    );
    println!("|---|---|---|---|---|---|---|");
    for (name, input) in inputs {
        let mut least = [Spent::MOST; 4];
        for _ in 0..ROUNDS {
            let round = [
                spend(|| {
                    let limits = Limits::default();
                    let decoded = decode_file(&input, &ours, &limits, &|| false).unwrap();
                    assert_eq!(decoded.duration_ms / 1_000, u64::from(SECONDS), "{name}");
                }),
                convert(&input, Some("1"), &to_flac),
                convert(&input, None, &to_flac),
                convert(&input, Some("1"), &to_nowhere),
            ];
            for (least, spent) in least.iter_mut().zip(round) {
                *least = least.least(spent);
            }
        }
        let [ours, flac, default, bare] = least;
        let cpu = |spent: Spent| (spent.cpu - start_up.cpu).max(0.01);
        println!(
            "| {name} | {:.2} ({:.2}) | {:.2} ({:.2}) | {:.2} ({:.2}) | {:.2} | {:.2} ({:.2}) | {:.2} |",
            ours.cpu,
            ours.wall,
            cpu(flac),
            flac.wall,
            cpu(default),
            default.wall,
            ours.cpu / cpu(flac).min(cpu(default)),
            cpu(bare),
            bare.wall,
            ours.cpu / cpu(bare),
        );
    }
}
