//! The command line of the assets: as `colloquy-assets …` before the platform is built, as
//! `colloquy assets …` afterwards.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::{Args, Subcommand};
use indicatif::DecimalBytes;

use crate::{
    AssetError, AssetReport, Cache, Fetcher, FileState, Manifest, Outcome, Reporter, Result,
    Settings, list, verify,
};

/// Options of all commands.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Folder of the assets [default: $COLLOQUY_CACHE, else ~/.cache/colloquy]
    #[arg(long, global = true, value_name = "FOLDER")]
    cache: Option<PathBuf>,

    /// Manifest to use instead of the built-in one
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "COLLOQUY_ASSET_MANIFEST"
    )]
    manifest: Option<PathBuf>,

    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Bring assets into the cache
    Fetch {
        /// The assets [default: all for this platform]
        names: Vec<String>,
        /// Read the files that are there, and replace those that are wrong
        #[arg(long)]
        check: bool,
    },
    /// Show the assets and whether they are there
    List,
    /// Read the files of the cache and compare them with the manifest
    Verify {
        /// The assets [default: all for this platform]
        names: Vec<String>,
    },
}

impl Arguments {
    /// Does what was asked for. Results go to `output`, progress to standard error.
    pub fn run(&self, output: &mut dyn Write) -> Result<()> {
        let manifest = match &self.manifest {
            Some(path) => Manifest::load(path)?,
            None => Manifest::embedded()?,
        };
        let cache = match &self.cache {
            Some(folder) => Cache::at(folder),
            None => Cache::locate()?,
        };
        match &self.command {
            Command::Fetch { names, check } => {
                let settings = Settings {
                    check_present: *check,
                    ..Settings::default()
                };
                let mut reporter = Reporter::default();
                let fetched =
                    Fetcher::new(settings).fetch(&manifest, &cache, names, &mut reporter)?;
                let new = fetched
                    .iter()
                    .filter(|asset| asset.outcome == Outcome::Installed)
                    .count();
                let summary = format!("{} assets in place, {new} of them new", fetched.len());
                show(output, &cache, &[summary])
            }
            Command::List => {
                let rows: Vec<_> = list(&manifest, &cache).iter().map(row).collect();
                show(output, &cache, &rows)
            }
            Command::Verify { names } => {
                let reports = verify(&manifest, &cache, names)?;
                let rows: Vec<_> = reports
                    .iter()
                    .map(|report| row(report) + &faults(report))
                    .collect();
                show(output, &cache, &rows)?;
                match reports.iter().map(AssetReport::faults).sum() {
                    0 => Ok(()),
                    count => Err(AssetError::Unsound { count }),
                }
            }
        }
    }
}

/// Writes lines. A reader that went away, as `head` does, is no error.
fn show(output: &mut dyn Write, cache: &Cache, lines: &[String]) -> Result<()> {
    let written = lines.iter().try_for_each(|line| writeln!(output, "{line}"));
    match written.and_then(|()| output.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(AssetError::storage("show what is in", cache.root(), error))
        }
        _ => Ok(()),
    }
}

/// An asset in one line.
fn row(report: &AssetReport) -> String {
    let asset = &report.asset;
    let state = match report.faults() {
        0 => "present",
        faults if faults == report.files.len() => "missing",
        _ => "incomplete",
    };
    let size = DecimalBytes(asset.size_bytes()).to_string();
    format!(
        "{:<16} {:<8} {size:>10}  {state:<10}  {:<10}  {}",
        asset.name, asset.version, asset.licence, asset.purpose
    )
}

/// The files that are not as they should be, a line for each.
fn faults(report: &AssetReport) -> String {
    let mut text = String::new();
    for file in &report.files {
        let path = file.path.display();
        let expected = &file.expected;
        text += &match file.state {
            FileState::Present => continue,
            FileState::Missing => format!("\n  {path}: missing"),
            FileState::WrongSize { found } => {
                format!("\n  {path}: {found} bytes instead of {}", expected.size)
            }
            FileState::Corrupt { found } => {
                format!(
                    "\n  {path}: SHA-256 should be {} but is {found}",
                    expected.sha256
                )
            }
        };
    }
    text
}
