//! The hash functions that the model was trained with, by Austin Appleby, in the public domain
//! (<https://github.com/aappleby/smhasher>).
//!
//! Strings get their number from MurmurHash64A with seed 1
//! (<https://spacy.io/api/stringstore>); the embedding tables find a number's four rows with
//! MurmurHash3 x86_128 (Serrà and Karatzoglou, "Getting deep recommenders fit: Bloom embeddings",
//! 2017; <https://thinc.ai/docs/api-layers#hashembed>).

/// MurmurHash64A.
pub(crate) fn murmur64(bytes: &[u8], seed: u64) -> u64 {
    const M: u64 = 0xc6a4_a793_5bd1_e995;
    const R: u32 = 47;
    let mut hash = seed ^ (bytes.len() as u64).wrapping_mul(M);
    let (words, rest) = bytes.as_chunks::<8>();
    for word in words {
        let mut k = u64::from_le_bytes(*word).wrapping_mul(M);
        k ^= k >> R;
        hash = (hash ^ k.wrapping_mul(M)).wrapping_mul(M);
    }
    if !rest.is_empty() {
        let mut tail = [0; 8];
        tail.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
        hash = (hash ^ u64::from_le_bytes(tail)).wrapping_mul(M);
    }
    hash ^= hash >> R;
    hash = hash.wrapping_mul(M);
    hash ^ (hash >> R)
}

/// The four hashes of a number for an embedding table: MurmurHash3 in 64-bit halves, over the
/// eight bytes of the number.
pub(crate) fn murmur128(key: u64, seed: u32) -> [u32; 4] {
    const C1: u64 = 0x87c3_7b91_1142_53d5;
    const C2: u64 = 0x4cf5_ad43_2745_937f;
    const LENGTH: u64 = 8;
    let seed = u64::from(seed);
    let mut low = seed ^ key.wrapping_mul(C1).rotate_left(31).wrapping_mul(C2);
    let mut high = seed ^ LENGTH;
    low ^= LENGTH;
    low = low.wrapping_add(high);
    high = high.wrapping_add(low);
    low = mix(low);
    high = mix(high);
    low = low.wrapping_add(high);
    high = high.wrapping_add(low);
    [
        low as u32,
        (low >> 32) as u32,
        high as u32,
        (high >> 32) as u32,
    ]
}

/// The finalizer of MurmurHash3.
fn mix(mut k: u64) -> u64 {
    k ^= k >> 33;
    k = k.wrapping_mul(0xff51_afd7_ed55_8ccd);
    k ^= k >> 33;
    k = k.wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    k ^ (k >> 33)
}
