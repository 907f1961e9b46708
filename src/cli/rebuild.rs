//! `colloquy rebuild`: read models anew from the log, while they go on serving.

use std::time::Duration;

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use colloquy_bus::{Bus, BusError};
use colloquy_contract::{
    control::{
        INDEX_REBUILD, INDEX_STATE, ModelState, RebuildFrom, RebuildRequest, StateRequest,
        WAREHOUSE_REBUILD, WAREHOUSE_STATE,
    },
    subject::PARTITIONS,
};
use jiff::Timestamp;
use tokio::time::{Instant, sleep};

use super::{options::BrokerOptions, say};

/// How long answers are gathered: every instance that runs answers well within it.
const GATHER: Duration = Duration::from_secs(2);

/// Pause between two questions how far it is.
const POLL: Duration = Duration::from_secs(1);

/// Options of `colloquy rebuild`.
#[derive(Debug, Args)]
pub(crate) struct Rebuild {
    #[command(subcommand)]
    model: Model,
    #[command(flatten)]
    broker: BrokerOptions,
}

#[derive(Debug, Subcommand)]
enum Model {
    /// The search index, on every index node; the old one serves until the new one has caught up
    Index(Request),
    /// Where each conversation stands; done by this command itself
    Progress(From),
    /// The Parquet files of the warehouse
    Warehouse(Request),
    /// Show how each read model stands
    Status,
}

/// What is asked of the instances that keep a model.
#[derive(Debug, Args)]
struct Request {
    #[command(flatten)]
    from: From,

    /// Return when the rebuild has begun instead of waiting for its end
    #[arg(long)]
    no_wait: bool,

    /// Longest wait in seconds; the rebuild itself goes on after it
    #[arg(long, default_value_t = 24 * 3600, conflicts_with = "no_wait")]
    timeout: u64,
}

/// Where a rebuild begins; at the log's beginning where nothing is said.
#[derive(Debug, Args)]
#[group(multiple = false)]
struct From {
    /// Only facts from this sequence of the log on; what came before stays as it is
    #[arg(long, value_name = "N")]
    from_sequence: Option<u64>,

    /// Only facts stored since this time, RFC 3339; what came before stays as it is
    #[arg(long, value_name = "TIME")]
    since: Option<Timestamp>,
}

impl From {
    fn resolve(&self) -> RebuildFrom {
        match (self.from_sequence, self.since) {
            (Some(sequence), _) => RebuildFrom::Sequence(sequence),
            (None, Some(time)) => RebuildFrom::Time(time),
            (None, None) => RebuildFrom::Start,
        }
    }
}

/// A read model that its services keep and rebuild themselves.
#[derive(Clone, Copy)]
struct Kept {
    name: &'static str,
    rebuild: &'static str,
    state: &'static str,
}

const INDEX: Kept = Kept {
    name: "index",
    rebuild: INDEX_REBUILD,
    state: INDEX_STATE,
};

const WAREHOUSE: Kept = Kept {
    name: "warehouse",
    rebuild: WAREHOUSE_REBUILD,
    state: WAREHOUSE_STATE,
};

impl Rebuild {
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        let bus = self.broker.connect("colloquy-rebuild").await?;
        let result = match &self.model {
            Model::Index(request) => INDEX.rebuild(&bus, request).await,
            Model::Warehouse(request) => WAREHOUSE.rebuild(&bus, request).await,
            Model::Progress(from) => progress(&bus, from.resolve()).await,
            Model::Status => status(&bus).await,
        };
        bus.close().await;
        result
    }
}

async fn status(bus: &Bus) -> anyhow::Result<()> {
    for model in [INDEX, WAREHOUSE] {
        let states = model.states(bus, usize::MAX).await?;
        if states.is_empty() {
            say(format!("{}: no instance is running", model.name));
        }
        for state in states {
            say(line(&state));
        }
    }
    say("progress: its entries are compared with the log by 'colloquy rebuild progress'");
    Ok(())
}

async fn progress(bus: &Bus, from: RebuildFrom) -> anyhow::Result<()> {
    let report = colloquy_progress::rebuild(bus, from, |report| {
        say(format!(
            "progress: {} of {PARTITIONS} partitions, {} facts, {} conversations",
            report.partitions, report.facts, report.compared
        ));
    })
    .await
    .context("the rebuild stopped; what was done stands, and asking again goes on")?;
    say(format!(
        "progress agrees with the log: {} entries made, {} replaced, {} deleted",
        report.made, report.replaced, report.deleted
    ));
    if report.unreadable > 0 {
        say(format!(
            "{} messages of the log are no facts that this version reads; they were left out",
            report.unreadable
        ));
    }
    Ok(())
}

impl Kept {
    async fn rebuild(self, bus: &Bus, request: &Request) -> anyhow::Result<()> {
        let from = request.from.resolve();
        let began = self
            .ask(bus, self.rebuild, &RebuildRequest { from }, usize::MAX)
            .await?;
        if began.is_empty() {
            bail!(
                "no {0} is running; start one with 'colloquy worker {0}'",
                self.name
            );
        }
        began.iter().map(line).for_each(say);
        fail_on_error(&began)?;
        if request.no_wait {
            return Ok(());
        }
        self.wait(bus, &began, Duration::from_secs(request.timeout))
            .await
    }

    /// Shows how far each instance is until all are done.
    async fn wait(self, bus: &Bus, began: &[ModelState], limit: Duration) -> anyhow::Result<()> {
        let deadline = Instant::now() + limit;
        let mut shown = Vec::new();
        loop {
            let states = self.states(bus, began.len()).await?;
            if states != shown {
                states.iter().map(line).for_each(say);
                shown.clone_from(&states);
            }
            fail_on_error(&states)?;
            let running = states.iter().any(|state| state.rebuild.is_some());
            if states.len() >= began.len() && !running {
                if done(&states) < done(began) + began.len() as u64 {
                    bail!(
                        "an instance was started anew during its rebuild, which is lost; the old \
                         {} serves. Ask again",
                        self.name
                    );
                }
                say(format!("{}: rebuilt", self.name));
                return Ok(());
            }
            if Instant::now() >= deadline {
                bail!(
                    "not done after {} s; it goes on, see 'colloquy rebuild status'",
                    limit.as_secs()
                );
            }
            sleep(POLL).await;
        }
    }

    async fn states(self, bus: &Bus, expected: usize) -> anyhow::Result<Vec<ModelState>> {
        self.ask(bus, self.state, &StateRequest {}, expected).await
    }

    /// The answers of all instances, at most `expected`; none if none is running.
    async fn ask<Q: serde::Serialize + Sync>(
        self,
        bus: &Bus,
        subject: &'static str,
        question: &Q,
        expected: usize,
    ) -> anyhow::Result<Vec<ModelState>> {
        let mut states = Vec::new();
        let gather = |state: ModelState| {
            states.push(state);
            states.len() >= expected
        };
        match bus.ask_all(subject, question, GATHER, gather).await {
            Ok(()) | Err(BusError::NoAnswer { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        states.sort_by(|one, two| one.node.cmp(&two.node));
        Ok(states)
    }
}

fn done(states: &[ModelState]) -> u64 {
    states.iter().map(|state| state.rebuilds).sum()
}

fn fail_on_error(states: &[ModelState]) -> anyhow::Result<()> {
    match states
        .iter()
        .find_map(|state| Some((&state.node, state.error.as_ref()?)))
    {
        Some((node, error)) => bail!("{node}: {error}"),
        None => Ok(()),
    }
}

fn line(state: &ModelState) -> String {
    let rebuild = state.rebuild.as_ref().map_or_else(String::new, |rebuild| {
        format!(
            "; rebuilding: {} read, {} to go",
            rebuild.read, rebuild.pending
        )
    });
    let error = state
        .error
        .as_ref()
        .map_or_else(String::new, |error| format!("; {error}"));
    format!(
        "{}: {} entries, log read up to {}{rebuild}{error}",
        state.node, state.entries, state.through
    )
}
