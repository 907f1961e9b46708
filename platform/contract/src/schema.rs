//! JSON Schema (2020-12) of every fact and document.

use serde_json::{Value, json};

use crate::{entities::Entities, facts::FactType, transcript::Transcript};

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

/// Schemas of everything: facts by type, documents by name.
pub fn all() -> Value {
    let facts: serde_json::Map<String, Value> = FactType::ALL
        .iter()
        .map(|&kind| (kind.to_string(), fact(kind)))
        .collect();
    json!({
        "facts": facts,
        "documents": {
            Transcript::MEDIA_TYPE: schemars::schema_for!(Transcript).to_value(),
            Entities::MEDIA_TYPE: schemars::schema_for!(Entities).to_value(),
        },
    })
}
