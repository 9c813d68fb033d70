//! Whose turn it is, and when. Every device sends once a round, in an order that mixes the numbers.

use super::options::Clock;

/// Between two messages of one device at least, where the wall clock decides, µs: its readings must differ in time.
const ROUND_US_MIN: i64 = 2_000;

/// The order of the fleet in time.
#[derive(Debug)]
pub(super) struct Rota {
    devices: u32,
    interval_us: i64,
    clock: Clock,
    round: i64,
    /// Place within the round.
    place: u32,
    /// Coprime to the number of devices, so that its multiples visit each of them once.
    stride: u32,
    device: u32,
    wall_us: i64,
    /// With the wall clock: no message of this round is stamped earlier.
    round_from_us: i64,
    last_us: i64,
}

impl Rota {
    pub(super) fn new(devices: u32, interval_us: u64, clock: Clock) -> Self {
        Self {
            devices,
            interval_us: i64::try_from(interval_us).unwrap_or(i64::MAX),
            clock,
            round: 0,
            place: 0,
            stride: stride_of(devices),
            device: 0,
            wall_us: 0,
            round_from_us: 0,
            last_us: 0,
        }
    }

    pub(super) fn follows_wall(&self) -> bool {
        self.clock == Clock::Wall
    }

    pub(super) fn set_wall(&mut self, now_us: i64) {
        self.wall_us = self.wall_us.max(now_us);
    }

    pub(super) fn wall_us(&self) -> i64 {
        self.wall_us
    }

    pub(super) fn device(&self) -> u32 {
        self.device
    }

    /// When the device whose turn it is sends, µs.
    pub(super) fn due_us(&mut self) -> i64 {
        self.last_us = match self.clock {
            Clock::Schedule { start_ms } => {
                // At most 10^7 devices times 10^11 µs: it fits.
                let part = i64::from(self.place) * self.interval_us / i64::from(self.devices);
                start_ms * 1_000 + self.round * self.interval_us + part
            }
            Clock::Wall => self.wall_us.max(self.round_from_us),
        };
        self.last_us
    }

    pub(super) fn advance(&mut self) {
        self.place += 1;
        if self.place == self.devices {
            self.place = 0;
            self.round += 1;
            self.device = 0;
            self.round_from_us = self.last_us + ROUND_US_MIN;
            return;
        }
        let next = u64::from(self.device) + u64::from(self.stride);
        self.device = u32::try_from(next % u64::from(self.devices)).unwrap_or(0);
    }
}

/// About the golden section of the fleet, moved up to the next number that shares no factor with it.
fn stride_of(devices: u32) -> u32 {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // less than the number of devices
    let start = (f64::from(devices) * 0.618_033_988_749_895) as u32;
    (start.max(1)..=devices.max(1)).find(|&stride| greatest_common_divisor(stride, devices) == 1).unwrap_or(1)
}

fn greatest_common_divisor(mut a: u32, mut b: u32) -> u32 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}
