//! A transcript prepared for measuring: speakers numbered, turns in order, words comparable.

use std::borrow::Cow;

use colloquy_contract::transcript::{self, Role, Transcript};

/// Eight channels, each with at most three roles.
const MAX_SPEAKERS: usize = 24;

/// A turn of up to this many words can be a backchannel.
const MAX_BACKCHANNEL_WORDS: usize = 3;

/// Words with which a listener says no more than "go on". "Yes" can be an answer too, but counting
/// every "yes" over a voice as an interruption would be worse.
const BACKCHANNELS: &[&str] = &[
    "ah", "alright", "aha", "eh", "hm", "hmm", "mhm", "mm", "mm-hm", "mm-hmm", "mmhmm", "mmm",
    "oh", "ok", "okay", "right", "sure", "uh", "uh-huh", "uhuh", "um", "yeah", "yep", "yes", "yup",
];

/// The same, in more than one word.
const BACKCHANNEL_PHRASES: &[&[&str]] = &[
    &["all", "right"],
    &["got", "it"],
    &["i", "see"],
    &["mm", "hmm"],
    &["uh", "huh"],
];

/// A transcript prepared for measuring.
pub(crate) struct Conversation<'a> {
    /// Length of the recording.
    pub(crate) duration_ms: u64,
    /// Channel and role of each speaker, in order.
    pub(crate) speakers: Vec<(u16, Role)>,
    /// The turns by start time.
    pub(crate) turns: Vec<Turn<'a>>,
}

/// A turn prepared for measuring.
pub(crate) struct Turn<'a> {
    /// Index in the transcript.
    pub(crate) index: usize,
    /// Index of the speaker.
    pub(crate) speaker: usize,
    /// Start, not past the end of the recording.
    pub(crate) start_ms: u64,
    /// End, not past the end of the recording and not before the start.
    pub(crate) end_ms: u64,
    /// Whether it says no more than "go on".
    pub(crate) is_backchannel: bool,
    /// The words in comparable form, one for each word of the transcript.
    pub(crate) words: Vec<Cow<'static, str>>,
    /// The turn itself.
    pub(crate) source: &'a transcript::Turn,
}

impl<'a> Conversation<'a> {
    pub(crate) fn new(transcript: &'a Transcript) -> Self {
        let mut speakers: Vec<(u16, Role)> = transcript
            .turns
            .iter()
            .map(|turn| (turn.channel, turn.role))
            .collect();
        speakers.sort_unstable();
        speakers.dedup();
        speakers.truncate(MAX_SPEAKERS);
        let duration_ms = transcript.duration_ms;
        let mut turns: Vec<Turn<'a>> = transcript
            .turns
            .iter()
            .enumerate()
            .map(|(index, source)| {
                let speaker = speakers.binary_search(&(source.channel, source.role));
                // Past the limit, which no recording reaches, all count as the last speaker.
                let speaker = speaker.unwrap_or(speakers.len() - 1);
                Turn::new(index, speaker, source, duration_ms)
            })
            .collect();
        turns.sort_by_key(|turn| turn.start_ms);
        Self {
            duration_ms,
            speakers,
            turns,
        }
    }
}

impl<'a> Turn<'a> {
    fn new(index: usize, speaker: usize, source: &'a transcript::Turn, duration_ms: u64) -> Self {
        let start_ms = source.start_ms.min(duration_ms);
        let words: Vec<_> = source
            .words
            .iter()
            .map(|word| comparable(&word.text))
            .collect();
        Self {
            index,
            speaker,
            start_ms,
            end_ms: source.end_ms.clamp(start_ms, duration_ms),
            is_backchannel: is_backchannel(&words),
            words,
            source,
        }
    }
}

fn is_backchannel(words: &[Cow<'static, str>]) -> bool {
    let said: Vec<&str> = words
        .iter()
        .map(Cow::as_ref)
        .filter(|word| !word.is_empty())
        .collect();
    said.len() <= MAX_BACKCHANNEL_WORDS
        && (said.iter().all(|word| BACKCHANNELS.contains(word))
            || BACKCHANNEL_PHRASES.contains(&said.as_slice()))
}

/// A word in lower case without the punctuation around it; a label as `[type]`.
fn comparable(word: &str) -> Cow<'static, str> {
    if let Some(kind) = label_type(word) {
        return format!("[{}]", kind.to_ascii_lowercase()).into();
    }
    let word = word.trim_matches(|c: char| !c.is_alphanumeric());
    word.chars()
        .flat_map(char::to_lowercase)
        .map(straight)
        .collect::<String>()
        .into()
}

/// Typographic apostrophes as typewritten ones.
fn straight(c: char) -> char {
    if c == '’' || c == 'ʼ' { '\'' } else { c }
}

/// The type of the label in this word, `PERSON` in `([PERSON_1]'s`.
pub(crate) fn label_type(word: &str) -> Option<&str> {
    let (_, rest) = word.split_once('[')?;
    let (label, _) = rest.split_once(']')?;
    let (kind, number) = label.rsplit_once('_')?;
    let is_kind = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    let is_label = !kind.is_empty() && kind.chars().all(is_kind);
    (is_label && number.parse::<u32>().is_ok()).then_some(kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_become_comparable() {
        let cases = [
            ("Okay,", "okay"),
            ("\"DON’T!\"", "don't"),
            ("([PERSON_1]'s)", "[person]"),
            ("[US_SSN_12].", "[us_ssn]"),
            ("[laughs]", "laughs"),
            ("—", ""),
            ("Mm-hmm.", "mm-hmm"),
        ];
        for (word, expected) in cases {
            assert_eq!(comparable(word), expected);
        }
    }

    #[test]
    fn backchannels_are_told_from_answers() {
        let cases = [
            ("Mm-hmm.", true),
            ("Yeah, okay, right.", true),
            ("Yeah yeah yeah yeah", false),
            ("I see.", true),
            ("I see it.", false),
            ("No.", false),
            ("…", true),
        ];
        for (text, expected) in cases {
            let words: Vec<_> = text.split(' ').map(comparable).collect();
            assert_eq!(is_backchannel(&words), expected, "{text}");
        }
    }
}
