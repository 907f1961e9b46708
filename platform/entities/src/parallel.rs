//! Work side by side on some threads, for long texts and for many.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, Builder};

/// What `each` makes of the numbers below `count`, in order. A thread takes the next number when it
/// is done with one; the one that this is called on works too.
pub(crate) fn side_by_side<T: Send>(
    threads: usize,
    count: usize,
    each: impl Fn(usize) -> T + Sync,
) -> Vec<T> {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut done = Vec::new();
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            if at >= count {
                return done;
            }
            done.push((at, each(at)));
        }
    };
    let mut done = thread::scope(|scope| {
        let others = (1..threads.min(count)).map(|_| Builder::new().spawn_scoped(scope, work));
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

/// Does two things, at once if there are threads for it.
pub(crate) fn both<A: Send, B>(
    threads: usize,
    one: impl Fn() -> A + Sync,
    other: impl FnOnce() -> B,
) -> (A, B) {
    if threads < 2 {
        return (one(), other());
    }
    thread::scope(|scope| {
        let beside = Builder::new().spawn_scoped(scope, &one);
        let other = other();
        match beside.map(thread::ScopedJoinHandle::join) {
            Ok(Ok(made)) => (made, other),
            Ok(Err(panic)) => std::panic::resume_unwind(panic),
            Err(_) => (one(), other),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Recognizers;

    #[test]
    fn a_long_text_gives_the_same_on_several_threads() {
        let said = "My name is Violet Okafor, my card is 4111 1111 1111 1111 and I was born on \
            March 3rd 1990. Write to violet@example.org or call 415 555 0173.\n";
        let text = said.repeat(400);
        let alone = Recognizers::new(None);
        let found = alone.recognize_text(&text);
        assert!(found.len() >= 5 * 400, "{} entities", found.len());
        for threads in [2, 5] {
            let together = alone.clone().on_threads(threads);
            assert_eq!(together.recognize_text(&text), found);
            let several = together.recognize_texts(&[said, &text, "", said]);
            assert_eq!(several[1], found);
            assert_eq!(several[0], several[3]);
        }
    }

    #[test]
    fn everything_is_made_once_and_in_order() {
        for threads in [1, 2, 7] {
            for count in [0, 1, 100] {
                let made = side_by_side(threads, count, |at| at * at);
                assert_eq!(made, (0..count).map(|at| at * at).collect::<Vec<_>>());
            }
            assert_eq!(both(threads, || 1, || 2), (1, 2));
        }
    }
}
