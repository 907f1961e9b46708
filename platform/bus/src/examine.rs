//! What the broker says about itself, its streams and its consumers, for somebody who looks whether
//! all is well. Reads only.

use std::time::{Duration, Instant};

use colloquy_contract::{
    permissions::{Permissions, WHO_AM_I, within},
    services::{self, Reading, ServiceSpec},
    streams,
};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use crate::{Bus, BusError, Result, provision};

/// How long the broker may take to answer one question.
const PATIENCE: Duration = Duration::from_secs(5);

/// The server that a connection is with.
#[derive(Debug, Clone)]
pub struct Server {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Whether it has JetStream.
    pub jetstream: bool,
    /// The cluster that it is a part of.
    pub cluster: Option<String>,
    /// How long a question and its answer take.
    pub round_trip: Duration,
}

/// A copy of a stream on another server than its leader.
#[derive(Debug, Clone, Deserialize)]
pub struct Replica {
    /// The server.
    pub name: String,
    /// Whether it has everything.
    #[serde(default)]
    pub current: bool,
    /// Whether it is away.
    #[serde(default)]
    pub offline: bool,
}

/// How a stream stands.
#[derive(Debug, Clone)]
pub struct StreamState {
    /// Messages in it.
    pub messages: u64,
    /// What the broker's clock says, and what ours said at the middle of the question.
    pub clocks: Option<(Timestamp, Timestamp)>,
    /// Its leader, on a cluster.
    pub leader: Option<String>,
    /// Its other copies, on a cluster.
    pub replicas: Vec<Replica>,
}

/// How a service's durable consumer stands.
#[derive(Debug, Clone)]
pub struct ConsumerState {
    /// The service.
    pub service: &'static str,
    /// The stream that it reads.
    pub stream: &'static str,
    /// Facts that were not delivered yet.
    pub pending: u64,
    /// Facts that were delivered and not settled.
    pub ack_pending: u64,
    /// Facts among those that were delivered more than once.
    pub redelivered: u64,
    /// Requests for messages that are open: somebody is there and has room.
    pub waiting: u64,
    /// When something was last delivered.
    pub delivered_at: Option<Timestamp>,
}

impl ConsumerState {
    /// Whether an instance of the service is there: it asks for facts, or works on some.
    pub const fn is_served(&self) -> bool {
        self.waiting > 0 || self.ack_pending > 0
    }
}

/// Who a connection is to the broker.
#[derive(Debug, Clone)]
pub struct Myself {
    /// The user; empty where the broker asks for none.
    pub user: String,
    /// What it may do; `None` if that is everything.
    pub grants: Option<Permissions>,
}

impl Myself {
    /// What the user lacks of what is needed, of publishing and of subscribing.
    pub fn lacks(&self, needed: &Permissions) -> Vec<String> {
        let Some(grants) = &self.grants else {
            return Vec::new();
        };
        let covered = |patterns: &[String], wanted: &String| {
            let mut patterns = patterns.iter();
            patterns.any(|pattern| pattern == wanted || within(pattern, wanted))
        };
        let publish = needed
            .publish
            .iter()
            .filter(|wanted| !covered(&grants.publish, wanted) || covered(&grants.refused, wanted));
        let subscribe = needed
            .subscribe
            .iter()
            .filter(|wanted| !covered(&grants.subscribe, wanted));
        let publish = publish.map(|subject| format!("publish {subject}"));
        let subscribe = subscribe.map(|subject| format!("subscribe {subject}"));
        publish.chain(subscribe).collect()
    }
}

impl Bus {
    /// The server that this connection is with.
    pub async fn server(&self) -> Result<Server> {
        let started = Instant::now();
        if !self.ping().await {
            return Err(BusError::TimedOut {
                what: "the broker's answer",
                limit: Duration::from_secs(2),
            });
        }
        let round_trip = started.elapsed();
        let info = self.client().server_info();
        Ok(Server {
            name: info.server_name,
            version: info.version,
            jetstream: info.jetstream,
            cluster: info.cluster,
            round_trip,
        })
    }

    /// How a stream of the contract stands; `None` if there is none of this name.
    pub async fn stream_state(&self, name: &'static str) -> Result<Option<StreamState>> {
        let subject = format!("$JS.API.STREAM.INFO.{name}");
        let asked = Timestamp::now();
        let answer = self.question(subject, name).await?;
        let answered = Timestamp::now();
        if let Some(error) = answer.get("error") {
            return match error["err_code"].as_u64() {
                Some(10_059) => Ok(None),
                _ => Err(BusError::Log {
                    what: name.to_owned(),
                    source: error["description"].to_string().into(),
                }),
            };
        }
        let ours = asked + answered.duration_since(asked) / 2;
        let theirs = answer["ts"]
            .as_str()
            .and_then(|text| text.parse::<Timestamp>().ok());
        let replicas = answer["cluster"]["replicas"].clone();
        Ok(Some(StreamState {
            messages: answer["state"]["messages"].as_u64().unwrap_or_default(),
            clocks: theirs.map(|theirs| (theirs, ours)),
            leader: answer["cluster"]["leader"].as_str().map(str::to_owned),
            replicas: serde_json::from_value(replicas).unwrap_or_default(),
        }))
    }

    /// How the durable consumers of the contract stand, those of facts; a missing one is left out.
    pub async fn consumer_states(&self) -> Result<Vec<ConsumerState>> {
        let all = services::ALL.iter();
        let mut states = Vec::new();
        for service in all.filter(|service| service.reading == Reading::Consumer) {
            states.extend(self.consumer_states_of(service).await?);
        }
        Ok(states)
    }

    /// The same for one service; empty for one that has none.
    pub async fn consumer_states_of(
        &self,
        service: &'static ServiceSpec,
    ) -> Result<Vec<ConsumerState>> {
        let mut states = Vec::new();
        let families = match service.reading {
            Reading::Consumer => service.families(),
            Reading::Log | Reading::Nothing => Vec::new(),
        };
        for stream in families.into_iter().map(|family| streams::of(family).name) {
            let Some(info) = provision::consumer(self, stream, service.name).await? else {
                continue;
            };
            let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
            states.push(ConsumerState {
                service: service.name,
                stream,
                pending: info.num_pending,
                ack_pending: count(info.num_ack_pending),
                redelivered: count(info.num_redelivered),
                waiting: count(info.num_waiting),
                delivered_at: info
                    .delivered
                    .last_active
                    .and_then(|at| Timestamp::from_nanosecond(at.unix_timestamp_nanos()).ok()),
            });
        }
        Ok(states)
    }

    /// Who this connection is to the broker, and what it may do.
    pub async fn myself(&self) -> Result<Myself> {
        let answer = self.question(WHO_AM_I.to_owned(), WHO_AM_I).await?;
        let said = &answer["data"];
        let list = |access: &str, how: &str| -> Vec<String> {
            let list = said["permissions"][access][how].clone();
            serde_json::from_value(list).unwrap_or_default()
        };
        let limited = said["permissions"].is_object();
        // An empty list of what is allowed allows everything that is not denied.
        let allowed = |access| match list(access, "allow") {
            all if all.is_empty() => vec![">".to_owned()],
            some => some,
        };
        Ok(Myself {
            user: said["user"].as_str().unwrap_or_default().to_owned(),
            grants: limited.then(|| Permissions {
                publish: allowed("publish"),
                refused: list("publish", "deny"),
                subscribe: allowed("subscribe"),
                answers: !said["permissions"]["responses"].is_null(),
            }),
        })
    }

    async fn question(&self, subject: String, what: &'static str) -> Result<Value> {
        let needed = [subject.clone()];
        let asking = async {
            let no_answer = |source| BusError::NoAnswer { what, source };
            let asked = self.client().request(subject, bytes::Bytes::new());
            let answer = tokio::time::timeout(PATIENCE, asked)
                .await
                .map_err(|_| BusError::TimedOut {
                    what,
                    limit: PATIENCE,
                })?
                .map_err(|error| no_answer(error.into()))?;
            serde_json::from_slice(&answer.payload).map_err(|source| BusError::Value {
                what: format!("an answer on {what}"),
                source,
            })
        };
        self.or_denied(&needed, asking).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_lacking_is_named() {
        let decode = services::find("decode").unwrap();
        let needed = Permissions::of(decode);
        let everything = Myself {
            user: "decode".to_owned(),
            grants: Some(needed.clone()),
        };
        assert_eq!(everything.lacks(&needed), Vec::<String>::new());
        let mut less = needed.clone();
        let gone = less.publish.pop().unwrap();
        less.subscribe.clear();
        let myself = Myself {
            user: "decode".to_owned(),
            grants: Some(less),
        };
        let lacks = myself.lacks(&needed);
        assert!(lacks.contains(&format!("publish {gone}")), "{lacks:?}");
        assert_eq!(lacks.len(), 1 + needed.subscribe.len(), "{lacks:?}");
        let refused = Permissions {
            refused: vec!["$JS.API.>".to_owned()],
            ..needed.clone()
        };
        let myself = Myself {
            grants: Some(refused),
            ..everything
        };
        assert!(!myself.lacks(&needed).is_empty());
    }
}
