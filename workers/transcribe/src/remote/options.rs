//! Which server, and within which limits.

use std::{fmt, num::NonZeroUsize, path::Path, time::Duration};

use reqwest::{Url, header::HeaderValue};

use crate::survey::frames_in_ms;

/// Shortest and longest upload, in seconds. Shorter ones would be cut in the middle of sentences;
/// some models take no more than 25 minutes.
const PIECE_SECONDS: std::ops::RangeInclusive<u64> = 10..=1_500;
/// The least that an upload may have, in bytes: [`PIECE_SECONDS`] of uncompressed sound.
const MIN_UPLOAD_BYTES: u64 = 400_000;
/// What a file has besides samples, at most: FLAC's header with room for a seek table.
const FILE_OVERHEAD_BYTES: u64 = 32_768;
/// Longest name of a model.
const MAX_MODEL_CHARS: usize = 128;
/// Longest key, in bytes.
const MAX_KEY_BYTES: usize = 4_096;

/// A server that turns speech into text, as of OpenAI's API.
#[derive(Debug, Clone)]
pub struct RemoteOptions {
    /// The base of its paths, such as `https://api.openai.com/v1`.
    pub url: String,
    /// What it knows us by, if it wants to.
    pub key: Option<Key>,
    /// The model to ask for, such as `whisper-1`.
    pub model: String,
    /// What is uploaded.
    pub format: SoundFormat,
    /// How much, how often, how long.
    pub limits: RemoteLimits,
}

impl RemoteOptions {
    /// This model of the server at this address, without a key.
    pub fn new(url: impl Into<String>, model: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            key: None,
            model: model.into(),
            format: SoundFormat::default(),
            limits: RemoteLimits::default(),
        }
    }

    /// Where recordings are posted.
    pub(super) fn endpoint(&self) -> Result<Url, OptionsError> {
        let mut url = Url::parse(&self.url).map_err(|_| OptionsError::Url)?;
        let plain = url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none();
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() || !plain {
            return Err(OptionsError::Url);
        }
        let base = url.path().trim_end_matches('/').to_owned();
        url.set_path(&format!("{base}/audio/transcriptions"));
        Ok(url)
    }

    pub(super) fn check(&self) -> Result<(), OptionsError> {
        let named = (1..=MAX_MODEL_CHARS).contains(&self.model.len())
            && self.model.bytes().all(|byte| byte.is_ascii_graphic());
        if !named {
            return Err(OptionsError::Model);
        }
        let limits = &self.limits;
        if !PIECE_SECONDS.contains(&limits.piece.as_secs())
            || limits.upload_bytes < MIN_UPLOAD_BYTES
        {
            return Err(OptionsError::Piece);
        }
        Ok(())
    }

    /// The longest upload, in frames of the survey.
    pub(super) fn longest_frames(&self) -> usize {
        let room = self.limits.upload_bytes.saturating_sub(FILE_OVERHEAD_BYTES);
        // FLAC of noise is up to a hundredth larger than its samples.
        let samples = room / 2 * 100 / 101;
        let by_size = usize::try_from(samples * 1_000 / 16_000).unwrap_or(usize::MAX);
        let by_time = usize::try_from(self.limits.piece.as_millis()).unwrap_or(usize::MAX);
        frames_in_ms(by_size.min(by_time))
    }
}

/// What is uploaded; both are lossless.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum SoundFormat {
    /// Half the size.
    #[default]
    Flac,
    /// For servers that read nothing else.
    Wav,
}

/// How much, how often, how long.
#[derive(Debug, Clone, Copy)]
pub struct RemoteLimits {
    /// Longest sound of one request. Longer recordings are cut at pauses.
    pub piece: Duration,
    /// Largest file of one request, in bytes. OpenAI takes 25 MB.
    pub upload_bytes: u64,
    /// Requests at once, of the whole process.
    pub parallel: NonZeroUsize,
    /// How long connecting may take.
    pub connect: Duration,
    /// How long an answer may take besides what its sound allows it.
    pub answer: Duration,
    /// How much longer for each second of sound.
    pub answer_per_second: Duration,
    /// Most of an answer that is read, in bytes. Five minutes of speech are 100 kB.
    pub answer_bytes: usize,
    /// Attempts of one request, as long as the server works for others. More than `failures`, so
    /// that a server that is away opens the breaker instead of costing attempts.
    pub attempts: u32,
    /// The pause before the second attempt; it doubles from there.
    pub retry_after: Duration,
    /// The longest pause between two attempts.
    pub retry_ceiling: Duration,
    /// Failures in a row after which the server is left alone.
    pub failures: u32,
    /// For how long.
    pub pause: Duration,
    /// For how long if only a person can help: a wrong key, a model that is not there.
    pub settings_pause: Duration,
    /// How long a recording waits for the server in all.
    pub patience: Duration,
}

impl Default for RemoteLimits {
    fn default() -> Self {
        Self {
            piece: Duration::from_secs(300),
            upload_bytes: 24_000_000,
            parallel: NonZeroUsize::MIN.saturating_add(3),
            connect: Duration::from_secs(10),
            answer: Duration::from_secs(60),
            answer_per_second: Duration::from_secs(2),
            answer_bytes: 8 * 1024 * 1024,
            attempts: 6,
            retry_after: Duration::from_secs(1),
            retry_ceiling: Duration::from_secs(30),
            failures: 5,
            pause: Duration::from_secs(30),
            settings_pause: Duration::from_secs(60),
            // Within the deadline of the service, so that the reason is told.
            patience: Duration::from_secs(3 * 3_600),
        }
    }
}

/// What a server knows us by. It is never shown.
#[derive(Clone)]
pub struct Key(HeaderValue);

impl Key {
    /// A key.
    ///
    /// # Errors
    /// When it is empty or cannot be sent.
    pub fn new(key: &str) -> Result<Self, OptionsError> {
        let key = key.trim();
        let sendable = (1..=MAX_KEY_BYTES).contains(&key.len())
            && key.bytes().all(|byte| byte.is_ascii_graphic());
        if !sendable {
            return Err(OptionsError::Key);
        }
        let mut value =
            HeaderValue::try_from(format!("Bearer {key}")).map_err(|_| OptionsError::Key)?;
        value.set_sensitive(true);
        Ok(Self(value))
    }

    /// The key in a file.
    ///
    /// # Errors
    /// When the file cannot be read or holds no key.
    pub fn from_file(path: &Path) -> Result<Self, OptionsError> {
        let text = std::fs::read_to_string(path).map_err(|source| OptionsError::KeyFile {
            path: path.to_owned(),
            source,
        })?;
        Self::new(&text)
    }

    pub(super) fn header(&self) -> HeaderValue {
        self.0.clone()
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(..)")
    }
}

/// Why options cannot be used. The texts hold no key and no address.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OptionsError {
    /// The address.
    #[error(
        "the address of a speech server is such as https://api.openai.com/v1, without user, \
         password and query; give the key by itself"
    )]
    Url,
    /// The model's name.
    #[error("the name of a speech model has 1 to {MAX_MODEL_CHARS} visible characters")]
    Model,
    /// The bounds of an upload.
    #[error(
        "an upload to a speech server has {} to {} s and at least {MIN_UPLOAD_BYTES} bytes",
        PIECE_SECONDS.start(),
        PIECE_SECONDS.end()
    )]
    Piece,
    /// The key.
    #[error("the key of the speech server is one line of visible ASCII characters")]
    Key,
    /// The key's file.
    #[error("the key of the speech server cannot be read from {}", path.display())]
    KeyFile {
        /// The file.
        path: std::path::PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The client could not be built.
    #[error("the HTTP client cannot be set up")]
    Client(#[source] reqwest::Error),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(url: &str) -> Result<String, OptionsError> {
        RemoteOptions::new(url, "m").endpoint().map(String::from)
    }

    #[test]
    fn addresses() {
        let path = "https://api.openai.com/v1/audio/transcriptions";
        assert_eq!(endpoint("https://api.openai.com/v1").unwrap(), path);
        assert_eq!(endpoint("https://api.openai.com/v1/").unwrap(), path);
        assert_eq!(
            endpoint("http://localhost:8000").unwrap(),
            "http://localhost:8000/audio/transcriptions"
        );
        for bad in [
            "",
            "api.openai.com",
            "ftp://example.com",
            "https://user:secret@example.com/v1",
            "https://example.com/v1?key=secret",
            "https://example.com/v1#x",
        ] {
            let error = endpoint(bad).unwrap_err();
            assert!(matches!(error, OptionsError::Url), "{bad}");
            assert!(!error.to_string().contains("secret"));
        }
    }

    #[test]
    fn keys_are_read_and_never_shown() {
        let key = Key::new(" sk-secret\n").unwrap();
        assert_eq!(key.header(), "Bearer sk-secret");
        assert!(!format!("{key:?} {:?}", key.header()).contains("secret"));
        for bad in ["", " \n", "two\nlines", "a b", "schlüssel"] {
            assert!(Key::new(bad).is_err(), "{bad}");
        }
        let missing = Key::from_file(Path::new("/nowhere/key")).unwrap_err();
        assert!(matches!(missing, OptionsError::KeyFile { .. }));
    }

    #[test]
    fn the_smaller_limit_counts() {
        let mut options = RemoteOptions::new("http://localhost", "m");
        assert!(options.check().is_ok());
        assert_eq!(options.longest_frames(), frames_in_ms(300_000));
        options.limits.upload_bytes = 1_000_000;
        let seconds = options.longest_frames() * 256 / 16_000;
        assert_eq!(seconds, 29);
        options.limits.piece = Duration::from_secs(5);
        assert!(matches!(options.check(), Err(OptionsError::Piece)));
        options.model = "a model".to_owned();
        assert!(matches!(options.check(), Err(OptionsError::Model)));
    }
}
