//! What a person is told meanwhile, on standard error: a bar on a terminal, lines where asked for,
//! errors always.

use std::{
    collections::BTreeMap,
    io::{IsTerminal, Write},
    path::Path,
    time::Duration,
};

use colloquy_anonymize::{Outcome, policy::Policies};
use colloquy_contract::AccountId;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Steps of the bar.
const STEPS: f32 = 1_000.0;

/// How often the bar shows that we live.
const TICK: Duration = Duration::from_millis(120);

/// Who tells; clones tell the same person.
#[derive(Debug, Clone)]
pub(super) struct Told {
    bar: Option<ProgressBar>,
    verbose: bool,
}

impl Told {
    pub(super) fn new(quiet: bool, verbose: bool) -> Self {
        let bar = (!quiet && std::io::stderr().is_terminal()).then(|| {
            let style = ProgressStyle::with_template("{prefix} {spinner} {wide_bar} {msg}");
            ProgressBar::with_draw_target(Some(STEPS as u64), ProgressDrawTarget::stderr())
                .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        });
        Self { bar, verbose }
    }

    /// A step of the work on a file begins.
    pub(super) fn step(&self, name: &str, step: &'static str) {
        if let Some(bar) = &self.bar {
            if bar.prefix() != name {
                bar.reset();
                bar.set_prefix(name.to_owned());
            }
            bar.enable_steady_tick(TICK);
            bar.set_position(0);
            bar.set_message(step);
        } else if self.verbose {
            self.line(&format!("{name}: {step}"));
        }
    }

    /// This share of the step is done.
    pub(super) fn share(&self, share: f32) {
        if let Some(bar) = &self.bar {
            bar.set_position((share.clamp(0.0, 1.0) * STEPS) as u64);
        }
    }

    /// A recording is redacted.
    pub(super) fn recording(&self, name: &str, outcome: &Outcome) {
        let audio = &outcome.audio;
        let proof = match &outcome.verified {
            None => "not proved, as asked for".to_owned(),
            Some(verified) => format!(
                "proved: {} stretch{} heard again, in {} round{}",
                verified.stretches,
                if verified.stretches == 1 { "" } else { "es" },
                verified.rounds,
                if verified.rounds == 1 { "" } else { "s" },
            ),
        };
        self.done(&format!(
            "{name}: {}; {:.1} s of {:.1} s of audio cut; {proof}",
            places(&outcome.counts),
            audio.redacted_ms as f64 / 1_000.0,
            audio.duration_ms as f64 / 1_000.0,
        ));
    }

    /// A text is redacted.
    pub(super) fn text(&self, name: &str, counts: &BTreeMap<String, u32>) {
        self.done(&format!("{name}: {}", places(counts)));
    }

    fn done(&self, text: &str) {
        if self.bar.is_some() || self.verbose {
            self.line(text);
        }
    }

    /// A file is not redacted.
    pub(super) fn failed(&self, name: &str, error: &anyhow::Error) {
        self.line(&format!("error: {name}: {error:#}"));
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

/// How many places of which type.
fn places(counts: &BTreeMap<String, u32>) -> String {
    let all: u32 = counts.values().sum();
    let each: Vec<String> = counts
        .iter()
        .map(|(kind, n)| format!("{kind} {n}"))
        .collect();
    match each.is_empty() {
        true => "nothing to redact".to_owned(),
        false => format!(
            "{all} place{} redacted ({})",
            if all == 1 { "" } else { "s" },
            each.join(", ")
        ),
    }
}

/// What a policy does, on standard output.
pub(super) fn say_policy(path: Option<&Path>, policies: &Policies, account: &AccountId) {
    let policy = policies.of(account);
    let version = policy.version();
    let place = path.map_or("the built-in policy".to_owned(), |path| {
        path.display().to_string()
    });
    let named = version.name.as_deref().map(|name| format!(" '{name}'"));
    crate::cli::say(format!(
        "{place} is fine: version {}{}, {} account{} with a section of their own",
        version.version,
        named.unwrap_or_default(),
        policies.accounts(),
        if policies.accounts() == 1 { "" } else { "s" },
    ));
    for line in policy.describe() {
        crate::cli::say(format!("  {line}"));
    }
}
