//! What a lake holds back from readers: renames to finish, orphans of epochs that never committed, and what nobody could judge.

use std::collections::BTreeMap;

use super::AuditError;
use super::epochs::{EpochLog, Said, Segment, Witness};
use super::finding::{FindingKind, Findings, Place};
use super::lakes::LakeDir;
use super::report::Looked;
use super::segments::{SegmentState, SegmentStates};
use crate::lake::{HeldFile, HeldFolder, HeldKind, SegmentName, held_files, is_instance_at_work, visible_path, writer_parts};

/// Looks at the staging folders and the quarantine of one lake. `log` is what `states` speaks of.
pub(super) fn check_held(
    lake: &LakeDir,
    witness: &Witness<'_>,
    (log, states): (&EpochLog, &mut SegmentStates),
    (findings, looked): (&mut Findings, &mut Looked),
) -> Result<(), AuditError> {
    let mut at_work: BTreeMap<String, bool> = BTreeMap::new();
    for file in held_files(&lake.root)? {
        let is_at_work = match (at_work.get(&file.writer), writer_parts(&file.writer)) {
            (Some(known), _) => *known,
            (None, Some((_, instance, _))) => is_instance_at_work(&lake.root, instance)?,
            (None, None) => false,
        };
        at_work.insert(file.writer.clone(), is_at_work);
        if file.folder == HeldFolder::Staging && !file.path.exists() {
            // Revealed or given up since it was listed.
            continue;
        }
        // What a process at work has staged is on its way; unless it was waited for already.
        if file.folder == HeldFolder::Staging && is_at_work && !is_missed(lake, &file, log, states) {
            looked.in_flight += 1;
            continue;
        }
        check_file(lake, &file, witness, (log, states), findings);
    }
    Ok(())
}

/// Whether it is a segment that a record names and that did not become visible in time.
fn is_missed(lake: &LakeDir, file: &HeldFile, log: &EpochLog, states: &SegmentStates) -> bool {
    let HeldKind::Segment(name) = &file.kind else { return false };
    let found = find(log, name, &file.writer, lake);
    found.is_some_and(|(index, at)| states.get(index, at) == SegmentState::Missing)
}

fn check_file(
    lake: &LakeDir,
    file: &HeldFile,
    witness: &Witness<'_>,
    (log, states): (&EpochLog, &mut SegmentStates),
    findings: &mut Findings,
) {
    let place = || Place::path(file.path.display().to_string());
    let name = match &file.kind {
        HeldKind::Segment(name) => name,
        HeldKind::Draft => return findings.add(FindingKind::Orphan, place(), "a segment that was never written whole"),
        HeldKind::Foreign => {
            let remedy = "Nobody reads it: delete it, or move it out of the lake";
            return findings.add_with(FindingKind::ForeignFile, place(), "a file that no corelane named", remedy);
        }
    };
    let place = || place().epoch(name.epoch);
    let visible = visible_path(name, &file.writer);
    let said = witness.says(name.epoch);
    if file.folder == HeldFolder::Quarantine {
        let judged = match said {
            Said::Committed(_) => format!("its epoch has a record: it belongs at {}", lake.place(&visible)),
            Said::Never => "its epoch has no record: it never committed".to_owned(),
            Said::Unknown => "nobody can say whether its epoch committed".to_owned(),
        };
        return findings.add(FindingKind::Quarantined, place(), format!("a segment in quarantine; {judged}"));
    }
    match said {
        Said::Committed(_) => {
            if let Some((index, at)) = find(log, name, &file.writer, lake)
                && states.get(index, at) == SegmentState::Missing
            {
                states.set(index, at, SegmentState::Staged);
            }
            let is_blocked = lake.root.join(&visible).exists();
            let what = if is_blocked {
                format!("its epoch is committed, and {} is there as well", lake.place(&visible))
            } else {
                format!("its epoch is committed, and it is not yet at {}", lake.place(&visible))
            };
            findings.add(FindingKind::RenameUnfinished, place(), what);
        }
        Said::Never => findings.add(FindingKind::Orphan, place(), "its epoch has no record: it never committed"),
        Said::Unknown => {
            findings.add(
                FindingKind::StagedUnjudged,
                place(),
                "nobody can say whether its epoch committed: its record would have expired",
            );
        }
    }
}

fn find(log: &EpochLog, name: &SegmentName, writer: &str, lake: &LakeDir) -> Option<(usize, usize)> {
    let index = log.index_of(name.epoch)?;
    let epoch = log.at(index);
    let is_it = |segment: &Segment| segment.table == name.table && segment.hour == name.hour;
    let at = epoch.segments.iter().position(is_it)?;
    (*epoch.writer == *writer && *epoch.lake == *lake.id).then_some((index, at))
}
