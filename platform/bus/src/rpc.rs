//! Asking and answering: requests to whoever serves a subject, gathered from all of them.

use std::time::{Duration, Instant};

use async_nats::HeaderMap;
use futures::{StreamExt, future::BoxFuture};
use opentelemetry::KeyValue;
use serde::{Serialize, de::DeserializeOwned};
use tokio::sync::Semaphore;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::Instrument;

use crate::{Bus, BusError, Result, error::chain, metrics::error_type, trace};

/// Requests that one server answers at once.
const CONCURRENT_REQUESTS: usize = 16;

/// Most replies that one request gathers.
const MAX_REPLIES: usize = 256;

/// Pause before a subject that could not be served is served again.
const SERVE_PAUSE: Duration = Duration::from_secs(1);

impl Bus {
    /// Answers requests on a subject until told to stop; losing it is mended, after a word in the
    /// log. What is being answered is finished.
    pub async fn keep_serving<Q, A, F>(
        &self,
        subject: &'static str,
        stop: &CancellationToken,
        answer: F,
    ) where
        Q: DeserializeOwned + Send + 'static,
        A: Serialize + Send + 'static,
        F: Fn(Q) -> BoxFuture<'static, A> + Send + Sync + Clone + 'static,
    {
        while !stop.is_cancelled() {
            let serving = self.serve(subject, stop.clone(), answer.clone());
            if let Err(error) = serving.await {
                let error = chain(&error);
                tracing::warn!(subject, error, "requests cannot be served; trying again");
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(SERVE_PAUSE) => {}
            }
        }
    }

    /// Answers requests on a subject until told to stop, or until it is lost; what is being
    /// answered is finished.
    pub async fn serve<Q, A, F>(
        &self,
        subject: &'static str,
        stop: CancellationToken,
        answer: F,
    ) -> Result<()>
    where
        Q: DeserializeOwned + Send + 'static,
        A: Serialize + Send + 'static,
        F: Fn(Q) -> BoxFuture<'static, A> + Send + Sync + Clone + 'static,
    {
        let serving = self.serve_until(subject, stop, answer);
        self.or_denied(&[subject], serving).await
    }

    async fn serve_until<Q, A, F>(
        &self,
        subject: &'static str,
        stop: CancellationToken,
        answer: F,
    ) -> Result<()>
    where
        Q: DeserializeOwned + Send + 'static,
        A: Serialize + Send + 'static,
        F: Fn(Q) -> BoxFuture<'static, A> + Send + Sync + Clone + 'static,
    {
        let mut requests =
            self.client()
                .subscribe(subject)
                .await
                .map_err(|error| BusError::NoAnswer {
                    what: subject,
                    source: error.into(),
                })?;
        let permits = std::sync::Arc::new(Semaphore::new(CONCURRENT_REQUESTS));
        let running = TaskTracker::new();
        loop {
            let request = tokio::select! {
                () = stop.cancelled() => break,
                request = requests.next() => match request {
                    Some(request) => request,
                    None => break,
                },
            };
            let Some(reply) = request.reply.clone() else {
                continue;
            };
            let Ok(permit) = permits.clone().acquire_owned().await else {
                break;
            };
            let (client, answer) = (self.client().clone(), answer.clone());
            let span = tracing::info_span!(
                "process",
                otel.name = format!("process {subject}"),
                otel.kind = "consumer",
                messaging.system = "nats",
                messaging.operation.name = "process",
                messaging.operation.type = "process",
                messaging.destination.name = subject,
            );
            if let Some(headers) = &request.headers {
                trace::follow(&span, headers);
            }
            running.spawn(
                async move {
                    let _permit = permit;
                    let Ok(question) = serde_json::from_slice(&request.payload) else {
                        tracing::warn!(subject, "a request cannot be read");
                        return;
                    };
                    let Ok(payload) = serde_json::to_vec(&answer(question).await) else {
                        return;
                    };
                    if let Err(error) = client.publish(reply, payload.into()).await {
                        tracing::warn!(subject, %error, "an answer could not be sent");
                    }
                }
                .instrument(span),
            );
        }
        running.close();
        running.wait().await;
        Ok(())
    }

    /// Asks everybody who serves `subject` and hands each answer to `gather`, until that says it
    /// has enough or the time is over.
    pub async fn ask_all<Q, A>(
        &self,
        subject: &'static str,
        question: &Q,
        limit: Duration,
        mut gather: impl FnMut(A) -> bool + Send,
    ) -> Result<()>
    where
        Q: Serialize + Sync,
        A: DeserializeOwned,
    {
        let span = tracing::info_span!(
            "request",
            otel.name = format!("request {subject}"),
            otel.kind = "producer",
            messaging.system = "nats",
            messaging.operation.name = "request",
            messaging.operation.type = "send",
            messaging.destination.name = subject,
            error.r#type = tracing::field::Empty,
            otel.status_code = tracing::field::Empty,
        );
        let started = Instant::now();
        let no_answer = |source| BusError::NoAnswer {
            what: subject,
            source,
        };
        let unreadable = |source| BusError::Value {
            what: format!("an answer on {subject}"),
            source,
        };
        let mut headers = HeaderMap::new();
        trace::inject(&span, &mut headers);
        let payload = serde_json::to_vec(question).map_err(unreadable)?;
        let gathering = async {
            let inbox = self.client().new_inbox();
            let mut answers = self
                .client()
                .subscribe(inbox.clone())
                .await
                .map_err(|e| no_answer(e.into()))?;
            self.client()
                .publish_with_reply_and_headers(subject, inbox, headers, payload.into())
                .await
                .map_err(|error| no_answer(error.into()))?;
            for _ in 0..MAX_REPLIES {
                let Some(message) = answers.next().await else {
                    break;
                };
                if message.status == Some(async_nats::StatusCode::NO_RESPONDERS) {
                    return Err(no_answer("no service is running that answers".into()));
                }
                if gather(serde_json::from_slice(&message.payload).map_err(unreadable)?) {
                    break;
                }
            }
            Ok(())
        };
        let needed = [subject];
        let gathering = self.or_denied(&needed, gathering.instrument(span.clone()));
        // Running out of time is not an error: `gather` knows what is missing.
        let gathered = tokio::time::timeout(limit, gathering)
            .await
            .unwrap_or(Ok(()));
        let error = gathered.as_ref().err().map(error_type);
        trace::ended(&span, error);
        let place = KeyValue::new("messaging.destination.name", subject);
        self.meters().asked("request", place, started, error);
        gathered
    }
}
