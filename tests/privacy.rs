//! All sample calls and a sign-up through the whole platform. Of the calls every value that the ground truth calls sensitive is
//! gone from the redacted text and, transcribed again, from the redacted audio; and it is nowhere
//! else: in no fact, open object, index file, log, span, metric, e-mail, Parquet row or file of the
//! broker but the vault's, raw or decoded. Nearly all other words are still there. Who signed up stands
//! in the log of accounts and in the e-mail that welcomes them, and nowhere else.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "tests"
)]

mod support;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use colloquy_anonymize::Cut;
use colloquy_bus::Bus;
use colloquy_contract::{
    AccountId, Bucket, ConversationId, Fact, Scope, facts::Family, transcript::Transcript,
};
use colloquy_decode::audio::{Limits, decode_file};
use colloquy_testkit::plain;
use colloquy_transcribe::{
    FlacRecording,
    engine::{Engine, Request},
};
use parquet::{
    file::reader::{FileReader, SerializedFileReader},
    record::Field,
};
use reqwest::Method;
use serde_json::Value;
use tantivy::{Document, TantivyDocument};

use support::{Api, PATIENCE, Stage, engine, samples, truth};

/// The most of the other words that may go.
const MOST_OTHERS: f64 = 0.05;

/// A value this short, squeezed, is found in longer words by chance.
const SHORTEST: usize = 5;

/// A number this short is part of longer ones by chance: of times in nanoseconds, of random ids.
const LONG_NUMBER: usize = 9;

/// Who signs up.
const PERSON: &str = "Wilhelmina Quackenbush";
const EMAIL: &str = "w.quackenbush77@example.org";

/// The folder of e-mails.
const MAIL: &str = "all/mail/";

/// The log of accounts, read.
const ACCOUNTS: &str = "facts of accounts";

/// Where something was looked for, and all that is there in letters and digits.
struct Place {
    name: String,
    squeezed: String,
    /// Where in that its words begin.
    words: Vec<usize>,
}

/// A sample in the platform.
struct Call {
    name: String,
    id: String,
    truth: Value,
}

#[tokio::test(flavor = "multi_thread")]
async fn no_value_of_any_sample_is_left_anywhere() {
    let stage = Stage::set().await;
    let platform = stage.run(
        "all",
        &["all", "--listen", "127.0.0.1:0", "--model", "whisper-base"],
    );
    let api = Api::new(&platform.line_after("Colloquy is up: "), &stage.key().await);
    let mut calls = Vec::new();
    for name in names(&samples()) {
        let truth = truth(&name);
        let id = api.post_sample(truth["file"].as_str().unwrap()).await;
        calls.push(Call { name, id, truth });
    }
    assert!(calls.len() > 5, "the samples are not there");
    let signed_up = api.sign_up(PERSON, EMAIL).await;
    api.decided(&signed_up, "welcomed").await;
    for call in &calls {
        api.completed(&call.id).await;
    }
    let bus = stage.bus().await;
    let engine = engine("whisper-base");
    let mut places = everywhere(&stage, &api, &bus, &calls).await;
    let mut others = Others::default();
    let mut left = signed_up_in(&places);
    let emails = places.iter().filter(|place| place.name.starts_with(MAIL));
    assert_eq!(emails.filter(|place| is_named_in(place)).count(), 1);
    for call in &calls {
        let facts = facts(&bus, &call.id).await;
        let (before, after) = texts(&bus, &facts).await;
        let redacted = stage.folder.path().join("redacted");
        let heard = listen(&engine, &api, call, &redacted).await;
        let own = [
            Place::of(format!("text of {}", call.name), &words_of(&after)),
            Place::of(format!("sound of {}", call.name), &words_of(&heard)),
        ];
        for secret in secrets(&call.truth) {
            let found = own.iter().chain(&places).filter(|place| place.has(&secret));
            left.extend(found.map(|place| format!("{secret} stands in {}", place.name)));
        }
        others.count(call, &before, &after);
        places.extend(own);
    }
    // The log again, with what was said while we looked.
    let log = platform.output.lock().unwrap().clone();
    let log = Place::of("the log".to_owned(), &log);
    left.extend(signed_up_in(std::slice::from_ref(&log)));
    for call in &calls {
        let found = secrets(&call.truth)
            .into_iter()
            .filter(|secret| log.has(secret));
        left.extend(found.map(|secret| format!("{secret} stands in the log")));
    }
    for place in &places {
        println!("{}: {} characters", place.name, place.squeezed.len());
    }
    others.judge();
    assert!(left.is_empty(), "{left:#?}");
    platform.end();
}

/// Whether a place tells who signed up.
fn is_named_in(place: &Place) -> bool {
    [PERSON, EMAIL].iter().any(|known| place.has(&plain(known)))
}

/// Where else than in the log of accounts and in e-mails it is told who signed up.
fn signed_up_in(places: &[Place]) -> Vec<String> {
    let is_theirs = |place: &Place| {
        let name = &place.name;
        name == ACCOUNTS || name.contains("/streams/ACCOUNTS/") || name.starts_with(MAIL)
    };
    places
        .iter()
        .filter(|place| !is_theirs(place) && is_named_in(place))
        .map(|place| format!("who signed up stands in {}", place.name))
        .collect()
}

/// Names of the samples in a folder.
fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "json")
        })
        .map(|path| path.file_stem().unwrap().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

impl Place {
    fn of(name: String, text: &str) -> Self {
        let (mut squeezed_text, mut words) = (String::with_capacity(text.len()), Vec::new());
        for word in text.split(|c: char| !c.is_alphanumeric()) {
            if !word.is_empty() {
                words.push(squeezed_text.len());
                squeezed_text += &plain(word);
            }
        }
        words.push(squeezed_text.len());
        Self {
            name,
            squeezed: squeezed_text,
            words,
        }
    }

    fn has(&self, secret: &str) -> bool {
        let is_number = secret.chars().all(|c| c.is_ascii_digit());
        let is_whole = |at: usize| {
            let is_edge = |at: usize| self.words.binary_search(&at).is_ok();
            is_edge(at) && is_edge(at + secret.len())
        };
        let mut found = self.squeezed.match_indices(secret);
        found.any(|(at, _)| !is_number || secret.len() >= LONG_NUMBER || is_whole(at))
    }
}

/// Values and how they were said, in letters and digits: all but days that mean nothing without the
/// day of the call.
fn secrets(truth: &Value) -> Vec<String> {
    let mut secrets = Vec::new();
    for entity in truth["entities"].as_array().unwrap() {
        let is_relative = ["yesterday", "today", "tomorrow"]
            .iter()
            .any(|day| entity["value"] == *day);
        if !is_relative {
            // An amount in cents reads like a time in milliseconds.
            let forms: &[&str] = match entity["type"] == "MONEY" {
                true => &["spoken"],
                false => &["value", "spoken"],
            };
            for form in forms {
                secrets.push(plain(entity[*form].as_str().unwrap()));
            }
        }
    }
    secrets.retain(|secret| secret.len() >= SHORTEST);
    secrets.sort();
    secrets.dedup();
    secrets
}

fn words_of(transcript: &Transcript) -> String {
    let turns = transcript.turns.iter();
    turns
        .map(|turn| turn.text.as_str())
        .collect::<Vec<_>>()
        .join(" ")
}

/// The rows of the warehouse, once it has written as many as these.
async fn written_rows(folder: &Path, most: usize) -> String {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let (rows, count) = rows(folder);
        if count >= most {
            return rows;
        }
        assert!(
            Instant::now() < deadline,
            "{count} of {most} rows within {PATIENCE:?}"
        );
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// All places that hold something of all calls.
async fn everywhere(stage: &Stage, api: &Api, bus: &Bus, calls: &[Call]) -> Vec<Place> {
    let data = stage.folder.path().join("all");
    let (facts, count) = log(bus, Family::Conversation).await;
    let (accounts, more) = log(bus, Family::Account).await;
    let warehouse = written_rows(&data.join("warehouse"), count + more).await;
    let mut objects = String::new();
    let mut open = bus.scan_objects(Bucket::Open);
    while let Some(object) = open.next().await.unwrap() {
        objects += &format!("{object:?} ");
    }
    let mut answers = String::new();
    for call in calls {
        answers += &api
            .get(&format!("/v1/conversations/{}", call.id))
            .await
            .to_string();
        for format in ["json", "txt", "srt", "vtt"] {
            let path = format!("/v1/conversations/{}/transcript?format={format}", call.id);
            let response = api.request(Method::GET, &path).send().await.unwrap();
            answers += &response.text().await.unwrap();
        }
    }
    let metrics = api.anonymous(Method::GET, "/metrics").send().await.unwrap();
    let told = stage.collector.points();
    let mut places = vec![
        Place::of("facts".to_owned(), &facts),
        Place::of(ACCOUNTS.to_owned(), &accounts),
        Place::of("names of open objects".to_owned(), &objects),
        Place::of("answers of the API".to_owned(), &answers),
        Place::of(
            "metrics".to_owned(),
            &(metrics.text().await.unwrap() + &format!("{told:?}")),
        ),
        Place::of(
            "spans".to_owned(),
            &format!("{:?}", stage.collector.spans()),
        ),
        Place::of(
            "documents of the index".to_owned(),
            &index(&data.join("index")),
        ),
        Place::of("rows of the warehouse".to_owned(), &warehouse),
    ];
    for path in files(stage.folder.path()) {
        // The vault is where all of it has to be.
        if !path.to_string_lossy().contains("OBJ_vault") {
            let content = fs::read(&path).unwrap_or_default();
            let name = path
                .strip_prefix(stage.folder.path())
                .unwrap()
                .display()
                .to_string();
            places.push(Place::of(name, &String::from_utf8_lossy(&content)));
        }
    }
    // So that nothing is looked for where nothing is.
    for place in &places[..8] {
        assert!(place.squeezed.len() > 500, "{} is empty", place.name);
    }
    places
}

/// All facts of a kind, and how many.
async fn log(bus: &Bus, family: Family) -> (String, usize) {
    let (mut facts, mut count) = (String::new(), 0);
    let mut replay = bus.replay(family, Vec::new(), 1);
    while let Some(entry) = replay.next_entry().await.unwrap() {
        facts += &format!("{entry:?} ");
        let logged = entry.fact.unwrap();
        facts += &String::from_utf8_lossy(&logged.fact.to_json().unwrap());
        count += 1;
    }
    (facts, count)
}

/// Every file of a folder and those in it.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found
}

/// Every stored document and every term of an index, decoded.
fn index(folder: &Path) -> String {
    let mut text = String::new();
    let found = files(folder);
    let metas = found.iter().filter(|path| path.ends_with("meta.json"));
    for meta in metas {
        let index = tantivy::Index::open_in_dir(meta.parent().unwrap()).unwrap();
        let schema = index.schema();
        let searcher = index.reader().unwrap().searcher();
        for segment in searcher.segment_readers() {
            let store = segment.get_store_reader(1).unwrap();
            for document in store.iter::<TantivyDocument>(segment.alive_bitset()) {
                text += &document.unwrap().to_json(&schema);
            }
            for (field, entry) in schema.fields().filter(|(_, entry)| entry.is_indexed()) {
                let inverted = segment.inverted_index(field).unwrap();
                let mut terms = inverted.terms().stream().unwrap();
                text += entry.name();
                while let Some((term, _)) = terms.next() {
                    text += &String::from_utf8_lossy(term);
                    text += " ";
                }
            }
        }
    }
    text
}

/// Every text in every row of the warehouse, and how many rows.
fn rows(folder: &Path) -> (String, usize) {
    let (mut text, mut count) = (String::new(), 0);
    for path in files(folder) {
        if path
            .extension()
            .is_some_and(|extension| extension == "parquet")
        {
            let reader = SerializedFileReader::new(fs::File::open(&path).unwrap()).unwrap();
            for row in reader.get_row_iter(None).unwrap() {
                count += 1;
                for (_, field) in row.unwrap().into_columns() {
                    text += &match field {
                        Field::Str(told) => told,
                        other => format!("{other:?} "),
                    };
                }
            }
        }
    }
    (text, count)
}

async fn facts(bus: &Bus, id: &str) -> Vec<Fact> {
    let scope = Scope::Conversation {
        account: "default".parse::<AccountId>().unwrap(),
        conversation: id.parse::<ConversationId>().unwrap(),
    };
    let history = bus.history(&scope).await.unwrap();
    history.into_iter().map(|logged| logged.fact).collect()
}

/// The transcripts before and after; that the recording was proved is stated.
async fn texts(bus: &Bus, facts: &[Fact]) -> (Transcript, Transcript) {
    let (mut before, mut after) = (None, None);
    for fact in facts {
        match fact {
            Fact::ConversationTranscribed(data) => before = Some(&data.transcript),
            Fact::ConversationAnonymized(data) => {
                let verified = data.verified.as_ref().expect("it was proved");
                assert!(verified.stretches > 0 && data.policy.is_some());
                println!("{verified:?}; {} ms redacted", data.redacted_ms);
                after = Some(&data.transcript);
            }
            _ => {}
        }
    }
    let mut read = Vec::new();
    for reference in [before.unwrap(), after.unwrap()] {
        let content = bus.artifacts().get_bytes(reference).await.unwrap();
        read.push(serde_json::from_slice(&content).unwrap());
    }
    let after = read.pop().unwrap();
    (read.pop().unwrap(), after)
}

/// What is heard in the recording that the API gives out.
async fn listen(engine: &Engine, api: &Api, call: &Call, path: &Path) -> Transcript {
    let response = api
        .request(Method::GET, &format!("/v1/conversations/{}/audio", call.id))
        .send()
        .await
        .unwrap();
    fs::write(path, response.bytes().await.unwrap()).unwrap();
    let flac = path.with_extension("flac");
    let decoded = decode_file(path, &flac, &Limits::default(), &|| false).unwrap();
    let duration_ms = call.truth["duration_ms"].as_u64().unwrap();
    assert!(
        decoded.duration_ms.abs_diff(duration_ms) <= 100,
        "{}",
        call.name
    );
    assert_eq!(
        decoded.channels,
        call.truth["channels"].as_array().unwrap().len()
    );
    let request = Request {
        language: Some("en".to_owned()),
        ..Request::default()
    };
    let recording = FlacRecording::open(&flac).unwrap();
    engine
        .transcribe(&recording, &request, &|_| {}, &|| false)
        .unwrap()
        .transcript
}

/// Words that the ground truth has in no entity, and how many of them went.
#[derive(Default)]
struct Others {
    calls: BTreeMap<String, (usize, usize)>,
}

impl Others {
    fn count(&mut self, call: &Call, before: &Transcript, after: &Transcript) {
        let entities: Vec<Cut> = call.truth["entities"]
            .as_array()
            .unwrap()
            .iter()
            .map(|entity| Cut {
                channel: entity["channel"].as_u64().unwrap() as u16,
                start_ms: entity["start_ms"].as_u64().unwrap(),
                end_ms: entity["end_ms"].as_u64().unwrap(),
            })
            .collect();
        let mut gone_words = Vec::new();
        let (mut others, mut gone) = (0, 0);
        for (before, after) in before.turns.iter().zip(&after.turns) {
            for word in &before.words {
                // What is heard is placed with some tolerance.
                let is_value = entities.iter().any(|entity| {
                    entity.channel == before.channel
                        && word.start_ms < entity.end_ms + 150
                        && entity.start_ms < word.end_ms + 150
                });
                if is_value {
                    continue;
                }
                others += 1;
                if !after.words.contains(word) {
                    gone += 1;
                    gone_words.push(word.text.as_str());
                }
            }
        }
        println!(
            "{}: {gone} of {others} other words went: {gone_words:?}",
            call.name
        );
        self.calls.insert(call.name.clone(), (others, gone));
    }

    fn judge(&self) {
        let others: usize = self.calls.values().map(|(others, _)| others).sum();
        let gone: usize = self.calls.values().map(|(_, gone)| gone).sum();
        println!("{gone} of {others} other words went");
        assert!(others > 500, "{:?}", self.calls);
        assert!(
            gone as f64 <= MOST_OTHERS * others as f64,
            "{:?}",
            self.calls
        );
    }
}

#[test]
fn what_is_looked_for_is_found() {
    let place = Place::of(String::new(), "Is 55-0932 JANE\nSmith? 1550932, a550932");
    for (secret, is_there) in [
        ("janesmith", true),
        ("550932", true),
        ("155093", false),
        ("smit", true),
        ("093", false),
    ] {
        assert_eq!(place.has(secret), is_there, "{secret}");
    }
    assert!(!Place::of(String::new(), "1550932 550932b").has("550932"));
}
