//! Posting a recording, and what became of it.

pub(crate) mod list;

use axum::{
    Json,
    extract::{Path, Request, State},
    http::{HeaderName, HeaderValue, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use colloquy_contract::{
    AccountId, Bucket, ConversationId, Envelope, FactId, FactType, Scope,
    facts::{CallInfo, ConversationReceived},
    progress::Progress,
    vocabulary::Vocabulary,
};
use jiff::Timestamp;
use tracing::{Instrument, Span, field};
use uuid::Uuid;

use crate::{
    auth::Caller,
    idempotency::{self, Claim, Content, IdempotencyKey},
    metadata,
    observe::CONVERSATION,
    params::{Params, id},
    problem::{Kind, Problem, ProblemDocument},
    room::HasRoom,
    state::{App, Shared},
    upload::{self, Received, Recording, Sink},
    view::{Accepted, Conversation, path},
};

/// Our name in facts.
pub(crate) const SERVICE: &str = "gateway";

/// Tells the client that its request was a repetition.
pub(crate) const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

/// Post a recording.
///
/// The body is the recording itself, or a form. 202 means that it is stored and will not be lost.
#[utoipa::path(
    post,
    path = "/v1/conversations",
    tag = "conversations",
    operation_id = "postConversation",
    params(
        ("Idempotency-Key" = Option<String>, Header, description = "1 to 255 visible ASCII \
            characters. Repeating a request with the same key makes no second conversation."),
        ("agent" = Option<String>, Query, description = "Reference of the agent, up to 128 \
            characters"),
        ("customer" = Option<String>, Query, description = "Reference of the customer, up to 128 \
            characters"),
        ("direction" = Option<String>, Query, description = "`inbound` or `outbound`"),
        ("started_at" = Option<Timestamp>, Query, description = "When the call began"),
        ("channel_roles" = Option<String>, Query, description = "Who is on each channel, such as \
            `agent,customer`"),
        ("language" = Option<String>, Query, description = "ISO 639-1; detected if absent"),
        ("vocabulary" = Option<String>, Query, description = "Names and terms to expect, parted by \
            commas: up to 200, of 2,000 bytes in all. May come several times"),
        ("label" = Option<Vec<String>>, Query, description = "`key:value`, up to 32 times"),
    ),
    request_body(
        description = "The recording: WAV, MP3, FLAC, Ogg, Opus, M4A, WebM, AIFF… In a form it is \
            the part `audio`; metadata comes as fields of the same names as the query parameters, \
            or as one JSON part `metadata` (with `labels` as an object and `vocabulary` as an \
            array), in any order.",
        content(
            (String = "audio/*"),
            (String = "application/octet-stream"),
            (UploadForm = "multipart/form-data"),
        ),
    ),
    responses(
        (status = 202, description = "Accepted", body = Accepted, headers(
            ("Location" = String, description = "The conversation"),
            ("Idempotent-Replayed" = Option<String>, description = "`true` for a repetition"),
        )),
        (status = 408, description = "The body broke off", body = ProblemDocument,
            content_type = "application/problem+json"),
        (status = 413, description = "Too large", body = ProblemDocument,
            content_type = "application/problem+json"),
        (status = 415, description = "Not a media type for recordings", body = ProblemDocument,
            content_type = "application/problem+json"),
        (status = 422, description = "Empty, a field that cannot be used, or an idempotency key \
            used for something else", body = ProblemDocument,
            content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn create(
    State(app): State<Shared>,
    caller: Caller,
    _: HasRoom,
    request: Request,
) -> Result<Response, Problem> {
    let key = IdempotencyKey::of(request.headers())?;
    let permit = app.uploads.clone().try_acquire_owned().map_err(|_| {
        Problem::unavailable("As many uploads as this gateway takes are running; try again soon.")
    })?;
    let (background, limit) = (app.background.clone(), app.options.upload_timeout);
    let shared = app.clone();
    let accepting = async move {
        let _permit = permit;
        match key {
            Some(key) => accept_once(&app, caller.account, key, request).await,
            None => accept(&app, &caller.account, Claim::new(), request).await,
        }
    };
    // A task of its own: when the client goes away this request is dropped where it stands, but
    // what was begun is to be ended, or cleaned up after.
    let accepting = background.spawn(tokio::time::timeout(limit, accepting).in_current_span());
    let (conversation, replayed) = accepting
        .await
        .map_err(|_| Problem::internal())?
        .unwrap_or_else(|_| {
            let detail = "The upload took longer than this gateway waits; nothing was accepted.";
            Err(Problem::new(Kind::Interrupted, detail))
        })
        .inspect_err(|problem| shared.gate.heed(problem))?;
    let mut response = (StatusCode::ACCEPTED, Json(Accepted::of(conversation))).into_response();
    let location = HeaderValue::try_from(path(conversation)).map_err(|_| Problem::internal())?;
    response.headers_mut().insert(header::LOCATION, location);
    if replayed {
        response
            .headers_mut()
            .insert(REPLAYED, HeaderValue::from_static("true"));
    }
    Ok(response)
}

/// The parts of a form.
#[derive(utoipa::ToSchema)]
#[allow(dead_code, reason = "only describes the form; it is read part by part")]
pub(crate) struct UploadForm {
    /// The recording.
    #[schema(format = Binary, content_media_type = "application/octet-stream")]
    audio: String,
    /// A JSON object: agent, customer, direction, started_at, channel_roles, language, vocabulary,
    /// labels.
    metadata: Option<String>,
    /// Reference of the agent.
    agent: Option<String>,
    /// Reference of the customer.
    customer: Option<String>,
    /// `inbound` or `outbound`.
    direction: Option<String>,
    /// When the call began, RFC 3339.
    started_at: Option<String>,
    /// Who is on each channel, such as `agent,customer`.
    channel_roles: Option<String>,
    /// ISO 639-1.
    language: Option<String>,
    /// Names and terms to expect, parted by commas.
    vocabulary: Option<String>,
    /// `key:value`, up to 32 times.
    label: Option<Vec<String>>,
}

/// Stores and states; returns whether it had been stated before.
async fn accept(
    app: &App,
    account: &AccountId,
    claim: Claim,
    request: Request,
) -> Result<(ConversationId, bool), Problem> {
    let scope = scope(account, claim.conversation);
    let salt = Uuid::new_v4().to_string();
    let (call, content) = store(app, &scope, &claim, &salt, request).await?;
    let repeated = state(app, scope, call, content).await?;
    Ok((claim.conversation, repeated))
}

/// The same under an idempotency key. See [`idempotency`].
async fn accept_once(
    app: &App,
    account: AccountId,
    key: IdempotencyKey,
    request: Request,
) -> Result<(ConversationId, bool), Problem> {
    let (kv, entry) = (app.idempotency().await?, key.entry(&account));
    let claim = idempotency::claim(kv, &entry, Claim::new()).await?;
    let scope = scope(&account, claim.conversation);
    // The same in each repetition, so that the same terms are the same document.
    let salt = key.salted(&["vocabulary"]);
    let (call, content) = match &claim.content {
        Some(content) => (
            compare(app, &claim, content, &salt, request).await?,
            content.clone(),
        ),
        None => store(app, &scope, &claim, &salt, request).await?,
    };
    if claim.accepted {
        return Ok((claim.conversation, true));
    }
    // Whoever is first to write down what was posted decides what the key stands for.
    let mut standing = content.clone();
    kv.update(&entry, |present: Option<Claim>| {
        let present = present.unwrap_or_else(|| claim.clone());
        if let Some(earlier) = present.content {
            standing = earlier;
            return None;
        }
        standing = content.clone();
        Some(Claim {
            content: Some(content.clone()),
            ..present
        })
    })
    .await?;
    if !same(&standing, &content) {
        return Err(idempotency::mismatch());
    }
    let repeated = state(app, scope, call, standing.clone()).await?;
    let done = Claim {
        content: Some(standing),
        accepted: true,
        ..claim.clone()
    };
    // It is accepted, whether this can be noted or not: without the note a repetition states the
    // same fact, which stands.
    if let Err(error) = kv.put(&entry, &done).await {
        let error = &error as &dyn std::error::Error;
        tracing::warn!(error, "a claim could not be marked as accepted");
    }
    Ok((claim.conversation, repeated))
}

fn same(one: &Content, other: &Content) -> bool {
    one.fingerprint == other.fingerprint && one.recording.sha256 == other.recording.sha256
}

async fn store(
    app: &App,
    scope: &Scope,
    claim: &Claim,
    salt: &str,
    request: Request,
) -> Result<(CallInfo, Content), Problem> {
    let artifacts = app.bus.artifacts();
    let sink = Sink::Vault {
        artifacts: &artifacts,
        scope,
    };
    let limit = app.options.max_upload_bytes;
    let received = upload::receive(request, claim.received_at, &sink, limit).await?;
    match received {
        Received {
            call,
            vocabulary,
            recording: Recording::Stored(recording),
        } => {
            let document = metadata::document(vocabulary, salt);
            let fingerprint = metadata::fingerprint(&call, document.as_deref());
            let vocabulary = match document {
                Some(document) => {
                    let media_type = Vocabulary::MEDIA_TYPE;
                    let putting = artifacts.put_bytes(Bucket::Vault, scope, media_type, document);
                    Some(putting.await?)
                }
                None => None,
            };
            let content = Content {
                fingerprint,
                recording,
                vocabulary,
            };
            Ok((call, content))
        }
        // The vault's sink stores.
        Received {
            recording: Recording::Digest(_),
            ..
        } => Err(Problem::internal()),
    }
}

/// Reads a repetition and compares it with what is in the vault.
async fn compare(
    app: &App,
    claim: &Claim,
    content: &Content,
    salt: &str,
    request: Request,
) -> Result<CallInfo, Problem> {
    let limit = app.options.max_upload_bytes;
    let received = upload::receive(request, claim.received_at, &Sink::Digest, limit).await?;
    let sha256 = match received.recording {
        Recording::Digest(sha256) => sha256,
        Recording::Stored(reference) => reference.sha256,
    };
    let document = metadata::document(received.vocabulary, salt);
    let fingerprint = metadata::fingerprint(&received.call, document.as_deref());
    if sha256 != content.recording.sha256 || fingerprint != content.fingerprint {
        return Err(idempotency::mismatch());
    }
    Ok(received.call)
}

/// States the first fact of the conversation. Its id follows from the conversation's, so stating
/// it again, from here or from another gateway, is the same fact.
async fn state(app: &App, scope: Scope, call: CallInfo, content: Content) -> Result<bool, Problem> {
    let kind = FactType::ConversationReceived;
    let conversation = scope.conversation().ok_or_else(Problem::internal)?;
    Span::current().record(CONVERSATION, field::display(conversation));
    let id = Uuid::new_v5(&conversation.as_uuid(), kind.as_str().as_bytes());
    let envelope = Envelope {
        id: FactId::from(id),
        ..Envelope::first(SERVICE, scope, kind, Timestamp::now())
    };
    let fact = ConversationReceived {
        call,
        recording: content.recording,
        vocabulary: content.vocabulary,
    };
    Ok(app.bus.state(&envelope, &fact.into()).await?.repeated)
}

/// What a conversation is about, to the log.
pub(crate) fn scope(account: &AccountId, conversation: ConversationId) -> Scope {
    Scope::Conversation {
        account: account.clone(),
        conversation,
    }
}

/// Where a conversation stands, from the read model, or from the log where that lags.
pub(crate) async fn find(
    app: &App,
    account: &AccountId,
    conversation: ConversationId,
) -> Result<Progress, Problem> {
    let key = Progress::key(account, conversation);
    if let Some(found) = app.progress().await?.get::<Progress>(&key).await? {
        return Ok(found.value);
    }
    let history = app.bus.history(&scope(account, conversation)).await?;
    if history.is_empty() {
        return Err(Problem::not_found());
    }
    let mut progress = Progress::new(conversation);
    for logged in &history {
        progress.apply(&logged.envelope, &logged.fact);
    }
    Ok(progress)
}

/// Show a conversation: its status, the time of each step, and what was measured.
#[utoipa::path(
    get,
    path = "/v1/conversations/{id}",
    tag = "conversations",
    operation_id = "getConversation",
    params(("id" = Uuid, Path, description = "The conversation's id")),
    responses(
        (status = 200, description = "The conversation", body = Conversation),
        (status = 404, description = "No such conversation", body = ProblemDocument,
            content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn show(
    State(app): State<Shared>,
    caller: Caller,
    Path(conversation): Path<String>,
    uri: Uri,
) -> Result<Json<Conversation>, Problem> {
    Params::read(&uri, &[])?;
    let progress = find(&app, &caller.account, id(&conversation)?).await?;
    Ok(Json(progress.into()))
}
