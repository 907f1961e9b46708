//! A broker with everything a service needs, and the questions a test asks.

mod left;
mod running;
mod things;

use std::{
    collections::BTreeSet,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use colloquy_bus::{
    Bus, ConnectOptions, chain,
    log::Logged,
    provision::{self, Storage},
};
use colloquy_contract::{
    Envelope, Fact, FactType, Scope,
    facts::{FactData, Family},
};
use tracing_subscriber::EnvFilter;

use crate::{
    Authorization, Broker, BrokerOptions, Clock, KIT, Process, Proxy, Targets, faults::Victim,
    process,
};

pub use running::Running;
pub use things::{account, conversation, types};

/// How long anything may take on a busy machine before a test fails. A delivery that a fault swallows
/// comes again after the ack wait of 30 s, and a fault may swallow that one too.
pub const PATIENCE: Duration = Duration::from_secs(150);

/// How long what was drained may take to be seen as settled, when a kit is dropped.
const LAST_PATIENCE: Duration = Duration::from_secs(5);

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
        // A cluster that has just met may count a server as offline still.
        if let Err(error) = provision::apply_within(&bus, storage, PATIENCE).await {
            panic!("the broker cannot be provisioned: {}", chain(&error));
        }
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

    /// The kit may be dropped with facts in queues and with dead letters.
    pub fn allow_leftovers(&self) {
        self.leftovers_allowed.store(true, Ordering::Relaxed);
    }

    fn services(&self) -> std::sync::MutexGuard<'_, BTreeSet<&'static str>> {
        self.services.lock().unwrap_or_else(PoisonError::into_inner)
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
