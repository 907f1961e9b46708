//! Whether services are at work, and what they gave up on.

use colloquy_bus::examine::ConsumerState;
use colloquy_contract::streams;
use jiff::{SignedDuration, Timestamp};

use super::{Look, trouble};
use crate::cli::doctor::report::Check;

/// From how many facts on a service lags.
const LAGGING: u64 = 1_000;

/// How long nothing may be delivered while facts wait.
const STALLED: SignedDuration = SignedDuration::from_mins(10);

impl Look<'_> {
    pub(super) async fn services(&self) -> Vec<Check> {
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

    pub(super) async fn dead_letters(&self) -> Check {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::report::State;

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
