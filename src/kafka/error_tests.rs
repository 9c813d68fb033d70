use super::*;

fn class(fatal: bool, abortable: bool, retriable: bool) -> TxClass {
    ErrorFlags { fatal, abortable, retriable }.class()
}

#[test]
fn the_flags_tell_what_to_do() {
    assert_eq!(class(true, false, false), TxClass::Renew);
    assert_eq!(class(false, true, false), TxClass::Abort);
    assert_eq!(class(false, false, true), TxClass::Retry);
    // The worse one wins: a retry of what must be aborted is fatal.
    assert_eq!(class(false, true, true), TxClass::Abort);
    assert_eq!(class(true, true, true), TxClass::Renew);
    // No flag: the call does not fit the producer's state.
    assert_eq!(class(false, false, false), TxClass::Renew);
}

#[test]
fn an_error_of_librdkafka_is_copied_out_and_destroyed() {
    let text = c"it is %s";
    // SAFETY: the format has one argument, a C string; the error is handed over.
    let error = unsafe {
        NativeError::take(sys::rd_kafka_error_new(
            RDKafkaRespErr::RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION,
            text.as_ptr(),
            c"late".as_ptr(),
        ))
    };
    let error = error.unwrap();
    assert_eq!((error.code, error.name.as_str(), error.text.as_str()), (22, "ILLEGAL_GENERATION", "it is late"));
    assert_eq!(error.into_tx("commit").to_string(), "commit failed: ILLEGAL_GENERATION: it is late");
    // SAFETY: null is success.
    assert_eq!(unsafe { NativeError::take(std::ptr::null_mut()) }, None);
}

#[test]
fn errors_carry_their_remedy() {
    let missing = KafkaError::TopicMissing { topic: "device-data".into() }.to_string();
    assert!(missing.contains("corelane topics create device-data"), "{missing}");
    let busy = KafkaError::GroupHasMembers { group: "g".into() }.to_string();
    assert!(busy.contains("stop all its instances"), "{busy}");
}
