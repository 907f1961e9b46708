//! Who speaks in a written text: `Agent: …`, `Customer: …`, `Speaker 1: …`, line by line.
//!
//! A text in which speakers are named is read as their conversation, so that an answer is read
//! with its question and a number with the one who goes on with it. What names a role is no part
//! of what is said; a name that stands in its place is, for it is to be found. A text that is only
//! a form ("Customer: Jane Smith") stays one text.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

/// What stands before the colon has at most this many bytes.
const LONGEST_LABEL: usize = 32;
/// And this many words.
const MOST_WORDS: usize = 3;
/// Somebody says at least so many words, or the text is a form.
const LEAST_SAID: usize = 4;
/// So many speakers are told apart; of more, it is none's conversation.
const MOST_SPEAKERS: usize = 1000;

/// What one speaker says without another between.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Said {
    /// Which of the speakers.
    pub(crate) channel: u16,
    /// Where in the text, in bytes.
    pub(crate) bytes: Range<usize>,
}

/// What may name a speaker.
#[derive(Debug)]
struct Label {
    /// Where it is.
    bytes: Range<usize>,
    /// Where what is said begins.
    said: usize,
    /// In lower case.
    name: String,
    /// Whether it is a role, rather than a name.
    role: bool,
}

/// The turns of a text: one of all of it, if it names no speakers.
pub(crate) fn turns(text: &str) -> Vec<Said> {
    let labels = speakers(text, labels(text));
    let Some(first) = labels.first() else {
        return vec![Said {
            channel: 0,
            bytes: 0..text.len(),
        }];
    };
    let mut turns = Vec::with_capacity(labels.len() + 1);
    let mut channels: HashMap<&str, u16> = HashMap::new();
    // What stands before the first speaker is nobody's.
    if !text[..first.bytes.start].trim().is_empty() {
        turns.push(Said {
            channel: u16::MAX,
            bytes: 0..first.bytes.start,
        });
    }
    for (index, label) in labels.iter().enumerate() {
        let next = labels.get(index + 1);
        let end = next.map_or(text.len(), |next| next.bytes.start);
        let number = u16::try_from(channels.len()).unwrap_or(u16::MAX);
        let channel = *channels.entry(&label.name).or_insert(number);
        let start = if label.role {
            label.said
        } else {
            label.bytes.start
        };
        let said = text[start..end].trim_end();
        turns.push(Said {
            channel,
            bytes: start..start + said.len(),
        });
    }
    turns
}

/// The labels that are speakers': roles that come twice or more, and names that do.
fn speakers(text: &str, mut labels: Vec<Label>) -> Vec<Label> {
    let mut count: HashMap<&str, usize> = HashMap::new();
    for label in &labels {
        *count.entry(&label.name).or_default() += 1;
    }
    let repeated = |label: &Label| count.get(label.name.as_str()).is_some_and(|n| *n >= 2);
    let kept: Vec<bool> = labels
        .iter()
        .map(|label| label.role || repeated(label))
        .collect();
    let mut keep = kept.iter();
    labels.retain(|_| keep.next() == Some(&true));
    let mut names: Vec<&str> = labels.iter().map(|label| label.name.as_str()).collect();
    let turns = names.len();
    names.sort_unstable();
    names.dedup();
    let roles = labels.iter().filter(|label| label.role).count();
    let ends = labels.iter().skip(1).map(|label| label.bytes.start);
    let spoken = labels
        .iter()
        .zip(ends.chain([text.len()]))
        .any(|(label, end)| text[label.said..end].split_whitespace().count() >= LEAST_SAID);
    let talk = turns >= 2 && (roles >= 2 || names.len() >= 2);
    if talk && spoken && names.len() <= MOST_SPEAKERS {
        labels
    } else {
        Vec::new()
    }
}

/// What stands before a colon at the start of a line; roles behind the end of a sentence; and roles
/// that spoke before, anywhere, for speech may have no full stops.
fn labels(text: &str) -> Vec<Label> {
    let mut labels: Vec<Label> = Vec::new();
    let mut roles: HashSet<String> = HashSet::new();
    for (colon, _) in text.match_indices(':') {
        let followed = text[colon + 1..].chars().next();
        if !followed.is_none_or(|c| c.is_whitespace() || matches!(c, '"' | '\u{201c}')) {
            continue;
        }
        let mut from = colon.saturating_sub(LONGEST_LABEL);
        while !text.is_char_boundary(from) {
            from += 1;
        }
        let window = &text[from..colon];
        let line = window.rfind('\n').map(|at| from + at + 1);
        let line = line.or((from == 0).then_some(0));
        let sentence = window
            .match_indices(['.', '?', '!'])
            .rfind(|(at, _)| window[at + 1..].starts_with(' '))
            .map(|(at, _)| from + at + 1);
        let known = window
            .rmatch_indices(' ')
            .take(MOST_WORDS)
            .map(|(at, _)| at + 1)
            .find(|at| {
                let name = &window[*at..];
                name.starts_with(char::is_uppercase) && roles.contains(&name.to_lowercase())
            })
            .map(|at| from + at);
        let Some(start) = line.max(sentence).max(known) else {
            continue;
        };
        let inline = Some(start) != line;
        let raw = &text[start..colon];
        let trimmed = raw.trim_start_matches(|c: char| {
            c.is_whitespace() || matches!(c, '[' | '<' | '*' | '>' | '-' | '#')
        });
        let start = colon - trimmed.len();
        let name = trimmed.trim_end_matches(|c: char| c.is_whitespace() || matches!(c, '*' | ']'));
        let role = is_role(name, inline);
        if role {
            roles.insert(name.to_lowercase());
        }
        if role || (!inline && is_name(name)) {
            let rest = &text[colon + 1..];
            let said = text.len() - rest.trim_start().len();
            labels.push(Label {
                bytes: start..colon,
                said,
                name: name.to_lowercase(),
                role,
            });
        }
    }
    labels
}

/// Whether words may be a speaker's name: in capitals, and nothing else.
fn is_name(label: &str) -> bool {
    let mut words = 0;
    let fits = label.split(' ').all(|word| {
        words += 1;
        word.starts_with(char::is_uppercase)
            && word
                .chars()
                .all(|c| c.is_alphabetic() || matches!(c, '\'' | '\u{2019}' | '-' | '.'))
    });
    fits && words <= MOST_WORDS
}

/// Whether a label says in which role somebody speaks: `Agent`, `Customer 2`, `SPEAKER_01`.
fn is_role(label: &str, inline: bool) -> bool {
    let lower = label.to_lowercase();
    let word = lower
        .trim_end_matches(|c: char| c.is_ascii_digit())
        .trim_end_matches(['_', ' ', '#']);
    // "Q:", "A:", "B:"
    let letter =
        matches!(word, "a" | "b" | "c" | "q") && !inline && label.starts_with(char::is_uppercase);
    let word = word
        .strip_suffix(" a")
        .or_else(|| word.strip_suffix(" b"))
        .unwrap_or(word);
    letter
        || matches!(
            word,
            "agent"
                | "customer"
                | "caller"
                | "client"
                | "representative"
                | "rep"
                | "operator"
                | "advisor"
                | "adviser"
                | "assistant"
                | "associate"
                | "support"
                | "support agent"
                | "customer service"
                | "customer support"
                | "service agent"
                | "csr"
                | "user"
                | "bot"
                | "chatbot"
                | "speaker"
                | "spk"
                | "interviewer"
                | "interviewee"
                | "receptionist"
                | "dispatcher"
                | "teller"
                | "employee"
                | "visitor"
                | "patient"
                | "doctor"
                | "nurse"
                | "student"
                | "teacher"
        )
}

#[cfg(test)]
mod tests {
    use super::turns;

    /// What is said, each with its speaker.
    fn said(text: &str) -> Vec<(u16, &str)> {
        let turns = turns(text);
        turns
            .iter()
            .map(|said| (said.channel, &text[said.bytes.clone()]))
            .collect()
    }

    #[test]
    fn a_role_that_spoke_before_needs_no_full_stop_before_it() {
        let text =
            "Agent: The number? Customer: four one Agent: mm-hmm Customer: five nine three eight";
        assert_eq!(
            said(text),
            [
                (0, "The number?"),
                (1, "four one"),
                (0, "mm-hmm"),
                (1, "five nine three eight")
            ]
        );
    }

    #[test]
    fn roles_at_the_start_of_lines_are_speakers() {
        let text = "Agent: Your name, please?\nCustomer: Violet.\nthat is all\nAgent: Thank you.";
        assert_eq!(
            said(text),
            [
                (0, "Your name, please?"),
                (1, "Violet.\nthat is all"),
                (0, "Thank you."),
            ]
        );
        let numbered = "Call of May 3\nSPEAKER_01: so what is your zip code?\nSPEAKER_02: 80302";
        assert_eq!(
            said(numbered),
            [
                (u16::MAX, "Call of May 3\n"),
                (0, "so what is your zip code?"),
                (1, "80302"),
            ]
        );
    }

    #[test]
    fn roles_behind_a_sentence_are_speakers() {
        assert_eq!(
            said("Bot: What's the name on the account? User: Jane Smith"),
            [(0, "What's the name on the account?"), (1, "Jane Smith")]
        );
    }

    #[test]
    fn names_that_come_again_are_speakers_and_stay_in_the_text() {
        assert_eq!(
            said("Lea: Are you there now?\nIgor: I am here.\nLea: Good to know.\nIgor: Yes."),
            [
                (0, "Lea: Are you there now?"),
                (1, "Igor: I am here."),
                (0, "Lea: Good to know."),
                (1, "Igor: Yes."),
            ]
        );
    }

    #[test]
    fn forms_and_sentences_are_one_text() {
        for text in [
            "Customer: Jane Smith\nAgent: Tom\nPhone: 212-555-0147",
            "Name: Jane Smith\nPhone: 212-555-0147\nName: Tom\nEmail: tom@example.com",
            "Note to the customer: we are closed.",
            "It is 10:30. See https://example.com: it says so.",
            "",
            ":",
            "é: ü: ",
        ] {
            let turns = turns(text);
            let fields = text.starts_with("Name:");
            assert!(turns.len() == 1 || fields, "{text:?}");
        }
    }
}
