//! How these benches are called: by `cargo bench` with jobs and their numbers, or by `cargo test`, which wants small ones.

use std::iter::Peekable;

/// `jobs`: words and their numbers. None: `cargo test NAME` is about something else than `name`, or lists.
pub(crate) fn asked(name: &str) -> Option<(bool, Vec<String>)> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let is_bench = args.iter().any(|word| word == "--bench");
    let words: Vec<String> = args.into_iter().filter(|word| word != "--bench").collect();
    let is_other = !is_bench && words.first().is_some_and(|word| !word.starts_with('-') && !name.contains(word.as_str()));
    (!is_other && !words.iter().any(|word| word == "--list")).then_some((is_bench, words))
}

/// The next word, where it is a number; else `default`, and the word stays.
pub(crate) fn number<'a>(words: &mut Peekable<impl Iterator<Item = &'a String>>, default: u64) -> u64 {
    words.next_if(|word| word.parse::<u64>().is_ok()).map_or(default, |word| word.parse().expect("looked at before"))
}
