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

/// Columns of silence after what sounds, 3 s. With 1 s, texts more often go astray.
const SILENCE: usize = 300;
/// Columns from one length class to the next.
const CLASS: usize = 200;

/// What the weights of all copies of a model may take in bytes, as long as there are several.
const WEIGHTS: u64 = 512 << 20;

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
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Task {
    language: String,
    /// Tokens of the request's vocabulary, if any.
    pub(crate) prompt: Vec<String>,
    /// From the start of the transcript on.
    pub(crate) tokens: Vec<String>,
    /// The same in numbers.
    pub(crate) ids: Vec<usize>,
}

/// How much the encoder hears of a window.
///
/// Whisper was trained on 30 s, silence where nobody spoke. Its attention costs the square of that,
/// so a shorter silence saves most of the work; but now and then a text goes astray for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hearing {
    /// So many columns of spectrogram: the windows' [`length_class`].
    Sound(usize),
    /// The 30 s of the training.
    Whole,
}

impl Hearing {
    const fn columns(self) -> usize {
        match self {
            Self::Sound(columns) => columns,
            Self::Whole => COLUMNS,
        }
    }
}

/// How many columns of spectrogram a window of so many samples is heard with: what sounds, and a
/// little silence by which the model knows the end, in steps.
pub(crate) fn length_class(samples: usize) -> usize {
    let sounding = samples.div_ceil(HOP) + SILENCE;
    sounding.next_multiple_of(CLASS).min(COLUMNS)
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

impl Task {
    /// The language that is spoken, ISO 639-1.
    pub(crate) fn language(&self) -> &str {
        &self.language
    }
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
        let threads = options.threads.map_or_else(cores, NonZeroUsize::get);
        let replicas = replicas(folder, threads);
        let config = Config {
            device: Device::CPU,
            compute_type: compute_type(options.compute_type),
            // Each mention of the device is a copy of the weights.
            device_indices: vec![0; replicas],
            num_threads_per_replica: threads / replicas,
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

    /// How many batches it hears at the same time.
    pub(crate) fn replicas(&self) -> usize {
        self.whisper.num_replicas()
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
            language: language.to_owned(),
            prompt,
            tokens,
            ids: ids.ok_or_else(unknown)?,
        })
    }

    /// Runs the encoder over windows of samples.
    pub(crate) fn encode(
        &self,
        windows: &[&[i16]],
        hearing: Hearing,
    ) -> Result<Encoded, EngineError> {
        let bands = self.whisper.n_mels();
        let columns = hearing.columns();
        let mut features = Vec::with_capacity(windows.len() * bands * columns);
        windows
            .iter()
            .for_each(|samples| self.mel.append(samples, columns, &mut features));
        let shape = [windows.len(), bands, columns];
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

/// How many copies of the model so many threads share: a batch gains little from a second thread,
/// but large weights are not to be held twice.
fn replicas(folder: &Path, threads: usize) -> usize {
    let weights = std::fs::metadata(folder.join(REQUIRED[0])).map_or(0, |file| file.len());
    let copies = WEIGHTS / weights.max(1);
    usize::try_from(copies)
        .unwrap_or(usize::MAX)
        .clamp(1, threads)
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, NonZeroUsize::get)
}

fn compute_type(wanted: ComputeType) -> ct2rs::sys::ComputeType {
    match wanted {
        ComputeType::Auto => ct2rs::sys::ComputeType::AUTO,
        ComputeType::Int8 => ct2rs::sys::ComputeType::INT8,
        ComputeType::Float32 => ct2rs::sys::ComputeType::FLOAT32,
        ComputeType::Bfloat16 => ct2rs::sys::ComputeType::BFLOAT16,
    }
}

fn failed<E: Into<Cause>>(operation: &'static str) -> impl FnOnce(E) -> EngineError {
    move |source| EngineError::Inference {
        operation,
        source: source.into(),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A task in a language.
    pub(crate) fn task(language: &str) -> Task {
        Task {
            language: language.to_owned(),
            prompt: Vec::new(),
            tokens: Vec::new(),
            ids: Vec::new(),
        }
    }

    #[test]
    fn windows_of_about_the_same_length_are_of_one_class() {
        assert_eq!(length_class(0), 400);
        assert_eq!(length_class(16_000 * 15), 1_800);
        assert_eq!(length_class(16_000 * 14), 1_800);
        assert_eq!(length_class(16_000 * 30), COLUMNS);
    }

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
