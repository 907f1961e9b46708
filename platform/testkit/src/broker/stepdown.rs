//! Leaders that step down, as they do when a machine is slow or a cluster is upgraded.

use std::time::Duration;

use super::{Broker, KIT};

/// How long a leader may take to answer that it steps down.
const PATIENCE: Duration = Duration::from_secs(5);

impl Broker {
    /// Has the leader of a stream, and that of one of its durable consumers, step down. `draw`
    /// chooses which; the same number the same, as long as the streams are the same. Returns what
    /// stepped down and what the servers said, for the protocol.
    pub async fn step_down(&self, draw: u64) -> String {
        let holdings = match self.holdings() {
            Ok(holdings) => holdings,
            Err(reason) => return format!("nobody steps down: {reason}"),
        };
        let mut streams: Vec<_> = holdings.streams.into_iter().map(|(name, _)| name).collect();
        streams.sort();
        streams.dedup();
        let Some(stream) = choose(&streams, draw) else {
            return "nobody steps down: there is no stream".to_owned();
        };
        let mut subjects = vec![format!("$JS.API.STREAM.LEADER.STEPDOWN.{stream}")];
        let mut consumers: Vec<_> = holdings
            .queues
            .into_iter()
            .filter(|queue| &queue.stream == stream)
            .map(|queue| queue.consumer)
            .collect();
        consumers.sort();
        if let Some(consumer) = choose(&consumers, draw / 7) {
            subjects.push(format!(
                "$JS.API.CONSUMER.LEADER.STEPDOWN.{stream}.{consumer}"
            ));
        }
        let mut protocol = Vec::new();
        for subject in subjects {
            let answer = self.request(subject.clone()).await;
            protocol.push(format!("{subject}: {answer}"));
        }
        protocol.join("; ")
    }

    async fn request(&self, subject: String) -> String {
        let asking = async {
            let options = self.connect_options(KIT);
            let mut nats = async_nats::ConnectOptions::new().name(&options.name);
            if let colloquy_bus::Credentials::Password { user, password } = options.credentials {
                nats = nats.user_and_password(user, password);
            }
            let urls: Vec<_> = options.url.split(',').map(str::to_owned).collect();
            let client = nats
                .connect(urls)
                .await
                .map_err(|error| error.to_string())?;
            let answer = client.request(subject, "".into()).await;
            answer.map_err(|error| error.to_string())
        };
        match tokio::time::timeout(PATIENCE, asking).await {
            Ok(Ok(answer)) => {
                let said: serde_json::Value =
                    serde_json::from_slice(&answer.payload).unwrap_or_default();
                match said["error"]["description"].as_str() {
                    Some(error) => error.to_owned(),
                    None => "ok".to_owned(),
                }
            }
            Ok(Err(error)) => error,
            Err(_) => format!("no answer within {PATIENCE:?}"),
        }
    }
}

fn choose(names: &[String], draw: u64) -> Option<&String> {
    let count = u64::try_from(names.len()).ok().filter(|&count| count > 0)?;
    names.get(usize::try_from(draw % count).ok()?)
}
