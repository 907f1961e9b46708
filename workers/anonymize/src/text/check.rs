//! Whether transcript and entities fit each other.

use std::ops::Range;

use colloquy_contract::{
    entities::{Entities, Mention},
    transcript::{Transcript, Turn},
};

use super::{
    AnonymizeError,
    labels::{Entity, Hit},
};

/// The text of each turn as characters, if it is the turn's words.
pub(super) fn texts(transcript: &Transcript) -> Result<Vec<Vec<char>>, AnonymizeError> {
    let text_of = |(index, turn): (usize, &Turn)| {
        let words: Vec<&str> = turn.words.iter().map(|word| word.text.as_str()).collect();
        let is_word = |word: &&str| !word.is_empty() && !word.contains(char::is_whitespace);
        if turn.text != words.join(" ") || !words.iter().all(is_word) {
            return Err(AnonymizeError::Text { turn: index });
        }
        Ok(turn.text.chars().collect())
    };
    transcript.turns.iter().enumerate().map(text_of).collect()
}

/// The places to replace in each turn, by start, if every mention fits its turn's text.
pub(super) fn hits(
    texts: &[Vec<char>],
    entities: &Entities,
) -> Result<Vec<Vec<Hit>>, AnonymizeError> {
    let mut by_turn: Vec<Vec<(usize, &Mention)>> = vec![Vec::new(); texts.len()];
    for (index, mention) in entities.mentions.iter().enumerate() {
        let text = texts.get(mention.turn).ok_or(AnonymizeError::NoTurn {
            mention: index,
            turn: mention.turn,
        })?;
        check_mention(index, mention, text)?;
        by_turn[mention.turn].push((index, mention));
    }
    by_turn
        .iter_mut()
        .zip(texts)
        .map(|(mentions, text)| hits_of_turn(mentions, text))
        .collect()
}

fn check_mention(index: usize, mention: &Mention, text: &[char]) -> Result<(), AnonymizeError> {
    let &Mention {
        turn, start, end, ..
    } = mention;
    let is_label = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if mention.entity_type.is_empty() || !mention.entity_type.chars().all(is_label) {
        return Err(AnonymizeError::EntityType { mention: index });
    }
    let said = text
        .get(start..end)
        .filter(|said| said.iter().any(|c| !c.is_whitespace()));
    match said {
        None => Err(AnonymizeError::Bounds {
            mention: index,
            turn,
            start,
            end,
        }),
        Some(said) if !said.iter().copied().eq(mention.text.chars()) => {
            Err(AnonymizeError::Stale {
                mention: index,
                turn,
            })
        }
        Some(_) => Ok(()),
    }
}

fn hits_of_turn(
    mentions: &mut [(usize, &Mention)],
    text: &[char],
) -> Result<Vec<Hit>, AnonymizeError> {
    mentions.sort_by_key(|(_, mention)| mention.start);
    let mut hits: Vec<Hit> = Vec::with_capacity(mentions.len());
    let mut free_from = 0;
    for (place, (_, mention)) in mentions.iter().enumerate() {
        let following = mentions.get(place + 1);
        let next = following.map_or(text.len(), |(_, next)| next.start);
        if let Some(&(index, _)) = following.filter(|_| next < mention.end) {
            return Err(AnonymizeError::Overlap {
                mention: index,
                turn: mention.turn,
            });
        }
        let range = whole_runs(
            text,
            trim(text, mention.start..mention.end),
            free_from..next,
        );
        free_from = range.end.max(mention.end);
        hits.push(Hit {
            range,
            entity: Entity::of(mention),
            score: mention.score,
        });
    }
    Ok(hits)
}

/// Without white space and sentence punctuation at either end, which stay in the text.
fn trim(text: &[char], range: Range<usize>) -> Range<usize> {
    let is_outside = |c: char| c.is_whitespace() || ",.;:!?()\"“”‘’'".contains(c);
    let said = &text[range.clone()];
    match said.iter().position(|&c| !is_outside(c)) {
        None => without_space(text, range),
        Some(lead) => {
            let trail = said.iter().rev().take_while(|&&c| is_outside(c)).count();
            range.start + lead..range.end - trail
        }
    }
}

/// For a mention that is all punctuation.
fn without_space(text: &[char], range: Range<usize>) -> Range<usize> {
    let said = &text[range.clone()];
    let lead = said.iter().take_while(|c| c.is_whitespace()).count();
    let trail = said.iter().rev().take_while(|c| c.is_whitespace()).count();
    range.start + lead..range.end - trail
}

/// Widened, within the limits, so that it splits no run of letters and digits: what is left of a
/// half-covered name would tell the rest.
fn whole_runs(text: &[char], range: Range<usize>, limits: Range<usize>) -> Range<usize> {
    let Range { mut start, mut end } = range;
    if text[start].is_alphanumeric() {
        let run = text[limits.start..start].iter().rev();
        start -= run.take_while(|c| c.is_alphanumeric()).count();
    }
    if text[end - 1].is_alphanumeric() {
        let run = text[end..limits.end].iter();
        end += run.take_while(|c| c.is_alphanumeric()).count();
    }
    start..end
}
