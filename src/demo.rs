//! The demo's own work: a client of the HTTP API, and what it shows.

mod client;
mod show;

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::Context;
use serde::Deserialize;

pub(crate) use client::Client;
pub(crate) use show::{print_search, print_table, print_trace, save_audio};

use crate::cli::say;

/// How long all calls together may take.
const PATIENCE: Duration = Duration::from_secs(1_800);

/// How often the status of a call is asked for.
const POLL: Duration = Duration::from_millis(300);

/// A sample call and its description.
#[derive(Debug)]
pub(crate) struct Call {
    name: String,
    audio: PathBuf,
    description: Description,
}

/// The part of a sample's description that a poster would know.
#[derive(Debug, Deserialize)]
struct Description {
    file: String,
    media_type: String,
    channels: Vec<Channel>,
    metadata: serde_json::Map<String, serde_json::Value>,
}

#[derive(Debug, Deserialize)]
struct Channel {
    role: String,
}

/// A call that came to its end.
#[derive(Debug)]
pub(crate) struct Done {
    name: String,
    id: String,
    status: serde_json::Value,
}

impl Done {
    /// Whether it came to its good end.
    pub(crate) fn completed(&self) -> bool {
        self.status["status"] == "completed"
    }
}

impl Call {
    /// The metadata as posted: the description's, and who speaks on which channel.
    fn metadata(&self) -> serde_json::Value {
        let mut metadata = self.description.metadata.clone();
        let known = |role: &str| matches!(role, "agent" | "customer");
        let roles: Vec<&str> = self
            .description
            .channels
            .iter()
            .map(|channel| channel.role.as_str())
            .collect();
        if roles.iter().all(|role| known(role)) {
            metadata.insert("channel_roles".to_owned(), roles.into());
        }
        metadata.into()
    }
}

/// The sample calls of a folder, by name.
pub(crate) fn load(folder: &Path) -> anyhow::Result<Vec<Call>> {
    let mut calls = Vec::new();
    let entries = std::fs::read_dir(folder)
        .with_context(|| format!("there are no sample calls in {}", folder.display()))?;
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let text = std::fs::read_to_string(&path)?;
        let description: Description = serde_json::from_str(&text)
            .with_context(|| format!("{} does not describe a call", path.display()))?;
        let name = path
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        calls.push(Call {
            name,
            audio: folder.join(&description.file),
            description,
        });
    }
    anyhow::ensure!(
        !calls.is_empty(),
        "there are no sample calls in {}",
        folder.display()
    );
    calls.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(calls)
}

/// Posts every call and waits until each has come to its end.
pub(crate) async fn post_and_wait(client: &Client, calls: &[Call]) -> anyhow::Result<Vec<Done>> {
    let mut posted = Vec::new();
    for call in calls {
        let id = client
            .post(&call.audio, &call.description.media_type, &call.metadata())
            .await
            .with_context(|| format!("posting {}", call.name))?;
        posted.push((call.name.clone(), id));
    }
    let deadline = Instant::now() + PATIENCE;
    let mut done = Vec::new();
    for (name, id) in posted {
        let status = wait(client, &id, deadline)
            .await
            .with_context(|| name.clone())?;
        say(format!(
            "  {name}: {}",
            status["status"].as_str().unwrap_or("unknown")
        ));
        done.push(Done { name, id, status });
    }
    Ok(done)
}

async fn wait(client: &Client, id: &str, deadline: Instant) -> anyhow::Result<serde_json::Value> {
    loop {
        let status = client.status(id).await?;
        match status["status"].as_str() {
            Some("completed" | "error" | "erased") => return Ok(status),
            _ => anyhow::ensure!(Instant::now() < deadline, "not done after {PATIENCE:?}"),
        }
        tokio::time::sleep(POLL).await;
    }
}
