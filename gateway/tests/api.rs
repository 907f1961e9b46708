//! The API against a real broker.

#![allow(clippy::unwrap_used, clippy::panic, unreachable_pub, reason = "tests")]

mod common;

use axum::http::{Method, StatusCode};
use colloquy_contract::{
    Bucket, ConversationId, Envelope, FactType, Scope,
    facts::{ConversationAnonymized, ConversationIndexed, ConversationRejected, Fact},
    progress::Progress,
    search::{SUBJECT, SearchReply, SearchRequest},
    streams,
    transcript::{Role, Transcript, Turn, Word},
    vocabulary::Vocabulary,
};
use colloquy_gateway::keys;
use common::{Answer, Platform, Sent};
use futures::FutureExt;
use jiff::Timestamp;
use serde_json::Value;

/// One broker serves all tests of this file: starting one takes longer than all of them.
#[tokio::test(flavor = "multi_thread")]
async fn the_api() {
    let platform = Platform::start().await;
    problems(&platform).await;
    keys_open_and_close(&platform).await;
    posting(&platform).await;
    idempotency(&platform).await;
    vocabulary(&platform).await;
    what_is_not_ready(&platform).await;
    results(&platform).await;
    lists(&platform).await;
    event_streams(&platform).await;
    searching(&platform).await;
    signing_up(&platform).await;
    serving(&platform).await;
    traces(&platform).await;
    without_a_broker(platform).await;
}

async fn problems(platform: &Platform) {
    let id = ConversationId::generate();
    let unknown = format!("/v1/conversations/{id}");
    let get = |path: &str| Sent::new(Method::GET, path);
    let post = |path: &str| Sent::new(Method::POST, path);
    let json = "application/json";
    for (sent, status, kind) in [
        (get("/nowhere"), 404, "not-found"),
        (get("/v1/nowhere"), 404, "not-found"),
        (get("/problems/nothing"), 404, "not-found"),
        (
            Sent::new(Method::DELETE, "/v1/search"),
            405,
            "method-not-allowed",
        ),
        (get(&unknown).anonymous(), 401, "unauthenticated"),
        (
            get(&unknown).header("authorization", "Bearer cq_wrong"),
            401,
            "unauthenticated",
        ),
        (get(&unknown), 404, "not-found"),
        (get(&format!("{unknown}/audio")), 404, "not-found"),
        (get(&format!("{unknown}/transcript")), 404, "not-found"),
        (get(&format!("{unknown}/events")), 404, "not-found"),
        (get(&format!("{unknown}/stream")), 404, "not-found"),
        (get("/v1/conversations/not-an-id"), 404, "not-found"),
        (get("/v1/conversations/%FF"), 400, "bad-request"),
        (
            get(&format!("{unknown}/transcript?format=pdf")),
            400,
            "bad-request",
        ),
        (get("/v1/conversations?limit=x"), 400, "bad-request"),
        (get("/v1/conversations?colour=blue"), 400, "bad-request"),
        (get("/v1/search?limit=1000"), 400, "bad-request"),
        (get("/v1/search?q=a"), 503, "unavailable"),
        (post("/v1/conversations"), 422, "empty"),
        (
            post("/v1/conversations").typed(json).body("{}"),
            415,
            "unsupported-media-type",
        ),
        (
            post("/v1/conversations?colour=blue").body("x"),
            422,
            "invalid",
        ),
        (
            post("/v1/conversations").body("x".repeat(2_000_000)),
            413,
            "too-large",
        ),
        (
            post("/v1/conversations")
                .typed("multipart/form-data")
                .body("x"),
            400,
            "bad-request",
        ),
        (
            post("/v1/conversations")
                .header("idempotency-key", "a b")
                .body("x"),
            400,
            "bad-request",
        ),
        (
            post("/v1/signups").body("{}"),
            415,
            "unsupported-media-type",
        ),
        (
            post("/v1/signups").typed(json).body("{"),
            400,
            "bad-request",
        ),
        (post("/v1/signups").typed(json).body("{}"), 422, "invalid"),
        (
            post("/v1/signups").typed(json).body("x".repeat(100_000)),
            413,
            "too-large",
        ),
        (get("/v1/signups/not-an-id"), 404, "not-found"),
        (get(&format!("/v1/signups/{id}")), 404, "not-found"),
    ] {
        let path = sent.path.clone();
        let answer = platform.send(sent).await;
        answer.is_problem(status, kind, &path);
    }
    let answer = platform.send(Sent::new(Method::DELETE, "/v1/search")).await;
    assert!(answer.header("allow").contains("GET"));
    let answer = platform.send(get("/v1/search").anonymous()).await;
    assert!(answer.header("www-authenticate").starts_with("Bearer"));
    let page = platform.send(get("/problems/too-large")).await;
    assert_eq!(page.status, StatusCode::OK);
}

async fn keys_open_and_close(platform: &Platform) {
    let account = "other".parse().unwrap();
    let key = keys::create(&platform.bus, &account, "test").await.unwrap();
    assert!(key.secret.starts_with("cq_"));
    assert!(!format!("{key:?}").contains(&key.secret));
    let listed = keys::list(&platform.bus).await.unwrap();
    assert!(
        listed
            .iter()
            .any(|known| known.id == key.id && known.account == account)
    );
    for name in ["", &"x".repeat(101)] {
        assert!(keys::create(&platform.bus, &account, name).await.is_err());
    }
    // Revoked before it was used here, so no gateway remembers it.
    keys::revoke(&platform.bus, key.id).await.unwrap();
    keys::revoke(&platform.bus, key.id).await.unwrap();
    assert!(
        keys::revoke(&platform.bus, uuid::Uuid::nil())
            .await
            .is_err()
    );
    let sent = Sent::new(Method::GET, "/v1/conversations").anonymous();
    let answer = platform.send(sent.header("x-api-key", &key.secret)).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    let sent = Sent::new(Method::GET, "/v1/conversations").anonymous();
    let answer = platform
        .send(sent.header("x-api-key", &platform.secret))
        .await;
    assert_eq!(answer.status, StatusCode::OK);
}

async fn posting(platform: &Platform) {
    let path = "/v1/conversations?agent=a-1&label=k:v";
    let sent = Sent::new(Method::POST, path)
        .typed("audio/wav")
        .body("sound");
    let answer = platform.send(sent).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED);
    let id = answer.id();
    assert_eq!(answer.header("location"), format!("/v1/conversations/{id}"));
    let history = platform.bus.history(&platform.scope(id)).await.unwrap();
    let [logged] = &history[..] else {
        panic!("{history:?}")
    };
    let Fact::ConversationReceived(fact) = &logged.fact else {
        panic!("{logged:?}")
    };
    assert_eq!(fact.call.agent.as_deref(), Some("a-1"));
    assert_eq!(fact.recording.media_type, "audio/wav");
    let stored = platform
        .bus
        .artifacts()
        .get_bytes(&fact.recording)
        .await
        .unwrap();
    assert_eq!(stored, "sound");
    // The read model has nothing yet: the log answers.
    let shown = platform
        .get(&format!("/v1/conversations/{id}"))
        .await
        .json();
    assert_eq!(shown["status"], "queued");
    assert_eq!(shown["stages"][0]["fact"], "conversation.received");
    let events = platform
        .get(&format!("/v1/conversations/{id}/events"))
        .await
        .json();
    assert_eq!(events["events"][0]["type"], "conversation.received");
    assert_eq!(events["events"][0]["source"], "gateway");
    // Another account sees nothing of it.
    let account = "stranger".parse().unwrap();
    let stranger = keys::create(&platform.bus, &account, "test").await.unwrap();
    for rest in ["", "/events", "/audio", "/transcript", "/stream"] {
        let sent = Sent::new(Method::GET, &format!("/v1/conversations/{id}{rest}")).anonymous();
        let answer = platform
            .send(sent.header("x-api-key", &stranger.secret))
            .await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{rest}");
    }
}

/// The vocabulary of a conversation's first fact, from the vault.
async fn vocabulary_of(platform: &Platform, id: ConversationId) -> (String, Vocabulary) {
    let history = platform.bus.history(&platform.scope(id)).await.unwrap();
    let Fact::ConversationReceived(fact) = &history[0].fact else {
        panic!("{history:?}")
    };
    let facts = String::from_utf8(history[0].fact.to_json().unwrap()).unwrap();
    assert!(!facts.contains("Frobnicator"), "{facts}");
    let reference = fact.vocabulary.as_ref().unwrap();
    assert_eq!(reference.bucket, Bucket::Vault);
    let artifacts = platform.bus.artifacts();
    let document = artifacts.get_bytes(reference).await.unwrap();
    (
        reference.sha256.clone(),
        serde_json::from_slice(&document).unwrap(),
    )
}

async fn vocabulary(platform: &Platform) {
    let path = "/v1/conversations?vocabulary=Frobnicator,Zo%C3%AB";
    let post = |path: &str| Sent::new(Method::POST, path).body("sound");
    let mut digests = Vec::new();
    for _ in 0..2 {
        let answer = platform.send(post(path)).await;
        assert_eq!(answer.status, StatusCode::ACCEPTED);
        let (digest, vocabulary) = vocabulary_of(platform, answer.id()).await;
        assert_eq!(vocabulary.terms, ["Frobnicator", "Zoë"]);
        digests.push(digest);
    }
    assert_ne!(digests[0], digests[1], "the digest tells nothing");
    // A repetition is the same document; other terms are another post.
    let keyed = |path: &str| post(path).header("idempotency-key", "key-vocabulary");
    let first = platform.send(keyed(path)).await;
    let again = platform.send(keyed(path)).await;
    assert_eq!(first.id(), again.id());
    assert_eq!(again.header("idempotent-replayed"), "true");
    vocabulary_of(platform, first.id()).await;
    for other in [
        "/v1/conversations",
        "/v1/conversations?vocabulary=Frobnicator",
    ] {
        let answer = platform.send(keyed(other)).await;
        answer.is_problem(422, "idempotency-mismatch", "/v1/conversations");
    }
    let answer = platform
        .send(post("/v1/conversations?vocabulary=%3C%7Cx"))
        .await;
    answer.is_problem(422, "invalid", "/v1/conversations");
}

async fn idempotency(platform: &Platform) {
    let post = |agent: &str, body: &'static str| {
        Sent::new(Method::POST, &format!("/v1/conversations?agent={agent}"))
            .header("idempotency-key", "key-1")
            .body(body)
    };
    let first = platform.send(post("a", "sound")).await;
    assert_eq!(first.status, StatusCode::ACCEPTED);
    assert_eq!(first.header("idempotent-replayed"), "");
    let again = platform.send(post("a", "sound")).await;
    assert_eq!(again.status, StatusCode::ACCEPTED);
    assert_eq!(again.header("idempotent-replayed"), "true");
    assert_eq!(again.id(), first.id());
    for other in [post("b", "sound"), post("a", "other")] {
        let answer = platform.send(other).await;
        answer.is_problem(422, "idempotency-mismatch", "/v1/conversations");
    }
    assert_eq!(
        platform
            .bus
            .history(&platform.scope(first.id()))
            .await
            .unwrap()
            .len(),
        1
    );
    // One that broke off before anything was stored is gone on with under its id.
    let claimed = ConversationId::generate();
    let entry = platform.claim_entry("key-2");
    let claim = serde_json::json!({
        "conversation": claimed, "received_at": Timestamp::now(), "content": null, "accepted": false
    });
    let kv = platform.bus.kv(streams::IDEMPOTENCY.name).await.unwrap();
    assert!(kv.create(&entry, &claim).await.unwrap());
    let sent = Sent::new(Method::POST, "/v1/conversations").header("idempotency-key", "key-2");
    let answer = platform.send(sent.body("sound")).await;
    assert_eq!(answer.id(), claimed);
    // Many at once are one.
    let posts = (0..8).map(|_| {
        let sent = Sent::new(Method::POST, "/v1/conversations").header("idempotency-key", "key-3");
        platform.send(sent.body("sound"))
    });
    let answers: Vec<Answer> = futures::future::join_all(posts).await;
    assert!(
        answers
            .iter()
            .all(|answer| answer.status == StatusCode::ACCEPTED)
    );
    assert!(answers.iter().all(|answer| answer.id() == answers[0].id()));
    let history = platform
        .bus
        .history(&platform.scope(answers[0].id()))
        .await
        .unwrap();
    assert_eq!(history.len(), 1);
}

async fn post_one(platform: &Platform, path: &str) -> ConversationId {
    platform
        .send(Sent::new(Method::POST, path).body("sound"))
        .await
        .id()
}

async fn state(platform: &Platform, id: ConversationId, fact: Fact) {
    let kind = fact.fact_type();
    let envelope = Envelope::first("test", platform.scope(id), kind, Timestamp::now());
    platform.bus.state(&envelope, &fact).await.unwrap();
}

async fn what_is_not_ready(platform: &Platform) {
    let id = post_one(platform, "/v1/conversations").await;
    for rest in ["audio", "transcript"] {
        let path = format!("/v1/conversations/{id}/{rest}");
        let answer = platform.get(&path).await;
        answer.is_problem(409, "not-ready", &path);
        assert_eq!(answer.header("retry-after"), "2");
    }
    let rejected = ConversationRejected {
        stage: "decode".to_owned(),
        code: "not_audio".to_owned(),
        reason: "This is text.".to_owned(),
    };
    state(platform, id, rejected.into()).await;
    let path = format!("/v1/conversations/{id}/transcript");
    platform
        .get(&path)
        .await
        .is_problem(409, "no-result", &path);
    let shown = platform
        .get(&format!("/v1/conversations/{id}"))
        .await
        .json();
    assert_eq!(shown["status"], "error");
    assert_eq!(shown["error"]["code"], "not_audio");
}

fn transcript() -> Transcript {
    let word = Word {
        text: "Hello.".to_owned(),
        start_ms: 0,
        end_ms: 500,
        confidence: 1.0,
        digit_starts_ms: Vec::new(),
    };
    Transcript {
        version: 1,
        language: "en".to_owned(),
        duration_ms: 1_000,
        model: "test".to_owned(),
        channels: vec![Role::Agent],
        turns: vec![Turn::new(0, Role::Agent, vec![word]).unwrap()],
    }
}

async fn anonymize(platform: &Platform, id: ConversationId, audio: Vec<u8>) {
    let (artifacts, scope) = (platform.bus.artifacts(), platform.scope(id));
    let document = serde_json::to_vec(&transcript()).unwrap();
    let history = platform.bus.history(&scope).await.unwrap();
    let Fact::ConversationReceived(received) = &history[0].fact else {
        panic!("{history:?}")
    };
    let fact = ConversationAnonymized {
        call: received.call.clone(),
        duration_ms: 1_000,
        language: "en".to_owned(),
        transcript: artifacts
            .put_bytes(Bucket::Open, &scope, Transcript::MEDIA_TYPE, document)
            .await
            .unwrap(),
        audio: artifacts
            .put_bytes(Bucket::Open, &scope, "audio/ogg", audio)
            .await
            .unwrap(),
        redactions: [("PERSON".to_owned(), 1)].into(),
        redacted_ms: 100,
        policy: None,
        verified: None,
    };
    state(platform, id, fact.into()).await;
}

async fn results(platform: &Platform) {
    let id = post_one(platform, "/v1/conversations").await;
    let audio: Vec<u8> = (0..1_000_000_u32).map(|n| (n % 251) as u8).collect();
    anonymize(platform, id, audio.clone()).await;
    let transcript = format!("/v1/conversations/{id}/transcript");
    assert_eq!(
        platform.get(&transcript).await.json()["turns"][0]["text"],
        "Hello."
    );
    for (format, media_type, begin) in [
        ("txt", "text/plain", "[00:00:00] agent: Hello."),
        ("srt", "application/x-subrip", "1\n00:00:00,000"),
        ("vtt", "text/vtt", "WEBVTT\n"),
    ] {
        let answer = platform.get(&format!("{transcript}?format={format}")).await;
        assert!(
            answer.header("content-type").starts_with(media_type),
            "{format}"
        );
        assert!(answer.text().starts_with(begin), "{format}");
    }
    ranges(platform, &format!("/v1/conversations/{id}/audio"), &audio).await;
}

async fn ranges(platform: &Platform, path: &str, audio: &[u8]) {
    let whole = platform.get(path).await;
    assert_eq!(whole.status, StatusCode::OK);
    assert_eq!(whole.body, audio);
    assert_eq!(whole.header("content-type"), "audio/ogg");
    assert_eq!(whole.header("accept-ranges"), "bytes");
    let etag = whole.header("etag");
    let head = platform.send(Sent::new(Method::HEAD, path)).await;
    assert_eq!(head.status, StatusCode::OK);
    assert_eq!(head.header("content-length"), audio.len().to_string());
    assert!(head.body.is_empty());
    let get = |range: &str| Sent::new(Method::GET, path).header("range", range);
    for (range, bytes, content_range) in [
        ("bytes=0-9", 0..10, "bytes 0-9/1000000"),
        (
            "bytes=600000-600999",
            600_000..601_000,
            "bytes 600000-600999/1000000",
        ),
        (
            "bytes=-5",
            999_995..1_000_000,
            "bytes 999995-999999/1000000",
        ),
    ] {
        let part = platform.send(get(range)).await;
        assert_eq!(part.status, StatusCode::PARTIAL_CONTENT, "{range}");
        assert_eq!(part.header("content-range"), content_range);
        assert_eq!(part.body, &audio[bytes], "{range}");
    }
    let outside = platform.send(get("bytes=1000000-")).await;
    outside.is_problem(416, "range-not-satisfiable", path);
    assert_eq!(outside.header("content-range"), "bytes */1000000");
    let stale = platform
        .send(get("bytes=0-9").header("if-range", "\"other\""))
        .await;
    assert_eq!(stale.status, StatusCode::OK);
    let sent = Sent::new(Method::GET, path).header("if-none-match", &etag);
    assert_eq!(platform.send(sent).await.status, StatusCode::NOT_MODIFIED);
}

/// Does what the progress worker does.
async fn fold(platform: &Platform, id: ConversationId) {
    let mut progress = Progress::new(id);
    for logged in platform.bus.history(&platform.scope(id)).await.unwrap() {
        progress.apply(&logged.envelope, &logged.fact);
    }
    let kv = platform.bus.kv(streams::PROGRESS.name).await.unwrap();
    kv.put(&Progress::key(&platform.account, id), &progress)
        .await
        .unwrap();
}

async fn lists(platform: &Platform) {
    let empty = platform.get("/v1/conversations").await.json();
    assert_eq!(empty["conversations"], serde_json::json!([]));
    let mut ids = Vec::new();
    for n in 0..5 {
        let id = post_one(platform, &format!("/v1/conversations?agent=list-{}", n % 2)).await;
        fold(platform, id).await;
        ids.push(id.to_string());
    }
    ids.reverse();
    let (mut seen, mut cursor): (Vec<String>, String) = (Vec::new(), String::new());
    loop {
        let page = platform
            .get(&format!("/v1/conversations?limit=2&cursor={cursor}"))
            .await
            .json();
        let items = page["conversations"].as_array().unwrap();
        assert!(items.len() <= 2);
        seen.extend(
            items
                .iter()
                .map(|item| item["id"].as_str().unwrap().to_owned()),
        );
        match page["next_cursor"].as_str() {
            Some(next) => next.clone_into(&mut cursor),
            None => break,
        }
    }
    assert_eq!(seen, ids);
    let count = |page: Value| page["conversations"].as_array().unwrap().len();
    for (query, expected) in [
        ("agent=list-0", 3),
        ("agent=list-0&status=queued", 3),
        ("status=completed", 0),
        ("from=2026-01-01", 5),
        ("to=2026-01-01", 0),
    ] {
        let page = platform
            .get(&format!("/v1/conversations?{query}"))
            .await
            .json();
        assert_eq!(count(page), expected, "{query}");
    }
}

async fn event_streams(platform: &Platform) {
    let id = post_one(platform, "/v1/conversations").await;
    let path = format!("/v1/conversations/{id}/stream");
    let following = platform.get(&path);
    let stating = async {
        state(platform, id, ConversationIndexed { turns: 1 }.into()).await;
    };
    let (answer, ()) = tokio::join!(following, stating);
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.header("content-type"), "text/event-stream");
    let text = answer.text();
    let received = text.find("event: conversation.received").unwrap();
    assert!(received < text.find("event: conversation.indexed").unwrap());
    let ids: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("id: "))
        .collect();
    let [first, last] = &ids[..] else {
        panic!("{text}")
    };
    let resumed = Sent::new(Method::GET, &path).header("last-event-id", first);
    let text = platform.send(resumed).await.text();
    assert!(!text.contains("received\n") && text.contains("event: conversation.indexed"));
    let over = Sent::new(Method::GET, &path).header("last-event-id", last);
    assert_eq!(platform.send(over).await.status, StatusCode::NO_CONTENT);
}

async fn searching(platform: &Platform) {
    let stop = colloquy_bus::CancellationToken::new();
    let (bus, stopped) = (platform.bus.clone(), stop.clone());
    let node = tokio::spawn(async move {
        let answer = |request: SearchRequest| {
            async move {
                SearchReply {
                    node: "test".to_owned(),
                    partitions: (0..64).collect(),
                    error: (request.query == "(").then(|| "A parenthesis is open.".to_owned()),
                    total: 0,
                    hits: Vec::new(),
                }
            }
            .boxed()
        };
        bus.serve(SUBJECT, stopped, answer).await
    });
    // Until the node has subscribed there is no answer.
    let mut answer = platform.get("/v1/search?q=hello").await;
    for _ in 0..100 {
        if answer.status == StatusCode::OK {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        answer = platform.get("/v1/search?q=hello").await;
    }
    assert_eq!(answer.json(), serde_json::json!({ "total": 0, "hits": [] }));
    platform
        .get("/v1/search?q=(")
        .await
        .is_problem(400, "bad-query", "/v1/search");
    stop.cancel();
    node.await.unwrap().unwrap();
}

async fn signing_up(platform: &Platform) {
    let body = r#"{"email":"ada@example.com","name":"Ada","password":"twelve chars!"}"#;
    let post = |body: &'static str| {
        Sent::new(Method::POST, "/v1/signups")
            .anonymous()
            .typed("application/json")
            .header("idempotency-key", "signup-1")
            .body(body)
    };
    let answer = platform.send(post(body)).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED);
    let id = answer.json()["id"].as_str().unwrap().to_owned();
    let again = platform.send(post(body)).await;
    assert_eq!(again.header("idempotent-replayed"), "true");
    assert_eq!(again.json()["id"], id.as_str());
    let other = r#"{"email":"eve@example.com","name":"Ada","password":"twelve chars!"}"#;
    platform
        .send(post(other))
        .await
        .is_problem(422, "idempotency-mismatch", "/v1/signups");
    let path = format!("/v1/signups/{id}");
    let shown = platform
        .send(Sent::new(Method::GET, &path).anonymous())
        .await;
    assert_eq!(shown.json()["status"], "pending");
    assert!(!shown.text().contains("Ada") && !shown.text().contains('@'));
    let account = id.parse().unwrap();
    let history = platform
        .bus
        .history(&Scope::Account { account })
        .await
        .unwrap();
    assert_eq!(history.len(), 1);
    assert_eq!(
        history[0].envelope.fact_type,
        FactType::AccountSignupRequested
    );
    assert!(!format!("{history:?}").contains("twelve"));
    let kv = platform.bus.kv(streams::CREDENTIALS.name).await.unwrap();
    let hash = kv.get::<String>(&id).await.unwrap().unwrap().value;
    assert!(hash.starts_with("$argon2id$"));
}

async fn serving(platform: &Platform) {
    for path in [
        "/",
        "/ui/app.js",
        "/ui/app.css",
        "/livez",
        "/readyz",
        "/openapi.json",
    ] {
        let answer = platform
            .send(Sent::new(Method::GET, path).anonymous())
            .await;
        assert_eq!(answer.status, StatusCode::OK, "{path}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert!(!answer.header("content-security-policy").is_empty());
        assert!(!answer.header("x-request-id").is_empty());
    }
    let answer = platform
        .send(Sent::new(Method::GET, "/metrics").anonymous())
        .await;
    assert_eq!(answer.text(), "metrics 1\n");
    platform.over_a_socket().await;
}

async fn traces(platform: &Platform) {
    let (trace, parent) = ("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7");
    let traced = |sent: Sent| sent.header("traceparent", &format!("00-{trace}-{parent}-01"));
    let answer = platform
        .send(traced(Sent::new(Method::GET, "/nowhere")))
        .await;
    assert_eq!(answer.json()["trace_id"], trace);
    let answer = platform
        .send(traced(
            Sent::new(Method::POST, "/v1/conversations").body("sound"),
        ))
        .await;
    let returned = answer.header("traceparent");
    assert!(returned.starts_with(&format!("00-{trace}-")), "{returned}");
    let server = returned.split('-').nth(2).unwrap();
    assert_ne!(server, parent);
    let spans = platform.spans();
    let of = |name: &str| {
        let found = spans.iter().rev().find(|span| span.name == name);
        found.unwrap_or_else(|| panic!("no span {name}")).clone()
    };
    let request = of("POST /v1/conversations");
    assert_eq!(request.parent_span_id.to_string(), parent);
    assert_eq!(request.span_context.span_id().to_string(), server);
    // What is stated is a child of the request that it is stated for.
    let publish = of("publish conversations.{partition}.{account}.{conversation}.received");
    assert_eq!(publish.span_context.trace_id().to_string(), trace);
    assert_eq!(publish.parent_span_id.to_string(), server);
    // What was searched for is in no span.
    assert!(!format!("{spans:?}").contains("hello"));
}

async fn without_a_broker(platform: Platform) {
    let platform = platform.stop_broker().await;
    let answer = platform
        .send(Sent::new(Method::POST, "/v1/conversations").body("sound"))
        .await;
    answer.is_problem(503, "unavailable", "/v1/conversations");
    assert!(!answer.header("retry-after").is_empty());
    let ready = platform
        .send(Sent::new(Method::GET, "/readyz").anonymous())
        .await;
    ready.is_problem(503, "unavailable", "/readyz");
    let live = platform
        .send(Sent::new(Method::GET, "/livez").anonymous())
        .await;
    assert_eq!(live.status, StatusCode::OK);
}
