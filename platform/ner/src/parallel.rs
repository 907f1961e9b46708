//! Work side by side on some threads.
//!
//! Promises: every item is worked on exactly once, what is made of them comes in their order, and
//! all threads have ended when the call returns. A panic on one of them is the caller's.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, Builder};

/// What `each` makes of some items, in their order, on up to this many threads. A thread takes the
/// next item when it is done with one; the one that this is called on works too, so there is always
/// one.
pub fn side_by_side<I: Sync, T: Send>(
    threads: usize,
    items: &[I],
    each: impl Fn(&I) -> T + Sync,
) -> Vec<T> {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut done = Vec::new();
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            match items.get(at) {
                Some(item) => done.push((at, each(item))),
                None => return done,
            }
        }
    };
    let mut done = thread::scope(|scope| {
        let others = 1..threads.min(items.len());
        let others = others.map(|_| Builder::new().spawn_scoped(scope, work));
        // Where no more threads are to be had, those that run do all.
        let others: Vec<_> = others.filter_map(Result::ok).collect();
        let mut done = work();
        for other in others {
            match other.join() {
                Ok(more) => done.extend(more),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        done
    });
    done.sort_unstable_by_key(|(at, _)| *at);
    done.into_iter().map(|(_, made)| made).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_made_once_and_in_order() {
        for threads in [0, 1, 2, 7] {
            for count in [0, 1, 100] {
                let items: Vec<usize> = (0..count).collect();
                let made = side_by_side(threads, &items, |at| at * at);
                assert_eq!(made, items.iter().map(|at| at * at).collect::<Vec<_>>());
            }
        }
    }
}
