//! A second engine: any server with OpenAI's `/v1/audio/transcriptions`.
//!
//! Promises:
//!
//! - **Only speech leaves, channel by channel.** The same survey as the local engine's finds silent
//!   channels and copies of others; long silences are shortened. An upload is bounded in size and
//!   length and is cut at pauses.
//! - **No call is lost to a server that is away or set up wrongly.** A circuit breaker that all
//!   handlers of the process share keeps calls waiting until one attempt works, for hours; only a
//!   server that works and yet cannot do with a recording gives that one up.
//! - **What is not known is not made up.** A word has times of its own, or its turn says that it
//!   has not ([`WordTimes::Estimated`]); a server that tells no times at all is not used.
//! - **Nothing waits for ever**, no answer is read beyond a limit, and cancelling is heeded at once.
//! - **Nothing said, and no key, gets into a log or an error.** Answers are never quoted.

mod answer;
mod client;
mod error;
mod language;
mod options;
mod pieces;
mod sound;

use std::{sync::Arc, time::Duration};

use colloquy_contract::transcript::{Transcript, Turn, WordTimes};
use futures::{StreamExt, TryStreamExt, stream};
use tokio::{sync::mpsc, task::JoinHandle, time::Instant};
use tokio_util::sync::CancellationToken;
use tracing::Span;

use crate::{
    crosstalk::drop_echoes,
    engine::{EngineError, Findings, Recording, Request, SAMPLE_RATE, Transcription},
    speech::{Span as Frames, stretches},
    survey::{FRAME_SAMPLES, Survey, channel_roles},
    turns::{turns, word},
    words::TimedWord,
};

use answer::{Heard, Segment};
use client::{Asked, Client};
use pieces::{Plan, Upload};

pub use error::{RemoteError, Trouble};
pub use options::{Key, OptionsError, RemoteLimits, RemoteOptions, SoundFormat};

/// The language of a recording whose server told none: undetermined.
const NO_LANGUAGE: &str = "und";

/// Most bytes of a prompt: servers read its last 224 tokens only, of three bytes or more.
const MAX_PROMPT_BYTES: usize = 672;

/// A server that turns speech into text.
///
/// Safe to share: all that use it share its circuit breaker and the limit of requests.
#[derive(Debug)]
pub struct RemoteEngine {
    client: Client,
    options: RemoteOptions,
}

impl RemoteEngine {
    /// An engine. A provider of cryptography for TLS must have been installed. The server is not
    /// asked yet: it may come up later.
    ///
    /// # Errors
    /// When an option cannot be used.
    pub fn new(options: RemoteOptions) -> Result<Self, OptionsError> {
        let client = Client::new(&options)?;
        if !client.is_private() {
            tracing::warn!(
                host = client.host(),
                "recordings go to the speech server unencrypted: give an https address"
            );
        }
        Ok(Self { client, options })
    }

    /// The model's name, as in transcripts.
    pub fn model_name(&self) -> &str {
        &self.options.model
    }

    /// The server's host, for logs.
    pub fn host(&self) -> &str {
        self.client.host()
    }

    /// Transcribes a recording.
    ///
    /// # Errors
    /// [`RemoteError`] says which pass. A server that does not answer or refuses everything is
    /// waited for, up to [`RemoteLimits::patience`].
    pub async fn transcribe<R>(
        &self,
        recording: Arc<R>,
        request: &Request,
        cancel: &CancellationToken,
    ) -> Result<Transcription, RemoteError>
    where
        R: Recording + Send + Sync + 'static,
    {
        let survey = survey(recording.clone(), cancel).await?;
        let deadline = Instant::now() + self.options.limits.patience;
        let mut job = Job::new(self, request, survey, deadline);
        if job.findings.windows > 0 {
            job.hear(recording, cancel).await?;
        }
        Ok(job.finish())
    }
}

/// The first reading of the recording, on a thread for it.
async fn survey<R>(recording: Arc<R>, cancel: &CancellationToken) -> Result<Survey, RemoteError>
where
    R: Recording + Send + Sync + 'static,
{
    let (cancel, span) = (cancel.clone(), Span::current());
    let reading = tokio::task::spawn_blocking(move || {
        span.in_scope(|| Survey::of(recording.as_ref(), 1, &|| cancel.is_cancelled()))
    });
    let survey = reading.await.map_err(|_| RemoteError::Broken)?;
    Ok(survey?)
}

/// One transcription.
struct Job<'a> {
    engine: &'a RemoteEngine,
    request: &'a Request,
    prompt: Option<String>,
    language: Option<String>,
    survey: Survey,
    speech: Vec<Vec<Frames>>,
    plan: Plan,
    findings: Findings,
    words: Vec<Vec<TimedWord>>,
    segments: Vec<Vec<Segment>>,
    deadline: Instant,
}

impl<'a> Job<'a> {
    fn new(
        engine: &'a RemoteEngine,
        request: &'a Request,
        survey: Survey,
        deadline: Instant,
    ) -> Self {
        let speech: Vec<_> = survey
            .frames
            .iter()
            .map(|frames| stretches(frames))
            .collect();
        let longest = engine.options.longest_frames();
        let plan = pieces::plan(&survey, &speech, longest);
        let ms = |spans: &Vec<Frames>| {
            let spoken: usize = spans.iter().map(ExactSizeIterator::len).sum();
            (spoken * FRAME_SAMPLES * 1_000) as u64 / u64::from(SAMPLE_RATE)
        };
        let findings = Findings {
            copy_of: survey.copy_of.clone(),
            speech_ms: speech.iter().map(ms).collect(),
            windows: plan.iter().map(Vec::len).sum(),
            ..Findings::default()
        };
        Self {
            engine,
            request,
            prompt: request.vocabulary.as_deref().map(prompt),
            language: request.language.clone(),
            words: vec![Vec::new(); speech.len()],
            segments: vec![Vec::new(); speech.len()],
            survey,
            speech,
            plan,
            findings,
            deadline,
        }
    }

    /// Reads the recording again and has its pieces transcribed, some at once.
    async fn hear<R>(
        &mut self,
        recording: Arc<R>,
        cancel: &CancellationToken,
    ) -> Result<(), RemoteError>
    where
        R: Recording + Send + Sync + 'static,
    {
        let plan = std::mem::take(&mut self.plan);
        // One that is ready waits while the others are under way.
        let (ready, uploads) = mpsc::channel(1);
        let reader = read(
            recording,
            plan,
            self.engine.options.format,
            ready,
            cancel.clone(),
        );
        let heard = tokio::select! {
            biased;
            () = cancel.cancelled() => Err(RemoteError::Cancelled),
            heard = self.ask(uploads) => heard,
        };
        // Its receiver is gone: it stops at the next piece, if it has not ended.
        let read = reader.await.map_err(|_| RemoteError::Broken)?;
        heard?;
        read
    }

    async fn ask(&mut self, mut uploads: mpsc::Receiver<Upload>) -> Result<(), RemoteError> {
        // Until one tells the language, so that no two pieces are taken for different ones.
        while self.language.is_none() {
            let Some(upload) = uploads.recv().await else {
                return Ok(());
            };
            let (upload, asked) = self.ask_one(upload).await?;
            let spoken = !asked.heard.is_empty();
            self.language = asked.language.clone().filter(|_| spoken);
            self.take(&upload, asked);
        }
        let answers: Vec<_> = stream::poll_fn(|context| uploads.poll_recv(context))
            .map(|upload| self.ask_one(upload))
            .buffered(self.engine.options.limits.parallel.get())
            .try_collect()
            .await?;
        for (upload, asked) in answers {
            self.take(&upload, asked);
        }
        Ok(())
    }

    async fn ask_one(&self, mut upload: Upload) -> Result<(Upload, Asked), RemoteError> {
        let language = self.language.as_deref();
        let prompt = self.prompt.as_deref();
        let client = &self.engine.client;
        let asked = client
            .transcribe(&upload, language, prompt, self.deadline)
            .await?;
        // The sound has been heard.
        upload.sound = bytes::Bytes::new();
        Ok((upload, asked))
    }

    fn take(&mut self, upload: &Upload, asked: Asked) {
        let Heard { words, segments } = asked.heard;
        let channel = upload.window.channel;
        self.findings.retried += usize::from(asked.attempts > 1);
        self.findings.estimated += segments.len();
        self.words[channel].extend(words);
        self.segments[channel].extend(segments);
    }

    fn finish(mut self) -> Transcription {
        let channels = channel_roles(&self.survey.copy_of, &self.request.roles);
        drop_echoes(&mut self.words, &self.survey.frames);
        let mut all = turns(self.words, &channels);
        for (channel, segments) in self.segments.into_iter().enumerate() {
            let segments = pieces::widen(segments, &self.speech[channel]);
            all.extend(segments.iter().filter_map(|segment| {
                let words = segment.spread().into_iter().map(word).collect();
                let turn = Turn::new(channel as u16, channels[channel], words)?;
                Some(Turn {
                    word_times: WordTimes::Estimated,
                    ..turn
                })
            }));
        }
        all.sort_by_key(|turn| (turn.start_ms, turn.channel));
        if self.findings.estimated > 0 {
            tracing::warn!(
                host = self.engine.host(),
                segments = self.findings.estimated,
                "the speech server told no times of words in these segments: where one holds \
                 personal data, all of it is cut from the recording"
            );
        }
        Transcription {
            transcript: Transcript {
                version: Transcript::VERSION,
                language: self.language.unwrap_or_else(|| NO_LANGUAGE.to_owned()),
                duration_ms: self.survey.samples * 1_000 / u64::from(SAMPLE_RATE),
                model: self.engine.options.model.clone(),
                turns: all,
                channels,
            },
            findings: self.findings,
        }
    }
}

/// As much of a vocabulary as a server reads, whole terms only.
fn prompt(vocabulary: &str) -> String {
    let vocabulary = vocabulary.trim();
    if vocabulary.len() <= MAX_PROMPT_BYTES {
        return vocabulary.to_owned();
    }
    let room = vocabulary.floor_char_boundary(MAX_PROMPT_BYTES);
    let start = &vocabulary[..room];
    let end = start.rfind([',', ' ']).unwrap_or(room);
    start[..end].trim_end_matches([',', ' ']).to_owned()
}

/// Reads the recording on a thread for it and hands out what is to be uploaded.
fn read<R>(
    recording: Arc<R>,
    plan: Plan,
    format: SoundFormat,
    ready: mpsc::Sender<Upload>,
    cancel: CancellationToken,
) -> JoinHandle<Result<(), RemoteError>>
where
    R: Recording + Send + Sync + 'static,
{
    let span = Span::current();
    tokio::task::spawn_blocking(move || {
        span.in_scope(|| {
            pieces::read(recording.as_ref(), plan, |window, samples| {
                if cancel.is_cancelled() {
                    return Err(RemoteError::Cancelled);
                }
                let upload = Upload {
                    duration: Duration::from_secs_f64(
                        samples.len() as f64 / f64::from(SAMPLE_RATE),
                    ),
                    sound: sound::encode(&samples, format)?.into(),
                    window,
                };
                // Nobody waits for it any more.
                ready
                    .blocking_send(upload)
                    .map_err(|_| RemoteError::Cancelled)
            })
        })
    })
}

impl From<EngineError> for RemoteError {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::Cancelled => Self::Cancelled,
            error => Self::Recording(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prompt_is_cut_between_terms() {
        assert_eq!(prompt(" Zoë, Acme "), "Zoë, Acme");
        let long = "Müllerstraße, ".repeat(100);
        let cut = prompt(&long);
        assert!(cut.len() <= MAX_PROMPT_BYTES && cut.len() > MAX_PROMPT_BYTES - 20);
        assert!(cut.ends_with("Müllerstraße"), "{cut}");
        let endless = prompt(&"ü".repeat(1_000));
        assert_eq!(endless.len(), MAX_PROMPT_BYTES);
    }
}
