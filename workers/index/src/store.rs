//! One index on disk: its documents, and up to where the log was read for them.

use std::{
    collections::{HashMap, HashSet},
    path::{Path, PathBuf},
};

use colloquy_contract::{ConversationId, control::Holding, ids::AccountId};
use serde::{Deserialize, Serialize};
use tantivy::{
    DocAddress, Index, IndexReader, IndexWriter, ReloadPolicy, Searcher, TantivyDocument,
    TantivyError, Term,
    collector::{Count, DocSetCollector},
    directory::{MmapDirectory, error::LockError},
    query::{ExistsQuery, TermQuery},
    schema::IndexRecordOption,
};

use crate::{
    IndexError, Result,
    schema::{self, Fields, Stored},
};

/// Up to where the log was read. It is the payload of every commit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Position {
    /// Facts up to this sequence are in the index.
    pub(crate) indexed_through: u64,
    /// `conversation.indexed` stands for facts up to this sequence.
    pub(crate) stated_through: u64,
}

impl Position {
    /// The further of both; a position never goes back.
    const fn or_later(self, other: Self) -> Self {
        const fn later(one: u64, two: u64) -> u64 {
            if one > two { one } else { two }
        }
        Self {
            indexed_through: later(self.indexed_through, other.indexed_through),
            stated_through: later(self.stated_through, other.stated_through),
        }
    }
}

/// A change of the index.
#[derive(Debug)]
pub(crate) enum Change {
    /// A conversation is added or replaced.
    Put {
        /// Whose it is.
        account: AccountId,
        /// What it is.
        stored: Box<Stored>,
    },
    /// A conversation is removed for good.
    Forget(ConversationId),
}

/// The index, open for writing.
pub(crate) struct Store {
    position: Position,
    fields: Fields,
    reader: IndexReader,
    writer: IndexWriter,
}

/// What an index holds of a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) revision: u32,
    pub(crate) turns: u32,
}

impl Store {
    /// Opens the index in a folder, or makes it. Blocks.
    pub(crate) fn open(folder: &Path, writer_memory_bytes: usize) -> Result<Self> {
        let damaged = |error: TantivyError| IndexError::Damaged {
            path: folder.to_owned(),
            source: error.into(),
        };
        let (wanted, fields) = schema::schema();
        let directory = MmapDirectory::open(folder).map_err(|error| damaged(error.into()))?;
        let index = Index::open_or_create(directory, wanted).map_err(damaged)?;
        schema::register_tokenizers(&index);
        let payload = index.load_metas().map_err(damaged)?.payload;
        let position = match payload {
            None => Position::default(),
            Some(json) => serde_json::from_str(&json)
                .map_err(|_| damaged(TantivyError::InternalError("its place is lost".into())))?,
        };
        let reader = index
            .reader_builder()
            .reload_policy(ReloadPolicy::Manual)
            .try_into()
            .map_err(damaged)?;
        let writer = index
            .writer_with_num_threads(1, writer_memory_bytes)
            .map_err(|error| match error {
                TantivyError::LockFailure(LockError::LockBusy, _) => IndexError::InUse {
                    path: PathBuf::from(folder),
                },
                other => damaged(other),
            })?;
        Ok(Self {
            position,
            fields,
            reader,
            writer,
        })
    }

    pub(crate) const fn fields(&self) -> Fields {
        self.fields
    }

    pub(crate) const fn position(&self) -> Position {
        self.position
    }

    /// A view of the last commit, and of later ones as they are made.
    pub(crate) fn reader(&self) -> IndexReader {
        self.reader.clone()
    }

    /// Makes changes and the place they come from durable, together. Returns the conversations
    /// that were put and can be found now, each with its revision. Blocks.
    ///
    /// A conversation that was forgotten stays so, and one is never replaced by an earlier
    /// revision of itself. The place goes on to `place`, never back.
    pub(crate) fn commit(
        &mut self,
        changes: &[Change],
        place: Position,
    ) -> Result<HashMap<ConversationId, u32>> {
        let mut forgotten = HashSet::new();
        let mut put = HashMap::new();
        for change in changes {
            match change {
                Change::Put { account, stored } => {
                    let id = stored.conversation;
                    if forgotten.contains(&id)
                        || self.is_forgotten(id)?
                        || self.is_superseded(stored, &put)?
                    {
                        continue;
                    }
                    self.writer
                        .delete_term(schema::conversation_term(&self.fields, id));
                    self.add(stored.document(&self.fields, account)?)?;
                    put.insert(id, stored.revision);
                }
                Change::Forget(id) => {
                    self.writer
                        .delete_term(schema::conversation_term(&self.fields, *id));
                    self.writer
                        .delete_term(schema::tombstone_term(&self.fields, *id));
                    self.add(schema::tombstone(&self.fields, *id))?;
                    forgotten.insert(*id);
                    put.remove(id);
                }
            }
        }
        let position = self.position.or_later(place);
        let payload = serde_json::to_string(&position).map_err(IndexError::Document)?;
        let mut prepared = self.writer.prepare_commit().map_err(IndexError::write)?;
        prepared.set_payload(&payload);
        prepared.commit().map_err(IndexError::write)?;
        self.position = position;
        self.reader.reload().map_err(IndexError::read)?;
        Ok(put)
    }

    /// What is held of a conversation.
    pub(crate) fn held(&self, id: ConversationId) -> Result<Option<Held>> {
        let view = self.view();
        let documents = view.documents(id)?;
        documents
            .first()
            .map(|&address| view.held(address))
            .transpose()
    }

    /// The document of a conversation as it was put.
    pub(crate) fn stored(&self, id: ConversationId) -> Result<Option<Stored>> {
        let view = self.view();
        let Some(&address) = view.documents(id)?.first() else {
            return Ok(None);
        };
        let document = view.searcher.doc(address).map_err(IndexError::read)?;
        Stored::read(&self.fields, &document)
    }

    /// What the last commit left.
    pub(crate) fn view(&self) -> View {
        View {
            position: self.position,
            fields: self.fields,
            searcher: self.reader.searcher(),
        }
    }

    /// Lets merges that are under way finish, and closes the index. Blocks.
    pub(crate) fn close(self) -> Result<()> {
        self.writer
            .wait_merging_threads()
            .map_err(IndexError::write)
    }

    fn add(&self, document: TantivyDocument) -> Result<()> {
        self.writer
            .add_document(document)
            .map(drop)
            .map_err(IndexError::write)
    }

    fn is_forgotten(&self, id: ConversationId) -> Result<bool> {
        let term = schema::tombstone_term(&self.fields, id);
        self.view().matching(term).map(|found| !found.is_empty())
    }

    /// Whether a later revision of the conversation is held, or was put just now.
    fn is_superseded(&self, stored: &Stored, put: &HashMap<ConversationId, u32>) -> Result<bool> {
        let id = stored.conversation;
        let present = match put.get(&id) {
            Some(&revision) => Some(revision),
            None => self.held(id)?.map(|held| held.revision),
        };
        Ok(present.is_some_and(|present| present > stored.revision))
    }
}

/// An index as it was at a commit.
pub(crate) struct View {
    pub(crate) position: Position,
    fields: Fields,
    searcher: Searcher,
}

impl View {
    /// How many conversations it holds.
    pub(crate) fn entries(&self) -> Result<u64> {
        // Tombstones have no revision.
        let query = ExistsQuery::new(schema::REVISION.to_owned(), false);
        let count = self.searcher.search(&query, &Count);
        let count = count.map_err(IndexError::read)?;
        Ok(u64::try_from(count).unwrap_or(u64::MAX))
    }

    /// What it holds of a conversation, if anything.
    pub(crate) fn holding(&self, conversation: ConversationId) -> Result<Option<Holding>> {
        let documents = self.documents(conversation)?;
        let Some(&first) = documents.first() else {
            return Ok(None);
        };
        Ok(Some(Holding {
            conversation,
            documents: u32::try_from(documents.len()).unwrap_or(u32::MAX),
            turns: self.held(first)?.turns,
        }))
    }

    fn documents(&self, id: ConversationId) -> Result<Vec<DocAddress>> {
        self.matching(schema::conversation_term(&self.fields, id))
    }

    fn matching(&self, term: Term) -> Result<Vec<DocAddress>> {
        let query = TermQuery::new(term, IndexRecordOption::Basic);
        let found = self.searcher.search(&query, &DocSetCollector);
        Ok(found.map_err(IndexError::read)?.into_iter().collect())
    }

    fn held(&self, address: DocAddress) -> Result<Held> {
        let segment = self.searcher.segment_reader(address.segment_ord);
        let number = |field: &str| -> Result<u32> {
            let column = segment.fast_fields().u64(field).map_err(IndexError::read)?;
            let value = column.first(address.doc_id).unwrap_or_default();
            Ok(u32::try_from(value).unwrap_or(u32::MAX))
        };
        Ok(Held {
            revision: number(schema::REVISION)?,
            turns: number(schema::TURNS)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use colloquy_contract::transcript::Role;
    use jiff::Timestamp;

    use super::*;
    use crate::schema::StoredTurn;

    fn stored(id: ConversationId, text: &str) -> Change {
        let turn = StoredTurn {
            channel: 0,
            role: Role::Agent,
            start_ms: 0,
            end_ms: 1_000,
            text: text.to_owned(),
        };
        let stored = Stored {
            conversation: id,
            revision: 1,
            received_at: Timestamp::UNIX_EPOCH,
            started_at: None,
            agent: None,
            duration_ms: 1_000,
            turns: vec![turn],
        };
        Change::Put {
            account: "acme".parse().unwrap(),
            stored: Box::new(stored),
        }
    }

    const MEMORY: usize = 15_000_000;

    fn open(folder: &Path) -> Store {
        Store::open(folder, MEMORY).unwrap()
    }

    fn turns(store: &Store, id: ConversationId) -> Option<u32> {
        store.held(id).unwrap().map(|held| held.turns)
    }

    fn position(through: u64) -> Position {
        Position {
            indexed_through: through,
            stated_through: 0,
        }
    }

    #[test]
    fn documents_and_place_are_one() {
        let folder = tempfile::tempdir().unwrap();
        let id = ConversationId::generate();
        let mut store = open(folder.path());
        assert_eq!(store.position(), Position::default());
        store.commit(&[stored(id, "one")], position(5)).unwrap();
        assert_eq!(turns(&store, id), Some(1));
        store
            .commit(&[stored(id, "two"), stored(id, "three")], position(6))
            .unwrap();
        assert_eq!(store.view().entries().unwrap(), 1);
        store.close().unwrap();
        let store = open(folder.path());
        assert_eq!(store.position(), position(6));
        assert_eq!(turns(&store, id), Some(1));
    }

    #[test]
    fn what_is_forgotten_stays_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = open(folder.path());
        let (one, two) = (ConversationId::generate(), ConversationId::generate());
        let put = store
            .commit(
                &[stored(one, "a"), stored(two, "b"), Change::Forget(one)],
                position(3),
            )
            .unwrap();
        assert_eq!(put, HashMap::from([(two, 1)]));
        assert_eq!(turns(&store, one), None);
        let put = store
            .commit(&[stored(one, "late"), Change::Forget(two)], position(5))
            .unwrap();
        assert!(put.is_empty());
        assert_eq!((turns(&store, one), turns(&store, two)), (None, None));
    }

    #[test]
    fn a_later_revision_replaces_and_an_earlier_one_does_not() {
        let root = tempfile::tempdir().unwrap();
        let mut store = open(root.path());
        let id = ConversationId::generate();
        let revised = |revision| match stored(id, "text") {
            Change::Put { account, stored } => Change::Put {
                account,
                stored: Box::new(Stored {
                    revision,
                    ..*stored
                }),
            },
            forget => forget,
        };
        store.commit(&[revised(1)], position(1)).unwrap();
        let put = store
            .commit(&[revised(3), revised(2)], position(2))
            .unwrap();
        assert_eq!(put, HashMap::from([(id, 3)]));
        let put = store.commit(&[revised(1)], position(3)).unwrap();
        assert!(put.is_empty());
        assert_eq!(store.held(id).unwrap().unwrap().revision, 3);
        store.commit(&[revised(3)], position(4)).unwrap();
        let view = store.view();
        assert_eq!(view.entries().unwrap(), 1);
        assert_eq!(view.holding(id).unwrap().unwrap().documents, 1);
    }

    #[test]
    fn a_place_never_goes_back() {
        let root = tempfile::tempdir().unwrap();
        let mut store = open(root.path());
        store.commit(&[], position(7)).unwrap();
        store.commit(&[], Position::default()).unwrap();
        assert_eq!(store.position(), position(7));
    }

    #[test]
    fn damage_is_explained() {
        let root = tempfile::tempdir().unwrap();
        drop(open(root.path()));
        std::fs::write(root.path().join("meta.json"), "rubbish").unwrap();
        let error = Store::open(root.path(), MEMORY).err().unwrap();
        assert!(matches!(error, IndexError::Damaged { .. }));
        assert!(error.to_string().contains("delete that folder"));
    }
}
