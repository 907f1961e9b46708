//! What every service is tried with: its input comes again, or cannot be used.

use std::sync::Arc;

use colloquy_bus::{
    deadletters::{DeadLetter, DeadLetterFilter},
    worker::Service,
};
use colloquy_contract::{
    FactType, Scope,
    facts::{ConversationFailed, FactData},
};

use crate::{Counted, Kit, PATIENCE, eventually, types};

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

    /// The one dead letter there is: of this service, about the conversation's first fact, given up
    /// at the first attempt, and told by its last fact.
    pub async fn the_dead_letter(&self, service: &str, scope: &Scope) -> DeadLetter {
        self.facts_until(scope, FactType::ConversationFailed).await;
        let all = DeadLetterFilter::default();
        let letters = self.bus.dead_letters(&all, 0, 2).await;
        let letters = letters.expect("dead letters can be listed");
        let [letter] = letters.as_slice() else {
            panic!("{} dead letters", letters.len());
        };
        assert_eq!(letter.service, service);
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
        self.allow_leftovers();
        letter.clone()
    }
}
