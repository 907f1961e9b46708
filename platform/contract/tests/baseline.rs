//! The contract of version 1, as `colloquy contract schema` printed it, is still understood and
//! still understands us.
//!
//! With `UPDATE_GOLDEN=1` a baseline that is missing is written; one that is there is never
//! touched.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::{fs, path::PathBuf};

use colloquy_contract::{compat, schema};
use serde_json::Value;

/// A baseline is read by people, too.
const MAX_BYTES: usize = 1_000_000;

fn baseline() -> Value {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/baseline/v1.json");
    if std::env::var_os("UPDATE_GOLDEN").is_some() && !path.exists() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let text = serde_json::to_string_pretty(&schema::all()).unwrap();
        fs::write(&path, text + "\n").unwrap();
    }
    let text = fs::read(&path).expect("the baseline is there; write it with UPDATE_GOLDEN=1");
    assert!(text.len() < MAX_BYTES);
    serde_json::from_slice(&text).unwrap()
}

#[test]
fn todays_contract_agrees_with_version_1() {
    let report = compat::check(&baseline()).unwrap();
    let broken: Vec<_> = report
        .rows
        .iter()
        .filter(|row| !row.changes.is_empty())
        .collect();
    assert!(
        report.is_compatible(false),
        "'colloquy contract check' refuses this change: {broken:#?}"
    );
}

#[test]
fn a_change_of_any_fact_is_found() {
    let base = baseline();
    for fact in base["facts"].as_object().unwrap().keys() {
        let mut changed = base.clone();
        let required = &mut changed["facts"][fact]["required"];
        required
            .as_array_mut()
            .unwrap()
            .push("never_written".into());
        let report = compat::check(&changed).unwrap();
        let row = report.rows.iter().find(|row| row.name == *fact).unwrap();
        assert_eq!(row.old_reader_new_writer, compat::Verdict::No, "{fact}");
        assert_eq!(row.changes[0].path, "$.never_written");
        assert!(!report.is_compatible(true));
    }
}
