//! Where a lake's messages come from: the cluster and the topic id of each input topic, kept at the first start. Offsets mean nothing
//! on another cluster, nor on a topic that was deleted and made again under the same name.

use std::fs;
use std::path::Path;

use super::disk::{DurableDirs, failed, refused, write_once};
use super::names::DRAFT_SUFFIX;
use super::{Lake, LakeError};

/// A topic that a lake is bound to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BoundTopic {
    pub topic: String,
    pub topic_id: String,
    pub cluster_id: String,
}

/// The topics that the lake at `root` is bound to, by name.
pub fn bound_topics(root: &Path) -> Result<Vec<BoundTopic>, LakeError> {
    let dir = root.join(TOPICS);
    let mut found = Vec::new();
    if !dir.is_dir() {
        return Ok(found);
    }
    for entry in fs::read_dir(&dir).map_err(failed("cannot list", &dir))? {
        let path = entry.map_err(failed("cannot list", &dir))?.path();
        let kept = fs::read_to_string(&path).map_err(failed("cannot read", &path))?;
        // What is no topic (a draft that a crash left) has no two words.
        if let (Some((topic_id, cluster_id)), Some(topic)) =
            (kept.trim().split_once(' '), path.file_name().and_then(|name| name.to_str()))
            && !topic.ends_with(DRAFT_SUFFIX)
        {
            let (topic_id, cluster_id) = (topic_id.to_owned(), cluster_id.to_owned());
            found.push(BoundTopic { topic: topic.to_owned(), topic_id, cluster_id });
        }
    }
    found.sort_by(|one, other| one.topic.cmp(&other.topic));
    Ok(found)
}

/// `<lake>/_corelane/topics/<topic>`.
const TOPICS: &str = "_corelane/topics";

impl Lake {
    /// Binds the lake to a topic of a cluster at the first start, and refuses any other topic of that name later.
    pub fn bind_topic(&self, topic: &str, topic_id: &str, cluster_id: &str) -> Result<(), LakeError> {
        let dir = DurableDirs::default().create(&self.root, Path::new(TOPICS))?;
        let path = dir.join(topic);
        let line = format!("{topic_id} {cluster_id}\n");
        if !path.exists() {
            write_once(&dir, topic, line.as_bytes())?;
        }
        let kept = fs::read_to_string(&path).map_err(failed("cannot read", &path))?;
        if kept == line {
            return Ok(());
        }
        let (kept_id, kept_cluster) = kept.trim().split_once(' ').unwrap_or((kept.trim(), ""));
        let what = if kept_cluster == cluster_id {
            format!("topic {topic} was deleted and made again: its id is {topic_id}, this lake holds the one with id {kept_id}")
        } else {
            format!("topic {topic} is on cluster {cluster_id}, this lake holds the one of cluster {kept_cluster}")
        };
        Err(refused(
            &path,
            what,
            "Its offsets mean other messages. Set lake.path to an empty folder and kafka.group to a new group; nothing here is lost",
        ))
    }
}

#[cfg(test)]
#[path = "origin_tests.rs"]
mod tests;
