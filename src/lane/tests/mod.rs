//! Lanes without Kafka, disk, threads or sleep: each poll of a lane's future is one turn of its loop.

mod bad_times;
mod canary;
mod handover;
mod measured;
mod play;
mod property;
mod scenarios;
mod step;
mod world;

/// The two floors may not import each other; here both are below.
#[test]
fn what_the_clients_protect_the_configuration_refuses() {
    for (name, reason) in crate::kafka::PROTECTED_PROPERTIES {
        assert!(crate::config::protected_property(name).is_some(), "{name}: {reason}");
    }
}

#[test]
fn configuration_and_lake_have_one_limit_of_a_writers_name() {
    assert_eq!(crate::config::WRITER_LENGTH_MAX, crate::lake::WRITER_LENGTH_MAX);
}
