//! Pulling messages: as many as there is room to work on.
//!
//! A prefetched message burns its ack wait in a buffer, so no more is asked for than there are free
//! permits. Several requests may be open at once; what they may still bring is counted. The
//! broker's idle heartbeats tell a quiet consumer from a lost one, a new connection makes all open
//! requests void, and no request outlives its time whatever the broker says: then everything
//! starts afresh on another inbox, so that a message for a lost request is never taken for one of
//! the next.

use std::{
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use async_nats::{Client, HeaderMap, Message, StatusCode, Subject, Subscriber, jetstream::AckKind};
use bytes::Bytes;
use futures::StreamExt;
use tokio::time::{Interval, MissedTickBehavior};

use crate::{BusError, Result};

/// How long a request stays open at the broker.
const EXPIRES: Duration = Duration::from_secs(30);

/// How often the broker says that it is still there.
const HEARTBEAT: Duration = Duration::from_secs(5);

/// Silence after which the requests are considered lost: two heartbeats and a little.
const SILENCE: Duration = Duration::from_secs(11);

/// After which no request can be open any more: its time and a little.
const OVERDUE: Duration = Duration::from_secs(35);

/// How often the watchdog looks.
const WATCH: Duration = Duration::from_secs(1);

/// How long handing back may take.
const CLOSING: Duration = Duration::from_secs(2);

/// What a request that ended says about what it did not bring.
const PENDING_MESSAGES: &str = "Nats-Pending-Messages";

/// A place in a consumer's queue of requests.
pub(crate) struct Puller {
    client: Client,
    next: String,
    consumer: String,
    /// The most that is ever asked for.
    capacity: usize,
    open: Option<Open>,
    ending: Option<Ending>,
    watch: Interval,
}

/// Requests that share an inbox.
struct Open {
    inbox: String,
    replies: Subscriber,
    /// Messages that the broker may still send without being asked again.
    outstanding: usize,
    asked: Instant,
    heard: Instant,
    /// The connection that the requests were sent by.
    connection: u64,
}

/// Requests that ended, while what they brought is handed back.
struct Ending {
    replies: Subscriber,
    unsubscribed: bool,
    held: Option<Subject>,
    until: tokio::time::Instant,
}

impl Puller {
    pub(crate) fn new(client: Client, stream: &str, consumer: &str, capacity: usize) -> Self {
        let mut watch = tokio::time::interval(WATCH);
        watch.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            client,
            next: format!("$JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer}"),
            consumer: consumer.to_owned(),
            capacity: capacity.max(1),
            open: None,
            ending: None,
            watch,
        }
    }

    /// Waits for a message while there is room for `room` of them. Dropping the future loses
    /// nothing.
    ///
    /// # Errors
    /// [`BusError::Pull`] if the consumer is gone or silent; the next call starts afresh.
    pub(crate) async fn next(&mut self, room: usize) -> Result<Message> {
        loop {
            match self.step(room).await {
                Ok(Some(message)) => return Ok(message),
                Ok(None) => {}
                Err(error) => {
                    self.give_back().await;
                    return Err(error);
                }
            }
        }
    }

    /// Asks if it is worth it, then takes one reply; `None` if that was no message.
    async fn step(&mut self, room: usize) -> Result<Option<Message>> {
        if self.ending.is_some() {
            self.give_back().await;
        }
        self.ask(room).await?;
        let connection = self.connection();
        let Some(open) = &mut self.open else {
            // No room, nothing asked for: the caller comes back when there is room.
            return std::future::pending().await;
        };
        tokio::select! {
            reply = open.replies.next() => match reply {
                Some(reply) => self.read(reply),
                None => Err(self.lost("the connection closed")),
            },
            _ = self.watch.tick() => {
                if open.connection != connection || open.asked.elapsed() > OVERDUE {
                    // What was asked before is void; nobody is at fault.
                    self.give_back().await;
                    return Ok(None);
                }
                if open.heard.elapsed() > SILENCE {
                    return Err(self.lost("no heartbeat from the broker"));
                }
                Ok(None)
            }
        }
    }

    fn read(&mut self, reply: Message) -> Result<Option<Message>> {
        let Some(open) = &mut self.open else {
            return Ok(None);
        };
        open.heard = Instant::now();
        match reply.status {
            None => {
                open.outstanding = open.outstanding.saturating_sub(1);
                Ok(Some(reply))
            }
            Some(StatusCode::IDLE_HEARTBEAT) => Ok(None),
            Some(StatusCode::NOT_FOUND | StatusCode::TIMEOUT) => {
                let unsent = reply.headers.as_ref().and_then(pending);
                let left = open
                    .outstanding
                    .saturating_sub(unsent.unwrap_or(usize::MAX));
                open.outstanding = left;
                if left == 0 {
                    // A quiet while is a good moment for another inbox: nothing is on its way.
                    self.open = None;
                }
                Ok(None)
            }
            Some(status) => {
                let said = reply.description.as_deref().unwrap_or("no description");
                Err(self.lost(format!("{status}: {said}")))
            }
        }
    }

    /// Sends a request for what there is room for beyond what may come anyway, unless it is so
    /// little that it can wait for the next occasion.
    async fn ask(&mut self, room: usize) -> Result<()> {
        let room = room.min(self.capacity);
        let outstanding = self.open.as_ref().map_or(0, |open| open.outstanding);
        let wanted = room.saturating_sub(outstanding);
        let worth_it = outstanding == 0 || wanted > self.capacity / 2;
        if wanted == 0 || !worth_it {
            return Ok(());
        }
        if self.open.is_none() {
            let inbox = self.client.new_inbox();
            let subscribed = self.client.subscribe(inbox.clone()).await;
            let replies = subscribed.map_err(|error| self.lost(error))?;
            self.open = Some(Open {
                inbox,
                replies,
                outstanding: 0,
                asked: Instant::now(),
                heard: Instant::now(),
                connection: self.connection(),
            });
        }
        let request = serde_json::json!({
            "batch": wanted,
            "expires": EXPIRES.as_nanos(),
            "idle_heartbeat": HEARTBEAT.as_nanos(),
        });
        let Some(open) = &mut self.open else {
            return Ok(());
        };
        let (inbox, payload) = (open.inbox.clone(), Bytes::from(request.to_string()));
        let sent = self
            .client
            .publish_with_reply(self.next.clone(), inbox, payload)
            .await;
        // A caller that stopped waiting until here has sent nothing.
        open.outstanding += wanted;
        open.asked = Instant::now();
        if outstanding == 0 {
            open.heard = open.asked;
        }
        sent.map_err(|error| self.lost(error))
    }

    /// Ends all requests and hands back what they brought and nobody took.
    pub(crate) async fn close(mut self) {
        self.give_back().await;
    }

    async fn give_back(&mut self) {
        if let Some(open) = self.open.take() {
            self.ending = Some(Ending {
                replies: open.replies,
                unsubscribed: false,
                held: None,
                until: tokio::time::Instant::now() + CLOSING,
            });
        }
        while let Some(ending) = &mut self.ending {
            if let Some(reply) = &ending.held {
                let nak = AckKind::Nak(None).into();
                let _ = self.client.publish(reply.clone(), nak).await;
                ending.held = None;
            }
            if !ending.unsubscribed {
                let _ = tokio::time::timeout_at(ending.until, ending.replies.drain()).await;
                ending.unsubscribed = true;
            }
            match tokio::time::timeout_at(ending.until, ending.replies.next()).await {
                Ok(Some(message)) if message.status.is_none() => ending.held = message.reply,
                Ok(Some(_)) => {}
                Ok(None) | Err(_) => self.ending = None,
            }
        }
    }

    /// The number of the connection, which grows when it is made again.
    fn connection(&self) -> u64 {
        self.client.statistics().connects.load(Ordering::Relaxed)
    }

    fn lost(&self, reason: impl ToString) -> BusError {
        BusError::Pull {
            consumer: self.consumer.clone(),
            reason: reason.to_string(),
        }
    }
}

fn pending(headers: &HeaderMap) -> Option<usize> {
    headers.get(PENDING_MESSAGES)?.as_str().parse().ok()
}
