//! Passwords, PINs, one-time codes and the answers to security questions.

use std::ops::Range;

use super::{Found, Scene};
use crate::context::{Distance, Topic};
use crate::entity::{Part, score, types};
use crate::text::Conversation;
use crate::words;

/// A spoken password has at most this many words.
const LONGEST_PASSWORD: usize = 10;
/// An answer to a security question has at most this many words.
const LONGEST_ANSWER: usize = 4;

pub(super) fn find(scene: &Scene<'_>, found: &mut Found) {
    find_codes(scene, found);
    for (topic, most) in [
        (Topic::Secret, LONGEST_PASSWORD),
        (Topic::SecretAnswer, LONGEST_ANSWER),
    ] {
        for end in scene.context.ends_of(topic) {
            let said = statement(scene.conversation, end, most);
            if let Some(at) = said.or_else(|| answer(scene.conversation, end, most, topic)) {
                add(scene.conversation, at, found);
            }
        }
    }
}

/// Digits and codes behind "PIN" or "verification code".
fn find_codes(scene: &Scene<'_>, found: &mut Found) {
    for reading in &scene.readings {
        let strand = &reading.strand;
        for run in reading.digits.iter().chain(&reading.codes) {
            let told = match scene.context.topic(strand, &run.at()) {
                Some((Topic::Secret, Distance::Near)) => (3..=16).contains(&run.len()),
                Some((Topic::Secret, Distance::Far)) => (4..=8).contains(&run.len()),
                _ => false,
            };
            if told && !run.is_count(strand) && !run.is_year(strand) {
                let (at, value) = (run.at(), run.chars());
                found.add(strand, at, types::PASSWORD, value, score::CONTEXT);
            }
        }
    }
}

fn add(conversation: &Conversation<'_>, at: Range<usize>, found: &mut Found) {
    let (first, last) = (
        conversation.tokens[at.start],
        conversation.tokens[at.end - 1],
    );
    let text = &conversation.turns[first.turn].text[first.start..last.end];
    let part = Part {
        turn: first.turn,
        start: first.start,
        end: last.end,
    };
    found.add_parts(
        vec![part],
        types::PASSWORD,
        text.to_lowercase(),
        score::CONTEXT + 0.01,
    );
}

/// `… is hunter two`: the words behind the cue in its own turn.
fn statement(conversation: &Conversation<'_>, end: usize, most: usize) -> Option<Range<usize>> {
    let turn = conversation.tokens.get(end.checked_sub(1)?)?.turn;
    let tokens = &conversation.turns[turn].tokens;
    let mut at = end;
    let mut is = false;
    while tokens.contains(&at) && at - end < 4 {
        let word = conversation.lower(at);
        if matches!(word, "is" | "was" | "s" | "would" | "be") {
            is = true;
        } else if is || !matches!(word, "to" | "my" | "the" | "account" | "for") {
            break;
        }
        at += 1;
    }
    let asks = at.checked_sub(1).is_some_and(|before| before >= end && !is);
    if !is || asks {
        return None;
    }
    phrase(conversation, at, tokens.end, most)
}

/// The turn that answers the question that ends with the cue.
fn answer(
    conversation: &Conversation<'_>,
    end: usize,
    most: usize,
    topic: Topic,
) -> Option<Range<usize>> {
    let asking = conversation.tokens.get(end.checked_sub(1)?)?.turn;
    let question = conversation.turns[asking].text.trim_end();
    let asks = question.ends_with('?')
        || (topic == Topic::SecretAnswer && question.contains("your"))
        || question.to_ascii_lowercase().contains("what is");
    if !asks {
        return None;
    }
    let other = |turn: &usize| {
        conversation.channel(*turn) != conversation.channel(asking) || *turn == asking + 1
    };
    let turn = (asking + 1..conversation.turns.len().min(asking + 4))
        .find(|turn| other(turn) && !conversation.turns[*turn].backchannel)?;
    let tokens = &conversation.turns[turn].tokens;
    let start = tokens
        .clone()
        .find(|token| !is_opening(conversation.lower(*token)))?;
    let at = phrase(conversation, start, tokens.end, most)?;
    // A long turn explains something rather than answering.
    (tokens.end - at.end <= 6 && start - tokens.start <= 8).then_some(at)
}

/// Words from a position up to the end of the clause, unless they say nothing secret.
fn phrase(
    conversation: &Conversation<'_>,
    start: usize,
    limit: usize,
    most: usize,
) -> Option<Range<usize>> {
    let first = conversation.tokens.get(start).filter(|_| start < limit)?;
    let text = conversation.turns[first.turn].text;
    let mut end = start + 1;
    while end < limit && end - start < most {
        let gap = &text[conversation.tokens[end - 1].end..conversation.tokens[end].start];
        let ends = gap.contains(['.', ',', '?', '!', ';']) && gap.contains(' ');
        if ends && (most == LONGEST_ANSWER || !gap.contains(',')) {
            break;
        }
        end += 1;
    }
    let plain = |token: usize| words::is_common(conversation.lower(token));
    (!(start..end).all(plain) && !plain(start)).then_some(start..end)
}

/// Words that open an answer.
fn is_opening(word: &str) -> bool {
    words::is_opening(word)
        || matches!(
            word,
            "was" | "her" | "his" | "password" | "pin" | "answer" | "maiden" | "dog" | "cat"
        )
}
