//! What each service may do at the broker, and no more: made from what it declares in
//! [`services`](crate::services).
//!
//! - A service publishes the facts that it states, dead letters and settlements of its own, and
//!   the requests that its buckets and its reading take. It subscribes to its own inbox and to the
//!   requests that it answers.
//! - It cannot touch another service's durable consumer, nor create, change, purge or delete a
//!   stream of facts.
//! - Who provisions and operates is another identity: [`User::operator`].
//!
//! What subjects alone cannot say: a service that may read a stream or bucket may read all of it,
//! and one that may put artifacts into a bucket may remove artifacts from it, because the removal
//! of what a failed upload left is a purge.

use std::{collections::BTreeSet, fmt::Write};

use serde::Serialize;

use crate::{
    artifact::Bucket,
    facts::{FactType, Family},
    services::{ALL, KvUse, Reading, ServiceSpec},
    streams::{self, KvSpec},
    subject::{REDRIVES, Subject},
};

/// Name of the user that provisions and operates.
pub const OPERATOR: &str = "operator";

/// Subject on which the broker tells a connection who it is and what it may do.
pub const WHO_AM_I: &str = "$SYS.REQ.USER.INFO";

/// Prefix of the inboxes of a connection, by its name: replies to it are nobody else's to read.
pub fn inbox_prefix(connection: &str) -> String {
    format!("_INBOX.{connection}")
}

/// Name of a service's connection, which its inboxes have as well.
pub fn connection_name(service: &str) -> String {
    format!("colloquy-{service}")
}

/// What a user may do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Permissions {
    /// Subjects that it may publish to.
    pub publish: Vec<String>,
    /// Subjects that it may not publish to although [`Self::publish`] matches them.
    pub refused: Vec<String>,
    /// Subjects that it may subscribe to.
    pub subscribe: Vec<String>,
    /// Whether it may answer requests, wherever their reply is to go.
    pub answers: bool,
}

impl Permissions {
    /// What one service may do.
    pub fn of(service: &ServiceSpec) -> Self {
        Self::together(&[service])
    }

    /// What one process may do that runs these services over one connection.
    pub fn together(services: &[&ServiceSpec]) -> Self {
        let mut granted = Grants::default();
        for service in services {
            granted.service(service);
        }
        // Durable consumers of others, on streams where this process may create its own readers.
        for stream in &granted.log_readers {
            let others = ALL
                .iter()
                .filter(|other| other.reading == Reading::Consumer)
                .filter(|other| !services.iter().any(|own| own.name == other.name));
            for other in others {
                let name = other.name;
                granted.refused.extend([
                    format!("$JS.API.CONSUMER.CREATE.{stream}.{name}"),
                    format!("$JS.API.CONSUMER.CREATE.{stream}.{name}.>"),
                    format!("$JS.API.CONSUMER.DELETE.{stream}.{name}"),
                    format!("$JS.API.CONSUMER.MSG.NEXT.{stream}.{name}"),
                ]);
            }
        }
        Self {
            publish: granted.publish.into_iter().collect(),
            refused: granted.refused.into_iter().collect(),
            subscribe: granted.subscribe.into_iter().collect(),
            answers: granted.answers,
        }
    }

    /// What whoever provisions and operates may do: everything that belongs to the platform.
    ///
    /// It also covers every service, for a process that runs all of them.
    pub fn operator() -> Self {
        let served = ALL.iter().flat_map(|service| service.serves);
        let asked = ALL.iter().flat_map(|service| service.asks);
        let requests: BTreeSet<String> = served
            .chain(asked)
            .map(|&subject| subject.to_owned())
            .collect();
        let mut publish = vec![
            "$JS.ACK.>".to_owned(),
            "$JS.API.>".to_owned(),
            "$JS.FC.>".to_owned(),
            // Backups: confirming pieces of an archive, and sending them.
            "$JS.SNAPSHOT.>".to_owned(),
            "$KV.>".to_owned(),
            "$O.>".to_owned(),
            "accounts.>".to_owned(),
            "conversations.>".to_owned(),
            "deadletters.>".to_owned(),
            format!("{REDRIVES}.>"),
            // What it may do itself, for 'colloquy doctor'.
            WHO_AM_I.to_owned(),
        ];
        publish.extend(requests.iter().cloned());
        let mut subscribe = vec!["_INBOX.>".to_owned()];
        subscribe.extend(requests);
        Self {
            publish,
            refused: Vec::new(),
            subscribe,
            answers: true,
        }
    }
}

impl Permissions {
    /// Whether it may publish to a subject.
    pub fn may_publish(&self, subject: &str) -> bool {
        let is_in = |patterns: &[String]| patterns.iter().any(|pattern| within(pattern, subject));
        is_in(&self.publish) && !is_in(&self.refused)
    }

    /// Whether it may subscribe to a subject, which may hold wildcards itself.
    pub fn may_subscribe(&self, subject: &str) -> bool {
        let mut patterns = self.subscribe.iter();
        patterns.any(|pattern| within(pattern, subject))
    }
}

/// Whether a subject, which may hold wildcards itself, lies within a pattern, as the broker
/// matches them.
pub fn within(pattern: &str, subject: &str) -> bool {
    let mut subject = subject.split('.');
    for token in pattern.split('.') {
        match (token, subject.next()) {
            (">", Some(_)) => return true,
            ("*", Some(other)) if other != ">" => {}
            (token, Some(other)) if token == other => {}
            _ => return false,
        }
    }
    subject.next().is_none()
}

/// Permissions as they are gathered.
#[derive(Default)]
struct Grants {
    publish: BTreeSet<String>,
    refused: BTreeSet<String>,
    subscribe: BTreeSet<String>,
    log_readers: BTreeSet<&'static str>,
    answers: bool,
}

impl Grants {
    fn service(&mut self, service: &ServiceSpec) {
        let inbox = inbox_prefix(&connection_name(service.name));
        self.subscribe.insert(format!("{inbox}.>"));
        self.stating(service);
        match service.reading {
            Reading::Nothing => self.storage(),
            Reading::Consumer => {
                for family in service.families() {
                    self.consumer(streams::of(family).name, service.name);
                }
                self.consumer(streams::ADVISORIES.name, service.name);
            }
            Reading::Log => {
                for family in service.families() {
                    self.log(family);
                }
            }
        }
        for &family in service.history {
            self.log(family);
        }
        for &bucket in service.reads {
            self.reads_artifacts(bucket);
        }
        for &bucket in service.writes {
            self.writes_artifacts(bucket);
        }
        for &(bucket, how) in service.kv {
            self.kv(bucket, how);
        }
        if service.dead_letters {
            self.dead_letters();
        }
        self.publish
            .extend(service.asks.iter().map(|&s| s.to_owned()));
        self.subscribe
            .extend(service.serves.iter().map(|&s| s.to_owned()));
        self.answers |= !service.serves.is_empty();
    }

    /// Facts, and what stands already where one is to be stated.
    fn stating(&mut self, service: &ServiceSpec) {
        let mut states = service.states.to_vec();
        if service.families().contains(&Family::Conversation) {
            states.push(FactType::ConversationFailed);
        }
        for fact in states {
            self.publish.insert(Subject::filter(fact));
            self.api("STREAM.MSG.GET", streams::of_fact(fact).name);
        }
        if service.reading != Reading::Nothing {
            self.publish
                .insert(format!("deadletters.{}.>", service.name));
            // Whether it kept a copy of this message before; of its own dead letters only.
            let stream = streams::DEADLETTERS.name;
            let own = format!("{stream}.deadletters.{}.>", service.name);
            self.api("DIRECT.GET", &own);
            // A message that was delivered too often is read from the log itself.
            for family in service.families() {
                self.api("STREAM.MSG.GET", streams::of(family).name);
            }
        }
    }

    /// Pulling from a durable consumer and settling what it delivers.
    fn consumer(&mut self, stream: &str, consumer: &str) {
        self.api("CONSUMER.INFO", &format!("{stream}.{consumer}"));
        self.api("CONSUMER.MSG.NEXT", &format!("{stream}.{consumer}"));
        self.publish
            .insert(format!("$JS.ACK.{stream}.{consumer}.>"));
        // The newer form, with domain and account before the stream.
        self.publish
            .insert(format!("$JS.ACK.*.*.{stream}.{consumer}.>"));
    }

    /// Reading the log through consumers of one's own, which live as long as the reader.
    fn log(&mut self, family: Family) {
        let stream = streams::of(family).name;
        self.log_readers.insert(stream);
        self.api("STREAM.INFO", stream);
        self.api("STREAM.MSG.GET", stream);
        self.passing_consumers(stream);
    }

    /// Consumers without a durable name, made anew under another name after an interruption.
    fn passing_consumers(&mut self, stream: &str) {
        self.api("CONSUMER.CREATE", stream);
        self.api("CONSUMER.CREATE", &format!("{stream}.>"));
        self.api("CONSUMER.DELETE", &format!("{stream}.*"));
        self.api("CONSUMER.INFO", &format!("{stream}.*"));
        self.api("CONSUMER.MSG.NEXT", &format!("{stream}.*"));
        self.publish.insert(format!("$JS.FC.{stream}.>"));
        self.publish.insert(format!("$JS.FC.*.*.{stream}.>"));
    }

    /// What is known of an artifact without its content.
    fn artifact_facts(&mut self, bucket: Bucket) {
        let stream = object_stream(bucket);
        self.api("STREAM.INFO", &stream);
        self.api("DIRECT.GET", &format!("{stream}.$O.{bucket}.M.>"));
    }

    /// Chunk by chunk, without a consumer.
    fn reads_artifacts(&mut self, bucket: Bucket) {
        self.artifact_facts(bucket);
        self.api("DIRECT.GET", &object_stream(bucket));
    }

    fn writes_artifacts(&mut self, bucket: Bucket) {
        self.artifact_facts(bucket);
        self.publish.insert(format!("$O.{bucket}.>"));
        self.api("STREAM.PURGE", &object_stream(bucket));
    }

    fn kv(&mut self, bucket: &KvSpec, how: KvUse) {
        let stream = format!("KV_{}", bucket.name);
        self.api("STREAM.INFO", &stream);
        self.api("STREAM.MSG.GET", &stream);
        self.api("DIRECT.GET", &format!("{stream}.>"));
        self.passing_consumers(&stream);
        if how == KvUse::Write {
            self.publish.insert(format!("$KV.{}.>", bucket.name));
        }
    }

    /// Listing dead letters, giving them to their service again, removing them.
    fn dead_letters(&mut self) {
        let stream = streams::DEADLETTERS.name;
        self.api("STREAM.INFO", stream);
        self.api("STREAM.MSG.GET", stream);
        self.api("STREAM.MSG.DELETE", stream);
        self.api("DIRECT.GET", stream);
        self.api("DIRECT.GET", &format!("{stream}.>"));
        self.passing_consumers(stream);
        self.publish.insert(format!("{REDRIVES}.>"));
        // What was redriven before, and whether somebody reads it.
        for log in [Family::Conversation, Family::Account].map(streams::of) {
            self.api("STREAM.MSG.GET", log.name);
            self.api("CONSUMER.INFO", &format!("{}.*", log.name));
        }
    }

    /// How full the broker is: whoever lets facts in stops before it is.
    fn storage(&mut self) {
        self.publish.insert("$JS.API.INFO".to_owned());
        for log in &streams::ALL {
            self.api("STREAM.INFO", log.name);
        }
        for bucket in streams::OBJECT_BUCKETS {
            self.api("STREAM.INFO", &object_stream(bucket));
        }
        for bucket in &streams::KV_BUCKETS {
            self.api("STREAM.INFO", &format!("KV_{}", bucket.name));
        }
    }

    fn api(&mut self, call: &str, what: &str) {
        self.publish.insert(format!("$JS.API.{call}.{what}"));
    }
}

/// The stream that keeps a bucket's artifacts, as JetStream names it.
fn object_stream(bucket: Bucket) -> String {
    format!("OBJ_{bucket}")
}

/// An identity at the broker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct User {
    /// Its name.
    pub name: String,
    /// What it is for, for people.
    pub description: String,
    /// What it may do.
    pub permissions: Permissions,
}

impl User {
    /// A service's user, which has its name.
    pub fn of(service: &ServiceSpec) -> Self {
        Self {
            name: service.name.to_owned(),
            description: service.description.to_owned(),
            permissions: Permissions::of(service),
        }
    }

    /// The user of one process that runs several services, over a connection that is named
    /// `colloquy-<name>`.
    pub fn together(name: &str, services: &[&ServiceSpec]) -> Self {
        let mut permissions = Permissions::together(services);
        let inbox = format!("{}.>", inbox_prefix(&connection_name(name)));
        if !permissions.subscribe.contains(&inbox) {
            permissions.subscribe.insert(0, inbox);
        }
        let names: Vec<&str> = services.iter().map(|service| service.name).collect();
        Self {
            name: name.to_owned(),
            description: format!("Runs {}", names.join(", ")),
            permissions,
        }
    }

    /// The user that provisions and operates.
    pub fn operator() -> Self {
        Self {
            name: OPERATOR.to_owned(),
            description: "Provisions streams and consumers, operates the platform".to_owned(),
            permissions: Permissions::operator(),
        }
    }

    /// Every service's user, then the operator.
    pub fn all() -> Vec<Self> {
        ALL.iter().map(Self::of).chain([Self::operator()]).collect()
    }

    /// The environment variable that the broker's configuration takes its password from.
    pub fn password_variable(&self) -> String {
        let name = self.name.replace('-', "_").to_uppercase();
        format!("COLLOQUY_{name}_PASSWORD")
    }
}

/// The `authorization` block of a NATS server's configuration. Passwords come from the server's
/// environment, so that the file holds no secret.
pub fn nats_config(users: &[User]) -> String {
    let mut text = String::from(
        "# Made by 'colloquy contract permissions'. Include it in the server's configuration, and\n\
         # give the server a password for each user in its environment.\n\
         authorization {\n  users = [\n",
    );
    for user in users {
        let Permissions {
            publish,
            refused,
            subscribe,
            answers,
        } = &user.permissions;
        let _ = writeln!(text, "    # {}", user.description);
        let _ = writeln!(text, "    {{");
        let _ = writeln!(text, "      user: {}", quoted(&user.name));
        let _ = writeln!(text, "      password: ${}", user.password_variable());
        let _ = writeln!(text, "      permissions {{");
        let _ = writeln!(text, "        publish {{");
        list(&mut text, "allow", publish);
        if !refused.is_empty() {
            list(&mut text, "deny", refused);
        }
        let _ = writeln!(text, "        }}");
        let _ = writeln!(text, "        subscribe {{");
        list(&mut text, "allow", subscribe);
        let _ = writeln!(text, "        }}");
        if *answers {
            let _ = writeln!(text, "        allow_responses: true");
        }
        let _ = writeln!(text, "      }}\n    }}");
    }
    text.push_str("  ]\n}");
    text
}

fn list(text: &mut String, name: &str, subjects: &[String]) {
    let _ = writeln!(text, "          {name}: [");
    for subject in subjects {
        let _ = writeln!(text, "            {}", quoted(subject));
    }
    let _ = writeln!(text, "          ]");
}

/// In quotes, a `$` is a dollar sign and no variable. Names and subjects hold neither quotes nor
/// backslashes.
fn quoted(text: &str) -> String {
    format!("\"{text}\"")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::services::find;

    fn may_publish(permissions: &Permissions, subject: &str) -> bool {
        permissions.may_publish(subject)
    }

    #[test]
    fn a_service_states_its_own_facts_only() {
        for service in ALL {
            let permissions = Permissions::of(service);
            for &fact in FactType::ALL {
                let gives_up = fact == FactType::ConversationFailed
                    && service.families().contains(&Family::Conversation);
                assert_eq!(
                    may_publish(&permissions, &Subject::filter(fact)),
                    service.states.contains(&fact) || gives_up,
                    "{} {fact}",
                    service.name
                );
            }
        }
    }

    #[test]
    fn a_service_pulls_from_its_own_consumer_only() {
        for service in ALL {
            let permissions = Permissions::of(service);
            let consumers = ALL
                .iter()
                .filter(|other| other.reading == Reading::Consumer);
            for other in consumers {
                let stream = streams::of(other.families()[0]).name;
                let name = other.name;
                let own = name == service.name;
                for call in [
                    format!("$JS.API.CONSUMER.MSG.NEXT.{stream}.{name}"),
                    format!("$JS.API.CONSUMER.MSG.NEXT.ADVISORIES.{name}"),
                    format!("$JS.ACK.{stream}.{name}.1.2.3.4.0"),
                    format!("$JS.ACK._.hash.{stream}.{name}.1.2.3.4.0"),
                ] {
                    assert_eq!(
                        may_publish(&permissions, &call),
                        own,
                        "{}: {call}",
                        service.name
                    );
                }
                // Not even one's own is a service's to create or delete.
                for call in [
                    format!("$JS.API.CONSUMER.CREATE.{stream}.{name}.conversations.>"),
                    format!("$JS.API.CONSUMER.CREATE.{stream}.{name}"),
                    format!("$JS.API.CONSUMER.DURABLE.CREATE.{stream}.{name}"),
                    format!("$JS.API.CONSUMER.DELETE.{stream}.{name}"),
                ] {
                    assert!(
                        !may_publish(&permissions, &call),
                        "{}: {call}",
                        service.name
                    );
                }
            }
        }
    }

    #[test]
    fn nobody_but_the_operator_touches_streams_of_facts() {
        for stream in &streams::ALL {
            for call in ["CREATE", "UPDATE", "DELETE", "PURGE"] {
                let subject = format!("$JS.API.STREAM.{call}.{}", stream.name);
                for service in ALL {
                    let permissions = Permissions::of(service);
                    assert!(
                        !may_publish(&permissions, &subject),
                        "{} {subject}",
                        service.name
                    );
                }
                assert!(may_publish(&Permissions::operator(), &subject));
            }
        }
    }

    #[test]
    fn a_bucket_is_read_by_those_who_declare_it() {
        for service in ALL {
            let permissions = Permissions::of(service);
            for bucket in Bucket::ALL {
                let read = format!("$JS.API.DIRECT.GET.OBJ_{bucket}");
                let write = format!("$O.{bucket}.C.x");
                assert_eq!(
                    may_publish(&permissions, &read),
                    service.reads.contains(&bucket)
                );
                assert_eq!(
                    may_publish(&permissions, &write),
                    service.writes.contains(&bucket)
                );
            }
            for spec in &streams::KV_BUCKETS {
                let name = spec.name;
                let used = service.kv.iter().find(|(bucket, _)| bucket.name == name);
                let read = format!("$JS.API.DIRECT.GET.KV_{name}.$KV.{name}.a");
                let write = format!("$KV.{name}.a");
                assert_eq!(may_publish(&permissions, &read), used.is_some());
                let writes = used.is_some_and(|(_, how)| *how == KvUse::Write);
                assert_eq!(may_publish(&permissions, &write), writes);
            }
        }
    }

    #[test]
    fn an_inbox_is_nobody_elses() {
        for service in ALL {
            let permissions = Permissions::of(service);
            for other in ALL {
                let inbox = format!("_INBOX.colloquy-{}.x", other.name);
                assert_eq!(
                    permissions
                        .subscribe
                        .iter()
                        .any(|pattern| within(pattern, &inbox)),
                    other.name == service.name
                );
            }
            // No fact reaches a service past its consumer.
            for pattern in &permissions.subscribe {
                assert!(pattern.starts_with("_INBOX.") || pattern.starts_with("colloquy."));
            }
        }
    }

    #[test]
    fn the_operator_covers_every_service() {
        let operator = Permissions::operator();
        for service in ALL {
            let permissions = Permissions::of(service);
            for subject in &permissions.publish {
                assert!(may_publish(&operator, subject), "{subject}");
            }
            for subject in &permissions.subscribe {
                assert!(
                    operator
                        .subscribe
                        .iter()
                        .any(|pattern| within(pattern, subject))
                );
            }
        }
    }

    #[test]
    fn one_process_may_do_what_its_services_may() {
        let both = [find("index").unwrap(), find("decode").unwrap()];
        let together = Permissions::together(&both);
        for service in both {
            let alone = Permissions::of(service);
            for subject in alone.publish {
                assert!(may_publish(&together, &subject), "{subject}");
            }
        }
        assert!(!may_publish(
            &together,
            "$JS.API.CONSUMER.MSG.NEXT.CONVERSATIONS.tag"
        ));
    }

    #[test]
    fn the_configuration_holds_no_secret_and_every_user() {
        let users = User::all();
        let config = nats_config(&users);
        for user in &users {
            let line = format!("password: ${}", user.password_variable());
            assert_eq!(config.matches(&line).count(), 1, "{line}");
        }
        assert!(users.iter().all(|user| !user.name.contains(['"', '\\'])));
    }
}
