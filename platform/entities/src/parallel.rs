//! Two things at once, for long texts.

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
    fn both_are_made() {
        for threads in [1, 2, 7] {
            assert_eq!(both(threads, || 1, || 2), (1, 2));
        }
    }
}
