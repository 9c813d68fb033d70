//! The page of the audit says of each kind what the code says.

use crate::audit::{Class, FindingKind};

#[test]
fn the_page_has_every_kind_with_its_class_and_its_remedy() {
    let page = include_str!("../../../docs/verify.md");
    let rows: Vec<&str> = page.lines().filter(|line| line.starts_with("| `")).collect();
    for kind in FindingKind::ALL {
        let class = match kind.class() {
            Class::Found => "found",
            Class::Unchecked => "unchecked",
        };
        let (begin, end) = (format!("| `{}` | {class} | ", kind.name()), format!(" | {} |", kind.remedy()));
        assert!(rows.iter().any(|row| row.starts_with(&begin) && row.ends_with(&end)), "docs/verify.md lacks {begin}…{end}");
    }
    assert_eq!(rows.len(), FindingKind::ALL.len(), "rows of kinds that are not there");
}
