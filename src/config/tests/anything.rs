//! Whatever the text, there is a configuration or a list of faults; never a panic, never neither.

use proptest::prelude::*;

use super::*;

/// Pieces that configurations are made of, and that YAML finds hard.
fn piece() -> impl Strategy<Value = String> {
    let words = [
        "kafka",
        "topics",
        "brokers",
        "lake",
        "path",
        "sensors",
        "name",
        "range",
        "aliases",
        "epoch",
        "interval",
        "properties",
        "acks",
        "10s",
        "64MiB",
        "1e400",
        "-1",
        "0x7fffffffffffffffff",
        "~",
        "null",
        "true",
        "auto",
        "[",
        "]",
        "{",
        "}",
        ":",
        ": ",
        ",",
        ", ",
        "- ",
        "\n",
        "\n  ",
        "\n    ",
        "\t",
        "\"",
        "'",
        "|\n",
        ">-\n",
        "&a ",
        "*a",
        "!!str ",
        "!x ",
        "---\n",
        "...\n",
        "%YAML 1.2\n",
        "#",
        "? ",
        "<<",
        "${",
        "${X}",
        "${X:-",
        "}",
        "$${",
        "\u{feff}",
        "\u{85}",
        "\0",
        "°",
        "\r\n",
        "@",
        "`",
    ];
    prop_oneof![4 => prop::sample::select(words.to_vec()).prop_map(str::to_owned), 1 => any::<char>().prop_map(String::from)]
}

fn check(text: &str, set: &str) {
    if let Err(faults) = load_all(&[MINIMAL, text], &[set]) {
        assert!(!faults.0.is_empty());
        let printed = faults.to_string();
        assert!(
            faults.0.iter().all(|fault| !fault.message.is_empty() && !fault.remedy.is_empty() && fault.line > 0),
            "{printed}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 700, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_pieces_never_panic(pieces in prop::collection::vec(piece(), 0..40), set in prop::collection::vec(piece(), 0..6)) {
        check(&pieces.concat(), &set.concat());
    }

    #[test]
    fn arbitrary_text_never_panics(text in any::<String>(), set in any::<String>()) {
        check(&text, &set);
    }

    #[test]
    fn the_full_file_with_a_wound_never_panics(at in 0_usize..5_500, cut in 0_usize..40, piece in piece()) {
        let text = include_str!("../../../conf/corelane.yaml");
        let start = text.floor_char_boundary(at);
        let end = text.floor_char_boundary(start + cut);
        check(&format!("{}{piece}{}", &text[..start], &text[end..]), "kafka.group=g");
    }

    #[test]
    fn texts_are_shown_so_that_they_load_again(text in "[^\\s][^\r\n\u{85}\u{2028}\u{2029}]*") {
        let lake = std::path::PathBuf::from(&text);
        let config = crate::config::from_minimal(&["b:1".into()], &["t".into()], &lake, &Machine::with_cores(2));
        if let Ok(config) = config {
            prop_assert_eq!(&load_text(&crate::config::show(&config)).map_err(|faults| TestCaseError::fail(faults.to_string()))?.lake, &config.lake);
        }
    }
}
