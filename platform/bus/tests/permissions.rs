//! Least privilege, held by a real server: under its own user a service can do all that it
//! declares, and nothing else.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::{
    collections::BTreeMap,
    fs,
    net::{Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use async_nats::{
    Client, Event, StatusCode,
    jetstream::{self, consumer::PullConsumer},
};
use colloquy_bus::{
    Bus, BusError, CancellationToken, ConnectOptions, Credentials,
    provision::{self, Storage},
    worker::{self, Context, Failure, Service},
};
use colloquy_contract::{
    AccountId, Bucket, ConversationId, Envelope, Fact, FactType, Scope, Subject,
    facts::{ConversationReceived, Family},
    permissions::{OPERATOR, User, connection_name, inbox_prefix, nats_config},
    search,
    services::{self, KvUse, Reading, ServiceSpec},
    streams,
};
use futures::{FutureExt, StreamExt};
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::mpsc;

/// How long anything may take that happens at once if it happens at all.
const PATIENCE: Duration = Duration::from_secs(20);

/// Far below the time that anything may take to be answered.
const AT_ONCE: Duration = Duration::from_secs(3);

/// A server that knows the users of the contract.
struct Server {
    child: Child,
    folder: tempfile::TempDir,
    port: u16,
    passwords: BTreeMap<String, String>,
}

impl Server {
    /// Starts it, with every stream, bucket and consumer.
    async fn start() -> (Self, Bus) {
        Self::start_with(User::all()).await
    }

    /// The same with users who may do other things than the contract says.
    async fn start_with(users: Vec<User>) -> (Self, Bus) {
        let folder = tempfile::tempdir().unwrap();
        let passwords: BTreeMap<String, String> = users
            .iter()
            .map(|user| {
                (
                    user.name.clone(),
                    format!("p{:032x}", rand::random::<u128>()),
                )
            })
            .collect();
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let path = write_config(folder.path(), port, &users);
        let child = server(&path, &users, &passwords).spawn().unwrap();
        let server = Self {
            child,
            folder,
            port,
            passwords,
        };
        let operator = server.operator().await;
        provision::apply(&operator, Storage::default())
            .await
            .unwrap();
        (server, operator)
    }

    /// Connects the operator as soon as the server is there.
    async fn operator(&self) -> Bus {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match Bus::connect(self.options(OPERATOR)).await {
                Ok(bus) => return bus,
                Err(error) => {
                    assert!(Instant::now() < deadline, "{error}: {}", self.log());
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
    }

    async fn bus(&self, service: &ServiceSpec) -> Bus {
        Bus::connect(self.options(service.name)).await.unwrap()
    }

    fn options(&self, user: &str) -> ConnectOptions {
        ConnectOptions {
            url: format!("nats://127.0.0.1:{}", self.port),
            credentials: Credentials::Password {
                user: user.to_owned(),
                password: self.passwords[user].clone(),
            },
            name: connection_name(user),
            root_certificates: None,
        }
    }

    /// A client without our bus, and what the server refuses it.
    async fn raw(&self, user: &str) -> Raw {
        let (said, refusals) = mpsc::unbounded_channel();
        let client = async_nats::ConnectOptions::new()
            .user_and_password(user.to_owned(), self.passwords[user].clone())
            .custom_inbox_prefix(inbox_prefix(&connection_name(user)))
            .event_callback(move |event| {
                if let Event::ServerError(error) = event {
                    let _ = said.send(error.to_string());
                }
                async {}
            })
            .connect(format!("nats://127.0.0.1:{}", self.port))
            .await
            .unwrap();
        Raw {
            client,
            refusals,
            asked: 0,
        }
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("server.log")).unwrap_or_default()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn write_config(folder: &Path, port: u16, users: &[User]) -> PathBuf {
    let path = folder.join("server.conf");
    let (store, log) = (folder.join("store"), folder.join("server.log"));
    let text = format!(
        "listen: \"127.0.0.1:{port}\"\njetstream {{ store_dir: {store:?} }}\nlog_file: {log:?}\n{}\n",
        nats_config(users)
    );
    fs::write(&path, text).unwrap();
    path
}

/// The server with the users' passwords in its environment, as an operator would start it.
fn server(config: &Path, users: &[User], passwords: &BTreeMap<String, String>) -> Command {
    let program = colloquy_assets::nats_server().expect("nats-server is in the asset cache");
    let mut command = Command::new(program);
    command.arg("--config").arg(config).stdin(Stdio::null());
    for user in users {
        command.env(user.password_variable(), &passwords[&user.name]);
    }
    command
}

/// A client that hears what it is refused.
struct Raw {
    client: Client,
    refusals: mpsc::UnboundedReceiver<String>,
    asked: u32,
}

impl Raw {
    async fn may_publish(&mut self, subject: &str) -> bool {
        self.client
            .publish(subject.to_owned(), "{}".into())
            .await
            .unwrap();
        !self.refused().await
    }

    async fn may_subscribe(&mut self, subject: &str) -> bool {
        let subscription = self.client.subscribe(subject.to_owned()).await.unwrap();
        let refused = self.refused().await;
        drop(subscription);
        !refused
    }

    /// Whether anything was refused since the last call. The server answers in order, so what it
    /// says to a subject that is nobody's comes after whatever it had to say before.
    async fn refused(&mut self) -> bool {
        self.asked += 1;
        let nobodys = format!("nobodys.{}", self.asked);
        self.client
            .publish(nobodys.clone(), "".into())
            .await
            .unwrap();
        let mut refused = false;
        loop {
            let said = tokio::time::timeout(PATIENCE, self.refusals.recv())
                .await
                .unwrap()
                .unwrap();
            if said.contains(&nobodys) {
                return refused;
            }
            assert!(said.to_lowercase().contains("violation"), "{said}");
            refused = true;
        }
    }
}

/// A fact as it once went over the wire.
fn example(fact: FactType) -> Fact {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../contract/tests/golden")
        .join(format!("{fact}.v{}.json", fact.version()));
    Fact::from_json(fact, &fs::read(path).unwrap()).unwrap()
}

fn scope(family: Family) -> Scope {
    match family {
        Family::Conversation => Scope::Conversation {
            account: "acme".parse().unwrap(),
            conversation: ConversationId::generate(),
        },
        Family::Account => Scope::Account {
            account: AccountId::generate(),
        },
    }
}

/// States a fact about a new thing, and once more.
async fn state(bus: &Bus, source: &str, fact: FactType) -> Scope {
    let scope = scope(fact.family());
    let envelope = Envelope::first(source, scope.clone(), fact, Timestamp::now());
    let first = bus.state(&envelope, &example(fact)).await.unwrap();
    let again = bus.state(&envelope, &example(fact)).await.unwrap();
    assert!(again.repeated);
    assert_eq!(again.sequence, first.sequence);
    scope
}

#[test]
fn the_server_accepts_every_configuration() {
    let check = |users: &[User]| -> Output {
        let folder = tempfile::tempdir().unwrap();
        let path = write_config(folder.path(), 0, users);
        let password = "p0123456789abcdef".to_owned();
        let passwords = users
            .iter()
            .map(|user| (user.name.clone(), password.clone()))
            .collect();
        server(&path, users, &passwords).arg("-t").output().unwrap()
    };
    let alone = services::ALL.iter().map(|service| vec![User::of(service)]);
    let every: Vec<&ServiceSpec> = services::ALL.iter().collect();
    for users in alone.chain([User::all(), vec![User::together("all", &every)]]) {
        let output = check(&users);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}: {said}", users[0].name);
    }
}

#[tokio::test]
async fn a_service_can_do_what_it_declares() {
    let (server, operator) = Server::start().await;
    let mut scopes = BTreeMap::new();
    for &fact in FactType::ALL {
        scopes.insert(fact, state(&operator, OPERATOR, fact).await);
    }
    for service in services::ALL {
        let bus = server.bus(service).await;
        for &fact in service.states {
            state(&bus, service.name, fact).await;
        }
        if service.families().contains(&Family::Conversation) {
            state(&bus, service.name, FactType::ConversationFailed).await;
        }
        reads_the_log(service, &bus, &scopes).await;
        uses_artifacts(service, &bus, &operator).await;
        uses_key_values(service, &bus, &operator).await;
        if service.reading == Reading::Nothing {
            bus.fullest_store().await.unwrap();
        }
        if service.reading == Reading::Consumer {
            pulls(service, &server.raw(service.name).await.client).await;
        }
        answers(service, &bus, &operator).await;
        asks(service, &bus, &operator).await;
    }
    // Whatever a library did beside: the server had nothing to refuse.
    let refused: Vec<_> = server
        .log()
        .lines()
        .filter(|l| l.contains("Violation"))
        .map(str::to_owned)
        .collect();
    assert!(refused.is_empty(), "{refused:#?}");
}

async fn reads_the_log(service: &ServiceSpec, bus: &Bus, scopes: &BTreeMap<FactType, Scope>) {
    for family in service.history {
        let fact = match family {
            Family::Conversation => FactType::ConversationReceived,
            Family::Account => FactType::AccountSignupRequested,
        };
        assert_eq!(
            bus.history(&scopes[&fact]).await.unwrap().len(),
            1,
            "{}",
            service.name
        );
        assert!(bus.history(&scope(*family)).await.unwrap().is_empty());
    }
    if service.reading != Reading::Log {
        return;
    }
    for family in service.families() {
        let filters: Vec<String> = service
            .reacts
            .iter()
            .filter(|fact| fact.family() == family)
            .map(|&fact| Subject::filter(fact))
            .collect();
        let mut follow = bus.follow(family, filters, 1).await.unwrap();
        assert!(follow.backlog() > 0);
        tokio::time::timeout(PATIENCE, follow.next())
            .await
            .unwrap()
            .unwrap();
        assert!(bus.last_sequence(family).await.unwrap() > 0);
    }
}

async fn uses_artifacts(service: &ServiceSpec, bus: &Bus, operator: &Bus) {
    let scope = scope(Family::Conversation);
    // Large enough for the flow control of the server.
    let mut content = vec![0_u8; 4 * 1024 * 1024];
    content.fill_with(rand::random);
    for &bucket in service.reads {
        let kept = operator
            .artifacts()
            .put_bytes(bucket, &scope, "x/y", content.clone())
            .await
            .unwrap();
        assert_eq!(
            bus.artifacts().get_bytes(&kept).await.unwrap(),
            content,
            "{}",
            service.name
        );
    }
    for &bucket in service.writes {
        let streamed = bus
            .artifacts()
            .put_stream(bucket, &scope, "x/y", content.as_slice(), u64::MAX)
            .await
            .unwrap();
        // The second finds the first and removes what it has put.
        let again = bus
            .artifacts()
            .put_stream(bucket, &scope, "x/y", content.as_slice(), u64::MAX)
            .await
            .unwrap();
        assert_eq!(streamed, again);
        let short = bus
            .artifacts()
            .put_bytes(bucket, &scope, "x/y", b"z".to_vec())
            .await
            .unwrap();
        for kept in [streamed, short] {
            assert!(bus.artifacts().check(&kept).await.unwrap());
            operator.artifacts().get_bytes(&kept).await.unwrap();
        }
    }
}

async fn uses_key_values(service: &ServiceSpec, bus: &Bus, operator: &Bus) {
    for &(spec, how) in service.kv {
        let all = operator.kv(spec.name).await.unwrap();
        let key = format!("{}.a", service.name);
        all.put(&key, &1).await.unwrap();
        let own = bus.kv(spec.name).await.unwrap();
        let standing = own.get::<u32>(&key).await.unwrap().unwrap();
        let filter = format!("{}.*", service.name);
        assert_eq!(
            own.list::<u32>(&filter, 10).await.unwrap(),
            [(key.clone(), 1)]
        );
        assert!(!own.is_empty(&filter).await.unwrap());
        assert_eq!(
            own.keys(&filter).await.unwrap().next().await.unwrap(),
            Some(key.clone())
        );
        if how == KvUse::Read {
            continue;
        }
        assert!(
            own.compare_and_set(&key, &2, standing.revision)
                .await
                .unwrap()
        );
        assert!(!own.create(&key, &3).await.unwrap());
        own.update(&key, |_: Option<u32>| Some(4)).await.unwrap();
        let standing = own.get::<u32>(&key).await.unwrap().unwrap();
        assert!(own.delete_at(&key, standing.revision).await.unwrap());
        assert!(own.create(&key, &5).await.unwrap());
    }
}

async fn pulls(service: &ServiceSpec, client: &Client) {
    let context = jetstream::new(client.clone());
    let stream = streams::of(service.families()[0]).name;
    let consumer: PullConsumer = context
        .get_consumer_from_stream(service.name, stream)
        .await
        .unwrap();
    let mut messages = consumer
        .fetch()
        .max_messages(1)
        .expires(PATIENCE / 2)
        .messages()
        .await
        .unwrap();
    let message = messages.next().await.unwrap().unwrap();
    let sequence = message.info().unwrap().stream_sequence;
    message.double_ack().await.unwrap();
    // A message that the broker gave up on is read from the log.
    let log = context.get_stream_no_info(stream).await.unwrap();
    log.get_raw_message(sequence).await.unwrap();
    let _: PullConsumer = context
        .get_consumer_from_stream(service.name, streams::ADVISORIES.name)
        .await
        .unwrap();
    let next = format!(
        "$JS.API.CONSUMER.MSG.NEXT.{}.{}",
        streams::ADVISORIES.name,
        service.name
    );
    let nothing = client
        .request(next, r#"{"batch":1,"no_wait":true}"#.into())
        .await
        .unwrap();
    assert_eq!(nothing.status, Some(StatusCode::NOT_FOUND));
    let letter = format!("deadletters.{}.{}", service.name, message.subject);
    context
        .publish(letter, "copy".into())
        .await
        .unwrap()
        .await
        .unwrap();
}

async fn answers(service: &ServiceSpec, bus: &Bus, operator: &Bus) {
    for &subject in service.serves {
        exchange(subject, bus, operator).await;
    }
}

async fn asks(service: &ServiceSpec, bus: &Bus, operator: &Bus) {
    for &subject in service.asks {
        exchange(subject, operator, bus).await;
    }
}

async fn exchange(subject: &'static str, server: &Bus, client: &Bus) {
    let stop = CancellationToken::new();
    let serving = server.serve(subject, stop.clone(), |question: Value| {
        async move { json!({ "asked": question }) }.boxed()
    });
    let asking = async {
        let mut answered = Value::Null;
        let deadline = Instant::now() + PATIENCE;
        // Nobody answers before the server has subscribed.
        while answered.is_null() && Instant::now() < deadline {
            let gather = |answer: Value| {
                answered = answer;
                true
            };
            let _ = client
                .ask_all(subject, &json!(1), PATIENCE / 4, gather)
                .await;
        }
        stop.cancel();
        answered
    };
    let (served, answered) = tokio::join!(serving, asking);
    served.unwrap();
    assert_eq!(answered, json!({ "asked": 1 }), "{subject}");
}

#[tokio::test]
async fn a_reader_of_the_log_goes_on_after_its_consumer_is_lost() {
    let (server, operator) = Server::start().await;
    let index = services::find("index").unwrap();
    let bus = server.bus(index).await;
    let fact = FactType::ConversationQualified;
    let mut follow = bus
        .follow(Family::Conversation, vec![Subject::filter(fact)], 1)
        .await
        .unwrap();
    state(&operator, OPERATOR, fact).await;
    tokio::time::timeout(PATIENCE, follow.next())
        .await
        .unwrap()
        .unwrap();

    let raw = server.raw(OPERATOR).await;
    let context = jetstream::new(raw.client.clone());
    let log = context
        .get_stream(streams::CONVERSATIONS.name)
        .await
        .unwrap();
    let mut names = log.consumer_names();
    let mut lost = 0;
    while let Some(name) = names.next().await {
        let name = name.unwrap();
        if services::find(&name).is_none() {
            log.delete_consumer(&name).await.unwrap();
            lost += 1;
        }
    }
    assert!(lost > 0);
    state(&operator, OPERATOR, fact).await;
    tokio::time::timeout(PATIENCE, follow.next())
        .await
        .unwrap()
        .unwrap();
    let log = server.log();
    assert!(!log.contains("Violation"), "{log}");
}

#[tokio::test]
async fn a_service_that_reaches_outside_is_refused() {
    let (server, _operator) = Server::start().await;
    for service in services::ALL {
        let mut raw = server.raw(service.name).await;
        let name = service.name;
        for subject in foreign_publishes(service) {
            assert!(
                !raw.may_publish(&subject).await,
                "{name} may publish to {subject}"
            );
        }
        for subject in foreign_subscriptions(service) {
            assert!(
                !raw.may_subscribe(&subject).await,
                "{name} may subscribe to {subject}"
            );
        }
        assert!(
            raw.may_subscribe(&format!("_INBOX.colloquy-{name}.x"))
                .await
        );
    }
    assert!(server.log().contains("Violation"));
    // The probe itself can tell: the operator is not refused.
    let mut operator = server.raw(OPERATOR).await;
    assert!(
        operator
            .may_publish("$JS.API.STREAM.INFO.CONVERSATIONS")
            .await
    );
}

/// An operation that is denied must be told so long before it would have timed out.
async fn denied<T>(what: &str, operation: impl Future<Output = colloquy_bus::Result<T>>) -> String {
    let ended = tokio::time::timeout(AT_ONCE, operation).await;
    match ended.unwrap_or_else(|_| panic!("{what}: not denied within {AT_ONCE:?}")) {
        Ok(_) => panic!("{what} is not denied"),
        Err(BusError::Denied { subject }) => subject,
        Err(other) => panic!("{what}: {other}"),
    }
}

#[tokio::test]
async fn what_is_denied_ends_at_once_and_is_named() {
    let (server, operator) = Server::start().await;
    let all = operator.kv(streams::PROGRESS.name).await.unwrap();
    all.put("acme.a", &1).await.unwrap();
    let conversation = scope(Family::Conversation);
    let vault = operator.artifacts();
    let put = vault.put_bytes(Bucket::Vault, &conversation, "x/y", b"z".to_vec());
    let kept = put.await.unwrap();

    // One that reads a bucket and may not write it.
    let bus = server.bus(services::find("gateway").unwrap()).await;
    let progress = bus.kv(streams::PROGRESS.name).await.unwrap();
    let present = progress.get::<u32>("acme.a").await.unwrap().unwrap();
    let subject = "Publish to \"$KV.progress.acme.a\"";
    assert_eq!(denied("put", progress.put("acme.a", &2)).await, subject);
    let set = progress.compare_and_set("acme.a", &2, present.revision);
    assert_eq!(denied("set", set).await, subject);
    let delete = progress.delete_at("acme.a", present.revision);
    assert_eq!(denied("delete", delete).await, subject);
    let create = progress.create("acme.b", &2);
    let subject = "Publish to \"$KV.progress.acme.b\"";
    assert_eq!(denied("create", create).await, subject);
    let artifacts = bus.artifacts();
    // It may store recordings, and so look whether they are there; it may not read them.
    assert!(artifacts.check(&kept).await.unwrap());
    let said = denied("get", artifacts.get_bytes(&kept)).await;
    assert!(
        said.starts_with("Publish to \"$JS.API.DIRECT.GET.OBJ_vault"),
        "{said}"
    );

    // One that has neither a bucket nor anybody to ask.
    let bus = server.bus(services::find("notify").unwrap()).await;
    let said = denied("open", bus.kv(streams::PROGRESS.name)).await;
    assert_eq!(said, "Publish to \"$JS.API.STREAM.INFO.KV_progress\"");
    let artifacts = bus.artifacts();
    let put = artifacts.put_bytes(Bucket::Open, &conversation, "x/y", b"z".to_vec());
    let said = denied("put", put).await;
    assert!(
        said.starts_with("Publish to \"$JS.API.DIRECT.GET.OBJ_open"),
        "{said}"
    );
    let history = bus.history(&conversation);
    let said = denied("history", history).await;
    assert_eq!(said, "Publish to \"$JS.API.STREAM.MSG.GET.CONVERSATIONS\"");
    let follow = bus.follow(Family::Account, Vec::new(), 1);
    let said = denied("follow", follow).await;
    assert!(
        said.starts_with("Publish to \"$JS.API.CONSUMER.CREATE.ACCOUNTS"),
        "{said}"
    );
    let said = denied("last", bus.last_sequence(Family::Account)).await;
    assert_eq!(said, "Publish to \"$JS.API.STREAM.INFO.ACCOUNTS\"");
    let ask = bus.ask_all(search::SUBJECT, &1, PATIENCE, |_: Value| true);
    let said = denied("ask", ask).await;
    assert_eq!(said, format!("Publish to \"{}\"", search::SUBJECT));
    let answer = |_: Value| async { Value::Null }.boxed();
    let serve = bus.serve(search::SUBJECT, CancellationToken::new(), answer);
    let said = denied("serve", serve).await;
    assert_eq!(said, format!("Subscription to \"{}\"", search::SUBJECT));
}

#[tokio::test]
async fn a_connection_with_a_foreign_inbox_is_told_so() {
    let (server, _operator) = Server::start().await;
    let options = ConnectOptions {
        name: connection_name("tag"),
        ..server.options("progress")
    };
    let bus = Bus::connect(options).await.unwrap();
    for _ in 0..2 {
        let said = denied("open", bus.kv(streams::PROGRESS.name)).await;
        assert!(
            said.starts_with("Subscription to \"_INBOX.colloquy-tag."),
            "{said}"
        );
    }
}

#[tokio::test]
async fn a_service_learns_that_it_lacks_what_it_declares() {
    let lacking = |mut user: User| {
        let states = Subject::filter(FactType::ConversationDecoded);
        if user.name == "decode" {
            user.permissions
                .publish
                .retain(|subject| *subject != states);
        }
        user
    };
    let users = User::all().into_iter().map(lacking).collect();
    let (server, _operator) = Server::start_with(users).await;
    let bus = server.bus(services::find("decode").unwrap()).await;
    // What belongs to others is no reason to end.
    let foreign = bus.ask_all(search::SUBJECT, &1, PATIENCE, |_: Value| true);
    denied("ask", foreign).await;
    let mut ended = std::pin::pin!(bus.until_denied("decode"));
    assert!((&mut ended).now_or_never().is_none());

    let scope = scope(Family::Conversation);
    let fact = FactType::ConversationDecoded;
    let envelope = Envelope::first("decode", scope, fact, Timestamp::now());
    let subject = envelope.subject().unwrap();
    let data = example(fact);
    let stating = bus.state(&envelope, &data);
    let error = tokio::select! {
        error = ended => error,
        stated = stating => stated.unwrap_err(),
        () = tokio::time::sleep(AT_ONCE) => panic!("it goes on"),
    };
    let BusError::Denied { subject: said } = &error else {
        panic!("{error}")
    };
    assert_eq!(*said, format!("Publish to \"{subject}\""));
    assert!(error.to_string().contains("colloquy contract permissions"));
}

fn foreign_publishes(service: &ServiceSpec) -> Vec<String> {
    let mut foreign = Vec::new();
    for &fact in FactType::ALL {
        let gives_up = fact == FactType::ConversationFailed
            && service.families().contains(&Family::Conversation);
        if !service.states.contains(&fact) && !gives_up {
            foreign.push(Subject::filter(fact).replace('*', "x"));
        }
    }
    for other in services::ALL {
        if other.name == service.name {
            continue;
        }
        foreign.push(format!("deadletters.{}.x", other.name));
        if other.reading == Reading::Consumer {
            let stream = streams::of(other.families()[0]).name;
            let name = other.name;
            foreign.extend([
                format!("$JS.API.CONSUMER.MSG.NEXT.{stream}.{name}"),
                format!("$JS.API.CONSUMER.MSG.NEXT.ADVISORIES.{name}"),
                format!("$JS.API.CONSUMER.DELETE.{stream}.{name}"),
                format!("$JS.API.CONSUMER.CREATE.{stream}.{name}"),
                format!("$JS.API.CONSUMER.CREATE.{stream}.{name}.conversations.>"),
                format!("$JS.API.CONSUMER.DURABLE.CREATE.{stream}.{name}"),
                format!("$JS.ACK.{stream}.{name}.1.2.3.4.5"),
            ]);
        }
    }
    for stream in &streams::ALL {
        for call in ["DELETE", "PURGE", "UPDATE", "CREATE", "SNAPSHOT"] {
            foreign.push(format!("$JS.API.STREAM.{call}.{}", stream.name));
        }
    }
    for stream in [streams::CONVERSATIONS, streams::ACCOUNTS] {
        foreign.push(format!("$JS.API.STREAM.MSG.DELETE.{}", stream.name));
    }
    for bucket in Bucket::ALL {
        let stream = format!("OBJ_{bucket}");
        foreign.push(format!("$JS.API.STREAM.DELETE.{stream}"));
        if !service.reads.contains(&bucket) {
            foreign.push(format!("$JS.API.CONSUMER.CREATE.{stream}"));
            foreign.push(format!(
                "$JS.API.CONSUMER.CREATE.{stream}.x.$O.{bucket}.C.>"
            ));
            foreign.push(format!("$JS.API.STREAM.MSG.GET.{stream}"));
            foreign.push(format!("$JS.API.DIRECT.GET.{stream}"));
            foreign.push(format!("$JS.API.DIRECT.GET.{stream}.$O.{bucket}.C.x"));
        }
        if !service.writes.contains(&bucket) {
            foreign.push(format!("$O.{bucket}.C.x"));
            foreign.push(format!("$JS.API.STREAM.PURGE.{stream}"));
        }
    }
    for spec in &streams::KV_BUCKETS {
        let (name, stream) = (spec.name, format!("KV_{}", spec.name));
        foreign.push(format!("$JS.API.STREAM.PURGE.{stream}"));
        let used = service.kv.iter().find(|(bucket, _)| bucket.name == name);
        if used.is_none() {
            foreign.push(format!("$JS.API.DIRECT.GET.{stream}.$KV.{name}.x"));
            foreign.push(format!("$JS.API.STREAM.MSG.GET.{stream}"));
            foreign.push(format!("$JS.API.CONSUMER.CREATE.{stream}"));
        }
        if used.is_none_or(|(_, how)| *how == KvUse::Read) {
            foreign.push(format!("$KV.{name}.x"));
        }
    }
    if !service.dead_letters {
        foreign.push(format!("redrives.{}.conversations.x", service.name));
        foreign.push("$JS.API.STREAM.MSG.GET.DEADLETTERS".to_owned());
        foreign.push("$JS.API.STREAM.MSG.DELETE.DEADLETTERS".to_owned());
    }
    foreign
}

fn foreign_subscriptions(service: &ServiceSpec) -> Vec<String> {
    let mut foreign: Vec<String> = [
        ">",
        "conversations.>",
        "accounts.>",
        "deadletters.>",
        "_INBOX.>",
        "$JS.>",
        "$O.>",
        "$KV.>",
    ]
    .map(str::to_owned)
    .into();
    for other in services::ALL {
        if other.name != service.name {
            foreign.push(format!("_INBOX.colloquy-{}.>", other.name));
        }
        for &subject in other.serves {
            if !service.serves.contains(&subject) {
                foreign.push(subject.to_owned());
            }
        }
    }
    foreign
}

struct Decode;

impl Service for Decode {
    const NAME: &'static str = "decode";
    type Input = ConversationReceived;

    async fn handle(&self, _: Self::Input, _: &Context) -> Result<Vec<Fact>, Failure> {
        Ok(vec![example(FactType::ConversationDecoded)])
    }
}

#[tokio::test]
async fn a_worker_ends_when_it_is_denied_what_it_needs() {
    let next = "$JS.API.CONSUMER.MSG.NEXT.CONVERSATIONS.decode".to_owned();
    let states = Subject::filter(FactType::ConversationDecoded);
    for (lacks, says) in [(next.clone(), next), (states, ".decoded\"".to_owned())] {
        let lacking = |mut user: User| {
            if user.name == "decode" {
                user.permissions.publish.retain(|subject| *subject != lacks);
            }
            user
        };
        let users = User::all().into_iter().map(lacking).collect();
        let (server, operator) = Server::start_with(users).await;
        state(&operator, OPERATOR, FactType::ConversationReceived).await;
        let bus = server.bus(services::find("decode").unwrap()).await;
        let drain = CancellationToken::new();
        let running = worker::run(bus, Arc::new(Decode), drain, Duration::from_secs(1));
        let ended = tokio::time::timeout(AT_ONCE, running).await;
        let error = ended.expect("it goes on").unwrap_err();
        let BusError::Denied { subject } = &error else {
            panic!("{error}")
        };
        assert!(subject.contains(&says), "{subject}");
    }
}
