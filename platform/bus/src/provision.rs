//! Makes the broker agree with the contract: streams, buckets, consumers.
//!
//! - [`check`] reads and says what differs, and what of that can lose data; it changes nothing.
//! - [`apply`] creates what is missing and updates what differs. Settings that can lose data and
//!   that the broker cannot change in place are refused with the reason, before anything is touched.
//!
//! Servers that have not agreed on a leader, or of which too many are away, are waited for: a cluster
//! that starts needs some seconds.
//!
//! Idempotent: what agrees is left alone. What an operator chose and the contract has no opinion
//! about (placement, compression, byte limits) stays as it is.

mod patience;
mod safety;

use std::time::{Duration, Instant};

use async_nats::jetstream::{
    consumer::{AckPolicy, DeliverPolicy, ReplayPolicy, pull},
    context::{ConsumerInfoErrorKind, GetStreamError, GetStreamErrorKind},
    stream::{Config, DiscardPolicy, RetentionPolicy, StorageType},
};
use colloquy_contract::{
    Bucket, FactType, Subject,
    facts::Family,
    services::{self, Reading},
    streams::{self, KvSpec, StreamSpec},
    subject,
};

use crate::{Bus, BusError, Result, artifacts::layout::object_stream, chain};

pub(crate) use patience::connects_later;
pub use safety::{Finding, Severity};

/// How long a cluster may take to agree, unless somebody says otherwise: an election takes a few
/// seconds, a server's start a little longer.
pub const USUAL_PATIENCE: Duration = Duration::from_secs(60);

/// Pause between two attempts.
const PAUSE: Duration = Duration::from_secs(2);

/// What a deployment chooses about its storage.
#[derive(Debug, Clone, Copy)]
pub struct Storage {
    /// Copies of every stream and bucket: 1, 3 or 5.
    pub replicas: usize,
    /// Whether one copy is accepted on a cluster, where the loss of one node then loses facts.
    pub allow_single_replica: bool,
}

impl Default for Storage {
    fn default() -> Self {
        Self {
            replicas: 1,
            allow_single_replica: false,
        }
    }
}

/// Compares every stream, bucket and consumer with the contract. Changes nothing.
pub async fn check(bus: &Bus, storage: Storage) -> Result<Vec<Finding>> {
    let mut findings = safety::of_deployment(bus, storage);
    for wanted in wanted_streams(storage) {
        match present(bus, &wanted.name).await? {
            None => findings.push(Finding::missing(format!("stream {}", wanted.name))),
            Some(found) => findings.extend(safety::of_stream(&wanted, &found)),
        }
    }
    for consumer in wanted_consumers() {
        let what = format!("consumer {} of {}", consumer.name, consumer.stream);
        match consumer_config(bus, consumer.stream, &consumer.name).await? {
            None => findings.push(Finding::missing(what)),
            Some(found) => findings.extend(safety::of_consumer(&what, &consumer.config, &found)),
        }
    }
    Ok(findings)
}

/// Creates or updates every stream, bucket and consumer of the contract, and sees that each has a
/// leader. Returns what differed.
///
/// # Errors
/// [`BusError::Unsafe`] if settings that can lose data cannot be mended in place; then nothing was
/// changed. The broker's last word if its servers have not agreed for [`USUAL_PATIENCE`].
pub async fn apply(bus: &Bus, storage: Storage) -> Result<Vec<Finding>> {
    apply_within(bus, storage, USUAL_PATIENCE).await
}

/// The same with another patience with servers that have not agreed on a leader, or of which too
/// many are away. What they have done by then stays, and is done no second time.
///
/// # Errors
/// As [`apply`].
pub async fn apply_within(bus: &Bus, storage: Storage, patience: Duration) -> Result<Vec<Finding>> {
    let deadline = Instant::now() + patience;
    let mut differed = None;
    loop {
        let applying = apply_once(bus, storage, &mut differed);
        let needed = ["$JS.API.STREAM.>", "$JS.API.CONSUMER.>"];
        match bus.or_denied(&needed, applying).await {
            Err(error) if patience::passes(&error) && Instant::now() < deadline => {
                tracing::warn!(
                    error = chain(&error),
                    "the broker's servers have not agreed yet; trying again"
                );
                tokio::time::sleep(PAUSE).await;
            }
            done => return done.map(|()| differed.unwrap_or_default()),
        }
    }
}

/// Does what is missing; `differed` is what the first look found.
async fn apply_once(
    bus: &Bus,
    storage: Storage,
    differed: &mut Option<Vec<Finding>>,
) -> Result<()> {
    let findings = check(bus, storage).await?;
    let refused: Vec<String> = findings
        .iter()
        .filter(|finding| finding.severity == Severity::Refused)
        .map(ToString::to_string)
        .collect();
    if !refused.is_empty() {
        return Err(BusError::Unsafe {
            reasons: refused.join("\n"),
        });
    }
    differed.get_or_insert(findings);
    for wanted in wanted_streams(storage) {
        apply_stream(bus, wanted).await?;
    }
    for consumer in wanted_consumers() {
        consumer.apply(bus).await?;
    }
    // Only a leader answers for what it leads: who starts next finds everything.
    check(bus, storage).await.map(drop)
}

/// Creates or updates the consumers of a service that the contract's table does not know, such as
/// one that somebody writes beside the platform's. Needs the streams.
///
/// # Errors
/// If the facts are not all of one family, or the broker refuses.
pub async fn service(bus: &Bus, name: &str, reacts: &[FactType]) -> Result<()> {
    for consumer in consumers_of(name, reacts)? {
        consumer.apply(bus).await?;
    }
    Ok(())
}

/// Whether a stream has a durable consumer of this name.
pub(crate) async fn has_consumer(bus: &Bus, stream: &str, name: &str) -> Result<bool> {
    consumer(bus, stream, name)
        .await
        .map(|found| found.is_some())
}

/// The family of facts of these types; `None` if they are not of one.
pub(crate) fn family_of(types: &[FactType]) -> Option<Family> {
    let family = types.first()?.family();
    types
        .iter()
        .all(|fact| fact.family() == family)
        .then_some(family)
}

/// Every stream that the contract wants, those behind buckets included.
fn wanted_streams(storage: Storage) -> Vec<Config> {
    let logs = streams::ALL.iter().map(log_config);
    let objects = streams::OBJECT_BUCKETS.into_iter().map(object_config);
    let kvs = streams::KV_BUCKETS.iter().map(kv_config);
    logs.chain(objects)
        .chain(kvs)
        .map(|config| Config {
            num_replicas: storage.replicas,
            ..config
        })
        .collect()
}

/// What all our streams have in common.
fn base_config() -> Config {
    Config {
        retention: RetentionPolicy::Limits,
        storage: StorageType::File,
        discard: DiscardPolicy::New,
        max_messages: -1,
        max_bytes: -1,
        max_messages_per_subject: -1,
        max_consumers: -1,
        duplicate_window: streams::DUPLICATE_WINDOW,
        allow_direct: true,
        ..Config::default()
    }
}

fn log_config(spec: &StreamSpec) -> Config {
    Config {
        name: spec.name.to_owned(),
        description: Some(spec.description.to_owned()),
        subjects: spec.subjects.iter().map(|&name| name.to_owned()).collect(),
        max_message_size: spec.max_message_bytes,
        // Concurrent facts share one sync to disk.
        allow_atomic_publish: true,
        ..base_config()
    }
}

/// The stream of an object bucket, as the JetStream object store design (ADR-20) lays it out.
fn object_config(bucket: Bucket) -> Config {
    let description = match bucket {
        Bucket::Vault => "Personal data: recordings, raw transcripts, entities",
        Bucket::Open => "Redacted recordings, anonymized transcripts",
    };
    Config {
        name: object_stream(bucket),
        description: Some(description.to_owned()),
        subjects: vec![format!("$O.{bucket}.C.>"), format!("$O.{bucket}.M.>")],
        allow_rollup: true,
        ..base_config()
    }
}

/// The stream of a key-value bucket, as the JetStream key-value design (ADR-8) lays it out.
fn kv_config(spec: &KvSpec) -> Config {
    let max_age = spec.max_age.unwrap_or_default();
    let base = base_config();
    Config {
        name: format!("KV_{}", spec.name),
        description: Some(spec.description.to_owned()),
        subjects: vec![format!("$KV.{}.>", spec.name)],
        max_messages_per_subject: 1,
        max_age,
        allow_rollup: true,
        deny_delete: true,
        duplicate_window: match max_age.is_zero() {
            true => base.duplicate_window,
            false => base.duplicate_window.min(max_age),
        },
        ..base
    }
}

async fn present(bus: &Bus, name: &str) -> Result<Option<Config>> {
    match bus.jetstream().get_stream(name).await {
        Ok(stream) => Ok(Some(stream.cached_info().config.clone())),
        Err(error) if not_found(&error) => Ok(None),
        Err(error) => Err(provision_error("stream", name, error)),
    }
}

/// Whether the broker says that there is no such stream, and not that it cannot tell.
pub(crate) fn not_found(error: &GetStreamError) -> bool {
    let said = error.kind();
    matches!(said, GetStreamErrorKind::JetStream(said)
        if said.error_code() == async_nats::jetstream::ErrorCode::STREAM_NOT_FOUND)
}

async fn apply_stream(bus: &Bus, wanted: Config) -> Result<()> {
    let name = wanted.name.clone();
    let failed =
        |error: Box<dyn std::error::Error + Send + Sync>| provision_error("stream", &name, error);
    match present(bus, &name).await? {
        None => bus
            .jetstream()
            .create_stream(wanted)
            .await
            .map(drop)
            .map_err(|error| failed(error.into())),
        Some(found) => {
            let merged = safety::merged(&wanted, &found);
            if merged == found {
                return Ok(());
            }
            bus.jetstream()
                .update_stream(merged)
                .await
                .map(drop)
                .map_err(|error| failed(error.into()))
        }
    }
}

async fn consumer_config(
    bus: &Bus,
    stream: &str,
    name: &str,
) -> Result<Option<async_nats::jetstream::consumer::Config>> {
    let found = consumer(bus, stream, name).await?;
    Ok(found.map(|info| info.config))
}

/// What the broker knows of a durable consumer, if there is one.
pub(crate) async fn consumer(
    bus: &Bus,
    stream: &str,
    name: &str,
) -> Result<Option<async_nats::jetstream::consumer::Info>> {
    use ConsumerInfoErrorKind::{NotFound, StreamNotFound};
    let log = bus
        .jetstream()
        .get_stream_no_info(stream)
        .await
        .map_err(|error| provision_error("consumer", name, error))?;
    let looking = async {
        match log.consumer_info(name).await {
            Ok(info) => Ok(Some(info)),
            Err(error) if matches!(error.kind(), NotFound | StreamNotFound) => Ok(None),
            Err(error) => Err(provision_error("consumer", name, error)),
        }
    };
    let needed = [format!("$JS.API.CONSUMER.INFO.{stream}.{name}")];
    bus.or_denied(&needed, looking).await
}

/// A durable consumer as we want it.
struct WantedConsumer {
    name: String,
    stream: &'static str,
    config: pull::Config,
}

impl WantedConsumer {
    async fn apply(self, bus: &Bus) -> Result<()> {
        bus.jetstream()
            .create_consumer_on_stream(self.config, self.stream)
            .await
            .map(drop)
            .map_err(|error| provision_error("consumer", &self.name, error))
    }
}

fn wanted_consumers() -> Vec<WantedConsumer> {
    services::ALL
        .iter()
        .filter(|service| service.reading == Reading::Consumer)
        .filter_map(|service| consumers_of(service.name, service.reacts).ok())
        .flatten()
        .collect()
}

/// The service's consumer of facts, and that of the broker's word that it gave up on one.
fn consumers_of(name: &str, reacts: &[FactType]) -> Result<[WantedConsumer; 2]> {
    let family = family_of(reacts).ok_or_else(|| {
        BusError::Settings(format!("service {name} must react to facts of one stream"))
    })?;
    let stream = streams::of(family).name;
    let facts = reacts.iter().copied().map(Subject::filter);
    let redriven = facts.clone().map(|filter| subject::redrive(name, &filter));
    let config = pull::Config {
        durable_name: Some(name.to_owned()),
        description: Some(format!("Service {name}")),
        ack_policy: AckPolicy::Explicit,
        ack_wait: streams::ACK_WAIT,
        max_deliver: streams::MAX_DELIVER,
        deliver_policy: DeliverPolicy::All,
        replay_policy: ReplayPolicy::Instant,
        filter_subjects: facts.chain(redriven).collect(),
        max_ack_pending: streams::MAX_ACK_PENDING,
        // No backoff list: it would override the delays of our NAKs.
        ..pull::Config::default()
    };
    let advisory = format!("$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.{stream}.{name}");
    let captor = pull::Config {
        description: Some(format!("What the broker gave up on for service {name}")),
        filter_subjects: vec![advisory],
        max_deliver: -1,
        ..config.clone()
    };
    Ok([
        WantedConsumer {
            name: name.to_owned(),
            stream,
            config,
        },
        WantedConsumer {
            name: name.to_owned(),
            stream: streams::ADVISORIES.name,
            config: captor,
        },
    ])
}

fn provision_error<E>(kind: &str, name: &str, source: E) -> BusError
where
    E: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    BusError::Provision {
        what: format!("{kind} {name}"),
        source: source.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_reads_one_stream() {
        use FactType::{AccountCreated, ConversationDecoded, ConversationReceived};
        assert_eq!(
            family_of(&[ConversationReceived, ConversationDecoded]),
            Some(Family::Conversation)
        );
        assert_eq!(family_of(&[ConversationReceived, AccountCreated]), None);
        assert_eq!(family_of(&[]), None);
    }

    #[test]
    fn a_service_reads_what_is_redriven_to_it() {
        let [facts, captor] = consumers_of("notify", &[FactType::AccountCreated]).unwrap();
        assert_eq!(
            facts.config.filter_subjects,
            ["accounts.*.created", "redrives.notify.accounts.*.created"]
        );
        assert_eq!(
            captor.config.filter_subjects,
            ["$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.ACCOUNTS.notify"]
        );
    }
}
