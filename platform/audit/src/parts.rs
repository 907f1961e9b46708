//! How the log is divided, so that one part at a time fits into memory.

use std::hash::{DefaultHasher, Hash, Hasher};

use colloquy_contract::{
    ConversationId,
    subject::{PARTITIONS, partition},
};

use crate::FACTS_AT_ONCE;

/// Most slices of a partition: 268 million records fit before parts grow. Each part is a file, and
/// the blocks in which all parts are written share a bound, so more parts would be written in
/// morsels.
const MOST_SLICES: u64 = 256;

/// Partitions, each cut into so many slices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Parts {
    slices: u16,
}

impl Parts {
    /// Parts of about [`FACTS_AT_ONCE`] for so many records.
    pub(crate) fn for_records(records: u64) -> Self {
        let slices = records
            .div_ceil(FACTS_AT_ONCE * u64::from(PARTITIONS))
            .clamp(1, MOST_SLICES);
        Self {
            slices: u16::try_from(slices).unwrap_or(1),
        }
    }

    /// The numbers of all parts.
    pub(crate) fn all(self) -> impl Iterator<Item = u16> {
        0..u16::from(PARTITIONS) * self.slices
    }

    /// The partition that a part is of.
    pub(crate) fn partition(self, part: u16) -> u8 {
        u8::try_from(part / self.slices).unwrap_or(PARTITIONS - 1)
    }

    /// The part of a conversation.
    pub(crate) fn of(self, conversation: ConversationId) -> u16 {
        u16::from(partition(conversation)) * self.slices + slice(&conversation, self.slices)
    }

    /// The part of what belongs to no conversation, by its name: an account, chunks, or an object
    /// with a name of somebody else's.
    pub(crate) fn of_name(self, name: &str) -> u16 {
        slice(name, u16::from(PARTITIONS) * self.slices)
    }
}

/// The same in one run of the program, which is as long as it is needed.
fn slice(of: &(impl Hash + ?Sized), slices: u16) -> u16 {
    let mut hasher = DefaultHasher::new();
    of.hash(&mut hasher);
    u16::try_from(hasher.finish() % u64::from(slices)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn parts_are_bounded() {
        for (records, slices) in [
            (0, 1),
            (7_000, 1),
            (7_000_000, 7),
            (268_000_000, 256),
            (u64::MAX, 256),
        ] {
            let parts = Parts::for_records(records);
            assert_eq!(parts.slices, slices, "{records}");
        }
    }

    #[test]
    fn a_part_is_no_larger_for_a_larger_log() {
        for records in [1, 100_000, 1_000_000, 7_000_000, 268_000_000] {
            let parts = Parts::for_records(records).all().count() as u64;
            assert!(records.div_ceil(parts) <= FACTS_AT_ONCE, "{records}");
        }
    }

    #[test]
    fn a_part_is_of_one_partition_and_as_large_as_the_others() {
        let parts = Parts::for_records(5_000_000);
        let mut sizes: HashMap<u16, u32> = HashMap::new();
        let mut names: HashMap<u16, u32> = HashMap::new();
        for number in 0..64_000 {
            let conversation = ConversationId::generate();
            let part = parts.of(conversation);
            assert_eq!(parts.partition(part), partition(conversation));
            *sizes.entry(part).or_default() += 1;
            let name = format!("name {number}");
            *names.entry(parts.of_name(&name)).or_default() += 1;
        }
        for sizes in [sizes, names] {
            assert_eq!(sizes.len(), parts.all().count());
            let mean = 64_000 / u32::try_from(sizes.len()).unwrap();
            assert!(sizes.values().all(|&size| size < 2 * mean), "{sizes:?}");
        }
    }
}
