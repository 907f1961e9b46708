//! Byte ranges (RFC 9110, section 14): one range per request, which is what players ask for.

/// Which bytes to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Selected {
    /// All of them: no range was asked for, or one that may be ignored.
    Whole,
    /// From the first to the last of these.
    Part {
        /// First byte.
        first: u64,
        /// Last byte.
        last: u64,
    },
    /// The range lies outside of the content.
    Outside,
}

/// Reads a `Range` header for content of `size` bytes. Several ranges and foreign units are
/// ignored, as the RFC allows; so is what is malformed.
pub(crate) fn select(range: Option<&str>, size: u64) -> Selected {
    let Some((first, last)) = range.and_then(parse) else {
        return Selected::Whole;
    };
    match (first, last) {
        (Some(first), last) => {
            let last = last.unwrap_or(u64::MAX).min(size.saturating_sub(1));
            if first < size {
                Selected::Part { first, last }
            } else {
                Selected::Outside
            }
        }
        (None, Some(suffix)) if suffix > 0 && size > 0 => Selected::Part {
            first: size.saturating_sub(suffix),
            last: size - 1,
        },
        (None, _) => Selected::Outside,
    }
}

/// First and last byte, or only one of them.
fn parse(range: &str) -> Option<(Option<u64>, Option<u64>)> {
    let (unit, set) = range.split_once('=')?;
    if !unit.trim().eq_ignore_ascii_case("bytes") || set.contains(',') {
        return None;
    }
    let (first, last) = set.trim().split_once('-')?;
    let (first, last) = (number(first)?, number(last)?);
    match (first, last) {
        (None, None) => None,
        (Some(first), Some(last)) if last < first => None,
        pair => Some(pair),
    }
}

/// A number, or its absence; `None` for what is neither.
fn number(text: &str) -> Option<Option<u64>> {
    let text = text.trim();
    if text.is_empty() {
        return Some(None);
    }
    // No sign, which `parse` would take.
    text.bytes()
        .all(|c| c.is_ascii_digit())
        .then(|| text.parse().ok().or(Some(u64::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_select_bytes() {
        let part = |first, last| Selected::Part { first, last };
        for (range, expected) in [
            ("bytes=0-9", part(0, 9)),
            ("bytes=0-", part(0, 99)),
            ("bytes=90-200", part(90, 99)),
            ("bytes=99-99", part(99, 99)),
            ("bytes=-10", part(90, 99)),
            ("bytes=-1000", part(0, 99)),
            ("Bytes = 1 - 2", part(1, 2)),
            ("bytes=0-99999999999999999999999", part(0, 99)),
            ("bytes=100-", Selected::Outside),
            ("bytes=99999999999999999999999-", Selected::Outside),
            ("bytes=-0", Selected::Outside),
            ("bytes=9-0", Selected::Whole),
            ("bytes=-", Selected::Whole),
            ("bytes=+1-2", Selected::Whole),
            ("bytes=0-1,5-6", Selected::Whole),
            ("lines=0-1", Selected::Whole),
            ("nonsense", Selected::Whole),
        ] {
            assert_eq!(select(Some(range), 100), expected, "{range}");
        }
        assert_eq!(select(None, 100), Selected::Whole);
        assert_eq!(select(Some("bytes=0-"), 0), Selected::Outside);
        assert_eq!(select(Some("bytes=-5"), 0), Selected::Outside);
    }
}
