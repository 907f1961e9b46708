//! Companies and institutions: by their legal form, by the kind of institution that they say they
//! are, from a list of those that are known everywhere, as a list of partners, and behind words
//! such as "thank you for calling".
//!
//! The model finds what has none of these.

/// Sets of words, each with the question whether it has one.
macro_rules! word_sets {
    ($($(#[doc = $doc:literal])* $name:ident: $words:literal;)*) => {
        $($(#[doc = $doc])* pub(crate) fn $name(lower: &str) -> bool {
            static SET: std::sync::LazyLock<foldhash::HashSet<&'static str>> =
                std::sync::LazyLock::new(|| $words.split_whitespace().collect());
            SET.contains(lower)
        })*
    };
}

mod around;
mod cues;
mod fields;
mod form;
mod kind_words;
mod kinds;
mod listed;
mod look;
mod signature;
mod told;

pub(super) use around::said::is_kind_noun as is_company_noun;
pub(crate) use kind_words::is_lead as is_kind_before;
pub(super) use kinds::{is_kind, is_kind_in_small_letters as is_kind_or_form};

use super::{Found, Scene};
use crate::entity::{score, types};
use crate::text::Strand;
use crate::words;

/// A name has at most this many words before its legal form or kind.
const LONGEST_NAME: usize = 6;

pub(super) fn find(scene: &Scene<'_>, found: &mut Found) {
    for reading in &scene.readings {
        let strand = &reading.strand;
        let mut at = 0;
        while at < strand.len() {
            partners(strand, at, found);
            cues::find(strand, at, found);
            around::find(strand, at, found);
            signature::find(strand, at, found);
            kinds::find(strand, at, found);
            at += 1;
        }
        listed::find(strand, found);
    }
    fields::find_answers(scene, found);
    for turn in 0..scene.conversation.turns.len() {
        form::by_form(scene, turn, found);
        form::by_small_form(scene, turn, found);
    }
}

/// `Davis, Bailey and Cox`: surnames in a row.
fn partners(strand: &Strand<'_>, at: usize, found: &mut Found) {
    let cased = strand.is_cased(at);
    if cased && !strand.raw(at).starts_with(char::is_uppercase) {
        return;
    }
    let name = |at: usize| {
        let lower = strand.lower(at);
        let capital = strand.raw(at).starts_with(char::is_uppercase) || !cased;
        capital
            && lower.len() >= 2
            && !words::is_common(lower)
            && (words::is_surname(lower) || (cased && !words::is_given_name(lower)))
            && words::month(lower).is_none()
            && !words::is_weekday(lower)
            && (!words::is_place(lower) || words::is_surname(lower))
    };
    let three = strand.gap(at + 1) == if cased { ", " } else { " " }
        && matches!(strand.lower(at + 2), "and" | "y" | "e")
        && strand.gap(at + 2) == " "
        && strand.gap(at + 3) == " ";
    // "our founders: Kleist, Khan and Barber" are three people.
    let listed = strand.gap(at) == ": ";
    // "Jane Robinson, Gisbert y Izquierdo": she, and two.
    let person = cased
        && strand.gap(at) == " "
        && words::is_capital(strand.raw(at.wrapping_sub(1)))
        && words::is_given_name(strand.lower_before(at));
    let goes_on = strand.gap(at) == ", " && !cues::follows_person(strand, at);
    if three && name(at) && name(at + 1) && name(at + 3) && !goes_on && !listed && !person {
        let surnames = [at, at + 1, at + 3]
            .iter()
            .filter(|at| words::is_surname(strand.lower(**at)))
            .count();
        if surnames >= 2 {
            add(strand, at..at + 4, score::CONTEXT, found);
        }
    }
}

/// Whether a sentence, a line or a turn begins with a word, so that its capital says nothing.
fn starts_sentence(strand: &Strand<'_>, at: usize) -> bool {
    strand
        .gap(at)
        .contains(['.', '?', '!', '\n', ':', '"', '\u{201c}', '>', '|', '-'])
}

fn add(strand: &Strand<'_>, at: std::ops::Range<usize>, score: f32, found: &mut Found) {
    let parts = strand.parts(at);
    let [part] = parts.as_slice() else {
        return;
    };
    let text = &strand.conversation.turns[part.turn].text[part.start..part.end];
    found.add_parts(vec![*part], types::ORGANIZATION, text.to_lowercase(), score);
}

/// Words within a name that are not in capitals.
fn is_joining(word: &str) -> bool {
    matches!(
        word,
        "and"
            | "of"
            | "the"
            | "y"
            | "e"
            | "i"
            | "und"
            | "et"
            | "de"
            | "del"
            | "van"
            | "von"
            | "der"
            | "la"
            | "da"
            | "do"
            | "di"
    )
}

/// Words in capitals before a name that are no part of it.
fn is_stop(lower: &str) -> bool {
    matches!(
        lower,
        "the"
            | "i"
            | "we"
            | "at"
            | "in"
            | "from"
            | "did"
            | "is"
            | "are"
            | "my"
            | "our"
            | "this"
            | "that"
            | "dear"
            | "hello"
            | "hi"
            | "yes"
            | "no"
            | "and"
            | "for"
            | "by"
            | "with"
            | "mr"
            | "mrs"
            | "ms"
            | "dr"
            | "thanks"
            | "please"
            | "when"
            | "what"
            | "who"
            | "why"
            | "how"
            | "where"
            | "does"
            | "do"
            | "has"
            | "have"
            | "was"
            | "were"
            | "can"
            | "could"
    )
}
