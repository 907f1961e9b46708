//! A real broker for a test: its own folder, a free port, gone when the test ends.

#![allow(dead_code, unreachable_pub, reason = "each test file uses its part")]

use std::time::Duration;

pub use colloquy_testkit::{Kit as TestBroker, conversation};

pub async fn start() -> TestBroker {
    TestBroker::start().await
}

/// Has the broker deliver the first message of a consumer once and give up on it.
pub async fn exhaust_deliveries(test: &TestBroker, stream: &str, consumer: &str) {
    use async_nats::jetstream::consumer::{PullConsumer, pull};
    use futures::StreamExt;
    let client = async_nats::connect(test.url("test"))
        .await
        .expect("it can be reached");
    let jetstream = async_nats::jetstream::new(client);
    let found: PullConsumer = jetstream
        .get_consumer_from_stream(consumer, stream)
        .await
        .expect("the consumer is there");
    let config = pull::Config {
        durable_name: Some(consumer.to_owned()),
        ack_wait: Duration::from_millis(100),
        max_deliver: 1,
        filter_subjects: found.cached_info().config.filter_subjects.clone(),
        max_ack_pending: found.cached_info().config.max_ack_pending,
        ..pull::Config::default()
    };
    let found = jetstream
        .create_consumer_on_stream(config, stream)
        .await
        .expect("it can be changed");
    for _ in 0..100 {
        let mut pulled = found
            .fetch()
            .max_messages(1)
            .expires(Duration::from_millis(200))
            .messages()
            .await
            .expect("it can be pulled from");
        // Received, and never settled.
        let _ = pulled.next().await;
        let advisories = jetstream
            .get_stream("ADVISORIES")
            .await
            .expect("the stream is there");
        if advisories.cached_info().state.messages > 0 {
            return;
        }
    }
    unreachable!("the broker gives up after one delivery");
}

/// Gives a stream a limit, as an operator does.
pub async fn limit(test: &TestBroker, stream: &str, max_bytes: i64) {
    let client = async_nats::connect(test.url("test"))
        .await
        .expect("it can be reached");
    let jetstream = async_nats::jetstream::new(client);
    let present = jetstream
        .get_stream(stream)
        .await
        .expect("the stream is there");
    let mut config = present.cached_info().config.clone();
    config.max_bytes = max_bytes;
    jetstream
        .update_stream(config)
        .await
        .expect("it can be changed");
}
