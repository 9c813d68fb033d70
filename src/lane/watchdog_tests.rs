use super::*;

const TIMEOUT: Duration = Duration::from_secs(10);

fn at(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn watchdog() -> Watchdog {
    Watchdog::new(TIMEOUT, at(0))
}

fn sight(partition: i32, position: i64, has_more: bool) -> Sight {
    Sight { source: TopicPartition::new("device-data", partition), position, has_more }
}

/// Looks once a second from `from` up to and without `until`, and gives the second and the reason of the first stall.
fn first_stall(dog: &mut Watchdog, from: u64, until: u64, see: impl Fn(u64) -> (bool, Vec<Sight>)) -> Option<(u64, String)> {
    (from..until).find_map(|second| {
        let (flows, sights) = see(second);
        dog.look(at(second), flows, &sights).map(|reason| (second, reason))
    })
}

#[test]
fn a_partition_that_moves_is_let_alone_however_slowly_it_moves() {
    // One message in nine seconds.
    let see = |second: u64| (true, vec![sight(0, (second / 9).cast_signed(), true)]);
    assert_eq!(first_stall(&mut watchdog(), 0, 100, see), None);
}

#[test]
fn a_partition_that_stands_before_its_end_is_named_when_the_time_is_up_and_not_before() {
    let see = |second: u64| (true, vec![sight(0, second.cast_signed(), true), sight(1, 7, true)]);
    let (second, reason) = first_stall(&mut watchdog(), 0, 100, see).unwrap();
    assert_eq!(second, TIMEOUT.as_secs());
    assert_eq!(reason, "device-data[1] stands at offset 7 for 10 s although there is more to read");
}

#[test]
fn the_time_counts_from_the_last_move() {
    let see = |second: u64| (true, vec![sight(0, second.min(30).cast_signed(), true)]);
    assert_eq!(first_stall(&mut watchdog(), 0, 100, see).unwrap().0, 30 + TIMEOUT.as_secs());
}

#[test]
fn a_partition_at_its_end_may_stand_for_ever_and_its_time_begins_when_there_is_more() {
    let mut dog = watchdog();
    assert_eq!(first_stall(&mut dog, 0, 100, |_| (true, vec![sight(0, 7, false)])), None);
    let (second, _) = first_stall(&mut dog, 100, 200, |_| (true, vec![sight(0, 7, true)])).unwrap();
    // The last look at the end was at 99.
    assert_eq!(second, 99 + TIMEOUT.as_secs());
}

#[test]
fn a_lane_that_holds_the_flow_back_is_let_alone_and_its_time_begins_anew() {
    let mut dog = watchdog();
    let see = |second: u64| (!(5..50).contains(&second), vec![sight(0, 7, true)]);
    assert_eq!(first_stall(&mut dog, 0, 100, see).unwrap().0, 50 + TIMEOUT.as_secs());
}

#[test]
fn a_partition_that_was_away_begins_anew_where_it_stood() {
    let mut dog = watchdog();
    let see = |second: u64| (true, if (5..8).contains(&second) { Vec::new() } else { vec![sight(0, 7, true)] });
    assert_eq!(first_stall(&mut dog, 0, 100, see).unwrap().0, 8 + TIMEOUT.as_secs());
}

#[test]
fn a_step_back_is_a_move() {
    // Rewound to what is committed, again and again: that is for others to see.
    let see = |second: u64| (true, vec![sight(0, if (second / 8).is_multiple_of(2) { 9 } else { 4 }, true)]);
    assert_eq!(first_stall(&mut watchdog(), 0, 100, see), None);
}

#[test]
fn it_is_due_ten_times_in_its_time_out() {
    let mut dog = watchdog();
    assert!(!dog.is_due(Duration::from_millis(999)) && dog.is_due(at(1)));
    dog.look(at(5), true, &[]);
    assert!(!dog.is_due(Duration::from_millis(5_999)) && dog.is_due(at(6)));
}
