//! Offsets in a transaction under the identity of a group's member (KIP-447): whose are taken, and under which code they are not.

use rdkafka::producer::Producer;
use rdkafka::types::RDKafkaErrorCode;
use rdkafka::{Offset, TopicPartitionList};

use crate::client::{Member, PATIENCE, unique, wait_shared};
use crate::native::{self, Identity};
use crate::target::Target;

struct Scene<'a> {
    target: &'a Target,
    topic: String,
    group: String,
}

impl<'a> Scene<'a> {
    fn new(target: &'a Target, name: &str) -> Self {
        Self { target, topic: target.topic(name, 2, &[]), group: unique(name) }
    }

    fn join(&self, settings: &[(&str, &str)]) -> Member {
        Member::join(self.target, &self.group, &self.topic, settings)
    }

    fn identity(&self, member: &Member, instance: Option<&str>) -> Identity {
        native::identity(&member.consumer, &self.group, instance)
    }

    /// Sends an offset of partition 0 under an identity, and commits if that was accepted.
    fn send_as(&self, who: &Identity) -> Result<(), RDKafkaErrorCode> {
        let producer = self.target.transactional(&unique("fencing"));
        let mut offsets = TopicPartitionList::new();
        offsets.add_partition_offset(&self.topic, 0, Offset::Offset(3)).unwrap();
        producer.begin_transaction().unwrap();
        let sent = native::send_offsets(&producer, &offsets, who);
        match sent {
            Ok(()) => producer.commit_transaction(PATIENCE).unwrap(),
            Err(_) => producer.abort_transaction(PATIENCE).unwrap(),
        }
        sent
    }
}

pub fn the_present_generation_is_accepted(target: &Target) {
    let scene = Scene::new(target, "present");
    let member = scene.join(&[]);
    member.wait_for(2);
    assert_eq!(scene.send_as(&scene.identity(&member, None)), Ok(()));
}

pub fn an_old_generation_is_refused(target: &Target) {
    let scene = Scene::new(target, "stale");
    let first = scene.join(&[]);
    first.wait_for(2);
    let stale = scene.identity(&first, None);
    let second = scene.join(&[]);
    wait_shared(&[&first, &second], &[1, 1]);
    assert_eq!(scene.send_as(&stale), Err(RDKafkaErrorCode::IllegalGeneration));
    assert_eq!(scene.send_as(&scene.identity(&first, None)), Ok(()));
}

pub fn a_stranger_is_refused(target: &Target) {
    let scene = Scene::new(target, "stranger");
    let member = scene.join(&[]);
    member.wait_for(2);
    let identity = scene.identity(&member, None);
    let stranger = Identity { member: "nobody".to_owned(), ..identity.clone() };
    assert_eq!(scene.send_as(&stranger), Err(RDKafkaErrorCode::UnknownMemberId));
    let elsewhere = Identity { group: unique("elsewhere"), ..identity };
    assert_eq!(scene.send_as(&elsewhere), Err(RDKafkaErrorCode::IllegalGeneration));
}

pub fn a_replaced_instance_is_refused(target: &Target) {
    let scene = Scene::new(target, "replaced");
    let settings = [("group.instance.id", "twin")];
    let first = scene.join(&settings);
    first.wait_for(2);
    let replaced = scene.identity(&first, Some("twin"));
    assert_eq!(scene.send_as(&replaced), Ok(()));
    let second = scene.join(&settings);
    second.wait_for(2);
    assert_eq!(scene.send_as(&replaced), Err(RDKafkaErrorCode::FencedInstanceId));
    assert_eq!(scene.send_as(&scene.identity(&second, Some("twin"))), Ok(()));
}

pub fn a_bare_group_is_not_fenced(target: &Target) {
    let scene = Scene::new(target, "bare");
    let member = scene.join(&[]);
    member.wait_for(2);
    let bare = Identity { group: scene.group.clone(), generation: -1, member: String::new(), instance: None };
    assert_eq!(scene.send_as(&bare), Ok(()));
}

pub fn fresh_metadata_is_not_fenced_though_the_partition_moved(target: &Target) {
    let scene = Scene::new(target, "moved");
    let members = [scene.join(&[]), scene.join(&[])];
    wait_shared(&[&members[0], &members[1]], &[1, 1]);
    // Whoever does not own partition 0. Kafka knows members and generations, not who owns what.
    let other = members.iter().find(|member| member.owned() != [0]).unwrap();
    assert_eq!(scene.send_as(&scene.identity(other, None)), Ok(()));
}
