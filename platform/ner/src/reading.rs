//! Reads tokens in pieces, on one thread or on several.
//!
//! The network works in *pieces* of a text, to which it is given the tokens that it sees to either
//! side; short texts are put together until they are as many tokens. What is computed of a piece does
//! not depend on what is before it, so pieces are computed side by side. Then the decoder, whose
//! part is a small one, goes over them from left to right. So the entities are those of the whole
//! text, and work and memory grow with its length and no faster.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use crate::convolution::TILE;
use crate::decoder::{Decoder, Products, State};
use crate::encoder::{Encoded, Encoder};
use crate::tokenizer::Token;
use crate::words::{Scratch, Word};

/// The network works on this many tokens at a time: enough that the four tokens computed twice at
/// either end don't matter, few enough that all stays in the processor's cache.
pub(crate) const PIECE: usize = 1_024;

/// So many pieces at most are computed and wait for the one before them, on which another thread is
/// still at work. Each takes a megabyte; usually it is as many as there are other threads.
const WAITING: usize = 32;

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

/// The memory that a thread works in, piece after piece.
#[derive(Default)]
struct Used {
    scratch: Scratch,
    encoded: Encoded,
    spare: Vec<Products>,
}

/// Texts and their tokens.
pub(crate) type Texts<'t> = [(&'t str, Vec<Token>)];

/// Some texts while they are read. Any number of threads may work on it at once; they take the
/// pieces in order, and each that finds the next piece computed decodes it.
pub(crate) struct Reader<'l> {
    encoder: &'l Encoder,
    decoder: &'l Decoder,
    texts: &'l Texts<'l>,
    pieces: Vec<Piece>,
    /// Ranges of pieces that are computed together.
    jobs: Vec<Range<usize>>,
    /// The next job that nobody has taken.
    next: AtomicUsize,
    decoded: Mutex<Decoded>,
    /// Told when there is room for more computed pieces.
    room: Condvar,
}

/// What was decoded, and what waits to be.
struct Decoded {
    /// The next job to decode.
    next: usize,
    waiting: BTreeMap<usize, Vec<Computed>>,
    /// What was decoded, to be used again.
    spare: Vec<Products>,
    states: Vec<State>,
    /// A thread panicked: what it took will never be computed.
    broken: bool,
}

/// Lets other threads go when the one that holds it panics.
struct Alarm<'r, 'l>(&'r Reader<'l>);

impl Drop for Alarm<'_, '_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.decoded().broken = true;
            self.0.room.notify_all();
        }
    }
}

impl<'l> Reader<'l> {
    /// Cuts texts into pieces.
    pub(crate) fn new(
        encoder: &'l Encoder,
        decoder: &'l Decoder,
        texts: &'l Texts<'l>,
        piece: usize,
    ) -> Self {
        let lengths = texts.iter().map(|(_, tokens)| tokens.len());
        let pieces = pieces(lengths, piece, encoder.reach());
        Self {
            encoder,
            decoder,
            texts,
            jobs: jobs(&pieces, piece),
            pieces,
            next: AtomicUsize::new(0),
            decoded: Mutex::new(Decoded {
                next: 0,
                waiting: BTreeMap::new(),
                spare: Vec::new(),
                states: texts.iter().map(|_| State::default()).collect(),
                broken: false,
            }),
            room: Condvar::new(),
        }
    }

    /// Works on the texts until there is nothing left to take. When all threads that do have
    /// returned, all is read.
    pub(crate) fn work(&self) {
        let _alarm = Alarm(self);
        let mut used = Used::default();
        loop {
            let at = self.next.fetch_add(1, Ordering::Relaxed);
            let Some(job) = self.jobs.get(at) else {
                return;
            };
            let pieces = self.pieces.get(job.clone()).unwrap_or(&[]);
            let computed = self.compute(pieces, &mut used);
            let mut decoded = self.decoded();
            decoded.waiting.insert(at, computed);
            self.decode(&mut decoded);
            used.spare.append(&mut decoded.spare);
            used.spare.truncate(WAITING);
            // The piece that all wait for is being computed by a thread that does not wait here.
            while decoded.waiting.len() >= WAITING && !decoded.broken {
                let woken = self.room.wait(decoded);
                decoded = woken.unwrap_or_else(PoisonError::into_inner);
            }
        }
    }

    /// What the decoder says of each text, when all is read.
    pub(crate) fn states(self) -> Vec<State> {
        let decoded = self.decoded.into_inner();
        decoded.unwrap_or_else(PoisonError::into_inner).states
    }

    fn decoded(&self) -> MutexGuard<'_, Decoded> {
        self.decoded.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Decodes what is computed and next.
    fn decode(&self, decoded: &mut Decoded) {
        while let Some(computed) = decoded.waiting.remove(&decoded.next) {
            let job = self.jobs.get(decoded.next).cloned().unwrap_or_default();
            let pieces = self.pieces.get(job).unwrap_or(&[]);
            for (piece, Computed { products, blank }) in pieces.iter().zip(computed) {
                let last = self
                    .texts
                    .get(piece.text)
                    .is_some_and(|(_, tokens)| tokens.len() == piece.tokens.end);
                if let Some(state) = decoded.states.get_mut(piece.text) {
                    self.decoder.read(state, &products, &blank, last);
                }
                decoded.spare.push(products);
            }
            decoded.next += 1;
            self.room.notify_all();
        }
    }

    /// Computes some pieces together, in memory that was used before.
    fn compute(&self, pieces: &[Piece], used: &mut Used) -> Vec<Computed> {
        let Used {
            scratch,
            encoded,
            spare,
        } = used;
        let seen = pieces.iter().map(|piece| match self.texts.get(piece.text) {
            Some((text, tokens)) => (*text, tokens.get(piece.seen.clone()).unwrap_or(&[])),
            None => ("", &[] as &[Token]),
        });
        let words = self.encoder.words.of(&seen.collect::<Vec<_>>(), scratch);
        let mut rest = words.as_slice();
        let stretch = |piece: &Piece| {
            let (own, others) = rest.split_at(piece.seen.len().min(rest.len()));
            rest = others;
            own
        };
        let stretches: Vec<&[Arc<Word>]> = pieces.iter().map(stretch).collect();
        self.encoder.encode(&stretches, encoded);
        let both = pieces.iter().zip(&stretches).enumerate();
        let computed = both.map(|(at, (piece, words))| {
            let before = piece.tokens.start - piece.seen.start;
            let read = before..before + piece.tokens.len();
            let words = words.get(read.clone()).unwrap_or(&[]);
            let mut products = spare.pop().unwrap_or_default();
            self.decoder
                .products(encoded.of(at, read.clone()), &mut products);
            Computed {
                products,
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
fn jobs(pieces: &[Piece], piece: usize) -> Vec<Range<usize>> {
    let mut jobs = Vec::new();
    let (mut start, mut tokens) = (0, 0usize);
    for (at, next) in pieces.iter().enumerate() {
        tokens += next.tokens.len();
        if tokens >= piece || at + 1 == pieces.len() {
            jobs.push(start..at + 1);
            (start, tokens) = (at + 1, 0);
        }
    }
    jobs
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many tokens the network is given for texts of some lengths, and the largest job.
    fn work(lengths: &[usize]) -> (usize, usize) {
        let pieces = pieces(lengths.iter().copied(), PIECE, 4);
        let size = |job: &Range<usize>| {
            let seen = pieces[job.clone()].iter().map(|piece| piece.seen.len());
            seen.sum::<usize>()
        };
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
