//! Services that run in the test's process.

use std::{sync::Arc, time::Duration};

use colloquy_bus::{
    CancellationToken, chain, provision,
    worker::{self, Service},
};
use colloquy_contract::facts::FactInput;
use tokio::task::JoinHandle;

use crate::{Kit, PATIENCE};

/// Time that handlers are given when a service drains.
const GRACE: Duration = Duration::from_secs(5);

impl Kit {
    /// Runs a service in this process, on a connection of its own, as often as it is called.
    pub async fn run<S: Service>(&self, service: Arc<S>) -> Running {
        provision::service(&self.bus, S::NAME, S::Input::TYPES)
            .await
            .unwrap_or_else(|error| panic!("no consumer for {}: {}", S::NAME, chain(&error)));
        self.expect_settled(S::NAME);
        let (bus, drain) = (self.connect(S::NAME).await, CancellationToken::new());
        let task = tokio::spawn(worker::run(bus, service, drain.clone(), GRACE));
        Running {
            service: S::NAME,
            drain,
            task,
        }
    }
}

/// A service that runs in this process. Dropping it kills it.
#[derive(Debug)]
pub struct Running {
    service: &'static str,
    drain: CancellationToken,
    task: JoinHandle<colloquy_bus::Result<()>>,
}

impl Running {
    /// Has it finish what it does, hand back the rest, and end.
    pub async fn drain(mut self) {
        self.drain.cancel();
        let Ok(ended) = tokio::time::timeout(PATIENCE, &mut self.task).await else {
            panic!("{} does not drain within {PATIENCE:?}", self.service)
        };
        match ended {
            Ok(Ok(())) => {}
            Ok(Err(error)) => panic!("{} ended: {}", self.service, chain(&error)),
            Err(error) => panic!("{} panicked: {error}", self.service),
        }
    }

    /// Ends it where it stands. A harder death, without even a farewell to the broker, is that of a
    /// [`Process`].
    pub async fn kill(mut self) {
        self.task.abort();
        // Done when it is gone; that it was aborted is no news.
        let _ = (&mut self.task).await;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}
