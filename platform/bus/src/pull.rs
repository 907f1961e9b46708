//! Pulling one message at a time: exactly when there is room to work on it.
//!
//! A prefetched message burns its ack wait in a buffer, so a request asks for one message and is
//! sent by whoever holds the permit to work on it. The broker's idle heartbeats tell a quiet
//! consumer from a lost one.

use std::time::Duration;

use async_nats::{Client, Message, StatusCode, Subscriber, jetstream::AckKind};
use bytes::Bytes;
use futures::StreamExt;

use crate::{BusError, Result};

/// How long a request stays open at the broker.
const EXPIRES: Duration = Duration::from_secs(30);

/// How often the broker says that it is still there.
const HEARTBEAT: Duration = Duration::from_secs(5);

/// Silence after which the request is considered lost: two heartbeats and a little.
const SILENCE: Duration = Duration::from_secs(11);

/// One open place in a consumer's queue of requests.
pub(crate) struct Puller {
    client: Client,
    next: String,
    consumer: String,
    replies: Option<(String, Subscriber)>,
}

impl Puller {
    pub(crate) fn new(client: Client, stream: &str, consumer: &str) -> Self {
        Self {
            client,
            next: format!("$JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer}"),
            consumer: consumer.to_owned(),
            replies: None,
        }
    }

    /// Waits for a message; `None` if the request expired without one.
    ///
    /// # Errors
    /// [`BusError::Pull`] if the consumer is gone or silent; the next call starts afresh.
    pub(crate) async fn next(&mut self) -> Result<Option<Message>> {
        let result = self.request_one().await;
        if result.is_err() {
            // Late replies to a lost request must not be taken for those to the next.
            self.replies = None;
        }
        result
    }

    async fn request_one(&mut self) -> Result<Option<Message>> {
        let (inbox, replies) = match self.replies.take() {
            Some(open) => open,
            None => {
                let inbox = self.client.new_inbox();
                let replies = self
                    .client
                    .subscribe(inbox.clone())
                    .await
                    .map_err(|e| self.lost(e))?;
                (inbox, replies)
            }
        };
        let request = serde_json::json!({
            "batch": 1,
            "expires": EXPIRES.as_nanos(),
            "idle_heartbeat": HEARTBEAT.as_nanos(),
        });
        let payload = Bytes::from(request.to_string());
        self.client
            .publish_with_reply(self.next.clone(), inbox.clone(), payload)
            .await
            .map_err(|error| self.lost(error))?;
        // Put back at once: a caller that stops waiting drops this future, not the subscription.
        let (_, replies) = self.replies.insert((inbox, replies));
        loop {
            let reply = match tokio::time::timeout(SILENCE, replies.next()).await {
                Ok(Some(reply)) => reply,
                Ok(None) => return Err(self.lost("the connection closed")),
                Err(_) => return Err(self.lost("no heartbeat from the broker")),
            };
            match reply.status {
                None => return Ok(Some(reply)),
                Some(StatusCode::IDLE_HEARTBEAT) => {}
                Some(StatusCode::NOT_FOUND | StatusCode::TIMEOUT) => return Ok(None),
                Some(status) => {
                    let said = reply.description.as_deref().unwrap_or("no description");
                    return Err(self.lost(format!("{status}: {said}")));
                }
            }
        }
    }

    /// Hands back what arrived after the caller stopped waiting.
    pub(crate) async fn close(mut self) {
        let Some((_, mut replies)) = self.replies.take() else {
            return;
        };
        if replies.drain().await.is_err() {
            return;
        }
        let handing_back = async {
            while let Some(message) = replies.next().await {
                if let (None, Some(reply)) = (message.status, message.reply) {
                    let _ = self.client.publish(reply, AckKind::Nak(None).into()).await;
                }
            }
        };
        let _ = tokio::time::timeout(Duration::from_secs(2), handing_back).await;
    }

    fn lost(&self, reason: impl ToString) -> BusError {
        BusError::Pull {
            consumer: self.consumer.clone(),
            reason: reason.to_string(),
        }
    }
}
