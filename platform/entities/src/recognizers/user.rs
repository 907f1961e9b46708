//! The names of users' accounts: `my user name is jdoe84`, `it's jane dot doe eighty eight`.

use std::ops::Range;

use super::{Found, Scene};
use crate::context::Topic;
use crate::entity::{Part, score, types};
use crate::text::{Conversation, up_to_space};
use crate::words;

/// A written name has at most this many characters.
const LONGEST_WRITTEN: usize = 128;
/// A name that is read out has at most this many words.
const LONGEST_SAID: usize = 10;
/// Behind the cue a question goes on for at most this many words: `… for the portal?`.
const LONGEST_REST: usize = 4;

pub(super) fn find(scene: &Scene<'_>, found: &mut Found) {
    let conversation = scene.conversation;
    for end in scene.context.ends_of(Topic::User) {
        let turn = end
            .checked_sub(1)
            .and_then(|at| conversation.tokens.get(at));
        let Some(turn) = turn.map(|token| token.turn) else {
            continue;
        };
        if asks(conversation, turn, end) {
            let answer = turn + 1;
            if let Some(content) = conversation.turns.get(answer) {
                let opening = |at: &usize| is_opening(conversation.lower(*at));
                let mut opened = content.tokens.clone().take(LONGEST_SAID);
                let first = opened.find(|at| !opening(at));
                if let Some(at) = first {
                    name_at(conversation, answer, at, found);
                }
            }
            continue;
        }
        let content = &conversation.turns[turn];
        let mut at = end;
        while content.tokens.contains(&at)
            && matches!(
                conversation.lower(at),
                "is" | "s" | "was" | "my" | "name" | "the" | "as" | "id"
            )
        {
            at += 1;
        }
        if content.tokens.contains(&at) {
            name_at(conversation, turn, at, found);
        }
    }
    for turn in 0..conversation.turns.len() {
        find_locked(conversation, turn, found);
    }
}

/// `account jsmith was locked`, `reset the password for tmbatha`: a word that is no word and no
/// name, where there is one user's name.
fn find_locked(conversation: &Conversation<'_>, turn: usize, found: &mut Found) {
    let content = &conversation.turns[turn];
    let tokens = content.tokens.clone();
    for at in tokens.clone().skip(1) {
        let lower = |at: usize| {
            if tokens.contains(&at) {
                conversation.lower(at)
            } else {
                ""
            }
        };
        let before = lower(at - 1);
        let told = match before {
            "account" | "user" => {
                matches!(
                    lower(at + 1),
                    "was" | "is" | "has" | "got" | "gets" | "cannot" | "can"
                ) && is_state(lower(at + 2))
            }
            "for" if at >= 2 => matches!(lower(at - 2), "pw" | "pwd" | "password" | "login"),
            _ => false,
        };
        let raw = conversation.raw(at);
        let name = told
            && raw.len() >= 4
            && raw
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
            && !(words::is_english(raw) || words::is_common(raw) || words::is_given_name(raw))
            && content.text.as_bytes().get(conversation.tokens[at].end) != Some(&b'@');
        if name {
            name_at(conversation, turn, at, found);
        }
    }
}

/// What happens to an account: `was locked`, `cannot log in`.
fn is_state(lower: &str) -> bool {
    matches!(
        lower,
        "locked"
            | "blocked"
            | "disabled"
            | "suspended"
            | "deactivated"
            | "been"
            | "not"
            | "log"
            | "login"
            | "expired"
            | "deleted"
            | "hacked"
            | "compromised"
    )
}

/// Whether the turn with the cue is a question that ends with it.
fn asks(conversation: &Conversation<'_>, turn: usize, end: usize) -> bool {
    let content = &conversation.turns[turn];
    content.text.trim_end().ends_with('?')
        && content.tokens.end.saturating_sub(end) <= LONGEST_REST
        && (end..content.tokens.end)
            .all(|at| !conversation.lower(at).bytes().any(|b| b.is_ascii_digit()))
}

/// Words that open an answer.
fn is_opening(lower: &str) -> bool {
    words::is_opening(lower) || matches!(lower, "user" | "username" | "login" | "id" | "should")
}

/// The name that begins at a token.
fn name_at(conversation: &Conversation<'_>, turn: usize, at: usize, found: &mut Found) {
    let content = &conversation.turns[turn];
    // Up to white space: "j.doe_84", and with the sign of a handle: "@marrow_fox".
    let mut start = conversation.tokens[at].start;
    let before = &content.text[..start];
    if before.ends_with('@')
        && !before
            .trim_end_matches('@')
            .ends_with(char::is_alphanumeric)
    {
        start -= 1;
    }
    let name = up_to_space(&content.text[start..], LONGEST_WRITTEN);
    let name = name.trim_end_matches([',', '.', '?', '!', ';', ':', ')', '"']);
    let lower = name.to_lowercase();
    let written = start + name.len();
    let coded = name
        .chars()
        .any(|c| c.is_ascii_digit() || matches!(c, '_' | '.'));
    if let Some(said) = said(conversation, at..content.tokens.end) {
        let end = conversation.tokens[said.end - 1].end.max(written);
        let value = content.text[start..end].to_lowercase();
        let part = Part { turn, start, end };
        found.add_parts(vec![part], types::USERNAME, value, score::CONTEXT + 0.02);
        return;
    }
    if name.chars().count() < 3
        || (!coded && (words::is_english(&lower) || words::is_common(&lower)))
    {
        return;
    }
    let part = Part {
        turn,
        start,
        end: written,
    };
    found.add_parts(vec![part], types::USERNAME, lower, score::CONTEXT);
}

/// A name that is read out: words with the names of signs or with numbers between and behind them.
fn said(conversation: &Conversation<'_>, limits: Range<usize>) -> Option<Range<usize>> {
    let start = limits.start;
    let spoken = |at: usize| {
        let token = conversation.tokens[at];
        let before = conversation.tokens[at - 1].end;
        conversation.turns[token.turn].text[before..token.start]
            .chars()
            .all(|c| matches!(c, ' ' | ',' | '-'))
    };
    let letter = |at: usize| conversation.raw(at).chars().count() == 1;
    let number = |lower: &str| {
        lower.bytes().all(|b| b.is_ascii_digit()) || words::number_word(lower).is_some()
    };
    let mut end = start + 1;
    // "j smith underscore ninety two": an initial or a given name, and what belongs to it.
    let mut marks = 0;
    while limits.contains(&end) && end - start < LONGEST_SAID && spoken(end) {
        let lower = conversation.lower(end);
        let behind_sign = is_sign(conversation.lower(end - 1));
        let leads_to_sign = end == start + 1 && limits.contains(&(end + 1)) && {
            let next = conversation.lower(end + 1);
            is_sign(next) || number(next)
        };
        if is_sign(lower) || number(lower) {
            marks += 1;
        } else if !(behind_sign || letter(end) || (leads_to_sign && !words::is_common(lower))) {
            break;
        }
        end += 1;
    }
    while end > start && is_sign(conversation.lower(end - 1)) {
        end -= 1;
    }
    let named = start < end && !words::is_common(conversation.lower(start));
    (marks > 0 && end > start + 1 && named).then_some(start..end)
}

/// How the signs of a name are read out.
fn is_sign(lower: &str) -> bool {
    matches!(lower, "underscore" | "dot" | "dash" | "hyphen" | "period")
}
