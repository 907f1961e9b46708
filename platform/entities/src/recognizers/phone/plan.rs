//! The numbering plans of all countries.

use std::sync::{Once, PoisonError};

use phonenumber::metadata::DATABASE;

/// Compiled patterns that are kept: some eight are needed for a country. The library keeps a
/// hundred, which a text with numbers of a dozen countries would have compiled over and over.
const PATTERNS: usize = 512;

/// Whether these digits, of which the first are a country's code, are a number by its plan.
pub(super) fn holds(digits: &str) -> bool {
    static ROOM: Once = Once::new();
    ROOM.call_once(|| {
        let cache = DATABASE.cache();
        let mut patterns = cache.lock().unwrap_or_else(PoisonError::into_inner);
        patterns.set_capacity(PATTERNS);
    });
    let number = phonenumber::parse(None, format!("+{digits}"));
    number.is_ok_and(|number| phonenumber::is_valid(&number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plans_are_those_of_the_country() {
        for number in ["14155552671", "442079460958", "4930901820", "33142685300"] {
            assert!(holds(number), "{number}");
        }
        for number in ["1415555267", "999123456789", "44207946095812", ""] {
            assert!(!holds(number), "{number}");
        }
    }
}
