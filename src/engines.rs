//! What services of one process share: the speech engine and the recognizers, loaded once, when
//! the first service asks for them.

use std::{fmt, path::Path, sync::Arc};

use colloquy_anonymize::proof::{HearError, Hearing, Listener};
use colloquy_contract::transcript::Transcript;
use colloquy_entities::Recognizers;
use colloquy_transcribe::{
    FlacRecording,
    engine::{Engine, EngineError, EngineOptions, Request},
    remote::{RemoteEngine, RemoteError},
};
use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;

use crate::cli::options::WorkerArgs;

/// What understands speech.
#[derive(Debug, Clone)]
pub(crate) enum Speech {
    /// A model in this process.
    Local(Arc<Engine>),
    /// A server.
    Remote(Arc<RemoteEngine>),
}

/// The engines of a process. Clones share them.
#[derive(Clone)]
pub(crate) struct Engines {
    args: Arc<WorkerArgs>,
    speech: Arc<OnceCell<Speech>>,
    recognizers: Arc<OnceCell<Arc<Recognizers>>>,
}

impl fmt::Debug for Engines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engines").finish_non_exhaustive()
    }
}

impl Engines {
    /// Engines as these options say; none is loaded yet.
    pub(crate) fn new(args: &WorkerArgs) -> Self {
        Self {
            args: Arc::new(args.clone()),
            speech: Arc::default(),
            recognizers: Arc::default(),
        }
    }

    /// Speech to text by the server that is configured, or else by a model on this machine.
    pub(crate) async fn speech(&self) -> anyhow::Result<Speech> {
        let speech = self.speech.get_or_try_init(|| load_speech(&self.args));
        Ok(speech.await?.clone())
    }

    /// The recognizers of names, numbers and places, with their model.
    pub(crate) async fn recognizers(&self) -> anyhow::Result<Arc<Recognizers>> {
        let recognizers = self
            .recognizers
            .get_or_try_init(|| load_recognizers(&self.args));
        Ok(recognizers.await?.clone())
    }
}

async fn load_speech(args: &WorkerArgs) -> anyhow::Result<Speech> {
    if let Some(options) = args.speech.server()? {
        let engine = RemoteEngine::new(options)?;
        tracing::info!(
            host = engine.host(),
            model = engine.model_name(),
            "speech is sent to a server"
        );
        return Ok(Speech::Remote(Arc::new(engine)));
    }
    let folder = args.model.folder()?;
    let options = EngineOptions {
        threads: args.model_threads,
        name: Some(args.model.name()),
        ..EngineOptions::default()
    };
    let engine = tokio::task::spawn_blocking(move || Engine::load(&folder, &options)).await??;
    tracing::info!(model = engine.model_name(), "speech model loaded");
    Ok(Speech::Local(Arc::new(engine)))
}

async fn load_recognizers(args: &WorkerArgs) -> anyhow::Result<Arc<Recognizers>> {
    let model = args.entity_model.clone();
    let recognizers = tokio::task::spawn_blocking(move || model.load()).await??;
    match recognizers.model() {
        Some(model) => tracing::info!(model, "entity model loaded"),
        None => tracing::info!("entities are found by patterns only, as configured"),
    }
    Ok(Arc::new(recognizers))
}

/// It listens to redacted recordings, too: the engine that first heard what was said.
impl Listener for Engines {
    fn model(&self) -> String {
        match self.speech.get() {
            Some(Speech::Local(engine)) => engine.model_name().to_owned(),
            Some(Speech::Remote(engine)) => engine.model_name().to_owned(),
            None => self.args.model.name(),
        }
    }

    fn hear<'a>(
        &'a self,
        recording: &'a Path,
        language: Option<&'a str>,
        cancel: &'a CancellationToken,
    ) -> Hearing<'a> {
        Box::pin(async move {
            let speech = self.speech().await;
            let speech = speech.map_err(|error| HearError::Failed(error.into()))?;
            speech.hear(recording, language, cancel).await
        })
    }
}

impl Speech {
    /// Transcribes a recording of the platform.
    pub(crate) async fn hear(
        &self,
        recording: &Path,
        language: Option<&str>,
        cancel: &CancellationToken,
    ) -> Result<Transcript, HearError> {
        let request = Request {
            language: language.map(str::to_owned),
            ..Request::default()
        };
        let recording = FlacRecording::open(recording).map_err(local_error)?;
        match self {
            Self::Local(engine) => {
                let (engine, cancel) = (engine.clone(), cancel.clone());
                let span = tracing::Span::current();
                let heard = tokio::task::spawn_blocking(move || {
                    let is_cancelled = || cancel.is_cancelled();
                    span.in_scope(|| {
                        engine.transcribe(&recording, &request, &|_| {}, &is_cancelled)
                    })
                });
                let heard = heard
                    .await
                    .map_err(|error| HearError::Failed(error.into()))?;
                Ok(heard.map_err(local_error)?.transcript)
            }
            Self::Remote(engine) => {
                let heard = engine.transcribe(Arc::new(recording), &request, cancel);
                Ok(heard.await.map_err(remote_error)?.transcript)
            }
        }
    }
}

fn local_error(error: EngineError) -> HearError {
    match error {
        EngineError::Cancelled => HearError::Cancelled,
        error @ (EngineError::UnknownLanguage { .. } | EngineError::TooLarge { .. }) => {
            HearError::Refused(error.into())
        }
        error => HearError::Failed(error.into()),
    }
}

fn remote_error(error: RemoteError) -> HearError {
    match error {
        RemoteError::Cancelled => HearError::Cancelled,
        RemoteError::Recording(error) => local_error(error),
        error @ RemoteError::Refused { .. } => HearError::Refused(error.into()),
        error => HearError::Failed(error.into()),
    }
}
