//! Where it plays: broker or brokers, and the network between each process and them.

use std::time::Duration;

use crate::options::{KafkaKind, Options};
use crate::proxy::{Proxy, Weather};
use crate::schedule::World;
use crate::stage::{Kind, Stage};
use crate::support::kafka::ApacheKafka;

const PARTITIONS: i32 = 6;
/// A node that is gone is found to be so after this; Kafka's default is 9 s.
const NODE_SESSION: (&str, &str) = ("broker.session.timeout.ms", "3000");

pub(crate) struct Theatre {
    pub(crate) stage: Stage,
    /// None: the embedded broker, a process of the stage's.
    kafka: Option<ApacheKafka>,
    /// By seat and node.
    proxies: Vec<Vec<Proxy>>,
}

impl Theatre {
    /// Starts the brokers, with a network of its own for each of `seats` processes.
    pub(crate) fn open(options: &Options, seats: usize) -> Theatre {
        if options.kafka == KafkaKind::Embedded {
            return Theatre { stage: Stage::new(Kind::Embedded, "chaos", PARTITIONS), kafka: None, proxies: Vec::new() };
        }
        let kafka = ApacheKafka::start_with_seats(options.brokers, seats, &[NODE_SESSION]);
        let nodes = 1..=kafka.node_count();
        let start = |seat: usize, node: usize| {
            let route = kafka.route(node, seat);
            Proxy::start(route.advertised, route.listens)
        };
        let proxies = (0..seats).map(|seat| nodes.clone().map(|node| start(seat, node)).collect()).collect();
        Theatre { stage: Stage::on(&kafka, "chaos", PARTITIONS), kafka: Some(kafka), proxies }
    }

    /// What there is to break here.
    pub(crate) fn world(&self, options: &Options) -> World {
        let nodes = self.kafka.as_ref().map_or(0, ApacheKafka::node_count);
        World { only: options.only.clone(), processes: options.processes(), nodes, network: !self.proxies.is_empty() }
    }

    /// The brokers as the process of this seat reaches them; None: as everybody does.
    pub(crate) fn bootstrap(&self, seat: usize) -> Option<String> {
        let kafka = self.kafka.as_ref()?;
        let address = |node| format!("127.0.0.1:{}", kafka.route(node, seat).advertised);
        Some((1..=kafka.node_count()).map(address).collect::<Vec<_>>().join(","))
    }

    fn kafka(&self) -> &ApacheKafka {
        self.kafka.as_ref().expect("a schedule has no faults of brokers where there are none")
    }

    pub(crate) fn kill_broker(&self, node: usize) {
        self.kafka().kill9(node + 1);
    }

    pub(crate) fn end_broker(&self, node: usize) {
        self.kafka().terminate(node + 1);
    }

    /// Does not wait until it serves: that is a part of the recovery, and others are to be healed meanwhile.
    pub(crate) fn start_broker(&self, node: usize) {
        self.kafka().restart_without_waiting(node + 1);
    }

    pub(crate) fn stall_broker(&self, node: usize) {
        self.kafka().stop_signal(node + 1);
    }

    pub(crate) fn wake_broker(&self, node: usize) {
        self.kafka().continue_signal(node + 1);
    }

    /// The network of one process, to all brokers.
    pub(crate) fn set_weather(&self, seat: usize, weather: Weather) {
        self.proxies[seat].iter().for_each(|proxy| proxy.set(weather));
    }
}

/// As late as a network across a continent and back, several times over; requests are split into several pieces.
pub(crate) fn delay(detail: u64) -> Weather {
    Weather::Slow(Duration::from_millis(30 + detail % 170))
}
