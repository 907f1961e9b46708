//! What a person asks for: the query language, and what it means to the index.
//!
//! ```text
//! reset password           both words, anywhere in the conversation, in any form
//! "reset my password"      these words in this order, within one turn
//! refund OR credit         either
//! refund -cancel           the first, and the second never ("NOT cancel" is the same)
//! (refund OR credit) bank  parentheses group; AND binds tighter than OR
//! cancel*                  words that begin so
//! ```
//!
//! We do not use Tantivy's own language: it is made for fields, ranges, sets and regular
//! expressions, so that `10:30`, `error: x` or `a/b` would be errors or name our fields. Here
//! punctuation only separates words, and what comes in several words without a space (`e-mail`)
//! is a phrase.

mod lower;
mod read;

use colloquy_contract::search::MAX_QUERY_CHARS;

pub(crate) use read::parse;

/// Most words and phrases in a query: each costs a look-up per field.
const MAX_LEAVES: usize = 32;

/// Deepest nesting of parentheses and negations.
const MAX_DEPTH: usize = 16;

/// Fewest letters before a `*`.
const MIN_PREFIX_CHARS: usize = 2;

/// Why a query text cannot be read. None repeats the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum QueryError {
    #[error("the query is too long: at most {MAX_QUERY_CHARS} characters")]
    TooLong,
    #[error("the query has too many words: at most {MAX_LEAVES} words and phrases")]
    TooManyLeaves,
    #[error("the query is nested too deeply: at most {MAX_DEPTH} levels")]
    TooDeep,
    #[error("a quotation mark is not closed")]
    UnclosedQuote,
    #[error("a parenthesis is not closed")]
    UnclosedParenthesis,
    #[error("a parenthesis is closed that was not opened")]
    UnopenedParenthesis,
    #[error("there is nothing between parentheses")]
    EmptyParentheses,
    #[error("{0} needs words on both sides; to search for the word itself, quote it")]
    MissingOperand(&'static str),
    #[error("NOT and - need words after them; to search for the word itself, quote it")]
    NothingNegated,
    #[error("a * needs at least {MIN_PREFIX_CHARS} letters before it")]
    ShortPrefix,
    #[error("the query has no words, only punctuation")]
    NoWords,
}

/// What a query asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Node {
    Leaf(Leaf),
    All(Vec<Node>),
    Any(Vec<Node>),
    Not(Box<Node>),
}

/// A word, a phrase, or a beginning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Leaf {
    /// Words in a row.
    Words(Vec<Word>),
    /// Words in a row as they were said, the last of which is only a beginning.
    Prefix(Vec<String>),
}

/// A word and its stem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Word {
    pub(crate) stem: String,
    pub(crate) exact: String,
}

impl Node {
    /// The words that a conversation matches by, without those it must not have.
    pub(crate) fn positive_leaves(&self) -> Vec<&Leaf> {
        match self {
            Self::Leaf(leaf) => vec![leaf],
            Self::All(nodes) | Self::Any(nodes) => {
                nodes.iter().flat_map(Self::positive_leaves).collect()
            }
            Self::Not(_) => Vec::new(),
        }
    }
}

impl Leaf {
    /// The stems whose rarity says how much the leaf tells.
    pub(crate) fn stems(&self) -> impl Iterator<Item = &str> {
        let words = match self {
            Self::Words(words) => words.as_slice(),
            Self::Prefix(_) => &[],
        };
        words.iter().map(|word| word.stem.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(node: &Node) -> String {
        let join = |nodes: &[Node], with: &str| {
            format!(
                "({})",
                nodes.iter().map(shape).collect::<Vec<_>>().join(with)
            )
        };
        match node {
            Node::Leaf(Leaf::Words(words)) => words
                .iter()
                .map(|word| word.stem.as_str())
                .collect::<Vec<_>>()
                .join("_"),
            Node::Leaf(Leaf::Prefix(words)) => format!("{}*", words.join("_")),
            Node::All(nodes) => join(nodes, " & "),
            Node::Any(nodes) => join(nodes, " | "),
            Node::Not(node) => format!("!{}", shape(node)),
        }
    }

    fn read(text: &str) -> String {
        parse(text)
            .unwrap()
            .map_or_else(String::new, |node| shape(&node))
    }

    #[test]
    fn queries_are_read() {
        for (text, expected) in [
            ("", ""),
            ("   ", ""),
            ("Resetting passwords", "(reset & password)"),
            ("\"Reset, my password!\"", "reset_my_password"),
            ("\u{201c}reset it\u{201d}", "reset_it"),
            ("refund OR credit card", "(refund | (credit & card))"),
            ("(refund OR credit) AND card", "((refund | credit) & card)"),
            ("refund -card NOT bank", "(refund & !card & !bank)"),
            ("-\"no way\"", "!no_way"),
            ("-(a b)", "!(a & b)"),
            ("cancel* +now", "(cancel* & now)"),
            ("e-mail at 10:30 a/b", "(e_mail & at & 10_30 & a_b)"),
            ("[PERSON_1] said: don't", "(person_1 & said & dont)"),
            ("well - no -- ? &&", "(well & no)"),
            ("and or not", "(and & or & not)"),
        ] {
            assert_eq!(read(text), expected, "{text}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_explained() {
        let deep = format!("{}a{}", "(".repeat(100), ")".repeat(100));
        let negated = "NOT ".repeat(100) + "a";
        for (text, expected) in [
            ("\"open", QueryError::UnclosedQuote),
            ("(a", QueryError::UnclosedParenthesis),
            ("a)", QueryError::UnopenedParenthesis),
            ("a ()", QueryError::EmptyParentheses),
            ("a AND", QueryError::MissingOperand("AND")),
            ("AND a", QueryError::MissingOperand("AND")),
            ("a OR", QueryError::MissingOperand("OR")),
            ("a NOT", QueryError::NothingNegated),
            ("a*b* x*", QueryError::ShortPrefix),
            ("?!", QueryError::NoWords),
            (deep.as_str(), QueryError::TooDeep),
            (negated.as_str(), QueryError::TooDeep),
            ("a ".repeat(33).as_str(), QueryError::TooManyLeaves),
            ("a".repeat(1_001).as_str(), QueryError::TooLong),
        ] {
            assert_eq!(parse(text), Err(expected), "{text}");
        }
    }

    #[test]
    fn no_text_does_harm() {
        let alphabet = [
            "a", "\"", "(", ")", "-", "*", " ", "AND", "OR", "NOT", "é", "'", "[", ":",
        ];
        let mut state = 7_u64;
        for _ in 0..5_000 {
            let mut text = String::new();
            for _ in 0..12 {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                let pick = usize::try_from(state >> 33).unwrap() % alphabet.len();
                text.push_str(alphabet[pick]);
            }
            let _ = parse(&text);
        }
    }
}
