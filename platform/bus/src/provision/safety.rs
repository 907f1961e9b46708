//! What of a stream's or consumer's settings can lose data, and why.

use std::{fmt, time::Duration};

use async_nats::jetstream::{
    consumer::{self, AckPolicy, DeliverPolicy},
    stream::{Config, DiscardPolicy, PersistenceMode, RetentionPolicy, StorageType},
};
use serde::Serialize;

use crate::Bus;

use super::Storage;

/// How bad a difference from the contract is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// It is not there yet; applying creates it.
    Missing,
    /// It differs; applying mends it.
    Differs,
    /// It can lose data, and applying mends it.
    Unsafe,
    /// It can lose data, and only a person can mend it: applying refuses.
    Refused,
}

/// A difference from the contract.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The stream, bucket or consumer.
    pub what: String,
    /// How bad it is.
    pub severity: Severity,
    /// What it is about, why it matters and what to do, for a person.
    pub reason: String,
}

impl Finding {
    pub(super) fn missing(what: String) -> Self {
        let reason = "it is not there; 'colloquy streams apply' creates it".to_owned();
        Self {
            what,
            severity: Severity::Missing,
            reason,
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.what, self.reason)
    }
}

/// What is wrong with the deployment itself.
pub(super) fn of_deployment(bus: &Bus, storage: Storage) -> Vec<Finding> {
    let info = bus.client().server_info();
    let mut findings = Vec::new();
    let mut refuse = |reason: String| {
        findings.push(Finding {
            what: "storage".to_owned(),
            severity: Severity::Refused,
            reason,
        });
    };
    if !matches!(storage.replicas, 1 | 3 | 5) {
        refuse(format!(
            "{} copies are not 1, 3 or 5; an even number bears no more losses than one less",
            storage.replicas
        ));
    }
    if info.cluster.is_some() && storage.replicas == 1 && !storage.allow_single_replica {
        refuse(
            "one copy of each stream on a cluster is lost with the node that has it; use \
             --replicas 3, or accept it knowingly with --allow-single-replica"
                .to_owned(),
        );
    }
    findings
}

/// What the broker keeps, with our settings in place of those that the contract governs.
pub(super) fn merged(wanted: &Config, found: &Config) -> Config {
    Config {
        name: found.name.clone(),
        description: wanted.description.clone(),
        subjects: wanted.subjects.clone(),
        discard: wanted.discard,
        discard_new_per_subject: false,
        max_messages: wanted.max_messages,
        max_messages_per_subject: wanted.max_messages_per_subject,
        max_consumers: wanted.max_consumers,
        max_age: wanted.max_age,
        max_message_size: if wanted.max_message_size == 0 {
            found.max_message_size
        } else {
            wanted.max_message_size
        },
        num_replicas: wanted.num_replicas,
        no_ack: false,
        duplicate_window: wanted.duplicate_window,
        allow_rollup: wanted.allow_rollup,
        deny_delete: wanted.deny_delete,
        allow_direct: wanted.allow_direct,
        allow_atomic_publish: wanted.allow_atomic_publish,
        subject_transform: None,
        allow_message_ttl: false,
        ..found.clone()
    }
}

/// Compares a stream with what is wanted.
pub(super) fn of_stream(wanted: &Config, found: &Config) -> Vec<Finding> {
    let mut findings: Vec<Finding> = hazards(wanted, found)
        .into_iter()
        .filter(|(is_there, ..)| *is_there)
        .map(|(_, severity, reason)| Finding {
            what: format!("stream {}", found.name),
            severity,
            reason: reason.to_owned(),
        })
        .collect();
    let merged = merged(wanted, found);
    if findings.is_empty() && merged != *found {
        findings.push(Finding {
            what: format!("stream {}", found.name),
            severity: Severity::Differs,
            reason: differences(&merged, found),
        });
    }
    findings
}

/// Each way to lose data that a stream's settings can have: whether it is there, how bad, why.
fn hazards(wanted: &Config, found: &Config) -> [(bool, Severity, &'static str); 13] {
    use Severity::{Refused, Unsafe};
    [
        (
            found.storage != StorageType::File,
            Refused,
            "its storage is memory: a restart of the broker loses everything; copy it into a \
             stream with file storage and delete this one",
        ),
        (
            found.retention == RetentionPolicy::WorkQueue,
            Refused,
            "its retention is workqueue: a fact is gone once one service has read it, and its \
             duplicate is accepted after a restart; make it anew with limits retention",
        ),
        (
            found.retention == RetentionPolicy::Interest,
            Refused,
            "its retention is interest: facts that no consumer waits for are dropped; make it \
             anew with limits retention",
        ),
        (
            found.persist_mode == Some(PersistenceMode::Async),
            Refused,
            "its persist mode is async: facts are acknowledged before they are stored; make it \
             anew with the default mode",
        ),
        (
            found.sealed,
            Refused,
            "it is sealed: nothing can be stated any more; make it anew",
        ),
        (
            found.mirror.is_some() || found.sources.as_ref().is_some_and(|list| !list.is_empty()),
            Refused,
            "it copies another stream: sequences and subjects are then not ours alone; mirror \
             into a stream of another name",
        ),
        (
            found.discard != DiscardPolicy::New,
            Unsafe,
            "it discards old messages when it is full: accepted facts are dropped silently",
        ),
        (
            found.max_age != wanted.max_age,
            Unsafe,
            "its messages have another time to live than they should: they vanish too early, or \
             never",
        ),
        (
            found.max_messages > 0,
            Unsafe,
            "it has a limit on the number of messages; use a limit on bytes",
        ),
        (
            found.max_messages_per_subject > 0 && wanted.max_messages_per_subject <= 0,
            Unsafe,
            "it has a limit on messages per subject: statements of a fact replace each other",
        ),
        (
            found.no_ack,
            Unsafe,
            "it acknowledges nothing: nobody knows what was stored",
        ),
        (
            found.num_replicas < wanted.num_replicas,
            Unsafe,
            "it has fewer copies than asked for",
        ),
        (
            found.subject_transform.is_some(),
            Unsafe,
            "it transforms subjects: facts are not found where they were stated",
        ),
    ]
}

/// The governed settings that differ, by name.
fn differences(merged: &Config, found: &Config) -> String {
    let fields = |config: &Config| match serde_json::to_value(config) {
        Ok(serde_json::Value::Object(fields)) => fields,
        _ => serde_json::Map::new(),
    };
    let (wanted, found) = (fields(merged), fields(found));
    let mut names: Vec<&str> = wanted
        .keys()
        .chain(found.keys())
        .filter(|&name| wanted.get(name) != found.get(name))
        .map(String::as_str)
        .collect();
    names.sort_unstable();
    names.dedup();
    format!("{} differ from the contract", names.join(", "))
}

/// Compares a consumer with what is wanted.
pub(super) fn of_consumer(
    what: &str,
    wanted: &consumer::pull::Config,
    found: &consumer::Config,
) -> Vec<Finding> {
    use Severity::{Differs, Refused, Unsafe};
    let finding = |severity, reason: &str| Finding {
        what: what.to_owned(),
        severity,
        reason: reason.to_owned(),
    };
    let filters = |list: &[String], one: &str| {
        let mut all: Vec<String> = list.to_vec();
        if !one.is_empty() {
            all.push(one.to_owned());
        }
        all.sort();
        all
    };
    let checks = [
        (
            found.ack_policy != AckPolicy::Explicit,
            Refused,
            "it does not acknowledge each message by itself: a crash loses what was under way; \
             delete the consumer, it is made anew from the log's beginning",
        ),
        (
            !matches!(found.deliver_policy, DeliverPolicy::All),
            Refused,
            "it does not begin at the log's beginning: older facts are never handled; delete the \
             consumer, it is made anew",
        ),
        (
            found.memory_storage,
            Unsafe,
            "its state is in memory: a restart forgets what is under way",
        ),
        (
            !found.backoff.is_empty(),
            Unsafe,
            "it has a backoff list, which overrides the delays that services ask for",
        ),
        (
            found.inactive_threshold > Duration::ZERO,
            Unsafe,
            "it is removed when nobody pulls for a while",
        ),
        (
            found.max_deliver != wanted.max_deliver,
            Unsafe,
            "the broker gives up after another number of deliveries",
        ),
        (
            filters(&found.filter_subjects, &found.filter_subject)
                != filters(&wanted.filter_subjects, &wanted.filter_subject),
            Unsafe,
            "it reads other subjects than its service reacts to",
        ),
        (
            found.ack_wait != wanted.ack_wait || found.max_ack_pending != wanted.max_ack_pending,
            Differs,
            "its ack wait or its bound of unacknowledged messages differs",
        ),
    ];
    checks
        .into_iter()
        .filter(|(is_there, ..)| *is_there)
        .map(|(_, severity, reason)| finding(severity, reason))
        .collect()
}
