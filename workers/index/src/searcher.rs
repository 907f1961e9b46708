//! Answers searches.

use std::{
    ops::Bound,
    sync::Arc,
    time::{Duration, Instant},
};

use colloquy_contract::{
    search::{Hit, MAX_LIMIT, MAX_OFFSET, MAX_TURNS, SearchReply, SearchRequest, TurnHit},
    transcript::Role,
};
use tantivy::{
    DocAddress, IndexReader, Order, Term,
    collector::{Count, TopDocs},
    query::{BooleanQuery, ConstScoreQuery, Occur, Query, RangeQuery, TermQuery},
    schema::IndexRecordOption,
};
use tokio::sync::{Semaphore, watch};

use crate::{
    IndexError,
    error::chain,
    ingest::blocking,
    matches::{Matched, Matcher},
    metrics::Metrics,
    query::{self, Leaf, Node, QueryError},
    schema::{BEGAN_MS, Fields, Spoken, Stored},
    snippet,
};

/// Searches that run at once on a node; more wait, within their deadline.
const CONCURRENT_SEARCHES: usize = 4;

/// How long a search may take, the wait for its turn included.
const DEADLINE: Duration = Duration::from_secs(5);

/// Why a search has no result.
#[derive(Debug, thiserror::Error)]
enum Refused {
    #[error("at most {MAX_LIMIT} hits can be asked for at once")]
    Limit,
    #[error("at most {MAX_OFFSET} hits can be skipped; narrow the search instead")]
    Offset,
    #[error("{0}")]
    Query(#[from] QueryError),
    #[error("the search took too long")]
    TooLong,
    #[error("the search failed")]
    Failed(#[from] IndexError),
}

impl Refused {
    /// Whether the asker is to be told: asking again would give the same.
    const fn is_asked_wrongly(&self) -> bool {
        matches!(self, Self::Limit | Self::Offset | Self::Query(_))
    }
}

struct Found {
    total: u64,
    hits: Vec<Hit>,
}

/// Answers searches from the last commit.
pub(crate) struct Searcher {
    pub(crate) reader: watch::Receiver<IndexReader>,
    pub(crate) fields: Fields,
    pub(crate) node: String,
    pub(crate) partitions: Vec<u8>,
    pub(crate) caught_up: watch::Receiver<bool>,
    pub(crate) metrics: Metrics,
    pub(crate) permits: Arc<Semaphore>,
}

impl Searcher {
    pub(crate) fn permits() -> Arc<Semaphore> {
        Arc::new(Semaphore::new(CONCURRENT_SEARCHES))
    }

    /// Answers a request. The reply covers no partition while the index is being built, and when
    /// the search failed or took too long.
    pub(crate) async fn answer(self: Arc<Self>, request: SearchRequest) -> SearchReply {
        let started = Instant::now();
        // Taken first: what is committed before the search is in it.
        let complete = *self.caught_up.borrow();
        let result = tokio::time::timeout(DEADLINE, self.clone().search(request, started))
            .await
            .unwrap_or(Err(Refused::TooLong));
        let outcome = match &result {
            Ok(_) => "ok",
            Err(refused) if refused.is_asked_wrongly() => "refused",
            Err(refused) => {
                tracing::warn!(node = self.node, error = chain(refused), "a search failed");
                "failed"
            }
        };
        self.metrics.searched(outcome, started.elapsed());
        let covers = complete && outcome != "failed";
        let error = match &result {
            Err(refused) if refused.is_asked_wrongly() => Some(refused.to_string()),
            _ => None,
        };
        let found = result.unwrap_or(Found {
            total: 0,
            hits: Vec::new(),
        });
        SearchReply {
            node: self.node.clone(),
            partitions: if covers {
                self.partitions.clone()
            } else {
                Vec::new()
            },
            error,
            total: found.total,
            hits: found.hits,
        }
    }

    async fn search(
        self: Arc<Self>,
        request: SearchRequest,
        started: Instant,
    ) -> Result<Found, Refused> {
        if request.limit > MAX_LIMIT {
            return Err(Refused::Limit);
        }
        if request.offset > MAX_OFFSET {
            return Err(Refused::Offset);
        }
        let node = query::parse(&request.query)?;
        let permit = self
            .permits
            .clone()
            .acquire_owned()
            .await
            .map_err(|_| IndexError::Interrupted)?;
        blocking(move || {
            // Held until the work ends, also when nobody waits for it any more.
            let _permit = permit;
            Ok(self.find(&request, node.as_ref(), started + DEADLINE))
        })
        .await?
    }

    fn find(
        &self,
        request: &SearchRequest,
        node: Option<&Node>,
        deadline: Instant,
    ) -> Result<Found, Refused> {
        // The index that serves now; the search ends on it, whatever takes its place.
        let searcher = self.reader.borrow().searcher();
        let spoken: Vec<Spoken> = self
            .fields
            .spoken
            .into_iter()
            .filter(|spoken| request.role.is_none_or(|role| spoken.role == role))
            .collect();
        let query = self.query(request, node, &spoken);
        let (total, ranked) = top(&searcher, &query, request, node.is_none())?;
        let leaves = node.map_or_else(Vec::new, Node::positive_leaves);
        let mut matcher = Matcher::new(weighted(&searcher, &leaves, &spoken)?);
        let mut hits = Vec::with_capacity(ranked.len());
        for (score, address) in ranked {
            if Instant::now() > deadline {
                return Err(Refused::TooLong);
            }
            let document = searcher.doc(address).map_err(IndexError::read)?;
            let Some(stored) = Stored::read(&self.fields, &document)? else {
                continue;
            };
            hits.push(hit(score, stored, &mut matcher, request.role));
        }
        Ok(Found { total, hits })
    }

    /// What is asked for, within what may be seen. Only the words count for the score.
    fn query(
        &self,
        request: &SearchRequest,
        node: Option<&Node>,
        spoken: &[Spoken],
    ) -> BooleanQuery {
        let fields = &self.fields;
        let mut clauses = vec![only(term(fields.account, request.account.as_str()))];
        if let Some(agent) = &request.agent {
            clauses.push(only(term(fields.agent, agent)));
        }
        if request.from.is_some() || request.to.is_some() {
            let bound = |time: jiff::Timestamp| {
                Term::from_field_i64(fields.began_ms, time.as_millisecond())
            };
            let from = request
                .from
                .map_or(Bound::Unbounded, |time| Bound::Included(bound(time)));
            let to = request
                .to
                .map_or(Bound::Unbounded, |time| Bound::Excluded(bound(time)));
            clauses.push(only(Box::new(RangeQuery::new(from, to))));
        }
        if let Some(node) = node {
            clauses.push((Occur::Must, node.to_query(spoken)));
        }
        BooleanQuery::new(clauses)
    }
}

fn term(field: tantivy::schema::Field, text: &str) -> Box<dyn Query> {
    Box::new(TermQuery::new(
        Term::from_field_text(field, text),
        IndexRecordOption::Basic,
    ))
}

/// A condition that does not count for the score.
fn only(query: Box<dyn Query>) -> (Occur, Box<dyn Query>) {
    (Occur::Must, Box::new(ConstScoreQuery::new(query, 0.0)))
}

/// The number of matches and the page asked for: by score, or the newest where there are no words.
fn top(
    searcher: &tantivy::Searcher,
    query: &dyn Query,
    request: &SearchRequest,
    by_time: bool,
) -> Result<(u64, Vec<(f32, DocAddress)>), IndexError> {
    let page = |limit: u32| {
        let size = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
        TopDocs::with_limit(size(limit)).and_offset(size(request.offset))
    };
    let (count, ranked) = if request.limit == 0 {
        (
            searcher.search(query, &Count).map_err(IndexError::read)?,
            Vec::new(),
        )
    } else if by_time {
        let newest = page(request.limit).order_by_fast_field::<i64>(BEGAN_MS, Order::Desc);
        let (count, found) = searcher
            .search(query, &(Count, newest))
            .map_err(IndexError::read)?;
        (
            count,
            found
                .into_iter()
                .map(|(_, address)| (0.0, address))
                .collect(),
        )
    } else {
        let best = page(request.limit).order_by_score();
        searcher
            .search(query, &(Count, best))
            .map_err(IndexError::read)?
    };
    Ok((u64::try_from(count).unwrap_or(u64::MAX), ranked))
}

/// Each leaf with how much it tells: the rarer its words, the more.
fn weighted<'a>(
    searcher: &tantivy::Searcher,
    leaves: &[&'a Leaf],
    spoken: &[Spoken],
) -> Result<Vec<(&'a Leaf, f32)>, IndexError> {
    let all = count_as_f32(searcher.num_docs());
    let rarity = |stem: &str| -> Result<f32, IndexError> {
        let mut documents = 0;
        for role in spoken {
            let term = Term::from_field_text(role.stem, stem);
            documents += searcher.doc_freq(&term).map_err(IndexError::read)?;
        }
        Ok((1.0 + all / (1.0 + count_as_f32(documents))).ln())
    };
    leaves
        .iter()
        .map(|&leaf| {
            let mut worth = 0.1;
            for stem in leaf.stems() {
                worth += rarity(stem)?;
            }
            Ok((leaf, worth))
        })
        .collect()
}

/// Exact up to 16 million, and close enough beyond.
#[allow(clippy::cast_precision_loss, reason = "a weight needs no more digits")]
const fn count_as_f32(count: u64) -> f32 {
    count as f32
}

fn hit(score: f32, stored: Stored, matcher: &mut Matcher<'_>, role: Option<Role>) -> Hit {
    let mut matched: Vec<(usize, Matched)> = stored
        .turns
        .iter()
        .enumerate()
        .filter(|(_, turn)| role.is_none_or(|role| turn.role == role))
        .filter_map(|(index, turn)| Some((index, matcher.find(&turn.text)?)))
        .collect();
    // Stable: of turns that match alike the first come first.
    matched.sort_by(|(_, one), (_, two)| two.weight.total_cmp(&one.weight));
    matched.truncate(MAX_TURNS);
    matched.sort_by_key(|&(index, _)| index);
    let turns = matched.into_iter().filter_map(|(index, matched)| {
        let turn = stored.turns.get(index)?;
        let (snippet, highlights) = snippet::cut(&turn.text, &matched.spans);
        Some(TurnHit {
            turn: u32::try_from(index).ok()?,
            channel: turn.channel,
            role: turn.role,
            start_ms: turn.start_ms,
            end_ms: turn.end_ms,
            snippet,
            highlights,
        })
    });
    Hit {
        conversation: stored.conversation,
        score,
        received_at: stored.received_at,
        started_at: stored.started_at,
        turns: turns.collect(),
        agent: stored.agent,
        duration_ms: stored.duration_ms,
    }
}
