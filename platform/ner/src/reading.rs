//! Reads tokens in pieces, on one thread or on several.
//!
//! The network works in *pieces* of a text, to which it is given the tokens that it sees to either
//! side; short texts are put together until they are as many tokens. What is computed of a piece does
//! not depend on what is before it, so pieces are computed side by side. Then the decoder, whose
//! part is a small one, goes over them from left to right. So the entities are those of the whole
//! text, and work and memory grow with its length and no faster.

use std::ops::Range;
use std::sync::Arc;

use crate::convolution::TILE;
use crate::decoder::{Decoder, Products, State};
use crate::encoder::{Encoder, Word};
use crate::parallel::side_by_side;
use crate::tokenizer::Token;

/// The network works on this many tokens at a time: enough that the four tokens computed twice at
/// either end don't matter, few enough that all stays in the processor's cache.
pub(crate) const PIECE: usize = 1_024;

/// Several threads compute this many times the tokens of a piece each before all wait for the
/// decoder: enough that starting them doesn't matter. What is computed of a piece takes a megabyte.
const AT_ONCE: usize = 16;

/// A piece of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Piece {
    text: usize,
    /// The tokens that are read.
    tokens: Range<usize>,
    /// Those and what they see.
    seen: Range<usize>,
}

/// What is computed of a piece.
struct Computed {
    products: Products,
    blank: Vec<bool>,
}

/// How a text is read.
pub(crate) struct Reader<'l> {
    pub(crate) encoder: &'l Encoder,
    pub(crate) decoder: &'l Decoder,
    pub(crate) threads: usize,
    pub(crate) piece: usize,
}

/// Texts and their tokens.
type Texts<'t> = [(&'t str, Vec<Token>)];

impl Reader<'_> {
    /// Texts that have fewer tokens are better read together.
    pub(crate) fn enough(&self) -> usize {
        self.piece.saturating_mul(self.threads)
    }

    /// What the decoder says of each of some texts.
    pub(crate) fn read(&self, texts: &Texts<'_>) -> Vec<State> {
        let mut states: Vec<State> = texts.iter().map(|_| State::default()).collect();
        let lengths = texts.iter().map(|(_, tokens)| tokens.len());
        let pieces = pieces(lengths, self.piece, self.encoder.reach());
        let jobs = jobs(&pieces, self.piece);
        let at_once = match self.threads {
            1 => 1,
            threads => AT_ONCE * threads,
        };
        for jobs in jobs.chunks(at_once) {
            let computed = side_by_side(self.threads, jobs, |job| self.compute(texts, job));
            let computed = computed.into_iter().flatten();
            for (piece, computed) in jobs.iter().copied().flatten().zip(computed) {
                let last = texts
                    .get(piece.text)
                    .is_some_and(|(_, tokens)| tokens.len() == piece.tokens.end);
                if let Some(state) = states.get_mut(piece.text) {
                    let Computed { products, blank } = &computed;
                    self.decoder.read(state, products, blank, last);
                }
            }
        }
        states
    }

    /// Computes some pieces together.
    fn compute(&self, texts: &Texts<'_>, pieces: &[Piece]) -> Vec<Computed> {
        let seen = pieces.iter().map(|piece| match texts.get(piece.text) {
            Some((text, tokens)) => (*text, tokens.get(piece.seen.clone()).unwrap_or(&[])),
            None => ("", &[] as &[Token]),
        });
        let words = self.encoder.words(&seen.collect::<Vec<_>>());
        let mut rest = words.as_slice();
        let stretch = |piece: &Piece| {
            let (own, others) = rest.split_at(piece.seen.len().min(rest.len()));
            rest = others;
            own
        };
        let stretches: Vec<&[Arc<Word>]> = pieces.iter().map(stretch).collect();
        let encoded = self.encoder.encode(&stretches);
        let both = pieces.iter().zip(&stretches).enumerate();
        let computed = both.map(|(at, (piece, words))| {
            let before = piece.tokens.start - piece.seen.start;
            let read = before..before + piece.tokens.len();
            let words = words.get(read.clone()).unwrap_or(&[]);
            Computed {
                products: self.decoder.products(encoded.of(at, read)),
                blank: words.iter().map(|word| word.blank).collect(),
            }
        });
        computed.collect()
    }
}

/// Cuts texts of some lengths into pieces. These and what they see begin at multiples of a tile.
fn pieces(lengths: impl Iterator<Item = usize>, piece: usize, reach: usize) -> Vec<Piece> {
    let size = piece.checked_next_multiple_of(TILE).unwrap_or(piece);
    let before = reach.next_multiple_of(TILE);
    let mut pieces = Vec::new();
    for (text, length) in lengths.enumerate() {
        for start in (0..length).step_by(size.max(1)) {
            let end = start.saturating_add(size).min(length);
            pieces.push(Piece {
                text,
                tokens: start..end,
                seen: start.saturating_sub(before)..end.saturating_add(reach).min(length),
            });
        }
    }
    pieces
}

/// Puts pieces together until they have the tokens of a whole one.
fn jobs(pieces: &[Piece], piece: usize) -> Vec<&[Piece]> {
    let mut tokens = 0usize;
    let together = pieces.chunk_by(|before, _| {
        tokens += before.tokens.len();
        let together = tokens < piece;
        if !together {
            tokens = 0;
        }
        together
    });
    together.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many tokens the network is given for texts of some lengths, and the largest job.
    fn work(lengths: &[usize]) -> (usize, usize) {
        let pieces = pieces(lengths.iter().copied(), PIECE, 4);
        let size = |job: &&[Piece]| job.iter().map(|piece| piece.seen.len()).sum::<usize>();
        let jobs: Vec<_> = jobs(&pieces, PIECE).iter().map(size).collect();
        (jobs.iter().sum(), jobs.iter().copied().max().unwrap_or(0))
    }

    #[test]
    fn work_grows_with_the_text_and_no_faster() {
        // A megabyte of speech has some 220,000 tokens.
        for tokens in [220_000, 1_100_000, 4_400_000] {
            let (all, largest) = work(&[tokens]);
            assert!(all <= tokens + tokens / 100, "{all} for {tokens}");
            assert!(largest <= PIECE + 8, "{largest} tokens at a time");
            let turns = vec![11; tokens / 11];
            let (all, largest) = work(&turns);
            assert_eq!(all, tokens, "short texts see nothing of each other");
            assert!(largest < PIECE + 11, "{largest} tokens at a time");
        }
    }

    #[test]
    fn pieces_are_the_whole_text_in_order() {
        for (length, size) in [(0, 4), (1, 4), (9, 1), (1_000, 7), (1_024, 1_024)] {
            let mut end = 0;
            for piece in pieces([length].into_iter(), size, 4) {
                assert_eq!(piece.tokens.start, end);
                assert_eq!(piece.seen.start % TILE, 0);
                assert!(piece.seen.start == 0 || piece.tokens.start - piece.seen.start >= 4);
                assert!(piece.seen.end == length || piece.seen.end - piece.tokens.end == 4);
                end = piece.tokens.end;
            }
            assert_eq!(end, length);
        }
    }
}
