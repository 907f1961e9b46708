//! Periods of time as people write them, in requests and on the command line.

use std::time::Duration;

use jiff::SignedDuration;

/// Reads a period such as `90s`, `30m`, `1h 30m` or `7d`. `None` if it is none, is negative, or is
/// longer than can be counted.
pub fn parse(text: &str) -> Option<Duration> {
    let days = text.strip_suffix('d').and_then(|days| days.parse().ok());
    let period = match days {
        // A day of a calendar may be shorter or longer, so the library reads none.
        Some(days) => SignedDuration::from_secs(i64::checked_mul(days, 86_400)?),
        None => text.parse().ok()?,
    };
    Duration::try_from(period).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods_are_read() {
        for (text, seconds) in [
            ("0d", 0),
            ("90s", 90),
            ("30m", 1_800),
            ("1h 30m", 5_400),
            ("7d", 604_800),
        ] {
            assert_eq!(parse(text), Some(Duration::from_secs(seconds)), "{text}");
        }
        for bad in [
            "",
            "d",
            "x",
            "10",
            "soon",
            "-1h",
            "-1d",
            "9999999999999999d",
        ] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
