//! Where the cache is, by the variables that say so.

use std::ffi::OsString;
use std::path::PathBuf;

use colloquy_assets::location::cache_root;

fn root(variables: &[(&str, &str)]) -> Option<PathBuf> {
    cache_root(|name| {
        let value = variables.iter().find(|(known, _)| *known == name)?.1;
        Some(OsString::from(value))
    })
}

#[test]
fn our_own_variable_comes_first() {
    let variables = [
        ("COLLOQUY_CACHE", "/here"),
        ("XDG_CACHE_HOME", "/x"),
        ("HOME", "/home/me"),
    ];
    assert_eq!(root(&variables), Some("/here".into()));
    assert_eq!(root(&variables[1..]), Some("/x/colloquy".into()));
    assert_eq!(
        root(&variables[2..]),
        Some("/home/me/.cache/colloquy".into())
    );
    assert_eq!(root(&[]), None);
}

#[test]
fn an_empty_or_relative_variable_counts_as_unset() {
    let variables = [
        ("COLLOQUY_CACHE", ""),
        ("XDG_CACHE_HOME", "x"),
        ("HOME", "/home/me"),
    ];
    assert_eq!(root(&variables), Some("/home/me/.cache/colloquy".into()));
}

#[test]
fn our_own_variable_must_be_absolute() {
    assert_eq!(
        root(&[("COLLOQUY_CACHE", "here"), ("HOME", "/home/me")]),
        None
    );
}

#[test]
fn only_what_counts_is_asked_for() {
    let asked = std::cell::RefCell::new(Vec::new());
    cache_root(|name| {
        asked.borrow_mut().push(name.to_owned());
        (name == "COLLOQUY_CACHE").then(|| "/c".into())
    });
    assert_eq!(*asked.borrow(), ["COLLOQUY_CACHE"]);
}
