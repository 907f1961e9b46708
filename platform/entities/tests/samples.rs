//! The sample calls: what is sensitive in them is covered by mentions.
//!
//! The truth beside each sample lists what was said. Types may differ (a full address is a
//! `LOCATION` there and a `STREET_ADDRESS` here): for privacy it counts that the words are found.
#![allow(clippy::unwrap_used, reason = "a test may panic, its helpers too")]

use std::path::Path;

use colloquy_contract::transcript::{Role, Transcript, Turn, Word};
use colloquy_entities::Recognizers;
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

fn transcript(truth: &Value) -> Transcript {
    let turns = truth["turns"].as_array().unwrap().iter().map(turn);
    let turns: Vec<Turn> = turns.collect();
    Transcript {
        version: Transcript::VERSION,
        language: "en".into(),
        duration_ms: 0,
        model: "truth".into(),
        channels: vec![Role::Agent, Role::Customer],
        turns,
    }
}

/// What of the truth in one file is not wholly covered, and how many must be.
fn missed(recognizers: &Recognizers, truth: &Value) -> (Vec<String>, usize) {
    let transcript = transcript(truth);
    let mentions = recognizers.recognize(&transcript).mentions;
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

/// The truth of each sample, by its file.
fn samples() -> Vec<(String, Value)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/samples");
    let files = std::fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().path());
    let truths = files.filter(|path| path.extension().is_some_and(|e| e == "json"));
    let truths = truths.map(|path| {
        let truth = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        (path.display().to_string(), truth)
    });
    let is_sample =
        |(_, truth): &(String, Value)| truth["turns"].is_array() && truth["entities"].is_array();
    truths.filter(is_sample).collect()
}

fn with_model() -> Recognizers {
    let cache = colloquy_assets::Cache::locate().unwrap();
    let manifest = colloquy_assets::Manifest::embedded().unwrap();
    let folder = cache.require(&manifest, "spacy-en-core-web-md");
    let folder = folder.expect("deploy/setup.sh fetches the model");
    Recognizers::new(Some(colloquy_ner::Ner::load(&folder).unwrap()))
}

fn all_is_covered(recognizers: &Recognizers) {
    let mut total = 0;
    let mut failures = Vec::new();
    for (path, truth) in samples() {
        let (missed, wanted) = missed(recognizers, &truth);
        total += wanted;
        failures.extend(missed.into_iter().map(|m| format!("{path}: {m}")));
    }
    assert!(total > 50, "only {total}");
    assert!(
        failures.is_empty(),
        "{} of {total} missed:\n{}",
        failures.len(),
        failures.join("\n")
    );
}

#[test]
fn what_is_sensitive_in_the_samples_is_covered() {
    all_is_covered(&Recognizers::new(None));
    all_is_covered(&with_model());
}

/// Types that tell nothing of a person by themselves.
const HARMLESS: &[&str] = &["ORGANIZATION", "NRP", "DATE_TIME", "MONEY", "TITLE"];

#[test]
fn little_else_in_the_samples_is_taken_for_personal() {
    let recognizers = with_model();
    let (mut all, mut other) = (0, Vec::new());
    for (_, truth) in samples() {
        let transcript = transcript(&truth);
        let mentions = recognizers.recognize(&transcript).mentions;
        let mentions: Vec<_> = mentions
            .into_iter()
            .filter(|mention| !HARMLESS.contains(&mention.entity_type.as_str()))
            .collect();
        for (index, turn) in transcript.turns.iter().enumerate() {
            let told = truth["entities"].as_array().unwrap().iter();
            let told = told.filter(|entity| entity["turn"] == index);
            let told: Vec<String> = told.map(|entity| text(entity, "spoken")).collect();
            for (word, span) in turn.words.iter().zip(turn.word_spans()) {
                all += 1;
                let bare = word.text.trim_matches(|c: char| !c.is_alphanumeric());
                let expected = told.iter().any(|spoken| spoken.contains(bare));
                let covered = |at: usize| mentions.iter().any(|m| within(m, index, at));
                if !expected && span.into_iter().any(covered) {
                    other.push(word.text.clone());
                }
            }
        }
    }
    assert!(all > 1_000);
    assert!(
        other.len() * 20 <= all,
        "{} of {all} words: {other:?}",
        other.len()
    );
}
