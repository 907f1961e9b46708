//! The sample calls: what is sensitive in them is covered by mentions.
//!
//! The truth beside each sample lists what was said. Types may differ (a full address is a
//! `LOCATION` there and a `STREET_ADDRESS` here): for privacy it counts that the words are found.
#![allow(clippy::unwrap_used, reason = "a test may panic, its helpers too")]

use std::path::Path;

use colloquy_contract::transcript::{Role, Transcript, Turn, Word};
use colloquy_entities::recognize;
use serde_json::Value;

/// Types that the patterns must find even where they are not sensitive.
const COVERED: &[&str] = &[
    "PERSON",
    "ORDER_NUMBER",
    "MONEY",
    "EMAIL_ADDRESS",
    "PHONE_NUMBER",
];

fn text(value: &Value, key: &str) -> String {
    value[key].as_str().unwrap_or_default().to_owned()
}

fn turn(turn: &Value) -> Turn {
    // The words of the truth have no punctuation; the text has.
    let said = text(turn, "text");
    let start_ms = turn["start_ms"].as_u64().unwrap_or(0);
    let words = said.split_whitespace().map(|word| Word {
        text: word.to_owned(),
        start_ms,
        end_ms: turn["end_ms"].as_u64().unwrap_or(start_ms),
        confidence: 1.0,
        digit_starts_ms: Vec::new(),
    });
    let role = match text(turn, "role").as_str() {
        "agent" => Role::Agent,
        "customer" => Role::Customer,
        _ => Role::Unknown,
    };
    let channel = turn["channel"].as_u64().unwrap_or(0);
    Turn::new(u16::try_from(channel).unwrap(), role, words.collect()).unwrap()
}

/// What of the truth in one file is not wholly covered, and how many must be.
fn missed(truth: &Value) -> (Vec<String>, usize) {
    let turns: Vec<Turn> = truth["turns"]
        .as_array()
        .unwrap()
        .iter()
        .map(turn)
        .collect();
    let transcript = Transcript {
        version: Transcript::VERSION,
        language: "en".into(),
        duration_ms: 0,
        model: "truth".into(),
        channels: vec![Role::Agent, Role::Customer],
        turns,
    };
    let mentions = recognize(&transcript).mentions;
    let (mut missed, mut wanted) = (Vec::new(), 0);
    for entity in truth["entities"].as_array().unwrap() {
        let (kind, spoken) = (text(entity, "type"), text(entity, "spoken"));
        if !(entity["sensitive"] == true || COVERED.contains(&kind.as_str())) {
            continue;
        }
        wanted += 1;
        let index = usize::try_from(entity["turn"].as_u64().unwrap()).unwrap();
        let said = &transcript.turns[index].text;
        let start = said[..said.find(&spoken).unwrap()].chars().count();
        let open = spoken.chars().enumerate().any(|(offset, c)| {
            let at = start + offset;
            let covered = |m: &&_| within(m, index, at);
            c.is_alphanumeric() && mentions.iter().find(covered).is_none()
        });
        if open {
            missed.push(format!("{kind}: {spoken} (in: {said})"));
        }
    }
    (missed, wanted)
}

fn within(mention: &colloquy_contract::entities::Mention, turn: usize, at: usize) -> bool {
    mention.turn == turn && (mention.start..mention.end).contains(&at)
}

#[test]
fn what_is_sensitive_in_the_samples_is_covered() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/samples");
    let mut total = 0;
    let mut failures = Vec::new();
    for file in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = file.path();
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let truth: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        if truth["turns"].is_array() && truth["entities"].is_array() {
            let (missed, wanted) = missed(&truth);
            total += wanted;
            failures.extend(
                missed
                    .into_iter()
                    .map(|m| format!("{}: {m}", path.display())),
            );
        }
    }
    assert!(
        failures.is_empty(),
        "{} of {total} missed:\n{}",
        failures.len(),
        failures.join("\n")
    );
}
