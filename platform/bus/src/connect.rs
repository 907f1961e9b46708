//! The connection: one per process, cheap to clone.

use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use async_nats::{Client, Event, ServerAddr, jetstream};
use colloquy_contract::permissions;
use rand::Rng;

use crate::{
    Artifacts, BusError, Kv, Result, chain, denied::Denials, metrics::Meters,
    provision::connects_later, publish::Rows,
};

/// How long the broker may take to acknowledge one message.
pub(crate) const ACK_TIMEOUT: Duration = Duration::from_secs(5);

/// Longest pause between two attempts to reconnect.
const RECONNECT_CEILING: Duration = Duration::from_secs(4);

/// Pause between two attempts to connect at the start.
const CONNECT_PAUSE: Duration = Duration::from_secs(2);

/// Who we are to the broker.
#[derive(Debug, Clone, Default)]
pub enum Credentials {
    /// Whoever the address says, or nobody.
    #[default]
    None,
    /// User and password.
    Password {
        /// User.
        user: String,
        /// Password.
        password: String,
    },
    /// A file with a JWT and an nkey seed, as made by `nsc`.
    File(PathBuf),
}

/// Where the broker is and who we are.
#[derive(Debug, Clone)]
pub struct ConnectOptions {
    /// Address such as `nats://host:4222`; several are separated by commas.
    pub url: String,
    /// Who we are.
    pub credentials: Credentials,
    /// Name of the connection, shown by the broker.
    pub name: String,
    /// Certificate authorities to trust besides the system's.
    pub root_certificates: Option<PathBuf>,
}

/// The connection to the broker.
#[derive(Debug, Clone)]
pub struct Bus {
    client: Client,
    jetstream: jetstream::Context,
    denials: Arc<Denials>,
    meters: Arc<Meters>,
    rows: Option<Arc<Rows>>,
}

impl Bus {
    /// Connects, or says why not within ten seconds. Later losses are mended for ever.
    pub async fn connect(options: ConnectOptions) -> Result<Self> {
        let shown = without_credentials(&options.url);
        let addresses = addresses(&options.url, &shown)?;
        // Replies to us are nobody else's to read.
        let inbox_prefix = permissions::inbox_prefix(&options.name);
        let denials = Arc::new(Denials::new(&inbox_prefix));
        let meters = Arc::new(Meters::new());
        let (hearing, counting) = (denials.clone(), meters.clone());
        let mut nats = async_nats::ConnectOptions::new()
            .name(&options.name)
            .custom_inbox_prefix(inbox_prefix)
            .connection_timeout(Duration::from_secs(10))
            .ping_interval(Duration::from_secs(20))
            .request_timeout(Some(ACK_TIMEOUT))
            .reconnect_delay_callback(reconnect_delay)
            .event_callback(move |event| {
                counting.hear(&event);
                // A denial has its own word in the log.
                if !hearing.hear(&event) {
                    log_event(&event);
                }
                std::future::ready(())
            });
        nats = match options.credentials {
            Credentials::None => match user_of(&addresses) {
                Some((user, password)) => nats.user_and_password(user, password),
                None => nats,
            },
            Credentials::Password { user, password } => nats.user_and_password(user, password),
            Credentials::File(path) => {
                let text = tokio::fs::read_to_string(&path).await.map_err(|error| {
                    BusError::Settings(format!("the credentials file cannot be read: {error}"))
                })?;
                nats.credentials(&text).map_err(|error| {
                    BusError::Settings(format!("the credentials file is malformed: {error}"))
                })?
            }
        };
        if let Some(path) = options.root_certificates {
            nats = nats.add_root_certificates(path).require_tls(true);
        }
        let client = nats
            .connect(addresses)
            .await
            .map_err(|source| BusError::Connect {
                url: shown,
                source: source.into(),
            })?;
        let jetstream = jetstream::context::ContextBuilder::new()
            .timeout(ACK_TIMEOUT)
            .ack_timeout(ACK_TIMEOUT)
            .build(client.clone());
        Ok(Self {
            client,
            jetstream,
            denials,
            meters,
            rows: None,
        })
    }

    /// The same with more patience: a broker where nobody listens yet is waited for. Who is refused
    /// is told so at once.
    pub async fn connect_within(options: ConnectOptions, patience: Duration) -> Result<Self> {
        let deadline = Instant::now() + patience;
        loop {
            match Self::connect(options.clone()).await {
                Err(error) if connects_later(&error) && Instant::now() < deadline => {
                    tracing::warn!(error = chain(&error), "no broker yet; trying again");
                    tokio::time::sleep(CONNECT_PAUSE).await;
                }
                done => return done,
            }
        }
    }

    /// The same connection, with or without group commit: facts that are stated at the same time
    /// share a sync to disk. It is a gain where the broker syncs before each acknowledgement, and a
    /// small loss where it does not.
    #[must_use]
    pub fn with_group_commit(mut self, group_commit: bool) -> Self {
        self.rows = group_commit.then(Arc::default);
        self
    }

    /// The artifacts of both trust zones.
    pub fn artifacts(&self) -> Artifacts {
        Artifacts::new(
            self.jetstream.clone(),
            self.denials.clone(),
            self.meters.clone(),
        )
    }

    /// The key-value bucket of this name.
    pub async fn kv(&self, bucket: &'static str) -> Result<Kv> {
        Kv::open(&self.jetstream, self.denials.clone(), bucket).await
    }

    /// Whether the connection stands and the broker answers.
    pub async fn ping(&self) -> bool {
        let connected = self.client.connection_state() == async_nats::connection::State::Connected;
        let flushed = tokio::time::timeout(Duration::from_secs(2), self.client.flush());
        connected && matches!(flushed.await, Ok(Ok(())))
    }

    /// Hands over what is buffered and closes the connection, within a few seconds.
    pub async fn close(&self) {
        let closing = async {
            let _ = self.client.flush().await;
            let _ = self.client.drain().await;
            // Drained, the client library lets the connection go but says nowhere that it is
            // closed: there is nobody left who takes a command.
            while self.client.flush().await.is_ok() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let _ = tokio::time::timeout(ACK_TIMEOUT, closing).await;
    }

    pub(crate) const fn client(&self) -> &Client {
        &self.client
    }

    pub(crate) fn denials(&self) -> &Denials {
        &self.denials
    }

    pub(crate) const fn meters(&self) -> &Arc<Meters> {
        &self.meters
    }

    pub(crate) fn rows(&self) -> Option<&Rows> {
        self.rows.as_deref()
    }

    pub(crate) const fn jetstream(&self) -> &jetstream::Context {
        &self.jetstream
    }
}

/// Full jitter over an exponential ceiling, so that clients do not come back all at once.
fn reconnect_delay(attempts: usize) -> Duration {
    let exponent = u32::try_from(attempts.min(10)).unwrap_or(10);
    let ceiling = Duration::from_millis(10)
        .saturating_mul(1 << exponent)
        .min(RECONNECT_CEILING);
    rand::rng().random_range(Duration::ZERO..=ceiling)
}

fn log_event(event: &Event) {
    match event {
        Event::Connected => tracing::info!("broker connected"),
        Event::Disconnected => tracing::warn!("broker disconnected; reconnecting"),
        Event::LameDuckMode => tracing::info!("broker is about to leave; will reconnect"),
        Event::SlowConsumer(_) => tracing::warn!("the broker calls us a slow consumer"),
        Event::ServerError(error) => tracing::error!(%error, "broker error"),
        Event::ClientError(error) => tracing::warn!(%error, "broker client error"),
        Event::Draining | Event::Closed => tracing::debug!("broker connection closing"),
    }
}

/// The addresses of a list.
pub(crate) fn addresses_of(urls: &str) -> Result<Vec<ServerAddr>> {
    addresses(urls, &without_credentials(urls))
}

fn addresses(urls: &str, shown: &str) -> Result<Vec<ServerAddr>> {
    let parse = |address: &str| {
        address.trim().parse().map_err(|error| {
            BusError::Settings(format!("'{shown}' is not a broker address: {error}"))
        })
    };
    urls.split(',').map(parse).collect()
}

/// User and password of the first address that has them; the client library reads them from no
/// list of addresses.
fn user_of(addresses: &[ServerAddr]) -> Option<(String, String)> {
    addresses.iter().find_map(|address| {
        let user = address.username()?.to_owned();
        Some((user, address.password().unwrap_or_default().to_owned()))
    })
}

fn without_credentials(urls: &str) -> String {
    let clean = |address: &str| {
        let (scheme, rest) = address
            .trim()
            .split_once("://")
            .unwrap_or(("nats", address.trim()));
        let host = rest.rsplit('@').next().unwrap_or_default();
        format!("{scheme}://{host}")
    };
    urls.split(',').map(clean).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_not_shown() {
        assert_eq!(
            without_credentials("nats://u:p@host:4222"),
            "nats://host:4222"
        );
        assert_eq!(
            without_credentials("u:p@host, nats://a:b@c"),
            "nats://host,nats://c"
        );
    }

    #[test]
    fn reconnecting_is_bounded() {
        for attempts in [0, 1, 5, 50, usize::MAX] {
            assert!(reconnect_delay(attempts) <= RECONNECT_CEILING);
        }
    }
}
