//! Numbers of orders, cases, policies, claims, accounts, bookings and the like.

use super::{Found, Reading, Scene};
use crate::context::{Distance, Topic};
use crate::entity::{score, types};
use crate::runs::Run;

pub(super) fn find(scene: &Scene<'_>, found: &mut Found) {
    for reading in &scene.readings {
        for run in reading.digits.iter().chain(&reading.codes) {
            if let Some(score) = judge(scene, reading, run) {
                let (at, value) = (run.at(), run.chars());
                found.add(&reading.strand, at, types::REFERENCE_NUMBER, value, score);
            }
        }
        find_written(reading, found);
    }
}

fn judge(scene: &Scene<'_>, reading: &Reading<'_>, run: &Run) -> Option<f32> {
    let strand = &reading.strand;
    let (topic, distance) = scene.context.topic(strand, &run.at())?;
    if !matches!(topic, Topic::Reference | Topic::Account)
        || run.is_count(strand)
        || run.is_year(strand)
    {
        return None;
    }
    let chars = run.chars();
    let digits = chars.bytes().filter(u8::is_ascii_digit).count();
    let is_code = digits >= 4 || (digits >= 1 && chars.len() >= 3) || chars.len() >= 5;
    match distance {
        Distance::Near if is_code && chars.len() <= 40 => Some(score::CONTEXT),
        Distance::Far if digits >= 6 && chars.len() <= 24 => Some(score::LOOKS),
        _ => None,
    }
}

/// Codes in capitals and digits of such a length that they are nothing else: `AB-1234567`.
fn find_written(reading: &Reading<'_>, found: &mut Found) {
    for run in &reading.codes {
        let chars = run.chars();
        let digits = chars.bytes().filter(u8::is_ascii_digit).count();
        if digits >= 4 && chars.len() >= 6 && chars.len() <= 40 {
            found.add(
                &reading.strand,
                run.at(),
                types::REFERENCE_NUMBER,
                chars,
                score::BARE,
            );
        }
    }
}
