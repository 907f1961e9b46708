//! Query parameters and JSON bodies, read strictly: what is unknown, repeated or out of bounds is
//! refused by name, so that a misspelled filter never looks like one that found nothing.
//!
//! Messages name parameters and what they take, and never repeat a value: values may be personal.

use std::str::FromStr;

use axum::http::{HeaderMap, Uri, header};
use jiff::{Timestamp, civil::Date, tz::TimeZone};
use serde::de::DeserializeOwned;

use crate::problem::{Kind, Problem};

/// Most query parameters of one request.
const MAX_PARAMETERS: usize = 64;

/// The query parameters of a request.
#[derive(Debug)]
pub(crate) struct Params(Vec<(String, String)>);

impl Params {
    /// All parameters, decoded, in order.
    pub(crate) fn pairs(uri: &Uri) -> Result<Vec<(String, String)>, Problem> {
        let query = uri.query().unwrap_or_default();
        let pairs: Vec<(String, String)> = url::form_urlencoded::parse(query.as_bytes())
            .take(MAX_PARAMETERS + 1)
            .map(|(name, value)| (name.into_owned(), value.into_owned()))
            .collect();
        if pairs.len() > MAX_PARAMETERS {
            return Err(Problem::bad_request(format!(
                "There are more than {MAX_PARAMETERS} query parameters; send fewer."
            )));
        }
        Ok(pairs)
    }

    /// The parameters, each of which is one of `known` and there once.
    pub(crate) fn read(uri: &Uri, known: &[&str]) -> Result<Self, Problem> {
        let pairs = Self::pairs(uri)?;
        for (index, (name, _)) in pairs.iter().enumerate() {
            if !known.contains(&name.as_str()) {
                let known = if known.is_empty() {
                    "none".to_owned()
                } else {
                    known.join(", ")
                };
                return Err(Problem::bad_request(format!(
                    "A query parameter is unknown; this path takes: {known}."
                )));
            }
            if pairs[..index].iter().any(|(earlier, _)| earlier == name) {
                return Err(Problem::bad_request(format!(
                    "The query parameter '{name}' is there twice; send it once."
                )));
            }
        }
        Ok(Self(pairs))
    }

    /// A parameter's text; `None` if it is absent or empty.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        let (_, value) = self.0.iter().find(|(known, _)| known == name)?;
        Some(value.trim()).filter(|value| !value.is_empty())
    }

    /// A text of at most `max` characters without control characters.
    pub(crate) fn bounded(&self, name: &str, max: usize) -> Result<Option<&str>, Problem> {
        let Some(text) = self.text(name) else {
            return Ok(None);
        };
        if text.chars().count() > max || text.chars().any(char::is_control) {
            return Err(Problem::bad_request(format!(
                "The query parameter '{name}' takes at most {max} printable characters."
            )));
        }
        Ok(Some(text))
    }

    /// A whole number between `min` and `max`.
    pub(crate) fn number(
        &self,
        name: &str,
        min: u32,
        max: u32,
        default: u32,
    ) -> Result<u32, Problem> {
        let Some(text) = self.text(name) else {
            return Ok(default);
        };
        text.parse()
            .ok()
            .filter(|number| (min..=max).contains(number))
            .ok_or_else(|| {
                Problem::bad_request(format!(
                    "The query parameter '{name}' takes a whole number from {min} to {max}."
                ))
            })
    }

    /// One of a few words.
    pub(crate) fn choice<T: Copy>(
        &self,
        name: &str,
        choices: &[(&str, T)],
    ) -> Result<Option<T>, Problem> {
        let Some(text) = self.text(name) else {
            return Ok(None);
        };
        let found = choices.iter().find(|(word, _)| *word == text);
        found.map(|(_, value)| Some(*value)).ok_or_else(|| {
            let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
            Problem::bad_request(format!(
                "The query parameter '{name}' takes one of: {}.",
                words.join(", ")
            ))
        })
    }

    /// A moment: RFC 3339, or a date, which is its midnight in UTC.
    pub(crate) fn moment(&self, name: &str) -> Result<Option<Timestamp>, Problem> {
        let Some(text) = self.text(name) else {
            return Ok(None);
        };
        // In a query string a '+' that was not encoded has become a space.
        let text = text.replace(' ', "+");
        moment(&text).map(Some).ok_or_else(|| {
            Problem::bad_request(format!(
                "The query parameter '{name}' takes a time such as 2026-11-21T09:30:00Z, or a date \
                 such as 2026-11-21."
            ))
        })
    }
}

/// A JSON body; `takes` says what it is made of.
pub(crate) fn json<T: DeserializeOwned>(
    headers: &HeaderMap,
    body: &[u8],
    takes: &str,
) -> Result<T, Problem> {
    let posted = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let media_type = posted.unwrap_or_default().split(';').next();
    let media_type = media_type.unwrap_or_default().trim();
    if !media_type.eq_ignore_ascii_case("application/json") {
        let detail = "Send the body as JSON with 'Content-Type: application/json'.";
        return Err(Problem::new(Kind::UnsupportedMediaType, detail));
    }
    // A list would be read as the fields in their order.
    if body.trim_ascii_start().starts_with(b"[") {
        let detail = format!("The body takes {takes}; it is a list.");
        return Err(Problem::invalid(detail));
    }
    // The parser's own words could repeat what was sent.
    serde_json::from_slice(body).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        if error.is_data() {
            Problem::invalid(format!(
                "The body takes {takes}; it is another at line {line}, column {column}."
            ))
        } else {
            Problem::bad_request(format!(
                "The body is not valid JSON (line {line}, column {column})."
            ))
        }
    })
}

fn moment(text: &str) -> Option<Timestamp> {
    if let Ok(timestamp) = Timestamp::from_str(text) {
        return Some(timestamp);
    }
    let date = Date::from_str(text)
        .ok()
        .filter(|_| text.len() == "2026-11-21".len())?;
    Some(date.to_zoned(TimeZone::UTC).ok()?.timestamp())
}

/// A path segment that is an id or a number; what is none cannot be found.
pub(crate) fn id<T: FromStr>(text: &str) -> Result<T, Problem> {
    text.parse().map_err(|_| Problem::not_found())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &str) -> Result<Params, Problem> {
        let uri: Uri = format!("/x?{query}").parse().unwrap();
        Params::read(&uri, &["limit", "from", "q"])
    }

    #[test]
    fn unknown_and_repeated_parameters_are_refused() {
        assert!(read("limit=1&q=a").is_ok());
        assert!(read("limits=1").is_err());
        assert!(read("q=a&q=b").is_err());
    }

    #[test]
    fn numbers_are_bounded() {
        assert_eq!(
            read("limit=5").unwrap().number("limit", 1, 10, 3).unwrap(),
            5
        );
        assert_eq!(read("").unwrap().number("limit", 1, 10, 3).unwrap(), 3);
        for bad in ["0", "11", "-1", "x", "1.5"] {
            assert!(
                read(&format!("limit={bad}"))
                    .unwrap()
                    .number("limit", 1, 10, 3)
                    .is_err()
            );
        }
    }

    #[test]
    fn moments_are_times_or_dates() {
        let at = |text: &str| read(&format!("from={text}")).unwrap().moment("from");
        assert_eq!(
            at("2026-11-21").unwrap(),
            at("2026-11-21T00:00:00Z").unwrap()
        );
        assert_eq!(
            at("2026-11-21T01:00:00+01:00").unwrap(),
            at("2026-11-21").unwrap()
        );
        for bad in ["yesterday", "2026-13-01", "2026-11-21T00:00:00"] {
            assert!(at(bad).is_err(), "{bad}");
        }
    }
}
