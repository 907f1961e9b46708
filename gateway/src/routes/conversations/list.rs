//! An account's conversations, newest first, in pages.
//!
//! The read model keeps a day's conversations together, so a page is made by walking back day by day.
//! Promise: a page looks at a bounded number of days and of conversations of a day; where it stops
//! early, its cursor goes on from there.

use axum::{Json, extract::State, http::Uri};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use colloquy_contract::{
    AccountId, ConversationId,
    progress::{Progress, Status},
};
use jiff::{Timestamp, ToSpan, civil::Date, tz::TimeZone};

use crate::{
    auth::Caller,
    params::Params,
    problem::Problem,
    state::{App, Shared},
    view::{Page, Summary},
};

/// Most conversations of one page, and how many there are unless asked for.
const MAX_PAGE: u32 = 200;
const DEFAULT_PAGE: u32 = 50;

/// Most conversations of one day that a page can choose from.
const MAX_PER_DAY: usize = 20_000;

/// Most days that one page looks at; each costs a round trip.
const MAX_DAYS: u32 = 366;

/// No conversation is older than the platform.
const FIRST_DAY: Date = jiff::civil::date(2025, 1, 1);

/// List conversations, newest first.
#[utoipa::path(
    get,
    path = "/v1/conversations",
    tag = "conversations",
    operation_id = "listConversations",
    params(
        ("limit" = Option<u32>, Query, description = "1 to 200, 50 if absent"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before"),
        ("status" = Option<String>, Query, description = "`queued`, `processing`, `completed`, \
            `error` or `erased`"),
        ("agent" = Option<String>, Query, description = "Reference of the agent"),
        ("from" = Option<String>, Query, description = "Accepted at or after this time or date"),
        ("to" = Option<String>, Query, description = "Accepted before this time or date"),
    ),
    responses((status = 200, description = "A page", body = Page)),
)]
pub(crate) async fn list(
    State(app): State<Shared>,
    caller: Caller,
    uri: Uri,
) -> Result<Json<Page>, Problem> {
    let query = ListQuery::read(&uri)?;
    Ok(Json(walk(&app, &caller.account, &query).await?))
}

/// Which conversations are asked for.
#[derive(Debug)]
struct ListQuery {
    limit: usize,
    start: Cursor,
    status: Option<Status>,
    agent: Option<String>,
    from: Option<Timestamp>,
    to: Option<Timestamp>,
}

impl ListQuery {
    fn read(uri: &Uri) -> Result<Self, Problem> {
        let params = Params::read(uri, &["limit", "cursor", "status", "agent", "from", "to"])?;
        let statuses = [
            ("queued", Status::Queued),
            ("processing", Status::Processing),
            ("completed", Status::Completed),
            ("error", Status::Error),
            ("erased", Status::Erased),
        ];
        let to = params.moment("to")?;
        let start = match params.text("cursor") {
            Some(text) => Cursor::read(text)
                .ok_or_else(|| Problem::bad_request("The cursor is not one of ours."))?,
            None => Cursor {
                day: day(to.unwrap_or(Timestamp::MAX).min(tomorrow())),
                before: None,
            },
        };
        Ok(Self {
            limit: usize::try_from(params.number("limit", 1, MAX_PAGE, DEFAULT_PAGE)?)
                .unwrap_or_default(),
            start,
            status: params.choice("status", &statuses)?,
            agent: params.bounded("agent", 128)?.map(str::to_owned),
            from: params.moment("from")?,
            to,
        })
    }

    fn wants(&self, progress: &Progress) -> bool {
        let agent = || progress.call.as_ref().and_then(|call| call.agent.as_ref());
        // Until `received` was read the id itself knows the time, to the day.
        let received = progress.received_at();
        self.status.is_none_or(|status| status == progress.status())
            && self
                .agent
                .as_ref()
                .is_none_or(|wanted| agent() == Some(wanted))
            && self
                .from
                .is_none_or(|from| received.is_some_and(|at| from <= at))
            && self.to.is_none_or(|to| received.is_some_and(|at| at < to))
    }

    /// The oldest day that can have anything.
    fn last_day(&self) -> Date {
        self.from.map_or(FIRST_DAY, day).max(FIRST_DAY)
    }
}

/// Where a page begins: on a day, before a conversation if one of that day was shown already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Cursor {
    day: Date,
    before: Option<ConversationId>,
}

impl Cursor {
    fn text(self) -> String {
        let before = self.before.map(|id| id.to_string()).unwrap_or_default();
        URL_SAFE_NO_PAD.encode(format!("{}/{before}", self.day))
    }

    fn read(text: &str) -> Option<Self> {
        let text = String::from_utf8(URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
        let (day, before) = text.split_once('/')?;
        let before = if before.is_empty() {
            None
        } else {
            Some(before.parse().ok()?)
        };
        Some(Self {
            day: day.parse().ok()?,
            before,
        })
    }
}

/// Walks back day by day until the page is full, nothing can follow, or it has looked far enough.
async fn walk(app: &App, account: &AccountId, query: &ListQuery) -> Result<Page, Problem> {
    let progress = app.progress().await?;
    let mut page = Page {
        conversations: Vec::new(),
        next_cursor: None,
    };
    let mut cursor = query.start;
    if progress.is_empty(&format!("{account}.>")).await? {
        return Ok(page);
    }
    for _ in 0..MAX_DAYS {
        if cursor.day < query.last_day() {
            return Ok(page);
        }
        for found in on_day(app, account, cursor).await? {
            if !query.wants(&found) {
                continue;
            }
            if page.conversations.len() == query.limit {
                page.next_cursor = Some(cursor.text());
                return Ok(page);
            }
            cursor.before = Some(found.conversation);
            page.conversations.push(Summary::from(found));
        }
        let Ok(day) = cursor.day.yesterday() else {
            return Ok(page);
        };
        cursor = Cursor { day, before: None };
    }
    page.next_cursor = Some(cursor.text());
    Ok(page)
}

/// The conversations of a day before the cursor, newest first.
async fn on_day(app: &App, account: &AccountId, cursor: Cursor) -> Result<Vec<Progress>, Problem> {
    let kv = app.progress().await?;
    let filter = format!("{account}.{}.*", cursor.day.strftime("%Y%m%d"));
    if kv.is_empty(&filter).await? {
        return Ok(Vec::new());
    }
    let found = kv.list::<Progress>(&filter, MAX_PER_DAY).await?;
    if found.len() == MAX_PER_DAY {
        tracing::warn!(
            limit = MAX_PER_DAY,
            "a day has more conversations than a list can show"
        );
    }
    let mut found: Vec<Progress> = found.into_iter().map(|(_, progress)| progress).collect();
    found.retain(|progress| {
        cursor
            .before
            .is_none_or(|before| progress.conversation < before)
    });
    found.sort_unstable_by_key(|progress| std::cmp::Reverse(progress.conversation));
    Ok(found)
}

fn day(at: Timestamp) -> Date {
    at.to_zoned(TimeZone::UTC).date()
}

/// Clocks of gateways differ, so a list begins a day ahead.
fn tomorrow() -> Timestamp {
    Timestamp::now()
        .saturating_add(24.hours())
        .unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_round_trip() {
        let day = jiff::civil::date(2026, 11, 21);
        for before in [None, Some(ConversationId::generate())] {
            let cursor = Cursor { day, before };
            assert_eq!(Cursor::read(&cursor.text()), Some(cursor));
        }
        for bad in ["", "x", "Zm9v", &URL_SAFE_NO_PAD.encode("2026-11-21/x")] {
            assert_eq!(Cursor::read(bad), None, "{bad}");
        }
    }

    #[test]
    fn list_queries_are_checked() {
        let read = |query: &str| ListQuery::read(&format!("/x?{query}").parse().unwrap());
        assert!(read("limit=200&status=error&agent=a&from=2026-01-01&to=2026-02-01").is_ok());
        for bad in [
            "limit=0",
            "limit=201",
            "status=x",
            "from=x",
            "cursor=x",
            "page=2",
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
        assert_eq!(
            read("to=2026-02-01").unwrap().start.day,
            jiff::civil::date(2026, 2, 1)
        );
    }
}
