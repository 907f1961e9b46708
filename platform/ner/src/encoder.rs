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
//! word costs three convolutions instead of four, and no mixing. Nor does a new one cost much: the
//! mixing layer is linear up to its maxout, so what each row of a table adds to its sums is computed
//! when the model is loaded, and of the layer only the part for the word vector remains.

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
use crate::msgpack::Array;
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
    /// Of the mixing layer, the part for the word vector and the bias; piece by piece.
    mix: Packed,
    mix_bias: Vec<f32>,
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
            tables: mixed(model),
            vectors: vectors.transpose()?,
            mix: mix(&model.mix, embedded(model), model.mix.inputs()),
            mix_bias: bias(&model.mix),
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
        let mut vectors = self.mix(missing);
        self.mix_norm.rows(&mut vectors, None);
        let mut sums = Vec::new();
        self.first
            .rows(&vectors, self.width, 0..missing.len(), &mut sums);
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

    /// The outputs of the mixing layer for some words.
    fn mix(&self, words: &[(&str, Token)]) -> Vec<f32> {
        let width = THREE * self.width;
        let mut sums = self.mix_bias.repeat(words.len());
        let mut known = Vec::new();
        let mut inputs = Vec::new();
        for (at, (_, token)) in words.iter().enumerate() {
            let vectors = self.vectors.as_ref();
            if let Some(vector) = vectors.and_then(|vectors| vectors.get(token.id)) {
                known.push(at);
                inputs.extend_from_slice(vector);
            }
        }
        let mut products = Vec::new();
        let size = self.mix.inputs();
        self.mix.rows(&inputs, size, 0..known.len(), &mut products);
        let mut vectors = vec![0.0; words.len() * self.width];
        self.arch.dispatch(|| {
            for (at, product) in known.iter().zip(products.chunks_exact(width)) {
                let sums = sums.get_mut(at * width..).unwrap_or(&mut []);
                sums.iter_mut().zip(product).for_each(|(to, by)| *to += by);
            }
            let rows = sums.chunks_exact_mut(width).zip(words);
            for ((sums, (word, token)), out) in rows.zip(vectors.chunks_exact_mut(self.width)) {
                for table in &self.tables {
                    let id = self.vocabulary.attribute(table.attribute, word, token.norm);
                    table.add(id, sums);
                }
                largest(sums, out);
            }
        });
        vectors
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
            window.rows(vectors, next);
            norm.rows(next, Some(vectors));
        }
        std::mem::swap(vectors, next);
        encoded.width = self.width;
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
    #[inline(always)]
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

impl Maxout {
    fn inputs(&self) -> usize {
        self.weights.shape.get(2).copied().unwrap_or(0)
    }
}

/// How many of the inputs of the mixing layer are rows of the tables; they are the first.
fn embedded(model: &Model) -> usize {
    model.tables.iter().map(Table::width).sum()
}

/// The tables, with what each row adds to the sums of the mixing layer in place of the row.
fn mixed(model: &Model) -> Vec<Table> {
    let mut start = 0;
    let tables = model.tables.iter().map(|table| {
        let width = table.width();
        let part = mix(&model.mix, start, start + width);
        start += width;
        let count = table.rows.data.len() / width.max(1);
        let mut data = Vec::new();
        part.rows(&table.rows.data, width, 0..count, &mut data);
        let shape = vec![count, part.outputs()];
        Table {
            rows: Array { shape, data },
            ..*table
        }
    });
    tables.collect()
}

/// The part of the mixing layer for some of its inputs, without its bias.
fn mix(layer: &Maxout, start: usize, end: usize) -> Packed {
    let [outputs, pieces, inputs] = *layer.weights.shape else {
        return Packed::linear(0, 0, |_, _| 0.0, |_| 0.0);
    };
    let weight = |output: usize, input: usize| {
        let (piece, output) = (output / outputs, output % outputs);
        let at = (output * pieces + piece) * inputs + start + input;
        layer.weights.data.get(at).copied().unwrap_or(0.0)
    };
    Packed::linear(end.saturating_sub(start), outputs * pieces, weight, |_| 0.0)
}

/// The bias of a maxout layer, piece by piece.
fn bias(layer: &Maxout) -> Vec<f32> {
    let width = layer.bias.data.len() / THREE;
    let bias = (0..THREE * width).map(|at| {
        let (piece, output) = (at / width, at % width);
        let bias = layer.bias.data.get(output * THREE + piece);
        bias.copied().unwrap_or(0.0)
    });
    bias.collect()
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
    let weights = layer.map_or(&[] as &[f32], |layer| &layer.weights.data);
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
    let norm = layer.map_or_else(|| Norm::new(Vec::new(), Vec::new()), norm);
    (sums, layer.map(bias).unwrap_or_default(), norm)
}
