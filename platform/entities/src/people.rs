//! One name, found by several recognizers, is one name: the union of what they found.

use crate::entity::{Candidate, Part, types};
use crate::text::Conversation;
use crate::words;

/// No name is longer, in bytes; a text that only looks like one name after the other has no end.
const LONGEST: usize = 120;

/// Unites overlapping claims of people's names: "Jane" behind "this is" and the "Jane Smith" that
/// the model sees are Jane Smith. The surer of the two says how sure it is.
pub(crate) fn unite(conversation: &Conversation<'_>, candidates: &mut Vec<Candidate>) {
    let mut people = Vec::new();
    candidates.retain(|candidate| {
        let person = candidate.entity_type == types::PERSON && candidate.parts.len() == 1;
        if person {
            people.push(candidate.clone());
        }
        !person
    });
    for person in &mut people {
        if person.recognizer == "model" {
            lengthen(conversation, person);
        }
    }
    people.sort_by(|a, b| a.parts.cmp(&b.parts).then(b.score.total_cmp(&a.score)));
    let mut united: Vec<Candidate> = Vec::with_capacity(people.len());
    for person in people {
        let part = person.parts[0];
        match united.last_mut() {
            Some(last)
                if last.parts[0].overlaps(&part) && part.end - last.parts[0].start <= LONGEST =>
            {
                merge(conversation, last, person, part);
            }
            _ => united.push(person),
        }
    }
    candidates.append(&mut united);
}

/// Of "Margrethe Kristiansen" the model may see the surname only: a word in capitals right before
/// one name, which is no word where a sentence begins, is the given name.
fn lengthen(conversation: &Conversation<'_>, person: &mut Candidate) {
    let part = person.parts[0];
    let turn = &conversation.turns[part.turn];
    let tokens = &conversation.tokens[turn.tokens.clone()];
    let first = tokens.partition_point(|token| token.start < part.start);
    let one = !turn.text[part.start..part.end].contains(' ');
    let Some(mut before) = first.checked_sub(1).filter(|_| one) else {
        return;
    };
    let word = |at: usize| &turn.text[tokens[at].start..tokens[at].end];
    let gap = |at: usize| &turn.text[tokens[at].end..tokens[at + 1].start];
    // An initial stands between the two.
    let initial = word(before).chars().count() == 1
        && word(before).starts_with(char::is_uppercase)
        && word(before) != "I"
        && matches!(gap(before), " " | ". ");
    if initial {
        let Some(given) = before.checked_sub(1) else {
            return;
        };
        before = given;
    }
    let name = word(before);
    let lower = name.to_lowercase();
    let starts = before == 0 || gap(before - 1).contains(['.', '?', '!', '\n', ':', '"']);
    let fits = gap(before) == " "
        && name.starts_with(char::is_uppercase)
        && name.chars().count() >= 3
        && !name.chars().all(char::is_uppercase)
        && name.chars().all(char::is_alphabetic)
        && !words::is_title(&lower)
        && !words::is_greeting(&lower)
        && !words::is_common(&lower)
        && !words::is_company(&lower)
        && !words::is_place(&lower)
        && words::month(&lower).is_none()
        && !words::is_weekday(&lower)
        && !crate::recognizers::is_street_kind(&lower)
        && !(words::is_english(&lower) && (starts || !words::is_given_word(&lower)));
    if fits {
        person.parts[0].start = tokens[before].start;
        person.value = turn.text[tokens[before].start..part.end].to_lowercase();
    }
}

fn merge(conversation: &Conversation<'_>, last: &mut Candidate, other: Candidate, part: Part) {
    let longer = part.end > last.parts[0].end || part.start < last.parts[0].start;
    if longer {
        // What is spelled has a value that its text does not show.
        let whole = &mut last.parts[0];
        whole.start = whole.start.min(part.start);
        whole.end = whole.end.max(part.end);
        if *whole == part {
            last.value = other.value;
        } else {
            let text = &conversation.turns[whole.turn].text[whole.start..whole.end];
            last.value = text.to_lowercase();
        }
    }
    if other.score > last.score {
        last.score = other.score;
        last.recognizer = other.recognizer;
    }
}
