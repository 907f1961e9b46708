//! The names of users' accounts: `my user name is jdoe84`.

use super::{Found, Scene};
use crate::context::Topic;
use crate::entity::{Part, score, types};
use crate::words;

pub(super) fn find(scene: &Scene<'_>, found: &mut Found) {
    let conversation = scene.conversation;
    for end in scene.context.ends_of(Topic::User) {
        let Some(turn) = end
            .checked_sub(1)
            .and_then(|at| conversation.tokens.get(at))
            .map(|t| t.turn)
        else {
            continue;
        };
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
        if !content.tokens.contains(&at) {
            continue;
        }
        // Up to white space: "j.doe_84".
        let start = conversation.tokens[at].start;
        let rest = &content.text[start..];
        let length = rest.find(char::is_whitespace).unwrap_or(rest.len());
        let name = rest[..length].trim_end_matches([',', '.', '?', '!', ';', ':', ')', '"']);
        let lower = name.to_lowercase();
        let coded = name
            .chars()
            .any(|c| c.is_ascii_digit() || matches!(c, '_' | '.'));
        if name.chars().count() < 3
            || (!coded && (words::is_english(&lower) || words::is_common(&lower)))
        {
            continue;
        }
        let part = Part {
            turn,
            start,
            end: start + name.len(),
        };
        found.add_parts(vec![part], types::USERNAME, lower, score::CONTEXT);
    }
}
