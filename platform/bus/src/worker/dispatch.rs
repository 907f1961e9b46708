//! Who works on what, and when: one dispatcher per service and process.
//!
//! It pulls as many messages as permits are free. Deliveries about the same conversation take turns
//! in the order in which they came; one that waits for its turn holds no permit, is kept alive at
//! the broker, and there is a limit to how many wait. Only handlers run in tasks of their own; the
//! rest of a delivery is little work and much waiting, and is done here.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use colloquy_contract::Scope;
use futures::{StreamExt, future::BoxFuture, stream::FuturesUnordered};
use tokio::sync::{Semaphore, oneshot};
use tokio_util::sync::CancellationToken;

use super::{Service, delivery::Delivery, runner::Runner};
use crate::pull::Puller;

/// Deliveries that may wait for their turn, per permit; beyond it nothing is pulled.
const WAITING_PER_PERMIT: usize = 4;

pub(super) struct Dispatcher<S> {
    runner: Arc<Runner<S>>,
    puller: Puller,
    permits: Arc<Semaphore>,
    waiting: Arc<AtomicUsize>,
    waiting_limit: usize,
    turns: Turns,
    jobs: FuturesUnordered<BoxFuture<'static, Option<Place>>>,
    cancel: CancellationToken,
}

impl<S: Service> Dispatcher<S> {
    /// A dispatcher whose handlers are told to stop by `cancel`.
    pub(super) fn new(runner: Arc<Runner<S>>, cancel: CancellationToken) -> Self {
        let permits = runner.policy.concurrency.max(1);
        let client = runner.bus.client().clone();
        Self {
            puller: Puller::new(client, runner.stream, S::NAME, permits),
            runner,
            permits: Arc::new(Semaphore::new(permits)),
            waiting: Arc::default(),
            waiting_limit: permits.saturating_mul(WAITING_PER_PERMIT),
            turns: Turns::default(),
            jobs: FuturesUnordered::new(),
            cancel,
        }
    }

    /// Pulls and hands out until told to drain, then waits until everything is settled.
    pub(super) async fn run(mut self, drain: CancellationToken) {
        while !drain.is_cancelled() {
            let room = self.room();
            tokio::select! {
                biased;
                () = drain.cancelled() => break,
                Some(ended) = self.jobs.next() => self.turns.over(ended),
                pulled = self.puller.next(room) => match pulled {
                    Ok(message) => if let Some(delivery) = self.runner.admit(message) {
                        self.start(delivery);
                    },
                    Err(error) => self.runner.recover(error, &drain).await,
                },
            }
        }
        self.puller.close().await;
        while self.jobs.next().await.is_some() {}
    }

    fn room(&self) -> usize {
        if self.waiting.load(Ordering::Relaxed) < self.waiting_limit {
            self.permits.available_permits()
        } else {
            0
        }
    }

    fn start(&mut self, delivery: Delivery) {
        let mut turn = delivery.scope().map(|scope| self.turns.take(scope.clone()));
        let previous = turn.as_mut().and_then(|turn| turn.previous.take());
        let free = match previous {
            Some(_) => None,
            None => self.permits.clone().try_acquire_owned().ok(),
        };
        let waits = free.is_none().then(|| Waits::new(&self.waiting));
        let (runner, permits) = (self.runner.clone(), self.permits.clone());
        let cancel = self.cancel.clone();
        let job = async move {
            let ready = async {
                if let Some(previous) = previous {
                    // An error is how the one before says that it is over.
                    let _ = previous.await;
                }
                match free {
                    Some(permit) => Ok(permit),
                    None => permits.acquire_owned().await,
                }
            };
            let came = delivery.wait_for(ready, &cancel).await;
            drop(waits);
            if let Some((delivery, Ok(_permit))) = came {
                runner.deliver(delivery, &cancel).await;
            }
            turn.map(Turn::over)
        };
        self.jobs.push(Box::pin(job));
    }
}

/// One that waits, counted while it lives.
struct Waits(Arc<AtomicUsize>);

impl Waits {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count.clone())
    }
}

impl Drop for Waits {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Who is last in the row, by what it is about.
#[derive(Default)]
struct Turns {
    last: HashMap<Scope, Last>,
    count: u64,
}

struct Last {
    number: u64,
    over: oneshot::Receiver<()>,
}

/// A place in a row. The next one's turn comes when this is dropped.
struct Turn {
    scope: Scope,
    number: u64,
    previous: Option<oneshot::Receiver<()>>,
    _over: oneshot::Sender<()>,
}

/// Which place in which row.
type Place = (Scope, u64);

impl Turn {
    fn over(self) -> Place {
        (self.scope, self.number)
    }
}

impl Turns {
    fn take(&mut self, scope: Scope) -> Turn {
        let (sender, over) = oneshot::channel();
        self.count += 1;
        let number = self.count;
        let before = self.last.insert(scope.clone(), Last { number, over });
        Turn {
            scope,
            number,
            previous: before.map(|last| last.over),
            _over: sender,
        }
    }

    /// Forgets a row when its last one is over.
    fn over(&mut self, ended: Option<Place>) {
        if let Some((scope, number)) = ended
            && let Entry::Occupied(last) = self.last.entry(scope)
            && last.get().number == number
        {
            last.remove();
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot::error::TryRecvError;

    use super::*;

    fn scope(account: &str) -> Scope {
        Scope::Account {
            account: account.parse().unwrap(),
        }
    }

    #[test]
    fn turns_come_in_order_and_leave_nothing() {
        let mut turns = Turns::default();
        let first = turns.take(scope("a"));
        let mut second = turns.take(scope("a"));
        let other = turns.take(scope("b"));
        assert!(first.previous.is_none() && other.previous.is_none());
        let mut previous = second.previous.take().unwrap();
        assert_eq!(previous.try_recv(), Err(TryRecvError::Empty));
        let place = first.over();
        assert_eq!(previous.try_recv(), Err(TryRecvError::Closed));
        turns.over(Some(place));
        assert_eq!(turns.last.len(), 2, "the second is still to come");
        turns.over(Some(second.over()));
        turns.over(Some(other.over()));
        assert!(turns.last.is_empty());
    }
}
