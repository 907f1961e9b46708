//! The threads that have the batches of one recording heard, while it is read on.
//!
//! There are as many as the model hears batches at the same time; one more batch may wait, so
//! memory does not grow with the recording. When the crew is dismissed, for whatever reason, its
//! threads end with the batches that they are at.

use std::sync::{
    Arc, Mutex, PoisonError,
    mpsc::{Receiver, Sender, SyncSender, channel, sync_channel},
};
use std::thread::Scope;

use crate::batches::{Desk, Order};
use crate::error::EngineError;
use crate::listen::Heard;
use crate::model::Model;

/// What is common to all batches.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Equipment<'a> {
    pub(crate) model: &'a Model,
    pub(crate) desk: &'a Desk,
    pub(crate) beam: usize,
    /// The most windows in a batch.
    pub(crate) batch: usize,
}

/// The channel of each window, and what was heard in it.
pub(crate) type Told = (Vec<usize>, Result<Heard, EngineError>);

/// Threads at work.
pub(crate) struct Crew {
    orders: SyncSender<Order>,
    told: Receiver<Told>,
    /// Orders that were given and not answered yet.
    open: usize,
}

impl Crew {
    /// Starts the threads.
    pub(crate) fn start<'scope, 'env: 'scope>(
        scope: &'scope Scope<'scope, 'env>,
        equipment: Equipment<'env>,
    ) -> Self {
        let (orders, queue) = sync_channel(1);
        let (teller, told) = channel();
        let queue = Arc::new(Mutex::new(queue));
        for _ in 0..equipment.model.replicas() {
            let (queue, teller) = (queue.clone(), teller.clone());
            scope.spawn(move || work(&queue, &teller, equipment));
        }
        Self {
            orders,
            told,
            open: 0,
        }
    }

    /// Gives an order, once there is room for it, and returns what was heard meanwhile.
    pub(crate) fn give(&mut self, order: Order) -> Vec<Told> {
        // All threads are gone only if all panicked, and then nothing is told either.
        if self.orders.send(order).is_ok() {
            self.open += 1;
        }
        let told: Vec<Told> = self.told.try_iter().collect();
        self.open -= told.len();
        told
    }

    /// What was heard of one of the orders that are left; `None` when all is told.
    pub(crate) fn next(&mut self) -> Option<Told> {
        self.open = self.open.checked_sub(1)?;
        self.told.recv().ok()
    }
}

/// Has orders heard until there are none any more.
fn work(queue: &Mutex<Receiver<Order>>, teller: &Sender<Told>, equipment: Equipment<'_>) {
    let next = || {
        let queue = queue.lock().unwrap_or_else(PoisonError::into_inner);
        queue.recv().ok()
    };
    while let Some(order) = next() {
        let channels = order.sounds.iter().map(|(window, _)| window.channel);
        let channels = channels.collect();
        let Equipment {
            model,
            desk,
            beam,
            batch,
        } = equipment;
        let heard = desk.hear(model, beam, batch, order);
        if teller.send((channels, heard)).is_err() {
            // Nobody listens any more: the recording failed meanwhile.
            return;
        }
    }
}
