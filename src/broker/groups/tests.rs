use super::*;

const SESSION: Duration = Duration::from_secs(10);

fn ask(member: &str, instance: Option<&str>, protocols: &[&str]) -> JoinAsk {
    JoinAsk {
        member: member.to_owned(),
        instance: instance.map(str::to_owned),
        client_id: "client".to_owned(),
        client_host: "/host".to_owned(),
        session_ms: 10_000,
        rebalance_ms: 20_000,
        protocol_type: "consumer".to_owned(),
        protocols: protocols.iter().map(|name| ((*name).to_owned(), Bytes::from_static(b"topics"))).collect(),
        id_first: false,
    }
}

/// Joins and gives the member id under which it waits.
fn wait(group: &mut Group, ask: JoinAsk, now: Instant) -> String {
    match group.join(ask, now) {
        Ok(JoinStep::Wait(id)) => id,
        other => panic!("{other:?}"),
    }
}

fn as_member(member: &str, generation: i32) -> Caller<'_> {
    Caller { member, instance: None, generation }
}

fn share(members: &[&str]) -> Vec<(String, Bytes)> {
    members.iter().map(|id| ((*id).to_owned(), Bytes::from((*id).to_owned()))).collect()
}

/// A stable group of two dynamic members, the first of which leads; their ids.
fn pair(now: Instant) -> (Group, String, String) {
    let mut group = Group::new(Duration::ZERO);
    let first = wait(&mut group, ask("", None, &["range"]), now);
    assert_eq!(group.take_join(&first, None).unwrap().unwrap().generation, 1);
    let second = wait(&mut group, ask("", None, &["range"]), now);
    assert_eq!(group.take_join(&second, None), Ok(None), "the first has to come again");
    assert_eq!(group.heartbeat(as_member(&first, 1), now), Err(Fault::RebalanceInProgress));
    assert_eq!(wait(&mut group, ask(&first, None, &["range"]), now), first);
    let led = group.take_join(&first, None).unwrap().unwrap();
    assert_eq!((led.generation, led.members.len(), &led.leader), (2, 2, &first));
    assert_eq!(group.take_join(&second, None).unwrap().unwrap().members, vec![]);
    assert_eq!(group.sync(as_member(&second, 2), vec![], now), Ok(None));
    let assigned = group.sync(as_member(&first, 2), share(&[&first, &second]), now);
    assert_eq!(assigned, Ok(Some(Bytes::from(first.clone()))));
    assert_eq!(group.take_sync(as_member(&second, 2)), Ok(Some(Bytes::from(second.clone()))));
    assert_eq!(group.phase, Phase::Stable);
    (group, first, second)
}

#[test]
fn two_members_share() {
    let now = Instant::now();
    let (mut group, first, second) = pair(now);
    for member in [&first, &second] {
        assert_eq!(group.heartbeat(as_member(member, 2), now), Ok(()));
        assert_eq!(group.heartbeat(as_member(member, 1), now), Err(Fault::IllegalGeneration));
    }
    assert_eq!(group.heartbeat(as_member("nobody", 2), now), Err(Fault::UnknownMemberId));
    assert_eq!(group.sync(as_member(&second, 2), vec![], now), Ok(Some(Bytes::from(second))), "asked again");
}

#[test]
fn a_first_member_waits_for_others() {
    let now = Instant::now();
    let mut group = Group::new(Duration::from_secs(3));
    let id = wait(&mut group, ask("", None, &["range"]), now);
    assert_eq!(group.next_due(), Some(now + Duration::from_secs(3)));
    group.tick(now + Duration::from_millis(2999));
    assert_eq!(group.take_join(&id, None), Ok(None));
    group.tick(now + Duration::from_secs(3));
    assert!(group.take_join(&id, None).unwrap().is_some());
}

#[test]
fn a_new_client_is_told_its_id_first() {
    let now = Instant::now();
    let mut group = Group::new(Duration::ZERO);
    let first = JoinAsk { id_first: true, ..ask("", None, &["range"]) };
    let Ok(JoinStep::NameYourself(id)) = group.join(first, now) else { panic!("its id first") };
    assert!(id.starts_with("client-"));
    assert!(group.members.is_empty() && !group.is_vacant());
    assert_eq!(wait(&mut group, ask(&id, None, &["range"]), now), id);
    assert_eq!(group.members.len(), 1);
    assert_eq!(group.join(ask("unheard", None, &["range"]), now).err(), Some(Fault::UnknownMemberId));
}

#[test]
fn an_expected_member_holds_up_a_rebalance_for_a_session() {
    let now = Instant::now();
    let (mut group, first, second) = pair(now);
    let new = JoinAsk { id_first: true, ..ask("", None, &["range"]) };
    assert!(matches!(group.join(new, now), Ok(JoinStep::NameYourself(_))));
    group.leave(&second, None, now).unwrap();
    wait(&mut group, ask(&first, None, &["range"]), now);
    assert_eq!(group.take_join(&first, None), Ok(None));
    group.tick(now + SESSION);
    assert!(group.take_join(&first, None).unwrap().is_some());
}

#[test]
fn who_leaves_gives_its_share_back() {
    let now = Instant::now();
    let (mut group, first, second) = pair(now);
    assert_eq!(group.leave("nobody", None, now), Err(Fault::UnknownMemberId));
    group.leave(&first, None, now).unwrap();
    assert_eq!(group.heartbeat(as_member(&second, 2), now), Err(Fault::RebalanceInProgress));
    wait(&mut group, ask(&second, None, &["range"]), now);
    let reply = group.take_join(&second, None).unwrap().unwrap();
    assert_eq!((reply.generation, &reply.leader), (3, &second), "it leads now");
    group.leave(&second, None, now).unwrap();
    assert_eq!(group.phase, Phase::Empty);
    assert!(group.is_vacant());
}

#[test]
fn a_silent_member_goes_after_its_session() {
    let now = Instant::now();
    let (mut group, first, second) = pair(now);
    let late = now + SESSION.saturating_sub(Duration::from_millis(1));
    group.heartbeat(as_member(&first, 2), late).unwrap();
    group.tick(late);
    assert_eq!(group.members.len(), 2);
    group.tick(now + SESSION);
    assert_eq!(group.members.len(), 1);
    assert_eq!(group.heartbeat(as_member(&second, 2), late), Err(Fault::UnknownMemberId));
    assert_eq!(group.heartbeat(as_member(&first, 2), late), Err(Fault::RebalanceInProgress));
}

#[test]
fn who_waits_is_not_silent() {
    let now = Instant::now();
    let (mut group, first, second) = pair(now);
    wait(&mut group, ask(&first, None, &["range"]), now);
    group.heartbeat(as_member(&second, 2), now + SESSION / 2).unwrap_err();
    group.tick(now + SESSION);
    assert_eq!(group.members.len(), 2, "the first waits in its join, the second was heard of");
    group.tick(now + SESSION + SESSION / 2);
    assert!(group.take_join(&first, None).unwrap().is_some(), "the second is gone, the rebalance completes");
}

#[test]
fn a_rebalance_does_not_wait_longer_than_its_time() {
    let now = Instant::now();
    let (mut group, first, second) = pair(now);
    wait(&mut group, ask(&first, None, &["range"]), now);
    for second_of in [5, 10, 15] {
        // It beats, but it does not join.
        let _ = group.heartbeat(as_member(&second, 2), now + Duration::from_secs(second_of));
        group.tick(now + Duration::from_secs(second_of));
    }
    group.tick(now + Duration::from_secs(20));
    assert_eq!(group.take_join(&first, None).unwrap().unwrap().members.len(), 1);
    assert_eq!(group.heartbeat(as_member(&second, 3), now), Err(Fault::UnknownMemberId));
}

#[test]
fn who_never_syncs_is_not_waited_for() {
    let now = Instant::now();
    let mut group = Group::new(Duration::ZERO);
    let only = wait(&mut group, ask("", None, &["range"]), now);
    let mut beat = now;
    for _ in 0..4 {
        beat += Duration::from_secs(5);
        let _ = group.heartbeat(as_member(&only, 1), beat);
        group.tick(beat);
    }
    assert_eq!(group.phase, Phase::Empty);
}

#[test]
fn a_rebalance_interrupts_those_who_wait_for_assignments() {
    let now = Instant::now();
    let (mut group, first, second) = pair(now);
    for member in [&first, &second] {
        wait(&mut group, ask(member, None, &["range"]), now);
    }
    assert_eq!(group.sync(as_member(&second, 3), vec![], now), Ok(None));
    group.leave(&first, None, now).unwrap();
    assert_eq!(group.take_sync(as_member(&second, 3)), Err(Fault::RebalanceInProgress));
}

#[test]
fn members_have_one_protocol_in_common() {
    let now = Instant::now();
    let mut group = Group::new(Duration::ZERO);
    let first = wait(&mut group, ask("", None, &["range", "roundrobin"]), now);
    let other = group.join(ask("", None, &["sticky"]), now).err();
    assert_eq!(other, Some(Fault::InconsistentGroupProtocol));
    assert_eq!(group.join(ask("", None, &[]), now).err(), Some(Fault::InconsistentGroupProtocol));
    let another_type = JoinAsk { protocol_type: "connect".to_owned(), ..ask("", None, &["range"]) };
    assert_eq!(group.join(another_type, now).err(), Some(Fault::InconsistentGroupProtocol));
    wait(&mut group, ask("", None, &["roundrobin"]), now);
    wait(&mut group, ask(&first, None, &["range", "roundrobin"]), now);
    assert_eq!(group.protocol, "roundrobin");
    let short = JoinAsk { session_ms: 5_999, ..ask("", None, &["range"]) };
    assert_eq!(group.join(short, now).err(), Some(Fault::InvalidSessionTimeout));
}

/// A stable group of one static member; its id.
fn single(now: Instant) -> (Group, String) {
    let mut group = Group::new(Duration::ZERO);
    let id = wait(&mut group, ask("", Some("one"), &["range"]), now);
    group.take_join(&id, Some("one")).unwrap().unwrap();
    group.sync(Caller { member: &id, instance: Some("one"), generation: 1 }, share(&[&id]), now).unwrap();
    (group, id)
}

#[test]
fn a_static_member_comes_back_unnoticed() {
    let now = Instant::now();
    let (mut group, old) = single(now);
    let Ok(JoinStep::Reply(reply)) = group.join(ask("", Some("one"), &["range"]), now) else { panic!("at once") };
    assert_eq!((reply.generation, &reply.leader), (1, &old), "told its old id, it does not assign anew");
    assert_ne!(reply.member, old);
    let new = Caller { member: &reply.member, instance: Some("one"), generation: 1 };
    assert_eq!(group.sync(new, vec![], now), Ok(Some(Bytes::from(old.clone()))), "with what it had");
    let fenced = Caller { member: &old, instance: Some("one"), generation: 1 };
    assert_eq!(group.heartbeat(fenced, now), Err(Fault::FencedInstanceId));
    assert_eq!(group.check_commit(fenced, true), Err(Fault::FencedInstanceId));
    assert_eq!(group.heartbeat(as_member(&old, 1), now), Err(Fault::UnknownMemberId));
    assert_eq!(group.join(ask(&old, Some("one"), &["range"]), now).err(), Some(Fault::FencedInstanceId));
    assert_eq!(group.take_join(&old, Some("one")), Err(Fault::FencedInstanceId));
}

#[test]
fn a_static_member_with_another_protocol_is_noticed() {
    let now = Instant::now();
    let mut group = Group::new(Duration::ZERO);
    let id = wait(&mut group, ask("", Some("one"), &["range", "roundrobin"]), now);
    group.sync(Caller { member: &id, instance: Some("one"), generation: 1 }, share(&[&id]), now).unwrap();
    assert_eq!(group.join(ask("", Some("one"), &["sticky"]), now).err(), Some(Fault::InconsistentGroupProtocol));
    wait(&mut group, ask("", Some("one"), &["roundrobin"]), now);
    assert_eq!((group.generation, group.protocol.as_str()), (2, "roundrobin"));
}

#[test]
fn a_static_member_keeps_its_place_in_a_rebalance_until_its_session_ends() {
    let now = Instant::now();
    let (mut group, _) = single(now);
    let second = wait(&mut group, ask("", None, &["range"]), now);
    group.tick(now + SESSION / 2);
    assert_eq!(group.take_join(&second, None), Ok(None));
    group.tick(now + SESSION);
    assert_eq!(group.take_join(&second, None).unwrap().unwrap().members.len(), 1);
}

#[test]
fn a_static_member_can_be_removed_by_name() {
    let now = Instant::now();
    let (mut group, id) = single(now);
    assert_eq!(group.leave("", Some("two"), now), Err(Fault::UnknownMemberId));
    assert_eq!(group.leave("another", Some("one"), now), Err(Fault::FencedInstanceId));
    assert_eq!(group.leave("", Some("one"), now), Ok(()));
    assert!(group.member(&id).is_none());
}

#[test]
fn who_may_commit() {
    let now = Instant::now();
    let outside = Caller { member: "", instance: None, generation: -1 };
    assert_eq!(Group::new(Duration::ZERO).check_commit(outside, false), Ok(()));
    let (mut group, first, second) = pair(now);
    assert_eq!(group.check_commit(outside, false), Err(Fault::UnknownMemberId));
    assert_eq!(group.check_commit(outside, true), Ok(()), "old clients of transactions name no member");
    assert_eq!(group.check_commit(as_member(&first, 2), true), Ok(()));
    assert_eq!(group.check_commit(as_member(&first, 1), true), Err(Fault::IllegalGeneration));
    assert_eq!(group.check_commit(as_member("nobody", 2), true), Err(Fault::UnknownMemberId));
    for member in [&first, &second] {
        wait(&mut group, ask(member, None, &["range"]), now);
    }
    assert_eq!(group.check_commit(as_member(&first, 3), false), Err(Fault::RebalanceInProgress));
    assert_eq!(group.check_commit(as_member(&first, 3), true), Ok(()));
}

#[test]
fn offsets_are_kept_by_partition() {
    let mut group = Group::new(Duration::ZERO);
    let at = |topic: &str, partition| (topic.to_owned(), partition);
    group.commit(at("t", 0), Committed::new(5, 0, "note").unwrap());
    group.commit(at("u", 0), Committed::new(6, 0, "").unwrap());
    assert_eq!(group.committed(&at("t", 0)).unwrap().metadata, "note");
    assert_eq!(group.committed(&at("t", 1)), None);
    group.forget_topic("t");
    assert_eq!(group.committed_partitions().collect::<Vec<_>>(), [&at("u", 0)]);
    assert!(group.forget_offset(&at("u", 0)) && !group.forget_offset(&at("u", 0)));
    assert!(Committed::new(1, 0, &"m".repeat(4096)).is_ok());
    assert_eq!(Committed::new(1, 0, &"m".repeat(4097)).err(), Some(Fault::OffsetMetadataTooLarge));
}
