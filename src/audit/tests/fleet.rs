//! What the devices of a small group send.

use std::fs;
use std::path::Path;
use std::sync::OnceLock;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::kafka::Kafka;
use super::world::{BEGIN_MS, World, scratch};

/// A reading of device `device` as its gateway sends it.
pub(in crate::audit) fn reading(device: usize, time_ms: i64, temperature: f64) -> Value {
    json!({
        "device_id": format!("device_{device}"),
        "timestamp": time_ms,
        "location": {"building": if device.is_multiple_of(2) { "A" } else { "B" }, "floor": device, "room": "301"},
        "sensors": {
            "temperature": {"value": temperature, "unit": "°C", "status": "normal"},
            "humidity": {"value": 40.0 + temperature / 7.0, "unit": "%", "status": "normal"},
            "switch_status": {"value": temperature > 20.5, "status": "on"},
        },
    })
}

/// A heartbeat, which is an event.
pub(in crate::audit) fn heartbeat(time_ms: i64) -> Value {
    json!({"message_id": "m", "message_type": "heartbeat", "timestamp": time_ms, "source": "gateway", "payload": {"status": "ok"}})
}

/// A minute of three devices on each partition, in four epochs: readings, events, rejects, a marker, late and early readings, repeats,
/// values out of range; windows on time and not, some still open. Made once, and copied: what a lane stages it fsyncs.
pub(in crate::audit) fn minute() -> World {
    static FIRST: OnceLock<(TempDir, Kafka)> = OnceLock::new();
    let (lake, kafka) = FIRST.get_or_init(|| {
        let World { dir, kafka, .. } = fresh_minute();
        (dir, kafka)
    });
    let dir = scratch();
    copy_all(lake.path(), dir.path());
    let mut world = World::at(dir);
    world.kafka = kafka.clone();
    world.discard();
    world.restart(world.windows);
    world
}

fn copy_all(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let from = entry.unwrap().path();
        let to = to.join(from.file_name().unwrap());
        if from.is_dir() {
            fs::create_dir(&to).unwrap();
            copy_all(&from, &to);
        } else {
            fs::copy(from, to).unwrap();
        }
    }
}

fn fresh_minute() -> World {
    let mut world = World::new();
    for second in 0..60_i64 {
        let now = BEGIN_MS + second * 1_000;
        for partition in 0..2 {
            for device in 0..3_usize {
                let wave = (second * 37 + i64::try_from(device).unwrap() * 11 + i64::from(partition)) % 29;
                world.send(partition, &reading(device, now - 300, 19.0 + wave as f64 / 9.7), now);
            }
        }
        match second % 10 {
            2 => world.send(0, &heartbeat(now), now),
            3 => world.send_bytes(1, b"{broken".to_vec(), now),
            4 => world.skip(0),
            5 => world.send(1, &reading(7, now - 30_000, 21.3), now),
            6 => world.send(0, &reading(8, now + 3_900, 22.3), now),
            7 => world.send(0, &reading(1, now, 900.0), now),
            8 => {
                world.send(1, &reading(2, now, 20.0), now);
                world.send(1, &reading(2, now, 20.0), now);
            }
            _ => {}
        }
        if second % 15 == 14 {
            world.epoch();
        }
    }
    world
}

/// Something to stage.
pub(in crate::audit) fn more(world: &mut World) {
    for second in 60..63 {
        world.send(0, &reading(1, BEGIN_MS + second * 1_000, 20.0), BEGIN_MS + second * 1_000);
    }
}
