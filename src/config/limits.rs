//! Limits that concern several keys: one table, the reason beside each.

use super::checked::Checked;
use super::fault::{FaultKind, Notes};
use super::quantity::{write_duration, write_size};
use super::value::{CoreChoice, Value};

/// A limit that concerns several keys.
struct Limit {
    /// The keys concerned. The fault stands at the first of them that is given, under its name.
    keys: &'static [&'static str],
    /// What is wrong. None: nothing, or one of the keys is faulty anyway.
    broken: fn(&Checked) -> Option<String>,
    remedy: &'static str,
}

/// Lanes are numbered; so many digits are kept free in the writers' names.
const LANE_DIGITS: usize = 5;
/// Length of a writer's name: a visible file is named by epoch and writer (decision 0019). The lake has the same limit, and a test of the
/// lane holds them together.
pub const WRITER_LENGTH_MAX: usize = 200;
/// Length of an instance id that is made by the program.
const INSTANCE_LENGTH: usize = 36;
/// What the open windows of a partition may number, so that the commit metadata stays under 4 KiB.
const WINDOWS_MAX: u32 = 70;
const OUTPUTS: [&str; 6] = ["aggregates", "alerts", "alerts_now", "rejects", "epochs", "open_alerts"];

const LIMITS: &[Limit] = &[
    Limit {
        keys: &["windows.rolling", "windows.grace", "windows.future_skew", "windows.size"],
        broken: windows_too_many,
        remedy: "make size longer, or grace, future_skew or rolling smaller: rolling + (grace + future_skew) / size is at most 70, \
                 because the open windows must fit the 4 KiB of Kafka's commit metadata",
    },
    Limit {
        keys: &["lanes.instance", "kafka.group"],
        broken: writer_too_long,
        remedy: "shorten the group or the instance: <group>.<instance>.<lane> is a transactional id, a folder and part of each file's name, at most 200 characters",
    },
    Limit {
        keys: &["lanes.instance"],
        broken: |checked| checked.text("lanes.instance")?.contains('.').then(|| "an instance has no dot".to_owned()),
        remedy: "use letters, digits, `_` and `-`: in <group>.<instance>.<lane> a group may have dots, so that an instance must have none",
    },
    Limit {
        keys: &["kafka.topics", "kafka.prefix"],
        broken: reads_own_output,
        remedy: "take it out of kafka.topics, or choose another kafka.prefix: the lanes would read what they write, for ever",
    },
    Limit {
        keys: &["epoch.bytes", "memory.budget_bytes"],
        broken: epoch_above_budget,
        remedy: "make memory.budget_bytes larger, or epoch.bytes smaller: at 80 % of the budget lanes settle anyway, with smaller files",
    },
    Limit {
        keys: &["lanes.count", "lanes.cores"],
        broken: |checked| {
            both(checked, "lanes.count", "lanes.cores").filter(|_| checked.cores("lanes.cores") != Some(&CoreChoice::Auto))
        },
        remedy: "keep one: the count, or the list",
    },
    Limit {
        keys: &["serve.listen", "serve.token"],
        broken: open_to_all,
        remedy: "set serve.token_file, or serve.behind_proxy: true where a reverse proxy asks who the client is, or listen on 127.0.0.1",
    },
    Limit {
        keys: &["serve.token_file"],
        broken: |checked| both(checked, "serve.token_file", "serve.token"),
        remedy: "keep one, better the file",
    },
    Limit {
        keys: &["kafka.security.password_file"],
        broken: |checked| both(checked, "kafka.security.password_file", "kafka.security.password"),
        remedy: "keep one, better the file",
    },
    Limit {
        keys: &["kafka.security.key_password_file"],
        broken: |checked| both(checked, "kafka.security.key_password_file", "kafka.security.key_password"),
        remedy: "keep one, better the file",
    },
    Limit {
        keys: &["kafka.security.protocol"],
        broken: login_incomplete,
        remedy: "add what is missing, or choose a protocol without sasl",
    },
    Limit {
        keys: &LOGIN,
        broken: |checked| without(checked, &LOGIN, "sasl_plaintext", "sasl_ssl"),
        remedy: "set kafka.security.protocol: sasl_ssl (or sasl_plaintext); without it nobody logs in, and this does nothing",
    },
    Limit {
        keys: &ENCRYPTION,
        broken: |checked| without(checked, &ENCRYPTION, "ssl", "sasl_ssl"),
        remedy: "set kafka.security.protocol: ssl (or sasl_ssl); without it nothing is encrypted, and this does nothing",
    },
    Limit {
        keys: &["kafka.security.certificate_file", "kafka.security.key_file"],
        broken: half_a_certificate,
        remedy: "a client's certificate needs both certificate_file and key_file",
    },
];

const LOGIN: [&str; 4] =
    ["kafka.security.mechanism", "kafka.security.username", "kafka.security.password", "kafka.security.password_file"];
const ENCRYPTION: [&str; 5] = [
    "kafka.security.ca_file",
    "kafka.security.certificate_file",
    "kafka.security.key_file",
    "kafka.security.key_password",
    "kafka.security.key_password_file",
];

/// Notes every limit of the table that is broken.
pub(super) fn check(checked: &Checked, notes: &mut Notes) {
    for limit in LIMITS {
        if let Some(message) = (limit.broken)(checked) {
            let key = limit.keys.iter().find(|key| checked.is_written(key)).unwrap_or(&limit.keys[0]);
            notes.add(FaultKind::Conflict, checked.place(limit.keys), *key, message, limit.remedy);
        }
    }
}

fn windows_too_many(checked: &Checked) -> Option<String> {
    let (size, grace) = (checked.duration("windows.size")?, checked.duration("windows.grace")?);
    let (skew, rolling) = (checked.duration("windows.future_skew")?, checked.integer("windows.rolling")?);
    let room = size * WINDOWS_MAX.saturating_sub(u32::try_from(rolling).unwrap_or(u32::MAX));
    (grace + skew > room).then(|| {
        let windows = rolling as f64 + (grace + skew).as_secs_f64() / size.as_secs_f64();
        let terms = [grace, skew, size].map(write_duration);
        format!("{rolling} + ({} + {}) / {} makes {windows:.1} windows, more than {WINDOWS_MAX}", terms[0], terms[1], terms[2])
    })
}

fn writer_too_long(checked: &Checked) -> Option<String> {
    let group = checked.text("kafka.group")?.len();
    let instance = match checked.text("lanes.instance") {
        Some(instance) => instance.len(),
        None if checked.is_faulty("lanes.instance") => return None,
        None => INSTANCE_LENGTH,
    };
    let length = group + 1 + instance + 1 + LANE_DIGITS;
    (length > WRITER_LENGTH_MAX).then(|| format!("a writer's name can reach {length} characters, more than {WRITER_LENGTH_MAX}"))
}

fn reads_own_output(checked: &Checked) -> Option<String> {
    let prefix = checked.text("kafka.prefix")?;
    let topic = checked
        .texts("kafka.topics")?
        .iter()
        .find(|topic| OUTPUTS.iter().any(|output| topic.strip_prefix(prefix) == Some(&format!(".{output}"))))?;
    Some(format!("the input topic `{topic}` is an output of kafka.prefix `{prefix}`"))
}

fn epoch_above_budget(checked: &Checked) -> Option<String> {
    let (bytes, budget) = (checked.integer("epoch.bytes")?, checked.integer("memory.budget_bytes")?);
    (bytes > budget / 5 * 4)
        .then(|| format!("epoch.bytes {} is above 80 % of memory.budget_bytes {}", write_size(bytes), write_size(budget)))
}

fn both(checked: &Checked, first: &str, second: &str) -> Option<String> {
    (checked.value(first).is_some() && checked.value(second).is_some()).then(|| format!("{first} and {second} are both given"))
}

fn open_to_all(checked: &Checked) -> Option<String> {
    let Value::Listen(Some(address)) = checked.value("serve.listen")? else { return None };
    let guarded = checked.flag("serve.behind_proxy")? || checked.given("serve.token") || checked.given("serve.token_file");
    (!address.ip().is_loopback() && !guarded)
        .then(|| format!("{address} can be reached from other machines, and asks for no token"))
}

fn login_incomplete(checked: &Checked) -> Option<String> {
    let protocol = checked.text("kafka.security.protocol")?;
    if !protocol.starts_with("sasl") {
        return None;
    }
    let mut missing: Vec<&str> =
        ["mechanism", "username"].into_iter().filter(|key| !checked.given(&format!("kafka.security.{key}"))).collect();
    if !checked.given("kafka.security.password") && !checked.given("kafka.security.password_file") {
        missing.push("password_file");
    }
    (!missing.is_empty()).then(|| format!("{protocol} needs kafka.security.{}", missing.join(", kafka.security.")))
}

/// Keys that do nothing without one of two protocols.
fn without(checked: &Checked, keys: &[&str], first: &str, second: &str) -> Option<String> {
    let protocol = checked.text("kafka.security.protocol")?;
    let given: Vec<&str> = keys.iter().copied().filter(|key| checked.given(key)).collect();
    let idle = protocol != first && protocol != second && !given.is_empty();
    idle.then(|| format!("{} given, but kafka.security.protocol is {protocol}", given.join(", ")))
}

fn half_a_certificate(checked: &Checked) -> Option<String> {
    let (certificate, key) = ("kafka.security.certificate_file", "kafka.security.key_file");
    match (checked.given(certificate), checked.given(key)) {
        (true, false) => Some(format!("{certificate} without {key}")),
        (false, true) => Some(format!("{key} without {certificate}")),
        _ => None,
    }
}
