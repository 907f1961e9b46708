//! What the broker denies us, said at once and by name.
//!
//! The broker answers neither a publish nor a subscription that it denies: it says so beside, on the
//! connection, without naming the request. Whoever waits for an answer would wait until the time is
//! over, again and again. So whatever is denied is noted here, and
//!
//! - [`Bus::or_denied`] ends an operation as soon as a subject that it needs is denied;
//! - [`Bus::until_denied`] ends a service as soon as something is denied that it cannot work
//!   without.

use std::{
    collections::VecDeque,
    fmt::{self, Display},
    future::Future,
    time::Instant,
};

use async_nats::{Event, ServerError};
use colloquy_contract::{
    permissions::{Permissions, within},
    services, streams,
};
use tokio::sync::watch;

use crate::{Bus, BusError, Result};

/// Subjects that are remembered: a process that is denied more than these is told of some of them.
const MOST_REMEMBERED: usize = 256;

/// Longest subject that is remembered, in bytes; the broker allows longer ones.
const MAX_SUBJECT_BYTES: usize = 1_024;

/// How the broker begins what it says of something that it denies.
const VIOLATION: &str = "permissions violation for ";

/// What was to be done with a subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Access {
    Publish,
    Subscribe,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Denial {
    access: Access,
    subject: String,
}

impl Denial {
    /// Reads what the broker said; `None` if it said something else.
    fn read(said: &str) -> Option<Self> {
        let said = said.trim_matches('\'');
        let head = said.get(..VIOLATION.len())?;
        if !head.eq_ignore_ascii_case(VIOLATION) {
            return None;
        }
        let what = &said[VIOLATION.len()..];
        let access = match what.split(' ').next()? {
            word if word.eq_ignore_ascii_case("publish") => Access::Publish,
            word if word.eq_ignore_ascii_case("subscription") => Access::Subscribe,
            _ => return None,
        };
        let (_, rest) = what.split_once('"')?;
        let (subject, _) = rest.split_once('"')?;
        let short = !subject.is_empty() && subject.len() <= MAX_SUBJECT_BYTES;
        short.then(|| Self {
            access,
            subject: subject.to_owned(),
        })
    }

    fn error(&self) -> BusError {
        BusError::Denied {
            subject: self.to_string(),
        }
    }
}

impl Display for Denial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let access = match self.access {
            Access::Publish => "Publish",
            Access::Subscribe => "Subscription",
        };
        write!(f, "{access} to \"{}\"", self.subject)
    }
}

/// What was denied on this connection and when for the last time, the latest behind.
type Remembered = VecDeque<(Instant, Denial)>;

/// What was denied on a connection.
#[derive(Debug)]
pub(crate) struct Denials {
    /// Where all answers to us arrive. Without it there are none.
    inboxes: String,
    remembered: watch::Sender<Remembered>,
}

impl Denials {
    pub(crate) fn new(inbox_prefix: &str) -> Self {
        Self {
            inboxes: format!("{inbox_prefix}.>"),
            remembered: watch::Sender::default(),
        }
    }

    /// Takes in what the client library reports; whether it was something that was denied.
    pub(crate) fn hear(&self, event: &Event) -> bool {
        match event {
            // On a new connection the broker says again what it denies, by the rules of then.
            Event::Connected => {
                self.remembered.send_if_modified(|all| {
                    let before = all.len();
                    all.retain(|(_, denial)| denial.access == Access::Publish);
                    all.len() != before
                });
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
        self.remembered.send_modify(|all| {
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
        });
    }

    /// Waits for a denial that matters.
    async fn wait_for(&self, matters: impl Fn(Instant, &Denial) -> bool) -> BusError {
        let mut remembered = self.remembered.subscribe();
        let find = |all: &Remembered| {
            let mut latest_first = all.iter().rev();
            let found = latest_first.find(|(at, denial)| matters(*at, denial));
            found.map(|(_, denial)| denial.error())
        };
        loop {
            if let Some(error) = find(&remembered.borrow_and_update()) {
                return error;
            }
            if remembered.changed().await.is_err() {
                // We hold the sender ourselves, so this cannot be.
                return std::future::pending().await;
            }
        }
    }

    /// Does something that needs answers to messages on these subjects, or says which was denied
    /// meanwhile. Subjects may hold wildcards.
    pub(crate) fn or_denied<T>(
        &self,
        needed: &[impl AsRef<str> + Sync],
        operation: impl Future<Output = Result<T>>,
    ) -> impl Future<Output = Result<T>> {
        // On the heap: what surrounds it would hold it several times over on the stack.
        let operation = Box::pin(operation);
        async move {
            let began = Instant::now();
            let matters = |at: Instant, denial: &Denial| {
                let asked = || {
                    let mut needed = needed.iter();
                    needed.any(|needed| within(needed.as_ref(), &denial.subject))
                };
                // An inbox is subscribed to once and then used by all.
                within(&self.inboxes, &denial.subject) || (at >= began && asked())
            };
            tokio::select! {
                biased;
                done = operation => done,
                denied = self.wait_for(matters) => Err(denied),
            }
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

/// What a service cannot work without.
enum Essential {
    /// All that it declares.
    Declared(Permissions),
    /// It is not in the table of services: its consumer, and facts.
    Usual(Vec<String>),
}

impl Essential {
    fn of(service: &str) -> Self {
        if let Some(known) = services::find(service) {
            return Self::Declared(Permissions::of(known));
        }
        let logs = [&streams::CONVERSATIONS, &streams::ACCOUNTS];
        let consumer = logs.iter().flat_map(|log| {
            let name = log.name;
            [
                format!("$JS.API.CONSUMER.MSG.NEXT.{name}.{service}"),
                format!("$JS.ACK.{name}.{service}.>"),
                format!("$JS.ACK.*.*.{name}.{service}.>"),
            ]
        });
        let facts = ["conversations.>", "accounts.>"].map(str::to_owned);
        let letters = format!("deadletters.{service}.>");
        Self::Usual(consumer.chain(facts).chain([letters]).collect())
    }

    fn covers(&self, denial: &Denial) -> bool {
        let subject = &denial.subject;
        match (self, denial.access) {
            (Self::Declared(all), Access::Publish) => all.may_publish(subject),
            (Self::Declared(all), Access::Subscribe) => all.may_subscribe(subject),
            (Self::Usual(all), Access::Publish) => all.iter().any(|one| within(one, subject)),
            (Self::Usual(_), Access::Subscribe) => false,
        }
    }
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

    #[test]
    fn the_words_of_the_broker_are_read() {
        for (said, shown) in [
            (
                "Permissions Violation for Publish to \"a.b\"",
                Some("Publish to \"a.b\""),
            ),
            (
                "'permissions violation for publish to \"$JS.API.INFO\"'",
                Some("Publish to \"$JS.API.INFO\""),
            ),
            (
                "Permissions Violation for Subscription to \"a.*\" using queue \"q\"",
                Some("Subscription to \"a.*\""),
            ),
            (
                "Permissions Violation for Publish with Reply of \"_INBOX.x\"",
                Some("Publish to \"_INBOX.x\""),
            ),
            ("Permissions Violation for Publish to \"\"", None),
            ("Permissions Violation for Dancing to \"a\"", None),
            ("Permissions Violation for Publish to a", None),
            ("Maximum Payload Violation", None),
            ("", None),
            ("Permissions Violation fö", None),
        ] {
            let read = Denial::read(said).map(|denial| denial.to_string());
            assert_eq!(read.as_deref(), shown, "{said}");
        }
        let long = "x".repeat(MAX_SUBJECT_BYTES + 1);
        let said = format!("Permissions Violation for Publish to \"{long}\"");
        assert_eq!(Denial::read(&said), None);
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
        assert_eq!(denials.remembered.borrow().len(), MOST_REMEMBERED);
        assert!(!denials.hear(&Event::LameDuckMode));
    }

    #[test]
    fn a_service_cannot_work_without_what_it_declares() {
        let publish = |subject: &str| Denial {
            access: Access::Publish,
            subject: subject.to_owned(),
        };
        for service in ["decode", "somebody-elses"] {
            let essential = Essential::of(service);
            for subject in [
                format!("$JS.API.CONSUMER.MSG.NEXT.CONVERSATIONS.{service}"),
                format!("$JS.ACK.CONVERSATIONS.{service}.1.2.3.4.5"),
                "conversations.1.acme.x.decoded".to_owned(),
                format!("deadletters.{service}.conversations.1.acme.x.received"),
            ] {
                assert!(essential.covers(&publish(&subject)), "{service} {subject}");
            }
            let foreign = publish("$JS.API.CONSUMER.MSG.NEXT.CONVERSATIONS.tag");
            assert!(!essential.covers(&foreign), "{service}");
        }
        let foreign = publish("conversations.1.acme.x.tagged");
        assert!(!Essential::of("decode").covers(&foreign));
        let search = Denial {
            access: Access::Subscribe,
            subject: colloquy_contract::search::SUBJECT.to_owned(),
        };
        assert!(Essential::of("index").covers(&search));
        assert!(!Essential::of("decode").covers(&search));
    }
}
