//! Talk statistics: how the speakers shared the time and how they took turns.

use colloquy_contract::analysis::{Analysis, Interruption, Speaker, Talk};

use crate::{
    conversation::{Conversation, Turn},
    count, rounded,
    timeline::{self, Intervals, median},
};

/// Silences longer than this are listed, and end a monologue.
const LONG_SILENCE_MS: u64 = 3_000;

/// Shorter overlaps are how people hand over, not interruptions.
const MIN_INTERRUPTION_MS: u64 = 300;

/// Measures each speaker and the conversation.
pub(crate) fn measure(conversation: &Conversation<'_>) -> (Vec<Speaker>, Talk) {
    let times: Vec<Intervals> = (0..conversation.speakers.len())
        .map(|speaker| speaking(conversation, speaker))
        .collect();
    let all_ms: u64 = times.iter().map(Intervals::length_ms).sum();
    let interruptions = interruptions(conversation);
    let pauses = pauses(conversation);
    let speakers = times
        .iter()
        .enumerate()
        .map(|(index, time)| {
            let mut speaker = speaker(conversation, index, time.length_ms(), all_ms);
            let own = interruptions
                .iter()
                .filter(|i| usize::from(i.speaker) == index);
            speaker.interruptions = count(own.count());
            let own = pauses.iter().filter(|(speaker, _)| *speaker == index);
            speaker.response_latency_ms = median(own.map(|(_, pause_ms)| *pause_ms).collect());
            speaker
        })
        .collect();
    (speakers, talk(conversation, &times, interruptions, pauses))
}

/// When a speaker speaks.
fn speaking(conversation: &Conversation<'_>, speaker: usize) -> Intervals {
    let own = conversation
        .turns
        .iter()
        .filter(|turn| turn.speaker == speaker);
    Intervals::union(own.map(|turn| (turn.start_ms, turn.end_ms)))
}

fn speaker(conversation: &Conversation<'_>, index: usize, talk_ms: u64, all_ms: u64) -> Speaker {
    let (channel, role) = conversation.speakers[index];
    let turns = || {
        conversation
            .turns
            .iter()
            .filter(|turn| turn.speaker == index)
    };
    let words: usize = turns().map(|turn| turn.words.len()).sum();
    Speaker {
        channel,
        role,
        talk_ms,
        talk_share: ratio(talk_ms as f64, all_ms as f64),
        turns: count(turns().count()),
        words: count(words),
        words_per_minute: ratio(words as f64 * 60_000.0, talk_ms as f64),
        longest_monologue_ms: longest_monologue_ms(conversation, index),
        questions: count(turns().map(questions).sum()),
        interruptions: 0,
        response_latency_ms: None,
    }
}

fn talk(
    conversation: &Conversation<'_>,
    times: &[Intervals],
    mut interruptions: Vec<Interruption>,
    pauses: Vec<(usize, u64)>,
) -> Talk {
    let anybody = Intervals::union(
        conversation
            .turns
            .iter()
            .map(|turn| (turn.start_ms, turn.end_ms)),
    );
    let talk_ms = anybody.length_ms();
    let mut silences = anybody.gaps(conversation.duration_ms);
    silences.retain(|silence| timeline::length_ms(silence) > LONG_SILENCE_MS);
    let long_silences = count(silences.len());
    silences.sort_by_key(|silence| std::cmp::Reverse(timeline::length_ms(silence)));
    silences.truncate(Analysis::MAX_ENTRIES);
    silences.sort_by_key(|silence| silence.start_ms);
    let interruption_count = count(interruptions.len());
    interruptions.truncate(Analysis::MAX_ENTRIES);
    Talk {
        talk_ms,
        overlap_ms: timeline::overlap_ms(times),
        silence_ms: conversation.duration_ms - talk_ms,
        long_silences,
        silences,
        interruption_count,
        interruptions,
        response_latency_ms: median(pauses.into_iter().map(|(_, pause_ms)| pause_ms).collect()),
    }
}

fn ratio(part: f64, whole: f64) -> f64 {
    if whole > 0.0 {
        rounded(part / whole)
    } else {
        0.0
    }
}

/// Sentences that end in a question mark.
fn questions(turn: &Turn<'_>) -> usize {
    let asks = |text: &str| {
        text.trim_end_matches(['"', '”', '\'', '’', ')'])
            .ends_with('?')
    };
    turn.source
        .words
        .iter()
        .filter(|word| asks(&word.text))
        .count()
}

/// From the first to the last of a speaker's turns that nothing but backchannels of others and
/// short silences lies between.
fn longest_monologue_ms(conversation: &Conversation<'_>, speaker: usize) -> u64 {
    let (mut longest_ms, mut current) = (0, None);
    for turn in &conversation.turns {
        if turn.speaker == speaker {
            let (start_ms, end_ms) = match current {
                Some((start_ms, end_ms)) if turn.start_ms <= end_ms + LONG_SILENCE_MS => {
                    (start_ms, turn.end_ms.max(end_ms))
                }
                _ => (turn.start_ms, turn.end_ms),
            };
            current = Some((start_ms, end_ms));
            longest_ms = longest_ms.max(end_ms - start_ms);
        } else if !turn.is_backchannel {
            current = None;
        }
    }
    longest_ms
}

/// Turns that begin while another speaker has more than a moment left to say.
fn interruptions(conversation: &Conversation<'_>) -> Vec<Interruption> {
    let mut found = Vec::new();
    // Turns that are not over when the next begins.
    let mut open: Vec<&Turn<'_>> = Vec::new();
    for turn in conversation
        .turns
        .iter()
        .filter(|turn| !turn.is_backchannel)
    {
        open.retain(|other| other.end_ms > turn.start_ms);
        let overlap_ms = |other: &Turn<'_>| other.end_ms.min(turn.end_ms) - turn.start_ms;
        let interrupted = open
            .iter()
            .filter(|other| other.speaker != turn.speaker && other.start_ms < turn.start_ms)
            .filter(|other| overlap_ms(other) >= MIN_INTERRUPTION_MS)
            .max_by_key(|other| overlap_ms(other));
        if let Some(other) = interrupted {
            found.push(Interruption {
                speaker: turn.speaker as u16,
                interrupted: other.speaker as u16,
                turn: count(turn.index),
                start_ms: turn.start_ms,
                overlap_ms: overlap_ms(other),
            });
        }
        open.push(turn);
    }
    found
}

/// For each change of speaker, who answers and after which pause; 0 for who does not wait.
fn pauses(conversation: &Conversation<'_>) -> Vec<(usize, u64)> {
    let mut pauses = Vec::new();
    let mut last: Option<&Turn<'_>> = None;
    for turn in &conversation.turns {
        if let Some(last) = last.filter(|last| last.speaker != turn.speaker) {
            if turn.is_backchannel && turn.start_ms < last.end_ms {
                continue;
            }
            pauses.push((turn.speaker, turn.start_ms.saturating_sub(last.end_ms)));
        }
        // A short turn inside a longer one of the same speaker does not end it.
        if last.is_none_or(|last| last.speaker != turn.speaker || last.end_ms <= turn.end_ms) {
            last = Some(turn);
        }
    }
    pauses
}
