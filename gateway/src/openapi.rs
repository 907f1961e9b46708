//! The OpenAPI 3.1 document: paths and the API's own shapes from the code beside them, documents of
//! the contract from the contract's JSON Schemas, which are of the same dialect (2020-12).

use schemars::{SchemaGenerator, generate::SchemaSettings};
use serde_json::{Value, json};
use utoipa::OpenApi;

use colloquy_contract::{
    analysis::Analysis, facts::Direction, progress::Status, transcript::Role,
    transcript::Transcript,
};

use crate::{problem::ProblemDocument, routes, view};

/// Where schemas stand in the document.
const SCHEMAS: &str = "/components/schemas";

/// Problems that any path may answer with.
const COMMON_PROBLEMS: [(&str, &str); 4] = [
    ("400", "The request cannot be read"),
    ("500", "Something went wrong here"),
    (
        "503",
        "Not available at the moment; come back after Retry-After",
    ),
    ("504", "It took too long"),
];

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Colloquy",
        description = "Post recordings of calls; read, hear and search what was said, freed of \
            personal data. Every error is a problem document (RFC 9457).",
    ),
    tags(
        (name = "conversations", description = "Recordings and what became of them"),
        (name = "search", description = "What was said, in all of them"),
        (name = "deadletters", description = "What services gave up on"),
        (name = "signups", description = "Becoming a customer; needs no key"),
        (name = "health", description = "For machines; needs no key"),
    ),
    paths(
        routes::conversations::create,
        routes::conversations::list::list,
        routes::conversations::show,
        routes::transcript::show,
        routes::audio::show,
        routes::events::history,
        routes::events::stream,
        routes::search::search,
        routes::deadletters::list,
        routes::deadletters::show,
        routes::deadletters::discard,
        routes::deadletters::redrive::create,
        routes::signups::create,
        routes::signups::show,
        routes::health::live,
        routes::health::ready,
        routes::health::metrics,
    ),
    components(schemas(
        ProblemDocument,
        view::Accepted,
        view::Conversation,
        view::Page,
        view::Events,
        view::Found,
        view::Signup,
        routes::deadletters::DeadLetterPage,
        routes::deadletters::redrive::RedriveReport,
        routes::conversations::UploadForm,
        routes::signups::NewSignup,
    )),
    security(("bearer" = []), ("apiKey" = [])),
)]
struct Api;

/// The document.
pub(crate) fn document() -> Value {
    // A tree of maps and texts is always JSON.
    let mut document = serde_json::to_value(Api::openapi()).unwrap_or_default();
    document["components"]["securitySchemes"] = json!({
        "bearer": {
            "type": "http",
            "scheme": "bearer",
            "description": "An API key, `cq_…`"
        },
        "apiKey": {
            "type": "apiKey",
            "in": "header",
            "name": "X-Api-Key",
            "description": "The same key, for clients that cannot set Authorization"
        }
    });
    if let Some(schemas) = document["components"]["schemas"].as_object_mut() {
        schemas.extend(contract_schemas());
    }
    for operation in operations(&mut document) {
        add_common_problems(operation);
    }
    document
}

/// Schemas of the contract's documents, with what they refer to beside them.
fn contract_schemas() -> serde_json::Map<String, Value> {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.definitions_path = SCHEMAS.into();
        settings.meta_schema = None;
    });
    let mut generator = SchemaGenerator::new(settings);
    generator.subschema_for::<Transcript>();
    generator.subschema_for::<Analysis>();
    generator.subschema_for::<Status>();
    generator.subschema_for::<Direction>();
    generator.subschema_for::<Role>();
    generator.take_definitions(true)
}

fn operations(document: &mut Value) -> impl Iterator<Item = &mut Value> {
    let paths = document["paths"]
        .as_object_mut()
        .into_iter()
        .flat_map(|paths| paths.values_mut());
    paths.flat_map(|path| {
        path.as_object_mut()
            .into_iter()
            .flat_map(|operations| operations.values_mut())
    })
}

fn add_common_problems(operation: &mut Value) {
    // `security: [{}]` is what says that no key is needed.
    let open = operation.get("security").is_some();
    let Some(responses) = operation["responses"].as_object_mut() else {
        return;
    };
    let unauthenticated = ("401", "An API key is needed");
    for (status, description) in COMMON_PROBLEMS
        .into_iter()
        .chain((!open).then_some(unauthenticated))
    {
        responses.entry(status).or_insert_with(|| {
            json!({
                "description": description,
                "content": {
                    "application/problem+json": {
                        "schema": { "$ref": "#/components/schemas/Problem" }
                    }
                }
            })
        });
    }
}

/// References to the contract's schemas, for the API's own shapes.
pub(crate) mod schemas {
    use std::borrow::Cow;

    use utoipa::{
        PartialSchema, ToSchema,
        openapi::{Ref, RefOr, Schema, schema::ArrayBuilder},
    };

    /// `Status`
    pub(crate) fn status() -> Ref {
        Ref::from_schema_name("Status")
    }

    /// `Direction`
    pub(crate) fn direction() -> Ref {
        Ref::from_schema_name("Direction")
    }

    /// `Role`
    pub(crate) fn role() -> Ref {
        Ref::from_schema_name("Role")
    }

    /// A list of `Role`
    pub(crate) fn roles() -> Schema {
        ArrayBuilder::new().items(role()).build().into()
    }

    /// `Analysis`
    pub(crate) fn analysis() -> Ref {
        Ref::from_schema_name("Analysis")
    }

    /// Stands for the contract's `Transcript`.
    pub(crate) struct TranscriptDocument;

    impl ToSchema for TranscriptDocument {
        fn name() -> Cow<'static, str> {
            Cow::Borrowed("Transcript")
        }
    }

    impl PartialSchema for TranscriptDocument {
        fn schema() -> RefOr<Schema> {
            Ref::from_schema_name("Transcript").into()
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Every reference of the document.
    fn references(value: &Value, found: &mut BTreeSet<String>) {
        match value {
            Value::Object(fields) => {
                if let Some(Value::String(reference)) = fields.get("$ref") {
                    found.insert(reference.clone());
                }
                fields.values().for_each(|value| references(value, found));
            }
            Value::Array(items) => items.iter().for_each(|value| references(value, found)),
            _ => {}
        }
    }

    #[test]
    fn every_reference_leads_somewhere() {
        let document = document();
        let mut found = BTreeSet::new();
        references(&document, &mut found);
        assert!(found.len() > 10);
        for reference in found {
            let pointer = reference.strip_prefix('#').unwrap();
            let target = document.pointer(pointer);
            assert!(target.is_some(), "{reference}");
            assert_ne!(target.unwrap()["$ref"], reference, "refers to itself");
        }
    }

    #[test]
    fn every_operation_is_complete() {
        let mut document = document();
        assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
        let mut ids = BTreeSet::new();
        for operation in operations(&mut document) {
            let id = operation["operationId"].as_str().unwrap().to_owned();
            assert!(
                operation["summary"]
                    .as_str()
                    .is_some_and(|text| !text.is_empty()),
                "{id}"
            );
            assert!(operation["responses"]["500"].is_object(), "{id}");
            let open = operation.get("security").is_some();
            assert_eq!(operation["responses"]["401"].is_null(), open, "{id}");
            assert!(ids.insert(id));
        }
        assert_eq!(ids.len(), 17);
        let schemas = &document["components"]["schemas"];
        for name in [
            "Problem",
            "Transcript",
            "Analysis",
            "Status",
            "Conversation",
            "Turn",
        ] {
            assert!(schemas[name].is_object(), "{name}");
        }
    }
}
