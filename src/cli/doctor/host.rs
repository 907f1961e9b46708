//! What is looked at from this host: models, certificates, receivers of telemetry, the gateway.

use std::{
    error::Error,
    path::{Path, PathBuf},
    time::Duration,
};

use colloquy_assets::{AssetError, Cache, FileState, Manifest};
use colloquy_bus::{BrokerCertificate, Shown, chain};
use colloquy_runtime::{
    certificates,
    telemetry::{self, Receiver},
};
use jiff::{Timestamp, fmt::rfc2822};
use reqwest::{Certificate, Client, StatusCode, header};

use super::{
    broker::clock,
    report::{Check, State},
};

/// How long something over HTTP may take.
const HTTP_PATIENCE: Duration = Duration::from_secs(5);

/// From how many days before its end on a certificate is worth a word.
const CERTIFICATE_DAYS: i64 = 14;

const DAY_SECONDS: i64 = 86_400;

/// The file that a folder with a speech model has, and the one of an entity model.
const MODEL_FILES: [&str; 2] = ["model.bin", "meta.json"];

/// Whether these models are here and what they should be.
pub(super) async fn models(names: &[String]) -> Vec<Check> {
    let names = names.to_vec();
    // Gigabytes may be read and hashed.
    let looking = tokio::task::spawn_blocking(move || {
        names.iter().map(|name| model(name)).collect::<Vec<_>>()
    });
    looking
        .await
        .unwrap_or_else(|error| vec![Check::failed("models", error.to_string(), "Try again.")])
}

fn model(name: &str) -> Check {
    let area = "models";
    let fetch = format!(
        "Run 'colloquy assets fetch {name}' here, or name another model; \
         a host without services that need one: --without-models."
    );
    let folder = PathBuf::from(name);
    if folder.is_dir() {
        return match MODEL_FILES.iter().any(|file| folder.join(file).is_file()) {
            true => Check::ok(area, format!("{name} is a folder with a model")),
            false => Check::failed(area, format!("{name} is a folder without a model"), fetch),
        };
    }
    match verify(name) {
        Ok(faults) if faults.is_empty() => {
            Check::ok(area, format!("{name} is here, as it was published"))
        }
        Ok(faults) => Check::failed(area, format!("{name}: {}", faults.join(", ")), fetch),
        Err(error) => Check::failed(area, format!("{name}: {}", chain(&error)), fetch),
    }
}

/// What is wrong with the files of an asset.
fn verify(name: &str) -> Result<Vec<String>, AssetError> {
    let (manifest, cache) = (Manifest::embedded()?, Cache::locate()?);
    let reports = colloquy_assets::verify(&manifest, &cache, &[name.to_owned()])?;
    let files = reports.iter().flat_map(|report| &report.files);
    let fault = |file: &colloquy_assets::FileReport| {
        let what = match file.state {
            FileState::Present => return None,
            FileState::Missing => "is missing",
            FileState::WrongSize { .. } => "has the wrong size",
            FileState::Corrupt { .. } => "is damaged",
        };
        Some(format!("{} {what}", file.expected.path))
    };
    Ok(files.filter_map(fault).collect())
}

/// Whether the certificates of a file hold for a while.
pub(super) fn certificates(path: &Path) -> Check {
    let area = "certificates";
    let advice = "Renew it, give all services the new file, and restart them.";
    match certificates::earliest_end(path) {
        Ok(end) => holds(&path.display().to_string(), end, advice),
        Err(error) => Check::failed(area, chain(&error), advice),
    }
}

/// Whether the certificates that the broker's servers show hold for a while, and whether who connects
/// would trust them.
pub(super) async fn broker_certificate(broker: anyhow::Result<BrokerCertificate>) -> Vec<Check> {
    let looking = async { anyhow::Ok(broker?.look().await?) };
    let Ok(shown) = looking.await else {
        // That the broker is not reached, or the file of authorities is none, was told already.
        return Vec::new();
    };
    let check = |one: &Shown| {
        let what = format!("the certificate of {}", one.server);
        let advice = "Renew it at the broker, and have its servers reload or restart.";
        let held = holds(&what, one.not_after.as_second(), advice);
        match &one.refused {
            Some(reason) if held.state != State::Failed => Check::failed(
                "certificates",
                format!("{what} is not trusted: {reason}"),
                "Give the authority that signed it by --nats-ca, and an address that it names.",
            ),
            _ => held,
        }
    };
    shown.iter().map(check).collect()
}

/// How long a certificate that ends then still holds.
fn holds(what: &str, end: i64, advice: &str) -> Check {
    let area = "certificates";
    let days = (end - Timestamp::now().as_second()).div_euclid(DAY_SECONDS);
    let found = format!("{what} holds for {days} days");
    match days {
        ..0 => Check::failed(area, format!("{what} has ended"), advice),
        0..CERTIFICATE_DAYS => Check::warning(area, found, advice),
        _ => Check::ok(area, found),
    }
}

/// Whether whoever is to take traces and metrics does.
pub(super) async fn telemetry() -> Vec<Check> {
    let area = "telemetry";
    let receivers = match telemetry::receivers() {
        Ok(receivers) => receivers,
        Err(error) => {
            let advice = "Correct the variable; services do not start with it.";
            return vec![Check::failed(area, chain(&error), advice)];
        }
    };
    if receivers.is_empty() {
        return vec![Check::ok(
            area,
            "no receiver is configured here; set OTEL_EXPORTER_OTLP_ENDPOINT for traces",
        )];
    }
    let mut checks = Vec::new();
    for receiver in &receivers {
        checks.push(takes(receiver).await);
    }
    checks
}

/// Hands over an export of nothing, which every receiver takes.
async fn takes(receiver: &Receiver) -> Check {
    let area = "telemetry";
    let Receiver { signal, url, .. } = receiver;
    let sending = async {
        let mut request = client()?
            .post(url)
            .header(header::CONTENT_TYPE, "application/x-protobuf");
        for (name, value) in &receiver.headers {
            request = request.header(name, value);
        }
        request.body(Vec::new()).send().await
    };
    match sending.await {
        Ok(answer) if answer.status().is_success() => {
            Check::ok(area, format!("{url} takes {signal}"))
        }
        Ok(answer) => refused(receiver, answer.status()),
        Err(error) => Check::failed(
            area,
            format!("{url} takes no {signal}: {}", reason(&error)),
            "Start the collector, or correct OTEL_EXPORTER_OTLP_ENDPOINT: OTLP over HTTP, usually \
             port 4318. Services work without it; their traces are dropped.",
        ),
    }
}

fn refused(receiver: &Receiver, status: StatusCode) -> Check {
    let Receiver { signal, url, .. } = receiver;
    let found = format!("{url} takes no {signal}: it answers {status}");
    if *signal == "metrics" && status == StatusCode::NOT_FOUND {
        let advice = "A Jaeger takes traces only: set OTEL_METRICS_EXPORTER=prometheus.";
        return Check::warning("telemetry", found, advice);
    }
    let advice = "Correct OTEL_EXPORTER_OTLP_ENDPOINT and OTEL_EXPORTER_OTLP_HEADERS.";
    Check::failed("telemetry", found, advice)
}

/// Whether the gateway is ready, and what its clock says.
pub(super) async fn gateway(url: &str, authorities: Option<&Path>) -> Vec<Check> {
    let area = "gateway";
    let ready = format!("{}/readyz", url.trim_end_matches('/'));
    let asked = Timestamp::now();
    let trusting = match authorities {
        Some(path) => match trusted(path).await {
            Ok(authorities) => authorities,
            Err(error) => {
                let found = format!("{} cannot be used: {error}", path.display());
                return vec![Check::failed(area, found, "Correct --gateway-ca.")];
            }
        },
        None => Vec::new(),
    };
    let asking = async {
        let client = Client::builder().timeout(HTTP_PATIENCE);
        let client = client.tls_certs_merge(trusting).build()?;
        client.get(&ready).send().await
    };
    let answer = match asking.await {
        Ok(answer) => answer,
        Err(error) => {
            return vec![Check::failed(
                area,
                format!("{url} does not answer: {}", reason(&error)),
                "Start it ('colloquy gateway'), or correct --gateway, and --gateway-ca where it \
                 speaks TLS.",
            )];
        }
    };
    let status = answer.status();
    let mut checks = vec![if status.is_success() {
        Check::ok(area, format!("{url} is ready"))
    } else {
        Check::failed(
            area,
            format!("{url} is not ready: it answers {status}"),
            "Its log says why; usually the broker does not answer it.",
        )
    }];
    let date = answer.headers().get(header::DATE);
    let theirs = date
        .and_then(|date| date.to_str().ok())
        .and_then(|date| rfc2822::parse(date).ok());
    // It says whole seconds: half of one is what they are off on average.
    checks.extend(theirs.map(|theirs| {
        let theirs = theirs.timestamp() + jiff::SignedDuration::from_millis(500);
        clock("clocks", "the gateway's", theirs, asked)
    }));
    checks
}

/// The authorities of a file.
async fn trusted(path: &Path) -> anyhow::Result<Vec<Certificate>> {
    let content = tokio::fs::read(path).await?;
    let authorities = Certificate::from_pem_bundle(&content)?;
    anyhow::ensure!(!authorities.is_empty(), "there is no certificate in it");
    Ok(authorities)
}

fn client() -> reqwest::Result<Client> {
    Client::builder().timeout(HTTP_PATIENCE).build()
}

/// Why a request failed: the innermost reason, which names no address.
fn reason(error: &reqwest::Error) -> String {
    let mut innermost: &dyn Error = error;
    // Bounded: an error chain deeper than this says nothing more.
    for _ in 0..16 {
        match innermost.source() {
            Some(source) => innermost = source,
            None => break,
        }
    }
    innermost.to_string()
}
