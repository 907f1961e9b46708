//! What one service counts. Labels hold no ids.

use std::{sync::Arc, time::Duration};

use colloquy_contract::{Fact, FactType, subject::template};
use opentelemetry::KeyValue;

use super::Failure;
use crate::metrics::{GROUP, Meters, OUTCOME};

/// A service's numbers.
pub(super) struct Metrics {
    meters: Arc<Meters>,
    group: [KeyValue; 1],
    limit: i64,
}

/// One that is in work, counted while it lives.
pub(super) struct Active<'a>(&'a Metrics);

impl Drop for Active<'_> {
    fn drop(&mut self) {
        self.0.meters.active.add(-1, &self.0.group);
    }
}

impl Metrics {
    /// Of a service that handles so many facts at once.
    pub(super) fn new(meters: Arc<Meters>, service: &'static str, concurrency: usize) -> Self {
        let group = [KeyValue::new(GROUP, service)];
        let limit = i64::try_from(concurrency).unwrap_or(i64::MAX);
        meters.limit.add(limit, &group);
        Self {
            meters,
            group,
            limit,
        }
    }

    /// Counts a delivery as one in work until the result is dropped. `waited` is how long ago its
    /// fact came into the log.
    pub(super) fn begins(
        &self,
        template: &'static str,
        attempt: u32,
        waited: Duration,
    ) -> Active<'_> {
        let labels = self.messaging(template);
        self.meters.consumed.add(1, &labels);
        if attempt > 1 {
            self.meters.redeliveries.add(1, &self.group);
        } else {
            // Later ones waited for what we decided ourselves.
            let waited = waited.as_secs_f64();
            self.meters.waiting.record(waited, &self.group);
        }
        self.meters.active.add(1, &self.group);
        Active(self)
    }

    /// The handler came to an end, and what follows was stated, or not.
    pub(super) fn processed<T>(
        &self,
        fact: FactType,
        worked: &std::result::Result<T, Failure>,
        took: Duration,
    ) {
        let outcome = worked.as_ref().map_or_else(Failure::kind, |_| "ok");
        let mut labels = self.messaging(template(fact)).to_vec();
        labels.push(KeyValue::new(OUTCOME, outcome));
        if worked.is_err() {
            labels.push(KeyValue::new("error.type", outcome));
        }
        let took = took.as_secs_f64();
        self.meters.processing.record(took, &labels);
    }

    /// A stage has done so much audio in so much time.
    pub(super) fn staged(&self, audio: Duration, took: Duration) {
        let (audio, took) = (audio.as_secs_f64(), took.as_secs_f64());
        self.meters.audio.add(audio, &self.group);
        if audio > 0.0 {
            let factor = took / audio;
            self.meters.realtime_factor.record(factor, &self.group);
        }
    }

    /// A fact is done for good.
    pub(super) fn handled(&self) {
        self.meters.handled.add(1, &self.group);
    }

    fn messaging(&self, template: &'static str) -> [KeyValue; 4] {
        let [group] = &self.group;
        [
            group.clone(),
            KeyValue::new("messaging.system", "nats"),
            KeyValue::new("messaging.operation.name", "process"),
            KeyValue::new("messaging.destination.template", template),
        ]
    }
}

impl Drop for Metrics {
    fn drop(&mut self) {
        // What this service may do at once ends with it; see `new`.
        self.meters.limit.add(-self.limit, &self.group);
    }
}

/// How long the conversation is that a fact is about, if it says so.
pub(super) const fn audio(fact: &Fact) -> Option<Duration> {
    let duration_ms = match fact {
        Fact::ConversationDecoded(data) => data.duration_ms,
        Fact::ConversationTranscribed(data) => data.duration_ms,
        Fact::ConversationTagged(data) => data.duration_ms,
        Fact::ConversationAnonymized(data) => data.duration_ms,
        Fact::ConversationQualified(data) => data.duration_ms,
        _ => return None,
    };
    Some(Duration::from_millis(duration_ms))
}
