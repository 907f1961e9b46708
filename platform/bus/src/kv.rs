//! Key-value buckets with compare-and-set.

use std::{sync::Arc, time::Duration};

use async_nats::jetstream::{
    self,
    consumer::{DeliverPolicy, pull},
    kv,
    stream::LastRawMessageErrorKind,
};
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    BusError, Result,
    denied::{Denials, api, apis},
};

/// How often a compare-and-set is tried before the caller is told.
const UPDATE_ATTEMPTS: u32 = 64;

/// A key-value bucket of JSON values.
#[derive(Debug, Clone)]
pub struct Kv {
    store: kv::Store,
    denials: Arc<Denials>,
    /// Subjects that reading and writing take.
    reading: Arc<[String]>,
    writing: Arc<[String]>,
}

/// How long the next key may take.
const KEY_TIMEOUT: Duration = Duration::from_secs(10);

/// JetStream's code for a wrong expected sequence on a replicated stream.
const WRONG_LAST_SEQUENCE_CONSTANT: u64 = 10_164;

/// Keys of a bucket, one after the other.
pub struct Keys {
    kv: Kv,
    messages: pull::Ordered,
    pending: u64,
}

impl Keys {
    /// The next key; `None` after the last. An error ends the listing.
    pub async fn next(&mut self) -> Result<Option<String>> {
        while self.pending > 0 {
            let next = tokio::time::timeout(KEY_TIMEOUT, self.messages.next())
                .await
                .map_err(|_| BusError::TimedOut {
                    what: "listing the keys of a bucket",
                    limit: KEY_TIMEOUT,
                })?;
            let message = match next {
                Some(Ok(message)) => message,
                Some(Err(error)) => return Err(self.kv.error("list", error)),
                None => return Err(self.kv.error("list", "the consumer ended")),
            };
            self.pending = match message.info() {
                Ok(info) => info.pending,
                Err(error) => return Err(self.kv.error("list", error)),
            };
            // A deleted key is a message that says so.
            let headers = message.headers.as_ref();
            let deleted = headers
                .and_then(|headers| headers.get("KV-Operation"))
                .is_some();
            if let Some(key) = message.subject.strip_prefix(&self.kv.store.prefix)
                && !deleted
            {
                return Ok(Some(key.to_owned()));
            }
        }
        Ok(None)
    }
}

/// A value and the revision it was read at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Versioned<T> {
    /// The value.
    pub value: T,
    /// Its revision, for compare-and-set.
    pub revision: u64,
}

impl Kv {
    pub(crate) async fn open(
        jetstream: &jetstream::Context,
        denials: Arc<Denials>,
        bucket: &str,
    ) -> Result<Self> {
        let stream = format!("KV_{bucket}");
        let opening = async {
            let opened = jetstream.get_key_value(bucket).await;
            opened.map_err(|error| BusError::Kv {
                operation: "open",
                bucket: bucket.to_owned(),
                source: error.into(),
            })
        };
        let needed = api("STREAM.INFO", &stream);
        let store = denials.or_denied(&needed, opening).await?;
        let reading = apis(
            &["DIRECT.GET", "STREAM.MSG.GET", "CONSUMER.CREATE"],
            &stream,
        );
        let mut writing = reading.clone();
        writing.push(format!("$KV.{bucket}.>"));
        Ok(Self {
            store,
            denials,
            reading: reading.into(),
            writing: writing.into(),
        })
    }

    fn read<T>(
        &self,
        operation: impl Future<Output = Result<T>>,
    ) -> impl Future<Output = Result<T>> {
        self.denials.or_denied(&self.reading, operation)
    }

    fn write<T>(
        &self,
        operation: impl Future<Output = Result<T>>,
    ) -> impl Future<Output = Result<T>> {
        self.denials.or_denied(&self.writing, operation)
    }

    /// The value of a key; `None` if there is none.
    pub async fn get<T: DeserializeOwned>(&self, key: &str) -> Result<Option<Versioned<T>>> {
        let entry = self.entry(key).await?;
        match entry {
            Some(entry) if entry.operation == kv::Operation::Put => Ok(Some(Versioned {
                value: self.decode(&entry.value)?,
                revision: entry.revision,
            })),
            _ => Ok(None),
        }
    }

    /// The value of a key as it stands, readable or not; `None` if there is none.
    pub async fn get_bytes(&self, key: &str) -> Result<Option<Versioned<Bytes>>> {
        let entry = self.entry(key).await?;
        let entry = entry.filter(|entry| entry.operation == kv::Operation::Put);
        Ok(entry.map(|entry| Versioned {
            value: entry.value,
            revision: entry.revision,
        }))
    }

    async fn entry(&self, key: &str) -> Result<Option<kv::Entry>> {
        let getting = async {
            let entry = self.store.entry(key).await;
            entry.map_err(|error| self.error("get", error))
        };
        self.read(getting).await
    }

    /// Creates a key; `false` if it exists.
    pub async fn create<T: Serialize>(&self, key: &str, value: &T) -> Result<bool> {
        let value = self.encode(value)?;
        let creating = async {
            match self.store.create(key, value).await {
                Ok(_) => Ok(true),
                Err(error)
                    if error.kind() == kv::CreateErrorKind::AlreadyExists
                        || is_conflict(&error) =>
                {
                    Ok(false)
                }
                Err(error) => Err(self.error("create", error)),
            }
        };
        self.write(creating).await
    }

    /// Sets a key, whatever it holds.
    pub async fn put<T: Serialize>(&self, key: &str, value: &T) -> Result<()> {
        let value = self.encode(value)?;
        let putting = async {
            let put = self.store.put(key, value).await;
            put.map(drop).map_err(|error| self.error("put", error))
        };
        self.write(putting).await
    }

    /// Changes a key by compare-and-set until it holds. `change` is handed the present value and
    /// returns the next, or `None` to leave it; it may run several times.
    pub async fn update<T, F>(&self, key: &str, mut change: F) -> Result<()>
    where
        T: Serialize + DeserializeOwned,
        F: FnMut(Option<T>) -> Option<T> + Send,
    {
        for _ in 0..UPDATE_ATTEMPTS {
            let (present, revision) = match self.get::<T>(key).await? {
                Some(found) => (Some(found.value), Some(found.revision)),
                None => (None, None),
            };
            let Some(next) = change(present) else {
                return Ok(());
            };
            let changed = match revision {
                None => self.create(key, &next).await?,
                Some(revision) => self.compare_and_set(key, &next, revision).await?,
            };
            if changed {
                return Ok(());
            }
        }
        Err(self.error("update", "others kept changing the key"))
    }

    /// Sets a key if it is still at `revision`; `false` if not.
    pub async fn compare_and_set<T: Serialize>(
        &self,
        key: &str,
        value: &T,
        revision: u64,
    ) -> Result<bool> {
        let value = self.encode(value)?;
        let updating = async {
            match self.store.update(key, value, revision).await {
                Ok(_) => Ok(true),
                Err(error)
                    if error.kind() == kv::UpdateErrorKind::WrongLastRevision
                        || is_conflict(&error) =>
                {
                    Ok(false)
                }
                Err(error) => Err(self.error("update", error)),
            }
        };
        self.write(updating).await
    }

    /// Deletes a key if it is still at `revision`; `false` if not.
    pub async fn delete_at(&self, key: &str, revision: u64) -> Result<bool> {
        let deleting = async {
            match self.store.delete_expect_revision(key, Some(revision)).await {
                Ok(()) => Ok(true),
                Err(error)
                    if error.kind() == kv::DeleteErrorKind::WrongLastRevision
                        || is_conflict(&error) =>
                {
                    Ok(false)
                }
                Err(error) => Err(self.error("delete", error)),
            }
        };
        self.write(deleting).await
    }

    /// The keys that match a filter such as `account.*`, one after the other: those that are there
    /// now, and maybe some that are made meanwhile.
    pub async fn keys(&self, filter: &str) -> Result<Keys> {
        let config = pull::OrderedConfig {
            filter_subject: format!("{}{filter}", self.store.prefix),
            deliver_policy: DeliverPolicy::LastPerSubject,
            headers_only: true,
            ..pull::OrderedConfig::default()
        };
        let creating = async {
            let created = self.store.stream.create_consumer(config).await;
            created.map_err(|error| self.error("list", error))
        };
        let consumer = self.read(creating).await?;
        let pending = consumer.cached_info().num_pending;
        let messages = consumer
            .messages()
            .await
            .map_err(|error| self.error("list", error))?;
        Ok(Keys {
            kv: self.clone(),
            messages,
            pending,
        })
    }

    /// All keys that match a filter such as `account.*` with their values, at most `limit`.
    pub async fn list<T: DeserializeOwned>(
        &self,
        filter: &str,
        limit: usize,
    ) -> Result<Vec<(String, T)>> {
        let mut found = Vec::new();
        let watching = async {
            let watch = self.store.watch_with_history(filter).await;
            watch.map_err(|error| self.error("list", error))
        };
        let mut watch = self.read(watching).await?;
        if self.is_empty(filter).await? {
            return Ok(found);
        }
        while let Some(entry) = watch
            .try_next()
            .await
            .map_err(|error| self.error("list", error))?
        {
            if entry.operation == kv::Operation::Put {
                found.push((entry.key, self.decode(&entry.value)?));
            }
            if entry.delta == 0 || found.len() >= limit {
                break;
            }
        }
        Ok(found)
    }

    /// Whether no key matches the filter. One round trip.
    pub async fn is_empty(&self, filter: &str) -> Result<bool> {
        let subject = format!("{}{filter}", self.store.prefix);
        let stream = &self.store.stream;
        let looking = async {
            match stream.get_last_raw_message_by_subject(&subject).await {
                Ok(_) => Ok(false),
                Err(error) if error.kind() == LastRawMessageErrorKind::NoMessageFound => Ok(true),
                Err(error) => Err(self.error("list", error)),
            }
        };
        self.read(looking).await
    }

    fn encode<T: Serialize>(&self, value: &T) -> Result<Bytes> {
        serde_json::to_vec(value)
            .map(Bytes::from)
            .map_err(|source| self.value_error(source))
    }

    fn decode<T: DeserializeOwned>(&self, bytes: &[u8]) -> Result<T> {
        serde_json::from_slice(bytes).map_err(|source| self.value_error(source))
    }

    fn value_error(&self, source: serde_json::Error) -> BusError {
        BusError::Value {
            what: format!("key-value bucket {}", self.store.name),
            source,
        }
    }

    fn error<E>(&self, operation: &'static str, source: E) -> BusError
    where
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        BusError::Kv {
            operation,
            bucket: self.store.name.clone(),
            source: source.into(),
        }
    }
}

/// Whether a replicated bucket says that the key has another revision.
fn is_conflict(error: &(dyn std::error::Error + 'static)) -> bool {
    let chain = std::iter::successors(Some(error), |error| error.source());
    // Bounded: an error chain deeper than this says nothing more.
    chain.take(16).any(|error| {
        error
            .downcast_ref::<jetstream::Error>()
            .is_some_and(|error| error.error_code().0 == WRONG_LAST_SEQUENCE_CONSTANT)
    })
}
