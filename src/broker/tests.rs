use super::*;

#[test]
fn a_taken_port_is_told_with_its_address() {
    let first = Broker::start(BrokerOptions::default()).unwrap();
    let options = BrokerOptions { listen: first.address(), ..BrokerOptions::default() };
    let error = Broker::start(options).unwrap_err();
    assert!(matches!(error, BrokerError::Listen { .. }));
    assert!(error.to_string().contains(&first.address().to_string()), "{error}");
}

#[test]
fn topics_are_created_before_any_client_comes() {
    let broker = Broker::start(BrokerOptions::default()).unwrap();
    broker.create_topic("t", 3, &[("retention.ms", "60000")]).unwrap();
    for (name, partitions, settings, about) in [
        ("t", 3, &[][..], "exists already"),
        ("a b", 1, &[], "a name has"),
        ("u", 0, &[], "partitions"),
        ("u", 1, &[("retention.days", "1")], "retention.days"),
    ] {
        let error = broker.create_topic(name, partitions, settings).unwrap_err().to_string();
        assert!(error.to_lowercase().contains(about) && error.contains(name), "{error}");
    }
}

#[test]
fn each_start_is_another_cluster() {
    let brokers = [(); 2].map(|()| Broker::start(BrokerOptions::default()).unwrap());
    assert_ne!(brokers[0].cluster_id(), brokers[1].cluster_id());
    assert_eq!(brokers[0].cluster_id().len(), 22);
}

#[test]
fn a_broker_on_all_addresses_stops_too() {
    let listen = SocketAddr::from(([0, 0, 0, 0], 0));
    let broker = Broker::start(BrokerOptions { listen, ..BrokerOptions::default() }).unwrap();
    let local = SocketAddr::from(([127, 0, 0, 1], broker.address().port()));
    drop(broker);
    assert!(std::net::TcpStream::connect(local).is_err());
}
