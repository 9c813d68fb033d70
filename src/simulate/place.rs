//! Who a device is and where it stands, computed from its number: nothing of it is kept, so a million devices cost no memory.

use super::digits::push_padded;
use super::random::split_mix;

const BUILDINGS: [&str; 10] =
    ["A栋", "Building_1", "B栋", "East Hall", "研发楼", "Warehouse", "动力中心", "Assembly", "C栋", "Paint Shop"];
const MODELS: [&str; 4] = ["IOT-SENSOR-V2", "IoT-Sensor-v1.0", "IOT-TEMP-V2", "EdgeSense-300"];
const FIRMWARES: [&str; 5] = ["1.2.3", "1.2.4", "1.3.0", "2.0.0", "2.0.1"];
const MAKERS: [&str; 3] = ["Industrial IoT Corp", "华控仪表", "Nordsensor"];
const NETWORKS: [&str; 4] = ["wifi", "lora", "ethernet", "4g"];
const DEVICES_PER_BUILDING: u32 = 500;
const FLOORS: u32 = 6;
const ROOMS_PER_FLOOR: u32 = 12;

/// Names for a whole fleet.
#[derive(Debug)]
pub(super) struct Places {
    buildings: Vec<String>,
    /// Digits of a device id: as many as the largest needs, at least four.
    id_width: usize,
}

/// One device's place and make.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'a> {
    pub(super) building: &'a str,
    pub(super) floor: i64,
    /// Two digits in the room's number after the floor: `301`.
    pub(super) room: i64,
    pub(super) zone: &'static str,
    pub(super) model: &'static str,
    pub(super) firmware: &'static str,
    pub(super) maker: &'static str,
    pub(super) network: &'static str,
}

impl Places {
    pub(super) fn new(devices: u32) -> Self {
        let count = devices.div_ceil(DEVICES_PER_BUILDING).max(4);
        let buildings = (0..count as usize).map(building_name).collect();
        let id_width = devices.saturating_sub(1).to_string().len().max(4);
        Self { buildings, id_width }
    }

    /// Appends `device_0042`.
    pub(super) fn push_id(&self, out: &mut String, device: u32) {
        let mut bytes = std::mem::take(out).into_bytes();
        bytes.extend_from_slice(b"device_");
        push_padded(&mut bytes, u64::from(device), self.id_width);
        *out = String::from_utf8(bytes).unwrap_or_default();
    }

    pub(super) fn of(&self, device: u32) -> Place<'_> {
        let count = u32::try_from(self.buildings.len()).unwrap_or(1);
        let (building, rest) = (device % count, device / count);
        let floor = rest % FLOORS + 1;
        let room = floor * 100 + rest / FLOORS % ROOMS_PER_FLOOR + 1;
        let mut seed = u64::from(device);
        let hash = split_mix(&mut seed);
        Place {
            building: &self.buildings[building as usize],
            floor: i64::from(floor),
            room: i64::from(room),
            zone: ["Zone_1", "Zone_2", "北区", "南区"][(room % 4) as usize],
            model: MODELS[(hash & 3) as usize],
            firmware: FIRMWARES[(hash >> 8) as usize % FIRMWARES.len()],
            maker: MAKERS[(hash >> 16) as usize % MAKERS.len()],
            network: NETWORKS[(hash >> 24 & 3) as usize],
        }
    }
}

fn building_name(n: usize) -> String {
    let name = BUILDINGS[n % BUILDINGS.len()];
    match n / BUILDINGS.len() {
        0 => name.to_owned(),
        more => format!("{name}-{}", more + 1),
    }
}
