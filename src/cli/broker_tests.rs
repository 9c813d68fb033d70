use clap::Parser;

use super::*;

#[derive(Debug, Parser)]
struct Line {
    #[command(flatten)]
    args: Args,
}

fn parse(arguments: &[&str]) -> Result<Args, String> {
    let line = Line::try_parse_from(std::iter::once(&"broker").chain(arguments));
    line.map(|line| line.args).map_err(|error| error.to_string())
}

#[test]
fn without_arguments_it_is_kafka_on_its_usual_port() {
    let args = parse(&[]).unwrap();
    assert_eq!(args.listen, SocketAddr::from(([127, 0, 0, 1], 9092)));
    assert_eq!((args.partitions, args.memory, args.auto_create), (4, 512 << 20, false));
    assert!(args.topics.is_empty());
}

#[test]
fn topics_have_names_partitions_and_settings() {
    let args = parse(&["--topic", "a", "--topic", "b:8", "--topic", "c:1,retention.ms=5,cleanup.policy=compact"]).unwrap();
    let setting = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let expected = [
        NewTopic { name: "a".to_owned(), partitions: None, settings: vec![] },
        NewTopic { name: "b".to_owned(), partitions: Some(8), settings: vec![] },
        NewTopic {
            name: "c".to_owned(),
            partitions: Some(1),
            settings: vec![setting("retention.ms", "5"), setting("cleanup.policy", "compact")],
        },
    ];
    assert_eq!(args.topics, expected);
}

#[test]
fn wrong_arguments_say_what_is_right() {
    for (arguments, remedy) in [
        (["--topic", "a:many"], "NAME:4"),
        (["--topic", "a:4,compact"], "retention.ms=60000"),
        (["--memory", "4GB"], "KiB, MiB or GiB"),
        (["--memory", "lots"], "is no"),
        (["--memory", "1KiB"], "1MiB"),
        (["--partitions", "0"], "1..=10000"),
    ] {
        let error = parse(&arguments).unwrap_err();
        assert!(error.contains(remedy), "{arguments:?}: {error}");
    }
}

#[test]
fn sizes_have_units() {
    assert_eq!(parse_size("2GiB"), Ok(2 << 30));
    assert_eq!(parse_size("64MiB"), Ok(64 << 20));
    assert_eq!(parse_size("2048KiB"), Ok(2 << 20));
    assert_eq!(parse_size("5000000"), Ok(5_000_000));
}
