//! One client's connection: a request, its response, the next request. Kafka answers in order, and so does this.

use std::io::BufReader;
use std::net::TcpStream;
use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::messages::RequestHeader;
use kafka_protocol::protocol::Decodable as _;

use super::calls::{self, Client};
use super::state::Shared;
use super::wire::frame::{self, Head, Refusal, Reply};
use super::wire::shape;

/// A client that does not take its responses for so long is gone.
const WRITE_TIMEOUT: Duration = Duration::from_mins(1);
const READ_BUFFER_BYTES: usize = 16 << 10;

/// Serves a connection until either side closes it. What the broker does not understand closes it too, as in Kafka.
pub(super) fn serve(shared: &Shared, stream: TcpStream) {
    if let Err(refusal) = converse(shared, &stream) {
        match refusal {
            // Clients come and go.
            Refusal::Io(_) => {}
            other => tracing::warn!(peer = ?stream.peer_addr().ok(), "connection closed: {other}"),
        }
    }
}

fn converse(shared: &Shared, stream: &TcpStream) -> Result<(), Refusal> {
    stream.set_nodelay(true)?;
    stream.set_write_timeout(Some(WRITE_TIMEOUT))?;
    let mut client = Client { local: stream.local_addr()?, host: stream.peer_addr()?.ip().to_string(), id: String::new() };
    let mut input = BufReader::with_capacity(READ_BUFFER_BYTES, stream);
    let mut output = stream;
    while let Some((head, frame)) = frame::read(&mut input)? {
        let reply = answer(shared, &mut client, head, frame)?;
        frame::write(&mut output, reply)?;
    }
    Ok(())
}

fn answer(shared: &Shared, client: &mut Client, head: Head, mut frame: Bytes) -> Result<Reply, Refusal> {
    if !calls::is_offered(head) {
        return calls::not_offered(head);
    }
    let malformed = || Refusal::Malformed { key: head.key, version: head.version };
    let header = RequestHeader::decode(&mut frame, head.key.request_header_version(head.version)).map_err(|_| malformed())?;
    client.id = header.client_id.map(|id| id.to_string()).unwrap_or_default();
    shape::check(head.key, head.version, &frame).map_err(|_| malformed())?;
    calls::answer(shared, client, head, frame)
}
