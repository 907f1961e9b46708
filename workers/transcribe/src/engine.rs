//! The transcription engine: a loaded model, and what turns a recording into a transcript.
//!
//! The engine promises: every word has a time of its own that lies in speech; a recording without
//! speech gives no words; the same recording gives the same transcript; memory depends on the
//! batch size, not on the recording's length (but for a few bytes per frame and word).

use std::num::NonZeroUsize;
use std::path::Path;

use colloquy_contract::transcript::{Role, Transcript};

use crate::decode::{Doubts, Sound, decode};
pub use crate::error::EngineError;
use crate::model::{Encoded, Model, Task};
pub use crate::recording::{Blocks, Pcm, Recording, SAMPLE_RATE};
use crate::speech::{Span, stretches};
use crate::survey::{FRAME_SAMPLES, Survey};
use crate::turns::turns;
use crate::windows::{Collector, Window, pack};
use crate::words::{TimedWord, is_spaced, words};

/// The language of a recording without speech, by a model that has to detect it: undetermined.
const NO_LANGUAGE: &str = "und";

/// What numbers the model computes with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ComputeType {
    /// Weights of 8 bits: fastest on CPUs, at next to no loss.
    #[default]
    Int8,
    /// 32-bit floating point.
    Float32,
    /// The fastest that this machine can do.
    Auto,
}

/// How to load and run a model.
#[derive(Debug, Clone)]
pub struct EngineOptions {
    /// What the model computes with.
    pub compute_type: ComputeType,
    /// Threads of a computation; all cores if not given.
    pub threads: Option<NonZeroUsize>,
    /// Texts that are followed at once; 1 is a greedy search.
    pub beam_size: NonZeroUsize,
    /// Windows that are transcribed at once. Each takes about 80 MB with the base model.
    pub batch_size: NonZeroUsize,
    /// The model's name for transcripts; its folder's name if not given.
    pub name: Option<String>,
}

impl Default for EngineOptions {
    fn default() -> Self {
        Self {
            compute_type: ComputeType::default(),
            threads: None,
            beam_size: NonZeroUsize::MIN,
            batch_size: NonZeroUsize::MIN.saturating_add(7),
            name: None,
        }
    }
}

/// What is wanted of one transcription.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// The language spoken, ISO 639-1; detected once per conversation if not given.
    pub language: Option<String>,
    /// Who speaks on each channel.
    pub roles: Vec<Role>,
    /// Names and terms to expect, in a sentence or separated by commas. Its first 223 tokens count.
    pub vocabulary: Option<String>,
}

/// A transcript, and what was found on the way.
#[derive(Debug, Clone, PartialEq)]
pub struct Transcription {
    /// Who said what, when.
    pub transcript: Transcript,
    /// What was found.
    pub findings: Findings,
}

/// What a recording was like; for logs and metrics, without a word of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Findings {
    /// For each channel the earlier channel that carries the same sound, if any. Such a channel is
    /// not transcribed again, and neither it nor the earlier one has a role: both speakers are on
    /// one channel.
    pub copy_of: Vec<Option<usize>>,
    /// Milliseconds of speech on each channel.
    pub speech_ms: Vec<u64>,
    /// Windows that were transcribed.
    pub windows: usize,
    /// Windows that were tried more than once, for a text that repeats itself or is unlikely.
    pub retried: usize,
    /// Windows that were transcribed again in halves, for their text left out speech.
    pub heard_again: usize,
}

/// A loaded speech model.
///
/// Safe to share: transcriptions that run at once take turns, batch by batch.
#[derive(Debug)]
pub struct Engine {
    model: Model,
    beam: usize,
    batch: usize,
}

impl Engine {
    /// Loads the CTranslate2 Whisper model in a folder.
    ///
    /// # Errors
    /// When the folder lacks a file, or holds a model that does not load.
    pub fn load(model_dir: &Path, options: &EngineOptions) -> Result<Self, EngineError> {
        let model = Model::load(model_dir, options)?;
        Ok(Self {
            model,
            beam: options.beam_size.get(),
            batch: options.batch_size.get(),
        })
    }

    /// The model's name, as in transcripts.
    pub fn model_name(&self) -> &str {
        &self.model.name
    }

    /// Whether the model knows more languages than English.
    pub fn is_multilingual(&self) -> bool {
        self.model.is_multilingual()
    }

    /// Transcribes a recording. Blocks for as long as it takes: call it from a thread for that.
    ///
    /// `progress` hears the share done, 0 to 1; `cancel` is asked between blocks and batches.
    ///
    /// # Errors
    /// When the request does not suit the model, the recording cannot be read, the inference
    /// library fails, or `cancel` says so.
    pub fn transcribe(
        &self,
        recording: &dyn Recording,
        request: &Request,
        progress: &dyn Fn(f32),
        cancel: &dyn Fn() -> bool,
    ) -> Result<Transcription, EngineError> {
        let mut job = Job::new(self, request, progress, cancel)?;
        let survey = Survey::of(recording, cancel)?;
        let windows = job.find_speech(&survey);
        job.read(recording, windows)?;
        Ok(job.finish(&survey, &request.roles))
    }
}

/// How many windows are transcribed in halves at once.
const HALVED: usize = 2;

/// The speech in a window that its words leave out.
fn left_out(window: &Window, words: &[TimedWord]) -> Vec<Span> {
    let times: Vec<_> = words.iter().map(|word| word.samples.clone()).collect();
    window.left_out(&times)
}

fn frames(spans: &[Span]) -> usize {
    spans.iter().map(ExactSizeIterator::len).sum()
}

fn sounds(batch: &[Sound]) -> Vec<&[i16]> {
    batch
        .iter()
        .map(|(_, samples)| samples.as_slice())
        .collect()
}

/// One transcription.
struct Job<'a> {
    engine: &'a Engine,
    request: &'a Request,
    progress: &'a dyn Fn(f32),
    cancel: &'a dyn Fn() -> bool,
    /// Known from the request, or from the first batch on.
    task: Option<(String, Task)>,
    words: Vec<Vec<TimedWord>>,
    findings: Findings,
    done: usize,
}

impl<'a> Job<'a> {
    fn new(
        engine: &'a Engine,
        request: &'a Request,
        progress: &'a dyn Fn(f32),
        cancel: &'a dyn Fn() -> bool,
    ) -> Result<Self, EngineError> {
        let mut job = Self {
            engine,
            request,
            progress,
            cancel,
            task: None,
            words: Vec::new(),
            findings: Findings::default(),
            done: 0,
        };
        match &request.language {
            Some(language) => job.set_language(language)?,
            None if !engine.is_multilingual() => job.set_language("en")?,
            None => {}
        }
        Ok(job)
    }

    fn set_language(&mut self, language: &str) -> Result<(), EngineError> {
        let task = self
            .engine
            .model
            .task(language, self.request.vocabulary.as_deref())?;
        self.task = Some((language.to_owned(), task));
        Ok(())
    }

    /// The windows of each channel; none for a channel that is a copy.
    fn find_speech(&mut self, survey: &Survey) -> Vec<Vec<Window>> {
        let mut windows = Vec::with_capacity(survey.frames.len());
        for (channel, (frames, copy)) in survey.frames.iter().zip(&survey.copy_of).enumerate() {
            let speech = stretches(frames);
            let spoken: usize = speech.iter().map(ExactSizeIterator::len).sum();
            self.findings
                .speech_ms
                .push((spoken * FRAME_SAMPLES * 1_000) as u64 / u64::from(SAMPLE_RATE));
            windows.push(if copy.is_some() {
                Vec::new()
            } else {
                pack(channel, &speech, frames)
            });
        }
        self.findings.windows = windows.iter().map(Vec::len).sum();
        self.findings.copy_of.clone_from(&survey.copy_of);
        self.words = vec![Vec::new(); windows.len()];
        windows
    }

    /// Reads the recording again, and transcribes its windows batch by batch.
    fn read(
        &mut self,
        recording: &dyn Recording,
        windows: Vec<Vec<Window>>,
    ) -> Result<(), EngineError> {
        if self.findings.windows == 0 {
            return Ok(());
        }
        let mut collectors: Vec<Collector> = windows.into_iter().map(Collector::new).collect();
        let mut ready: Vec<Sound> = Vec::new();
        let (mut block, mut channel) = (Vec::new(), Vec::new());
        let mut blocks = recording
            .open()
            .map_err(|source| EngineError::ReadRecording { source })?;
        while blocks
            .next_block(&mut block)
            .map_err(|source| EngineError::ReadRecording { source })?
        {
            let count = collectors.len();
            for (at, collector) in collectors.iter_mut().enumerate() {
                channel.clear();
                channel.extend(block.iter().skip(at).step_by(count));
                collector.take(&channel, &mut ready);
            }
            while ready.len() >= self.engine.batch {
                let batch: Vec<Sound> = ready.drain(..self.engine.batch).collect();
                self.transcribe_batch(&batch)?;
            }
        }
        ready.extend(collectors.iter_mut().filter_map(Collector::finish));
        ready
            .chunks(self.engine.batch)
            .try_for_each(|batch| self.transcribe_batch(batch))
    }

    fn transcribe_batch(&mut self, batch: &[Sound]) -> Result<(), EngineError> {
        if (self.cancel)() {
            return Err(EngineError::Cancelled);
        }
        let encoded = self.engine.model.encode(&sounds(batch))?;
        let (language, task) = self.task(&encoded)?;
        let spaced = is_spaced(&language);
        let heard = self.understand(batch, &encoded, &task, spaced, Doubts::Keep)?;
        let heard = self.hear_again(batch, heard, &task, spaced)?;
        for (said, (window, _)) in heard.into_iter().zip(batch) {
            self.words[window.channel].extend(said);
        }
        self.done += batch.len();
        (self.progress)(self.done as f32 / self.findings.windows as f32);
        Ok(())
    }

    /// Transcribes windows whose text leaves out speech again, in halves, and takes the halves'
    /// text where it leaves out less. Models at times end a text long before the sound, and its
    /// words then have the wrong times, too.
    fn hear_again(
        &mut self,
        batch: &[Sound],
        mut heard: Vec<Vec<TimedWord>>,
        task: &Task,
        spaced: bool,
    ) -> Result<Vec<Vec<TimedWord>>, EngineError> {
        let (mut owners, mut halves) = (Vec::new(), Vec::new());
        for (at, ((window, sound), said)) in batch.iter().zip(&heard).enumerate() {
            let left = left_out(window, said);
            // Without any words, the model heard no speech, and may be right.
            let first = left.first().filter(|_| !said.is_empty());
            if let Some(parts) = first.and_then(|first| window.halves(sound, first.start)) {
                owners.push(at);
                halves.extend(parts);
            }
        }
        self.findings.heard_again += owners.len();
        for (owners, halves) in owners.chunks(HALVED).zip(halves.chunks(2 * HALVED)) {
            if (self.cancel)() {
                return Err(EngineError::Cancelled);
            }
            let encoded = self.engine.model.encode(&sounds(halves))?;
            let again = self.understand(halves, &encoded, task, spaced, Doubts::Drop)?;
            for (&owner, parts) in owners.iter().zip(again.chunks(2)) {
                let window = &batch[owner].0;
                let said = parts.concat();
                if frames(&left_out(window, &said)) < frames(&left_out(window, &heard[owner])) {
                    heard[owner] = said;
                }
            }
        }
        Ok(heard)
    }

    /// The words of each window.
    fn understand(
        &mut self,
        batch: &[Sound],
        encoded: &Encoded,
        task: &Task,
        spaced: bool,
        doubts: Doubts,
    ) -> Result<Vec<Vec<TimedWord>>, EngineError> {
        let model = &self.engine.model;
        let decoded = decode(model, encoded, batch, task, self.engine.beam, doubts)?;
        self.findings.retried += decoded.retried;
        let tokens: Vec<Vec<usize>> = decoded.hypotheses.into_iter().map(|h| h.tokens).collect();
        let lengths: Vec<usize> = batch.iter().map(|(_, sound)| sound.len()).collect();
        let alignments = model.align(encoded, task, &tokens, &lengths)?;
        let windows = batch.iter().map(|(window, _)| window);
        Ok(windows
            .zip(tokens.iter().zip(&alignments))
            .map(|(window, (tokens, alignment))| {
                words(&model.vocabulary, spaced, window, tokens, alignment)
            })
            .collect())
    }

    /// The task, its language detected from the first batch if need be.
    fn task(&mut self, encoded: &Encoded) -> Result<(String, Task), EngineError> {
        if self.task.is_none() {
            let mut sums: Vec<(String, f32)> = Vec::new();
            for (language, probability) in
                self.engine.model.languages(encoded)?.into_iter().flatten()
            {
                match sums.iter_mut().find(|(known, _)| *known == language) {
                    Some((_, sum)) => *sum += probability,
                    None => sums.push((language, probability)),
                }
            }
            let likeliest = sums.into_iter().max_by(|a, b| a.1.total_cmp(&b.1));
            self.set_language(
                &likeliest.map_or_else(|| "en".to_owned(), |(language, _)| language),
            )?;
        }
        self.task.clone().ok_or(EngineError::Cancelled)
    }

    fn finish(mut self, survey: &Survey, roles: &[Role]) -> Transcription {
        let mut channels: Vec<Role> = (0..survey.frames.len())
            .map(|channel| roles.get(channel).copied().unwrap_or_default())
            .collect();
        for (channel, copy) in survey.copy_of.iter().enumerate() {
            if let Some(original) = copy {
                channels[channel] = Role::Unknown;
                channels[*original] = Role::Unknown;
            }
        }
        (self.progress)(1.0);
        let words = std::mem::take(&mut self.words);
        let transcript = Transcript {
            version: Transcript::VERSION,
            language: self
                .task
                .map_or_else(|| NO_LANGUAGE.to_owned(), |(language, _)| language),
            duration_ms: survey.samples * 1_000 / u64::from(SAMPLE_RATE),
            model: self.engine.model.name.clone(),
            turns: turns(words, &channels),
            channels,
        };
        Transcription {
            transcript,
            findings: self.findings,
        }
    }
}
