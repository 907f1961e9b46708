//! A Whisper model in CTranslate2's form: the one place that touches the inference library.

use std::fmt;
use std::num::NonZeroUsize;
use std::path::Path;

use ct2rs::sys::{Config, Device, StorageView, Whisper, WhisperOptions};

use crate::engine::{ComputeType, EngineOptions};
use crate::error::{Cause, EngineError};
use crate::mel::{COLUMNS, HOP, Mel};
use crate::vocabulary::{FILES, Vocabulary};

/// Files that every model folder holds, besides one of the vocabulary files.
const REQUIRED: [&str; 2] = ["model.bin", "config.json"];
/// Samples from one frame of the encoder's output to the next.
const ENCODER_FRAME: usize = 2 * HOP;
/// Positions of the decoder.
const MAX_POSITIONS: usize = 448;
/// Width of the median filter over attention weights, as in OpenAI's word times.
const MEDIAN_WIDTH: i64 = 7;

/// A loaded model. Calls from several threads queue for it.
pub(crate) struct Model {
    whisper: Whisper,
    mel: Mel,
    pub(crate) vocabulary: Vocabulary,
    pub(crate) name: String,
}

/// What the encoder made of some windows.
pub(crate) struct Encoded(StorageView<'static>);

/// The task that stands before the text: language and kind of output.
#[derive(Debug, Clone)]
pub(crate) struct Task {
    /// Tokens of the request's vocabulary, if any.
    pub(crate) prompt: Vec<String>,
    /// From the start of the transcript on.
    pub(crate) tokens: Vec<String>,
    /// The same in numbers.
    pub(crate) ids: Vec<usize>,
}

/// How hard to search for the text.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Search {
    pub(crate) beam: usize,
    /// Token sequences of this length may not occur twice; 0 allows them.
    pub(crate) unique_ngram: usize,
    /// The most tokens of text.
    pub(crate) max_tokens: usize,
}

/// What the decoder heard in a window.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Hypothesis {
    /// The text tokens.
    pub(crate) tokens: Vec<usize>,
    /// Mean logarithm of the tokens' probabilities.
    pub(crate) log_probability: f32,
    /// How likely the window holds no speech.
    pub(crate) no_speech: f32,
}

/// When a window's tokens were said.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Alignment {
    /// Start of each token, in samples of the window, then the end of the last.
    pub(crate) bounds: Vec<usize>,
    /// Probability of each token.
    pub(crate) probabilities: Vec<f32>,
}

impl fmt::Debug for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Model")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl Model {
    /// Loads the model in `folder`.
    pub(crate) fn load(folder: &Path, options: &EngineOptions) -> Result<Self, EngineError> {
        check_folder(folder)?;
        let vocabulary = Vocabulary::read(folder)?;
        let config = Config {
            device: Device::CPU,
            compute_type: compute_type(options.compute_type),
            num_threads_per_replica: options.threads.map_or_else(cores, NonZeroUsize::get),
            ..Config::default()
        };
        let whisper = Whisper::new(folder, config).map_err(|source| EngineError::ModelLoad {
            folder: folder.to_owned(),
            source: source.into(),
        })?;
        let mel = Mel::new(whisper.n_mels());
        let name = options.name.clone().unwrap_or_else(|| {
            folder
                .file_name()
                .map_or_else(String::new, |name| name.to_string_lossy().into_owned())
        });
        Ok(Self {
            whisper,
            mel,
            vocabulary,
            name,
        })
    }

    /// Whether the model knows more languages than English.
    pub(crate) fn is_multilingual(&self) -> bool {
        self.whisper.is_multilingual()
    }

    /// The task of writing down speech in a language.
    pub(crate) fn task(&self, language: &str, prompt: Option<&str>) -> Result<Task, EngineError> {
        let unknown = || EngineError::UnknownLanguage {
            model: self.name.clone(),
            language: language.to_owned(),
        };
        let mut tokens = vec!["<|startoftranscript|>".to_owned()];
        if self.is_multilingual() {
            // Two or three letters, so that no other special token passes for a language.
            if !(2..=3).contains(&language.len()) {
                return Err(unknown());
            }
            tokens.extend([format!("<|{language}|>"), "<|transcribe|>".to_owned()]);
        } else if language != "en" {
            return Err(unknown());
        }
        let ids: Option<_> = tokens
            .iter()
            .map(|token| self.vocabulary.special(token))
            .collect();
        let prompt = match prompt.map(str::trim).filter(|prompt| !prompt.is_empty()) {
            Some(prompt) => self.vocabulary.prompt(&self.name, prompt)?,
            None => Vec::new(),
        };
        Ok(Task {
            prompt,
            tokens,
            ids: ids.ok_or_else(unknown)?,
        })
    }

    /// Runs the encoder over windows of samples.
    pub(crate) fn encode(&self, windows: &[&[i16]]) -> Result<Encoded, EngineError> {
        let bands = self.whisper.n_mels();
        let mut features = Vec::with_capacity(windows.len() * bands * COLUMNS);
        windows
            .iter()
            .for_each(|samples| self.mel.append(samples, &mut features));
        let shape = [windows.len(), bands, COLUMNS];
        let view = StorageView::new(&shape, &mut features, Device::CPU)
            .map_err(failed("prepare the spectrogram"))?;
        self.whisper
            .encode(&view, false)
            .map(Encoded)
            .map_err(failed("encode speech"))
    }

    /// The likeliest languages of each window, as ISO codes with probabilities.
    pub(crate) fn languages(
        &self,
        encoded: &Encoded,
    ) -> Result<Vec<Vec<(String, f32)>>, EngineError> {
        let found = self
            .whisper
            .detect_language(&encoded.0)
            .map_err(failed("detect the language"))?;
        let code = |token: &str| token.trim_matches(['<', '|', '>']).to_owned();
        Ok(found
            .into_iter()
            .map(|window| {
                window
                    .iter()
                    .map(|l| (code(&l.language), l.probability))
                    .collect()
            })
            .collect())
    }

    /// Writes down what is said in each of `count` windows.
    pub(crate) fn generate(
        &self,
        encoded: &Encoded,
        count: usize,
        task: &Task,
        search: Search,
    ) -> Result<Vec<Hypothesis>, EngineError> {
        let mut prompt = Vec::new();
        if !task.prompt.is_empty() {
            prompt.push("<|startofprev|>".to_owned());
            prompt.extend_from_slice(&task.prompt);
        }
        prompt.extend_from_slice(&task.tokens);
        prompt.push("<|notimestamps|>".to_owned());
        let options = WhisperOptions {
            beam_size: search.beam,
            no_repeat_ngram_size: search.unique_ngram,
            // The library halves it, and takes it as the bound of prompt and text together.
            max_length: (2 * search.max_tokens)
                .max(prompt.len() + search.max_tokens)
                .min(MAX_POSITIONS),
            return_scores: true,
            return_no_speech_prob: true,
            ..WhisperOptions::default()
        };
        let prompts = vec![prompt; count];
        let results = self
            .whisper
            .generate(&encoded.0, &prompts, &options)
            .map_err(failed("write down speech"))?;
        let hypothesis = |result: ct2rs::sys::WhisperGenerationResult| {
            let mut tokens = result.sequences_ids.into_iter().next().unwrap_or_default();
            // The score is per text token; the end token's probability is in it too.
            let share = tokens.len() as f32 / (tokens.len() + 1) as f32;
            let score = result.scores.first().copied().unwrap_or(f32::NEG_INFINITY);
            tokens.retain(|&token| self.vocabulary.is_text(token));
            let log_probability = score * share;
            Hypothesis {
                tokens,
                log_probability,
                no_speech: result.no_speech_prob,
            }
        };
        Ok(results.into_iter().map(hypothesis).collect())
    }

    /// Finds when tokens were said, by what the decoder attends to while it reads them again.
    ///
    /// `samples` says how long each window is.
    pub(crate) fn align(
        &self,
        encoded: &Encoded,
        task: &Task,
        tokens: &[Vec<usize>],
        samples: &[usize],
    ) -> Result<Vec<Alignment>, EngineError> {
        let columns: Vec<usize> = samples.iter().map(|&s| (s / HOP).min(COLUMNS)).collect();
        let results = self
            .whisper
            .align(&encoded.0, &task.ids, tokens, &columns, MEDIAN_WIDTH)
            .map_err(failed("align words"))?;
        let alignments = results.into_iter().zip(tokens).map(|(result, tokens)| {
            let steps = result.alignments.iter();
            let bounds = first_frames(steps.map(|step| (step.token_x, step.frame_x)), tokens.len());
            Alignment {
                bounds,
                probabilities: result.text_token_probs,
            }
        });
        Ok(alignments.collect())
    }
}

/// From the path of an alignment (token, frame), the sample at which each token begins, and the
/// one at which the end begins.
fn first_frames(path: impl Iterator<Item = (i64, i64)>, tokens: usize) -> Vec<usize> {
    let mut bounds = Vec::with_capacity(tokens + 1);
    for (token, frame) in path {
        let frame = usize::try_from(frame).unwrap_or(0);
        if usize::try_from(token).is_ok_and(|token| token == bounds.len()) {
            bounds.push(frame * ENCODER_FRAME);
        }
    }
    let last = bounds.last().copied().unwrap_or(0);
    bounds.resize(tokens + 1, last);
    bounds
}

fn check_folder(folder: &Path) -> Result<(), EngineError> {
    let has = |file: &&str| folder.join(file).is_file();
    let mut missing: Vec<String> = REQUIRED
        .iter()
        .filter(|file| !has(file))
        .map(|&file| file.to_owned())
        .collect();
    if !FILES.iter().any(has) {
        missing.push(FILES.join(" or "));
    }
    if missing.is_empty() {
        return Ok(());
    }
    Err(EngineError::ModelIncomplete {
        folder: folder.to_owned(),
        missing,
    })
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, NonZeroUsize::get)
}

fn compute_type(wanted: ComputeType) -> ct2rs::sys::ComputeType {
    match wanted {
        ComputeType::Auto => ct2rs::sys::ComputeType::AUTO,
        ComputeType::Int8 => ct2rs::sys::ComputeType::INT8,
        ComputeType::Float32 => ct2rs::sys::ComputeType::FLOAT32,
    }
}

fn failed<E: Into<Cause>>(operation: &'static str) -> impl FnOnce(E) -> EngineError {
    move |source| EngineError::Inference {
        operation,
        source: source.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_begin_where_the_path_first_meets_them() {
        let path = [(0, 0), (0, 1), (1, 2), (2, 2), (2, 3), (3, 9)];
        assert_eq!(first_frames(path.into_iter(), 3), [0, 640, 640, 2_880]);
        assert_eq!(first_frames([].into_iter(), 2), [0, 0, 0]);
    }

    #[test]
    fn a_folder_without_a_model_is_refused_by_what_it_lacks() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("config.json"), "{}").unwrap();
        let error = Model::load(folder.path(), &EngineOptions::default()).unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains("lacks model.bin, vocabulary.json or vocabulary.txt"),
            "{text}"
        );
    }
}
