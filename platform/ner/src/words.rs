//! What is known of a word before its neighbours are: it is computed once and remembered.
//!
//! All up to the sums of the first convolution depends on one word only: a known word costs three
//! convolutions instead of four, and no mixing. Nor does a new one cost much: the mixing layer is
//! linear up to its maxout, so what each row of a table adds to its sums is computed when the model
//! is loaded, and of the layer only the part for the word vector remains.

use std::path::Path;
use std::sync::Arc;

use foldhash::HashMap;
use pulp::{Arch, Simd, WithSimd};
use quick_cache::sync::Cache;

use crate::error::Result;
use crate::hash::murmur128;
use crate::kernel::{PIECES, Packed};
use crate::model::{Maxout, Model, Table};
use crate::msgpack::Array;
use crate::norm::Norm;
use crate::tokenizer::Token;
use crate::vectors::Vectors;
use crate::vocabulary::{Vocabulary, is_blank};

/// So many words are remembered, each in 4 kB. A conversation has one or two thousand.
const REMEMBERED: usize = 8_192;

/// So many new words are computed together: enough to use the weights, which are more than the
/// nearest caches hold, for several; few enough that what is computed stays there.
const TOGETHER: usize = 32;

/// Words that a convolution sees.
pub(crate) const WINDOW: usize = 3;

/// What is computed of a word alone.
#[derive(Debug)]
pub(crate) struct Word {
    /// Whether it is white space.
    pub(crate) blank: bool,
    /// Its vector before the first convolution.
    pub(crate) vector: Box<[f32]>,
    /// What it adds to the sums of the first convolution: to those of the token behind it, to its
    /// own, and to those of the token before it; each piece by piece.
    pub(crate) sums: Box<[f32]>,
}

/// The layers that see one word.
#[derive(Debug)]
pub(crate) struct Words {
    arch: Arch,
    width: usize,
    vocabulary: Vocabulary,
    tables: Vec<Table>,
    vectors: Option<Vectors>,
    /// Of the mixing layer, the part for the word vector and the bias; piece by piece.
    mix: Packed,
    mix_bias: Vec<f32>,
    mix_norm: Norm,
    /// What a word adds to the sums of the first convolution.
    first: Packed,
    remembered: Cache<(u64, u64), Arc<Word>>,
}

impl Words {
    /// Packs the layers of a model, and reads its vectors.
    pub(crate) fn load(folder: &Path, model: &Model) -> Result<Self> {
        let vectors = model.vectors.as_ref();
        let vectors = vectors.map(|projection| Vectors::load(folder, projection));
        Ok(Self {
            arch: Arch::new(),
            width: model.width(),
            vocabulary: Vocabulary::load(folder)?,
            tables: mixed(model),
            vectors: vectors.transpose()?,
            mix: mix(&model.mix, embedded(model), model.mix.inputs()),
            mix_bias: bias(&model.mix),
            mix_norm: Norm::of(&model.mix),
            first: first(model.windows.first(), model.width()),
            remembered: Cache::new(REMEMBERED),
        })
    }

    /// The words of the tokens of some texts, one text after the other. Those that are new are
    /// computed together: the weights for that are more than a processor's cache holds.
    pub(crate) fn of(&self, texts: &[(&str, &[Token])], scratch: &mut Scratch) -> Vec<Arc<Word>> {
        let mut words = Vec::with_capacity(texts.iter().map(|(_, tokens)| tokens.len()).sum());
        let mut missing = Vec::new();
        let mut places = HashMap::default();
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
        let mut new = Vec::with_capacity(missing.len());
        for some in missing.chunks(TOGETHER) {
            self.compute(some, scratch, &mut new);
        }
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

    /// Computes some words that are not remembered.
    fn compute(&self, missing: &[(&str, Token)], scratch: &mut Scratch, new: &mut Vec<Arc<Word>>) {
        self.mix(missing, scratch);
        let Scratch {
            vectors, products, ..
        } = scratch;
        self.mix_norm.rows(vectors, None);
        self.first
            .rows(vectors, self.width, 0..missing.len(), products);
        let vectors = vectors.chunks_exact(self.width);
        let sums = products.chunks_exact(self.first.outputs());
        let words = missing.iter().zip(vectors.zip(sums));
        new.extend(words.map(|((word, _), (vector, sums))| {
            Arc::new(Word {
                blank: is_blank(word),
                vector: vector.into(),
                sums: sums.into(),
            })
        }));
    }

    /// The outputs of the mixing layer for some words.
    fn mix(&self, words: &[(&str, Token)], scratch: &mut Scratch) {
        let Scratch {
            inputs,
            sums,
            products,
            vectors,
        } = scratch;
        let width = PIECES * self.width;
        let mut known = Vec::with_capacity(words.len());
        let mut ids = Vec::with_capacity(words.len() * self.tables.len());
        inputs.clear();
        sums.clear();
        for (at, (word, token)) in words.iter().enumerate() {
            let vectors = self.vectors.as_ref();
            if let Some(vector) = vectors.and_then(|vectors| vectors.get(token.id)) {
                known.push(at);
                inputs.extend_from_slice(vector);
            }
            sums.extend_from_slice(&self.mix_bias);
            let tables = self.tables.iter().map(|table| table.attribute);
            ids.extend(tables.map(|of| self.vocabulary.attribute(of, word, token.norm)));
        }
        let size = self.mix.inputs();
        self.mix.rows(inputs, size, 0..known.len(), products);
        for (at, product) in known.iter().zip(products.chunks_exact(width)) {
            let sums = sums.get_mut(at * width..).unwrap_or(&mut []);
            sums.iter_mut().zip(product).for_each(|(to, by)| *to += by);
        }
        vectors.resize(words.len() * self.width, 0.0);
        self.arch.dispatch(Mix {
            tables: &self.tables,
            ids: &ids,
            sums,
            vectors,
            width: self.width,
        });
    }
}

/// Where new words are computed; it is used again for others.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    /// The word vectors.
    inputs: Vec<f32>,
    /// The sums of the mixing layer.
    sums: Vec<f32>,
    /// What a matrix gives.
    products: Vec<f32>,
    /// The outputs of the mixing layer.
    vectors: Vec<f32>,
}

/// Adds the rows of the tables to the sums of some words, and takes the largest pieces.
struct Mix<'a> {
    tables: &'a [Table],
    /// Of each word the numbers of its attributes, as the tables need them.
    ids: &'a [u64],
    sums: &'a mut [f32],
    vectors: &'a mut [f32],
    width: usize,
}

impl WithSimd for Mix<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let ids = self.ids.chunks_exact(self.tables.len().max(1));
        let rows = self.sums.chunks_exact_mut(PIECES * self.width);
        let rows = rows.zip(self.vectors.chunks_exact_mut(self.width));
        for ((sums, out), ids) in rows.zip(ids) {
            for (table, id) in self.tables.iter().zip(ids) {
                table.add(*id, sums);
            }
            largest(sums, out);
        }
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
pub(crate) fn bias(layer: &Maxout) -> Vec<f32> {
    let width = layer.bias.data.len() / PIECES;
    let bias = (0..PIECES * width).map(|at| {
        let (piece, output) = (at / width, at % width);
        let bias = layer.bias.data.get(output * PIECES + piece);
        bias.copied().unwrap_or(0.0)
    });
    bias.collect()
}

/// The first convolution, taken apart by the place that a word has in its window.
fn first(layer: Option<&Maxout>, width: usize) -> Packed {
    let weights = layer.map_or(&[] as &[f32], |layer| &layer.weights.data);
    let weight = |output: usize, input: usize| {
        let (place, piece, output) = (
            output / (PIECES * width),
            output / width % PIECES,
            output % width,
        );
        let at = (output * PIECES + piece) * WINDOW * width + place * width + input;
        weights.get(at).copied().unwrap_or(0.0)
    };
    Packed::linear(width, WINDOW * PIECES * width, weight, |_| 0.0)
}
