use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::{CANARIES, DETOURS, POINTS};

/// The text of every source file but those of this module.
fn sources() -> Vec<String> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let (mut open, mut texts): (Vec<PathBuf>, Vec<String>) = (vec![src.clone()], Vec::new());
    while let Some(path) = open.pop() {
        if path == src.join("failpoint") {
            continue;
        }
        if path.is_dir() {
            open.extend(fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
        } else {
            texts.push(fs::read_to_string(path).unwrap());
        }
    }
    texts
}

/// Source and table have the same names, each in one place, and the source names them by a literal.
fn same<'a>(call: &str, table: impl Iterator<Item = &'a str>) {
    let (begin, all) = (format!("failpoint::{call}("), sources().concat());
    let mut found: BTreeMap<String, usize> = BTreeMap::new();
    for rest in all.split(&begin).skip(1) {
        let argument = rest.split(')').next().unwrap();
        *found.entry(argument.trim_matches('"').to_owned()).or_default() += 1;
    }
    let expected: BTreeMap<String, usize> = table.map(|name| (name.to_owned(), 1)).collect();
    assert_eq!(found, expected, "failpoint::{call} in the source, and the table");
}

#[test]
fn every_point_of_the_source_is_in_the_table_and_the_other_way_round() {
    same("reach", POINTS.iter().map(|point| point.name));
    same("detour", DETOURS.iter().map(|(name, _)| *name));
    same("broken", CANARIES.iter().map(|(name, _)| *name));
}

#[test]
fn without_the_environment_nothing_happens() {
    super::reach(POINTS[0].name);
    assert!(!super::detour(DETOURS[0].0) && !super::broken(CANARIES[0].0));
}
