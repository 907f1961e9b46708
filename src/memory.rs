//! Memory: one allocator for Rust, and for the C++ libraries in the same process.
//!
//! Facts are many small pieces that one thread makes and another one drops; inference frees hundreds
//! of megabytes only to ask for them again with the next batch. mimalloc is quick with both. By
//! default it hands freed memory back to the system after a second: then a tenth of the time of a
//! transcription goes into pages that come back empty.

use libmimalloc_sys::{mi_option_set_default, mi_option_t};
use mimalloc::MiMalloc;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// `mi_option_purge_delay` of mimalloc.h, which the bindings lack: after how many milliseconds freed
/// memory goes back to the system.
const PURGE_DELAY: mi_option_t = 15;
/// Longer than it takes to hear a batch, and short for an operator who looks at idle memory.
const PURGE_AFTER_MS: std::ffi::c_long = 10_000;

/// Keeps freed memory for a while, unless `MIMALLOC_PURGE_DELAY` says otherwise. To be called first.
#[allow(unsafe_code, reason = "an option of the allocator")]
pub(crate) fn keep_freed() {
    // SAFETY: sets a number, and the option exists: the test below has read its default.
    unsafe { mi_option_set_default(PURGE_DELAY, PURGE_AFTER_MS) }
}

#[cfg(test)]
mod tests {
    #[test]
    #[allow(unsafe_code, reason = "an option of the allocator")]
    fn the_option_is_the_delay_that_is_a_second_by_default() {
        use super::{PURGE_AFTER_MS, PURGE_DELAY, keep_freed};
        // SAFETY: reads a number.
        let delay = || unsafe { libmimalloc_sys::mi_option_get(PURGE_DELAY) };
        assert_eq!(delay(), 1_000);
        keep_freed();
        assert_eq!(delay(), PURGE_AFTER_MS);
    }
}
