//! Names and terms to expect: those of a call, which its poster gave, and those of its account,
//! which the operator wrote into a file.
//!
//! The file is TOML:
//!
//! ```toml
//! default = ["Colloquy"]               # for accounts without a list of their own
//!
//! [accounts]
//! acme = ["Frobnicator 3000", "Zoë Müller"]
//! ```

use std::{collections::BTreeMap, path::Path};

use colloquy_contract::{
    AccountId,
    vocabulary::{VocabularyError, terms},
};
use serde::Deserialize;

/// Largest file, in bytes: some hundreds of full lists.
const MAX_FILE_BYTES: u64 = 1024 * 1024;

/// The terms of every account.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Vocabularies {
    default: Vec<String>,
    accounts: BTreeMap<AccountId, Vec<String>>,
}

/// Why a file of vocabularies cannot be used. The texts hold none of its terms.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VocabulariesError {
    /// It cannot be read.
    #[error("the file of vocabularies cannot be read")]
    Read(#[from] std::io::Error),
    /// It is too large to be one.
    #[error("a file of vocabularies has at most {MAX_FILE_BYTES} bytes")]
    TooLarge,
    /// It is not the format. The parser's message may quote it.
    #[error(
        "the file of vocabularies is not understood near line {line}: it has `default = [\"Term\"]` \
         and, under `[accounts]`, lines such as `acme = [\"Term\", \"Another\"]`"
    )]
    Format {
        /// Where.
        line: usize,
    },
    /// The list of an account.
    #[error("the vocabulary of account {account} cannot be used")]
    Account {
        /// The account.
        account: AccountId,
        /// Why not.
        source: VocabularyError,
    },
    /// The list of the others.
    #[error("the default vocabulary cannot be used")]
    Default(#[source] VocabularyError),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    default: Vec<String>,
    #[serde(default)]
    accounts: BTreeMap<AccountId, Vec<String>>,
}

impl Vocabularies {
    /// Reads a file.
    ///
    /// # Errors
    /// When it cannot be read, or holds what cannot be used.
    pub fn from_file(path: &Path) -> Result<Self, VocabulariesError> {
        if std::fs::metadata(path)?.len() > MAX_FILE_BYTES {
            return Err(VocabulariesError::TooLarge);
        }
        Self::parse(&std::fs::read_to_string(path)?)
    }

    /// Reads the text of a file.
    ///
    /// # Errors
    /// When it holds what cannot be used.
    pub fn parse(text: &str) -> Result<Self, VocabulariesError> {
        let file: File = toml::from_str(text).map_err(|error| {
            let before = error.span().and_then(|span| text.get(..span.start));
            VocabulariesError::Format {
                line: before.unwrap_or_default().matches('\n').count() + 1,
            }
        })?;
        let mut accounts = BTreeMap::new();
        for (account, listed) in file.accounts {
            let kept = terms(listed).map_err(|source| VocabulariesError::Account {
                account: account.clone(),
                source,
            })?;
            accounts.insert(account, kept);
        }
        Ok(Self {
            default: terms(file.default).map_err(VocabulariesError::Default)?,
            accounts,
        })
    }

    /// How many accounts have a list of their own.
    pub fn accounts(&self) -> usize {
        self.accounts.len()
    }

    /// The terms of an account: its own list, or else the default one.
    pub fn of(&self, account: &AccountId) -> &[String] {
        self.accounts.get(account).unwrap_or(&self.default)
    }
}

/// The prompt of these terms: the call's first, for the end is cut off where they are too many.
pub(crate) fn prompt(call: &[String], account: &[String]) -> Option<String> {
    let mut together: Vec<&str> = Vec::with_capacity(call.len() + account.len());
    for term in call.iter().chain(account) {
        if !together.contains(&term.as_str()) {
            together.push(term);
        }
    }
    (!together.is_empty()).then(|| together.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(text: &str) -> AccountId {
        text.parse().unwrap()
    }

    #[test]
    fn an_account_has_its_own_terms_or_the_default() {
        let read = Vocabularies::parse(
            "default = [\"Colloquy\"]\n[accounts]\nacme = [\"Zoë Müller\", \" Gizmo \"]\nbare = []",
        )
        .unwrap();
        assert_eq!(read.of(&account("acme")), ["Zoë Müller", "Gizmo"]);
        assert_eq!(read.of(&account("other")), ["Colloquy"]);
        assert!(read.of(&account("bare")).is_empty());
        assert_eq!(read.accounts(), 2);
        assert_eq!(Vocabularies::parse("").unwrap(), Vocabularies::default());
    }

    #[test]
    fn what_cannot_be_used_is_refused_without_being_quoted() {
        for (text, expected) in [
            ("default = [\"a\"]\nsecret = 1", "near line 2"),
            ("default = \"secret\"", "near line 1"),
            ("[accounts]\n\"Secret Ltd!\" = [\"a\"]", "near line 2"),
            ("default = [\"<|secret|>\"]", "default vocabulary"),
            ("[accounts]\nacme = [\"secret,\"]", "account acme"),
        ] {
            let error = Vocabularies::parse(text).unwrap_err();
            let mut told = error.to_string();
            if let Some(source) = std::error::Error::source(&error) {
                told += &source.to_string();
            }
            assert!(told.contains(expected), "{told}");
            assert!(!told.to_lowercase().contains("secret"), "{told}");
        }
    }

    #[test]
    fn files_have_a_limit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("vocabulary.toml");
        assert!(matches!(
            Vocabularies::from_file(&path),
            Err(VocabulariesError::Read(_))
        ));
        std::fs::write(&path, "#".repeat(MAX_FILE_BYTES as usize + 1)).unwrap();
        assert!(matches!(
            Vocabularies::from_file(&path),
            Err(VocabulariesError::TooLarge)
        ));
        std::fs::write(&path, "default = [\"a\"]").unwrap();
        assert!(Vocabularies::from_file(&path).is_ok());
    }

    #[test]
    fn the_calls_terms_come_first_and_none_twice() {
        let list = |terms: &[&str]| {
            terms
                .iter()
                .map(|&term| term.to_owned())
                .collect::<Vec<_>>()
        };
        let together = prompt(&list(&["Zoë", "Gizmo"]), &list(&["Acme", "Zoë"]));
        assert_eq!(together.as_deref(), Some("Zoë, Gizmo, Acme"));
        assert_eq!(prompt(&[], &[]), None);
    }
}
