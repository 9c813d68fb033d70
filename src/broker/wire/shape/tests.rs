use super::*;

fn text(text: &str) -> Vec<u8> {
    let mut out = u16::try_from(text.len()).unwrap().to_be_bytes().to_vec();
    out.extend_from_slice(text.as_bytes());
    out
}

fn int(value: i32) -> Vec<u8> {
    value.to_be_bytes().to_vec()
}

#[test]
fn a_request_that_holds_what_it_claims_passes() {
    let body = [int(2), text("a"), text("b")].concat();
    assert_eq!(check(ApiKey::Metadata, 1, &body), Ok(()));
    let everything = int(-1);
    assert_eq!(check(ApiKey::Metadata, 1, &everything), Ok(()));
}

#[test]
fn a_claim_beyond_the_bytes_fails() {
    let body = [int(3), text("a"), text("b")].concat();
    assert_eq!(check(ApiKey::Metadata, 1, &body), Err(Misshapen));
    assert_eq!(check(ApiKey::Metadata, 1, &int(i32::MAX)), Err(Misshapen));
    assert_eq!(check(ApiKey::Metadata, 1, &int(-2)), Err(Misshapen));
}

#[test]
fn varint_lengths_are_one_more_than_the_length() {
    // One topic, a UUID, the name "a", no tags; three flags' worth of version 10; no tags.
    let mut body = vec![2];
    body.extend_from_slice(&[0; 16]);
    body.extend_from_slice(&[2, b'a', 0, 1, 0, 0, 0]);
    assert_eq!(check(ApiKey::Metadata, 10, &body), Ok(()));
    body[0] = 3;
    assert_eq!(check(ApiKey::Metadata, 10, &body), Err(Misshapen));
    body[..5].copy_from_slice(&[0xff, 0xff, 0xff, 0xff, 0x0f]);
    assert_eq!(check(ApiKey::Metadata, 10, &body), Err(Misshapen));
}

#[test]
fn a_varint_without_end_fails() {
    assert_eq!(check(ApiKey::Metadata, 9, &[0xff; 32]), Err(Misshapen));
}

#[test]
fn tagged_fields_must_be_there() {
    // No topics; flags; one tag of which five bytes are claimed and two there.
    let body = [1, 0, 0, 0, 1, 0, 5, b'x', b'y'];
    assert_eq!(check(ApiKey::Metadata, 9, &body), Err(Misshapen));
    let body = [1, 0, 0, 0, 1, 0, 2, b'x', b'y'];
    assert_eq!(check(ApiKey::Metadata, 9, &body), Ok(()));
}

#[test]
fn an_unknown_request_has_no_shape() {
    assert_eq!(check(ApiKey::AlterConfigs, 0, &[]), Err(Misshapen));
}
