//! Backups: every stream and bucket of the contract as files, and back again.
//!
//! - [`write`] asks the broker for a snapshot of each, one after the other, while the platform works.
//!   The broker verifies its messages' checksums meanwhile. The folder has its name only when all
//!   of it is on disk; what was cut short is called `<folder>.partial`.
//! - [`restore`] first compares every file with its digest, then makes each stream, with its
//!   consumers and how far they have come. It touches no stream that is there.
//!
//! The order of [`order`] makes a backup that was taken under load usable: what is referred to is
//! read after what refers to it, so every artifact of a fact in the backup is in it, too. What came
//! in meanwhile may be there in part: artifacts without facts, which a sweep removes, and entries of
//! read models, which a rebuild drops. A key of a request that is being repeated is never there
//! without its facts.
//!
//! A stream is a folder with `backup.json` (its settings and state) and `stream.tar.s2` (the
//! broker's own archive), as the broker's own tools lay it out. The requests are those of
//! JetStream's API, `STREAM.SNAPSHOT` and `STREAM.RESTORE`.

use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use async_nats::{Message, Request, StatusCode};
use bytes::Bytes;
use colloquy_contract::streams;
use futures::StreamExt;
use jiff::Timestamp;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;
use sha2::{Digest, Sha256};
use tokio::{
    fs::{self, File},
    io::{AsyncReadExt, AsyncWriteExt},
};

use crate::{Bus, BusError, Result, connect::object_stream, provision::not_found};

/// What a backup's list of contents is called.
const LIST: &str = "colloquy-backup.json";

/// The version of that list.
const VERSION: u32 = 1;

/// Bytes of a message of an archive, the broker's own default.
const CHUNK_BYTES: usize = 128 * 1024;

/// How long the broker may take to answer, and to send the next piece of an archive. It verifies
/// checksums before the first.
const PATIENCE: Duration = Duration::from_secs(120);

/// How long it may take to make a stream of what it was sent.
const RESTORE_PATIENCE: Duration = Duration::from_secs(1_800);

/// A stream of a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamBackup {
    /// The stream; buckets are `KV_<name>` and `OBJ_<name>`.
    pub stream: String,
    /// Messages in it.
    pub messages: u64,
    /// Its last sequence number.
    pub last_sequence: u64,
    /// Size of the archive in bytes.
    pub archive_bytes: u64,
    /// SHA-256 of the archive, in hexadecimal.
    pub archive_sha256: String,
    /// SHA-256 of its settings and state, in hexadecimal.
    pub settings_sha256: String,
}

/// What is in a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Backup {
    /// The version of this list.
    pub version: u32,
    /// When it was begun: nothing that was acknowledged before is missing.
    pub begun_at: Timestamp,
    /// When the last stream was done.
    pub ended_at: Timestamp,
    /// The streams, in the order in which they were read.
    pub streams: Vec<StreamBackup>,
}

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

/// The streams of the contract in the order in which they are read, and made again.
pub fn order() -> Vec<String> {
    let kv = |name: &str| format!("KV_{name}");
    let first = kv(streams::IDEMPOTENCY.name);
    let logs = streams::ALL.iter().map(|spec| spec.name.to_owned());
    let others = streams::KV_BUCKETS.iter().map(|spec| kv(spec.name));
    let others = others.filter(|name| *name != kv(streams::IDEMPOTENCY.name));
    let objects = streams::OBJECT_BUCKETS.into_iter().map(object_stream);
    [first]
        .into_iter()
        .chain(logs)
        .chain(others)
        .chain(objects)
        .collect()
}

/// Writes a backup into a folder that is not there yet; `done` is told of each stream.
///
/// # Errors
/// If the folder is there, a file cannot be written, or the broker cannot send a stream.
pub async fn write(
    bus: &Bus,
    folder: &Path,
    mut done: impl FnMut(&StreamBackup),
) -> Result<Backup> {
    if fs::try_exists(folder).await? {
        return Err(refused(folder, "is there already; name a new folder"));
    }
    let partial = with_suffix(folder, ".partial")?;
    if fs::try_exists(&partial).await? {
        fs::remove_dir_all(&partial).await?;
    }
    private_folder(&partial).await?;
    let begun_at = Timestamp::now();
    let mut streams = Vec::new();
    for stream in order() {
        let written = read_stream(bus, &stream, &partial.join(&stream)).await?;
        done(&written);
        streams.push(written);
    }
    let backup = Backup {
        version: VERSION,
        begun_at,
        ended_at: Timestamp::now(),
        streams,
    };
    write_file(&partial.join(LIST), &to_json(&backup)?).await?;
    fs::rename(&partial, folder).await?;
    // The name is on disk when the folder around it is.
    let parent = folder.parent().filter(|path| !path.as_os_str().is_empty());
    File::open(parent.unwrap_or(Path::new(".")))
        .await?
        .sync_all()
        .await?;
    Ok(backup)
}

/// Reads what is in a backup, and compares every file with its digest.
///
/// # Errors
/// If it is no backup, or anything is missing or damaged.
pub async fn verify(folder: &Path) -> Result<Backup> {
    let text = fs::read(folder.join(LIST))
        .await
        .map_err(|_| refused(folder, &format!("holds no {LIST}: it is no whole backup")))?;
    let backup: Backup = serde_json::from_slice(&text).map_err(|source| BusError::Value {
        what: LIST.to_owned(),
        source,
    })?;
    if backup.version != VERSION {
        return Err(refused(folder, "is of another version of the platform"));
    }
    for stream in &backup.streams {
        let path = folder.join(&stream.stream);
        for (file, wanted) in [
            (ARCHIVE, &stream.archive_sha256),
            (SETTINGS, &stream.settings_sha256),
        ] {
            let path = path.join(file);
            let found = digest(&path).await?;
            if found != *wanted {
                return Err(refused(&path, "is damaged: its SHA-256 is another one"));
            }
        }
    }
    Ok(backup)
}

/// Makes the streams of a backup on a broker that has none of them; `done` is told of each. With
/// `replicas`, that many copies of each, or else as many as there were.
///
/// # Errors
/// If the backup is damaged, one of its streams is there, or the broker cannot make one. What was
/// made before that stays.
pub async fn restore(
    bus: &Bus,
    folder: &Path,
    replicas: Option<usize>,
    mut done: impl FnMut(&StreamBackup),
) -> Result<Backup> {
    let backup = verify(folder).await?;
    for stream in &backup.streams {
        is_absent(bus, &stream.stream).await?;
    }
    for stream in &backup.streams {
        let path = folder.join(&stream.stream);
        send_stream(bus, &stream.stream, &path, replicas).await?;
        done(stream);
    }
    Ok(backup)
}

/// An error unless the broker says that there is no such stream. Where it cannot tell, nothing is
/// begun: half a restore is in the way of a whole one.
async fn is_absent(bus: &Bus, stream: &str) -> Result<()> {
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

/// The archive of a stream in its folder.
const ARCHIVE: &str = "stream.tar.s2";

/// Its settings and state.
const SETTINGS: &str = "backup.json";

/// Has the broker send a stream.
async fn read_stream(bus: &Bus, stream: &str, folder: &Path) -> Result<StreamBackup> {
    let client = bus.client();
    let inbox = client.new_inbox();
    let fails = |source| snapshot_error(stream, source);
    let mut pieces = client
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

    let mut file = File::create(folder.join(ARCHIVE)).await?;
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
            let confirmed = client.publish(reply, Bytes::new()).await;
            confirmed.map_err(|error| fails(error.into()))?;
        }
    }
    file.flush().await?;
    file.sync_all().await?;
    Ok(StreamBackup {
        stream: stream.to_owned(),
        messages,
        last_sequence,
        archive_bytes: size,
        archive_sha256: hex::encode(hash.finalize()),
        settings_sha256: hex::encode(Sha256::digest(&settings)),
    })
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
async fn send_stream(
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

type Source = Box<dyn std::error::Error + Send + Sync>;

fn snapshot_error(stream: &str, source: Source) -> BusError {
    BusError::Snapshot {
        stream: stream.to_owned(),
        source,
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

fn to_json<T: Serialize>(value: &T) -> Result<Vec<u8>> {
    serde_json::to_vec_pretty(value).map_err(|source| BusError::Value {
        what: "a backup".to_owned(),
        source,
    })
}

fn refused(path: &Path, why: &str) -> BusError {
    let message = format!("{} {why}", path.display());
    BusError::File(io::Error::other(message))
}

fn with_suffix(folder: &Path, suffix: &str) -> Result<PathBuf> {
    let name = folder
        .file_name()
        .ok_or_else(|| refused(folder, "has no name of its own"))?;
    let mut name = name.to_owned();
    name.push(suffix);
    Ok(folder.with_file_name(name))
}

/// A folder for its owner only: what is in it was said in confidence.
async fn private_folder(path: &Path) -> Result<()> {
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    builder.mode(0o700);
    builder.recursive(true).create(path).await?;
    Ok(())
}

async fn write_file(path: &Path, content: &[u8]) -> Result<()> {
    let mut file = File::create(path).await?;
    file.write_all(content).await?;
    file.sync_all().await?;
    Ok(())
}

async fn digest(path: &Path) -> Result<String> {
    let mut file = File::open(path)
        .await
        .map_err(|_| refused(path, "is missing"))?;
    let (mut hash, mut piece) = (Sha256::new(), vec![0; CHUNK_BYTES]);
    loop {
        let read = file.read(&mut piece).await?;
        if read == 0 {
            return Ok(hex::encode(hash.finalize()));
        }
        hash.update(&piece[..read]);
    }
}

#[cfg(test)]
mod tests {
    use colloquy_contract::Bucket;

    use super::*;

    #[test]
    fn what_is_referred_to_is_read_after_what_refers_to_it() {
        let order = order();
        let at = |name: &str| order.iter().position(|stream| stream == name).unwrap();
        let log = at(streams::CONVERSATIONS.name);
        assert!(at("KV_idempotency") < log);
        for bucket in Bucket::ALL {
            assert!(log < at(&object_stream(bucket)));
        }
        assert!(at(streams::ACCOUNTS.name) < at("KV_accounts"));
        let wanted = streams::ALL.len() + streams::KV_BUCKETS.len() + Bucket::ALL.len();
        assert_eq!(order.len(), wanted, "each stream, once");
    }
}
