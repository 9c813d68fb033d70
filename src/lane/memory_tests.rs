use std::path::Path;
use std::time::Duration;

use super::*;
use crate::config::{self, Machine};

#[test]
fn what_windows_can_reach_grows_with_partitions_devices_and_sensors() {
    let mut config =
        config::from_minimal(&["b:1".to_owned()], &["t".to_owned()], Path::new("/lake"), &Machine::with_cores(2)).unwrap();
    let plain = Reach::of(&config, 4);
    assert_eq!((plain.buffers, plain.devices_max, plain.partitions), (256 << 20, 100_000, 4));
    assert_eq!(plain.windows, plain.bytes_a_device * 400_000);
    assert_eq!(Reach::of(&config, 8).windows, 2 * plain.windows);
    config.windows.devices_max = 1_000;
    assert_eq!(Reach::of(&config, 4).windows, plain.windows / 100);
    config.windows.grace = Duration::from_mins(5);
    assert!(Reach::of(&config, 4).bytes_a_device > plain.bytes_a_device);
}

#[test]
fn a_warning_comes_where_both_together_are_too_much() {
    let reach = Reach { buffers: 100, windows: 900, devices_max: 9, partitions: 10, bytes_a_device: 10 };
    assert!(reach.exceeds(Some(999)) && !reach.exceeds(Some(1_000)) && !reach.exceeds(None));
    let huge = Reach { windows: u64::MAX, ..reach };
    assert!(huge.exceeds(Some(u64::MAX - 1)));
}
