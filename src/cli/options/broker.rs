//! Where the broker is, who we are to it, and what is made there.

use std::{convert::Infallible, path::PathBuf, time::Duration};

use clap::Args;
use colloquy_bus::{BrokerCertificate, Bus, ConnectOptions, Credentials, provision::Storage};
use colloquy_runtime::{certificates, lifecycle::Lifecycle};

/// Where the broker is.
#[derive(Debug, Clone, Args)]
pub(crate) struct BrokerOptions {
    /// Address of the broker; several are separated by commas
    #[arg(
        long = "nats",
        global = true,
        env = "COLLOQUY_NATS_URL",
        default_value = "nats://127.0.0.1:4222",
        hide_env_values = true
    )]
    url: String,

    #[command(flatten)]
    identity: Identity,
}

/// Who we are to the broker.
#[derive(Debug, Clone, Args)]
pub(crate) struct Identity {
    /// File with a JWT and an nkey seed for the broker
    #[arg(
        long,
        global = true,
        env = "COLLOQUY_NATS_CREDENTIALS",
        value_name = "FILE"
    )]
    nats_credentials: Option<PathBuf>,

    /// Certificate authorities for the broker's TLS, PEM
    #[arg(long, global = true, env = "COLLOQUY_NATS_CA", value_name = "FILE")]
    nats_ca: Option<PathBuf>,

    /// Copies of each stream and bucket: 1, or 3 or 5 on a cluster
    #[arg(long, global = true, env = "COLLOQUY_REPLICAS", default_value_t = 1)]
    replicas: usize,

    /// Facts that are stated at the same time share one sync to disk: a gain where the broker syncs
    /// before each acknowledgement (sync_interval: always), a small loss elsewhere
    ///
    /// On where the broker is run along.
    #[arg(long, global = true, env = "COLLOQUY_GROUP_COMMIT")]
    group_commit: bool,

    /// Accept one copy on a cluster, where the loss of a node then loses facts
    #[arg(long, global = true, env = "COLLOQUY_ALLOW_SINGLE_REPLICA")]
    allow_single_replica: bool,
}

impl Identity {
    pub(crate) const fn storage(&self) -> Storage {
        Storage {
            replicas: self.replicas,
            allow_single_replica: self.allow_single_replica,
        }
    }

    /// Whether to share syncs with a broker that is not run along.
    pub(crate) const fn group_commit(&self) -> bool {
        self.group_commit
    }

    pub(crate) fn connect_options(&self, url: String, name: &str) -> ConnectOptions {
        ConnectOptions {
            url,
            credentials: match &self.nats_credentials {
                Some(path) => Credentials::File(path.clone()),
                None => Credentials::None,
            },
            name: name.to_owned(),
            root_certificates: self.nats_ca.clone(),
        }
    }

    /// Shows in the metrics when the certificate of the broker at `url` and its authority's end.
    pub(crate) fn watch_certificates(
        &self,
        url: &str,
        lifecycle: &mut Lifecycle,
    ) -> anyhow::Result<()> {
        if let Some(authorities) = &self.nats_ca {
            certificates::watch("nats-ca", authorities.clone());
        }
        let certificate = self.certificate(url)?;
        let shown = certificate.clone();
        certificates::show("nats-server", move || shown.not_after());
        let watch = certificate.watch(lifecycle.drain());
        lifecycle.spawn("broker certificate", async move {
            watch.await;
            Ok::<_, Infallible>(())
        });
        Ok(())
    }

    fn certificate(&self, url: &str) -> anyhow::Result<BrokerCertificate> {
        let options = self.connect_options(url.to_owned(), "");
        Ok(BrokerCertificate::new(&options)?)
    }
}

impl BrokerOptions {
    /// Connects. Streams, buckets and consumers must be there: `colloquy streams apply`.
    pub(crate) async fn connect(&self, name: &str) -> anyhow::Result<Bus> {
        self.connect_within(name, Duration::ZERO).await
    }

    /// The same, which waits for a broker where nobody listens yet.
    pub(crate) async fn connect_within(
        &self,
        name: &str,
        patience: Duration,
    ) -> anyhow::Result<Bus> {
        let options = self.identity.connect_options(self.url.clone(), name);
        let bus = Bus::connect_within(options, patience).await?;
        Ok(bus.with_group_commit(self.identity.group_commit()))
    }

    /// Shows in the metrics when the broker's certificate and its authority's end.
    pub(crate) fn watch_certificates(&self, lifecycle: &mut Lifecycle) -> anyhow::Result<()> {
        self.identity.watch_certificates(&self.url, lifecycle)
    }

    /// The certificate that the broker shows.
    pub(crate) fn certificate(&self) -> anyhow::Result<BrokerCertificate> {
        self.identity.certificate(&self.url)
    }

    pub(crate) const fn storage(&self) -> Storage {
        self.identity.storage()
    }

    /// Certificate authorities for the broker's TLS, if a file was given.
    pub(crate) const fn authorities(&self) -> Option<&PathBuf> {
        self.identity.nats_ca.as_ref()
    }
}
