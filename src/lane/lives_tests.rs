use super::*;

const SHORT: Life = Life { lasted: Duration::from_secs(20), committed: true };
const STALL: Duration = Duration::from_mins(2);

fn dead() -> LaneEnd {
    LaneEnd::Rebuild("its client is dead".to_owned())
}

fn pause_of(next: Next) -> u64 {
    match next {
        Next::Again { pause, .. } => pause.as_secs(),
        Next::Over(end) => panic!("{end:?}"),
    }
}

#[test]
fn five_new_clients_in_a_row_with_growing_pauses_and_then_the_end_with_the_last_reason() {
    let mut lives = Lives::new(STALL);
    let pauses: Vec<u64> = (0..5).map(|_| pause_of(lives.after(dead(), SHORT, false))).collect();
    assert_eq!(pauses, [0, 1, 2, 4, 8]);
    let end = LaneEnd::Refused("after 5 new clients in a row: its client is dead".to_owned());
    assert_eq!(lives.after(dead(), SHORT, false), Next::Over(end));
}

/// What the pause is after four short lives and this one.
fn pause_after(lasted: Duration, committed: bool) -> u64 {
    let mut lives = Lives::new(STALL);
    for _ in 0..4 {
        lives.after(dead(), SHORT, false);
    }
    pause_of(lives.after(dead(), Life { lasted, committed }, false))
}

#[test]
fn a_life_that_came_somewhere_is_forgiven_and_one_that_was_a_stall_is_not() {
    assert_eq!(pause_after(FORGIVEN, true), 8);
    assert_eq!(pause_after(FORGIVEN + SHORT.lasted, true), 0);
    assert_eq!(pause_after(FORGIVEN_IDLE + STALL, false), 8);
    assert_eq!(pause_after(FORGIVEN_IDLE + STALL + SHORT.lasted, false), 0);
}

#[test]
fn other_ends_and_those_of_a_stop_are_the_last() {
    let mut lives = Lives::new(STALL);
    for end in [LaneEnd::Stopped, LaneEnd::Refused("another cluster".to_owned())] {
        assert_eq!(lives.after(end.clone(), SHORT, false), Next::Over(end));
    }
    assert_eq!(lives.after(dead(), SHORT, true), Next::Over(dead()));
}
