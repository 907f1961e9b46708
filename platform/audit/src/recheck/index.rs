//! What the index as a whole says of itself, held against the log.

use std::collections::{BTreeMap, BTreeSet};

use colloquy_contract::{
    FactType,
    facts::Family,
    subject::{PARTITIONS, Subject, partition},
};

use super::Recheck;
use crate::{
    Result,
    index::{Nodes, ranges},
    report::{Finding, FindingKind, IndexState, Report},
    survey::{Expected, IndexExpected},
};

/// How often the index is asked how much it holds, before what it says is believed.
const INDEX_LOOKS: u32 = 3;

impl Recheck<'_> {
    /// Whether the index answers for every partition and holds no more than the log says.
    pub(crate) async fn index(&self, expected: &IndexExpected, report: &mut Report) -> Result<()> {
        let mut unanswered: BTreeSet<u8> = (0..PARTITIONS).collect();
        let mut surplus: Option<BTreeMap<String, (u64, u64)>> = None;
        let mut answered = false;
        for look in 0..INDEX_LOOKS {
            if look > 0 {
                self.settle().await;
            }
            let nodes = Nodes::discover(self.bus).await?;
            answered |= nodes.each().next().is_some();
            let unowned: BTreeSet<u8> = nodes.unowned().into_iter().collect();
            unanswered = &unanswered & &unowned;
            let more = self.surplus(&nodes, expected).await?;
            let still = |node: &String| surplus.as_ref().is_none_or(|s| s.contains_key(node));
            let more: BTreeMap<_, _> = more.into_iter().filter(|(n, _)| still(n)).collect();
            let done = more.is_empty() && unanswered.is_empty();
            surplus = Some(more);
            if done {
                break;
            }
        }
        // What was not answered while the log was read was not compared.
        unanswered.extend(&expected.unanswered);
        report.index.state = match (answered, unanswered.is_empty()) {
            (_, true) => IndexState::Checked,
            (true, false) => IndexState::Partly,
            (false, false) => IndexState::NotChecked,
        };
        if !unanswered.is_empty() {
            let partitions: Vec<u8> = unanswered.into_iter().collect();
            let subject = format!("partitions {}", ranges(&partitions));
            let kind = FindingKind::IndexUnanswered;
            report.add(Finding::new(kind, subject, String::new()));
        }
        for (node, (holds, most)) in surplus.into_iter().flatten() {
            let detail = format!("it holds {holds}, the log says at most {most}");
            report.add(Finding::new(FindingKind::IndexSurplus, node, detail));
        }
        Ok(())
    }

    /// Nodes that hold more than the log says, with how many they hold and may hold.
    async fn surplus(
        &self,
        nodes: &Nodes,
        expected: &IndexExpected,
    ) -> Result<BTreeMap<String, (u64, u64)>> {
        let most = self.most(expected).await?;
        let surplus = nodes.each().filter_map(|node| {
            let may: u64 = node
                .partitions
                .iter()
                .filter_map(|&part| most.get(usize::from(part)))
                .sum();
            (node.entries > may).then(|| (node.node.clone(), (node.entries, may)))
        });
        Ok(surplus.collect())
    }

    /// How many conversations the index may hold of each partition: those of the audit, and those
    /// that were qualified since.
    async fn most(&self, expected: &IndexExpected) -> Result<Vec<u64>> {
        let mut most: Vec<u64> = expected
            .partitions
            .iter()
            .map(|Expected { must, may, .. }| must + may)
            .collect();
        let from = expected.partitions.iter().map(|part| part.through).min();
        let filters = vec![Subject::filter(FactType::ConversationQualified)];
        let from = from.unwrap_or(0) + 1;
        let mut replay = self.bus.replay(Family::Conversation, filters, from);
        while let Some(entry) = replay.next_entry().await? {
            let conversation = entry
                .fact
                .ok()
                .and_then(|logged| logged.envelope.scope.conversation());
            let Some(part) = conversation.map(|id| usize::from(partition(id))) else {
                continue;
            };
            if entry.sequence > expected.partitions[part].through {
                most[part] += 1;
            }
        }
        Ok(most)
    }
}
