//! Companies and institutions by what is said before them: `thank you for calling …`, `employed by
//! …`.

use std::ops::Range;
use std::sync::LazyLock;

use foldhash::HashMap;

use super::{LONGEST_NAME, add, fields, is_joining, is_stop, told};
use crate::entity::score;
use crate::recognizers::Found;
use crate::text::Strand;
use crate::words;

/// In small letters a name behind a cue has at most this many words.
pub(super) const LONGEST_SAID: usize = 4;

/// What is said before the name of a company and of nothing else.
const CUES: &str = "thank you for calling,thanks for calling,thank you for choosing,customer of,customer at,\
    customer with,works for,working for,work for,worked for,works at,working at,work at,\
    worked at,employed by,employed at,employee of,employee at,contract with,bought by,\
    acquired by,company called,firm called,business called,bank with,banking with,banked with,\
    insured with,insured by,insurance with,insurance through,insurance from,policy with,\
    booked with,booked through,partnered with,partnership with,interned at,intern at,\
    internship at,internship with,job at,job with,position with,hired at,career at,engineer at,\
    manager at,director at,analyst at,partner at,nurse at,teacher at,professor at,consultant at,\
    consultant for,ceo of,cfo of,cto of,chief executive of,chairman of,chairwoman of,\
    spokesman for,spokeswoman for,spokesperson for,shares of,shares in,on behalf of,\
    subsidiary of,merger with,merged with,account with,account at,accounts at,subscription with,\
    provider is,provider was,carrier is,carrier was,employer is,employer was,bank is,insurer is,\
    shopped at,shop at,shopping at,bought it at,bought at,buy at,purchased at,cashed at,\
    loan with,mortgage with,studied at,studies at,study at,studying at,student at,graduated from,\
    enrolled at,treated at,patient at,fly with,flying with,flew with,laid off by,laid off from,\
    fired from,fired by,hired by,employer,calling from";

/// What is said before things, too, so that a word of English behind it is none.
const PLAIN: &str = "i m with,we re with,welcome to,switched to,switched over to,switching to,switched from,switching from,\
    enrolled in,degree from,executive of,invoice from,refund from,order from,ordered from,\
    policy from,buy from,bought from,purchased from,check from,loan from,subscription to,\
    been with,division of,representative of,representative for,declined at,position at,role at,\
    founder of,branch of,office of,renew with,renewed with,delivered by,shipped by,shipped with,\
    covered by,teaches at,resigned from,retired from,complaint against,lawsuit against,supplier,\
    coverage with,bill from,charge from,charged by,billed by,payable to,quote from,\
    ordered it from,bought it from,got it from,deal with,agreement with,insured through,\
    complaint about,statement from,held by,issued by,operated by,owned by,provided by";

/// A name that may as well be a person's or a place's, and so is one only where the model sees
/// neither.
const FAINT: &str = "letter from,email from,according to,founded,sued,joined,joining,supplied by,\
    made by,sold to,sell it to,purchase from,package from,parcel from,sponsored by,owns";

/// What a cue says of the name behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cue {
    /// It is a company's.
    Sure,
    /// It is a company's if it is no word.
    Plain,
    /// It may as well be a person's or a place's.
    Faint,
}

/// The words of a cue after the first, and what it says.
type Rest = (Vec<&'static str>, Cue);

static CUES_BY_WORD: LazyLock<HashMap<&'static str, Vec<Rest>>> = LazyLock::new(|| {
    let mut map: HashMap<&'static str, Vec<Rest>> = HashMap::default();
    for (cues, says) in [(CUES, Cue::Sure), (PLAIN, Cue::Plain), (FAINT, Cue::Faint)] {
        for cue in cues.split(',') {
            let mut words = cue.split_whitespace();
            if let Some(first) = words.next() {
                map.entry(first).or_default().push((words.collect(), says));
            }
        }
    }
    map
});

/// What is claimed because of the words at a position.
pub(super) fn find(strand: &Strand<'_>, at: usize, found: &mut Found) {
    for (rest, cue) in CUES_BY_WORD.get(strand.lower(at)).into_iter().flatten() {
        if strand.says(at + 1, rest) {
            behind_cue(strand, at + 1 + rest.len(), *cue, found);
        }
    }
    told::find(strand, at, found);
    fields::find(strand, at, found);
}

/// A name behind a cue.
pub(super) fn behind_cue(strand: &Strand<'_>, at: usize, cue: Cue, found: &mut Found) {
    if at >= strand.len() {
        return;
    }
    let start = at + usize::from(strand.lower(at) == "the");
    if strand.gap(start) != " " || start >= strand.len() {
        return;
    }
    if !strand.is_cased(start) {
        if cue != Cue::Faint {
            said(
                strand,
                start,
                strand.says(at.saturating_sub(2), &["for", "calling"]),
                found,
            );
        }
        return;
    }
    let row = partners_end(strand, start);
    let end = row.unwrap_or_else(|| capitals(strand, start));
    // "an office of Graham-Morris": two surnames are partners.
    let two = end == start + 2 && strand.gap(start + 1) == "-";
    let partners = cue != Cue::Faint && (row.is_some() || two);
    let score = match (partners, cue) {
        (true, _) => score::CONTEXT + 0.01,
        (_, Cue::Faint) => score::LOOKS,
        _ => score::LOOKS + 0.05,
    };
    let word = end == start + 1 && cue != Cue::Sure && is_word(strand, start);
    if !partners && (word || !is_company_name(strand, start..end)) {
        return;
    }
    add(strand, start..end, score, found);
    // "interned at Halcyon and Danone"
    let other = end + 1;
    if strand.lower(end) == "and" && strand.gap(end) == " " && strand.gap(other) == " " {
        let end = capitals(strand, other);
        if is_company_name(strand, other..end) {
            add(strand, other..end, score::LOOKS, found);
        }
    }
}

/// Where surnames in a row end, as partners have them: `Fox, Hall and Mason`.
pub(super) fn partners_end(strand: &Strand<'_>, start: usize) -> Option<usize> {
    let cased = start < strand.len() && strand.is_cased(start);
    let name = |at: usize| {
        let raw = strand.raw(at);
        let lower = strand.lower_any(at);
        let name = words::is_surname(&lower) || words::is_given_name(&lower);
        (words::is_capital(raw) || !cased)
            && raw.chars().count() > 1
            && raw.chars().all(char::is_alphabetic)
            && words::month(&lower).is_none()
            && !words::is_weekday(&lower)
            && (name || !words::is_place(&lower))
    };
    let row = strand.gap(start + 1) == ", "
        && matches!(strand.lower(start + 2), "and" | "y" | "e" | "et" | "und")
        && strand.gap(start + 2) == " "
        && strand.gap(start + 3) == " "
        && start + 3 < strand.len();
    if !row || ![start, start + 1, start + 3].into_iter().all(name) {
        return None;
    }
    // "Sales, Finance and Marketing" are words, and one name of each list may be one.
    let surnames = [start, start + 1, start + 3].into_iter().filter(|at| {
        let lower = strand.lower_any(*at);
        words::is_surname(&lower) || words::is_word_and_name(&lower)
    });
    (surnames.count() >= 2).then_some(start + 4)
}

/// Whether a person's whole name and a comma stand before a position.
pub(super) fn follows_person(strand: &Strand<'_>, at: usize) -> bool {
    at >= 2
        && strand.gap(at) == ", "
        && strand.gap(at - 1) == " "
        && words::is_capital(strand.raw(at - 1))
        && words::is_capital(strand.raw(at - 2))
        && words::is_given_name(strand.lower(at - 2))
}

/// Whether a word in capitals is a word, and no name besides.
fn is_word(strand: &Strand<'_>, at: usize) -> bool {
    let lower = strand.lower_any(at);
    words::is_english(&lower) && !words::is_surname(&lower) && !super::listed::is_listed(&lower)
}

/// Whether words in capitals may name a company.
pub(super) fn is_company_name(strand: &Strand<'_>, at: Range<usize>) -> bool {
    let Some(last) = at.end.checked_sub(1).filter(|_| !at.is_empty()) else {
        return false;
    };
    let first = strand.lower_any(at.start);
    let single = at.len() == 1;
    // "my job at Kim's": hers.
    let own = matches!(strand.gap(at.end), "'" | "\u{2019}") && strand.lower(at.end) == "s";
    let person = words::is_given_name(&first) && at.len() <= 2 && strand.lower(last) != "s";
    let place = single && words::is_place(&first);
    let date = words::month(&first).is_some() || words::is_weekday(&first);
    let title = words::is_title(&first) || is_stop(&first);
    let common = single
        && (words::is_common(&first) || words::is_no_name(&first) || words::is_acronym(&first));
    let group = single && crate::recognizers::group::is_group(&first);
    !(person || place || date || title || common || group || own)
}

/// Where words in capitals end: `Trader Joe's`, `Van der Meer Shipping`, `Barnes & Noble`.
pub(super) fn capitals(strand: &Strand<'_>, start: usize) -> usize {
    let mut end = start;
    while end < strand.len() && end - start < LONGEST_NAME {
        let (raw, gap) = (strand.raw(end), strand.gap(end));
        let close = end == start
            || matches!(gap, " " | "-" | "&" | " & " | ". ")
            || (matches!(gap, "'" | "\u{2019}") && (words::is_capital(raw) || is_own(strand, end)));
        // ". " within an abbreviation only.
        let sentence = end > start && gap == ". " && strand.raw(end - 1).chars().count() > 2;
        let mark = raw.chars().any(char::is_uppercase) || (raw == "s" && is_own(strand, end));
        let joins = end > start
            && is_joining(raw)
            && !matches!(raw, "and" | "the" | "y" | "e" | "i")
            && (words::is_capital(strand.raw(end + 1)) || is_joining(strand.raw(end + 1)))
            && gap == " ";
        if !close || sentence || !(mark || joins) || raw == "I" {
            break;
        }
        end += 1;
    }
    end
}

/// Whether an "s" behind an apostrophe belongs to the name: `at Macy's in …`, `Kim's Dry Cleaning`.
fn is_own(strand: &Strand<'_>, at: usize) -> bool {
    strand.raw(at) == "s"
        && matches!(strand.gap(at), "'" | "\u{2019}")
        && (strand.gap(at + 1) != " "
            || words::is_capital(strand.raw(at + 1))
            || matches!(
                strand.lower(at + 1),
                "in" | "on"
                    | "for"
                    | "and"
                    | "but"
                    | "with"
                    | "to"
                    | "at"
                    | "by"
                    | "from"
                    | "or"
                    | "yesterday"
                    | "today"
                    | "last"
                    | "since"
                    | "is"
                    | "was"
                    | "as"
                    | "when"
            ))
}

/// A name behind a cue, as a recognizer of speech without casing writes it. Behind a greeting any
/// words are one, up to those that go on.
pub(super) fn said(strand: &Strand<'_>, start: usize, greeting: bool, found: &mut Found) {
    if let Some(end) = partners_end(strand, start) {
        add(strand, start..end, score::CONTEXT, found);
        return;
    }
    let mut end = start;
    while end < strand.len() && end - start < LONGEST_SAID && is_said(strand, start, end) {
        end += 1;
    }
    let of = |at: usize| strand.lower(at) == "of";
    if end > start && of(end - 1) {
        end -= 1;
    }
    if end == start {
        return;
    }
    let unknown = |at: usize| {
        let lower = strand.lower_any(at);
        !words::is_english(&lower) && !words::is_common(&lower)
    };
    let first = strand.lower_any(start);
    // "thank you for calling james-cooper": two names behind a hyphen are partners.
    let partners = end - start == 2 && strand.gap(start + 1) == "-";
    let formed = super::kinds::is_kind_in_small_letters(strand.lower(end - 1));
    let person =
        words::is_given_name(&first) && end - start <= 2 && !partners && !(greeting && formed);
    let place = words::is_place(&first) && end - start == 1;
    let named = (start..end).any(unknown) || partners;
    if !person && !place && (named || (greeting && end - start > 1)) {
        add(strand, start..end, score::MODEL + 0.03, found);
    }
}

/// Whether a word goes on a name in small letters.
fn is_said(strand: &Strand<'_>, start: usize, at: usize) -> bool {
    let lower = strand.lower(at);
    let tied = at == start || matches!(strand.gap(at), " " | "-" | "'" | "&" | " & ");
    // "bluefinch travel customer": behind its kind a name goes on with another one only.
    let ends = at > start + 1
        && super::kinds::is_kind(strand.lower(at - 1))
        && !super::kinds::is_kind_in_small_letters(lower);
    if ends {
        return false;
    }
    let of = lower == "of" && at > start;
    let possessive = lower == "s" && strand.gap(at) == "'";
    tied && (of || possessive || !is_function_word(lower)) && words::number_word(lower).is_none()
}

/// Words that go on behind a name, not in it.
pub(super) fn is_function_word(lower: &str) -> bool {
    is_stop(lower)
        || words::is_filler(lower)
        || matches!(
            lower,
            "a" | "an"
                | "or"
                | "but"
                | "because"
                | "since"
                | "he"
                | "she"
                | "they"
                | "it"
                | "you"
                | "me"
                | "him"
                | "her"
                | "us"
                | "them"
                | "so"
                | "then"
                | "on"
                | "of"
                | "to"
                | "as"
                | "about"
                | "into"
                | "over"
                | "through"
                | "not"
                | "be"
                | "been"
                | "will"
                | "would"
                | "if"
                | "there"
                | "here"
                | "his"
                | "their"
                | "your"
                | "its"
                | "now"
                | "today"
                | "yesterday"
                | "tomorrow"
                | "right"
                | "like"
                | "said"
                | "says"
                | "which"
                | "until"
                | "after"
                | "before"
                | "last"
                | "next"
                | "again"
                | "speaking"
                | "some"
                | "any"
                | "all"
                | "just"
                | "also"
                | "even"
                | "using"
                | "s"
                | "m"
                | "re"
                | "t"
        )
}
