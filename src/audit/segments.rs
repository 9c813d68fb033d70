//! The segments: each that a record names is there, whole, with as many rows; and nothing else is visible.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::time::{Duration, Instant};

use parquet::file::metadata::ParquetMetaDataReader;

use super::epochs::{Epoch, EpochLog, Said, Segment, Witness};
use super::finding::{FindingKind, Findings, Place};
use super::lakes::LakeDir;
use super::report::Looked;
use super::run::{Progress, Step};
use crate::lake::{Visible, VisibleSegment, is_instance_at_work, visible_segments, writer_parts};

/// Files are read in pieces of this size.
const PIECE_BYTES: usize = 1 << 20;
/// A committed segment becomes visible some milliseconds after its commit; a settle has 8 s.
const REVEAL_PATIENCE: Duration = if cfg!(test) { Duration::from_secs(3) } else { Duration::from_secs(10) };
const REVEAL_PAUSE: Duration = Duration::from_millis(100);

/// What is known of a segment that a record names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum SegmentState {
    /// Its lake was not given.
    #[default]
    Unseen,
    Missing,
    /// In the staging folder; its rename is not finished.
    Staged,
    /// It is not what was written, or cannot be read.
    Bad,
    Good,
}

/// The states of all segments, as `[epoch][segment]` of the log.
#[derive(Debug)]
pub(super) struct SegmentStates {
    of: Vec<Box<[SegmentState]>>,
}

impl SegmentStates {
    pub(super) fn unseen(log: &EpochLog) -> Self {
        Self { of: log.epochs().iter().map(|epoch| vec![SegmentState::Unseen; epoch.segments.len()].into()).collect() }
    }

    pub(super) fn set(&mut self, epoch: usize, segment: usize, state: SegmentState) {
        if let Some(slot) = self.of.get_mut(epoch).and_then(|states| states.get_mut(segment)) {
            *slot = state;
        }
    }

    pub(super) fn get(&self, epoch: usize, segment: usize) -> SegmentState {
        self.of.get(epoch).and_then(|states| states.get(segment)).copied().unwrap_or_default()
    }

    /// Whether all rows of an epoch can be read.
    pub(super) fn is_whole(&self, epoch: usize) -> bool {
        self.of.get(epoch).is_some_and(|states| states.iter().all(|state| *state == SegmentState::Good))
    }
}

/// What a look at a lake found besides.
#[derive(Debug, Default)]
pub(super) struct Walk {
    /// Visible segments that no record names, each with the number of its lake: the records must be read again to judge them.
    pub(super) unknown: Vec<(usize, VisibleSegment)>,
}

/// Walks what readers see of one lake, and looks into every file that a record names.
pub(super) fn check_visible(
    (number, lake): (usize, &LakeDir),
    log: &EpochLog,
    (states, walk): (&mut SegmentStates, &mut Walk),
    (findings, looked, progress): (&mut Findings, &mut Looked, &mut Progress<'_>),
) {
    for entry in visible_segments(&lake.root) {
        let visible = match entry {
            Ok(Visible::Segment(visible)) => visible,
            Ok(Visible::Foreign(path)) => {
                findings.add(FindingKind::ForeignFile, Place::path(path.display().to_string()), "a file that no corelane named");
                continue;
            }
            Err(error) => {
                findings.add(FindingKind::Unreadable, Place::path(lake.place("")), error.to_string());
                continue;
            }
        };
        match named(log, lake, &visible) {
            Some((index, at)) => {
                let epoch = log.at(index);
                let segment = &epoch.segments[at];
                looked.segments += 1;
                looked.bytes += segment.bytes;
                looked.rows += segment.rows;
                states.set(index, at, look_into(&visible.path, epoch, segment, findings));
                progress(Step::Segments { done: looked.segments, bytes: looked.bytes });
            }
            None => walk.unknown.push((number, visible)),
        }
    }
}

/// The epoch and the segment in it.
fn named(log: &EpochLog, lake: &LakeDir, visible: &VisibleSegment) -> Option<(usize, usize)> {
    let index = log.index_of(visible.name.epoch)?;
    let epoch = log.at(index);
    if *epoch.lake != *lake.id || *epoch.writer != *visible.writer {
        return None;
    }
    let is_it = |segment: &Segment| segment.table == visible.name.table && segment.hour == visible.name.hour;
    Some((index, epoch.segments.iter().position(is_it)?))
}

/// Size, checksum, and the rows that the file's own footer has.
fn look_into(path: &Path, epoch: &Epoch, segment: &Segment, findings: &mut Findings) -> SegmentState {
    let place = || Place::path(path.display().to_string()).epoch(epoch.id);
    let (bytes, crc32c) = match checksum(path) {
        Ok(sum) => sum,
        Err(error) => {
            findings.add(FindingKind::Unreadable, place(), format!("cannot read it: {error}"));
            return SegmentState::Bad;
        }
    };
    if (bytes, crc32c) != (segment.bytes, segment.crc32c) {
        let what = format!(
            "it has {bytes} bytes and CRC-32C {crc32c:08x}; written were {} bytes and {:08x}",
            segment.bytes, segment.crc32c
        );
        findings.add(FindingKind::SegmentChecksum, place(), what);
        return SegmentState::Bad;
    }
    // The bytes are those that were written, so that a parser can trust them.
    match rows_of(path) {
        Ok(rows) if rows == segment.rows => SegmentState::Good,
        Ok(rows) => {
            let what = format!("the file has {rows} rows, its record says {}", segment.rows);
            findings.add(FindingKind::SegmentRows, place(), what);
            SegmentState::Bad
        }
        Err(what) => {
            findings.add(FindingKind::SegmentRows, place(), format!("its footer cannot be read: {what}"));
            SegmentState::Bad
        }
    }
}

/// Bytes and CRC-32C of a file.
pub(super) fn checksum(path: &Path) -> io::Result<(u64, u32)> {
    let mut file = File::open(path)?;
    let mut piece = vec![0; PIECE_BYTES];
    let (mut bytes, mut sum) = (0, 0);
    loop {
        let count = match file.read(&mut piece) {
            Ok(0) => return Ok((bytes, sum)),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        bytes += count as u64;
        sum = crc32c::crc32c_append(sum, &piece[..count]);
    }
}

fn rows_of(path: &Path) -> Result<u64, String> {
    let file = File::open(path).map_err(|error| error.to_string())?;
    let metadata = ParquetMetaDataReader::new().parse_and_finish(&file).map_err(|error| error.to_string())?;
    u64::try_from(metadata.file_metadata().num_rows()).map_err(|error| error.to_string())
}

/// Named segments of the given lakes that were not seen: staged still, or gone. A process at work is given the time to reveal them.
pub(super) fn check_missing(
    lakes: &[LakeDir],
    log: &EpochLog,
    states: &mut SegmentStates,
    (findings, looked): (&mut Findings, &mut Looked),
) -> Result<(), super::AuditError> {
    let deadline = Instant::now() + REVEAL_PATIENCE;
    for (index, epoch) in log.epochs().iter().enumerate() {
        let Some(lake) = lakes.iter().find(|lake| *lake.id == *epoch.lake) else { continue };
        for (at, segment) in epoch.segments.iter().enumerate() {
            if states.get(index, at) != SegmentState::Unseen {
                continue;
            }
            let relative = epoch.path_of(segment);
            let path = lake.root.join(&relative);
            let instance = writer_parts(&epoch.writer).map_or("", |(_, instance, _)| instance);
            while !path.is_file() && Instant::now() < deadline && is_instance_at_work(&lake.root, instance)? {
                std::thread::sleep(REVEAL_PAUSE);
            }
            let state = if path.is_file() {
                looked.segments += 1;
                looked.bytes += segment.bytes;
                looked.rows += segment.rows;
                look_into(&path, epoch, segment, findings)
            } else {
                SegmentState::Missing
            };
            states.set(index, at, state);
        }
    }
    Ok(())
}

/// What is still missing once the staging folders were looked at.
pub(super) fn tell_missing(lakes: &[LakeDir], log: &EpochLog, states: &SegmentStates, findings: &mut Findings) {
    for (index, epoch) in log.epochs().iter().enumerate() {
        for (at, segment) in epoch.segments.iter().enumerate() {
            if states.get(index, at) != SegmentState::Missing {
                continue;
            }
            let lake = lakes.iter().find(|lake| *lake.id == *epoch.lake);
            let relative = epoch.path_of(segment);
            let place = lake.map_or_else(|| relative.clone(), |lake| lake.place(&relative));
            let spans: Vec<String> = epoch.partitions.iter().map(|part| format!("{} {}", part.source, part.entry.span)).collect();
            let what = format!("the record names it, with {} rows of {}; it is not there", segment.rows, spans.join(", "));
            findings.add(FindingKind::SegmentMissing, Place::path(place).epoch(epoch.id), what);
        }
    }
}

/// Visible segments that no record named when the records were read first: `witness` has those that came since.
pub(super) fn check_unknown(lakes: &[LakeDir], walk: &Walk, witness: &Witness<'_>, findings: &mut Findings) {
    let mut expired: BTreeMap<usize, (u64, String, String)> = BTreeMap::new();
    for (number, visible) in &walk.unknown {
        let lake = &lakes[*number];
        let place = || Place::path(lake.place(&visible.relative)).epoch(visible.name.epoch);
        match witness.says(visible.name.epoch) {
            Said::Committed(_) if named(witness.log, lake, visible).is_some() => {}
            Said::Committed(epoch) => {
                let what = format!("it is named like a segment of epoch {}, whose record does not name it", epoch.id);
                findings.add(FindingKind::ForeignFile, place(), what);
            }
            Said::Never => {
                let what = "a segment of an epoch that has no record: it never committed";
                findings.add(FindingKind::SegmentUncommitted, place(), what);
            }
            Said::Unknown => {
                let hour = visible.name.hour.to_string();
                let seen = expired.entry(*number).or_insert_with(|| (0, hour.clone(), hour.clone()));
                seen.0 += 1;
                seen.1 = seen.1.clone().min(hour.clone());
                seen.2 = seen.2.clone().max(hour);
            }
        }
    }
    for (number, (count, first, last)) in expired {
        let what = format!(
            "{count} segments of the hours {first} to {last} are of epochs whose records the epochs topic no longer has, or that cannot be read: \
             whether they are whole cannot be seen"
        );
        findings.add(FindingKind::RecordsExpired, Place::path(lakes[number].place("")), what);
    }
}
