//! Tests of the whole analysis on small conversations.

use colloquy_contract::{
    analysis::{Category, Span, Speaker},
    transcript::{Role, Turn, Word},
};

use super::*;

/// A turn whose words share its time evenly.
fn turn(channel: u16, start_ms: u64, end_ms: u64, text: &str) -> Turn {
    let texts: Vec<&str> = text.split(' ').collect();
    let at = |n: usize| start_ms + (end_ms - start_ms) * n as u64 / texts.len() as u64;
    let words = texts
        .iter()
        .enumerate()
        .map(|(n, text)| Word {
            text: (*text).to_owned(),
            start_ms: at(n),
            end_ms: at(n + 1),
            confidence: 1.0,
            digit_starts_ms: Vec::new(),
        })
        .collect();
    let role = [Role::Agent, Role::Customer, Role::Unknown][usize::from(channel).min(2)];
    Turn::new(channel, role, words).unwrap()
}

/// A conversation of turns given as channel, start, end and text.
fn transcript(duration_ms: u64, turns: &[(u16, u64, u64, &str)]) -> Transcript {
    Transcript {
        version: 1,
        language: "en".to_owned(),
        duration_ms,
        model: "test".to_owned(),
        channels: vec![Role::Agent, Role::Customer],
        turns: turns
            .iter()
            .map(|&(c, start, end, text)| turn(c, start, end, text))
            .collect(),
    }
}

fn qualify(transcript: &Transcript) -> Analysis {
    Qualifier::new().unwrap().qualify(transcript)
}

fn spans(spans: &[Span]) -> Vec<(u64, u64)> {
    spans
        .iter()
        .map(|span| (span.start_ms, span.end_ms))
        .collect()
}

/// A short call with a backchannel, an interruption and a long silence.
fn call() -> Transcript {
    transcript(
        60_000,
        &[
            (0, 1_000, 5_000, "Thank you for calling. How can I help?"),
            (
                1,
                5_800,
                12_000,
                "I was charged twice, and I want a refund, [PERSON_1]!",
            ),
            (0, 8_000, 8_500, "Mm-hmm."),
            (0, 11_000, 14_000, "I am so sorry about that."),
            (0, 20_000, 24_000, "One moment please, still there?"),
            (1, 24_200, 25_000, "Yes."),
            (
                0,
                25_100,
                28_000,
                "Your refund is approved. Have a great day!",
            ),
        ],
    )
}

#[test]
fn speakers_are_measured() {
    let analysis = qualify(&call());
    assert_eq!((analysis.turns, analysis.words), (7, 39));
    let agent = Speaker {
        channel: 0,
        role: Role::Agent,
        talk_ms: 4_000 + 500 + 3_000 + 4_000 + 2_900,
        talk_share: 0.673,
        turns: 5,
        words: 28,
        words_per_minute: 116.667,
        longest_monologue_ms: 8_000,
        questions: 2,
        interruptions: 1,
        response_latency_ms: Some(50),
    };
    let customer = Speaker {
        channel: 1,
        role: Role::Customer,
        talk_ms: 7_000,
        talk_share: 0.327,
        turns: 2,
        words: 11,
        words_per_minute: 94.286,
        longest_monologue_ms: 6_200,
        questions: 0,
        interruptions: 0,
        response_latency_ms: Some(500),
    };
    assert_eq!(analysis.speakers, [agent, customer]);
}

#[test]
fn turn_taking_is_measured() {
    let talk = qualify(&call()).talk;
    assert_eq!(talk.overlap_ms, 500 + 1_000);
    assert_eq!((talk.talk_ms, talk.silence_ms), (19_900, 40_100));
    assert_eq!(spans(&talk.silences), [(14_000, 20_000), (28_000, 60_000)]);
    assert_eq!((talk.long_silences, talk.interruption_count), (2, 1));
    let interruption = talk.interruptions[0];
    assert_eq!(
        (
            interruption.speaker,
            interruption.interrupted,
            interruption.turn
        ),
        (0, 1, 3)
    );
    assert_eq!(
        (interruption.start_ms, interruption.overlap_ms),
        (11_000, 1_000)
    );
    // 800 and 200 ms by the customer, none and 100 ms by the agent.
    assert_eq!(talk.response_latency_ms, Some(150));
}

#[test]
fn interruptions_are_told_from_handing_over() {
    type Case<'a> = (&'a str, &'a [(u16, u64, u64, &'a str)], u32);
    let cases: &[Case<'_>] = &[
        (
            "in the middle",
            &[(0, 0, 5_000, "a b c"), (1, 2_000, 3_000, "no wait")],
            1,
        ),
        (
            "a short overlap",
            &[(0, 0, 5_000, "a b c"), (1, 4_701, 6_000, "no wait")],
            0,
        ),
        (
            "just enough",
            &[(0, 0, 5_000, "a b c"), (1, 4_700, 6_000, "no wait")],
            1,
        ),
        (
            "a backchannel",
            &[(0, 0, 5_000, "a b c"), (1, 2_000, 3_000, "Okay, yeah.")],
            0,
        ),
        (
            "over a backchannel",
            &[(0, 0, 2_000, "mm-hmm"), (1, 500, 3_000, "a b")],
            0,
        ),
        (
            "both at once",
            &[(0, 0, 5_000, "a b c"), (1, 0, 3_000, "no wait")],
            0,
        ),
        (
            "oneself",
            &[(0, 0, 5_000, "a b c"), (0, 2_000, 3_000, "no wait")],
            0,
        ),
    ];
    for (name, turns, expected) in cases {
        let analysis = qualify(&transcript(10_000, turns));
        assert_eq!(analysis.talk.interruption_count, *expected, "{name}");
    }
}

#[test]
fn monologues_end_at_other_voices_and_silences() {
    type Case<'a> = (&'a str, &'a [(u16, u64, u64, &'a str)], u64);
    let cases: &[Case<'_>] = &[
        ("one turn", &[(0, 0, 2_000, "a")], 2_000),
        (
            "a pause",
            &[(0, 0, 2_000, "a"), (0, 5_000, 6_000, "b")],
            6_000,
        ),
        (
            "a long pause",
            &[(0, 0, 2_000, "a"), (0, 5_001, 6_000, "b")],
            2_000,
        ),
        (
            "a backchannel",
            &[
                (0, 0, 2_000, "a"),
                (1, 2_100, 2_200, "ok"),
                (0, 3_000, 4_000, "b"),
            ],
            4_000,
        ),
        (
            "an answer",
            &[
                (0, 0, 2_000, "a"),
                (1, 2_100, 2_200, "no"),
                (0, 3_000, 4_000, "b"),
            ],
            2_000,
        ),
    ];
    for (name, turns, expected) in cases {
        let analysis = qualify(&transcript(10_000, turns));
        assert_eq!(
            analysis.speakers[0].longest_monologue_ms, *expected,
            "{name}"
        );
    }
}

#[test]
fn odd_conversations_are_measured_too() {
    let empty = qualify(&transcript(5_000, &[]));
    assert!(empty.speakers.is_empty() && empty.categories.is_empty());
    assert_eq!(spans(&empty.talk.silences), [(0, 5_000)]);
    assert_eq!(empty.talk.silence_ms, 5_000);
    assert_eq!(empty.sentiment.unwrap().score, 0.0);

    let nothing = qualify(&transcript(0, &[(0, 0, 0, "hello")]));
    assert_eq!(nothing.speakers[0].words_per_minute, 0.0);
    assert_eq!(nothing.talk.silence_ms, 0);

    let alone = qualify(&transcript(
        9_000,
        &[(2, 0, 4_000, "hello there"), (2, 5_000, 9_000, "x")],
    ));
    assert_eq!(
        (alone.speakers.len(), alone.speakers[0].talk_share),
        (1, 1.0)
    );
    assert_eq!(alone.talk.response_latency_ms, None);

    // Times past the end of the recording count up to it.
    let long = qualify(&transcript(
        1_000,
        &[
            (0, 0, 900, "a b"),
            (1, 950, 3_000, "c"),
            (0, 4_000, 5_000, "d"),
        ],
    ));
    assert_eq!((long.talk.talk_ms, long.talk.silence_ms), (950, 50));
}

#[test]
fn other_languages_have_talk_statistics_only() {
    let german = Transcript {
        language: "de".to_owned(),
        ..call()
    };
    let analysis = qualify(&german);
    assert_eq!(analysis.talk, qualify(&call()).talk);
    assert!(analysis.categories.is_empty() && analysis.sentiment.is_none());
}

fn names(categories: &[Category]) -> Vec<&str> {
    categories
        .iter()
        .map(|category| category.name.as_str())
        .collect()
}

#[test]
fn categories_say_who_and_where() {
    let analysis = qualify(&call());
    let expected = [
        "apology",
        "billing",
        "closing",
        "greeting",
        "refund",
        "resolution",
    ];
    assert_eq!(names(&analysis.categories), expected);
    let refund = &analysis.categories[4];
    let places: Vec<_> = refund
        .places
        .iter()
        .map(|p| (p.speaker, p.turn, p.start_ms))
        .collect();
    assert_eq!(places, [(1, 1, 10_760), (0, 6, 25_462)]);
}

#[test]
fn categories_are_told_by_phrases_and_sides() {
    let cases: &[(u16, &str, &[&str])] = &[
        (1, "I'd like to cancel my subscription.", &["cancellation"]),
        (0, "You can cancel any time.", &[]),
        (2, "I'd like to cancel my subscription.", &["cancellation"]),
        (
            1,
            "This is ridiculous, let me talk to your manager!",
            &["complaint", "escalation"],
        ),
        (1, "Can I reschedule my appointment?", &["appointment"]),
        (
            1,
            "The router doesn't work and my internet is down.",
            &["technical_problem"],
        ),
        (1, "Where is my package?", &["delivery"]),
        (
            0,
            "Hi, this is [PERSON_1], how may I help you?",
            &["greeting"],
        ),
        (0, "This call may be recorded.", &["recording_notice"]),
        (1, "No thanks, not interested.", &["objection"]),
        (
            1,
            "There is a charge I don't recognize that charge, fraud!",
            &["fraud"],
        ),
        (0, "Let me put you on a brief hold.", &["transfer"]),
        (0, "The weather is fine in [LOCATION_1].", &[]),
    ];
    for (channel, text, expected) in cases {
        let analysis = qualify(&transcript(60_000, &[(*channel, 1_000, 5_000, text)]));
        assert_eq!(names(&analysis.categories), *expected, "{text}");
    }
    let late = qualify(&transcript(
        600_000,
        &[(0, 300_000, 305_000, "How can I help you?")],
    ));
    assert!(
        late.categories.is_empty(),
        "a greeting in the middle is none"
    );
}

#[test]
fn sentiment_follows_what_is_said() {
    let analysis = qualify(&transcript(
        40_000,
        &[
            (0, 0, 4_000, "Hello. How can I help you?"),
            (
                1,
                5_000,
                9_000,
                "This is terrible, I HATE your horrible [PRODUCT_1].",
            ),
            (0, 10_000, 10_500, "Okay."),
            (
                1,
                15_000,
                19_000,
                "It is the worst service, not good at all.",
            ),
            (
                1,
                31_000,
                39_000,
                "That is wonderful, thank you, I love it!",
            ),
        ],
    ));
    let sentiment = analysis.sentiment.unwrap();
    let customer = &sentiment.speakers[1];
    assert!(customer.quarters[0] < Some(-0.5) && customer.quarters[3] > Some(0.5));
    assert_eq!(
        (
            customer.quarters[2],
            customer.negative_turns,
            customer.positive_turns
        ),
        (None, 2, 1)
    );
    assert_eq!(
        sentiment.speakers[0].quarters[1], None,
        "a backchannel has no mood"
    );
    let turns: Vec<u32> = sentiment.turns.iter().map(|turn| turn.turn).collect();
    assert_eq!(turns, [0, 1, 3, 4]);
    let scores = sentiment
        .turns
        .iter()
        .map(|turn| turn.score)
        .chain([sentiment.score]);
    for score in scores {
        assert_eq!(rounded(score), score);
        assert!((-1.0..=1.0).contains(&score));
    }
}

#[test]
fn capitals_and_labels_do_not_change_the_mood() {
    let score = |text: &str| {
        qualify(&transcript(9_000, &[(0, 0, 1_000, text)]))
            .sentiment
            .unwrap()
            .score
    };
    assert_eq!(score("that is GREAT news"), score("That is great news"));
    assert_eq!(
        score("that is great news [PERSON_1]"),
        score("that is great news")
    );
    assert_eq!(score("[PERSON_1]"), 0.0);
}

#[test]
fn an_analysis_stays_small_and_holds_no_words() {
    // Alternating turns that interrupt, hit several categories, and leave long silences.
    let text =
        "Zanzibar refund, cancel the appointment, terrible worst delivery, password error message!";
    let turns: Vec<(u16, u64, u64, &str)> = (0..3_000_u64)
        .map(|n| {
            (
                (n % 24) as u16,
                100_000_000 + n / 2 * 9_000 + n % 2 * 1_000,
                100_004_000 + n / 2 * 9_000,
                text,
            )
        })
        .collect();
    let mut long = transcript(200_000_000, &turns);
    for (n, turn) in long.turns.iter_mut().enumerate() {
        turn.role = [Role::Agent, Role::Customer, Role::Unknown][n % 3];
    }
    let analysis = qualify(&long);
    assert!(analysis.talk.interruption_count > 1_000 && analysis.talk.long_silences > 1_000);
    assert_eq!(analysis.talk.silences.len(), Analysis::MAX_ENTRIES);
    assert_eq!(analysis.talk.interruptions.len(), Analysis::MAX_ENTRIES);
    assert_eq!(
        analysis.sentiment.as_ref().unwrap().turns.len(),
        Analysis::MAX_ENTRIES
    );
    let places = analysis
        .categories
        .iter()
        .map(|category| category.places.len())
        .sum::<usize>();
    assert!(places <= Analysis::MAX_ENTRIES);
    let json = serde_json::to_string(&analysis).unwrap();
    assert!(json.len() < 48 * 1_024, "{} bytes", json.len());
    assert!(!json.to_lowercase().contains("zanzibar"));
    assert_eq!(serde_json::from_str::<Analysis>(&json).unwrap(), analysis);
    assert_eq!(
        qualify(&long),
        analysis,
        "the same transcript gives the same analysis"
    );
}

#[test]
fn files_of_categories_are_checked() {
    let rule =
        |name: &str, more: &str| format!("[[category]]\nname = \"{name}\"\nabout = \"\"\n{more}\n");
    let refused = |text: &str| {
        Qualifier::with_rules(text)
            .err()
            .map(|error| error.to_string())
    };
    assert_eq!(refused(&rule("a", "phrases = [\"b\"]")), None);
    assert_eq!(refused(""), None);
    let cases = [
        (rule("a", ""), "read categories"),
        (rule("a", "phrases = []\nsaid_bye = 1"), "read categories"),
        (rule("A b", "phrases = []"), "check category 'A b'"),
        (rule("a", "phrases = []").repeat(2), "check category 'a'"),
        (rule("a", "phrases = [\"..\"]"), "'..' is no phrase"),
    ];
    for (text, expected) in cases {
        assert!(refused(&text).unwrap().contains(expected), "{text}");
    }
    let many: String = (0..101)
        .map(|n| rule(&format!("c{n}"), "phrases = []"))
        .collect();
    assert!(refused(&many).unwrap().contains("101"));
}
