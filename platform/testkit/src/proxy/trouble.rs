//! What a proxy does to the messages that pass.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use bytes::Bytes;
use rand::{Rng, rngs::StdRng};

use super::frames::{Frame, Message};

/// What a proxy does to what passes. Probabilities are between 0 and 1.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Trouble {
    /// New connections are closed at once.
    pub refuse: bool,
    /// Nothing passes, connections stand.
    pub stall: bool,
    /// How long everything is held, in each direction.
    pub delay: Duration,
    /// How much longer it is held at most; the order stays.
    pub jitter: Duration,
    /// Probability that a settlement of a delivery (`$JS.ACK.…`) does not reach the broker.
    pub lose_acks: f64,
    /// Probability that a stream's acknowledgement does not reach the publisher.
    pub lose_publish_acks: f64,
    /// Probability that a piece of an artifact (`$O.*.C.>`) does not reach the broker.
    pub lose_chunks: f64,
    /// Probability that a publish of a fact reaches the broker twice. A publish that is part of an
    /// atomic batch does not: the broker counts those.
    pub duplicate_publishes: f64,
    /// Probability that a delivery reaches the service twice at once.
    pub duplicate_deliveries: f64,
    /// Probability that a delivery is handed back behind the service's back, so that the broker
    /// delivers it again while it is handled.
    pub redeliver: f64,
}

/// How often a proxy did what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Done {
    /// Settlements lost.
    pub acks: u64,
    /// Acknowledgements of publishes lost.
    pub publish_acks: u64,
    /// Pieces of artifacts lost.
    pub chunks: u64,
    /// Publishes doubled.
    pub publishes: u64,
    /// Deliveries doubled.
    pub deliveries: u64,
    /// Deliveries handed back.
    pub handed_back: u64,
    /// Connections cut or refused.
    pub connections: u64,
}

#[derive(Debug, Default)]
pub(super) struct Counts {
    acks: AtomicU64,
    publish_acks: AtomicU64,
    chunks: AtomicU64,
    publishes: AtomicU64,
    deliveries: AtomicU64,
    handed_back: AtomicU64,
    pub(super) connections: AtomicU64,
}

impl Counts {
    pub(super) fn done(&self) -> Done {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Done {
            acks: read(&self.acks),
            publish_acks: read(&self.publish_acks),
            chunks: read(&self.chunks),
            publishes: read(&self.publishes),
            deliveries: read(&self.deliveries),
            handed_back: read(&self.handed_back),
            connections: read(&self.connections),
        }
    }
}

/// What becomes of a frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fate {
    /// How often it passes.
    pub(super) passes: u8,
    /// What is said to the other side in the receiver's name.
    pub(super) answer: Option<Bytes>,
}

impl Fate {
    const PASS: Self = Self::times(1);

    const fn times(passes: u8) -> Self {
        Self {
            passes,
            answer: None,
        }
    }
}

/// Decides about frames of one direction of one connection.
pub(super) struct Judge<'a> {
    pub(super) random: StdRng,
    pub(super) counts: &'a Counts,
}

impl Judge<'_> {
    /// About a frame from a client.
    pub(super) fn read_from_client(&mut self, frame: &Frame, trouble: &Trouble) -> Fate {
        let Frame::Message(message) = frame else {
            return Fate::PASS;
        };
        let counts = self.counts;
        if message.subject.starts_with("$JS.ACK.") {
            return self.lose(trouble.lose_acks, &counts.acks);
        }
        if is_chunk(&message.subject) {
            return self.lose(trouble.lose_chunks, &counts.chunks);
        }
        if is_fact(message) && self.happens(trouble.duplicate_publishes, &counts.publishes) {
            return Fate::times(2);
        }
        Fate::PASS
    }

    /// About a frame from the broker.
    pub(super) fn read_from_broker(&mut self, frame: &Frame, trouble: &Trouble) -> Fate {
        let Frame::Message(message) = frame else {
            return Fate::PASS;
        };
        let counts = self.counts;
        if let Some(reply) = delivery(message) {
            let mut fate = Fate::PASS;
            if self.happens(trouble.redeliver, &counts.handed_back) {
                fate.answer = Some(format!("PUB {reply} 4\r\n-NAK\r\n").into());
            }
            if self.happens(trouble.duplicate_deliveries, &counts.deliveries) {
                fate.passes = 2;
            }
            return fate;
        }
        if trouble.lose_publish_acks > 0.0 && is_publish_ack(message.payload()) {
            return self.lose(trouble.lose_publish_acks, &counts.publish_acks);
        }
        Fate::PASS
    }

    fn lose(&mut self, probability: f64, count: &AtomicU64) -> Fate {
        if self.happens(probability, count) {
            Fate::times(0)
        } else {
            Fate::PASS
        }
    }

    fn happens(&mut self, probability: f64, count: &AtomicU64) -> bool {
        let happens = probability > 0.0 && self.random.random_bool(probability.min(1.0));
        if happens {
            count.fetch_add(1, Ordering::Relaxed);
        }
        happens
    }
}

fn is_chunk(subject: &str) -> bool {
    let mut tokens = subject.split('.');
    tokens.next() == Some("$O") && tokens.nth(1) == Some("C")
}

/// Whether somebody states a fact, by itself.
fn is_fact(message: &Message) -> bool {
    let facts = ["conversations.", "accounts.", "redrives.", "deadletters."];
    let batch = b"Nats-Batch-Id";
    facts.iter().any(|first| message.subject.starts_with(first))
        && !message
            .headers()
            .windows(batch.len())
            .any(|name| name.eq_ignore_ascii_case(batch))
}

/// Where a delivery is settled; `None` for any other message.
fn delivery(message: &Message) -> Option<&str> {
    let reply = message.reply.as_deref()?;
    reply.starts_with("$JS.ACK.").then_some(reply)
}

/// Whether it is a stream's word that it has stored a message. Other answers say their `type`.
fn is_publish_ack(payload: &[u8]) -> bool {
    /// An acknowledgement names a stream, a sequence and little more.
    const LONGEST: usize = 1_024;
    if payload.len() > LONGEST || !payload.starts_with(b"{\"stream\":") {
        return false;
    }
    let Ok(said) = serde_json::from_slice::<serde_json::Value>(payload) else {
        return false;
    };
    said["stream"].is_string() && said["seq"].is_u64() && said.get("type").is_none()
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::{super::frames::Frames, *};

    fn frame(bytes: &[u8]) -> Frame {
        let mut frames = Frames::default();
        frames.feed(bytes);
        frames.next().unwrap().unwrap()
    }

    fn certain() -> Trouble {
        Trouble {
            lose_acks: 1.0,
            lose_publish_acks: 1.0,
            lose_chunks: 1.0,
            duplicate_publishes: 1.0,
            redeliver: 1.0,
            ..Trouble::default()
        }
    }

    #[test]
    fn each_trouble_hits_what_it_names() {
        let counts = Counts::default();
        let mut judge = Judge {
            random: StdRng::seed_from_u64(1),
            counts: &counts,
        };
        for (said, passes) in [
            (&b"PUB $JS.ACK.S.c.1.1.1.1.0 4\r\n+ACK\r\n"[..], 0),
            (b"PUB $O.vault.C.abc 1\r\nx\r\n", 0),
            (b"PUB $O.vault.M.abc 1\r\nx\r\n", 1),
            (b"PUB accounts.a.created _INBOX.1 1\r\nx\r\n", 2),
            (
                b"HPUB accounts.a.created 30 31\r\nNATS/1.0\r\nNats-Batch-Id: a\r\n\r\nx\r\n",
                1,
            ),
            (b"PUB elsewhere 1\r\nx\r\n", 1),
            (b"PING\r\n", 1),
        ] {
            let fate = judge.read_from_client(&frame(said), &certain());
            assert_eq!(fate.passes, passes, "{}", String::from_utf8_lossy(said));
        }
        let ack = b"MSG _INBOX.1 1 28\r\n{\"stream\":\"S\", \"seq\":1,\"x\":2\r\n";
        let not_ack = judge.read_from_broker(&frame(ack), &certain());
        assert_eq!(not_ack.passes, 1, "that is no JSON");
        let ack = b"MSG _INBOX.1 1 23\r\n{\"stream\":\"S\", \"seq\":1}\r\n";
        assert_eq!(judge.read_from_broker(&frame(ack), &certain()).passes, 0);
        let delivery = b"MSG _INBOX.1 1 $JS.ACK.S.c.1.1.1.1.0 1\r\nx\r\n";
        let fate = judge.read_from_broker(&frame(delivery), &certain());
        let nak = Bytes::from("PUB $JS.ACK.S.c.1.1.1.1.0 4\r\n-NAK\r\n");
        assert_eq!((fate.passes, fate.answer), (1, Some(nak)));
        let done = counts.done();
        assert_eq!((done.acks, done.chunks, done.publishes), (1, 1, 1));
        assert_eq!((done.publish_acks, done.handed_back), (1, 1));
    }

    #[test]
    fn a_seed_repeats_its_decisions() {
        let decide = |seed| {
            let counts = Counts::default();
            let mut judge = Judge {
                random: StdRng::seed_from_u64(seed),
                counts: &counts,
            };
            let trouble = Trouble {
                lose_acks: 0.5,
                ..Trouble::default()
            };
            let ack = frame(b"PUB $JS.ACK.x 4\r\n+ACK\r\n");
            (0..64)
                .map(|_| judge.read_from_client(&ack, &trouble).passes)
                .collect::<Vec<_>>()
        };
        assert_eq!(decide(7), decide(7));
        assert_ne!(decide(7), decide(8));
    }
}
