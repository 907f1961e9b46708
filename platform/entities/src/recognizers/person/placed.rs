//! Names by their place in a text: below the greeting of a letter, and in the field of a form.

use super::{add, is_name_char};
use crate::entity::score;
use crate::recognizers::{Found, organization};
use crate::text::Strand;
use crate::words;

/// A name has at most this many words.
const LONGEST: usize = 4;

/// `Kind regards,` and the name in the next line; `Contact: Violet Okafor`.
pub(super) fn find(strand: &Strand<'_>, at: usize, found: &mut Found) {
    let label = strand.lower(at);
    let signed = strand.is_line_break(at + 1) && words::is_closing(label);
    let field = is_label(label)
        && (strand.gap(at + 1).starts_with(": ") || strand.gap(at + 1) == ":")
        && !strand.is_line_break(at + 1);
    let holder = matches!(label, "cardholder" | "holder")
        && strand.gap(at + 1) == " "
        && strand.raw(at + 1).len() > 1
        && strand.raw(at + 1).chars().all(char::is_uppercase);
    if !(signed || field || holder) {
        return;
    }
    let start = at + 1;
    let end = name_end(strand, start);
    let closes = strand.starts_turn(end)
        || strand
            .gap(end)
            .contains(['\n', ',', '/', '(', '|', ';', '<', '.']);
    if end == start || !closes || !is_person(strand, start, end, signed) {
        return;
    }
    let several = end - start > 1;
    if several {
        add(strand, start..end, score::PARTIAL + 0.05, found);
    } else if signed {
        add(strand, start..end, score::MODEL + 0.01, found);
    }
}

fn name_end(strand: &Strand<'_>, start: usize) -> usize {
    let mut end = start;
    while end < strand.len() && end - start <= LONGEST {
        let raw = strand.raw(end);
        let initial = end > start && strand.raw(end - 1).chars().count() == 1;
        let tied = end == start
            || matches!(strand.gap(end), " " | "-" | "'" | "\u{2019}")
            || (initial && strand.gap(end) == ". ");
        if !tied || !words::is_capital(raw) || !raw.chars().all(is_name_char) {
            break;
        }
        end += 1;
    }
    end
}

/// Whether words in capitals may be a name of people: some word is no word, and none is a kind of
/// company.
fn is_person(strand: &Strand<'_>, start: usize, end: usize, signed: bool) -> bool {
    let first = strand.lower_any(start);
    let given = words::is_given_name(&first) || words::is_given_word(&first);
    let unknown = (start..end).all(|at| {
        let lower = strand.lower_any(at);
        !words::is_english(&lower) || words::is_word_and_name(&lower)
    });
    // "Saga Ekström" under a letter.
    let last = strand.lower_any(end - 1);
    let family = signed && end - start > 1 && !words::is_english(&last);
    let company = (start..end).any(|at| {
        let lower = strand.lower_any(at);
        words::is_company(&lower)
            || (organization::is_kind(&lower) && !words::is_word_and_name(&lower))
            || words::is_title(&lower)
            || matches!(
                &*lower,
                "team" | "ltd" | "gmbh" | "plc" | "sa" | "bv" | "llp"
            )
    });
    let place = (start..end).all(|at| words::is_place(&strand.lower_any(at)));
    end - start <= LONGEST
        && (given || unknown || family)
        && !company
        && !place
        && !words::is_common(&first)
}

/// Fields of forms that people's names are in.
fn is_label(lower: &str) -> bool {
    matches!(
        lower,
        "contact"
            | "requester"
            | "requestor"
            | "applicant"
            | "cardholder"
            | "holder"
            | "attendee"
            | "passenger"
            | "guest"
            | "patient"
            | "pupil"
            | "student"
            | "tenant"
            | "traveller"
            | "traveler"
            | "driver"
            | "employee"
            | "manager"
            | "supervisor"
            | "author"
            | "owner"
            | "buyer"
            | "claimant"
            | "policyholder"
            | "caller"
            | "recipient"
            | "sender"
            | "signatory"
            | "witness"
            | "referee"
            | "kin"
            | "member"
            | "resident"
            | "physician"
            | "attorney"
            | "assignee"
            | "reporter"
            | "organizer"
            | "organiser"
            | "host"
            | "parent"
            | "guardian"
            | "spouse"
            | "from"
            | "to"
            | "cc"
            | "attn"
            | "candidate"
            | "landlord"
    )
}
