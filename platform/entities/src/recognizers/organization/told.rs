//! Companies and institutions by what is told of them: `Acme charged me twice`, `Acme's chief
//! executive`, `this is Jane from Acme`.

use super::around::said::is_companys;
use super::cues::{Cue, LONGEST_SAID, behind_cue, is_function_word};
use super::{LONGEST_NAME, add, is_joining, is_stop, starts_sentence};
use crate::entity::score;
use crate::recognizers::Found;
use crate::text::Strand;
use crate::words;

/// What is claimed because of the words at a position.
pub(super) fn find(strand: &Strand<'_>, at: usize, found: &mut Found) {
    introduced(strand, at, found);
    before_verb(strand, at, found);
    before_possession(strand, at, found);
}

/// `This is Jane from Acme`: where the one who introduces themselves calls from.
fn introduced(strand: &Strand<'_>, at: usize, found: &mut Found) {
    const INTRODUCTION: usize = 5;
    if !matches!(strand.lower(at), "from" | "with") || at < 3 {
        return;
    }
    let told = (at.saturating_sub(INTRODUCTION)..at - 1)
        .any(|before| strand.says(before, &["this", "is"]) || strand.says(before, &["name", "is"]));
    if told {
        behind_cue(strand, at + 1, Cue::Sure, found);
    }
}

/// `because Acme charged me twice`: what companies do to their customers.
fn before_verb(strand: &Strand<'_>, at: usize, found: &mut Found) {
    let does = matches!(
        strand.lower(at),
        "charged" | "billed" | "overcharged" | "refunded" | "hired"
    ) && matches!(strand.lower(at + 1), "me" | "us" | "my" | "our");
    if !does || strand.gap(at) != " " {
        return;
    }
    let cased = strand.is_cased(at);
    let fits = |at: usize| {
        let lower = strand.lower(at);
        if cased {
            words::is_capital(strand.raw(at)) && !is_stop(lower)
        } else {
            !is_function_word(lower) && !words::is_common(lower)
        }
    };
    let tied = |at: usize| matches!(strand.gap(at), " " | "-" | "'" | "&" | " & ");
    let mut start = at;
    while start > 0 && at - start < LONGEST_SAID && tied(start) && fits(start - 1) {
        start -= 1;
    }
    if start == at {
        return;
    }
    let owned = matches!(
        strand.lower_before(start),
        "the" | "my" | "a" | "an" | "your" | "our" | "their" | "his" | "her" | "this" | "that"
    );
    let unknown = (start..at).any(|at| !words::is_english(&strand.lower_any(at)));
    let person = words::is_given_name(strand.lower(start)) && at - start <= 2;
    let begins = starts_sentence(strand, start) && at - start == 1;
    let letter = (start..at).all(|at| strand.raw(at).chars().count() < 3);
    if !person && !letter && (unknown || (!owned && !begins && at - start > 1)) {
        add(strand, start..at, score::MODEL + 0.03, found);
    }
}

/// `Acme's chief executive`, `Acme's shares`: what only a company has.
fn before_possession(strand: &Strand<'_>, at: usize, found: &mut Found) {
    let owned = strand.lower(at) == "s"
        && matches!(strand.gap(at), "'" | "\u{2019}")
        && strand.gap(at + 1) == " "
        && is_owned(strand, at + 1);
    if !owned || at == 0 || !words::is_capital(strand.raw(at - 1)) {
        return;
    }
    let end = at;
    let mut start = end - 1;
    while start > 0
        && end - start < LONGEST_NAME
        && matches!(strand.gap(start), " " | "-" | "&" | " & ")
        && (words::is_capital(strand.raw(start - 1)) || is_joining(strand.raw(start - 1)))
        && !is_stop(strand.lower(start - 1))
    {
        start -= 1;
    }
    while start < end && !words::is_capital(strand.raw(start)) {
        start += 1;
    }
    let common = starts_sentence(strand, start) && words::is_english(strand.lower(start));
    let titled = start > 0 && words::is_title(strand.lower(start - 1));
    let person = words::is_given_name(strand.lower(start));
    let place = words::is_place(&strand.lower_any(start)) && end - start == 1;
    let word = common && end - start == 1;
    if !(titled || person || place || word) {
        add(strand, start..end, score::LOOKS + 0.05, found);
    }
}

fn is_owned(strand: &Strand<'_>, at: usize) -> bool {
    let adjective = matches!(
        strand.lower(at),
        "new" | "own" | "latest" | "former" | "main" | "current" | "online" | "annual" | "biggest"
    );
    let at = at + usize::from(adjective && strand.gap(at + 1) == " ");
    is_companys(strand.lower(at))
        || strand.says(at, &["chief", "executive"])
        || strand.says(at, &["customer", "service"])
        || strand.says(at, &["customer", "support"])
}
