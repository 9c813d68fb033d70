//! Memory asked for ahead of its use, and used again. The state of a fleet is larger than the caches of a core, and messages come in any
//! order of devices: waiting for memory is most of what measuring costs.

/// Asks for the cache lines of a value. It gives nothing and changes nothing but how long the next use takes.
#[inline]
pub(super) fn fetch<T: ?Sized>(value: &T) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        let bytes = std::ptr::from_ref(value).cast::<i8>();
        for line in 0..size_of_val(value).div_ceil(64) {
            // SAFETY: a prefetch is a hint that neither reads nor writes nor faults, whatever the address. What it gains is in
            // `docs/performance.md`.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(bytes.wrapping_add(line * 64)) };
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = value;
}

/// Empties a list for as many entries as it had and a few more. It keeps its memory, unless that is far too much: fresh pages cost as much
/// as what is written to them.
pub(super) fn empty<T>(list: &mut Vec<T>) {
    let wanted = list.len() + list.len() / 8;
    list.clear();
    if list.capacity() > wanted + wanted / 4 {
        *list = Vec::with_capacity(wanted);
    }
}
