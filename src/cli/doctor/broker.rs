//! What is looked at through the broker.

use std::{collections::BTreeSet, time::Duration};

use colloquy_bus::{
    Bus, BusError, Room, chain,
    examine::ConsumerState,
    provision::{self, Severity, Storage},
};
use colloquy_contract::{
    control::{Holdings, HoldingsRequest, INDEX_HOLDINGS},
    permissions::Permissions,
    search::{SUBJECT, SearchReply, SearchRequest},
    services::ServiceSpec,
    streams,
    subject::PARTITIONS,
};
use jiff::{SignedDuration, Timestamp};

use super::report::Check;

/// How long index nodes may take to answer.
const SHARD_PATIENCE: Duration = Duration::from_secs(3);

/// From how many facts on a service lags.
const LAGGING: u64 = 1_000;

/// How long nothing may be delivered while facts wait.
const STALLED: SignedDuration = SignedDuration::from_mins(10);

/// Most differences, subjects and the like that are listed.
const LISTED: usize = 8;

/// From which share of its limit on storage is worth a word, and from which nothing comes in.
const FILLING: f64 = 0.75;
const FULL: f64 = 0.9;

/// How far clocks may be apart, in milliseconds.
pub(super) const CLOCKS_APART_MS: i64 = 2_000;
pub(super) const CLOCKS_WRONG_MS: i64 = 60_000;

/// The oldest server that the platform works with.
const OLDEST_SERVER: (u32, u32) = (2, 12);

/// An account that nobody can have: names are longer.
const NOBODY: &str = "doctor-finds-nothing";

/// What a look needs.
pub(super) struct Look<'a> {
    pub(super) bus: &'a Bus,
    /// Whose identity this is; the operator's if absent.
    pub(super) service: Option<&'static ServiceSpec>,
    pub(super) storage: Storage,
    pub(super) room: Room,
}

impl Look<'_> {
    pub(super) async fn at_everything(&self) -> Vec<Check> {
        let mut checks = vec![self.server().await, self.permissions().await];
        checks.push(self.streams().await);
        checks.extend(self.replicas().await);
        checks.extend(self.services().await);
        checks.push(self.dead_letters().await);
        checks.push(self.store().await);
        checks.push(self.shards().await);
        checks.push(self.clocks().await);
        checks
    }

    async fn server(&self) -> Check {
        let server = match self.bus.server().await {
            Ok(server) => server,
            Err(error) => return trouble("broker", &error),
        };
        let shown = format!(
            "{}, NATS {}{}, answers in {:.1} ms",
            server.name,
            server.version,
            server
                .cluster
                .map_or_else(String::new, |cluster| format!(", cluster {cluster}")),
            server.round_trip.as_secs_f64() * 1_000.0
        );
        if !server.jetstream {
            return Check::failed(
                "broker",
                format!("{shown}, without JetStream"),
                "Give nats-server a 'jetstream' block with a folder of its own.",
            );
        }
        if version(&server.version).is_some_and(|found| found < OLDEST_SERVER) {
            let (major, minor) = OLDEST_SERVER;
            return Check::failed(
                "broker",
                shown,
                format!("Run nats-server {major}.{minor} or newer."),
            );
        }
        Check::ok("broker", shown)
    }

    async fn permissions(&self) -> Check {
        let area = "permissions";
        let needed = self
            .service
            .map_or_else(Permissions::operator, Permissions::of);
        let who = self.service.map_or("the operator", |service| service.name);
        let myself = match self.bus.myself().await {
            Ok(myself) => myself,
            // No service has the right to ask.
            Err(BusError::Denied { subject }) => {
                return Check::warning(
                    area,
                    format!("this user may not ask what it may do ({subject} was denied)"),
                    "What it may do shows in the other looks; the operator's user may ask.",
                );
            }
            Err(error) => return trouble(area, &error),
        };
        let user = match myself.user.as_str() {
            "" => "nobody".to_owned(),
            user => format!("user {user}"),
        };
        if myself.grants.is_none() {
            return Check::ok(area, format!("{user} may do everything"));
        }
        let lacks = myself.lacks(&needed);
        if lacks.is_empty() {
            return Check::ok(area, format!("{user} may do what {who} does"));
        }
        Check::failed(
            area,
            format!("{user} lacks what {who} needs: {}", listed(&lacks)),
            "Give this user what 'colloquy contract permissions' prints, and reload nats-server.",
        )
    }

    async fn streams(&self) -> Check {
        let area = "streams";
        let findings = match provision::check(self.bus, self.storage).await {
            Ok(findings) => findings,
            Err(error) => return trouble(area, &error),
        };
        if findings.is_empty() {
            return Check::ok(
                area,
                "streams, buckets and consumers agree with the contract",
            );
        }
        let lines: Vec<String> = findings.iter().map(ToString::to_string).collect();
        let found = format!("{} differ: {}", findings.len(), listed(&lines));
        let has = |severity| findings.iter().any(|found| found.severity == severity);
        if has(Severity::Refused) {
            let advice = "Only a person can mend what is refused; the reasons say how.";
            return Check::failed(area, found, advice);
        }
        let advice = "Run 'colloquy streams apply' with the same --replicas; it loses nothing.";
        if has(Severity::Missing) || has(Severity::Unsafe) {
            Check::failed(area, found, advice)
        } else {
            Check::warning(area, found, advice)
        }
    }

    /// Copies of the logs on a cluster.
    async fn replicas(&self) -> Vec<Check> {
        let area = "replicas";
        let mut checks = Vec::new();
        let mut servers = 0;
        for log in &streams::ALL {
            let state = match self.bus.stream_state(log.name).await {
                Ok(Some(state)) => state,
                // Told by the look at the streams.
                Ok(None) => continue,
                Err(error) => return vec![trouble(area, &error)],
            };
            if self.bus.server().await.is_ok_and(|s| s.cluster.is_none()) {
                return Vec::new();
            }
            servers = servers.max(state.replicas.len() + 1);
            let behind = state.replicas.iter();
            let behind: Vec<_> = behind
                .filter(|replica| replica.offline || !replica.current)
                .map(|replica| replica.name.clone())
                .collect();
            if state.leader.is_none() {
                checks.push(Check::failed(
                    area,
                    format!(
                        "{} has no leader: more than half of its servers are away",
                        log.name
                    ),
                    "Bring the servers back; nothing can be stated meanwhile, and nothing is lost.",
                ));
            } else if !behind.is_empty() {
                checks.push(Check::warning(
                    area,
                    format!("{} is not whole on {}", log.name, listed(&behind)),
                    "Bring the server back, or let it catch up; one more loss can stop the log.",
                ));
            }
        }
        if checks.is_empty() && servers > 0 {
            checks.push(Check::ok(
                area,
                format!("every log is whole on {servers} servers"),
            ));
        }
        checks
    }

    async fn services(&self) -> Vec<Check> {
        let area = "services";
        let states = match self.consumer_states().await {
            Ok(states) => states,
            Err(error) => return vec![trouble(area, &error)],
        };
        let now = Timestamp::now();
        let checks: Vec<_> = states
            .iter()
            .filter_map(|state| consumer_trouble(state, now))
            .collect();
        if checks.is_empty() {
            let names: Vec<_> = states.iter().map(|state| state.service).collect();
            return vec![Check::ok(
                area,
                format!("{} services are at work, none lags", names.len()),
            )];
        }
        checks
    }

    async fn consumer_states(&self) -> colloquy_bus::Result<Vec<ConsumerState>> {
        match self.service {
            Some(service) => self.bus.consumer_states_of(service).await,
            None => self.bus.consumer_states().await,
        }
    }

    async fn dead_letters(&self) -> Check {
        let area = "dead letters";
        match self.bus.stream_state(streams::DEADLETTERS.name).await {
            Ok(Some(state)) if state.messages == 0 => Check::ok(area, "none"),
            Ok(Some(state)) => Check::warning(
                area,
                format!("{} facts that services gave up on", state.messages),
                "'colloquy deadletters list' says why; mend the reason, then \
                 'colloquy deadletters redrive' them.",
            ),
            Ok(None) => Check::failed(
                area,
                "the stream that keeps them is not there",
                "Run 'colloquy streams apply'.",
            ),
            Err(error) => trouble(area, &error),
        }
    }

    async fn store(&self) -> Check {
        let area = "storage";
        let fullest = match self.bus.fullest_store_in(&self.room).await {
            Ok(fullest) => fullest,
            // Named by the look at the streams.
            Err(error) => return trouble(area, &error),
        };
        let Some(fullest) = fullest else {
            return Check::warning(
                area,
                "the broker names no limit, so nobody knows when it is full",
                "Limit the account or the streams, or tell the gateway and the doctor what the \
                 broker may store: --max-storage.",
            );
        };
        let found = format!("{} is at {:.0} %", fullest.what, fullest.share * 100.0);
        let advice = "Give it more room, or erase old conversations, before it is full.";
        if fullest.share >= FULL {
            let closed = format!("{found}; the gateway takes nothing in any more");
            Check::failed(area, closed, advice)
        } else if fullest.share >= FILLING {
            Check::warning(area, found, advice)
        } else {
            Check::ok(area, found)
        }
    }

    async fn shards(&self) -> Check {
        let area = "shards";
        let (owned, nodes) = match self.owned_partitions().await {
            Ok(owned) => owned,
            Err(error @ BusError::Denied { .. }) => return trouble(area, &error),
            Err(_) => (BTreeSet::new(), 0),
        };
        let missing: Vec<u8> = (0..PARTITIONS).filter(|p| !owned.contains(p)).collect();
        if !missing.is_empty() {
            return Check::failed(
                area,
                format!(
                    "no index node has the partitions {}; {nodes} nodes answer",
                    ranges(&missing)
                ),
                "Start index nodes for them: 'colloquy worker index --index-partitions …'. \
                 Searches miss these conversations meanwhile, and say so.",
            );
        }
        let answering = match self.answering_partitions().await {
            Ok(answering) => answering,
            Err(error @ BusError::Denied { .. }) => return trouble(area, &error),
            Err(_) => BTreeSet::new(),
        };
        let late: Vec<u8> = (0..PARTITIONS).filter(|p| !answering.contains(p)).collect();
        if !late.is_empty() {
            return Check::warning(
                area,
                format!("the partitions {} are not searched yet", ranges(&late)),
                "Their nodes read the log; wait until they have caught up \
                 ('colloquy rebuild status').",
            );
        }
        Check::ok(area, format!("all {PARTITIONS} partitions, {nodes} nodes"))
    }

    /// What index nodes own, and how many they are.
    async fn owned_partitions(&self) -> colloquy_bus::Result<(BTreeSet<u8>, usize)> {
        let nothing = HoldingsRequest {
            conversations: Vec::new(),
        };
        let (mut owned, mut nodes) = (BTreeSet::new(), 0);
        let gather = |answer: Holdings| {
            owned.extend(answer.partitions);
            nodes += 1;
            // Replicas count, too: all are heard.
            false
        };
        self.bus
            .ask_all(INDEX_HOLDINGS, &nothing, SHARD_PATIENCE, gather)
            .await?;
        Ok((owned, nodes))
    }

    /// What is searched when somebody searches.
    async fn answering_partitions(&self) -> colloquy_bus::Result<BTreeSet<u8>> {
        let request = SearchRequest {
            account: NOBODY
                .parse()
                .map_err(|_| BusError::Settings(NOBODY.into()))?,
            query: String::new(),
            limit: 1,
            offset: 0,
            agent: None,
            role: None,
            from: None,
            to: None,
        };
        let mut heard = BTreeSet::new();
        let gather = |reply: SearchReply| {
            heard.extend(reply.partitions);
            heard.len() == usize::from(PARTITIONS)
        };
        self.bus
            .ask_all(SUBJECT, &request, SHARD_PATIENCE, gather)
            .await?;
        Ok(heard)
    }

    async fn clocks(&self) -> Check {
        let area = "clocks";
        let state = match self.bus.stream_state(streams::CONVERSATIONS.name).await {
            Ok(state) => state,
            Err(error) => return trouble(area, &error),
        };
        match state.and_then(|state| state.clocks) {
            Some((broker, ours)) => clock(area, "the broker's", broker, ours),
            None => Check::warning(
                area,
                "the broker does not say what its clock says",
                "Make sure that all hosts take their time from the same servers.",
            ),
        }
    }
}

/// How a clock compares to ours.
pub(super) fn clock(area: &'static str, whose: &str, theirs: Timestamp, ours: Timestamp) -> Check {
    let apart = theirs.duration_since(ours);
    let apart_ms = i64::try_from(apart.as_millis()).unwrap_or(i64::MAX);
    let side = if apart_ms < 0 { "behind" } else { "ahead of" };
    let found = format!("{whose} clock is {} ms {side} ours", apart_ms.abs());
    let advice = "Synchronize the clocks (NTP): times in facts and waits in metrics are off.";
    match apart_ms.abs() {
        wrong if wrong >= CLOCKS_WRONG_MS => Check::failed(area, found, advice),
        apart if apart >= CLOCKS_APART_MS => Check::warning(area, found, advice),
        _ => Check::ok(area, found),
    }
}

fn consumer_trouble(state: &ConsumerState, now: Timestamp) -> Option<Check> {
    let (area, service) = ("services", state.service);
    let ConsumerState {
        pending,
        ack_pending,
        redelivered,
        ..
    } = state;
    if !state.is_served() {
        let start = format!("Start it: 'colloquy worker {service}'.");
        return Some(if *pending > 0 {
            let found = format!("{service} is not running, and {pending} facts wait for it");
            Check::failed(area, found, start)
        } else {
            Check::warning(area, format!("{service} is not running"), start)
        });
    }
    let idle = state
        .delivered_at
        .is_some_and(|at| now.duration_since(at) > STALLED);
    if *pending > 0 && idle {
        return Some(Check::failed(
            area,
            format!(
                "{service} stalls: {pending} facts wait, {ack_pending} are in work, and nothing was delivered for ten minutes"
            ),
            "Look at its log, then restart it; what it had in work is delivered again.",
        ));
    }
    (*pending >= LAGGING).then(|| {
        Check::warning(
            area,
            format!("{service} lags: {pending} facts wait, {ack_pending} are in work, {redelivered} of them again"),
            "Run more instances of it; docs/runbooks.md says how to find out why.",
        )
    })
}

/// A look that could not be taken.
fn trouble(area: &'static str, error: &BusError) -> Check {
    let said = chain(error);
    match error {
        BusError::Denied { .. } => Check::warning(
            area,
            format!("not looked at: {said}"),
            "Run the doctor as the operator to look at this, too.",
        ),
        _ => Check::failed(area, said, "The broker's log says more."),
    }
}

fn listed(lines: &[String]) -> String {
    let mut text = lines[..lines.len().min(LISTED)].join("; ");
    if lines.len() > LISTED {
        text.push_str(&format!("; and {} more", lines.len() - LISTED));
    }
    text
}

/// Major and minor of a version.
fn version(text: &str) -> Option<(u32, u32)> {
    let mut parts = text.split('.');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

/// Numbers in order as ranges, such as `0-3, 7`.
fn ranges(numbers: &[u8]) -> String {
    let mut shown: Vec<(u8, u8)> = Vec::new();
    for &number in numbers {
        match shown.last_mut() {
            Some((_, end)) if *end + 1 == number => *end = number,
            _ => shown.push((number, number)),
        }
    }
    let show = |&(from, to): &(u8, u8)| match from == to {
        true => from.to_string(),
        false => format!("{from}-{to}"),
    };
    shown.iter().map(show).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::{super::report::State, *};

    #[test]
    fn ranges_are_short() {
        assert_eq!(ranges(&[0, 1, 2, 7, 62, 63]), "0-2, 7, 62-63");
        assert_eq!(ranges(&[]), "");
    }

    #[test]
    fn clocks_may_differ_a_little() {
        let at = |ms: i64| Timestamp::from_millisecond(1_800_000_000_000 + ms).unwrap();
        let state = |ms| clock("clocks", "the broker's", at(ms), at(0)).state;
        assert_eq!(state(-1_900), State::Ok);
        assert_eq!(state(2_500), State::Warning);
        assert_eq!(state(-61_000), State::Failed);
    }

    #[test]
    fn services_that_do_not_come_on_are_told() {
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        let quiet = ConsumerState {
            service: "decode",
            stream: "CONVERSATIONS",
            pending: 0,
            ack_pending: 0,
            redelivered: 0,
            waiting: 1,
            delivered_at: Some(now - SignedDuration::from_hours(1)),
        };
        let state = |state: &ConsumerState| consumer_trouble(state, now).map(|check| check.state);
        assert_eq!(state(&quiet), None, "an hour without facts is no trouble");
        let away = ConsumerState {
            waiting: 0,
            ..quiet.clone()
        };
        assert_eq!(state(&away), Some(State::Warning));
        let needed = ConsumerState { pending: 3, ..away };
        assert_eq!(state(&needed), Some(State::Failed));
        let stalled = ConsumerState {
            pending: 3,
            ack_pending: 4,
            ..quiet.clone()
        };
        assert_eq!(state(&stalled), Some(State::Failed));
        let lagging = ConsumerState {
            pending: LAGGING,
            delivered_at: Some(now),
            ..quiet
        };
        assert_eq!(state(&lagging), Some(State::Warning));
    }
}
