//! Named entities in English text: people, places, organizations, dates, amounts.
//!
//! [`Ner`] runs the entity recognizers of spaCy's models `en_core_web_sm`, `_md` and `_lg` (version
//! 3) from their own files, without Python. It returns what `spacy.load(…)` with only the
//! recognizer in its pipeline returns; `tests/golden.rs` compares them.
//!
//! | | |
//! |---|---|
//! | `tokenizer`, `specials`, `affix`, `pattern` | text into tokens |
//! | `vocabulary`, `hash`, `unicode` | words into numbers |
//! | `vectors`, `words`, `encoder`, `convolution`, `kernel`, `norm` | tokens into vectors |
//! | `decoder`, `label` | vectors into entities |
//! | `reading`, `parallel` | in pieces, on some threads |
//! | `model`, `msgpack`, `error` | the files of a model |
//!
//! Promises:
//! - Reading never fails or panics, whatever the text, and takes time and memory linear in its
//!   length: no step looks further than some characters or some tokens. The network works in
//!   pieces of a thousand tokens; the entities are those of the whole text.
//! - It reads on the thread that it is called on, and on others only if it is told to
//!   ([`Ner::on_threads`]).
//! - Entities do not overlap and come in order.
//! - The same text gives the same entities, whatever was read before and on whatever thread.
//! - No text is logged, and none is in an error. Some thousand of the words that were read last are
//!   kept in memory, to be read faster the next time, and nowhere else.
//!
//! ```no_run
//! let ner = colloquy_ner::Ner::load("spacy-en-core-web-md".as_ref())?;
//! let entities = ner.entities("Rosa moved to Lisbon in May.");
//! # Ok::<(), colloquy_ner::NerError>(())
//! ```

#![warn(missing_docs)]

mod affix;
mod convolution;
mod decoder;
mod encoder;
mod error;
mod hash;
mod kernel;
mod label;
mod model;
mod msgpack;
mod norm;
mod parallel;
mod pattern;
mod reading;
mod specials;
mod tokenizer;
mod unicode;
mod vectors;
mod vocabulary;
mod words;

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

pub use error::NerError;
pub use label::Label;
pub use parallel::side_by_side;

use decoder::{Decoder, State};
use encoder::Encoder;
use error::Problem;
use model::Model;
use reading::{PIECE, Reader, Texts};
use tokenizer::{Token, Tokenizer};

/// A named entity in a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entity {
    /// What it is.
    pub label: Label,
    /// Where it is, in bytes.
    pub bytes: Range<usize>,
    /// Where it is, in Unicode characters.
    pub chars: Range<usize>,
}

/// An entity recognizer. Loaded once, it is used by any number of threads; a clone is the same.
#[derive(Debug, Clone)]
pub struct Ner {
    layers: Arc<Layers>,
    threads: usize,
}

#[derive(Debug)]
struct Layers {
    name: String,
    tokenizer: Tokenizer,
    encoder: Encoder,
    decoder: Decoder,
}

impl Ner {
    /// Loads a model from its folder, the one that holds `ner/`, `vocab/` and `tokenizer`.
    ///
    /// # Errors
    /// If a file is missing or damaged, or asks for what this crate does not run.
    pub fn load(folder: &Path) -> Result<Self, NerError> {
        let model = Model::load(folder)?;
        Ok(Self {
            layers: Arc::new(Layers {
                name: name(folder)?,
                tokenizer: Tokenizer::load(folder)?,
                encoder: Encoder::load(folder, &model)?,
                decoder: Decoder::load(folder, &model)?,
            }),
            threads: 1,
        })
    }

    /// The same, reading on up to this many threads at once: long texts, and many short ones. What
    /// is found is the same.
    #[must_use]
    pub fn on_threads(self, threads: usize) -> Self {
        let threads = threads.max(1);
        Self { threads, ..self }
    }

    /// Which model it is, with its version, such as `en_core_web_md 3.8.0`.
    pub fn name(&self) -> &str {
        &self.layers.name
    }

    /// The tokens of a text, in bytes. All that is between them is single spaces.
    pub fn tokens(&self, text: &str) -> Vec<Range<usize>> {
        let tokens = self.layers.tokenizer.tokenize(text);
        tokens.iter().map(|token| token.start..token.end).collect()
    }

    /// The entities of a text.
    pub fn entities(&self, text: &str) -> Vec<Entity> {
        self.entities_of(&[text]).pop().unwrap_or_default()
    }

    /// The entities of each of several texts, which know nothing of each other. Together they take
    /// less time than one by one if they are short.
    pub fn entities_of(&self, texts: &[&str]) -> Vec<Vec<Entity>> {
        self.layers.entities_of(texts, PIECE, self.threads)
    }

    /// Cuts texts into tokens, to be read by whatever threads the caller has
    /// ([`Tokenized::reading`]).
    pub fn tokenize<'t>(&self, texts: &[&'t str]) -> Tokenized<'t> {
        Tokenized {
            layers: Arc::clone(&self.layers),
            texts: self.layers.tokenize(texts, 1),
        }
    }
}

/// Texts that are cut into tokens.
#[derive(Debug)]
pub struct Tokenized<'t> {
    layers: Arc<Layers>,
    texts: Vec<(&'t str, Vec<Token>)>,
}

impl Tokenized<'_> {
    /// The work of reading them, not yet begun.
    pub fn reading(&self) -> Reading<'_> {
        self.layers.reading(&self.texts, PIECE)
    }
}

/// Texts while they are read, on any number of threads.
pub struct Reading<'t> {
    texts: &'t Texts<'t>,
    reader: Reader<'t>,
}

impl Reading<'_> {
    /// Works on the texts until there is nothing left to take; what other threads have taken they
    /// may be at work on still.
    pub fn work(&self) {
        self.reader.work();
    }

    /// The entities of each text. What is left to read is read now.
    pub fn entities(self) -> Vec<Vec<Entity>> {
        self.work();
        let texts = self.texts.iter().zip(self.reader.states());
        let entities = texts.map(|((text, tokens), state)| places(text, tokens, &state));
        entities.collect()
    }
}

impl Layers {
    fn tokenize<'t>(&self, texts: &[&'t str], threads: usize) -> Vec<(&'t str, Vec<Token>)> {
        side_by_side(threads, texts, |text| {
            (*text, self.tokenizer.tokenize(text))
        })
    }

    fn entities_of(&self, texts: &[&str], piece: usize, threads: usize) -> Vec<Vec<Entity>> {
        let texts = self.tokenize(texts, threads);
        let reading = self.reading(&texts, piece);
        let workers = vec![(); threads];
        side_by_side(threads, &workers, |()| reading.work());
        reading.entities()
    }

    fn reading<'t>(&'t self, texts: &'t Texts<'t>, piece: usize) -> Reading<'t> {
        Reading {
            texts,
            reader: Reader::new(&self.encoder, &self.decoder, texts, piece),
        }
    }
}

/// Reads what the model calls itself. Only English ones are run, as the normal forms of words are
/// partly in code, and other languages have others.
fn name(folder: &Path) -> Result<String, NerError> {
    let path = folder.join("meta.json");
    let meta: serde_json::Value = serde_json::from_slice(&error::read(&path)?)
        .map_err(|_| Problem::damaged("it is not JSON").within(&path))?;
    let field = |key: &str| meta.get(key).and_then(serde_json::Value::as_str);
    match (field("lang"), field("name"), field("version")) {
        (Some("en"), Some(name), Some(version)) => Ok(format!("en_{name} {version}")),
        _ => Err(Problem::unsupported("another language than English").within(&path)),
    }
}

/// Where the entities are in the text.
fn places(text: &str, tokens: &[Token], state: &State) -> Vec<Entity> {
    let mut entities = Vec::with_capacity(state.spans.len());
    // The last place whose characters are counted.
    let (mut byte, mut char) = (0, 0);
    let mut char_at = |at: usize| {
        char += text.get(byte..at).unwrap_or("").chars().count();
        byte = at;
        char
    };
    for span in &state.spans {
        let spanned = tokens.get(span.tokens.clone()).unwrap_or(&[]);
        let (Some(first), Some(last)) = (spanned.first(), spanned.last()) else {
            continue;
        };
        entities.push(Entity {
            label: span.label,
            bytes: first.start..last.end,
            chars: char_at(first.start)..char_at(last.end),
        });
    }
    entities
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn pieces_change_nothing() {
        let cache = colloquy_assets::Cache::locate().unwrap();
        let manifest = colloquy_assets::Manifest::embedded().unwrap();
        let folder = cache.require(&manifest, "spacy-en-core-web-md").unwrap();
        let ner = Ner::load(&folder).unwrap();
        let text =
            "On March 3rd, Rosa de la Cruz of Blue Harbor Bank paid $1,200 in New York City, \
            and the World Health Organization sent Dr. Wei Nowak to Lake Michigan for two weeks. "
                .repeat(3);
        let all = ner.layers.entities_of(&[&text], usize::MAX / 2, 1);
        let whole = all.first().unwrap();
        assert!(whole.len() > 10);
        for piece in 1..30 {
            let texts = ["Hello Wei", &text, "", "Bye"];
            let pieces = ner.layers.entities_of(&texts, piece, piece % 4 + 1);
            assert_eq!(pieces.len(), 4);
            assert_eq!(&pieces[1], whole, "pieces of {piece}");
            assert_eq!(pieces[0], ner.entities("Hello Wei"));
        }
    }
}
