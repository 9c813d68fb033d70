use super::*;
use crate::lake::OpenOptions;

#[test]
fn a_lake_is_bound_to_the_topics_that_it_began_with() {
    let dir = tempfile::tempdir().unwrap();
    let lake = Lake::open(dir.path(), OpenOptions { group: "g".into(), instance: None }).unwrap();
    lake.bind_topic("device-data", "idA", "clusterA").unwrap();
    lake.bind_topic("device-data", "idA", "clusterA").unwrap();
    lake.bind_topic("more", "idB", "clusterA").unwrap();
    let again = lake.bind_topic("device-data", "idC", "clusterA").unwrap_err().to_string();
    assert!(again.contains("made again") && again.contains("idC") && again.contains("idA"), "{again}");
    let elsewhere = lake.bind_topic("device-data", "idA", "clusterB").unwrap_err().to_string();
    assert!(elsewhere.contains("clusterB") && elsewhere.contains("clusterA"), "{elsewhere}");
}
