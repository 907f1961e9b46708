//! Companies by their legal form: `Blue Harbor Ltd.`, `Neumann & Co. KG`.
//!
//! Legal forms are those of the ISO 20275 code list (<https://www.gleif.org/en/lei-data/code-lists>)
//! that are met most.

use std::sync::LazyLock;

use regex::Regex;

use super::{LONGEST_NAME, is_joining, is_stop};
use crate::entity::{Part, score, types};
use crate::recognizers::{Found, Scene};
use crate::words;

/// The legal form behind a name, and what else ends the name of a company.
static FORM: LazyLock<Regex> = LazyLock::new(|| {
    let forms = [
        r"Inc\.?|LLC|L\.L\.C\.|LLP|L\.P\.|Ltd\.?|Limited|PLC|plc|Corp\.?|Corporation|Incorporated|Co\.(?: KG(?:aA)?| OHG)?|Company|Pty(?: Ltd)?",
        r"GmbH(?: & Co\.(?: KG(?:aA)?| OHG)?)?|AG(?: & Co\.(?: KG(?:aA)?| OHG)?)?|KGaA|KG|OHG(?: ?mbH)?|GbR|e\. ?G\.|e\. ?V\.|UG|Stiftung(?: & Co\.(?: KG(?:aA)?)?)?",
        r"S\.? ?A\.? ?R\.? ?L\.?|S\.A\.S\.?|SAS|SASU|EURL|S\.A\.U\.?|S\.A\.T\.?|S\.A\.D\.?|S\.A\.|SA|SNC|S\.N\.C\.|[Ss]\. ?[Rr]\. ?[Ll]\.|SRL|S\.p\.A\.|s\.p\.a\.|SPA|SpA|s\.n\.c\.|s\.a\.s\.",
        r"S\.L\.(?:L\.|N\.E\.?|P\.|U\.)?|S\.Coop\.|S\.Com\.|S\.C\.P\.?|S\. ?de R\. ?L\.|C\.V\.|Ltda\.?|Lda\.?|EIRELI|S/A|- ME|ME",
        r"\((?:Pty|Pvt|Private)\.?\) (?:Ltd\.?|Limited)|Pvt\.? (?:Ltd\.?|Limited)|K\.K\.|Co\.,? ?Ltd\.?|[&e]n? Zn\.|(?:&|en) Zonen|& Cie\.?|& Figli|& Fils|(?:&|und) S(?:ö|oe)hne|(?:&|e|y) Hijos|(?:&|og) S(?:ø|ö)nn?er",
        r"N\.V\.|NV|B\.V\.|BV|VOF|CVBA|BVBA|VZW|AB|A/S|ApS|ASA|Oyj?|Kft\.?|Zrt\.?|Nyrt\.?|Bt\.?|d\.o\.o\.?|d\.d\.?|j\.t\.d\.|s\.r\.o\.|a\.s\.|sp\. z o\.o\.|Sp\. z o\.o\.|A\.Ş\.|Sdn Bhd|Tbk",
        r"Group|Holdings?|(?:and|&) (?:Sons|Daughters|Co(?:mpany)?|Partners|Associates|Brothers)|e (?:figli|Figli)|[ye] (?:asociados|Asociados)|& (?:Asociados|asociados)|et (?:Fils|fils|Associés)|Bros\.?|Brothers|Partners|Associates|Industries|Enterprises|Technologies|Logistics|Airlines|Airways|Bank|Insurance|University|Hospital|Foundation|Institute|Pharmacy|Hnos",
        r"INC\.?|CORPORATION|CORP\.?|LTD\.?|LIMITED|(?:CO|Co)\.?,? ?(?:LTD|Ltd)\.?|CompanyLtd|COMPANYLTD|LP|Plc|p\.l\.c\.|N\.A\.|HOLDINGS?|GROUP|BANK|Banc(?:orp(?:oration)?|shares)|Trust|Fund|Bhd",
    ];
    let pattern = format!(r"[ ,-] ?(?:{})(?:[ .,;:?!)'\n]|$)", forms.join("|"));
    Regex::new(&pattern).expect("the constant pattern compiles")
});

/// `perez s.a.s.`: a legal form with dots, and the names before it, in small letters.
pub(super) fn by_small_form(scene: &Scene<'_>, turn: usize, found: &mut Found) {
    let conversation = scene.conversation;
    let content = &conversation.turns[turn];
    for hit in SMALL_FORM.find_iter(content.text) {
        let tokens = &conversation.tokens[content.tokens.clone()];
        let form = tokens.partition_point(|token| token.end <= hit.start());
        let word = |at: usize| &content.text[tokens[at].start..tokens[at].end];
        let tied = |at: usize| {
            let next = tokens.get(at).map_or(hit.start(), |token| token.start);
            matches!(
                &content.text[tokens[at - 1].end..next],
                " " | "-" | " & " | "&"
            )
        };
        let part_of_it = |at: usize| {
            let word = word(at);
            let joins = matches!(word, "y" | "e" | "et" | "de" | "le" | "la" | "van" | "von");
            let name = !words::is_english(word) || words::is_given_word(word);
            joins || (name && !words::is_common(word) && !is_stop(word))
        };
        let mut start = form;
        while start > 0 && form - start < LONGEST_NAME && tied(start) && part_of_it(start - 1) {
            start -= 1;
        }
        if start < form {
            let part = Part {
                turn,
                start: tokens[start].start,
                end: hit.end(),
            };
            let name = content.text[part.start..part.end].to_owned();
            found.add_parts(vec![part], types::ORGANIZATION, name, score::CONTEXT + 0.01);
        }
    }
}

/// Legal forms with dots in small letters.
static SMALL_FORM: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r" (?:[nb]\.v\.|s\.a\.r\.l\.?|s\.a\.[sut]\.?|s\.a\.|s\.r\.l\.?|s\.l\.(?:[ulp]\.|n\.e\.?)?|s\.coop\.|s\.com\.|s\.p\.a\.|s\.n\.c\.|d\.o\.o\.|s\.r\.o\.)",
    )
    .expect("the constant pattern compiles")
});

/// `Blue Harbor Ltd.`, `Neumann & Co. KG`: the form, and the words in capitals before it.
pub(super) fn by_form(scene: &Scene<'_>, turn: usize, found: &mut Found) {
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
        // "van Bruchem NV"
        let particle = start.checked_sub(1).is_some_and(|before| {
            let word = &content.text[tokens[before].start..tokens[before].end];
            start < form && matches!(word, "van" | "von" | "ter" | "ten")
        });
        start -= usize::from(particle);
        // "s" of a possessive whose owner is none.
        if start < form && &content.text[tokens[start].start..tokens[start].end] == "s" {
            start += 1;
        }
        let text = &content.text[hit.end()..];
        let goes_on = hit.as_str().ends_with(' ')
            && text
                .strip_prefix("of ")
                .is_some_and(|rest| rest.starts_with(char::is_uppercase));
        // "Patel Brothers Plumbing": the longer name is told by its kind.
        let kind = hit.as_str().ends_with(' ')
            && text.starts_with(char::is_uppercase)
            && super::kinds::is_kind(first_word(text));
        if start == form || goes_on || kind {
            continue;
        }
        let inner = hit.as_str();
        let trimmed = inner.trim_end_matches(|c: char| !(c.is_alphanumeric() || c == '.'));
        // "Corp.." ends a sentence, too.
        let sentence = trimmed.ends_with("..") || (is_word(trimmed) && ends(text));
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

/// Whether a text goes on with a new sentence, a new line or not at all.
fn ends(text: &str) -> bool {
    let next = text.trim_start_matches(' ').chars().next();
    next.is_none_or(|c| c == '\n' || c.is_uppercase())
}

/// The first word of a text in lower case.
fn first_word(text: &str) -> String {
    let letters = text.chars().take_while(|c| c.is_alphanumeric());
    letters.flat_map(char::to_lowercase).collect()
}

/// Whether what ends a name is a word and no abbreviation, so that its dot ends the sentence.
fn is_word(form: &str) -> bool {
    let letters = form.rsplit([' ', '-', ',']).next().unwrap_or(form);
    let letters = letters.trim_end_matches('.');
    let abbreviation = matches!(
        letters.to_ascii_lowercase().as_str(),
        "inc" | "ltd" | "corp" | "co" | "bros" | "ltda" | "lda" | "companyltd" | "zn" | "cie"
    );
    form.ends_with('.') && !letters.contains('.') && !abbreviation
}

/// Whether the word before a position belongs to the name that goes on there.
fn fits(text: &str, tokens: &[crate::text::Token], at: usize, form: usize) -> bool {
    let before = &tokens[at - 1];
    let word = &text[before.start..before.end];
    let next = tokens.get(at).map_or(text.len(), |token| token.start);
    let gap = &text[before.end..next];
    let joined = form_joins(text, tokens, form);
    let close = matches!(
        gap,
        " " | "-" | " & " | "&" | "'" | "\u{2019}" | ". " | "." | " - "
    ) || (gap == ", "
        && at < form
        && (joined || is_list(text, tokens, at..form))
        && !is_two(text, tokens, at))
        || (at == form && gap.starts_with([' ', ',', '-']));
    let capital = word.starts_with(char::is_uppercase);
    let lower = word.to_lowercase();
    // "Méndez y asociados S.L."
    let partners = matches!(
        word,
        "asociados" | "figli" | "fils" | "associés" | "hijos" | "zonen"
    );
    let name =
        partners || (capital && word.chars().all(|c| c.is_alphanumeric()) && !is_stop(&lower));
    let sentence = gap == ". " && word.chars().count() > 2;
    let parted = at < form && parts(text, tokens, at);
    let possessive =
        word == "s" && at > 1 && is_apostrophe(&text[tokens[at - 2].end..before.start]);
    close && !sentence && !parted && (name || possessive || (is_joining(word) && at < form))
}

/// Whether what ends the name joins it to others: `Baker, Lowe & Partners`.
fn form_joins(text: &str, tokens: &[crate::text::Token], form: usize) -> bool {
    let behind = form.checked_sub(1).map_or(0, |last| tokens[last].end);
    let rest = text[behind..].trim_start();
    rest.starts_with("& ") || rest.starts_with("and ")
}

fn is_apostrophe(gap: &str) -> bool {
    matches!(gap, "'" | "\u{2019}")
}

/// Whether two words in capitals stand before a comma: a person, and no partner.
fn is_two(text: &str, tokens: &[crate::text::Token], at: usize) -> bool {
    at >= 2 && {
        let (given, surname) = (&tokens[at - 2], &tokens[at - 1]);
        &text[given.end..surname.start] == " "
            && text[given.start..given.end].starts_with(char::is_uppercase)
    }
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
        "and" => is_legal_form(&back(1)) || super::listed::is_listed(&back(1)),
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
