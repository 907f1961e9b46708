//! One request, as often as it takes: who waits for what, and what a server's answers mean.

use std::{
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use colloquy_runtime::breaker::{Breaker, Call};
use rand::Rng;
use reqwest::{
    Body, Response, StatusCode, Url,
    header::{AUTHORIZATION, HeaderValue, RETRY_AFTER},
    multipart::{Form, Part},
    redirect,
};
use serde::Deserialize;
use tokio::{sync::Semaphore, time::Instant};

use super::{
    OptionsError, RemoteError, RemoteLimits, RemoteOptions, SoundFormat, Trouble,
    answer::{self, Heard},
    pieces::Upload,
};

/// How often somebody who waits for the breaker looks at it.
const LOOK: Duration = Duration::from_millis(200);
/// Longest pause that a server can ask for.
const MAX_ASKED_PAUSE: Duration = Duration::from_secs(600);
/// So many refusals in a row, by whatever recordings, and it is the settings that are wrong. So it
/// is before the server took its first.
const REFUSALS: u32 = 5;
/// Most of a refusal that is read for its code.
const MAX_REFUSAL_BYTES: usize = 64 * 1024;
/// The codes of refusals that are let into errors: nothing else of an answer is, for it may quote
/// the prompt.
const CODES: [&str; 9] = [
    "audio_too_short",
    "billing_not_active",
    "insufficient_quota",
    "invalid_api_key",
    "invalid_language_format",
    "invalid_request_error",
    "model_not_found",
    "rate_limit_exceeded",
    "unsupported_value",
];
/// Those by which a person has to do something, whatever the status.
const SETTINGS: [&str; 4] = [
    "billing_not_active",
    "insufficient_quota",
    "invalid_api_key",
    "model_not_found",
];

/// A server, and how it has behaved.
#[derive(Debug)]
pub(super) struct Client {
    http: reqwest::Client,
    url: Url,
    authorization: Option<HeaderValue>,
    model: String,
    format: SoundFormat,
    limits: RemoteLimits,
    breaker: Breaker,
    requests: Semaphore,
    /// In a row, without anything taken in between.
    refusals: AtomicU32,
}

/// What was asked and answered.
#[derive(Debug)]
pub(super) struct Asked {
    /// The language, if the server tells a known one.
    pub(super) language: Option<String>,
    /// What was said.
    pub(super) heard: Heard,
    /// How often it was asked.
    pub(super) attempts: u32,
}

/// What an attempt came to.
#[derive(Debug)]
enum Outcome {
    Heard(Option<String>, Heard),
    /// It may work later.
    Later(Trouble),
    /// It asks to be left alone for so long.
    Wait(Trouble, Option<Duration>),
    /// A person has to do something first.
    Settings(Trouble),
    /// It does not take this.
    Refused(u16, Option<&'static str>),
}

impl Client {
    pub(super) fn new(options: &RemoteOptions) -> Result<Self, OptionsError> {
        options.check()?;
        let url = options.endpoint()?;
        let limits = options.limits;
        let http = reqwest::Client::builder()
            .connect_timeout(limits.connect)
            .redirect(redirect::Policy::none())
            .user_agent(concat!("colloquy/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(OptionsError::Client)?;
        Ok(Self {
            http,
            url,
            authorization: options.key.as_ref().map(super::Key::header),
            model: options.model.clone(),
            format: options.format,
            limits,
            breaker: Breaker::new(limits.failures, limits.pause),
            requests: Semaphore::new(limits.parallel.get()),
            refusals: AtomicU32::new(REFUSALS),
        })
    }

    pub(super) fn host(&self) -> &str {
        self.url.host_str().unwrap_or_default()
    }

    /// Whether nobody on the way can listen: by TLS, or for there is no way.
    pub(super) fn is_private(&self) -> bool {
        let loopback = match self.url.host() {
            Some(url::Host::Domain(name)) => name == "localhost",
            Some(url::Host::Ipv4(address)) => address.is_loopback(),
            Some(url::Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        };
        self.url.scheme() == "https" || loopback
    }

    /// Has an upload transcribed. What is the server's fault is waited for until `deadline`; what
    /// fails again and again while others do not is given up.
    pub(super) async fn transcribe(
        &self,
        upload: &Upload,
        language: Option<&str>,
        prompt: Option<&str>,
        deadline: Instant,
    ) -> Result<Asked, RemoteError> {
        let (mut attempts, mut failures) = (0, 0);
        let mut trouble = Trouble::LeftAlone;
        loop {
            // Once at least: reading the recording may have taken its time.
            if attempts > 0 && Instant::now() >= deadline {
                return Err(self.unavailable(trouble));
            }
            let (call, permit) = self.leave(deadline, trouble).await?;
            let probe = call.is_probe();
            attempts += 1;
            let outcome = self.attempt(upload, language, prompt).await;
            drop(permit);
            match outcome {
                Outcome::Heard(language, heard) => {
                    self.took(call);
                    return Ok(Asked {
                        language,
                        heard,
                        attempts,
                    });
                }
                Outcome::Refused(status, code) if self.is_of_this() => {
                    call.succeeded();
                    let host = self.host().to_owned();
                    return Err(RemoteError::Refused { host, status, code });
                }
                Outcome::Refused(status, code) => {
                    trouble = Trouble::Settings { status, code };
                    self.hold(call, trouble);
                }
                Outcome::Settings(what) => {
                    trouble = what;
                    self.hold(call, trouble);
                }
                Outcome::Wait(what, asked) => {
                    trouble = what;
                    failures += 1;
                    call.deferred(asked.unwrap_or_else(|| self.backoff(failures)));
                }
                Outcome::Later(what) => {
                    trouble = what;
                    failures += 1;
                    let opened = self.failed(call, trouble);
                    // A probe that fails tells of the server, not of this upload.
                    if !probe && failures >= self.limits.attempts {
                        return Err(RemoteError::Failed {
                            host: self.host().to_owned(),
                            attempts,
                            trouble,
                        });
                    }
                    if !opened {
                        tokio::time::sleep(self.backoff(failures)).await;
                    }
                }
            }
        }
    }

    /// Waits until the server may be asked.
    async fn leave(
        &self,
        deadline: Instant,
        trouble: Trouble,
    ) -> Result<(Call<'_>, tokio::sync::SemaphorePermit<'_>), RemoteError> {
        let waiting = async {
            // It is never closed.
            let permit = self.requests.acquire().await.ok()?;
            loop {
                if let Some(call) = self.breaker.call() {
                    return Some((call, permit));
                }
                tokio::time::sleep(LOOK).await;
            }
        };
        let leave = tokio::time::timeout_at(deadline, waiting).await;
        leave
            .ok()
            .flatten()
            .ok_or_else(|| self.unavailable(trouble))
    }

    fn unavailable(&self, trouble: Trouble) -> RemoteError {
        RemoteError::Unavailable {
            host: self.host().to_owned(),
            waited: self.limits.patience,
            trouble,
        }
    }

    fn took(&self, call: Call<'_>) {
        self.refusals.store(0, Ordering::Relaxed);
        if call.succeeded() {
            tracing::info!(host = self.host(), "the speech server is back");
        }
    }

    /// Whether a refusal is about what was sent: the server takes other things.
    fn is_of_this(&self) -> bool {
        self.refusals.fetch_add(1, Ordering::Relaxed) < REFUSALS
    }

    /// Nobody calls until somebody has mended the settings; one tries now and then.
    fn hold(&self, call: Call<'_>, trouble: Trouble) {
        if call.failed(Some(self.limits.settings_pause)) {
            tracing::error!(
                host = self.host(),
                reason = %trouble,
                "the speech server cannot be used as it is set up; recordings wait until it can"
            );
        }
    }

    fn failed(&self, call: Call<'_>, trouble: Trouble) -> bool {
        let opened = call.failed(None);
        if opened {
            tracing::warn!(
                host = self.host(),
                reason = %trouble,
                "the speech server is left alone for a while; recordings wait"
            );
        }
        opened
    }

    /// Exponential, with jitter over the upper half, bounded.
    fn backoff(&self, failures: u32) -> Duration {
        let doublings = failures.saturating_sub(1).min(16);
        let full = self.limits.retry_after.saturating_mul(1 << doublings);
        let full = full.min(self.limits.retry_ceiling);
        rand::rng().random_range(full / 2..=full)
    }

    async fn attempt(
        &self,
        upload: &Upload,
        language: Option<&str>,
        prompt: Option<&str>,
    ) -> Outcome {
        let form = match self.form(upload, language, prompt) {
            Ok(form) => form,
            Err(error) => return Outcome::Later(trouble(&error, Duration::ZERO)),
        };
        let limit = self.limits.answer
            + self
                .limits
                .answer_per_second
                .mul_f64(upload.duration.as_secs_f64());
        let mut request = self.http.post(self.url.clone()).timeout(limit);
        if let Some(authorization) = &self.authorization {
            request = request.header(AUTHORIZATION, authorization.clone());
        }
        let response = match request.multipart(form).send().await {
            Ok(response) => response,
            Err(error) => return Outcome::Later(trouble(&error, limit)),
        };
        if !response.status().is_success() {
            return judge(response).await;
        }
        match read_up_to(response, self.limits.answer_bytes).await {
            Err(error) => Outcome::Later(trouble(&error, limit)),
            Ok(None) => Outcome::Later(Trouble::Large(self.limits.answer_bytes)),
            Ok(Some(body)) => match answer::read(&body, upload, language) {
                Ok((language, heard)) => Outcome::Heard(language, heard),
                Err(Trouble::NoTimes) => Outcome::Settings(Trouble::NoTimes),
                Err(trouble) => Outcome::Later(trouble),
            },
        }
    }

    fn form(
        &self,
        upload: &Upload,
        language: Option<&str>,
        prompt: Option<&str>,
    ) -> Result<Form, reqwest::Error> {
        let length = upload.sound.len() as u64;
        let file = Part::stream_with_length(Body::from(upload.sound.clone()), length)
            .file_name(self.format.file_name())
            .mime_str(self.format.media_type())?;
        let mut form = Form::new()
            .text("model", self.model.clone())
            .text("response_format", "verbose_json")
            .text("timestamp_granularities[]", "word")
            .text("timestamp_granularities[]", "segment");
        if let Some(language) = language {
            form = form.text("language", language.to_owned());
        }
        if let Some(prompt) = prompt {
            form = form.text("prompt", prompt.to_owned());
        }
        // Last: a server that refuses the rest need not read it.
        Ok(form.part("file", file))
    }
}

/// What a status that is no success means.
async fn judge(response: Response) -> Outcome {
    let status = response.status();
    let asked = asked_pause(&response);
    let code = code_of(response).await;
    let settings = code.is_some_and(|code| SETTINGS.contains(&code));
    let number = status.as_u16();
    let misused = || Trouble::Settings {
        status: number,
        code,
    };
    match status {
        _ if settings => Outcome::Settings(misused()),
        StatusCode::TOO_MANY_REQUESTS => Outcome::Wait(Trouble::Status(number), asked),
        _ if status.is_server_error() || status == StatusCode::REQUEST_TIMEOUT => match asked {
            Some(_) => Outcome::Wait(Trouble::Status(number), asked),
            None => Outcome::Later(Trouble::Status(number)),
        },
        StatusCode::UNAUTHORIZED
        | StatusCode::PAYMENT_REQUIRED
        | StatusCode::FORBIDDEN
        | StatusCode::NOT_FOUND
        | StatusCode::METHOD_NOT_ALLOWED
        | StatusCode::PROXY_AUTHENTICATION_REQUIRED => Outcome::Settings(misused()),
        _ if status.is_client_error() => Outcome::Refused(number, code),
        // Neither success nor error: a redirect, which is not followed.
        _ => Outcome::Settings(misused()),
    }
}

/// The pause that the server asks for, if it says so in seconds.
fn asked_pause(response: &Response) -> Option<Duration> {
    let text = response.headers().get(RETRY_AFTER)?.to_str().ok()?;
    let seconds: f64 = text.trim().parse().ok()?;
    let pause = Duration::try_from_secs_f64(seconds).ok()?;
    Some(pause.min(MAX_ASKED_PAUSE))
}

/// The reason of a refusal, if it is one of the known codes.
async fn code_of(response: Response) -> Option<&'static str> {
    #[derive(Deserialize)]
    struct Refusal {
        error: Reason,
    }
    #[derive(Deserialize)]
    struct Reason {
        code: Option<String>,
    }
    let body = read_up_to(response, MAX_REFUSAL_BYTES).await.ok()??;
    let refusal: Refusal = serde_json::from_slice(&body).ok()?;
    let told = refusal.error.code?;
    CODES.into_iter().find(|code| *code == told)
}

/// The body, if it is not larger.
async fn read_up_to(
    mut response: Response,
    limit: usize,
) -> Result<Option<Vec<u8>>, reqwest::Error> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > limit {
            return Ok(None);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Some(body))
}

/// Why there was no answer. The library's own words may hold the address.
fn trouble(error: &reqwest::Error, limit: Duration) -> Trouble {
    // A connection that takes too long is a time-out as well.
    if error.is_connect() {
        Trouble::Connect
    } else if error.is_timeout() {
        Trouble::Late(limit)
    } else {
        Trouble::Cut
    }
}
