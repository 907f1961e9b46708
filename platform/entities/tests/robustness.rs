//! Whatever the text: no panic, and every mention is what the text says at its place.
#![allow(clippy::unwrap_used, reason = "a test may panic, its helpers too")]

use colloquy_contract::transcript::{Role, Transcript, Turn, Word, WordTimes};
use colloquy_entities::{Recognizers, recognizer_names};

/// Pieces that recognizers look for, and pieces that break careless ones.
const PIECES: &[&str] = &[
    "4111",
    "1111",
    "one",
    "double",
    "triple",
    "oh",
    "hundred",
    "thousand",
    "and",
    "five-five",
    "card",
    "number",
    "is",
    "my",
    "name",
    "Jane",
    "Smith",
    "at",
    "dot",
    "com",
    "@",
    ".",
    "-",
    "$",
    "social",
    "zip",
    "code",
    "March",
    "3rd",
    "the",
    "of",
    "1982",
    "uh",
    "okay",
    "mm-hmm",
    "K",
    "as",
    "in",
    "kilo",
    "123",
    "Main",
    "Street",
    "Apt",
    "NY",
    "GB29",
    "NWBK",
    "password",
    "birth",
    "é",
    "e\u{301}",
    "İ",
    "ß",
    "漢字",
    "🙂",
    "👩‍👩‍👧",
    "\u{202e}x",
    "ﬁ",
    "٣٤٥",
    "Ⅷ",
    "\u{200b}",
    "’",
    "'",
    "I’m",
    "+",
    "::",
    "2001:db8::1",
    "https://",
    "www.",
    "…",
    "(",
    ")",
    "18446744073709551616",
    "#",
    "%",
    "i",
    "million",
    "address",
    "email",
    "born",
    "expires",
    "pin",
    "Mr.",
    "thanks,",
    "O'Neill",
    "plus",
];

/// A small generator (xorshift): the same texts on every run.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % limit as u64).unwrap()
    }

    fn word(&mut self) -> String {
        match self.below(10) {
            0 => char::from_u32(u32::try_from(self.below(0x11_0000)).unwrap())
                .filter(|c| !c.is_whitespace())
                .map_or("x".to_owned(), String::from),
            1 => self.below(1_000_000_000).to_string(),
            2 => format!(
                "{}{}",
                PIECES[self.below(PIECES.len())],
                [",", ".", "?", "-"][self.below(4)]
            ),
            3 => {
                let (a, b) = (self.below(PIECES.len()), self.below(PIECES.len()));
                format!("{}{}", PIECES[a], PIECES[b])
            }
            _ => PIECES[self.below(PIECES.len())].to_owned(),
        }
    }

    fn turn(&mut self, index: u64) -> Turn {
        let channel = u16::try_from(self.below(2)).unwrap();
        let words = (0..=self.below(25)).map(|_| Word {
            text: self.word(),
            start_ms: index * 1000,
            end_ms: index * 1000 + 500,
            confidence: 0.5,
            digit_starts_ms: Vec::new(),
        });
        let words = words.collect::<Vec<_>>();
        Turn::new(channel, Role::Unknown, words).unwrap()
    }
}

fn transcript(turns: Vec<Turn>) -> Transcript {
    Transcript {
        version: Transcript::VERSION,
        language: "en".into(),
        duration_ms: 0,
        model: String::new(),
        channels: Vec::new(),
        turns,
    }
}

/// Mentions are in order, do not overlap, and name what the text has there.
fn check(transcript: &Transcript) {
    let names: Vec<&str> = recognizer_names().collect();
    let mut last = (0, 0);
    for mention in Recognizers::new(None).recognize(transcript).mentions {
        let text = &transcript.turns[mention.turn].text;
        let there: String = text
            .chars()
            .skip(mention.start)
            .take(mention.end - mention.start)
            .collect();
        assert_eq!(there, mention.text, "{mention:?} in {text}");
        assert!(
            mention.start < mention.end && !mention.value.is_empty(),
            "{mention:?}"
        );
        assert!(
            (mention.turn, mention.start) >= last,
            "{mention:?} overlaps, in {text}"
        );
        assert!((0.0..=1.0).contains(&mention.score) && names.contains(&&*mention.recognizer));
        last = (mention.turn, mention.end);
    }
}

#[test]
fn odd_texts_give_sound_mentions() {
    let mut random = Random(0x2545_F491_4F6C_DD1D);
    for _ in 0..1_000 {
        let turns = (0..=random.below(8))
            .map(|index| random.turn(index as u64))
            .collect();
        check(&transcript(turns));
    }
}

#[test]
fn nothing_and_almost_nothing() {
    check(&transcript(Vec::new()));
    for text in PIECES {
        for count in [1, 2, 3, 40] {
            let word = Word {
                text: (*text).into(),
                start_ms: 0,
                end_ms: 0,
                confidence: 0.0,
                digit_starts_ms: Vec::new(),
            };
            check(&transcript(vec![
                Turn::new(0, Role::Agent, vec![word; count]).unwrap(),
            ]));
        }
    }
    let empty = Turn {
        channel: 0,
        role: Role::Agent,
        start_ms: 0,
        end_ms: 0,
        text: String::new(),
        words: Vec::new(),
        word_times: WordTimes::Exact,
    };
    check(&transcript(vec![empty.clone(), empty]));
}

#[test]
fn digits_read_out_in_a_row_never_survive() {
    let digits = ["one", "two", "3", "four", "5", "six", "zero"];
    let mut random = Random(7);
    for _ in 0..300 {
        let count = 7 + random.below(30);
        let text: Vec<&str> = (0..count)
            .map(|_| digits[random.below(digits.len())])
            .collect();
        let words = text.iter().map(|word| Word {
            text: (*word).into(),
            start_ms: 0,
            end_ms: 0,
            confidence: 1.0,
            digit_starts_ms: Vec::new(),
        });
        let call = transcript(vec![Turn::new(0, Role::Customer, words.collect()).unwrap()]);
        let covered: usize = Recognizers::new(None)
            .recognize(&call)
            .mentions
            .iter()
            .map(|m| m.text.split(' ').count())
            .sum();
        assert_eq!(covered, count, "{text:?}");
    }
}

/// What repeats the same for ever, and what is one word for ever, takes no longer than its length.
#[test]
fn time_is_linear_in_the_length_of_a_text() {
    let recognizers = Recognizers::new(None);
    let seconds = |text: &str| {
        let runs = (0..3).map(|_| {
            let start = std::time::Instant::now();
            recognizers.recognize_text(text);
            start.elapsed().as_secs_f64()
        });
        runs.fold(f64::INFINITY, f64::min)
    };
    let pieces = [
        "Maria ",
        "Abcdef ",
        "12 Oak ",
        "4111 ",
        "1234567890",
        "+1-2 ",
        "A B C ",
        "Inc Ltd ",
        "Ab 12\n",
        "the name is ",
        "a.b.c@d.",
        "@@@@",
        "((1 ",
        "Ab, ",
        "é\u{301}ü",
        "at dot ",
        "Ab A. ",
        "Ab\n",
        "12 Oak St\nAb\n",
        "Suite 12 Ab ",
        "corner of Ab St and ",
        "Agent: ab\n",
        "Ab: cd. ",
        "Ab, the clerk, ",
        "clerk\n",
        "Sri Lankan ",
        "password:",
        "login:a",
        "Employer: Ab ",
        "Bank of ",
        "Ab & Sons ",
        "Delta's ",
        "I am 12 and ",
        "underscore ",
        "regards,\nAb\n",
        "Contact: Ab ",
        "from Abcdef to ",
        "Abcdef its ",
        "my account with Abcdef and ",
        "account of abcd1 ",
        "no wait dot ",
        "Jane Ab | ",
        "www dot a ",
        "dot com ",
        "slash com ",
        "in May at 8:40 ",
        "Ab, Cd and Ef ",
        "abcdef and sons ",
        "abcdef energy ",
        "A. Ab ",
        "Abcdef Ltd. Abcdef ",
    ];
    for piece in pieces {
        let text = |bytes: usize| piece.repeat(bytes / piece.len());
        let (short, long) = (seconds(&text(40_000)), seconds(&text(320_000)));
        // Eight times the length; what is quadratic takes sixty-four times as long.
        assert!(
            long < 24.0 * short.max(0.005),
            "{piece:?}: {short:.4} s, then {long:.4} s"
        );
    }
}
