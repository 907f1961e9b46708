//! What the broker says when it denies something.

use std::fmt::{self, Display};

use crate::BusError;

/// Longest subject that is remembered, in bytes; the broker allows longer ones.
const MAX_SUBJECT_BYTES: usize = 1_024;

/// How the broker begins what it says of something that it denies.
const VIOLATION: &str = "permissions violation for ";

/// What was to be done with a subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    Publish,
    Subscribe,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Denial {
    pub(super) access: Access,
    pub(super) subject: String,
}

impl Denial {
    /// Reads what the broker said; `None` if it said something else.
    pub(super) fn read(said: &str) -> Option<Self> {
        let said = said.trim_matches('\'');
        let head = said.get(..VIOLATION.len())?;
        if !head.eq_ignore_ascii_case(VIOLATION) {
            return None;
        }
        let what = &said[VIOLATION.len()..];
        let access = match what.split(' ').next()? {
            word if word.eq_ignore_ascii_case("publish") => Access::Publish,
            word if word.eq_ignore_ascii_case("subscription") => Access::Subscribe,
            _ => return None,
        };
        let (_, rest) = what.split_once('"')?;
        let (subject, _) = rest.split_once('"')?;
        let short = !subject.is_empty() && subject.len() <= MAX_SUBJECT_BYTES;
        short.then(|| Self {
            access,
            subject: subject.to_owned(),
        })
    }

    pub(super) fn error(&self) -> BusError {
        BusError::Denied {
            subject: self.to_string(),
        }
    }
}

impl Display for Denial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let access = match self.access {
            Access::Publish => "Publish",
            Access::Subscribe => "Subscription",
        };
        write!(f, "{access} to \"{}\"", self.subject)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_the_broker_are_read() {
        for (said, shown) in [
            (
                "Permissions Violation for Publish to \"a.b\"",
                Some("Publish to \"a.b\""),
            ),
            (
                "'permissions violation for publish to \"$JS.API.INFO\"'",
                Some("Publish to \"$JS.API.INFO\""),
            ),
            (
                "Permissions Violation for Subscription to \"a.*\" using queue \"q\"",
                Some("Subscription to \"a.*\""),
            ),
            (
                "Permissions Violation for Publish with Reply of \"_INBOX.x\"",
                Some("Publish to \"_INBOX.x\""),
            ),
            ("Permissions Violation for Publish to \"\"", None),
            ("Permissions Violation for Dancing to \"a\"", None),
            ("Permissions Violation for Publish to a", None),
            ("Maximum Payload Violation", None),
            ("", None),
            ("Permissions Violation fö", None),
        ] {
            let read = Denial::read(said).map(|denial| denial.to_string());
            assert_eq!(read.as_deref(), shown, "{said}");
        }
        let long = "x".repeat(MAX_SUBJECT_BYTES + 1);
        let said = format!("Permissions Violation for Publish to \"{long}\"");
        assert_eq!(Denial::read(&said), None);
    }
}
