//! What a service cannot work without.

use colloquy_contract::{
    permissions::{Permissions, within},
    services, streams,
};

use super::words::{Access, Denial};

/// What a service cannot work without.
pub(super) enum Essential {
    /// All that it declares.
    Declared(Permissions),
    /// It is not in the table of services: its consumer, and facts.
    Usual(Vec<String>),
}

impl Essential {
    pub(super) fn of(service: &str) -> Self {
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

    pub(super) fn covers(&self, denial: &Denial) -> bool {
        let subject = &denial.subject;
        match (self, denial.access) {
            (Self::Declared(all), Access::Publish) => all.may_publish(subject),
            (Self::Declared(all), Access::Subscribe) => all.may_subscribe(subject),
            (Self::Usual(all), Access::Publish) => all.iter().any(|one| within(one, subject)),
            (Self::Usual(_), Access::Subscribe) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
