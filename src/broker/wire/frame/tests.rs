use super::*;

fn framed(key: i16, rest: &[u8]) -> Vec<u8> {
    let mut frame = u32::try_from(rest.len() + 8).unwrap().to_be_bytes().to_vec();
    frame.extend_from_slice(&key.to_be_bytes());
    frame.extend_from_slice(&3_i16.to_be_bytes());
    frame.extend_from_slice(&77_i32.to_be_bytes());
    frame.extend_from_slice(rest);
    frame
}

#[test]
fn frames_follow_each_other() {
    let stream = [framed(3, b"\xff\xffone"), framed(18, b"\xff\xff")].concat();
    let mut input = stream.as_slice();
    let (head, frame) = read(&mut input).unwrap().unwrap();
    assert_eq!((head.key, head.version, head.correlation), (ApiKey::Metadata, 3, 77));
    assert_eq!(&frame[8..], b"\xff\xffone");
    assert_eq!(read(&mut input).unwrap().unwrap().0.key, ApiKey::ApiVersions);
    assert!(read(&mut input).unwrap().is_none());
}

#[test]
fn a_cut_frame_is_an_error() {
    let frame = framed(3, b"\xff\xffone");
    for cut in 1..frame.len() {
        assert!(matches!(read(&mut &frame[..cut]), Err(Refusal::Io(_))), "cut at {cut}");
    }
}

#[test]
fn what_is_no_frame_is_refused_before_it_is_read() {
    let unknown = framed(9999, b"\xff\xff");
    assert!(matches!(read(&mut unknown.as_slice()), Err(Refusal::Frame { key: 9999, .. })));
    let mut large = framed(3, b"\xff\xff");
    large[..4].copy_from_slice(&(17_u32 << 20).to_be_bytes());
    assert!(matches!(read(&mut large.as_slice()), Err(Refusal::Frame { .. })));
    let small = framed(3, b"");
    assert!(matches!(read(&mut [small, vec![0; 8]].concat().as_slice()), Err(Refusal::Frame { bytes: 8, .. })));
}

/// Takes three bytes a call.
struct Slow(Vec<u8>);

impl Write for Slow {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let some = bytes.len().min(3);
        self.0.extend_from_slice(&bytes[..some]);
        Ok(some)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn pieces_arrive_whole_and_in_order() {
    let pieces: Vec<Bytes> = (0..3000_u32).map(|number| Bytes::from(number.to_string())).collect();
    let whole: Vec<u8> = pieces.iter().flatten().copied().collect();
    let mut out = Slow(Vec::new());
    write(&mut out, Reply::Pieces(pieces)).unwrap();
    assert_eq!(out.0[..4], u32::try_from(whole.len()).unwrap().to_be_bytes());
    assert_eq!(out.0[4..], whole);
}

#[test]
fn nothing_is_nothing() {
    let mut out = Slow(Vec::new());
    write(&mut out, Reply::Nothing).unwrap();
    assert!(out.0.is_empty());
}
