//! The files in conf/ and docs/, the schema and `config show` agree with the table.

use std::path::PathBuf;

use super::*;
use crate::config::table::{self, Default, KEYS};
use crate::config::{schema, show};

fn repository(path: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Dotted paths of all keys that a text gives a value to, sections and the inside of sensors left out.
fn paths(text: &str) -> Vec<String> {
    fn collect(node: &crate::config::yaml::Node, path: &str, found: &mut Vec<String>) {
        match &node.data {
            crate::config::yaml::Data::Map(entries) if table::find(path).is_none() => {
                for entry in entries {
                    collect(&entry.node, &table::join(path, &entry.key), found);
                }
            }
            _ => found.push(path.to_owned()),
        }
    }
    let mut notes = crate::config::fault::Notes::default();
    let tree = crate::config::yaml::parse(text, crate::config::yaml::Origin { source: 0, before: 0 }, &mut notes);
    assert!(tree.complete && notes.is_empty());
    let mut found = Vec::new();
    collect(&tree.root, "", &mut found);
    found
}

#[test]
fn the_full_file_has_every_key_at_its_default() {
    let (full, minimal) = (repository("conf/corelane.yaml"), repository("conf/minimal.yaml"));
    assert_eq!(load_text(&full).expect("good"), load_text(&minimal).expect("good"));
    assert_eq!(paths(&full), KEYS.iter().map(|key| key.path).collect::<Vec<_>>());
    assert_eq!(
        paths(&minimal),
        KEYS.iter().filter(|key| key.default == Default::Required).map(|key| key.path).collect::<Vec<_>>()
    );
    assert!(minimal.lines().count() == 5);
}

#[test]
fn the_docs_hold_the_reference() {
    let docs = repository("docs/configuration.md");
    let reference = crate::config::reference();
    assert!(
        docs.ends_with(&reference),
        "replace what stands below `## Every key` with the output of `corelane config reference`"
    );
    for key in KEYS {
        assert!(reference.contains(&format!("| `{}` |", key.path)), "{}", key.path);
    }
}

#[test]
fn the_schema_has_every_key_and_nothing_else() {
    let schema = schema();
    let mut found = 0;
    for key in KEYS {
        let node = key.path.split('.').fold(&schema, |node, word| &node["properties"][word]);
        assert!(node["description"].as_str().is_some_and(|text| text.starts_with(key.doc)), "{}", key.path);
        let (section, name) = key.path.rsplit_once('.').unwrap_or(("", key.path));
        let parent = section.split('.').filter(|word| !word.is_empty()).fold(&schema, |node, word| &node["properties"][word]);
        assert_eq!(parent["additionalProperties"], false, "{section}");
        let required = parent["required"].as_array().is_some_and(|names| names.iter().any(|required| required == name));
        assert_eq!(required, key.default == Default::Required, "{}", key.path);
        found += 1;
    }
    fn leaves(node: &serde_json::Value) -> usize {
        let Some(properties) = node.get("properties").and_then(|node| node.as_object()) else { return 1 };
        properties.values().map(leaves).sum()
    }
    assert_eq!(leaves(&schema), found);
    assert_eq!(schema["required"], serde_json::json!(["kafka", "lake"]));
}

#[test]
fn limits_have_their_reason() {
    for key in KEYS {
        let limited = matches!(key.kind, table::Kind::Name { .. } | table::Kind::Size { .. } | table::Kind::Cores)
            || matches!(key.kind, table::Kind::Duration { .. } | table::Kind::Integer { .. })
                && !key.path.starts_with("simulate.");
        assert!(!limited || !key.why.is_empty(), "{}", key.path);
        assert!(key.doc.ends_with('.'), "{}", key.path);
    }
}

#[test]
fn what_is_shown_loads_again_as_the_same() {
    let sets: [&[&str]; 3] = [
        &[],
        &[
            "kafka.start=2026-11-21T00:00:00.123Z",
            "kafka.delivery=at_least_once",
            "lanes.count=2",
            "lanes.runtime=glommio",
            "lanes.instance=\"5\"",
            "serve.listen=off",
            "lake.compression=snappy",
            "telemetry.log_format=json",
            "epoch.interval=1500ms",
            "lake.path='a ${SITE} $${x}: #\\'",
            "kafka.properties={client.id: \"a, b\", linger.ms: 5}",
            "memory.budget_bytes=100000001",
            "sensors=[{name: a, unit: \"\", range: [-0.1, 1e9], aliases: [{unit: '°', factor: 1e-9}]}]",
        ],
        &[
            "kafka.security.protocol=ssl",
            "kafka.security.verify_hostname=false",
            "kafka.security.ca_file=/x",
            "lake.compression=none",
            "lanes.cores=[0, 1, 2, 3]",
            "lanes.runtime=epoll",
        ],
    ];
    for sets in sets {
        let config = load_sets(sets).expect("good");
        let shown = show(&config);
        assert_eq!(load_text(&shown).unwrap_or_else(|faults| panic!("{faults}\n{shown}")), config, "{shown}");
    }
}

#[test]
fn what_is_shown_hides_secrets_and_nothing_else() {
    let config = load_sets(&[
        "kafka.security.protocol=sasl_plaintext",
        "kafka.security.mechanism=PLAIN",
        "kafka.security.username=user",
        "kafka.security.password=geheim",
        "serve.token=geheim-0123456789",
        "kafka.properties.sasl.oauthbearer.client.secret=geheim",
    ])
    .expect("good");
    let shown = show(&config);
    assert!(!shown.contains("geheim"), "{shown}");
    assert_eq!(shown.matches("\"********\"").count(), 3, "{shown}");
    assert!(shown.contains("username: user"), "{shown}");
    // Every key is shown unless nothing is its value, or another key says it.
    let shown = paths(&shown);
    let elsewhere = ["lanes.count", "kafka.security.password_file", "kafka.security.key_password_file", "serve.token_file"];
    for key in KEYS.iter().filter(|key| key.default != Default::None && !elsewhere.contains(&key.path)) {
        assert!(shown.iter().any(|path| path == key.path), "{} is not shown", key.path);
    }
}
