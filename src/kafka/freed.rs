//! Memory that librdkafka has freed goes back to the system.
//!
//! librdkafka allocates by the C library's malloc, on a thread a broker connection. glibc gives each such thread one of up to eight arenas a
//! core, and takes memory from an arena back at its end only; what lies below a living byte stays with the process. So each arena keeps
//! the most that it ever held, and every client that is rebuilt may land in others: a process that lives through many faults grows, and
//! leaks nothing. (Rust's own memory is mimalloc's, which gives back by itself.)

/// Gives back what is free in all arenas. Takes the arenas' locks one by one while it walks them: not for a lane's thread.
pub fn give_back_freed_memory() {
    #[cfg(target_env = "gnu")]
    // SAFETY: malloc_trim may be called at any time, by any thread (man 3 malloc_trim); it touches nothing that is allocated.
    unsafe {
        libc::malloc_trim(0);
    }
}

#[cfg(test)]
#[path = "freed_tests.rs"]
mod tests;
