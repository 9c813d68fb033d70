//! The list of sensors: each a map of its own small set of keys.

use std::collections::BTreeSet;

use saphyr::Scalar;

use super::checked::nearest;
use super::fault::FaultKind;
use super::value::{Reader, Value};
use super::yaml::{Data, Entry, Node};
use crate::batch::{SensorCatalog, SensorKind, SensorSpec, UnitAlias, readings_schema};

/// Keys of one sensor or alias: name, whether it must be given, what it means (default included).
pub(super) type ItemKey = (&'static str, bool, &'static str);

pub(super) const SENSOR_KEYS: &[ItemKey] = &[
    ("name", true, "Name of the member in messages and of the column: [a-z][a-z0-9_]*, at most 64."),
    ("unit", false, "Unit of the column; default none."),
    ("kind", false, "number (default) or boolean."),
    ("range", false, "[low, high], both included: what the sensor can physically show. Only of numbers; default none."),
    ("required", false, "Whether a message without it is flagged missing; default false."),
    ("aliases", false, "Other units of the same quantity; default none."),
];

pub(super) const ALIAS_KEYS: &[ItemKey] = &[
    ("unit", true, "The other unit, as messages write it."),
    ("factor", false, "value = sent * factor + offset; default 1, not 0."),
    ("offset", false, "See factor; default 0."),
];

pub(super) const SENSORS_MAX: usize = 256;
const NAME_FORM: &str = "a name begins with a-z, goes on with a-z, 0-9 or _, at most 64";

/// Members of messages that have a meaning of their own, so that no sensor may be called like them.
const MEMBERS: [&str; 10] =
    ["timestamp", "location", "device_info", "sensors", "metadata", "payload", "value", "unit", "battery_level", "last_update"];

/// A map with its keys checked.
struct Item<'a> {
    entries: &'a [Entry],
}

impl<'a> Item<'a> {
    /// None: not a map. Unknown keys and missing ones are noted.
    fn open(reader: &mut Reader<'_>, node: &'a Node, keys: &[ItemKey]) -> Option<Self> {
        let names: Vec<&str> = keys.iter().map(|(name, ..)| *name).collect();
        let Data::Map(entries) = &node.data else {
            reader.wrong(node, "a map", &format!("write {{{}: …}}; keys: {}", names[0], names.join(", ")));
            return None;
        };
        for entry in entries.iter().filter(|entry| !names.contains(&entry.key.as_str())) {
            let remedy = match nearest(&entry.key, &names) {
                Some(name) => format!("did you mean `{name}`?"),
                None => format!("known here: {}", names.join(", ")),
            };
            let path = format!("{}.{}", reader.path, entry.key);
            let message = format!("the key `{}` is not known", entry.key);
            reader.notes.add(FaultKind::UnknownKey, entry.key_place, path, message, remedy);
        }
        for (name, required, doc) in keys {
            if *required && !entries.iter().any(|entry| entry.key == *name) {
                let path = format!("{}.{name}", reader.path);
                reader.notes.add(FaultKind::Missing, node.place, path, "is missing", format!("add it: {doc}"));
            }
        }
        Some(Self { entries })
    }

    fn get(&self, name: &str) -> Option<&'a Node> {
        self.entries.iter().find(|entry| entry.key == name).map(|entry| &entry.node)
    }

    /// Reads a member with `read` under its own path; the default where it is not given.
    fn member<T>(
        &self,
        reader: &mut Reader<'_>,
        name: &str,
        default: Option<T>,
        read: impl FnOnce(&mut Reader<'_>, &Node) -> Option<T>,
    ) -> Option<T> {
        let Some(node) = self.get(name) else { return default };
        at(reader, &format!(".{name}"), |reader| read(reader, node))
    }
}

/// Does something with the path made longer.
fn at<T>(reader: &mut Reader<'_>, suffix: &str, act: impl FnOnce(&mut Reader<'_>) -> T) -> T {
    let length = reader.path.len();
    reader.path.push_str(suffix);
    let result = act(reader);
    reader.path.truncate(length);
    result
}

/// The catalogue, if every sensor is right.
pub(super) fn read(reader: &mut Reader<'_>, node: &Node) -> Option<SensorCatalog> {
    let Data::List(items) = &node.data else {
        reader.wrong(node, "a list", "write `- name: temperature` and so on, or remove the key for the default sensors");
        return None;
    };
    if items.is_empty() || items.len() > SENSORS_MAX {
        let remedy = format!("list 1 to {SENSORS_MAX} sensors, or remove the key for the default ones");
        reader.limit(node.place, format!("{} sensors", items.len()), &remedy);
        return None;
    }
    // The columns that are there anyway.
    let schema = readings_schema(&SensorCatalog { sensors: Vec::new() });
    let mut taken: BTreeSet<String> = schema.fields().iter().map(|field| field.name().clone()).collect();
    taken.extend(MEMBERS.map(str::to_owned));
    let sensors: Vec<Option<SensorSpec>> = items
        .iter()
        .enumerate()
        .map(|(index, item)| at(reader, &format!("[{index}]"), |reader| sensor(reader, item, &mut taken)))
        .collect();
    let sensors = sensors.into_iter().collect::<Option<Vec<_>>>()?;
    Some(SensorCatalog { sensors })
}

fn sensor(reader: &mut Reader<'_>, node: &Node, taken: &mut BTreeSet<String>) -> Option<SensorSpec> {
    let item = Item::open(reader, node, SENSOR_KEYS)?;
    let faultless = item.entries.iter().all(|entry| SENSOR_KEYS.iter().any(|(name, ..)| *name == entry.key));
    let name = item.member(reader, "name", None, |reader, node| column_name(reader, node, taken));
    let unit = item.member(reader, "unit", Some(String::new()), unit_or_empty);
    let kind = item.member(reader, "kind", Some(SensorKind::Number), |reader, node| {
        match reader.choice(node, &["number", "boolean"])? {
            Value::Text(text) if text == "boolean" => Some(SensorKind::Boolean),
            _ => Some(SensorKind::Number),
        }
    });
    let range = item.member(reader, "range", Some(None), |reader, node| {
        if kind == Some(SensorKind::Boolean) {
            reader.limit(node.place, "a boolean has no range".into(), "remove it");
            return None;
        }
        range(reader, node).map(Some)
    });
    let required = item.member(reader, "required", Some(false), flag);
    let aliases = item.member(reader, "aliases", Some(Vec::new()), |reader, node| aliases(reader, node, unit.as_deref()));
    let spec = SensorSpec { name: name?, unit: unit?, kind: kind?, range: range?, required: required?, aliases: aliases? };
    faultless.then_some(spec)
}

fn flag(reader: &mut Reader<'_>, node: &Node) -> Option<bool> {
    reader.flag(node)
}

fn unit_or_empty(reader: &mut Reader<'_>, node: &Node) -> Option<String> {
    match node.scalar() {
        Some(Scalar::String(text)) if text.is_empty() => Some(String::new()),
        _ => reader.text(node),
    }
}

/// A name whose three columns are still free.
fn column_name(reader: &mut Reader<'_>, node: &Node, taken: &mut BTreeSet<String>) -> Option<String> {
    let name = reader.text(node)?;
    let form = name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
    if !form || name.len() > 64 {
        reader.limit(node.place, format!("`{name}` is not a name of a column"), NAME_FORM);
        return None;
    }
    let columns = [name.clone(), format!("{name}_status"), format!("{name}_quality")];
    if let Some(column) = columns.iter().find(|column| taken.contains(*column)) {
        reader.limit(node.place, format!("the column `{column}` is there already"), "call the sensor otherwise");
        return None;
    }
    taken.extend(columns);
    Some(name)
}

fn number(reader: &mut Reader<'_>, node: &Node) -> Option<f64> {
    #[expect(clippy::cast_precision_loss, reason = "whole numbers of a configuration are far below 2^53")]
    let number = match node.scalar() {
        Some(Scalar::Integer(number)) => number as f64,
        Some(Scalar::FloatingPoint(number)) => number.into_inner(),
        _ => {
            reader.wrong(node, "a number", "write a number, without quotes");
            return None;
        }
    };
    if !number.is_finite() {
        reader.limit(node.place, format!("{number} is not finite"), "write a finite number");
        return None;
    }
    Some(number)
}

fn range(reader: &mut Reader<'_>, node: &Node) -> Option<(f64, f64)> {
    let Data::List(items) = &node.data else {
        reader.wrong(node, "[low, high]", "write a list of two numbers");
        return None;
    };
    let [low, high] = items.as_slice() else {
        reader.limit(node.place, format!("{} numbers", items.len()), "write two: [low, high]");
        return None;
    };
    let (low, high) = (number(reader, low), number(reader, high));
    let (low, high) = (low?, high?);
    if low >= high {
        reader.limit(node.place, format!("{low} is not below {high}"), "write the lower end first");
        return None;
    }
    Some((low, high))
}

fn aliases(reader: &mut Reader<'_>, node: &Node, own: Option<&str>) -> Option<Vec<UnitAlias>> {
    let Data::List(items) = &node.data else {
        reader.wrong(node, "a list", "write `- {unit: kPa, factor: 10}`");
        return None;
    };
    let mut seen: BTreeSet<String> = own.filter(|unit| !unit.is_empty()).map(str::to_owned).into_iter().collect();
    let aliases: Vec<Option<UnitAlias>> = items
        .iter()
        .enumerate()
        .map(|(index, item)| at(reader, &format!("[{index}]"), |reader| alias(reader, item, &mut seen)))
        .collect();
    aliases.into_iter().collect()
}

fn alias(reader: &mut Reader<'_>, node: &Node, seen: &mut BTreeSet<String>) -> Option<UnitAlias> {
    let item = Item::open(reader, node, ALIAS_KEYS)?;
    let faultless = item.entries.iter().all(|entry| ALIAS_KEYS.iter().any(|(name, ..)| *name == entry.key));
    let unit = item.member(reader, "unit", None, |reader, node| {
        let unit = reader.text(node)?;
        if !seen.insert(unit.clone()) {
            reader.limit(node.place, format!("the unit `{unit}` is here already"), "keep one of the two");
            return None;
        }
        Some(unit)
    });
    let factor = item.member(reader, "factor", Some(1.0), |reader, node| {
        let factor = number(reader, node)?;
        if factor == 0.0 {
            reader.limit(node.place, "the factor is 0".into(), "every value would become the same; write what one unit is worth");
            return None;
        }
        Some(factor)
    });
    let offset = item.member(reader, "offset", Some(0.0), number);
    let alias = UnitAlias { unit: unit?, factor: factor?, offset: offset? };
    faultless.then_some(alias)
}
