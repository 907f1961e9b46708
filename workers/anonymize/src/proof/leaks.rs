//! What was heard that should not be, and what to do about it.

use std::ops::Range;

use colloquy_contract::transcript::{Transcript, Turn};

use super::Clips;
use crate::{
    Cut,
    policy::Policy,
    text::{Anonymized, Finding, Heard, Recognize, Secrets},
};

/// A recognizer that is less sure than this of what it reads in a few words is not believed.
const SURE: f32 = 0.7;

/// How far apart two transcripts may place the same word.
const LOOSE_MS: u64 = 300;

/// A cut this near to a leak was too short.
const NEAR_MS: u64 = 1_500;

/// What a cut grows by at either end in the first round; it doubles with each.
const STEP_MS: u64 = 200;

/// Something that is heard and should not be. It holds personal data, so it has no `Debug`.
pub(crate) struct Leak {
    /// Where it is heard.
    pub(crate) place: Cut,
    entity_type: String,
    value: String,
}

/// The leaks in what was heard.
pub(crate) fn leaks(
    heard: &Transcript,
    clips: &Clips,
    secrets: &Secrets,
    (transcript, anonymized): (&Transcript, &Anonymized),
    policy: &Policy,
    recognize: &Recognize,
) -> Vec<Leak> {
    let mut found = secrets.heard_in(heard, policy);
    found.extend(recognized(heard, policy, recognize));
    let leak = |heard_words: Heard| {
        let turn = heard.turns.get(heard_words.turn)?;
        let words = turn.words.get(heard_words.words.clone())?;
        let start_ms = words.iter().map(|word| word.start_ms).min()?;
        let end_ms = words.iter().map(|word| word.end_ms).max()?;
        let place = clips.place(turn.channel, start_ms, end_ms)?;
        let said: Vec<&str> = words.iter().map(|word| word.text.as_str()).collect();
        let said = plain(&said.join(" "));
        if said.is_empty() || is_known(&said, place, transcript, anonymized) {
            return None;
        }
        let value = if heard_words.value.is_empty() {
            said
        } else {
            heard_words.value
        };
        Some(Leak {
            place,
            entity_type: heard_words.entity_type,
            value,
        })
    };
    found.into_iter().filter_map(leak).collect()
}

/// What the recognizers read in what was heard.
fn recognized(heard: &Transcript, policy: &Policy, recognize: &Recognize) -> Vec<Heard> {
    let mentions = recognize(heard).mentions.into_iter();
    let is_one = mentions.filter(|mention| {
        mention.score >= SURE
            && policy.redacts(&mention.entity_type, mention.score)
            && !policy
                .allowed()
                .iter()
                .any(|pattern| pattern.is(&mention.text))
    });
    let words_of = |turn: &Turn, range: Range<usize>| {
        let spans: Vec<Range<usize>> = turn.word_spans().collect();
        let first = spans.partition_point(|span| span.end <= range.start);
        let last = spans.partition_point(|span| span.start < range.end);
        first..last
    };
    is_one
        .filter_map(|mention| {
            let turn = heard.turns.get(mention.turn)?;
            Some(Heard {
                turn: mention.turn,
                words: words_of(turn, mention.start..mention.end),
                entity_type: mention.entity_type,
                value: mention.value,
            })
        })
        .collect()
}

/// Whether the transcript has the same words there, and they were left.
fn is_known(said: &str, place: Cut, transcript: &Transcript, anonymized: &Anonymized) -> bool {
    let mut there = String::new();
    for (index, turn) in transcript.turns.iter().enumerate() {
        if turn.channel != place.channel {
            continue;
        }
        for at in left_words(anonymized, index) {
            let word = &turn.words[at];
            let near = word.start_ms <= place.end_ms + LOOSE_MS
                && place.start_ms <= word.end_ms + LOOSE_MS;
            if near {
                there += &plain(&word.text);
            }
        }
    }
    there.contains(said)
}

/// The words of a turn that were not replaced.
fn left_words(anonymized: &Anonymized, turn: usize) -> impl Iterator<Item = usize> + '_ {
    let origins = anonymized.origins.get(turn).into_iter().flatten();
    let replaced = anonymized.replaced.get(turn).into_iter().flatten();
    origins
        .zip(replaced)
        .filter(|(_, replaced)| !**replaced)
        .flat_map(|(words, _)| words.clone())
}

/// Letters and digits in lower case.
fn plain(text: &str) -> String {
    text.chars()
        .filter(|c| c.is_alphanumeric())
        .flat_map(char::to_lowercase)
        .collect()
}

/// What has to go besides after this round: words of the transcript, and stretches of sound.
pub(crate) fn mend(
    leaks: &[Leak],
    round: u32,
    (transcript, anonymized): (&Transcript, &Anonymized),
    findings: &mut Vec<Finding>,
    cuts: &mut Vec<Cut>,
) {
    let more_ms = STEP_MS << round.saturating_sub(1).min(super::MAX_RETRIES);
    let mut wider = Vec::new();
    for leak in leaks {
        let place = leak.place;
        wider.push(widened(place, more_ms, transcript.duration_ms));
        let near = anonymized.cuts.iter().chain(cuts.iter()).filter(|cut| {
            cut.channel == place.channel
                && cut.start_ms <= place.end_ms + NEAR_MS
                && place.start_ms <= cut.end_ms + NEAR_MS
        });
        wider.extend(near.map(|cut| widened(*cut, more_ms, transcript.duration_ms)));
        for (index, turn) in transcript.turns.iter().enumerate() {
            if turn.channel != place.channel {
                continue;
            }
            let there = |at: &usize| {
                let word = &turn.words[*at];
                let middle = word.start_ms.midpoint(word.end_ms);
                (place.start_ms..=place.end_ms).contains(&middle)
            };
            findings.extend(
                left_words(anonymized, index)
                    .filter(there)
                    .map(|at| Finding {
                        turn: index,
                        words: at..at + 1,
                        entity_type: leak.entity_type.clone(),
                        value: leak.value.clone(),
                    }),
            );
        }
    }
    cuts.extend(wider.into_iter().flatten());
    cuts.sort_unstable();
    cuts.dedup();
}

/// A stretch with more at either end; none if the recording has no length.
fn widened(cut: Cut, more_ms: u64, duration_ms: u64) -> Option<Cut> {
    let start_ms = cut.start_ms.saturating_sub(more_ms);
    let end_ms = (cut.end_ms + more_ms).min(duration_ms);
    (start_ms < end_ms).then_some(Cut {
        channel: cut.channel,
        start_ms,
        end_ms,
    })
}
