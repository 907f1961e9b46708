//! Tests of the module: what is replaced, what is refused, and what holds for any input.

use colloquy_contract::{
    entities::Mention,
    transcript::{Role, Turn, Word},
};
use rand::{Rng, SeedableRng, rngs::StdRng};

use super::*;

/// A turn whose words last 100 ms each, from `start_ms`.
fn turn(channel: u16, start_ms: u64, text: &str) -> Turn {
    let word = |(index, text): (usize, &str)| {
        let start_ms = start_ms + 100 * index as u64;
        let confidence = 0.9 - 0.1 * (index % 3) as f32;
        Word {
            text: text.to_owned(),
            start_ms,
            end_ms: start_ms + 100,
            confidence,
            digit_starts_ms: Vec::new(),
        }
    };
    let words = text.split(' ').enumerate().map(word).collect();
    Turn::new(channel, Role::Unknown, words).unwrap()
}

fn transcript(texts: &[&str]) -> Transcript {
    let turns: Vec<Turn> = texts
        .iter()
        .enumerate()
        .map(|(index, text)| turn(index as u16 % 2, 10_000 * index as u64, text))
        .collect();
    Transcript {
        version: 1,
        language: "en".to_owned(),
        duration_ms: 10_000 * texts.len() as u64,
        model: "test".to_owned(),
        channels: vec![Role::Agent, Role::Customer],
        turns,
    }
}

/// The mention of the first place in the turn that reads so.
fn mention(transcript: &Transcript, turn: usize, kind: &str, text: &str, value: &str) -> Mention {
    let whole = &transcript.turns[turn].text;
    let start = whole[..whole.find(text).unwrap()].chars().count();
    Mention {
        entity_type: kind.to_owned(),
        turn,
        start,
        end: start + text.chars().count(),
        text: text.to_owned(),
        value: value.to_owned(),
        score: 1.0,
        recognizer: "test".to_owned(),
    }
}

/// Anonymizes turns with mentions given as turn, type, text and value.
fn run(texts: &[&str], mentions: &[(usize, &str, &str, &str)]) -> Anonymized {
    let transcript = transcript(texts);
    let mentions = mentions
        .iter()
        .map(|&(turn, k, text, v)| mention(&transcript, turn, k, text, v))
        .collect();
    anonymize(
        &transcript,
        &Entities {
            version: 1,
            mentions,
        },
    )
    .unwrap()
}

fn texts(anonymized: &Anonymized) -> Vec<&str> {
    anonymized
        .transcript
        .turns
        .iter()
        .map(|turn| turn.text.as_str())
        .collect()
}

fn cuts(anonymized: &Anonymized) -> Vec<(u16, u64, u64)> {
    anonymized
        .cuts
        .iter()
        .map(|cut| (cut.channel, cut.start_ms, cut.end_ms))
        .collect()
}

#[test]
fn words_become_labels() {
    type Case<'a> = (&'a str, &'a [(usize, &'a str, &'a str, &'a str)], &'a str);
    let cases: &[Case<'_>] = &[
        ("hi there", &[], "hi there"),
        (
            "I am Jane Smith, hello.",
            &[(0, "PERSON", "Jane Smith", "")],
            "I am [PERSON_1], hello.",
        ),
        (
            "(Jane Smith) said",
            &[(0, "PERSON", "Jane Smith", "")],
            "([PERSON_1]) said",
        ),
        (
            "in Smith's house",
            &[(0, "PERSON", "Smith", "")],
            "in [PERSON_1]'s house",
        ),
        (
            "Jane Smith's dog",
            &[(0, "PERSON", "Jane Smith", "")],
            "[PERSON_1]'s dog",
        ),
        // The mention takes punctuation along: it stays in the text.
        (
            "Ask Jane, please",
            &[(0, "PERSON", "Jane,", "jane")],
            "Ask [PERSON_1], please",
        ),
        // The mention splits a word: the rest of it goes too.
        (
            "the Smithsons came",
            &[(0, "PERSON", "Smith", "")],
            "the [PERSON_1] came",
        ),
        (
            "it is 10am now",
            &[(0, "TIME", "10", "")],
            "it is [TIME_1] now",
        ),
        // Two mentions in a word, and a word shared by two mentions of several words.
        (
            "Ann/Bob",
            &[(0, "PERSON", "Ann", ""), (0, "PERSON", "Bob", "")],
            "[PERSON_1]/[PERSON_2]",
        ),
        (
            "Ann Lee/Bob Ray met",
            &[(0, "PERSON", "Bob Ray", ""), (0, "PERSON", "Ann Lee", "")],
            "[PERSON_1]/[PERSON_2] met",
        ),
        (
            "cost 500USD.",
            &[(0, "MONEY", "500", ""), (0, "UNIT", "USD", "")],
            "cost [MONEY_1][UNIT_1].",
        ),
        (
            "Zoë Müller ist da",
            &[(0, "person", "Zoë Müller", "")],
            "[PERSON_1] ist da",
        ),
        ("say ... now", &[(0, "X", "...", "")], "say [X_1] now"),
    ];
    for (text, mentions, expected) in cases {
        assert_eq!(texts(&run(&[text], mentions)), [*expected], "{text}");
    }
}

#[test]
fn equal_values_share_a_label_numbered_by_first_appearance() {
    let result = run(
        &["Bob here.", "Hello Robert, I am Ann.", "Ann from Oslo"],
        &[
            (2, "GPE", "Oslo", "oslo"),
            (2, "PERSON", "Ann", "ann"),
            (1, "PERSON", "Robert", "Bob"),
            (1, "PERSON", "Ann", "ANN "),
            (0, "PERSON", "Bob", "bob"),
        ],
    );
    let expected = [
        "[PERSON_1] here.",
        "Hello [PERSON_1], I am [PERSON_2].",
        "[PERSON_2] from [GPE_1]",
    ];
    assert_eq!(texts(&result), expected);
    assert_eq!(
        result.counts,
        BTreeMap::from([("GPE".to_owned(), 1), ("PERSON".to_owned(), 4)])
    );
    assert_eq!(result.swept, 0);
}

#[test]
fn one_word_stands_for_several_with_their_time_and_least_confidence() {
    let result = run(
        &["it is 4111 1111 1111 1111, yes"],
        &[(0, "CREDIT_CARD", "4111 1111 1111 1111", "4111111111111111")],
    );
    let words = &result.transcript.turns[0].words;
    assert_eq!(words.len(), 4);
    assert_eq!(words[2].text, "[CREDIT_CARD_1],");
    assert_eq!((words[2].start_ms, words[2].end_ms), (200, 600));
    assert!((words[2].confidence - 0.7).abs() < 1e-6);
    assert_eq!(cuts(&result), [(0, 200, 600)]);
}

#[test]
fn repetitions_are_replaced_and_cut_too() {
    type Case<'a> = (&'a str, &'a str, &'a str, &'a str, &'a str);
    let cases: &[Case<'_>] = &[
        (
            "other case",
            "PERSON",
            "Jane Smith",
            "that is jane smith's, no?",
            "that is [PERSON_1]'s, no?",
        ),
        (
            "digits apart",
            "CARD",
            "4111 2222",
            "so 41-11-22-22.",
            "so [CARD_1].",
        ),
        (
            "a single name",
            "PERSON",
            "Jane Smith",
            "thanks, Mrs Smith",
            "thanks, Mrs [PERSON_1]",
        ),
        (
            "part of a word",
            "PERSON",
            "Ann Lee",
            "an annual Leeway",
            "an annual Leeway",
        ),
        (
            "an everyday word",
            "PERSON",
            "Will",
            "I will, Will.",
            "I will, [PERSON_1].",
        ),
        ("a short value", "AGE", "42", "42 euros", "42 euros"),
        (
            "a common noun",
            "PERSON",
            "Adam Brown",
            "brown shoes",
            "brown shoes",
        ),
    ];
    for (name, kind, text, other, expected) in cases {
        let result = run(&[text, other], &[(0, kind, text, &text.to_lowercase())]);
        assert_eq!(texts(&result)[1], *expected, "{name}");
        let changed = other != expected;
        assert_eq!(result.swept, u32::from(changed), "{name}");
        assert_eq!(
            result.counts.values().sum::<u32>(),
            1 + result.swept,
            "{name}"
        );
        assert_eq!(
            cuts(&result).iter().any(|cut| cut.0 == 1),
            changed,
            "{name}"
        );
    }
    // The canonical value, where it differs from what was said.
    let result = run(
        &["I am Bob", "Robert it is"],
        &[(0, "PERSON", "Bob", "robert")],
    );
    assert_eq!(texts(&result), ["I am [PERSON_1]", "[PERSON_1] it is"]);
}

#[test]
fn what_does_not_fit_is_refused() {
    let transcript = transcript(&["I am Jane Smith", "hello"]);
    let good = mention(&transcript, 0, "PERSON", "Jane Smith", "jane smith");
    let with = |change: &dyn Fn(&mut Mention)| {
        let mut bad = good.clone();
        change(&mut bad);
        bad
    };
    let refused = |mentions: Vec<Mention>| {
        anonymize(
            &transcript,
            &Entities {
                version: 1,
                mentions,
            },
        )
        .unwrap_err()
    };
    let overlapping = mention(&transcript, 0, "PERSON", "Smith", "smith");
    use AnonymizeError as E;
    assert_eq!(
        refused(vec![with(&|m| m.turn = 2)]),
        E::NoTurn {
            mention: 0,
            turn: 2
        }
    );
    assert_eq!(
        refused(vec![with(&|m| m.turn = 1)]),
        E::Bounds {
            mention: 0,
            turn: 1,
            start: 5,
            end: 15
        }
    );
    assert_eq!(
        refused(vec![with(&|m| m.end = 5)]),
        E::Bounds {
            mention: 0,
            turn: 0,
            start: 5,
            end: 5
        }
    );
    assert_eq!(
        refused(vec![with(&|m| m.end = 4)]),
        E::Bounds {
            mention: 0,
            turn: 0,
            start: 5,
            end: 4
        }
    );
    assert_eq!(
        refused(vec![with(&|m| (m.start, m.end) = (4, 5))]),
        E::Bounds {
            mention: 0,
            turn: 0,
            start: 4,
            end: 5
        }
    );
    assert_eq!(
        refused(vec![with(&|m| m.start = 4)]),
        E::Stale {
            mention: 0,
            turn: 0
        }
    );
    assert_eq!(
        refused(vec![overlapping, good.clone()]),
        E::Overlap {
            mention: 0,
            turn: 0
        }
    );
    for kind in ["", "A B", "X]", "é"] {
        let bad = with(&|m| m.entity_type = kind.to_owned());
        assert_eq!(refused(vec![bad]), E::EntityType { mention: 0 });
    }
    let mut broken = transcript.clone();
    broken.turns[1].text.push('!');
    assert_eq!(
        anonymize(&broken, &Entities::default()),
        Err(E::Text { turn: 1 })
    );
    let mut timeless = transcript.clone();
    timeless.duration_ms = 0;
    timeless.turns[0] = Turn::new(
        0,
        Role::Agent,
        vec![Word {
            text: "Jane".to_owned(),
            start_ms: 0,
            end_ms: 0,
            confidence: 1.0,
            digit_starts_ms: Vec::new(),
        }],
    )
    .unwrap();
    let mentions = vec![mention(&timeless, 0, "PERSON", "Jane", "jane")];
    let entities = Entities {
        version: 1,
        mentions,
    };
    assert_eq!(anonymize(&timeless, &entities), Err(E::NoTime { turn: 0 }));
}

#[test]
fn an_empty_transcript_stays_empty() {
    let result = anonymize(&transcript(&[]), &Entities::default()).unwrap();
    assert_eq!(result.transcript, transcript(&[]));
    assert!(result.cuts.is_empty() && result.counts.is_empty());
}

/// Text of few different words with punctuation, so that values recur.
fn random_text(random: &mut StdRng) -> String {
    const WORDS: [&str; 14] = [
        "Jane",
        "Smith",
        "jane",
        "Smith's",
        "Müller,",
        "4111",
        "(22",
        "33)",
        "will",
        "hello.",
        "a-b",
        "İstanbul",
        "O'Neill",
        "[X_1]",
    ];
    let count = random.random_range(1..12);
    (0..count)
        .map(|_| WORDS[random.random_range(0..WORDS.len())])
        .collect::<Vec<_>>()
        .join(" ")
}

/// Mentions at random places, some of them inside words, none overlapping.
fn random_mentions(random: &mut StdRng, transcript: &Transcript) -> Vec<Mention> {
    let mut mentions = Vec::new();
    for (turn, text) in transcript.turns.iter().map(|turn| &turn.text).enumerate() {
        let chars: Vec<char> = text.chars().collect();
        let mut start = random.random_range(0..20);
        while start < chars.len() {
            let end = chars.len().min(start + random.random_range(1..14));
            let said: String = chars[start..end].iter().collect();
            if !said.trim().is_empty() {
                let mut mention = mention(transcript, turn, "PERSON", text, "");
                mention.entity_type = ["PERSON", "ORG"][random.random_range(0..2)].to_owned();
                (mention.start, mention.end) = (start, end);
                mention.value = said.to_lowercase();
                mention.text = said;
                mentions.push(mention);
            }
            start = end + random.random_range(0..20);
        }
    }
    mentions
}

/// What was not replaced is unchanged, what was replaced is labelled and its sound is cut.
fn assert_faithful(before: &Transcript, after: &Anonymized) {
    for (old, new) in before.turns.iter().zip(&after.transcript.turns) {
        assert_eq!(
            (old.channel, old.start_ms, old.end_ms),
            (new.channel, new.start_ms, new.end_ms)
        );
        assert_eq!(
            Turn::new(new.channel, new.role, new.words.clone()).as_ref(),
            Some(new)
        );
        for word in &new.words {
            let same = old.words.contains(word);
            assert!(same || !labels::find(&word.text.chars().collect::<Vec<_>>()).is_empty());
        }
        for word in old.words.iter().filter(|word| !new.words.contains(word)) {
            assert!(
                new.words
                    .iter()
                    .any(|w| w.start_ms <= word.start_ms && word.end_ms <= w.end_ms)
            );
            assert!(after.cuts.iter().any(|cut| cut.channel == old.channel
                && cut.start_ms <= word.start_ms
                && word.end_ms <= cut.end_ms));
        }
    }
}

#[test]
fn any_fitting_input_is_freed_of_its_mentions() {
    let mut random = StdRng::seed_from_u64(7);
    for _ in 0..3_000 {
        let texts: Vec<String> = (0..random.random_range(0..5))
            .map(|_| random_text(&mut random))
            .collect();
        let before = transcript(&texts.iter().map(String::as_str).collect::<Vec<_>>());
        let mentions = random_mentions(&mut random, &before);
        let entities = Entities {
            version: 1,
            mentions,
        };
        let after = anonymize(&before, &entities).unwrap();
        assert_faithful(&before, &after);
        assert_eq!(
            after.counts.values().sum::<u32>(),
            entities.mentions.len() as u32 + after.swept
        );
        let again = anonymize(&before, &entities).unwrap();
        assert_eq!(after, again, "anonymizing is deterministic");
    }
}
