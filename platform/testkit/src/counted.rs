//! How often a service has handled something.

use std::sync::atomic::{AtomicU32, Ordering};

use colloquy_bus::worker::{Context, Failure, Policy, Service};
use colloquy_contract::Fact;

/// A service as it is, and how often its handler came to an end, well or not.
///
/// A test that something was done once proves little unless it was tried twice: this tells.
#[derive(Debug)]
pub struct Counted<S> {
    service: S,
    handled: AtomicU32,
}

impl<S> Counted<S> {
    /// The service, not run yet.
    pub const fn new(service: S) -> Self {
        Self {
            service,
            handled: AtomicU32::new(0),
        }
    }

    /// How often its handler came to an end.
    pub fn handled(&self) -> u32 {
        self.handled.load(Ordering::SeqCst)
    }
}

impl<S: Service> Service for Counted<S> {
    const NAME: &'static str = S::NAME;
    type Input = S::Input;

    fn policy(&self) -> Policy {
        self.service.policy()
    }

    async fn handle(&self, input: S::Input, context: &Context) -> Result<Vec<Fact>, Failure> {
        let handled = self.service.handle(input, context).await;
        self.handled.fetch_add(1, Ordering::SeqCst);
        handled
    }
}
