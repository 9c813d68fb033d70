use super::*;

fn settings() -> ClientSettings {
    ClientSettings { brokers: vec!["a:1".into(), "b:2".into()], client_id: "x".into(), ..ClientSettings::default() }
}

#[test]
fn the_table_then_the_user_then_what_is_fixed() {
    let mut client = settings();
    client.properties.insert("session.timeout.ms".into(), "45000".into());
    let config = client.config(Role::Lane, &[("group.id", "g")]).unwrap();
    assert_eq!(config.get("bootstrap.servers"), Some("a:1,b:2"));
    assert_eq!(config.get("session.timeout.ms"), Some("45000"));
    assert_eq!(config.get("fetch.queue.backoff.ms"), Some("5"));
    assert_eq!(config.get("auto.offset.reset"), Some("error"));
    assert_eq!(config.get("group.id"), Some("g"));
}

#[test]
fn protected_properties_are_refused_by_name_and_with_the_reason() {
    for (name, reason) in PROTECTED_PROPERTIES {
        let mut client = settings();
        client.properties.insert((*name).to_owned(), "x".into());
        let refused = client.config(Role::Lane, &[]).unwrap_err().to_string();
        assert!(refused.contains(name) && refused.contains(reason), "{refused}");
    }
}

#[test]
fn every_setting_is_one_that_librdkafka_takes() {
    for role in [Role::Lane, Role::LaneProducer, Role::PlainProducer, Role::Judge, Role::Admin] {
        let config = settings().config(role, &[("group.id", "g")]).unwrap();
        let native = config.create_native_config().unwrap_or_else(|error| panic!("{role:?}: {error}"));
        for setting in role.settings().iter().filter(|setting| setting.name != "allow.auto.create.topics") {
            assert_eq!(native.get(setting.name).unwrap(), setting.value, "{role:?} {}", setting.name);
        }
    }
}

#[test]
fn no_setting_or_protection_stands_twice() {
    for role in [Role::Lane, Role::LaneProducer, Role::PlainProducer, Role::Judge, Role::Admin] {
        let mut names: Vec<_> = EVERY_CLIENT.iter().chain(role.settings()).map(|setting| setting.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), EVERY_CLIENT.len() + role.settings().len(), "{role:?}");
    }
    assert!(PROTECTED_PROPERTIES.windows(2).all(|pair| pair[0].0 != pair[1].0));
}

#[test]
fn secrets_are_not_printed() {
    let mut client = settings();
    client.security.insert("sasl.password".into(), "hunter2".into());
    let printed = format!("{client:?}");
    assert!(printed.contains("sasl.password") && !printed.contains("hunter2"), "{printed}");
}
