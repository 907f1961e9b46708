//! Whatever is read: no panic, time linear in its length, and the same result again.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "tests"
)]

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use colloquy_ner::Ner;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// A megabyte takes far less than this, unless something grows faster than its text: then it takes
/// hours. Builds without optimization, on a busy machine, are slow.
const PER_MEGABYTE: Duration = Duration::from_secs(120);

static NER: LazyLock<Ner> = LazyLock::new(|| {
    let cache = colloquy_assets::Cache::locate().unwrap();
    let manifest = colloquy_assets::Manifest::embedded().unwrap();
    let folder = cache.require(&manifest, "spacy-en-core-web-md");
    Ner::load(&folder.expect("deploy/setup.sh fetches the model")).unwrap()
});

/// Reads a text, and checks what holds for every text.
fn read(text: &str) {
    let tokens = NER.tokens(text);
    let mut end = 0;
    for token in &tokens {
        assert!(token.start < token.end, "a token has characters");
        assert!(
            matches!(&text[end..token.start], "" | " "),
            "nothing but a space is left out"
        );
        end = token.end;
    }
    assert!(
        matches!(&text[end..], "" | " "),
        "nothing but a space is left out"
    );
    let mut end = 0;
    for entity in NER.entities(text) {
        assert!(end <= entity.bytes.start && entity.bytes.start < entity.bytes.end);
        end = entity.bytes.end;
        assert!(tokens.iter().any(|token| token.start == entity.bytes.start));
        assert!(tokens.iter().any(|token| token.end == entity.bytes.end));
        assert_eq!(
            text[..entity.bytes.start].chars().count(),
            entity.chars.start
        );
        assert_eq!(text[..entity.bytes.end].chars().count(), entity.chars.end);
    }
}

#[test]
fn random_text() {
    let seed = 11;
    let mut random = StdRng::seed_from_u64(seed);
    let ranges = [
        0..0x80,
        0..0x250,
        0x20..0x7f,
        0..0x3000,
        0..0x1_1000,
        0x1_f000..0x1_fb00,
        0..0x11_0000,
    ];
    for _ in 0..3_000 {
        let range = ranges[random.random_range(0..ranges.len())].clone();
        let length = random.random_range(0..120);
        let text: String = (0..length)
            .filter_map(|_| char::from_u32(random.random_range(range.clone())))
            .collect();
        read(&text);
    }
}

#[test]
fn random_marks() {
    let parts = [
        "a", "Z", "9", ".", "..", "'", "’s", "n't", "-", "--", "/", ":", ")", "(", "$", "%", "km",
        "@", "://", "www", "é", "日本", "😀", "\u{301}", " ", "\n", "\u{a0}", "\u{1c}", "°C.",
        "http", ",", "“", "_", "\\", "x.y", "10.0.0.1",
    ];
    let mut random = StdRng::seed_from_u64(12);
    for _ in 0..4_000 {
        let length = random.random_range(0..40);
        let text: String = (0..length)
            .map(|_| parts[random.random_range(0..parts.len())])
            .collect();
        read(&text);
    }
}

/// Long texts of one kind, which would take for ever if anything were quadratic: a megabyte of what
/// is few tokens, a part of one of what is many.
#[test]
fn long_text_takes_linear_time() {
    let megabyte = 1 << 20;
    let fill = |part: &str| part.repeat(megabyte / part.len());
    let some = |part: &str| part.repeat(megabyte / 8 / part.len());
    let texts = [
        ("one word", fill("a")),
        ("one number", fill("7")),
        ("opening brackets", some("(")),
        ("closing brackets", format!("x{}", some(")"))),
        ("brackets", format!("{}x{}", some("("), some(")"))),
        ("dots", fill(".")),
        ("dots behind a word", format!("a{}", fill("."))),
        ("dots in words", fill("a.b.")),
        ("hyphens", fill("-")),
        ("words with hyphens", some("ab-")),
        ("apostrophes", some("'s")),
        ("emoji", some("😀")),
        ("faces", fill(":-)")),
        ("faces apart", some(":-) ")),
        ("spaces", fill(" ")),
        ("lines", fill("\n")),
        ("letters apart", some("a ")),
        ("marks on nothing", fill("\u{301}")),
        ("an address", format!("http://{}.com", fill("a.b"))),
        ("users", fill("a@")),
        ("ports", format!("http://{}", some("a:1/"))),
        ("units", fill("10km")),
        ("degrees", some("°C.")),
        ("names", some("Maria Okafor ")),
        ("dollars", fill("$5")),
    ];
    for (name, text) in texts {
        let start = Instant::now();
        let tokens = NER.tokens(&text).len();
        let cut = start.elapsed();
        let entities = NER.entities(&text).len();
        let all = start.elapsed();
        println!("{name}: {tokens} tokens in {cut:.2?}, {entities} entities in {all:.2?}");
        let megabytes = u32::try_from(text.len() / megabyte + 1).unwrap();
        assert!(all < PER_MEGABYTE * megabytes, "{name} took {all:?}");
    }
}

/// Chunks of addresses that a backtracking engine has trouble with.
#[test]
fn hostile_addresses_take_bounded_time() {
    let texts = [
        format!("http://{}@10.0.0.1", "a:".repeat(2_000)),
        format!("http://{}8.8.8.8", "a:@".repeat(1_500)),
        format!("{}8.8.8.8/", "@:".repeat(3_000)),
        format!("{}com", "a.".repeat(4_000)),
        format!("http://{}", "1.".repeat(4_000)),
        format!("192.168.0.1{}", ":1".repeat(3_000)),
    ];
    for text in texts {
        let text = format!("{text} ").repeat(20);
        let start = Instant::now();
        read(&text);
        println!("{} bytes in {:.2?}", text.len(), start.elapsed());
        assert!(start.elapsed() < PER_MEGABYTE, "{} bytes", text.len());
    }
}

#[test]
fn many_threads_find_the_same() {
    let lines = include_str!("golden/golden.jsonl").lines();
    let text: String = lines.take(300).collect::<Vec<_>>().join("\n");
    let alone = NER.entities(&text);
    assert!(!alone.is_empty());
    std::thread::scope(|scope| {
        let others = [(); 4].map(|()| scope.spawn(|| NER.entities(&text)));
        for other in others {
            assert_eq!(other.join().unwrap(), alone);
        }
    });
}

#[test]
fn a_folder_without_a_model_is_an_error_that_says_so() {
    let error = Ner::load("there-is-no-such-folder".as_ref()).unwrap_err();
    assert!(
        error.to_string().contains("fetch the model again"),
        "{error}"
    );
}
