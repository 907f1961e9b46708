//! `colloquy demo`: the platform, the sample calls, and what comes back.

use std::{net::SocketAddr, path::PathBuf};

use clap::Args;
use colloquy_bus::Bus;
use colloquy_gateway::keys;
use colloquy_runtime::{collector::Collector, lifecycle::Lifecycle, telemetry};
use tokio::net::TcpListener;

use super::{
    Process,
    broker::Broker,
    options::{GatewayArgs, Identity, LogOptions, WorkerArgs},
    say,
    up::DEFAULT_ACCOUNT,
    with_telemetry,
};
use crate::{
    demo::{self, Call, Client},
    roles,
};

/// What is logged during a demo where `RUST_LOG` does not say.
const QUIET: &str = "warn";

/// Options of `colloquy demo`.
#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// Folder with the sample calls and their descriptions
    #[arg(
        long,
        env = "COLLOQUY_SAMPLES",
        default_value = "deploy/samples",
        value_name = "FOLDER"
    )]
    samples: PathBuf,

    /// Words to search for when all calls are in
    #[arg(long, default_value = "\"how can I help\"")]
    search: String,

    /// Stay up afterwards
    #[arg(long)]
    stay: bool,

    #[command(flatten)]
    identity: Identity,
    #[command(flatten)]
    gateway: GatewayArgs,
    #[command(flatten)]
    workers: WorkerArgs,
}

impl Demo {
    /// Runs the demo with a trace collector of its own, unless the environment names one.
    pub(crate) fn start(self, log: &LogOptions) -> anyhow::Result<()> {
        let mut options = log.telemetry("colloquy");
        options.default_filter = QUIET;
        let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        if !telemetry::collector_configured() {
            options.otlp_endpoint = Some(format!("http://{}", listener.local_addr()?));
        }
        let calls = demo::load(&self.samples)?;
        with_telemetry(options, |process| self.run(process, calls, listener))
    }

    async fn run(
        self,
        process: Process,
        calls: Vec<Call>,
        traces: std::net::TcpListener,
    ) -> anyhow::Result<()> {
        anyhow::ensure!(
            self.gateway.identity()?.is_none(),
            "the demo speaks with its gateway without TLS: leave out --tls-cert, or use 'colloquy up'"
        );
        let collector = Collector::default();
        let mut lifecycle = Lifecycle::new();
        lifecycle.spawn(
            "collector",
            collector
                .clone()
                .serve(TcpListener::from_std(traces)?, lifecycle.drain()),
        );
        let broker = Broker::start(
            None,
            &self.identity,
            self.gateway.room(),
            &self.workers.data,
        )
        .await?;
        let listening = roles::start_all(
            &broker.bus,
            broker.room.clone(),
            &self.gateway,
            &self.workers,
            process.metrics,
            &mut lifecycle,
        )
        .await?;
        let key = demo_key(&broker.bus).await?;
        let drain = lifecycle.drain();
        let running = tokio::spawn(lifecycle.run());
        let shown = self.show(listening.address, &key, &calls, &collector).await;
        if shown.is_ok() && self.stay {
            say(format!("\nColloquy stays up: {listening}  API key: {key}"));
            say("Press Ctrl-C to stop.");
        } else {
            drain.cancel();
        }
        let ended = running.await?;
        broker.stop().await;
        shown?;
        Ok(ended?)
    }

    async fn show(
        &self,
        address: SocketAddr,
        key: &str,
        calls: &[Call],
        collector: &Collector,
    ) -> anyhow::Result<()> {
        let client = Client::new(address, key)?;
        say(format!(
            "Posting {} calls to http://{address}/v1/conversations",
            calls.len()
        ));
        let done = demo::post_and_wait(&client, calls).await?;
        demo::print_table(&done);
        demo::print_search(&client, &self.search).await?;
        demo::save_audio(&client, &done, &self.workers.data.join("redacted")).await?;
        demo::print_trace(collector, &done).await;
        let failed = done.iter().filter(|call| !call.completed()).count();
        anyhow::ensure!(failed == 0, "{failed} calls did not complete");
        Ok(())
    }
}

/// A key for this demo; keys of earlier ones are not kept in the clear.
async fn demo_key(bus: &Bus) -> anyhow::Result<String> {
    Ok(keys::create(bus, &DEFAULT_ACCOUNT.parse()?, "demo")
        .await?
        .secret)
}
