//! The history of a conversation, and what happens next.

use std::{convert::Infallible, time::Duration};

use axum::{
    Extension, Json,
    extract::{Path, State},
    http::{HeaderMap, StatusCode, Uri},
    response::{
        IntoResponse, Response,
        sse::{self, KeepAlive, Sse},
    },
};
use colloquy_bus::{
    CancellationToken,
    log::{Follow, Logged},
};
use colloquy_contract::{ConversationId, FactType, Scope, facts::Family};
use futures::Stream;
use tokio::{sync::OwnedSemaphorePermit, time::Instant};

use super::conversations::scope;
use crate::{
    auth::Caller,
    params::{Params, id},
    problem::{Problem, ProblemDocument},
    server::Draining,
    state::{App, Shared},
    view::{Event, Events},
};

/// How often a comment shows that the stream lives.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// How long clients wait before they come back.
const RECONNECT: Duration = Duration::from_secs(2);

/// List everything that happened to a conversation, oldest first.
#[utoipa::path(
    get,
    path = "/v1/conversations/{id}/events",
    tag = "conversations",
    operation_id = "listEvents",
    params(("id" = Uuid, Path, description = "The conversation's id")),
    responses(
        (status = 200, description = "The history", body = Events),
        (status = 404, description = "No such conversation", body = ProblemDocument,
            content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn history(
    State(app): State<Shared>,
    caller: Caller,
    Path(conversation): Path<String>,
    uri: Uri,
) -> Result<Json<Events>, Problem> {
    Params::read(&uri, &[])?;
    let scope = scope(&caller.account, id(&conversation)?);
    let history = known(&app, &scope).await?;
    Ok(Json(Events {
        events: history.iter().map(Event::of).collect::<Result<_, _>>()?,
    }))
}

/// Follow a conversation: its history, then what happens, as server-sent events, until its end.
///
/// Each event's name is the type of the fact, its id the place in the log, its data the event as in
/// the history. The stream ends with the conversation (`conversation.indexed`, `.rejected`,
/// `.failed` or `.erased`) or after half an hour; come back with `Last-Event-ID` to go on. 204
/// means that the end was seen already.
#[utoipa::path(
    get,
    path = "/v1/conversations/{id}/stream",
    tag = "conversations",
    operation_id = "streamEvents",
    params(
        ("id" = Uuid, Path, description = "The conversation's id"),
        ("Last-Event-ID" = Option<u64>, Header, description = "The id of the last event seen"),
    ),
    responses(
        (status = 200, description = "The events", body = String,
            content_type = "text/event-stream"),
        (status = 204, description = "The end was seen already; do not come back"),
        (status = 404, description = "No such conversation", body = ProblemDocument,
            content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn stream(
    State(app): State<Shared>,
    caller: Caller,
    Path(conversation): Path<String>,
    uri: Uri,
    draining: Option<Extension<Draining>>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    Params::read(&uri, &[])?;
    let conversation: ConversationId = id(&conversation)?;
    let seen = last_event_id(&headers)?;
    let permit = app.streams.clone().try_acquire_owned().map_err(|_| {
        Problem::unavailable("As many event streams as this gateway takes are open; try again.")
    })?;
    let scope = scope(&caller.account, conversation);
    let history = known(&app, &scope).await?;
    let over = |last: &Logged| is_end(last.envelope.fact_type) && last.sequence <= seen;
    if history.last().is_some_and(over) {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let filters = vec![scope.history_filter()];
    let follow = app
        .bus
        .follow(Family::Conversation, filters, seen.saturating_add(1))
        .await?;
    let live = Live {
        follow,
        deadline: Instant::now() + app.options.stream_lifetime,
        drain: draining
            .map(|Extension(Draining(token))| token)
            .unwrap_or_default(),
        over: false,
        _permit: permit,
    };
    let keep_alive = KeepAlive::new().interval(HEARTBEAT).text("alive");
    Ok(Sse::new(events(live))
        .keep_alive(keep_alive)
        .into_response())
}

/// The history of a conversation that exists.
async fn known(app: &App, scope: &Scope) -> Result<Vec<Logged>, Problem> {
    let history = app.bus.history(scope).await?;
    if history.is_empty() {
        Err(Problem::not_found())
    } else {
        Ok(history)
    }
}

fn last_event_id(headers: &HeaderMap) -> Result<u64, Problem> {
    let Some(value) = headers.get("last-event-id") else {
        return Ok(0);
    };
    let number = value
        .to_str()
        .ok()
        .and_then(|text| text.trim().parse().ok());
    number.ok_or_else(|| {
        Problem::bad_request("'Last-Event-ID' takes the id of the last event that came.")
    })
}

const fn is_end(fact: FactType) -> bool {
    matches!(
        fact,
        FactType::ConversationIndexed
            | FactType::ConversationRejected
            | FactType::ConversationFailed
            | FactType::ConversationErased
    )
}

/// An open stream. Dropping it, when the client goes away, ends its consumer on the broker.
struct Live {
    follow: Follow,
    deadline: Instant,
    drain: CancellationToken,
    over: bool,
    _permit: OwnedSemaphorePermit,
}

fn events(live: Live) -> impl Stream<Item = Result<sse::Event, Infallible>> {
    futures::stream::unfold(live, |mut live| async move {
        let event = live.next().await?;
        Some((Ok(event), live))
    })
}

impl Live {
    /// The next event; `None` ends the stream. A client that comes back goes on where it was, so an
    /// error ends it too.
    async fn next(&mut self) -> Option<sse::Event> {
        if self.over {
            return None;
        }
        let logged = tokio::select! {
            () = tokio::time::sleep_until(self.deadline) => return None,
            () = self.drain.cancelled() => return None,
            next = self.follow.next() => next,
        };
        let logged = match logged {
            Ok(logged) => logged,
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(error, "an event stream ended early");
                return None;
            }
        };
        // A failed conversation that was redriven goes on: its end is the last.
        self.over = is_end(logged.envelope.fact_type) && logged.pending == 0;
        let event = Event::of(&logged).ok()?;
        sse::Event::default()
            .id(logged.sequence.to_string())
            .event(logged.envelope.fact_type.as_str())
            .retry(RECONNECT)
            .json_data(event)
            .ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resuming_takes_a_number() {
        let headers = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("last-event-id", value.parse().unwrap());
            headers
        };
        assert_eq!(last_event_id(&HeaderMap::new()).unwrap(), 0);
        assert_eq!(last_event_id(&headers("42")).unwrap(), 42);
        assert!(last_event_id(&headers("x")).is_err());
        assert!(last_event_id(&headers("-1")).is_err());
    }
}
