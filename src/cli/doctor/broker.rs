//! What is looked at through the broker.

mod index;
mod services;

use colloquy_bus::{
    Bus, BusError, Room, chain,
    provision::{self, Severity, Storage},
};
use colloquy_contract::{permissions::Permissions, services::ServiceSpec, streams};
use jiff::Timestamp;

use super::report::Check;

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

#[cfg(test)]
mod tests {
    use super::{super::report::State, *};

    #[test]
    fn clocks_may_differ_a_little() {
        let at = |ms: i64| Timestamp::from_millisecond(1_800_000_000_000 + ms).unwrap();
        let state = |ms| clock("clocks", "the broker's", at(ms), at(0)).state;
        assert_eq!(state(-1_900), State::Ok);
        assert_eq!(state(2_500), State::Warning);
        assert_eq!(state(-61_000), State::Failed);
    }
}
