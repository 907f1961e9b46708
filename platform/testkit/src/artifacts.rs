//! What a test puts into the buckets, and what it finds there.

use bytes::Bytes;
use colloquy_bus::chain;
use colloquy_contract::{ArtifactRef, Bucket, Scope};

use crate::Kit;

impl Kit {
    /// Stores an artifact, such as a service finds when it reads the fact that refers to it.
    pub async fn store(
        &self,
        bucket: Bucket,
        scope: &Scope,
        media_type: &str,
        content: impl Into<Vec<u8>>,
    ) -> ArtifactRef {
        let artifacts = self.bus.artifacts();
        let stored = artifacts.put_bytes(bucket, scope, media_type, content.into());
        let stored = stored.await;
        stored.unwrap_or_else(|error| panic!("nothing stored in {bucket}: {}", chain(&error)))
    }

    /// The content of an artifact, which has the size and the SHA-256 that the reference says.
    pub async fn content(&self, reference: &ArtifactRef) -> Bytes {
        let content = self.bus.artifacts().get_bytes(reference).await;
        content.unwrap_or_else(|error| panic!("{} is not there: {}", reference.name, chain(&error)))
    }

    /// The names of everything in a bucket, in order.
    pub async fn stored(&self, bucket: Bucket) -> Vec<String> {
        let (mut scan, mut names) = (self.bus.scan_objects(bucket), Vec::new());
        loop {
            match scan.next().await {
                Ok(Some(object)) if !object.deleted => names.push(object.name),
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(error) => panic!("{bucket} cannot be read: {}", chain(&error)),
            }
        }
        names.sort();
        names
    }
}
