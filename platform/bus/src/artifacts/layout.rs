//! Where a bucket keeps what: the layout of the JetStream object store (ADR-20), so that its tools
//! read what we store.
//!
//! An object is an entry under a subject made of its name, and chunks under a subject made of an id.
//! Our ids have two tokens, `<group>.<rest>`: the broker can then be asked for the chunks of one
//! group. A single token it could only match against all of them, and a bucket of millions of
//! objects would not answer its writers for seconds each time.

use base64::{Engine, engine::general_purpose::URL_SAFE};
use colloquy_contract::Bucket;

/// The stream of a bucket.
pub(crate) fn object_stream(bucket: Bucket) -> String {
    format!("OBJ_{bucket}")
}

/// The subject of an object's entry.
pub(crate) fn object_subject(bucket: Bucket, name: &str) -> String {
    format!("$O.{bucket}.M.{}", URL_SAFE.encode(name))
}

/// The subject of the chunks under an id.
pub(crate) fn chunk_subject(bucket: Bucket, id: &str) -> String {
    format!("$O.{bucket}.C.{id}")
}

/// An id that no other upload has.
pub(super) fn new_id() -> String {
    let id = hex::encode(rand::random::<[u8; 16]>());
    let (group, rest) = id.split_at(2);
    format!("{group}.{rest}")
}

/// What matches the ids of one group after the other, those of other tools first.
pub(crate) fn id_groups() -> impl Iterator<Item = String> + Send + use<> {
    let ours = (0..=u8::MAX).map(|group| format!("{group:02x}.*"));
    std::iter::once("*".to_owned()).chain(ours)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_id_is_in_one_group() {
        let groups: Vec<_> = id_groups().collect();
        assert_eq!(groups.len(), 257);
        for _ in 0..1_000 {
            let id = new_id();
            let (group, rest) = id.split_once('.').unwrap();
            assert!(groups.contains(&format!("{group}.*")), "{id}");
            assert!(!rest.contains('.'), "{id}");
        }
    }
}
