//! What the broker denies us, said at once and by name.
//!
//! The broker answers neither a publish nor a subscription that it denies: it says so beside, on the
//! connection, without naming the request. Whoever waits for an answer would wait until the time is
//! over, again and again. So whatever is denied is noted here, and
//!
//! - [`Bus::or_denied`] ends an operation as soon as a subject that it needs is denied;
//! - [`Bus::unless_denied`] ends a service as soon as something is denied that it cannot work
//!   without.
//!
//! While nothing is denied it costs an operation a place in a queue of wakers: no allocation, and
//! no subject is written out.

mod essential;
mod words;

use std::{
    collections::VecDeque,
    future::Future,
    pin::Pin,
    sync::{Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::Instant,
};

use async_nats::{Event, ServerError};
use colloquy_contract::permissions::within;
use pin_project_lite::pin_project;
use tokio::sync::{Notify, futures::Notified};

use crate::{Bus, BusError, Result};
use essential::Essential;
use words::{Access, Denial};

/// Subjects that are remembered: a process that is denied more than these is told of some of them.
const MOST_REMEMBERED: usize = 256;

/// What was denied on this connection and when for the last time, the latest behind.
type Remembered = VecDeque<(Instant, Denial)>;

/// What was denied on a connection.
#[derive(Debug)]
pub(crate) struct Denials {
    /// Where all answers to us arrive. Without it there are none.
    inboxes: String,
    remembered: Mutex<Remembered>,
    /// Wakes all who wait for more to be denied.
    more: Notify,
}

impl Denials {
    pub(crate) fn new(inbox_prefix: &str) -> Self {
        Self {
            inboxes: format!("{inbox_prefix}.>"),
            remembered: Mutex::default(),
            more: Notify::new(),
        }
    }

    /// Takes in what the client library reports; whether it was something that was denied.
    pub(crate) fn hear(&self, event: &Event) -> bool {
        match event {
            // On a new connection the broker says again what it denies, by the rules of then.
            Event::Connected => {
                self.remembered()
                    .retain(|(_, denial)| denial.access == Access::Publish);
                false
            }
            Event::ServerError(ServerError::Other(said)) => match Denial::read(said) {
                Some(denial) => {
                    self.remember(denial);
                    true
                }
                None => false,
            },
            _ => false,
        }
    }

    fn remember(&self, denial: Denial) {
        let mut all = self.remembered();
        let known = all.iter().position(|(_, known)| *known == denial);
        match known {
            // Somebody tries again and again; one word in the log is enough.
            Some(place) => drop(all.remove(place)),
            None => tracing::error!(denied = %denial, "the broker denied us a subject"),
        }
        if all.len() == MOST_REMEMBERED {
            all.pop_front();
        }
        all.push_back((Instant::now(), denial));
        drop(all);
        self.more.notify_waiters();
    }

    fn remembered(&self) -> MutexGuard<'_, Remembered> {
        self.remembered
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// The latest denial that matters.
    fn find(&self, matters: impl Fn(Instant, &Denial) -> bool) -> Option<BusError> {
        let all = self.remembered();
        let mut latest_first = all.iter().rev();
        let found = latest_first.find(|(at, denial)| matters(*at, denial));
        found.map(|(_, denial)| denial.error())
    }

    /// Waits for a denial that matters.
    async fn wait_for(&self, matters: impl Fn(Instant, &Denial) -> bool) -> BusError {
        loop {
            // Made before the look: what is denied in between wakes it.
            let more = self.more.notified();
            if let Some(error) = self.find(&matters) {
                return error;
            }
            more.await;
        }
    }

    /// Does something that needs answers to messages on these subjects, or says which was denied
    /// meanwhile. Subjects may hold wildcards.
    pub(crate) fn or_denied<T>(
        &self,
        needed: &[impl AsRef<str> + Sync],
        operation: impl Future<Output = Result<T>>,
    ) -> impl Future<Output = Result<T>> {
        let needs = |denied: &str| {
            let mut needed = needed.iter();
            needed.any(|needed| within(needed.as_ref(), denied))
        };
        // On the heap: what surrounds it would hold it several times over on the stack.
        self.unless(needs, Box::pin(operation))
    }

    /// The same for what happens too often to write its subjects out each time: `needs` says
    /// whether a subject that was denied is one of them.
    pub(crate) fn unless<T, F, N>(&self, needs: N, operation: F) -> impl Future<Output = Result<T>>
    where
        F: Future<Output = Result<T>>,
        N: Fn(&str) -> bool,
    {
        Unless {
            operation,
            more: self.more.notified(),
            denials: self,
            needs,
            began: Instant::now(),
            looked: false,
        }
    }
}

pin_project! {
    /// An operation, given up as soon as something that it needs is denied.
    struct Unless<'d, F, N> {
        #[pin]
        operation: F,
        #[pin]
        more: Notified<'d>,
        denials: &'d Denials,
        needs: N,
        began: Instant,
        // Whether all that was denied before `more` was made has been looked at.
        looked: bool,
    }
}

impl<T, F, N> Future for Unless<'_, F, N>
where
    F: Future<Output = Result<T>>,
    N: Fn(&str) -> bool,
{
    type Output = Result<T>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<T>> {
        let mut this = self.project();
        if let Poll::Ready(done) = this.operation.poll(cx) {
            return Poll::Ready(done);
        }
        loop {
            if !*this.looked {
                let denied = this.denials.find(|at, denial| {
                    // An inbox is subscribed to once and then used by all.
                    within(&this.denials.inboxes, &denial.subject)
                        || (at >= *this.began && (this.needs)(&denial.subject))
                });
                if let Some(error) = denied {
                    return Poll::Ready(Err(error));
                }
                *this.looked = true;
            }
            std::task::ready!(this.more.as_mut().poll(cx));
            this.more.set(this.denials.more.notified());
            *this.looked = false;
        }
    }
}

/// The subjects of a call of the broker's API on a stream, whatever it adds behind.
pub(crate) fn api(call: &str, stream: &str) -> [String; 2] {
    let call = format!("$JS.API.{call}.{stream}");
    let more = format!("{call}.>");
    [call, more]
}

/// The subjects of several calls of the broker's API on a stream.
pub(crate) fn apis(calls: &[&str], stream: &str) -> Vec<String> {
    calls.iter().flat_map(|call| api(call, stream)).collect()
}

impl Bus {
    /// Does something that needs answers to messages on these subjects, or says which of them was
    /// denied meanwhile. Subjects may hold wildcards.
    ///
    /// # Errors
    /// [`BusError::Denied`], or the operation's own.
    pub(crate) fn or_denied<T>(
        &self,
        needed: &[impl AsRef<str> + Sync],
        operation: impl Future<Output = Result<T>>,
    ) -> impl Future<Output = Result<T>> {
        self.denials().or_denied(needed, operation)
    }

    /// Runs a service, and ends it as soon as the broker denies something that it cannot work
    /// without; see [`Bus::until_denied`].
    ///
    /// # Errors
    /// [`BusError::Denied`], or the service's own.
    pub async fn unless_denied<T, E: From<BusError>>(
        &self,
        service: &str,
        working: impl Future<Output = std::result::Result<T, E>>,
    ) -> std::result::Result<T, E> {
        // On the heap: what surrounds it would hold it several times over on the stack.
        let working = Box::pin(working);
        tokio::select! {
            biased;
            result = working => result,
            denied = self.until_denied(service) => Err(denied.into()),
        }
    }

    /// Waits until the broker denies something that a service declares and so cannot work without;
    /// for as long as it lives, if it has the permissions that `colloquy contract permissions`
    /// prints. A process whose service is denied something should end: trying again is of no use
    /// until a person has changed the permissions.
    ///
    /// It returns [`BusError::Denied`], with the subject. What was denied before counts, too.
    pub async fn until_denied(&self, service: &str) -> BusError {
        let essential = Essential::of(service);
        let denials = self.denials();
        let matters = |_, denial: &Denial| {
            essential.covers(denial) || within(&denials.inboxes, &denial.subject)
        };
        denials.wait_for(matters).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(denials: &Denials, said: &str) -> bool {
        denials.hear(&Event::ServerError(ServerError::Other(said.to_owned())))
    }

    fn denials() -> Denials {
        Denials::new("_INBOX.colloquy-decode")
    }

    fn shown(error: &BusError) -> &str {
        match error {
            BusError::Denied { subject } => subject,
            other => panic!("{other}"),
        }
    }

    async fn forever() -> Result<()> {
        std::future::pending().await
    }

    #[tokio::test]
    async fn an_operation_ends_when_what_it_needs_is_denied() {
        let denials = denials();
        // Said before it began: the permissions may be others by now.
        assert!(heard(
            &denials,
            "Permissions Violation for Publish to \"a.b\""
        ));
        let mut waiting = std::pin::pin!(denials.or_denied(&["a.*"], forever()));
        let early = tokio::time::timeout(std::time::Duration::from_millis(20), &mut waiting).await;
        assert!(early.is_err());
        assert!(heard(
            &denials,
            "Permissions Violation for Publish to \"c\""
        ));
        let other = tokio::time::timeout(std::time::Duration::from_millis(20), &mut waiting).await;
        assert!(other.is_err(), "that was somebody else's");
        assert!(heard(
            &denials,
            "Permissions Violation for Publish to \"a.b\""
        ));
        let error = waiting.await.unwrap_err();
        assert_eq!(shown(&error), "Publish to \"a.b\"");
        // What is done is done.
        let done = denials.or_denied(&["a.*"], async { Ok(3) }).await;
        assert_eq!(done.unwrap(), 3);
    }

    #[tokio::test]
    async fn without_an_inbox_nothing_is_answered_until_the_next_connection() {
        let denials = denials();
        let said = "Permissions Violation for Subscription to \"_INBOX.colloquy-decode.x.*\"";
        assert!(heard(&denials, said));
        let error = denials.or_denied(&["a"], forever()).await.unwrap_err();
        assert_eq!(
            shown(&error),
            "Subscription to \"_INBOX.colloquy-decode.x.*\""
        );
        denials.hear(&Event::Connected);
        let waiting = denials.or_denied(&["a"], forever());
        let waited = tokio::time::timeout(std::time::Duration::from_millis(20), waiting).await;
        assert!(waited.is_err());
    }

    #[test]
    fn memory_is_bounded() {
        let denials = denials();
        for number in 0..3 * MOST_REMEMBERED {
            for _ in 0..2 {
                let said = format!("Permissions Violation for Publish to \"a.{number}\"");
                assert!(heard(&denials, &said));
            }
        }
        assert_eq!(denials.remembered().len(), MOST_REMEMBERED);
        assert!(!denials.hear(&Event::LameDuckMode));
    }
}
