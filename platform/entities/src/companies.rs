//! A company that is told once is one wherever it is named: "Qorvia charged me twice. I called
//! Qorvia, and Qorvia said …".

use foldhash::{HashMap, HashSet};

use crate::entity::{Candidate, Part, score, types};
use crate::recognizers;
use crate::text::{Conversation, Token, TurnText};
use crate::words;

/// A claim that is this sure says what the name is elsewhere, too.
const TOLD: f32 = score::MODEL + 0.015;
/// How sure a repetition is: more than the model, less than what is said around the name.
const AGAIN: f32 = score::MODEL + 0.025;
/// A name is found again by its first word if that has so many letters.
const SHORTEST: usize = 4;

/// Calls claims of a name that is known as a company's in the text a company, and claims the name
/// wherever else it stands.
pub(crate) fn find_again(conversation: &Conversation<'_>, candidates: &mut Vec<Candidate>) {
    coordinate(conversation, candidates);
    let names = Names::new(candidates);
    if names.is_empty() {
        return;
    }
    for candidate in candidates.iter_mut() {
        let unsure = candidate.score < score::PARTIAL
            && matches!(
                candidate.entity_type,
                types::PERSON | types::LOCATION | types::NRP
            );
        if (unsure || is_spelled(candidate)) && names.has(&candidate.value) {
            candidate.entity_type = types::ORGANIZATION;
            candidate.score = candidate.score.max(AGAIN);
        }
    }
    for (turn, content) in conversation.turns.iter().enumerate() {
        let tokens = &conversation.tokens[content.tokens.clone()];
        let mut at = 0;
        while at < tokens.len() {
            let end = names.end(content, tokens, at);
            if let Some(end) = end {
                let part = Part {
                    turn,
                    start: tokens[at].start,
                    end: tokens[end - 1].end,
                };
                candidates.push(Candidate {
                    entity_type: types::ORGANIZATION,
                    value: content.text[part.start..part.end].to_lowercase(),
                    score: AGAIN,
                    recognizer: "propagation",
                    parts: vec![part],
                });
            }
            at = end.unwrap_or(at + 1);
        }
    }
}

/// `Petrolux and Gazmir`: an unknown name that "and" joins with a company is one.
fn coordinate(conversation: &Conversation<'_>, candidates: &mut [Candidate]) {
    let places = |edge: fn(&Part) -> usize| -> HashSet<(usize, usize)> {
        let companies = candidates
            .iter()
            .filter(|candidate| candidate.entity_type == types::ORGANIZATION);
        companies
            .map(|company| (company.parts[0].turn, edge(&company.parts[0])))
            .collect()
    };
    let (mut starts, mut ends) = (places(|part| part.start), places(|part| part.end));
    for candidate in candidates.iter_mut() {
        let weak = candidate.recognizer == "model"
            && matches!(candidate.entity_type, types::PERSON | types::LOCATION)
            && names_company(&candidate.value)
            && !words::is_surname(&candidate.value);
        let part = candidate.parts[0];
        let text = conversation.turns[part.turn].text;
        let joined = |sign: &str| {
            let before = text[..part.start].ends_with(sign)
                && ends.contains(&(part.turn, part.start - sign.len()));
            let behind = text[part.end..].starts_with(sign)
                && starts.contains(&(part.turn, part.end + sign.len()));
            before || behind
        };
        // "Dashway, Solvanta and Nestlé", but not "Jane Smith of Dashway, Solvanta".
        let (before, behind) = (&text[..part.start], &text[part.end..]);
        // Towns stand behind a company, too.
        let row = behind.starts_with(" and ")
            || (candidate.entity_type == types::PERSON
                && (behind.starts_with(", ") || before.ends_with(", "))
                && behind.starts_with([',', '.', '\n', ';']));
        let listed = joined(", ") && row;
        if weak && (listed || [" and ", " or ", " & ", "/"].into_iter().any(joined)) {
            candidate.entity_type = types::ORGANIZATION;
            candidate.score = AGAIN;
            starts.insert((part.turn, part.start));
            ends.insert((part.turn, part.end));
        }
    }
}

/// The names of the companies of a text.
struct Names {
    /// Whole names of several words, by their first one.
    several: HashMap<String, Vec<String>>,
    /// Names of one word, and first words that name nothing else.
    single: HashSet<String>,
}

impl Names {
    fn new(candidates: &[Candidate]) -> Self {
        let told = candidates.iter().filter(|candidate| {
            candidate.entity_type == types::ORGANIZATION
                && candidate.recognizer == "organization"
                && candidate.score >= TOLD
        });
        let companies: HashSet<Part> = told.clone().map(|company| company.parts[0]).collect();
        let people: HashSet<&str> = candidates
            .iter()
            .filter(|candidate| {
                candidate.entity_type == types::PERSON
                    && (candidate.score >= score::PARTIAL || candidate.value.contains(' '))
                    && !is_spelled(candidate)
                    && !companies.contains(&candidate.parts[0])
            })
            .flat_map(|candidate| candidate.value.split(' '))
            .collect();
        let mut names = Self {
            several: HashMap::default(),
            single: HashSet::default(),
        };
        for candidate in told {
            let first = candidate.value.split(' ').next().unwrap_or("");
            if first.len() < candidate.value.len() {
                let same = names.several.entry(first.to_owned()).or_default();
                if !same.contains(&candidate.value) && same.len() < MOST_ALIKE {
                    same.push(candidate.value.clone());
                }
            }
            // "Bäckerei Fischer GmbH" is Fischer.
            let kind = recognizers::is_kind_before(first);
            let own = candidate
                .value
                .split(' ')
                .nth(usize::from(kind))
                .unwrap_or("");
            if names_company(own) && !people.contains(own) {
                names.single.insert(own.to_owned());
            }
        }
        names
    }

    fn is_empty(&self) -> bool {
        self.several.is_empty() && self.single.is_empty()
    }

    /// Whether it is one of the names, whole.
    fn has(&self, value: &str) -> bool {
        let first = value.split(' ').next().unwrap_or("");
        self.single.contains(value)
            || self
                .several
                .get(first)
                .is_some_and(|names| names.iter().any(|name| name == value))
    }

    /// Where the name ends that starts at a token.
    fn end(&self, content: &TurnText<'_>, tokens: &[Token], at: usize) -> Option<usize> {
        let text = content.text;
        let raw = &text[tokens[at].start..tokens[at].end];
        let capital = raw.starts_with(char::is_uppercase);
        // In a text with capitals, a name has one.
        if content.cased && !capital {
            return None;
        }
        let lower = raw.to_lowercase();
        let several = self.several.get(&lower);
        let single = self.single.contains(&lower);
        if several.is_none() && !single {
            return None;
        }
        let whole = several.into_iter().flatten().filter_map(|name| {
            let end = tokens[at].start + name.len();
            let said = text.get(tokens[at].start..end)?;
            let last = tokens[at..].partition_point(|token| token.end <= end) + at;
            (said.to_lowercase() == *name && tokens.get(last - 1)?.end == end).then_some(last)
        });
        whole.max().or(single.then_some(at + 1))
    }
}

/// Whether a name is read out letter by letter, so that its text is longer than it.
fn is_spelled(candidate: &Candidate) -> bool {
    candidate.entity_type == types::PERSON
        && candidate.recognizer == "person"
        && !candidate.value.contains(' ')
        && candidate.len() > candidate.value.len() + 1
}

/// As many names with one first word are looked for.
const MOST_ALIKE: usize = 20;

/// Whether a word, in lower case, is a name that is no word, place or given name.
fn names_company(lower: &str) -> bool {
    lower.chars().count() >= SHORTEST
        && lower.chars().all(char::is_alphanumeric)
        && lower.chars().any(char::is_alphabetic)
        && !words::is_english(lower)
        && !words::is_given_name(lower)
        && !words::is_place(lower)
        && !words::is_acronym(lower)
}
