//! Companies and institutions in the field of a form, and in answer to a question: `Employer: Acme`,
//! "Which bank is that with?"

use std::ops::Range;

use super::cues::{capitals, is_company_name, is_function_word, said};
use super::{LONGEST_NAME, add};
use crate::entity::score;
use crate::recognizers::{Found, Scene};
use crate::text::{Conversation, Strand};
use crate::words;

/// A question is read back for so many words.
const QUESTION: usize = 14;

/// A field of a form is named by at most this many words.
const LONGEST_LABEL: usize = 4;

/// `Employer: Acme`: the rest of the line, or what is before the next sign.
pub(super) fn find(strand: &Strand<'_>, at: usize, found: &mut Found) {
    if !strand.gap(at).starts_with(": ") && strand.gap(at) != ":" {
        return;
    }
    let label = (1..=LONGEST_LABEL.min(at)).find(|back| opens_field(strand, at - back));
    if !label.is_some_and(|words| names_company(strand, at - words..at)) {
        return;
    }
    let mut end = at + 1;
    while end < strand.len()
        && end - at < LONGEST_NAME + 2
        && matches!(
            strand.gap(end),
            " " | "-" | "'" | "\u{2019}" | "&" | " & " | ". " | "."
        )
    {
        end += 1;
    }
    let none = matches!(
        strand.lower(at),
        "none"
            | "n"
            | "na"
            | "self"
            | "unemployed"
            | "retired"
            | "yes"
            | "no"
            | "unknown"
            | "student"
    );
    let name = strand.raw(at).chars().any(char::is_alphabetic);
    if !none && name {
        add(strand, at..end, score::CONTEXT, found);
    }
}

/// Whether a line or a field begins with a word.
fn opens_field(strand: &Strand<'_>, at: usize) -> bool {
    let gap = strand.gap(at);
    gap.contains(['\n', '/', '|', ';', '.']) || gap.starts_with(", ")
}

/// Whether the name of a field asks for a company: `Employer`, `Name of school`, `Bank name`.
fn names_company(strand: &Strand<'_>, label: Range<usize>) -> bool {
    let kind = |at: usize| {
        matches!(
            strand.lower(at),
            "employer"
                | "company"
                | "organization"
                | "organisation"
                | "bank"
                | "airline"
                | "insurer"
                | "school"
                | "university"
                | "college"
                | "hospital"
                | "clinic"
                | "provider"
                | "carrier"
                | "vendor"
                | "supplier"
                | "merchant"
                | "agency"
                | "institution"
                | "business"
                | "pharmacy"
                | "workplace"
                | "facility"
                | "firm"
                | "insurance"
                | "retailer"
                | "bureau"
                | "broker"
                | "lender"
                | "manufacturer"
                | "brand"
                | "distributor"
                | "operator"
                | "shipper"
                | "sponsor"
                | "publisher"
                | "seller"
                | "brokerage"
                | "charity"
                | "union"
                | "payee"
                | "payable"
        )
    };
    let last = label.end - 1;
    let number = label.clone().any(|at| {
        matches!(
            strand.lower(at),
            "number" | "no" | "id" | "address" | "phone" | "code"
        )
    });
    !number
        && (kind(last)
            || (label.len() > 1 && strand.says(last - 1, &["payable", "to"]))
            || (strand.lower(last) == "name" && label.clone().any(kind))
            || (strand.says(label.start, &["name", "of"]) && kind(last)))
}

/// Turns that answer a question for a company.
pub(super) fn find_answers(scene: &Scene<'_>, found: &mut Found) {
    let conversation = scene.conversation;
    for reading in &scene.readings {
        let strand = &reading.strand;
        for at in 0..strand.len() {
            let turn = strand.token(at).turn;
            let first = conversation.turns[turn].tokens.start;
            let Some(asking) = turn.checked_sub(1).filter(|_| strand.tokens[at] == first) else {
                continue;
            };
            let question = &conversation.turns[asking];
            if !question.text.trim_end().ends_with('?') {
                continue;
            }
            let asked = question
                .tokens
                .end
                .saturating_sub(QUESTION)
                .max(question.tokens.start);
            if (asked..question.tokens.end).any(|token| asks(conversation, token)) {
                answer(strand, at, found);
            }
        }
    }
}

/// Whether a question at a token asks for a company: `which bank`, `who is your employer`.
fn asks(conversation: &Conversation<'_>, token: usize) -> bool {
    let word = |by: usize| {
        conversation
            .tokens
            .get(token + by)
            .map_or("", |_| conversation.lower(token + by))
    };
    let kind = |lower: &str| {
        matches!(
            lower,
            "bank"
                | "airline"
                | "hospital"
                | "company"
                | "employer"
                | "insurer"
                | "provider"
                | "carrier"
                | "school"
                | "university"
                | "pharmacy"
                | "organization"
                | "clinic"
                | "retailer"
                | "store"
                | "college"
                | "firm"
                | "agency"
                | "merchant"
        )
    };
    let which = matches!(word(0), "which" | "what") && kind(word(1));
    let yours = matches!(word(0), "your" | "his" | "her" | "the" | "current")
        && matches!(word(1), "employer" | "insurer" | "carrier");
    let who = matches!(
        word(0),
        "insured" | "insurance" | "bank" | "booked" | "book" | "employed" | "work" | "working"
    ) && matches!(word(1), "with" | "by" | "for");
    let company = kind(word(0)) && word(1) == "name";
    let named = company || word(0) == "name" && word(1) == "of" && kind(word(3));
    which || yours || who || named
}

fn answer(strand: &Strand<'_>, turn: usize, found: &mut Found) {
    let mut at = turn;
    while at < strand.len()
        && (at == turn || !strand.starts_turn(at))
        && (words::is_opening(strand.lower(at)) || is_function_word(strand.lower(at)))
    {
        at += 1;
    }
    if at >= strand.len() || (at > turn && strand.starts_turn(at)) {
        return;
    }
    if strand.is_cased(at) {
        let end = capitals(strand, at);
        if end > at && is_company_name(strand, at..end) {
            add(strand, at..end, score::LOOKS + 0.05, found);
        }
    } else {
        said(strand, at, true, found);
    }
}
