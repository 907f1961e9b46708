//! The contract as an AsyncAPI 3.0 document, for tools and for those who write services in other
//! languages.
//!
//! It is made from what the program itself works with: the facts, the table of services, the
//! subjects, the envelope's headers and the schemas. Nothing in it is written twice.

use serde_json::{Map, Value, json};

use crate::{
    envelope::header,
    facts::{FactType, Family},
    schema::{self, Exchange},
    services::{self, Reading, ServiceSpec},
    streams,
    subject::{PARTITIONS, redrive, template},
};

/// The version of AsyncAPI that the document follows.
const ASYNCAPI: &str = "3.0.0";

/// Where the specification of the NATS bindings stands.
const NATS_BINDING: &str = "0.1.0";

/// The document.
pub fn document() -> Value {
    let mut schemas = Schemas::default();
    let messages = messages(&mut schemas);
    json!({
        "asyncapi": ASYNCAPI,
        "id": "urn:colloquy",
        "info": info(),
        "defaultContentType": "application/json",
        "servers": { "broker": server() },
        "channels": channels(),
        "operations": operations(),
        "components": {
            "messages": messages,
            "parameters": parameters(),
            "schemas": schemas.found,
        },
    })
}

fn info() -> Value {
    let tags: Vec<Value> = services::ALL
        .iter()
        .map(|service| json!({ "name": service.name, "description": service.description }))
        .collect();
    json!({
        "title": "Colloquy",
        "version": env!("CARGO_PKG_VERSION"),
        "description": "The messages of an event-driven platform for recorded conversations. \
            A fact is stated once on a subject of its own, in the past tense, and never changed. \
            The envelope is CloudEvents 1.0 in binary mode. Readers ignore fields that they do \
            not know.",
        "tags": tags,
    })
}

fn server() -> Value {
    json!({
        "host": "{host}:{port}",
        "protocol": "nats",
        "description": "The NATS servers with JetStream of a deployment",
        "variables": {
            "host": { "default": "localhost", "description": "Name or address of the broker" },
            "port": { "default": "4222", "description": "Its port for clients" },
        },
    })
}

fn parameters() -> Value {
    json!({
        "partition": {
            "description": format!(
                "CRC-32 of the 16 bytes of the conversation's id, modulo {PARTITIONS}"
            ),
            "examples": ["0", "31", "63"],
        },
        "account": {
            "description": "Id of the account: 1 to 63 of a-z, 0-9 and '-', not starting with '-'",
            "examples": ["acme"],
        },
        "conversation": {
            "description": "Id of the conversation: a UUIDv7",
            "examples": ["0198c0de-7f7f-7b3a-9d55-3f8a6c1e2b4d"],
        },
    })
}

fn channels() -> Map<String, Value> {
    let mut channels = Map::new();
    for &fact in FactType::ALL {
        channels.insert(fact.to_string(), fact_channel(fact));
    }
    for Exchange { subject, .. } in schema::exchanges() {
        let (request, reply) = (request_id(subject), reply_id(subject));
        channels.insert(
            request.clone(),
            json!({
                "address": subject,
                "title": format!("Requests on {subject}"),
                "messages": { &request: message_ref(&request) },
            }),
        );
        channels.insert(
            reply.clone(),
            json!({
                "address": null,
                "title": format!("Replies to requests on {subject}"),
                "description": "The subject is the request's reply subject",
                "messages": { &reply: message_ref(&reply) },
            }),
        );
    }
    channels
}

fn fact_channel(fact: FactType) -> Value {
    let address = template(fact);
    let names: &[&str] = match fact.family() {
        Family::Conversation => &["partition", "account", "conversation"],
        Family::Account => &["account"],
    };
    let parameters: Map<String, Value> = names
        .iter()
        .map(|&name| {
            let reference = format!("#/components/parameters/{name}");
            (name.to_owned(), json!({ "$ref": reference }))
        })
        .collect();
    let redriven = redrive("{service}", address);
    json!({
        "address": address,
        "title": title(fact),
        "description": format!(
            "The subject holds one message. A fact that a service gave up on and that is redriven \
             comes to that service again on {redriven}, with the same id."
        ),
        "parameters": parameters,
        "messages": { fact.as_str(): message_ref(fact.as_str()) },
        "x-stream": streams::of_fact(fact).name,
        "x-redrive-address": redriven,
    })
}

fn operations() -> Map<String, Value> {
    let mut operations = Map::new();
    for service in services::ALL {
        for &fact in service.reacts {
            operations.insert(
                format!("{}.receive.{fact}", service.name),
                receive(service, fact),
            );
        }
        let gives_up = service.families().contains(&Family::Conversation);
        let failed = gives_up.then_some(FactType::ConversationFailed);
        for &fact in service.states.iter().chain(&failed) {
            operations.insert(format!("{}.send.{fact}", service.name), send(service, fact));
        }
        for subject in service.serves {
            let operation = exchange(service, subject, "receive", "Answers");
            operations.insert(format!("{}.answer.{subject}", service.name), operation);
        }
        for subject in service.asks {
            let operation = exchange(service, subject, "send", "Asks");
            operations.insert(format!("{}.ask.{subject}", service.name), operation);
        }
    }
    operations
}

fn receive(service: &ServiceSpec, fact: FactType) -> Value {
    let mut operation = json!({
        "action": "receive",
        "title": format!("{} reacts to {fact}", service.name),
        "channel": channel_ref(fact.as_str()),
        "messages": [channel_message_ref(fact.as_str())],
        "tags": [{ "name": service.name }],
    });
    if service.reading == Reading::Consumer {
        // Instances of a service share the facts, as those of a queue group would.
        operation["bindings"] =
            json!({ "nats": { "queue": service.name, "bindingVersion": NATS_BINDING } });
        operation["x-durable-consumer"] = service.name.into();
    } else {
        operation["description"] = "Every instance reads the log itself".into();
    }
    operation
}

fn send(service: &ServiceSpec, fact: FactType) -> Value {
    json!({
        "action": "send",
        "title": format!("{} states {fact}", service.name),
        "channel": channel_ref(fact.as_str()),
        "messages": [channel_message_ref(fact.as_str())],
        "tags": [{ "name": service.name }],
    })
}

fn exchange(service: &ServiceSpec, subject: &str, action: &str, verb: &str) -> Value {
    let (request, reply) = (request_id(subject), reply_id(subject));
    json!({
        "action": action,
        "title": format!("{verb} requests on {subject}"),
        "channel": channel_ref(&request),
        "messages": [channel_message_ref(&request)],
        "reply": {
            "address": {
                "description": "The reply subject of the request's NATS message",
                "location": "$message.header#/reply",
            },
            "channel": channel_ref(&reply),
            "messages": [channel_message_ref(&reply)],
        },
        "tags": [{ "name": service.name }],
    })
}

fn messages(schemas: &mut Schemas) -> Map<String, Value> {
    let mut messages = Map::new();
    for &fact in FactType::ALL {
        let payload = schemas.add(fact.as_str(), schema::fact(fact));
        let message = json!({
            "name": fact.as_str(),
            "title": title(fact),
            "contentType": "application/json",
            "headers": headers(fact),
            "payload": payload,
            "correlationId": {
                "description": "The conversation or account that the fact is about",
                "location": format!("$message.header#/{}", header::CORRELATION),
            },
        });
        messages.insert(fact.to_string(), message);
    }
    for Exchange {
        subject,
        request,
        reply,
    } in schema::exchanges()
    {
        for (id, schema) in [(request_id(subject), request), (reply_id(subject), reply)] {
            let payload = schemas.add(&id, schema.to_value());
            let message = json!({
                "name": id,
                "title": id,
                "contentType": "application/json",
                "payload": payload,
            });
            messages.insert(id, message);
        }
    }
    messages
}

/// The headers of a fact, as [`Envelope::headers`](crate::Envelope::headers) writes them.
fn headers(fact: FactType) -> Value {
    let data_schema = format!("urn:colloquy:{fact}:{}", fact.version());
    json!({
        "type": "object",
        "properties": {
            header::SPEC_VERSION: { "const": "1.0", "description": "Version of CloudEvents" },
            header::ID: {
                "type": "string", "format": "uuid",
                "description": "The fact's id; the same fact has the same id, however often it \
                    is delivered",
            },
            header::SOURCE: {
                "type": "string", "pattern": "^/colloquy/",
                "description": "The service that stated it, /colloquy/<service>",
            },
            header::TYPE: { "const": fact.as_str(), "description": "The fact's type" },
            header::TIME: {
                "type": "string", "format": "date-time", "description": "When it was stated",
            },
            header::SUBJECT: {
                "type": "string",
                "description": "Id of the conversation or account that it is about",
            },
            header::DATA_SCHEMA: { "const": data_schema, "description": "Schema of the data" },
            header::CORRELATION: {
                "type": "string", "description": "The id that all facts about the same thing share",
            },
            header::CAUSATION: {
                "type": "string", "format": "uuid",
                "description": "Id of the fact that caused this one; absent for a first fact",
            },
            header::REVISION: {
                "type": "string", "pattern": "^[1-9][0-9]*$",
                "description": "Which statement of the fact it is; absent for the first. A higher \
                    one supersedes the lower ones",
            },
            header::TRACE_PARENT: {
                "type": "string", "description": "W3C trace context of the publisher",
            },
            header::TRACE_STATE: { "type": "string", "description": "W3C trace state" },
            header::CONTENT_TYPE: { "const": "application/json", "description": "Media type" },
        },
        "required": REQUIRED_HEADERS,
    })
}

/// Headers that every fact has.
const REQUIRED_HEADERS: [&str; 9] = [
    header::SPEC_VERSION,
    header::ID,
    header::SOURCE,
    header::TYPE,
    header::TIME,
    header::SUBJECT,
    header::DATA_SCHEMA,
    header::CORRELATION,
    header::CONTENT_TYPE,
];

fn title(fact: FactType) -> String {
    fact.as_str().replace(['.', '_'], " ")
}

fn request_id(subject: &str) -> String {
    format!("{subject}.request")
}

fn reply_id(subject: &str) -> String {
    format!("{subject}.reply")
}

fn message_ref(id: &str) -> Value {
    json!({ "$ref": format!("#/components/messages/{id}") })
}

fn channel_ref(id: &str) -> Value {
    json!({ "$ref": format!("#/channels/{id}") })
}

fn channel_message_ref(id: &str) -> Value {
    json!({ "$ref": format!("#/channels/{id}/messages/{id}") })
}

/// Schemas of the document: what several of them have in common stands there once.
///
/// AsyncAPI's own schema language is JSON Schema draft 07, of which we use nothing that newer
/// drafts changed, but for keywords beside a `$ref`.
#[derive(Default)]
struct Schemas {
    found: Map<String, Value>,
}

impl Schemas {
    /// Adds a schema with what it defines and returns a reference to it.
    fn add(&mut self, name: &str, mut schema: Value) -> Value {
        let mut definitions = Map::new();
        if let Value::Object(fields) = &mut schema {
            fields.remove("$schema");
            fields.remove("$id");
            if let Some(Value::Object(defined)) = fields.remove("$defs") {
                definitions = defined;
            }
        }
        // A name that means something else already gets the owner's name before it.
        let renamed = |own: &str, definition: &Value, found: &Map<String, Value>| {
            let mut rewritten = definition.clone();
            rewrite(&mut rewritten, &|other| other.to_owned());
            match found.get(own) {
                Some(standing) if *standing != rewritten => format!("{name}.{own}"),
                _ => own.to_owned(),
            }
        };
        let names: std::collections::BTreeMap<String, String> = definitions
            .iter()
            .map(|(own, definition)| (own.clone(), renamed(own, definition, &self.found)))
            .collect();
        let new_name = |own: &str| names.get(own).cloned().unwrap_or_else(|| own.to_owned());
        for (own, mut definition) in definitions {
            rewrite(&mut definition, &new_name);
            self.found.insert(new_name(&own), definition);
        }
        rewrite(&mut schema, &new_name);
        self.found.insert(name.to_owned(), schema);
        json!({ "$ref": format!("#/components/schemas/{name}") })
    }
}

/// Points references to where the document keeps the definitions.
fn rewrite(schema: &mut Value, new_name: &impl Fn(&str) -> String) {
    match schema {
        Value::Array(items) => items.iter_mut().for_each(|item| rewrite(item, new_name)),
        Value::Object(fields) => {
            fields
                .values_mut()
                .for_each(|field| rewrite(field, new_name));
            let target = fields
                .get("$ref")
                .and_then(Value::as_str)
                .and_then(|target| target.strip_prefix("#/$defs/"))
                .map(|own| json!({ "$ref": format!("#/components/schemas/{}", new_name(own)) }));
            if let Some(target) = target {
                fields.remove("$ref");
                if fields.is_empty() {
                    *schema = target;
                } else {
                    // Draft 07 does not look at what stands beside a reference.
                    fields.insert("allOf".to_owned(), json!([target]));
                }
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Envelope, Scope};

    fn references(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Array(items) => items.iter().for_each(|item| references(item, found)),
            Value::Object(fields) => {
                if let Some(Value::String(target)) = fields.get("$ref") {
                    found.push(target.clone());
                }
                fields.values().for_each(|field| references(field, found));
            }
            _ => {}
        }
    }

    #[test]
    fn every_reference_resolves() {
        let document = document();
        let mut found = Vec::new();
        references(&document, &mut found);
        assert!(found.len() > 100, "{}", found.len());
        for target in found {
            let pointer = target.strip_prefix('#').expect("within the document");
            assert!(document.pointer(pointer).is_some(), "{target}");
        }
    }

    #[test]
    fn every_fact_is_a_message_on_its_subject() {
        let document = document();
        for fact in FactType::ALL {
            let message = &document["components"]["messages"][fact.as_str()];
            assert_eq!(
                message["headers"]["properties"]["ce-type"]["const"],
                fact.as_str()
            );
            let payload = &document["components"]["schemas"][fact.as_str()];
            assert_eq!(payload["properties"]["version"]["const"], fact.version());
            assert_eq!(
                document["channels"][fact.as_str()]["address"],
                template(*fact)
            );
        }
    }

    #[test]
    fn every_service_appears_with_all_that_it_does() {
        let document = document();
        let operations = document["operations"].as_object().unwrap();
        for service in services::ALL {
            let own = |kind: &str| {
                let prefix = format!("{}.{kind}.", service.name);
                operations
                    .keys()
                    .filter(|id| id.starts_with(&prefix))
                    .count()
            };
            let gives_up = usize::from(service.families().contains(&Family::Conversation));
            assert_eq!(own("receive"), service.reacts.len(), "{}", service.name);
            assert_eq!(
                own("send"),
                service.states.len() + gives_up,
                "{}",
                service.name
            );
            assert_eq!(own("answer"), service.serves.len(), "{}", service.name);
            assert_eq!(own("ask"), service.asks.len(), "{}", service.name);
        }
    }

    #[test]
    fn the_headers_are_those_of_the_envelope() {
        let scope = Scope::Account {
            account: "acme".parse().unwrap(),
        };
        let fact = FactType::AccountCreated;
        let mut envelope = Envelope::first(
            "accounts",
            scope,
            fact,
            "2026-03-02T09:14:05Z".parse().unwrap(),
        );
        let described = headers(fact);
        let plain: Vec<&str> = envelope.headers().iter().map(|(name, _)| *name).collect();
        assert_eq!(plain.len(), REQUIRED_HEADERS.len());
        assert!(
            plain.iter().all(|name| REQUIRED_HEADERS.contains(name)),
            "{plain:?}"
        );
        envelope.cause = Some(envelope.id);
        envelope.revision = 2;
        for (name, value) in envelope.headers() {
            let schema = &described["properties"][name];
            assert!(schema.is_object(), "{name}");
            if let Some(constant) = schema.get("const") {
                assert_eq!(*constant, value, "{name}");
            }
        }
    }

    #[test]
    fn names_with_two_meanings_are_told_apart() {
        let mut schemas = Schemas::default();
        let owner = |kind: &str| {
            json!({
                "$schema": "x",
                "$defs": { "Thing": { "type": kind } },
                "properties": { "thing": { "$ref": "#/$defs/Thing", "description": "a thing" } },
            })
        };
        schemas.add("a", owner("string"));
        schemas.add("b", owner("string"));
        schemas.add("c", owner("integer"));
        assert_eq!(schemas.found["b"], schemas.found["a"]);
        assert_eq!(schemas.found["c.Thing"]["type"], "integer");
        let reference = &schemas.found["c"]["properties"]["thing"]["allOf"][0]["$ref"];
        assert_eq!(reference, "#/components/schemas/c.Thing");
        assert!(schemas.found["a"].get("$schema").is_none());
    }

    #[test]
    fn no_schema_uses_what_draft_07_lacks() {
        let text = document().to_string();
        for keyword in [
            "prefixItems",
            "$defs",
            "unevaluated",
            "dependentRequired",
            "$dynamicRef",
        ] {
            assert!(!text.contains(keyword), "{keyword}");
        }
    }
}
