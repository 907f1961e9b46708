//! Which stretch of which channel has to go.

use colloquy_contract::transcript::{Turn, Word};

/// The longest stretch of words that is believed; a word is never spoken that long.
const MAX_BELIEVED_MS: u64 = 60_000;

/// How far a recognizer's times may run past the recording's end by rounding.
const END_TOLERANCE_MS: u64 = 1_000;

/// A stretch of one channel of the recording whose sound has to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cut {
    /// Channel of the recording, from 0.
    pub channel: u16,
    /// Start in milliseconds from the start of the recording.
    pub start_ms: u64,
    /// End in milliseconds from the start of the recording; later than the start.
    pub end_ms: u64,
}

impl Cut {
    /// The cut that removes these neighbouring words of a turn.
    ///
    /// Where their times cannot be trusted it is the whole turn, and where the turn's cannot be
    /// either, the whole channel. `None` if even the recording has no length.
    pub(crate) fn of_words(turn: &Turn, words: &[Word], duration_ms: u64) -> Option<Self> {
        let cut = |(start_ms, end_ms)| Self {
            channel: turn.channel,
            start_ms,
            end_ms,
        };
        let told = word_bounds(words).filter(|_| turn.word_times.are_exact());
        if let Some(bounds) = told.filter(|&bounds| is_believed(bounds, duration_ms)) {
            return Some(cut(bounds));
        }
        let whole_turn = turn_bounds(turn);
        if whole_turn.0 < whole_turn.1 && whole_turn.0 < duration_ms {
            return Some(cut((whole_turn.0, whole_turn.1.min(duration_ms))));
        }
        (duration_ms > 0).then(|| cut((0, duration_ms)))
    }
}

/// From the start of the first word to the end of the last, if the times are in order.
///
/// Recognizers give a word they could not place no length, or put it out of order. Between two
/// placed words that does no harm; at an edge the sound may lie outside.
fn word_bounds(words: &[Word]) -> Option<(u64, u64)> {
    let (first, last) = (words.first()?, words.last()?);
    let edges_placed = first.start_ms < first.end_ms && last.start_ms < last.end_ms;
    let inside = |word: &Word| {
        first.start_ms <= word.start_ms
            && word.start_ms <= word.end_ms
            && word.end_ms <= last.end_ms
    };
    (edges_placed && words.iter().all(inside)).then_some((first.start_ms, last.end_ms))
}

fn is_believed((start_ms, end_ms): (u64, u64), duration_ms: u64) -> bool {
    end_ms - start_ms <= MAX_BELIEVED_MS
        && start_ms < duration_ms
        && end_ms <= duration_ms.saturating_add(END_TOLERANCE_MS)
}

/// The turn's own bounds, widened by those of its words.
fn turn_bounds(turn: &Turn) -> (u64, u64) {
    let start = turn
        .words
        .iter()
        .map(|word| word.start_ms)
        .fold(turn.start_ms, u64::min);
    let end = turn
        .words
        .iter()
        .map(|word| word.end_ms)
        .fold(turn.end_ms, u64::max);
    (start, end)
}

#[cfg(test)]
mod tests {
    use colloquy_contract::transcript::{Role, WordTimes};

    use super::*;

    fn turn(times: &[(u64, u64)]) -> Turn {
        let words = times
            .iter()
            .map(|&(start_ms, end_ms)| Word {
                text: "x".to_owned(),
                start_ms,
                end_ms,
                confidence: 1.0,
                digit_starts_ms: Vec::new(),
            })
            .collect();
        Turn::new(1, Role::Customer, words).unwrap()
    }

    #[test]
    fn trusts_plausible_times_only() {
        // Word times, the words to cut, length of the recording, the expected cut.
        type Case<'a> = (
            &'a str,
            &'a [(u64, u64)],
            std::ops::Range<usize>,
            u64,
            (u64, u64),
        );
        let cases: &[Case<'_>] = &[
            (
                "plain",
                &[(0, 100), (100, 300), (300, 400)],
                1..2,
                500,
                (100, 300),
            ),
            (
                "unplaced inside",
                &[(0, 100), (100, 100), (150, 400)],
                0..3,
                500,
                (0, 400),
            ),
            (
                "unplaced edge",
                &[(0, 100), (200, 200), (300, 400)],
                1..2,
                500,
                (0, 400),
            ),
            (
                "backwards",
                &[(0, 100), (300, 200), (300, 400)],
                1..2,
                500,
                (0, 400),
            ),
            (
                "out of order",
                &[(0, 900), (100, 300), (300, 400)],
                0..3,
                950,
                (0, 900),
            ),
            (
                "too long",
                &[(0, 10), (10, 60_011), (60_100, 61_000)],
                1..2,
                70_000,
                (0, 61_000),
            ),
            (
                "past the end a little",
                &[(0, 100), (100, 1_400)],
                1..2,
                500,
                (100, 1_400),
            ),
            (
                "past the end by far",
                &[(0, 100), (100, 1_600)],
                1..2,
                500,
                (0, 500),
            ),
            (
                "the turn has no time either",
                &[(7, 7), (7, 7)],
                0..1,
                500,
                (0, 500),
            ),
            (
                "the turn lies outside",
                &[(700, 800), (800, 900)],
                0..1,
                500,
                (0, 500),
            ),
        ];
        for (name, times, words, duration_ms, expected) in cases {
            let turn = turn(times);
            let cut = Cut::of_words(&turn, &turn.words[words.clone()], *duration_ms).unwrap();
            assert_eq!((cut.start_ms, cut.end_ms), *expected, "{name}");
            assert_eq!(cut.channel, 1);
        }
        let mut spread = turn(&[(100, 200), (200, 300), (300, 400)]);
        spread.word_times = WordTimes::Estimated;
        let cut = Cut::of_words(&spread, &spread.words[1..2], 500).unwrap();
        assert_eq!((cut.start_ms, cut.end_ms), (100, 400), "estimated");
        let unplaced = turn(&[(0, 0)]);
        assert_eq!(Cut::of_words(&unplaced, &unplaced.words, 0), None);
    }
}
