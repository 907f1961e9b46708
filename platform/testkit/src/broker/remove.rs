//! Removing what the contract wants, as a careless person would.

use async_nats::{
    ConnectOptions,
    jetstream::{self, Context},
};
use colloquy_bus::Credentials;

use super::{Broker, KIT};

impl Broker {
    /// Removes a stream with all that it holds.
    pub async fn remove_stream(&self, name: &str) {
        let removed = self.jetstream().await.delete_stream(name).await;
        removed.unwrap_or_else(|error| panic!("{name} cannot be removed: {error}"));
    }

    /// Removes a durable consumer.
    pub async fn remove_consumer(&self, stream: &str, name: &str) {
        let jetstream = self.jetstream().await;
        let stream = jetstream.get_stream(stream).await;
        let stream = stream.unwrap_or_else(|error| panic!("no stream: {error}"));
        let removed = stream.delete_consumer(name).await;
        removed.unwrap_or_else(|error| panic!("{name} cannot be removed: {error}"));
    }

    async fn jetstream(&self) -> Context {
        let options = match self.credentials(KIT) {
            Credentials::Password { user, password } => {
                ConnectOptions::with_user_and_password(user, password)
            }
            _ => ConnectOptions::new(),
        };
        let client = options.connect(self.url(KIT)).await;
        jetstream::new(client.unwrap_or_else(|error| panic!("no broker: {error}")))
    }
}
