//! One node → one value of the kind that the table wants, or notes on what is wrong with it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use saphyr::Scalar;

use super::fault::{FaultKind, Notes, Place};
use super::properties::protected_property;
use super::quantity::{DURATION_FORM, SIZE_FORM, parse_duration, parse_size};
use super::resolved::{Compression, Start};
use super::sensors;
use super::table::Kind;
use super::yaml::{Data, Node, Quote};
use crate::batch::SensorCatalog;

/// A checked value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Text(String),
    Texts(Vec<String>),
    Flag(bool),
    Integer(u64),
    Duration(Duration),
    Cores(CoreChoice),
    Start(Start),
    /// None: `off`.
    Listen(Option<SocketAddr>),
    Compression(Compression),
    Pairs(BTreeMap<String, String>),
    Sensors(SensorCatalog),
}

/// Which cores to use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum CoreChoice {
    Auto,
    /// Ids, ascending, at least one.
    List(Vec<usize>),
}

/// Reads the value of one key.
pub(super) struct Reader<'a> {
    /// For the notes.
    pub(super) path: String,
    /// The reason of the key's limits.
    pub(super) why: &'static str,
    pub(super) notes: &'a mut Notes,
}

impl Reader<'_> {
    pub(super) fn read(&mut self, kind: Kind, node: &Node) -> Option<Value> {
        match kind {
            Kind::Name { length_max } => self.name(node, length_max).map(Value::Text),
            Kind::Text | Kind::Path => self.text(node).map(Value::Text),
            Kind::Secret => self.secret(node).map(Value::Text),
            Kind::Brokers => self.distinct(node, "a broker", is_broker, "write host:port, such as 127.0.0.1:9092 or [::1]:9092"),
            Kind::Topics => {
                self.distinct(node, "a topic", is_topic, "a topic's name has letters, digits, `.`, `_`, `-`; at most 249")
            }
            Kind::Choice(names) => self.choice(node, names),
            Kind::Flag => self.flag(node).map(Value::Flag),
            Kind::Integer { min, max } => self.integer(node, min, max).map(Value::Integer),
            Kind::Duration { min, max } => self.duration(node, min, max),
            Kind::Size { min, max } => self.size(node, min, max),
            Kind::Cores => self.cores(node),
            Kind::Start => self.start(node),
            Kind::Listen => self.listen(node),
            Kind::Compression => self.compression(node),
            Kind::LogLevel => self.log_level(node),
            Kind::Properties => self.properties(node),
            Kind::Sensors => sensors::read(self, node).map(Value::Sensors),
        }
    }

    /// Notes that something else stands here than is wanted.
    pub(super) fn wrong(&mut self, node: &Node, wanted: &str, remedy: &str) {
        if node.data == Data::Refused {
            return;
        }
        let message = format!("{wanted} is wanted, here is {}", node.described());
        self.notes.add(FaultKind::WrongType, node.place, self.path.as_str(), message, remedy);
    }

    pub(super) fn limit(&mut self, place: Place, message: String, remedy: &str) {
        let remedy = if self.why.is_empty() { remedy.to_owned() } else { format!("{remedy} ({})", self.why) };
        self.notes.add(FaultKind::Limit, place, self.path.as_str(), message, remedy);
    }

    /// A text that is not empty. Numbers and booleans must be quoted, else `007` would lose its zeros elsewhere.
    pub(super) fn text(&mut self, node: &Node) -> Option<String> {
        let Some(Scalar::String(text)) = node.scalar() else {
            self.wrong(node, "a text", "write a text; a number or boolean that is meant as one goes in \"quotes\"");
            return None;
        };
        if text.trim().is_empty() {
            self.limit(node.place, "the text is empty".into(), "write a text, or remove the line for the default");
            return None;
        }
        Some(text.into_owned())
    }

    fn secret(&mut self, node: &Node) -> Option<String> {
        match node.scalar() {
            Some(Scalar::String(text)) if !text.is_empty() => Some(text.into_owned()),
            // What stands here is not repeated: it may be the secret.
            _ if node.data == Data::Refused => None,
            _ => {
                let message = "a text that is not empty is wanted";
                let remedy = "put it in \"quotes\", or in a file and name that with the key that ends in _file";
                self.notes.add(FaultKind::WrongType, node.place, self.path.as_str(), message, remedy);
                None
            }
        }
    }

    fn name(&mut self, node: &Node, length_max: usize) -> Option<String> {
        let text = self.text(node)?;
        if !is_plain_name(&text) || text.len() > length_max {
            let remedy = format!("use letters, digits, `.`, `_`, `-`; at most {length_max}");
            self.limit(node.place, format!("`{text}` is not a name"), &remedy);
            return None;
        }
        Some(text)
    }

    /// The items of a list, or of one text with commas, each with its place.
    fn items(&mut self, node: &Node) -> Option<Vec<(String, Place)>> {
        if let Data::List(items) = &node.data {
            let texts: Vec<_> = items.iter().map(|item| self.text(item).map(|text| (text, item.place))).collect();
            return texts.into_iter().collect();
        }
        let Some(Scalar::String(text)) = node.scalar() else {
            self.wrong(node, "a list", "write [one, two], or one text with commas");
            return None;
        };
        let mut column = node.place.column + usize::from(matches!(node.data, Data::Scalar { quote: Quote::Quoted, .. }));
        let mut items = Vec::new();
        for part in text.split(',') {
            let blanks = part.chars().take_while(|c| c.is_whitespace()).count();
            items.push((part.trim().to_owned(), Place { column: column + blanks, ..node.place }));
            column += part.chars().count() + 1;
        }
        Some(items)
    }

    /// Items that all pass `fits`, at least one, none twice.
    fn distinct(&mut self, node: &Node, what: &str, fits: fn(&str) -> bool, remedy: &str) -> Option<Value> {
        let items = self.items(node)?;
        if items.is_empty() {
            self.limit(node.place, "the list is empty".into(), remedy);
            return None;
        }
        let mut good: Vec<String> = Vec::new();
        let all = items.len();
        for (text, place) in items {
            if !fits(&text) {
                self.limit(place, format!("`{text}` is not {what}"), remedy);
            } else if good.contains(&text) {
                self.limit(place, format!("`{text}` is here twice"), "keep one of the two");
            } else {
                good.push(text);
            }
        }
        (good.len() == all).then_some(Value::Texts(good))
    }

    pub(super) fn choice(&mut self, node: &Node, names: &[&str]) -> Option<Value> {
        let wanted = format!("write one of: {}", names.join(", "));
        let Some(Scalar::String(text)) = node.scalar() else {
            self.wrong(node, "a word", &wanted);
            return None;
        };
        if !names.contains(&text.as_ref()) {
            self.limit(node.place, format!("`{text}` is none of the choices"), &wanted);
            return None;
        }
        Some(Value::Text(text.into_owned()))
    }

    pub(super) fn flag(&mut self, node: &Node) -> Option<bool> {
        let Some(Scalar::Boolean(flag)) = node.scalar() else {
            self.wrong(node, "true or false", "write true or false, without quotes");
            return None;
        };
        Some(flag)
    }

    fn integer(&mut self, node: &Node, min: u64, max: u64) -> Option<u64> {
        let Some(Scalar::Integer(number)) = node.scalar() else {
            self.wrong(node, "a whole number", &format!("write a number from {min} to {max}, without quotes"));
            return None;
        };
        match u64::try_from(number) {
            Ok(number) if (min..=max).contains(&number) => Some(number),
            _ => {
                self.limit(
                    node.place,
                    format!("{number} is not from {min} to {max}"),
                    &format!("write a number from {min} to {max}"),
                );
                None
            }
        }
    }

    fn duration(&mut self, node: &Node, min: &str, max: &str) -> Option<Value> {
        let Some(duration) = scalar_text(node).and_then(parse_duration) else {
            self.wrong(node, "a duration", DURATION_FORM);
            return None;
        };
        let within = parse_duration(min)? <= duration && duration <= parse_duration(max)?;
        self.within(node, within, min, max).then_some(Value::Duration(duration))
    }

    fn size(&mut self, node: &Node, min: &str, max: &str) -> Option<Value> {
        let Some(bytes) = scalar_text(node).and_then(parse_size) else {
            self.wrong(node, "a size", SIZE_FORM);
            return None;
        };
        let within = (parse_size(min)?..=parse_size(max)?).contains(&bytes);
        self.within(node, within, min, max).then_some(Value::Integer(bytes))
    }

    fn within(&mut self, node: &Node, within: bool, min: &str, max: &str) -> bool {
        if !within {
            let text = scalar_text(node).unwrap_or_default();
            self.limit(node.place, format!("{text} is not from {min} to {max}"), &format!("write a value from {min} to {max}"));
        }
        within
    }

    fn cores(&mut self, node: &Node) -> Option<Value> {
        const FORM: &str = "write auto, or a list of core ids such as [1, 2]";
        if matches!(node.scalar(), Some(Scalar::String(text)) if text == "auto") {
            return Some(Value::Cores(CoreChoice::Auto));
        }
        let Data::List(items) = &node.data else {
            self.wrong(node, "auto or a list of cores", FORM);
            return None;
        };
        if items.is_empty() {
            self.limit(node.place, "the list is empty".into(), FORM);
            return None;
        }
        let mut cores = Vec::new();
        for item in items {
            let core = self.integer(item, 0, 4095).and_then(|core| usize::try_from(core).ok());
            if let Some(core) = core
                && cores.contains(&Some(core))
            {
                self.limit(item.place, format!("core {core} is here twice"), "keep one of the two");
                cores.push(None);
            } else {
                cores.push(core);
            }
        }
        let mut cores = cores.into_iter().collect::<Option<Vec<usize>>>()?;
        cores.sort_unstable();
        Some(Value::Cores(CoreChoice::List(cores)))
    }

    fn start(&mut self, node: &Node) -> Option<Value> {
        const FORM: &str = "write earliest, latest, or a time with a zone such as 2026-11-21T00:00:00Z";
        let text = self.text(node)?;
        let start = match text.as_str() {
            "earliest" => Some(Start::Earliest),
            "latest" => Some(Start::Latest),
            time => time.parse::<jiff::Timestamp>().ok().map(|time| Start::Time { ms: time.as_millisecond() }),
        };
        let start = start.filter(|start| !matches!(start, Start::Time { ms } if *ms < 0));
        if start.is_none() {
            self.limit(node.place, format!("`{text}` is no place to start at"), FORM);
        }
        start.map(Value::Start)
    }

    fn listen(&mut self, node: &Node) -> Option<Value> {
        // Plain `off` is a text in YAML 1.2; older readers make it a boolean.
        let text = match node.scalar() {
            Some(Scalar::Boolean(false)) => "off".to_owned(),
            _ => self.text(node)?,
        };
        if text == "off" {
            return Some(Value::Listen(None));
        }
        let Ok(address) = text.replacen("localhost:", "127.0.0.1:", 1).parse() else {
            self.limit(node.place, format!("`{text}` is not an address"), "write address:port such as 127.0.0.1:8089, or off");
            return None;
        };
        Some(Value::Listen(Some(address)))
    }

    fn compression(&mut self, node: &Node) -> Option<Value> {
        let text = self.text(node)?;
        let level =
            text.strip_prefix("zstd(").and_then(|rest| rest.strip_suffix(')')).and_then(|level| level.parse::<i32>().ok());
        let compression = match (text.as_str(), level) {
            ("zstd", _) => Some(Compression::Zstd(1)),
            ("snappy", _) => Some(Compression::Snappy),
            ("none", _) => Some(Compression::None),
            (_, Some(level @ 1..=22)) => Some(Compression::Zstd(level)),
            _ => None,
        };
        if compression.is_none() {
            self.limit(node.place, format!("`{text}` is no compression"), "write zstd, zstd(1) to zstd(22), snappy or none");
        }
        compression.map(Value::Compression)
    }

    fn log_level(&mut self, node: &Node) -> Option<Value> {
        const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
        let text = self.text(node)?;
        // A bare word that is no level would be taken for the name of a module, and silently log nothing.
        let words = text.contains('[') || text.split(',').all(|part| part.contains('=') || LEVELS.contains(&part.trim()));
        if !words || tracing_subscriber::EnvFilter::try_new(&text).is_err() {
            let remedy = "write error, warn, info, debug or trace, or directives such as info,corelane::lane=debug";
            self.limit(node.place, format!("`{text}` is no log level"), remedy);
            return None;
        }
        Some(Value::Text(text))
    }

    fn properties(&mut self, node: &Node) -> Option<Value> {
        let Data::Map(entries) = &node.data else {
            self.wrong(node, "a map", "write {name: value}, with the names of librdkafka's CONFIGURATION.md");
            return None;
        };
        let mut pairs = BTreeMap::new();
        let mut good = true;
        for entry in entries {
            let path = format!("{}.{}", self.path, entry.key);
            if let Some(protected) = protected_property(&entry.key) {
                let remedy = match protected.instead {
                    "" => "remove it".to_owned(),
                    instead => format!("remove it; {instead} is there for this"),
                };
                self.notes.add(FaultKind::Limit, entry.key_place, path, format!("cannot be set: {}", protected.why), remedy);
                good = false;
            } else if let (Data::Scalar { text, .. }, false) = (&entry.node.data, entry.node.is_null()) {
                pairs.insert(entry.key.clone(), text.clone());
            } else if entry.node.data == Data::Refused {
                good = false;
            } else {
                let message = format!("a text, number or boolean is wanted, here is {}", entry.node.described());
                self.notes.add(FaultKind::WrongType, entry.node.place, path, message, "write the property's value as one word");
                good = false;
            }
        }
        good.then_some(Value::Pairs(pairs))
    }
}

fn scalar_text(node: &Node) -> Option<&str> {
    match &node.data {
        Data::Scalar { text, .. } => Some(text),
        Data::List(_) | Data::Map(_) | Data::Refused => None,
    }
}

/// `[A-Za-z0-9._-]`, at least one.
pub(super) fn is_plain_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}

fn is_topic(text: &str) -> bool {
    is_plain_name(text) && text.len() <= 249 && text != "." && text != ".."
}

fn is_broker(text: &str) -> bool {
    let Some((host, port)) = text.rsplit_once(':') else { return false };
    let bare = match host.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']').filter(|address| address.parse::<std::net::Ipv6Addr>().is_ok()),
        None => Some(host).filter(|host| is_plain_name(host)),
    };
    bare.is_some() && port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|port| port > 0)
}
