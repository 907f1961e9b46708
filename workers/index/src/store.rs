//! The index on disk: who owns the folder, what format it has, up to where it was read.

use std::{
    collections::{BTreeSet, HashSet},
    fs::{self, File, TryLockError},
    io,
    path::{Path, PathBuf},
};

use colloquy_contract::{ConversationId, ids::AccountId};
use serde::{Deserialize, Serialize};
use tantivy::{
    Index, IndexReader, IndexWriter, ReloadPolicy, TantivyDocument, TantivyError, Term,
    collector::TopDocs,
    directory::{MmapDirectory, error::LockError},
    query::TermQuery,
    schema::IndexRecordOption,
};

use crate::{
    IndexError, IndexOptions, Result,
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

/// What the folder was made for; another index is in another folder or made anew.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Layout {
    version: u32,
    partitions: BTreeSet<u8>,
}

/// The index, open for writing.
pub(crate) struct Store {
    path: PathBuf,
    position: Position,
    fields: Fields,
    reader: IndexReader,
    writer: IndexWriter,
    /// Held for as long as the index is open; the system releases it when we die.
    _lock: File,
}

impl Store {
    /// Opens the index, or makes it. Blocks.
    pub(crate) fn open(options: &IndexOptions) -> Result<Self> {
        let path = options.path.clone();
        fs::create_dir_all(&path).map_err(folder_error("create", &path))?;
        let lock = own(&path)?;
        let data = prepare(options)?;
        let damaged = |error: TantivyError| IndexError::Damaged {
            path: path.clone(),
            source: error.into(),
        };
        let (wanted, fields) = schema::schema();
        let directory = MmapDirectory::open(&data).map_err(|error| damaged(error.into()))?;
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
            .writer_with_num_threads(1, options.writer_memory_bytes)
            .map_err(|error| match error {
                TantivyError::LockFailure(LockError::LockBusy, _) => {
                    IndexError::InUse { path: path.clone() }
                }
                other => damaged(other),
            })?;
        Ok(Self {
            path,
            position,
            fields,
            reader,
            writer,
            _lock: lock,
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
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
    /// that were put and not forgotten. Blocks.
    pub(crate) fn commit(
        &mut self,
        changes: &[Change],
        position: Position,
    ) -> Result<HashSet<ConversationId>> {
        let mut forgotten = HashSet::new();
        let mut put = HashSet::new();
        for change in changes {
            match change {
                Change::Put { account, stored } => {
                    let id = stored.conversation;
                    if forgotten.contains(&id) || self.is_forgotten(id)? {
                        continue;
                    }
                    self.writer
                        .delete_term(schema::conversation_term(&self.fields, id));
                    self.add(stored.document(&self.fields, account)?)?;
                    put.insert(id);
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
        let payload = serde_json::to_string(&position).map_err(IndexError::Document)?;
        let mut prepared = self.writer.prepare_commit().map_err(IndexError::write)?;
        prepared.set_payload(&payload);
        prepared.commit().map_err(IndexError::write)?;
        self.position = position;
        self.reader.reload().map_err(IndexError::read)?;
        Ok(put)
    }

    /// How many turns of a conversation can be found; `None` if it is not in the index.
    pub(crate) fn turns(&self, id: ConversationId) -> Result<Option<u32>> {
        let Some(document) = self.first(schema::conversation_term(&self.fields, id))? else {
            return Ok(None);
        };
        Ok(Stored::read(&self.fields, &document)?.map(|stored| stored.turn_count()))
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
        self.first(schema::tombstone_term(&self.fields, id))
            .map(|found| found.is_some())
    }

    fn first(&self, term: Term) -> Result<Option<TantivyDocument>> {
        let searcher = self.reader.searcher();
        let query = TermQuery::new(term, IndexRecordOption::Basic);
        let found = searcher
            .search(&query, &TopDocs::with_limit(1).order_by_score())
            .map_err(IndexError::read)?;
        found
            .first()
            .map(|&(_, address)| searcher.doc(address).map_err(IndexError::read))
            .transpose()
    }
}

/// Owns the folder, or says who cannot have it.
fn own(path: &Path) -> Result<File> {
    let file = File::create(path.join("lock")).map_err(folder_error("lock", path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(IndexError::InUse {
            path: path.to_owned(),
        }),
        Err(TryLockError::Error(error)) => Err(folder_error("lock", path)(error)),
    }
}

/// The folder of the index itself, emptied if it was made in another format or for others than
/// the owned partitions: the log has everything.
fn prepare(options: &IndexOptions) -> Result<PathBuf> {
    let path = &options.path;
    let (data, note) = (path.join("data"), path.join("layout.json"));
    let layout = Layout {
        version: schema::VERSION,
        partitions: options.partitions.clone(),
    };
    let found: Option<Layout> = match fs::read(&note) {
        Ok(json) => serde_json::from_slice(&json).ok(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(folder_error("read", path)(error)),
    };
    if found.as_ref() == Some(&layout) {
        fs::create_dir_all(&data).map_err(folder_error("create", path))?;
        return Ok(data);
    }
    if data.exists() {
        tracing::warn!(
            node = options.node,
            "the index was made by another version or for other partitions; rebuilding it"
        );
        fs::remove_dir_all(&data).map_err(folder_error("empty", path))?;
    }
    fs::create_dir_all(&data).map_err(folder_error("create", path))?;
    let json = serde_json::to_vec(&layout).map_err(IndexError::Document)?;
    // By rename, so that a crash leaves the old note or the new one.
    let draft = path.join("layout.json.new");
    fs::write(&draft, json).map_err(folder_error("write to", path))?;
    fs::rename(&draft, &note).map_err(folder_error("write to", path))?;
    Ok(data)
}

fn folder_error(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> IndexError {
    let path = path.to_owned();
    move |source| IndexError::Folder {
        operation,
        path,
        source,
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

    fn position(through: u64) -> Position {
        Position {
            indexed_through: through,
            stated_through: 0,
        }
    }

    #[test]
    fn documents_and_place_are_one() {
        let folder = tempfile::tempdir().unwrap();
        let options = IndexOptions::new(folder.path());
        let id = ConversationId::generate();
        let mut store = Store::open(&options).unwrap();
        assert_eq!(store.position(), Position::default());
        store.commit(&[stored(id, "one")], position(5)).unwrap();
        assert_eq!(store.turns(id).unwrap(), Some(1));
        store
            .commit(&[stored(id, "two"), stored(id, "three")], position(6))
            .unwrap();
        assert_eq!(store.reader.searcher().num_docs(), 1);
        store.close().unwrap();
        let store = Store::open(&options).unwrap();
        assert_eq!(store.position(), position(6));
        assert_eq!(store.turns(id).unwrap(), Some(1));
    }

    #[test]
    fn what_is_forgotten_stays_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = Store::open(&IndexOptions::new(folder.path())).unwrap();
        let (one, two) = (ConversationId::generate(), ConversationId::generate());
        let put = store
            .commit(
                &[stored(one, "a"), stored(two, "b"), Change::Forget(one)],
                position(3),
            )
            .unwrap();
        assert_eq!(put, HashSet::from([two]));
        assert_eq!(store.turns(one).unwrap(), None);
        let put = store
            .commit(&[stored(one, "late"), Change::Forget(two)], position(5))
            .unwrap();
        assert!(put.is_empty());
        assert_eq!(
            (store.turns(one).unwrap(), store.turns(two).unwrap()),
            (None, None)
        );
    }

    #[test]
    fn a_folder_has_one_owner() {
        let folder = tempfile::tempdir().unwrap();
        let options = IndexOptions::new(folder.path());
        let store = Store::open(&options).unwrap();
        assert!(matches!(
            Store::open(&options),
            Err(IndexError::InUse { .. })
        ));
        drop(store);
        assert!(Store::open(&options).is_ok());
    }

    #[test]
    fn another_version_or_share_is_rebuilt() {
        let folder = tempfile::tempdir().unwrap();
        let options = IndexOptions::new(folder.path());
        let open = |options: &IndexOptions| Store::open(options).unwrap();
        open(&options).commit(&[], position(9)).unwrap();
        assert_eq!(open(&options).position(), position(9));
        let half = options.clone().with_partitions(0..32);
        assert_eq!(open(&half).position(), Position::default());
        open(&half).commit(&[], position(9)).unwrap();
        fs::write(
            folder.path().join("layout.json"),
            "{\"version\":0,\"partitions\":[]}",
        )
        .unwrap();
        assert_eq!(open(&half).position(), Position::default());
    }

    #[test]
    fn damage_is_explained() {
        let folder = tempfile::tempdir().unwrap();
        let options = IndexOptions::new(folder.path());
        drop(Store::open(&options).unwrap());
        fs::write(folder.path().join("data/meta.json"), "rubbish").unwrap();
        let error = Store::open(&options).err().unwrap();
        assert!(matches!(error, IndexError::Damaged { .. }));
        assert!(error.to_string().contains("delete that folder"));
    }
}
