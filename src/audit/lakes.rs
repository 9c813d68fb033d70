//! The lakes of an audit: whose they are, and what origin they were bound to.

use std::path::{Path, PathBuf};

use super::AuditError;
use super::contract::TopicView;
use super::epochs::EpochLog;
use super::finding::{FindingKind, Findings, Place};
use super::report::LakeSeen;
use crate::lake::{LakeIdentity, bound_topics};

/// A lake that is looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LakeDir {
    pub(super) root: PathBuf,
    /// As records name it.
    pub(super) id: String,
}

impl LakeDir {
    /// Opens the lakes of a group to look at, without a lock.
    pub(super) fn open_all(paths: &[PathBuf], group: &str) -> Result<Vec<LakeDir>, AuditError> {
        let mut lakes: Vec<LakeDir> = Vec::new();
        for path in paths {
            let lake = Self::open(path, group)?;
            if let Some(twin) = lakes.iter().find(|known| known.id == lake.id && known.root != lake.root) {
                return Err(AuditError::Twins { one: twin.root.clone(), other: lake.root });
            }
            if !lakes.contains(&lake) {
                lakes.push(lake);
            }
        }
        Ok(lakes)
    }

    fn open(path: &Path, group: &str) -> Result<LakeDir, AuditError> {
        let root = path.canonicalize().map_err(|source| AuditError::NoLake { path: path.to_owned(), source: Some(source) })?;
        let identity = LakeIdentity::read(&root)?;
        let identity = identity.ok_or_else(|| AuditError::NoLake { path: root.clone(), source: None })?;
        if identity.group != group {
            return Err(AuditError::OtherGroup { path: root, group: identity.group, asked: group.to_owned() });
        }
        Ok(LakeDir { root, id: identity.lake.to_string() })
    }

    pub(super) fn seen(&self) -> LakeSeen {
        LakeSeen { path: self.root.display().to_string(), id: self.id.clone() }
    }

    /// A path under it, for people.
    pub(super) fn place(&self, relative: &str) -> String {
        self.root.join(relative).display().to_string()
    }
}

/// What Kafka says of itself.
pub(super) struct Origin<'a> {
    pub(super) cluster_id: &'a str,
    /// By name; None: there is no such topic.
    pub(super) topics: &'a [(String, Option<TopicView>)],
}

/// The cluster and the topics are those that the lakes are bound to and that the records name.
pub(super) fn check_origin(
    origin: &Origin<'_>,
    lakes: &[LakeDir],
    log: &EpochLog,
    findings: &mut Findings,
) -> Result<(), AuditError> {
    let cluster = origin.cluster_id;
    let mut foreign: Vec<(String, Place)> = log
        .cluster_ids
        .iter()
        .filter(|id| *id != cluster)
        .map(|id| (format!("epoch records are of cluster {id}, this is cluster {cluster}"), Place::default()))
        .collect();
    for lake in lakes {
        for bound in bound_topics(&lake.root)? {
            let now = origin.topics.iter().find(|(name, _)| *name == bound.topic).and_then(|(_, view)| view.as_ref());
            if bound.cluster_id != cluster {
                let what = format!(
                    "the lake is bound to topic {} of cluster {}, this is cluster {cluster}",
                    bound.topic, bound.cluster_id
                );
                foreign.push((what, Place::path(lake.place(""))));
            } else if let Some(view) = now.filter(|view| view.id != bound.topic_id) {
                let what = format!(
                    "topic {} was deleted and made again: the lake is bound to id {}, it has id {}",
                    bound.topic, bound.topic_id, view.id
                );
                findings.add(FindingKind::TopicChanged, Place::topic(&bound.topic).at_path(lake.place("")), what);
            }
        }
    }
    for (what, place) in foreign {
        findings.add(FindingKind::ClusterChanged, place, what);
    }
    for (topic, ids) in &log.topic_ids {
        let now = origin.topics.iter().find(|(name, _)| name == topic).and_then(|(_, view)| view.as_ref());
        for id in ids.iter().filter(|id| now.is_some_and(|view| view.id != **id)) {
            let what = format!("epoch records are of the topic with id {id}; it was deleted and made again since");
            findings.add(FindingKind::TopicChanged, Place::topic(topic), what);
        }
    }
    for (topic, view) in origin.topics {
        if view.is_none() {
            findings.add(FindingKind::TopicAbsent, Place::topic(topic), format!("there is no topic {topic}"));
        }
    }
    Ok(())
}
