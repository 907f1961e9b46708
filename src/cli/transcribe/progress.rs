//! What a person is told meanwhile, on standard error: a bar on a terminal, lines elsewhere if
//! asked for, errors always.

use std::{
    cell::Cell,
    io::{IsTerminal, Write},
    path::Path,
    time::{Duration, Instant},
};

use colloquy_decode::audio::Decoded;
use colloquy_formats::language;
use colloquy_transcribe::engine::Transcription;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::{plan::Source, work::Tally};

/// Steps of the bar.
const STEPS: u64 = 1_000;

/// How often the bar shows that we live: batches take seconds.
const TICK: Duration = Duration::from_millis(120);

/// The least pause between two lines about one recording.
const LINE_INTERVAL: Duration = Duration::from_secs(10);

/// Columns of a recording's name in front of the bar.
const NAME: usize = 32;

/// Who tells; clones tell the same person.
#[derive(Debug, Clone)]
pub(super) struct Progress {
    bar: Option<ProgressBar>,
    verbose: bool,
}

impl Progress {
    pub(super) fn new(quiet: bool, verbose: bool) -> Self {
        let bar = (!quiet && std::io::stderr().is_terminal()).then(|| {
            let template = "{prefix} {spinner} {wide_bar} {percent:>3} % {msg}";
            let style = ProgressStyle::with_template(template);
            ProgressBar::with_draw_target(Some(STEPS), ProgressDrawTarget::stderr())
                .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        });
        Self { bar, verbose }
    }

    pub(super) fn loading(&self, model: &Path) {
        let model = model.display();
        if self.verbose {
            self.line(&format!("loading the speech model in {model}"));
        }
    }

    /// The work on one recording.
    pub(super) fn step(&self, source: &Source, number: usize, count: usize) -> Step<'_> {
        let name = source.to_string();
        if let Some(bar) = &self.bar {
            let place = (count > 1).then(|| format!("[{number}/{count}] "));
            bar.reset();
            bar.set_prefix(format!("{}{}", place.unwrap_or_default(), short(source)));
        }
        let now = Instant::now();
        Step {
            progress: self,
            name,
            started: now,
            heard_from: Cell::new(now),
            told: Cell::new(now),
            audio_ms: Cell::new(0),
        }
    }

    /// All is done.
    pub(super) fn end(&self, tally: Tally) {
        let Tally { done, failed } = tally;
        if failed > 0 && done + failed > 1 {
            let count = done + failed;
            self.line(&format!("error: {failed} of {count} recordings failed"));
        }
    }

    /// Takes the bar away for good.
    pub(super) fn clear(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
            bar.set_draw_target(ProgressDrawTarget::hidden());
        }
    }

    /// Writes a line above the bar. A closed standard error is no reason to stop.
    fn line(&self, text: &str) {
        let write = || drop(writeln!(std::io::stderr(), "{text}"));
        match &self.bar {
            Some(bar) => bar.suspend(write),
            None => write(),
        }
    }
}

/// The work on one recording, as told.
#[derive(Debug)]
pub(super) struct Step<'a> {
    progress: &'a Progress,
    name: String,
    started: Instant,
    /// When transcription began.
    heard_from: Cell<Instant>,
    /// When the last line was written.
    told: Cell<Instant>,
    audio_ms: Cell<u64>,
}

impl Step<'_> {
    /// So many bytes of the recording are decoded.
    pub(super) fn decoding(&self, bytes: u64, size: u64) {
        if let Some(bar) = &self.progress.bar {
            bar.enable_steady_tick(TICK);
            bar.set_message("decoding");
            bar.set_position((bytes.min(size) * STEPS).checked_div(size).unwrap_or(0));
        }
    }

    /// It is decoded; its words are next.
    pub(super) fn decoded(&self, decoded: &Decoded) {
        self.audio_ms.set(decoded.duration_ms);
        self.heard_from.set(Instant::now());
        if let Some(bar) = &self.progress.bar {
            bar.enable_steady_tick(TICK);
            bar.set_message("finding speech");
            bar.set_position(0);
        }
        let source = &decoded.source;
        self.note(&format!(
            "{} of {} at {} Hz, {} channel{}, decoded in {:.1} s",
            span(decoded.duration_ms),
            source.codec,
            source.sample_rate_hz,
            decoded.channels,
            if decoded.channels == 1 { "" } else { "s" },
            self.started.elapsed().as_secs_f32()
        ));
    }

    /// This share of it is transcribed.
    pub(super) fn heard(&self, share: f32) {
        let share = f64::from(share.clamp(0.0, 1.0));
        let spent = self.heard_from.get().elapsed().as_secs_f64();
        let message = pace(self.audio_ms.get(), share, spent);
        if let Some(bar) = &self.progress.bar {
            bar.set_position((share * STEPS as f64) as u64);
            bar.set_message(message);
        } else if self.told.get().elapsed() >= LINE_INTERVAL {
            self.told.set(Instant::now());
            self.note(&format!("{:.0} %, {message}", share * 100.0));
        }
    }

    /// Nothing more is to be drawn for it.
    pub(super) fn finished(&self) {
        if let Some(bar) = &self.progress.bar {
            bar.finish_and_clear();
        }
    }

    /// It is transcribed and written.
    pub(super) fn done(&self, transcription: &Transcription) {
        if self.progress.bar.is_none() && !self.progress.verbose {
            return;
        }
        let transcript = &transcription.transcript;
        let spent = self.started.elapsed().as_secs_f64();
        let words = transcript.word_count();
        self.progress.line(&format!(
            "{}: {} of audio in {spent:.1} s ({}), {words} word{}{}",
            self.name,
            span(transcript.duration_ms),
            speed(transcript.duration_ms as f64 / 1_000.0, spent),
            if words == 1 { "" } else { "s" },
            match words {
                0 => String::new(),
                _ => format!(", {}", language::name(&transcript.language)),
            },
        ));
        let copies = transcription.findings.copy_of.iter().enumerate();
        for (channel, copy_of) in copies {
            if let Some(other) = copy_of {
                self.progress.line(&format!(
                    "{}: channels {} and {} carry the same sound, which is transcribed once and \
                     has no role",
                    self.name,
                    other + 1,
                    channel + 1
                ));
            }
        }
    }

    /// It is not transcribed.
    pub(super) fn failed(&self, error: &anyhow::Error) {
        self.finished();
        self.progress
            .line(&format!("error: {}: {error:#}", self.name));
    }

    fn note(&self, text: &str) {
        if self.progress.verbose {
            self.progress.line(&format!("{}: {text}", self.name));
        }
    }
}

/// The name in front of the bar.
fn short(source: &Source) -> String {
    let name = match source {
        Source::StandardInput => source.to_string(),
        Source::File(path) => path
            .file_name()
            .map_or_else(|| source.to_string(), |name| name.to_string_lossy().into()),
    };
    match name.char_indices().nth(NAME) {
        Some((at, _)) => format!("{}…", &name[..at]),
        None => name,
    }
}

/// How fast it goes and how long it will take.
fn pace(audio_ms: u64, share: f64, spent: f64) -> String {
    if share <= 0.0 || spent <= 0.0 {
        return String::new();
    }
    let left = spent * (1.0 - share) / share;
    format!(
        "{}, {} left",
        speed(audio_ms as f64 / 1_000.0 * share, spent),
        span((left * 1_000.0) as u64)
    )
}

/// Seconds of audio per second, such as `31x`.
fn speed(audio: f64, spent: f64) -> String {
    let speed = audio / spent.max(0.001);
    let digits = usize::from(speed < 10.0);
    format!("{speed:.digits$}x")
}

/// A length as `M:SS` or `H:MM:SS`.
fn span(ms: u64) -> String {
    let seconds = (ms + 500) / 1_000;
    let (minutes, rest) = (seconds / 60, seconds % 60);
    match minutes / 60 {
        0 => format!("{minutes}:{rest:02}"),
        hours => format!("{hours}:{:02}:{rest:02}", minutes % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_and_pace_read_well() {
        assert_eq!(span(59_600), "1:00");
        assert_eq!(span(3_723_000), "1:02:03");
        assert_eq!(pace(600_000, 0.5, 10.0), "30x, 0:10 left");
        assert_eq!(pace(60_000, 0.25, 10.0), "1.5x, 0:30 left");
        assert_eq!(pace(60_000, 0.0, 10.0), "");
    }

    #[test]
    fn long_names_are_cut_between_characters() {
        let name = "ä".repeat(40);
        let shown = short(&Source::File(format!("calls/{name}.wav").into()));
        assert_eq!(shown.chars().count(), NAME + 1);
        assert_eq!(short(&Source::File("calls/a.wav".into())), "a.wav");
    }
}
