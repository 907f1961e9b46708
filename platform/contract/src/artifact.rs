//! References to heavy things (claim check): audio and documents travel by name, size and digest.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A trust zone of artifacts. A reader of a bucket can read all of it, so there is one per zone.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Bucket {
    /// Personal data: original and decoded recordings, raw transcripts, entity values.
    Vault,
    /// What may be seen: redacted recordings, anonymized transcripts.
    Open,
}

impl Bucket {
    /// Every bucket.
    pub const ALL: [Self; 2] = [Self::Vault, Self::Open];

    /// The bucket's name on the broker.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Vault => "vault",
            Self::Open => "open",
        }
    }
}

impl fmt::Display for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An immutable artifact: where it is and what it must turn out to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ArtifactRef {
    /// The trust zone it lies in.
    pub bucket: Bucket,
    /// `<account>/<conversation>/<sha256>`: unique to its content within the conversation.
    pub name: String,
    /// Size in bytes.
    pub size_bytes: u64,
    /// SHA-256 of the content, 64 lower-case hexadecimal digits.
    pub sha256: String,
    /// Media type (RFC 6838), such as `audio/flac`.
    pub media_type: String,
}
