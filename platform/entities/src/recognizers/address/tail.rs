//! What belongs to an address behind its street: a unit, a town, a state, a postal code, a country.

use super::unit::{is_unit, unit};
use super::{Tie, is_name_word, name_end, tie};
use crate::recognizers::{Reading, Scene};
use crate::text::Strand;
use crate::words;

/// The name of a town has at most this many words.
pub(super) const LONGEST_TOWN: usize = 4;
/// An address has at most so many parts behind its street.
const MOST_PARTS: usize = 6;

/// Where the address ends of which the street ends at a position.
pub(super) fn end(scene: &Scene<'_>, reading: &Reading<'_>, street: usize) -> usize {
    let strand = &reading.strand;
    let mut end = street;
    let direction = matches!(
        strand.lower(end),
        "north" | "south" | "east" | "west" | "nw" | "ne" | "sw" | "se" | "n" | "s" | "e" | "w"
    );
    if direction && strand.gap(end) == " " {
        end += 1;
    }
    // Whether a postal code ends what was read: a number in the next line is none of the address.
    let mut coded = street > 0 && strand.number(street - 1) && strand.raw(street - 1).len() == 5;
    for _ in 0..MOST_PARTS {
        let digits = strand.raw(end).starts_with(|c: char| c.is_ascii_digit());
        if coded && digits && strand.is_line_break(end) {
            break;
        }
        let next = part(scene, reading, end);
        if next == end {
            break;
        }
        coded = unit(reading, end) == end && strand.number(next - 1);
        end = next;
    }
    end
}

/// Where the next part of an address ends that begins at a position; that position if there is
/// none.
fn part(scene: &Scene<'_>, reading: &Reading<'_>, at: usize) -> usize {
    let strand = &reading.strand;
    let tied = if at < strand.len() {
        tie(strand, at)
    } else {
        Tie::None
    };
    let unit = unit(reading, at);
    if unit > at {
        return unit;
    }
    if tied == Tie::None && !strand.starts_turn(at) {
        return at;
    }
    if let Some(end) = postcode_and_town(reading, at) {
        return end;
    }
    let code = postcode(reading, at);
    if code > at && (reading.strand.raw(at).len() >= 4 || code > at + 1) {
        return code;
    }
    if tied == Tie::None {
        return at;
    }
    // Behind a postal code stands its town.
    let coded = at > 0
        && (strand.number(at - 1) && strand.raw(at - 1).len() >= 3 || is_mixed(strand.raw(at - 1)));
    // And behind a unit: "Suite 149 Velika Nedelja".
    let united = at >= 2 && strand.gap(at - 1).len() <= 2 && is_unit(strand.lower(at - 2));
    if tied == Tie::Close && (coded || united) {
        let most = LONGEST_TOWN + usize::from(united);
        let end = name_end(strand, at, most);
        // A country behind the town closes it.
        let country = (at + 1..end).any(|from| is_known(strand, from, end));
        let ends = closes(strand, end) || (united && country);
        if end > at && ends && !words::is_common(strand.lower(at)) {
            return with_state(strand, end);
        }
    }
    let short = (2..=3).contains(&strand.raw(at).len())
        && strand.raw(at).bytes().all(|b| b.is_ascii_uppercase());
    if short && postcode(reading, at + 1) > at + 1 {
        return postcode(reading, at + 1);
    }
    town(scene, reading, at, tied)
}

/// Where a town ends that starts at a position, with what follows of state and postal code.
fn town(scene: &Scene<'_>, reading: &Reading<'_>, at: usize, tied: Tie) -> usize {
    let strand = &reading.strand;
    // A state or a country alone.
    let state = words::state(strand.raw(at), strand.raw(at + 1));
    if state > 0 && tied != Tie::None {
        let code = words::state(strand.raw(at + state), strand.raw(at + state + 1));
        let city = at
            + state
            + if strand.gap(at + state).len() <= 2 {
                code
            } else {
                0
            };
        return postcode(reading, city);
    }
    for words in (1..=LONGEST_TOWN).rev() {
        let end = at + words;
        if end <= strand.len()
            && (at + 1..end).all(|at| tie(strand, at) == Tie::Close)
            && is_known(strand, at, end)
        {
            return postcode(reading, with_state(strand, end));
        }
    }
    let end = name_end(strand, at, LONGEST_TOWN);
    if end == at || (words::is_common(strand.lower(at)) && !is_place_start(strand.lower(at))) {
        return at;
    }
    let stated = with_state(strand, end);
    let code = postcode(reading, stated);
    if code > end {
        return code;
    }
    // A name of its own behind the comma: a town, if the sentence does not go on with it.
    let person = words::is_given_name(strand.lower(at)) && end - at >= 2;
    let named = named_a_place(scene, strand, at, end);
    if (tied != Tie::Close && closes(strand, end) && !person) || named {
        return end;
    }
    at
}

/// Whether the sentence or the line ends where a name does, or a comma does.
pub(super) fn closes(strand: &Strand<'_>, end: usize) -> bool {
    match strand.gap(end) {
        "\n" => true,
        " / " | " (" => true,
        gap => !gap.starts_with(' ') && !gap.starts_with(['\'', '\u{2019}', ':', '@', '-', '/']),
    }
}

/// Letters and digits, such as half of a British or Irish postal code.
fn is_mixed(raw: &str) -> bool {
    raw.bytes().any(|b| b.is_ascii_digit())
        && raw.bytes().any(|b| b.is_ascii_uppercase())
        && raw
            .bytes()
            .all(|b| b.is_ascii_digit() || b.is_ascii_uppercase())
}

/// Whether a postal code follows a street, at once or behind the name of a town.
pub(super) fn leads_to_postcode(reading: &Reading<'_>, at: usize) -> bool {
    let strand = &reading.strand;
    if postcode_and_town(reading, at).is_some() {
        return true;
    }
    let town = name_end(strand, at, LONGEST_TOWN);
    town > at && {
        let code = postcode(reading, town);
        code > town
            && (strand.raw(town).len() >= 5
                || is_mixed(strand.raw(town))
                || strand.raw(town).len() == 4 && tie(strand, town) == Tie::Comma)
            && closes(strand, code)
    }
}

/// Whether the model takes the words for a place.
fn named_a_place(scene: &Scene<'_>, strand: &Strand<'_>, at: usize, end: usize) -> bool {
    let (first, last) = (strand.token(at), strand.token(end - 1));
    let named = scene.named.get(first.turn).map_or(&[][..], Vec::as_slice);
    let place = |label: colloquy_ner::Label| {
        matches!(
            label,
            colloquy_ner::Label::Place | colloquy_ner::Label::Location
        )
    };
    // They come in order and don't overlap.
    let over = named.partition_point(|entity| entity.bytes.end < last.end);
    named
        .get(over)
        .is_some_and(|entity| place(entity.label) && entity.bytes.start <= first.start)
}

/// Behind a town: `, CO`, ` Colorado`, ` (RM)`.
fn with_state(strand: &Strand<'_>, at: usize) -> usize {
    let state = words::state(strand.raw(at), strand.raw(at + 1));
    if state > 0 && matches!(strand.gap(at), " " | ", " | " (") {
        return at + state;
    }
    let raw = strand.raw(at);
    let code = (2..=3).contains(&raw.len())
        && raw.bytes().all(|b| b.is_ascii_uppercase())
        && matches!(strand.gap(at), ", " | " (" | " " | " / ");
    at + usize::from(code)
}

/// Whether the words are a place of the list.
pub(super) fn is_known(strand: &Strand<'_>, at: usize, end: usize) -> bool {
    if !is_name_word(strand, at) && strand.is_cased(at) {
        return false;
    }
    let mut name = String::new();
    for at in at..end {
        if !name.is_empty() {
            name.push(if strand.gap(at) == "-" { '-' } else { ' ' });
        }
        name.push_str(&strand.raw(at).to_lowercase());
    }
    words::is_place(&name)
}

/// `80302 Boulder`, `1010 Wien`, `110 00 Praha`, `1234 AB Amsterdam`, `D-10115 Berlin`.
pub(super) fn postcode_and_town(reading: &Reading<'_>, at: usize) -> Option<usize> {
    let strand = &reading.strand;
    let code = written_postcode(strand, at).or_else(|| {
        let short = (1..=3).contains(&strand.raw(at).len())
            && strand.raw(at).bytes().all(|b| b.is_ascii_uppercase())
            && strand.gap(at + 1) == "-";
        short.then(|| written_postcode(strand, at + 1)).flatten()
    })?;
    if !matches!(strand.gap(code), " " | ", " | " - ") && !strand.is_line_break(code) {
        return None;
    }
    let end = name_end(strand, code, LONGEST_TOWN);
    if end == code || words::month(strand.lower(code)).is_some() {
        return None;
    }
    Some(with_state(strand, end))
}

/// Where a postal code in digits ends, in the forms that stand before a town.
fn written_postcode(strand: &Strand<'_>, at: usize) -> Option<usize> {
    let raw = strand.raw(at);
    if !raw.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let next = strand.raw(at + 1);
    let digits = next.bytes().all(|b| b.is_ascii_digit());
    let letters = next.bytes().all(|b| b.is_ascii_uppercase());
    match (raw.len(), next.len(), strand.gap(at + 1)) {
        (3, 2, " ") | (2, 3, "-") | (4, 3, "-") | (5, 3, "-") if digits => Some(at + 2),
        (4, 2, " ") if letters => Some(at + 2),
        (8, _, _) if strand.is_line_break(at) => Some(at + 1),
        (4..=6, _, _) => Some(at + 1),
        _ => None,
    }
}

/// Where a postal code ends that starts at a position: `80302`, `80302-1234`, `SW1A 1AA`,
/// `K1A 0B1`, `eight zero three zero two`.
pub(super) fn postcode(reading: &Reading<'_>, at: usize) -> usize {
    let strand = &reading.strand;
    if at >= strand.len() || (tie(strand, at) == Tie::None && !strand.starts_turn(at)) {
        return at;
    }
    let (raw, next) = (strand.raw(at), strand.raw(at + 1));
    let mixed = is_mixed;
    // Ireland's second half may be letters only.
    let half = next.len() == 4
        && next
            .bytes()
            .all(|b| b.is_ascii_digit() || b.is_ascii_uppercase());
    if raw.len() == 3 && mixed(raw) && half && strand.gap(at + 1) == " " {
        return at + 2;
    }
    if (2..=4).contains(&raw.len())
        && mixed(raw)
        && next.len() == 3
        && mixed(next)
        && strand.gap(at + 1) == " "
    {
        return at + 2;
    }
    if (6..=7).contains(&raw.len())
        && mixed(raw)
        && raw.starts_with(|c: char| c.is_ascii_uppercase())
    {
        return at + 1;
    }
    let written = raw.bytes().all(|b| b.is_ascii_digit());
    if written
        && strand.gap(at + 1) == "-"
        && matches!((raw.len(), next.len()), (5, 3 | 4) | (4, 3))
        && next.bytes().all(|b| b.is_ascii_digit())
    {
        return at + 2;
    }
    if written && (4..=6).contains(&raw.len()) {
        return at + 1;
    }
    let runs = &reading.digits;
    match runs.get(runs.partition_point(|run| run.at().start < at)) {
        Some(run) if run.at().start == at && matches!(run.len(), 5 | 9) => run.at().end,
        _ => at,
    }
}

/// Whether a word may be of the name of a town or a street.
pub(super) fn is_place_word(strand: &Strand<'_>, at: usize) -> bool {
    is_name_word(strand, at)
        && (!words::is_common(strand.lower(at)) || is_place_start(strand.lower(at)))
        && !matches!(strand.gap(at), "? " | "! " | "\n")
}

/// Common words that names of places begin with.
fn is_place_start(word: &str) -> bool {
    matches!(
        word,
        "north"
            | "south"
            | "east"
            | "west"
            | "new"
            | "great"
            | "long"
            | "grand"
            | "little"
            | "old"
            | "united"
            | "middle"
            | "hope"
            | "high"
            | "big"
            | "half"
            | "port"
            | "lake"
            | "st"
            | "saint"
            | "santa"
            | "san"
    )
}
