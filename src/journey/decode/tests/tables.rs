//! The tables in docs/formats.md say what the code says.

use crate::batch::{Flag, RejectReason};

const FORMATS: &str = include_str!("../../../../docs/formats.md");

/// The first two cells of each row of the table under a heading, without the head.
fn table(heading: &str) -> Vec<(String, String)> {
    let section = FORMATS.split("\n## ").find(|section| section.starts_with(heading)).expect("the heading");
    let rows = section.lines().filter(|line| line.starts_with('|')).skip(2);
    let cell = |text: &str| text.trim().trim_matches('`').to_owned();
    rows.map(|row| {
        let cells: Vec<&str> = row.trim_matches('|').split('|').collect();
        (cell(cells[0]), cell(cells[1]))
    })
    .collect()
}

#[test]
fn the_table_of_flags_is_that_of_the_code() {
    let expected: Vec<_> = Flag::ALL.iter().map(|flag| ((*flag as u8).to_string(), flag.name().to_owned())).collect();
    assert_eq!(table("Flags"), expected);
}

#[test]
fn the_table_of_reasons_is_that_of_the_code() {
    let expected: Vec<_> = RejectReason::ALL.iter().map(|reason| reason.name().to_owned()).collect();
    let reasons: Vec<_> = table("Reasons of rejects").into_iter().map(|row| row.0).collect();
    assert_eq!(reasons, expected);
}
