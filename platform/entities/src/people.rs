//! One name, found by several recognizers, is one name: the union of what they found.

use crate::entity::{Candidate, Part, types};
use crate::text::Conversation;

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
