//! Telephone numbers as they are written in the many countries: `+49 (0)30 123456`,
//! `(03) 9876 5432`, `0151/2345678`, `461-959-5871x8235`.
//!
//! The forms are those of ITU-T E.123 (<https://www.itu.int/rec/T-REC-E.123>) and of habit. What
//! is behind a plus is checked against the numbering plans by `phonenumber`.

use std::sync::LazyLock;

use regex::Regex;

use super::{canonical, plan};
use crate::context::{Distance, Topic};
use crate::entity::{Part, score, types};
use crate::recognizers::{Found, Scene};

/// Groups of digits with what may stand between them, before they are judged.
static NUMBER: LazyLock<Regex> = LazyLock::new(|| {
    let group = r"(?:\([0-9]{1,5}\)|[0-9]{1,12})";
    let between = r"(?: ?[-./\x{2010}\x{2011}\x{2013}] ?| )?";
    let extension = r"(?: ?(?:x|ext\.?|extension) ?[0-9]{1,6})?";
    let pattern = format!(r"(?:\+ ?)?{group}(?:{between}{group}){{0,8}}{extension}");
    Regex::new(&pattern).expect("the constant pattern compiles")
});

/// A number has so many digits, without its extension: seven are local, and E.164 allows fifteen.
const FEWEST: usize = 7;
const MOST: usize = 15;

/// What there is to judge a number by.
struct Form<'t> {
    text: &'t str,
    /// The digits, without the extension.
    digits: String,
    /// How many groups they come in.
    groups: Vec<usize>,
    plus: bool,
    bracket: bool,
    extension: bool,
}

impl<'t> Form<'t> {
    fn of(text: &'t str) -> Self {
        let number = text.find(['x', 'e']).map_or(text, |at| &text[..at]);
        let groups = number
            .split(|c: char| !c.is_ascii_digit())
            .map(str::len)
            .filter(|length| *length > 0);
        Self {
            text,
            digits: number.chars().filter(char::is_ascii_digit).collect(),
            groups: groups.collect(),
            plus: text.starts_with('+'),
            bracket: number.contains('('),
            extension: number.len() < text.len(),
        }
    }

    /// How sure it is that it is a number, by its form alone.
    fn score(&self) -> Option<f32> {
        let length = self.digits.len();
        if !(FEWEST..=MOST).contains(&length) || self.is_date() || self.is_range() {
            return None;
        }
        if self.plus {
            let valid = plan::holds(&self.international());
            return Some(if valid { score::CHECKED } else { score::FORM });
        }
        if self.extension || (self.bracket && length >= 8) {
            return Some(score::FORM);
        }
        let groups = self.groups.len();
        let separated = groups >= 2;
        let short = self.groups.iter().all(|group| *group <= 8);
        let dashed = self.text.contains(['-', '/', '.']);
        match length {
            10 if self.groups == [3, 3, 4] && dashed => Some(score::FORM),
            8..=13 if self.digits.starts_with('0') && separated && short => {
                Some(score::LOOKS + 0.04)
            }
            9..=11 if self.digits.starts_with('0') => Some(score::LOOKS),
            7..=12
                if groups >= 3
                    && 2 * groups <= length + 1
                    && self.groups.iter().all(|group| *group <= 4) =>
            {
                Some(score::LOOKS + 0.04)
            }
            10..=11 if separated && short && dashed => Some(score::LOOKS + 0.02),
            8 if self.groups == [4, 4] && !self.text.contains('.') => Some(score::LOOKS),
            _ => None,
        }
    }

    /// The digits behind a plus, without the zero in brackets that is dialled at home only.
    fn international(&self) -> String {
        let number = self.text.replace("(0)", "");
        number.chars().filter(char::is_ascii_digit).collect()
    }

    /// `2024-03-14`, `14.03.2024`, `12/10/98`.
    fn is_date(&self) -> bool {
        let value = |at: usize| {
            let mut groups = self
                .text
                .split(|c: char| !c.is_ascii_digit())
                .filter(|g| !g.is_empty());
            groups
                .nth(at)
                .and_then(|group| group.parse::<u32>().ok())
                .unwrap_or(0)
        };
        let year = |value: u32| (1800..=2100).contains(&value);
        match self.groups.as_slice() {
            [4, 1 | 2, 1 | 2, ..] => year(value(0)) && value(1) <= 12 && value(2) <= 31,
            [1 | 2, 1 | 2, 4, ..] => year(value(2)) && value(0) <= 31 && value(1) <= 31,
            [1 | 2, 1 | 2, 2] => true,
            _ => false,
        }
    }

    /// `2019-2024`, `1500-2000`: years and amounts.
    fn is_range(&self) -> bool {
        self.groups == [4, 4]
            && self.text.contains(['-', '\u{2013}'])
            && (self.digits.starts_with("19") || self.digits.starts_with("20"))
    }
}

pub(super) fn find(scene: &Scene<'_>, found: &mut Found) {
    for reading in &scene.readings {
        // The cues are asked for by the place in a strand.
        let strand = &reading.strand;
        let mut at = 0;
        while at < strand.len() {
            let token = strand.token(at);
            let content = &scene.conversation.turns[token.turn];
            let last = at + content.tokens.end - strand.tokens[at];
            if content
                .text
                .bytes()
                .filter(u8::is_ascii_digit)
                .nth(FEWEST - 1)
                .is_some()
            {
                in_turn(scene, reading, at..last.min(strand.len()), found);
            }
            at = last.max(at + 1);
        }
    }
}

/// The numbers of one turn, whose words have these places in the strand.
fn in_turn(
    scene: &Scene<'_>,
    reading: &crate::recognizers::Reading<'_>,
    words: std::ops::Range<usize>,
    found: &mut Found,
) {
    let strand = &reading.strand;
    let turn = strand.token(words.start).turn;
    let text = scene.conversation.turns[turn].text;
    for hit in NUMBER.find_iter(text) {
        let bounded = !text[..hit.start()].ends_with(|c: char| {
            c.is_alphanumeric()
                || matches!(c, '.' | ':' | '$' | '€' | '£' | '@' | '_' | '#' | '=' | '/')
        }) && !text[hit.end()..]
            .starts_with(|c: char| c.is_alphanumeric() || matches!(c, ':' | '@' | '_' | '%'));
        let form = Form::of(hit.as_str().trim_end());
        if !bounded || form.digits.len() < FEWEST || form.digits.len() > MOST {
            continue;
        }
        let word = words.start
            + strand.tokens[words.clone()]
                .partition_point(|token| scene.conversation.tokens[*token].end <= hit.start());
        let topic = scene.context.topic(strand, &(word..word + 1));
        let told = matches!(topic, Some((Topic::Phone, Distance::Near)));
        let other = matches!(topic, Some((topic, Distance::Near)) if !matches!(topic, Topic::Phone | Topic::Address | Topic::Email | Topic::Name | Topic::NameTold | Topic::Zip | Topic::Money | Topic::Age));
        let score = match form.score() {
            Some(score) if told => Some(score.max(score::CONTEXT + 0.02)),
            Some(score) if !other || form.plus || form.bracket => Some(score),
            None if told && !form.is_date() => Some(score::CONTEXT),
            _ => None,
        };
        if let Some(score) = score {
            let part = Part {
                turn,
                start: hit.start(),
                end: hit.start() + form.text.len(),
            };
            let digits = if form.plus {
                form.international()
            } else {
                form.digits.clone()
            };
            let value = canonical(&digits, form.plus);
            found.add_parts(vec![part], types::PHONE_NUMBER, value, score);
        }
    }
}
