//! The warehouse: reads both streams, answers operators, rebuilds, and stops in order.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex},
    time::Duration,
};

use colloquy_bus::{Bus, CancellationToken};
use tokio::sync::mpsc;

use crate::{
    Result, SERVICE, WarehouseError, WarehouseOptions,
    compact::SmallFiles,
    control::{Command, Control},
    error::chain,
    feed::BatchLimits,
    generation::{Shared, lock},
    ingest::{Feeding, Housekeeping, blocking},
    rebuild::Rebuild,
    row::Stream,
    store::{Store, remove},
};

/// The warehouse, the one owner of its folder.
pub struct Warehouse {
    bus: Bus,
    options: WarehouseOptions,
    store: Arc<Store>,
    serving: Shared,
    housekeeping: Housekeeping,
}

impl Warehouse {
    /// Opens the warehouse in its folder, or makes it. Reads nothing from the broker yet.
    ///
    /// # Errors
    /// If the options contradict themselves, another process uses the folder, or what is in it is
    /// damaged; the message says which, and what to do.
    pub async fn open(bus: Bus, options: WarehouseOptions) -> Result<Self> {
        options.validate()?;
        let root = options.path.clone();
        let (store, serving) = blocking(move || Store::open(&root)).await?;
        let store = Arc::new(store);
        let housekeeping = Housekeeping {
            store: store.clone(),
            small_files: SmallFiles {
                allowed: options.max_small_files,
                bytes: options.small_file_bytes,
            },
            compacted: Arc::default(),
        };
        Ok(Self {
            bus,
            options,
            store,
            serving: Arc::new(Mutex::new(serving)),
            housekeeping,
        })
    }

    /// Writes rows and answers until `drain` fires; then it commits what it has read, within
    /// `grace`. What is cut off by then, and a rebuild that is under way, is left undone: it is
    /// read again after the next start.
    ///
    /// # Errors
    /// If the warehouse is ahead of the log, or its files cannot be written. The broker being away
    /// is no error: the warehouse waits for it. That the broker denies it something is one.
    pub async fn run(self, drain: CancellationToken, grace: Duration) -> Result<()> {
        let bus = self.bus.clone();
        bus.unless_denied(SERVICE, self.work(drain, grace)).await
    }

    async fn work(self, drain: CancellationToken, grace: Duration) -> Result<()> {
        let node = self.options.node.clone();
        if !self.check_log(&drain).await? {
            return Ok(());
        }
        tracing::info!(node, folder = %self.store.root().display(), "warehouse ready");
        let (control, commands) = Control::new(node.clone(), self.serving.clone());
        let bus = self.bus.clone();
        // Fires for both halves when either ends.
        let stop = drain.child_token();
        let working = async {
            let writing = async {
                let _ends_both = stop.clone().drop_guard();
                self.write(&control, commands, &stop).await
            };
            let (written, ()) = tokio::join!(writing, control.clone().serve(&bus, &stop));
            written
        };
        let over = async {
            drain.cancelled().await;
            tokio::time::sleep(grace).await;
        };
        let result = tokio::select! {
            result = working => result,
            () = over => {
                tracing::warn!(node, "the grace time is over; the rest is done at the next start");
                Ok(())
            }
        };
        tracing::info!(node, "warehouse drained");
        result
    }

    /// A warehouse that is ahead of the log was made from another one; reading on would leave
    /// gaps. Returns whether to go on.
    async fn check_log(&self, drain: &CancellationToken) -> Result<bool> {
        for stream in Stream::ALL {
            let family = stream.family();
            let Some(last) = self.bus.await_last_sequence(family, drain).await else {
                return Ok(false);
            };
            let held = lock(&self.serving).places.of(stream);
            if held > last {
                return Err(WarehouseError::AheadOfLog {
                    path: self.options.path.clone(),
                    stream: stream.name(),
                    held,
                    last,
                });
            }
        }
        Ok(true)
    }

    /// Writes the generation that serves, and at most one beside it.
    async fn write(
        mut self,
        control: &Control,
        mut commands: mpsc::Receiver<Command>,
        stop: &CancellationToken,
    ) -> Result<()> {
        let mut feeding = self.feed();
        let mut rebuild: Option<Rebuild> = None;
        loop {
            let caught_up = tokio::select! {
                biased;
                () = stop.cancelled() => break,
                error = feeding.failed() => return Err(error),
                Some(command) = commands.recv() => {
                    self.command(command, &mut rebuild, control).await;
                    continue;
                }
                caught_up = caught_up(&mut rebuild) => caught_up,
            };
            let Some(mut next) = rebuild.take() else {
                continue;
            };
            // The old one holds all that it has read; the new one takes its place when it holds
            // as much.
            feeding.stop().await?;
            let taken = match caught_up {
                Ok(()) => self.take_place(&mut next, stop).await,
                Err(error) => Err(error),
            };
            match taken {
                Ok(()) => self.replace(next, control).await?,
                Err(error) => {
                    discard(next).await;
                    if matches!(error, WarehouseError::Stopped) {
                        return Ok(());
                    }
                    let reason = chain(&error);
                    tracing::error!(error = reason, "the rebuild failed; the old files serve on");
                    control.failed(reason);
                }
            }
            feeding = self.feed();
        }
        if let Some(unfinished) = rebuild {
            discard(unfinished).await;
        }
        feeding.stop().await
    }

    fn feed(&self) -> Feeding {
        let limits = BatchLimits {
            facts: self.options.max_batch,
            interval: self.options.commit_interval,
        };
        Feeding::start(&self.bus, &self.serving, limits, Some(&self.housekeeping))
    }

    async fn command(
        &self,
        (from, begun): Command,
        rebuild: &mut Option<Rebuild>,
        control: &Control,
    ) {
        let answer = if rebuild.is_some() {
            Err("a rebuild is under way; ask again when it is done".to_owned())
        } else {
            let (bus, batch) = (&self.bus, self.options.max_batch);
            match Rebuild::begin(bus, &self.store, &self.serving, from, batch).await {
                Ok(new) => {
                    tracing::info!(?from, "rebuilding the warehouse");
                    control.begun(new.feeding.progress());
                    *rebuild = Some(new);
                    Ok(())
                }
                Err(error) => Err(chain(&error)),
            }
        };
        // Whoever asked may have gone.
        let _ = begun.send(answer);
    }

    /// Lets the new generation read as far as the old one did.
    async fn take_place(&self, next: &mut Rebuild, stop: &CancellationToken) -> Result<()> {
        let places = lock(&self.serving).places;
        tokio::select! {
            () = stop.cancelled() => Err(WarehouseError::Stopped),
            reached = next.feeding.reached(places) => reached,
        }
    }

    /// Makes the new generation the one that serves, and removes the old one.
    async fn replace(&mut self, next: Rebuild, control: &Control) -> Result<()> {
        let Rebuild {
            generation,
            feeding,
        } = next;
        feeding.stop().await?;
        let (store, new, old) = (self.store.clone(), generation.clone(), self.serving.clone());
        let compacted = self.housekeeping.compacted.clone();
        blocking(move || {
            store.switch(&lock(&new))?;
            let older: Option<PathBuf> = compacted
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner)
                .take();
            older.as_deref().map_or(Ok(()), remove)?;
            remove(&lock(&old).path)
        })
        .await?;
        self.serving = generation.clone();
        control.done(generation);
        tracing::info!("the rebuilt warehouse serves");
        Ok(())
    }
}

/// Waits until the rebuild under way has caught up; for ever if there is none.
async fn caught_up(rebuild: &mut Option<Rebuild>) -> Result<()> {
    match rebuild {
        Some(rebuild) => rebuild.feeding.caught_up().await,
        None => std::future::pending().await,
    }
}

async fn discard(rebuild: Rebuild) {
    if let Err(error) = rebuild.discard().await {
        tracing::warn!(
            error = chain(&error),
            "an unfinished rebuild cannot be removed; the next start does it"
        );
    }
}
