//! Runs: numbers, and letters read out one by one, that are one thing.
//!
//! A run crosses fillers, punctuation and the ends of turns within a strand. There are two kinds:
//! digits only, for what has digits only (cards, phones), and codes, in which letters stand too
//! (IBAN, order numbers, spelled names).

use std::ops::Range;

use crate::numbers::Number;
use crate::text::Strand;
use crate::words;

/// At most this many fillers in a row stand within a run.
const MOST_JOINERS: usize = 4;

/// The number of a telephone has at least this many digits where it is told without its area.
const SHORTEST_PHONE: usize = 7;

/// The last part of a number has at most this many digits.
const LONGEST_LAST: usize = 4;

/// One member of a run: what it adds to the number or word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Item {
    /// The words that say it.
    pub(crate) at: Range<usize>,
    /// Its digits and capital letters.
    pub(crate) chars: String,
}

/// Numbers and letters that are one thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Run {
    /// Its members, in order; at least one.
    pub(crate) items: Vec<Item>,
}

impl Run {
    /// The words from the first to the last member.
    pub(crate) fn at(&self) -> Range<usize> {
        self.at_items(0..self.items.len())
    }

    /// The words from the first to the last of some of its members.
    pub(crate) fn at_items(&self, items: Range<usize>) -> Range<usize> {
        let start = self.items.get(items.start).map_or(0, |item| item.at.start);
        let end = items
            .end
            .checked_sub(1)
            .and_then(|last| self.items.get(last));
        start..end.map_or(start, |item| item.at.end)
    }

    /// All its digits and letters.
    pub(crate) fn chars(&self) -> String {
        self.items.iter().map(|item| item.chars.as_str()).collect()
    }

    /// How many digits and letters it has.
    pub(crate) fn len(&self) -> usize {
        self.items.iter().map(|item| item.chars.len()).sum()
    }

    /// Whether it was read out digit by digit, or is all that its turn says.
    pub(crate) fn is_dictated(&self, strand: &Strand<'_>) -> bool {
        let at = self.at();
        let single = self
            .items
            .iter()
            .filter(|item| item.chars.len() == 1)
            .count();
        let alone = strand.starts_turn(at.start) && strand.starts_turn(at.end);
        alone || (single >= 3 && 2 * single >= self.items.len())
    }

    /// Whether it is how many of something: `40 minutes`, `2,000 dollars`.
    pub(crate) fn is_count(&self, strand: &Strand<'_>) -> bool {
        let end = self.at().end;
        strand.gap(end) == " " && words::is_unit(strand.lower(end))
            || strand.tail(end - 1).starts_with('%')
    }

    /// Whether it looks like a year said as a date: `in 2024`.
    pub(crate) fn is_year(&self, strand: &Strand<'_>) -> bool {
        let chars = self.chars();
        let led = matches!(
            strand.lower_before(self.at().start),
            "in" | "since" | "of" | "from" | "by" | "until" | "year"
        );
        led && chars.len() == 4 && (chars.starts_with("19") || chars.starts_with("20"))
    }

    /// All stretches of members that have `least` to `most` characters, with those characters.
    /// `chars` are all of the run's, from [`Run::chars`].
    pub(crate) fn windows<'r>(
        &self,
        chars: &'r str,
        least: usize,
        most: usize,
    ) -> impl Iterator<Item = (Range<usize>, &'r str)> + use<'r> {
        let mut offsets = vec![0];
        for item in &self.items {
            offsets.push(offsets[offsets.len() - 1] + item.chars.len());
        }
        // Where the windows of the next start begin, and the one to look at.
        let (mut start, mut end) = (0, 1);
        std::iter::from_fn(move || {
            while end < offsets.len() || start + 2 < offsets.len() {
                let length = offsets
                    .get(end)
                    .map_or(usize::MAX, |last| last - offsets[start]);
                let window = (start..end, offsets[start]);
                if length > most {
                    (start, end) = (start + 1, start + 2);
                } else {
                    end += 1;
                }
                if (least..=most).contains(&length) {
                    return chars
                        .get(window.1..window.1 + length)
                        .map(|found| (window.0, found));
                }
            }
            None
        })
    }
}

/// The runs of digits of a strand.
pub(crate) fn of_digits(strand: &Strand<'_>, numbers: &[Number]) -> Vec<Run> {
    let items = numbers
        .iter()
        .filter(|number| !number.ordinal)
        .map(|number| Item {
            at: number.at.clone(),
            chars: number.digits.clone(),
        });
    with_last_parts(strand, join(strand, items))
}

/// Puts the last part of a long number behind "and" to the rest: `2 9 5 1 3 4 5 and two three.` Where
/// the rest is as long as the number of a telephone with its area, it is whole.
fn with_last_parts(strand: &Strand<'_>, runs: Vec<Run>) -> Vec<Run> {
    let mut joined: Vec<Run> = Vec::with_capacity(runs.len());
    for run in runs {
        let at = run.at();
        let short = run.len() <= LONGEST_LAST && !run.is_count(strand) && closes(strand, at.end);
        let before = joined.last_mut().filter(|before| {
            let tied = before.at().end + 1 == at.start
                && strand.lower(at.start - 1) == "and"
                && !strand.is_line_break(at.start);
            short && tied && matches!(before.len(), SHORTEST_PHONE..=9 | 12..=17)
        });
        match before {
            Some(before) => before.items.extend(run.items),
            None => joined.push(run),
        }
    }
    joined
}

/// Whether a clause ends before a word.
fn closes(strand: &Strand<'_>, at: usize) -> bool {
    strand.ends_clause(at) || matches!(strand.lower(at), "and" | "is" | "that" | "so" | "okay")
}

/// The runs of a strand in which there is a letter.
pub(crate) fn of_codes(strand: &Strand<'_>, numbers: &[Number]) -> Vec<Run> {
    let mut items: Vec<Item> = Vec::new();
    let mut numbers = numbers.iter().filter(|number| !number.ordinal).peekable();
    let mut at = 0;
    while at < strand.len() {
        while numbers.next_if(|number| number.at.start < at).is_some() {}
        let item = match numbers.next_if(|number| number.at.start == at) {
            Some(number) => Some(Item {
                at: number.at.clone(),
                chars: number.digits.clone(),
            }),
            None => letters(strand, at, items.last()),
        };
        at = item.as_ref().map_or(at + 1, |item| item.at.end);
        items.extend(item);
    }
    let mut runs = join(strand, items.into_iter());
    runs.iter_mut().for_each(|run| trim(strand, run));
    runs.retain(|run| {
        let letters = run
            .items
            .iter()
            .any(|i| i.chars.bytes().any(|b| b.is_ascii_uppercase()));
        letters && run.len() >= 2
    });
    runs
}

/// The letters said at a position: `K`, `K as in kilo`, `kilo`, `double S`, `NWBK`, `1HGCM8`.
fn letters(strand: &Strand<'_>, at: usize, before: Option<&Item>) -> Option<Item> {
    let raw = strand.raw(at);
    let word = strand.lower(at);
    let adjacent = before.is_some_and(|item| item.at.end == at);
    if raw.len() == 1 && raw.as_bytes()[0].is_ascii_alphabetic() {
        let spelled = explained(strand, at);
        let lone = matches!(word, "a" | "i") || raw == word;
        let word_too = matches!(word, "a" | "i");
        let follows =
            is_letter(strand, at + 1) || (adjacent && !(word_too && reads_on(strand, at)));
        return (!lone || spelled.is_some() || (follows && !after_apostrophe(strand, at))).then(
            || Item {
                at: at..spelled.unwrap_or(at + 1),
                chars: raw.to_ascii_uppercase(),
            },
        );
    }
    if word == "double" && is_letter(strand, at + 1) {
        let letter = strand.raw(at + 1).to_ascii_uppercase();
        return Some(Item {
            at: at..at + 2,
            chars: letter.repeat(2),
        });
    }
    if let Some(letter) = words::nato(word) {
        let more = adjacent || words::nato(strand.lower(at + 1)).is_some();
        return more.then(|| Item {
            at: at..at + 1,
            chars: letter.to_ascii_uppercase().to_string(),
        });
    }
    let ascii = raw.bytes().all(|b| b.is_ascii_alphanumeric());
    let digits = raw.bytes().filter(u8::is_ascii_digit).count();
    let mixed = digits > 0 && digits < raw.len() && !is_ordinal(word);
    let capitals = raw.len() <= 5 && raw.bytes().all(|b| b.is_ascii_uppercase());
    (ascii && (mixed || (capitals && !is_acronym(word))) && raw.len() <= 40).then(|| Item {
        at: at..at + 1,
        chars: raw.to_ascii_uppercase(),
    })
}

/// Whether a word is one of a sentence: the `I` of `in 1999 I had`.
fn reads_on(strand: &Strand<'_>, at: usize) -> bool {
    let next = strand.raw(at + 1);
    let spelled = next.starts_with(|c: char| c.is_ascii_digit())
        || words::number_word(strand.lower(at + 1)).is_some();
    strand.gap(at) == " " && strand.gap(at + 1) == " " && !spelled
}

/// Whether a word is a single letter.
fn is_letter(strand: &Strand<'_>, at: usize) -> bool {
    let raw = strand.raw(at);
    raw.len() == 1 && raw.as_bytes()[0].is_ascii_alphabetic() && !after_apostrophe(strand, at)
}

/// The `m` of `I'm`.
fn after_apostrophe(strand: &Strand<'_>, at: usize) -> bool {
    matches!(strand.gap(at), "'" | "\u{2019}")
}

fn is_ordinal(word: &str) -> bool {
    let digits = word.trim_end_matches(|c: char| c.is_ascii_lowercase());
    digits.bytes().all(|b| b.is_ascii_digit())
        && matches!(&word[digits.len()..], "st" | "nd" | "rd" | "th")
}

/// `K as in kilo`: where the explanation ends.
fn explained(strand: &Strand<'_>, at: usize) -> Option<usize> {
    let end = match (strand.lower(at + 1), strand.lower(at + 2)) {
        ("as", "in") => at + 4,
        ("for" | "like", word) if initial(word) == initial(strand.lower(at)) => at + 3,
        _ => return None,
    };
    (end <= strand.len()).then_some(end)
}

fn initial(word: &str) -> Option<char> {
    word.chars().next()
}

/// Words in capitals that name the kind of number rather than being a part of one.
fn is_acronym(word: &str) -> bool {
    words::is_acronym(word)
        || matches!(
            word,
            "usa"
                | "us"
                | "uk"
                | "no"
                | "is"
                | "and"
                | "the"
                | "my"
                | "yes"
                | "at"
                | "of"
                | "com"
                | "dot"
        )
}

/// Takes a lone article or pronoun off the start of a code: `I 555` and `A 12` are no codes.
fn trim(strand: &Strand<'_>, run: &mut Run) {
    while let [first, rest @ ..] = run.items.as_slice() {
        let lone = matches!(strand.raw(first.at.start), "I" | "A") && first.at.len() == 1;
        let next_digit = rest
            .first()
            .is_none_or(|i| i.chars.as_bytes()[0].is_ascii_digit());
        if !(lone && next_digit && rest.first().is_none_or(|i| strand.gap(i.at.start) == " ")) {
            return;
        }
        run.items.remove(0);
    }
}

/// Puts neighbours into one run.
fn join(strand: &Strand<'_>, items: impl Iterator<Item = Item>) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for item in items {
        let end = runs
            .last()
            .and_then(|run| run.items.last())
            .map(|last| last.at.end);
        match (end, runs.last_mut()) {
            (Some(end), Some(run)) if continues(strand, run, end, item.at.start) => {
                run.items.push(item);
            }
            _ => runs.push(Run { items: vec![item] }),
        }
    }
    runs
}

/// Whether what stands between two members is only fillers and light punctuation.
fn continues(strand: &Strand<'_>, run: &Run, end: usize, start: usize) -> bool {
    if start < end || start - end > MOST_JOINERS {
        return false;
    }
    let mut at = end;
    while at < start {
        at += match (strand.lower(at), strand.lower(at + 1)) {
            // "All nine? It's …" begins anew.
            ("it", "s") if !strand.gap(end).contains('?') => 2,
            ("and", "then") | ("i", "mean") | ("hold", "on") => 2,
            // Behind the number of a telephone it may join another one.
            ("and", _) if run.len() < SHORTEST_PHONE => 1,
            ("its", _) => 1,
            (word, _) if words::is_joiner(word) => 1,
            _ => return false,
        };
    }
    let light = |c: char| {
        c.is_whitespace()
            || " -\u{2010}\u{2011}\u{2013}\u{2014}.,/():?+#\u{2026}'\u{2019}".contains(c)
    };
    // A new line is a new matter; a new turn is not.
    at == start
        && (end..=start).all(|at| strand.gap(at).chars().all(light) && !strand.is_line_break(at))
}
