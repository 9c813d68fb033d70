#![cfg(target_env = "gnu")]

use std::fs;

use super::give_back_freed_memory;

/// Resident KiB of the mapping that an address lies in.
fn resident_kib(address: usize) -> u64 {
    let maps = fs::read_to_string("/proc/self/smaps").unwrap();
    let mut lines = maps.lines();
    let holds = |line: &str| {
        let (range, _) = line.split_once(' ')?;
        let (begin, end) = range.split_once('-')?;
        let [begin, end] = [begin, end].map(|text| usize::from_str_radix(text, 16));
        Some((begin.ok()?..end.ok()?).contains(&address))
    };
    lines.find(|line| holds(line) == Some(true)).expect("a mapping");
    let rss = lines.find_map(|line| line.strip_prefix("Rss:")).expect("its size");
    rss.trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn what_lies_below_a_living_byte_is_given_back() {
    const CHUNK: usize = 1 << 10;
    const CHUNKS: usize = 32 << 10;
    // SAFETY: what is allocated here is written within its bounds and freed once; the last chunk, above all others, last of all.
    unsafe {
        let mut chunks: Vec<*mut libc::c_void> = (0..CHUNKS).map(|_| libc::malloc(CHUNK)).collect();
        for chunk in &chunks {
            assert!(!chunk.is_null());
            libc::memset(*chunk, 1, CHUNK);
        }
        let middle = chunks[CHUNKS / 2] as usize;
        let living = chunks.pop().unwrap();
        for chunk in &chunks {
            libc::free(*chunk);
        }
        let before = resident_kib(middle);
        give_back_freed_memory();
        let after = resident_kib(middle);
        libc::free(living);
        assert!(after + (8 << 10) < before, "{before} KiB before, {after} KiB after");
    }
}
