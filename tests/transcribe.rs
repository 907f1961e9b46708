//! `colloquy transcribe`: the real binary with a real model on the sample calls.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod support;

use std::{
    fs,
    io::Write,
    path::Path,
    process::{Command, Output, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;
use support::{Process, colloquy, sample};
use tempfile::TempDir;

/// How long an interrupted command may take to be gone on a busy machine.
const STOP_PATIENCE: Duration = Duration::from_secs(10);

/// `colloquy transcribe` with its temporary files in a folder of the test's own.
fn transcribe(folder: &TempDir) -> Command {
    let temp = folder.path().join("temp");
    fs::create_dir_all(&temp).unwrap();
    let mut command = colloquy();
    command.arg("transcribe").arg("--temp").arg(temp);
    command
}

fn run(command: &mut Command) -> Output {
    command.stdin(Stdio::null()).output().unwrap()
}

fn stdout(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).unwrap()
}

fn stderr(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).unwrap()
}

/// The names in a folder.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn assert_no_temporary_files(folder: &TempDir) {
    assert_eq!(names(&folder.path().join("temp")), [""; 0]);
}

/// What holds of every document: its words lie within the recording, in their segment, in order.
fn check_document(document: &Value) {
    assert_eq!(document["task"], "transcribe");
    assert_eq!(document["language"], "english");
    assert_eq!(document["language_code"], "en");
    assert_eq!(document["model"], support::MODEL);
    let duration = document["duration"].as_f64().unwrap();
    let (segments, words) = (&document["segments"], document["words"].as_array().unwrap());
    assert!(words.len() > 40, "{} words", words.len());
    let mut ends = [0.0; 8];
    for word in words {
        let (start, end) = (
            word["start"].as_f64().unwrap(),
            word["end"].as_f64().unwrap(),
        );
        let segment = &segments[word["segment"].as_u64().unwrap() as usize];
        assert_eq!(segment["channel"], word["channel"]);
        assert!(segment["start"].as_f64().unwrap() <= start, "{word}");
        assert!(
            start < end && end <= segment["end"].as_f64().unwrap(),
            "{word}"
        );
        assert!(end <= duration, "{word} of {duration} s");
        let before = &mut ends[word["channel"].as_u64().unwrap() as usize];
        assert!(*before <= start, "{word} begins before {before}");
        *before = end;
        assert!((0.0..=1.0).contains(&word["confidence"].as_f64().unwrap()));
    }
    for (id, segment) in segments.as_array().unwrap().iter().enumerate() {
        assert_eq!(segment["id"], id);
    }
}

#[test]
fn a_call_becomes_a_document_like_openais() {
    let folder = tempfile::tempdir().unwrap();
    let call = sample("parcel-delivery.flac");
    let output = run(transcribe(&folder)
        .args([
            "--format",
            "json",
            "--roles",
            "agent,customer",
            "--language",
            "English",
        ])
        .arg(&call));
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(
        stderr(&output),
        "",
        "nothing to tell where there is no terminal"
    );
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    check_document(&document);
    assert_eq!(document["file"], *call.to_string_lossy());
    let length = document["duration"].as_f64().unwrap();
    assert!((length - 33.564).abs() < 0.01, "{length}");
    for (channel, role) in [(0, "agent"), (1, "customer")] {
        let found = &document["channels"][channel];
        assert_eq!(
            (&found["channel"], &found["role"]),
            (&channel.into(), &role.into())
        );
        assert!(found["speech"].as_f64().unwrap() > 3.0, "{found}");
        let segments = document["segments"].as_array().unwrap();
        let own: Vec<_> = segments
            .iter()
            .filter(|s| s["channel"] == channel)
            .collect();
        assert!(!own.is_empty() && own.iter().all(|segment| segment["role"] == role));
    }
    // A made-up value is worse than none.
    assert!(document["segments"][0].get("avg_logprob").is_none());
    assert_no_temporary_files(&folder);
}

#[test]
fn many_recordings_become_a_file_for_each_form_and_none_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let texts = folder.path().join("texts");
    let calls = [sample("parcel-delivery.flac"), sample("auto-repair.wav")];
    let convert = |more: &[&str]| {
        let mut command = transcribe(&folder);
        command.args(["--format", "all", "--verbose", "--output"]);
        run(command.arg(&texts).args(more).args(&calls))
    };
    let first = convert(&[]);
    assert!(first.status.success(), "{}", stderr(&first));
    assert_eq!(stdout(&first), "");
    assert!(
        stderr(&first).contains("auto-repair.wav: 0:33 of audio in "),
        "{}",
        stderr(&first)
    );
    let mut expected = Vec::new();
    for name in ["auto-repair", "parcel-delivery"] {
        expected.extend(["json", "srt", "txt", "vtt"].map(|form| format!("{name}.{form}")));
    }
    assert_eq!(names(&texts), expected);
    let read = |name: &str| fs::read_to_string(texts.join(name)).unwrap();
    let document: Value = serde_json::from_str(&read("auto-repair.json")).unwrap();
    check_document(&document);
    assert!(read("auto-repair.vtt").starts_with("WEBVTT\n\n00:00:"));
    assert!(read("auto-repair.vtt").contains("<v speaker 2>"));
    assert!(read("auto-repair.srt").starts_with("1\n00:00:"));
    assert!(read("auto-repair.txt").starts_with("[00:00:"));

    // Another recording's text stands in the place of one: it stays, and the other is done.
    fs::write(texts.join("auto-repair.txt"), "mine").unwrap();
    for name in names(&texts)
        .iter()
        .filter(|name| name.starts_with("parcel"))
    {
        fs::remove_file(texts.join(name)).unwrap();
    }
    let second = convert(&[]);
    assert_eq!(second.status.code(), Some(1), "{}", stderr(&second));
    let said = stderr(&second);
    assert!(
        said.contains("auto-repair.txt is there already; replace it with --force"),
        "{said}"
    );
    assert!(said.contains("error: 1 of 2 recordings failed"), "{said}");
    assert_eq!(read("auto-repair.txt"), "mine");
    assert_eq!(names(&texts), expected);

    let third = convert(&["--force"]);
    assert!(third.status.success(), "{}", stderr(&third));
    assert!(read("auto-repair.txt").starts_with("[00:00:"));
    assert_eq!(names(&texts), expected);
    assert_no_temporary_files(&folder);
}

#[test]
fn a_vocabulary_makes_the_model_hear_the_right_word() {
    let folder = tempfile::tempdir().unwrap();
    let listen = |options: &[&str]| {
        let output = run(transcribe(&folder)
            .args(["--model", "whisper-base", "--language", "en"])
            .args(options)
            .arg(sample("auto-repair.wav")));
        assert!(output.status.success(), "{}", stderr(&output));
        stdout(&output).to_lowercase()
    };
    // Somebody says "brake pads", which this model takes for other words of the same sound.
    let without = listen(&[]);
    assert!(!without.contains("brake pads"), "{without}");
    let with = listen(&["--vocabulary", "brake pads"]);
    assert!(with.contains("brake pads"), "{with}");
}

#[test]
fn a_bad_recording_stops_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let bad = folder.path().join("bad.mp3");
    fs::write(&bad, "%PDF-1.7 and so on").unwrap();
    let output = run(transcribe(&folder)
        .args(["--format", "json"])
        .arg(&bad)
        .arg(sample("parcel-delivery.flac"))
        .arg(folder.path().join("absent.wav"))
        .arg(folder.path())
        .arg(sample("auto-repair.wav")));
    assert_eq!(output.status.code(), Some(1));
    let documents: Vec<Value> = stdout(&output)
        .lines()
        .map(|line| serde_json::from_str(line).expect("a document on each line"))
        .collect();
    assert_eq!(documents.len(), 2);
    documents.iter().for_each(check_document);
    let said = stderr(&output);
    for expected in [
        "bad.mp3: this is a PDF document, not an audio recording",
        "absent.wav: it cannot be opened",
        "it is a folder; name the files in it",
        "error: 3 of 5 recordings failed",
    ] {
        assert!(said.contains(expected), "'{expected}' is not in:\n{said}");
    }
    assert_eq!(said.lines().count(), 4, "{said}");
    assert_no_temporary_files(&folder);
}

#[test]
fn standard_input_is_a_recording_and_several_texts_have_headings() {
    let folder = tempfile::tempdir().unwrap();
    let call = sample("parcel-delivery.flac");
    let mut child = transcribe(&folder)
        .arg("-")
        .arg(&call)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let recording = fs::read(&call).unwrap();
    child.stdin.take().unwrap().write_all(&recording).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let heading = format!("\n==> {} <==\n", call.display());
    let (first, second) = stdout(&output).split_once(&heading).unwrap();
    let first = first.strip_prefix("==> standard input <==\n").unwrap();
    assert_eq!(first, second, "the same recording");
    assert!(
        first.lines().all(|line| line.starts_with("[00:00:")),
        "{first}"
    );
    assert!(
        first.contains("] speaker 1: ") && first.contains("] speaker 2: "),
        "{first}"
    );
}

#[test]
fn what_cannot_work_is_said_at_once_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let call = sample("parcel-delivery.flac");
    let refused = |args: &[&str]| {
        let output = run(transcribe(&folder).args(args).arg(&call));
        assert_eq!(
            output.status.code(),
            Some(1),
            "{args:?}: {}",
            stderr(&output)
        );
        assert_eq!(stdout(&output), "");
        assert_no_temporary_files(&folder);
        stderr(&output).to_owned()
    };
    let unknown = refused(&["--model", "whisper-colossal"]);
    assert!(
        unknown.contains("whisper-tiny.en"),
        "which there are: {unknown}"
    );
    let cache = folder.path().join("empty");
    let output = run(transcribe(&folder).env("COLLOQUY_CACHE", cache).arg(&call));
    assert_eq!(output.status.code(), Some(1));
    let missing = stderr(&output);
    assert!(
        missing.contains("run 'colloquy assets fetch whisper-tiny.en'"),
        "{missing}"
    );
    let no_model = refused(&["--model", &folder.path().to_string_lossy()]);
    assert!(no_model.contains("lacks model.bin"), "{no_model}");
    let language = refused(&["--language", "german"]);
    assert!(
        language.contains("does not know the language `de`"),
        "{language}"
    );
    assert_eq!(language.lines().count(), 1, "{language}");
    let streams = refused(&["--format", "srt,vtt"]);
    assert!(streams.contains("name a folder with --output"), "{streams}");
    let roles = refused(&["--roles", "agent"]);
    assert!(
        roles.contains("it has 2 channels, and --roles names 1"),
        "{roles}"
    );
    for usage in [
        &["--force"][..],
        &["--roles", "boss"],
        &["--format", "pdf"],
        &["-q", "-v"],
    ] {
        let output = run(transcribe(&folder).args(usage).arg(&call));
        assert_eq!(output.status.code(), Some(2), "{usage:?}");
    }
}

#[test]
fn an_interrupt_ends_it_soon_and_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let texts = folder.path().join("texts");
    let mut command = transcribe(&folder);
    // More than can be done before the signal comes.
    command.args(["--verbose", "--output"]).arg(&texts);
    for copy in 0..40 {
        let path = folder.path().join(format!("call-{copy}.opus"));
        fs::copy(sample("telecom-support.opus"), &path).unwrap();
        command.arg(path);
    }
    let mut process = Process::start(command);
    process.line_after("call-0.opus: 1:17 of opus at 48000 Hz");
    assert_eq!(
        names(&folder.path().join("temp")).len(),
        1,
        "the decoded audio"
    );
    let signalled = Instant::now();
    process.signal("-INT");
    let status = process.ended();
    assert!(
        signalled.elapsed() < STOP_PATIENCE,
        "{:?}",
        signalled.elapsed()
    );
    assert_eq!(
        status.code(),
        Some(130),
        "{}",
        process.output.lock().unwrap()
    );
    assert_no_temporary_files(&folder);
    assert!(
        names(&texts).iter().all(|name| !name.starts_with('.')),
        "half-written files"
    );
}
