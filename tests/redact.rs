//! `colloquy redact`: the real program on recordings and texts.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod support;

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Output, Stdio},
};

use colloquy_contract::transcript::Transcript;
use colloquy_decode::audio::{Decoded, Limits, decode_file};
use colloquy_transcribe::{FlacRecording, engine::Request};

use support::{colloquy, engine, sample};

fn redact(folder: &Path, args: &[&str], input: &[u8]) -> Output {
    let mut child = colloquy()
        .arg("redact")
        .args(args)
        .current_dir(folder)
        .env("TMPDIR", folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A process that refuses its arguments reads nothing.
    let _ = child.stdin.take().unwrap().write_all(input);
    child.wait_with_output().unwrap()
}

fn told(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn said(output: &Output) -> String {
    assert!(output.status.success(), "{}", told(output));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn hard_case() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/audio/hard-cases.opus")
}

/// What the default model hears in a recording.
fn listen(path: &Path, folder: &Path) -> (Decoded, Transcript) {
    let flac = folder.join("heard.flac");
    let decoded = decode_file(path, &flac, &Limits::default(), &|| false).unwrap();
    let request = Request {
        language: Some("en".to_owned()),
        ..Request::default()
    };
    let recording = FlacRecording::open(&flac).unwrap();
    let heard = engine("whisper-base").transcribe(&recording, &request, &|_| {}, &|| false);
    fs::remove_file(flac).unwrap();
    (decoded, heard.unwrap().transcript)
}

fn squeezed(text: &str) -> String {
    text.chars()
        .filter(|c| c.is_alphanumeric())
        .flat_map(char::to_lowercase)
        .collect()
}

#[test]
fn a_text_comes_back_redacted_and_otherwise_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let text = "Agent: what's your name?\n\n  Customer: my name is Jane Smith,\tcard 4263 9826 4026 9299.\n";
    let made = said(&redact(folder.path(), &["-"], text.as_bytes()));
    let expected =
        "Agent: what's your name?\n\n  Customer: my name is [PERSON_1],\tcard [CREDIT_CARD_1].\n";
    assert_eq!(made, expected);

    fs::write(folder.path().join("chat.txt"), text).unwrap();
    fs::write(
        folder.path().join("policy.toml"),
        "[accounts.acme.types]\nCREDIT_CARD = \"last4\"\nPERSON = \"hash\"\n",
    )
    .unwrap();
    fs::write(folder.path().join("key"), "0123456789abcdef").unwrap();
    let args = [
        "--policy",
        "policy.toml",
        "--key-file",
        "key",
        "--account",
        "acme",
        "chat.txt",
    ];
    let made = said(&redact(folder.path(), &args, b""));
    assert!(
        made.contains("card ****9299.") && made.contains("[PERSON_"),
        "{made}"
    );
    assert!(
        !made.contains("[PERSON_1]") && !made.contains("Jane"),
        "{made}"
    );

    // Into a folder, and not over what is there.
    let args = ["-o", "clean/", "chat.txt"];
    said(&redact(folder.path(), &args, b""));
    let kept = folder.path().join("clean/chat.redacted.txt");
    assert_eq!(fs::read_to_string(&kept).unwrap(), expected);
    let again = redact(folder.path(), &args, b"");
    assert_eq!(again.status.code(), Some(1));
    assert!(told(&again).contains("--force"), "{}", told(&again));
    said(&redact(
        folder.path(),
        &["--force", "-o", "clean/", "chat.txt"],
        b"",
    ));
}

#[test]
fn a_policy_is_checked_and_told() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(
        folder.path().join("good.toml"),
        "name = \"2026-11\"\n[default]\ndeny = [\"Nightingale\"]\n[default.types]\nMONEY = \"keep\"\n",
    )
    .unwrap();
    let made = said(&redact(
        folder.path(),
        &["--policy", "good.toml", "--check"],
        b"",
    ));
    for expected in [
        "good.toml is fine",
        "2026-11",
        "keep:",
        "MONEY",
        "1 denied",
        "proof: removed",
    ] {
        assert!(made.contains(expected), "{made}");
    }
    assert!(!made.contains("Nightingale"), "{made}");
    let bad = "[default.types]\nPERSON = \"label\"\nPERSONN = \"label\"\n";
    fs::write(folder.path().join("bad.toml"), bad).unwrap();
    let refused = redact(folder.path(), &["--policy", "bad.toml", "--check"], b"");
    assert_eq!(refused.status.code(), Some(1));
    let error = told(&refused);
    assert!(
        error.contains("line 3") && error.contains("PERSONN"),
        "{error}"
    );
}

#[test]
fn what_cannot_be_done_is_told_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(
        folder.path().join("noise.bin"),
        [0_u8, 1, 2, 3].repeat(2_000),
    )
    .unwrap();
    for (args, code, expected) in [
        (&["missing.wav"][..], 1, "check its name"),
        (&["noise.bin"], 1, "noise.bin"),
        (&["."], 1, "folder"),
        (&[], 2, "FILE"),
        (&["--account", "Not An Account!", "-"], 2, "account"),
        (&["--policy", "missing.toml", "-"], 1, "missing.toml"),
    ] {
        let refused = redact(folder.path(), args, b"");
        assert_eq!(
            refused.status.code(),
            Some(code),
            "{args:?}: {}",
            told(&refused)
        );
        assert!(
            told(&refused).contains(expected),
            "{args:?}: {}",
            told(&refused)
        );
    }
    // One that fails stops no other.
    fs::write(folder.path().join("a.txt"), "hello").unwrap();
    let some = redact(folder.path(), &["missing.wav", "a.txt", "-o", "out"], b"");
    assert_eq!(some.status.code(), Some(1));
    assert!(folder.path().join("out/a.redacted.txt").is_file());
    let left: Vec<_> = fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with("colloquy-") || name.starts_with(".colloquy"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_recording_comes_back_redacted_in_the_form_that_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let call = sample("auto-repair.wav");
    let args = [
        "--model",
        "whisper-base",
        "--format",
        "wav",
        "--roles",
        "agent,customer",
        "--transcript",
        "txt",
        "--verbose",
        "-o",
        "clean.wav",
        call.to_str().unwrap(),
    ];
    let output = redact(folder.path(), &args, b"");
    said(&output);
    let told = told(&output);
    assert!(
        told.contains("proved:") && told.contains("PERSON"),
        "{told}"
    );
    let made = folder.path().join("clean.wav");
    assert_eq!(&fs::read(&made).unwrap()[..4], b"RIFF");
    let text = fs::read_to_string(folder.path().join("clean.txt")).unwrap();
    let truth = support::truth("auto-repair");
    let (decoded, heard) = listen(&made, folder.path());
    let duration_ms = truth["duration_ms"].as_u64().unwrap();
    assert!(decoded.duration_ms.abs_diff(duration_ms) <= 5);
    assert_eq!(decoded.channels, 2);
    let heard: String = heard.turns.iter().map(|turn| turn.text.clone()).collect();
    for entity in truth["entities"].as_array().unwrap() {
        if entity["sensitive"] == true {
            let secret = squeezed(entity["value"].as_str().unwrap());
            assert!(!squeezed(&text).contains(&secret), "{text}");
            assert!(!squeezed(&heard).contains(&secret), "{heard}");
            assert!(!told.contains(entity["value"].as_str().unwrap()), "{told}");
        }
    }
}

#[test]
fn what_is_hard_to_redact_in_real_speech_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let call = hard_case();
    let (_, before) = listen(&call, folder.path());
    let before: String = before.turns.iter().map(|t| t.text.clone() + " ").collect();
    // What makes it hard: the name is written down in two ways.
    let surname = squeezed(&before).matches("thistlewood").count();
    assert!(
        (1..4).contains(&surname),
        "the recording is not hard any more: {before}"
    );

    let args = [
        "--model",
        "whisper-base",
        "--language",
        "en",
        "--roles",
        "agent,customer",
        "--transcript",
        "txt",
        "-o",
        "clean.opus",
        call.to_str().unwrap(),
    ];
    said(&redact(folder.path(), &args, b""));
    let text = fs::read_to_string(folder.path().join("clean.txt")).unwrap();
    let (_, heard) = listen(&folder.path().join("clean.opus"), folder.path());
    let heard: String = heard.turns.iter().map(|t| t.text.clone() + " ").collect();
    for (place, left) in [("text", &text), ("sound", &heard)] {
        let squeezed = squeezed(left);
        for secret in [
            // The card over two turns, whole or in parts.
            "4263",
            "9826",
            "4026",
            "9299",
            // The phone number, and the correction in its middle.
            "2125",
            "0147",
            "0173",
            // The names, and what the agent's last mention of one was heard as.
            "gareth",
            "thistlewood",
            "whitlock",
            "naomi",
            "getthis",
            "awood",
        ] {
            assert!(
                !squeezed.contains(secret),
                "{secret} is left in the {place}: {left}"
            );
        }
        for kept in ["letterbox", "doforyou", "haveaniceday"] {
            assert!(
                squeezed.contains(kept),
                "{kept} went from the {place}: {left}"
            );
        }
    }
}
