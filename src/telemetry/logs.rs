//! Logs: one line an incident on stderr, for people or as JSON. Never a line a message.

mod repeats;
mod throttle;

#[cfg(test)]
mod tests;

use std::io::IsTerminal;
use std::time::Duration;

use tracing_subscriber::filter::{EnvFilter, ParseError};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};
use tracing_subscriber::{Registry, fmt, reload};

use repeats::Repeats;
pub use throttle::Throttle;

/// How long a repeated line of librdkafka is held back.
const REPEATS_INTERVAL: Duration = Duration::from_secs(10);

/// How a line looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// `2026-11-21T03:00:00.1Z  INFO corelane::lane: ...`, with colours on a terminal.
    #[default]
    Human,
    /// One JSON object a line.
    Json,
}

#[derive(Debug, thiserror::Error)]
pub enum LogError {
    #[error(
        "log level {level:?}: {source}. Give error, warn, info, debug, trace or off, alone or a module each: info,corelane::kafka=debug"
    )]
    Level { level: String, source: ParseError },
    #[error("logs are set up already: {source}. Call telemetry::logs::init once, at the start of the program")]
    Twice { source: TryInitError },
    #[error("the log level cannot be changed: {source}. Restart the program")]
    Reload { source: reload::Error },
}

/// Changes the level while the program runs.
#[derive(Clone)]
pub struct LogHandle {
    filter: reload::Handle<EnvFilter, Registry>,
}

impl LogHandle {
    /// As the `level` of [`init`].
    pub fn set_level(&self, level: &str) -> Result<(), LogError> {
        self.filter.reload(filter(level)?).map_err(|source| LogError::Reload { source })
    }
}

/// A level alone means our own code and librdkafka's lines, which come through it; the crates below then say warnings only.
fn filter(level: &str) -> Result<EnvFilter, LogError> {
    let level = level.trim();
    let fault = |source| LogError::Level { level: level.to_owned(), source };
    let own = ["trace", "debug", "info"].contains(&level.to_ascii_lowercase().as_str());
    let directives = if own { format!("warn,corelane={level},librdkafka={level}") } else { level.to_owned() };
    EnvFilter::builder().parse(directives).map_err(fault)
}

/// Sends the lines of the whole process to stderr. `level` is a level (`info`) or levels by module (`info,corelane::kafka=debug`).
/// A line of librdkafka (target `librdkafka`, fields `client` and `facility`) comes at most once in ten seconds from each of its threads.
/// Colours only on a terminal, and not with `NO_COLOR` set (<https://no-color.org>).
pub fn init(level: &str, format: Format) -> Result<LogHandle, LogError> {
    init_within(level, format, REPEATS_INTERVAL)
}

fn init_within(level: &str, format: Format, repeats: Duration) -> Result<LogHandle, LogError> {
    let (filter, handle) = reload::Layer::new(filter(level)?);
    let subscriber = tracing_subscriber::registry().with(filter).with(Repeats::new(repeats));
    let done = match format {
        Format::Human => {
            let colours = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
            subscriber.with(fmt::layer().with_writer(std::io::stderr).with_ansi(colours)).try_init()
        }
        Format::Json => subscriber.with(fmt::layer().json().flatten_event(true).with_writer(std::io::stderr)).try_init(),
    };
    done.map_err(|source| LogError::Twice { source })?;
    Ok(LogHandle { filter: handle })
}
