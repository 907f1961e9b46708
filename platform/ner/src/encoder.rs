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
//! All up to the sums of the first convolution depends on one word only, and is remembered: a known
//! word costs three convolutions instead of four, and no mixing.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use pulp::Arch;
use quick_cache::sync::Cache;

use crate::convolution::{Convolution, TILE};
use crate::error::Result;
use crate::hash::murmur128;
use crate::kernel::Packed;
use crate::model::{Maxout, Model, Table};
use crate::norm::Norm;
use crate::tokenizer::Token;
use crate::vectors::Vectors;
use crate::vocabulary::{Vocabulary, is_blank};

/// So many words are remembered, each in 4 kB. A conversation has one or two thousand.
const REMEMBERED: usize = 8_192;

/// Pieces of a maxout, and tokens that a convolution sees.
const THREE: usize = 3;

/// What is computed of a word alone.
#[derive(Debug)]
pub(crate) struct Word {
    /// Whether it is white space.
    pub(crate) blank: bool,
    /// Its vector before the first convolution.
    vector: Box<[f32]>,
    /// What it adds to the sums of the first convolution: to those of the token behind it, to its
    /// own, and to those of the token before it; each piece by piece.
    sums: Box<[f32]>,
}

/// The layers.
#[derive(Debug)]
pub(crate) struct Encoder {
    arch: Arch,
    width: usize,
    vocabulary: Vocabulary,
    tables: Vec<Table>,
    vectors: Option<Vectors>,
    mix: Packed,
    mix_norm: Norm,
    first: Packed,
    first_bias: Vec<f32>,
    first_norm: Norm,
    windows: Vec<(Convolution, Norm)>,
    remembered: Cache<(u64, u64), Arc<Word>>,
}

impl Encoder {
    /// Packs the layers of a model, and reads its vectors.
    pub(crate) fn load(folder: &Path, model: &Model) -> Result<Self> {
        let width = model.width();
        let vectors = model.vectors.as_ref();
        let vectors = vectors.map(|projection| Vectors::load(folder, projection));
        let mut windows = model.windows.iter();
        let (first, first_bias, first_norm) = first_window(windows.next(), width);
        Ok(Self {
            arch: Arch::new(),
            width,
            vocabulary: Vocabulary::load(folder)?,
            tables: model.tables.clone(),
            vectors: vectors.transpose()?,
            mix: maxout(&model.mix),
            mix_norm: norm(&model.mix),
            first,
            first_bias,
            first_norm,
            windows: windows
                .map(|window| (convolution(window, width), norm(window)))
                .collect(),
            remembered: Cache::new(REMEMBERED),
        })
    }

    /// How many tokens to either side a token's vector depends on.
    pub(crate) fn reach(&self) -> usize {
        self.windows.len() + 1
    }

    /// The words of the tokens of some texts, one text after the other. Those that are new are
    /// computed together: the weights for that are more than a processor's cache holds.
    pub(crate) fn words(&self, texts: &[(&str, &[Token])]) -> Vec<Arc<Word>> {
        let mut words = Vec::with_capacity(texts.iter().map(|(_, tokens)| tokens.len()).sum());
        let mut missing = Vec::new();
        let mut places = HashMap::new();
        for (text, tokens) in texts {
            for token in *tokens {
                let key = (token.id, token.norm.unwrap_or(0));
                let known = self.remembered.get(&key);
                if known.is_none() {
                    places.entry(key).or_insert_with(|| {
                        missing.push((text.get(token.start..token.end).unwrap_or(""), *token));
                        missing.len() - 1
                    });
                }
                words.push(known.ok_or(key));
            }
        }
        let new = self.compute(&missing);
        for (key, at) in &places {
            if let Some(word) = new.get(*at) {
                self.remembered.insert(*key, Arc::clone(word));
            }
        }
        let word = |word: Result<Arc<Word>, _>| match word {
            Ok(word) => Some(word),
            Err(key) => places.get(&key).and_then(|at| new.get(*at)).cloned(),
        };
        words.into_iter().filter_map(word).collect()
    }

    /// Computes words that are not remembered.
    fn compute(&self, missing: &[(&str, Token)]) -> Vec<Arc<Word>> {
        if missing.is_empty() {
            return Vec::new();
        }
        let mut embedded = vec![0.0; missing.len() * self.mix.inputs()];
        let rows = embedded.chunks_exact_mut(self.mix.inputs());
        for (row, (word, token)) in rows.zip(missing) {
            self.embed(word, token, row);
        }
        let mut vectors = Vec::new();
        let count = missing.len();
        self.mix
            .rows(&embedded, self.mix.inputs(), 0..count, &mut vectors);
        self.mix_norm.rows(&mut vectors, None);
        let mut sums = Vec::new();
        self.first.rows(&vectors, self.width, 0..count, &mut sums);
        let vectors = vectors.chunks_exact(self.width);
        let sums = sums.chunks_exact(self.first.outputs());
        let words = missing.iter().zip(vectors.zip(sums));
        let words = words.map(|((word, _), (vector, sums))| {
            Arc::new(Word {
                blank: is_blank(word),
                vector: vector.into(),
                sums: sums.into(),
            })
        });
        words.collect()
    }

    /// Writes the embedding of a word.
    fn embed(&self, word: &str, token: &Token, mut row: &mut [f32]) {
        for table in &self.tables {
            let id = self.vocabulary.attribute(table.attribute, word, token.norm);
            if let Some((part, rest)) = row.split_at_mut_checked(table.width()) {
                table.add(id, part);
                row = rest;
            } else {
                return;
            }
        }
        let vector = self
            .vectors
            .as_ref()
            .and_then(|vectors| vectors.get(token.id));
        if let Some(vector) = vector {
            row.iter_mut()
                .zip(vector)
                .for_each(|(to, from)| *to = *from);
        }
    }

    /// Encodes stretches of words, which know nothing of each other.
    pub(crate) fn encode(&self, stretches: &[&[Arc<Word>]]) -> Encoded {
        let reach = self.reach();
        let mut rows: Vec<Option<&Word>> = vec![None; reach.next_multiple_of(TILE)];
        let mut starts = Vec::with_capacity(stretches.len());
        for words in stretches {
            starts.push(rows.len());
            rows.extend(words.iter().map(|word| Some(&**word)));
            // What is seen from either stretch, and no more: the next one may begin.
            rows.resize((rows.len() + reach).next_multiple_of(TILE), None);
        }
        let mut vectors = vec![0.0; rows.len() * self.width];
        for (word, vector) in rows.iter().zip(vectors.chunks_exact_mut(self.width)) {
            if let Some(word) = word {
                vector.copy_from_slice(&word.vector);
            }
        }
        let mut next = vec![0.0; vectors.len()];
        self.first_window(&rows, &mut next);
        self.first_norm.rows(&mut next, Some(&vectors));
        for (window, norm) in &self.windows {
            std::mem::swap(&mut vectors, &mut next);
            window.rows(&vectors, &mut next);
            norm.rows(&mut next, Some(&vectors));
        }
        Encoded {
            width: self.width,
            vectors: next,
            starts,
        }
    }

    /// The first convolution: adds up what the words of a window give.
    fn first_window(&self, words: &[Option<&Word>], output: &mut [f32]) {
        self.arch.dispatch(|| {
            let mut sums = vec![0.0; THREE * self.width];
            for (row, out) in output.chunks_exact_mut(self.width).enumerate() {
                sums.copy_from_slice(&self.first_bias);
                for place in 0..THREE {
                    let word = (row + place).checked_sub(1).and_then(|at| words.get(at));
                    let added = word
                        .and_then(|word| word.as_ref())
                        .and_then(|word| word.sums.chunks_exact(THREE * self.width).nth(place));
                    for (sum, added) in sums.iter_mut().zip(added.unwrap_or(&[])) {
                        *sum += added;
                    }
                }
                largest(&sums, out);
            }
        });
    }
}

/// The vectors of the words of some stretches.
#[derive(Debug)]
pub(crate) struct Encoded {
    width: usize,
    vectors: Vec<f32>,
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

/// The largest piece of each output; the pieces lie one after the other.
#[inline(always)]
fn largest(pieces: &[f32], out: &mut [f32]) {
    let mut pieces = pieces.chunks_exact(out.len());
    if let Some(first) = pieces.next() {
        out.copy_from_slice(first);
    }
    for piece in pieces {
        for (best, other) in out.iter_mut().zip(piece) {
            *best = if *other > *best { *other } else { *best };
        }
    }
}

impl Table {
    /// How wide its rows are.
    fn width(&self) -> usize {
        self.rows.shape.get(1).copied().unwrap_or(0)
    }

    /// Adds the four rows of a number.
    fn add(&self, id: u64, out: &mut [f32]) {
        let width = self.width();
        let count = (self.rows.data.len() / width.max(1)).max(1);
        for hash in murmur128(id, self.seed) {
            let start = hash as usize % count * width;
            let row = self.rows.data.get(start..start + width).unwrap_or(&[]);
            out.iter_mut().zip(row).for_each(|(to, from)| *to += from);
        }
    }
}

fn maxout(layer: &Maxout) -> Packed {
    let [outputs, pieces, inputs] = *layer.weights.shape else {
        return Packed::linear(0, 0, |_, _| 0.0, |_| 0.0);
    };
    let weight = |output: usize, piece: usize, input: usize| {
        let at = (output * pieces + piece) * inputs + input;
        layer.weights.data.get(at).copied().unwrap_or(0.0)
    };
    let bias = |output: usize, piece: usize| {
        let at = output * pieces + piece;
        layer.bias.data.get(at).copied().unwrap_or(0.0)
    };
    Packed::maxout(inputs, outputs, weight, bias)
}

fn convolution(layer: &Maxout, width: usize) -> Convolution {
    let weight = |output: usize, piece: usize, place: usize, input: usize| {
        let at = ((output * THREE + piece) * THREE + place) * width + input;
        layer.weights.data.get(at).copied().unwrap_or(0.0)
    };
    let bias = |output: usize, piece: usize| {
        let at = output * THREE + piece;
        layer.bias.data.get(at).copied().unwrap_or(0.0)
    };
    Convolution::new(width, width, weight, bias)
}

fn norm(layer: &Maxout) -> Norm {
    Norm::new(layer.scale.data.clone(), layer.shift.data.clone())
}

/// The first convolution, taken apart by the place that a word has in its window.
fn first_window(layer: Option<&Maxout>, width: usize) -> (Packed, Vec<f32>, Norm) {
    let (weights, bias) = match layer {
        Some(layer) => (&*layer.weights.data, &*layer.bias.data),
        None => (&[] as &[f32], &[] as &[f32]),
    };
    let weight = |output: usize, input: usize| {
        let (place, piece, output) = (
            output / (THREE * width),
            output / width % THREE,
            output % width,
        );
        let at = (output * THREE + piece) * THREE * width + place * width + input;
        weights.get(at).copied().unwrap_or(0.0)
    };
    let sums = Packed::linear(width, THREE * THREE * width, weight, |_| 0.0);
    let bias = (0..THREE * width).map(|at| {
        let (piece, output) = (at / width, at % width);
        bias.get(output * THREE + piece).copied().unwrap_or(0.0)
    });
    let norm = layer.map_or_else(|| Norm::new(Vec::new(), Vec::new()), norm);
    (sums, bias.collect(), norm)
}
