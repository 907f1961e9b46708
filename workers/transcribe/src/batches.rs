//! Batches: windows of several transcriptions through the model at once.
//!
//! A model works best on full batches, and short calls do not fill one. So whoever has windows to
//! be heard puts them down here; whoever finds the model free takes as many as a batch may have,
//! whoever's they are, and hears them for all. Nothing waits for time to pass: whoever is alone is
//! heard at once.
//!
//! Only windows of the same task and the same length class share a batch, so what is heard in a
//! window does not depend on its company.

use std::sync::{
    Condvar, Mutex, MutexGuard, PoisonError,
    mpsc::{Receiver, SyncSender, sync_channel},
};

use crate::decode::Sound;
use crate::error::EngineError;
use crate::listen::{Heard, hear};
use crate::model::{Model, Task};

/// Windows of one recording and what is wanted of them.
#[derive(Debug, Clone)]
pub(crate) struct Order {
    pub(crate) task: Task,
    /// The length class of all of them; see [`crate::model::length_class`].
    pub(crate) columns: usize,
    pub(crate) sounds: Vec<Sound>,
}

impl Order {
    fn goes_with(&self, other: &Self) -> bool {
        self.columns == other.columns && self.task == other.task
    }
}

type Answer = Result<Heard, EngineError>;

#[derive(Debug)]
struct Waiting {
    order: Order,
    answer: SyncSender<Answer>,
}

/// Where windows wait for the model. At most one order of each thread that transcribes is here.
#[derive(Debug)]
pub(crate) struct Desk {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    /// Batches that may be begun.
    free: usize,
    waiting: Vec<Waiting>,
}

/// Leave to run a batch, given back when it is dropped.
struct Seat<'a>(&'a Desk);

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        self.0.lock().free += 1;
        self.0.changed.notify_all();
    }
}

impl Desk {
    /// A desk for a model that hears so many batches at the same time.
    pub(crate) const fn new(batches: usize) -> Self {
        let state = State {
            free: batches,
            waiting: Vec::new(),
        };
        Self {
            state: Mutex::new(state),
            changed: Condvar::new(),
        }
    }

    /// Hears an order, perhaps together with those of others, `most` windows at once.
    pub(crate) fn hear(&self, model: &Model, beam: usize, most: usize, order: Order) -> Answer {
        let (sender, answer) = sync_channel(1);
        self.lock().waiting.push(Waiting {
            order,
            answer: sender,
        });
        loop {
            let (seat, row) = {
                let mut state = self.lock();
                loop {
                    // Whoever had a seat before may have heard this one, too.
                    if let Some(answer) = told(&answer) {
                        return answer;
                    }
                    if state.free > 0 && !state.waiting.is_empty() {
                        break;
                    }
                    state = self.wait(state);
                }
                state.free -= 1;
                (Seat(self), state.take(most))
            };
            hear_all(model, beam, row);
            drop(seat);
        }
    }

    /// Runs `work` on a seat of its own.
    pub(crate) fn alone<T>(&self, work: impl FnOnce() -> T) -> T {
        let mut state = self.lock();
        while state.free == 0 {
            state = self.wait(state);
        }
        state.free -= 1;
        drop(state);
        let _seat = Seat(self);
        work()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        self.changed
            .wait(state)
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The order that waits longest, and those that go with it as far as there is room.
    fn take(&mut self, most: usize) -> Vec<Waiting> {
        let mut taken: Vec<Waiting> = Vec::new();
        let mut count = 0;
        let mut at = 0;
        while at < self.waiting.len() {
            let order = &self.waiting[at].order;
            let fits = taken.first().is_none_or(|first| {
                first.order.goes_with(order) && count + order.sounds.len() <= most
            });
            if fits {
                count += order.sounds.len();
                taken.push(self.waiting.remove(at));
            } else {
                at += 1;
            }
        }
        taken
    }
}

fn told(answer: &Receiver<Answer>) -> Option<Answer> {
    use std::sync::mpsc::TryRecvError::{Disconnected, Empty};
    match answer.try_recv() {
        Ok(answer) => Some(answer),
        Err(Empty) => None,
        // The thread that was to tell it panicked: hand the recording back.
        Err(Disconnected) => Some(Err(EngineError::Cancelled)),
    }
}

/// Hears orders that go together, and tells each its part. What fails together is tried alone, so
/// that nobody fails for another's recording.
fn hear_all(model: &Model, beam: usize, mut row: Vec<Waiting>) {
    if row.len() > 1 {
        let mut whole = row[0].order.clone();
        let others = row[1..].iter().flat_map(|one| &one.order.sounds);
        whole.sounds.extend(others.cloned());
        if let Ok(mut heard) = hear(model, beam, &whole) {
            // From the last to the first: each takes its windows from the end.
            while let Some(Waiting { order, answer }) = row.pop() {
                // Whoever was stopped meanwhile does not listen any more.
                let _ = answer.send(Ok(heard.split_off(order.sounds.len())));
            }
            return;
        }
    }
    for Waiting { order, answer } in row {
        let _ = answer.send(hear(model, beam, &order));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::windows::Window;

    fn task(language: &str) -> Task {
        crate::model::tests::task(language)
    }

    fn desk(orders: &[(&str, usize, usize)]) -> Desk {
        let desk = Desk::new(1);
        for &(language, columns, windows) in orders {
            let order = Order {
                task: task(language),
                columns,
                sounds: vec![(Window::default(), Vec::new()); windows],
            };
            desk.lock().waiting.push(Waiting {
                order,
                answer: sync_channel(1).0,
            });
        }
        desk
    }

    fn taken(desk: &Desk) -> Vec<(String, usize)> {
        let row = desk.lock().take(8).into_iter();
        row.map(|one| (one.order.task.language().to_owned(), one.order.sounds.len()))
            .collect()
    }

    #[test]
    fn only_what_goes_together_shares_a_batch_and_nothing_is_forgotten() {
        let desk = desk(&[
            ("en", 1_500, 3),
            ("de", 1_500, 2),
            ("en", 1_500, 4),
            ("en", 1_000, 1),
            ("en", 1_500, 2),
        ]);
        let pair = |language: &str, count| (language.to_owned(), count);
        assert_eq!(taken(&desk), [pair("en", 3), pair("en", 4)]);
        assert_eq!(taken(&desk), [pair("de", 2)]);
        assert_eq!(taken(&desk), [pair("en", 1)]);
        assert_eq!(taken(&desk), [pair("en", 2)]);
        assert!(taken(&desk).is_empty());
    }

    #[test]
    fn an_order_that_is_larger_than_a_batch_goes_alone() {
        let desk = desk(&[("en", 1_500, 20), ("en", 1_500, 1)]);
        assert_eq!(taken(&desk).len(), 1);
        assert_eq!(taken(&desk).len(), 1);
    }
}
