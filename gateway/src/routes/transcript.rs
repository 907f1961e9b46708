//! The anonymized transcript, as data or as subtitles.

use axum::{
    extract::{Path, State},
    http::{HeaderValue, Uri, header},
    response::{IntoResponse, Response},
};
use colloquy_contract::{
    ArtifactRef, ConversationId,
    progress::{Progress, Status},
    transcript::Transcript,
};
use std::time::Duration;

use super::conversations::find;
use crate::{
    auth::Caller,
    params::{Params, id},
    problem::{Kind, Problem, ProblemDocument},
    state::Shared,
};

/// What clients are told to wait while a conversation is in work.
const NOT_READY_WAIT: Duration = Duration::from_secs(2);

/// The forms of a transcript.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Json,
    Text,
    Srt,
    Vtt,
}

/// Read the anonymized transcript.
#[utoipa::path(
    get,
    path = "/v1/conversations/{id}/transcript",
    tag = "conversations",
    operation_id = "getTranscript",
    params(
        ("id" = Uuid, Path, description = "The conversation's id"),
        ("format" = Option<String>, Query, description = "`json` (if absent), `txt`, `srt` or \
            `vtt`"),
    ),
    responses(
        (status = 200, description = "The transcript", content(
            (crate::openapi::schemas::TranscriptDocument = "application/json"),
            (String = "text/plain"),
            (String = "application/x-subrip"),
            (String = "text/vtt"),
        )),
        (status = 404, description = "No such conversation", body = ProblemDocument,
            content_type = "application/problem+json"),
        (status = 409, description = "Not ready yet (with Retry-After), or there will be none",
            body = ProblemDocument, content_type = "application/problem+json"),
        (status = 410, description = "Erased", body = ProblemDocument,
            content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn show(
    State(app): State<Shared>,
    caller: Caller,
    Path(conversation): Path<String>,
    uri: Uri,
) -> Result<Response, Problem> {
    let conversation: ConversationId = id(&conversation)?;
    let formats = [
        ("json", Format::Json),
        ("txt", Format::Text),
        ("srt", Format::Srt),
        ("vtt", Format::Vtt),
    ];
    let params = Params::read(&uri, &["format"])?;
    let format = params.choice("format", &formats)?.unwrap_or(Format::Json);
    let progress = find(&app, &caller.account, conversation).await?;
    let reference = available(&progress, progress.transcript.as_ref())?;
    let document = app.bus.artifacts().get_bytes(reference).await?;
    if format == Format::Json {
        return Ok(([(header::CONTENT_TYPE, "application/json")], document).into_response());
    }
    let transcript: Transcript = serde_json::from_slice(&document).map_err(|_| {
        tracing::error!(%conversation, "the transcript cannot be read");
        Problem::internal()
    })?;
    let (media_type, extension, text) = match format {
        Format::Srt => (
            "application/x-subrip",
            "srt",
            colloquy_formats::srt(&transcript),
        ),
        Format::Vtt => (
            "text/vtt; charset=utf-8",
            "vtt",
            colloquy_formats::vtt(&transcript),
        ),
        _ => (
            "text/plain; charset=utf-8",
            "txt",
            colloquy_formats::text(&transcript),
        ),
    };
    let mut response = ([(header::CONTENT_TYPE, media_type)], text).into_response();
    let disposition = disposition(conversation, extension)?;
    response
        .headers_mut()
        .insert(header::CONTENT_DISPOSITION, disposition);
    Ok(response)
}

/// Shown in place, and under this name if it is saved.
pub(super) fn disposition(
    conversation: ConversationId,
    extension: &str,
) -> Result<HeaderValue, Problem> {
    HeaderValue::try_from(format!("inline; filename=\"{conversation}.{extension}\""))
        .map_err(|_| Problem::internal())
}

/// The reference of a result, or why there is none.
pub(super) fn available<'a>(
    progress: &Progress,
    reference: Option<&'a ArtifactRef>,
) -> Result<&'a ArtifactRef, Problem> {
    match (progress.status(), reference) {
        (Status::Erased, _) => Err(Problem::new(
            Kind::Erased,
            "The conversation was erased; nothing of it is left.",
        )),
        (_, Some(reference)) => Ok(reference),
        (Status::Error, None) => Err(Problem::new(Kind::NoResult, no_result(progress))),
        (Status::Queued | Status::Processing | Status::Completed, None) => {
            let detail = "The conversation is still in work; ask again, or follow its stream.";
            Err(Problem::new(Kind::NotReady, detail).retry_after(NOT_READY_WAIT))
        }
    }
}

fn no_result(progress: &Progress) -> String {
    progress.error.as_ref().map_or_else(
        || "The conversation ended with an error.".to_owned(),
        |error| {
            format!(
                "The conversation ended in {} ({}): {}",
                error.stage, error.code, error.reason
            )
        },
    )
}
