//! The transcription engine: a loaded model, and what turns a recording into a transcript.
//!
//! The engine promises: every word has a time of its own that lies in speech; a recording without
//! speech gives no words; the same recording gives the same transcript; memory depends on the
//! batch size, not on the recording's length (but for a few bytes per frame and word).

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::Path;

use colloquy_contract::transcript::{Role, Transcript};

use crate::batches::{Desk, Order};
use crate::crew::{Crew, Equipment, Told};
use crate::crosstalk::drop_echoes;
use crate::decode::{Effort, Sound};
pub use crate::error::EngineError;
use crate::listen::{self, Heard, hear_encoded};
use crate::model::{Encoded, Hearing, Model, Task, length_class};
pub use crate::recording::{Blocks, Pcm, Recording, SAMPLE_RATE};
use crate::speech::stretches;
use crate::survey::{FRAME_SAMPLES, Survey, channel_roles};
use crate::turns::turns;
use crate::windows::{Collector, Window, pack};
use crate::words::TimedWord;

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
    /// 16-bit floating point with the range of 32 bits, where the machine computes with it
    /// (AVX-512 BF16, AMX); elsewhere the inference library takes 32 bits.
    Bfloat16,
    /// The fastest that this machine can do.
    Auto,
}

/// How to load and run a model.
#[derive(Debug, Clone)]
pub struct EngineOptions {
    /// What the model computes with.
    pub compute_type: ComputeType,
    /// Threads that compute; all cores if not given. They hear several batches at the same time, as
    /// many as the model may have copies for (512 MB of them), for a batch gains little from a
    /// second thread.
    pub threads: Option<NonZeroUsize>,
    /// Texts that are followed at once; 1 is a greedy search.
    pub beam_size: NonZeroUsize,
    /// Windows in a batch. Each takes about 40 MB with the base model.
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
            batch_size: NonZeroUsize::MIN.saturating_add(2),
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
    /// Windows that were transcribed again, for their text left out speech.
    pub heard_again: usize,
    /// Segments whose words have no times of their own; none by this engine.
    pub estimated: usize,
}

/// A loaded speech model.
///
/// Safe to share: transcriptions that run at once share batches and take turns.
#[derive(Debug)]
pub struct Engine {
    model: Model,
    desk: Desk,
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
            desk: Desk::new(model.replicas()),
            model,
            beam: options.beam_size.get(),
            batch: options.batch_size.get(),
        })
    }

    fn equipment(&self) -> Equipment<'_> {
        Equipment {
            model: &self.model,
            desk: &self.desk,
            beam: self.beam,
            batch: self.batch,
        }
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
        let survey = Survey::of(recording, self.model.replicas(), cancel)?;
        let windows = job.find_speech(&survey);
        job.read(recording, windows)?;
        Ok(job.finish(&survey, &request.roles))
    }
}

/// One transcription.
struct Job<'a> {
    engine: &'a Engine,
    request: &'a Request,
    progress: &'a dyn Fn(f32),
    cancel: &'a dyn Fn() -> bool,
    /// Known from the request, or from the first batch on.
    task: Option<Task>,
    /// Windows that wait for others of their length class, fewer than a batch of each.
    classes: BTreeMap<usize, Vec<Sound>>,
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
            classes: BTreeMap::new(),
            words: Vec::new(),
            findings: Findings::default(),
            done: 0,
        };
        match &request.language {
            Some(language) => drop(job.set_language(language)?),
            None if !engine.is_multilingual() => drop(job.set_language("en")?),
            None => {}
        }
        Ok(job)
    }

    fn set_language(&mut self, language: &str) -> Result<Task, EngineError> {
        let vocabulary = self.request.vocabulary.as_deref();
        let task = self.engine.model.task(language, vocabulary)?;
        Ok(self.task.insert(task).clone())
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

    /// Reads the recording again, and has its windows heard batch by batch.
    fn read(
        &mut self,
        recording: &dyn Recording,
        windows: Vec<Vec<Window>>,
    ) -> Result<(), EngineError> {
        if self.findings.windows == 0 {
            return Ok(());
        }
        let equipment = self.engine.equipment();
        std::thread::scope(|scope| {
            let mut crew = Crew::start(scope, equipment);
            self.read_windows(recording, windows, &mut crew)?;
            self.give_rest(&mut crew)?;
            while let Some(told) = crew.next() {
                self.note(told)?;
            }
            Ok(())
        })
    }

    fn read_windows(
        &mut self,
        recording: &dyn Recording,
        windows: Vec<Vec<Window>>,
        crew: &mut Crew,
    ) -> Result<(), EngineError> {
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
            self.sort(&mut ready, crew)?;
        }
        ready.extend(collectors.iter_mut().filter_map(Collector::finish));
        self.sort(&mut ready, crew)
    }

    /// Puts windows that came to their length classes, and gives every full class to the crew.
    fn sort(&mut self, ready: &mut Vec<Sound>, crew: &mut Crew) -> Result<(), EngineError> {
        for sound in ready.drain(..) {
            let class = length_class(sound.1.len());
            let sounds = self.classes.entry(class).or_default();
            sounds.push(sound);
            if sounds.len() == self.engine.batch {
                let sounds = std::mem::take(sounds);
                self.give(class, sounds, crew)?;
            }
        }
        Ok(())
    }

    /// Gives what fills no batch, so that the whole crew has a part of it. The longest first: the
    /// language is detected best from them.
    fn give_rest(&mut self, crew: &mut Crew) -> Result<(), EngineError> {
        while let Some((columns, mut sounds)) = self.classes.pop_last() {
            let part = sounds.len().div_ceil(self.engine.model.replicas()).max(1);
            while !sounds.is_empty() {
                let rest = sounds.split_off(part.min(sounds.len()));
                self.give(columns, sounds, crew)?;
                sounds = rest;
            }
        }
        Ok(())
    }

    fn give(
        &mut self,
        columns: usize,
        sounds: Vec<Sound>,
        crew: &mut Crew,
    ) -> Result<(), EngineError> {
        if (self.cancel)() {
            return Err(EngineError::Cancelled);
        }
        let Some(task) = self.task.clone() else {
            let channels = sounds.iter().map(|(window, _)| window.channel).collect();
            let engine = self.engine;
            let heard = engine.desk.alone(|| self.hear_first(columns, sounds));
            return self.note((channels, heard));
        };
        let told = crew.give(Order {
            task,
            columns,
            sounds,
        });
        told.into_iter().try_for_each(|told| self.note(told))
    }

    /// Takes what was heard in some windows.
    fn note(&mut self, (channels, heard): Told) -> Result<(), EngineError> {
        for (channel, window) in channels.into_iter().zip(heard?.windows) {
            self.findings.retried += usize::from(window.effort == Effort::Harder);
            self.findings.heard_again += usize::from(window.heard_again);
            self.words[channel].extend(window.words);
            self.done += 1;
        }
        (self.progress)(self.done as f32 / self.findings.windows as f32);
        Ok(())
    }

    /// Hears the first batch of a recording whose language is not known yet, and detects it.
    fn hear_first(&mut self, columns: usize, sounds: Vec<Sound>) -> Result<Heard, EngineError> {
        let Engine { model, beam, .. } = self.engine;
        let encoded = model.encode(&listen::sounds(&sounds), Hearing::Sound(columns))?;
        let task = self.detect(&encoded)?;
        let order = Order {
            task,
            columns,
            sounds,
        };
        hear_encoded(model, *beam, &order, &encoded)
    }

    /// The task, in the language that is likeliest over all of these windows.
    fn detect(&mut self, encoded: &Encoded) -> Result<Task, EngineError> {
        let mut sums: Vec<(String, f32)> = Vec::new();
        for (language, probability) in self.engine.model.languages(encoded)?.into_iter().flatten() {
            match sums.iter_mut().find(|(known, _)| *known == language) {
                Some((_, sum)) => *sum += probability,
                None => sums.push((language, probability)),
            }
        }
        let likeliest = sums.into_iter().max_by(|a, b| a.1.total_cmp(&b.1));
        self.set_language(&likeliest.map_or_else(|| "en".to_owned(), |(language, _)| language))
    }

    fn finish(mut self, survey: &Survey, roles: &[Role]) -> Transcription {
        let channels = channel_roles(&survey.copy_of, roles);
        (self.progress)(1.0);
        let mut words = std::mem::take(&mut self.words);
        // Windows of different lengths were heard in another order than they were said.
        for channel in &mut words {
            channel.sort_by_key(|word| word.samples.start);
        }
        drop_echoes(&mut words, &survey.frames);
        let transcript = Transcript {
            version: Transcript::VERSION,
            language: self
                .task
                .map_or_else(|| NO_LANGUAGE.to_owned(), |task| task.language().to_owned()),
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
