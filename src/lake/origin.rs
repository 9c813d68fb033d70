//! Where a lake's messages come from: the cluster and the topic id of each input topic, kept at the first start. Offsets mean nothing
//! on another cluster, nor on a topic that was deleted and made again under the same name.

use std::fs;
use std::path::Path;

use super::disk::{DurableDirs, failed, refused, write_once};
use super::{Lake, LakeError};

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
