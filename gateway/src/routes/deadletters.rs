//! Dead letters: what services gave up on, for the account that it belongs to.
//!
//! What is shown are the reasons and the ids. The message itself may hold personal data, so none
//! of it is shown; errors hold none by the worker kit's rule. Dead letters of other accounts are
//! not there.

pub(crate) mod redrive;

use std::time::Duration;

use axum::{
    Json,
    extract::{Path, State},
    http::{StatusCode, Uri},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use colloquy_bus::deadletters::{DeadLetter, DeadLetterFilter, Earlier};
use colloquy_contract::{AccountId, period};
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    auth::Caller,
    params::{Params, id},
    problem::{Problem, ProblemDocument},
    state::{App, Shared},
    view,
};

/// Most dead letters of one page, and how many there are unless asked for.
const MAX_PAGE: u32 = 200;
const DEFAULT_PAGE: u32 = 50;

/// Longest text that is searched for in errors, and longest name of a service, in characters.
const MAX_TEXT_CHARS: usize = 256;

/// An earlier time that the same message was a dead letter.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EarlierView {
    /// Its number then.
    sequence: u64,
    /// Why.
    error: String,
    /// How often the service had tried.
    attempts: u32,
    /// When it had given up.
    at: Timestamp,
    /// When it was redriven.
    redriven_at: Timestamp,
}

impl From<Earlier> for EarlierView {
    fn from(earlier: Earlier) -> Self {
        Self {
            sequence: earlier.sequence,
            error: earlier.error,
            attempts: earlier.attempts,
            at: earlier.at,
            redriven_at: earlier.redriven_at,
        }
    }
}

/// Where else to look.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DeadLetterLinks {
    /// The dead letter.
    #[serde(rename = "self")]
    own: String,
    /// The conversation that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    conversation: Option<String>,
}

/// What a service gave up on.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DeadLetterView {
    /// Its number.
    sequence: u64,
    /// The service that gave up.
    service: String,
    /// Why, outermost error first.
    error: String,
    /// How often it tried.
    attempts: u32,
    /// When it gave up.
    at: Timestamp,
    /// What the message says, such as `conversation.decoded`.
    #[serde(rename = "type")]
    kind: String,
    /// The message's id, as the conversation's events show it.
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    /// The conversation that it is about, if it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    conversation: Option<Uuid>,
    /// What it was before it was redriven, oldest first.
    history: Vec<EarlierView>,
    /// The trace that it belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    trace_id: Option<String>,
    /// Where to look.
    links: DeadLetterLinks,
}

impl From<DeadLetter> for DeadLetterView {
    fn from(letter: DeadLetter) -> Self {
        let conversation = letter.scope().and_then(|scope| scope.conversation());
        let fact = letter.fact();
        Self {
            kind: fact.map(|fact| fact.to_string()).unwrap_or_default(),
            conversation: conversation.map(|conversation| conversation.as_uuid()),
            trace_id: letter.traceparent.as_deref().and_then(trace_id),
            links: DeadLetterLinks {
                own: format!("/v1/deadletters/{}", letter.sequence),
                conversation: conversation.map(view::path),
            },
            sequence: letter.sequence,
            service: letter.service,
            error: letter.error,
            attempts: letter.attempts,
            at: letter.at,
            id: letter.id,
            history: letter.history.into_iter().map(EarlierView::from).collect(),
        }
    }
}

/// The second of the four parts of a W3C `traceparent`.
fn trace_id(traceparent: &str) -> Option<String> {
    let trace = traceparent.split('-').nth(1)?;
    (trace.len() == 32).then(|| trace.to_owned())
}

/// A page of dead letters, oldest first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DeadLetterPage {
    /// The dead letters.
    deadletters: Vec<DeadLetterView>,
    /// Send it as `cursor` for the next page; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// List dead letters, oldest first.
#[utoipa::path(
    get,
    path = "/v1/deadletters",
    tag = "deadletters",
    operation_id = "listDeadLetters",
    params(
        ("service" = Option<String>, Query, description = "Of this service"),
        ("error" = Option<String>, Query, description = "Whose error holds this text, upper and \
            lower case alike"),
        ("older" = Option<String>, Query, description = "Older than this, such as `30m`, `2h` or \
            `7d`"),
        ("younger" = Option<String>, Query, description = "Younger than this, such as `2h`"),
        ("limit" = Option<u32>, Query, description = "1 to 200, 50 if absent"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before"),
    ),
    responses((status = 200, description = "A page", body = DeadLetterPage)),
)]
pub(crate) async fn list(
    State(app): State<Shared>,
    caller: Caller,
    uri: Uri,
) -> Result<Json<DeadLetterPage>, Problem> {
    let known = ["service", "error", "older", "younger", "limit", "cursor"];
    let params = Params::read(&uri, &known)?;
    let text = |name| {
        let text = params.bounded(name, MAX_TEXT_CHARS);
        text.map(|text| text.map(str::to_owned))
    };
    let which = Which {
        service: text("service")?,
        error: text("error")?,
        older: text("older")?,
        younger: text("younger")?,
    };
    let filter = which
        .filter(&caller.account)
        .map_err(|field| Problem::bad_request(field.detail("query parameter")))?;
    let after = match params.text("cursor") {
        Some(text) => read_cursor(text)
            .ok_or_else(|| Problem::bad_request("The cursor is not one of ours."))?,
        None => 0,
    };
    let limit = usize::try_from(params.number("limit", 1, MAX_PAGE, DEFAULT_PAGE)?)
        .unwrap_or(usize::MAX - 1);
    // One more tells whether there is another page.
    let mut letters = app.bus.dead_letters(&filter, after, limit + 1).await?;
    let more = letters.len() > limit;
    letters.truncate(limit);
    let next_cursor = letters.last().filter(|_| more);
    Ok(Json(DeadLetterPage {
        next_cursor: next_cursor.map(|last| cursor(last.sequence)),
        deadletters: letters.into_iter().map(DeadLetterView::from).collect(),
    }))
}

/// Show a dead letter: why and how often it failed, now and before.
#[utoipa::path(
    get,
    path = "/v1/deadletters/{sequence}",
    tag = "deadletters",
    operation_id = "getDeadLetter",
    params(("sequence" = u64, Path, description = "The dead letter's number")),
    responses(
        (status = 200, description = "The dead letter", body = DeadLetterView),
        (status = 404, description = "No such dead letter (any more)", body = ProblemDocument,
            content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn show(
    State(app): State<Shared>,
    caller: Caller,
    Path(sequence): Path<String>,
    uri: Uri,
) -> Result<Json<DeadLetterView>, Problem> {
    Params::read(&uri, &[])?;
    let letter = own(&app, &caller.account, id(&sequence)?).await?;
    let letter = letter.ok_or_else(Problem::not_found)?;
    Ok(Json(letter.into()))
}

/// Drop a dead letter for good; its conversation stays failed.
#[utoipa::path(
    delete,
    path = "/v1/deadletters/{sequence}",
    tag = "deadletters",
    operation_id = "discardDeadLetter",
    params(("sequence" = u64, Path, description = "The dead letter's number")),
    responses(
        (status = 204, description = "It is gone"),
        (status = 404, description = "No such dead letter (any more)", body = ProblemDocument,
            content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn discard(
    State(app): State<Shared>,
    caller: Caller,
    Path(sequence): Path<String>,
    uri: Uri,
) -> Result<StatusCode, Problem> {
    Params::read(&uri, &[])?;
    let sequence = id(&sequence)?;
    let letter = own(&app, &caller.account, sequence).await?;
    letter.ok_or_else(Problem::not_found)?;
    match app.bus.discard(sequence).await? {
        true => Ok(StatusCode::NO_CONTENT),
        // Somebody else was first.
        false => Err(Problem::not_found()),
    }
}

/// A dead letter of this account. A number never comes to mean another one.
async fn own(app: &App, account: &AccountId, sequence: u64) -> Result<Option<DeadLetter>, Problem> {
    // The broker takes no 0 for a number.
    if sequence == 0 {
        return Ok(None);
    }
    let letter = app.bus.dead_letter(sequence).await?;
    let letter = letter.map(|(letter, _data)| letter);
    Ok(letter.filter(|letter| {
        letter
            .scope()
            .is_some_and(|scope| scope.account() == account)
    }))
}

/// Which dead letters, as it was asked for.
#[derive(Debug, Default, PartialEq, Eq)]
struct Which {
    service: Option<String>,
    error: Option<String>,
    older: Option<String>,
    younger: Option<String>,
}

/// The name of a field whose value cannot be used, and what it takes.
#[derive(Debug, PartialEq, Eq)]
struct Unusable(&'static str, &'static str);

impl Unusable {
    fn detail(&self, what: &str) -> String {
        let Self(name, takes) = self;
        format!("The {what} '{name}' takes {takes}.")
    }
}

impl Which {
    fn filter(self, account: &AccountId) -> Result<DeadLetterFilter, Unusable> {
        let now = Timestamp::now();
        // What lies before the beginning of time is as good as its beginning.
        let ago = |age: Duration| now.checked_sub(age).unwrap_or(Timestamp::MIN);
        let moment = |name, text: Option<String>| match text.as_deref().map(period::parse) {
            Some(None) => Err(Unusable(name, "an age such as 30m, 2h or 7d")),
            age => Ok(age.flatten().map(ago)),
        };
        // It becomes a part of a subject, where '*' and '.' mean something.
        let letter = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
        let is_name = |name: &String| name.len() <= MAX_TEXT_CHARS && name.chars().all(letter);
        if self.service.as_ref().is_some_and(|name| !is_name(name)) {
            return Err(Unusable("service", "the name of a service such as tag"));
        }
        if (self.error.as_ref()).is_some_and(|text| text.chars().count() > MAX_TEXT_CHARS) {
            return Err(Unusable("error", "at most 256 characters"));
        }
        Ok(DeadLetterFilter {
            account: Some(account.clone()),
            service: self.service.filter(|name| !name.is_empty()),
            error: self.error.filter(|text| !text.is_empty()),
            before: moment("older", self.older)?,
            since: moment("younger", self.younger)?,
        })
    }
}

fn cursor(sequence: u64) -> String {
    URL_SAFE_NO_PAD.encode(sequence.to_be_bytes())
}

fn read_cursor(text: &str) -> Option<u64> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    let after = u64::from_be_bytes(bytes.try_into().ok()?);
    // The one after it is asked for.
    (after < u64::MAX).then_some(after)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_round_trip() {
        for sequence in [0, 1, 1_000_000] {
            assert_eq!(read_cursor(&cursor(sequence)), Some(sequence));
        }
        for bad in ["", "x", "Zm9v", &cursor(u64::MAX)] {
            assert_eq!(read_cursor(bad), None, "{bad}");
        }
    }

    #[test]
    fn filters_are_of_the_account_and_checked() {
        let account: AccountId = "acme".parse().unwrap();
        let text = |text: &str| Some(text.to_owned());
        let all = Which::default().filter(&account).unwrap();
        assert_eq!(all.account.as_ref(), Some(&account));
        let ages = Which {
            older: text("2h"),
            younger: text("7d"),
            ..Which::default()
        };
        let filter = ages.filter(&account).unwrap();
        assert!(filter.since.unwrap() < filter.before.unwrap());
        for (which, field) in [
            (
                Which {
                    service: text("*"),
                    ..Which::default()
                },
                "service",
            ),
            (
                Which {
                    service: text("tag.conversations.1.other"),
                    ..Which::default()
                },
                "service",
            ),
            (
                Which {
                    error: text(&"x".repeat(257)),
                    ..Which::default()
                },
                "error",
            ),
            (
                Which {
                    older: text("soon"),
                    ..Which::default()
                },
                "older",
            ),
        ] {
            let Err(Unusable(name, _)) = which.filter(&account) else {
                panic!("{field} is taken");
            };
            assert_eq!(name, field);
        }
    }

    #[test]
    fn traces_are_found() {
        let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
        let parent = format!("00-{trace}-00f067aa0ba902b7-01");
        assert_eq!(trace_id(&parent).as_deref(), Some(trace));
        assert_eq!(trace_id("00"), None);
    }
}
