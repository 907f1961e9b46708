//! Turns tokens into vectors that know their neighbours.
//!
//! Each word is embedded by hashes of its attributes (four rows of a table, added up, for each of
//! them) and by its projected word vector; a maxout layer with layer normalization mixes these to
//! one vector (Goodfellow et al., "Maxout networks", 2013). Four convolutions follow, each a
//! maxout over a token and its two neighbours, normalized and added to what went in
//! (<https://spacy.io/api/architectures#MaxoutWindowEncoder>).
//!
//! So a token's vector depends on the four tokens to either side and no others, and a long text can
//! be encoded in pieces that overlap by four tokens. Before the first and behind the last token, rows
//! of zeros are put, and go through the layers as tokens do; four of them keep two texts apart.
//!
//! Not a single bit of a vector depends on what is encoded with it, provided that a text or a piece
//! of it begins at a multiple of [`TILE`] tokens (see [`crate::convolution`]).
//!
//! What depends on one word only, up to the sums of the first convolution, is in [`crate::words`].

use std::path::Path;
use std::sync::Arc;

use pulp::{Arch, Simd, WithSimd};

use crate::convolution::{Convolution, TILE};
use crate::error::Result;
use crate::kernel::PIECES;
use crate::model::{Maxout, Model};
use crate::norm::Norm;
use crate::words::{WINDOW, Word, Words, bias};

/// The layers.
#[derive(Debug)]
pub(crate) struct Encoder {
    arch: Arch,
    width: usize,
    /// What is known of each word alone.
    pub(crate) words: Words,
    first_bias: Vec<f32>,
    first_norm: Norm,
    windows: Vec<(Convolution, Norm)>,
}

impl Encoder {
    /// Packs the layers of a model, and reads its vectors.
    pub(crate) fn load(folder: &Path, model: &Model) -> Result<Self> {
        let width = model.width();
        let first = model.windows.first();
        let others = model.windows.iter().skip(1);
        Ok(Self {
            arch: Arch::new(),
            width,
            words: Words::load(folder, model)?,
            first_bias: first.map(bias).unwrap_or_default(),
            first_norm: first.map_or_else(|| Norm::new(Vec::new(), Vec::new()), Norm::of),
            windows: others
                .map(|window| (convolution(window, width), Norm::of(window)))
                .collect(),
        })
    }

    /// How many tokens to either side a token's vector depends on.
    pub(crate) fn reach(&self) -> usize {
        self.windows.len() + 1
    }

    /// Encodes stretches of words, which know nothing of each other.
    pub(crate) fn encode(&self, stretches: &[&[Arc<Word>]], encoded: &mut Encoded) {
        let reach = self.reach();
        let mut rows: Vec<Option<&Word>> = vec![None; reach.next_multiple_of(TILE)];
        encoded.starts.clear();
        for words in stretches {
            encoded.starts.push(rows.len());
            rows.extend(words.iter().map(|word| Some(&**word)));
            // What is seen from either stretch, and no more: the next one may begin.
            rows.resize((rows.len() + reach).next_multiple_of(TILE), None);
        }
        let Encoded { vectors, next, .. } = encoded;
        vectors.resize(rows.len() * self.width, 0.0);
        next.resize(vectors.len(), 0.0);
        for (word, vector) in rows.iter().zip(vectors.chunks_exact_mut(self.width)) {
            match word {
                Some(word) => vector.copy_from_slice(&word.vector),
                None => vector.fill(0.0),
            }
        }
        self.first_window(&rows, next);
        self.first_norm.rows(next, Some(vectors));
        for (window, norm) in &self.windows {
            std::mem::swap(vectors, next);
            let before = &*vectors;
            window.rows(before, next, |rows, first| {
                norm.rows(rows, before.get(first..));
            });
        }
        std::mem::swap(vectors, next);
        encoded.width = self.width;
    }

    /// The first convolution: adds up what the words of a window give.
    fn first_window(&self, words: &[Option<&Word>], output: &mut [f32]) {
        self.arch.dispatch(FirstWindow {
            words,
            bias: &self.first_bias,
            output,
            width: self.width,
        });
    }
}

/// Adds up what the words of each window give to the sums of the first convolution.
struct FirstWindow<'a> {
    words: &'a [Option<&'a Word>],
    bias: &'a [f32],
    output: &'a mut [f32],
    width: usize,
}

impl WithSimd for FirstWindow<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let width = self.width;
        let nothing = vec![0.0; PIECES * width];
        let bias = S::as_simd_f32s(self.bias).0;
        let vectors = width / S::F32_LANES;
        for (row, out) in self.output.chunks_exact_mut(width).enumerate() {
            let mut added: [&[S::f32s]; WINDOW] = [&[]; WINDOW];
            for (place, added) in added.iter_mut().enumerate() {
                let word = (row + place)
                    .checked_sub(1)
                    .and_then(|at| self.words.get(at));
                let sums = word.and_then(|word| word.as_ref()).and_then(|word| {
                    let start = place * PIECES * width;
                    word.sums.get(start..start + PIECES * width)
                });
                *added = S::as_simd_f32s(sums.unwrap_or(&nothing)).0;
            }
            for (at, out) in S::as_mut_simd_f32s(out).0.iter_mut().enumerate() {
                let mut best = simd.splat_f32s(f32::NEG_INFINITY);
                for piece in 0..PIECES {
                    let at = piece * vectors + at;
                    let start = bias.get(at).copied();
                    let mut sum = start.unwrap_or(simd.splat_f32s(0.0));
                    for added in &added {
                        let added = added.get(at).copied();
                        sum = simd.add_f32s(sum, added.unwrap_or(simd.splat_f32s(0.0)));
                    }
                    best = simd.max_f32s(best, sum);
                }
                *out = best;
            }
        }
    }
}

/// The vectors of the words of some stretches. It is large, and used again for others.
#[derive(Debug, Default)]
pub(crate) struct Encoded {
    width: usize,
    vectors: Vec<f32>,
    /// What the next layer writes.
    next: Vec<f32>,
    /// The row of each stretch's first word.
    starts: Vec<usize>,
}

impl Encoded {
    /// The vectors of some words of a stretch, one after the other.
    pub(crate) fn of(&self, stretch: usize, words: std::ops::Range<usize>) -> &[f32] {
        let start = self.starts.get(stretch).copied().unwrap_or(0);
        let rows = (start + words.start) * self.width..(start + words.end) * self.width;
        self.vectors.get(rows).unwrap_or(&[])
    }
}

fn convolution(layer: &Maxout, width: usize) -> Convolution {
    let weight = |output: usize, piece: usize, place: usize, input: usize| {
        let at = ((output * PIECES + piece) * WINDOW + place) * width + input;
        layer.weights.data.get(at).copied().unwrap_or(0.0)
    };
    let bias = |output: usize, piece: usize| {
        let at = output * PIECES + piece;
        layer.bias.data.get(at).copied().unwrap_or(0.0)
    };
    Convolution::new(width, width, weight, bias)
}
