//! Search: asks every index node and merges what they found.

use std::collections::{BTreeSet, HashMap, hash_map::Entry};

use axum::{Json, extract::State, http::Uri};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use colloquy_contract::{
    AccountId, ConversationId,
    search::{Hit, MAX_LIMIT, MAX_QUERY_CHARS, SUBJECT, SearchReply, SearchRequest},
    subject::PARTITIONS,
    transcript::Role,
};
use opentelemetry::KeyValue;
use tokio::time::Instant;

use crate::{
    auth::Caller,
    params::Params,
    problem::{Kind, Problem, ProblemDocument},
    state::{App, Shared},
    view::{Found, FoundHit},
};

/// Hits of one page unless asked for.
const DEFAULT_PAGE: u32 = 20;

/// How far one can page; each further hundred costs a round to every node.
const MAX_DEPTH: u32 = 1_000;

/// Search what was said.
#[utoipa::path(
    get,
    path = "/v1/search",
    tag = "search",
    operation_id = "search",
    params(
        ("q" = Option<String>, Query, description = "Words (all must occur), `\"phrases\"`, `AND`, \
            `OR`, `NOT`, `-word`, parentheses, `prefix*`; everything, newest first, if absent",
            example = "\"cancel my contract\""),
        ("limit" = Option<u32>, Query, description = "1 to 100, 20 if absent"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before"),
        ("offset" = Option<u32>, Query, description = "Hits to skip, instead of a cursor; \
            `offset` and `limit` reach to 1,000"),
        ("agent" = Option<String>, Query, description = "Reference of the agent"),
        ("role" = Option<String>, Query, description = "Only what `agent`, `customer` or \
            `unknown` said"),
        ("from" = Option<String>, Query, description = "Begun at or after this time or date"),
        ("to" = Option<String>, Query, description = "Begun before this time or date"),
    ),
    responses(
        (status = 200, description = "What was found", body = Found),
        (status = 400, description = "The search text cannot be understood",
            body = ProblemDocument, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn search(
    State(app): State<Shared>,
    caller: Caller,
    uri: Uri,
) -> Result<Json<Found>, Problem> {
    let (request, offset) = read(&uri, caller.account)?;
    let limit = request.limit;
    let merged = ask(&app, request, offset + limit).await;
    let outcome = match &merged {
        Ok(merged) if merged.missing.is_empty() => "complete",
        Ok(_) => "partial",
        Err(problem) if problem.status().is_server_error() => "failed",
        Err(_) => "refused",
    };
    let outcome = KeyValue::new("colloquy.outcome", outcome);
    app.searches.add(1, &[outcome]);
    let merged = merged?;
    Ok(Json(merged.page(offset, limit)))
}

/// The request and how many hits to skip.
fn read(uri: &Uri, account: AccountId) -> Result<(SearchRequest, u32), Problem> {
    let known = [
        "q", "limit", "cursor", "offset", "agent", "role", "from", "to",
    ];
    let params = Params::read(uri, &known)?;
    let limit = params.number("limit", 1, MAX_LIMIT, DEFAULT_PAGE)?;
    let offset = match (params.text("cursor"), params.text("offset")) {
        (Some(_), Some(_)) => {
            return Err(Problem::bad_request(
                "Send either a cursor or an offset, not both.",
            ));
        }
        (Some(cursor), None) => read_cursor(cursor)
            .ok_or_else(|| Problem::bad_request("The cursor is not one of ours."))?,
        (None, _) => params.number("offset", 0, MAX_DEPTH, 0)?,
    };
    if offset + limit > MAX_DEPTH {
        return Err(Problem::bad_request(format!(
            "A search shows its first {MAX_DEPTH} hits; narrow it to see others."
        )));
    }
    let roles = [
        ("agent", Role::Agent),
        ("customer", Role::Customer),
        ("unknown", Role::Unknown),
    ];
    let request = SearchRequest {
        account,
        query: params
            .bounded("q", MAX_QUERY_CHARS)?
            .unwrap_or_default()
            .to_owned(),
        limit,
        offset: 0,
        agent: params.bounded("agent", 128)?.map(str::to_owned),
        role: params.choice("role", &roles)?,
        from: params.moment("from")?,
        to: params.moment("to")?,
    };
    Ok((request, offset))
}

fn cursor(offset: u32) -> String {
    URL_SAFE_NO_PAD.encode(offset.to_be_bytes())
}

fn read_cursor(text: &str) -> Option<u32> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    let offset = u32::from_be_bytes(bytes.try_into().ok()?);
    (offset <= MAX_DEPTH).then_some(offset)
}

/// Gathers the best `depth` hits of every node, a hundred at a time.
async fn ask(app: &App, mut request: SearchRequest, depth: u32) -> Result<Merged, Problem> {
    let deadline = Instant::now() + app.options.search_timeout;
    let mut merged = Merged::default();
    let mut skipped = 0;
    while skipped < depth {
        request.offset = skipped;
        request.limit = (depth - skipped).min(MAX_LIMIT);
        let mut round = Round::new(request.limit);
        let limit = deadline.saturating_duration_since(Instant::now());
        app.bus
            .ask_all(SUBJECT, &request, limit, |reply: SearchReply| {
                round.take(reply, &mut merged)
            })
            .await?;
        if let Some(reason) = round.refusal {
            return Err(Problem::new(Kind::BadQuery, reason));
        }
        if round.replies == 0 && skipped == 0 {
            return Err(Problem::unavailable(
                "No index service answered; try again later.",
            ));
        }
        merged.keep_heard(&round.heard, skipped == 0);
        if !round.more {
            break;
        }
        skipped += request.limit;
    }
    Ok(merged)
}

/// One question to all nodes.
#[derive(Debug)]
struct Round {
    limit: u32,
    heard: BTreeSet<u8>,
    replies: usize,
    refusal: Option<String>,
    /// Whether a node filled its page, and so may have more.
    more: bool,
}

impl Round {
    fn new(limit: u32) -> Self {
        Self {
            limit,
            heard: BTreeSet::new(),
            replies: 0,
            refusal: None,
            more: false,
        }
    }

    /// Takes a reply in; true when there is nothing left to wait for.
    fn take(&mut self, reply: SearchReply, merged: &mut Merged) -> bool {
        self.replies += 1;
        if reply.error.is_some() {
            self.refusal = reply.error;
            return true;
        }
        self.more |= reply.hits.len() >= usize::try_from(self.limit).unwrap_or(usize::MAX);
        // A replica that answers for nothing new is not counted again.
        let news = reply
            .partitions
            .iter()
            .any(|partition| !self.heard.contains(partition));
        if news {
            merged.add_total(&reply);
        }
        self.heard
            .extend(reply.partitions.iter().copied().filter(|&p| p < PARTITIONS));
        merged.add_hits(reply.hits);
        self.heard.len() == usize::from(PARTITIONS)
    }
}

/// What all nodes found together.
#[derive(Debug, Default)]
struct Merged {
    hits: HashMap<ConversationId, Hit>,
    total: u64,
    total_done: bool,
    missing: BTreeSet<u8>,
}

impl Merged {
    fn add_total(&mut self, reply: &SearchReply) {
        if !self.total_done {
            self.total += reply.total;
        }
    }

    /// Takes each conversation once, with the better score of its replicas.
    fn add_hits(&mut self, hits: Vec<Hit>) {
        for hit in hits {
            match self.hits.entry(hit.conversation) {
                Entry::Vacant(free) => {
                    free.insert(hit);
                }
                Entry::Occupied(mut known) if known.get().score < hit.score => {
                    known.insert(hit);
                }
                Entry::Occupied(_) => {}
            }
        }
    }

    fn keep_heard(&mut self, heard: &BTreeSet<u8>, first_round: bool) {
        if first_round {
            self.missing = (0..PARTITIONS).filter(|p| !heard.contains(p)).collect();
        } else {
            self.missing
                .extend((0..PARTITIONS).filter(|p| !heard.contains(p)));
        }
        self.total_done = true;
    }

    fn page(self, offset: u32, limit: u32) -> Found {
        let mut hits: Vec<Hit> = self.hits.into_values().collect();
        // Equal scores need an order that every page agrees on: newest first.
        hits.sort_by(|a, b| {
            b.score
                .total_cmp(&a.score)
                .then(b.conversation.cmp(&a.conversation))
        });
        let (skip, take) = (index(offset), index(limit));
        let next = offset + limit;
        let more = self.total > u64::from(next) && hits.len() >= skip + take && next < MAX_DEPTH;
        Found {
            total: self.total.max(u64::try_from(hits.len()).unwrap_or(0)),
            hits: hits
                .into_iter()
                .skip(skip)
                .take(take)
                .map(FoundHit::from)
                .collect(),
            next_cursor: more.then(|| cursor(next)),
            partitions_missing: self.missing.into_iter().collect(),
        }
    }
}

fn index(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    fn hit(score: f32) -> Hit {
        Hit {
            conversation: ConversationId::generate(),
            score,
            received_at: Timestamp::UNIX_EPOCH,
            started_at: None,
            agent: None,
            duration_ms: 1,
            turns: Vec::new(),
        }
    }

    fn reply(partitions: std::ops::Range<u8>, hits: Vec<Hit>) -> SearchReply {
        SearchReply {
            node: "n".to_owned(),
            partitions: partitions.collect(),
            error: None,
            total: hits.len() as u64,
            hits,
        }
    }

    #[test]
    fn shards_and_replicas_are_merged() {
        let (mut merged, mut round) = (Merged::default(), Round::new(10));
        let (good, fair, poor) = (hit(3.0), hit(2.0), hit(1.0));
        assert!(!round.take(reply(0..32, vec![fair.clone(), poor.clone()]), &mut merged));
        assert!(!round.take(reply(0..32, vec![fair.clone(), poor.clone()]), &mut merged));
        assert!(round.take(reply(32..64, vec![good.clone()]), &mut merged));
        merged.keep_heard(&round.heard, true);
        let page = merged.page(0, 2);
        assert_eq!(page.total, 3);
        assert!(page.partitions_missing.is_empty());
        assert_eq!(page.hits.len(), 2);
        let shown = serde_json::to_value(&page).unwrap();
        assert_eq!(shown["hits"][0]["id"], good.conversation.to_string());
        assert_eq!(shown["hits"][1]["id"], fair.conversation.to_string());
        assert_eq!(read_cursor(page.next_cursor.as_deref().unwrap()), Some(2));
    }

    #[test]
    fn what_is_missing_is_said() {
        let (mut merged, mut round) = (Merged::default(), Round::new(10));
        assert!(!round.take(reply(0..62, vec![]), &mut merged));
        merged.keep_heard(&round.heard, true);
        assert_eq!(merged.page(0, 10).partitions_missing, [62, 63]);
    }

    #[test]
    fn a_query_that_cannot_be_read_ends_it() {
        let (mut merged, mut round) = (Merged::default(), Round::new(10));
        let refusal = SearchReply {
            error: Some("unbalanced".to_owned()),
            ..reply(0..0, vec![])
        };
        assert!(round.take(refusal, &mut merged));
        assert_eq!(round.refusal.as_deref(), Some("unbalanced"));
    }

    #[test]
    fn requests_are_checked() {
        let read = |query: &str| {
            read(
                &format!("/x?{query}").parse().unwrap(),
                "acme".parse().unwrap(),
            )
        };
        let (request, offset) = read("q=%22a+b%22&limit=5&offset=10&role=agent").unwrap();
        assert_eq!((request.query.as_str(), offset), ("\"a b\"", 10));
        assert!(read("").is_ok());
        let long = format!("q={}", "x".repeat(MAX_QUERY_CHARS + 1));
        for bad in [
            "limit=101",
            "offset=1000",
            "offset=1&cursor=x",
            "cursor=x",
            "role=boss",
            &long,
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
