//! Servers that are away, slow, wrong, or set up wrongly.

use std::{
    num::NonZeroUsize,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use colloquy_bus::CancellationToken;
use colloquy_transcribe::remote::{Key, RemoteEngine, RemoteError, Trouble};
use futures::future::join_all;
use serde_json::json;

use super::{
    PATIENCE, engine, english, limits, monologue, options,
    server::{Received, Reply, Server, spoken},
    transcribe,
};

/// A server that gives one answer to the first requests, then works.
async fn at_first(count: usize, reply: impl Fn() -> Reply + Send + Sync + 'static) -> Server {
    Server::start(move |received| {
        if received.number < count {
            reply()
        } else {
            spoken(received, "w")
        }
    })
    .await
}

/// What an engine makes of a server that gives the same answer to everything.
async fn always(reply: impl Fn() -> Reply + Send + Sync + 'static) -> (RemoteError, Server) {
    let server = Server::start(move |_| reply()).await;
    let mut options = options(&server);
    options.limits.attempts = 2;
    options.limits.answer_bytes = 10_000;
    let heard = transcribe(&engine(options), monologue(), &english()).await;
    (heard.unwrap_err(), server)
}

#[track_caller]
fn assert_failed(error: &RemoteError, expected: Trouble) {
    let RemoteError::Failed {
        attempts: 2,
        trouble,
        ..
    } = error
    else {
        panic!("{error:?}")
    };
    assert_eq!(*trouble, expected);
}

#[tokio::test]
async fn who_asks_for_a_pause_gets_it_and_no_longer_one() {
    let server = at_first(1, || Reply::RetryAfter(429, "1")).await;
    let mut options = options(&server);
    options.limits.pause = PATIENCE;
    let heard = transcribe(&engine(options), monologue(), &english())
        .await
        .unwrap();
    assert_eq!(heard.findings.retried, 1);
    let received = server.received();
    assert_eq!(received.len(), 2);
    let paused = received[1].at - received[0].at;
    assert!(paused >= Duration::from_secs(1), "{paused:?}");
    assert!(paused < PATIENCE / 2, "{paused:?}");
}

#[tokio::test]
async fn a_server_that_is_overloaded_costs_no_attempts() {
    let server = at_first(9, || Reply::RetryAfter(429, "0")).await;
    let mut options = options(&server);
    options.limits.attempts = 3;
    transcribe(&engine(options), monologue(), &english())
        .await
        .unwrap();
    assert_eq!(server.received().len(), 10);
}

#[tokio::test]
async fn failures_in_a_row_open_the_breaker_for_everybody_until_it_is_back() {
    let server = at_first(4, || Reply::Status(500, json!({}))).await;
    let mut options = options(&server);
    // One request at a time, so that none is under way when the breaker opens.
    options.limits.parallel = NonZeroUsize::MIN;
    options.limits.failures = 3;
    options.limits.attempts = 4;
    let pause = options.limits.pause;
    let engine = Arc::new(engine(options));
    let calls = (0..3).map(|_| async {
        let engine = engine.clone();
        transcribe(&engine, monologue(), &english()).await.unwrap()
    });
    join_all(calls).await;
    let received = server.received();
    assert_eq!(received.len(), 7, "four failures, three successes");
    let at = |number: usize| received[number].at;
    for (before, probe) in [(2, 3), (3, 4)] {
        let left_alone = at(probe) - at(before);
        assert!(left_alone >= pause.mul_f64(0.9), "{before}: {left_alone:?}");
    }
}

#[tokio::test]
async fn what_passes_is_tried_again() {
    let server = Server::start(|received| match received.number {
        0 => Reply::Status(503, json!({})),
        1 => Reply::Cut,
        2 => Reply::Status(408, json!({})),
        3 => Reply::Text("{\"text\": \"NaN\", \"x\": NaN}".to_owned()),
        _ => spoken(received, "w"),
    })
    .await;
    let mut options = options(&server);
    options.limits.failures = 10;
    let heard = transcribe(&engine(options), monologue(), &english())
        .await
        .unwrap();
    assert!(!heard.transcript.turns.is_empty());
    assert_eq!(server.received().len(), 5);
}

#[tokio::test]
async fn a_server_that_is_not_there_is_waited_for() {
    let server = at_first(0, || Reply::Hang).await;
    let mut options = options(&server);
    drop(server);
    options.limits.failures = 2;
    options.limits.patience = Duration::from_secs(1);
    let error = transcribe(&engine(options), monologue(), &english())
        .await
        .unwrap_err();
    let RemoteError::Unavailable { trouble, .. } = &error else {
        panic!("{error:?}")
    };
    assert_eq!(*trouble, Trouble::Connect);
}

#[tokio::test]
async fn a_slow_answer_is_not_waited_for() {
    let server = Server::start(|_| Reply::Hang).await;
    let mut options = options(&server);
    options.limits.attempts = 2;
    options.limits.answer = Duration::from_millis(500);
    options.limits.answer_per_second = Duration::ZERO;
    let error = transcribe(&engine(options), monologue(), &english())
        .await
        .unwrap_err();
    assert_failed(&error, Trouble::Late(Duration::from_millis(500)));
    assert_eq!(server.received().len(), 2);
}

#[tokio::test]
async fn answers_that_cannot_be_used_are_failures() {
    let (error, _) = always(|| Reply::Cut).await;
    assert_failed(&error, Trouble::Cut);
    let (error, _) = always(|| Reply::Text("x".repeat(10_001))).await;
    assert_failed(&error, Trouble::Large(10_000));
    let (error, _) = always(|| Reply::Text("<html>secret</html>".to_owned())).await;
    assert_failed(&error, Trouble::Nonsense);
    assert!(!error.to_string().contains("secret"), "{error}");
}

/// A server that refuses everything until somebody mends it.
async fn until_mended(status: u16) -> (Server, Arc<AtomicBool>) {
    let mended = Arc::new(AtomicBool::new(false));
    let works = mended.clone();
    let script = move |received: &Received| {
        if works.load(Ordering::SeqCst) {
            return spoken(received, "w");
        }
        let message = "Incorrect key sk-secret for Zoë";
        Reply::Status(
            status,
            json!({ "error": { "message": message, "code": "invalid_api_key" } }),
        )
    };
    (Server::start(script).await, mended)
}

#[tokio::test]
async fn wrong_settings_keep_recordings_waiting_until_they_are_mended() {
    for status in [401, 404, 400] {
        let (server, mended) = until_mended(status).await;
        let engine = Arc::new(engine(options(&server)));
        let calls = (0..3).map(|_| async {
            let engine = engine.clone();
            transcribe(&engine, monologue(), &english()).await.unwrap()
        });
        let mending = async {
            let waiting = Instant::now();
            while server.received().len() < 3 {
                assert!(waiting.elapsed() < PATIENCE, "it is tried now and then");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            mended.store(true, Ordering::SeqCst);
            server.received()
        };
        let (heard, refused) = tokio::join!(join_all(calls), mending);
        assert_eq!(heard.len(), 3);
        // At first, all ask; then one at a time, now and then.
        let last = refused.last().unwrap().at - refused[0].at;
        assert!(refused.len() <= 5, "{status}: {}", refused.len());
        assert!(refused.len() > 3 || last >= limits().settings_pause.mul_f64(0.9));
    }
}

#[tokio::test]
async fn wrong_settings_that_nobody_mends_are_told_without_secrets() {
    let (server, _) = until_mended(401).await;
    let mut options = options(&server);
    options.key = Some(Key::new("sk-secret").unwrap());
    options.limits.patience = Duration::from_secs(1);
    let error = transcribe(&engine(options), monologue(), &english())
        .await
        .unwrap_err();
    let RemoteError::Unavailable { trouble, .. } = &error else {
        panic!("{error:?}")
    };
    let settings = Trouble::Settings {
        status: 401,
        code: Some("invalid_api_key"),
    };
    assert_eq!(*trouble, settings);
    let told = format!("{error} {error:?}");
    assert!(told.contains("does not know the key"), "{told}");
    assert!(!told.contains("secret") && !told.contains("Zoë"), "{told}");
}

#[tokio::test]
async fn a_server_that_tells_no_times_is_not_used() {
    let server = Server::start(|_| Reply::Json(json!({ "text": "Hello there." }))).await;
    let mut options = options(&server);
    options.limits.patience = Duration::from_secs(1);
    let error = transcribe(&engine(options), monologue(), &english())
        .await
        .unwrap_err();
    assert!(
        matches!(
            error,
            RemoteError::Unavailable {
                trouble: Trouble::NoTimes,
                ..
            }
        ),
        "{error:?}"
    );
}

#[tokio::test]
async fn what_a_working_server_refuses_is_given_up() {
    for status in [400, 413, 415, 422] {
        let server = Server::start(move |received| {
            if received.number == 0 {
                return spoken(received, "w");
            }
            let code = "an odd code of Zoë's";
            Reply::Status(
                status,
                json!({ "error": { "message": "Zoë", "code": code } }),
            )
        })
        .await;
        let engine = engine(options(&server));
        transcribe(&engine, monologue(), &english()).await.unwrap();
        let error = transcribe(&engine, monologue(), &english())
            .await
            .unwrap_err();
        let RemoteError::Refused {
            status: told,
            code: None,
            ..
        } = &error
        else {
            panic!("{error:?}")
        };
        assert_eq!(*told, status);
        assert!(!format!("{error} {error:?}").contains("Zoë"));
        assert_eq!(server.received().len(), 2, "it is not tried again");
    }
}

async fn cancelled_within_a_second(engine: &RemoteEngine, server: &Server) {
    let cancel = CancellationToken::new();
    let request = english();
    let transcribing = engine.transcribe(monologue(), &request, &cancel);
    let cancelling = async {
        let waiting = Instant::now();
        while server.received().is_empty() {
            assert!(waiting.elapsed() < PATIENCE, "it is asked");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        cancel.cancel();
        Instant::now()
    };
    let ended = async {
        let heard = transcribing.await;
        (heard, Instant::now())
    };
    let ((heard, ended), cancelled) = tokio::join!(ended, cancelling);
    assert!(matches!(heard, Err(RemoteError::Cancelled)), "{heard:?}");
    let took = ended.saturating_duration_since(cancelled);
    assert!(took < Duration::from_secs(1), "{took:?}");
}

#[tokio::test]
async fn cancelling_is_heeded_while_an_answer_is_awaited_and_while_the_server_is_left_alone() {
    let server = Server::start(|_| Reply::Hang).await;
    cancelled_within_a_second(&engine(options(&server)), &server).await;
    let server = Server::start(|_| Reply::Status(401, json!({}))).await;
    let mut options = options(&server);
    options.limits.settings_pause = PATIENCE;
    cancelled_within_a_second(&engine(options), &server).await;
}
