//! Redacts a conversation, text and audio, and proves it.
//!
//! Each round redacts the transcript and the recording, reads what came of it, and listens to it.
//! What is found there is redacted as well in the next round, its sound with more padding. After as
//! many rounds as the policy has, there is an error, and nothing that could be seen.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{BufReader, BufWriter, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

use colloquy_audio::{AudioError, FlacReader};
use colloquy_contract::{
    AccountId,
    entities::Entities,
    facts::{PolicyVersion, Verified},
    transcript::Transcript,
};
use tokio_util::sync::CancellationToken;
use tracing::Span;

use crate::{
    Cut,
    audio::{self, RedactError, Redacted},
    policy::{Policy, Verify},
    proof::{self, HearError, Listened, Listener},
    text::{self, AnonymizeError, Anonymized, Finding, Recognize, Secrets, Treatment},
};

/// A conversation to redact.
#[derive(Debug, Clone)]
pub struct Job {
    /// What was said.
    pub transcript: Arc<Transcript>,
    /// What is to go.
    pub entities: Arc<Entities>,
    /// The recording: the platform's FLAC.
    pub input: PathBuf,
    /// Where the redacted recording is to be written.
    pub output: PathBuf,
    /// A folder for what is made on the way.
    pub folder: PathBuf,
    /// Whose conversation it is.
    pub account: AccountId,
    /// By which policy.
    pub policy: Arc<Policy>,
}

/// A redacted conversation. The recording is in its file.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The transcript with labels.
    pub transcript: Transcript,
    /// Number of replaced places by entity type.
    pub counts: BTreeMap<String, u32>,
    /// What was made of the recording.
    pub audio: Redacted,
    /// By which policy.
    pub policy: PolicyVersion,
    /// How it was proved; absent where the policy asks for no proof.
    pub verified: Option<Verified>,
}

/// Why a conversation is not redacted.
#[derive(Debug, thiserror::Error)]
pub enum RedactionError {
    /// The transcript cannot be anonymized.
    #[error("anonymize the transcript")]
    Text(#[from] AnonymizeError),
    /// The recording cannot be redacted.
    #[error("redact the recording")]
    Audio(#[from] RedactError),
    /// Nobody could listen.
    #[error("prove the redaction")]
    Hear(#[from] HearError),
    /// There is nobody to listen.
    #[error(
        "the redaction policy asks for proof, and nothing here understands speech; give a speech \
         model, or set verify = \"off\""
    )]
    NoListener,
    /// Something is still heard.
    #[error(
        "after {rounds} rounds the redacted recording still has {leaks} redacted value(s) that can \
         be heard; it is given up, and nothing of it is shown"
    )]
    Leak {
        /// How many rounds.
        rounds: u32,
        /// How many places.
        leaks: usize,
    },
    /// We were told to stop.
    #[error("stopped before it was done")]
    Cancelled,
    /// The computation broke off.
    #[error("the computation panicked")]
    Broken,
}

/// Redacts conversations.
#[derive(Clone)]
pub struct Redactor {
    recognize: Recognize,
    listener: Option<Arc<dyn Listener>>,
}

impl std::fmt::Debug for Redactor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Redactor")
            .field("listener", &self.listener)
            .finish_non_exhaustive()
    }
}

impl Redactor {
    /// Redacts with what these recognizers find, and cannot prove anything.
    pub fn new(recognize: Recognize) -> Self {
        Self {
            recognize,
            listener: None,
        }
    }

    /// The same with somebody who listens.
    #[must_use]
    pub fn with_listener(self, listener: Arc<dyn Listener>) -> Self {
        Self {
            listener: Some(listener),
            ..self
        }
    }

    /// Redacts a conversation.
    ///
    /// # Errors
    /// When it cannot be redacted, or is not free of what was to go. What lies in the output file
    /// then must not be shown.
    pub async fn redact(
        &self,
        job: &Job,
        cancel: &CancellationToken,
    ) -> Result<Outcome, RedactionError> {
        let (mut findings, mut cuts) = (Vec::new(), Vec::new());
        let mut round = 1;
        loop {
            let made = self.make(job, &mut findings, &cuts, cancel).await?;
            if job.policy.verify == Verify::Off {
                return Ok(made.outcome(job, None));
            }
            let listener = self.listener.as_ref().ok_or(RedactionError::NoListener)?;
            let listened = prepare(job, &made).await?;
            let heard = match &listened.file {
                None => None,
                Some(file) => {
                    let language = Some(job.transcript.language.as_str());
                    let known = language.filter(|language| *language != "und");
                    Some(listener.hear(file, known, cancel).await?)
                }
            };
            let (leaks, made) = self.search(job, heard, &listened, &findings, made).await?;
            if leaks.is_empty() {
                let verified = Verified {
                    mode: job.policy.verify.name().to_owned(),
                    stretches: listened.stretches,
                    heard_ms: listened.heard_ms,
                    rounds: round,
                    model: listener.model(),
                };
                return Ok(made.outcome(job, Some(verified)));
            }
            if round > job.policy.retries {
                return Err(RedactionError::Leak {
                    rounds: round,
                    leaks: leaks.len(),
                });
            }
            tracing::info!(
                round,
                leaks = leaks.len(),
                "something is still heard: more is cut"
            );
            let both = (job.transcript.as_ref(), &made.anonymized);
            proof::mend(&leaks, round, both, &mut findings, &mut cuts);
            round += 1;
        }
    }

    /// A round's transcript and recording.
    async fn make(
        &self,
        job: &Job,
        findings: &mut Vec<Finding>,
        cuts: &[Cut],
        cancel: &CancellationToken,
    ) -> Result<Made, RedactionError> {
        let (job, recognize, cancel) = (job.clone(), self.recognize.clone(), cancel.clone());
        let (mut found, mut all) = (std::mem::take(findings), cuts.to_vec());
        let (made, found) = blocking(move || {
            let treatment = Treatment {
                policy: &job.policy,
                account: job.account.as_str(),
            };
            let (transcript, entities) = (&job.transcript, &job.entities);
            let anonymized =
                text::thoroughly(transcript, entities, &mut found, &treatment, &recognize)?;
            if cancel.is_cancelled() {
                return Err(RedactionError::Cancelled);
            }
            all.extend_from_slice(&anonymized.cuts);
            let (redacted, size) = redact_file(&job.input, &job.output, &all, &job.policy)?;
            let made = Made {
                anonymized,
                redacted,
                size,
            };
            Ok((made, found))
        })
        .await?;
        *findings = found;
        Ok(made)
    }

    /// The leaks in what was heard.
    async fn search(
        &self,
        job: &Job,
        heard: Option<Transcript>,
        listened: &Listened,
        findings: &[Finding],
        made: Made,
    ) -> Result<(Vec<proof::Leak>, Made), RedactionError> {
        let Some(heard) = heard else {
            return Ok((Vec::new(), made));
        };
        let (job, clips, recognize) = (job.clone(), listened.clips.clone(), self.recognize.clone());
        let findings = findings.to_vec();
        blocking(move || {
            let secrets = Secrets::new(&job.entities, &findings, &job.policy);
            let leaks = proof::leaks(
                &heard,
                &clips,
                &secrets,
                (&job.transcript, &made.anonymized),
                &job.policy,
                &recognize,
            );
            Ok((leaks, made))
        })
        .await
    }
}

/// What a round made.
struct Made {
    anonymized: Anonymized,
    redacted: Redacted,
    /// Channels and frames of the recording.
    size: (usize, u64),
}

impl Made {
    fn outcome(self, job: &Job, verified: Option<Verified>) -> Outcome {
        Outcome {
            transcript: self.anonymized.transcript,
            counts: self.anonymized.counts,
            audio: self.redacted,
            policy: job.policy.version().clone(),
            verified,
        }
    }
}

async fn prepare(job: &Job, made: &Made) -> Result<Listened, RedactionError> {
    let (job, size) = (job.clone(), made.size);
    let stretches = made.redacted.stretches.clone();
    blocking(move || {
        let (verify, format) = (job.policy.verify, job.policy.audio.format);
        let folder = &job.folder;
        Ok(proof::prepare(
            &job.output,
            format,
            &stretches,
            size,
            verify,
            folder,
        )?)
    })
    .await
}

/// Runs what computes on a thread for that.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, RedactionError> + Send + 'static,
) -> Result<T, RedactionError> {
    let span = Span::current();
    tokio::task::spawn_blocking(move || span.in_scope(work))
        .await
        .map_err(|_| RedactionError::Broken)?
}

fn redact_file(
    input: &Path,
    output: &Path,
    cuts: &[Cut],
    policy: &Policy,
) -> Result<(Redacted, (usize, u64)), RedactError> {
    let read = |source| RedactError::Read(AudioError::Read(source));
    let write = |source| RedactError::Write(AudioError::Write(source));
    let open = || File::open(input).map(BufReader::new).map_err(read);
    let size = {
        let reader = FlacReader::new(open()?).map_err(RedactError::Read)?;
        (reader.channels(), reader.frames())
    };
    let mut output = BufWriter::new(File::create(output).map_err(write)?);
    let redacted = audio::redact(open()?, &mut output, cuts, &policy.audio)?;
    output.flush().map_err(write)?;
    Ok((redacted, size))
}
