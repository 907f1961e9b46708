//! Names that are known by what is told of them, by their form, and by the names beside them.

use super::{add, is_group, is_name_char, name};
use crate::entity::score;
use crate::recognizers::title::is_occupation;
use crate::recognizers::{Found, organization};
use crate::text::Strand;
use crate::words;

/// `Nurishat lives …`, `Thekla's daughter`: a name that is no word, of whom something is told that
/// is told of people only.
pub(super) fn doer(strand: &Strand<'_>, at: usize, found: &mut Found) {
    let verb = strand.gap(at + 1) == " "
        && (does(strand.lower(at + 1)) || strand.says(at + 1, &["is", "from"]));
    let colleague = strand.gap(at + 1) == " "
        && strand.lower(at + 1) == "from"
        && is_department(strand.lower(at + 2));
    let verb = verb || colleague || works(strand, at);
    // Ann: "Who are you?"
    let speech = strand
        .gap(at + 1)
        .trim_start_matches([':', ' '])
        .starts_with(['"', '\u{201c}'])
        && strand.gap(at + 1).starts_with(':');
    // "gave Ann his address"
    let given = matches!(strand.lower(at + 1), "his" | "her" | "their")
        && strand.gap(at + 1) == " "
        && matches!(
            strand.lower_before(at),
            "given" | "gave" | "told" | "sent" | "showed" | "handed" | "lent" | "gives"
        );
    let kin = strand.lower(at + 1) == "s"
        && matches!(strand.gap(at + 1), "'" | "\u{2019}")
        && is_kin(strand.lower(at + 2));
    if !verb && !kin && !speech && !given {
        return;
    }
    let raw = strand.raw(at);
    let lower = strand.lower_any(at);
    let unknown = !words::is_english(&lower)
        && !words::is_place(&lower)
        && !words::is_company(&lower)
        && !words::is_acronym(&lower)
        && !is_group(&lower);
    let alone = strand.gap(at) != " " || !words::is_capital(strand.raw(at.wrapping_sub(1)));
    let article = matches!(strand.lower_before(at), "the" | "a" | "an");
    let capitals = raw.chars().count() > 3 && raw.chars().all(char::is_uppercase);
    if unknown
        && alone
        && !article
        && !capitals
        && name(strand, at, colleague && !strand.is_cased(at)) == Some(at + 1)
    {
        add(strand, at..at + 1, score::MODEL + 0.03, found);
    }
}

/// `Timbul, age 64`, `Else is 57 now`, `Will turned 12`: only people have an age.
pub(super) fn aged(strand: &Strand<'_>, at: usize, found: &mut Found) {
    let number = |at: usize| strand.number(at) || words::number_word(strand.lower(at)).is_some();
    let age = |at: usize| matches!(strand.lower(at), "age" | "aged");
    let comma = strand.gap(at + 1) == ", " && age(at + 1) && number(at + 2);
    let plain = || {
        let ends = (at + 2..at + 5).any(|at| {
            number(at)
                && (strand.lower(at + 1) == "now"
                    || strand.says(at + 1, &["next", "week"])
                    || strand.says(at + 1, &["next", "month"])
                    || strand.says(at + 1, &["years", "old"]))
        });
        match strand.lower(at + 1) {
            "turned" | "turns" => number(at + 2),
            "is" | "was" => number(at + 2) && ends,
            "will" => strand.lower(at + 2) == "be" && number(at + 3) && ends,
            _ => false,
        }
    };
    let told = comma || (strand.gap(at + 1) == " " && plain());
    if !told {
        return;
    }
    let lower = strand.lower_any(at);
    let fits = !words::is_common(&lower)
        && !words::is_title(&lower)
        && (!words::is_english(&lower) || words::is_given_word(&lower) || comma);
    let alone = !words::is_capital(strand.raw(at.wrapping_sub(1))) || strand.gap(at) != " ";
    let article = matches!(
        strand.lower_before(at),
        "the" | "a" | "an" | "my" | "his" | "her"
    );
    if fits && alone && !article && name(strand, at, false) == Some(at + 1) {
        add(strand, at..at + 1, score::MODEL + 0.04, found);
    }
}

/// `Breogan J. Orosco`: names that are no words, and a letter between them.
pub(super) fn with_initial(strand: &Strand<'_>, at: usize, found: &mut Found) {
    let letter = strand.raw(at + 1);
    let initial = letter.chars().count() == 1
        && words::is_capital(letter)
        && letter != "I"
        && strand.gap(at + 1) == " "
        && matches!(strand.gap(at + 2), " " | ". ");
    if !initial {
        return;
    }
    let named = |at: usize| {
        let raw = strand.raw(at);
        let lower = strand.lower_any(at);
        let capitals = raw.chars().all(char::is_uppercase);
        words::is_capital(raw)
            && !capitals
            && raw.chars().count() >= 2
            && raw.chars().all(is_name_char)
            && (!words::is_english(&lower) || words::is_given_word(&lower))
            && !words::is_title(&lower)
            && !words::is_company(&lower)
    };
    if named(at) && named(at + 2) {
        add(strand, at..at + 3, score::MODEL + 0.03, found);
    }
}

/// `H. Oyelowo`: a letter and a name that is no word.
pub(super) fn behind_initial(strand: &Strand<'_>, at: usize, found: &mut Found) {
    let letter = strand.raw(at);
    let initial = letter.chars().count() == 1
        && words::is_capital(letter)
        && strand.gap(at + 1) == ". "
        && !matches!(strand.gap(at), "." | "'" | "\u{2019}" | "-" | "&");
    let before = at > 0 && strand.gap(at) == " " && words::is_capital(strand.raw(at - 1));
    if !initial || before {
        return;
    }
    let raw = strand.raw(at + 1);
    let lower = strand.lower_any(at + 1);
    let named = words::is_capital(raw)
        && raw.chars().count() >= 3
        && !raw.chars().all(char::is_uppercase)
        && raw.chars().all(is_name_char)
        && (words::is_surname(&lower) || !words::is_english(&lower))
        && !words::is_place(&lower)
        && !words::is_company(&lower)
        && !words::is_no_name(&lower);
    let goes_on = strand.gap(at + 2) == " " && words::is_capital(strand.raw(at + 2));
    if named && !goes_on {
        add(strand, at..at + 2, score::MODEL + 0.01, found);
    }
}

/// Whether an occupation, or what a man or a woman does, is told beside a name: `our driver
/// Abdulkadir`, `Kjell is a plumber`, `Ingunn called because she was ill`.
fn works(strand: &Strand<'_>, at: usize) -> bool {
    const LONGEST_CLAUSE: usize = 8;
    let occupation = |at: usize| {
        let lower = strand.lower(at);
        is_occupation(lower) && !organization::is_company_noun(lower)
    };
    let led = at > 1
        && strand.gap(at) == " "
        && occupation(at - 1)
        && matches!(
            strand.lower(at - 2),
            "my" | "our" | "the" | "his" | "her" | "your" | "their" | "a"
        );
    let is = strand.gap(at + 1) == " " && matches!(strand.lower(at + 1), "is" | "was");
    let what = at + 1 + usize::from(is);
    let told = (is || strand.gap(at + 1) == ", ")
        && matches!(strand.lower(what), "a" | "an" | "the" | "our" | "my")
        && strand.gap(what + 1) == " "
        && (occupation(what + 1) || (strand.gap(what + 2) == " " && occupation(what + 2)));
    let clause = (at + 1..strand.len().min(at + LONGEST_CLAUSE))
        .take_while(|next| matches!(strand.gap(*next), " " | ", "));
    let opens = strand.gap(at) != " " && strand.gap(at + 1) == " ";
    let she = opens
        && clause.into_iter().any(|next| {
            matches!(
                strand.lower(next),
                "because" | "and" | "but" | "as" | "since"
            ) && matches!(strand.lower(next + 1), "she" | "he")
        });
    led || told || she
}

/// Where in a company somebody is: `Thandiwe from billing`.
fn is_department(lower: &str) -> bool {
    matches!(
        lower,
        "billing"
            | "accounts"
            | "accounting"
            | "sales"
            | "marketing"
            | "hr"
            | "finance"
            | "claims"
            | "legal"
            | "payroll"
            | "procurement"
            | "reception"
            | "engineering"
    )
}

/// What only people do.
fn does(verb: &str) -> bool {
    matches!(
        verb,
        "lives"
            | "lived"
            | "shouted"
            | "whispered"
            | "smiled"
            | "laughed"
            | "cried"
            | "married"
            | "loves"
            | "loved"
            | "hates"
            | "hated"
            | "thinks"
            | "thought"
            | "feels"
            | "felt"
            | "knows"
            | "knew"
            | "listened"
            | "died"
            | "sang"
            | "sings"
            | "wrote"
            | "grew"
            | "replied"
            | "whose"
            | "who"
    )
}

/// Whom only people have.
fn is_kin(word: &str) -> bool {
    matches!(
        word,
        "kid"
            | "kids"
            | "child"
            | "children"
            | "son"
            | "daughter"
            | "wife"
            | "husband"
            | "mother"
            | "father"
            | "mom"
            | "mum"
            | "dad"
            | "brother"
            | "sister"
            | "friend"
            | "boss"
            | "birthday"
            | "wedding"
            | "family"
            | "parents"
            | "uncle"
            | "aunt"
            | "cousin"
            | "girlfriend"
            | "boyfriend"
            | "fiance"
            | "fiancee"
            | "grandmother"
            | "grandfather"
    )
}

/// `Wiola, Maria, Lauren and John`: names in a row, at least half of which are given names.
pub(super) fn enumerated(strand: &Strand<'_>, at: usize, found: &mut Found) {
    let item = |at: usize| {
        let raw = strand.raw(at);
        words::is_capital(raw) && raw.chars().count() >= 2 && raw.chars().all(is_name_char)
    };
    let tied = |at: usize| strand.gap(at) == ", ";
    // Each list is read once, from its first word.
    if !item(at) || !tied(at + 1) || (tied(at) && item(at.wrapping_sub(1))) {
        return;
    }
    let mut names = vec![at];
    let mut next = at + 1;
    while item(next) && tied(next) && (tied(next + 1) || strand.lower(next + 1) == "and") {
        names.push(next);
        next += 1;
    }
    let last = next + 1;
    if strand.lower(next) == "and" && item(last) && strand.gap(last) == " " {
        names.push(last);
    }
    let given = |at: &&usize| {
        let lower = strand.lower(**at);
        words::is_given_name(lower) && !words::is_place(lower)
    };
    let givens = names.iter().filter(given).count();
    if names.len() < 3 || givens < 2 || givens * 2 < names.len() {
        return;
    }
    for at in names {
        if !words::is_common(strand.lower(at)) && words::month(strand.lower(at)).is_none() {
            add(strand, at..at + 1, score::MODEL + 0.03, found);
        }
    }
}
