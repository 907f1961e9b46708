//! What is told while assets are fetched, and to whom.

use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use indicatif::{DecimalBytes, ProgressBar, ProgressStyle};

use crate::error::Chain;
use crate::{Asset, SourceError};

/// Pause between two lines about one download, where there is no terminal.
const LINE_INTERVAL: Duration = Duration::from_secs(5);

/// Something that happens during a fetch.
#[derive(Debug)]
pub enum Event<'a> {
    /// Another process fetches the asset; this one waits for it.
    Waiting {
        /// The asset.
        asset: &'a Asset,
    },
    /// A source is asked where its files are.
    Asking {
        /// The asset.
        asset: &'a Asset,
        /// The source.
        source: &'a str,
    },
    /// Bytes came. The first such event of a download may have none.
    Received {
        /// The file that is downloaded.
        name: &'a str,
        /// Bytes so far, with those of an earlier run.
        received: u64,
        /// Bytes in all, if the server told.
        total: Option<u64>,
    },
    /// A download is complete.
    Downloaded {
        /// The file.
        name: &'a str,
    },
    /// A download broke off and is continued after a pause.
    Retrying {
        /// The file that is downloaded.
        name: &'a str,
        /// Why it broke off.
        error: &'a SourceError,
        /// How long until it goes on.
        pause: Duration,
    },
    /// A source failed; the next one is tried, if there is one.
    SourceFailed {
        /// The source.
        source: &'a str,
        /// Why.
        error: &'a SourceError,
    },
    /// The asset is in place.
    Installed {
        /// The asset.
        asset: &'a Asset,
        /// Where.
        folder: &'a Path,
    },
}

/// Somebody who is told what happens.
pub trait Progress {
    /// Tells that something happened.
    fn tell(&mut self, event: &Event<'_>);
}

/// Tells nobody.
#[derive(Debug, Default, Clone, Copy)]
pub struct Silent;

impl Progress for Silent {
    fn tell(&mut self, _event: &Event<'_>) {}
}

/// Tells a person, on standard error: with a bar on a terminal, else with a line now and then.
#[derive(Debug)]
pub struct Reporter {
    terminal: bool,
    bar: Option<ProgressBar>,
    next_line: Option<Instant>,
}

impl Default for Reporter {
    fn default() -> Self {
        Self {
            terminal: io::stderr().is_terminal(),
            bar: None,
            next_line: None,
        }
    }
}

impl Progress for Reporter {
    fn tell(&mut self, event: &Event<'_>) {
        match event {
            Event::Waiting { asset } => {
                self.line(&format!(
                    "{}: another process fetches it, waiting",
                    asset.name
                ));
            }
            Event::Asking { asset, source } => {
                let size = DecimalBytes(asset.size_bytes());
                self.line(&format!(
                    "{} {}: {size} from {source}",
                    asset.name, asset.version
                ));
            }
            Event::Received {
                name,
                received,
                total,
            } => self.received(name, *received, *total),
            Event::Downloaded { .. } => self.end_download(),
            Event::Retrying { name, error, pause } => {
                let seconds = pause.as_secs_f32();
                self.line(&format!(
                    "  {name}: {}; again in {seconds:.1} s",
                    Chain(*error)
                ));
            }
            Event::SourceFailed { source, error } => {
                self.end_download();
                self.line(&format!("  {source} failed: {}", Chain(*error)));
            }
            Event::Installed { asset, folder } => {
                self.line(&format!(
                    "{} {}: in {}",
                    asset.name,
                    asset.version,
                    folder.display()
                ));
            }
        }
    }
}

impl Reporter {
    fn received(&mut self, name: &str, received: u64, total: Option<u64>) {
        if self.terminal {
            let bar = self.bar.get_or_insert_with(|| bar(name));
            if let Some(total) = total {
                bar.set_length(total);
            }
            bar.set_position(received);
            return;
        }
        let now = Instant::now();
        match self.next_line {
            Some(next) if now < next => return,
            Some(_) => self.line(&amount(name, received, total)),
            // A download that is over before the first pause is not worth a line.
            None => {}
        }
        self.next_line = Some(now + LINE_INTERVAL);
    }

    fn end_download(&mut self) {
        self.next_line = None;
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }

    /// Writes a line above the bar. A closed standard error is no reason to stop.
    fn line(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.println(text),
            None => drop(writeln!(io::stderr(), "{text}")),
        }
    }
}

fn bar(name: &str) -> ProgressBar {
    let template =
        "  {msg} {wide_bar} {decimal_bytes}/{decimal_total_bytes} {decimal_bytes_per_sec} {eta}";
    let style = ProgressStyle::with_template(template);
    ProgressBar::new(0)
        .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        .with_message(name.to_owned())
}

fn amount(name: &str, received: u64, total: Option<u64>) -> String {
    let received_text = DecimalBytes(received);
    match total.filter(|total| *total > 0) {
        Some(total) => {
            let percent = received * 100 / total;
            format!(
                "  {name}: {received_text} of {} ({percent} %)",
                DecimalBytes(total)
            )
        }
        None => format!("  {name}: {received_text}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_is_told_with_what_is_known() {
        assert_eq!(
            amount("f", 500_000, Some(2_000_000)),
            "  f: 500.00 kB of 2.00 MB (25 %)"
        );
        assert_eq!(amount("f", 500_000, None), "  f: 500.00 kB");
    }
}
