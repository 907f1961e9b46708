//! Reads a log once and lays its messages aside by part; later tells a part's as stories.

use std::{collections::HashMap, path::Path};

use colloquy_bus::{Bus, log::Unread};
use colloquy_contract::{Scope, facts::Family, streams};

use crate::{
    Result,
    spill::{Spill, Spilled},
    story::Story,
};

/// The messages of a log.
pub(crate) struct Messages {
    laid_aside: Spilled<Unread>,
    stream: &'static str,
}

impl Messages {
    /// Reads what a filter lets through of a log, up to a sequence. `part` says where what a
    /// message is about belongs; `foreign` is told of messages that are about nothing we know.
    pub(crate) async fn read(
        bus: &Bus,
        folder: &Path,
        (family, filter): (Family, &'static str),
        last: u64,
        part: impl Fn(&Scope) -> u16,
        mut foreign: impl FnMut(&'static str, u64),
    ) -> Result<Self> {
        let stream = streams::of(family).name;
        let mut spill = Spill::new(folder, stream);
        let mut replay = bus.replay(family, vec![filter.to_owned()], 1);
        while let Some(message) = replay.next_unread().await? {
            if message.sequence > last {
                break;
            }
            match message.scope() {
                Ok(scope) => spill.push(part(&scope), &message)?,
                Err(_) => foreign(stream, message.sequence),
            }
        }
        Ok(Self {
            laid_aside: spill.finish()?,
            stream,
        })
    }

    /// How many there are.
    pub(crate) const fn count(&self) -> u64 {
        self.laid_aside.count()
    }

    /// The stories of a part, which is forgotten then. `unreadable` is told of messages that are
    /// no facts.
    pub(crate) fn stories(
        &self,
        part: u16,
        mut unreadable: impl FnMut(&'static str, u64),
    ) -> Result<HashMap<Scope, Story>> {
        let mut stories: HashMap<Scope, Story> = HashMap::new();
        for message in self.laid_aside.read(part)? {
            let message = message?;
            let Ok((envelope, fact)) = message.read() else {
                unreadable(self.stream, message.sequence);
                continue;
            };
            match stories.get_mut(&envelope.scope) {
                Some(story) => story.add(message.sequence, &envelope, &fact),
                None => {
                    let mut story = Story::new(envelope.scope.clone());
                    story.add(message.sequence, &envelope, &fact);
                    stories.insert(envelope.scope, story);
                }
            }
        }
        self.laid_aside.remove(part)?;
        Ok(stories)
    }
}
