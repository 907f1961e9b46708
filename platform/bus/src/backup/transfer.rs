//! One stream between the broker and its folder, in the words of JetStream's API.
//!
//! Promise: `Ok` means that all of an archive is on disk, or that the broker has made a stream of all
//! of it. No wait is without a limit.

use std::{path::Path, time::Duration};

use async_nats::{Message, Request, StatusCode, Subscriber};
use bytes::Bytes;
use futures::StreamExt;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;
use sha2::{Digest, Sha256};
use tokio::{
    fs::{self, File},
    io::{AsyncReadExt, AsyncWriteExt},
};

use super::{
    ARCHIVE, SETTINGS, StreamBackup,
    files::{private_folder, to_json, write_file},
};
use crate::{Bus, BusError, Result, provision::not_found};

/// Bytes of a message of an archive, the broker's own default.
const CHUNK_BYTES: usize = 128 * 1024;

/// How long the broker may take to answer, and to send the next piece of an archive. It verifies
/// checksums before the first.
const PATIENCE: Duration = Duration::from_secs(120);

/// How long it may take to make a stream of what it was sent.
const RESTORE_PATIENCE: Duration = Duration::from_secs(1_800);

/// The settings and the state of a stream, in the broker's words.
#[derive(Debug, Serialize, Deserialize)]
struct Settings {
    config: Value,
    state: Value,
}

/// The broker's answer to either request.
#[derive(Debug, Deserialize)]
struct Answer {
    error: Option<ApiError>,
    config: Option<Value>,
    state: Option<Value>,
    deliver_subject: Option<String>,
}

#[derive(Debug, Deserialize)]
struct ApiError {
    description: String,
}

/// Has the broker send a stream.
pub(super) async fn read_stream(bus: &Bus, stream: &str, folder: &Path) -> Result<StreamBackup> {
    let client = bus.client();
    let inbox = client.new_inbox();
    let fails = |source| snapshot_error(stream, source);
    let pieces = client
        .subscribe(inbox.clone())
        .await
        .map_err(|error| fails(error.into()))?;
    let question = serde_json::json!({
        "deliver_subject": inbox,
        "chunk_size": CHUNK_BYTES,
        "jsck": true,
    });
    let subject = format!("$JS.API.STREAM.SNAPSHOT.{stream}");
    let answer = ask(bus, stream, subject, to_json(&question)?).await?;
    let (Some(config), Some(state)) = (answer.config, answer.state) else {
        return Err(fails("the answer lacks the stream's settings".into()));
    };
    let count = |name: &str| {
        let count = state[name].as_u64();
        count.ok_or_else(|| fails(format!("the answer lacks {name}").into()))
    };
    let (messages, last_sequence) = (count("messages")?, count("last_seq")?);
    private_folder(folder).await?;
    let settings = to_json(&Settings { config, state })?;
    write_file(&folder.join(SETTINGS), &settings).await?;
    let (archive_bytes, archive_sha256) =
        receive(bus, stream, pieces, &folder.join(ARCHIVE)).await?;
    Ok(StreamBackup {
        stream: stream.to_owned(),
        messages,
        last_sequence,
        archive_bytes,
        archive_sha256,
        settings_sha256: hex::encode(Sha256::digest(&settings)),
    })
}

/// Writes the pieces of an archive into a file; returns its size and its digest.
async fn receive(
    bus: &Bus,
    stream: &str,
    mut pieces: Subscriber,
    path: &Path,
) -> Result<(u64, String)> {
    let fails = |source| snapshot_error(stream, source);
    let mut file = File::create(path).await?;
    let (mut hash, mut size) = (Sha256::new(), 0);
    loop {
        let piece = tokio::time::timeout(PATIENCE, pieces.next()).await;
        let piece = piece
            .map_err(|_| fails("the broker stopped sending".into()))?
            .ok_or_else(|| fails("the connection was closed".into()))?;
        if piece.payload.is_empty() {
            ended(&piece).map_err(fails)?;
            break;
        }
        hash.update(&piece.payload);
        size += piece.payload.len() as u64;
        file.write_all(&piece.payload).await?;
        if let Some(reply) = piece.reply {
            let confirmed = bus.client().publish(reply, Bytes::new()).await;
            confirmed.map_err(|error| fails(error.into()))?;
        }
    }
    file.flush().await?;
    file.sync_all().await?;
    Ok((size, hex::encode(hash.finalize())))
}

/// Whether the last message of an archive says that it is whole.
fn ended(last: &Message) -> std::result::Result<(), Source> {
    match last.status {
        None | Some(StatusCode::OK) => Ok(()),
        // 204: there is no more.
        Some(status) if status.as_u16() == 204 => Ok(()),
        Some(status) => {
            let why = last.description.as_deref().unwrap_or("no reason given");
            Err(format!("the broker gave up: {status} {why}").into())
        }
    }
}

/// Sends a stream to the broker.
pub(super) async fn send_stream(
    bus: &Bus,
    stream: &str,
    folder: &Path,
    replicas: Option<usize>,
) -> Result<()> {
    let fails = |source| snapshot_error(stream, source);
    let mut settings: Settings = parse(stream, &fs::read(folder.join(SETTINGS)).await?)?;
    if let (Some(replicas), Some(config)) = (replicas, settings.config.as_object_mut()) {
        config.insert("num_replicas".to_owned(), replicas.into());
    }
    let subject = format!("$JS.API.STREAM.RESTORE.{stream}");
    let answer = ask(bus, stream, subject, to_json(&settings)?).await?;
    let deliver = answer
        .deliver_subject
        .ok_or_else(|| fails("the answer names no subject to send to".into()))?;
    let mut file = File::open(folder.join(ARCHIVE)).await?;
    let mut piece = vec![0; CHUNK_BYTES];
    loop {
        let read = file.read(&mut piece).await?;
        let content = Bytes::copy_from_slice(&piece[..read]);
        // An empty piece says that there is no more; then the stream is made.
        let limit = if read == 0 {
            RESTORE_PATIENCE
        } else {
            PATIENCE
        };
        let request = Request::new().payload(content).timeout(Some(limit));
        let answer = bus.client().send_request(deliver.clone(), request).await;
        let answer = answer.map_err(|error| fails(error.into()))?;
        // The broker answers a piece with nothing, unless something is wrong.
        if !answer.payload.is_empty() {
            without_error(stream, parse(stream, &answer.payload)?)?;
        }
        if read == 0 {
            return Ok(());
        }
    }
}

/// Asks the broker something about a stream.
async fn ask(bus: &Bus, stream: &str, subject: String, question: Vec<u8>) -> Result<Answer> {
    let asking = async {
        let request = Request::new()
            .payload(question.into())
            .timeout(Some(PATIENCE));
        let answer = bus.client().send_request(subject.clone(), request).await;
        let answer = answer.map_err(|error| snapshot_error(stream, error.into()))?;
        without_error(stream, parse(stream, &answer.payload)?)
    };
    bus.or_denied(&[subject.as_str()], asking).await
}

fn without_error(stream: &str, answer: Answer) -> Result<Answer> {
    match answer.error {
        Some(error) => Err(snapshot_error(stream, error.description.into())),
        None => Ok(answer),
    }
}

fn parse<T: DeserializeOwned>(stream: &str, text: &[u8]) -> Result<T> {
    serde_json::from_slice(text).map_err(|error| snapshot_error(stream, error.into()))
}

/// An error unless the broker says that there is no such stream. Where it cannot tell, nothing is
/// begun: half a restore is in the way of a whole one.
pub(super) async fn is_absent(bus: &Bus, stream: &str) -> Result<()> {
    let asking = async {
        match bus.jetstream().get_stream(stream).await {
            Ok(_) => Err(snapshot_error(
                stream,
                "it is there already; restore to a broker without the platform's streams".into(),
            )),
            Err(error) if not_found(&error) => Ok(()),
            Err(error) => Err(snapshot_error(stream, error.into())),
        }
    };
    let subject = format!("$JS.API.STREAM.INFO.{stream}");
    bus.or_denied(&[subject], asking).await
}

type Source = Box<dyn std::error::Error + Send + Sync>;

pub(super) fn snapshot_error(stream: &str, source: Source) -> BusError {
    BusError::Snapshot {
        stream: stream.to_owned(),
        source,
    }
}
