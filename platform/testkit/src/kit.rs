//! A broker with everything a service needs, and the questions a test asks.

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use colloquy_bus::{
    Bus, CancellationToken, ConnectOptions, chain,
    log::Logged,
    provision::{self, Storage},
    worker::{self, Service},
};
use colloquy_contract::{
    AccountId, ConversationId, Envelope, Fact, FactType, Scope,
    facts::{FactData, FactInput, Family},
    streams,
};
use tokio::task::JoinHandle;
use tracing_subscriber::EnvFilter;

use crate::{
    Authorization, Broker, BrokerOptions, Clock, KIT, Process, Proxy, Targets, broker::Queue,
    faults::Victim, process,
};

/// How long anything may take on a busy machine before a test fails. A delivery that a fault swallows
/// comes again after the ack wait of 30 s, and a fault may swallow that one too.
pub const PATIENCE: Duration = Duration::from_secs(150);

/// How long what was drained may take to be seen as settled, when a kit is dropped.
const LAST_PATIENCE: Duration = Duration::from_secs(5);

/// Time that handlers are given when a service drains.
const GRACE: Duration = Duration::from_secs(5);

/// The source of facts that a test states.
const SOURCE: &str = "test";

/// What a kit starts.
#[derive(Debug, Clone, Default)]
pub struct KitOptions {
    /// The broker.
    pub broker: BrokerOptions,
    /// Whether services reach it through proxies that can make trouble.
    pub proxied: bool,
    /// Seed of what the proxies decide by chance.
    pub seed: u64,
}

/// A broker with every stream, bucket and consumer, and a connection to it.
///
/// When it is dropped, the services that were [run](Kit::run) must have nothing queued and there
/// must be no dead letters, unless the test [allows](Kit::allow_leftovers) it.
#[derive(Debug)]
pub struct Kit {
    /// The test's own connection, which no proxy disturbs.
    pub bus: Bus,
    /// The clock that [`Kit::state`] takes the time from.
    pub clock: Clock,
    proxies: Vec<Proxy>,
    broker: Broker,
    services: Mutex<BTreeSet<&'static str>>,
    leftovers_allowed: AtomicBool,
}

impl Kit {
    /// One server, without proxies.
    pub async fn start() -> Self {
        Self::with(KitOptions::default()).await
    }

    /// One server behind a proxy that can make [trouble](crate::Trouble).
    pub async fn behind_a_proxy(seed: u64) -> Self {
        Self::with(KitOptions {
            proxied: true,
            seed,
            ..KitOptions::default()
        })
        .await
    }

    /// The same, and each service of the contract has its own user, who may do what the service
    /// declares and nothing else.
    pub async fn with_permissions(seed: u64) -> Self {
        let authorization = Some(Authorization::of_contract());
        Self::with(KitOptions {
            broker: BrokerOptions {
                authorization,
                ..BrokerOptions::default()
            },
            proxied: true,
            seed,
        })
        .await
    }

    /// Whatever the options say.
    pub async fn with(options: KitOptions) -> Self {
        show_logs();
        let nodes = options.broker.nodes;
        let broker = Broker::new(options.broker).await;
        let mut proxies = Vec::new();
        if options.proxied {
            for (node, number) in (0..nodes).zip(0..) {
                proxies.push(Proxy::start(broker.port(node), options.seed ^ (number << 32)).await);
            }
        }
        let bus = connect(broker.connect_options(KIT))
            .await
            .with_group_commit(broker.group_commit());
        let storage = Storage {
            replicas: nodes,
            ..Storage::default()
        };
        provision(&bus, storage).await;
        Self {
            bus,
            clock: Clock::default(),
            proxies,
            broker,
            services: Mutex::default(),
            leftovers_allowed: AtomicBool::new(false),
        }
    }

    /// The broker, to be harmed.
    pub const fn broker(&self) -> &Broker {
        &self.broker
    }

    /// The proxies, one in front of each server; none unless they were asked for.
    pub fn proxies(&self) -> &[Proxy] {
        &self.proxies
    }

    /// Where a service connects: through the proxies if there are any, under its own user if the
    /// broker knows it.
    pub fn url(&self, service: &str) -> String {
        if self.proxies.is_empty() {
            return self.broker.url(service);
        }
        let ports = self.proxies.iter().map(Proxy::port);
        self.broker.url_by(service, ports.collect())
    }

    /// Another connection, as a service has it.
    pub async fn connect(&self, service: &str) -> Bus {
        let options = ConnectOptions {
            url: self.url(service),
            ..self.broker.connect_options(service)
        };
        connect(options)
            .await
            .with_group_commit(self.broker.group_commit())
    }

    /// This test binary in the role of a service, which connects as [`Kit::connect`] does; see
    /// [`Process::role`].
    pub fn role(&self, service: &str) -> Process {
        Process::role(service, &self.url(service))
    }

    /// Everything of the kit, and these services, as targets of faults.
    pub fn targets<'a>(&'a self, services: &[&'a dyn Victim]) -> Targets<'a> {
        Targets {
            broker: Some(&self.broker),
            proxies: &self.proxies,
            services: services.to_vec(),
            clock: Some(&self.clock),
        }
    }

    /// States a first fact about a new conversation, or a new account, and returns which.
    pub async fn begin<D: FactData>(&self, data: D) -> Scope {
        let scope = match D::TYPE.family() {
            Family::Conversation => conversation(),
            Family::Account => account(),
        };
        self.state(&scope, data).await;
        scope
    }

    /// States a first fact, again and again while the broker is away.
    pub async fn state<D: FactData>(&self, scope: &Scope, data: D) {
        let envelope = Envelope::first(SOURCE, scope.clone(), D::TYPE, self.clock.now());
        let fact: Fact = data.into();
        let deadline = Instant::now() + PATIENCE;
        while let Err(error) = self.bus.state(&envelope, &fact).await {
            let late = Instant::now() > deadline;
            let conflict = matches!(error, colloquy_bus::BusError::Conflict { .. });
            assert!(
                !late && !conflict,
                "{} cannot be stated: {}",
                D::TYPE,
                chain(&error)
            );
        }
    }

    /// Runs a service in this process, on a connection of its own, as often as it is called.
    pub async fn run<S: Service>(&self, service: Arc<S>) -> Running {
        provision::service(&self.bus, S::NAME, S::Input::TYPES)
            .await
            .unwrap_or_else(|error| panic!("no consumer for {}: {}", S::NAME, chain(&error)));
        self.expect_settled(S::NAME);
        let (bus, drain) = (self.connect(S::NAME).await, CancellationToken::new());
        let task = tokio::spawn(worker::run(bus, service, drain.clone(), GRACE));
        Running {
            service: S::NAME,
            drain,
            task,
        }
    }

    /// Has the kit look at a service's queue when it is dropped, as it does for those that it runs:
    /// for services that run in processes of their own.
    pub fn expect_settled(&self, service: &'static str) {
        self.services().insert(service);
    }

    /// The types of a thing's facts, oldest first, once one of this type is among them.
    pub async fn facts_until(&self, scope: &Scope, last: FactType) -> Vec<FactType> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let found = self.bus.history(scope).await;
            let facts = found.as_deref().map(types).unwrap_or_default();
            if facts.contains(&last) {
                return facts;
            }
            // The broker may be away; the bound holds for that too.
            let trouble = found.err().map(|error| chain(&error));
            assert!(
                Instant::now() < deadline,
                "no {last} within {PATIENCE:?}, only {facts:?} ({}; {})",
                trouble.as_deref().unwrap_or("the log is readable"),
                self.nothing_queued()
                    .err()
                    .as_deref()
                    .unwrap_or("nothing is queued")
            );
            tokio::time::sleep(process::LOOK).await;
        }
    }

    /// Everything that was stated about a thing, oldest first.
    pub async fn history(&self, scope: &Scope) -> Vec<Logged> {
        let history = self.bus.history(scope).await;
        history.unwrap_or_else(|error| panic!("no history: {}", chain(&error)))
    }

    /// Number of dead letters.
    pub async fn dead_letters(&self) -> u64 {
        let mut count = None;
        eventually("the servers tell what they hold", PATIENCE, async || {
            count = self.count_dead_letters().ok();
            count.is_some()
        })
        .await;
        count.unwrap_or(0)
    }

    /// Waits until the services that were run have nothing queued and nothing under way.
    pub async fn settled(&self, bound: Duration) {
        let deadline = Instant::now() + bound;
        while let Err(left) = self.nothing_queued() {
            assert!(Instant::now() < deadline, "after {bound:?}, {left}");
            tokio::time::sleep(process::LOOK).await;
        }
    }

    /// The same for one service, whoever runs it.
    pub async fn settled_by(&self, service: &str, bound: Duration) {
        let deadline = Instant::now() + bound;
        let look = || nothing_queued_for(service, &self.broker.holdings()?.queues);
        while let Err(left) = look() {
            assert!(Instant::now() < deadline, "after {bound:?}, {left}");
            tokio::time::sleep(process::LOOK).await;
        }
    }

    /// The kit may be dropped with facts in queues and with dead letters.
    pub fn allow_leftovers(&self) {
        self.leftovers_allowed.store(true, Ordering::Relaxed);
    }

    fn nothing_queued(&self) -> Result<(), String> {
        let services = self.services().clone();
        if services.is_empty() {
            return Ok(());
        }
        let queues = self.broker.holdings()?.queues;
        services
            .into_iter()
            .try_for_each(|service| nothing_queued_for(service, &queues))
    }

    /// Replicas may lag behind: the largest number is the newest.
    fn count_dead_letters(&self) -> Result<u64, String> {
        let streams = self.broker.holdings()?.streams;
        let ours = streams
            .iter()
            .filter(|(name, _)| name == streams::DEADLETTERS.name);
        let most = ours.map(|(_, messages)| *messages).max();
        most.ok_or_else(|| "no server has the stream of dead letters".to_owned())
    }

    fn services(&self) -> std::sync::MutexGuard<'_, BTreeSet<&'static str>> {
        self.services.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn nothing_left(&self) -> Result<(), String> {
        if self.services().is_empty() {
            return Ok(());
        }
        self.nothing_queued()?;
        match self.count_dead_letters()? {
            0 => Ok(()),
            count => Err(format!("there are {count} dead letters")),
        }
    }
}

impl Drop for Kit {
    fn drop(&mut self) {
        if std::thread::panicking() || self.leftovers_allowed.load(Ordering::Relaxed) {
            return;
        }
        // Blocking, for a moment: a test ends here, and what it drained is settled already.
        let deadline = Instant::now() + LAST_PATIENCE;
        while let Err(left) = self.nothing_left() {
            assert!(
                Instant::now() < deadline,
                "the test ends and {left}; if that is meant, call Kit::allow_leftovers"
            );
            std::thread::sleep(process::LOOK);
        }
    }
}

/// Makes all that services need. A cluster that has just met may count a server as offline still.
async fn provision(bus: &Bus, storage: Storage) {
    let deadline = Instant::now() + PATIENCE;
    while let Err(error) = provision::apply(bus, storage).await {
        assert!(
            Instant::now() < deadline,
            "the broker cannot be provisioned: {}",
            chain(&error)
        );
        tokio::time::sleep(process::LOOK).await;
    }
}

/// Shows what services log as `RUST_LOG` asks for, beside what the test prints.
fn show_logs() {
    let Ok(filter) = EnvFilter::try_from_default_env() else {
        return;
    };
    // Another kit of this process may have done it.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_test_writer()
        .try_init();
}

/// A service that runs in this process. Dropping it kills it.
#[derive(Debug)]
pub struct Running {
    service: &'static str,
    drain: CancellationToken,
    task: JoinHandle<colloquy_bus::Result<()>>,
}

impl Running {
    /// Has it finish what it does, hand back the rest, and end.
    pub async fn drain(mut self) {
        self.drain.cancel();
        let Ok(ended) = tokio::time::timeout(PATIENCE, &mut self.task).await else {
            panic!("{} does not drain within {PATIENCE:?}", self.service)
        };
        match ended {
            Ok(Ok(())) => {}
            Ok(Err(error)) => panic!("{} ended: {}", self.service, chain(&error)),
            Err(error) => panic!("{} panicked: {error}", self.service),
        }
    }

    /// Ends it where it stands. A harder death, without even a farewell to the broker, is that of a
    /// [`Process`].
    pub async fn kill(mut self) {
        self.task.abort();
        // Done when it is gone; that it was aborted is no news.
        let _ = (&mut self.task).await;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A new conversation of the account `acme`.
pub fn conversation() -> Scope {
    Scope::Conversation {
        account: "acme".parse().expect("an account id"),
        conversation: ConversationId::generate(),
    }
}

/// A new account.
pub fn account() -> Scope {
    Scope::Account {
        account: AccountId::generate(),
    }
}

/// The types of facts.
pub fn types(history: &[Logged]) -> Vec<FactType> {
    let facts = history.iter();
    facts.map(|logged| logged.envelope.fact_type).collect()
}

/// Waits until a condition holds; fails the test if it does not within `bound`.
///
/// # Panics
/// With `what` was waited for.
pub async fn eventually(what: &str, bound: Duration, mut condition: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !condition().await {
            tokio::time::sleep(process::LOOK).await;
        }
    };
    let held = tokio::time::timeout(bound, waiting).await;
    assert!(held.is_ok(), "not within {bound:?}: {what}");
}

/// Connects; waits for a broker that is away.
pub(crate) async fn connect(options: ConnectOptions) -> Bus {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match Bus::connect(options.clone()).await {
            Ok(bus) => return bus,
            Err(error) => assert!(
                Instant::now() < deadline,
                "no connection within {PATIENCE:?}: {}",
                chain(&error)
            ),
        }
        tokio::time::sleep(process::LOOK).await;
    }
}

fn nothing_queued_for(service: &str, queues: &[Queue]) -> Result<(), String> {
    let mut own = queues.iter().filter(|queue| queue.consumer == service);
    let Some(first) = own.next() else {
        return Err(format!("no server knows the queue of {service}"));
    };
    let left = |queue: &&Queue| queue.pending + queue.unsettled > 0;
    match std::iter::once(first).chain(own).find(left) {
        None => Ok(()),
        Some(queue) => Err(format!(
            "{service} has {} facts queued and {} unsettled in {}",
            queue.pending, queue.unsettled, queue.stream
        )),
    }
}
