//! Batches: what they hold, in which order, and how they end.

use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use corelane::batch::{Headers, RawRow};
use corelane::kafka::{CommitOffset, Intake, IntakeBatch, IntakeEvent, LaneConsumer, PartitionFault, PlainRecord, time_left};

use crate::lane::Lane;
use crate::support::wait::eventually;
use crate::{PATIENCE, admin, fill, part, produce, settings, soon, topic, unique};

fn reader_from(topic: &str, partitions: i32, offset: i64) -> LaneConsumer {
    let mut reader = LaneConsumer::reader(&settings(), &unique("reader")).unwrap();
    let starts: Vec<_> = (0..partitions).map(|partition| (part(topic, partition), offset)).collect();
    reader.assign(&starts).unwrap();
    reader
}

fn next_batch(reader: &mut LaneConsumer) -> <LaneConsumer as Intake>::Batch {
    let deadline = soon();
    loop {
        if let Some(batch) = reader.take() {
            return batch;
        }
        assert!(Instant::now() < deadline, "no batch came; {:?}", reader.events());
        reader.wait(time_left(deadline));
        reader.clear_wake();
        reader.events();
    }
}

fn headers_of(headers: Headers<'_>) -> Vec<(String, Option<Vec<u8>>)> {
    let mut all = Vec::new();
    headers.0.for_each(&mut |key, value| all.push((key.to_owned(), value.map(<[u8]>::to_vec))));
    all
}

#[test]
fn a_row_lends_key_value_headers_and_time() {
    let topic = topic("rows", 1);
    let now_ms = i64::try_from(std::time::UNIX_EPOCH.elapsed().unwrap().as_millis()).unwrap();
    let headers: [(&str, Option<&[u8]>); 3] = [("a", Some(b"1")), ("none", None), ("a", Some(b"\xff\x00"))];
    let record = PlainRecord { topic: &topic, partition: Some(0), timestamp_ms: Some(now_ms), ..PlainRecord::default() };
    produce([
        PlainRecord { key: Some(b"k"), value: Some(b"v"), headers: &headers, ..record },
        PlainRecord { key: None, value: None, ..record },
        PlainRecord { key: Some(b""), value: Some(b""), ..record },
    ]);
    let mut reader = reader_from(&topic, 1, 0);
    let mut seen = Vec::new();
    while seen.len() < 3 {
        let batch = next_batch(&mut reader);
        let owned = |row: &RawRow<'_>| {
            (row.offset, row.kafka_time_ms, row.key.map(<[u8]>::to_vec), row.value.map(<[u8]>::to_vec), headers_of(row.headers))
        };
        for run in batch.runs(77) {
            assert_eq!((run.source.clone(), run.ingest_time_us), (part(&topic, 0), 77));
            seen.extend(run.rows.iter().map(owned));
        }
    }
    let wanted =
        vec![("a".to_owned(), Some(b"1".to_vec())), ("none".to_owned(), None), ("a".to_owned(), Some(b"\xff\x00".to_vec()))];
    assert_eq!(seen[0], (0, now_ms, Some(b"k".to_vec()), Some(b"v".to_vec()), wanted));
    assert_eq!(seen[1], (1, now_ms, None, None, Vec::new()));
    assert_eq!(seen[2], (2, now_ms, Some(Vec::new()), Some(Vec::new()), Vec::new()));
}

#[test]
fn a_batch_has_one_run_a_partition_and_its_ends_come_as_events() {
    let topic = topic("runs", 3);
    fill(&topic, 3, 9_000);
    let mut reader = reader_from(&topic, 3, 0);
    let (mut next, mut ends, mut largest) = ([0_i64; 3], Vec::new(), 0);
    let deadline = soon();
    while ends.len() < 3 {
        assert!(Instant::now() < deadline, "the ends did not come: {next:?} {ends:?}");
        reader.wait(time_left(deadline));
        reader.clear_wake();
        while let Some(batch) = reader.take() {
            let runs = batch.runs(0);
            assert_eq!(runs.iter().map(|run| run.rows.len()).sum::<usize>(), batch.len());
            largest = largest.max(batch.len());
            let mut sources: Vec<_> = runs.iter().map(|run| run.source.partition).collect();
            sources.sort_unstable();
            sources.dedup();
            assert_eq!(sources.len(), runs.len(), "a partition stands twice in a batch");
            for run in &runs {
                let at = &mut next[usize::try_from(run.source.partition).unwrap()];
                for row in &run.rows {
                    assert_eq!(row.offset, *at, "{}", run.source);
                    *at += 1;
                }
            }
        }
        for event in reader.events() {
            if let IntakeEvent::End { source, next } = event {
                ends.push((source.partition, next));
            }
        }
    }
    ends.sort_unstable();
    assert_eq!(ends, [(0, 3_000), (1, 3_000), (2, 3_000)]);
    assert_eq!(next, [3_000; 3]);
    assert!(largest <= corelane::kafka::BATCH_MESSAGES);
    assert_eq!(reader.watermarks(&part(&topic, 1)), Some((0, 3_000)));
}

#[test]
fn the_wake_descriptor_tells_of_messages() {
    let topic = topic("wake", 1);
    let mut reader = reader_from(&topic, 1, 0);
    eventually(PATIENCE, "the end of the empty partition", || {
        reader.clear_wake();
        assert!(reader.take().is_none());
        reader.events().into_iter().find(|event| matches!(event, IntakeEvent::End { next: 0, .. }))
    });
    reader.clear_wake();
    while reader.take().is_some() || !reader.events().is_empty() {}
    let sender = std::thread::spawn({
        let topic = topic.clone();
        move || fill(&topic, 1, 1)
    });
    let deadline = soon();
    loop {
        let mut asked = libc::pollfd { fd: reader.wake_fd().unwrap().as_raw_fd(), events: libc::POLLIN, revents: 0 };
        // SAFETY: one entry of our own.
        let ready = unsafe { libc::poll(&raw mut asked, 1, i32::try_from(time_left(deadline).as_millis()).unwrap()) };
        assert_eq!(ready, 1, "the descriptor never became readable");
        reader.clear_wake();
        let taken = reader.take().is_some();
        reader.events();
        if taken {
            break;
        }
    }
    sender.join().unwrap();
}

#[test]
fn a_pause_stops_the_flow_and_a_resume_goes_on_without_a_gap() {
    let topic = topic("pause", 1);
    let mut lane = Lane { consumer: reader_from(&topic, 1, 0), events: Vec::new(), rows: Vec::new() };
    fill(&topic, 1, 10);
    lane.until_rows(10);
    lane.consumer.pause().unwrap();
    fill(&topic, 1, 10);
    let start = Instant::now();
    while start.elapsed() < Duration::from_millis(800) {
        lane.turn();
    }
    assert_eq!(lane.rows.len(), 10, "messages came while paused");
    lane.consumer.resume().unwrap();
    lane.until_rows(20);
    assert_eq!(lane.offsets_of(&part(&topic, 0)), (0..20).collect::<Vec<_>>());
}

/// librdkafka counts the end of a partition as a message, and would resume past the first message that came while it was paused.
#[test]
fn a_pause_at_the_end_skips_nothing_whether_messages_come_meanwhile_or_not() {
    let topic = topic("pause-end", 2);
    let source = part(&topic, 0);
    let mut lane = Lane { consumer: reader_from(&topic, 2, 0), events: Vec::new(), rows: Vec::new() };
    // The first time the partition is empty; the second time nothing comes while it is paused.
    for (round, meanwhile) in [(0, 3), (1, 0), (2, 5)] {
        let end = i64::try_from(lane.rows.len()).unwrap();
        lane.until("the end", |lane| {
            let is_end =
                |event: &IntakeEvent| matches!(event, IntakeEvent::End { source: of, next } if *of == source && *next == end);
            lane.events.iter().any(is_end).then_some(())
        });
        lane.events.clear();
        lane.consumer.pause().unwrap();
        fill(&topic, 1, meanwhile);
        lane.consumer.resume().unwrap();
        fill(&topic, 1, 1);
        let wanted = lane.rows.len() + usize::try_from(meanwhile).unwrap() + 1;
        lane.until_rows(wanted);
        let offsets = lane.offsets_of(&source);
        assert_eq!(offsets, (0..).take(wanted).collect::<Vec<_>>(), "round {round}");
        let failed = lane.events.iter().find(|event| matches!(event, IntakeEvent::PartitionFailed { .. }));
        assert!(failed.is_none(), "round {round}: {failed:?}");
    }
}

#[test]
fn another_assignment_of_the_same_partitions_is_a_rewind() {
    let topic = topic("rewind", 2);
    fill(&topic, 2, 40_000);
    let mut lane = Lane { consumer: reader_from(&topic, 2, 0), events: Vec::new(), rows: Vec::new() };
    for start in [5, 0, 19_000] {
        // In the middle of the flow: fetched messages wait in the queue.
        lane.until_rows(2_000);
        lane.consumer.assign(&[(part(&topic, 0), start), (part(&topic, 1), start)]).unwrap();
        lane.rows.clear();
        lane.until_rows(1_500);
        for partition in [part(&topic, 0), part(&topic, 1)] {
            let offsets = lane.offsets_of(&partition);
            let wanted: Vec<_> = (start..).take(offsets.len()).collect();
            assert_eq!(offsets, wanted, "{partition} after a rewind to {start}");
        }
    }
}

#[test]
fn messages_of_a_partition_that_was_given_back_do_not_come() {
    let topic = topic("given-back", 2);
    fill(&topic, 2, 40_000);
    let mut lane = Lane { consumer: reader_from(&topic, 2, 0), events: Vec::new(), rows: Vec::new() };
    lane.until_rows(1);
    lane.consumer.assign(&[(part(&topic, 0), 7)]).unwrap();
    lane.rows.clear();
    lane.until_rows(5_000);
    assert!(lane.rows.iter().all(|(source, ..)| *source == part(&topic, 0)));
    assert_eq!(lane.rows[0].1, 7);
    lane.consumer.unassign().unwrap();
    lane.rows.clear();
    let start = Instant::now();
    while start.elapsed() < Duration::from_millis(500) {
        lane.turn();
    }
    assert!(lane.rows.is_empty(), "messages came without an assignment");
}

#[test]
fn a_start_that_is_out_of_range_fails_the_partition() {
    let topic = topic("range", 1);
    fill(&topic, 1, 5);
    let mut lane = Lane { consumer: reader_from(&topic, 1, 1_000), events: Vec::new(), rows: Vec::new() };
    let (source, reason) = lane.until("the failure", |lane| {
        lane.events.iter().find_map(|event| match event {
            IntakeEvent::PartitionFailed { source, fault: PartitionFault::OutOfRange, reason } => {
                Some((source.clone(), reason.clone()))
            }
            _ => None,
        })
    });
    assert_eq!(source, part(&topic, 0));
    assert!(reason.contains("AUTO_OFFSET_RESET"), "{reason}");
    assert!(lane.rows.is_empty());
}

#[test]
fn a_batch_outlives_its_consumer_and_closing_says_that_it_waits_for_it() {
    let (topic, group) = (topic("outlives", 1), unique("outlives"));
    fill(&topic, 1, 100);
    let mut lane = Lane::join(&settings(), &group, None, &topic);
    lane.take_up();
    let batch = next_batch(&mut lane.consumer);
    let start = Instant::now();
    let late = lane.consumer.close(Instant::now() + Duration::from_millis(300)).unwrap_err();
    assert!(start.elapsed() < Duration::from_secs(5), "close took {:?}", start.elapsed());
    assert!(late.to_string().contains("batch"), "{late}");
    // The bytes are still there.
    assert_eq!(batch.runs(0)[0].rows[0].value, Some(&b"0"[..]));
    drop(batch);
    let admin = admin();
    eventually(PATIENCE, "the member to leave its group", || {
        (admin.group_state(&group, soon()).unwrap().members == 0).then_some(())
    });
}

#[test]
fn dropping_a_consumer_with_a_batch_alive_does_not_wait() {
    let (topic, group) = (topic("drop", 1), unique("drop"));
    fill(&topic, 1, 100);
    let mut lane = Lane::join(&settings(), &group, None, &topic);
    lane.take_up();
    let batch = next_batch(&mut lane.consumer);
    let start = Instant::now();
    drop(lane);
    drop(batch);
    assert!(start.elapsed() < Duration::from_secs(2), "dropping took {:?}", start.elapsed());
}

#[test]
fn committed_offsets_and_their_metadata_come_as_an_event() {
    let (topic, group) = (topic("committed", 2), unique("committed"));
    fill(&topic, 2, 10);
    let metadata = "corelane/1 ".to_owned() + &"x".repeat(3_900);
    let commit = CommitOffset { source: part(&topic, 0), next: 3, metadata: metadata.clone() };
    admin().alter_group_offsets(&group, &[commit], soon()).unwrap();
    let mut lane = Lane::join(&settings(), &group, None, &topic);
    let partitions = lane.assigned();
    lane.consumer.request_committed(1, &partitions);
    let committed = lane.until("the committed offsets", |lane| {
        lane.events.iter().find_map(|event| match event {
            IntakeEvent::Committed { committed, .. } => Some(committed.clone()),
            IntakeEvent::CommittedFailed(reason) => panic!("{reason}"),
            _ => None,
        })
    });
    assert_eq!((committed[0].offset, committed[0].metadata.as_deref()), (Some(3), Some(metadata.as_str())));
    assert_eq!((committed[1].offset, committed[1].metadata.as_deref()), (None, Some("")));
    assert_eq!(committed[1].source, part(&topic, 1));
}
