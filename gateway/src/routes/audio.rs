//! The redacted recording, whole or by range, so that players can jump.

use axum::{
    body::Body,
    extract::{Path, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use colloquy_bus::artifacts;
use colloquy_contract::{ArtifactRef, ConversationId};
use tokio::io::AsyncReadExt;
use tokio_util::io::ReaderStream;

use super::{
    conversations::find,
    transcript::{available, disposition},
};
use crate::{
    auth::Caller,
    params::{Params, id},
    problem::{Kind, Problem, ProblemDocument},
    range::{self, Selected},
    state::{App, Shared},
};

/// Size of the pieces that go to the client, in bytes.
const PIECE_BYTES: usize = 64 * 1024;

/// Hear the redacted recording: Ogg Opus, or the form that the account's policy asks for.
#[utoipa::path(
    get,
    path = "/v1/conversations/{id}/audio",
    tag = "conversations",
    operation_id = "getAudio",
    params(
        ("id" = Uuid, Path, description = "The conversation's id"),
        ("Range" = Option<String>, Header, description = "One byte range"),
        ("If-Range" = Option<String>, Header, description = "An ETag"),
        ("If-None-Match" = Option<String>, Header, description = "ETags"),
    ),
    responses(
        (status = 200, description = "The recording", body = String, content_type = "audio/ogg"),
        (status = 206, description = "A part of it", body = String, content_type = "audio/ogg"),
        (status = 304, description = "The client has it"),
        (status = 404, description = "No such conversation", body = ProblemDocument,
            content_type = "application/problem+json"),
        (status = 409, description = "Not ready yet (with Retry-After), or there will be none",
            body = ProblemDocument, content_type = "application/problem+json"),
        (status = 410, description = "Erased", body = ProblemDocument,
            content_type = "application/problem+json"),
        (status = 416, description = "Outside of the recording", body = ProblemDocument,
            content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn show(
    State(app): State<Shared>,
    caller: Caller,
    Path(conversation): Path<String>,
    uri: Uri,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let conversation: ConversationId = id(&conversation)?;
    Params::read(&uri, &[])?;
    let progress = find(&app, &caller.account, conversation).await?;
    let audio = available(&progress, progress.audio.as_ref())?;
    let mut response = answer(&app, audio, &method, &headers).await?;
    let more = response.headers_mut();
    more.insert(header::ETAG, value(&etag(audio))?);
    more.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    more.insert(header::CONTENT_TYPE, value(&audio.media_type)?);
    more.insert(
        header::CONTENT_DISPOSITION,
        disposition(conversation, extension(&audio.media_type))?,
    );
    // It never changes, but it can be erased, and only its account may have it.
    more.insert(
        header::CACHE_CONTROL,
        HeaderValue::from_static("private, no-cache"),
    );
    Ok(response)
}

/// The extension of a recording's file, by which players know what it is.
fn extension(media_type: &str) -> &'static str {
    match media_type.split(';').next().unwrap_or_default().trim() {
        "audio/flac" => "flac",
        "audio/wav" => "wav",
        _ => "ogg",
    }
}

async fn answer(
    app: &App,
    audio: &ArtifactRef,
    method: &Method,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    let text = |name| {
        headers
            .get(name)
            .and_then(|value: &HeaderValue| value.to_str().ok())
    };
    let tag = etag(audio);
    if text(header::IF_NONE_MATCH).is_some_and(|tags| matches(tags, &tag)) {
        return Ok(StatusCode::NOT_MODIFIED.into_response());
    }
    // A range of something else than the client thinks would be a splice of two recordings.
    let current = text(header::IF_RANGE).is_none_or(|wanted| wanted.trim() == tag);
    let size = audio.size_bytes;
    let wanted = text(header::RANGE).filter(|_| current);
    let (status, first, length) = match range::select(wanted, size) {
        Selected::Whole => (StatusCode::OK, 0, size),
        Selected::Part { first, last } => (StatusCode::PARTIAL_CONTENT, first, last - first + 1),
        Selected::Outside => {
            let detail = format!("The recording has {size} bytes; ask for a range within.");
            return Err(Problem::new(Kind::RangeNotSatisfiable, detail)
                .with_header(header::CONTENT_RANGE, value(&format!("bytes */{size}"))?));
        }
    };
    let body = if method == Method::HEAD {
        Body::empty()
    } else {
        piece(app, audio, first, length).await?
    };
    let mut response = (status, body).into_response();
    response
        .headers_mut()
        .insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    if status == StatusCode::PARTIAL_CONTENT {
        let range = format!("bytes {first}-{}/{size}", first + length - 1);
        response
            .headers_mut()
            .insert(header::CONTENT_RANGE, value(&range)?);
    }
    Ok(response)
}

/// The bytes of a range as a body. Reading fails on a stall, which cuts the response short; the
/// client notices by its length.
async fn piece(app: &App, audio: &ArtifactRef, first: u64, length: u64) -> Result<Body, Problem> {
    let mut reader = app.bus.artifacts().open(audio).await?;
    artifacts::skip(&mut reader, first).await.map_err(|error| {
        tracing::warn!(%error, "the recording cannot be read");
        Problem::unavailable("The recording cannot be read at the moment; try again.")
    })?;
    Ok(Body::from_stream(ReaderStream::with_capacity(
        reader.take(length),
        PIECE_BYTES,
    )))
}

fn etag(audio: &ArtifactRef) -> String {
    format!("\"{}\"", audio.sha256)
}

/// Whether a list of entity tags has this one, by weak comparison.
fn matches(tags: &str, tag: &str) -> bool {
    tags.split(',')
        .map(str::trim)
        .any(|one| one == "*" || one.trim_start_matches("W/") == tag)
}

fn value(text: &str) -> Result<HeaderValue, Problem> {
    HeaderValue::try_from(text).map_err(|_| Problem::internal())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entity_tags_match() {
        for (tags, expected) in [
            ("\"a\"", true),
            ("W/\"a\"", true),
            ("\"b\", \"a\"", true),
            ("*", true),
            ("\"b\"", false),
        ] {
            assert_eq!(matches(tags, "\"a\""), expected, "{tags}");
        }
    }
}
