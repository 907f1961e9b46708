//! `colloquy entities`: the real binary, with the model and without.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod support;

use std::{
    io::{BufRead, BufReader, Write},
    process::{Child, ChildStdin, ChildStdout, Command, Output, Stdio},
};

use serde_json::{Value, json};
use support::colloquy;

/// A letter whose offsets differ in bytes and in characters.
const LETTER: &str = "Grüße from Zürich! My name is Violet Okafor, call me at +44 20 7946 0958.";

fn entities() -> Command {
    let mut command = colloquy();
    command.arg("entities");
    command
}

/// Runs to the end with this input.
fn run(command: &mut Command, input: &str) -> Output {
    let command = command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_owned();
    // The command may end before it has read all.
    let writer = std::thread::spawn(move || drop(stdin.write_all(input.as_bytes())));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    output
}

fn found(output: &Output) -> Value {
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{error}");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn lines(output: &Output) -> Vec<Value> {
    let text = std::str::from_utf8(&output.stdout).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
    lines.collect()
}

/// Type and text of each, after it is checked that the text is the one at the offsets.
fn named(text: &str, entities: &Value) -> Vec<(String, String)> {
    let entities = entities.as_array().unwrap().iter().map(|entity| {
        let at = |key: &str| usize::try_from(entity[key].as_u64().unwrap()).unwrap();
        let (start, end) = (at("start"), at("end"));
        let there: String = text.chars().skip(start).take(end - start).collect();
        assert_eq!(entity["text"], there);
        let score = entity["score"].as_f64().unwrap();
        assert!((0.0..=1.0).contains(&score), "{entity}");
        assert!(entity["recognizer"].is_string(), "{entity}");
        let kind = entity["entity_type"].as_str().unwrap();
        (kind.to_owned(), there)
    });
    entities.collect()
}

fn pair(kind: &str, text: &str) -> (String, String) {
    (kind.to_owned(), text.to_owned())
}

#[test]
fn a_text_gives_its_entities_in_characters() {
    let output = run(&mut entities(), LETTER);
    let expected = [
        pair("LOCATION", "Zürich"),
        pair("PERSON", "Violet Okafor"),
        pair("PHONE_NUMBER", "+44 20 7946 0958"),
    ];
    assert_eq!(named(LETTER, &found(&output)), expected);
}

#[test]
fn types_and_scores_can_be_chosen() {
    let output = run(entities().args(["--types", "PHONE_NUMBER,AGE"]), LETTER);
    let phone = [pair("PHONE_NUMBER", "+44 20 7946 0958")];
    assert_eq!(named(LETTER, &found(&output)), phone);
    let output = run(entities().args(["--threshold", "0.95"]), LETTER);
    assert_eq!(named(LETTER, &found(&output)), phone);
    let output = run(entities().args(["--model", "none"]), LETTER);
    let without = named(LETTER, &found(&output));
    assert!(
        without.contains(&pair("PERSON", "Violet Okafor")),
        "{without:?}"
    );
}

#[test]
fn what_is_found_is_explained() {
    let output = run(
        entities().arg("--explain"),
        "My card number is 4111 1111 1111 1111.",
    );
    let found = found(&output);
    assert_eq!(found[0]["entity_type"], "CREDIT_CARD");
    let explanation = &found[0]["explanation"];
    assert_eq!(explanation["cue"], "card number");
    assert!(
        explanation["basis"].as_str().unwrap().contains("check"),
        "{explanation}"
    );
}

#[test]
fn lines_of_json_are_answered_line_by_line() {
    let first = json!({"id": "a", "text": LETTER, "more": 1});
    let second = json!({"id": 7, "text": ""});
    let input = format!("{first}\n\n{second}");
    let output = run(entities().arg("--jsonl"), &input);
    assert!(output.status.success());
    let lines = lines(&output);
    assert_eq!(lines.len(), 2);
    assert_eq!((&lines[0]["id"], &lines[1]["id"]), (&json!("a"), &json!(7)));
    assert_eq!(named(LETTER, &lines[0]["entities"]).len(), 3);
    assert_eq!(lines[1]["entities"], json!([]));
}

#[test]
fn a_line_that_cannot_be_read_is_told_by_its_number() {
    let good = json!({"id": 1, "text": "My name is Violet Okafor."});
    for bad in ["{\"id\": 2}", "Violet Okafor", "{\"id\": 2, \"text\": 3}"] {
        let output = run(
            entities().arg("--jsonl"),
            &format!("{good}\n{bad}\n{good}\n"),
        );
        assert_eq!(output.status.code(), Some(1));
        assert_eq!(lines(&output).len(), 1, "what was before it is answered");
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(error.contains("line 2"), "{error}");
        assert!(!error.contains("Violet"), "{error}");
    }
}

/// A command that is spoken with.
struct Dialogue {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Dialogue {
    fn start() -> Self {
        let mut command = entities();
        command.args(["--jsonl", "--model", "none"]);
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        Self {
            input: child.stdin.take().unwrap(),
            output: BufReader::new(child.stdout.take().unwrap()),
            child,
        }
    }

    fn ask(&mut self, text: &str) -> Value {
        writeln!(self.input, "{}", json!({"id": 0, "text": text})).unwrap();
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap()
    }
}

#[test]
fn an_answer_does_not_wait_for_the_next_line() {
    let mut dialogue = Dialogue::start();
    for text in ["My zip code is 94110.", "My PIN is 4821."] {
        let answer = dialogue.ask(text);
        assert_eq!(answer["entities"].as_array().unwrap().len(), 1, "{answer}");
    }
    drop(dialogue.input);
    assert!(dialogue.child.wait().unwrap().success());
}

#[test]
fn errors_say_what_to_do() {
    let cases = [
        (vec!["--model", "no-such-model"], "no-such-model", 1),
        (vec!["no-such-file.txt"], "no-such-file.txt", 1),
        (vec!["--types", "NAME"], "--list-types", 2),
        (vec!["--threshold", "2"], "from 0 to 1", 2),
    ];
    for (arguments, said, code) in cases {
        let output = run(entities().args(&arguments), "");
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {error}");
        assert!(error.contains(said), "{arguments:?}: {error}");
    }
    let list = run(entities().arg("--list-types"), "");
    let list = String::from_utf8(list.stdout).unwrap();
    assert!(
        list.lines().count() > 30 && list.contains("STREET_ADDRESS"),
        "{list}"
    );
}
