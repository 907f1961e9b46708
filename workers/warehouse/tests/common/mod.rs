//! A broker, facts of both streams, and a warehouse that runs.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    time::Duration,
};

use colloquy_bus::{Bus, CancellationToken};
use colloquy_contract::{
    ArtifactRef, Bucket, ConversationId, Scope,
    control::{
        ModelState, RebuildFrom, RebuildRequest, StateRequest, WAREHOUSE_REBUILD, WAREHOUSE_STATE,
    },
    facts::{
        AccountSignupRejected, CallInfo, ConversationErasureRequested, ConversationReceived,
        Direction, FactData, Family,
    },
    ids::AccountId,
};
use colloquy_testkit::{Kit, eventually};
use colloquy_warehouse::{Warehouse, WarehouseError, WarehouseOptions};
use jiff::Timestamp;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::Field;
use tokio::task::JoinHandle;

/// How long anything may take on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Stream and sequence of a fact.
type Place = (String, u64);

pub(crate) fn options(folder: &Path) -> WarehouseOptions {
    WarehouseOptions {
        max_batch: 20,
        commit_interval: Duration::from_millis(30),
        max_small_files: 8,
        ..WarehouseOptions::new(folder)
    }
}

pub(crate) fn account() -> Scope {
    Scope::Account {
        account: AccountId::generate(),
    }
}

fn conversation() -> Scope {
    Scope::Conversation {
        account: "acme".parse().unwrap(),
        conversation: ConversationId::generate(),
    }
}

/// A broker of its own for a test; the warehouse has its own user there.
pub(crate) struct Broker {
    kit: Kit,
    pub(crate) bus: Bus,
}

impl Broker {
    pub(crate) async fn start() -> Self {
        let kit = Kit::with_permissions(1).await;
        let bus = kit.bus.clone();
        Self { kit, bus }
    }

    /// Kills the broker, starts it again, and waits until the connection is back.
    pub(crate) async fn kill(&mut self) {
        self.kit.broker().kill(0);
        self.kit.broker().start(0).await;
        eventually("the broker is back", PATIENCE, async || {
            self.bus.ping().await
        })
        .await;
    }

    pub(crate) async fn state(&self, scope: &Scope, data: impl FactData) {
        state(&self.bus, scope, data).await;
    }

    pub(crate) async fn state_received(&self, agent: &str, customer: &str, label: &str) {
        let call = CallInfo {
            received_at: Timestamp::now(),
            agent: Some(agent.to_owned()),
            customer: Some(customer.to_owned()),
            direction: Some(Direction::Inbound),
            started_at: None,
            language: None,
            channel_roles: Vec::new(),
            labels: BTreeMap::from([(label.to_owned(), label.to_owned())]),
        };
        let recording = ArtifactRef {
            bucket: Bucket::Vault,
            name: "recording".to_owned(),
            size_bytes: 1,
            sha256: "0".repeat(64),
            media_type: "audio/wav".to_owned(),
        };
        let fact = ConversationReceived {
            call,
            recording,
            vocabulary: None,
        };
        self.state(&conversation(), fact).await;
    }

    pub(crate) async fn state_account(&self) {
        state_account(&self.bus).await;
    }

    /// States facts of both streams: every fifth of an account.
    pub(crate) async fn state_many(&self, count: usize) {
        state_many(&self.bus, count).await;
    }

    pub(crate) fn state_in_background(&self, count: usize) -> JoinHandle<()> {
        let bus = self.bus.clone();
        tokio::spawn(async move { state_many(&bus, count).await })
    }

    pub(crate) async fn last(&self, family: Family) -> u64 {
        self.bus.last_sequence(family).await.unwrap()
    }

    /// Stream and sequence of every fact in the log.
    async fn log(&self) -> Vec<Place> {
        let mut places = Vec::new();
        for (family, filter) in [
            (Family::Conversation, "conversations.>"),
            (Family::Account, "accounts.>"),
        ] {
            let stream = colloquy_contract::streams::of(family).name;
            let filters = vec![filter.to_owned()];
            let mut replay = self.bus.replay(family, filters, 1);
            while let Some(fact) = replay.next_unread().await.unwrap() {
                places.push((stream.to_owned(), fact.sequence));
            }
        }
        places.sort();
        places
    }

    /// Whether the warehouse holds exactly the facts of the log, each once.
    pub(crate) async fn is_complete_now(&self, folder: &Path) -> bool {
        self.log().await == held(folder)
    }

    pub(crate) async fn until_complete(&self, folder: &Path) {
        eventually("all facts are rows", PATIENCE, async || {
            self.is_complete_now(folder).await
        })
        .await;
    }

    pub(crate) async fn is_complete(&self, folder: &Path) {
        assert_eq!(held(folder), self.log().await);
    }
}

async fn state(bus: &Bus, scope: &Scope, data: impl FactData) {
    bus.state_first("test", scope.clone(), data).await.unwrap();
}

async fn state_account(bus: &Bus) {
    let rejected = AccountSignupRejected {
        code: "email_taken".to_owned(),
        reason: "choose another address".to_owned(),
    };
    state(bus, &account(), rejected).await;
}

async fn state_many(bus: &Bus, count: usize) {
    for number in 0..count {
        if number % 5 == 0 {
            state_account(bus).await;
        } else {
            let reason = "test".to_owned();
            let request = ConversationErasureRequested { reason };
            state(bus, &conversation(), request).await;
        }
    }
}

/// Stream and sequence of every row, as often as it stands there.
fn held(folder: &Path) -> Vec<Place> {
    let rows = colloquy_warehouse::rows(folder).unwrap().into_iter();
    let mut places: Vec<Place> = rows.map(|row| (row.stream, row.sequence)).collect();
    places.sort();
    places
}

/// A warehouse that runs.
pub(crate) struct Running {
    /// Its own user's.
    bus: Bus,
    /// An operator's, who asks it.
    operator: Bus,
    options: WarehouseOptions,
    drain: CancellationToken,
    task: JoinHandle<colloquy_warehouse::Result<()>>,
}

impl Running {
    pub(crate) async fn start(broker: &Broker, options: WarehouseOptions) -> Self {
        let bus = broker.kit.connect("warehouse").await;
        let warehouse = Warehouse::open(bus.clone(), options.clone()).await.unwrap();
        let drain = CancellationToken::new();
        let task = tokio::spawn(warehouse.run(drain.clone(), PATIENCE));
        Self {
            bus,
            operator: broker.bus.clone(),
            options,
            drain,
            task,
        }
    }

    pub(crate) async fn stop(self) {
        self.drain.cancel();
        let ended = tokio::time::timeout(PATIENCE, self.task).await;
        ended.unwrap().unwrap().unwrap();
    }

    /// Ends it where it stands. What it does on the disk at this moment is not cut off within this
    /// process, so we wait until that has let go of the folder.
    pub(crate) async fn crash(self) {
        self.task.abort();
        assert!(self.task.await.unwrap_err().is_cancelled());
        eventually("the folder is let go", PATIENCE, async || {
            let opened = Warehouse::open(self.bus.clone(), self.options.clone()).await;
            match opened {
                Ok(_) => true,
                Err(WarehouseError::InUse { .. }) => false,
                Err(error) => panic!("{error}"),
            }
        })
        .await;
    }

    pub(crate) async fn state(&self) -> ModelState {
        ask(&self.operator, WAREHOUSE_STATE, &StateRequest {}).await
    }

    pub(crate) async fn rebuild(&self, from: RebuildFrom) -> ModelState {
        ask(&self.operator, WAREHOUSE_REBUILD, &RebuildRequest { from }).await
    }

    pub(crate) async fn until_rebuilt(&self, rebuilds: u64) -> ModelState {
        eventually("it is rebuilt", PATIENCE, async || {
            self.state().await.rebuilds == rebuilds
        })
        .await;
        self.state().await
    }
}

/// Asks until somebody answers: it may be starting.
async fn ask<Q: serde::Serialize + Sync>(
    bus: &Bus,
    subject: &'static str,
    question: &Q,
) -> ModelState {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        let mut answer = None;
        let gather = |state: ModelState| {
            answer = Some(state);
            true
        };
        let asked = bus.ask_all(subject, question, PATIENCE, gather).await;
        if let (Ok(()), Some(state)) = (asked, answer) {
            return state;
        }
        assert!(tokio::time::Instant::now() < deadline, "nobody answers");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The files of the generation that serves.
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for day in fs::read_dir(folder.join("current")).unwrap().flatten() {
        if day.path().is_dir() {
            let inside = fs::read_dir(day.path()).unwrap().flatten();
            files.extend(inside.map(|file| file.path()));
        }
    }
    files.sort();
    files
}

pub(crate) fn generations(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).unwrap().flatten();
    entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| name.starts_with("generation-"))
        .collect()
}

/// What tells files apart that are not links to the same content.
pub(crate) fn inodes(folder: &Path, prefix: &str) -> BTreeSet<u64> {
    files(folder)
        .into_iter()
        .filter(|path| {
            let name = path.file_name().unwrap().to_string_lossy();
            name.starts_with(prefix)
        })
        .map(|path| fs::metadata(path).unwrap().ino())
        .collect()
}

/// Every text in every column of every row.
pub(crate) fn texts(folder: &Path) -> Vec<String> {
    let mut texts = Vec::new();
    for path in files(folder) {
        let reader = SerializedFileReader::new(File::open(path).unwrap()).unwrap();
        for row in reader.get_row_iter(None).unwrap() {
            for (_, field) in row.unwrap().into_columns() {
                if let Field::Str(text) = field {
                    texts.push(text);
                }
            }
        }
    }
    texts
}
