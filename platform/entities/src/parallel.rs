//! How the work on long texts is shared between threads.

use std::ops::Range;
use std::thread::{self, Builder};

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

/// Long work is spread over threads in stretches of this many words or names: enough that handing
/// them out doesn't matter.
const STRETCH: usize = 8_192;

/// Items that have lengths, cut into stretches, each with the number of its item. Those that come
/// together are about as long as one.
pub(crate) fn stretches(lengths: impl Iterator<Item = usize>) -> Vec<Vec<(usize, Range<usize>)>> {
    let mut together = Vec::new();
    let (mut some, mut length) = (Vec::new(), 0);
    for (item, end) in lengths.enumerate() {
        for start in (0..end).step_by(STRETCH) {
            let stretch = start..(start + STRETCH).min(end);
            length += stretch.len();
            some.push((item, stretch));
            if length >= STRETCH {
                together.push(std::mem::take(&mut some));
                length = 0;
            }
        }
    }
    together.push(some);
    together
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
    fn stretches_are_all_in_order_and_of_like_length() {
        for lengths in [vec![], vec![0, 0], vec![5 * STRETCH + 3, 1], vec![300; 200]] {
            let together = stretches(lengths.iter().copied());
            let mut ends = vec![0; lengths.len()];
            let mut last = 0;
            for (item, stretch) in together.iter().flatten() {
                assert!(*item >= last && !stretch.is_empty());
                assert_eq!(ends[*item], stretch.start);
                (last, ends[*item]) = (*item, stretch.end);
            }
            assert_eq!(ends, lengths);
            for some in &together {
                let length: usize = some.iter().map(|(_, stretch)| stretch.len()).sum();
                assert!(length < 2 * STRETCH, "{length} together");
            }
            let most = lengths.iter().sum::<usize>() / STRETCH + 1;
            assert!(together.len() <= most, "{} for {most}", together.len());
        }
    }

    #[test]
    fn both_are_made() {
        for threads in [1, 2, 7] {
            assert_eq!(both(threads, || 1, || 2), (1, 2));
        }
    }
}
