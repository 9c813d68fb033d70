//! Asking the program's HTTP server as Prometheus and a probe do.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// Status and body of an answer; None while nobody listens.
pub(crate) fn get(port: u16, path: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some((status, body.to_owned()))
}

/// The sum of all samples of a metric; None while nobody listens.
pub(crate) fn metric(port: u16, name: &str) -> Option<f64> {
    let (status, body) = get(port, "/metrics")?;
    assert_eq!(status, 200, "{body}");
    Some(sum(&body, name))
}

/// The sum of all samples of a metric in what `/metrics` answered.
pub(crate) fn sum(metrics: &str, name: &str) -> f64 {
    let is_sample = |line: &&str| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' ']));
    metrics.lines().filter(is_sample).filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
}

/// The numbers of the partitions that a process shows as its own, in order; empty while nobody listens.
pub(crate) fn partitions_of(port: u16) -> Vec<usize> {
    let Some((_, body)) = get(port, "/metrics") else { return Vec::new() };
    let lines = body.lines().filter(|line| line.starts_with("corelane_partition_position{"));
    let number = |line: &str| line.split("partition=\"").nth(1)?.split('"').next()?.parse().ok();
    let mut partitions: Vec<usize> = lines.filter_map(number).collect();
    partitions.sort_unstable();
    partitions
}
