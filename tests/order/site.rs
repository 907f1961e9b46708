//! A broker with the services that keep read models, and what may happen to them.

use std::{
    collections::BTreeMap, collections::BTreeSet, fs, path::Path, sync::Arc, time::Duration,
};

use colloquy_audit::AuditOptions;
use colloquy_bus::{CancellationToken, log::Logged};
use colloquy_contract::{
    FactType, Scope,
    control::{Holdings, HoldingsRequest, INDEX_HOLDINGS, INDEX_STATE, ModelState, StateRequest},
    facts::Family,
    progress::{Progress, Status},
    search::{self, SearchReply, SearchRequest},
    streams,
};
use colloquy_index::{IndexNode, IndexOptions};
use colloquy_progress::ProgressService;
use colloquy_testkit::{BrokerOptions, Kit, KitOptions, PATIENCE, Running, Sync, eventually};
use colloquy_warehouse::{Warehouse, WarehouseError, WarehouseOptions};
use rand::{Rng, rngs::StdRng, seq::IndexedRandom};
use tempfile::TempDir;
use tokio::task::JoinHandle;

use crate::{
    raw::Raw,
    story::{Step, Story, Told},
};

/// A service that follows the log itself, in this process.
struct Follower {
    drain: CancellationToken,
    task: JoinHandle<Result<(), String>>,
}

impl Follower {
    async fn stop(self) {
        self.drain.cancel();
        let ended = tokio::time::timeout(PATIENCE, self.task).await;
        ended.unwrap().unwrap().unwrap();
    }

    /// Ends it where it stands.
    async fn kill(self) {
        self.task.abort();
        assert!(self.task.await.unwrap_err().is_cancelled());
    }
}

pub struct Site {
    pub kit: Kit,
    pub stories: Vec<Story>,
    folder: TempDir,
    pub raw: Raw,
    progress: Option<Running>,
    index: Option<Follower>,
    warehouse: Option<Follower>,
    told: Vec<Told>,
    /// What happened, for whoever looks at a failure.
    pub happened: Vec<String>,
}

/// How it all ended, with nothing in it that differs from run to run.
#[derive(Debug, PartialEq)]
pub struct Final {
    pub stories: BTreeMap<&'static str, Ended>,
    /// Of the audit: completed, rejected, failed, erased; welcomed, rejected.
    pub counts: [u64; 6],
}

#[derive(Debug, PartialEq)]
pub struct Ended {
    status: Status,
    /// The facts of the newest revision.
    current: BTreeSet<String>,
    revision: u32,
    words: Option<u32>,
    error: Option<(String, String, u32)>,
    /// Documents and turns in the index.
    held: Option<(u32, u32)>,
    /// Whether a search finds it.
    found: bool,
}

impl Site {
    pub async fn start() -> Self {
        let kit = Kit::with(KitOptions {
            broker: BrokerOptions {
                sync: Sync::Periodic,
                ..BrokerOptions::default()
            },
            ..KitOptions::default()
        })
        .await;
        // Failed conversations have dead letters.
        kit.allow_leftovers();
        let raw = Raw::connect(kit.broker().port(0)).await;
        let mut site = Self {
            kit,
            stories: Story::all(),
            folder: tempfile::tempdir().unwrap(),
            raw,
            progress: None,
            index: None,
            warehouse: None,
            told: Vec::new(),
            happened: Vec::new(),
        };
        site.start_progress().await;
        site.start_index().await;
        site.start_warehouse().await;
        site
    }

    /// Tells all stories, the first to its end before the next begins.
    pub async fn tell_in_order(&mut self) {
        for number in 0..self.stories.len() {
            while self.step(number).await {}
        }
        self.caught_up().await;
    }

    /// Tells all stories at once, while facts are delivered again and services are restarted.
    pub async fn tell_disturbed(&mut self, random: &mut StdRng) {
        let mut open: Vec<usize> = (0..self.stories.len()).collect();
        while !open.is_empty() {
            let place = random.random_range(0..open.len());
            if !self.step(open[place]).await {
                open.swap_remove(place);
            }
            if random.random_bool(0.5) {
                self.deliver_again(random).await;
            }
            if random.random_bool(0.06) {
                self.disturb(random).await;
            }
        }
        // Once more, all of them, in any order.
        for number in super::shrink::deliveries(self.told.len(), random) {
            let told = self.told[number].clone();
            self.deliver(&told, "progress").await;
        }
        self.disturb(random).await;
        self.caught_up().await;
    }

    /// The next step of a story; `false` at its end.
    async fn step(&mut self, number: usize) -> bool {
        let bus = self.kit.bus.clone();
        let story = &mut self.stories[number];
        let Some(step) = story.next() else {
            return false;
        };
        self.happened.push(format!("{}: {step:?}", story.name));
        match step {
            Step::State(fact) => {
                let told = story.state(&bus, fact).await;
                self.told.push(told);
            }
            Step::GiveUp(service) => story.give_up(&bus, service).await,
            Step::Redrive => story.redrive(&bus).await,
            Step::Reprocess(service) => story.reprocess(&bus, service).await,
            Step::Remove => story.remove(&bus).await,
            Step::UntilIndexed => {
                let (scope, revision) = (story.scope.clone(), story.revision());
                eventually("the conversation can be found", PATIENCE, async || {
                    let history = bus.history(&scope).await.unwrap();
                    history.iter().any(|logged| {
                        let envelope = &logged.envelope;
                        envelope.fact_type == FactType::ConversationIndexed
                            && envelope.revision == revision
                    })
                })
                .await;
            }
        }
        true
    }

    /// Delivers a fact again, or has it stated again.
    async fn deliver_again(&mut self, random: &mut StdRng) {
        let Some(told) = self.told.choose(random).cloned() else {
            return;
        };
        match random.random_range(0..3) {
            0 => {
                let again = self.kit.bus.state(&told.envelope, &told.fact).await;
                assert!(again.unwrap().repeated);
            }
            1 => self.deliver(&told, "progress").await,
            _ => self.deliver(&told, "index").await,
        }
    }

    async fn deliver(&mut self, told: &Told, service: &str) {
        let fact = told.envelope.fact_type;
        self.happened.push(format!("{fact} again to {service}"));
        self.raw.deliver(service, &told.envelope, &told.fact).await;
    }

    /// Kills or restarts a service, or puts an earlier state of it back.
    async fn disturb(&mut self, random: &mut StdRng) {
        let what = random.random_range(0..7);
        let names = [
            "progress is restarted",
            "index is killed",
            "index is restarted from an earlier state",
            "index begins anew",
            "warehouse is killed",
            "warehouse is restarted from an earlier state",
            "warehouse begins anew",
        ];
        self.happened.push(names[what].to_owned());
        match what {
            0 => {
                self.progress.take().unwrap().drain().await;
                self.start_progress().await;
            }
            1 => {
                self.index.take().unwrap().kill().await;
                self.start_index().await;
            }
            2 | 3 => {
                self.index.take().unwrap().stop().await;
                self.turn_back("index", what == 2);
                self.start_index().await;
            }
            4 => {
                self.warehouse.take().unwrap().kill().await;
                self.start_warehouse().await;
            }
            _ => {
                self.warehouse.take().unwrap().stop().await;
                self.turn_back("warehouse", what == 5);
                self.start_warehouse().await;
            }
        }
    }

    /// Puts the copy of a model back, or removes the model; keeps a copy for the next time.
    fn turn_back(&self, model: &str, to_copy: bool) {
        let (path, copy) = (self.path(model), self.path(&format!("{model}-copy")));
        let next = self.path(&format!("{model}-next"));
        copy_folder(&path, &next);
        fs::remove_dir_all(&path).unwrap();
        if to_copy && copy.exists() {
            fs::rename(&copy, &path).unwrap();
        }
        let _ = fs::remove_dir_all(&copy);
        fs::rename(&next, &copy).unwrap();
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    async fn start_progress(&mut self) {
        let service = ProgressService::new(&self.kit.bus).await.unwrap();
        self.progress = Some(self.kit.run(Arc::new(service)).await);
    }

    async fn start_index(&mut self) {
        let bus = self.kit.connect("index").await;
        let mut options = IndexOptions::new(self.path("index"));
        options.commit_interval = Duration::from_millis(10);
        options.writer_memory_bytes = 15_000_000;
        let mut opened = None;
        // One that was killed lets go of the folder when it has finished what it does there.
        eventually("the index can be opened", PATIENCE, async || {
            opened = IndexNode::open(bus.clone(), options.clone()).await.ok();
            opened.is_some()
        })
        .await;
        let drain = CancellationToken::new();
        let running = opened.unwrap().run(drain.clone(), PATIENCE);
        let task = tokio::spawn(async { running.await.map_err(|error| format!("{error:?}")) });
        self.index = Some(Follower { drain, task });
    }

    async fn start_warehouse(&mut self) {
        let bus = self.kit.connect("warehouse").await;
        let options = WarehouseOptions {
            max_batch: 20,
            commit_interval: Duration::from_millis(10),
            max_small_files: 4,
            ..WarehouseOptions::new(self.path("warehouse"))
        };
        let mut opened = None;
        eventually("the warehouse can be opened", PATIENCE, async || {
            match Warehouse::open(bus.clone(), options.clone()).await {
                Ok(warehouse) => opened = Some(warehouse),
                Err(WarehouseError::InUse { .. }) => {}
                Err(error) => panic!("{error}"),
            }
            opened.is_some()
        })
        .await;
        let drain = CancellationToken::new();
        let running = opened.unwrap().run(drain.clone(), PATIENCE);
        let task = tokio::spawn(async { running.await.map_err(|error| format!("{error:?}")) });
        self.warehouse = Some(Follower { drain, task });
    }

    /// Waits until every read model has read everything.
    async fn caught_up(&self) {
        self.kit.settled(PATIENCE).await;
        let relevant = self.last_for_index().await;
        eventually("the index catches up", PATIENCE, async || {
            let state: Option<ModelState> = self.ask(INDEX_STATE, &StateRequest {}).await;
            state.is_some_and(|state| state.through >= relevant)
        })
        .await;
        let expected = self.log().await;
        eventually("the warehouse catches up", PATIENCE, async || {
            let rows = self.rows();
            assert!(rows.len() <= expected.len(), "more rows than facts");
            rows == expected
        })
        .await;
    }

    /// The last message that the index reads; others may stand behind it.
    async fn last_for_index(&self) -> u64 {
        let filters = ["qualified", "erasure_requested", "erased"]
            .map(|fact| format!("conversations.*.*.*.{fact}"))
            .into_iter()
            .chain(["redrives.index.conversations.>".to_owned()]);
        let bus = &self.kit.bus;
        let mut replay = bus.replay(Family::Conversation, filters.collect(), 1);
        let mut last = 0;
        while let Some(entry) = replay.next_entry().await.unwrap() {
            last = entry.sequence;
        }
        last
    }

    /// Stream, sequence and id of every fact in the log, sorted.
    async fn log(&self) -> Vec<(String, u64, String)> {
        let mut facts = Vec::new();
        for (family, filter) in [
            (Family::Account, "accounts.>"),
            (Family::Conversation, "conversations.>"),
        ] {
            let stream = streams::of(family).name.to_owned();
            let mut replay = self.kit.bus.replay(family, vec![filter.to_owned()], 1);
            while let Some(entry) = replay.next_entry().await.unwrap() {
                let id = entry.fact.unwrap().envelope.id.to_string();
                facts.push((stream.clone(), entry.sequence, id));
            }
        }
        facts.sort();
        facts
    }

    fn rows(&self) -> Vec<(String, u64, String)> {
        let rows = colloquy_warehouse::rows(&self.path("warehouse")).unwrap();
        let place = |row: colloquy_warehouse::FactRow| (row.stream, row.sequence, row.id);
        let mut rows: Vec<_> = rows.into_iter().map(place).collect();
        rows.sort();
        rows
    }

    async fn ask<Q, A>(&self, subject: &'static str, question: &Q) -> Option<A>
    where
        Q: serde::Serialize + std::marker::Sync,
        A: serde::de::DeserializeOwned + Send,
    {
        let mut answer = None;
        let gather = |reply: A| {
            answer = Some(reply);
            true
        };
        let second = Duration::from_secs(1);
        let asked = self.kit.bus.ask_all(subject, question, second, gather);
        // It may be starting.
        asked.await.ok().and(answer)
    }

    /// The history of each conversation and account.
    pub async fn recorded(&self) -> Vec<Vec<Logged>> {
        let mut recorded = Vec::new();
        for story in &self.stories {
            recorded.push(self.kit.history(&story.scope).await);
        }
        recorded
    }

    /// How it all ended, after checking that every read model is what the log says.
    pub async fn ended(&mut self) -> Final {
        let mut stories = BTreeMap::new();
        for story in &self.stories {
            if story.scope.conversation().is_some() {
                stories.insert(story.name, self.conversation(&story.scope).await);
            }
        }
        let options = AuditOptions {
            grace: Duration::ZERO,
            settle: Duration::from_millis(50),
            deep: true,
            ..AuditOptions::default()
        };
        let audited = colloquy_audit::audit(&self.kit.bus, &options).await;
        let report = audited.unwrap();
        assert!(report.clean, "{report}");
        let (calls, accounts) = (&report.conversations, &report.accounts);
        let counts = [
            calls.completed,
            calls.rejected,
            calls.failed,
            calls.erased,
            accounts.welcomed,
            accounts.rejected,
        ];
        let told = counts.iter().sum::<u64>();
        assert_eq!(told, self.stories.len() as u64, "{report}");
        self.stop().await;
        assert_eq!(self.rows(), self.log().await, "each fact is one row");
        Final { stories, counts }
    }

    async fn conversation(&self, scope: &Scope) -> Ended {
        let id = scope.conversation().unwrap();
        let mut folded = Progress::new(id);
        for logged in self.kit.history(scope).await {
            folded.apply(&logged.envelope, &logged.fact);
        }
        let entries = self.kit.bus.kv(streams::PROGRESS.name).await.unwrap();
        let key = Progress::key(scope.account(), id);
        let stored = entries.get::<Progress>(&key).await.unwrap().unwrap().value;
        assert_eq!(
            stored,
            as_stored(&folded),
            "the entry is the fold of the log"
        );

        let newest = folded.stages.iter().map(|stage| stage.revision).max();
        let current = folded.stages.iter();
        let current = current.filter(|stage| Some(stage.revision) == newest);
        let holdings: Holdings = self
            .ask(
                INDEX_HOLDINGS,
                &HoldingsRequest {
                    conversations: vec![id],
                },
            )
            .await
            .expect("the index answers");
        let query = SearchRequest {
            account: scope.account().clone(),
            query: String::new(),
            limit: 100,
            offset: 0,
            agent: None,
            role: None,
            from: None,
            to: None,
        };
        let reply: SearchReply = self.ask(search::SUBJECT, &query).await.unwrap();
        Ended {
            status: folded.status(),
            current: current.map(|stage| stage.fact.clone()).collect(),
            revision: newest.unwrap(),
            words: folded.words,
            error: folded
                .error
                .map(|error| (error.stage, error.code, error.revision)),
            held: holdings
                .held
                .first()
                .map(|held| (held.documents, held.turns)),
            found: reply.hits.iter().any(|hit| hit.conversation == id),
        }
    }

    /// Stops the services; the broker stays.
    pub async fn stop(&mut self) {
        if let Some(progress) = self.progress.take() {
            progress.drain().await;
        }
        let followers = [self.index.take(), self.warehouse.take()];
        for follower in followers.into_iter().flatten() {
            follower.stop().await;
        }
    }
}

/// What a value is when it is read back.
pub fn as_stored(progress: &Progress) -> Progress {
    serde_json::from_slice(&serde_json::to_vec(progress).unwrap()).unwrap()
}

/// Copies a folder that nobody writes to.
fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        let kind = entry.file_type().unwrap();
        if kind.is_symlink() {
            std::os::unix::fs::symlink(fs::read_link(&path).unwrap(), target).unwrap();
        } else if kind.is_dir() {
            copy_folder(&path, &target);
        } else {
            fs::copy(path, target).unwrap();
        }
    }
}
