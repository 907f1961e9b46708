//! How many facts per second an empty service handles: consume, state what follows, settle.
//!
//! In one run, each against a fresh `nats-server` on this machine:
//!
//! - `naive`: async-nats by hand, one message at a time: publish, await the acknowledgement,
//!   acknowledge the cause and await that too;
//! - `raw`: the same by hand, as many at once as the service has permits;
//! - `raw, as fact`: that, but what is published is the fact as the service states it, with its
//!   CloudEvents headers and the guard of its subject;
//! - `service`: a [`Service`] in the worker kit, which also carries the trace, keeps alive what takes
//!   long, hands back what fails and keeps dead letters;
//! - `FastStream`: the same service in Python, if `COLLOQUY_PEER_PYTHON` names an interpreter that
//!   has it (`make bench` sees to it).
//!
//! `cargo bench -p colloquy-bus --bench throughput -- [--facts N] [--permits N] [--only PART]`
//! where PART is `periodic`, `always`, `scaling` or `memory`. Each fact is 256 bytes.

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::panic,
    clippy::cast_precision_loss,
    reason = "a bench prints its result and fails by panicking"
)]

use std::{
    ffi::OsStr,
    io::{BufRead, BufReader, Write},
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use async_nats::{
    HeaderMap,
    jetstream::{self, AckKind, consumer::PullConsumer, message::PublishMessage},
};
use colloquy_bus::{
    CancellationToken, provision,
    worker::{self, Context, Failure, Policy, Service},
};
use colloquy_contract::{
    Envelope, Fact,
    facts::{ConversationErased, ConversationErasureRequested, FactInput},
};
use colloquy_testkit::{BrokerOptions, Kit, KitOptions, Sync, conversation};
use futures::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;

/// The program's allocator too.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Size of a fact's payload.
const PAYLOAD: usize = 256;

/// How long one measurement may take.
const PATIENCE: Duration = Duration::from_secs(600);

/// The same for a peer, whose errors we do not see otherwise.
const PEER_PATIENCE: Duration = Duration::from_secs(120);

#[tokio::main]
async fn main() {
    let options = Options::read();
    for (name, sync, facts) in [
        ("periodic", Sync::Periodic, options.facts),
        ("always", Sync::Always, options.facts / 2),
    ] {
        if options.asks_for(name) {
            compare(name, sync, facts, options.permits).await;
        }
    }
    if options.asks_for("scaling") {
        scaling().await;
    }
    if options.only.as_deref() == Some("memory") {
        memory(options.facts.max(1_000_000), options.permits).await;
    }
}

struct Options {
    facts: u64,
    permits: usize,
    only: Option<String>,
}

impl Options {
    fn read() -> Self {
        let arguments: Vec<_> = std::env::args().collect();
        let get = |name: &str| {
            let at = arguments.iter().position(|argument| argument == name)?;
            arguments.get(at + 1).cloned()
        };
        Self {
            facts: get("--facts").map_or(40_000, |facts| facts.parse().unwrap()),
            permits: get("--permits").map_or(256, |permits| permits.parse().unwrap()),
            only: get("--only"),
        }
    }

    fn asks_for(&self, part: &str) -> bool {
        self.only.as_deref().is_none_or(|only| only == part)
    }
}

/// The three ways under one setting of the broker.
async fn compare(name: &str, sync: Sync, facts: u64, permits: usize) {
    println!("\nsync {name}, one server, {facts} facts of {PAYLOAD} bytes, {permits} permits");
    let few = facts / 8;
    let naive = report("naive", few, by_hand(sync, few, 1, As::Bytes).await);
    let raw = report("raw", facts, by_hand(sync, facts, permits, As::Bytes).await);
    let fact = report(
        "raw, as fact",
        facts,
        by_hand(sync, facts, permits, As::Fact).await,
    );
    let took = served(sync, facts, 1, Empty::new(permits, Duration::ZERO)).await;
    let service = report("service", facts, took);
    println!(
        "  service / raw {:.2}, service / raw as fact {:.2}, service / naive {:.1}",
        service / raw,
        service / fact,
        service / naive
    );
    if let Some(python) = std::env::var_os("COLLOQUY_PEER_PYTHON") {
        let few = facts / 4;
        let peer = report(
            "FastStream",
            few,
            faststream(&python, sync, few, permits).await,
        );
        println!("  service / FastStream {:.1}", service / peer);
    }
}

/// How a cause is answered by hand.
#[derive(Clone, Copy)]
enum As {
    /// With bytes.
    Bytes,
    /// With the message that the service would state.
    Fact,
}

/// A service that waits, so that more instances are more.
async fn scaling() {
    let (facts, permits, wait) = (4_000, 8, Duration::from_millis(5));
    println!("\nscaling: {facts} facts, {permits} permits each, a handler of {wait:?}");
    for instances in [1, 2, 4] {
        let service = Empty::new(permits, wait);
        let took = served(Sync::Periodic, facts, instances, service).await;
        report(&format!("{instances} instances"), facts, took);
    }
}

/// Resident memory while a million facts pass.
async fn memory(facts: u64, permits: usize) {
    println!("\nmemory: {facts} facts, {permits} permits");
    let part = facts / 10;
    let kit = kit(Sync::Periodic).await;
    for tenth in 1..=10 {
        state_causes(&kit, part).await;
        let took = serve(&kit, part, 1, Empty::new(permits, Duration::ZERO)).await;
        let (mib, rate) = (resident_mib(), part as f64 / took.wall.as_secs_f64());
        println!(
            "  after {:>9} facts: {mib:>5} MiB resident, {rate:>6.0} facts/s",
            part * tenth
        );
    }
}

fn report(name: &str, facts: u64, spent: Spent) -> f64 {
    let rate = facts as f64 / spent.wall.as_secs_f64();
    let each = |time: Duration| time.as_secs_f64() * 1e6 / facts as f64;
    println!(
        "  {name:<12} {rate:>8.0} facts/s; per fact {:>5.0} us of processor here, {:>5.0} us in the broker (and a peer)",
        each(spent.here),
        each(spent.broker)
    );
    rate
}

/// What a measurement took. Processor time says more than wall time when a machine has other work.
struct Spent {
    wall: Duration,
    here: Duration,
    broker: Duration,
}

struct Meter {
    started: Instant,
    here: Duration,
    broker: Duration,
}

impl Meter {
    fn start() -> Self {
        Self {
            started: Instant::now(),
            here: processor_time("self"),
            broker: children(),
        }
    }

    fn stop(&self) -> Spent {
        Spent {
            wall: self.started.elapsed(),
            here: processor_time("self").saturating_sub(self.here),
            broker: children().saturating_sub(self.broker),
        }
    }
}

/// Time on processors, of the programs that this one started: `nats-server`.
fn children() -> Duration {
    let mut total = Duration::ZERO;
    for task in std::fs::read_dir("/proc/self/task").unwrap().flatten() {
        let children = std::fs::read_to_string(task.path().join("children")).unwrap_or_default();
        total += children
            .split_whitespace()
            .map(processor_time)
            .sum::<Duration>();
    }
    total
}

/// Fields `utime` and `stime` of `/proc/PID/stat`, in ticks of a hundredth of a second.
fn processor_time(process: &str) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default();
    let ticks = fields.split_whitespace().skip(11).take(2);
    Duration::from_millis(ticks.map(|ticks| ticks.parse::<u64>().unwrap() * 10).sum())
}

async fn kit(sync: Sync) -> Kit {
    let broker = BrokerOptions {
        sync,
        ..BrokerOptions::default()
    };
    let kit = Kit::with(KitOptions {
        broker,
        ..KitOptions::default()
    })
    .await;
    kit.allow_leftovers();
    provision::service(&kit.bus, Empty::NAME, ConversationErasureRequested::TYPES)
        .await
        .unwrap();
    kit
}

/// What the services find waiting.
async fn state_causes(kit: &Kit, facts: u64) {
    let state = |_| async {
        let reason = "x".repeat(PAYLOAD - br#"{"version":1,"reason":""}"#.len());
        let data = ConversationErasureRequested { reason };
        kit.bus.state_first("bench", conversation(), data).await
    };
    stream::iter(0..facts)
        .map(state)
        .buffer_unordered(256)
        .try_for_each(|_| async { Ok(()) })
        .await
        .unwrap();
}

/// Time from the first pull to the last settlement, by hand.
async fn by_hand(sync: Sync, facts: u64, at_once: usize, answer: As) -> Spent {
    let kit = kit(sync).await;
    state_causes(&kit, facts).await;
    let client = async_nats::connect(kit.url("bench")).await.unwrap();
    let jetstream = jetstream::new(client.clone());
    let consumer: PullConsumer = jetstream
        .get_consumer_from_stream(Empty::NAME, "CONVERSATIONS")
        .await
        .unwrap();
    let meter = Meter::start();
    let messages = consumer
        .stream()
        .max_messages_per_batch(at_once)
        .messages()
        .await
        .unwrap();
    let one = |message: jetstream::Message| {
        let (jetstream, client) = (&jetstream, &client);
        async move {
            let subject = message.subject.replace("erasure_requested", "erased");
            assert_ne!(subject, message.subject.as_str());
            let publish = match answer {
                As::Bytes => PublishMessage::build().payload(message.payload.clone()),
                As::Fact => as_fact(&message),
            };
            let acknowledged = jetstream.send_publish(subject, publish).await;
            acknowledged.unwrap().await.unwrap();
            let reply = message.reply.clone().unwrap();
            client.request(reply, AckKind::Ack.into()).await.unwrap();
        }
    };
    let all = messages
        .map(Result::unwrap)
        .take(usize::try_from(facts).unwrap())
        .map(one)
        .buffer_unordered(at_once)
        .for_each(|()| async {});
    tokio::time::timeout(PATIENCE, all).await.unwrap();
    meter.stop()
}

/// What follows from a cause, as the service states it.
fn as_fact(message: &jetstream::Message) -> PublishMessage {
    let headers = message.headers.as_ref().unwrap();
    let get = |name: &'static str| headers.get(name).map(async_nats::HeaderValue::as_str);
    let (cause, _) = Envelope::read(&message.subject, get, &message.payload).unwrap();
    let fact = Fact::from(ConversationErased { artifacts: 0 });
    let envelope = cause.derive(Empty::NAME, fact.fact_type(), Timestamp::now());
    let mut headers = HeaderMap::new();
    for (name, value) in envelope.headers() {
        headers.insert(name, value);
    }
    PublishMessage::build()
        .headers(headers)
        .payload(fact.to_json().unwrap().into())
        .message_id(envelope.id.to_string())
        .expected_last_subject_sequence(0)
        .expected_stream("CONVERSATIONS")
}

/// FastStream's own process, from its first pull to its last settlement.
async fn faststream(python: &OsStr, sync: Sync, facts: u64, permits: usize) -> Spent {
    const CONSUMER: &str = "faststream";
    let kit = kit(sync).await;
    state_causes(&kit, facts).await;
    let script = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/benches/peers/faststream_service.py"
    );
    let mut service = Command::new(python)
        .args([script, &kit.url(CONSUMER), CONSUMER, &permits.to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = String::new();
    let mut output = BufReader::new(service.stdout.take().unwrap());
    output.read_line(&mut said).unwrap();
    assert_eq!(said, "ready\n");
    let mut input = service.stdin.take().unwrap();
    let meter = Meter::start();
    input.write_all(b"go\n").unwrap();
    kit.settled_by(CONSUMER, PEER_PATIENCE).await;
    let spent = meter.stop();
    drop(input);
    assert!(service.wait().unwrap().success());
    spent
}

async fn served(sync: Sync, facts: u64, instances: usize, service: Arc<Empty>) -> Spent {
    let kit = kit(sync).await;
    state_causes(&kit, facts).await;
    serve(&kit, facts, instances, service).await
}

/// Time from the first pull until as many causes are settled, in the worker kit.
async fn serve(kit: &Kit, facts: u64, instances: usize, service: Arc<Empty>) -> Spent {
    let drain = CancellationToken::new();
    let mut connections = Vec::new();
    for _ in 0..instances {
        connections.push(kit.connect(Empty::NAME).await);
    }
    let meter = Meter::start();
    let running: Vec<_> = connections
        .into_iter()
        .map(|bus| worker::run(bus, service.clone(), drain.clone(), Duration::from_secs(5)))
        .map(tokio::spawn)
        .collect();
    let expected = u64::try_from(service.permits).unwrap();
    while service.handled.load(Ordering::Relaxed) + expected < facts {
        assert!(meter.started.elapsed() < PATIENCE, "not done in time");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    kit.settled_by(Empty::NAME, PATIENCE).await;
    let took = meter.stop();
    drain.cancel();
    for running in running {
        running.await.unwrap().unwrap();
    }
    took
}

/// Answers each fact with another and does nothing.
struct Empty {
    permits: usize,
    wait: Duration,
    handled: AtomicU64,
}

impl Empty {
    fn new(permits: usize, wait: Duration) -> Arc<Self> {
        Arc::new(Self {
            permits,
            wait,
            handled: AtomicU64::new(0),
        })
    }
}

impl Service for Empty {
    const NAME: &'static str = "bench";
    type Input = ConversationErasureRequested;

    fn policy(&self) -> Policy {
        Policy {
            concurrency: self.permits,
            ..Policy::default()
        }
    }

    async fn handle(
        &self,
        _: ConversationErasureRequested,
        _: &Context,
    ) -> Result<Vec<Fact>, Failure> {
        if !self.wait.is_zero() {
            tokio::time::sleep(self.wait).await;
        }
        self.handled.fetch_add(1, Ordering::Relaxed);
        Ok(vec![ConversationErased { artifacts: 0 }.into()])
    }
}

fn resident_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib: u64 = line
        .unwrap()
        .trim()
        .trim_end_matches(" kB")
        .parse()
        .unwrap();
    kib / 1024
}
