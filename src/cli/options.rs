//! Options that several commands share. Every setting is documented here or at its command, once,
//! and each has an environment variable of the same meaning.

use std::{convert::Infallible, net::SocketAddr, num::NonZeroUsize, path::PathBuf, time::Duration};

use anyhow::Context;
use clap::{
    Args, ValueEnum,
    builder::{PossibleValuesParser, TypedValueParser},
};
use colloquy_anonymize::policy::Sources;
use colloquy_assets::{Cache, Manifest};
use colloquy_bus::{BrokerCertificate, Bus, ConnectOptions, Credentials, Room, provision::Storage};
use colloquy_contract::transcript::Role;
use colloquy_entities::Recognizers;
use colloquy_gateway::Watermark;
use colloquy_ner::Ner;
use colloquy_runtime::{
    certificates,
    identity::ServerIdentity,
    lifecycle::Lifecycle,
    telemetry::{LogFormat, TelemetryOptions},
};
use colloquy_transcribe::remote::{Key, RemoteOptions, SoundFormat};

/// What is logged where `RUST_LOG` does not say.
const DEFAULT_LOG: &str = "warn,colloquy=info";

/// How the process logs.
#[derive(Debug, Args)]
pub(crate) struct LogOptions {
    /// How log lines look; RUST_LOG says which there are
    #[arg(
        long,
        global = true,
        env = "COLLOQUY_LOG_FORMAT",
        default_value = "text"
    )]
    log_format: LogFormatOption,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum LogFormatOption {
    /// For people
    Text,
    /// One JSON object a line
    Json,
}

impl LogOptions {
    pub(crate) fn telemetry(&self, service: &str) -> TelemetryOptions {
        TelemetryOptions {
            service: service.to_owned(),
            format: match self.log_format {
                LogFormatOption::Text => LogFormat::Text,
                LogFormatOption::Json => LogFormat::Json,
            },
            default_filter: DEFAULT_LOG,
            otlp_endpoint: None,
        }
    }
}

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

/// How the gateway serves.
#[derive(Debug, Clone, Args)]
pub(crate) struct GatewayArgs {
    /// Address that the gateway listens on
    #[arg(long, env = "COLLOQUY_LISTEN", default_value = "127.0.0.1:8080")]
    pub(crate) listen: SocketAddr,

    /// Largest recording in MiB
    #[arg(long, env = "COLLOQUY_MAX_UPLOAD_MIB", default_value_t = 512)]
    pub(crate) max_upload_mib: u64,

    /// Most that the broker stores, such as 20GiB [default: what its disk has room for]
    ///
    /// The limit of a broker that is run along; of another one, the limit of its server, where its
    /// account has none.
    #[arg(long, env = "COLLOQUY_MAX_STORAGE", value_name = "SIZE", value_parser = size)]
    pub(crate) max_storage: Option<u64>,

    /// Share of the broker's storage from which on nothing new is taken in
    #[arg(long, env = "COLLOQUY_STORAGE_HIGH_WATERMARK", default_value_t)]
    pub(crate) storage_high_watermark: Watermark,

    #[command(flatten)]
    tls: TlsArgs,
}

/// Whether the gateway's own port speaks TLS.
#[derive(Debug, Clone, Args)]
struct TlsArgs {
    /// Certificate of the gateway, PEM, with those between it and its authority: it then serves HTTPS
    /// only. Read again when it changes
    #[arg(
        long,
        env = "COLLOQUY_TLS_CERT",
        value_name = "FILE",
        requires = "tls_key"
    )]
    tls_cert: Option<PathBuf>,

    /// Private key of that certificate, PEM
    #[arg(
        long,
        env = "COLLOQUY_TLS_KEY",
        value_name = "FILE",
        requires = "tls_cert"
    )]
    tls_key: Option<PathBuf>,
}

impl GatewayArgs {
    /// What the gateway proves itself with, if its port speaks TLS.
    pub(crate) fn identity(&self) -> anyhow::Result<Option<ServerIdentity>> {
        let (Some(certificate), Some(key)) = (&self.tls.tls_cert, &self.tls.tls_key) else {
            return Ok(None);
        };
        let identity = ServerIdentity::load(certificate.clone(), key.clone())
            .context("the gateway cannot serve HTTPS")?;
        Ok(Some(identity))
    }

    /// What is known of the room of a broker that is not run along.
    pub(crate) const fn room(&self) -> Room {
        Room {
            limit_bytes: self.max_storage,
            folder: None,
        }
    }
}

/// A number of bytes, such as 512MiB.
pub(crate) fn size(text: &str) -> Result<u64, String> {
    let units = [("MiB", 20), ("GiB", 30), ("TiB", 40)];
    let parsed = units.iter().find_map(|(unit, bits)| {
        let number: u64 = text.strip_suffix(unit)?.trim().parse().ok()?;
        number.checked_mul(1 << bits).filter(|bytes| *bytes > 0)
    });
    parsed.ok_or_else(|| "a size is such as 512MiB, 20GiB or 1TiB".to_owned())
}

/// Reads the name of a role.
pub(crate) fn role_names() -> impl TypedValueParser<Value = Role> {
    let names = [Role::Agent, Role::Customer, Role::Unknown].map(|role| role.as_str());
    PossibleValuesParser::new(names).map(|name| {
        let mut known = [Role::Agent, Role::Customer].into_iter();
        known.find(|role| role.as_str() == name).unwrap_or_default()
    })
}

/// How workers work.
#[derive(Debug, Clone, Args)]
pub(crate) struct WorkerArgs {
    /// Speech model: the name of an asset, or a folder with a CTranslate2 Whisper model
    #[arg(long, env = "COLLOQUY_MODEL", default_value = "whisper-base")]
    pub(crate) model: String,

    /// Threads of the speech model [default: all cores]
    #[arg(long, env = "COLLOQUY_MODEL_THREADS")]
    pub(crate) model_threads: Option<NonZeroUsize>,

    #[command(flatten)]
    pub(crate) speech: SpeechServerArgs,

    #[command(flatten)]
    pub(crate) entity_model: EntityModel,

    /// Names and terms to expect, by account: a TOML file
    #[arg(long, env = "COLLOQUY_VOCABULARY_FILE", value_name = "FILE")]
    pub(crate) vocabulary_file: Option<PathBuf>,

    /// Who is on which channel of calls that do not say so, such as agent,customer
    ///
    /// It holds for recordings with as many channels.
    #[arg(long, env = "COLLOQUY_CHANNEL_ROLES", value_name = "ROLE,…",
          value_delimiter = ',', value_parser = role_names(), hide_possible_values = true)]
    pub(crate) channel_roles: Vec<Role>,

    #[command(flatten)]
    pub(crate) redaction: RedactionArgs,

    /// Folder of the search index [default: in the data folder]
    #[arg(long, env = "COLLOQUY_INDEX_DIR", value_name = "FOLDER")]
    pub(crate) index_dir: Option<PathBuf>,

    /// Partitions that this index node owns, such as 0-31
    #[arg(long, env = "COLLOQUY_INDEX_PARTITIONS", default_value = "0-63",
          value_parser = partitions)]
    pub(crate) index_partitions: Partitions,

    /// Mail server, such as smtps://mail.example.com; without one, e-mails become files
    #[arg(long, env = "COLLOQUY_SMTP_URL", value_name = "URL")]
    pub(crate) smtp_url: Option<String>,

    /// User of the mail server
    #[arg(long, env = "COLLOQUY_SMTP_USER", requires = "smtp_password")]
    pub(crate) smtp_user: Option<String>,

    /// Password of the mail server
    #[arg(long, env = "COLLOQUY_SMTP_PASSWORD", hide_env_values = true)]
    pub(crate) smtp_password: Option<String>,

    /// Sender of e-mails
    #[arg(
        long,
        env = "COLLOQUY_MAIL_FROM",
        default_value = "Colloquy <colloquy@localhost.localdomain>"
    )]
    pub(crate) mail_from: String,

    /// Folder of e-mails where there is no mail server [default: in the data folder]
    #[arg(long, env = "COLLOQUY_MAIL_DIR", value_name = "FOLDER")]
    pub(crate) mail_dir: Option<PathBuf>,

    /// Address of the customer-relations system that is told of new accounts; without one, none is
    #[arg(
        long,
        env = "COLLOQUY_CRM_URL",
        hide_env_values = true,
        value_name = "URL",
        requires = "crm_secret"
    )]
    pub(crate) crm_url: Option<String>,

    /// Secret that webhooks to it are signed with, whsec_… (Standard Webhooks)
    #[arg(
        long,
        env = "COLLOQUY_CRM_SECRET",
        hide_env_values = true,
        value_name = "SECRET"
    )]
    pub(crate) crm_secret: Option<String>,

    /// Address that is told how conversations end; without one, none is
    #[arg(
        long,
        env = "COLLOQUY_WEBHOOK_URL",
        hide_env_values = true,
        value_name = "URL",
        requires = "webhook_secret"
    )]
    pub(crate) webhook_url: Option<String>,

    /// Secret that webhooks to it are signed with, whsec_… (Standard Webhooks)
    #[arg(
        long,
        env = "COLLOQUY_WEBHOOK_SECRET",
        hide_env_values = true,
        value_name = "SECRET"
    )]
    pub(crate) webhook_secret: Option<String>,

    /// Folder of the warehouse's Parquet files [default: in the data folder]
    #[arg(long, env = "COLLOQUY_WAREHOUSE_DIR", value_name = "FOLDER")]
    pub(crate) warehouse_dir: Option<PathBuf>,

    /// Folder for data that is not with the broker
    #[arg(
        long,
        env = "COLLOQUY_DATA",
        default_value = "data",
        value_name = "FOLDER"
    )]
    pub(crate) data: PathBuf,
}

/// What is redacted, and how.
#[derive(Debug, Clone, Args)]
pub(crate) struct RedactionArgs {
    /// What is redacted and how, by account: a TOML file, which is read again when it changes
    /// [default: the built-in policy]
    #[arg(long, env = "COLLOQUY_REDACTION_POLICY", value_name = "FILE")]
    redaction_policy: Option<PathBuf>,

    /// File with the key of the redaction policy's hashes
    #[arg(
        long,
        env = "COLLOQUY_REDACTION_KEY_FILE",
        value_name = "FILE",
        conflicts_with = "redaction_key"
    )]
    redaction_key_file: Option<PathBuf>,

    /// Key of the redaction policy's hashes; better by file or environment, for others see command
    /// lines
    #[arg(
        long,
        env = "COLLOQUY_REDACTION_KEY",
        hide_env_values = true,
        value_name = "KEY"
    )]
    redaction_key: Option<String>,
}

impl RedactionArgs {
    /// Where policies come from.
    pub(crate) fn sources(&self) -> anyhow::Result<Sources> {
        let key = self.redaction_key.as_deref();
        Ok(Sources {
            policy: self.redaction_policy.clone(),
            key_file: self.redaction_key_file.clone(),
            key: key.map(colloquy_anonymize::policy::Key::new).transpose()?,
        })
    }
}

/// What finds people, places and organizations.
#[derive(Debug, Clone, Args)]
pub(crate) struct EntityModel {
    /// Model of people, places and organizations: the name of an asset, or a folder with a spaCy
    /// model; none is patterns only, which find less
    #[arg(
        long = "entity-model",
        env = "COLLOQUY_ENTITY_MODEL",
        default_value = Self::USUAL,
        value_name = "MODEL"
    )]
    name: String,
}

impl EntityModel {
    /// The asset that is used where nothing is said.
    pub(crate) const USUAL: &'static str = "spacy-en-core-web-md";

    /// The model of a name.
    pub(crate) fn named(name: &str) -> Self {
        Self {
            name: name.to_owned(),
        }
    }

    /// Loads the recognizers. Only `none` goes without a model.
    pub(crate) fn load(&self) -> anyhow::Result<Recognizers> {
        if self.name == "none" {
            return Ok(Recognizers::new(None));
        }
        let folder = model_folder(&self.name)?;
        Ok(Recognizers::new(Some(Ner::load(&folder)?)))
    }
}

/// A server that understands speech, in the place of a model on this machine.
#[derive(Debug, Clone, Args)]
pub(crate) struct SpeechServerArgs {
    /// Speech server with OpenAI's API, such as https://api.openai.com/v1; without one, the speech
    /// model runs here
    #[arg(
        long,
        env = "COLLOQUY_SPEECH_URL",
        value_name = "URL",
        requires = "speech_model"
    )]
    speech_url: Option<String>,

    /// Model of the speech server, such as whisper-1
    #[arg(
        long,
        env = "COLLOQUY_SPEECH_MODEL",
        value_name = "NAME",
        requires = "speech_url"
    )]
    speech_model: Option<String>,

    /// File with the key of the speech server
    #[arg(
        long,
        env = "COLLOQUY_SPEECH_KEY_FILE",
        value_name = "FILE",
        requires = "speech_url",
        conflicts_with = "speech_key"
    )]
    speech_key_file: Option<PathBuf>,

    /// Key of the speech server; better by file or environment, for others see command lines
    #[arg(
        long,
        env = "COLLOQUY_SPEECH_KEY",
        hide_env_values = true,
        value_name = "KEY",
        requires = "speech_url"
    )]
    speech_key: Option<String>,

    /// What is uploaded to the speech server
    #[arg(long, env = "COLLOQUY_SPEECH_FORMAT", default_value = "flac")]
    speech_format: SpeechFormatOption,

    /// Longest upload to the speech server in seconds; longer recordings are cut at pauses
    #[arg(
        long,
        env = "COLLOQUY_SPEECH_PIECE_SECONDS",
        value_name = "SECONDS",
        default_value_t = 300
    )]
    speech_piece_seconds: u64,

    /// Largest upload to the speech server in megabytes
    #[arg(
        long,
        env = "COLLOQUY_SPEECH_UPLOAD_MB",
        value_name = "MB",
        default_value_t = 24
    )]
    speech_upload_mb: u64,

    /// Requests to the speech server at once
    #[arg(
        long,
        env = "COLLOQUY_SPEECH_PARALLEL",
        value_name = "NUMBER",
        default_value_t = NonZeroUsize::MIN.saturating_add(3)
    )]
    speech_parallel: NonZeroUsize,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum SpeechFormatOption {
    /// Half the size
    Flac,
    /// For servers that read nothing else
    Wav,
}

impl SpeechServerArgs {
    /// The speech server, if there is one.
    pub(crate) fn server(&self) -> anyhow::Result<Option<RemoteOptions>> {
        let (Some(url), Some(model)) = (&self.speech_url, &self.speech_model) else {
            return Ok(None);
        };
        let mut options = RemoteOptions::new(url, model);
        options.key = match (&self.speech_key_file, &self.speech_key) {
            (Some(path), _) => Some(Key::from_file(path)?),
            (None, Some(key)) => Some(Key::new(key)?),
            (None, None) => None,
        };
        options.format = match self.speech_format {
            SpeechFormatOption::Flac => SoundFormat::Flac,
            SpeechFormatOption::Wav => SoundFormat::Wav,
        };
        options.limits.piece = Duration::from_secs(self.speech_piece_seconds);
        options.limits.upload_bytes = self.speech_upload_mb.saturating_mul(1_000_000);
        options.limits.parallel = self.speech_parallel;
        Ok(Some(options))
    }
}

/// A range of partitions.
#[derive(Debug, Clone)]
pub(crate) struct Partitions(pub(crate) std::ops::RangeInclusive<u8>);

fn partitions(text: &str) -> Result<Partitions, String> {
    let last = colloquy_contract::subject::PARTITIONS - 1;
    let bounds = text.split_once('-').unwrap_or((text, text));
    match (bounds.0.trim().parse::<u8>(), bounds.1.trim().parse::<u8>()) {
        (Ok(from), Ok(to)) if from <= to && to <= last => Ok(Partitions(from..=to)),
        _ => Err(format!(
            "a range of partitions is such as 0-31, within 0-{last}"
        )),
    }
}

/// The folder of a model: a folder as it is, or an asset of that name.
pub(crate) fn model_folder(model: &str) -> anyhow::Result<PathBuf> {
    let folder = PathBuf::from(model);
    if folder.is_dir() {
        return Ok(folder);
    }
    let folder = Cache::locate()?.require(&Manifest::embedded()?, model);
    folder.with_context(|| format!("'{model}' is neither a folder nor an asset that is there"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units() {
        assert_eq!(size("512MiB"), Ok(512 * 1024 * 1024));
        assert_eq!(size("20 GiB"), Ok(20 * 1024 * 1024 * 1024));
        for bad in ["", "20", "GiB", "0GiB", "-1GiB", "20GB", "99999999999TiB"] {
            assert!(size(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn partitions_are_a_range() {
        assert_eq!(partitions("0-31").unwrap().0, 0..=31);
        assert_eq!(partitions("7").unwrap().0, 7..=7);
        for bad in ["", "x", "3-2", "0-64", "-", "1-2-3"] {
            assert!(partitions(bad).is_err(), "{bad}");
        }
    }
}
