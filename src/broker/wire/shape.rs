//! The shape of every request that the broker answers, checked before it is decoded.
//!
//! The decoder of kafka-protocol reserves room for as many rows as a message claims to have. A message of ten bytes may claim two
//! billion of them, and the process would be aborted by its allocator. So each claim is first held against the bytes that are there:
//! this walk allocates nothing, and a message that passes it has every row that it claims.

use kafka_protocol::messages::ApiKey;

/// What stands at one place of a message.
enum Part {
    /// So many bytes.
    Fixed(usize),
    /// A string: a length of two bytes, or a varint of the length + 1; a missing one is allowed.
    Text,
    /// Bytes: a length of four bytes, or a varint of the length + 1; missing ones are allowed.
    Blob,
    /// An array of one simple thing.
    List(&'static Part),
    /// An array of rows.
    Rows(&'static [Slot]),
}

/// A part, and the first and last version that have it.
struct Slot(i16, i16, Part);

/// A request's slots, and the first version with varint lengths and tagged fields.
struct Shape {
    key: ApiKey,
    flexible: i16,
    slots: &'static [Slot],
}

/// The message claims what it does not hold.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::broker) struct Misshapen;

use Part::{Blob, Fixed, List, Rows, Text};

const LAST: i16 = i16::MAX;
const FLAG: Part = Fixed(1);
const SHORT: Part = Fixed(2);
const INT: Part = Fixed(4);
const LONG: Part = Fixed(8);
const UUID: Part = Fixed(16);

const fn all(part: Part) -> Slot {
    Slot(0, LAST, part)
}

const fn from(version: i16, part: Part) -> Slot {
    Slot(version, LAST, part)
}

const fn until(version: i16, part: Part) -> Slot {
    Slot(0, version, part)
}

const PARTITION_INDEXES: Part = List(&INT);
const NAMED_PARTITIONS: Part = Rows(&[all(Text), all(PARTITION_INDEXES)]);

/// The shape of a request, or none for one that the broker does not answer.
fn shape(key: ApiKey) -> Option<&'static Shape> {
    [TRAFFIC, GROUP, TRANSACTION, ADMIN].into_iter().flatten().find(|shape| shape.key == key)
}

const fn of(key: ApiKey, flexible: i16, slots: &'static [Slot]) -> Shape {
    Shape { key, flexible, slots }
}

const FETCH_PARTITION: &[Slot] = &[all(INT), from(9, INT), all(LONG), from(12, INT), from(5, LONG), all(INT)];

const TRAFFIC: &[Shape] = &[
    of(
        ApiKey::Produce,
        9,
        &[all(Text), all(SHORT), all(INT), all(Rows(&[until(12, Text), from(13, UUID), all(Rows(&[all(INT), all(Blob)]))]))],
    ),
    of(
        ApiKey::Fetch,
        12,
        &[
            until(14, INT),
            all(INT),
            all(INT),
            all(INT),
            all(FLAG),
            from(7, INT),
            from(7, INT),
            all(Rows(&[until(12, Text), from(13, UUID), all(Rows(FETCH_PARTITION))])),
            from(7, Rows(&[until(12, Text), from(13, UUID), all(PARTITION_INDEXES)])),
            from(11, Text),
        ],
    ),
    of(
        ApiKey::ListOffsets,
        6,
        &[all(INT), from(2, FLAG), all(Rows(&[all(Text), all(Rows(&[all(INT), from(4, INT), all(LONG)]))])), from(10, INT)],
    ),
    of(ApiKey::OffsetForLeaderEpoch, 4, &[from(3, INT), all(Rows(&[all(Text), all(Rows(&[all(INT), all(INT), all(INT)]))]))]),
    of(ApiKey::Metadata, 9, &[all(Rows(&[from(10, UUID), all(Text)])), from(4, FLAG), Slot(8, 10, FLAG), from(8, FLAG)]),
    of(ApiKey::ApiVersions, 3, &[from(3, Text), from(3, Text)]),
    of(ApiKey::FindCoordinator, 3, &[until(3, Text), from(1, FLAG), from(4, List(&Text))]),
];

const GROUP_COMMIT: &[Slot] = &[all(INT), all(LONG), from(6, INT), all(Text)];

const GROUP: &[Shape] = &[
    of(
        ApiKey::OffsetCommit,
        8,
        &[all(Text), all(INT), all(Text), from(7, Text), until(4, LONG), all(Rows(&[all(Text), all(Rows(GROUP_COMMIT))]))],
    ),
    of(
        ApiKey::OffsetFetch,
        6,
        &[
            until(7, Text),
            until(7, NAMED_PARTITIONS),
            from(8, Rows(&[all(Text), from(9, Text), from(9, INT), all(NAMED_PARTITIONS)])),
            from(7, FLAG),
        ],
    ),
    of(
        ApiKey::JoinGroup,
        6,
        &[
            all(Text),
            all(INT),
            from(1, INT),
            all(Text),
            from(5, Text),
            all(Text),
            all(Rows(&[all(Text), all(Blob)])),
            from(8, Text),
        ],
    ),
    of(
        ApiKey::SyncGroup,
        4,
        &[all(Text), all(INT), all(Text), from(3, Text), from(5, Text), from(5, Text), all(Rows(&[all(Text), all(Blob)]))],
    ),
    of(ApiKey::Heartbeat, 4, &[all(Text), all(INT), all(Text), from(3, Text)]),
    of(ApiKey::LeaveGroup, 4, &[all(Text), until(2, Text), from(3, Rows(&[all(Text), all(Text), from(5, Text)]))]),
    of(ApiKey::DescribeGroups, 5, &[all(List(&Text)), from(3, FLAG)]),
    of(ApiKey::ListGroups, 3, &[from(4, List(&Text)), from(5, List(&Text))]),
    of(ApiKey::DeleteGroups, 2, &[all(List(&Text))]),
    of(ApiKey::OffsetDelete, LAST, &[all(Text), all(Rows(&[all(Text), all(Rows(&[all(INT)]))]))]),
];

const TRANSACTION_COMMIT: &[Slot] = &[all(INT), all(LONG), from(2, INT), all(Text)];

const TRANSACTION: &[Shape] = &[
    of(ApiKey::InitProducerId, 2, &[all(Text), all(INT), from(3, LONG), from(3, SHORT)]),
    of(ApiKey::AddPartitionsToTxn, 3, &[all(Text), all(LONG), all(SHORT), all(NAMED_PARTITIONS)]),
    of(ApiKey::AddOffsetsToTxn, 3, &[all(Text), all(LONG), all(SHORT), all(Text)]),
    of(ApiKey::EndTxn, 3, &[all(Text), all(LONG), all(SHORT), all(FLAG)]),
    of(
        ApiKey::TxnOffsetCommit,
        3,
        &[
            all(Text),
            all(Text),
            all(LONG),
            all(SHORT),
            from(3, INT),
            from(3, Text),
            from(3, Text),
            all(Rows(&[all(Text), all(Rows(TRANSACTION_COMMIT))])),
        ],
    ),
];

const NEW_TOPIC: &[Slot] =
    &[all(Text), all(INT), all(SHORT), all(Rows(&[all(INT), all(List(&INT))])), all(Rows(&[all(Text), all(Text)]))];

const ADMIN: &[Shape] = &[
    of(ApiKey::CreateTopics, 5, &[all(Rows(NEW_TOPIC)), all(INT), all(FLAG)]),
    of(ApiKey::DeleteTopics, 4, &[from(6, Rows(&[all(Text), all(UUID)])), until(5, List(&Text)), all(INT)]),
    of(ApiKey::CreatePartitions, 2, &[all(Rows(&[all(Text), all(INT), all(Rows(&[all(List(&INT))]))])), all(INT), all(FLAG)]),
    of(ApiKey::DeleteRecords, 2, &[all(Rows(&[all(Text), all(Rows(&[all(INT), all(LONG)]))])), all(INT)]),
    of(ApiKey::DescribeConfigs, 4, &[all(Rows(&[all(FLAG), all(Text), all(List(&Text))])), all(FLAG), from(3, FLAG)]),
    of(ApiKey::DescribeCluster, 0, &[all(FLAG), from(1, FLAG), from(2, FLAG)]),
];

/// Checks the body of a request (what follows its header) against its shape.
pub(in crate::broker) fn check(key: ApiKey, version: i16, body: &[u8]) -> Result<(), Misshapen> {
    let shape = shape(key).ok_or(Misshapen)?;
    let mut walk = Walk { rest: body, version, flexible: version >= shape.flexible };
    walk.row(shape.slots)
}

struct Walk<'a> {
    rest: &'a [u8],
    version: i16,
    flexible: bool,
}

impl Walk<'_> {
    fn row(&mut self, slots: &'static [Slot]) -> Result<(), Misshapen> {
        for Slot(first, last, part) in slots {
            if (*first..=*last).contains(&self.version) {
                self.part(part)?;
            }
        }
        if self.flexible { self.tagged_fields() } else { Ok(()) }
    }

    fn part(&mut self, part: &'static Part) -> Result<(), Misshapen> {
        match part {
            Fixed(bytes) => self.skip(*bytes),
            Text => {
                let length = if self.flexible { self.compact_length()? } else { Self::signed(i64::from(self.short()?))? };
                self.skip(length)
            }
            Blob => {
                let length = if self.flexible { self.compact_length()? } else { Self::signed(i64::from(self.int()?))? };
                self.skip(length)
            }
            List(element) => self.each(|walk| walk.part(element)),
            Rows(slots) => self.each(|walk| walk.row(slots)),
        }
    }

    /// Walks an array. Its count needs no check of its own: the bytes run out first.
    fn each(&mut self, mut element: impl FnMut(&mut Self) -> Result<(), Misshapen>) -> Result<(), Misshapen> {
        let count = if self.flexible { self.compact_length()? } else { Self::signed(i64::from(self.int()?))? };
        for _ in 0..count {
            element(self)?;
        }
        Ok(())
    }

    fn tagged_fields(&mut self) -> Result<(), Misshapen> {
        for _ in 0..self.varint()? {
            self.varint()?;
            let length = self.varint()? as usize;
            self.skip(length)?;
        }
        Ok(())
    }

    /// -1 means missing, which is as long as empty; less is nonsense.
    fn signed(length: i64) -> Result<usize, Misshapen> {
        if length == -1 { Ok(0) } else { usize::try_from(length).map_err(|_| Misshapen) }
    }

    fn compact_length(&mut self) -> Result<usize, Misshapen> {
        Ok((self.varint()? as usize).saturating_sub(1))
    }

    fn varint(&mut self) -> Result<u32, Misshapen> {
        let mut value = 0_u32;
        for index in 0..5 {
            let (byte, rest) = self.rest.split_first().ok_or(Misshapen)?;
            self.rest = rest;
            value |= u32::from(byte & 0x7f) << (index * 7);
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Misshapen)
    }

    fn short(&mut self) -> Result<i16, Misshapen> {
        self.take().map(i16::from_be_bytes)
    }

    fn int(&mut self) -> Result<i32, Misshapen> {
        self.take().map(i32::from_be_bytes)
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], Misshapen> {
        let (bytes, rest) = self.rest.split_first_chunk().ok_or(Misshapen)?;
        self.rest = rest;
        Ok(*bytes)
    }

    fn skip(&mut self, bytes: usize) -> Result<(), Misshapen> {
        self.rest = self.rest.get(bytes..).ok_or(Misshapen)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
