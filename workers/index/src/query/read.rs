//! From a query text to what it asks for.
//!
//! Promise: any text is read or explained, and what it costs has a limit.

use std::iter::Peekable;

use colloquy_contract::search::MAX_QUERY_CHARS;
use tantivy::tokenizer::TextAnalyzer;

use super::{Leaf, MAX_DEPTH, MAX_LEAVES, MIN_PREFIX_CHARS, Node, QueryError, Word};
use crate::tokenizer::{self, tokens};

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
