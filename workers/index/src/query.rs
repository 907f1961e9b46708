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

use std::iter::Peekable;

use colloquy_contract::search::MAX_QUERY_CHARS;
use tantivy::{
    Term,
    query::{
        AllQuery, BooleanQuery, BoostQuery, ConstScoreQuery, Occur, PhrasePrefixQuery, PhraseQuery,
        Query, TermQuery,
    },
    schema::{Field, IndexRecordOption},
    tokenizer::TextAnalyzer,
};

use crate::{
    schema::Spoken,
    tokenizer::{self, tokens},
};

/// Most words and phrases in a query: each costs a look-up per field.
const MAX_LEAVES: usize = 32;

/// Deepest nesting of parentheses and negations.
const MAX_DEPTH: usize = 16;

/// Fewest letters before a `*`.
const MIN_PREFIX_CHARS: usize = 2;

/// Most words that a prefix stands for.
const MAX_EXPANSIONS: u32 = 512;

/// How much an exact form adds to the score of its stem.
const EXACT_BOOST: f32 = 0.5;

/// How much words that stand close together add, and how far apart they may be.
const NEAR_BOOST: f32 = 2.0;
const NEAR_SLOP: u32 = 5;

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

#[derive(Debug, Clone, PartialEq, Eq)]
enum Symbol {
    Open,
    Close,
    And,
    Or,
    Not,
    Leaf(Leaf),
}

/// Reads a query text; `None` if it is empty.
pub(crate) fn parse(text: &str) -> Result<Option<Node>, QueryError> {
    if text.chars().count() > MAX_QUERY_CHARS {
        return Err(QueryError::TooLong);
    }
    if text.trim().is_empty() {
        return Ok(None);
    }
    let symbols = Lexer::new(text).symbols()?;
    if !symbols
        .iter()
        .any(|symbol| matches!(symbol, Symbol::Leaf(_)))
    {
        let only_words = !symbols
            .iter()
            .any(|symbol| matches!(symbol, Symbol::And | Symbol::Or));
        return Err(if only_words {
            QueryError::NoWords
        } else {
            QueryError::MissingOperand("AND")
        });
    }
    let mut parser = Parser {
        symbols: symbols.into_iter().peekable(),
    };
    let node = parser.any(0)?;
    match parser.symbols.next() {
        None => Ok(Some(node)),
        Some(_) => Err(QueryError::UnopenedParenthesis),
    }
}

struct Lexer<'a> {
    chars: Peekable<std::str::Chars<'a>>,
    stem: TextAnalyzer,
    exact: TextAnalyzer,
    leaves: usize,
}

impl<'a> Lexer<'a> {
    fn new(text: &'a str) -> Self {
        let (stem, exact) = (tokenizer::stem(), tokenizer::exact());
        Self {
            chars: text.chars().peekable(),
            stem,
            exact,
            leaves: 0,
        }
    }

    fn symbols(mut self) -> Result<Vec<Symbol>, QueryError> {
        let mut found = Vec::new();
        while let Some(&c) = self.chars.peek() {
            match c {
                '(' => found.push(self.take(Symbol::Open)),
                ')' => found.push(self.take(Symbol::Close)),
                _ if is_quote(c) => found.extend(self.phrase()?),
                '-' => {
                    self.chars.next();
                    if self.chars.peek().is_some_and(|&next| starts_operand(next)) {
                        found.push(Symbol::Not);
                    }
                }
                _ if c.is_whitespace() || c == '+' => drop(self.chars.next()),
                _ => found.extend(self.word()?),
            }
        }
        Ok(found)
    }

    fn take(&mut self, symbol: Symbol) -> Symbol {
        self.chars.next();
        symbol
    }

    fn phrase(&mut self) -> Result<Option<Symbol>, QueryError> {
        self.chars.next();
        let mut text = String::new();
        loop {
            match self.chars.next() {
                None => return Err(QueryError::UnclosedQuote),
                Some(c) if is_quote(c) => break,
                Some(c) => text.push(c),
            }
        }
        self.words(&text)
    }

    fn word(&mut self) -> Result<Option<Symbol>, QueryError> {
        let mut text = String::new();
        let inside = |&c: &char| !c.is_whitespace() && !matches!(c, '(' | ')') && !is_quote(c);
        while let Some(c) = self.chars.next_if(inside) {
            text.push(c);
        }
        match text.as_str() {
            "AND" => Ok(Some(Symbol::And)),
            "OR" => Ok(Some(Symbol::Or)),
            "NOT" => Ok(Some(Symbol::Not)),
            other => match other.strip_suffix('*') {
                Some(beginning) => self.prefix(beginning).map(Some),
                None => self.words(other),
            },
        }
    }

    /// A leaf of these words; none if there are no words.
    fn words(&mut self, text: &str) -> Result<Option<Symbol>, QueryError> {
        let stems = tokens(&mut self.stem, text);
        let words: Vec<Word> = tokens(&mut self.exact, text)
            .into_iter()
            .zip(stems)
            .map(|(exact, stem)| Word {
                stem: stem.text,
                exact: exact.text,
            })
            .collect();
        if words.is_empty() {
            return Ok(None);
        }
        self.leaf(Leaf::Words(words)).map(Some)
    }

    fn prefix(&mut self, text: &str) -> Result<Symbol, QueryError> {
        let words: Vec<String> = tokens(&mut self.exact, text)
            .into_iter()
            .map(|token| token.text)
            .collect();
        match words.last() {
            Some(last) if last.chars().count() >= MIN_PREFIX_CHARS => {
                self.leaf(Leaf::Prefix(words))
            }
            _ => Err(QueryError::ShortPrefix),
        }
    }

    fn leaf(&mut self, leaf: Leaf) -> Result<Symbol, QueryError> {
        self.leaves += 1;
        if self.leaves > MAX_LEAVES {
            return Err(QueryError::TooManyLeaves);
        }
        Ok(Symbol::Leaf(leaf))
    }
}

const fn is_quote(c: char) -> bool {
    matches!(c, '"' | '\u{201c}' | '\u{201d}' | '\u{201e}')
}

fn starts_operand(c: char) -> bool {
    c.is_alphanumeric() || c == '(' || c == '[' || is_quote(c)
}

struct Parser {
    symbols: Peekable<std::vec::IntoIter<Symbol>>,
}

impl Parser {
    /// `all OR all …`
    fn any(&mut self, depth: usize) -> Result<Node, QueryError> {
        if depth > MAX_DEPTH {
            return Err(QueryError::TooDeep);
        }
        let mut nodes = vec![self.all(depth)?];
        while self.symbols.next_if_eq(&Symbol::Or).is_some() {
            nodes.push(self.all(depth)?);
        }
        Ok(one_or(nodes, Node::Any))
    }

    /// `one AND one …`; the AND may be left out.
    fn all(&mut self, depth: usize) -> Result<Node, QueryError> {
        let mut nodes = Vec::new();
        loop {
            match self.symbols.peek() {
                Some(Symbol::Leaf(_) | Symbol::Open | Symbol::Not) => nodes.push(self.one(depth)?),
                Some(Symbol::And) if nodes.is_empty() => {
                    return Err(QueryError::MissingOperand("AND"));
                }
                Some(Symbol::And) => {
                    self.symbols.next();
                    if !matches!(
                        self.symbols.peek(),
                        Some(Symbol::Leaf(_) | Symbol::Open | Symbol::Not)
                    ) {
                        return Err(QueryError::MissingOperand("AND"));
                    }
                }
                Some(Symbol::Or) | None if nodes.is_empty() => {
                    return Err(QueryError::MissingOperand("OR"));
                }
                Some(Symbol::Close) if nodes.is_empty() => {
                    return Err(QueryError::EmptyParentheses);
                }
                Some(Symbol::Or | Symbol::Close) | None => return Ok(one_or(nodes, Node::All)),
            }
        }
    }

    fn one(&mut self, depth: usize) -> Result<Node, QueryError> {
        if depth > MAX_DEPTH {
            return Err(QueryError::TooDeep);
        }
        match self.symbols.next() {
            Some(Symbol::Leaf(leaf)) => Ok(Node::Leaf(leaf)),
            Some(Symbol::Not) => match self.symbols.peek() {
                Some(Symbol::Leaf(_) | Symbol::Open | Symbol::Not) => {
                    Ok(Node::Not(Box::new(self.one(depth + 1)?)))
                }
                _ => Err(QueryError::NothingNegated),
            },
            Some(Symbol::Open) => {
                if self.symbols.peek().is_none() {
                    return Err(QueryError::UnclosedParenthesis);
                }
                let node = self.any(depth + 1)?;
                match self.symbols.next() {
                    Some(Symbol::Close) => Ok(node),
                    _ => Err(QueryError::UnclosedParenthesis),
                }
            }
            _ => Err(QueryError::NothingNegated),
        }
    }
}

fn one_or(mut nodes: Vec<Node>, several: fn(Vec<Node>) -> Node) -> Node {
    match nodes.pop() {
        Some(only) if nodes.is_empty() => only,
        Some(last) => {
            nodes.push(last);
            several(nodes)
        }
        None => several(nodes),
    }
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

    /// The query, over what these roles said.
    pub(crate) fn to_query(&self, spoken: &[Spoken]) -> Box<dyn Query> {
        let query = self.lower(spoken);
        let Some(near) = self.nearness(spoken) else {
            return query;
        };
        Box::new(BooleanQuery::new(vec![
            (Occur::Must, query),
            (Occur::Should, near),
        ]))
    }

    fn lower(&self, spoken: &[Spoken]) -> Box<dyn Query> {
        match self {
            Self::Leaf(leaf) => leaf.to_query(spoken),
            Self::Any(nodes) => any(nodes.iter().map(|node| node.lower(spoken)).collect()),
            Self::All(nodes) => all(nodes, spoken),
            Self::Not(_) => all(std::slice::from_ref(self), spoken),
        }
    }

    /// For plain words: more score where they stand close together.
    fn nearness(&self, spoken: &[Spoken]) -> Option<Box<dyn Query>> {
        let Self::All(nodes) = self else { return None };
        let single = |node: &Self| match node {
            Self::Leaf(Leaf::Words(words)) => match words.as_slice() {
                [word] => Some(word.stem.clone()),
                _ => None,
            },
            _ => None,
        };
        let stems: Vec<String> = nodes.iter().filter_map(single).collect();
        if stems.len() < 2 {
            return None;
        }
        let near = |spoken: &Spoken| {
            let mut phrase = PhraseQuery::new(terms(spoken.stem, stems.iter()));
            phrase.set_slop(NEAR_SLOP);
            Box::new(phrase) as Box<dyn Query>
        };
        let anywhere = any(spoken.iter().map(near).collect());
        Some(Box::new(BoostQuery::new(anywhere, NEAR_BOOST)))
    }
}

fn all(nodes: &[Node], spoken: &[Spoken]) -> Box<dyn Query> {
    let clause = |node: &Node| match node {
        Node::Not(inner) => (Occur::MustNot, inner.lower(spoken)),
        node => (Occur::Must, node.lower(spoken)),
    };
    let mut clauses: Vec<_> = nodes.iter().map(clause).collect();
    if clauses.iter().all(|(occur, _)| *occur == Occur::MustNot) {
        let everything = ConstScoreQuery::new(Box::new(AllQuery), 0.0);
        clauses.push((Occur::Must, Box::new(everything)));
    }
    Box::new(BooleanQuery::new(clauses))
}

fn any(queries: Vec<Box<dyn Query>>) -> Box<dyn Query> {
    Box::new(BooleanQuery::union(queries))
}

fn terms<'a>(field: Field, words: impl Iterator<Item = &'a String>) -> Vec<Term> {
    words
        .map(|word| Term::from_field_text(field, word))
        .collect()
}

fn in_a_row(mut terms: Vec<Term>) -> Box<dyn Query> {
    match terms.pop() {
        Some(only) if terms.is_empty() => {
            Box::new(TermQuery::new(only, IndexRecordOption::WithFreqs))
        }
        Some(last) => {
            terms.push(last);
            Box::new(PhraseQuery::new(terms))
        }
        None => Box::new(tantivy::query::EmptyQuery),
    }
}

impl Leaf {
    fn to_query(&self, spoken: &[Spoken]) -> Box<dyn Query> {
        let mut forms: Vec<Box<dyn Query>> = Vec::new();
        for role in spoken {
            match self {
                Self::Words(words) => {
                    forms.push(in_a_row(terms(
                        role.stem,
                        words.iter().map(|word| &word.stem),
                    )));
                    let exact = terms(role.exact, words.iter().map(|word| &word.exact));
                    forms.push(Box::new(BoostQuery::new(in_a_row(exact), EXACT_BOOST)));
                }
                Self::Prefix(words) => {
                    let mut query = PhrasePrefixQuery::new(terms(role.exact, words.iter()));
                    query.set_max_expansions(MAX_EXPANSIONS);
                    forms.push(Box::new(query));
                }
            }
        }
        any(forms)
    }

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
