//! Takes a recording in: raw or in a form, in bounded memory, with a limit on every part.

mod body;

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use axum::{
    body::Body,
    extract::{FromRequest, Multipart, Request, multipart::Field},
    http::{HeaderMap, header},
};
use colloquy_bus::{Artifacts, artifacts::STALL};
use colloquy_contract::{ArtifactRef, Bucket, Scope, facts::CallInfo};
use futures::TryStreamExt;
use jiff::Timestamp;
use sha2::{Digest, Sha256};
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt};
use tokio_util::io::StreamReader;

use crate::{
    metadata::Draft,
    params::Params,
    problem::{Kind, Problem},
};

pub(crate) use body::Lingering;

use body::Paced;

/// Most parts of a form.
const MAX_PARTS: usize = 128;

/// Largest part of a form that is not the recording.
const MAX_FIELD_BYTES: usize = 64 * 1024;

/// What a form may have beside the recording: other parts, their headers, boundaries.
const FORM_OVERHEAD_BYTES: u64 = 2 * 1024 * 1024;

const OCTET_STREAM: &str = "application/octet-stream";

/// What curl says of a body when nobody told it. The content decides what a recording is.
const UNSAID_BY_CURL: &str = "application/x-www-form-urlencoded";

/// Where the recording goes.
#[derive(Debug)]
pub(crate) enum Sink<'a> {
    /// Into the vault.
    Vault {
        /// The buckets.
        artifacts: &'a Artifacts,
        /// The conversation it belongs to.
        scope: &'a Scope,
    },
    /// Nowhere: only its digest is taken, to compare it with what is in the vault.
    Digest,
}

/// A recording that was read to its end.
#[derive(Debug)]
pub(crate) enum Recording {
    /// It lies in the vault.
    Stored(ArtifactRef),
    /// SHA-256 of what was sent.
    Digest(String),
}

/// A complete post.
#[derive(Debug)]
pub(crate) struct Received {
    /// What the poster said.
    pub(crate) call: CallInfo,
    /// Names and terms to expect in it.
    pub(crate) vocabulary: Vec<String>,
    /// The recording.
    pub(crate) recording: Recording,
}

/// Reads a post to its end. Nothing is accepted before this returns.
pub(crate) async fn receive(
    request: Request,
    received_at: Timestamp,
    sink: &Sink<'_>,
    limit_bytes: u64,
) -> Result<Received, Problem> {
    let form = Form::of(request.headers())?;
    refuse_encoding(request.headers())?;
    refuse_length(request.headers(), &form, limit_bytes)?;
    let mut draft = Draft::default();
    for (name, value) in Params::pairs(request.uri())? {
        draft.set(&name, &value)?;
    }
    let recording = match form {
        Form::Raw { media_type } => {
            let body = request
                .into_body()
                .into_data_stream()
                .map_err(io::Error::other);
            take(StreamReader::new(body), &media_type, sink, limit_bytes).await?
        }
        Form::Multipart => receive_form(request, &mut draft, sink, limit_bytes).await?,
    };
    Ok(Received {
        vocabulary: draft.take_vocabulary(),
        call: draft.into_call(received_at),
        recording,
    })
}

/// How the recording is packed.
#[derive(Debug, PartialEq, Eq)]
enum Form {
    Raw { media_type: String },
    Multipart,
}

impl Form {
    fn of(headers: &HeaderMap) -> Result<Self, Problem> {
        let unsaid = Self::Raw {
            media_type: OCTET_STREAM.to_owned(),
        };
        let Some(value) = headers.get(header::CONTENT_TYPE) else {
            return Ok(unsaid);
        };
        let media_type = essence(value.to_str().unwrap_or_default());
        if media_type == UNSAID_BY_CURL {
            return Ok(unsaid);
        }
        if media_type == "multipart/form-data" {
            return Ok(Self::Multipart);
        }
        if is_audio(&media_type) {
            return Ok(Self::Raw { media_type });
        }
        Err(Problem::new(
            Kind::UnsupportedMediaType,
            "Send the recording as the body with 'Content-Type: audio/…' or \
             'application/octet-stream', or as the part 'audio' of a multipart/form-data body. \
             With curl: -H 'Content-Type: audio/wav' --data-binary @call.wav, or -F audio=@call.wav",
        ))
    }
}

/// The media type without parameters, in lower case.
fn essence(content_type: &str) -> String {
    content_type
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase()
}

/// Whether a media type may hold a recording. Video containers often carry calls.
fn is_audio(media_type: &str) -> bool {
    let (kind, name) = media_type.split_once('/').unwrap_or_default();
    let token = |c: u8| c.is_ascii_alphanumeric() || b"!#$&^_.+-".contains(&c);
    let legal = (1..=100).contains(&name.len()) && name.bytes().all(token);
    legal && (matches!(kind, "audio" | "video") || matches!(name, "octet-stream" | "ogg"))
}

fn refuse_encoding(headers: &HeaderMap) -> Result<(), Problem> {
    match headers.get(header::CONTENT_ENCODING) {
        Some(encoding) if encoding != "identity" => Err(Problem::new(
            Kind::UnsupportedMediaType,
            "Send the recording without 'Content-Encoding'; audio is compressed as it is.",
        )),
        _ => Ok(()),
    }
}

/// Refuses what says of itself that it is too large, before it is read.
fn refuse_length(headers: &HeaderMap, form: &Form, limit_bytes: u64) -> Result<(), Problem> {
    let length = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok());
    let length: u64 = length.and_then(|text| text.parse().ok()).unwrap_or(0);
    let overhead = if *form == Form::Multipart {
        FORM_OVERHEAD_BYTES
    } else {
        0
    };
    if length > limit_bytes.saturating_add(overhead) {
        return Err(Problem::too_large(limit_bytes));
    }
    Ok(())
}

async fn receive_form(
    request: Request,
    draft: &mut Draft,
    sink: &Sink<'_>,
    limit_bytes: u64,
) -> Result<Recording, Problem> {
    let taken = Arc::new(AtomicU64::new(0));
    let request = request.map(|body| Body::from_stream(Paced::new(body, taken.clone())));
    let mut form = Multipart::from_request(request, &()).await.map_err(|_| {
        Problem::bad_request("The Content-Type of a form needs a boundary; let your client set it.")
    })?;
    let mut recording = None;
    for _ in 0..MAX_PARTS {
        let next = tokio::time::timeout(STALL, form.next_field()).await;
        let Some(part) = next.map_err(|_| interrupted())?.map_err(|_| malformed())? else {
            return recording.ok_or_else(|| {
                empty("The form has no recording; send it as the part 'audio' with a file name.")
            });
        };
        match part.name().unwrap_or_default() {
            "audio" | "file" if recording.is_some() => {
                return Err(Problem::invalid(
                    "The form has two recordings; post each by itself.",
                ));
            }
            "audio" | "file" => {
                recording = Some(take_part(part, &taken, sink, limit_bytes).await?);
            }
            "metadata" => draft.set_json(&field_bytes(part, &taken).await?)?,
            name => {
                let name = name.to_owned();
                let value = String::from_utf8(field_bytes(part, &taken).await?)
                    .map_err(|_| Problem::invalid("A field of the form is not UTF-8 text."))?;
                draft.set(&name, &value)?;
            }
        }
    }
    Err(Problem::new(
        Kind::TooLarge,
        format!("A form has at most {MAX_PARTS} parts."),
    ))
}

async fn take_part(
    part: Field<'_>,
    taken: &Arc<AtomicU64>,
    sink: &Sink<'_>,
    limit_bytes: u64,
) -> Result<Recording, Problem> {
    let posted = essence(part.content_type().unwrap_or(OCTET_STREAM));
    let media_type = if is_audio(&posted) {
        posted
    } else {
        OCTET_STREAM.to_owned()
    };
    let counted = part
        .inspect_ok(|chunk| {
            taken.fetch_add(chunk.len() as u64, Ordering::Relaxed);
        })
        .map_err(io::Error::other);
    take(
        StreamReader::new(Box::pin(counted)),
        &media_type,
        sink,
        limit_bytes,
    )
    .await
}

async fn field_bytes(mut part: Field<'_>, taken: &AtomicU64) -> Result<Vec<u8>, Problem> {
    let mut value = Vec::new();
    loop {
        let next = tokio::time::timeout(STALL, part.chunk()).await;
        let Some(chunk) = next.map_err(|_| interrupted())?.map_err(|_| malformed())? else {
            return Ok(value);
        };
        taken.fetch_add(chunk.len() as u64, Ordering::Relaxed);
        value.extend_from_slice(&chunk);
        if value.len() > MAX_FIELD_BYTES {
            return Err(Problem::new(
                Kind::TooLarge,
                format!(
                    "A part of the form is larger than {MAX_FIELD_BYTES} bytes; is the \
                         recording the part 'audio'?"
                ),
            ));
        }
    }
}

/// Takes the recording, which must have at least one byte.
async fn take<R>(
    mut source: R,
    media_type: &str,
    sink: &Sink<'_>,
    limit_bytes: u64,
) -> Result<Recording, Problem>
where
    R: AsyncBufRead + Unpin + Send,
{
    let first = tokio::time::timeout(STALL, source.fill_buf())
        .await
        .map_err(|_| interrupted())?;
    if first.map_err(|_| interrupted())?.is_empty() {
        return Err(empty("The recording has no bytes; send an audio file."));
    }
    match sink {
        Sink::Vault { artifacts, scope } => {
            let stored = artifacts
                .put_stream(Bucket::Vault, scope, media_type, source, limit_bytes)
                .await?;
            Ok(Recording::Stored(stored))
        }
        Sink::Digest => digest(source, limit_bytes).await.map(Recording::Digest),
    }
}

async fn digest(
    mut source: impl AsyncBufRead + Unpin + Send,
    limit_bytes: u64,
) -> Result<String, Problem> {
    let mut digest = Sha256::new();
    let mut size = 0_u64;
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let read = tokio::time::timeout(STALL, source.read(&mut buffer)).await;
        let read = read
            .map_err(|_| interrupted())?
            .map_err(|_| interrupted())?;
        if read == 0 {
            return Ok(hex::encode(digest.finalize()));
        }
        size += read as u64;
        if size > limit_bytes {
            return Err(Problem::too_large(limit_bytes));
        }
        digest.update(&buffer[..read]);
    }
}

fn empty(detail: &str) -> Problem {
    Problem::new(Kind::Empty, detail)
}

fn interrupted() -> Problem {
    Problem::new(
        Kind::Interrupted,
        "The body stopped flowing or broke off; nothing was accepted. Send it again.",
    )
}

fn malformed() -> Problem {
    Problem::bad_request(
        "The form cannot be read: it broke off, or its parts do not fit its boundary.",
    )
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    const BOUNDARY: &str = "xyz";

    fn part(disposition: &str, content: &str) -> String {
        format!(
            "--{BOUNDARY}\r\nContent-Disposition: form-data; {disposition}\r\n\r\n{content}\r\n"
        )
    }

    fn form(parts: &[String]) -> Request {
        let body = format!("{}--{BOUNDARY}--\r\n", parts.concat());
        Request::builder()
            .header(
                header::CONTENT_TYPE,
                format!("multipart/form-data; boundary={BOUNDARY}"),
            )
            .body(Body::from(body))
            .unwrap()
    }

    async fn post(request: Request, limit: u64) -> Result<Received, Problem> {
        receive(request, Timestamp::UNIX_EPOCH, &Sink::Digest, limit).await
    }

    fn status(result: Result<Received, Problem>) -> u16 {
        use axum::response::IntoResponse;
        match result {
            Ok(_) => 202,
            Err(problem) => problem.into_response().status().as_u16(),
        }
    }

    fn digest_of(received: &Received) -> &str {
        match &received.recording {
            Recording::Digest(digest) => digest,
            Recording::Stored(_) => "",
        }
    }

    #[tokio::test]
    async fn the_order_of_parts_does_not_matter() {
        let file = part("name=\"audio\"; filename=\"a.wav\"", "sound");
        let json = part(
            "name=\"metadata\"",
            "{\"agent\":\"a-1\",\"labels\":{\"k\":\"v\"}}",
        );
        let field = part("name=\"language\"", "en");
        let mut calls = Vec::new();
        for parts in [
            [file.clone(), json.clone(), field.clone()],
            [json.clone(), file.clone(), field.clone()],
            [field, json, file],
        ] {
            let received = post(form(&parts), 1_000).await.unwrap();
            assert_eq!(digest_of(&received), hex::encode(Sha256::digest("sound")));
            calls.push(received.call);
        }
        assert_eq!(calls[0].agent.as_deref(), Some("a-1"));
        assert!(calls.iter().all(|call| *call == calls[0]));
    }

    #[tokio::test]
    async fn forms_that_make_no_sense_are_refused() {
        let file = || part("name=\"file\"; filename=\"a.wav\"", "sound");
        for (parts, expected) in [
            (vec![], 422),
            (vec![part("name=\"agent\"", "a")], 422),
            (vec![part("name=\"audio\"; filename=\"a.wav\"", "")], 422),
            (vec![file(), file()], 422),
            (vec![file(), part("name=\"colour\"", "blue")], 422),
            (vec![file(), part("name=\"metadata\"", "{")], 400),
            (
                vec![
                    file(),
                    part("name=\"metadata\"", &"x".repeat(MAX_FIELD_BYTES + 1)),
                ],
                413,
            ),
            (
                vec![part("name=\"audio\"; filename=\"a.wav\"", &"x".repeat(101))],
                413,
            ),
            (vec![part("name=\"label\"", "k:v"); MAX_PARTS + 1], 422),
        ] {
            assert_eq!(
                status(post(form(&parts), 100).await),
                expected,
                "{}",
                parts.len()
            );
        }
    }

    #[tokio::test]
    async fn a_form_that_breaks_off_is_refused() {
        let body = part("name=\"audio\"; filename=\"a.wav\"", "sound");
        let mut request = form(&[]);
        *request.body_mut() = Body::from(body[..body.len() - 2].to_owned());
        assert_eq!(status(post(request, 100).await), 408);
    }

    #[tokio::test]
    async fn an_endless_part_header_is_refused() {
        let start = format!("--{BOUNDARY}\r\nX-Long: ");
        let chunks = std::iter::once(Bytes::from(start)).chain(std::iter::repeat_n(
            Bytes::from(vec![b'x'; 1024 * 1024]),
            64,
        ));
        let mut request = form(&[]);
        *request.body_mut() = Body::from_stream(futures::stream::iter(
            chunks.map(Ok::<_, std::convert::Infallible>),
        ));
        assert_eq!(status(post(request, u64::MAX / 2).await), 400);
    }

    #[tokio::test]
    async fn raw_bodies() {
        let raw = |content_type: Option<&str>, body: &'static str| {
            let mut request = Request::builder();
            if let Some(content_type) = content_type {
                request = request.header(header::CONTENT_TYPE, content_type);
            }
            request
                .uri("/v1/conversations?agent=a&label=k:v&label=l:w")
                .body(Body::from(body))
        };
        for (content_type, body, expected) in [
            (Some("audio/wav"), "sound", 202),
            (Some("Audio/OGG; codecs=opus"), "sound", 202),
            (Some("video/mp4"), "sound", 202),
            (Some(OCTET_STREAM), "sound", 202),
            (None, "sound", 202),
            (None, "", 422),
            (Some("application/json"), "{}", 415),
            (Some(UNSAID_BY_CURL), "sound", 202),
            (Some("multipart/form-data"), "sound", 400),
            (None, "too much sound", 413),
        ] {
            let request = raw(content_type, body).unwrap();
            assert_eq!(
                status(post(request, 10).await),
                expected,
                "{content_type:?}"
            );
        }
        let received = post(raw(None, "sound").unwrap(), 10).await.unwrap();
        assert_eq!(received.call.labels.len(), 2);
    }

    #[tokio::test]
    async fn what_says_it_is_too_large_is_not_read() {
        let body = Body::from_stream(futures::stream::pending::<io::Result<Bytes>>());
        let request = Request::builder()
            .header(header::CONTENT_LENGTH, "11")
            .body(body)
            .unwrap();
        assert_eq!(status(post(request, 10).await), 413);
    }

    #[tokio::test]
    async fn encodings_are_refused() {
        let request = Request::builder()
            .header(header::CONTENT_ENCODING, "gzip")
            .body(Body::from("sound"))
            .unwrap();
        assert_eq!(status(post(request, 10).await), 415);
    }
}
