//! The facts that stand in the log now.

use colloquy_contract::{facts::Family, streams};

use super::{Entry, Placed, Unread};
use crate::{Bus, Result, walk::Walk};

/// The facts that stand in the log, in order, and then its end. What is stated meanwhile may come
/// or not; what is purged meanwhile does not hold it up.
pub struct Replay(Walk);

impl Replay {
    /// How many facts are still to come, as of the last that came.
    pub const fn pending(&self) -> u64 {
        self.0.pending()
    }

    /// Whatever comes next; `None` at the end of the log. Reading goes on where it was after an
    /// error.
    pub async fn next_entry(&mut self) -> Result<Option<Entry>> {
        let next = self.0.next().await?;
        Ok(next.map(|message| message.entry()))
    }

    /// The same without reading it: for what is to be read later.
    pub async fn next_unread(&mut self) -> Result<Option<Unread>> {
        let next = self.0.next().await?;
        Ok(next.map(Placed::unread))
    }
}

impl Bus {
    /// The facts that match the filters and stand in the log now, from a stream sequence on.
    pub fn replay(&self, family: Family, filters: Vec<String>, from_sequence: u64) -> Replay {
        let stream = streams::of(family).name.to_owned();
        Replay(Walk::new(self.clone(), stream, filters, from_sequence))
    }
}
