//! Frames: what a request's header says, and what goes back.

use std::io::{self, IoSlice, Read, Write};

use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::messages::ApiKey;

/// The largest request of a producer (Kafka's `socket.request.max.bytes`).
const PRODUCE_BYTES_MAX: usize = 100 << 20;
/// The largest other request: a hundred thousand partitions in one offset commit stay below. Keeps what a decoded message can
/// take in bounds, rows of a few bytes become structs of a hundred.
const OTHER_BYTES_MAX: usize = 16 << 20;
/// Room made for a frame before its bytes are there.
const RESERVE_BYTES_MAX: usize = 1 << 20;
/// Slices a call of `writev` takes (IOV_MAX of Linux).
const SLICES_MAX: usize = 1024;

/// The first eight bytes of every request.
#[derive(Clone, Copy, Debug)]
pub(in crate::broker) struct Head {
    pub(in crate::broker) key: ApiKey,
    pub(in crate::broker) version: i16,
    pub(in crate::broker) correlation: i32,
}

/// What goes back to the client.
#[derive(Debug)]
pub(in crate::broker) enum Reply {
    /// Header and body in one piece.
    Whole(BytesMut),
    /// The same in pieces, record batches among them as they lie in the log.
    Pieces(Vec<Bytes>),
    /// Nothing: a producer that asked for no acknowledgement.
    Nothing,
}

/// Why a connection is closed.
#[derive(Debug, thiserror::Error)]
pub(in crate::broker) enum Refusal {
    #[error("the connection failed")]
    Io(#[from] io::Error),
    #[error("a frame of {bytes} bytes with API key {key}: not a request of Kafka, or larger than this broker takes")]
    Frame { bytes: usize, key: i16 },
    #[error("API key {key} version {version} was never offered")]
    NotOffered { key: i16, version: i16 },
    #[error("a {key:?} request of version {version} that its own counts and lengths contradict")]
    Malformed { key: ApiKey, version: i16 },
    #[error("a response to {key:?} version {version} could not be encoded")]
    Unencodable { key: ApiKey, version: i16 },
}

/// Reads one request: its head and the whole frame, or none at the end of the stream.
pub(in crate::broker) fn read(stream: &mut impl Read) -> Result<Option<(Head, Bytes)>, Refusal> {
    let mut start = [0; 12];
    let mut have = 0;
    while have < start.len() {
        match stream.read(&mut start[have..]) {
            Ok(0) if have == 0 => return Ok(None),
            Ok(0) => return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
            Ok(read) => have += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    }
    let [l0, l1, l2, l3, k0, k1, v0, v1, c0, c1, c2, c3] = start;
    let bytes = u32::from_be_bytes([l0, l1, l2, l3]) as usize;
    let (key, version) = (i16::from_be_bytes([k0, k1]), i16::from_be_bytes([v0, v1]));
    let known = ApiKey::try_from(key).map_err(|()| Refusal::Frame { bytes, key })?;
    let bytes_max = if known == ApiKey::Produce { PRODUCE_BYTES_MAX } else { OTHER_BYTES_MAX };
    // Eight bytes of head, and two for the client id that every header has.
    if !(10..=bytes_max).contains(&bytes) {
        return Err(Refusal::Frame { bytes, key });
    }
    let mut frame = Vec::with_capacity(bytes.min(RESERVE_BYTES_MAX));
    frame.extend_from_slice(&start[4..]);
    let rest = bytes - frame.len();
    if stream.take(rest as u64).read_to_end(&mut frame)? < rest {
        return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
    }
    let head = Head { key: known, version, correlation: i32::from_be_bytes([c0, c1, c2, c3]) };
    Ok(Some((head, Bytes::from(frame))))
}

/// Writes one response, with its length in front.
pub(in crate::broker) fn write(stream: &mut impl Write, reply: Reply) -> io::Result<()> {
    match reply {
        Reply::Nothing => Ok(()),
        Reply::Whole(body) => write_pieces(stream, &[length(body.len())?, body.freeze()]),
        Reply::Pieces(mut pieces) => {
            let total = pieces.iter().map(Bytes::len).sum();
            pieces.insert(0, length(total)?);
            write_pieces(stream, &pieces)
        }
    }
}

fn length(bytes: usize) -> io::Result<Bytes> {
    let bytes = i32::try_from(bytes).map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?;
    Ok(Bytes::copy_from_slice(&bytes.to_be_bytes()))
}

fn write_pieces(stream: &mut impl Write, pieces: &[Bytes]) -> io::Result<()> {
    for some in pieces.chunks(SLICES_MAX) {
        let mut slices: Vec<IoSlice<'_>> = some.iter().map(|piece| IoSlice::new(piece)).collect();
        let mut left = slices.as_mut_slice();
        while !left.is_empty() {
            match stream.write_vectored(left) {
                Ok(0) if left.iter().all(|slice| slice.is_empty()) => break,
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => IoSlice::advance_slices(&mut left, written),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(())
}

/// Writes the header of a response. Version 1 ends with (no) tagged fields.
pub(in crate::broker) fn put_header(out: &mut BytesMut, head: Head) {
    out.put_i32(head.correlation);
    if head.key.response_header_version(head.version) >= 1 {
        out.put_u8(0);
    }
}

#[cfg(test)]
mod tests;
