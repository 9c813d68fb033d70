//! The resolved configuration as YAML that loads again. Secrets are masked; nothing else is left out.

use std::fmt::Write as _;

use saphyr::Scalar;

use super::quantity::{write_duration, write_size};
use super::resolve::SECURITY;
use super::resolved::{
    Compression, Config, Delivery, Kafka, Lanes, LogFormat, Runtime, Secret, Serve, Start, Windows, is_secret_property,
};
use super::table::KEYS;
use super::yaml::{Data, Node, Quote};
use crate::batch::{SensorCatalog, SensorKind, SensorSpec};

/// The whole configuration, in the order of the table.
pub fn show(config: &Config) -> String {
    let mut text = String::new();
    let mut open: Vec<&str> = Vec::new();
    for key in KEYS {
        let Some(value) = value(config, key.path) else { continue };
        let words: Vec<&str> = key.path.split('.').collect();
        let (name, sections) = words.split_last().unwrap_or((&"", &[]));
        let common = open.iter().zip(sections).take_while(|(left, right)| left == right).count();
        for (depth, section) in sections.iter().enumerate().skip(common) {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{}{section}:", "  ".repeat(depth));
        }
        open = sections.to_vec();
        let gap = if value.starts_with('\n') { "" } else { " " };
        let _ = writeln!(text, "{}{name}:{gap}{value}", "  ".repeat(sections.len()));
    }
    text
}

/// What stands after the key's colon. None: not given, and without a default.
pub(super) fn value(config: &Config, path: &str) -> Option<String> {
    let name = path.rsplit('.').next().unwrap_or(path);
    match path.split('.').next().unwrap_or(path) {
        "kafka" if path.starts_with("kafka.security.") => security(&config.kafka, path),
        "kafka" => kafka(&config.kafka, name),
        "lanes" => lanes(&config.lanes, name),
        "cores" => Some(list(if name == "kafka" { &config.cores.kafka } else { &config.cores.control })),
        "memory" => Some(write_size(config.memory.budget_bytes)),
        "sensors" => Some(sensors(&config.sensors)),
        "windows" => windows(&config.windows, name),
        "epoch" if name == "interval" => Some(write_duration(config.epoch.interval)),
        "epoch" => Some(write_size(config.epoch.bytes)),
        "lake" if name == "path" => Some(scalar(&config.lake.path.to_string_lossy())),
        "lake" => Some(compression(config.lake.compression)),
        "serve" => serve(&config.serve, name),
        "telemetry" if name == "log_level" => Some(scalar(&config.telemetry.log_level)),
        "telemetry" => Some(if config.telemetry.log_format == LogFormat::Json { "json".into() } else { "human".into() }),
        "simulate" => Some(match name {
            "fleet" => config.simulate.fleet.to_string(),
            "interval" => write_duration(config.simulate.interval),
            _ => config.simulate.seed.to_string(),
        }),
        _ => None,
    }
}

fn kafka(kafka: &Kafka, name: &str) -> Option<String> {
    Some(match name {
        "brokers" => texts(kafka.brokers.iter().map(String::as_str)),
        "topics" => texts(kafka.topics.iter().map(AsRef::as_ref)),
        "group" => scalar(&kafka.group),
        "prefix" => scalar(&kafka.prefix),
        "delivery" if kafka.delivery == Delivery::AtLeastOnce => "at_least_once".into(),
        "delivery" => "exactly_once".into(),
        "start" => match kafka.start {
            Start::Earliest => "earliest".into(),
            Start::Latest => "latest".into(),
            Start::Time { ms } => jiff::Timestamp::from_millisecond(ms).ok()?.to_string(),
        },
        "create_topics" => kafka.create_topics.to_string(),
        "session_timeout" => write_duration(kafka.session_timeout),
        "properties" => {
            let pair = |(name, value): (&String, &String)| format!("{}: {}", scalar(name), secret_or(name, value));
            format!("{{{}}}", kafka.properties.iter().map(pair).collect::<Vec<_>>().join(", "))
        }
        _ => return None,
    })
}

fn secret_or(property: &str, value: &str) -> String {
    if is_secret_property(property) { scalar(Secret::MASK) } else { scalar(value) }
}

fn security(kafka: &Kafka, path: &str) -> Option<String> {
    if path == "kafka.security.verify_hostname" {
        return Some((kafka.security.get("ssl.endpoint.identification.algorithm").is_none_or(|way| way == "https")).to_string());
    }
    let (_, property) = SECURITY.iter().find(|(key, _)| *key == path)?;
    Some(secret_or(property, kafka.security.get(*property)?))
}

fn lanes(lanes: &Lanes, name: &str) -> Option<String> {
    match name {
        "cores" => Some(list(&lanes.cores)),
        "runtime" => Some(match lanes.runtime {
            Runtime::Auto => "auto".into(),
            Runtime::Glommio => "glommio".into(),
            Runtime::Epoll => "epoll".into(),
        }),
        "instance" => lanes.instance.as_deref().map(scalar),
        "stall_timeout" => Some(write_duration(lanes.stall_timeout)),
        _ => None,
    }
}

fn windows(windows: &Windows, name: &str) -> Option<String> {
    Some(match name {
        "size" => write_duration(windows.size),
        "rolling" => windows.rolling.to_string(),
        "grace" => write_duration(windows.grace),
        "future_skew" => write_duration(windows.future_skew),
        "age_max" => write_duration(windows.age_max),
        "devices_max" => windows.devices_max.to_string(),
        _ => return None,
    })
}

fn serve(serve: &Serve, name: &str) -> Option<String> {
    match name {
        "listen" => Some(serve.listen.map_or_else(|| "off".to_owned(), |address| scalar(&address.to_string()))),
        "token" => serve.token.as_ref().map(|_| scalar(Secret::MASK)),
        "behind_proxy" => Some(serve.behind_proxy.to_string()),
        _ => None,
    }
}

fn compression(compression: Compression) -> String {
    match compression {
        Compression::Zstd(level) => format!("zstd({level})"),
        Compression::Snappy => "snappy".into(),
        Compression::None => "none".into(),
    }
}

fn sensors(catalog: &SensorCatalog) -> String {
    catalog.sensors.iter().flat_map(|sensor| ["\n  - ".to_owned(), self::sensor(sensor)]).collect()
}

fn sensor(sensor: &SensorSpec) -> String {
    let mut lines = vec![format!("name: {}", scalar(&sensor.name))];
    lines.push(format!("unit: {}", scalar(&sensor.unit)));
    lines.push(format!("kind: {}", if sensor.kind == SensorKind::Boolean { "boolean" } else { "number" }));
    if let Some((low, high)) = sensor.range {
        lines.push(format!("range: [{low}, {high}]"));
    }
    lines.push(format!("required: {}", sensor.required));
    let alias = |alias: &crate::batch::UnitAlias| {
        format!("{{unit: {}, factor: {}, offset: {}}}", scalar(&alias.unit), alias.factor, alias.offset)
    };
    lines.push(format!("aliases: [{}]", sensor.aliases.iter().map(alias).collect::<Vec<_>>().join(", ")));
    lines.join("\n    ")
}

fn list(numbers: &[usize]) -> String {
    format!("[{}]", numbers.iter().map(usize::to_string).collect::<Vec<_>>().join(", "))
}

fn texts<'a>(texts: impl Iterator<Item = &'a str>) -> String {
    format!("[{}]", texts.map(scalar).collect::<Vec<_>>().join(", "))
}

/// A text so that it is read as the same text: in quotes unless it cannot be taken for anything else.
fn scalar(text: &str) -> String {
    let node = Node {
        place: super::Place { source: 0, line: 1, column: 1 },
        data: Data::Scalar { text: text.to_owned(), quote: Quote::Plain },
    };
    let tame = text.starts_with(|c: char| c.is_ascii_alphanumeric() || "./".contains(c))
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._/-".contains(&byte));
    if tame && matches!(node.scalar(), Some(Scalar::String(_))) {
        return text.to_owned();
    }
    // JSON's texts are YAML's, and `${` would be taken for a variable.
    serde_json::Value::from(text.replace("${", "$${")).to_string()
}
