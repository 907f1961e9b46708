//! The company in a signature: a line below the name, or behind it and a comma.

use super::look::{Look, look};
use super::{LONGEST_NAME, add, is_joining};
use crate::entity::score;
use crate::recognizers::Found;
use crate::recognizers::title::is_occupation;
use crate::text::Strand;
use crate::words;

/// A signature has at most this many lines below its greeting.
const LONGEST: usize = 6;
/// A name has at most this many words.
const LONGEST_PERSON: usize = 4;

/// What is claimed of the signature whose greeting ends at a position: `Kind regards,`.
pub(super) fn find(strand: &Strand<'_>, at: usize, found: &mut Found) {
    if words::is_closing(strand.lower(at)) {
        if strand.is_line_break(at + 1) {
            lines(strand, at + 1, found);
        } else if strand.gap(at + 1) == ", " {
            in_row(strand, at + 1, found);
        }
    } else if strand.is_line_break(at) || strand.starts_turn(at) {
        above_number(strand, at, found);
        beside_name(strand, at, found);
    }
}

/// `Jane Smith | Account Executive | Brightmoor`: a line of fields.
fn beside_name(strand: &Strand<'_>, start: usize, found: &mut Found) {
    const MOST: usize = 4;
    let parts = |at: usize| {
        matches!(
            strand.gap(at),
            " | " | " \u{b7} " | " \u{2013} " | " \u{2014} " | " \u{2022} "
        )
    };
    let field = |from: usize| {
        let most = strand.len().min(from + LONGEST_NAME);
        (from + 1..most)
            .find(|at| strand.gap(*at) != " " && strand.gap(*at) != "-")
            .unwrap_or(most)
    };
    let mut at = field(start);
    if !is_given(strand, start) || !(2..=LONGEST_PERSON).contains(&(at - start)) {
        return;
    }
    for _ in 0..MOST {
        if at >= strand.len() || !parts(at) {
            return;
        }
        let end = field(at);
        let closes = parts(end) || strand.starts_turn(end) || strand.is_line_break(end);
        if closes && is_company_field(strand, at, end) {
            add(strand, at..end, score::MODEL + 0.03, found);
        }
        at = end;
    }
}

/// Where the line ends that starts at a position.
fn line_end(strand: &Strand<'_>, start: usize) -> usize {
    let most = strand.len().min(start + 2 * LONGEST_NAME);
    (start + 1..most)
        .find(|at| strand.is_line_break(*at) || strand.starts_turn(*at))
        .unwrap_or(most)
}

/// The lines below a greeting: the first is the name.
fn lines(strand: &Strand<'_>, start: usize, found: &mut Found) {
    let mut at = line_end(strand, start);
    if at - start > LONGEST_PERSON + 2 {
        return;
    }
    for _ in 1..LONGEST {
        if !strand.is_line_break(at) {
            return;
        }
        let end = line_end(strand, at);
        if is_company_line(strand, at, end) {
            add(strand, at..end, score::MODEL + 0.03, found);
        }
        at = end;
    }
}

/// `Jane Smith`, `Head of Sales`, `Brightmoor` and `+44 20 7946 0123`, one below the other.
fn above_number(strand: &Strand<'_>, start: usize, found: &mut Found) {
    const MOST_TITLES: usize = 2;
    if !is_given(strand, start) {
        return;
    }
    let mut line = line_end(strand, start);
    if !(2..=LONGEST_PERSON).contains(&(line - start)) {
        return;
    }
    for _ in 0..=MOST_TITLES {
        if !strand.is_line_break(line) {
            return;
        }
        let end = line_end(strand, line);
        let number = strand.raw(end).starts_with(|c: char| c.is_ascii_digit())
            || matches!(
                strand.lower(end),
                "tel" | "phone" | "mobile" | "t" | "m" | "email" | "www" | "mob" | "cell"
            );
        if strand.is_line_break(end) && number && is_company_line(strand, line, end) {
            add(strand, line..end, score::MODEL + 0.03, found);
            return;
        }
        line = end;
    }
}

/// Whether a word in capitals is a given name, be it a word, too.
fn is_given(strand: &Strand<'_>, at: usize) -> bool {
    let lower = strand.lower_any(at);
    words::is_capital(strand.raw(at))
        && (words::is_given_name(&lower) || words::is_given_word(&lower))
}

/// Whether a line is nothing but words in capitals that may name a company, one of which is none.
fn is_company_line(strand: &Strand<'_>, start: usize, end: usize) -> bool {
    let closes = strand.starts_turn(end) || strand.is_line_break(end);
    let tail = strand.tail(end - 1).trim();
    closes
        && matches!(tail, "" | "," | ".")
        && !strand.gap(start).contains(['>', '-', '@', '+', ':'])
        && is_company_field(strand, start, end)
}

/// Whether words are all in capitals and may name a company.
fn is_company_field(strand: &Strand<'_>, start: usize, end: usize) -> bool {
    let words_of_name = (start..end).all(|at| {
        let raw = strand.raw(at);
        let tied =
            at == start || matches!(strand.gap(at), " " | "-" | " & " | "&" | "'" | "\u{2019}");
        let letters = raw.chars().all(char::is_alphabetic);
        tied && letters && (words::is_capital(raw) || is_joining(raw) || raw == "s")
    });
    let unknown = (start..end).any(|at| {
        let lower = strand.lower_any(at);
        lower.chars().count() > 2 && !words::is_english(&lower) && !words::is_given_name(&lower)
    });
    let place = (start..end).any(|at| words::is_place(&strand.lower_any(at)));
    words_of_name
        && end - start <= LONGEST_NAME
        && unknown
        && !place
        && !is_occupation(&strand.lower_any(end - 1))
        && look(strand, start..end).is_some_and(|look| look != Look::Word)
}

/// `Kind regards, Jane Smith, Brightmoor, +44 20 7946 0123`.
fn in_row(strand: &Strand<'_>, start: usize, found: &mut Found) {
    let cased = strand.is_cased(start);
    let fits = |at: usize| words::is_capital(strand.raw(at)) || !cased;
    let field_end = |from: usize, most: usize| {
        let mut at = from;
        while at < strand.len()
            && at - from <= most
            && (at == from
                || matches!(
                    strand.gap(at),
                    " " | "-" | "'" | "\u{2019}" | "&" | " & " | ". "
                ))
        {
            at += 1;
        }
        at
    };
    let name = field_end(start, LONGEST_PERSON);
    if !(2..=LONGEST_PERSON).contains(&(name - start))
        || !fits(start)
        || !fits(name - 1)
        || strand.gap(name) != ", "
    {
        return;
    }
    let end =
        super::cues::partners_end(strand, name).unwrap_or_else(|| field_end(name, LONGEST_NAME));
    let number = strand.gap(end).starts_with([',', '.'])
        && (strand.raw(end).starts_with(|c: char| c.is_ascii_digit())
            || strand.gap(end).contains(['+', '(']));
    let letters = (name..end).all(|at| strand.raw(at).chars().all(char::is_alphabetic));
    let lower = strand.lower_any(end - 1);
    let plain = words::is_place(&lower) || words::is_title(&lower) || is_occupation(&lower);
    if end - name <= LONGEST_NAME && fits(name) && letters && !plain && number {
        add(strand, name..end, score::CONTEXT + 0.01, found);
    }
}
