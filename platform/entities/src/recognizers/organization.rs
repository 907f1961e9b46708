//! Companies and institutions: by their legal form, as a list of partners, and behind words such
//! as "thank you for calling".
//!
//! Legal forms are those of the ISO 20275 code list (<https://www.gleif.org/en/lei-data/code-lists>)
//! that are met most. The model finds what has none.

use std::sync::LazyLock;

use regex::Regex;

use super::{Found, Scene};
use crate::entity::{Part, score, types};
use crate::text::Strand;
use crate::words;

/// A name has at most this many words before its legal form.
const LONGEST_NAME: usize = 6;

/// The legal form behind a name, and what else ends the name of a company.
static FORM: LazyLock<Regex> = LazyLock::new(|| {
    let forms = [
        r"Inc\.?|LLC|L\.L\.C\.|LLP|L\.P\.|Ltd\.?|Limited|PLC|plc|Corp\.?|Corporation|Incorporated|Co\.(?: KG(?:aA)?| OHG)?|Company|Pty(?: Ltd)?",
        r"GmbH(?: & Co\.(?: KG(?:aA)?| OHG)?)?|AG(?: & Co\.(?: KG(?:aA)?| OHG)?)?|KGaA|KG|OHG(?:mbH)?|GbR|e\. ?G\.|e\. ?V\.|UG|Stiftung(?: & Co\.(?: KG(?:aA)?)?)?",
        r"S\.? ?A\.? ?R\.? ?L\.?|S\.A\.S\.?|SAS|SASU|EURL|S\.A\.U\.?|S\.A\.T\.?|S\.A\.D\.?|S\.A\.|SA|SNC|S\.N\.C\.|[Ss]\. ?[Rr]\. ?[Ll]\.|SRL|S\.p\.A\.|s\.p\.a\.|SPA|SpA|s\.n\.c\.|s\.a\.s\.",
        r"S\.L\.(?:L\.|N\.E\.?|P\.|U\.)?|S\.Coop\.|S\.Com\.|S\.C\.P\.?|S\. ?de R\. ?L\.|C\.V\.|Ltda\.?|Lda\.?|EIRELI|S/A|- ME|ME",
        r"N\.V\.|NV|B\.V\.|BV|VOF|CVBA|BVBA|VZW|AB|A/S|ApS|ASA|Oyj?|Kft\.?|Zrt\.?|Nyrt\.?|Bt\.?|d\.o\.o\.?|d\.d\.?|j\.t\.d\.|s\.r\.o\.|a\.s\.|sp\. z o\.o\.|Sp\. z o\.o\.|A\.Ş\.|Sdn Bhd|Tbk",
        r"Group|Holdings?|(?:and|&) (?:Sons|Daughters|Co(?:mpany)?|Partners|Associates|Brothers)|e (?:figli|Figli)|[ye] (?:asociados|Asociados)|& (?:Asociados|asociados)|et (?:Fils|fils|Associés)|Bros\.?|Brothers|Partners|Associates|Industries|Enterprises|Technologies|Logistics|Airlines|Airways|Bank|Insurance|University|Hospital|Foundation|Institute|Pharmacy|Hnos",
        r"INC\.?|CORPORATION|CORP\.?|LTD\.?|LIMITED|(?:CO|Co)\.?,? ?(?:LTD|Ltd)\.?|CompanyLtd|COMPANYLTD|LP|Plc|p\.l\.c\.|N\.A\.|HOLDINGS?|GROUP|BANK|Banc(?:orp(?:oration)?|shares)|Trust|Fund|Bhd",
    ];
    let pattern = format!(r"[ ,-] ?(?:{})(?:[ .,;:?!)'\n]|$)", forms.join("|"));
    Regex::new(&pattern).expect("the constant pattern compiles")
});

/// What is said before the name of a company, most words first.
const CUES: &[&[&str]] = &[
    &["thank", "you", "for", "calling"],
    &["thanks", "for", "calling"],
    &["welcome", "to"],
    &["office", "of"],
    &["branch", "of"],
    &["customer", "of"],
    &["works", "for"],
    &["working", "for"],
    &["work", "for"],
    &["worked", "for"],
    &["works", "at"],
    &["working", "at"],
    &["work", "at"],
    &["employed", "by"],
    &["employed", "at"],
    &["contract", "with"],
    &["bought", "by"],
    &["acquired", "by"],
    &["company", "called"],
];

pub(super) fn find(scene: &Scene<'_>, found: &mut Found) {
    for reading in &scene.readings {
        let strand = &reading.strand;
        for at in 0..strand.len() {
            partners(strand, at, found);
            let first = strand.lower(at);
            for cue in CUES.iter().filter(|cue| cue[0] == first) {
                if strand.says(at, cue) {
                    behind_cue(strand, at + cue.len(), found);
                }
            }
        }
    }
    for turn in 0..scene.conversation.turns.len() {
        by_form(scene, turn, found);
    }
}

/// `Blue Harbor Ltd.`, `Neumann & Co. KG`: the form, and the words in capitals before it.
fn by_form(scene: &Scene<'_>, turn: usize, found: &mut Found) {
    let conversation = scene.conversation;
    let content = &conversation.turns[turn];
    let mut from = 0;
    while let Some(hit) = FORM.find_at(content.text, from) {
        // The character behind the form may begin the next one.
        from = hit.end().max(from + 1) - usize::from(hit.end() > hit.start() + 3);
        while !content.text.is_char_boundary(from) {
            from += 1;
        }
        let tokens = &conversation.tokens[content.tokens.clone()];
        let form = tokens.partition_point(|token| token.end <= hit.start());
        let mut start = form;
        while start > 0 && form - start < LONGEST_NAME && fits(content.text, tokens, start, form) {
            start -= 1;
        }
        // What joins nothing: "and Sons" alone.
        let joined = |at: usize| is_joining(&content.text[tokens[at].start..tokens[at].end]);
        while start < form && joined(start) {
            start += 1;
        }
        if start == form {
            continue;
        }
        let inner = hit.as_str();
        let trimmed = inner.trim_end_matches(|c: char| !(c.is_alphanumeric() || c == '.'));
        let sentence = trimmed.ends_with('.')
            && !trimmed.trim_end_matches('.').contains('.')
            && hit.end() == content.text.len()
            && trimmed.len() > 6;
        // "Corp.." ends a sentence, too.
        let sentence = sentence || trimmed.ends_with("..");
        let end = hit.start() + trimmed.len() - usize::from(sentence);
        let part = Part {
            turn,
            start: tokens[start].start,
            end,
        };
        let name = &content.text[part.start..part.end];
        let common = tokens[start..form]
            .iter()
            .all(|token| words::is_common(&content.text[token.start..token.end].to_lowercase()));
        if !(common && form - start == 1) {
            found.add_parts(
                vec![part],
                types::ORGANIZATION,
                name.to_lowercase(),
                score::CONTEXT,
            );
        }
    }
}

/// Whether the word before a position belongs to the name that goes on there.
fn fits(text: &str, tokens: &[crate::text::Token], at: usize, form: usize) -> bool {
    let before = &tokens[at - 1];
    let word = &text[before.start..before.end];
    let next = tokens.get(at).map_or(text.len(), |token| token.start);
    let gap = &text[before.end..next];
    let close = matches!(
        gap,
        " " | "-" | " & " | "&" | "'" | "\u{2019}" | ". " | "." | " - "
    ) || (gap == ", " && at < form && is_list(text, tokens, at..form))
        || (at == form && gap.starts_with([' ', ',', '-']));
    let capital = word.starts_with(char::is_uppercase);
    let lower = word.to_lowercase();
    let name = capital && word.chars().all(|c| c.is_alphanumeric()) && !is_stop(&lower);
    let sentence = gap == ". " && word.chars().count() > 2;
    let parted = at < form && parts(text, tokens, at);
    close && !sentence && !parted && (name || (is_joining(word) && at < form))
}

/// Whether what ends before a position is a name of its own: "Jane Hoare of Acme plc", "Serma SA
/// and Acme Ltd", "Acme, and Blue Harbor Ltd".
fn parts(text: &str, tokens: &[crate::text::Token], at: usize) -> bool {
    let word = |at: usize| &text[tokens[at].start..tokens[at].end];
    let back = |by: usize| at.checked_sub(by).map_or("", word).to_lowercase();
    let gap = &text[tokens[at - 1].end..tokens[at].start];
    if gap == ", " && word(at) == "and" {
        return true;
    }
    match word(at) {
        "of" => {
            let person = words::is_given_name(&back(1)) || words::is_given_name(&back(2));
            person || !words::is_english(&back(1))
        }
        "and" => is_legal_form(&back(1)),
        _ => false,
    }
}

/// Whether a word, in lower case, is a legal form that no name goes on behind.
fn is_legal_form(lower: &str) -> bool {
    matches!(
        lower,
        "inc"
            | "lp"
            | "llc"
            | "ltd"
            | "plc"
            | "corp"
            | "sa"
            | "nv"
            | "ag"
            | "limited"
            | "corporation"
    )
}

/// Whether what follows a comma goes on as a list of partners: `Finzi, Zamengo e Santi SPA`, but
/// not `Jane Smith, Acme Ltd`.
fn is_list(text: &str, tokens: &[crate::text::Token], at: std::ops::Range<usize>) -> bool {
    let word = |at: usize| &text[tokens[at].start..tokens[at].end];
    let joins = |at: usize| {
        matches!(word(at), "and" | "y" | "e" | "i" | "und" | "et")
            || (at > 0 && text[tokens[at - 1].end..tokens[at].start].trim() == "&")
    };
    at.into_iter().any(joins)
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
            && !words::is_place(lower)
    };
    let three = strand.gap(at + 1) == if cased { ", " } else { " " }
        && matches!(strand.lower(at + 2), "and" | "y" | "e")
        && strand.gap(at + 2) == " "
        && strand.gap(at + 3) == " ";
    // "our founders: Kleist, Khan and Barber" are three people.
    let listed = strand.gap(at) == ": ";
    if three && name(at) && name(at + 1) && name(at + 3) && strand.gap(at) != ", " && !listed {
        let surnames = [at, at + 1, at + 3]
            .iter()
            .filter(|at| words::is_surname(strand.lower(**at)))
            .count();
        if surnames >= 2 {
            add(strand, at..at + 4, score::CONTEXT, found);
        }
    }
}

/// Words in capitals behind a cue.
fn behind_cue(strand: &Strand<'_>, at: usize, found: &mut Found) {
    let start = at + usize::from(strand.lower(at) == "the");
    let mut end = start;
    while end < strand.len()
        && end - start < LONGEST_NAME
        && strand.raw(end).starts_with(char::is_uppercase)
        && strand.raw(end) != "I"
        && (end == start || matches!(strand.gap(end), " " | "-" | " & " | "'" | "\u{2019}"))
    {
        end += 1;
    }
    let person = words::is_given_name(strand.lower(start)) && end - start <= 2;
    let place = end - start == 1 && words::is_place(strand.lower(start));
    if end > start && strand.gap(start) == " " && !person && !place {
        add(strand, start..end, score::LOOKS + 0.05, found);
    }
}

fn add(strand: &Strand<'_>, at: std::ops::Range<usize>, score: f32, found: &mut Found) {
    let parts = strand.parts(at);
    let [part] = parts.as_slice() else {
        return;
    };
    let text = &strand.conversation.turns[part.turn].text[part.start..part.end];
    found.add_parts(vec![*part], types::ORGANIZATION, text.to_lowercase(), score);
}
