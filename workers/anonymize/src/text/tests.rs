//! Tests of the module: what is replaced, what is refused, and what holds for any input.

use colloquy_contract::{
    entities::Mention,
    transcript::{Role, Turn, Word},
};
use rand::{Rng, SeedableRng, rngs::StdRng};

use super::*;
use crate::policy::Policies;

/// By a policy that redacts whatever is found.
fn anonymize(transcript: &Transcript, entities: &Entities) -> Result<Anonymized, AnonymizeError> {
    let policy = Policy::strictest();
    super::anonymize(transcript, entities, &treatment(&policy))
}

fn treatment(policy: &Policy) -> Treatment<'_> {
    Treatment {
        policy,
        account: "acme",
    }
}

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
        "well,",
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
            assert!(same || !labels::marks(&word.text.chars().collect::<Vec<_>>()).is_empty());
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

/// The texts of turns by the policy of an account.
fn by_policy(
    file: &str,
    texts: &[&str],
    mentions: &[(usize, &str, &str, &str, f32)],
) -> Vec<String> {
    let key = crate::policy::Key::new("0123456789abcdef").unwrap();
    let policies = Policies::parse(file, Some(&key)).unwrap();
    let policy = policies.of(&"acme".parse().unwrap());
    let transcript = transcript(texts);
    let mentions = mentions
        .iter()
        .map(|&(turn, kind, text, value, score)| Mention {
            score,
            ..mention(&transcript, turn, kind, text, value)
        })
        .collect();
    let entities = Entities {
        version: 1,
        mentions,
    };
    let result = super::anonymize(&transcript, &entities, &treatment(policy)).unwrap();
    assert_faithful(&transcript, &result);
    // Once more, with mentions that reach into what was replaced.
    let reaching = result.transcript.turns.iter().enumerate();
    let mentions = reaching
        .map(|(turn, at)| Mention {
            entity_type: "PERSON".to_owned(),
            turn,
            start: 0,
            end: at.text.chars().count(),
            text: at.text.clone(),
            value: at.text.clone(),
            score: 1.0,
            recognizer: "test".to_owned(),
        })
        .filter(|mention| mention.text.starts_with(['[', '*']))
        .filter(|mention| !mention.text.contains(' '))
        .collect();
    let entities = Entities {
        version: 1,
        mentions,
    };
    let again = super::anonymize(&result.transcript, &entities, &treatment(policy)).unwrap();
    assert_eq!(again.transcript, result.transcript, "{file}");
    let turns = result.transcript.turns.into_iter();
    turns.map(|turn| turn.text).collect()
}

#[test]
fn a_policy_says_what_becomes_of_a_value() {
    let texts = [
        "Jane Smith, 4263 9826 4026 9299, code 738.",
        "at Acme on Monday",
    ];
    let mentions = [
        (0, "PERSON", "Jane Smith", "jane smith", 0.9),
        (
            0,
            "CREDIT_CARD",
            "4263 9826 4026 9299",
            "4263982640269299",
            0.9,
        ),
        (0, "CVV", "738", "738", 0.9),
        (1, "ORGANIZATION", "Acme", "acme", 0.9),
        (1, "DATE_TIME", "Monday", "monday", 0.3),
    ];
    let types = |lines: &str| format!("[default.types]\n{lines}");
    for (file, first, second) in [
        (
            types("DATE_TIME = \"keep\""),
            "[PERSON_1], [CREDIT_CARD_1], code [CVV_1].",
            "at Acme on Monday",
        ),
        (
            types("CREDIT_CARD = \"last4\"\nCVV = \"last4\"\nPERSON = \"mask\""),
            "****, ****9299, code ****.",
            "",
        ),
        (
            types("PERSON = \"hash\"\nCREDIT_CARD = \"keep\""),
            "[PERSON_29A2F43AC2F8], 4263 9826 4026 9299, code [CVV_1].",
            "",
        ),
        (
            types(
                "ORGANIZATION = \"label\"\n\
                 DATE_TIME = { action = \"label\", threshold = 0.5 }",
            ),
            "",
            "at [ORGANIZATION_1] on Monday",
        ),
    ] {
        let made = by_policy(&file, &texts, &mentions);
        for (made, expected) in made.iter().zip([first, second]) {
            // A token's digits are the key's matter, its form is ours.
            let plain = |text: &str| match (text.find("[PERSON_"), text.find(']')) {
                (Some(start), Some(end)) if end - start == 20 => {
                    format!("{}#{}", &text[..start], &text[end + 1..])
                }
                _ => text.to_owned(),
            };
            assert!(
                expected.is_empty() || plain(made) == plain(expected),
                "{file}: {made}"
            );
        }
    }
}

#[test]
fn lists_say_what_stays_and_what_goes_whatever_is_found() {
    let file = r##"
        [default]
        allow = ["Miller Lite", "Chase"]
        deny = ["Project Nightingale", "AC-###"]
    "##;
    let mentions = [
        (0, "PERSON", "Miller", "ann miller", 0.9),
        (1, "PERSON", "Miller", "ann miller", 0.9),
        (1, "PERSON", "Chase", "chase", 0.9),
    ];
    let texts = [
        "Ms Miller of project nightingale, AC-123",
        "a Miller Lite for Chase, a c 1 2 3, AC-1234",
    ];
    let made = by_policy(file, &texts, &mentions);
    assert_eq!(made[0], "Ms [PERSON_1] of [CUSTOM_1], [CUSTOM_2]");
    assert_eq!(made[1], "a Miller Lite for Chase, [CUSTOM_2], AC-1234");
    // What is denied is not saved by an allow list.
    let both = "[default]\nallow = [\"Acme Group\"]\ndeny = [\"Acme\"]";
    let made = by_policy(both, &["the Acme Group, Acme"], &[]);
    assert_eq!(made, ["the [CUSTOM_1] Group, [CUSTOM_1]"]);
    // A finding and a denied word that meet go as one.
    let made = by_policy(
        "[default]\ndeny = [\"Smith case\"]",
        &["the Jane Smith case now"],
        &[(0, "PERSON", "Jane Smith", "jane smith", 0.9)],
    );
    assert_eq!(made, ["the [PERSON_1] now"]);
}

#[test]
fn what_the_recognizers_find_in_the_result_goes_too() {
    let before = transcript(&["call Bob or Rob Roy", "Rob, yes"]);
    let entities = Entities {
        version: 1,
        mentions: vec![mention(&before, 0, "PERSON", "Bob", "bob")],
    };
    // It sees the other name only once the first is gone.
    let recognize: Recognize = std::sync::Arc::new(|read: &Transcript| {
        let names = ["Rob Roy", "[PERSON_1]"];
        let sees = !read.turns[0].text.contains("Bob");
        let found = names
            .iter()
            .filter(|name| sees && read.turns[0].text.contains(**name));
        Entities {
            version: 1,
            mentions: found
                .map(|name| mention(read, 0, "PERSON", name, &name.to_lowercase()))
                .collect(),
        }
    });
    let policy = Policy::default();
    let made = anonymize_thoroughly(&before, &entities, &treatment(&policy), &recognize).unwrap();
    assert_eq!(texts(&made), ["call [PERSON_1] or [PERSON_2]", "Rob, yes"]);
    assert_eq!(cuts(&made), [(0, 100, 200), (0, 300, 500)]);

    // One that is never content ends in an error, not in a result.
    let restless: Recognize = std::sync::Arc::new(|read: &Transcript| {
        let mut mentions = Vec::new();
        for (index, turn) in read.turns.iter().enumerate() {
            let words = turn.words.iter().zip(turn.word_spans());
            let left = words.filter(|(word, _)| word.text != "…").take(1);
            mentions.extend(left.map(|(word, span)| Mention {
                start: span.start,
                end: span.end,
                ..mention(read, index, "PERSON", &word.text, &word.text)
            }));
        }
        Entities {
            version: 1,
            mentions,
        }
    });
    let long = "a1 b2 c3 d4 e5 f6 g7 h8 i9 j10 k11 l12";
    let result = anonymize_thoroughly(
        &transcript(&[long]),
        &Entities::default(),
        &treatment(&policy),
        &restless,
    );
    assert_eq!(result, Err(AnonymizeError::Restless { rounds: 8 }));
}

/// Runs of letters and digits outside of labels.
fn runs(text: &str) -> Vec<String> {
    let chars: Vec<char> = text.chars().collect();
    let found = tokens::tokens(&chars, &labels::marks(&chars));
    found
        .into_iter()
        .map(|token| chars[token.range].iter().collect())
        .collect()
}

#[test]
fn nothing_of_an_entity_is_left_and_anonymizing_again_changes_nothing() {
    let mut random = StdRng::seed_from_u64(19);
    for _ in 0..2_000 {
        let count = random.random_range(1..4);
        let texts: Vec<String> = (0..count).map(|_| random_text(&mut random)).collect();
        let before = transcript(&texts.iter().map(String::as_str).collect::<Vec<_>>());
        let mentions = random_mentions(&mut random, &before);
        let entities = Entities {
            version: 1,
            mentions,
        };
        let after = anonymize(&before, &entities).unwrap();
        for (turn, made) in after.transcript.turns.iter().enumerate() {
            let chars: Vec<char> = before.turns[turn].text.chars().collect();
            let spans: Vec<_> = before.turns[turn].word_spans().collect();
            for (word, origin) in made.words.iter().zip(&after.origins[turn]) {
                // The whole runs of the words it stands for that no mention touches.
                let place = spans[origin.start].start..spans[origin.end - 1].end;
                let free: Vec<String> = tokens::tokens(&chars[..place.end], &[])
                    .into_iter()
                    .filter(|token| token.range.start >= place.start)
                    .filter(|token| {
                        entities.mentions.iter().all(|mention| {
                            mention.turn != turn
                                || mention.end <= token.range.start
                                || token.range.end <= mention.start
                        })
                    })
                    .map(|token| chars[token.range].iter().collect())
                    .collect();
                for run in runs(&word.text) {
                    assert!(free.contains(&run), "{run} is left of {:?}", texts[turn]);
                }
            }
        }
        // With nothing, and with findings in the labels themselves.
        let again = anonymize(&after.transcript, &Entities::default()).unwrap();
        assert_eq!(again.transcript, after.transcript);
        assert!(again.cuts.is_empty());
        let mut inside = Vec::new();
        for (turn, made) in after.transcript.turns.iter().enumerate() {
            let chars: Vec<char> = made.text.chars().collect();
            inside.extend(labels::marks(&chars).into_iter().map(|mark| Mention {
                start: mark.start,
                end: mark.end,
                text: chars[mark.clone()].iter().collect(),
                ..mention(&after.transcript, turn, "PERSON", &made.text, "x")
            }));
        }
        let entities = Entities {
            version: 1,
            mentions: inside,
        };
        let again = anonymize(&after.transcript, &entities).unwrap();
        assert_eq!(texts_of(&again), texts_of(&after));
    }
}

fn texts_of(anonymized: &Anonymized) -> Vec<String> {
    let turns = anonymized.transcript.turns.iter();
    turns.map(|turn| turn.text.clone()).collect()
}
