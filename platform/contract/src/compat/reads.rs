//! Can a reader of one schema read everything that a writer of another writes?
//!
//! This is the question whether one JSON Schema lies within another, for the part of the language
//! (2020-12) that our types are described in, with two differences: a reader ignores fields that
//! it does not know, and a writer writes no fields but those it knows. A keyword that is not known
//! here must be the same on both sides.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

/// Something that a writer may write and a reader cannot read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where in the data, as a JSON path.
    pub path: String,
    /// What does not fit.
    pub what: String,
    /// Whether it is something that the writer leaves out.
    pub missing: bool,
}

/// Keywords that say nothing about what is valid.
const ANNOTATIONS: &[&str] = &[
    "$schema",
    "$id",
    "$defs",
    "$comment",
    "title",
    "description",
    "default",
    "examples",
    "deprecated",
    "readOnly",
    "writeOnly",
];

/// Keywords that are compared by a rule of their own.
const RULES: &[&str] = &[
    "type",
    "const",
    "enum",
    "properties",
    "required",
    "additionalProperties",
    "items",
    "minItems",
    "maxItems",
    "minLength",
    "maxLength",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "minProperties",
    "maxProperties",
    "format",
];

/// What the reader cannot read of what the writer may write; empty if it reads everything.
pub fn problems(reader: &Value, writer: &Value) -> Vec<Problem> {
    let comparison = Comparison {
        reader_root: reader,
        writer_root: writer,
    };
    comparison.compare("$", reader, writer, &BTreeSet::new())
}

/// A schema without references and choices.
type Plain = Map<String, Value>;

/// Pairs of references that are being compared further up: what refers to itself ends there.
type Seen = BTreeSet<(String, String)>;

struct Comparison<'a> {
    reader_root: &'a Value,
    writer_root: &'a Value,
}

impl Comparison<'_> {
    fn compare(&self, path: &str, reader: &Value, writer: &Value, seen: &Seen) -> Vec<Problem> {
        let mut seen = seen.clone();
        if let (Some(one), Some(other)) = (reference(reader), reference(writer))
            && !seen.insert((one.to_owned(), other.to_owned()))
        {
            return Vec::new();
        }
        let accepted = alternatives(self.reader_root, reader);
        let mut found = Vec::new();
        for written in alternatives(self.writer_root, writer) {
            found.extend(self.closest(path, &accepted, &written, &seen));
        }
        found
    }

    /// The problems with the alternative of the reader that fits best.
    fn closest(
        &self,
        path: &str,
        accepted: &[Plain],
        written: &Plain,
        seen: &Seen,
    ) -> Vec<Problem> {
        let mut best: Option<Vec<Problem>> = None;
        for candidate in accepted.iter().filter(|one| same_kind(one, written)) {
            let found = self.plain(path, candidate, written, seen);
            if best.as_ref().is_none_or(|best| found.len() < best.len()) {
                best = Some(found);
            }
        }
        best.unwrap_or_else(|| {
            let what = format!(
                "the writer may write {}, the reader accepts {}",
                shown(written),
                accepted.iter().map(shown).collect::<Vec<_>>().join(" or ")
            );
            vec![problem(path, what)]
        })
    }

    fn plain(&self, path: &str, reader: &Plain, writer: &Plain, seen: &Seen) -> Vec<Problem> {
        // The kinds are the same; a constant that the reader has is the writer's, too.
        if writer.contains_key("const") {
            return Vec::new();
        }
        let mut found = ranges(path, reader, writer);
        if let Some(format) = reader.get("format").and_then(Value::as_str)
            && integer_range(format).is_none()
            && !matches!(format, "float" | "double")
            && writer.get("format").and_then(Value::as_str) != Some(format)
        {
            let theirs = writer
                .get("format")
                .map_or("no format".to_owned(), Value::to_string);
            found.push(problem(
                path,
                format!("the reader expects the format {format}, the writer has {theirs}"),
            ));
        }
        self.object(path, reader, writer, seen, &mut found);
        self.array(path, reader, writer, seen, &mut found);
        for (keyword, value) in reader {
            let known =
                ANNOTATIONS.contains(&keyword.as_str()) || RULES.contains(&keyword.as_str());
            if !known && writer.get(keyword) != Some(value) {
                let what = format!("the reader demands '{keyword}': {value}, the writer does not");
                found.push(problem(path, what));
            }
        }
        found
    }

    fn object(
        &self,
        path: &str,
        reader: &Plain,
        writer: &Plain,
        seen: &Seen,
        found: &mut Vec<Problem>,
    ) {
        let empty = Map::new();
        let fields = |schema: &'_ Plain| -> Map<String, Value> {
            schema
                .get("properties")
                .and_then(Value::as_object)
                .unwrap_or(&empty)
                .clone()
        };
        let (read, written) = (fields(reader), fields(writer));
        for name in required(reader) {
            if !required(writer).contains(&name) {
                found.push(Problem {
                    path: format!("{path}.{name}"),
                    what: "the reader requires it, the writer does not always write it".to_owned(),
                    missing: true,
                });
            }
        }
        let (others_read, others_written) = (
            reader.get("additionalProperties"),
            writer
                .get("additionalProperties")
                .filter(|schema| schema.is_object()),
        );
        for (name, schema) in &written {
            let path = format!("{path}.{name}");
            match (read.get(name), others_read) {
                (Some(expected), _) => {
                    found.extend(self.compare(&path, expected, schema, seen));
                }
                (None, Some(Value::Bool(false))) => {
                    let what = "the writer may write it, the reader refuses unknown fields";
                    found.push(problem(&path, what.to_owned()));
                }
                (None, Some(expected @ Value::Object(_))) => {
                    found.extend(self.compare(&path, expected, schema, seen));
                }
                // Readers ignore what they do not know.
                (None, _) => {}
            }
        }
        let Some(values) = others_written else {
            return;
        };
        let any = format!("{path}.*");
        match others_read {
            Some(Value::Bool(false)) => {
                let what = "the writer may write any field, the reader refuses unknown ones";
                found.push(problem(&any, what.to_owned()));
            }
            Some(expected) => found.extend(self.compare(&any, expected, values, seen)),
            None => {}
        }
        // A field that the reader knows by name may be among the writer's others.
        for (name, expected) in read.iter().filter(|(name, _)| !written.contains_key(*name)) {
            found.extend(self.compare(&format!("{path}.{name}"), expected, values, seen));
        }
    }

    fn array(
        &self,
        path: &str,
        reader: &Plain,
        writer: &Plain,
        seen: &Seen,
        found: &mut Vec<Problem>,
    ) {
        if let Some(expected) = reader.get("items") {
            let anything = Value::Bool(true);
            let items = writer.get("items").unwrap_or(&anything);
            found.extend(self.compare(&format!("{path}[*]"), expected, items, seen));
        }
    }
}

fn problem(path: &str, what: String) -> Problem {
    Problem {
        path: path.to_owned(),
        what,
        missing: false,
    }
}

fn required(schema: &Plain) -> Vec<&str> {
    let names = schema.get("required").and_then(Value::as_array);
    names
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect()
}

fn reference(schema: &Value) -> Option<&str> {
    schema.get("$ref")?.as_str()
}

/// The choices of a schema, each without references, with one type or one constant.
fn alternatives(root: &Value, schema: &Value) -> Vec<Plain> {
    let mut fields = match schema {
        Value::Object(fields) => fields.clone(),
        // `false` accepts nothing.
        Value::Bool(false) => return Vec::new(),
        _ => return vec![Map::new()],
    };
    let mut parts: Vec<Vec<Plain>> = Vec::new();
    if let Some(Value::String(target)) = fields.remove("$ref") {
        let pointer = target.trim_start_matches('#');
        parts.push(
            root.pointer(pointer)
                .map_or_else(Vec::new, |target| alternatives(root, target)),
        );
    }
    for choice in ["oneOf", "anyOf"] {
        if let Some(Value::Array(choices)) = fields.remove(choice) {
            parts.push(
                choices
                    .iter()
                    .flat_map(|one| alternatives(root, one))
                    .collect(),
            );
        }
    }
    if let Some(Value::Array(all)) = fields.remove("allOf") {
        parts.extend(all.iter().map(|one| alternatives(root, one)));
    }
    let mut found = vec![fields];
    for part in parts {
        found = found
            .iter()
            .flat_map(|one| part.iter().map(move |other| merged(one, other)))
            .collect();
    }
    found.into_iter().flat_map(split).collect()
}

/// One schema for each value and type that a schema lists.
fn split(mut schema: Plain) -> Vec<Plain> {
    if let Some(Value::Array(values)) = schema.remove("enum") {
        return values
            .into_iter()
            .map(|value| merged(&schema, &Map::from_iter([("const".to_owned(), value)])))
            .collect();
    }
    match schema.remove("type") {
        Some(Value::Array(types)) => types
            .into_iter()
            .map(|kind| merged(&schema, &Map::from_iter([("type".to_owned(), kind)])))
            .collect(),
        Some(kind) => {
            schema.insert("type".to_owned(), kind);
            vec![schema]
        }
        None => vec![schema],
    }
}

/// What holds for both: fields and required ones together, otherwise the second's word.
fn merged(one: &Plain, other: &Plain) -> Plain {
    let mut both = one.clone();
    for (keyword, value) in other {
        match (both.get_mut(keyword), value) {
            (Some(Value::Object(standing)), Value::Object(more)) if keyword == "properties" => {
                standing.extend(more.clone());
            }
            (Some(Value::Array(standing)), Value::Array(more)) if keyword == "required" => {
                standing.extend(more.clone());
            }
            _ => {
                both.insert(keyword.clone(), value.clone());
            }
        }
    }
    both
}

/// Whether the type or constant of what is written is one that the reader accepts.
fn same_kind(reader: &Plain, writer: &Plain) -> bool {
    if let Some(constant) = reader.get("const") {
        return writer.get("const") == Some(constant);
    }
    let Some(expected) = reader.get("type").and_then(Value::as_str) else {
        return true;
    };
    let kind = match writer.get("const") {
        Some(constant) => Some(type_of(constant)),
        None => writer.get("type").and_then(Value::as_str),
    };
    kind == Some(expected) || (kind == Some("integer") && expected == "number")
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn shown(schema: &Plain) -> String {
    match (schema.get("const"), schema.get("type")) {
        (Some(constant), _) => constant.to_string(),
        (None, Some(Value::String(kind))) if kind == "null" => kind.clone(),
        (None, Some(Value::String(kind))) => format!("any {kind}"),
        (None, _) => "anything".to_owned(),
    }
}

/// Lower and upper bounds that the writer keeps and the reader demands.
fn ranges(path: &str, reader: &Plain, writer: &Plain) -> Vec<Problem> {
    let mut found = Vec::new();
    for (low, high, what) in [
        ("minLength", "maxLength", "length"),
        ("minItems", "maxItems", "number of items"),
        ("minProperties", "maxProperties", "number of fields"),
    ] {
        let bounds = |schema: &Plain| Bounds {
            low: schema.get(low).and_then(Value::as_f64).unwrap_or(0.0),
            high: schema
                .get(high)
                .and_then(Value::as_f64)
                .unwrap_or(f64::INFINITY),
        };
        found.extend(bounds(reader).demand(path, what, bounds(writer)));
    }
    found.extend(Bounds::of_number(reader).demand(path, "value", Bounds::of_number(writer)));
    found
}

#[derive(Clone, Copy)]
struct Bounds {
    low: f64,
    high: f64,
}

impl Bounds {
    /// The bounds of a number, those that its format implies included. An exclusive bound counts
    /// as the next value, of which only its order matters here.
    fn of_number(schema: &Plain) -> Self {
        let number = |keyword: &str| schema.get(keyword).and_then(Value::as_f64);
        let format = schema.get("format").and_then(Value::as_str);
        let implied = format.and_then(integer_range);
        let low = [
            number("minimum"),
            number("exclusiveMinimum").map(f64::next_up),
            implied.map(|(low, _)| low),
        ];
        let high = [
            number("maximum"),
            number("exclusiveMaximum").map(f64::next_down),
            implied.map(|(_, high)| high),
        ];
        Self {
            low: low.into_iter().flatten().fold(f64::NEG_INFINITY, f64::max),
            high: high.into_iter().flatten().fold(f64::INFINITY, f64::min),
        }
    }

    fn demand(self, path: &str, what: &str, writer: Self) -> Option<Problem> {
        if writer.low >= self.low && writer.high <= self.high {
            return None;
        }
        let reader = self;
        Some(problem(
            path,
            format!(
                "the {what} may be {} to {}, the reader accepts {} to {}",
                writer.low, writer.high, reader.low, reader.high
            ),
        ))
    }
}

/// What a number of this format can be, for the integers of our types.
fn integer_range(format: &str) -> Option<(f64, f64)> {
    let (signed, bits) = match format.strip_prefix("uint") {
        Some(bits) => (false, bits),
        None => (true, format.strip_prefix("int")?),
    };
    // The size of a pointer: 64 bits everywhere that the program runs.
    let bits: i32 = if bits.is_empty() {
        64
    } else {
        bits.parse().ok()?
    };
    Some(if signed {
        (-(2_f64.powi(bits - 1)), 2_f64.powi(bits - 1) - 1.0)
    } else {
        (0.0, 2_f64.powi(bits) - 1.0)
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Paths at which `reader` fails to read what `writer` writes.
    fn paths(reader: &Value, writer: &Value) -> Vec<String> {
        problems(reader, writer)
            .into_iter()
            .map(|found| found.path)
            .collect()
    }

    fn object(properties: Value, required: &[&str]) -> Value {
        json!({ "type": "object", "properties": properties, "required": required })
    }

    fn field(schema: Value) -> Value {
        object(json!({ "x": schema }), &["x"])
    }

    /// The wide schema reads all of the narrow one, and not the other way round.
    fn narrower(narrow: Value, wide: Value) {
        let (narrow, wide) = (field(narrow), field(wide));
        assert_eq!(
            paths(&wide, &narrow),
            Vec::<String>::new(),
            "{narrow} in {wide}"
        );
        assert!(!paths(&narrow, &wide).is_empty(), "{wide} in {narrow}");
    }

    #[test]
    fn fields() {
        let text = || json!({ "type": "string" });
        let one = object(json!({ "a": text() }), &["a"]);
        let more = object(json!({ "a": text(), "b": text() }), &["a"]);
        let needs = object(json!({ "a": text(), "b": text() }), &["a", "b"]);
        // An optional field may come and go.
        assert!(paths(&one, &more).is_empty());
        assert!(paths(&more, &one).is_empty());
        // A required one may come for readers that do not know it, and not the other way round.
        assert!(paths(&one, &needs).is_empty());
        assert_eq!(paths(&needs, &one), ["$.b"]);
        assert_eq!(paths(&needs, &more), ["$.b"]);
        assert!(problems(&needs, &one)[0].missing);
        // A field with another type, deep inside.
        let deep =
            |kind: &str| field(json!({ "type": "array", "items": field(json!({ "type": kind })) }));
        assert_eq!(paths(&deep("string"), &deep("boolean")), ["$.x[*].x"]);
    }

    #[test]
    fn a_reader_that_refuses_unknown_fields() {
        let mut strict = object(json!({}), &[]);
        strict["additionalProperties"] = json!(false);
        let more = object(json!({ "b": { "type": "string" } }), &[]);
        assert_eq!(paths(&strict, &more), ["$.b"]);
        assert!(paths(&more, &strict).is_empty());
    }

    #[test]
    fn types() {
        narrower(json!({ "type": "integer" }), json!({ "type": "number" }));
        narrower(
            json!({ "type": "string" }),
            json!({ "type": ["string", "null"] }),
        );
        narrower(json!({ "type": "string" }), json!({}));
        let (text, number) = (
            field(json!({ "type": "string" })),
            field(json!({ "type": "integer" })),
        );
        assert_eq!(paths(&text, &number), ["$.x"]);
        assert_eq!(paths(&number, &text), ["$.x"]);
    }

    #[test]
    fn choices_of_constants() {
        let listed = |values: Value| json!({ "type": "string", "enum": values });
        let described = |values: &[&str]| {
            let choices: Vec<Value> = values
                .iter()
                .map(|value| json!({ "type": "string", "const": value }))
                .collect();
            json!({ "oneOf": choices })
        };
        narrower(listed(json!(["a"])), listed(json!(["a", "b"])));
        narrower(described(&["a"]), described(&["a", "b"]));
        narrower(described(&["a", "b"]), json!({ "type": "string" }));
        // Both ways to write it mean the same.
        assert!(
            paths(
                &field(described(&["a", "b"])),
                &field(listed(json!(["b", "a"])))
            )
            .is_empty()
        );
        let told = &problems(&field(described(&["a"])), &field(described(&["b"])))[0].what;
        assert_eq!(told, "the writer may write \"b\", the reader accepts \"a\"");
    }

    #[test]
    fn bounds() {
        narrower(
            json!({ "type": "integer", "minimum": 1 }),
            json!({ "type": "integer", "minimum": 0 }),
        );
        narrower(
            json!({ "type": "number", "maximum": 1 }),
            json!({ "type": "number" }),
        );
        narrower(
            json!({ "type": "number", "exclusiveMinimum": 0 }),
            json!({ "type": "number", "minimum": 0 }),
        );
        narrower(
            json!({ "type": "integer", "format": "uint16", "minimum": 0 }),
            json!({ "type": "integer", "format": "uint32", "minimum": 0 }),
        );
        narrower(
            json!({ "type": "integer", "format": "uint32" }),
            json!({ "type": "integer", "format": "int64" }),
        );
        narrower(
            json!({ "type": "string", "maxLength": 3 }),
            json!({ "type": "string" }),
        );
        narrower(
            json!({ "type": "string", "minLength": 1 }),
            json!({ "type": "string" }),
        );
        let items =
            |low: u32, high: u32| json!({ "type": "array", "minItems": low, "maxItems": high });
        narrower(items(2, 2), items(1, 3));
    }

    #[test]
    fn formats_and_unknown_keywords() {
        narrower(
            json!({ "type": "string", "format": "uuid" }),
            json!({ "type": "string" }),
        );
        narrower(
            json!({ "type": "string", "pattern": "^a" }),
            json!({ "type": "string" }),
        );
        let (one, other) = (json!({ "pattern": "^a" }), json!({ "pattern": "^b" }));
        assert_eq!(paths(&field(one), &field(other)), ["$.x"]);
    }

    #[test]
    fn maps() {
        let map =
            |kind: &str| json!({ "type": "object", "additionalProperties": { "type": kind } });
        narrower(map("integer"), map("number"));
        assert_eq!(
            paths(&field(map("integer")), &field(map("string"))),
            ["$.x.*"]
        );
        // A map may hold what another reads as a field.
        let struct_like =
            field(json!({ "type": "object", "properties": { "a": { "type": "string" } } }));
        assert_eq!(paths(&struct_like, &field(map("integer"))), ["$.x.a"]);
        assert_eq!(paths(&field(map("integer")), &struct_like), ["$.x.a"]);
    }

    #[test]
    fn references_and_nullable_ones() {
        let with = |defined: Value, x: Value| {
            let mut schema = field(x);
            schema["$defs"] = json!({ "D": defined });
            schema
        };
        let reference = || json!({ "$ref": "#/$defs/D", "description": "a thing" });
        let nullable = json!({ "anyOf": [reference(), { "type": "null" }] });
        let text = || json!({ "type": "string" });
        let plain = with(text(), reference());
        assert!(paths(&with(text(), nullable.clone()), &plain).is_empty());
        assert_eq!(paths(&plain, &with(text(), nullable)), ["$.x"]);
        assert!(paths(&field(text()), &plain).is_empty());
        assert_eq!(
            paths(&with(json!({ "type": "integer" }), reference()), &plain),
            ["$.x"]
        );
    }

    #[test]
    fn what_refers_to_itself_ends() {
        let tree = |kind: &str| {
            json!({
                "$ref": "#/$defs/Tree",
                "$defs": { "Tree": object(
                    json!({
                        "value": { "type": kind },
                        "children": { "type": "array", "items": { "$ref": "#/$defs/Tree" } },
                    }),
                    &["value"],
                ) },
            })
        };
        assert!(paths(&tree("string"), &tree("string")).is_empty());
        assert_eq!(paths(&tree("string"), &tree("integer")), ["$.value"]);
    }

    #[test]
    fn choices_of_objects() {
        let tagged = |name: &str, kind: &str| {
            let mut variant = object(json!({ name: { "type": kind } }), &[name]);
            variant["additionalProperties"] = json!(false);
            variant
        };
        let old = json!({ "oneOf": [{ "type": "string", "const": "start" }, tagged("sequence", "integer")] });
        let new = json!({ "oneOf": [
            { "type": "string", "const": "start" },
            tagged("sequence", "integer"),
            tagged("time", "string"),
        ] });
        narrower(old, new);
    }
}
