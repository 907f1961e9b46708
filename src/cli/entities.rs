//! `colloquy entities`: names, numbers and places in text, without a broker.
//!
//! What the command promises: offsets are Unicode characters; a line that goes in comes out before
//! more is waited for; the same text gives the same entities, alone or among others; a line that
//! cannot be read ends the command with its number, after the results of the lines before it.

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::num::NonZeroUsize;
use std::path::PathBuf;

use anyhow::{Context, bail, ensure};
use clap::Args;
use colloquy_entities::{Explanation, Finding, Recognizers, types};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::options::EntityModel;

/// The longest text that is read at once; a call of ten hours has less.
const LONGEST_TEXT: u64 = 64 * 1024 * 1024;

/// The longest line of JSON.
const LONGEST_LINE: u64 = 2 * LONGEST_TEXT;

/// What is read ahead. Lines that are there already are recognized together.
const READ_AHEAD: usize = 256 * 1024;

/// At most so many lines are recognized together.
const TOGETHER: usize = 64;

const AFTER_HELP: &str = "\
Examples:
  echo 'My name is Violet Okafor' | colloquy entities
  colloquy entities --types PERSON,PHONE_NUMBER letter.txt
  colloquy entities --jsonl < texts.jsonl > entities.jsonl

With --jsonl, a line in is {\"id\": …, \"text\": \"…\"}, a line out {\"id\": …, \"entities\": […]}.";

/// Options of `colloquy entities`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct EntitiesCommand {
    /// Text, UTF-8 [default: standard input]
    file: Option<PathBuf>,

    /// Read one JSON object a line, and write one
    #[arg(long)]
    jsonl: bool,

    /// Types to find, separated by commas [default: all]
    #[arg(long, value_name = "TYPE,…", value_delimiter = ',', value_parser = known_type)]
    types: Vec<&'static str>,

    /// Least score to be told, 0 to 1
    #[arg(long, value_name = "SCORE", default_value_t = 0.0, value_parser = score)]
    threshold: f32,

    /// Say of each finding what spoke for it, and what it won against
    #[arg(long)]
    explain: bool,

    /// List the types with what they are, and end
    #[arg(long, conflicts_with_all = ["file", "jsonl", "types", "explain"])]
    list_types: bool,

    /// Model of people, places and organizations: the name of an asset, or a folder with a spaCy
    /// model; none is patterns only, which find less
    #[arg(
        long,
        env = "COLLOQUY_ENTITY_MODEL",
        default_value = EntityModel::USUAL,
        value_name = "MODEL"
    )]
    model: String,
}

fn known_type(name: &str) -> Result<&'static str, String> {
    let known = types::ALL.iter().find(|(known, _)| *known == name);
    known
        .map(|(known, _)| *known)
        .ok_or_else(|| "there is no such type; see colloquy entities --list-types".to_owned())
}

fn score(text: &str) -> Result<f32, String> {
    let score = text
        .parse()
        .ok()
        .filter(|score| (0.0..=1.0).contains(score));
    score.ok_or_else(|| "a score is a number from 0 to 1".to_owned())
}

/// A line in. Other fields are nobody's business here.
#[derive(Debug, Deserialize)]
struct Input {
    id: Value,
    text: String,
}

/// A line out.
#[derive(Debug, Serialize)]
struct Output<'i> {
    id: &'i Value,
    entities: Vec<Told>,
}

/// An entity, as it is told.
#[derive(Debug, Serialize)]
struct Told {
    entity_type: &'static str,
    start: usize,
    end: usize,
    score: f64,
    text: String,
    recognizer: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    explanation: Option<Reasons>,
}

/// Why it is one.
#[derive(Debug, Serialize)]
struct Reasons {
    basis: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    cue: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    won_against: Vec<Beaten>,
}

/// A claim that was given up.
#[derive(Debug, Serialize)]
struct Beaten {
    entity_type: &'static str,
    recognizer: &'static str,
    rule: &'static str,
}

impl Told {
    fn new(finding: Finding, explanation: Option<Explanation>) -> Self {
        Self {
            entity_type: finding.entity_type,
            start: finding.start,
            end: finding.end,
            // Two places: a float of 32 bits would be written with its error.
            score: (f64::from(finding.score) * 100.0).round() / 100.0,
            text: finding.text,
            recognizer: finding.recognizer,
            explanation: explanation.map(Reasons::new),
        }
    }
}

impl Reasons {
    fn new(explanation: Explanation) -> Self {
        let beaten = explanation.over.into_iter().map(|over| Beaten {
            entity_type: over.entity_type,
            recognizer: over.recognizer,
            rule: over.rule,
        });
        Self {
            basis: explanation.basis,
            cue: explanation.cue,
            won_against: beaten.collect(),
        }
    }
}

impl EntitiesCommand {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        match self.answer() {
            // Whoever reads has seen enough: `… | head`.
            Err(error) if is_broken_pipe(&error) => Ok(()),
            result => result,
        }
    }

    fn answer(&self) -> anyhow::Result<()> {
        // Standard output itself is written line by line, and an entity has a dozen lines.
        let mut output = BufWriter::new(io::stdout().lock());
        if self.list_types {
            for (name, meaning) in types::ALL {
                writeln!(output, "{name:<24}{}", meaning.trim())?;
            }
            output.flush()?;
            return Ok(());
        }
        let threads = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let recognizers = EntityModel::named(&self.model).load()?.on_threads(threads);
        let input: Box<dyn Read> = match &self.file {
            None => Box::new(io::stdin().lock()),
            Some(path) => {
                let name = path.display();
                Box::new(File::open(path).with_context(|| format!("{name} cannot be opened"))?)
            }
        };
        if self.jsonl {
            let input = BufReader::with_capacity(READ_AHEAD, input);
            return self.lines(&recognizers, input, &mut output);
        }
        let text = whole(input)?;
        let [told] = &mut self.find(&recognizers, &[&text])[..] else {
            bail!("the recognizers did not answer for the text; this is a fault of colloquy");
        };
        serde_json::to_writer_pretty(&mut output, told)?;
        writeln!(output)?;
        output.flush()?;
        Ok(())
    }

    /// What is told of each of some texts.
    fn find(&self, recognizers: &Recognizers, texts: &[&str]) -> Vec<Vec<Told>> {
        let wanted = |finding: &Finding| {
            finding.score >= self.threshold
                && (self.types.is_empty() || self.types.contains(&finding.entity_type))
        };
        if self.explain {
            let explained = texts.iter().map(|text| {
                let findings = recognizers.explain_text(text).into_iter();
                let findings = findings.filter(|(finding, _)| wanted(finding));
                findings
                    .map(|(finding, why)| Told::new(finding, Some(why)))
                    .collect()
            });
            return explained.collect();
        }
        let found = recognizers.recognize_texts(texts).into_iter();
        let told = |findings: Vec<Finding>| {
            let findings = findings.into_iter().filter(wanted);
            findings.map(|finding| Told::new(finding, None)).collect()
        };
        found.map(told).collect()
    }

    /// Answers line by line. Lines that have arrived already are read together, for speed; what
    /// they give is written before more is waited for.
    fn lines(
        &self,
        recognizers: &Recognizers,
        mut input: BufReader<Box<dyn Read>>,
        output: &mut impl Write,
    ) -> anyhow::Result<()> {
        let mut number = 0;
        loop {
            let mut batch = Vec::new();
            let mut bad = None;
            while batch.len() < TOGETHER && (batch.is_empty() || input.buffer().contains(&b'\n')) {
                match next_line(&mut input, &mut number) {
                    Ok(Some(line)) => batch.push(line),
                    Ok(None) => break,
                    Err(error) => {
                        bad = Some(error);
                        break;
                    }
                }
            }
            if batch.is_empty() && bad.is_none() {
                return Ok(());
            }
            let texts: Vec<&str> = batch.iter().map(|line| line.text.as_str()).collect();
            let found = self.find(recognizers, &texts);
            for (line, entities) in batch.iter().zip(found) {
                let id = &line.id;
                serde_json::to_writer(&mut *output, &Output { id, entities })?;
                output.write_all(b"\n")?;
            }
            output.flush()?;
            if let Some(error) = bad {
                return Err(error);
            }
        }
    }
}

/// The next line that is not blank.
fn next_line(input: &mut impl BufRead, number: &mut u64) -> anyhow::Result<Option<Input>> {
    let mut line = Vec::new();
    loop {
        *number += 1;
        line.clear();
        input
            .take(LONGEST_LINE)
            .read_until(b'\n', &mut line)
            .with_context(|| format!("line {number} cannot be read"))?;
        if line.is_empty() {
            return Ok(None);
        }
        ensure!(
            line.ends_with(b"\n") || (line.len() as u64) < LONGEST_LINE,
            "line {number} is longer than {} MiB; cut its text",
            LONGEST_LINE >> 20
        );
        if line.iter().any(|byte| !byte.is_ascii_whitespace()) {
            break;
        }
    }
    let parsed = serde_json::from_slice(&line).map_err(|error| {
        // What the parser says may quote the line, which may be anybody's.
        let column = error.column();
        anyhow::anyhow!(
            "line {number} is not {{\"id\": …, \"text\": \"…\"}} (column {column}); \
             the lines before it are done"
        )
    });
    parsed.map(Some)
}

/// All of a text.
fn whole(input: impl Read) -> anyhow::Result<String> {
    let mut bytes = Vec::new();
    input
        .take(LONGEST_TEXT + 1)
        .read_to_end(&mut bytes)
        .context("the text cannot be read")?;
    ensure!(
        bytes.len() as u64 <= LONGEST_TEXT,
        "the text is longer than {} MiB; cut it, or give it line by line with --jsonl",
        LONGEST_TEXT >> 20
    );
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        anyhow::anyhow!("the text is not UTF-8 (byte {at}); convert it, as with iconv")
    })
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        let io = cause.downcast_ref::<io::Error>().map(io::Error::kind);
        let json = cause.downcast_ref::<serde_json::Error>();
        io.or(json.and_then(serde_json::Error::io_error_kind)) == Some(io::ErrorKind::BrokenPipe)
    })
}
