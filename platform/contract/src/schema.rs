//! JSON Schema (2020-12) of everything that one program writes and another reads: facts, documents,
//! read models and requests.

use schemars::Schema;
use serde_json::{Map, Value, json};

use crate::{
    analysis::Analysis,
    control::{self, Holdings, HoldingsRequest, ModelState, RebuildRequest, StateRequest},
    entities::Entities,
    facts::FactType,
    progress::Progress,
    search::{self, SearchReply, SearchRequest},
    transcript::Transcript,
    vocabulary::Vocabulary,
};

/// Schema of a fact's data, its `version` field included.
pub fn fact(fact: FactType) -> Value {
    let mut schema = fact.data_schema().to_value();
    let id = format!("urn:colloquy:{fact}:{}", fact.version());
    if let Value::Object(fields) = &mut schema {
        fields.insert("$id".to_owned(), id.into());
        fields.insert("title".to_owned(), fact.as_str().into());
        let version = json!({ "const": fact.version(), "description": "Version of the data" });
        if let Value::Object(properties) = fields.entry("properties").or_insert_with(|| json!({})) {
            properties.insert("version".to_owned(), version);
        }
        if let Value::Array(required) = fields.entry("required").or_insert_with(|| json!([])) {
            required.insert(0, "version".into());
        }
    }
    schema
}

/// A request and its reply.
#[derive(Debug, Clone)]
pub struct Exchange {
    /// The subject of the request.
    pub subject: &'static str,
    /// Schema of the request.
    pub request: Schema,
    /// Schema of the reply.
    pub reply: Schema,
}

/// Every request that services answer.
pub fn exchanges() -> Vec<Exchange> {
    let exchange = |subject, request, reply| Exchange {
        subject,
        request,
        reply,
    };
    let rebuild = || schemars::schema_for!(RebuildRequest);
    let state = || schemars::schema_for!(StateRequest);
    let model = || schemars::schema_for!(ModelState);
    vec![
        exchange(
            search::SUBJECT,
            schemars::schema_for!(SearchRequest),
            schemars::schema_for!(SearchReply),
        ),
        exchange(control::INDEX_REBUILD, rebuild(), model()),
        exchange(control::INDEX_STATE, state(), model()),
        exchange(
            control::INDEX_HOLDINGS,
            schemars::schema_for!(HoldingsRequest),
            schemars::schema_for!(Holdings),
        ),
        exchange(control::WAREHOUSE_REBUILD, rebuild(), model()),
        exchange(control::WAREHOUSE_STATE, state(), model()),
    ]
}

/// Schemas of everything: facts by type, documents and read models by name, requests by subject.
pub fn all() -> Value {
    let facts: Map<String, Value> = FactType::ALL
        .iter()
        .map(|&kind| (kind.to_string(), fact(kind)))
        .collect();
    let requests: Map<String, Value> = exchanges()
        .into_iter()
        .map(|exchange| {
            let schemas = json!({
                "request": exchange.request.to_value(),
                "reply": exchange.reply.to_value(),
            });
            (exchange.subject.to_owned(), schemas)
        })
        .collect();
    json!({
        "facts": facts,
        "documents": {
            Transcript::MEDIA_TYPE: schemars::schema_for!(Transcript).to_value(),
            Entities::MEDIA_TYPE: schemars::schema_for!(Entities).to_value(),
            Vocabulary::MEDIA_TYPE: schemars::schema_for!(Vocabulary).to_value(),
            "analysis": schemars::schema_for!(Analysis).to_value(),
            "progress": schemars::schema_for!(Progress).to_value(),
        },
        "requests": requests,
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::services;

    #[test]
    fn every_request_that_is_served_has_schemas() {
        let served: BTreeSet<&str> = services::ALL
            .iter()
            .flat_map(|service| service.serves.iter().copied())
            .collect();
        let described: BTreeSet<&str> = exchanges().iter().map(|one| one.subject).collect();
        assert_eq!(served, described);
        for service in services::ALL {
            assert!(service.asks.iter().all(|subject| served.contains(subject)));
        }
    }
}
