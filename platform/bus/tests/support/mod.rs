//! A real broker for a test: its own folder, a free port, gone when the test ends.

#![allow(dead_code, unreachable_pub, reason = "each test file uses its part")]

use colloquy_bus::{
    Bus,
    embedded::{EmbeddedBroker, EmbeddedOptions},
    provision::{self, Storage},
};
use colloquy_contract::{ConversationId, Scope};

/// A running broker with every stream and bucket, and a connection to it.
pub struct TestBroker {
    pub bus: Bus,
    pub broker: EmbeddedBroker,
    pub folder: tempfile::TempDir,
}

pub fn options(folder: &std::path::Path) -> EmbeddedOptions {
    let program = colloquy_assets::nats_server().expect("nats-server is in the asset cache");
    EmbeddedOptions {
        program,
        data: folder.to_owned(),
    }
}

pub async fn start() -> TestBroker {
    let folder = tempfile::tempdir().expect("a folder");
    let broker = EmbeddedBroker::start(options(folder.path()))
        .await
        .expect("the broker starts");
    let bus = Bus::connect(broker.connect_options("test"))
        .await
        .expect("it can be reached");
    provision::apply(&bus, Storage::default())
        .await
        .expect("it can be provisioned");
    TestBroker {
        bus,
        broker,
        folder,
    }
}

pub fn conversation() -> Scope {
    Scope::Conversation {
        account: "acme".parse().expect("an account id"),
        conversation: ConversationId::generate(),
    }
}
