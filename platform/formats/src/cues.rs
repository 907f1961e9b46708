//! Cuts a transcript into cues: stretches of one speaker's words that fit on the screen.
//!
//! What a cue promises: at most two lines of [`LINE`] columns (a word that is wider has a line of
//! its own), at most [`LONGEST_MS`], never of no length, and never at the same time as another cue
//! of its channel. Cues come by their start.

use colloquy_contract::transcript::Transcript;
use unicode_width::UnicodeWidthStr;

use crate::{join, language, one_line, speaker};

/// Columns of a line; what broadcasters ask for in Latin script. A Chinese character takes two.
const LINE: usize = 42;

/// Longest time of a cue: longer ones are read twice.
const LONGEST_MS: u64 = 7_000;

/// A cue stays this long if nothing else of its speaker follows: a shorter one is hard to read.
const LINGER_MS: u64 = 1_000;

/// Shortest time of a cue: players skip a cue of none.
const SHORTEST_MS: u64 = 1;

/// How many columns more uneven two lines may be for a break after punctuation.
const PUNCTUATION_WORTH: usize = 10;

/// Where the speaker is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Label {
    /// In front of the text, as `agent:`.
    InText,
    /// Apart from the text, by the form's own means.
    Apart,
}

/// A stretch of words on the screen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cue {
    pub(crate) channel: u16,
    pub(crate) speaker: Option<String>,
    pub(crate) start_ms: u64,
    pub(crate) end_ms: u64,
    pub(crate) lines: Vec<String>,
}

/// The cues of a transcript.
pub(crate) fn cues(transcript: &Transcript, label: Label) -> Vec<Cue> {
    let spaced = language::is_spaced(&transcript.language);
    let mut by_channel: Vec<u16> = transcript.turns.iter().map(|turn| turn.channel).collect();
    by_channel.sort_unstable();
    by_channel.dedup();
    let mut all = Vec::new();
    for channel in by_channel {
        let mut turns: Vec<_> = transcript
            .turns
            .iter()
            .filter(|turn| turn.channel == channel)
            .collect();
        turns.sort_by_key(|turn| turn.start_ms);
        let (mut cues, mut free_ms) = (Vec::new(), 0);
        for turn in turns {
            let mut cutter = Cutter::new(channel, speaker(transcript, turn), label, spaced);
            for word in &turn.words {
                cutter.take(&word.text, word.start_ms, word.end_ms, &mut free_ms);
            }
            cues.extend(cutter.finish(&mut free_ms));
        }
        linger(&mut cues, transcript.duration_ms);
        all.extend(cues);
    }
    all.sort_by_key(|cue| (cue.start_ms, cue.channel));
    all
}

/// Lets short cues stay for a moment, but not into the speaker's next one.
fn linger(cues: &mut [Cue], duration_ms: u64) {
    let mut until = duration_ms;
    for cue in cues.iter_mut().rev() {
        cue.end_ms = cue.end_ms.max(until.min(cue.start_ms + LINGER_MS));
        until = cue.start_ms;
    }
}

/// Cuts one turn.
struct Cutter {
    channel: u16,
    speaker: Option<String>,
    /// Words that stand in front of each cue's own.
    front: Vec<String>,
    spaced: bool,
    done: Vec<Cue>,
    words: Vec<String>,
    start_ms: u64,
    end_ms: u64,
}

impl Cutter {
    fn new(channel: u16, speaker: Option<String>, label: Label, spaced: bool) -> Self {
        let front = speaker
            .iter()
            .filter(|_| label == Label::InText)
            .map(|name| format!("{name}: "))
            .collect();
        Self {
            channel,
            speaker,
            front,
            spaced,
            done: Vec::new(),
            words: Vec::new(),
            start_ms: 0,
            end_ms: 0,
        }
    }

    /// Adds a word; `free_ms` is where the channel's last cue ended.
    fn take(&mut self, text: &str, start_ms: u64, end_ms: u64, free_ms: &mut u64) {
        let word = one_line(text);
        if word.is_empty() {
            return;
        }
        self.words.push(word);
        let length_ms = end_ms.saturating_sub(self.start_ms);
        if self.words.len() > 1 && (length_ms > LONGEST_MS || self.is_full()) {
            let word = self.words.split_off(self.words.len() - 1);
            self.cut(free_ms);
            self.words = word;
        }
        if self.words.len() == 1 {
            self.start_ms = start_ms.max(*free_ms);
            self.end_ms = self.start_ms + SHORTEST_MS;
        }
        let last_ms = self.start_ms + LONGEST_MS;
        self.end_ms = self.end_ms.max(end_ms.min(last_ms));
    }

    /// Whether the last word is better off in the next cue: for want of room, or because a sentence
    /// ends before it and a line is full.
    fn is_full(&self) -> bool {
        let before = &self.words[..self.words.len() - 1];
        let sentence = before
            .last()
            .is_some_and(|word| ends_with(word, &['.', '?', '!', '。', '？', '！']));
        (sentence && self.width(before) >= LINE) || !self.fits()
    }

    fn fits(&self) -> bool {
        let count = self.words.len();
        self.width(&self.words) <= LINE
            || (1..count).any(|at| {
                let (first, second) = self.words.split_at(at);
                self.width(first) <= LINE && join(second, self.spaced).width() <= LINE
            })
    }

    /// Columns of words in the first line, behind the label.
    fn width(&self, words: &[String]) -> usize {
        self.front.concat().width() + join(words, self.spaced).width()
    }

    fn cut(&mut self, free_ms: &mut u64) {
        let words = std::mem::take(&mut self.words);
        if words.is_empty() {
            return;
        }
        let mut lines = self.lines(&words);
        if let Some(first) = lines.first_mut() {
            first.insert_str(0, &self.front.concat());
        }
        *free_ms = self.end_ms;
        self.done.push(Cue {
            channel: self.channel,
            speaker: self.speaker.clone(),
            start_ms: self.start_ms,
            end_ms: self.end_ms,
            lines,
        });
    }

    /// One line if they fit, else two that are about as long, broken after punctuation if possible.
    fn lines(&self, words: &[String]) -> Vec<String> {
        if self.width(words) <= LINE {
            return vec![join(words, self.spaced)];
        }
        let cost = |at: usize| {
            let (first, second) = words.split_at(at);
            let (above, below) = (self.width(first), join(second, self.spaced).width());
            let worth = usize::from(!ends_with(
                &words[at - 1],
                &[',', ';', ':', '.', '?', '!', '、', '，', '。'],
            )) * PUNCTUATION_WORTH;
            let over = above.saturating_sub(LINE) + below.saturating_sub(LINE);
            (over, above.abs_diff(below) + worth)
        };
        match (1..words.len()).min_by_key(|&at| cost(at)) {
            Some(at) => {
                let (first, second) = words.split_at(at);
                vec![join(first, self.spaced), join(second, self.spaced)]
            }
            None => vec![join(words, self.spaced)],
        }
    }

    fn finish(mut self, free_ms: &mut u64) -> Vec<Cue> {
        self.cut(free_ms);
        self.done
    }
}

/// Whether a word ends with one of these marks, quotation marks and brackets aside.
fn ends_with(word: &str, marks: &[char]) -> bool {
    word.trim_end_matches(['"', '\'', ')', '”', '’', '»', '」'])
        .ends_with(marks)
}

#[cfg(test)]
mod tests {
    use colloquy_contract::transcript::{Role, Turn, Word};

    use super::*;
    use crate::subtitles::tests::{transcript, turn};

    fn of(turns: Vec<Turn>) -> Vec<Cue> {
        cues(&transcript(turns), Label::Apart)
    }

    fn lines(text: &str) -> Vec<Vec<String>> {
        let cues = of(vec![turn(0, Role::Agent, 0, 250, text)]);
        cues.into_iter().map(|cue| cue.lines).collect()
    }

    #[test]
    fn lines_are_even_and_break_after_punctuation() {
        assert_eq!(lines("Hello, how are you?"), [["Hello, how are you?"]]);
        assert_eq!(
            lines("The quick brown fox jumps over the lazy dog and runs away"),
            [[
                "The quick brown fox jumps over",
                "the lazy dog and runs away"
            ]]
        );
        assert_eq!(
            lines("I would like to see it, please, before it is sent to anybody else"),
            [[
                "I would like to see it, please,",
                "before it is sent to anybody else"
            ]]
        );
    }

    #[test]
    fn a_sentence_ends_a_cue_that_has_a_full_line() {
        assert_eq!(
            lines("Your parcel is on its way to the depot now. It will come tomorrow."),
            [
                vec!["Your parcel is on its", "way to the depot now."],
                vec!["It will come tomorrow."]
            ]
        );
    }

    #[test]
    fn long_turns_are_cut_at_words() {
        let words = vec!["something"; 40].join(" ");
        let cues = of(vec![turn(0, Role::Agent, 0, 500, &words)]);
        assert!(cues.len() > 4);
        for cue in &cues {
            assert!(cue.end_ms - cue.start_ms <= LONGEST_MS && cue.lines.len() <= 2);
        }
        let joined: Vec<String> = cues.iter().map(|cue| cue.lines.join(" ")).collect();
        assert_eq!(joined.join(" "), words);
    }

    #[test]
    fn a_word_wider_than_a_line_and_longer_than_a_cue_is_a_cue() {
        let word = Word {
            text: "x".repeat(90),
            start_ms: 5,
            end_ms: 60_000,
            confidence: 1.0,
            digit_starts_ms: Vec::new(),
        };
        let found = of(vec![Turn::new(0, Role::Agent, vec![word]).unwrap()]);
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].start_ms, found[0].end_ms), (5, 5 + LONGEST_MS));
        assert_eq!(found[0].lines, ["x".repeat(90)]);
    }

    #[test]
    fn short_cues_stay_until_the_next_of_their_speaker() {
        let found = of(vec![
            turn(0, Role::Agent, 0, 200, "Yes."),
            turn(1, Role::Customer, 300, 200, "What?"),
            turn(0, Role::Agent, 600, 200, "No."),
        ]);
        let times: Vec<_> = found.iter().map(|cue| (cue.start_ms, cue.end_ms)).collect();
        assert_eq!(times, [(0, 600), (300, 1_300), (600, 1_600)]);
    }

    #[test]
    fn wide_characters_take_two_columns() {
        let mut call = transcript(vec![turn(
            0,
            Role::Agent,
            0,
            100,
            &vec!["好"; 50].join(" "),
        )]);
        call.language = "zh".to_owned();
        let found = cues(&call, Label::Apart);
        let counts: Vec<Vec<usize>> = found
            .iter()
            .map(|cue| cue.lines.iter().map(|line| line.chars().count()).collect())
            .collect();
        assert_eq!(counts, [vec![21, 21], vec![8]]);
    }
}
