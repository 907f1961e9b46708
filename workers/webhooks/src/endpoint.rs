//! An address that webhooks go to.

use std::time::Duration;

use colloquy_bus::worker::Failure;
use colloquy_contract::Envelope;
use colloquy_runtime::breaker::Breaker;
use jiff::Timestamp;
use reqwest::{
    Client, Response, StatusCode, Url,
    header::{CONTENT_TYPE, RETRY_AFTER},
    redirect,
};
use serde_json::{Value, json};

use crate::signature::Secret;

/// Most of an answer that is read, in bytes, so that the connection can be used again. What
/// receivers say besides the status does not matter.
const MAX_ANSWER_BYTES: usize = 64 * 1024;

/// Longest pause that a receiver can ask for.
const MAX_ASKED_PAUSE: Duration = Duration::from_secs(600);

/// Where webhooks go.
#[derive(Debug, Clone)]
pub struct EndpointOptions {
    /// The address, `https://…` or `http://…`.
    pub url: String,
    /// What they are signed with.
    pub secret: Secret,
    /// How long things may take.
    pub limits: Limits,
}

/// How long things may take, and how often they may go wrong.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// How long connecting may take.
    pub connect: Duration,
    /// How long an attempt may take in all.
    pub total: Duration,
    /// Failures in a row after which the receiver is left alone.
    pub failures: u32,
    /// For how long.
    pub pause: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            // The specification recommends 15 to 30 s.
            total: Duration::from_secs(20),
            failures: 5,
            pause: Duration::from_secs(30),
        }
    }
}

/// Why an address cannot be used. The texts hold no credentials.
#[derive(Debug, thiserror::Error)]
pub enum EndpointError {
    /// It is no address.
    #[error("a webhook's address is such as https://example.com/hook")]
    Address,
    /// The client could not be built.
    #[error("the HTTP client cannot be set up")]
    Client(#[source] reqwest::Error),
}

/// An address that webhooks go to.
#[derive(Debug)]
pub struct Endpoint {
    client: Client,
    url: Url,
    secret: Secret,
    breaker: Breaker,
}

/// What became of an attempt.
enum Outcome {
    Delivered,
    /// It may work later; at best not before this pause.
    Later {
        reason: String,
        pause: Option<Duration>,
    },
    Never {
        reason: String,
    },
}

impl Endpoint {
    /// An endpoint. A provider of cryptography for TLS must have been installed.
    ///
    /// # Errors
    /// [`EndpointError::Address`] if the address is malformed.
    pub fn new(options: EndpointOptions) -> Result<Self, EndpointError> {
        let url = Url::parse(&options.url).map_err(|_| EndpointError::Address)?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(EndpointError::Address);
        }
        let limits = options.limits;
        let client = Client::builder()
            .connect_timeout(limits.connect)
            .timeout(limits.total)
            .redirect(redirect::Policy::none())
            .user_agent(concat!("colloquy/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(EndpointError::Client)?;
        Ok(Self {
            client,
            url,
            secret: options.secret,
            breaker: Breaker::new(limits.failures, limits.pause),
        })
    }

    /// The receiver's host, for logs.
    pub fn host(&self) -> &str {
        self.url.host_str().unwrap_or_default()
    }

    /// Delivers what is said of a fact: `Ok` once the receiver took it.
    ///
    /// # Errors
    /// [`Failure::Retry`] if it may work later, [`Failure::Permanent`] if the receiver refuses it.
    pub(crate) async fn deliver(&self, envelope: &Envelope, data: Value) -> Result<(), Failure> {
        let Some(call) = self.breaker.call() else {
            return Err(Failure::Retry {
                reason: "the receiver of webhooks failed before and is left alone for a while"
                    .to_owned(),
            });
        };
        match self.attempt(envelope, &data).await {
            Outcome::Later { reason, pause } => {
                if call.failed(pause) {
                    tracing::warn!(
                        host = self.host(),
                        reason,
                        "the receiver of webhooks is left alone for a while"
                    );
                }
                Err(Failure::Retry { reason })
            }
            answered => {
                if call.succeeded() {
                    tracing::info!(host = self.host(), "the receiver of webhooks is back");
                }
                match answered {
                    Outcome::Never { reason } => Err(Failure::Permanent { reason }),
                    _ => Ok(()),
                }
            }
        }
    }

    async fn attempt(&self, envelope: &Envelope, data: &Value) -> Outcome {
        let id = envelope.id.to_string();
        let body = body(envelope, data);
        let timestamp = Timestamp::now().as_second();
        let signature = self.secret.sign(&id, timestamp, body.as_bytes());
        let sent = self
            .client
            .post(self.url.clone())
            .header(CONTENT_TYPE, "application/json")
            .header("webhook-id", id)
            .header("webhook-timestamp", timestamp)
            .header("webhook-signature", signature)
            .body(body)
            .send()
            .await;
        match sent {
            Ok(response) => {
                let outcome = judge(&response);
                finish(response).await;
                outcome
            }
            Err(error) => Outcome::Later {
                reason: unreachable(&error).to_owned(),
                pause: None,
            },
        }
    }
}

/// The same fact has the same body, to the byte.
fn body(envelope: &Envelope, data: &Value) -> String {
    let mut body = json!({
        "type": envelope.fact_type.as_str(),
        "timestamp": envelope.time,
        "account": envelope.scope.account(),
        "revision": envelope.revision,
        "data": data,
    });
    if let Some(conversation) = envelope.scope.conversation() {
        body["conversation"] = json!(conversation);
    }
    body.to_string()
}

fn judge(response: &Response) -> Outcome {
    let status = response.status();
    if status.is_success() {
        return Outcome::Delivered;
    }
    let later = status.is_server_error()
        || matches!(
            status,
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS
        );
    let status = status.as_u16();
    if later {
        return Outcome::Later {
            reason: format!("the receiver of webhooks answered {status}"),
            pause: asked_pause(response),
        };
    }
    let hint = match status {
        300..=399 => "redirects are not followed: configure the address it points to",
        401 | 403 => "is the secret the one that it knows?",
        410 => "it wants no more of them: remove its address from the settings",
        _ => "it refuses this one for good",
    };
    Outcome::Never {
        reason: format!("the receiver of webhooks answered {status}; {hint}"),
    }
}

/// The pause that the receiver asks for, if it says so in seconds.
fn asked_pause(response: &Response) -> Option<Duration> {
    let text = response.headers().get(RETRY_AFTER)?.to_str().ok()?;
    let pause = Duration::from_secs(text.trim().parse().ok()?);
    Some(pause.min(MAX_ASKED_PAUSE))
}

/// Reads what is left of an answer, if that is little.
async fn finish(mut response: Response) {
    let mut read = 0;
    while let Ok(Some(chunk)) = response.chunk().await {
        read += chunk.len();
        if read > MAX_ANSWER_BYTES {
            break;
        }
    }
}

/// Why there was no answer; the library's own words may hold the address with its credentials.
fn unreachable(error: &reqwest::Error) -> &'static str {
    if error.is_timeout() {
        "the receiver of webhooks did not answer in time"
    } else if error.is_connect() {
        "the receiver of webhooks cannot be connected to; is it running and reachable?"
    } else {
        "the connection to the receiver of webhooks broke"
    }
}

#[cfg(test)]
mod tests {
    use colloquy_contract::{ConversationId, FactType, Scope};

    use super::*;

    #[test]
    fn a_body_says_what_when_and_of_whom() {
        let scope = Scope::Conversation {
            account: "acme".parse().unwrap(),
            conversation: ConversationId::generate(),
        };
        let time = Timestamp::UNIX_EPOCH;
        let envelope = Envelope::first("test", scope, FactType::ConversationIndexed, time);
        let data = json!({ "turns": 3 });
        let said: Value = serde_json::from_str(&body(&envelope, &data)).unwrap();
        assert_eq!(said["type"], "conversation.indexed");
        assert_eq!(said["timestamp"], "1970-01-01T00:00:00Z");
        assert_eq!(said["account"], "acme");
        assert_eq!(said["data"]["turns"], 3);
        assert!(said["conversation"].is_string());
        assert_eq!(body(&envelope, &data), body(&envelope, &data));
    }

    #[test]
    fn an_address_is_one_of_the_web() {
        for bad in ["", "example.com", "file:///etc/passwd", "ftp://example.com"] {
            let options = EndpointOptions {
                url: bad.to_owned(),
                secret: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".parse().unwrap(),
                limits: Limits::default(),
            };
            assert!(
                matches!(Endpoint::new(options), Err(EndpointError::Address)),
                "{bad}"
            );
        }
    }
}
