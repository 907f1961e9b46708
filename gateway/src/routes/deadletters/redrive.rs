//! Giving dead letters back to the services that gave up on them.
//!
//! - Nothing is redriven unless the request says `dry_run: false`.
//! - A request ends in time: what was not done by then is `remaining`, and the same request again
//!   goes on with it, because what was redriven is no dead letter any more.
//! - Redriving twice is harmless: it is the same fact with the same id.

use std::{collections::BTreeSet, time::Duration};

use axum::{Json, body::Bytes, extract::State, http::HeaderMap};
use colloquy_bus::{BusError, deadletters::Redriven};
use colloquy_contract::AccountId;
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, MissedTickBehavior, timeout_at};
use utoipa::ToSchema;

use super::{Which, own};
use crate::{
    auth::Caller,
    params::json,
    problem::{Kind, Problem, ProblemDocument},
    state::{App, Shared},
};

/// Most dead letters that one request redrives, and how many unless it says.
const MAX_LIMIT: u32 = 1_000;
const DEFAULT_LIMIT: u32 = 100;

/// Most that are redriven in a second, and how many unless the request says.
const MAX_RATE: u32 = 1_000;
const DEFAULT_RATE: u32 = 50;

/// What a client is told to wait while others redrive.
const BUSY_WAIT: Duration = Duration::from_secs(10);

/// Which dead letters to redrive, and how.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(example = json!({ "service": "tag", "error": "timed out", "dry_run": false }))]
pub(crate) struct RedriveRequest {
    /// These numbers, instead of a filter; at most 1000.
    #[schema(max_items = 1000)]
    sequences: Option<Vec<u64>>,
    /// Those of this service.
    service: Option<String>,
    /// Those whose error holds this text.
    error: Option<String>,
    /// Those older than this, such as `30m`, `2h` or `7d`.
    older: Option<String>,
    /// Those younger than this.
    younger: Option<String>,
    /// Only tell how many would be redriven; true if absent.
    dry_run: Option<bool>,
    /// Most to redrive, 1 to 1000; 100 if absent.
    #[schema(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
    /// Most to redrive in a second, 1 to 1000; 50 if absent.
    #[schema(minimum = 1, maximum = 1000)]
    rate: Option<u32>,
}

/// What became of them.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(crate) struct RedriveReport {
    /// Whether this only tells what would be done.
    dry_run: bool,
    /// How many there were to redrive.
    selected: usize,
    /// How many their services get again; in a dry run, how many would.
    redriven: usize,
    /// Numbers that are no dead letters (any more).
    gone: Vec<u64>,
    /// Those that could not be redriven.
    failed: Vec<NotRedriven>,
    /// How many were not reached in time: send the same request again.
    remaining: usize,
    /// Whether more match than the limit: send the same request again afterwards.
    more: bool,
}

/// A dead letter that could not be redriven.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct NotRedriven {
    /// Its number.
    sequence: u64,
    /// Why, and what to do.
    reason: String,
}

/// Give dead letters back to the services that gave up on them.
///
/// A dry run unless `dry_run` is false. It redrives all that match the filter, up to the limit, or
/// those whose numbers are listed. It ends in time, done or not.
#[utoipa::path(
    post,
    path = "/v1/deadletters/redrive",
    tag = "deadletters",
    operation_id = "redriveDeadLetters",
    request_body = RedriveRequest,
    responses(
        (status = 200, description = "What became of them", body = RedriveReport),
        (status = 413, description = "Too large", body = ProblemDocument,
            content_type = "application/problem+json"),
        (status = 415, description = "Not JSON", body = ProblemDocument,
            content_type = "application/problem+json"),
        (status = 422, description = "A field that cannot be used", body = ProblemDocument,
            content_type = "application/problem+json"),
        (status = 429, description = "Too many at once", body = ProblemDocument,
            content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn create(
    State(app): State<Shared>,
    caller: Caller,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<RedriveReport>, Problem> {
    // Well before the request's own limit, so that there is time left to answer.
    let deadline = Instant::now() + app.options.request_timeout / 3 * 2;
    let takes = "sequences, or service, error, older and younger; and dry_run, limit and rate";
    let order = Order::read(json(&headers, &body, takes)?)?;
    let _permit = app.redrives.try_acquire().map_err(|_| {
        let detail = "Others are redriving at the moment; try again soon.";
        Problem::new(Kind::TooManyRequests, detail).retry_after(BUSY_WAIT)
    })?;
    let selected = timeout_at(
        deadline,
        select(&app, &caller.account, order.which, order.limit),
    )
    .await
    .map_err(|_| {
        let detail = "Finding the dead letters took too long; narrow the filter.";
        Problem::new(Kind::TimedOut, detail)
    })??;
    let mut report = RedriveReport {
        dry_run: order.dry_run,
        selected: selected.sequences.len(),
        more: selected.more,
        ..RedriveReport::default()
    };
    let redriving = Redriving {
        app: &app,
        account: &caller.account,
        dry_run: order.dry_run,
        known: selected.known,
        deadline,
    };
    redriving
        .run(&selected.sequences, order.rate, &mut report)
        .await;
    Ok(Json(report))
}

/// A request that was read and makes sense.
#[derive(Debug)]
struct Order {
    which: Selection,
    dry_run: bool,
    limit: usize,
    rate: u32,
}

#[derive(Debug)]
enum Selection {
    Listed(BTreeSet<u64>),
    Matching(Which),
}

impl Order {
    fn read(request: RedriveRequest) -> Result<Self, Problem> {
        let which = Which {
            service: request.service,
            error: request.error,
            older: request.older,
            younger: request.younger,
        };
        let limit = bounded("limit", request.limit, MAX_LIMIT, DEFAULT_LIMIT)?;
        let which = match request.sequences {
            None => Selection::Matching(which),
            Some(_) if which != Which::default() || request.limit.is_some() => {
                return Err(Problem::invalid(
                    "Send either 'sequences' or a filter with its 'limit', not both.",
                ));
            }
            Some(listed) if listed.is_empty() || listed.len() > MAX_LIMIT as usize => {
                return Err(Problem::invalid(format!(
                    "'sequences' takes 1 to {MAX_LIMIT} numbers."
                )));
            }
            Some(listed) => Selection::Listed(listed.into_iter().collect()),
        };
        Ok(Self {
            which,
            dry_run: request.dry_run.unwrap_or(true),
            limit: limit as usize,
            rate: bounded("rate", request.rate, MAX_RATE, DEFAULT_RATE)?,
        })
    }
}

fn bounded(name: &str, value: Option<u32>, max: u32, default: u32) -> Result<u32, Problem> {
    let value = value.unwrap_or(default);
    if (1..=max).contains(&value) {
        return Ok(value);
    }
    Err(Problem::invalid(format!(
        "'{name}' takes a whole number from 1 to {max}."
    )))
}

/// What is to be redriven.
struct Selected {
    sequences: Vec<u64>,
    /// Whether they are known to be there and of this account.
    known: bool,
    /// Whether more match.
    more: bool,
}

async fn select(
    app: &App,
    account: &AccountId,
    which: Selection,
    limit: usize,
) -> Result<Selected, Problem> {
    let which = match which {
        Selection::Listed(listed) => {
            return Ok(Selected {
                sequences: listed.into_iter().collect(),
                known: false,
                more: false,
            });
        }
        Selection::Matching(which) => which,
    };
    let filter = which
        .filter(account)
        .map_err(|field| Problem::invalid(field.detail("field")))?;
    let letters = app.bus.dead_letters(&filter, 0, limit + 1).await?;
    let sequences = letters.iter().take(limit).map(|letter| letter.sequence);
    Ok(Selected {
        sequences: sequences.collect(),
        known: true,
        more: letters.len() > limit,
    })
}

/// What became of one.
enum Outcome {
    Redriven,
    Gone,
    Failed(String),
}

struct Redriving<'a> {
    app: &'a App,
    account: &'a AccountId,
    dry_run: bool,
    known: bool,
    deadline: Instant,
}

impl Redriving<'_> {
    async fn run(&self, sequences: &[u64], rate: u32, report: &mut RedriveReport) {
        let mut pace = tokio::time::interval(Duration::from_secs(1) / rate);
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        for (done, &sequence) in sequences.iter().enumerate() {
            let one = async {
                if !self.dry_run {
                    pace.tick().await;
                }
                self.redrive(sequence).await
            };
            // One that is broken off in the middle is as after a crash: the next redrive of it
            // finds out how far it came.
            match timeout_at(self.deadline, one).await {
                Ok(Outcome::Redriven) => report.redriven += 1,
                Ok(Outcome::Gone) => report.gone.push(sequence),
                Ok(Outcome::Failed(reason)) => {
                    report.failed.push(NotRedriven { sequence, reason });
                }
                Err(_) => {
                    report.remaining = sequences.len() - done;
                    return;
                }
            }
        }
    }

    async fn redrive(&self, sequence: u64) -> Outcome {
        if !self.known {
            match own(self.app, self.account, sequence).await {
                Ok(Some(_)) => {}
                Ok(None) => return Outcome::Gone,
                Err(problem) => return Outcome::Failed(problem.detail().to_owned()),
            }
        }
        if self.dry_run {
            return Outcome::Redriven;
        }
        match self.app.bus.redrive(sequence).await {
            Ok(Redriven::Done | Redriven::Before) => Outcome::Redriven,
            Ok(Redriven::Gone) => Outcome::Gone,
            Err(error @ BusError::NotProvisioned { .. }) => {
                let logged = &error as &dyn std::error::Error;
                tracing::warn!(error = logged, "a dead letter cannot be redriven");
                Outcome::Failed(
                    "Its service does not run here any more; discard it, or have the conversation \
                     processed again."
                        .to_owned(),
                )
            }
            Err(error) => Outcome::Failed(Problem::from(error).detail().to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str) -> Result<Order, Problem> {
        let mut headers = HeaderMap::new();
        headers.insert("content-type", "application/json".parse().unwrap());
        Order::read(json(&headers, body.as_bytes(), "")?)
    }

    #[test]
    fn a_request_is_a_dry_run_unless_it_says_otherwise() {
        assert!(read("{}").unwrap().dry_run);
        assert!(!read(r#"{"dry_run":false}"#).unwrap().dry_run);
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for bad in [
            "",
            "[]",
            r#"{"colour":"blue"}"#,
            r#"{"sequences":[]}"#,
            r#"{"sequences":[-1]}"#,
            r#"{"sequences":[1],"service":"tag"}"#,
            r#"{"sequences":[1],"limit":5}"#,
            r#"{"limit":0}"#,
            r#"{"limit":1001}"#,
            r#"{"rate":0}"#,
            r#"{"rate":1001}"#,
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
        let many: Vec<u64> = (0..1_001).collect();
        assert!(read(&format!(r#"{{"sequences":{many:?}}}"#)).is_err());
        let Selection::Listed(twice) = read(r#"{"sequences":[2,2,1]}"#).unwrap().which else {
            panic!("a list is a list");
        };
        assert_eq!(twice.into_iter().collect::<Vec<_>>(), [1, 2]);
    }
}
