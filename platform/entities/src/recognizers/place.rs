//! Places that the model does not see: by a list, by their form, and behind words that say where.
//!
//! The list is of GeoNames (<https://www.geonames.org>): countries, first-order states of the
//! United States, and cities from a size on that depends on the country.

use super::{Found, Scene};
use crate::entity::{score, types};
use crate::text::Strand;
use crate::words;

/// The name of a place has at most this many words.
const LONGEST_NAME: usize = 5;

pub(super) fn find(scene: &Scene<'_>, found: &mut Found) {
    for reading in &scene.readings {
        let strand = &reading.strand;
        let mut at = 0;
        while at < strand.len() {
            at = match listed(strand, at) {
                Some(end) => {
                    let sure =
                        end - at > 1 || is_led(strand, at) || !words::is_surname(strand.lower(at));
                    let score = if sure {
                        score::MODEL + 0.01
                    } else {
                        score::BARE
                    };
                    add(strand, at..end, score, found);
                    end
                }
                None => {
                    if let Some(end) = formed(strand, at) {
                        add(strand, at..end, score::MODEL + 0.01, found);
                    }
                    at + 1
                }
            };
        }
    }
}

fn add(strand: &Strand<'_>, at: std::ops::Range<usize>, score: f32, found: &mut Found) {
    if let [part] = strand.parts(at).as_slice() {
        let text = &strand.conversation.turns[part.turn].text[part.start..part.end];
        found.add_parts(vec![*part], types::LOCATION, text.to_lowercase(), score);
    }
}

/// Where a place of the list ends that starts at a position.
fn listed(strand: &Strand<'_>, at: usize) -> Option<usize> {
    let capital = strand.raw(at).starts_with(char::is_uppercase);
    let cased = strand.is_cased(at);
    if cased && !capital {
        return None;
    }
    let joint = |gap: &str| match gap {
        " " => Some(" "),
        "-" => Some("-"),
        "'" | "\u{2019}" => Some("'"),
        ". " => Some(". "),
        _ => None,
    };
    let (end, ()) = strand.longest(at, LONGEST_NAME, joint, |name, end| {
        let last = strand.raw(end - 1).starts_with(char::is_uppercase) || !cased;
        (last && words::is_place(name)).then_some(())
    })?;
    // "Buják Country Club" is one name.
    let words_only = end - at > 1 && (at..end).all(|at| words::is_english(strand.lower(at)));
    let within = at > 0
        && strand.gap(at) == " "
        && strand.raw(at - 1).starts_with(char::is_uppercase)
        && !words::is_english(&strand.lower_any(at - 1));
    if words_only && within {
        return None;
    }
    // "Jordan Miller" is a person, and so may be a lone word in small letters.
    let goes_on = strand.gap(end) == " "
        && strand.raw(end).starts_with(char::is_uppercase)
        && words::is_surname(strand.lower(end));
    let given = end - at == 1 && words::is_given_name(strand.lower(at));
    let doubtful = !cased
        && end - at == 1
        && (given || words::is_surname(strand.lower(at)) || strand.lower(at).len() < 5);
    let person = given && goes_on;
    let unsure = (given || doubtful) && !is_led(strand, at);
    (!person && !unsure).then_some(end)
}

/// Whether the word before says where: `in Leeds`, `to Lagos`.
fn is_led(strand: &Strand<'_>, at: usize) -> bool {
    strand.gap(at) == " "
        && matches!(
            strand.lower_before(at),
            "in" | "from"
                | "to"
                | "near"
                | "at"
                | "around"
                | "outside"
                | "via"
                | "leaving"
                | "visit"
                | "visiting"
                | "of"
        )
}

/// `Port Lori`, `North Erica`, `Dylanmouth`, `in Waldmünchen`: where a name ends that has the form
/// of a place, or stands where one is told.
fn formed(strand: &Strand<'_>, at: usize) -> Option<usize> {
    let raw = strand.raw(at);
    let lower = strand.lower_any(at);
    let cased = strand.is_cased(at);
    if (cased && !raw.starts_with(char::is_uppercase)) || raw.chars().count() < 3 {
        return None;
    }
    let mut end = at + 1;
    while end < strand.len()
        && end - at < LONGEST_NAME
        && matches!(strand.gap(end), " " | "-" | "'" | "\u{2019}")
        && (strand.raw(end).starts_with(char::is_uppercase)
            || (is_joining(strand.lower(end))
                && strand.raw(end + 1).starts_with(char::is_uppercase)))
        && strand.raw(end) != "I"
    {
        end += 1;
    }
    let led = is_led(strand, at);
    let person = end - at == 2
        && words::is_given_name(&lower)
        && !words::is_place_end(strand.lower(end - 1));
    if is_before(&lower)
        && (2..=4).contains(&(end - at))
        && (led || ends_clause(strand, end))
        && !is_company(strand, at..end)
    {
        return Some(end);
    }
    if end - at == 2 && words::is_place_end(strand.lower(at + 1)) {
        return Some(end);
    }
    if !cased {
        let ville = strand.gap(at + 1) == " " && strand.lower(at + 1) == "ville";
        let two = is_before(&lower) && led && !words::is_english(strand.lower(at + 1));
        return if ville || (two && strand.gap(at + 1) == " ") {
            Some(at + 2)
        } else {
            (led && ends_as_place(&lower) && !words::is_english(&lower)).then_some(at + 1)
        };
    }
    if end - at == 1
        && ends_as_place(&lower)
        && !words::is_english(&lower)
        && !words::is_surname(&lower)
    {
        return Some(end);
    }
    // A name that is no person's and no word, where a place is told.
    let told = strand.gap(at) == " "
        && (matches!(strand.lower_before(at), "in" | "city" | "town" | "village")
            || (matches!(strand.lower_before(at), "from" | "to" | "at")
                && is_travel(strand, at, end)));
    let unknown = !words::is_english(&lower)
        && !words::is_no_name(&lower)
        && !words::is_given_name(&lower)
        && words::month(&lower).is_none()
        && !words::is_weekday(&lower)
        && (raw.chars().count() >= 5 || !raw.chars().all(char::is_uppercase) || lives(strand, at));
    (told && unknown && !person && !is_company(strand, at..end)).then_some(end)
}

fn is_company(strand: &Strand<'_>, at: std::ops::Range<usize>) -> bool {
    at.into_iter().any(|at| words::is_company(strand.lower(at)))
}

/// `lives in X`, `returned to X`: a word in capitals there is no acronym.
fn lives(strand: &Strand<'_>, at: usize) -> bool {
    let verb = at.checked_sub(2).map_or("", |at| strand.lower(at));
    matches!(
        verb,
        "live"
            | "lives"
            | "lived"
            | "living"
            | "born"
            | "based"
            | "up"
            | "flew"
            | "returned"
            | "moved"
    )
}

/// `from X to Y`, `moved to X`, `travel to X`, `a flight to X`.
fn is_travel(strand: &Strand<'_>, at: usize, end: usize) -> bool {
    let before = at.checked_sub(2).map_or("", |at| strand.lower(at));
    let verb = matches!(
        before,
        "moved"
            | "here"
            | "return"
            | "returned"
            | "returning"
            | "originally"
            | "arrived"
            | "move"
            | "moving"
            | "travel"
            | "travelled"
            | "traveled"
            | "traveling"
            | "travelling"
            | "flew"
            | "fly"
            | "flying"
            | "flight"
            | "trip"
            | "drive"
            | "drove"
            | "train"
            | "bus"
            | "fled"
            | "back"
            | "relocated"
            | "goes"
            | "went"
            | "going"
            | "come"
            | "comes"
            | "came"
    );
    let from_to = strand.lower_before(at) == "from" && strand.lower(end) == "to";
    let to_of = strand.lower_before(at) == "to"
        && (at.saturating_sub(6)..at.saturating_sub(1)).any(|at| strand.lower(at) == "from");
    verb || from_to || to_of
}

fn ends_clause(strand: &Strand<'_>, end: usize) -> bool {
    let gap = strand.gap(end);
    gap == "\n" || gap.starts_with([',', '.', '?', '!', ';', ')', '\n'])
}

fn is_joining(lower: &str) -> bool {
    matches!(
        lower,
        "de" | "la"
            | "las"
            | "los"
            | "del"
            | "of"
            | "the"
            | "upon"
            | "da"
            | "do"
            | "dos"
            | "di"
            | "am"
            | "an"
            | "der"
            | "im"
            | "sur"
            | "el"
    )
}

/// Words that names of places begin with.
fn is_before(lower: &str) -> bool {
    matches!(
        lower,
        "north"
            | "south"
            | "east"
            | "west"
            | "new"
            | "port"
            | "lake"
            | "saint"
            | "sainte"
            | "san"
            | "santa"
            | "são"
            | "los"
            | "las"
            | "mount"
            | "upper"
            | "lower"
            | "fort"
            | "bad"
            | "sankt"
            | "st"
            | "nueva"
            | "nuevo"
            | "vieja"
            | "viejo"
            | "villa"
            | "cape"
            | "isle"
            | "nova"
    )
}

/// Ends of words that are places.
fn ends_as_place(lower: &str) -> bool {
    lower.chars().count() >= 7
        && [
            "ville", "burgh", "bury", "borough", "mouth", "shire", "chester", "haven", "fort",
            "stadt", "furt", "grad", "town", "view", "side", "berg", "burg", "stan", "minster",
            "hausen", "dorf", "münster", "brücken", "feld", "land", "chaven", "polis", "pur",
            "abad", "stad", "bruck",
        ]
        .iter()
        .any(|end| lower.ends_with(end))
}
