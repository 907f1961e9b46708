//! What is redacted, and how: a policy for each account.
//!
//! A file of policies is TOML: a section for all accounts, and one for each account that wants
//! something else (`docs/anonymization.md` shows one). What a file does not say is as in the
//! built-in policy, and what an account's section does not say is as in the file's default section.
//!
//! Promises:
//!
//! * A file is taken whole or not at all: whatever it has that is not known, or makes no sense, is
//!   an error that says where it is and what to do.
//! * What no policy speaks of is redacted: an entity type that is not known gets a label.
//! * Errors and logs hold no entry of a list, for that may be a name, and no key.

mod book;
mod key;
mod kinds;
mod pattern;
mod read;

use std::{
    collections::BTreeMap,
    fmt,
    path::Path,
    sync::{Arc, LazyLock},
};

use colloquy_contract::{AccountId, facts::PolicyVersion};
use sha2::{Digest, Sha256};

use crate::audio::AudioPolicy;
pub(crate) use pattern::Pattern;

pub use book::{Look, PolicyBook, Sources};
pub use key::Key;
pub use kinds::CUSTOM;

/// The built-in policy.
pub const BUILT_IN: &str = include_str!("policy/default.toml");

/// Largest file in bytes: some thousands of accounts.
const MAX_FILE_BYTES: u64 = 1024 * 1024;

/// Hexadecimal digits of a version.
const VERSION_DIGITS: usize = 12;

/// What becomes of an entity in the text. In the audio, whatever is not kept is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// It stays, in text and audio.
    Keep,
    /// A label that is numbered through the conversation: `[PERSON_1]`.
    Label,
    /// Four asterisks.
    Mask,
    /// A token that is equal for equal values of an account: `[PERSON_3F9AC2D104BE]`.
    Hash,
    /// Asterisks and its last four characters, of at least eight: `****4242`.
    LastFour,
}

impl Action {
    const ALL: [(&'static str, Self); 5] = [
        ("keep", Self::Keep),
        ("label", Self::Label),
        ("mask", Self::Mask),
        ("hash", Self::Hash),
        ("last4", Self::LastFour),
    ];
}

/// What is done with a type.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Rule {
    pub(crate) action: Action,
    /// Findings that are less sure are no findings.
    pub(crate) threshold: f32,
}

/// How it is proved that nothing is left in the audio.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verify {
    /// Not at all.
    Off,
    /// The stretches that were cut, with what is around them, are transcribed again.
    Removed,
    /// The whole recording is.
    All,
}

impl Verify {
    const ALL: [(&'static str, Self); 3] = [
        ("off", Self::Off),
        ("removed", Self::Removed),
        ("all", Self::All),
    ];

    /// Its name in files and facts.
    pub fn name(self) -> &'static str {
        let named = Self::ALL.iter().find(|(_, verify)| *verify == self);
        named.map_or("off", |(name, _)| name)
    }
}

/// What is done with the conversations of an account. Its lists may hold names: no `Debug` of them.
#[derive(Clone)]
pub struct Policy {
    version: PolicyVersion,
    rules: BTreeMap<String, Rule>,
    allow: Vec<Pattern>,
    deny: Vec<Pattern>,
    key: Option<Key>,
    /// How cuts are made, and in what form the recording is written.
    pub audio: AudioPolicy,
    /// How it is proved that nothing is left.
    pub verify: Verify,
    /// How often a leak is cut with more padding before the conversation is given up.
    pub retries: u32,
}

impl fmt::Debug for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Policy")
            .field("version", &self.version)
            .field("audio", &self.audio)
            .field("verify", &self.verify)
            .finish_non_exhaustive()
    }
}

impl Default for Policy {
    /// The built-in one.
    fn default() -> Self {
        static DEFAULT: LazyLock<Policy> = LazyLock::new(|| {
            // A test reads it; were it broken, everything would get labels.
            let read = Policies::built_in().map(|policies| Policy::clone(&policies.default));
            read.unwrap_or_else(|_| Policy::strictest())
        });
        DEFAULT.clone()
    }
}

impl Policy {
    /// Redacts all that is found, whatever it is, by labels.
    pub(crate) fn strictest() -> Self {
        Self {
            version: PolicyVersion {
                version: version_of(&[]),
                name: None,
            },
            rules: BTreeMap::new(),
            allow: Vec::new(),
            deny: Vec::new(),
            key: None,
            audio: AudioPolicy::default(),
            verify: Verify::Removed,
            retries: 3,
        }
    }

    /// Which one it is.
    pub fn version(&self) -> &PolicyVersion {
        &self.version
    }

    /// What is done with a type.
    pub(crate) fn rule(&self, kind: &str) -> Rule {
        let strict = Rule {
            action: Action::Label,
            threshold: 0.0,
        };
        self.rules.get(kind).copied().unwrap_or(strict)
    }

    /// Whether a finding of this type and score is redacted.
    pub(crate) fn redacts(&self, kind: &str, score: f32) -> bool {
        let rule = self.rule(&kind.to_ascii_uppercase());
        // A score that is no number is not below anything.
        let is_sure = score.is_nan() || score >= rule.threshold;
        rule.action != Action::Keep && is_sure
    }

    /// What it does, for people: a line for each matter, without an entry of a list.
    pub fn describe(&self) -> Vec<String> {
        let named = |action: Action| {
            let mut kinds: Vec<String> = Vec::new();
            for (kind, rule) in self.rules.iter().filter(|(_, rule)| rule.action == action) {
                kinds.push(match rule.threshold > 0.0 {
                    true => format!("{kind} (from {})", rule.threshold),
                    false => kind.clone(),
                });
            }
            kinds.join(", ")
        };
        let mut lines: Vec<String> = Action::ALL
            .iter()
            .map(|(name, action)| (name, named(*action)))
            .filter(|(_, kinds)| !kinds.is_empty())
            .map(|(name, kinds)| format!("{name}: {kinds}"))
            .collect();
        let audio = &self.audio;
        lines.push(format!(
            "lists: {} allowed, {} denied",
            self.allow.len(),
            self.deny.len()
        ));
        lines.push(format!(
            "audio: {}, {} ms before and {} ms after, faded over {} ms, as {}",
            match audio.style {
                crate::audio::Style::Tone => "tone",
                crate::audio::Style::Silence => "silence",
            },
            audio.padding_before_ms,
            audio.padding_after_ms,
            audio.fade_ms,
            audio.format.extension()
        ));
        lines.push(match self.verify {
            Verify::Off => "proof: none".to_owned(),
            verify => format!("proof: {}, {} retries", verify.name(), self.retries),
        });
        lines
    }

    pub(crate) fn allowed(&self) -> &[Pattern] {
        &self.allow
    }

    pub(crate) fn denied(&self) -> &[Pattern] {
        &self.deny
    }

    /// The token of a value, where there is a key.
    pub(crate) fn token(&self, account: &str, kind: &str, value: &str) -> Option<String> {
        let key = self.key.as_ref()?;
        Some(key.token(account, kind, value))
    }
}

/// The policies of all accounts.
#[derive(Debug, Clone)]
pub struct Policies {
    default: Arc<Policy>,
    accounts: BTreeMap<AccountId, Arc<Policy>>,
}

impl Default for Policies {
    fn default() -> Self {
        Self {
            default: Arc::new(Policy::default()),
            accounts: BTreeMap::new(),
        }
    }
}

impl Policies {
    fn built_in() -> Result<Self, PolicyError> {
        Self::parse("", None)
    }

    /// Reads a file.
    ///
    /// # Errors
    /// When it cannot be read, or holds what cannot be used.
    pub fn from_file(path: &Path, key: Option<&Key>) -> Result<Self, PolicyError> {
        Self::parse(&text_of(path)?, key)
    }

    /// Reads the text of a file.
    ///
    /// # Errors
    /// When it holds what cannot be used.
    pub fn parse(text: &str, key: Option<&Key>) -> Result<Self, PolicyError> {
        read::policies(text, key)
    }

    /// How many accounts have a policy of their own.
    pub fn accounts(&self) -> usize {
        self.accounts.len()
    }

    /// The policy of an account.
    pub fn of(&self, account: &AccountId) -> &Arc<Policy> {
        self.accounts.get(account).unwrap_or(&self.default)
    }

    /// The version of the whole file.
    pub fn version(&self) -> &PolicyVersion {
        self.default.version()
    }

    /// Whether any of them asks for proof.
    pub fn verify_any(&self) -> bool {
        let own = self.accounts.values();
        own.chain([&self.default])
            .any(|policy| policy.verify != Verify::Off)
    }
}

fn text_of(path: &Path) -> Result<String, PolicyError> {
    if std::fs::metadata(path).map_err(PolicyError::Read)?.len() > MAX_FILE_BYTES {
        return Err(PolicyError::TooLarge);
    }
    std::fs::read_to_string(path).map_err(PolicyError::Read)
}

/// The version of a text on top of the built-in policy.
fn version_of(text: &[u8]) -> String {
    let mut hash = Sha256::new();
    hash.update(BUILT_IN);
    hash.update(text);
    let mut version = hex::encode(hash.finalize());
    version.truncate(VERSION_DIGITS);
    version
}

/// Why a file of policies cannot be used. The texts hold none of its entries.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// It cannot be read.
    #[error("the redaction policy cannot be read")]
    Read(#[source] std::io::Error),
    /// It is too large to be one.
    #[error("a redaction policy has at most {MAX_FILE_BYTES} bytes")]
    TooLarge,
    /// It is no TOML.
    #[error("line {line} of the redaction policy is no TOML: {problem}")]
    Syntax {
        /// Where.
        line: usize,
        /// What the parser misses.
        problem: String,
    },
    /// It has what is not known, or makes no sense.
    #[error("line {line} of the redaction policy: {problem}")]
    Invalid {
        /// Where.
        line: usize,
        /// What, and what to do.
        problem: String,
    },
    /// The key cannot be read.
    #[error("the key of the redaction policy's hashes cannot be read")]
    ReadKey(#[source] std::io::Error),
    /// The key is too short.
    #[error(
        "the key of the redaction policy's hashes has fewer than 16 characters: make a random one, \
         such as by 'openssl rand -hex 32'"
    )]
    ShortKey,
    /// The key is too long.
    #[error("the file of the key of the redaction policy's hashes is no key: it is too large")]
    LongKey,
}
