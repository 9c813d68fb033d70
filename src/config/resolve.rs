//! Checked values → the resolved configuration, with what only the machine and its files know: cores, and secrets in files.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::checked::Checked;
use super::fault::{FaultKind, Notes};
use super::machine::Machine;
use super::resolved::{
    Config, Cores, Delivery, Epoch, Kafka, Lake, Lanes, LogFormat, Memory, Runtime, Secret, Serve, Simulate, Telemetry, Windows,
};
use super::value::{CoreChoice, Value};

/// Keys of `kafka.security` and the properties of librdkafka that they become.
pub(super) const SECURITY: &[(&str, &str)] = &[
    ("kafka.security.protocol", "security.protocol"),
    ("kafka.security.mechanism", "sasl.mechanism"),
    ("kafka.security.username", "sasl.username"),
    ("kafka.security.password", "sasl.password"),
    ("kafka.security.ca_file", "ssl.ca.location"),
    ("kafka.security.certificate_file", "ssl.certificate.location"),
    ("kafka.security.key_file", "ssl.key.location"),
    ("kafka.security.key_password", "ssl.key.password"),
];

/// None: something is faulty, and the notes say what. Every part is tried, so that all faults are found.
pub(super) fn resolve(checked: &Checked, machine: &Machine, notes: &mut Notes) -> Option<Config> {
    let kafka = kafka(checked, notes);
    let lanes = lanes(checked, machine, notes);
    let idle = lanes.as_ref().map(|lanes| idle_cores(machine, &lanes.cores));
    let kafka_cores = cores(checked, "cores.kafka", machine, idle.as_deref(), notes);
    let control_cores = cores(checked, "cores.control", machine, idle.as_deref(), notes);
    let serve = serve(checked, notes);
    let Value::Sensors(sensors) = checked.value("sensors")? else { return None };
    Some(Config {
        kafka: kafka?,
        lanes: lanes?,
        cores: Cores { kafka: kafka_cores?, control: control_cores? },
        memory: Memory { budget_bytes: checked.integer("memory.budget_bytes")? },
        sensors: Arc::new(sensors.clone()),
        windows: windows(checked)?,
        epoch: Epoch { interval: checked.duration("epoch.interval")?, bytes: checked.integer("epoch.bytes")? },
        lake: lake(checked)?,
        serve: serve?,
        telemetry: Telemetry {
            log_level: checked.text("telemetry.log_level")?.to_owned(),
            log_format: match checked.text("telemetry.log_format")? {
                "json" => LogFormat::Json,
                _ => LogFormat::Human,
            },
        },
        simulate: Simulate {
            fleet: u32::try_from(checked.integer("simulate.fleet")?).ok()?,
            interval: checked.duration("simulate.interval")?,
            seed: checked.integer("simulate.seed")?,
        },
    })
}

fn kafka(checked: &Checked, notes: &mut Notes) -> Option<Kafka> {
    let security = security(checked, notes);
    let Value::Start(start) = checked.value("kafka.start")? else { return None };
    let Value::Pairs(properties) = checked.value("kafka.properties")? else { return None };
    Some(Kafka {
        brokers: checked.texts("kafka.brokers")?.to_vec(),
        topics: checked.texts("kafka.topics")?.iter().map(|topic| Arc::from(topic.as_str())).collect(),
        group: checked.text("kafka.group")?.to_owned(),
        prefix: checked.text("kafka.prefix")?.to_owned(),
        delivery: match checked.text("kafka.delivery")? {
            "at_least_once" => Delivery::AtLeastOnce,
            _ => Delivery::ExactlyOnce,
        },
        security: security?,
        start: *start,
        create_topics: checked.flag("kafka.create_topics")?,
        session_timeout: checked.duration("kafka.session_timeout")?,
        properties: properties.clone(),
    })
}

fn security(checked: &Checked, notes: &mut Notes) -> Option<BTreeMap<String, String>> {
    let mut properties = BTreeMap::new();
    for (key, property) in SECURITY {
        if let Some(text) = checked.text(key) {
            properties.insert((*property).to_owned(), text.to_owned());
        }
    }
    let files = [("kafka.security.password_file", "sasl.password"), ("kafka.security.key_password_file", "ssl.key.password")];
    let mut refused = false;
    for (key, property) in files {
        match secret_file(checked, key, notes) {
            Ok(Some(secret)) => drop(properties.insert(property.to_owned(), secret)),
            Ok(None) => {}
            Err(Refused) => refused = true,
        }
    }
    if refused || SECURITY.iter().any(|(key, _)| checked.is_faulty(key)) {
        return None;
    }
    let encrypted = properties.get("security.protocol")?.ends_with("ssl");
    if encrypted {
        let algorithm = if checked.flag("kafka.security.verify_hostname")? { "https" } else { "none" };
        properties.insert("ssl.endpoint.identification.algorithm".to_owned(), algorithm.to_owned());
    }
    Some(properties)
}

/// A file that was refused; the notes say why.
struct Refused;

/// The text of the file that `key` names, without line ends at its end.
fn secret_file(checked: &Checked, key: &str, notes: &mut Notes) -> Result<Option<String>, Refused> {
    let Some(path) = checked.text(key) else { return Ok(None) };
    let mut refuse = |kind, message: String, remedy: &str| {
        notes.add(kind, checked.place(&[key]), key, message, remedy);
        Err(Refused)
    };
    match std::fs::read_to_string(path) {
        Ok(text) if text.trim().is_empty() => {
            refuse(FaultKind::Limit, format!("the file {path} is empty"), "write the secret into it")
        }
        Ok(text) => Ok(Some(text.trim_end_matches(['\r', '\n']).to_owned())),
        Err(error) => refuse(
            FaultKind::Unreadable,
            format!("{path} cannot be read: {error}"),
            "give the path of a file that this user may read",
        ),
    }
}

fn lanes(checked: &Checked, machine: &Machine, notes: &mut Notes) -> Option<Lanes> {
    let cores = lane_cores(checked, machine, notes);
    if checked.is_faulty("lanes.instance") {
        return None;
    }
    Some(Lanes {
        cores: cores?,
        runtime: match checked.text("lanes.runtime")? {
            "glommio" => Runtime::Glommio,
            "epoll" => Runtime::Epoll,
            _ => Runtime::Auto,
        },
        instance: checked.text("lanes.instance").map(str::to_owned),
        stall_timeout: checked.duration("lanes.stall_timeout")?,
    })
}

/// The first core is left to the others: interrupts are served there on most machines.
fn lane_cores(checked: &Checked, machine: &Machine, notes: &mut Notes) -> Option<Vec<usize>> {
    if checked.is_faulty("lanes.count") {
        return None;
    }
    if let CoreChoice::List(list) = checked.cores("lanes.cores")? {
        return known_cores(checked, "lanes.cores", list, machine, notes);
    }
    let all = machine.cores.len();
    let count = match checked.integer("lanes.count") {
        Some(count) => usize::try_from(count).ok()?,
        None => all.saturating_sub(1).max(1),
    };
    if count > all {
        let message = format!("{count} lanes, but this process may use {all} cores");
        let remedy = format!("write at most {all}: a lane is one pinned core; or give the process more cores (taskset, cpuset)");
        notes.add(FaultKind::Limit, checked.place(&["lanes.count"]), "lanes.count", message, remedy);
        return None;
    }
    Some(machine.cores[all - count..].to_vec())
}

fn known_cores(checked: &Checked, key: &str, list: &[usize], machine: &Machine, notes: &mut Notes) -> Option<Vec<usize>> {
    let unknown: Vec<String> = list.iter().filter(|core| !machine.cores.contains(core)).map(usize::to_string).collect();
    if unknown.is_empty() {
        return Some(list.to_vec());
    }
    let message = format!("this process may not use the cores {}", unknown.join(", "));
    let may: Vec<String> = machine.cores.iter().map(usize::to_string).collect();
    let remedy = format!("choose of {}, or give the process more cores (taskset, cpuset)", may.join(", "));
    notes.add(FaultKind::Limit, checked.place(&[key]), key, message, remedy);
    None
}

/// Cores without a lane; all, where each has one.
fn idle_cores(machine: &Machine, lanes: &[usize]) -> Vec<usize> {
    let idle: Vec<usize> = machine.cores.iter().copied().filter(|core| !lanes.contains(core)).collect();
    if idle.is_empty() { machine.cores.clone() } else { idle }
}

fn cores(checked: &Checked, key: &str, machine: &Machine, idle: Option<&[usize]>, notes: &mut Notes) -> Option<Vec<usize>> {
    match checked.cores(key)? {
        CoreChoice::List(list) => known_cores(checked, key, list, machine, notes),
        CoreChoice::Auto => idle.map(<[usize]>::to_vec),
    }
}

fn windows(checked: &Checked) -> Option<Windows> {
    Some(Windows {
        size: checked.duration("windows.size")?,
        rolling: u32::try_from(checked.integer("windows.rolling")?).ok()?,
        grace: checked.duration("windows.grace")?,
        future_skew: checked.duration("windows.future_skew")?,
        age_max: checked.duration("windows.age_max")?,
        devices_max: checked.integer("windows.devices_max")?,
    })
}

fn lake(checked: &Checked) -> Option<Lake> {
    let Value::Compression(compression) = checked.value("lake.compression")? else { return None };
    Some(Lake { path: checked.text("lake.path")?.into(), compression: *compression })
}

fn serve(checked: &Checked, notes: &mut Notes) -> Option<Serve> {
    let from_file = secret_file(checked, "serve.token_file", notes);
    let Value::Listen(listen) = checked.value("serve.listen")? else { return None };
    let token = match (from_file, checked.text("serve.token")) {
        (Ok(Some(token)), _) => Some(token),
        (Ok(None), token) => token.map(str::to_owned),
        (Err(Refused), _) => return None,
    };
    if token.as_deref().is_some_and(|token| token.chars().count() < TOKEN_LENGTH_MIN) {
        let message = format!("the token has less than {TOKEN_LENGTH_MIN} characters");
        let remedy = "make a long one, for example with `openssl rand -hex 16`: a short one can be guessed";
        let keys = ["serve.token_file", "serve.token"];
        let key = if checked.given(keys[0]) { keys[0] } else { keys[1] };
        notes.add(FaultKind::Limit, checked.place(&[key]), key, message, remedy);
        return None;
    }
    Some(Serve { listen: *listen, token: token.map(Secret::new), behind_proxy: checked.flag("serve.behind_proxy")? })
}

const TOKEN_LENGTH_MIN: usize = 16;
