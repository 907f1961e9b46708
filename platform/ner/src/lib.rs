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
//! | `vectors`, `encoder`, `kernel` | tokens into vectors |
//! | `decoder`, `label` | vectors into entities |
//! | `model`, `msgpack`, `error` | the files of a model |
//!
//! Promises:
//! - Reading never fails or panics, whatever the text, and takes time and memory linear in its
//!   length: no step looks further than some characters or some tokens. The network works in
//!   pieces of a thousand tokens; the entities are those of the whole text.
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
mod decoder;
mod encoder;
mod error;
mod hash;
mod kernel;
mod label;
mod model;
mod msgpack;
mod pattern;
mod specials;
mod tokenizer;
mod unicode;
mod vectors;
mod vocabulary;

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

pub use error::NerError;
pub use label::Label;

use decoder::{Decoder, State};
use encoder::{Encoder, Word};
use error::Problem;
use model::Model;
use tokenizer::{Token, Tokenizer};

/// The network works on this many tokens at a time: enough that the four tokens computed twice at
/// either end don't matter, few enough that all stays in the processor's cache.
const PIECE: usize = 1_024;

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
        })
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
        self.layers.entities_of(texts, PIECE)
    }
}

impl Layers {
    /// Takes texts together until they have enough tokens.
    fn entities_of(&self, texts: &[&str], piece: usize) -> Vec<Vec<Entity>> {
        let mut entities = Vec::with_capacity(texts.len());
        let mut waiting: Vec<(&str, Vec<Token>)> = Vec::new();
        let mut tokens = 0;
        for text in texts {
            let cut = self.tokenizer.tokenize(text);
            tokens += cut.len();
            waiting.push((text, cut));
            if tokens >= piece {
                self.read(&waiting, piece, &mut entities);
                waiting.clear();
                tokens = 0;
            }
        }
        self.read(&waiting, piece, &mut entities);
        entities
    }

    /// Reads texts together; none but the last may be long.
    fn read(&self, texts: &[(&str, Vec<Token>)], piece: usize, entities: &mut Vec<Vec<Entity>>) {
        let short = texts.iter().take_while(|(_, tokens)| tokens.len() <= piece);
        let together: Vec<_> = short
            .map(|(text, tokens)| (*text, tokens.as_slice()))
            .collect();
        let words = self.encoder.words(&together);
        let mut words = words.as_slice();
        for (text, tokens) in &together {
            let (own, rest) = words.split_at(tokens.len().min(words.len()));
            let mut state = State::default();
            self.step(&mut state, own, 0..own.len(), true);
            entities.push(places(text, tokens, &state));
            words = rest;
        }
        for (text, tokens) in texts.iter().skip(together.len()) {
            entities.push(self.read_long(text, tokens, piece));
        }
    }

    /// Reads a text in pieces, which overlap by what the encoder sees to either side.
    fn read_long(&self, text: &str, tokens: &[Token], piece: usize) -> Vec<Entity> {
        let mut state = State::default();
        let reach = self.encoder.reach();
        let mut start = 0;
        while start < tokens.len() {
            let end = (start + piece).min(tokens.len());
            let from = start.saturating_sub(reach);
            let to = (end + reach).min(tokens.len());
            let words = self
                .encoder
                .words(&[(text, tokens.get(from..to).unwrap_or(&[]))]);
            self.step(
                &mut state,
                &words,
                start - from..end - from,
                end == tokens.len(),
            );
            start = end;
        }
        places(text, tokens, &state)
    }

    /// Reads a range of words; `last` says that no more follow.
    fn step(&self, state: &mut State, words: &[Arc<Word>], range: Range<usize>, last: bool) {
        let vectors = self.encoder.encode(words, range.clone());
        let blank = words
            .get(range)
            .unwrap_or(&[])
            .iter()
            .map(|word| word.blank);
        let blank: Vec<_> = blank.collect();
        self.decoder.read(state, &vectors, &blank, last);
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
        let all = ner.layers.entities_of(&[&text], usize::MAX / 2);
        let whole = all.first().unwrap();
        assert!(whole.len() > 10);
        for piece in 1..30 {
            let pieces = ner
                .layers
                .entities_of(&["Hello Wei", &text, "", "Bye"], piece);
            assert_eq!(pieces.len(), 4);
            assert_eq!(&pieces[1], whole, "pieces of {piece}");
            assert_eq!(pieces[0], ner.entities("Hello Wei"));
        }
    }
}
