//! The regular expressions of a tokenizer file, which are Python's, read for Rust's engines.
//!
//! Python's syntax (<https://docs.python.org/3/library/re.html#regular-expression-syntax>) and that
//! of [`regex_syntax`] differ in escapes, in what a class may hold unescaped, in what `\w` is, and
//! in look-around, which engines of linear time do not have. A pattern is parsed into a tree of
//! alternatives, from which three expressions are written:
//!
//! - *exact*, look-around and all;
//! - *relaxed*, every look-around left out: it matches wherever the exact one does;
//! - *strict*, every look-around replaced by what never matches: the exact one matches wherever it
//!   does.

use crate::error::Problem;

type Result<T, E = Problem> = std::result::Result<T, E>;

/// Which way a look-around looks, and whether it wants or refuses what it sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Look {
    /// `(?=…)`
    Ahead,
    /// `(?!…)`
    NotAhead,
    /// `(?<=…)`
    Behind,
    /// `(?<!…)`
    NotBehind,
}

impl Look {
    fn opening(self) -> &'static str {
        match self {
            Self::Ahead => "(?=",
            Self::NotAhead => "(?!",
            Self::Behind => "(?<=",
            Self::NotBehind => "(?<!",
        }
    }
}

/// A part of an alternative.
#[derive(Debug, Clone)]
pub(crate) enum Node {
    /// In Rust's syntax already.
    Text(String),
    /// A group; captures are not kept.
    Group(Alternatives),
    /// A look-around.
    Look(Look, Alternatives),
}

/// What stands between the bars.
pub(crate) type Alternatives = Vec<Vec<Node>>;

/// What becomes of look-around.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// It stays.
    Exact,
    /// It is left out.
    Relaxed,
    /// It never matches.
    Strict,
}

/// Reads a pattern in Python's syntax.
pub(crate) fn parse(pattern: &str) -> Result<Alternatives> {
    let pattern = pattern.strip_prefix("(?u)").unwrap_or(pattern);
    let mut parser = Parser {
        rest: pattern.chars().collect::<Vec<_>>().into_iter().peekable(),
    };
    let alternatives = parser.alternatives(0)?;
    match parser.rest.next() {
        None => Ok(alternatives),
        Some(_) => Err(Problem::damaged("a pattern closes a group it did not open")),
    }
}

/// Writes a pattern in Rust's syntax.
pub(crate) fn write(alternatives: &[Vec<Node>], form: Form) -> String {
    let mut out = String::new();
    for (index, nodes) in alternatives.iter().enumerate() {
        if index > 0 {
            out.push('|');
        }
        out.push_str(&write_nodes(nodes, form));
    }
    out
}

/// Writes one alternative.
pub(crate) fn write_nodes(nodes: &[Node], form: Form) -> String {
    let mut out = String::new();
    for node in nodes {
        match (node, form) {
            (Node::Text(text), _) => out.push_str(text),
            (Node::Group(inner), _) => {
                out.push_str("(?:");
                out.push_str(&write(inner, form));
                out.push(')');
            }
            (Node::Look(look, inner), Form::Exact) => {
                out.push_str(look.opening());
                out.push_str(&write(inner, form));
                out.push(')');
            }
            (Node::Look(..), Form::Relaxed) => {}
            (Node::Look(..), Form::Strict) => out.push_str(r"[^\s\S]"),
        }
    }
    out
}

/// Whether there is look-around anywhere in an alternative.
pub(crate) fn looks(nodes: &[Node]) -> bool {
    nodes.iter().any(|node| match node {
        Node::Text(_) => false,
        Node::Group(inner) => inner.iter().any(|nodes| looks(nodes)),
        Node::Look(..) => true,
    })
}

/// Groups may be nested this deep: no model's are, and the parser must not overflow its stack.
const DEEPEST: usize = 64;

struct Parser {
    rest: std::iter::Peekable<std::vec::IntoIter<char>>,
}

impl Parser {
    fn take(&mut self, wanted: &str) -> bool {
        let mut ahead = self.rest.clone();
        for c in wanted.chars() {
            if ahead.next() != Some(c) {
                return false;
            }
        }
        self.rest = ahead;
        true
    }

    /// Up to the end, or to a `)`, which is left.
    fn alternatives(&mut self, depth: usize) -> Result<Alternatives> {
        if depth > DEEPEST {
            return Err(Problem::unsupported("groups nested more than 64 deep"));
        }
        let mut alternatives = vec![Vec::new()];
        while let Some(c) = self.rest.next_if(|c| *c != ')') {
            if c == '|' {
                alternatives.push(Vec::new());
                continue;
            }
            let node = match c {
                '(' => self.group(depth)?,
                '[' => Node::Text(self.class()?),
                '\\' => Node::Text(self.escape()?.written()),
                '^' => Node::Text(r"\A".to_owned()),
                '$' => Node::Text(r"\z".to_owned()),
                '{' => Node::Text(self.repetition()),
                '.' | '*' | '+' | '?' => Node::Text(c.to_string()),
                _ => Node::Text(literal(c)),
            };
            if let Some(nodes) = alternatives.last_mut() {
                nodes.push(node);
            }
        }
        Ok(alternatives)
    }

    fn group(&mut self, depth: usize) -> Result<Node> {
        let look = [Look::Ahead, Look::NotAhead, Look::Behind, Look::NotBehind]
            .into_iter()
            .find(|look| self.take(look.opening().trim_start_matches('(')));
        if look.is_none() && !self.take("?:") && self.rest.peek() == Some(&'?') {
            return Err(Problem::unsupported(
                "a pattern with an unknown kind of group",
            ));
        }
        let inner = self.alternatives(depth + 1)?;
        if self.rest.next() != Some(')') {
            return Err(Problem::damaged("a pattern has an open group"));
        }
        Ok(match look {
            Some(look) => Node::Look(look, inner),
            None => Node::Group(inner),
        })
    }

    /// What follows a `{`, which is a brace if it is no number of times.
    fn repetition(&mut self) -> String {
        let mut times = String::from("{");
        let mut ahead = self.rest.clone();
        for c in ahead.by_ref() {
            times.push(c);
            match c {
                '0'..='9' | ',' => {}
                '}' if times.len() > 2 => {
                    self.rest = ahead;
                    return times;
                }
                _ => break,
            }
        }
        literal('{')
    }

    fn class(&mut self) -> Result<String> {
        let mut out = String::from(if self.take("^") { "[^" } else { "[" });
        let mut first = true;
        loop {
            let c = self.rest.next();
            let item = match c {
                None => return Err(Problem::damaged("a pattern has an open class")),
                Some(']') if !first => break,
                Some('\\') => self.escape()?,
                Some(c) => Escaped::Char(c),
            };
            first = false;
            let Escaped::Char(start) = item else {
                out.push_str(&item.written());
                continue;
            };
            out.push_str(&literal(start));
            // A `-` before the end of the class is itself.
            let mut ahead = self.rest.clone();
            if ahead.next() == Some('-') && ahead.next().is_some_and(|c| c != ']') {
                self.rest.next();
                let end = match self.rest.next() {
                    Some('\\') => self.escape()?,
                    Some(c) => Escaped::Char(c),
                    None => return Err(Problem::damaged("a pattern has an open class")),
                };
                let Escaped::Char(end) = end else {
                    return Err(Problem::damaged(
                        "a pattern has a range that ends in a class",
                    ));
                };
                out.push('-');
                out.push_str(&literal(end));
            }
        }
        out.push(']');
        Ok(out)
    }

    /// What follows a backslash.
    fn escape(&mut self) -> Result<Escaped> {
        let Some(c) = self.rest.next() else {
            return Err(Problem::damaged("a pattern ends in a backslash"));
        };
        Ok(match c {
            'd' => Escaped::Class(r"\d"),
            'D' => Escaped::Class(r"\D"),
            's' => Escaped::Class(r"\s"),
            'S' => Escaped::Class(r"\S"),
            // Python's `\w` is what `str.isalnum` holds for, and the underscore.
            'w' => Escaped::Class(r"[\p{L}\p{N}_]"),
            'W' => Escaped::Class(r"[^\p{L}\p{N}_]"),
            'x' => Escaped::Char(self.code(2)?),
            'u' => Escaped::Char(self.code(4)?),
            'U' => Escaped::Char(self.code(8)?),
            'n' => Escaped::Char('\n'),
            't' => Escaped::Char('\t'),
            'r' => Escaped::Char('\r'),
            c if c.is_ascii_alphanumeric() => {
                return Err(Problem::unsupported("a pattern with an unknown escape"));
            }
            c => Escaped::Char(c),
        })
    }

    fn code(&mut self, digits: usize) -> Result<char> {
        let digits: String = self.rest.by_ref().take(digits).collect();
        u32::from_str_radix(&digits, 16)
            .ok()
            .and_then(char::from_u32)
            .ok_or_else(|| Problem::damaged("a pattern has an escape that is no character"))
    }
}

/// What an escape stands for.
enum Escaped {
    Char(char),
    Class(&'static str),
}

impl Escaped {
    fn written(&self) -> String {
        match self {
            Self::Char(c) => literal(*c),
            Self::Class(class) => (*class).to_owned(),
        }
    }
}

/// A character as itself, inside of a class or out of it.
fn literal(c: char) -> String {
    if c.is_alphanumeric() {
        c.to_string()
    } else {
        format!(r"\x{{{:X}}}", u32::from(c))
    }
}
