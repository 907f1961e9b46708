//! The command line: what is asked for, and how an error is told.

mod all;
mod artifacts;
mod assets;
mod audit;
mod backup;
mod broker;
mod contract;
mod deadletters;
mod demo;
mod doctor;
mod entities;
mod gateway;
mod keys;
pub(crate) mod options;
mod rebuild;
mod recordings;
mod redact;
mod reprocess;
mod streams;
mod transcribe;
mod up;
mod worker;

use std::{future::Future, io::Write, process::ExitCode};

use clap::{Parser, Subcommand};
use colloquy_runtime::telemetry::{Telemetry, TelemetryOptions};

use options::LogOptions;

/// An event-driven platform for recorded conversations.
///
/// Post a call to the gateway; it is decoded, transcribed, tagged, anonymized, qualified and
/// indexed by services that know only messages. Then search and listen.
#[derive(Debug, Parser)]
#[command(name = "colloquy", version, max_term_width = 100)]
struct Cli {
    #[command(flatten)]
    log: LogOptions,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the whole platform on this machine, broker included
    Up(up::Up),
    /// Run the gateway and every worker against a broker
    All(all::All),
    /// Run the HTTP gateway against a broker
    Gateway(gateway::GatewayCommand),
    /// Run one or more workers against a broker
    Worker(worker::WorkerCommand),
    /// Run the platform, post the sample calls and show what comes back
    Demo(demo::Demo),
    /// Transcribe recordings on this machine, without a broker
    Transcribe(transcribe::Transcribe),
    /// Free recordings and texts of personal data on this machine, without a broker
    Redact(redact::Redact),
    /// Find names, numbers and places in text on this machine, without a broker
    Entities(entities::EntitiesCommand),
    /// Make, list and revoke API keys
    Keys(keys::Keys),
    /// Make the broker's streams, buckets and consumers agree with the contract, or check them
    Streams(streams::Streams),
    /// List, show, give back and drop what services gave up on
    Deadletters(deadletters::DeadLetters),
    /// Prove that nothing was lost or doubled; safe on a live system
    Audit(audit::Audit),
    /// Look at a running installation and say what is wrong and what to do
    Doctor(doctor::Doctor),
    /// Remove artifacts that nothing refers to
    Artifacts(artifacts::Artifacts),
    /// Save all that the broker holds to files, while the platform works
    Backup(backup::Backup),
    /// Make the streams and buckets of a backup on a new broker
    Restore(backup::Restore),
    /// Have a conversation processed again from one service on
    Reprocess(reprocess::Reprocess),
    /// Build read models anew from the log while they go on serving
    Rebuild(rebuild::Rebuild),
    /// Print the contract, compare versions of it, make the broker's permissions from it
    Contract(contract::Contract),
    /// Fetch, list and verify the programs and models that the platform needs
    Assets(assets::Assets),
}

/// Runs the command line of this process.
pub(crate) fn main() -> ExitCode {
    let cli = Cli::parse();
    let result = match cli.command {
        Command::Assets(command) => command.run(),
        Command::Contract(command) => command.run(),
        Command::Transcribe(command) => return command.run(),
        Command::Redact(command) => return command.run(),
        Command::Entities(command) => command.run(),
        Command::Up(command) => with_runtime(&cli.log, "colloquy", |process| command.run(process)),
        Command::All(command) => with_runtime(&cli.log, "colloquy", |process| command.run(process)),
        Command::Gateway(command) => {
            with_runtime(&cli.log, "colloquy-gateway", |process| command.run(process))
        }
        Command::Worker(command) => {
            let service = command.service_name();
            with_runtime(&cli.log, &service, |process| command.run(process))
        }
        Command::Demo(command) => command.start(&cli.log),
        Command::Keys(command) => with_runtime(&cli.log, "colloquy", |_| command.run()),
        Command::Rebuild(command) => with_runtime(&cli.log, "colloquy", |_| command.run()),
        Command::Streams(command) => with_runtime(&cli.log, "colloquy", |_| command.run()),
        Command::Deadletters(command) => with_runtime(&cli.log, "colloquy", |_| command.run()),
        Command::Artifacts(command) => with_runtime(&cli.log, "colloquy", |_| command.run()),
        Command::Audit(command) => {
            let audited = with_runtime(&cli.log, "colloquy", |_| command.run());
            let _ = audited.as_ref().inspect_err(|error| report(error));
            return audit::exit_code(&audited);
        }
        Command::Doctor(command) => {
            let looked = with_runtime(&cli.log, "colloquy", |_| command.run());
            let _ = looked.as_ref().inspect_err(|error| report(error));
            return doctor::exit_code(&looked);
        }
        Command::Backup(command) => with_runtime(&cli.log, "colloquy", |_| command.run()),
        Command::Restore(command) => with_runtime(&cli.log, "colloquy", |_| command.run()),
        Command::Reprocess(command) => with_runtime(&cli.log, "colloquy", |_| command.run()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report(&error);
            ExitCode::FAILURE
        }
    }
}

/// What a process has from its start: its telemetry.
pub(crate) struct Process {
    /// Renders the process's metrics for Prometheus.
    pub(crate) metrics: colloquy_runtime::health::MetricsRenderer,
}

/// Starts telemetry, runs the command in an async runtime, and hands over the last spans.
fn with_runtime<F, T>(
    log: &LogOptions,
    service: &str,
    command: impl FnOnce(Process) -> F,
) -> anyhow::Result<T>
where
    F: Future<Output = anyhow::Result<T>>,
{
    with_telemetry(log.telemetry(service), command)
}

fn with_telemetry<F, T>(
    options: TelemetryOptions,
    command: impl FnOnce(Process) -> F,
) -> anyhow::Result<T>
where
    F: Future<Output = anyhow::Result<T>>,
{
    // The first provider that is installed stays; there is no other.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let telemetry = Telemetry::start(&options)?;
    let process = Process {
        metrics: std::sync::Arc::new(telemetry.metrics_renderer()),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    colloquy_runtime::process::observe_runtime(runtime.handle());
    let result = runtime.block_on(command(process));
    runtime.shutdown_timeout(std::time::Duration::from_secs(5));
    telemetry.shutdown();
    result
}

#[allow(
    clippy::print_stderr,
    reason = "this is where the command line tells its errors"
)]
fn report(error: &anyhow::Error) {
    eprintln!("error: {error:#}");
}

/// Writes a line of a command's result to standard output. That nobody reads it is no error.
pub(crate) fn say(line: impl std::fmt::Display) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_guides_commands_are_understood() {
        Cli::command().debug_assert();
        for line in [
            "colloquy up --data /var/lib/colloquy",
            "colloquy streams apply --nats nats://nats:4222 --replicas 3",
            "colloquy gateway --nats nats://nats:4222 --listen 0.0.0.0:8080",
            "colloquy gateway --listen 0.0.0.0:8443 --tls-cert tls.crt --tls-key tls.key",
            "colloquy streams apply --nats nats://nats:4222 --replicas 3 --wait 600",
            "colloquy worker decode --nats nats://nats:4222 --health 0.0.0.0:8081",
            "colloquy worker index --nats nats://nats:4222 --index-partitions 0-31",
            "colloquy keys create --nats nats://nats:4222 --account acme",
            "colloquy keys list --nats nats://nats:4222",
            "colloquy rebuild status",
            "colloquy rebuild index --nats nats://nats:4222",
            "colloquy rebuild index --from-sequence 1200 --no-wait",
            "colloquy rebuild progress --since 2026-11-01T00:00:00Z",
            "colloquy rebuild warehouse --timeout 600",
            "colloquy contract schema",
            "colloquy transcribe call.mp3",
            "colloquy transcribe --model whisper-tiny.en --format srt,vtt --output texts a.wav b.wav",
            "colloquy transcribe --roles agent,customer --vocabulary @names.txt --format all -o . -",
            "colloquy assets list",
            "colloquy redact --policy policy.toml --account acme --format flac -o clean a.wav b.txt",
            "colloquy redact --policy policy.toml --check",
            "colloquy redact --verify all --transcript vtt --roles agent,customer -",
            "colloquy worker anonymize --redaction-policy policy.toml --redaction-key-file key",
            "colloquy streams check --nats nats://nats:4222 --replicas 3",
            "colloquy deadletters list --service transcribe --older 2h",
            "colloquy deadletters show 7",
            "colloquy deadletters redrive --service transcribe --error stalled --dry-run",
            "colloquy deadletters redrive --service transcribe --yes --rate 10",
            "colloquy deadletters redrive 7 8",
            "colloquy deadletters discard 7 8",
            "colloquy up --max-storage 20GiB --storage-high-watermark 0.85",
            "colloquy worker decode --nats nats://nats:4222 --group-commit",
            "colloquy worker crm --crm-url https://crm.example.com/hook --crm-secret whsec_x",
            "colloquy worker webhooks --webhook-url https://example.com/hook --webhook-secret x",
            "colloquy contract check base.json --allow-new-version",
            "colloquy contract permissions --passwords passwords.env",
            "colloquy audit --json --grace 2h --in-flight 2d --deep",
            "colloquy audit --nats nats://nats:4222 --without-index",
            "colloquy doctor --nats nats://nats:4222 --replicas 3 --gateway http://gateway:8080",
            "colloquy doctor --gateway https://gateway:8443 --gateway-ca ca.crt",
            "colloquy doctor --service transcribe --format json --strict",
            "colloquy artifacts sweep --grace 2h",
            "colloquy artifacts sweep --yes",
            "colloquy reprocess 0198c0de-7f7f-7b3a-9d55-3f8a6c1e2b4d --from transcribe",
        ] {
            let parsed = Cli::try_parse_from(line.split_whitespace());
            assert!(parsed.is_ok(), "{line}: {parsed:?}");
        }
    }
}
