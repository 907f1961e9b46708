//! What is left to do: queues of services, and dead letters.

use std::time::{Duration, Instant};

use colloquy_contract::streams;

use crate::{Kit, PATIENCE, broker::Queue, eventually, process};

impl Kit {
    /// Number of dead letters.
    pub async fn dead_letters(&self) -> u64 {
        let mut count = None;
        eventually("the servers tell what they hold", PATIENCE, async || {
            count = self.count_dead_letters().ok();
            count.is_some()
        })
        .await;
        count.unwrap_or(0)
    }

    /// Waits until the services that were run have nothing queued and nothing under way.
    pub async fn settled(&self, bound: Duration) {
        let deadline = Instant::now() + bound;
        while let Err(left) = self.nothing_queued() {
            assert!(Instant::now() < deadline, "after {bound:?}, {left}");
            tokio::time::sleep(process::LOOK).await;
        }
    }

    /// The same for one service, whoever runs it.
    pub async fn settled_by(&self, service: &str, bound: Duration) {
        let deadline = Instant::now() + bound;
        let look = || nothing_queued_for(service, &self.broker.holdings()?.queues);
        while let Err(left) = look() {
            assert!(Instant::now() < deadline, "after {bound:?}, {left}");
            tokio::time::sleep(process::LOOK).await;
        }
    }

    pub(super) fn nothing_queued(&self) -> Result<(), String> {
        let services = self.services().clone();
        if services.is_empty() {
            return Ok(());
        }
        let queues = self.broker.holdings()?.queues;
        services
            .into_iter()
            .try_for_each(|service| nothing_queued_for(service, &queues))
    }

    /// Replicas may lag behind: the largest number is the newest.
    fn count_dead_letters(&self) -> Result<u64, String> {
        let streams = self.broker.holdings()?.streams;
        let ours = streams
            .iter()
            .filter(|(name, _)| name == streams::DEADLETTERS.name);
        let most = ours.map(|(_, messages)| *messages).max();
        most.ok_or_else(|| "no server has the stream of dead letters".to_owned())
    }

    pub(super) fn nothing_left(&self) -> Result<(), String> {
        if self.services().is_empty() {
            return Ok(());
        }
        self.nothing_queued()?;
        match self.count_dead_letters()? {
            0 => Ok(()),
            count => Err(format!("there are {count} dead letters")),
        }
    }
}

fn nothing_queued_for(service: &str, queues: &[Queue]) -> Result<(), String> {
    let mut own = queues.iter().filter(|queue| queue.consumer == service);
    let Some(first) = own.next() else {
        return Err(format!("no server knows the queue of {service}"));
    };
    let left = |queue: &&Queue| queue.pending + queue.unsettled > 0;
    match std::iter::once(first).chain(own).find(left) {
        None => Ok(()),
        Some(queue) => Err(format!(
            "{service} has {} facts queued and {} unsettled in {}",
            queue.pending, queue.unsettled, queue.stream
        )),
    }
}
