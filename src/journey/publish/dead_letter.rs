//! Dead letters: refused messages as they came, with headers that say why and where from.

use std::sync::Arc;

use crate::batch::{InspectedBatch, OutRecord, RawBatch, RawRow, RejectRow, TopicPartition};

/// Where dead letters go, and how large one may be.
#[derive(Clone, Debug)]
pub struct PublishSettings {
    pub rejects_topic: Arc<str>,
    /// `max.message.bytes` of that topic: 64 KiB above the input's.
    pub bytes_max: usize,
}

type Header = (String, Option<Vec<u8>>);

/// The header of a letter whose value was cut.
const CUT: &str = "corelane-cut";

/// Most that a batch of one record adds to key, value and headers: 61 bytes of batch header, then lengths and deltas as varints.
const RECORD_OVERHEAD_BYTES: usize = 61 + 41;
/// Most that the two lengths of a header take.
const HEADER_OVERHEAD_BYTES: usize = 10;

/// Appends a dead letter for every reject whose reason keeps the bytes: value, key and headers of the message, then
/// `corelane-reason`, `corelane-topic`, `corelane-partition` and `corelane-offset`. The tombstone's value stays null.
///
/// A letter that does not fit `bytes_max` loses the end of its value (`corelane-cut`: bytes it had); if that is not enough, all the
/// message's own headers (`corelane-cut-headers`: how many) and at last the end of its key (`corelane-cut-key`: bytes it had). The
/// table `rejects` keeps all bytes of the value.
pub fn dead_letters(batch: &InspectedBatch, raw: &RawBatch<'_>, settings: &PublishSettings, out: &mut Vec<OutRecord>) {
    for reject in batch.rejects.iter().filter(|reject| reject.reason.keeps_bytes()) {
        // A reject without its row cannot happen; persist refuses the batch in that case, so nothing is lost in silence.
        if let Some(row) = raw.rows.get(reject.row) {
            out.push(dead_letter(&batch.source, reject, row, settings));
        }
    }
}

fn dead_letter(source: &TopicPartition, reject: &RejectRow, row: &RawRow<'_>, settings: &PublishSettings) -> OutRecord {
    let mut letter = OutRecord {
        topic: Arc::clone(&settings.rejects_topic),
        partition: None,
        key: row.key.map(<[u8]>::to_vec),
        value: None,
        headers: own_headers(row),
    };
    // Ours come last: a letter that was sent through again has the older ones too, and Kafka's readers take the last of a name.
    let ours = [
        ("corelane-reason", reject.reason.name().to_owned()),
        ("corelane-topic", source.topic.to_string()),
        ("corelane-partition", source.partition.to_string()),
        ("corelane-offset", reject.offset.to_string()),
    ]
    .map(header);
    let value_bytes = row.value.map_or(0, <[u8]>::len);
    let bytes_max = settings.bytes_max;
    if fixed_bytes(letter.key.as_ref(), &letter.headers, &ours) + value_bytes <= bytes_max {
        letter.headers.extend(ours);
        letter.value = row.value.map(<[u8]>::to_vec);
        return letter;
    }

    let mut ours = Vec::from(ours);
    if value_bytes > 0 {
        ours.push(header((CUT, value_bytes.to_string())));
    }
    if fixed_bytes(letter.key.as_ref(), &letter.headers, &ours) > bytes_max {
        ours.push(header(("corelane-cut-headers", letter.headers.len().to_string())));
        letter.headers.clear();
    }
    if let Some(key) = &mut letter.key
        && fixed_bytes(Some(key), &letter.headers, &ours) > bytes_max
    {
        ours.push(header(("corelane-cut-key", key.len().to_string())));
        key.truncate(bytes_max.saturating_sub(fixed_bytes(None, &letter.headers, &ours)));
    }
    let room = bytes_max.saturating_sub(fixed_bytes(letter.key.as_ref(), &letter.headers, &ours));
    letter.value = row.value.map(|value| value[..value.len().min(room)].to_vec());
    if value_bytes <= room {
        // The headers were what did not fit: the value is whole.
        ours.retain(|(name, _)| name != CUT);
    }
    letter.headers.extend(ours);
    letter
}

fn own_headers(row: &RawRow<'_>) -> Vec<Header> {
    let mut headers = Vec::new();
    row.headers.0.for_each(&mut |name, value| headers.push((name.to_owned(), value.map(<[u8]>::to_vec))));
    headers
}

fn header((name, value): (&str, String)) -> Header {
    (name.to_owned(), Some(value.into_bytes()))
}

/// Bytes of a record without its value.
fn fixed_bytes(key: Option<&Vec<u8>>, headers: &[Header], more: &[Header]) -> usize {
    let of_headers: usize = headers
        .iter()
        .chain(more)
        .map(|(name, value)| name.len() + value.as_ref().map_or(0, Vec::len) + HEADER_OVERHEAD_BYTES)
        .sum();
    RECORD_OVERHEAD_BYTES + key.map_or(0, Vec::len) + of_headers
}

#[cfg(test)]
mod tests;
