//! Searches for what a tokenizer splits off: prefixes, suffixes, infixes, and whole web addresses.
//!
//! Python's engine backtracks and knows look-around; run over hostile input it can take forever.
//! Here a linear engine does the work: it searches the *relaxed* pattern (see [`crate::pattern`]),
//! and where that matches, the alternatives are tried one by one, their look-around as patterns of
//! their own. Web addresses, whose look-around stands in the middle, are taken to a backtracking
//! engine only if the relaxed pattern matches and the strict one does not, and under a limit.

use regex_automata::meta::{Config, Regex};
use regex_automata::{Anchored, Input};

use crate::error::Problem;
use crate::pattern::{self, Alternatives, Form, Look, Node};
use crate::unicode::boundary_before;

type Result<T, E = Problem> = std::result::Result<T, E>;

/// How far back look-behind sees, in bytes. The patterns of the models look at two characters.
const BEHIND: usize = 32;

/// The suffix is searched in this many bytes at the end first. A longer one (a row of dots) also
/// matches from the start of this window, which is then made larger.
const SUFFIX_WINDOW: usize = 64;

/// Steps of the backtracking engine for one web address. An address with an IPv4 host, the only
/// kind that gets there, takes some hundreds.
const BACKTRACKS: usize = 20_000;

/// The compiled patterns of the models take some megabytes: their classes list whole scripts.
const SIZE_LIMIT: usize = 256 << 20;

fn compile(pattern: &str) -> Result<Regex> {
    let config = Config::new()
        .nfa_size_limit(Some(SIZE_LIMIT))
        .onepass_size_limit(Some(1 << 20));
    Regex::builder()
        .configure(config)
        .build(pattern)
        .map_err(|error| {
            Problem::unsupported(format!("a pattern that cannot be compiled ({error:?})"))
        })
}

/// Finds the leftmost match of a pattern; of several at one place, that of the first alternative.
#[derive(Debug)]
pub(crate) struct Search {
    relaxed: Regex,
    /// Empty if the relaxed pattern says it all.
    alternatives: Vec<Alternative>,
}

/// Some alternatives without look-around, or one with.
#[derive(Debug)]
struct Alternative {
    behind: Option<(bool, Regex)>,
    /// If `ahead` is wanted, it is in here, behind the first group.
    core: Regex,
    grouped: bool,
    not_ahead: Option<Regex>,
}

impl Search {
    /// Compiles a pattern in Python's syntax.
    pub(crate) fn new(pattern: &str) -> Result<Self> {
        let parsed = pattern::parse(pattern)?;
        let relaxed = compile(&pattern::write(&parsed, Form::Relaxed))?;
        let mut alternatives = Vec::new();
        let mut plain: Alternatives = Vec::new();
        if parsed.iter().any(|nodes| pattern::looks(nodes)) {
            for nodes in parsed {
                if pattern::looks(&nodes) {
                    alternatives.extend(Alternative::plain(std::mem::take(&mut plain))?);
                    alternatives.push(Alternative::looking(&nodes)?);
                } else {
                    plain.push(nodes);
                }
            }
            alternatives.extend(Alternative::plain(plain)?);
        }
        Ok(Self {
            relaxed,
            alternatives,
        })
    }

    /// The first match that starts at or after a byte.
    pub(crate) fn find(&self, text: &str, from: usize) -> Option<(usize, usize)> {
        let mut from = from;
        loop {
            let input = Input::new(text).span(from..text.len());
            let found = self.relaxed.search(&input)?;
            if self.alternatives.is_empty() {
                return Some((found.start(), found.end()));
            }
            let at = found.start();
            if let Some(end) = self.end_at(text, at) {
                return Some((at, end));
            }
            from = at + text.get(at..)?.chars().next()?.len_utf8();
        }
    }

    /// How long the prefix is.
    pub(crate) fn prefix(&self, text: &str) -> usize {
        self.find(text, 0).map_or(0, |(start, end)| end - start)
    }

    /// How long the suffix is.
    pub(crate) fn suffix(&self, text: &str) -> usize {
        let mut window = SUFFIX_WINDOW;
        loop {
            let from = boundary_before(text, text.len().saturating_sub(window));
            match self.find(text, from) {
                Some((start, _)) if start == from && from > 0 => window = window.saturating_mul(2),
                Some((start, end)) => return end - start,
                None => return 0,
            }
        }
    }

    /// Where the match ends that starts at a byte.
    fn end_at(&self, text: &str, at: usize) -> Option<usize> {
        self.alternatives
            .iter()
            .find_map(|alternative| alternative.end_at(text, at))
    }
}

impl Alternative {
    fn plain(alternatives: Alternatives) -> Result<Option<Self>> {
        if alternatives.is_empty() {
            return Ok(None);
        }
        Ok(Some(Self {
            behind: None,
            core: compile(&pattern::write(&alternatives, Form::Exact))?,
            grouped: false,
            not_ahead: None,
        }))
    }

    /// Takes look-around from the ends of an alternative.
    fn looking(nodes: &[Node]) -> Result<Self> {
        let mut core = nodes;
        let mut behind = None;
        let mut ahead = None;
        if let [
            Node::Look(look @ (Look::Behind | Look::NotBehind), inner),
            rest @ ..,
        ] = core
        {
            let inner = pattern::write(inner, Form::Exact);
            behind = Some((*look == Look::Behind, compile(&format!(r"(?:{inner})\z"))?));
            core = rest;
        }
        if let [
            rest @ ..,
            Node::Look(look @ (Look::Ahead | Look::NotAhead), inner),
        ] = core
        {
            ahead = Some((*look, pattern::write(inner, Form::Exact)));
            core = rest;
        }
        if pattern::looks(core) {
            return Err(Problem::unsupported(
                "look-around in the middle of a pattern",
            ));
        }
        let core = pattern::write_nodes(core, Form::Exact);
        let (core, grouped, not_ahead) = match ahead {
            Some((Look::Ahead, ahead)) => (format!("({core})(?:{ahead})"), true, None),
            Some((_, ahead)) if is_rigid(&core) => (core, false, Some(compile(&ahead)?)),
            Some(_) => {
                return Err(Problem::unsupported(
                    "negative look-ahead behind a variable length",
                ));
            }
            None => (core, false, None),
        };
        Ok(Self {
            behind,
            core: compile(&core)?,
            grouped,
            not_ahead,
        })
    }

    fn end_at(&self, text: &str, at: usize) -> Option<usize> {
        let input = Input::new(text)
            .span(at..text.len())
            .anchored(Anchored::Yes);
        let end = if self.grouped {
            let mut captures = self.core.create_captures();
            self.core.search_captures(&input, &mut captures);
            captures.get_group(1)?.end
        } else {
            self.core.search(&input)?.end()
        };
        if let Some(not_ahead) = &self.not_ahead {
            let input = Input::new(text)
                .span(end..text.len())
                .anchored(Anchored::Yes);
            if not_ahead.is_match(input) {
                return None;
            }
        }
        if let Some((wanted, behind)) = &self.behind {
            let start = boundary_before(text, at.saturating_sub(BEHIND));
            if behind.is_match(text.get(start..at)?) != *wanted {
                return None;
            }
        }
        Some(end)
    }
}

/// Whether all matches of a pattern have the same length, so that there is only one way to match.
fn is_rigid(pattern: &str) -> bool {
    regex_syntax::parse(pattern).is_ok_and(|hir| {
        let properties = hir.properties();
        properties.minimum_len().is_some() && properties.minimum_len() == properties.maximum_len()
    })
}

/// Tells whether a text matches a pattern from its start.
#[derive(Debug)]
pub(crate) struct Whole {
    relaxed: Regex,
    strict: Option<(Regex, fancy_regex::Regex)>,
}

impl Whole {
    /// Compiles a pattern in Python's syntax.
    pub(crate) fn new(pattern: &str) -> Result<Self> {
        let parsed = pattern::parse(pattern)?;
        let from_start = |form| format!(r"\A(?:{})", pattern::write(&parsed, form));
        let strict = if parsed.iter().any(|nodes| pattern::looks(nodes)) {
            let exact = fancy_regex::RegexBuilder::new(&from_start(Form::Exact))
                .backtrack_limit(BACKTRACKS)
                .delegate_size_limit(SIZE_LIMIT)
                .build()
                .map_err(|error| Problem::unsupported(format!("a pattern with {error}")))?;
            Some((compile(&from_start(Form::Strict))?, exact))
        } else {
            None
        };
        Ok(Self {
            relaxed: compile(&from_start(Form::Relaxed))?,
            strict,
        })
    }

    /// Whether a text matches. One that takes too many steps to tell does, if it would without
    /// its look-around.
    pub(crate) fn is_match(&self, text: &str) -> bool {
        self.relaxed.is_match(text)
            && self.strict.as_ref().is_none_or(|(strict, exact)| {
                strict.is_match(text) || exact.is_match(text).unwrap_or(true)
            })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn the_leftmost_match_of_the_first_alternative_is_found() {
        let infix =
            Search::new(r"\.\.+|(?<=[a-z])(?:-|--)(?=[a-z])|(?<=[0-9])[+\-](?=[0-9-])").unwrap();
        assert_eq!(infix.find("a-b", 0), Some((1, 2)));
        // One hyphen is no match, as no letter follows; two are.
        assert_eq!(infix.find("a--b", 0), Some((1, 3)));
        assert_eq!(infix.find("a-1-2", 0), Some((3, 4)));
        assert_eq!(infix.find("a---b", 0), None);
        assert_eq!(infix.find("a-b..c", 2), Some((3, 5)));
    }

    #[test]
    fn look_around_decides_about_affixes() {
        let prefix = Search::new(r"^\$|^\+(?![0-9])").unwrap();
        assert_eq!(
            (
                prefix.prefix("$5"),
                prefix.prefix("+x"),
                prefix.prefix("+5")
            ),
            (1, 1, 0)
        );
        let suffix = Search::new(r"(?<=[0-9])(?:km|m)$|(?<=°[CF])\.$|\.\.+$").unwrap();
        assert_eq!(
            (
                suffix.suffix("5km"),
                suffix.suffix("xkm"),
                suffix.suffix("5°C.")
            ),
            (2, 0, 1)
        );
        assert_eq!(suffix.suffix(&format!("a{}", ".".repeat(1_000))), 1_000);
    }

    #[test]
    fn whole_texts_match_whatever_stands_in_the_middle() {
        let address =
            Whole::new(r"(?u)^(?:\w+://)?(?:(?!10\.)\d+(?:\.\d+){3}|[a-z]+\.com)$").unwrap();
        for (text, expected) in [
            ("http://a.com", true),
            ("http://8.8.8.8", true),
            ("http://10.8.8.8", false),
            ("a.org", false),
        ] {
            assert_eq!(address.is_match(text), expected, "{text}");
        }
    }

    #[test]
    fn unknown_syntax_is_refused() {
        for pattern in [
            r"(a",
            r"a)",
            r"[a",
            r"a\",
            r"(?P<x>a)",
            r"(a)\1",
            r"a(?=b)c",
        ] {
            assert!(Search::new(pattern).is_err(), "{pattern}");
        }
    }
}
