//! Ours beside Python spaCy, whose results on 3,500 texts are in a file that
//! `tests/golden/make.py` writes: two thousand sentences, and strings to break tokenizers with.
//!
//! `COLLOQUY_NER_GOLDEN` may name another file, made with another seed or model, and
//! `COLLOQUY_NER_MODEL` the folder of that model.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "tests"
)]

use colloquy_ner::{Entity, Ner};
use serde_json::Value;

/// What the file says of a text, in characters.
struct Golden {
    text: String,
    tokens: Vec<(usize, usize)>,
    entities: Option<Vec<(usize, usize, String)>>,
}

fn golden() -> Vec<Golden> {
    let usual = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/golden.jsonl");
    let path = std::env::var("COLLOQUY_NER_GOLDEN").unwrap_or_else(|_| usual.to_owned());
    let lines = std::fs::read_to_string(path).unwrap();
    let texts = lines.lines().skip(1).map(|line| {
        let line: Value = serde_json::from_str(line).unwrap();
        let mut at = 0;
        let tokens = line["k"].as_array().unwrap().iter().map(|token| {
            let token = token.as_u64().unwrap() as usize;
            let (start, end) = (at, at + token / 2);
            at = end + token % 2;
            (start, end)
        });
        let tokens = tokens.collect();
        let entities = line["e"].as_array().map(|entities| {
            let entity = |entity: &Value| {
                let at = |index: usize| entity[index].as_u64().unwrap() as usize;
                (at(0), at(1), entity[2].as_str().unwrap().to_owned())
            };
            entities.iter().map(entity).collect()
        });
        Golden {
            text: line["t"].as_str().unwrap().to_owned(),
            tokens,
            entities,
        }
    });
    texts.collect()
}

fn ner() -> Ner {
    if let Ok(folder) = std::env::var("COLLOQUY_NER_MODEL") {
        return Ner::load(folder.as_ref()).unwrap();
    }
    let cache = colloquy_assets::Cache::locate().unwrap();
    let manifest = colloquy_assets::Manifest::embedded().unwrap();
    let folder = cache.require(&manifest, "spacy-en-core-web-md");
    Ner::load(&folder.expect("deploy/setup.sh fetches the model")).unwrap()
}

fn triple(entity: &Entity) -> (usize, usize, String) {
    (
        entity.chars.start,
        entity.chars.end,
        entity.label.to_string(),
    )
}

#[test]
fn same_tokens_as_python() {
    let ner = ner();
    let golden = golden();
    let mut wrong = 0;
    for Golden { text, tokens, .. } in &golden {
        let chars = |byte: usize| text[..byte].chars().count();
        let ours: Vec<_> = ner
            .tokens(text)
            .into_iter()
            .map(|at| (chars(at.start), chars(at.end)))
            .collect();
        if ours != *tokens {
            wrong += 1;
            println!("{text:?}\n  ours {ours:?}\n  spaCy {tokens:?}");
        }
    }
    println!(
        "{} of {} texts have the same tokens",
        golden.len() - wrong,
        golden.len()
    );
    assert!(
        wrong * 1_000 <= golden.len(),
        "{wrong} texts have other tokens"
    );
}

#[test]
fn same_entities_as_python() {
    let ner = ner();
    let golden = golden();
    assert!(ner.name().starts_with("en_core_web_"), "{}", ner.name());
    let sentences: Vec<_> = golden
        .iter()
        .filter_map(|text| Some((&text.text, text.entities.as_ref()?)))
        .collect();
    assert!(sentences.len() >= 2_000);
    let mut labels = std::collections::BTreeSet::new();
    let mut wrong = 0;
    for (text, expected) in &sentences {
        let ours = ner.entities(text);
        let found: Vec<_> = ours.iter().map(triple).collect();
        labels.extend(ours.iter().map(|entity| entity.label));
        for entity in &ours {
            let by_chars: String = text
                .chars()
                .take(entity.chars.end)
                .skip(entity.chars.start)
                .collect();
            assert_eq!(by_chars, text[entity.bytes.clone()]);
        }
        if found != **expected {
            wrong += 1;
            println!("{text:?}\n  ours {found:?}\n  spaCy {expected:?}");
        }
    }
    let rate = 100.0 * (sentences.len() - wrong) as f64 / sentences.len() as f64;
    println!(
        "{rate:.2} % of {} sentences have the same entities",
        sentences.len()
    );
    assert_eq!(
        labels.len(),
        colloquy_ner::Label::ALL.len(),
        "the sentences have every kind"
    );
    assert!(rate >= 99.5, "{rate:.2} %");
}
