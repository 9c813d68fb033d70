use kafka_protocol::messages::ApiKey;
use kafka_protocol::protocol::StrBytes;

use super::*;

fn response(version: i16, fetched: Fetched) -> Vec<u8> {
    let topic = FetchTopic::default().with_topic(StrBytes::from_static_str("t").into()).with_topic_id(uuid::Uuid::from_u128(7));
    let head = Head { key: ApiKey::Fetch, version, correlation: 5 };
    let Reply::Pieces(pieces) = fetch_response(head, &[topic], vec![vec![fetched]]) else { panic!("in pieces") };
    pieces.concat()
}

fn fetched() -> Fetched {
    Fetched {
        partition: 2,
        error: 0,
        high_watermark: 9,
        last_stable: 8,
        log_start: 1,
        aborted: Some(vec![(1000, 3)]),
        batches: vec![Bytes::from_static(b"batch1"), Bytes::from_static(b"batch2")],
    }
}

#[test]
fn version_4_has_plain_lengths() {
    let mut expected = BytesMut::new();
    expected.put_i32(5); // correlation
    expected.put_i32(0); // throttle
    expected.put_i32(1);
    expected.put_i16(1);
    expected.put_slice(b"t");
    expected.put_i32(1);
    expected.put_i32(2); // partition
    expected.put_i16(0);
    expected.put_i64(9);
    expected.put_i64(8);
    expected.put_i32(1);
    expected.put_i64(1000);
    expected.put_i64(3);
    expected.put_i32(12);
    expected.put_slice(b"batch1batch2");
    assert_eq!(response(4, fetched()), expected);
}

#[test]
fn version_16_has_varints_ids_and_tags() {
    let mut expected = BytesMut::new();
    expected.put_i32(5);
    expected.put_u8(0); // tags of the header
    expected.put_i32(0);
    expected.put_i16(0);
    expected.put_i32(0); // session
    expected.put_u8(2);
    expected.put_u128(7);
    expected.put_u8(2);
    expected.put_i32(2);
    expected.put_i16(0);
    expected.put_i64(9);
    expected.put_i64(8);
    expected.put_i64(1); // log start
    expected.put_u8(2);
    expected.put_i64(1000);
    expected.put_i64(3);
    expected.put_u8(0);
    expected.put_i32(-1); // preferred replica
    expected.put_u8(13);
    expected.put_slice(b"batch1batch2");
    expected.put_slice(&[0, 0, 0]); // tags of partition, topic, response
    assert_eq!(response(16, fetched()), expected);
}

#[test]
fn without_records_or_isolation_there_is_less() {
    let nothing = Fetched { partition: 2, error: 1, aborted: None, ..Fetched::default() };
    let plain = response(4, nothing);
    // A missing list of aborted transactions, and no bytes of records.
    assert_eq!(plain[plain.len() - 8..], [0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]);
}

#[test]
fn long_lengths_take_more_bytes() {
    let large = Fetched { batches: vec![Bytes::from(vec![7; 300])], ..fetched() };
    let whole = response(16, large);
    // 301 as a varint, then the bytes, then three empty tags.
    assert_eq!(whole[whole.len() - 305..whole.len() - 303], [0xad, 0x02]);
}
