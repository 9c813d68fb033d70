use super::*;

#[test]
fn a_partition_list_keeps_offsets_and_metadata() {
    let commit = CommitOffset { source: TopicPartition::new("t", 3), next: 7, metadata: "corelane/1 x".to_owned() };
    let plain = CommitOffset { source: TopicPartition::new("t", 1), next: 0, metadata: String::new() };
    let entries = PartitionList::of_commits(&[commit.clone(), plain.clone()]).unwrap().entries();
    assert_eq!((&entries[0].source, entries[0].offset), (&commit.source, 7));
    assert_eq!(entries[0].metadata.as_deref(), Some("corelane/1 x"));
    assert_eq!((&entries[1].source, entries[1].offset, entries[1].metadata.as_deref()), (&plain.source, 0, Some("")));
}

#[test]
fn metadata_that_is_not_utf8_is_nobody_s_of_ours_and_no_panic() {
    let commit = CommitOffset { source: TopicPartition::new("t", 0), next: 7, metadata: "abc".to_owned() };
    let list = PartitionList::of_commits(&[commit]).unwrap();
    // SAFETY: the list has one element with three bytes of metadata.
    unsafe { *(*(*list.as_ptr()).elems).metadata.cast::<u8>() = 0xff };
    let committed = list.entries().remove(0).into_committed();
    assert_eq!((committed.offset, committed.metadata), (Some(7), None));
}

#[test]
fn nothing_committed_is_none() {
    let committed = PartitionList::of(&[TopicPartition::new("t", 0)]).unwrap().entries().remove(0).into_committed();
    assert_eq!(committed.offset, None);
}

#[test]
fn a_nul_in_a_name_is_refused() {
    assert!(PartitionList::of(&[TopicPartition::new("a\0b", 0)]).is_err());
}

#[test]
fn the_wake_descriptor_is_readable_until_it_is_cleared() {
    let wake = WakeFd::new().unwrap();
    let readable = || {
        let mut asked = libc::pollfd { fd: wake.as_fd().as_raw_fd(), events: libc::POLLIN, revents: 0 };
        // SAFETY: one entry of our own.
        unsafe { libc::poll(&raw mut asked, 1, 0) == 1 }
    };
    assert!(!readable());
    wake.raise();
    wake.raise();
    assert!(readable());
    wake.clear();
    assert!(!readable());
    wake.clear();
}
