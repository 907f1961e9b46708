//! What the words before a name say of it: `the technician from …`, `my insurance is with …`.

use super::behind::speaks;
use super::said::{
    is_amid, is_for, is_gaze, is_kind_noun, is_made_by, is_of, is_party, is_role, is_stay,
    is_supply, is_treated,
};
use super::{HINT, SAID, SURE, back};
use crate::recognizers::organization::cues::{capitals, partners_end};
use crate::text::Strand;
use crate::words;

/// What the words before a name say.
pub(super) fn before(strand: &Strand<'_>, start: usize) -> u8 {
    // "the technician from the Qorvia"
    let article = usize::from(back(strand, start, 1) == "the");
    let at = start - article;
    // "Jane Smith (Qorvia)"
    if strand.gap(start) == " (" {
        let closes = strand.gap(capitals(strand, start)).starts_with(')');
        return u8::from(closes && is_person(strand, start));
    }
    let apposed = strand.gap(start) == ", " && start > 0;
    if apposed {
        return apposition(strand, start);
    }
    let (preposition, head) = (back(strand, at, 1), back(strand, at, 2));
    let known = match preposition {
        "at" => at_name(strand, at - 1, head),
        "from" => from_name(strand, at - 1, head),
        "with" => SAID * u8::from(is_party(head) || is_holding_with(strand, at - 1)),
        "by" => match head {
            _ if is_taken_over(strand, at - 1) => SAID,
            _ if is_treated(head) => SAID,
            _ if is_made_by(head) => HINT,
            _ => 0,
        },
        "to" => to_name(strand, at - 1, head),
        "of" => SAID * u8::from(is_of(head)),
        "for" => 2 * u8::from(is_for(head)),
        "in" => 2 * u8::from(matches!(head, "shares" | "stake" | "invested" | "stock")),
        "against" => u8::from(matches!(
            head,
            "complaint" | "complaints" | "lawsuit" | "suit"
        )),
        "about" => {
            let told = |word: &str| matches!(word, "complaint" | "complain" | "complaining");
            u8::from(told(head) || (head == "is" && told(back(strand, at, 3))))
        }
        "via" | "through" => HINT + u8::from(is_holding_with(strand, at - 1)),
        "between" => 2 * u8::from(is_party(head)),
        _ => 0,
    };
    known.max(noun(strand, start))
}

/// `someone at Qorvia`, `ten years at Qorvia`, but not `laughed at Qorvia`.
fn at_name(strand: &Strand<'_>, preposition: usize, head: &str) -> u8 {
    let number = strand
        .raw(preposition.wrapping_sub(1))
        .bytes()
        .any(|b| b.is_ascii_digit());
    match head {
        _ if is_gaze(head) || is_stay(head) => 0,
        "" => u8::from(preposition > 0 && is_person(strand, preposition)) * SAID,
        _ if number || is_role(head) || is_amid(head) || is_party(head) => SAID,
        _ if is_person(strand, preposition) => SAID,
        _ => HINT,
    }
}

/// `the technician from Qorvia`, `a charge from Qorvia`, `bought it from Qorvia`.
fn from_name(strand: &Strand<'_>, preposition: usize, head: &str) -> u8 {
    let object = matches!(head, "it" | "them" | "this" | "one" | "these" | "that");
    let verb = if object {
        back(strand, preposition, 2)
    } else {
        head
    };
    if is_supply(verb) || (!object && (is_role(head) || is_party(head))) {
        SAID
    } else {
        // "Jane Smith from Qorvia asked us": from elsewhere she may be of a town.
        let start = preposition + 1;
        let end = partners_end(strand, start).unwrap_or_else(|| capitals(strand, start));
        u8::from(is_person(strand, preposition) && speaks(strand, end))
    }
}

/// `payable to Qorvia`, `switched from Telora to Qorvia`.
fn to_name(strand: &Strand<'_>, preposition: usize, head: &str) -> u8 {
    const LONGEST_SWITCH: usize = 6;
    // "moved my pension from Ellerton to Nestwise"
    let moved = (preposition.saturating_sub(LONGEST_SWITCH)..preposition)
        .any(|at| strand.lower(at + 1) == "from" && is_party(strand.lower(at)));
    let switched = (preposition.saturating_sub(LONGEST_SWITCH)..preposition).any(|at| {
        matches!(
            strand.lower(at),
            "switched" | "switching" | "switch" | "transferred" | "changed"
        ) && strand.lower(at + 1) == "from"
    });
    // "switched our energy to Qorvia"
    let changed = (preposition.saturating_sub(LONGEST_SWITCH)..preposition).any(|at| {
        matches!(strand.lower(at), "switched" | "switching" | "switch")
            && matches!(strand.lower(at + 1), "my" | "our" | "the")
    });
    let paid = matches!(
        head,
        "payable"
            | "payment"
            | "payments"
            | "subscription"
            | "subscribed"
            | "switched"
            | "switching"
            | "switch"
            | "outsourced"
    );
    SAID * u8::from(switched || changed || paid || moved) + u8::from(head == "belongs")
}

/// `the takeover of Lanvert by Orlane`.
fn is_taken_over(strand: &Strand<'_>, by: usize) -> bool {
    const LONGEST: usize = 6;
    (by.saturating_sub(LONGEST)..by).any(|at| {
        matches!(
            strand.lower(at),
            "takeover" | "acquisition" | "buyout" | "purchase"
        ) && strand.lower(at + 1) == "of"
    })
}

/// `my insurance is with Qorvia`.
fn is_holding_with(strand: &Strand<'_>, with: usize) -> bool {
    const LONGEST: usize = 5;
    matches!(
        back(strand, with, 1),
        "is" | "was" | "are" | "were" | "been" | "be" | "stayed" | "staying"
    ) && (with.saturating_sub(LONGEST)..with).any(|at| is_party(strand.lower(at)))
}

/// `the startup Qorvia`, `our supplier Qorvia`.
fn noun(strand: &Strand<'_>, start: usize) -> u8 {
    match back(strand, start, 1) {
        kind if is_kind_noun(kind) => SURE,
        "joined" | "joining" | "join" => SAID,
        "sued" | "leave" | "flew" | "fly" | "flying" | "cancel" | "cancelled" | "canceled"
        | "cancelling" | "leaving" | "quit" | "versus" | "vs" => HINT,
        "based" if strand.gap(start - 1) == "-" => SAID,
        "left" => {
            let next = strand.lower(capitals(strand, start));
            let end = capitals(strand, start);
            let when = next == "in" && strand.number(end + 1);
            u8::from(when || matches!(next, "to" | "after" | "last" | "because"))
        }
        "acquired" | "acquire" | "acquiring" | "founded" | "sue" | "suing" => SAID,
        _ => 0,
    }
}

/// `my employer, Qorvia,`, `Jane Smith, Qorvia,`.
fn apposition(strand: &Strand<'_>, start: usize) -> u8 {
    let closes = strand
        .gap(capitals(strand, start))
        .starts_with([',', '\n', '.']);
    if !closes || start < 2 {
        return 0;
    }
    let owned = matches!(
        back(strand, start - 1, 1),
        "my" | "our" | "his" | "her" | "their" | "the" | "your" | "a" | "its"
    );
    if owned && is_kind_noun(strand.lower(start - 1)) {
        return SAID;
    }
    // "Jane Smith, Qorvia, will join", but no town in an address.
    let given = strand.lower(start - 2);
    let given = (words::is_given_name(given) || words::is_given_word(given))
        && strand.gap(start - 1) == " ";
    let next = capitals(strand, start);
    let number = strand.raw(next).starts_with(|c: char| c.is_ascii_digit());
    u8::from(given && !number && is_person(strand, start))
}

/// Whether the words before a position are a person's name.
fn is_person(strand: &Strand<'_>, end: usize) -> bool {
    let Some(last) = end
        .checked_sub(1)
        .filter(|last| words::is_capital(strand.raw(*last)))
    else {
        return false;
    };
    let lower = strand.lower_any(last);
    let is_given = |lower: &str| words::is_given_name(lower) || words::is_given_word(lower);
    if words::is_given_name(&lower) && !words::is_place(&lower) {
        return true;
    }
    let Some(first) = last
        .checked_sub(1)
        .filter(|_| matches!(strand.gap(last), " " | "-"))
    else {
        return false;
    };
    let given = strand.lower_any(first);
    let unknown = |lower: &str| !words::is_english(lower) && !words::is_place(lower);
    words::is_capital(strand.raw(first))
        && !words::is_company(&lower)
        && (is_given(&given) || words::is_title(&given) || (unknown(&given) && unknown(&lower)))
}
