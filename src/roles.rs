//! The roles of a process: builds each service from its options and adds it to the lifecycle.

use std::{convert::Infallible, fmt, net::SocketAddr, sync::Arc};

use anyhow::Context;
use clap::ValueEnum;
use colloquy_accounts::AccountsService;
use colloquy_anonymize::{AnonymizeService, Redactor, policy::PolicyBook};
use colloquy_bus::{
    Bus, Room,
    worker::{self, Service},
};
use colloquy_decode::DecodeService;
use colloquy_gateway::{Gateway, GatewayOptions, StorageOptions};
use colloquy_index::{IndexNode, IndexOptions};
use colloquy_notify::{MailOptions, Mailer, NotifyService, Smtp};
use colloquy_progress::ProgressService;
use colloquy_qualify::{Qualifier, QualifyService};
use colloquy_runtime::{
    certificates,
    health::{self, MetricsRenderer},
    identity::ServerIdentity,
    lifecycle::{DRAIN_GRACE, Lifecycle},
};
use colloquy_tag::TagService;
use colloquy_transcribe::{TranscribeService, Vocabularies};
use colloquy_warehouse::{Warehouse, WarehouseOptions};
use colloquy_webhooks::{CrmService, Endpoint, EndpointOptions, Limits, WebhooksService};
use rustls::ServerConfig;
use tokio::net::TcpListener;

use crate::{
    cli::options::{GatewayArgs, WorkerArgs},
    engines::{Engines, Speech},
};

/// A worker, by the name of its service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Worker {
    /// Received recordings to 16 kHz audio, or a rejection
    Decode,
    /// Audio to words with times
    Transcribe,
    /// Names, numbers and places in transcripts
    Tag,
    /// Transcripts and audio without personal data
    Anonymize,
    /// Talk statistics, categories, sentiment
    Qualify,
    /// The search index, and the answers to searches
    Index,
    /// The read model behind status and lists
    Progress,
    /// Sign-ups to accounts
    Accounts,
    /// Welcome e-mails
    Notify,
    /// New accounts to the customer-relations system
    Crm,
    /// Ends of conversations to the systems around
    Webhooks,
    /// Every fact as a row in Parquet files
    Warehouse,
}

impl Worker {
    /// Every worker.
    pub(crate) const ALL: &'static [Self] = &[
        Self::Decode,
        Self::Transcribe,
        Self::Tag,
        Self::Anonymize,
        Self::Qualify,
        Self::Index,
        Self::Progress,
        Self::Accounts,
        Self::Notify,
        Self::Crm,
        Self::Webhooks,
        Self::Warehouse,
    ];

    /// Its service's name.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Decode => DecodeService::NAME,
            Self::Transcribe => TranscribeService::NAME,
            Self::Tag => TagService::NAME,
            Self::Anonymize => AnonymizeService::NAME,
            Self::Qualify => QualifyService::NAME,
            Self::Index => "index",
            Self::Progress => ProgressService::NAME,
            Self::Accounts => AccountsService::NAME,
            Self::Notify => NotifyService::NAME,
            Self::Crm => CrmService::NAME,
            Self::Webhooks => WebhooksService::NAME,
            Self::Warehouse => colloquy_warehouse::SERVICE,
        }
    }
}

/// Starts these workers as parts of the process.
pub(crate) async fn start_workers(
    workers: &[Worker],
    bus: &Bus,
    args: &WorkerArgs,
    lifecycle: &mut Lifecycle,
) -> anyhow::Result<()> {
    let engines = Engines::new(args);
    for &worker in workers {
        start_worker(worker, bus, args, &engines, lifecycle)
            .await
            .with_context(|| format!("worker {} cannot be started", worker.name()))?;
    }
    Ok(())
}

async fn start_worker(
    worker: Worker,
    bus: &Bus,
    args: &WorkerArgs,
    engines: &Engines,
    lifecycle: &mut Lifecycle,
) -> anyhow::Result<()> {
    match worker {
        Worker::Decode => react(DecodeService::default(), bus, lifecycle),
        Worker::Transcribe => react(transcribe(args, engines).await?, bus, lifecycle),
        Worker::Tag => {
            let recognizers = engines.recognizers().await?;
            react(TagService::new(recognizers), bus, lifecycle);
        }
        Worker::Anonymize => {
            react(anonymize(args, engines, lifecycle).await?, bus, lifecycle);
        }
        Worker::Qualify => react(QualifyService::new(Qualifier::new()?), bus, lifecycle),
        Worker::Index => {
            let node = IndexNode::open(bus.clone(), index_options(args)).await?;
            let drain = lifecycle.drain();
            lifecycle.spawn(worker.name(), node.run(drain, DRAIN_GRACE));
        }
        Worker::Progress => react(ProgressService::new(bus).await?, bus, lifecycle),
        Worker::Accounts => react(AccountsService::new(bus).await?, bus, lifecycle),
        Worker::Notify => {
            react(
                NotifyService::new(Mailer::new(mail_options(args))?),
                bus,
                lifecycle,
            );
        }
        Worker::Crm => {
            let endpoint = endpoint(args.crm_url.as_deref(), args.crm_secret.as_deref())?;
            react(CrmService::new(endpoint), bus, lifecycle);
        }
        Worker::Webhooks => {
            let endpoint = endpoint(args.webhook_url.as_deref(), args.webhook_secret.as_deref())?;
            react(WebhooksService::new(endpoint), bus, lifecycle);
        }
        Worker::Warehouse => {
            let warehouse = Warehouse::open(bus.clone(), warehouse_options(args)).await?;
            let drain = lifecycle.drain();
            lifecycle.spawn(worker.name(), warehouse.run(drain, DRAIN_GRACE));
        }
    }
    Ok(())
}

fn react<S: Service>(service: S, bus: &Bus, lifecycle: &mut Lifecycle) {
    let drain = lifecycle.drain();
    lifecycle.spawn(
        S::NAME,
        worker::run(bus.clone(), Arc::new(service), drain, DRAIN_GRACE),
    );
}

/// Speech to text, with the names and terms that accounts expect.
async fn transcribe(args: &WorkerArgs, engines: &Engines) -> anyhow::Result<TranscribeService> {
    let service = match engines.speech().await? {
        Speech::Remote(engine) => TranscribeService::remote(engine),
        Speech::Local(engine) => TranscribeService::new(engine),
    };
    let service = service.with_roles(args.channel_roles.clone());
    let Some(path) = &args.vocabulary_file else {
        return Ok(service);
    };
    let vocabularies = Vocabularies::from_file(path)
        .with_context(|| format!("{} cannot be used", path.display()))?;
    tracing::info!(accounts = vocabularies.accounts(), "vocabularies read");
    Ok(service.with_vocabularies(vocabularies))
}

/// Redaction by the policies of the file, which is looked at for as long as the process runs.
async fn anonymize(
    args: &WorkerArgs,
    engines: &Engines,
    lifecycle: &mut Lifecycle,
) -> anyhow::Result<AnonymizeService> {
    let policies = PolicyBook::open(args.redaction.sources()?)?;
    let recognizers = engines.recognizers().await?;
    if policies.current().verify_any() {
        // Whether there is a model is found out now, not with the first call.
        engines.speech().await?;
    }
    let watch = policies.clone().watch(lifecycle.drain());
    lifecycle.spawn("redaction policy", async move {
        watch.await;
        Ok::<_, Infallible>(())
    });
    let redactor = Redactor::new(Arc::new(move |transcript| {
        recognizers.recognize(transcript)
    }))
    .with_listener(Arc::new(engines.clone()));
    Ok(AnonymizeService::new(redactor, policies))
}

fn index_options(args: &WorkerArgs) -> IndexOptions {
    let path = args
        .index_dir
        .clone()
        .unwrap_or_else(|| args.data.join("index"));
    IndexOptions::new(path).with_partitions(args.index_partitions.0.clone())
}

fn warehouse_options(args: &WorkerArgs) -> WarehouseOptions {
    let path = args
        .warehouse_dir
        .clone()
        .unwrap_or_else(|| args.data.join("warehouse"));
    WarehouseOptions::new(path)
}

/// The receiver of webhooks at this address, if there is one.
fn endpoint(url: Option<&str>, secret: Option<&str>) -> anyhow::Result<Option<Endpoint>> {
    let Some(url) = url else {
        return Ok(None);
    };
    let secret = secret.context("webhooks are signed: give the secret of their receiver, too")?;
    let options = EndpointOptions {
        url: url.to_owned(),
        secret: secret.parse()?,
        limits: Limits::default(),
    };
    Ok(Some(Endpoint::new(options)?))
}

fn mail_options(args: &WorkerArgs) -> MailOptions {
    MailOptions {
        from: args.mail_from.clone(),
        smtp: args.smtp_url.clone().map(|url| Smtp {
            url,
            credentials: args.smtp_user.clone().zip(args.smtp_password.clone()),
        }),
        folder: args
            .mail_dir
            .clone()
            .unwrap_or_else(|| args.data.join("mail")),
    }
}

/// Where a gateway listens, and whether it speaks TLS there.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Listening {
    pub(crate) address: SocketAddr,
    pub(crate) tls: bool,
}

impl fmt::Display for Listening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "https" } else { "http" };
        write!(f, "{scheme}://{}", self.address)
    }
}

/// Starts the gateway as a part of the process; returns where it listens. `room` is what is known
/// of the broker's besides what that tells.
pub(crate) async fn start_gateway(
    bus: &Bus,
    room: Room,
    args: &GatewayArgs,
    metrics: MetricsRenderer,
    lifecycle: &mut Lifecycle,
) -> anyhow::Result<Listening> {
    let identity = args.identity()?;
    let listener = TcpListener::bind(args.listen)
        .await
        .with_context(|| format!("the gateway cannot listen on {}", args.listen))?;
    let address = listener.local_addr()?;
    let options = GatewayOptions {
        max_upload_bytes: args.max_upload_mib * 1024 * 1024,
        storage: StorageOptions {
            high_watermark: args.storage_high_watermark,
            room,
            ..StorageOptions::default()
        },
        metrics: Some(metrics),
        ..GatewayOptions::default()
    };
    let drain = lifecycle.drain();
    let gateway = Gateway::new(options, bus.clone());
    let watch = gateway.storage_watch().run(drain.clone());
    lifecycle.spawn("storage watch", async move {
        watch.await;
        Ok::<_, Infallible>(())
    });
    let router = gateway.router();
    let tls = identity.is_some();
    let settings = identity.map(|identity| encrypt(identity, lifecycle));
    let settings = settings.transpose()?;
    lifecycle.spawn("gateway", async move {
        match settings {
            None => colloquy_gateway::serve(listener, router, drain, DRAIN_GRACE).await,
            Some(settings) => {
                colloquy_gateway::serve_tls(listener, settings, router, drain, DRAIN_GRACE).await;
            }
        }
        Ok::<_, Infallible>(())
    });
    Ok(Listening { address, tls })
}

/// Has a certificate looked at for as long as the process runs, and its end told.
fn encrypt(
    identity: ServerIdentity,
    lifecycle: &mut Lifecycle,
) -> anyhow::Result<Arc<ServerConfig>> {
    let settings = identity.server_config()?;
    let shown = identity.clone();
    certificates::show("gateway", move || Some(shown.not_after()));
    let watch = identity.watch(lifecycle.drain());
    lifecycle.spawn("gateway certificate", async move {
        watch.await;
        Ok::<_, Infallible>(())
    });
    Ok(settings)
}

/// Starts every worker and the gateway; returns where the gateway listens.
pub(crate) async fn start_all(
    bus: &Bus,
    room: Room,
    gateway: &GatewayArgs,
    workers: &WorkerArgs,
    metrics: MetricsRenderer,
    lifecycle: &mut Lifecycle,
) -> anyhow::Result<Listening> {
    start_workers(Worker::ALL, bus, workers, lifecycle).await?;
    start_gateway(bus, room, gateway, metrics, lifecycle).await
}

/// Starts the health server of a process without a gateway.
pub(crate) async fn start_health(
    bus: &Bus,
    address: SocketAddr,
    metrics: MetricsRenderer,
    lifecycle: &mut Lifecycle,
) -> anyhow::Result<()> {
    let listener = TcpListener::bind(address)
        .await
        .with_context(|| format!("the health server cannot listen on {address}"))?;
    let bus = bus.clone();
    let ready: health::ReadyCheck = Arc::new(move || {
        let bus = bus.clone();
        Box::pin(async move { bus.ping().await })
    });
    lifecycle.spawn(
        "health",
        health::serve(listener, ready, metrics, lifecycle.drain()),
    );
    Ok(())
}
