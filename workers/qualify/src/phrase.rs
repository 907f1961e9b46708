//! Phrases that are looked for in turns, word by word.
//!
//! A phrase is words with spaces between them. A word of it is:
//!
//! * `cancel`: this word, whatever its case and the punctuation around it;
//! * `cancel*`: a word that begins so;
//! * `bill|invoice*`: one of several;
//! * `[person]`: a redacted entity of this type;
//! * `_`: any one word;
//! * `..`: up to three words, whatever they are.

use std::borrow::Cow;

/// How many words `..` stands for at most.
const MAX_GAP: usize = 3;

/// The most words in a phrase; more is not a phrase but a text, and matching would take long.
const MAX_WORDS: usize = 12;

/// A phrase, ready to be looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Phrase(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    OneOf(Vec<Choice>),
    Any,
    Gap,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Choice {
    Word(String),
    Beginning(String),
}

impl Phrase {
    /// Reads a phrase; `None` if it is empty, too long, or begins or ends in a gap.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let parts: Vec<Part> = text.split_whitespace().map(part).collect::<Option<_>>()?;
        let is_bounded = |part: Option<&Part>| part.is_some_and(|part| *part != Part::Gap);
        let fits = parts.len() <= MAX_WORDS && is_bounded(parts.first());
        (fits && is_bounded(parts.last())).then_some(Self(parts))
    }

    /// How many words it takes, if the words begin with it.
    pub(crate) fn length_at_start(&self, words: &[Cow<'static, str>]) -> Option<usize> {
        length(&self.0, words)
    }
}

fn part(text: &str) -> Option<Part> {
    match text {
        "_" => Some(Part::Any),
        ".." => Some(Part::Gap),
        _ => text
            .split('|')
            .map(choice)
            .collect::<Option<_>>()
            .map(Part::OneOf),
    }
}

fn choice(text: &str) -> Option<Choice> {
    let is_comparable = |c: char| c.is_alphanumeric() && !c.is_uppercase() || "'-[]_".contains(c);
    let (word, choice): (&str, fn(String) -> Choice) = match text.strip_suffix('*') {
        Some(beginning) => (beginning, Choice::Beginning),
        None => (text, Choice::Word),
    };
    (!word.is_empty() && word.chars().all(is_comparable)).then(|| choice(word.to_owned()))
}

fn length(parts: &[Part], words: &[Cow<'static, str>]) -> Option<usize> {
    let Some((part, parts)) = parts.split_first() else {
        return Some(0);
    };
    if *part == Part::Gap {
        return (0..=MAX_GAP.min(words.len()))
            .find_map(|gap| length(parts, &words[gap..]).map(|rest| gap + rest));
    }
    let (word, words) = words.split_first()?;
    let matches = match part {
        Part::OneOf(choices) => choices.iter().any(|choice| choice.matches(word)),
        Part::Any | Part::Gap => true,
    };
    if matches {
        length(parts, words).map(|rest| 1 + rest)
    } else {
        None
    }
}

impl Choice {
    fn matches(&self, word: &str) -> bool {
        match self {
            Self::Word(choice) => word == choice,
            Self::Beginning(beginning) => word.starts_with(beginning.as_str()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phrases_match_whole_words() {
        let cases = [
            ("cancel", "cancel it", Some(1)),
            ("cancel", "cancelled", None),
            ("cancel*", "cancelled", Some(1)),
            ("cancel* my|the order", "cancel the order now", Some(3)),
            ("cancel .. order", "cancel order", Some(2)),
            ("cancel .. order", "cancel the whole big order", Some(5)),
            ("cancel .. order", "cancel the whole very big order", None),
            ("my name is _", "my name is x", Some(4)),
            ("my name is _", "my name is", None),
            ("this is [person]", "this is [person]", Some(3)),
            ("a .. b .. c", "a b b c", Some(4)),
        ];
        for (phrase, text, expected) in cases {
            let words: Vec<Cow<'static, str>> = text
                .split(' ')
                .map(|word| Cow::Owned(word.to_owned()))
                .collect();
            let found = Phrase::parse(phrase).unwrap().length_at_start(&words);
            assert_eq!(found, expected, "{phrase} in {text}");
        }
    }

    #[test]
    fn nonsense_is_refused() {
        let long = "a ".repeat(MAX_WORDS + 1);
        for phrase in [
            "", "  ", ".. a", "a ..", "..", "*", "a||b", "Cancel", "why?", &long,
        ] {
            assert_eq!(Phrase::parse(phrase), None, "{phrase}");
        }
    }
}
