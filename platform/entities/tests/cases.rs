//! The cases of `cases/*.txt`: one conversation a line, its entities in braces.
//!
//! `A:` and `C:` are agent and customer, ` | ` ends a turn, `{TYPE:text}` is an entity and
//! `{TYPE=value:text}` one whose canonical value is checked too. All entities must be found as
//! written, and no others.
#![allow(clippy::unwrap_used, reason = "a test may panic, its helpers too")]

use std::path::Path;

use colloquy_contract::transcript::{Role, Transcript, Turn, Word};
use colloquy_entities::Recognizers;

/// Type, value if given, turn, start in characters, text.
type Expected = (String, Option<String>, usize, usize, String);

fn turn(role: Role, text: &str, start_ms: u64) -> Turn {
    let words = text.split(' ').map(|word| Word {
        text: word.to_owned(),
        start_ms,
        end_ms: start_ms + 900,
        confidence: 1.0,
        digit_starts_ms: Vec::new(),
    });
    Turn::new(u16::from(role == Role::Customer), role, words.collect()).unwrap()
}

fn parse(case: &str) -> (Transcript, Vec<Expected>) {
    let mut turns = Vec::new();
    let mut expected = Vec::new();
    for (index, line) in case.split(" | ").enumerate() {
        let (role, mut rest) = line.split_once(": ").unwrap();
        let mut text = String::new();
        while let Some((before, after)) = rest.split_once('{') {
            text.push_str(before);
            let (entity, after) = after.split_once('}').unwrap();
            let typed = entity.find([':', '=']).unwrap();
            let (kind, named) = (&entity[..typed], &entity[typed + 1..]);
            let split = if entity.as_bytes()[typed] == b'=' {
                value_end(named)
            } else {
                None
            };
            let (value, named) = match split {
                Some(at) => (Some(named[..at].to_owned()), &named[at + 1..]),
                None => (None, named),
            };
            expected.push((
                kind.into(),
                value,
                index,
                text.chars().count(),
                named.to_owned(),
            ));
            text.push_str(named);
            rest = after;
        }
        text.push_str(rest);
        let role = if role == "A" {
            Role::Agent
        } else {
            Role::Customer
        };
        turns.push(turn(role, &text, index as u64 * 1000));
    }
    let transcript = Transcript {
        version: Transcript::VERSION,
        language: "en".into(),
        duration_ms: 60_000,
        model: "test".into(),
        channels: vec![Role::Agent, Role::Customer],
        turns,
    };
    (transcript, expected)
}

/// The colon behind the value: not the one of `https://`.
fn value_end(named: &str) -> Option<usize> {
    named
        .match_indices(':')
        .map(|(at, _)| at)
        .find(|at| !named[*at..].starts_with("://"))
}

fn found(transcript: &Transcript, expected: &[Expected]) -> Vec<Expected> {
    let mentions = Recognizers::new(None).recognize(transcript).mentions;
    let with_value = |turn, start| {
        expected
            .iter()
            .any(|e| e.2 == turn && e.3 == start && e.1.is_some())
    };
    mentions
        .into_iter()
        .map(|m| {
            let value = with_value(m.turn, m.start).then_some(m.value);
            (m.entity_type, value, m.turn, m.start, m.text)
        })
        .collect()
}

#[test]
fn every_case_is_found_as_written_and_nothing_else() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let (mut cases, mut failures) = (0, Vec::new());
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|f| f.unwrap().path())
        .collect();
    files.sort();
    for file in files {
        let name = file.file_stem().unwrap().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&file).unwrap();
        for case in text
            .lines()
            .filter(|line| !line.is_empty() && !line.starts_with('#'))
        {
            let (transcript, expected) = parse(case);
            let found = found(&transcript, &expected);
            cases += 1;
            if found != expected {
                failures.push(format!("{name}: {case}\n    found {found:?}"));
            }
        }
    }
    assert!(cases >= 150, "only {cases} cases");
    assert!(
        failures.is_empty(),
        "{} of {cases} fail:\n{}",
        failures.len(),
        failures.join("\n")
    );
}
