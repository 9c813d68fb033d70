//! Random groups: what the stages of a lane wrote holds, whatever came, and however often it began anew. So the audit's own definitions and
//! the stages, which share no code, say the same to the last bit.
//! `CORELANE_CASES` and `CORELANE_SEED` ask for other cases (`crate::batch::seeds`).

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};

use super::fleet::heartbeat;
use super::world::{BEGIN_MS, World};
use crate::audit::{FindingKind, Verdict};
use crate::batch::seeds;
use crate::journey::measure::Windows;

fn message(random: &mut SmallRng, now_ms: i64) -> Value {
    // On time, late, early, untrusted both ways.
    let behind = [0, 300, 2_500, 9_000, 25_000, -3_000, -60_000, 7_200_000];
    let weights = [30, 30, 20, 8, 6, 4, 1, 1];
    let mut pick = random.random_range(0..weights.iter().sum::<u32>());
    let mut at = 0;
    while pick >= weights[at] {
        pick -= weights[at];
        at += 1;
    }
    let time_ms = now_ms - behind[at] - random.random_range(0..500);
    let mut sensors = serde_json::Map::new();
    let value = |random: &mut SmallRng| match random.random_range(0..20) {
        0 => json!("n/a"),
        1 => json!(5_000.0),
        2 => json!(-0.0),
        3 => json!(0),
        _ => json!(random.random_range(-40.0..120.0)),
    };
    for name in ["temperature", "humidity", "pressure"] {
        if random.random_range(0..4) > 0 {
            let unit = if name == "temperature" && random.random_range(0..5) == 0 { "K" } else { "" };
            let status = if random.random_range(0..15) == 0 { "fault" } else { "normal" };
            sensors.insert(name.to_owned(), json!({"value": value(random), "unit": unit, "status": status}));
        }
    }
    if random.random_range(0..2) == 0 {
        sensors.insert("switch_status".to_owned(), json!({"value": random.random_range(0..2) == 0}));
    }
    let mut message = json!({"device_id": format!("d{}", random.random_range(0..6)), "timestamp": time_ms, "sensors": sensors});
    match random.random_range(0..6) {
        0 => {}
        1 => message["location"] = json!({"building": "B", "room": "1"}),
        2 => message["location"] = json!({"floor": random.random_range(-1..2)}),
        _ => message["location"] = json!({"building": "A", "floor": 2, "room": "7"}),
    }
    message
}

fn act(world: &mut World, random: &mut SmallRng, now_ms: &mut i64, last: &mut [Value; 2]) {
    let partition = random.random_range(0..2);
    let slot = usize::try_from(partition).unwrap();
    match random.random_range(0..100) {
        0..70 => {
            *now_ms += random.random_range(0..1_500);
            last[slot] = message(random, *now_ms);
            world.send(partition, &last[slot], *now_ms - random.random_range(0..800));
        }
        70..76 => world.send(partition, &last[slot].clone(), *now_ms),
        76..79 => world.send(partition, &heartbeat(*now_ms), *now_ms),
        79..82 => world.send_bytes(partition, b"{".to_vec(), *now_ms),
        82..84 => world.skip(partition),
        84..93 => drop(world.epoch()),
        93..95 => drop(world.epoch_of(|wanted| wanted == partition)),
        95 => drop(world.drain()),
        96 | 97 => {
            world.discard();
            world.restart(world.windows);
        }
        _ => {
            world.discard();
            let windows = Windows {
                size_ms: [5_000, 10_000, 15_000][random.random_range(0..3)],
                rolling: random.random_range(1..5),
                devices_max: if random.random_range(0..4) == 0 { 3 } else { 100 },
                ..world.windows
            };
            world.restart(windows);
        }
    }
}

/// The world, and whether all of it could be seen.
fn run(seed: u64) -> World {
    let mut random = SmallRng::seed_from_u64(seed);
    let mut world = World::new();
    let mut now_ms = BEGIN_MS;
    let mut last = [heartbeat(now_ms), heartbeat(now_ms)];
    for _ in 0..[40, 120, 250][usize::try_from(seed % 3).unwrap()] {
        act(&mut world, &mut random, &mut now_ms, &mut last);
    }
    world.epoch();
    world
}

#[test]
fn whatever_came_holds() {
    let (mut cases, mut rows, mut holds) = (0, 0, 0);
    for seed in seeds(120) {
        cases += 1;
        let world = run(seed);
        let report = world.audit();
        rows += report.looked.aggregates + report.looked.groups;
        match report.verdict() {
            Verdict::Holds => holds += 1,
            // Rows that say that they are partial cannot be told.
            Verdict::Unchecked if world.is_partial => {
                let kinds: Vec<_> = report.findings.totals().keys().collect();
                assert_eq!(kinds, [&FindingKind::WindowsUnchecked], "CORELANE_SEED={seed}: {:#?}", report.findings);
            }
            _ => panic!("CORELANE_SEED={seed}: {:#?}", report.findings),
        }
    }
    println!("{cases} groups: {rows} rows recomputed, {holds} hold");
    // A search that meets nothing proves nothing.
    assert!(cases < 50 || (rows > cases * 100 && holds * 2 > cases));
}
