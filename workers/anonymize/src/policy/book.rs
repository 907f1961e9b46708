//! Keeps policies up to date with their file, without a restart.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError, RwLock},
    time::Duration,
};

use opentelemetry::metrics::{Counter, Gauge};
use tokio_util::sync::CancellationToken;

use super::{Key, Policies, PolicyError, text_of};

/// How often the files are looked at: a change counts after this long. They are small, and a
/// look at them works on every file system and for files that a cluster swaps by a link.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Where policies come from.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// The file of policies; without one, the built-in policy holds.
    pub policy: Option<PathBuf>,
    /// The file of the key of hashes.
    pub key_file: Option<PathBuf>,
    /// The key, where there is no file.
    pub key: Option<Key>,
}

/// What is in the files.
#[derive(PartialEq, Eq)]
struct Content {
    text: String,
    key: Option<Key>,
}

impl Sources {
    fn read(&self) -> Result<Content, PolicyError> {
        let text = self.policy.as_deref().map(text_of).transpose()?;
        let from_file = self.key_file.as_deref().map(Key::from_file).transpose()?;
        Ok(Content {
            text: text.unwrap_or_default(),
            key: from_file.or_else(|| self.key.clone()),
        })
    }
}

/// The policies that hold now; clones are the same.
///
/// A conversation is redacted by the policy that held when its turn came, to the end. A file that
/// cannot be used changes nothing: the policies before it go on to hold, which the log says once
/// for each such file, and the metric `colloquy.redaction.policy.invalid` for as long as it is there.
#[derive(Clone)]
pub struct PolicyBook {
    inner: Arc<Inner>,
}

struct Inner {
    sources: Sources,
    current: RwLock<Arc<Policies>>,
    /// What was read last, or why nothing was.
    seen: Mutex<Result<Content, String>>,
    loads: Counter<u64>,
    invalid: Gauge<u64>,
}

impl std::fmt::Debug for PolicyBook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PolicyBook")
            .field("sources", &self.inner.sources)
            .finish_non_exhaustive()
    }
}

impl Default for PolicyBook {
    /// The built-in policy, for ever.
    fn default() -> Self {
        Self::of(Policies::default())
    }
}

/// What a look at the files found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// Nothing new.
    Same,
    /// Policies, which hold from now on.
    Taken,
    /// What cannot be used.
    Refused,
}

impl PolicyBook {
    /// These policies, for ever.
    pub fn of(policies: Policies) -> Self {
        let empty = Content {
            text: String::new(),
            key: None,
        };
        Self::new(Sources::default(), policies, empty)
    }

    /// The policies in these files.
    ///
    /// # Errors
    /// When they cannot be used: a process does not start with them.
    pub fn open(sources: Sources) -> Result<Self, PolicyError> {
        let content = sources.read()?;
        let policies = Policies::parse(&content.text, content.key.as_ref())?;
        let version = policies.version();
        tracing::info!(
            version = version.version,
            name = version.name,
            accounts = policies.accounts(),
            "redaction policy read"
        );
        Ok(Self::new(sources, policies, content))
    }

    fn new(sources: Sources, policies: Policies, content: Content) -> Self {
        let meter = opentelemetry::global::meter("colloquy");
        let loads = meter
            .u64_counter("colloquy.redaction.policy.loads")
            .with_description("Redaction policies that were taken while running")
            .build();
        let invalid = meter
            .u64_gauge("colloquy.redaction.policy.invalid")
            .with_description("1 while the redaction policy's file cannot be used")
            .build();
        loads.add(0, &[]);
        invalid.record(0, &[]);
        Self {
            inner: Arc::new(Inner {
                sources,
                current: RwLock::new(Arc::new(policies)),
                seen: Mutex::new(Ok(content)),
                loads,
                invalid,
            }),
        }
    }

    /// The policies that hold now.
    pub fn current(&self) -> Arc<Policies> {
        let current = self.inner.current.read();
        current.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Looks at the files once.
    pub fn look(&self) -> Look {
        let inner = &self.inner;
        let mut seen = inner.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let read = inner.sources.read();
        if let (Ok(read), Ok(seen)) = (&read, &*seen)
            && read == seen
        {
            return Look::Same;
        }
        let parsed = read.and_then(|content| {
            let policies = Policies::parse(&content.text, content.key.as_ref())?;
            Ok((content, policies))
        });
        match parsed {
            Ok((content, policies)) => {
                let version = policies.version().clone();
                *seen = Ok(content);
                *inner
                    .current
                    .write()
                    .unwrap_or_else(PoisonError::into_inner) = Arc::new(policies);
                inner.loads.add(1, &[]);
                inner.invalid.record(0, &[]);
                tracing::info!(
                    version = version.version,
                    name = version.name,
                    "redaction policy read again: it holds from now on"
                );
                Look::Taken
            }
            Err(error) => {
                inner.invalid.record(1, &[]);
                let told = error.to_string();
                if seen.as_ref().err() != Some(&told) {
                    tracing::error!(
                        error = told,
                        version = self.current().version().version,
                        "the redaction policy was changed to what cannot be used: the one before \
                         it goes on to hold"
                    );
                    *seen = Err(told);
                }
                Look::Refused
            }
        }
    }

    /// Looks at the files until it is told to stop.
    pub async fn watch(self, stop: CancellationToken) {
        let sources = &self.inner.sources;
        if sources.policy.is_none() && sources.key_file.is_none() {
            stop.cancelled().await;
            return;
        }
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
            let book = self.clone();
            // Files may be on a disk that hangs: not on a thread that others need.
            let _ = tokio::task::spawn_blocking(move || book.look()).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::policy::Verify;

    #[test]
    fn a_file_is_taken_again_and_one_that_is_invalid_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let (policy, key) = (folder.path().join("policy.toml"), folder.path().join("key"));
        fs::write(&policy, "name = \"one\"").unwrap();
        fs::write(&key, "0123456789abcdef").unwrap();
        let book = PolicyBook::open(Sources {
            policy: Some(policy.clone()),
            key_file: Some(key.clone()),
            key: None,
        })
        .unwrap();
        let name = || book.current().version().name.clone().unwrap();
        assert_eq!((book.look(), name()), (Look::Same, "one".to_owned()));

        fs::write(&policy, "name = \"two\"\n[default.proof]\nverify = \"off\"").unwrap();
        assert_eq!((book.look(), name()), (Look::Taken, "two".to_owned()));
        assert!(!book.current().verify_any());

        for broken in [
            "name = ",
            "nome = \"three\"",
            "[default.types]\nX = \"keep\"",
        ] {
            fs::write(&policy, broken).unwrap();
            assert_eq!((book.look(), name()), (Look::Refused, "two".to_owned()));
            assert_eq!(book.look(), Look::Refused);
        }
        fs::remove_file(&policy).unwrap();
        assert_eq!((book.look(), name()), (Look::Refused, "two".to_owned()));

        fs::write(&policy, "name = \"four\"").unwrap();
        assert_eq!((book.look(), name()), (Look::Taken, "four".to_owned()));
        let account = "acme".parse().unwrap();
        let policies = book.current();
        assert_eq!(policies.of(&account).verify, Verify::Removed);

        // A new key counts as well, and one that is none does not.
        fs::write(&key, "fedcba9876543210").unwrap();
        assert_eq!(book.look(), Look::Taken);
        fs::write(&key, "short").unwrap();
        assert_eq!(book.look(), Look::Refused);
    }

    #[test]
    fn a_process_does_not_start_with_what_cannot_be_used() {
        let folder = tempfile::tempdir().unwrap();
        let policy = folder.path().join("policy.toml");
        let open = || {
            PolicyBook::open(Sources {
                policy: Some(policy.clone()),
                ..Sources::default()
            })
        };
        assert!(matches!(open(), Err(PolicyError::Read(_))));
        fs::write(&policy, "x = 1").unwrap();
        assert!(matches!(open(), Err(PolicyError::Invalid { line: 1, .. })));
    }
}
