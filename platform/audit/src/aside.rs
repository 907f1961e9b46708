//! What was laid aside about a part of the log, in memory while the part is judged.

use std::collections::{HashMap, HashSet};

use colloquy_contract::{ConversationId, Scope, progress::Progress};

use crate::{
    Result,
    collect::{Artifacts, EntryRecord, LetterRecord, Short, short, value_of},
    judge::{ArtifactState, EntryState, Held},
    spill::Spilled,
    story::{Reference, Story, Zone},
};

/// Things are known by the hashes of their names here.
#[derive(Default)]
pub(crate) struct Aside {
    pub(crate) objects: HashMap<(Zone, Short), Object>,
    pub(crate) damaged: HashSet<(Zone, Short)>,
    /// Entries of the progress model that no story has asked for.
    pub(crate) entries: HashMap<Short, Option<Short>>,
    pub(crate) letters: HashMap<Scope, Vec<LetterRecord>>,
    pub(crate) held: HashMap<ConversationId, Vec<Held>>,
}

/// An object of a bucket.
pub(crate) struct Object {
    size_bytes: u64,
    /// None if the bucket noted none.
    sha256: Option<[u8; 32]>,
    /// Whether its chunks are all there.
    whole: bool,
    /// Whether a fact references it.
    pub(crate) referenced: bool,
}

impl Aside {
    pub(crate) fn read(
        part: u16,
        artifacts: &Artifacts,
        entries: &Spilled<EntryRecord>,
        letters: &Spilled<LetterRecord>,
    ) -> Result<Self> {
        let mut aside = Self::default();
        for object in artifacts.objects.read(part)? {
            let object = object?;
            let mut sha256 = [0; 32];
            let noted = hex::decode_to_slice(&object.sha256, &mut sha256);
            let known = Object {
                size_bytes: object.size_bytes,
                sha256: noted.is_ok().then_some(sha256),
                whole: true,
                referenced: false,
            };
            let key = (object.zone, short(&object.name));
            aside.objects.insert(key, known);
        }
        for key in artifacts.incomplete.read(part)? {
            if let Some(object) = aside.objects.get_mut(&key?) {
                object.whole = false;
            }
        }
        for entry in entries.read(part)? {
            let entry = entry?;
            aside.entries.insert(short(&entry.key), entry.value);
        }
        for letter in letters.read(part)? {
            let letter = letter?;
            let letters = aside.letters.entry(letter.scope()).or_default();
            letters.push(letter);
        }
        Ok(aside)
    }

    /// Notes what a story references.
    pub(crate) fn reference(&mut self, story: &Story) {
        for reference in &story.references {
            if let Some(object) = self.objects.get_mut(&key(story, reference)) {
                object.referenced = true;
            }
        }
    }

    pub(crate) fn artifact(&self, story: &Story, reference: &Reference) -> ArtifactState {
        let key = key(story, reference);
        match self.objects.get(&key) {
            None => ArtifactState::Missing,
            Some(object)
                if object.size_bytes != reference.size_bytes
                    || object.sha256 != Some(reference.sha256) =>
            {
                ArtifactState::Differs
            }
            Some(object) if !object.whole => ArtifactState::Incomplete,
            Some(_) if self.damaged.contains(&key) => ArtifactState::Damaged,
            Some(_) => ArtifactState::Whole,
        }
    }

    /// Compares the entry with the fold, and takes it out of those that are left over.
    pub(crate) fn entry(&mut self, story: &Story) -> Option<EntryState> {
        let (progress, conversation) = (story.progress.as_ref()?, story.scope.conversation()?);
        let key = Progress::key(story.scope.account(), conversation);
        Some(match self.entries.remove(&short(&key)) {
            None => EntryState::Missing,
            Some(value) if value.is_some() && value == value_of(progress) => EntryState::Agrees,
            Some(_) => EntryState::Differs,
        })
    }
}

fn key(story: &Story, reference: &Reference) -> (Zone, Short) {
    (reference.zone, short(reference.name(&story.scope)))
}
