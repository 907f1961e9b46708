//! `colloquy doctor`: looks at a running installation and says what is wrong, and what to do.
//!
//! It reads only; a live system does not notice it. Each look has a time limit, and one that cannot
//! be taken is a finding like any other.

mod broker;
mod host;
mod report;

use std::{path::PathBuf, process::ExitCode};

use clap::{Args, ValueEnum};
use colloquy_bus::Room;
use colloquy_contract::{permissions::connection_name, services, services::ServiceSpec};

use super::{
    options::{BrokerOptions, EntityModel, size},
    say,
};
use report::{Check, Report};

/// Exit code where something does not work.
const FINDINGS: u8 = 1;

/// Exit code where the doctor could not begin.
const NOT_DONE: u8 = 2;

/// Name of the connection to the broker, unless it is a service's.
const CONNECTION: &str = "colloquy-doctor";

/// Options of `colloquy doctor`.
#[derive(Debug, Args)]
#[command(
    after_help = "Exit code: 0 nothing failed, 1 something did (with --strict: or there is a \
                  warning), 2 the doctor could not begin."
)]
pub(crate) struct Doctor {
    /// How the findings are written
    #[arg(long, default_value = "text")]
    format: Format,

    /// Fail for warnings, too
    #[arg(long)]
    strict: bool,

    /// Look as this service, whose user --nats names: what it may do and its own consumer
    #[arg(long, value_name = "NAME", value_parser = service)]
    service: Option<&'static ServiceSpec>,

    /// Address of the gateway, such as http://gateway:8080; without one, it is not looked at
    #[arg(long, env = "COLLOQUY_GATEWAY_URL", value_name = "URL")]
    gateway: Option<String>,

    /// Certificate authorities for the gateway's TLS, PEM [default: the system's]
    #[arg(long, env = "COLLOQUY_GATEWAY_CA", value_name = "FILE")]
    gateway_ca: Option<PathBuf>,

    /// Speech model that is used here; none where a speech server is
    #[arg(
        long,
        env = "COLLOQUY_MODEL",
        default_value = "whisper-base",
        value_name = "MODEL"
    )]
    model: String,

    /// Model of people, places and organizations that is used here, or none
    #[arg(
        long,
        env = "COLLOQUY_ENTITY_MODEL",
        default_value = EntityModel::USUAL,
        value_name = "MODEL"
    )]
    entity_model: String,

    /// No service that needs a model runs on this host
    #[arg(long)]
    without_models: bool,

    /// Most that the broker stores, such as 20GiB, as the gateway is told
    #[arg(long, env = "COLLOQUY_MAX_STORAGE", value_name = "SIZE", value_parser = size)]
    max_storage: Option<u64>,

    #[command(flatten)]
    broker: BrokerOptions,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    Text,
    /// One JSON document
    Json,
}

impl Doctor {
    /// Looks at everything and says what it found; whether all is well enough.
    pub(crate) async fn run(self) -> anyhow::Result<bool> {
        let mut checks = self.at_broker().await;
        if !self.without_models {
            checks.extend(host::models(&self.models()).await);
        }
        checks.extend(self.authorities().map(|path| host::certificates(&path)));
        checks.extend(host::broker_certificate(self.broker.certificate()).await);
        checks.extend(host::telemetry().await);
        if let Some(gateway) = &self.gateway {
            checks.extend(host::gateway(gateway, self.gateway_ca.as_deref()).await);
        }
        let report = Report::new(checks);
        match self.format {
            Format::Text => say(&report),
            Format::Json => say(serde_json::to_string_pretty(&report)?),
        }
        Ok(report.is_well(self.strict))
    }

    async fn at_broker(&self) -> Vec<Check> {
        let name = self.service.map_or_else(
            || CONNECTION.to_owned(),
            |service| connection_name(service.name),
        );
        match self.broker.connect(&name).await {
            Ok(bus) => {
                let look = broker::Look {
                    bus: &bus,
                    service: self.service,
                    storage: self.broker.storage(),
                    room: Room {
                        limit_bytes: self.max_storage,
                        folder: None,
                    },
                };
                let checks = look.at_everything().await;
                bus.close().await;
                checks
            }
            Err(error) => vec![Check::failed(
                "broker",
                format!("{error:#}; nothing else at the broker was looked at"),
                "Start nats-server, or give its address and user by --nats or COLLOQUY_NATS_URL, \
                 and the authority of its certificate by --nats-ca.",
            )],
        }
    }

    /// The models that are needed here.
    fn models(&self) -> Vec<String> {
        let named = [&self.model, &self.entity_model].into_iter();
        named.filter(|name| *name != "none").cloned().collect()
    }

    fn authorities(&self) -> Option<PathBuf> {
        self.broker.authorities().cloned()
    }
}

/// The exit code of a look.
pub(crate) fn exit_code(result: &anyhow::Result<bool>) -> ExitCode {
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(FINDINGS),
        Err(_) => ExitCode::from(NOT_DONE),
    }
}

fn service(name: &str) -> Result<&'static ServiceSpec, String> {
    services::find(name).ok_or_else(|| {
        let known: Vec<_> = services::ALL.iter().map(|service| service.name).collect();
        format!("services are {}", known.join(", "))
    })
}
