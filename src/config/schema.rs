//! The JSON Schema of the configuration, for editors and for the docs; made of the table.

use serde_json::{Map, Value, json};

use super::sensors::{ALIAS_KEYS, SENSOR_KEYS, SENSORS_MAX};
use super::table::{self, Default, Key, Kind};

/// JSON Schema, draft 2020-12, with a description, the limits and the default of every key.
pub fn schema() -> Value {
    let mut root = section("");
    if let Some(object) = root.as_object_mut() {
        object.insert("$schema".into(), json!("https://json-schema.org/draft/2020-12/schema"));
        object.insert("title".into(), json!("Configuration of Corelane"));
    }
    root
}

fn section(path: &str) -> Value {
    let mut properties = Map::new();
    let mut required = Vec::new();
    for name in table::children(path) {
        let below = table::join(path, name);
        let schema = match table::find(&below) {
            Some(key) => self::key(key),
            None => section(&below),
        };
        // A section is required as soon as something in it is.
        if table::find(&below).is_some_and(|key| key.default == Default::Required) || schema.get("required").is_some() {
            required.push(json!(name));
        }
        properties.insert(name.to_owned(), schema);
    }
    let mut schema = json!({ "type": "object", "properties": properties, "additionalProperties": false });
    if !required.is_empty()
        && let Some(object) = schema.as_object_mut()
    {
        object.insert("required".into(), Value::Array(required));
    }
    schema
}

fn key(key: &Key) -> Value {
    let mut schema = kind(key.kind);
    if key.default == Default::None {
        schema = json!({ "anyOf": [schema, { "type": "null" }] });
    }
    if let Some(object) = schema.as_object_mut() {
        let limits = if key.why.is_empty() { String::new() } else { format!(" Limits: {}.", key.why) };
        object.insert("description".into(), json!(format!("{}{limits}", key.doc)));
        if let Default::Yaml(text) = key.default {
            object.insert("default".into(), default_value(key.kind, text));
        }
    }
    schema
}

fn default_value(kind: Kind, text: &str) -> Value {
    match kind {
        Kind::Flag => json!(text == "true"),
        Kind::Integer { .. } => text.parse::<u64>().map_or(Value::Null, Value::from),
        Kind::Properties => json!({}),
        _ => json!(text),
    }
}

/// Where something else than a text is wanted, a variable may stand for it.
fn or_variable(schema: &Value) -> Value {
    json!({ "anyOf": [schema, { "type": "string", "pattern": r"\$\{" }] })
}

fn kind(kind: Kind) -> Value {
    let text = json!({ "type": "string", "minLength": 1 });
    let list =
        |items: &Value| json!({ "anyOf": [{ "type": "array", "minItems": 1, "uniqueItems": true, "items": items }, text] });
    match kind {
        Kind::Name { length_max } => {
            or_variable(&json!({ "type": "string", "pattern": "^[A-Za-z0-9._-]+$", "maxLength": length_max }))
        }
        Kind::Text | Kind::Secret | Kind::Path | Kind::Listen | Kind::LogLevel => text,
        Kind::Brokers | Kind::Topics => list(&text),
        Kind::Choice(names) => or_variable(&json!({ "enum": names })),
        Kind::Flag => or_variable(&json!({ "type": "boolean" })),
        Kind::Integer { min, max } => or_variable(&json!({ "type": "integer", "minimum": min, "maximum": max })),
        Kind::Duration { min, max } => {
            or_variable(&json!({ "type": "string", "pattern": "^[0-9]+ *(ms|s|m|h|d)$", "$comment": format!("{min} to {max}") }))
        }
        Kind::Size { min, max } => or_variable(&json!({
            "type": ["string", "integer"], "pattern": "^[0-9]+ *(B|KiB|MiB|GiB|TiB)?$", "$comment": format!("{min} to {max}")
        })),
        Kind::Cores => or_variable(&json!({ "anyOf": [
            { "const": "auto" },
            { "type": "array", "minItems": 1, "uniqueItems": true, "items": { "type": "integer", "minimum": 0, "maximum": 4095 } },
        ] })),
        Kind::Start => json!({ "anyOf": [{ "enum": ["earliest", "latest"] }, text] }),
        Kind::Compression => {
            or_variable(&json!({ "type": "string", "pattern": r"^(zstd|zstd\(([1-9]|1[0-9]|2[0-2])\)|snappy|none)$" }))
        }
        Kind::Properties => json!({ "type": "object", "additionalProperties": { "type": ["string", "number", "boolean"] } }),
        Kind::Sensors => sensors(),
    }
}

fn sensors() -> Value {
    let number = json!({ "type": "number" });
    let alias =
        item(ALIAS_KEYS, &|name| if name == "unit" { json!({ "type": "string", "minLength": 1 }) } else { number.clone() });
    let sensor = item(SENSOR_KEYS, &|name| match name {
        "name" => json!({ "type": "string", "pattern": "^[a-z][a-z0-9_]*$", "maxLength": 64 }),
        "kind" => json!({ "enum": ["number", "boolean"], "default": "number" }),
        "range" => json!({ "type": "array", "minItems": 2, "maxItems": 2, "items": { "type": "number" } }),
        "required" => json!({ "type": "boolean", "default": false }),
        "aliases" => json!({ "type": "array", "items": alias }),
        _ => json!({ "type": "string" }),
    });
    json!({ "type": "array", "minItems": 1, "maxItems": SENSORS_MAX, "items": sensor })
}

fn item(keys: &[super::sensors::ItemKey], of: &dyn Fn(&str) -> Value) -> Value {
    let mut properties = Map::new();
    for (name, _, doc) in keys {
        let mut schema = of(name);
        if let Some(object) = schema.as_object_mut() {
            object.insert("description".into(), json!(doc));
        }
        properties.insert((*name).to_owned(), schema);
    }
    let required: Vec<&str> = keys.iter().filter(|(_, required, _)| *required).map(|(name, ..)| *name).collect();
    json!({ "type": "object", "properties": properties, "additionalProperties": false, "required": required })
}
