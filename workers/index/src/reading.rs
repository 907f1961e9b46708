//! From a fact to what it does to the index: reads the transcript, and deals with facts that
//! cannot be read.

use std::{future::Future, time::Duration};

use colloquy_bus::{
    Bus, BusError, CancellationToken,
    log::{Entry, Logged},
};
use colloquy_contract::{
    AccountId, ArtifactRef, ConversationId, Fact, FactType,
    facts::{ConversationQualified, Family},
    transcript::Transcript,
};
use tracing::{Instrument, Span};

use crate::{IndexError, Result, SERVICE, error::chain, schema::Stored, store::Change};

/// How often a transcript is tried before its fact becomes a dead letter.
const READ_ATTEMPTS: u32 = 5;

/// Pause before the second attempt; it doubles from there.
const RETRY_AFTER: Duration = Duration::from_millis(200);

/// Longest pause between attempts.
const RETRY_CEILING: Duration = Duration::from_secs(10);

/// What becomes of a fact that cannot be indexed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unusable {
    /// It becomes a dead letter.
    Bury,
    /// It is left out: whoever read it first has buried it.
    LeaveOut,
}

/// Reads facts for the index.
#[derive(Clone)]
pub(crate) struct Reader {
    pub(crate) bus: Bus,
    pub(crate) unusable: Unusable,
    pub(crate) stop: CancellationToken,
}

/// What a fact does to the index.
#[derive(Default)]
pub(crate) struct Step {
    pub(crate) change: Option<Change>,
    /// The fact to answer with `conversation.indexed`, if its conversation can be found then.
    pub(crate) answer: Option<Answer>,
    /// The conversation that should be put, but its transcript is not to be had.
    pub(crate) missing: Option<Missing>,
}

pub(crate) struct Answer {
    pub(crate) logged: Logged,
    pub(crate) conversation: ConversationId,
    /// Number of turns; not known of a fact that was indexed before.
    pub(crate) turns: Option<u32>,
    pub(crate) span: Span,
}

pub(crate) struct Missing {
    pub(crate) account: AccountId,
    pub(crate) conversation: ConversationId,
    pub(crate) revision: u32,
}

/// Why a transcript is not there.
enum Unread {
    /// It may be there later.
    Bus(BusError),
    /// It will never be what we read.
    Malformed(String),
}

impl Reader {
    /// What a fact does. A `repeated` one is in the index already: it changes nothing.
    pub(crate) async fn step(&self, entry: Entry, repeated: bool) -> Result<Step> {
        let logged = match entry.fact {
            Ok(logged) => logged,
            Err(_) if repeated => return Ok(Step::default()),
            Err(error) => {
                self.give_up(entry.sequence, 1, &chain(&error)).await?;
                return Ok(Step::default());
            }
        };
        let Some(conversation) = logged.envelope.scope.conversation() else {
            return Ok(Step::default());
        };
        match &logged.fact {
            Fact::ConversationErasureRequested(_) | Fact::ConversationErased(_) => Ok(Step {
                change: (!repeated).then_some(Change::Forget(conversation)),
                ..Step::default()
            }),
            Fact::ConversationQualified(_) => self.qualified(logged, conversation, repeated).await,
            _ => Ok(Step::default()),
        }
    }

    async fn qualified(
        &self,
        logged: Logged,
        conversation: ConversationId,
        repeated: bool,
    ) -> Result<Step> {
        let span = match self.unusable {
            Unusable::Bury => logged.process_span(SERVICE),
            // A rebuild would add to the traces of every conversation that there ever was.
            Unusable::LeaveOut => Span::none(),
        };
        let account = logged.envelope.scope.account().clone();
        let mut step = Step::default();
        let mut turns = None;
        if !repeated {
            let reading = self.read(&logged, conversation);
            let Some(stored) = reading.instrument(span.clone()).await? else {
                step.missing = Some(Missing {
                    account,
                    conversation,
                    revision: logged.envelope.revision,
                });
                return Ok(step);
            };
            turns = Some(stored.turn_count());
            step.change = Some(Change::Put {
                account,
                stored: Box::new(stored),
            });
        }
        step.answer = Some(Answer {
            logged,
            conversation,
            turns,
            span,
        });
        Ok(step)
    }

    /// The conversation as it will stand in the index; `None` if its transcript is not to be had,
    /// which is dealt with then.
    async fn read(&self, logged: &Logged, conversation: ConversationId) -> Result<Option<Stored>> {
        let Fact::ConversationQualified(fact) = &logged.fact else {
            return Ok(None);
        };
        let mut attempt = 1;
        let mut pause = RETRY_AFTER;
        let reason = loop {
            match self.transcript(&fact.transcript).await {
                Ok(transcript) => {
                    return Ok(Some(stored(logged, conversation, fact, transcript)));
                }
                Err(Unread::Malformed(reason)) => break reason,
                Err(Unread::Bus(error)) if attempt >= READ_ATTEMPTS => break chain(&error),
                Err(Unread::Bus(error)) => {
                    tracing::warn!(
                        attempt,
                        error = chain(&error),
                        "a transcript cannot be read"
                    );
                }
            }
            // While the broker is away no artifact is at fault.
            if self.bus.ping().await {
                // Nobody waits for a transcript that was removed: others are behind it.
                if attempt == 1 && self.erasing(logged).await? {
                    return Ok(None);
                }
                attempt += 1;
            }
            self.pause(&mut pause).await?;
        };
        if !self.erasing(logged).await? {
            self.give_up(logged.sequence, attempt, &reason).await?;
        }
        Ok(None)
    }

    async fn transcript(&self, reference: &ArtifactRef) -> std::result::Result<Transcript, Unread> {
        let json = self
            .bus
            .artifacts()
            .get_bytes(reference)
            .await
            .map_err(Unread::Bus)?;
        // Not the parser's own words: they may quote the transcript.
        let transcript: Transcript = serde_json::from_slice(&json)
            .map_err(|_| Unread::Malformed("the transcript is not a transcript".to_owned()))?;
        if transcript.version == Transcript::VERSION {
            return Ok(transcript);
        }
        Err(Unread::Malformed(format!(
            "the transcript has version {}, this program reads {}; update it first",
            transcript.version,
            Transcript::VERSION
        )))
    }

    /// Whether the conversation is being erased, so that nothing of it is missed.
    async fn erasing(&self, logged: &Logged) -> Result<bool> {
        let history = self
            .persist("reading a history", || {
                self.bus.history(&logged.envelope.scope)
            })
            .await?;
        Ok(history.iter().any(|logged| {
            matches!(
                logged.envelope.fact_type,
                FactType::ConversationErasureRequested | FactType::ConversationErased
            )
        }))
    }

    async fn give_up(&self, sequence: u64, attempts: u32, reason: &str) -> Result<()> {
        if self.unusable == Unusable::LeaveOut {
            tracing::warn!(sequence, reason, "a fact cannot be indexed");
            return Ok(());
        }
        let burying = || {
            self.bus
                .bury_fact(SERVICE, Family::Conversation, sequence, attempts, reason)
        };
        self.persist("keeping a dead letter", burying)
            .await
            .map(drop)
    }

    /// Does something on the broker until it works or we are told to stop: without it the log
    /// cannot be followed, and the broker comes back.
    pub(crate) async fn persist<T, F>(
        &self,
        what: &'static str,
        mut attempt: impl FnMut() -> F,
    ) -> Result<T>
    where
        F: Future<Output = std::result::Result<T, BusError>>,
    {
        let mut pause = RETRY_AFTER;
        loop {
            match attempt().await {
                Ok(done) => return Ok(done),
                Err(error) => {
                    tracing::warn!(what, error = chain(&error), "failed; trying again");
                }
            }
            self.pause(&mut pause).await?;
        }
    }

    async fn pause(&self, pause: &mut Duration) -> Result<()> {
        tokio::select! {
            () = self.stop.cancelled() => return Err(IndexError::Stopped),
            () = tokio::time::sleep(*pause) => {}
        }
        *pause = pause.saturating_mul(2).min(RETRY_CEILING);
        Ok(())
    }
}

fn stored(
    logged: &Logged,
    conversation: ConversationId,
    fact: &ConversationQualified,
    transcript: Transcript,
) -> Stored {
    let revision = logged.envelope.revision;
    Stored::new(
        conversation,
        revision,
        &fact.call,
        fact.duration_ms,
        transcript,
    )
}
