//! What an error within a partition means for who reads it.

use super::*;

#[test]
fn each_error_of_a_partition_has_its_fault() {
    use Code::{
        RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET as RESET, RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE as OUT_OF_RANGE,
        RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED as NOT_ALLOWED, RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART as UNKNOWN,
    };
    // As librdkafka 2.12 wrote them.
    let truncated = "_AUTO_OFFSET_RESET: Partition log truncation detected at offset 53754 (leader epoch 0): broker end offset is 8166 (offset \
                     leader epoch 0). Reset to INVALID.: Local: Partition log truncation detected (broker 1)";
    let gone = "_AUTO_OFFSET_RESET: fetch failed due to requested offset not available on the broker: Broker: Offset out of range (broker 1)";
    for (code, reason, fault) in [
        (RESET, truncated, PartitionFault::Truncated),
        (RESET, gone, PartitionFault::OutOfRange),
        (OUT_OF_RANGE, "", PartitionFault::OutOfRange),
        (UNKNOWN, "", PartitionFault::Unknown),
        (NOT_ALLOWED, "", PartitionFault::Other),
    ] {
        assert_eq!(fault_of(code, reason), fault, "{code:?}: {reason}");
        assert!(!passes(code), "{code:?} is told, and not waited for");
    }
}
