//! Makes the broker agree with the contract: streams, object buckets, key-value buckets.
//!
//! Idempotent: what agrees is left alone, what is missing is created, what differs is updated.

use async_nats::jetstream::{
    kv, object_store,
    stream::{Config, DiscardPolicy, RetentionPolicy, StorageType},
};
use colloquy_contract::{
    Bucket,
    streams::{self, KvSpec, StreamSpec},
};

use crate::{Bus, BusError, Result};

/// What a deployment chooses about its storage.
#[derive(Debug, Clone, Copy)]
pub struct Storage {
    /// Copies of every stream and bucket: 1, 3 or 5.
    pub replicas: usize,
}

impl Default for Storage {
    fn default() -> Self {
        Self { replicas: 1 }
    }
}

/// Creates or updates every stream and bucket of the contract.
pub async fn apply(bus: &Bus, storage: Storage) -> Result<()> {
    for spec in &streams::ALL {
        bus.jetstream()
            .create_or_update_stream(stream_config(spec, storage))
            .await
            .map_err(|error| provision_error("stream", spec.name, error))?;
    }
    for bucket in streams::OBJECT_BUCKETS {
        apply_object_bucket(bus, bucket, storage).await?;
    }
    for spec in &streams::KV_BUCKETS {
        bus.jetstream()
            .create_or_update_key_value(kv_config(spec, storage))
            .await
            .map_err(|error| provision_error("key-value bucket", spec.name, error))?;
    }
    Ok(())
}

fn stream_config(spec: &StreamSpec, storage: Storage) -> Config {
    Config {
        name: spec.name.to_owned(),
        description: Some(spec.description.to_owned()),
        subjects: spec
            .subjects
            .iter()
            .map(|&subject| subject.to_owned())
            .collect(),
        retention: RetentionPolicy::Limits,
        storage: StorageType::File,
        discard: DiscardPolicy::New,
        max_message_size: spec.max_message_bytes,
        num_replicas: storage.replicas,
        duplicate_window: streams::DUPLICATE_WINDOW,
        allow_direct: true,
        ..Config::default()
    }
}

async fn apply_object_bucket(bus: &Bus, bucket: Bucket, storage: Storage) -> Result<()> {
    // An object bucket cannot be created twice, and its settings that we choose never change.
    if bus
        .jetstream()
        .get_object_store(bucket.as_str())
        .await
        .is_ok()
    {
        return Ok(());
    }
    bus.jetstream()
        .create_object_store(object_store::Config {
            bucket: bucket.as_str().to_owned(),
            description: Some(
                match bucket {
                    Bucket::Vault => "Personal data: recordings, raw transcripts, entities",
                    Bucket::Open => "Redacted recordings, anonymized transcripts",
                }
                .to_owned(),
            ),
            storage: StorageType::File,
            num_replicas: storage.replicas,
            ..object_store::Config::default()
        })
        .await
        .map(drop)
        .map_err(|error| provision_error("object bucket", bucket.as_str(), error))
}

fn kv_config(spec: &KvSpec, storage: Storage) -> kv::Config {
    kv::Config {
        bucket: spec.name.to_owned(),
        description: spec.description.to_owned(),
        history: 1,
        max_age: spec.max_age.unwrap_or_default(),
        storage: StorageType::File,
        num_replicas: storage.replicas,
        ..kv::Config::default()
    }
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
