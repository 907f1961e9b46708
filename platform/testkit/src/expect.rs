//! What every service is tried with: its input comes again, or cannot be used.

use std::sync::Arc;

use bytes::Bytes;
use colloquy_bus::{
    Credentials,
    deadletters::{DeadLetter, DeadLetterFilter},
    worker::Service,
};
use colloquy_contract::{
    Envelope, FactType, Scope,
    facts::{ConversationFailed, FactData},
};

use crate::{Counted, KIT, Kit, PATIENCE, eventually, types};

impl Kit {
    /// States a fact to a service while everything is delivered and stated again and again, until the
    /// service has handled it more than once and all is quiet; returns the conversation's facts.
    pub async fn delivered_again<S: Service>(
        &self,
        service: S,
        scope: &Scope,
        cause: impl FactData,
    ) -> Vec<FactType> {
        let service = Arc::new(Counted::new(service));
        let running = self.run(service.clone()).await;
        let proxy = &self.proxies()[0];
        proxy.make(|trouble| {
            trouble.duplicate_deliveries = 1.0;
            trouble.redeliver = 0.3;
            trouble.duplicate_publishes = 1.0;
        });
        self.state(scope, cause).await;
        let twice = async || service.handled() > 1;
        eventually("it is handled twice", PATIENCE, twice).await;
        proxy.heal();
        self.settled(PATIENCE).await;
        running.drain().await;
        types(&self.history(scope).await)
    }

    /// Puts a message into the log that looks like a fact of this type and whose data is something
    /// else: no service can read it.
    pub async fn garble(&self, scope: &Scope, fact: FactType, data: impl Into<Bytes>) {
        let envelope = Envelope::first("test", scope.clone(), fact, self.clock.now());
        let subject = envelope.subject().expect("what it is about has this fact");
        let mut headers = async_nats::HeaderMap::new();
        for (name, value) in envelope.headers() {
            headers.insert(name, value);
        }
        let options = self.broker().connect_options(KIT);
        let as_the_kit = match options.credentials {
            Credentials::Password { user, password } => {
                async_nats::ConnectOptions::with_user_and_password(user, password)
            }
            _ => async_nats::ConnectOptions::new(),
        };
        let client = as_the_kit.connect(options.url).await;
        let jetstream = async_nats::jetstream::new(client.expect("the broker is there"));
        let sent = jetstream.publish_with_headers(subject.to_string(), headers, data.into());
        let taken = sent.await.expect("it is sent").await;
        taken.expect("the log takes it");
    }

    /// The one dead letter there is: of this service, about the first fact of something, given up at
    /// the first attempt. If that is a conversation whose fact can be read, its last fact tells of it;
    /// else nothing does.
    pub async fn the_dead_letter(&self, service: &str, scope: &Scope) -> DeadLetter {
        let kept = async || self.dead_letters().await > 0;
        eventually("there is a dead letter", PATIENCE, kept).await;
        let all = DeadLetterFilter::default();
        let letters = self.bus.dead_letters(&all, 0, 2).await;
        let letters = letters.expect("dead letters can be listed");
        let [letter] = letters.as_slice() else {
            panic!("{} dead letters", letters.len());
        };
        assert_eq!(letter.service, service);
        assert_eq!(letter.attempts, 1);
        let stands = self.bus.history_entries(scope).await;
        let stands = stands.expect("the log can be read");
        assert_eq!(letter.stream_sequence, stands[0].sequence);
        self.allow_leftovers();
        if scope.conversation().is_none() || stands[0].fact.is_err() {
            assert_eq!(stands.len(), 1, "nothing tells of it");
            return letter.clone();
        }
        self.facts_until(scope, FactType::ConversationFailed).await;
        let history = self.history(scope).await;
        assert_eq!(history.len(), 2, "{:?}", types(&history));
        assert_eq!(letter.id, Some(history[0].envelope.id.to_string()));
        let failed = ConversationFailed {
            stage: service.to_owned(),
            error: letter.error.clone(),
            attempts: 1,
            dead_letter: letter.sequence,
        };
        assert_eq!(history[1].fact, failed.into());
        letter.clone()
    }
}
