//! How the log is divided, so that one part at a time fits into memory.

use std::hash::{DefaultHasher, Hash, Hasher};

use colloquy_contract::{
    AccountId, ConversationId,
    subject::{PARTITIONS, partition},
};

use crate::FACTS_AT_ONCE;

/// Most slices of a partition, or parts of the log of accounts: while they are written each part
/// has a block in memory.
const MOST_SLICES: u64 = 32;

/// Partitions, each cut into so many slices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Parts {
    slices: u16,
}

impl Parts {
    /// Parts for a log of so many messages.
    pub(crate) fn of_log(messages: u64) -> Self {
        let slices = messages
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

    /// The part of an account, in the log of accounts.
    pub(crate) fn of_account(self, account: &AccountId) -> u16 {
        slice(account, u16::from(PARTITIONS) * self.slices)
    }
}

/// The same in one run of the program, which is as long as it is needed.
fn slice(of: &impl Hash, slices: u16) -> u16 {
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
        for (messages, slices) in [(0, 1), (7_000, 1), (8_000_000, 2), (u64::MAX, 32)] {
            assert_eq!(Parts::of_log(messages).slices, slices, "{messages}");
        }
    }

    #[test]
    fn a_part_is_of_one_partition_and_as_large_as_the_others() {
        let parts = Parts::of_log(20_000_000);
        let mut sizes: HashMap<u16, u32> = HashMap::new();
        for _ in 0..64_000 {
            let conversation = ConversationId::generate();
            let part = parts.of(conversation);
            assert_eq!(parts.partition(part), partition(conversation));
            *sizes.entry(part).or_default() += 1;
        }
        assert_eq!(sizes.len(), parts.all().count());
        let mean = 64_000 / u32::try_from(sizes.len()).unwrap();
        assert!(sizes.values().all(|&size| size < 2 * mean), "{sizes:?}");
    }
}
