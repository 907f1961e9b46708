//! Passwords, PINs, one-time codes and the answers to security questions.

use std::ops::Range;

use super::{Found, Scene};
use crate::context::{Distance, Topic};
use crate::entity::{Part, score, types};
use crate::text::{Conversation, up_to_space};
use crate::words;

/// An answer opens with at most this many words before what was asked for.
const LONGEST_OPENING: usize = 8;
/// A written password has at most this many characters.
const LONGEST_WRITTEN: usize = 128;
/// A spoken password has at most this many words.
const LONGEST_PASSWORD: usize = 10;
/// A password that is spelled out has at most this many letters, digits and words.
const LONGEST_SPELLED: usize = 32;
/// What names the user, or the password, stands at most so many words beside it.
const BESIDE: usize = 10;
/// A security question stands at most so many words before its line "Answer:".
const QUESTION: usize = 20;
/// An answer to a security question has at most this many words.
const LONGEST_ANSWER: usize = 4;

pub(super) fn find(scene: &Scene<'_>, found: &mut Found) {
    find_codes(scene, found);
    find_written(scene.conversation, found);
    find_beside(scene, found);
    for (topic, most) in [
        (Topic::Secret, LONGEST_PASSWORD),
        (Topic::SecretAnswer, LONGEST_ANSWER),
    ] {
        let conversation = scene.conversation;
        // Whether the turn with the last cue asks: it is read once, however many cues it has.
        let mut asking = (usize::MAX, false);
        for end in scene.context.ends_of(topic) {
            let turn = conversation.tokens[end - 1].turn;
            if asking.0 != turn {
                asking = (turn, asks(conversation.turns[turn].text, topic));
            }
            let said = statement(conversation, end, most);
            let answer = || asking.1.then(|| answer(conversation, end, most)).flatten();
            if let Some(at) = said.or_else(answer) {
                add(conversation, at, found);
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
                let mut parts = strand.parts(run.at());
                if let Some(last) = parts.last_mut() {
                    let text = scene.conversation.turns[last.turn].text;
                    let behind = text.get(last.end..).unwrap_or("");
                    let tied = glued(behind);
                    // "Tr0ub4dor!Kite"
                    if behind
                        .get(..tied)
                        .is_some_and(|tied| tied.contains(char::is_alphanumeric))
                    {
                        last.end += tied;
                    }
                }
                found.add_parts(parts, types::PASSWORD, run.chars(), score::CONTEXT);
            }
        }
    }
}

/// `password: hunter2!$x`, `pass=S3cret`: all up to white space.
fn find_written(conversation: &Conversation<'_>, found: &mut Found) {
    for (at, token) in conversation.tokens.iter().enumerate() {
        if !is_label(conversation.lower(at)) {
            continue;
        }
        let text = conversation.turns[token.turn].text;
        let rest = &text[token.end..];
        let mut value = rest.trim_start_matches([' ', '"', '\'']);
        let Some(sign) = value.chars().next().filter(|c| matches!(c, ':' | '=')) else {
            continue;
        };
        value = value[sign.len_utf8()..].trim_start_matches([' ', '"', '\'']);
        let start = text.len() - value.len();
        let word =
            up_to_space(value, LONGEST_WRITTEN).trim_end_matches([',', '.', ';', ')', '"', '\'']);
        let marked = word.chars().any(|c| !c.is_alphabetic());
        let lower = word.to_lowercase();
        let told = word.chars().count() >= 3
            && !word.contains("://")
            && (marked || !(words::is_common(&lower) || is_said_of(&lower)));
        if told && word.chars().any(char::is_alphanumeric) {
            add_written(token.turn, start, word, score::FORM, found);
        }
    }
}

/// What is written as passwords are, beside a user's name or where one is given for a while: `log in
/// with jdoe and p@perCrane55`, `temp Change!me901`; and the line "Answer:" below a question.
fn find_beside(scene: &Scene<'_>, found: &mut Found) {
    let conversation = scene.conversation;
    for (at, token) in conversation.tokens.iter().enumerate().skip(1) {
        let turn = &conversation.turns[token.turn];
        let topics: &[Topic] = match conversation.lower(at) {
            "and" | "with" => &[Topic::User],
            "temp" | "temporary" => &[Topic::Secret, Topic::User],
            "pw" | "pwd" | "pass" => &[Topic::Secret, Topic::User],
            "answer" => {
                answer_line(scene, at, found);
                continue;
            }
            _ => continue,
        };
        let rest = &turn.text[token.end..];
        let value = rest.trim_start_matches([' ', ':', '"', '\'']);
        let start = turn.text.len() - value.len();
        let word = up_to_space(value, LONGEST_WRITTEN);
        let word = word.trim_end_matches([',', '.', ';', ':', ')', '"', '\'', '?']);
        if is_like_password(word) && scene.context.mentioned(at, BESIDE, topics) {
            add_written(token.turn, start, word, score::CONTEXT, found);
        }
    }
}

/// `Answer: Sir Waffles`, some words behind a security question.
fn answer_line(scene: &Scene<'_>, at: usize, found: &mut Found) {
    let conversation = scene.conversation;
    let token = conversation.tokens[at];
    let text = conversation.turns[token.turn].text;
    let line = text[token.end..].split('\n').next().unwrap_or("");
    let Some(value) = line.strip_prefix(':').map(str::trim) else {
        return;
    };
    let words = value.split_whitespace().take(LONGEST_ANSWER + 1).count();
    let asked = || {
        scene
            .context
            .mentioned(at, QUESTION, &[Topic::SecretAnswer])
    };
    let value = value.trim_end_matches(['.', ',', ';', '"']);
    if (1..=LONGEST_ANSWER).contains(&words) && !value.is_empty() && asked() {
        let start = token.end + line.find(value).unwrap_or(0);
        add_written(token.turn, start, value, score::FORM, found);
    }
}

/// Adds what stands at a byte of a turn.
fn add_written(turn: usize, start: usize, word: &str, score: f32, found: &mut Found) {
    let end = start + word.len();
    let part = Part { turn, start, end };
    found.add_parts(vec![part], types::PASSWORD, word.to_lowercase(), score);
}

/// Letters with digits or signs among them, as people make them up: no number, no date, no address.
fn is_like_password(word: &str) -> bool {
    let letters = word.chars().filter(|c| c.is_alphabetic()).count();
    let digits = word.chars().filter(char::is_ascii_digit).count();
    let signs = word
        .chars()
        .filter(|c| "!@#$%^&*?+=_~".contains(*c))
        .count();
    let address = word.contains("://") || (word.contains('@') && word.contains('.'));
    word.chars().count() >= 6 && letters >= 2 && digits + signs >= 2 && signs >= 1 && !address
}

/// What a password is called where it is written.
fn is_label(lower: &str) -> bool {
    matches!(
        lower,
        "password" | "passwd" | "pwd" | "pass" | "pw" | "passphrase" | "passcode" | "passwort"
    )
}

/// What is said of a password rather than being one: "my password is expired".
fn is_said_of(lower: &str) -> bool {
    matches!(
        lower,
        "not"
            | "wrong"
            | "incorrect"
            | "invalid"
            | "expired"
            | "required"
            | "locked"
            | "unknown"
            | "none"
            | "too"
            | "the"
            | "still"
            | "being"
            | "always"
            | "never"
            | "in"
            | "on"
            | "for"
            | "at"
            | "case"
            | "what"
            | "something"
            | "probably"
            | "supposed"
            | "going"
            | "also"
            | "a"
            | "an"
            | "no"
            | "now"
            | "already"
            | "sent"
            | "stored"
            | "saved"
            | "hidden"
            | "due"
            | "reset"
            | "compromised"
            | "weak"
            | "strong"
            | "forgotten"
    )
}

fn add(conversation: &Conversation<'_>, at: Range<usize>, found: &mut Found) {
    let (first, last) = (
        conversation.tokens[at.start],
        conversation.tokens[at.end - 1],
    );
    let text = conversation.turns[first.turn].text;
    let end = last.end + glued(text.get(last.end..).unwrap_or(""));
    let word = &text[first.start..end];
    add_written(first.turn, first.start, word, score::CONTEXT + 0.01, found);
}

/// How much of what follows is tied to a password without a space and is no punctuation: `!$x`.
fn glued(behind: &str) -> usize {
    let tied = up_to_space(behind, LONGEST_WRITTEN).trim_end_matches([
        '.', ',', '?', '!', ';', ':', ')', '"', '\'', '\u{2019}', '\u{201d}',
    ]);
    tied.len()
}

/// `… is hunter two`: the words behind the cue in its own turn.
fn statement(conversation: &Conversation<'_>, end: usize, most: usize) -> Option<Range<usize>> {
    let turn = conversation.tokens.get(end.checked_sub(1)?)?.turn;
    let tokens = &conversation.turns[turn].tokens;
    let mut at = end;
    let mut is = matches!(conversation.lower(end - 1), "named" | "called");
    while tokens.contains(&at) && at - end < 6 {
        let word = conversation.lower(at);
        if matches!(word, "is" | "was" | "s" | "would" | "will" | "be") {
            is = true;
        } else if is && matches!(word, "now" | "currently" | "temporarily") {
            // "… is now Tr0ub4dor"
        } else if !is_hesitation(word)
            && (is || !matches!(word, "to" | "my" | "the" | "account" | "for"))
        {
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

/// What is said before a password comes: `the password, well, it's …`.
fn is_hesitation(lower: &str) -> bool {
    words::is_filler(lower) || matches!(lower, "well" | "it" | "so" | "like" | "think")
}

/// The turn that answers the question that ends with the cue.
fn answer(conversation: &Conversation<'_>, end: usize, most: usize) -> Option<Range<usize>> {
    let asking = conversation.tokens.get(end.checked_sub(1)?)?.turn;
    let other = |turn: &usize| {
        conversation.channel(*turn) != conversation.channel(asking) || *turn == asking + 1
    };
    let turn = (asking + 1..conversation.turns.len().min(asking + 4))
        .find(|turn| other(turn) && !conversation.turns[*turn].backchannel)?;
    let tokens = &conversation.turns[turn].tokens;
    let start = tokens
        .clone()
        .take(LONGEST_OPENING + 1)
        .find(|token| !is_opening(conversation.lower(*token)))?;
    let at = phrase(conversation, start, tokens.end, most)?;
    // A long turn explains something rather than answering.
    (tokens.end - at.end <= 6).then_some(at)
}

/// Whether a turn with a cue is a question.
fn asks(text: &str, topic: Topic) -> bool {
    text.trim_end().ends_with('?')
        || (topic == Topic::SecretAnswer && text.contains("your"))
        || text.to_ascii_lowercase().contains("what is")
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
    let plain = |token: usize| words::is_common(conversation.lower(token));
    let mut end = start + 1;
    // What is spelled out counts as one word.
    let mut counted = 1;
    while end < limit && counted < most && end - start < LONGEST_SPELLED {
        let gap = &text[conversation.tokens[end - 1].end..conversation.tokens[end].start];
        let ends = gap.contains(['.', ',', '?', '!', ';']) && gap.contains(' ');
        if ends && (most == LONGEST_ANSWER || !gap.contains(',')) {
            break;
        }
        // What a recognizer of speech writes without a full stop before it.
        if gap == " " && goes_on(conversation.lower(end), conversation.lower_of(end + 1)) {
            break;
        }
        counted += usize::from(conversation.tokens[end].end - conversation.tokens[end].start > 1);
        end += 1;
    }
    let told = (start..end).filter(|token| !plain(*token)).count();
    let several = told >= 2 && end - start >= 3 && !is_said_of(conversation.lower(start));
    (told > 0 && (!plain(start) || several)).then_some(start..end)
}

/// Whether two words go on with something else: `… can you`, `… that was my first dog`.
fn goes_on(lower: &str, next: &str) -> bool {
    match lower {
        "but" | "can" | "could" | "please" | "because" | "which" | "if" | "when" | "okay"
        | "ok" | "thanks" | "does" | "did" | "i" | "is" | "was" => true,
        "that" | "it" | "he" | "she" => matches!(next, "was" | "s" | "is" | "works" | "doesn"),
        "and" => matches!(next, "the" | "my" | "i" | "it" | "then" | "can" | "what"),
        "so" => matches!(next, "i" | "can" | "please" | "that"),
        _ => false,
    }
}

/// Words that open an answer.
fn is_opening(word: &str) -> bool {
    words::is_opening(word)
        || matches!(
            word,
            "was"
                | "her"
                | "his"
                | "a"
                | "an"
                | "password"
                | "pin"
                | "answer"
                | "maiden"
                | "dog"
                | "cat"
        )
}
