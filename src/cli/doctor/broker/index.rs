//! Whether index nodes have every partition, and answer.

use std::{collections::BTreeSet, time::Duration};

use colloquy_bus::BusError;
use colloquy_contract::{
    control::{Holdings, HoldingsRequest, INDEX_HOLDINGS},
    search::{SUBJECT, SearchReply, SearchRequest},
    subject::PARTITIONS,
};

use super::{Look, trouble};
use crate::cli::doctor::report::Check;

/// How long index nodes may take to answer.
const SHARD_PATIENCE: Duration = Duration::from_secs(3);

/// An account that nobody can have: names are longer.
const NOBODY: &str = "doctor-finds-nothing";

impl Look<'_> {
    pub(super) async fn shards(&self) -> Check {
        let area = "shards";
        let (owned, nodes) = match self.owned_partitions().await {
            Ok(owned) => owned,
            Err(error @ BusError::Denied { .. }) => return trouble(area, &error),
            Err(_) => (BTreeSet::new(), 0),
        };
        let missing: Vec<u8> = (0..PARTITIONS).filter(|p| !owned.contains(p)).collect();
        if !missing.is_empty() {
            return Check::failed(
                area,
                format!(
                    "no index node has the partitions {}; {nodes} nodes answer",
                    ranges(&missing)
                ),
                "Start index nodes for them: 'colloquy worker index --index-partitions …'. \
                 Searches miss these conversations meanwhile, and say so.",
            );
        }
        let answering = match self.answering_partitions().await {
            Ok(answering) => answering,
            Err(error @ BusError::Denied { .. }) => return trouble(area, &error),
            Err(_) => BTreeSet::new(),
        };
        let late: Vec<u8> = (0..PARTITIONS).filter(|p| !answering.contains(p)).collect();
        if !late.is_empty() {
            return Check::warning(
                area,
                format!("the partitions {} are not searched yet", ranges(&late)),
                "Their nodes read the log; wait until they have caught up \
                 ('colloquy rebuild status').",
            );
        }
        Check::ok(area, format!("all {PARTITIONS} partitions, {nodes} nodes"))
    }

    /// What index nodes own, and how many they are.
    async fn owned_partitions(&self) -> colloquy_bus::Result<(BTreeSet<u8>, usize)> {
        let nothing = HoldingsRequest {
            conversations: Vec::new(),
        };
        let (mut owned, mut nodes) = (BTreeSet::new(), 0);
        let gather = |answer: Holdings| {
            owned.extend(answer.partitions);
            nodes += 1;
            // Replicas count, too: all are heard.
            false
        };
        self.bus
            .ask_all(INDEX_HOLDINGS, &nothing, SHARD_PATIENCE, gather)
            .await?;
        Ok((owned, nodes))
    }

    /// What is searched when somebody searches.
    async fn answering_partitions(&self) -> colloquy_bus::Result<BTreeSet<u8>> {
        let request = SearchRequest {
            account: NOBODY
                .parse()
                .map_err(|_| BusError::Settings(NOBODY.into()))?,
            query: String::new(),
            limit: 1,
            offset: 0,
            agent: None,
            role: None,
            from: None,
            to: None,
        };
        let mut heard = BTreeSet::new();
        let gather = |reply: SearchReply| {
            heard.extend(reply.partitions);
            heard.len() == usize::from(PARTITIONS)
        };
        self.bus
            .ask_all(SUBJECT, &request, SHARD_PATIENCE, gather)
            .await?;
        Ok(heard)
    }
}

/// Numbers in order as ranges, such as `0-3, 7`.
fn ranges(numbers: &[u8]) -> String {
    let mut shown: Vec<(u8, u8)> = Vec::new();
    for &number in numbers {
        match shown.last_mut() {
            Some((_, end)) if *end + 1 == number => *end = number,
            _ => shown.push((number, number)),
        }
    }
    let show = |&(from, to): &(u8, u8)| match from == to {
        true => from.to_string(),
        false => format!("{from}-{to}"),
    };
    shown.iter().map(show).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_short() {
        assert_eq!(ranges(&[0, 1, 2, 7, 62, 63]), "0-2, 7, 62-63");
        assert_eq!(ranges(&[]), "");
    }
}
