//! What a Kafka broker does for our clients, as one list of behaviours: each runs on the embedded broker and on Apache Kafka 4.1, and
//! asserts the same of both. The differences that are allowed (KIP-848, AlterConfigs, how often time-outs are looked at) are not in
//! the list; whatever else differs is a fault of the embedded broker.
//!
//! A behaviour is a function that takes a [`target::Target`]; `behaviours!` makes two tests of each.

// A test that unwraps fails where it stands, which is what one wants of it; clippy.toml allows it in #[test] functions only.
#![allow(clippy::unwrap_used, clippy::expect_used, unreachable_pub)]

#[path = "broker_suite/admin.rs"]
mod admin;
#[path = "broker_suite/client.rs"]
mod client;
#[path = "broker_suite/embedded_only.rs"]
mod embedded_only;
#[path = "broker_suite/fencing.rs"]
mod fencing;
#[path = "broker_suite/groups.rs"]
mod groups;
#[path = "broker_suite/limits.rs"]
mod limits;
#[path = "broker_suite/native.rs"]
mod native;
#[path = "broker_suite/offsets.rs"]
mod offsets;
#[path = "broker_suite/raw.rs"]
mod raw;
#[path = "broker_suite/records.rs"]
mod records;
#[path = "broker_suite/retention.rs"]
mod retention;
#[path = "broker_suite/static_members.rs"]
mod static_members;
#[path = "support/mod.rs"]
mod support;
#[path = "broker_suite/target.rs"]
mod target;
#[path = "broker_suite/times.rs"]
mod times;
#[path = "broker_suite/topics.rs"]
mod topics;
#[path = "broker_suite/transactions.rs"]
mod transactions;

macro_rules! behaviours {
    ($($family:ident: $($name:ident),+;)+) => {
        mod embedded {
            $(mod $family {
                $(#[test] fn $name() { crate::$family::$name(crate::target::embedded()); })+
            })+
        }
        mod apache_kafka {
            $(mod $family {
                $(#[test] fn $name() { crate::$family::$name(crate::target::apache_kafka()); })+
            })+
        }
    };
}

behaviours! {
    records: what_was_sent_arrives_in_order, all_codecs_are_kept, a_tombstone_is_no_empty_value, the_end_of_a_partition_is_told,
        a_repeated_batch_is_stored_once, sequences_may_not_skip, a_wrong_checksum_is_refused, acks_beyond_all_are_refused,
        a_waiting_reader_wakes_at_once, a_paused_partition_is_silent;
    limits: a_message_over_a_mebibyte_is_refused, a_topic_may_allow_less, a_time_too_far_ahead_is_refused,
        offset_metadata_has_a_length, offsets_of_missing_partitions_are_refused, missing_topics_are_not_made,
        a_transaction_has_a_longest_time;
    times: create_time_is_kept, append_time_replaces_it, a_time_finds_its_offset, a_time_is_found_inside_compressed_batches;
    retention: old_records_go, large_partitions_shrink, records_are_deleted_on_demand;
    topics: a_topic_is_made_once, wrong_topics_are_refused, ids_change_when_a_topic_is_made_again, a_new_topic_of_the_same_name_is_empty,
        partitions_can_be_added, settings_are_described, compaction_asks_for_keys;
    admin: a_cluster_has_one_id, empty_groups_can_be_set_and_deleted, live_groups_cannot, groups_are_listed_and_described,
        first_and_last_offsets_are_listed;
    groups: range_shares_and_shares_again, roundrobin_shares, cooperative_members_keep_what_they_have, a_silent_member_loses_its_partitions,
        members_need_a_protocol_in_common, a_pattern_meets_new_topics;
    static_members: a_restart_is_not_noticed, a_second_of_the_same_name_fences_the_first, a_static_member_that_stays_away_is_replaced;
    offsets: a_commit_is_where_the_next_one_begins, commits_without_a_group_of_members;
    transactions: only_what_is_committed_is_seen, offsets_belong_to_their_transaction, pending_offsets_are_unstable,
        a_new_owner_fences_the_old_one, transactions_follow_each_other, one_that_takes_too_long_is_aborted,
        a_transaction_must_be_open_to_end, a_partition_must_be_announced;
    fencing: the_present_generation_is_accepted, an_old_generation_is_refused, a_stranger_is_refused, a_replaced_instance_is_refused,
        a_bare_group_is_not_fenced, fresh_metadata_is_not_fenced_though_the_partition_moved;
}
