//! A clean log gives a clean report, and every way of breaking it is found, and only that.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod support;

use std::time::Duration;

use colloquy_audit::{AuditOptions, FindingKind, IndexState};
use colloquy_contract::{
    Bucket, ConversationId, Envelope, Fact, FactType, Scope,
    facts::{
        AccountCreated, AccountSignupRejected, AccountSignupRequested, AccountWelcomed,
        ConversationErased, ConversationErasureRequested, ConversationFailed, ConversationIndexed,
        ConversationRejected, Family,
    },
    progress::Progress,
    streams,
};
use colloquy_testkit::conversation;
use jiff::{SignedDuration, Timestamp};

use support::{Platform, TURNS, Told, assert_clean, found, options, recording};

fn failed(stage: &str, dead_letter: u64) -> Fact {
    ConversationFailed {
        stage: stage.to_owned(),
        error: "it did not work".to_owned(),
        attempts: 6,
        dead_letter,
    }
    .into()
}

fn rejected() -> Fact {
    ConversationRejected {
        stage: "decode".to_owned(),
        code: "truncated".to_owned(),
        reason: "cut".to_owned(),
    }
    .into()
}

/// The name of one of a conversation's objects.
async fn vault_object(platform: &Platform, told: &Told) -> colloquy_bus::scan::StoredObject {
    let history = platform.bus.history(&told.scope).await.unwrap();
    let name = &recording(&history[0].fact).name;
    let object = platform.bus.find_object(Bucket::Vault, name).await;
    object.unwrap().unwrap()
}

#[tokio::test]
async fn a_clean_log_is_clean() {
    let platform = Platform::start().await;
    assert_clean(&platform.audit().await);
    platform.completed().await;
    platform.completed().await;
    platform.received().await;
    let mut told = platform.received().await;
    told.say(&platform, "decode", rejected()).await;
    // A clean report is not one that saw nothing.
    let report = platform
        .audit_with(&AuditOptions {
            deep: true,
            ..options()
        })
        .await;
    assert_clean(&report);
    let counts = &report.conversations;
    assert_eq!((counts.total, counts.facts), (4, 7 * 2 + 1 + 2));
    assert_eq!(
        (counts.completed, counts.rejected, counts.in_flight),
        (2, 1, 1)
    );
    assert_eq!(report.index.state, IndexState::Checked);
    assert_eq!((report.index.expected, report.progress.entries), (2, 4));
    let vault = &report.artifacts["vault"];
    let stored = 4 * 2 + 2 * 3;
    assert_eq!((vault.objects, vault.referenced), (stored, stored));
    assert_eq!(report.artifacts["open"].objects, 4);
    assert_eq!(
        report.log.conversations.last,
        platform
            .bus
            .last_sequence(Family::Conversation)
            .await
            .unwrap()
    );
}

#[tokio::test]
async fn artifacts_that_are_gone_or_broken_are_found() {
    let platform = Platform::start().await;
    let mut raw = platform.raw().await;
    let (gone, cut, changed) = (
        platform.completed().await,
        platform.completed().await,
        platform.completed().await,
    );
    platform.completed().await;

    let object = vault_object(&platform, &gone).await;
    assert!(
        platform
            .bus
            .remove_object(Bucket::Vault, &object)
            .await
            .unwrap()
    );
    let missing = format!("vault:{}", object.name);

    let object = vault_object(&platform, &cut).await;
    raw.purge("OBJ_vault", &format!("$O.vault.C.{}", object.nuid))
        .await;
    let incomplete = format!("vault:{}", object.name);

    // The chunk is there, and says something else: only reading it tells.
    let object = vault_object(&platform, &changed).await;
    let chunk = format!("$O.vault.C.{}", object.nuid);
    raw.purge("OBJ_vault", &chunk).await;
    let content = vec![b'x'; usize::try_from(object.size_bytes).unwrap()];
    raw.publish(&chunk, &[], &content).await;
    let damaged = format!("vault:{}", object.name);

    let report = platform.audit().await;
    let mut expected = vec![
        (FindingKind::ArtifactMissing, missing),
        (FindingKind::ArtifactIncomplete, incomplete),
    ];
    expected.sort();
    assert_eq!(found(&report), expected);

    let deep = AuditOptions {
        deep: true,
        ..options()
    };
    let report = platform.audit_with(&deep).await;
    expected.push((FindingKind::ArtifactDamaged, damaged));
    expected.sort();
    assert_eq!(found(&report), expected);
}

#[tokio::test]
async fn an_artifact_that_is_not_what_its_reference_says_is_found() {
    let platform = Platform::start().await;
    let told = platform.received().await;
    let history = platform.bus.history(&told.scope).await.unwrap();
    let Fact::ConversationReceived(mut data) = history[0].fact.clone() else {
        unreachable!("it is the first fact")
    };
    // Another size, and a name in another conversation: by facts that the guard lets through.
    let mut other = platform.received().await;
    let misnamed = format!("vault:{}", data.recording.name);
    other
        .say(
            &platform,
            "decode",
            colloquy_contract::facts::ConversationDecoded {
                call: data.call.clone(),
                audio: data.recording.clone(),
                duration_ms: 1,
                channels: 1,
                source: colloquy_contract::facts::SourceAudio {
                    container: "wave".to_owned(),
                    codec: "pcm".to_owned(),
                    sample_rate_hz: 8_000,
                },
                vocabulary: None,
            }
            .into(),
        )
        .await;
    assert_eq!(
        found(&platform.audit().await),
        [(FindingKind::ArtifactMisnamed, misnamed)]
    );

    let platform = Platform::start().await;
    let scope = told.scope.clone();
    data.recording.size_bytes += 1;
    data.vocabulary = None;
    let content = format!("recording of {}", scope.correlation()).into_bytes();
    let stored = platform
        .bus
        .artifacts()
        .put_bytes(Bucket::Vault, &scope, "text/plain", content)
        .await
        .unwrap();
    let differs = format!("vault:{}", stored.name);
    let envelope = Envelope::first(
        "gateway",
        scope.clone(),
        FactType::ConversationReceived,
        Timestamp::now(),
    );
    let mut told = Told {
        scope,
        last: envelope.clone(),
    };
    told.state(&platform, envelope, data.into()).await;
    assert_eq!(
        found(&platform.audit().await),
        [(FindingKind::ArtifactDiffers, differs)]
    );
}

#[tokio::test]
async fn orphans_are_found_and_swept_and_nothing_else() {
    let platform = Platform::start().await;
    let mut raw = platform.raw().await;
    let told = platform.completed().await;
    let waiting = platform.received().await;
    let artifacts = platform.bus.artifacts();
    let orphan = artifacts
        .put_bytes(
            Bucket::Open,
            &told.scope,
            "text/plain",
            b"nobody's".to_vec(),
        )
        .await
        .unwrap();
    for _ in 0..3 {
        raw.publish("$O.vault.C.upload-that-broke-off", &[], &[0; 100])
            .await;
    }
    let late = AuditOptions {
        grace: Duration::from_secs(600),
        ..options()
    };
    let report = platform.audit_with(&late).await;
    assert_clean(&report);
    assert_eq!(report.artifacts["open"].young, 1);

    let expected = [
        (FindingKind::OrphanObject, format!("open:{}", orphan.name)),
        (
            FindingKind::OrphanChunks,
            "vault:upload-that-broke-off".to_owned(),
        ),
    ];
    assert_eq!(found(&platform.audit().await), expected);

    let mut sweep = colloquy_audit::SweepOptions {
        grace: Duration::from_secs(600),
        remove: true,
    };
    let swept = colloquy_audit::sweep(&platform.bus, sweep).await.unwrap();
    assert_eq!(
        (swept.objects, swept.stray),
        (0, 0),
        "within the grace time"
    );
    sweep.grace = Duration::ZERO;
    sweep.remove = false;
    let would = colloquy_audit::sweep(&platform.bus, sweep).await.unwrap();
    assert_eq!(
        (
            would.objects,
            would.object_bytes,
            would.stray,
            would.stray_chunks
        ),
        (1, 8, 1, 3)
    );
    assert_eq!(
        found(&platform.audit().await),
        expected,
        "a dry run removes nothing"
    );

    sweep.remove = true;
    let swept = colloquy_audit::sweep(&platform.bus, sweep).await.unwrap();
    assert_eq!((swept.objects, swept.stray, swept.stray_chunks), (1, 1, 3));
    let again = colloquy_audit::sweep(&platform.bus, sweep).await.unwrap();
    assert_eq!((again.objects, again.stray), (0, 0));
    let report = platform
        .audit_with(&AuditOptions {
            deep: true,
            ..options()
        })
        .await;
    assert_clean(&report);
    assert!(
        artifacts
            .check(recording(
                &platform.bus.history(&waiting.scope).await.unwrap()[0].fact
            ))
            .await
            .unwrap()
    );
}

#[tokio::test]
async fn an_object_that_was_stored_again_is_not_removed() {
    let platform = Platform::start().await;
    let told = platform.received().await;
    let seen = vault_object(&platform, &told).await;
    // Stored anew by the same name, as after a broken upload.
    assert!(
        platform
            .bus
            .remove_object(Bucket::Vault, &seen)
            .await
            .unwrap()
    );
    let content = format!("recording of {}", told.scope.correlation()).into_bytes();
    let artifacts = platform.bus.artifacts();
    let stored = artifacts.put_bytes(Bucket::Vault, &told.scope, "text/plain", content);
    let stored = stored.await.unwrap();
    assert!(
        !platform
            .bus
            .remove_object(Bucket::Vault, &seen)
            .await
            .unwrap()
    );
    assert!(artifacts.check(&stored).await.unwrap());
}

#[tokio::test]
async fn a_progress_model_that_disagrees_is_found() {
    let platform = Platform::start().await;
    let mut raw = platform.raw().await;
    let (missing, differs) = (platform.completed().await, platform.completed().await);
    platform.completed().await;
    raw.purge("KV_progress", &format!("$KV.progress.{}", missing.key()))
        .await;
    let entries = platform.bus.kv(streams::PROGRESS.name).await.unwrap();
    entries
        .update(&differs.key(), |present: Option<Progress>| {
            let mut progress = present?;
            progress.stages.pop();
            Some(progress)
        })
        .await
        .unwrap();
    let nobody = ConversationId::generate();
    let key = Progress::key(missing.scope.account(), nobody);
    entries.put(&key, &Progress::new(nobody)).await.unwrap();
    entries.put("rubbish", &1).await.unwrap();

    assert_eq!(
        found(&platform.audit().await),
        [
            (FindingKind::ProgressMissing, missing.subject()),
            (FindingKind::ProgressDiffers, differs.subject()),
            (FindingKind::ProgressUnknown, key),
            (FindingKind::ProgressUnknown, "rubbish".to_owned()),
        ]
    );
}

#[tokio::test]
async fn a_log_with_holes_is_found() {
    let platform = Platform::start().await;
    let mut raw = platform.raw().await;
    let (headless, holed) = (platform.completed().await, platform.completed().await);
    platform.completed().await;
    let first = headless.subject_of(FactType::ConversationReceived);
    raw.purge("CONVERSATIONS", &first).await;
    let middle = holed.subject_of(FactType::ConversationTagged);
    raw.purge("CONVERSATIONS", &middle).await;

    let report = platform.audit().await;
    let kinds: Vec<_> = found(&report);
    for expected in [
        (FindingKind::NoFirstFact, headless.subject()),
        (FindingKind::UnknownCause, headless.subject()),
        (FindingKind::UnknownCause, holed.subject()),
        // The model knows what the log has lost.
        (FindingKind::ProgressDiffers, headless.subject()),
        (FindingKind::ProgressDiffers, holed.subject()),
    ] {
        assert!(kinds.contains(&expected), "{expected:?} in {report}");
    }
    // What only the lost facts referenced belongs to nobody now.
    let orphans = |kind: &FindingKind| *kind == FindingKind::OrphanObject;
    assert_eq!(kinds.iter().filter(|(kind, _)| orphans(kind)).count(), 2);
    assert_eq!(kinds.len(), 5 + 2, "{report}");
}

#[tokio::test]
async fn a_fact_that_stands_twice_or_cannot_be_read_is_found() {
    let platform = Platform::start().await;
    let mut raw = platform.raw().await;
    let told = platform.completed().await;
    let subject = told.subject_of(FactType::ConversationIndexed);
    let headers: Vec<_> = told.last.headers();
    let fact: Fact = ConversationIndexed { turns: TURNS }.into();
    raw.publish(&subject, &headers, &fact.to_json().unwrap())
        .await;
    raw.publish(&subject, &[], b"{}").await;
    let last = platform
        .bus
        .last_sequence(Family::Conversation)
        .await
        .unwrap();
    assert_eq!(
        found(&platform.audit().await),
        [
            (FindingKind::UnreadableFact, format!("CONVERSATIONS:{last}")),
            (FindingKind::RepeatedFact, told.subject()),
        ]
    );
}

#[tokio::test]
async fn a_conversation_that_never_ends_or_ends_twice_is_found() {
    let platform = Platform::start().await;
    platform.completed().await;
    let short = AuditOptions {
        in_flight: Duration::from_secs(60),
        ..options()
    };
    let long_ago = Timestamp::now() - SignedDuration::from_mins(10);
    let stuck = platform.received_as(conversation(), long_ago).await;
    platform.received().await;
    let mut twice = platform.completed().await;
    twice.say(&platform, "transcribe", rejected()).await;
    assert_clean(&{
        let patient = AuditOptions {
            in_flight: Duration::from_secs(3_600),
            ..options()
        };
        let mut report = platform.audit_with(&patient).await;
        report
            .findings
            .retain(|finding| finding.kind != FindingKind::TwoEnds);
        report.clean = report.findings.is_empty();
        report
    });
    let report = platform.audit_with(&short).await;
    assert_eq!(
        found(&report),
        [
            (FindingKind::TwoEnds, twice.subject()),
            (FindingKind::Overdue, stuck.subject()),
        ]
    );
    assert_eq!(report.conversations.unclear, 2);
}

#[tokio::test]
async fn what_is_erased_is_gone_everywhere() {
    let platform = Platform::start().await;
    let mut told = platform.completed().await;
    let asked = ConversationErasureRequested {
        reason: "subject_request".to_owned(),
    };
    told.say(&platform, "gateway", asked.into()).await;
    let report = platform.audit().await;
    assert_eq!(
        found(&report),
        [(FindingKind::IndexAfterErasure, told.subject())]
    );
    let impatient = AuditOptions {
        in_flight: Duration::ZERO,
        ..options()
    };
    let kinds = found(&platform.audit_with(&impatient).await);
    assert!(
        kinds.contains(&(FindingKind::ErasureOverdue, told.subject())),
        "{kinds:?}"
    );

    platform.index.lock().unwrap().clear();
    told.say(
        &platform,
        "gateway",
        ConversationErased { artifacts: 0 }.into(),
    )
    .await;
    let report = platform.audit().await;
    assert!(
        report
            .findings
            .iter()
            .all(|f| f.kind == FindingKind::ArtifactAfterErasure)
    );
    assert_eq!(report.findings_total, 7);
    for bucket in Bucket::ALL {
        let mut objects = platform.bus.scan_objects(bucket);
        while let Some(object) = objects.next().await.unwrap() {
            assert!(platform.bus.remove_object(bucket, &object).await.unwrap());
        }
    }
    let report = platform.audit().await;
    assert_clean(&report);
    assert_eq!(report.conversations.erased, 1);
}

#[tokio::test]
async fn an_index_that_disagrees_is_found() {
    let platform = Platform::start().await;
    let (missing, double, short) = (
        platform.completed().await,
        platform.completed().await,
        platform.completed().await,
    );
    platform.completed().await;
    {
        let mut index = platform.index.lock().unwrap();
        index.remove(&missing.id());
        index.insert(double.id(), (2, TURNS));
        index.insert(short.id(), (1, TURNS - 1));
    }
    assert_eq!(
        found(&platform.audit().await),
        [
            (FindingKind::IndexMissing, missing.subject()),
            (FindingKind::IndexRepeated, double.subject()),
            (FindingKind::IndexDiffers, short.subject()),
        ]
    );
    {
        let mut index = platform.index.lock().unwrap();
        for told in [&missing, &double, &short] {
            index.insert(told.id(), (1, TURNS));
        }
        index.insert(ConversationId::generate(), (1, 1));
    }
    // Those that no index can hold yet do not hide it.
    platform.received().await;
    let report = platform.audit().await;
    assert_eq!(
        found(&report),
        [(FindingKind::IndexSurplus, "index-0".to_owned())]
    );
    let blind = AuditOptions {
        index: false,
        ..options()
    };
    let report = platform.audit_with(&blind).await;
    assert_clean(&report);
    assert_eq!(report.index.state, IndexState::Skipped);
}

#[tokio::test]
async fn an_index_that_does_not_answer_is_found() {
    let mut platform = Platform::start().await;
    platform.completed().await;
    platform.without_index().await;
    let report = platform.audit().await;
    assert_eq!(
        found(&report),
        [(FindingKind::IndexUnanswered, "partitions 0-63".to_owned())]
    );
    assert_eq!(report.index.state, IndexState::NotChecked);
}

#[tokio::test]
async fn dead_letters_and_failures_belong_together() {
    let platform = Platform::start().await;
    let told = platform.received().await;
    let sequence = platform
        .bus
        .last_sequence(Family::Conversation)
        .await
        .unwrap();
    let number = platform
        .bus
        .bury_fact(
            "decode",
            Family::Conversation,
            sequence,
            6,
            "it did not work",
        )
        .await
        .unwrap()
        .unwrap();
    let history = platform.bus.history(&told.scope).await.unwrap();
    let failure = &history[1];
    told.fold(&platform, &failure.envelope, &failure.fact).await;
    let report = platform.audit().await;
    assert_clean(&report);
    assert_eq!(report.conversations.failed, 1);
    assert_eq!(report.dead_letters.by_service["decode"], 1);

    // Without the fact, nobody knows of the dead letter.
    let mut raw = platform.raw().await;
    let subject = told.subject_of(FactType::ConversationFailed);
    raw.purge("CONVERSATIONS", &subject).await;
    let kinds = found(&platform.audit().await);
    assert!(
        kinds.contains(&(FindingKind::DeadLetterUnstated, told.subject())),
        "{kinds:?}"
    );
    let fact = failed("decode", number);
    raw.publish(
        &subject,
        &failure.envelope.headers(),
        &fact.to_json().unwrap(),
    )
    .await;
    assert_clean(&platform.audit().await);

    assert!(platform.bus.discard(number).await.unwrap());
    let report = platform.audit().await;
    assert_clean(&report);
    assert_eq!(
        (report.dead_letters.open, report.dead_letters.settled),
        (0, 1)
    );

    let mut other = platform.received().await;
    other
        .say(&platform, "decode", failed("decode", number + 1_000))
        .await;
    let report = platform.audit().await;
    assert_eq!(
        found(&report),
        [(FindingKind::DeadLetterUnknown, other.subject())]
    );
}

#[tokio::test]
async fn a_failure_counts_until_a_redrive_gets_further() {
    let platform = Platform::start().await;
    let told = platform.received().await;
    let sequence = platform
        .bus
        .last_sequence(Family::Conversation)
        .await
        .unwrap();
    let number = platform
        .bus
        .bury_fact(
            "decode",
            Family::Conversation,
            sequence,
            6,
            "it did not work",
        )
        .await
        .unwrap()
        .unwrap();
    let history = platform.bus.history(&told.scope).await.unwrap();
    told.fold(&platform, &history[1].envelope, &history[1].fact)
        .await;
    assert!(platform.bus.discard(number).await.unwrap());
    let mut told = told;
    for fact in [
        FactType::ConversationDecoded,
        FactType::ConversationTranscribed,
        FactType::ConversationTagged,
        FactType::ConversationAnonymized,
        FactType::ConversationQualified,
    ] {
        told.follow(&platform, fact).await;
    }
    platform.hold(&told);
    told.say(
        &platform,
        "index",
        ConversationIndexed { turns: TURNS }.into(),
    )
    .await;
    let report = platform.audit().await;
    assert_clean(&report);
    assert_eq!(
        (report.conversations.completed, report.dead_letters.settled),
        (1, 1)
    );
}

#[tokio::test]
async fn a_higher_revision_supersedes() {
    let platform = Platform::start().await;
    let told = platform.completed().await;
    let history = platform.bus.history(&told.scope).await.unwrap();
    let tagged = history
        .iter()
        .find(|logged| logged.envelope.fact_type == FactType::ConversationTagged)
        .unwrap();
    let again = tagged.envelope.revise("reprocess", 2, Timestamp::now());
    let mut raw = platform.raw().await;
    let subject = told.subject_of(FactType::ConversationTagged);
    raw.publish(&subject, &again.headers(), &tagged.fact.to_json().unwrap())
        .await;
    told.fold(&platform, &again, &tagged.fact).await;
    let report = platform.audit().await;
    assert_clean(&report);
    assert_eq!(
        report.conversations.in_flight, 1,
        "the new revision has no end yet"
    );
}

#[tokio::test]
async fn accounts_have_one_end() {
    let platform = Platform::start().await;
    let person = |at: i64| (format!("{at}@example.com"), "A Person".to_owned());
    let begin = async |name: &str, minutes: i64| {
        let (email, name_of) = person(minutes);
        let scope = Scope::Account {
            account: name.parse().unwrap(),
        };
        let at = Timestamp::now() - SignedDuration::from_mins(minutes);
        let envelope = Envelope::first("gateway", scope, FactType::AccountSignupRequested, at);
        let fact = AccountSignupRequested {
            email,
            name: name_of,
            company: None,
        };
        platform.bus.state(&envelope, &fact.into()).await.unwrap();
        envelope
    };
    let follow = async |cause: &Envelope, service: &str, fact: Fact| {
        let envelope = cause.derive(service, fact.fact_type(), cause.time);
        platform.bus.state(&envelope, &fact).await.unwrap();
        envelope
    };
    let created = |minutes: i64| -> Fact {
        let (email, name) = person(minutes);
        AccountCreated {
            email,
            name,
            company: None,
        }
        .into()
    };
    let refused = || -> Fact {
        AccountSignupRejected {
            code: "email_taken".to_owned(),
            reason: "taken".to_owned(),
        }
        .into()
    };
    let done = begin("done", 10).await;
    let there = follow(&done, "accounts", created(10)).await;
    let welcome = AccountWelcomed {
        transport: "file".to_owned(),
        message_id: "<1@x>".to_owned(),
    };
    follow(&there, "notify", welcome.into()).await;
    let no = begin("refused", 10).await;
    follow(&no, "accounts", refused()).await;
    begin("young", 0).await;
    let short = AuditOptions {
        in_flight: Duration::from_secs(60),
        ..options()
    };
    let report = platform.audit_with(&short).await;
    assert_clean(&report);
    let counts = &report.accounts;
    assert_eq!(
        (
            counts.total,
            counts.welcomed,
            counts.rejected,
            counts.in_flight
        ),
        (3, 1, 1, 1)
    );

    begin("stuck", 10).await;
    let silent = begin("silent", 10).await;
    follow(&silent, "accounts", created(10)).await;
    let both = begin("both", 0).await;
    follow(&both, "accounts", created(0)).await;
    follow(&both, "accounts", refused()).await;
    assert_eq!(
        found(&platform.audit_with(&short).await),
        [
            (FindingKind::TwoEnds, "both".to_owned()),
            (FindingKind::Overdue, "stuck".to_owned()),
            (FindingKind::WelcomeOverdue, "silent".to_owned()),
        ]
    );
}

#[tokio::test]
async fn an_audit_while_facts_flow_is_clean_and_writes_nothing() {
    let platform = std::sync::Arc::new(Platform::start().await);
    let stop = colloquy_bus::CancellationToken::new();
    let mut traffic = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let (platform, stop) = (platform.clone(), stop.clone());
        traffic.spawn(async move {
            let mut count = 0_u64;
            while !stop.is_cancelled() {
                platform.completed().await;
                count += 1;
            }
            count
        });
    }
    // Uploads whose fact is not stated yet are as young as this.
    let live = AuditOptions {
        grace: Duration::from_secs(30),
        settle: Duration::from_millis(500),
        ..AuditOptions::default()
    };
    let mut seen = 0;
    for _ in 0..3 {
        let report = platform.audit_with(&live).await;
        assert_clean(&report);
        assert!(report.conversations.total >= seen);
        seen = report.conversations.total;
    }
    stop.cancel();
    let told: u64 = traffic.join_all().await.into_iter().sum();
    assert!(seen > 0 && told >= seen, "{seen} of {told}");

    let before = platform
        .bus
        .last_sequence(Family::Conversation)
        .await
        .unwrap();
    let report = platform.audit().await;
    assert_clean(&report);
    assert_eq!(report.conversations.completed, told);
    let after = platform
        .bus
        .last_sequence(Family::Conversation)
        .await
        .unwrap();
    assert_eq!(before, after);
}
