//! What readers see: every committed segment, walked without a lock, for audits.

use std::fs;
use std::path::{Path, PathBuf};

use super::disk::{failed, refused};
use super::names::{is_segment, parse_visible_path};
use super::{LakeError, SegmentName};
use crate::batch::Table;

/// A committed segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VisibleSegment {
    pub name: SegmentName,
    pub writer: String,
    pub path: PathBuf,
    /// As in the epoch record: `readings/date=…/hour=…/….parquet`.
    pub relative: String,
}

/// Walks the tables in the order of table, date, hour, epoch, one directory in memory at a time. A Parquet file that no Corelane named
/// is an error: readers with a glob count its rows.
#[derive(Debug)]
pub struct VisibleSegments {
    root: PathBuf,
    /// Paths still to be looked at, the next one last.
    open: Vec<PathBuf>,
}

/// The committed segments of the lake at `root`.
pub fn visible_segments(root: &Path) -> VisibleSegments {
    let mut open: Vec<PathBuf> = Table::ALL.iter().map(|table| root.join(table.name())).filter(|dir| dir.exists()).collect();
    open.sort_by(|one, other| other.cmp(one));
    VisibleSegments { root: root.to_owned(), open }
}

impl VisibleSegments {
    fn descend(&mut self, dir: &Path) -> Result<(), LakeError> {
        let mut children = Vec::new();
        for entry in fs::read_dir(dir).map_err(failed("cannot list", dir))? {
            children.push(entry.map_err(failed("cannot list", dir))?.path());
        }
        children.sort_by(|one, other| other.cmp(one));
        self.open.extend(children);
        Ok(())
    }

    fn segment(&self, path: PathBuf) -> Result<VisibleSegment, LakeError> {
        let relative = path.strip_prefix(&self.root).ok().and_then(|relative| relative.to_str()).unwrap_or_default();
        let Some((name, writer)) = parse_visible_path(relative) else {
            return Err(refused(
                &path,
                "not a name that corelane gives",
                "Move the file out of the lake: readers count its rows",
            ));
        };
        let relative = relative.to_owned();
        Ok(VisibleSegment { name, writer, path, relative })
    }
}

impl Iterator for VisibleSegments {
    type Item = Result<VisibleSegment, LakeError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let path = self.open.pop()?;
            if path.is_dir() {
                if let Err(error) = self.descend(&path) {
                    return Some(Err(error));
                }
            } else if is_segment(&path) {
                return Some(self.segment(path));
            }
        }
    }
}
