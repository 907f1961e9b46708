//! What the poster says about a call, whichever way it comes: query parameters, form fields, or a
//! JSON document in the form.

use std::collections::BTreeMap;

use colloquy_contract::{
    facts::{CallInfo, Direction},
    transcript::Role,
    vocabulary::{self, Vocabulary},
};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::problem::Problem;

/// Longest reference of an agent or a customer, in characters.
const MAX_REFERENCE_CHARS: usize = 128;
/// Most labels of one call.
const MAX_LABELS: usize = 32;
/// Longest key of a label, in characters.
const MAX_LABEL_KEY_CHARS: usize = 64;
/// Longest value of a label, in characters.
const MAX_LABEL_VALUE_CHARS: usize = 256;
/// Most channels that can have a role; decoding takes no more.
const MAX_CHANNELS: usize = 8;
/// How far in the future a call may begin: clocks differ.
const MAX_CLOCK_SKEW: SignedDuration = SignedDuration::from_hours(24);

/// Names of the fields, for messages.
const FIELDS: &str =
    "agent, customer, direction, started_at, channel_roles, language, vocabulary, label";

/// Collects and validates the metadata, field by field.
#[derive(Debug, Default)]
pub(crate) struct Draft {
    agent: Option<String>,
    customer: Option<String>,
    direction: Option<Direction>,
    started_at: Option<Timestamp>,
    channel_roles: Option<Vec<Role>>,
    language: Option<String>,
    vocabulary: Vec<String>,
    labels: BTreeMap<String, String>,
}

impl Draft {
    /// Takes a field as text. Each may come once, `label` several times as `key:value`,
    /// `vocabulary` several times with one term or several.
    pub(crate) fn set(&mut self, name: &str, value: &str) -> Result<(), Problem> {
        let value = value.trim();
        match name {
            "agent" => once(&mut self.agent, name, reference(name, value)?),
            "customer" => once(&mut self.customer, name, reference(name, value)?),
            "direction" => once(&mut self.direction, name, direction(value)?),
            "started_at" => once(&mut self.started_at, name, started_at(value)?),
            "channel_roles" => {
                let roles = value.split(',').map(role).collect::<Result<_, _>>()?;
                once(&mut self.channel_roles, name, channel_roles(roles)?)
            }
            "language" => once(&mut self.language, name, language(value)?),
            "vocabulary" => self.expect(value.split([',', '\n'])),
            "label" => {
                let (key, value) = value.split_once(':').ok_or_else(|| {
                    Problem::invalid("'label' takes key:value, such as label=campaign:autumn.")
                })?;
                self.label(key, value)
            }
            _ => Err(unknown()),
        }
    }

    /// Takes a JSON document with the same fields; `labels` is an object, `channel_roles` and
    /// `vocabulary` are arrays or texts.
    pub(crate) fn set_json(&mut self, text: &[u8]) -> Result<(), Problem> {
        let document: Value = serde_json::from_slice(text).map_err(|error| {
            Problem::bad_request(format!(
                "The part 'metadata' is not valid JSON (line {}, column {}).",
                error.line(),
                error.column()
            ))
        })?;
        let Value::Object(fields) = document else {
            return Err(Problem::invalid("The part 'metadata' takes a JSON object."));
        };
        for (name, value) in &fields {
            match (name.as_str(), value) {
                (_, Value::Null) => {}
                ("labels", Value::Object(labels)) => {
                    for (key, value) in labels {
                        self.label(key, text_of("labels", value)?)?;
                    }
                }
                ("labels", _) => {
                    return Err(Problem::invalid("'labels' takes an object of texts."));
                }
                ("channel_roles", Value::Array(roles)) => {
                    let read = |value| text_of("channel_roles", value).and_then(role);
                    let roles = roles.iter().map(read).collect::<Result<_, _>>()?;
                    once(&mut self.channel_roles, name, channel_roles(roles)?)?;
                }
                ("vocabulary", Value::Array(terms)) => {
                    let read = |value| text_of("vocabulary", value);
                    let terms = terms.iter().map(read).collect::<Result<Vec<_>, _>>()?;
                    self.expect(terms)?;
                }
                ("label", _) => return Err(unknown()),
                (name, value) => self.set(name, text_of(name, value)?)?,
            }
        }
        Ok(())
    }

    /// The vocabulary, which goes into the vault and not into the fact.
    pub(crate) fn take_vocabulary(&mut self) -> Vec<String> {
        std::mem::take(&mut self.vocabulary)
    }

    /// The metadata as it goes into the fact.
    pub(crate) fn into_call(self, received_at: Timestamp) -> CallInfo {
        CallInfo {
            received_at,
            agent: self.agent,
            customer: self.customer,
            direction: self.direction,
            started_at: self.started_at,
            language: self.language,
            channel_roles: self.channel_roles.unwrap_or_default(),
            labels: self.labels,
        }
    }

    fn expect<'a>(&mut self, terms: impl IntoIterator<Item = &'a str>) -> Result<(), Problem> {
        let mut all = self.take_vocabulary();
        all.extend(terms.into_iter().map(str::to_owned));
        self.vocabulary = vocabulary::terms(all).map_err(|error| {
            Problem::invalid(format!(
                "'vocabulary' lists names and terms to expect, parted by commas: {error}."
            ))
        })?;
        Ok(())
    }

    fn label(&mut self, key: &str, value: &str) -> Result<(), Problem> {
        let (key, value) = (key.trim(), value.trim());
        let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
        if key.is_empty() || key.len() > MAX_LABEL_KEY_CHARS || !key.chars().all(legal) {
            return Err(Problem::invalid(format!(
                "The key of a label has 1 to {MAX_LABEL_KEY_CHARS} of A-Z, a-z, 0-9, '_', '-', '.'."
            )));
        }
        if value.chars().count() > MAX_LABEL_VALUE_CHARS || value.chars().any(char::is_control) {
            return Err(Problem::invalid(format!(
                "The value of a label has at most {MAX_LABEL_VALUE_CHARS} printable characters."
            )));
        }
        if self
            .labels
            .insert(key.to_owned(), value.to_owned())
            .is_some()
        {
            return Err(Problem::invalid(
                "A label's key is there twice; each may come once.",
            ));
        }
        if self.labels.len() > MAX_LABELS {
            return Err(Problem::invalid(format!(
                "A call has at most {MAX_LABELS} labels."
            )));
        }
        Ok(())
    }
}

/// The document of a vocabulary, if there is one. The same terms with the same salt are the same
/// document.
pub(crate) fn document(terms: Vec<String>, salt: &str) -> Option<Vec<u8>> {
    if terms.is_empty() {
        return None;
    }
    let document = Vocabulary {
        version: Vocabulary::VERSION,
        salt: salt.to_owned(),
        terms,
    };
    // Texts are always JSON.
    serde_json::to_vec(&document).ok()
}

/// A digest of all metadata but the time of acceptance, to tell a repetition from something new.
/// Of a vocabulary that is the document, salt included.
pub(crate) fn fingerprint(call: &CallInfo, vocabulary: Option<&[u8]>) -> String {
    let timeless = CallInfo {
        received_at: Timestamp::UNIX_EPOCH,
        ..call.clone()
    };
    // A struct of texts and a sorted map is always JSON, and always the same JSON.
    let mut digest = Sha256::new_with_prefix(serde_json::to_vec(&timeless).unwrap_or_default());
    digest.update(vocabulary.unwrap_or_default());
    hex::encode(digest.finalize())
}

fn once<T>(field: &mut Option<T>, name: &str, value: T) -> Result<(), Problem> {
    if field.replace(value).is_some() {
        return Err(Problem::invalid(format!(
            "The field '{name}' is there twice; send it once."
        )));
    }
    Ok(())
}

fn unknown() -> Problem {
    Problem::invalid(format!(
        "A field is unknown. The metadata has: {FIELDS} (in JSON: labels, an object)."
    ))
}

fn text_of<'a>(name: &str, value: &'a Value) -> Result<&'a str, Problem> {
    let refused = || Problem::invalid(format!("The field '{name}' takes a text."));
    value.as_str().ok_or_else(refused)
}

fn reference(name: &str, value: &str) -> Result<String, Problem> {
    let legal = |c: char| c.is_alphanumeric() || " ._:@/+-#".contains(c);
    if value.is_empty() || value.chars().count() > MAX_REFERENCE_CHARS || !value.chars().all(legal)
    {
        return Err(Problem::invalid(format!(
            "'{name}' has 1 to {MAX_REFERENCE_CHARS} letters, digits, spaces or . _ : @ / + - #. \
             Use a reference of your own systems, not a name or a number of a person."
        )));
    }
    Ok(value.to_owned())
}

fn direction(value: &str) -> Result<Direction, Problem> {
    match value {
        "inbound" => Ok(Direction::Inbound),
        "outbound" => Ok(Direction::Outbound),
        _ => Err(Problem::invalid("'direction' is inbound or outbound.")),
    }
}

fn started_at(value: &str) -> Result<Timestamp, Problem> {
    // In a query string a '+' that was not encoded has become a space.
    let started: Option<Timestamp> = value.replace(' ', "+").parse().ok();
    let latest = Timestamp::now()
        .saturating_add(MAX_CLOCK_SKEW)
        .unwrap_or(Timestamp::MAX);
    started
        .filter(|at| (Timestamp::UNIX_EPOCH..=latest).contains(at))
        .ok_or_else(|| {
            Problem::invalid(
                "'started_at' is a time in the past as RFC 3339, such as 2026-11-21T09:30:00Z.",
            )
        })
}

fn role(value: &str) -> Result<Role, Problem> {
    match value.trim() {
        "agent" => Ok(Role::Agent),
        "customer" => Ok(Role::Customer),
        "unknown" => Ok(Role::Unknown),
        _ => Err(Problem::invalid(
            "'channel_roles' lists agent, customer or unknown for each channel, such as \
             agent,customer.",
        )),
    }
}

fn channel_roles(roles: Vec<Role>) -> Result<Vec<Role>, Problem> {
    if roles.is_empty() || roles.len() > MAX_CHANNELS {
        return Err(Problem::invalid(format!(
            "'channel_roles' lists 1 to {MAX_CHANNELS} roles, one for each channel."
        )));
    }
    Ok(roles)
}

fn language(value: &str) -> Result<String, Problem> {
    if value.len() != 2 || !value.bytes().all(|c| c.is_ascii_alphabetic()) {
        return Err(Problem::invalid(
            "'language' is an ISO 639-1 code of two letters, such as en.",
        ));
    }
    Ok(value.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drafted(fields: &[(&str, &str)]) -> Result<CallInfo, Problem> {
        let mut draft = Draft::default();
        for (name, value) in fields {
            draft.set(name, value)?;
        }
        Ok(draft.into_call(Timestamp::UNIX_EPOCH))
    }

    #[test]
    fn text_and_json_say_the_same() {
        let text = drafted(&[
            ("agent", "a-17"),
            ("direction", "inbound"),
            ("started_at", "2026-01-02T03:04:05+00:00"),
            ("channel_roles", "agent, customer"),
            ("language", "EN"),
            ("label", "campaign:autumn"),
            ("label", "site:b:2"),
        ])
        .unwrap();
        let mut draft = Draft::default();
        draft
            .set_json(
                br#"{"labels":{"site":"b:2","campaign":"autumn"},"language":"en","agent":"a-17",
                     "channel_roles":["agent","customer"],"direction":"inbound","customer":null,
                     "started_at":"2026-01-02T03:04:05Z"}"#,
            )
            .unwrap();
        let json = draft.into_call(Timestamp::now());
        assert_eq!(fingerprint(&text, None), fingerprint(&json, None));
        assert_eq!(text.labels["site"], "b:2");
        assert_eq!(text.channel_roles, [Role::Agent, Role::Customer]);
    }

    #[test]
    fn a_vocabulary_is_gathered_and_kept_out_of_the_fact() {
        let mut draft = Draft::default();
        draft.set("vocabulary", "Zoë Müller, Frobnicator").unwrap();
        draft.set("vocabulary", "Zoë Müller\nAcme").unwrap();
        draft
            .set_json(br#"{"vocabulary":["Acme","Gizmo"]}"#)
            .unwrap();
        draft.set_json(br#"{"vocabulary":"One, Two"}"#).unwrap();
        let terms = draft.take_vocabulary();
        assert_eq!(
            terms,
            ["Zoë Müller", "Frobnicator", "Acme", "Gizmo", "One", "Two"]
        );
        let call = draft.into_call(Timestamp::UNIX_EPOCH);
        assert!(!serde_json::to_string(&call).unwrap().contains("Frob"));
        let many = "term,".repeat(10) + &(0..200).map(|n| format!("t{n},")).collect::<String>();
        let refused = Draft::default().set("vocabulary", many.trim_end_matches(','));
        assert!(refused.is_err(), "201 terms");
        let refused = Draft::default().set_json(br#"{"vocabulary":[1]}"#);
        assert!(refused.is_err());
    }

    #[test]
    fn what_cannot_be_used_is_refused() {
        let long = "x".repeat(129);
        for (name, value) in [
            ("agent", ""),
            ("agent", long.as_str()),
            ("customer", "<b>"),
            ("direction", "up"),
            ("started_at", "2026-01-02"),
            ("started_at", "2999-01-02T03:04:05Z"),
            ("channel_roles", "agent,boss"),
            (
                "channel_roles",
                "agent,agent,agent,agent,agent,agent,agent,agent,agent",
            ),
            ("language", "eng"),
            ("label", "nokey"),
            ("label", "bad key:x"),
            ("label", "k:\u{7}"),
            ("vocabulary", ""),
            ("vocabulary", "Ann,,Zoë"),
            ("vocabulary", "<|notimestamps|>"),
            ("colour", "blue"),
        ] {
            assert!(drafted(&[(name, value)]).is_err(), "{name}={value}");
        }
        assert!(drafted(&[("agent", "a"), ("agent", "a")]).is_err());
        assert!(drafted(&[("label", "a:1"), ("label", "a:2")]).is_err());
        let mut draft = Draft::default();
        let labels: Vec<String> = (0..=MAX_LABELS).map(|n| format!("k{n}:v")).collect();
        let refused = labels
            .iter()
            .filter(|label| draft.set("label", label).is_err())
            .count();
        assert_eq!(refused, 1);
    }

    #[test]
    fn json_must_be_an_object_of_known_fields() {
        for bad in [
            "",
            "[]",
            "{\"x\":1}",
            "{\"agent\":1}",
            "{\"labels\":[]}",
            "{\"label\":\"a:b\"}",
        ] {
            assert!(Draft::default().set_json(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    #[test]
    fn fingerprints_tell_metadata_apart() {
        let one = drafted(&[("agent", "a")]).unwrap();
        let other = drafted(&[("agent", "b")]).unwrap();
        assert_ne!(fingerprint(&one, None), fingerprint(&other, None));
        let terms = || vec!["Zoë".to_owned()];
        let document = |salt: &str| document(terms(), salt).unwrap();
        let told = fingerprint(&one, Some(&document("a")));
        assert_eq!(told, fingerprint(&one, Some(&document("a"))));
        assert_ne!(told, fingerprint(&one, Some(&document("b"))));
        assert_ne!(told, fingerprint(&one, None));
        assert!(super::document(Vec::new(), "a").is_none());
    }
}
