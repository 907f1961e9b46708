//! Whether two versions of the program understand each other: the reader x writer matrix.
//!
//! While a deployment is updated, old and new services run beside each other, and the log keeps
//! what old ones wrote for good. So for each fact, document and request both directions count: can
//! the old reader read what the new writer writes, and the new reader what the old writer wrote?
//!
//! - Within a version of a fact only additive changes work: readers ignore fields that they do not
//!   know, and a new field must be optional for its reader.
//! - A new version is readable for new readers by its upcasts; old readers must be updated before
//!   the first writer is.

mod reads;

use std::{collections::BTreeSet, fmt};

use serde::Serialize;
use serde_json::{Map, Value};

use crate::{
    facts::{DataError, Fact, FactType},
    schema,
};

pub use reads::{Problem, problems};

/// Whether a reader can read what a writer writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It can.
    Yes,
    /// It can once the reader is updated: the writer writes a version that the reader does not
    /// know.
    ReaderFirst,
    /// It cannot.
    No,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Yes => "yes",
            Self::ReaderFirst => "reader first",
            Self::No => "NO",
        })
    }
}

/// What kind of message it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A fact in the log.
    Fact,
    /// A document or a read model.
    Document,
    /// A request or its reply.
    Request,
}

/// Who reads what whom wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// The base reads what this program writes.
    OldReaderNewWriter,
    /// This program reads what the base wrote.
    NewReaderOldWriter,
}

/// Something that changed so that one side does not understand the other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// Which direction it breaks.
    pub direction: Direction,
    /// Where in the data, as a JSON path.
    pub path: String,
    /// What does not fit.
    pub problem: String,
    /// What to do.
    pub advice: String,
}

/// The row of one message in the matrix.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Row {
    /// What it is.
    pub kind: Kind,
    /// Its name.
    pub name: String,
    /// The version that the base writes; none where it is new or has no versions.
    pub base_version: Option<u64>,
    /// The version that this program writes; none where it is gone or has no versions.
    pub this_version: Option<u64>,
    /// Whether the base can read what this program writes.
    pub old_reader_new_writer: Verdict,
    /// Whether this program can read what the base wrote.
    pub new_reader_old_writer: Verdict,
    /// Why not, where it cannot.
    pub changes: Vec<Change>,
}

/// The matrix.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Facts, then documents, then requests, by name.
    pub rows: Vec<Row>,
}

impl Report {
    /// Whether old and new can run beside each other; with `allow_new_version` a new version of a
    /// fact is accepted, because its readers will be updated first.
    pub fn is_compatible(&self, allow_new_version: bool) -> bool {
        let fine = |verdict| match verdict {
            Verdict::Yes => true,
            Verdict::ReaderFirst => allow_new_version,
            Verdict::No => false,
        };
        self.rows
            .iter()
            .all(|row| fine(row.old_reader_new_writer) && fine(row.new_reader_old_writer))
    }
}

/// Why a text cannot be compared with.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum BaseError {
    /// It has not the form of `colloquy contract schema`.
    #[error(
        "the base has no object '{0}'; make it with 'colloquy contract schema' of another version"
    )]
    Form(&'static str),
    /// A fact in it has no version.
    #[error("{0} has no version in the base; make it with 'colloquy contract schema'")]
    Version(String),
}

/// Compares this program with a base: what `colloquy contract schema` of another one printed.
///
/// # Errors
/// If the base has another form.
pub fn check(base: &Value) -> Result<Report, BaseError> {
    compare(base, &schema::all(), &reads_version)
}

/// Compares two contracts. `reads_version` says whether the newer one lifts that version of a fact.
///
/// # Errors
/// If one of them has another form.
pub fn compare(
    base: &Value,
    this: &Value,
    reads_version: &dyn Fn(&str, u64) -> bool,
) -> Result<Report, BaseError> {
    let mut rows = facts(
        section(base, "facts")?,
        section(this, "facts")?,
        reads_version,
    )?;
    let (old, new) = (section(base, "documents")?, section(this, "documents")?);
    for name in names(old, new) {
        let row = unversioned(Kind::Document, name, old.get(name), new.get(name));
        rows.push(row);
    }
    let nothing = Map::new();
    // Bases from before requests were part of the printed contract have none.
    let old = base
        .get("requests")
        .and_then(Value::as_object)
        .unwrap_or(&nothing);
    let new = section(this, "requests")?;
    for name in names(old, new) {
        for part in ["request", "reply"] {
            let of = |side: &'_ Map<String, Value>| side.get(name)?.get(part).cloned();
            let (old, new) = (of(old), of(new));
            let label = format!("{name} ({part})");
            rows.push(unversioned(
                Kind::Request,
                &label,
                old.as_ref(),
                new.as_ref(),
            ));
        }
    }
    Ok(Report { rows })
}

/// Whether this program has every upcast from a version of a fact on.
fn reads_version(fact: &str, version: u64) -> bool {
    let Ok(fact) = fact.parse::<FactType>() else {
        return false;
    };
    // Data without fields: an upcast or the type may refuse it, but only a version without an
    // upcast is unknown.
    let probe = serde_json::json!({ "version": version }).to_string();
    !matches!(
        Fact::from_json(fact, probe.as_bytes()),
        Err(DataError::UnknownVersion { .. } | DataError::NoVersion { .. })
    )
}

fn section<'a>(
    contract: &'a Value,
    name: &'static str,
) -> Result<&'a Map<String, Value>, BaseError> {
    contract
        .get(name)
        .and_then(Value::as_object)
        .ok_or(BaseError::Form(name))
}

fn names<'a>(old: &'a Map<String, Value>, new: &'a Map<String, Value>) -> BTreeSet<&'a String> {
    old.keys().chain(new.keys()).collect()
}

fn facts(
    old: &Map<String, Value>,
    new: &Map<String, Value>,
    reads_version: &dyn Fn(&str, u64) -> bool,
) -> Result<Vec<Row>, BaseError> {
    let mut rows = Vec::new();
    for name in names(old, new) {
        let mut row = match (old.get(name), new.get(name)) {
            (Some(old), Some(new)) => {
                let (from, to) = (version(name, old)?, version(name, new)?);
                fact(name, (old, from), (new, to), reads_version)
            }
            (old, new) => unversioned(Kind::Fact, name, old, new),
        };
        row.base_version = old.get(name).map(|old| version(name, old)).transpose()?;
        row.this_version = new.get(name).map(|new| version(name, new)).transpose()?;
        rows.push(row);
    }
    Ok(rows)
}

fn version(name: &str, schema: &Value) -> Result<u64, BaseError> {
    schema
        .pointer("/properties/version/const")
        .and_then(Value::as_u64)
        .ok_or_else(|| BaseError::Version(name.to_owned()))
}

fn fact(
    name: &str,
    (old, from): (&Value, u64),
    (new, to): (&Value, u64),
    reads_version: &dyn Fn(&str, u64) -> bool,
) -> Row {
    if from == to {
        return unversioned(Kind::Fact, name, Some(old), Some(new));
    }
    let mut row = Row::fine(Kind::Fact, name);
    if to > from {
        row.old_reader_new_writer = Verdict::ReaderFirst;
        row.changes.push(Change {
            direction: Direction::OldReaderNewWriter,
            path: "$.version".to_owned(),
            problem: format!("the writer writes version {to}, the reader knows up to {from}"),
            advice: "update every reader before the first writer, and say so with \
                     --allow-new-version"
                .to_owned(),
        });
        if !reads_version(name, from) {
            row.refuse(
                Direction::NewReaderOldWriter,
                "$.version",
                format!("version {from} cannot be lifted to {to}"),
                format!(
                    "write an upcast from version {from} on; the log keeps such facts for good"
                ),
            );
        }
    } else {
        row.refuse(
            Direction::NewReaderOldWriter,
            "$.version",
            format!("the writer wrote version {from}, the reader knows up to {to}"),
            format!("go on with version {from} or a later one; the log keeps such facts for good"),
        );
    }
    row
}

/// A message within one version, or without versions.
fn unversioned(kind: Kind, name: &str, old: Option<&Value>, new: Option<&Value>) -> Row {
    let mut row = Row::fine(kind, name);
    match (old, new) {
        (Some(old), Some(new)) => {
            row.compare(Direction::OldReaderNewWriter, old, new);
            row.compare(Direction::NewReaderOldWriter, new, old);
        }
        (Some(_), None) => {
            let advice = match kind {
                Kind::Fact => "keep the type so that the log stays readable; stop stating it",
                Kind::Document => "keep the type as long as such documents are stored",
                Kind::Request => "go on answering until nobody asks any more",
            };
            row.refuse(
                Direction::NewReaderOldWriter,
                "$",
                "it is gone".to_owned(),
                advice.to_owned(),
            );
        }
        // What is new is addressed to nobody that is there already.
        (None, _) => {}
    }
    row
}

impl Row {
    fn fine(kind: Kind, name: &str) -> Self {
        Self {
            kind,
            name: name.to_owned(),
            base_version: None,
            this_version: None,
            old_reader_new_writer: Verdict::Yes,
            new_reader_old_writer: Verdict::Yes,
            changes: Vec::new(),
        }
    }

    fn compare(&mut self, direction: Direction, reader: &Value, writer: &Value) {
        for found in problems(reader, writer) {
            let advice = self.advice(direction, &found);
            self.refuse(direction, &found.path, found.what, advice);
        }
    }

    fn refuse(&mut self, direction: Direction, path: &str, problem: String, advice: String) {
        match direction {
            Direction::OldReaderNewWriter => self.old_reader_new_writer = Verdict::No,
            Direction::NewReaderOldWriter => self.new_reader_old_writer = Verdict::No,
        }
        self.changes.push(Change {
            direction,
            path: path.to_owned(),
            problem,
            advice,
        });
    }

    fn advice(&self, direction: Direction, found: &Problem) -> String {
        let first = match (direction, found.missing) {
            (Direction::OldReaderNewWriter, true) => "go on writing it always",
            (Direction::NewReaderOldWriter, true) => "make it optional",
            (Direction::OldReaderNewWriter, false) => "write only what was allowed before",
            (Direction::NewReaderOldWriter, false) => "accept all that was allowed before",
        };
        let or_else = match self.kind {
            Kind::Fact => "write a new version with an upcast",
            Kind::Document => "add a field or a document beside it",
            Kind::Request => "serve another subject beside it",
        };
        format!("{first}, or {or_else}")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn contract(version: u64, mut data: Value) -> Value {
        data["properties"]["version"] = json!({ "const": version });
        json!({ "facts": { "thing.done": data }, "documents": {}, "requests": {} })
    }

    fn required(version: u64, field: &str) -> Value {
        let data = json!({
            "type": "object",
            "properties": { field: { "type": "string" } },
            "required": ["version", field],
        });
        contract(version, data)
    }

    fn compared(old: &Value, new: &Value) -> Report {
        compare(old, new, &|_, _| true).unwrap()
    }

    fn verdicts(report: &Report) -> (Verdict, Verdict) {
        let row = &report.rows[0];
        (row.old_reader_new_writer, row.new_reader_old_writer)
    }

    #[test]
    fn todays_contract_agrees_with_itself() {
        let report = check(&schema::all()).unwrap();
        assert!(report.is_compatible(false));
        let documents = 5;
        let rows = FactType::ALL.len() + documents + 2 * schema::exchanges().len();
        assert_eq!(report.rows.len(), rows);
        assert!(report.rows.iter().all(|row| row.changes.is_empty()));
    }

    #[test]
    fn a_renamed_required_field_breaks_both_directions() {
        let report = compared(&required(1, "name"), &required(1, "title"));
        assert_eq!(verdicts(&report), (Verdict::No, Verdict::No));
        let told: Vec<_> = report.rows[0]
            .changes
            .iter()
            .map(|change| {
                (
                    change.direction,
                    change.path.as_str(),
                    change.advice.as_str(),
                )
            })
            .collect();
        let or_else = "or write a new version with an upcast";
        let keep = format!("go on writing it always, {or_else}");
        let optional = format!("make it optional, {or_else}");
        assert_eq!(
            told,
            [
                (Direction::OldReaderNewWriter, "$.name", keep.as_str()),
                (Direction::NewReaderOldWriter, "$.title", optional.as_str()),
            ]
        );
        assert!(!report.is_compatible(true));
    }

    #[test]
    fn a_new_version_needs_its_readers_first() {
        let (old, new) = (required(1, "name"), required(2, "title"));
        let report = compared(&old, &new);
        assert_eq!(verdicts(&report), (Verdict::ReaderFirst, Verdict::Yes));
        assert!(!report.is_compatible(false));
        assert!(report.is_compatible(true));

        let no_upcast = compare(&old, &new, &|_, _| false).unwrap();
        assert_eq!(verdicts(&no_upcast), (Verdict::ReaderFirst, Verdict::No));
        assert!(!no_upcast.is_compatible(true));

        let back = compared(&new, &old);
        assert_eq!(verdicts(&back), (Verdict::Yes, Verdict::No));
    }

    #[test]
    fn this_program_reads_the_versions_it_has_upcasts_for() {
        for fact in FactType::ALL {
            for version in 1..=u64::from(fact.version()) {
                assert!(reads_version(fact.as_str(), version), "{fact} {version}");
            }
            assert!(!reads_version(fact.as_str(), u64::from(fact.version()) + 1));
            assert!(!reads_version(fact.as_str(), 0));
        }
        assert!(!reads_version("thing.done", 1));
    }

    #[test]
    fn what_is_gone_breaks_and_what_is_new_does_not() {
        let none = json!({ "facts": {}, "documents": {}, "requests": {} });
        let one = required(1, "name");
        assert_eq!(
            verdicts(&compared(&one, &none)),
            (Verdict::Yes, Verdict::No)
        );
        assert_eq!(
            verdicts(&compared(&none, &one)),
            (Verdict::Yes, Verdict::Yes)
        );
        let mut asked = none.clone();
        asked["requests"]["ask"] = json!({ "request": {}, "reply": {} });
        assert!(!compared(&asked, &none).is_compatible(true));
        assert!(compared(&none, &asked).is_compatible(false));
    }

    #[test]
    fn a_base_of_another_form_is_refused() {
        assert_eq!(check(&json!({})), Err(BaseError::Form("facts")));
        let base = json!({ "facts": { "account.created": {} }, "documents": {} });
        let error = BaseError::Version("account.created".to_owned());
        assert_eq!(check(&base), Err(error));
    }
}
