//! Exceptions that contain affixes, found across tokens.
//!
//! ":-)" would be cut to pieces before it is known as an exception. So the tokens it is cut into
//! are put in a tree, the text's tokens are run along it, and of overlapping finds the longest
//! wins, the earlier of equals. What is found is an exception only if its text is, white space and
//! all; otherwise it stays as it is and still keeps shorter finds away, as it does in spaCy.

use std::cmp::Reverse;
use std::ops::Range;

use foldhash::HashMap;

use crate::tokenizer::{Piece, Token};

/// What an exception is cut into.
pub(crate) type Special = Vec<Piece>;

/// The tree of tokens.
#[derive(Debug, Default)]
pub(crate) struct Matcher {
    /// The first tokens and the node they lead to.
    roots: HashMap<u64, usize>,
    nodes: Vec<MatchNode>,
}

#[derive(Debug, Default)]
struct MatchNode {
    /// Whether an exception ends here.
    ends: bool,
    next: HashMap<u64, usize>,
}

impl Matcher {
    /// Adds an exception as it is cut without being known.
    pub(crate) fn add(&mut self, tokens: &[Token]) {
        let mut node = None;
        for token in tokens {
            let next = match node.and_then(|node: usize| self.nodes.get(node)) {
                None => self.roots.get(&token.id),
                Some(node) => node.next.get(&token.id),
            };
            let next = next.copied().unwrap_or_else(|| self.grow(node, token.id));
            node = Some(next);
        }
        if let Some(node) = node.and_then(|node| self.nodes.get_mut(node)) {
            node.ends = true;
        }
    }

    fn grow(&mut self, node: Option<usize>, word: u64) -> usize {
        let new = self.nodes.len();
        self.nodes.push(MatchNode::default());
        let branches = match node.and_then(|node| self.nodes.get_mut(node)) {
            None => &mut self.roots,
            Some(node) => &mut node.next,
        };
        branches.insert(word, new);
        new
    }

    /// Cuts the tokens of a text anew where exceptions are found.
    pub(crate) fn apply(
        &self,
        text: &str,
        tokens: &mut Vec<Token>,
        specials: &HashMap<Box<str>, Special>,
    ) {
        let found = self.find(tokens);
        if found.is_empty() {
            return;
        }
        let mut cut = Vec::with_capacity(tokens.len() + found.len());
        let mut done = 0;
        for span in widest(found, tokens.len()) {
            cut.extend_from_slice(tokens.get(done..span.start).unwrap_or(&[]));
            let spanned = tokens.get(span.clone()).unwrap_or(&[]);
            match special(text, spanned, specials) {
                Some((mut start, pieces)) => {
                    for piece in pieces {
                        cut.push(piece.at(start));
                        start += piece.length;
                    }
                }
                None => cut.extend_from_slice(spanned),
            }
            done = span.end;
        }
        cut.extend_from_slice(tokens.get(done..).unwrap_or(&[]));
        *tokens = cut;
    }

    /// All finds, as ranges of tokens.
    fn find(&self, tokens: &[Token]) -> Vec<Range<usize>> {
        let mut found = Vec::new();
        for (start, first) in tokens.iter().enumerate() {
            let mut next = self.roots.get(&first.id);
            let mut end = start + 1;
            while let Some(node) = next.and_then(|node| self.nodes.get(*node)) {
                if node.ends {
                    found.push(start..end);
                }
                next = tokens.get(end).and_then(|token| node.next.get(&token.id));
                end += 1;
            }
        }
        found
    }
}

/// The finds that stay, in order.
fn widest(mut found: Vec<Range<usize>>, tokens: usize) -> Vec<Range<usize>> {
    found.sort_by_key(|span| (Reverse(span.len()), span.start));
    let mut taken = vec![false; tokens];
    found.retain(|span| {
        let is_taken = |at: usize| taken.get(at).copied().unwrap_or(true);
        let free = !is_taken(span.start) && !is_taken(span.end - 1);
        if let Some(span) = taken.get_mut(span.clone()) {
            span.fill(true);
        }
        free
    });
    found.sort_by_key(|span| span.start);
    found
}

/// The exception that some tokens are together, and where it starts.
fn special<'s>(
    text: &str,
    tokens: &[Token],
    specials: &'s HashMap<Box<str>, Special>,
) -> Option<(usize, &'s Special)> {
    let start = tokens.first()?.start;
    let spanned = text.get(start..tokens.last()?.end)?;
    Some((start, specials.get(spanned)?))
}
