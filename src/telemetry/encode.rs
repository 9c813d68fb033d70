//! What stands in `/metrics`: families built from the lanes at each scrape. `docs/metrics.md` lists them all.

use std::collections::BTreeMap;
use std::sync::Arc;

use prometheus::TextEncoder;
use prometheus::proto::MetricFamily;

use super::family::Family;
use super::histogram::BATCH_SECONDS;
use super::process::ProcessValues;
use super::{Build, Count, EpochOutcome, ErrorKind, HistogramValues, LaneMetrics, LaneState, PartitionGauges};
use crate::batch::{RejectReason, TopicPartition};

type Lanes<'a> = &'a [Arc<LaneMetrics>];

/// The whole page. A family without samples (no partition is assigned, say) is left out.
pub(super) fn text(lanes: Lanes, process: Option<ProcessValues>) -> String {
    let mut families = totals(lanes);
    families.extend(by_label(lanes));
    families.extend(windows(lanes));
    families.extend(gauges(lanes));
    families.extend(times(lanes));
    families.extend(partitions(lanes));
    families.extend(earlier_names(lanes));
    families.extend(process.map(process_families).unwrap_or_default());
    families.push(build_info());
    let families: Vec<MetricFamily> = families.into_iter().filter_map(Family::finish).collect();
    // Fails on families without a name or samples only: there is none.
    TextEncoder::new().encode_to_string(&families).unwrap_or_else(|error| format!("# encoding failed: {error}\n"))
}

/// A sample a lane.
fn each(mut family: Family, lanes: Lanes, value: fn(&LaneMetrics) -> f64) -> Family {
    for lane in lanes {
        family.add(&[("lane", &lane.lane().to_string())], value(lane));
    }
    family
}

fn totals(lanes: Lanes) -> Vec<Family> {
    let family = |name, help, value| each(Family::counter(name, help), lanes, value);
    vec![
        family("corelane_messages_total", "Messages taken from Kafka.", |lane| lane.messages() as f64),
        family("corelane_bytes_total", "Bytes of their keys and values.", |lane| lane.bytes() as f64),
        family("corelane_readings_total", "Messages that became readings.", |lane| lane.readings() as f64),
        family("corelane_events_total", "Messages that became events.", |lane| lane.events() as f64),
        family("corelane_dead_letters_total", "Dead letters published.", |lane| lane.dead_letters() as f64),
        family("corelane_rebalances_total", "Times the group gave or took partitions.", |lane| lane.rebalances() as f64),
    ]
}

/// Every label value stands there from the start, at 0, so that the first occurrence is seen as an increase.
fn by_label(lanes: Lanes) -> Vec<Family> {
    let mut rejects = Family::counter("corelane_rejects_total", "Messages refused, by reason.");
    let mut errors = Family::counter("corelane_processing_errors_total", "Troubles a lane met, by kind; rejects are none.");
    let mut epochs = Family::counter("corelane_epochs_total", "Epochs ended, by outcome.");
    for lane in lanes {
        let number = lane.lane().to_string();
        for reason in RejectReason::ALL {
            rejects.add(&[("lane", &number), ("reason", reason.name())], lane.rejects(reason) as f64);
        }
        for kind in ErrorKind::ALL {
            errors.add(&[("lane", &number), ("kind", kind.name())], lane.errors(kind) as f64);
        }
        for outcome in EpochOutcome::ALL {
            epochs.add(&[("lane", &number), ("outcome", outcome.name())], lane.epochs(outcome) as f64);
        }
    }
    vec![rejects, errors, epochs]
}

/// What windows have counted and written.
fn windows(lanes: Lanes) -> Vec<Family> {
    let labelled = |name, help, label: &str, values: &[(&str, Count)]| {
        let mut family = Family::counter(name, help);
        for lane in lanes {
            let number = lane.lane().to_string();
            for (value, what) in values {
                family.add(&[("lane", &number), (label, value)], lane.counted(*what) as f64);
            }
        }
        family
    };
    let parts = [("on_time", Count::PartsOnTime), ("late", Count::PartsLate), ("early", Count::PartsEarly)];
    let rows = [("aggregates", Count::AggregateRows), ("groups", Count::GroupRows)];
    let beside = [("late", Count::ReadingsLate), ("early", Count::ReadingsEarly)];
    let left_out = [
        ("untrusted", Count::ReadingsUntrusted),
        ("duplicate", Count::ReadingsDuplicate),
        ("over_limit", Count::ReadingsOverLimit),
    ];
    vec![
        labelled("corelane_window_parts_total", "Parts of windows put into epochs.", "kind", &parts),
        labelled("corelane_window_rows_total", "Their rows, by table.", "table", &rows),
        labelled("corelane_window_readings_total", "Readings of late and early parts.", "kind", &beside),
        labelled("corelane_window_readings_left_out_total", "Readings kept out of the windows.", "reason", &left_out),
        each(Family::counter("corelane_replayed_messages_total", "Messages read again to rebuild windows."), lanes, |lane| {
            lane.counted(Count::Replayed) as f64
        }),
        each(Family::gauge("corelane_replay_left_offsets", "Offsets still to be read again."), lanes, |lane| {
            lane.partitions().iter().map(|gauges| gauges.replay_left).sum::<u64>() as f64
        }),
        each(Family::gauge("corelane_window_bytes", "Memory of open windows and of what rolling values need."), lanes, |lane| {
            lane.window_bytes() as f64
        }),
    ]
}

fn gauges(lanes: Lanes) -> Vec<Family> {
    let family = |name, help, value| each(Family::gauge(name, help), lanes, value);
    let mut states = Family::gauge("corelane_lane_state", "1 for the state that the lane is in, else 0.");
    let mut info = Family::gauge("corelane_lane_info", "Always 1; the label says which runtime the lane runs on.");
    for lane in lanes {
        let (number, now) = (lane.lane().to_string(), lane.state());
        for state in LaneState::ALL {
            states.add(&[("lane", &number), ("state", state.name())], f64::from(u8::from(state == now)));
        }
        info.add(&[("lane", &number), ("runtime", lane.runtime())], 1.0);
    }
    vec![
        family("corelane_paused", "1 while backpressure stops the flow.", |lane| f64::from(u8::from(lane.is_paused()))),
        family("corelane_open_epoch_bytes", "Encoded Parquet and pending output of the open epoch.", |lane| {
            lane.open_epoch_bytes() as f64
        }),
        family("corelane_buffer_bytes", "What counts against the memory budget.", |lane| lane.buffer_bytes() as f64),
        family("corelane_active_partitions", "Partitions that the lane owns.", |lane| lane.active_partitions() as f64),
        states,
        info,
    ]
}

fn times(lanes: Lanes) -> Vec<Family> {
    let mut batch = Family::histogram("corelane_batch_duration_seconds", "Time that a batch takes, all its messages together.");
    let mut settle = Family::histogram("corelane_settle_duration_seconds", "Time that a settle takes, from close to reveal.");
    for lane in lanes {
        let number = lane.lane().to_string();
        batch.add_histogram(&[("lane", &number)], &lane.batch_times());
        settle.add_histogram(&[("lane", &number)], &lane.settle_times());
    }
    vec![batch, settle]
}

fn partitions(lanes: Lanes) -> Vec<Family> {
    let mut lag = Family::gauge("corelane_partition_lag_messages", "Offsets between the position and the end.");
    let mut position = Family::gauge("corelane_partition_position", "The next offset to handle.");
    let mut end = Family::gauge("corelane_partition_high_watermark", "The end of the partition as last heard.");
    let mut clock = Family::gauge("corelane_partition_clock_seconds", "The highest Kafka time seen, seconds since the epoch.");
    for lane in lanes {
        let number = lane.lane().to_string();
        for gauges in lane.partitions() {
            let partition = gauges.source.partition.to_string();
            let labels = [("lane", number.as_str()), ("topic", &gauges.source.topic), ("partition", &partition)];
            position.add(&labels, gauges.position as f64);
            if let Some(value) = gauges.lag() {
                lag.add(&labels, value as f64);
            }
            if let Some(value) = gauges.high_watermark {
                end.add(&labels, value as f64);
            }
            if let Some(value) = gauges.clock_ms {
                clock.add(&labels, value as f64 / 1e3);
            }
        }
    }
    vec![lag, position, end, clock]
}

/// The names of the user's earlier system, over all lanes: their dashboards and alerts go on.
fn earlier_names(lanes: Lanes) -> Vec<Family> {
    let mut consumed = Family::counter("kafka_consumer_messages_consumed_total", "Messages taken from Kafka, all lanes.");
    consumed.add(&[], lanes.iter().map(|lane| lane.messages()).sum::<u64>() as f64);

    let mut batches = HistogramValues::empty(BATCH_SECONDS);
    for lane in lanes {
        batches.merge(&lane.batch_times());
    }
    let mut duration = Family::histogram("kafka_consumer_processing_duration_seconds", "Time that a batch takes, all lanes.");
    duration.add_histogram(&[], &batches);

    let mut lag = Family::gauge("kafka_consumer_lag_messages", "Offsets between the position and the end, a partition.");
    for (source, gauges) in furthest(lanes) {
        if let Some(value) = gauges.lag() {
            lag.add(&[("topic", &source.topic), ("partition", &source.partition.to_string())], value as f64);
        }
    }
    vec![consumed, duration, lag]
}

/// Each partition once. Between two lanes' looks at a rebalance both may name it; the one further on is right.
fn furthest(lanes: Lanes) -> BTreeMap<TopicPartition, PartitionGauges> {
    let mut found: BTreeMap<TopicPartition, PartitionGauges> = BTreeMap::new();
    for gauges in lanes.iter().flat_map(|lane| lane.partitions()) {
        let known = found.entry(gauges.source.clone()).or_insert_with(|| gauges.clone());
        if known.position < gauges.position {
            *known = gauges;
        }
    }
    found
}

/// The names are those of Prometheus' own client libraries; the split into modes is ours.
fn process_families(values: ProcessValues) -> Vec<Family> {
    let gauge = |name, help, value: f64| {
        let mut family = Family::gauge(name, help);
        family.add(&[], value);
        family
    };
    let mut cpu = Family::counter("process_cpu_seconds_total", "CPU seconds of all threads, user and system.");
    cpu.add(&[], values.cpu_seconds());
    let mut modes = Family::counter("corelane_process_cpu_seconds_total", "CPU seconds of all threads, by mode.");
    modes.add(&[("mode", "user")], values.cpu_user_seconds);
    modes.add(&[("mode", "system")], values.cpu_system_seconds);
    vec![
        cpu,
        modes,
        gauge("process_resident_memory_bytes", "Resident memory.", values.resident_bytes as f64),
        gauge(
            "corelane_process_resident_memory_peak_bytes",
            "Highest resident memory so far.",
            values.resident_peak_bytes as f64,
        ),
        gauge("process_threads", "Threads.", values.threads as f64),
        gauge("process_open_fds", "Open file descriptors.", values.open_fds as f64),
        gauge("process_start_time_seconds", "When the process began, seconds since the epoch.", values.start_time_seconds as f64),
        // Without a limit: infinity, which the format has.
        gauge(
            "process_max_fds",
            "The limit of open file descriptors.",
            values.fds_max.map_or(f64::INFINITY, |limit| limit as f64),
        ),
    ]
}

fn build_info() -> Family {
    let mut info = Family::gauge("corelane_build_info", "Always 1; the labels say what was built.");
    info.add(&[("version", Build::THIS.version), ("commit", Build::THIS.commit.unwrap_or("unknown"))], 1.0);
    info
}
