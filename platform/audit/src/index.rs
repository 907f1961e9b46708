//! Asks the index nodes what they hold.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use colloquy_bus::{Bus, BusError};
use colloquy_contract::{
    ConversationId,
    control::{Holdings, HoldingsRequest, INDEX_HOLDINGS, MAX_HOLDINGS},
    subject::PARTITIONS,
};

use crate::{Result, judge::Held};

/// How long nodes may take to make themselves known.
const DISCOVERY: Duration = Duration::from_secs(2);

/// How long the nodes of a partition may take to answer.
const ANSWER: Duration = Duration::from_secs(10);

/// How often they are asked before their partition counts as unanswered.
const ATTEMPTS: u32 = 3;

/// The index nodes that there are.
#[derive(Debug, Clone, Default)]
pub(crate) struct Nodes {
    /// Answers by node: how many partitions' owners there are, and how many entries they hold.
    answers: Vec<Holdings>,
}

impl Nodes {
    /// Asks who is there.
    pub(crate) async fn discover(bus: &Bus) -> Result<Self> {
        let mut answers = Vec::new();
        let request = HoldingsRequest {
            conversations: Vec::new(),
        };
        let asked = bus
            .ask_all(INDEX_HOLDINGS, &request, DISCOVERY, |answer: Holdings| {
                answers.push(answer);
                false
            })
            .await;
        match asked {
            Ok(()) | Err(BusError::NoAnswer { .. }) => Ok(Self { answers }),
            Err(error) => Err(error.into()),
        }
    }

    /// How many nodes own a partition.
    fn owners(&self, partition: u8) -> usize {
        let owns = |answer: &&Holdings| answer.partitions.contains(&partition);
        self.answers.iter().filter(owns).count()
    }

    /// Partitions that no node owns.
    pub(crate) fn unowned(&self) -> Vec<u8> {
        (0..PARTITIONS)
            .filter(|&partition| self.owners(partition) == 0)
            .collect()
    }

    /// How many entries each node holds, by its name.
    pub(crate) fn entries(&self) -> BTreeMap<String, u64> {
        let mut entries = BTreeMap::new();
        for answer in &self.answers {
            *entries.entry(answer.node.clone()).or_default() += answer.entries;
        }
        entries
    }

    /// Each node's name, partitions and entries.
    pub(crate) fn each(&self) -> impl Iterator<Item = &Holdings> {
        self.answers.iter()
    }

    /// What each owner of a partition holds of some of its conversations; none if not all owners
    /// answered.
    pub(crate) async fn held(
        &self,
        bus: &Bus,
        partition: u8,
        conversations: &[ConversationId],
    ) -> Result<Option<HashMap<ConversationId, Vec<Held>>>> {
        let owners = self.owners(partition);
        if owners == 0 {
            return Ok(None);
        }
        let mut held: HashMap<_, Vec<Held>> = HashMap::new();
        for batch in conversations.chunks(MAX_HOLDINGS) {
            let Some(answers) = ask(bus, partition, owners, batch).await? else {
                return Ok(None);
            };
            for answer in answers {
                let found: HashMap<_, _> = answer
                    .held
                    .iter()
                    .map(|holding| (holding.conversation, *holding))
                    .collect();
                for id in batch {
                    let holding = found.get(id);
                    held.entry(*id).or_default().push(Held {
                        node: answer.node.clone(),
                        documents: holding.map_or(0, |holding| holding.documents),
                        turns: holding.map_or(0, |holding| holding.turns),
                    });
                }
            }
        }
        Ok(Some(held))
    }
}

async fn ask(
    bus: &Bus,
    partition: u8,
    owners: usize,
    batch: &[ConversationId],
) -> Result<Option<Vec<Holdings>>> {
    let request = HoldingsRequest {
        conversations: batch.to_vec(),
    };
    for _ in 0..ATTEMPTS {
        let mut answers = Vec::new();
        let asked = bus
            .ask_all(INDEX_HOLDINGS, &request, ANSWER, |answer: Holdings| {
                if answer.partitions.contains(&partition) {
                    answers.push(answer);
                }
                answers.len() >= owners
            })
            .await;
        match asked {
            Ok(()) if answers.len() >= owners => return Ok(Some(answers)),
            Ok(()) | Err(BusError::NoAnswer { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(None)
}

/// Partitions as text, such as `0-31, 40`.
pub(crate) fn ranges(partitions: &[u8]) -> String {
    let mut ranges: Vec<(u8, u8)> = Vec::new();
    for &partition in partitions {
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == partition => *last = partition,
            _ => ranges.push((partition, partition)),
        }
    }
    let text = |(first, last): (u8, u8)| {
        if first == last {
            first.to_string()
        } else {
            format!("{first}-{last}")
        }
    };
    ranges.into_iter().map(text).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_are_told_as_ranges() {
        assert_eq!(ranges(&[0, 1, 2, 7, 9, 10]), "0-2, 7, 9-10");
        assert_eq!(ranges(&[]), "");
    }
}
