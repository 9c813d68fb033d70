// Counts are whole numbers, which floats hold exactly.
#![allow(clippy::float_cmp)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::*;
use crate::batch::{RejectReason, TopicPartition};

fn gauges(partition: i32, position: i64, high_watermark: Option<i64>) -> PartitionGauges {
    let source = TopicPartition::new("device-data", partition);
    PartitionGauges { source, position, high_watermark, clock_ms: Some(1_700_000_000_500), replay_left: 0 }
}

#[test]
fn a_process_may_have_no_more_memory_than_the_machine_has() {
    let machine = std::fs::read_to_string("/proc/meminfo").unwrap();
    let total = machine.lines().find_map(|line| line.strip_prefix("MemTotal:")?.split_whitespace().next()?.parse::<u64>().ok());
    let limit = process::memory_limit_bytes().unwrap();
    assert!((1..=total.unwrap() * 1024).contains(&limit), "{limit} of {total:?} KiB");
}

/// Two lanes with something of everything.
fn busy() -> Metrics {
    let lanes: Vec<_> = (0..2).map(|lane| Arc::new(LaneMetrics::new(lane))).collect();
    for (lane, metrics) in (1u64..).zip(&lanes) {
        metrics.consumed(1000 * lane, 300_000 * lane);
        metrics.accepted(900 * lane, 60 * lane);
        for reason in [RejectReason::InvalidJson, RejectReason::InvalidJson, RejectReason::Tombstone, RejectReason::Expired] {
            metrics.rejected(reason);
        }
        metrics.error(ErrorKind::Storage);
        metrics.epoch(EpochOutcome::Committed);
        metrics.epoch(EpochOutcome::JudgedCommitted);
        metrics.epoch(EpochOutcome::Aborted);
        metrics.batch_took(Duration::from_micros(700));
        metrics.batch_took(Duration::from_secs(2));
        metrics.settle_took(Duration::from_millis(40 * lane));
        metrics.dead_letters_published(2);
        metrics.rebalanced();
        metrics.set_open_epoch_bytes(4096);
        metrics.set_buffer_bytes(8192);
        metrics.set_runtime("epoll");
    }
    lanes[0].set_state(LaneState::Consuming, "");
    lanes[1].set_state(LaneState::Stalled, "no progress for 60 s");
    lanes[1].set_paused(true);
    lanes[0].set_partitions([gauges(0, 900, Some(1000)), gauges(2, 5, None)]);
    lanes[1].set_partitions([gauges(1, 10, Some(10))]);
    Metrics::new(lanes)
}

/// Sample (name with labels) to value, of the text format.
fn samples(text: &str) -> BTreeMap<String, f64> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let mut found = BTreeMap::new();
    for line in lines {
        let (name, value) = line.rsplit_once(' ').unwrap();
        let known = found.insert(name.to_owned(), value.parse().unwrap());
        assert!(known.is_none(), "{name} stands there twice");
    }
    found
}

#[test]
fn the_page_holds_what_the_lanes_counted() {
    let found = samples(&busy().encode());
    for (name, value) in [
        ("corelane_messages_total{lane=\"0\"}", 1000.0),
        ("corelane_messages_total{lane=\"1\"}", 2000.0),
        ("corelane_bytes_total{lane=\"1\"}", 600_000.0),
        ("corelane_readings_total{lane=\"0\"}", 900.0),
        ("corelane_events_total{lane=\"1\"}", 120.0),
        ("corelane_rejects_total{lane=\"0\",reason=\"invalid_json\"}", 2.0),
        ("corelane_rejects_total{lane=\"0\",reason=\"too_deep\"}", 0.0),
        ("corelane_processing_errors_total{lane=\"1\",kind=\"storage\"}", 1.0),
        ("corelane_epochs_total{lane=\"1\",outcome=\"judged_committed\"}", 1.0),
        ("corelane_dead_letters_total{lane=\"0\"}", 2.0),
        ("corelane_rebalances_total{lane=\"0\"}", 1.0),
        ("corelane_paused{lane=\"0\"}", 0.0),
        ("corelane_paused{lane=\"1\"}", 1.0),
        ("corelane_open_epoch_bytes{lane=\"1\"}", 4096.0),
        ("corelane_buffer_bytes{lane=\"1\"}", 8192.0),
        ("corelane_active_partitions{lane=\"0\"}", 2.0),
        ("corelane_lane_state{lane=\"1\",state=\"stalled\"}", 1.0),
        ("corelane_lane_state{lane=\"1\",state=\"consuming\"}", 0.0),
        ("corelane_lane_info{lane=\"0\",runtime=\"epoll\"}", 1.0),
        ("corelane_partition_lag_messages{lane=\"0\",topic=\"device-data\",partition=\"0\"}", 100.0),
        ("corelane_partition_position{lane=\"0\",topic=\"device-data\",partition=\"2\"}", 5.0),
        ("corelane_partition_high_watermark{lane=\"1\",topic=\"device-data\",partition=\"1\"}", 10.0),
        ("corelane_partition_clock_seconds{lane=\"0\",topic=\"device-data\",partition=\"0\"}", 1_700_000_000.5),
    ] {
        assert_eq!(found.get(name), Some(&value), "{name}");
    }
    let unknown_end = "corelane_partition_lag_messages{lane=\"0\",topic=\"device-data\",partition=\"2\"}";
    assert_eq!(found.get(unknown_end), None, "a lag that is not known is not 0");
}

#[test]
fn the_names_of_the_earlier_system_are_there() {
    let found = samples(&busy().encode());
    assert_eq!(found["kafka_consumer_messages_consumed_total"], 3000.0);
    assert_eq!(found["kafka_consumer_lag_messages{topic=\"device-data\",partition=\"0\"}"], 100.0);
    assert_eq!(found["kafka_consumer_lag_messages{topic=\"device-data\",partition=\"1\"}"], 0.0);
    let buckets: Vec<(&str, f64)> = ["0.001", "0.005", "0.01", "0.05", "0.1", "0.5", "1", "+Inf"]
        .map(|bound| (bound, found[&format!("kafka_consumer_processing_duration_seconds_bucket{{le=\"{bound}\"}}")]))
        .into();
    let counts: Vec<f64> = buckets.iter().map(|(_, count)| *count).collect();
    assert_eq!(counts, [2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 4.0]);
    assert_eq!(found["kafka_consumer_processing_duration_seconds_count"], 4.0);
    assert!((found["kafka_consumer_processing_duration_seconds_sum"] - 4.0014).abs() < 1e-9);
    assert_eq!(found.keys().filter(|name| name.starts_with("kafka_consumer_processing_duration_seconds_bucket")).count(), 8);
}

#[test]
fn a_partition_that_two_lanes_name_stands_once_with_the_one_further_on() {
    let metrics = busy();
    metrics.lanes()[1].set_partitions([gauges(0, 950, Some(1001))]);
    let found = samples(&metrics.encode());
    assert_eq!(found["kafka_consumer_lag_messages{topic=\"device-data\",partition=\"0\"}"], 51.0);
    assert_eq!(metrics.lanes()[1].active_partitions(), 1, "partition 1 is forgotten");
}

#[test]
fn counters_grow_and_the_position_past_the_end_is_no_lag() {
    let metrics = busy();
    metrics.lanes()[0].consumed(1, 1);
    assert_eq!(samples(&metrics.encode())["corelane_messages_total{lane=\"0\"}"], 1001.0);
    assert_eq!(gauges(0, 12, Some(10)).lag(), Some(0));
}

#[test]
fn the_process_is_described() {
    let found = samples(&busy().encode());
    let page = process::read().unwrap();
    assert!(found["process_resident_memory_bytes"] > 1e6);
    assert!(found["corelane_process_resident_memory_peak_bytes"] >= found["process_resident_memory_bytes"] * 0.5);
    assert!(page.resident_peak_bytes >= page.resident_bytes / 2 && page.threads >= 1 && page.open_fds >= 3);
    assert_eq!(found["process_start_time_seconds"], page.start_time_seconds as f64);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    assert!(now - page.start_time_seconds < 24 * 3600, "started {} s ago", now - page.start_time_seconds);
}

#[test]
fn cpu_seconds_count_all_threads_also_ended_ones() {
    let before = process::cpu_seconds();
    let deadline = Instant::now() + Duration::from_secs(30);
    while process::cpu_seconds() < before + 0.05 {
        assert!(Instant::now() < deadline, "CPU seconds do not grow");
        std::thread::spawn(|| (0..3_000_000u64).map(std::hint::black_box).sum::<u64>()).join().unwrap();
    }
}

#[test]
fn the_snapshot_sums_the_lanes() {
    let metrics = busy();
    let first = metrics.snapshot();
    assert_eq!((first.messages, first.bytes, first.readings, first.events), (3000, 900_000, 2700, 180));
    let by_reason = [(RejectReason::InvalidJson, 4), (RejectReason::Tombstone, 2), (RejectReason::Expired, 2)];
    assert_eq!(first.rejects_by_reason(), by_reason);
    assert_eq!((first.rejects_total(), first.errors_total(), first.epochs_committed()), (8, 2, 4));
    assert_eq!((first.dead_letters, first.rebalances, first.partitions, first.lanes_paused), (4, 2, 3, 1));
    assert_eq!((first.lag, first.open_epoch_bytes, first.buffer_bytes), (Some(100), 8192, 16384));
    assert_eq!(first.states, [LaneState::Consuming, LaneState::Stalled]);
    assert!(first.process.resident_bytes > 0);
}

#[test]
fn rates_are_differences_of_two_snapshots() {
    let metrics = busy();
    let first = metrics.snapshot();
    metrics.lanes()[0].consumed(500_000, 1);
    let mut second = metrics.snapshot();
    second.at = first.at + Duration::from_secs(2);
    second.process.cpu_user_seconds = first.process.cpu_user_seconds + 0.75;
    second.process.cpu_system_seconds = first.process.cpu_system_seconds + 0.25;
    assert_eq!(second.messages_per_second(&first), 250_000.0);
    let per_million = second.cpu_seconds_per_million(&first).unwrap();
    assert!((per_million - 2.0).abs() < 1e-9, "{per_million}");
    assert_eq!(first.messages_per_second(&first), 0.0);
    assert_eq!(first.cpu_seconds_per_million(&first), None);
}

#[test]
fn a_lag_without_any_known_end_is_unknown() {
    assert_eq!(Metrics::new(vec![Arc::new(LaneMetrics::new(0))]).snapshot().lag, None);
}

#[test]
fn durations_fall_into_the_bucket_that_includes_its_bound() {
    let histogram = super::histogram::Histogram::new(BATCH_SECONDS);
    for millis in [1, 2, 1000, 1001] {
        histogram.observe(Duration::from_millis(millis));
    }
    let values = histogram.values();
    assert_eq!(values.counts, [1, 1, 0, 0, 0, 0, 1, 1]);
    assert_eq!(values.cumulative().last(), Some((1.0, 3)));
    assert_eq!((values.count(), values.mean()), (4, Some(Duration::from_millis(501))));
    assert_eq!(HistogramValues::empty(SETTLE_SECONDS).mean(), None);
}

#[test]
fn threads_add_without_losing_anything() {
    let lane = LaneMetrics::new(0);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..10_000 {
                    lane.consumed(1, 2);
                    lane.rejected(RejectReason::Empty);
                    lane.batch_took(Duration::from_nanos(1));
                }
            });
        }
    });
    assert_eq!((lane.messages(), lane.bytes(), lane.rejects(RejectReason::Empty)), (40_000, 80_000, 40_000));
    assert_eq!((lane.batch_times().count(), lane.batch_times().sum), (40_000, Duration::from_micros(40)));
}

#[test]
fn states_and_reasons_come_back_as_they_were_set() {
    let lane = LaneMetrics::new(3);
    assert_eq!((lane.state(), lane.runtime()), (LaneState::Starting, "starting"));
    for state in LaneState::ALL {
        lane.set_state(state, state.name());
        assert_eq!((lane.state(), lane.reason().as_str()), (state, state.name()));
    }
    assert_eq!(LaneState::ALL.map(LaneState::is_ready), [false, true, true, false, false, false]);
}

#[test]
fn the_document_lists_every_family_with_type_and_labels_and_no_other() {
    let page = busy().encode();
    let mut encoded: BTreeMap<String, (String, BTreeSet<String>)> = BTreeMap::new();
    for line in page.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
        let (name, kind) = line.split_once(' ').unwrap();
        encoded.insert(name.to_owned(), (kind.to_owned(), BTreeSet::new()));
    }
    for sample in samples(&page).keys() {
        let (name, labels) = sample.split_once('{').unwrap_or((sample, ""));
        let bare = ["_bucket", "_sum", "_count"]
            .iter()
            .find_map(|end| name.strip_suffix(end).filter(|name| encoded.contains_key(*name)));
        let family = encoded.get_mut(bare.unwrap_or(name)).unwrap();
        let names = labels.trim_end_matches('}').split("\",").filter_map(|label| label.split_once('=')).map(|(name, _)| name);
        family.1.extend(names.filter(|name| *name != "le").map(str::to_owned));
    }
    let document = include_str!("../../docs/metrics.md");
    let mut described = BTreeMap::new();
    for line in document.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let labels = cells[3].split(", ").filter(|label| *label != "–").map(str::to_owned).collect();
        described.insert(cells[1].trim_matches('`').to_owned(), (cells[2].to_owned(), labels));
        assert!(!cells[4].is_empty(), "{line}");
    }
    assert_eq!(encoded, described);
}
