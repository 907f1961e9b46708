//! Driver's licenses and passports, where the words before say so.

use super::{Found, Scene};
use crate::context::Topic;
use crate::entity::{score, types};

pub(super) fn find(scene: &Scene<'_>, found: &mut Found) {
    for reading in &scene.readings {
        let strand = &reading.strand;
        for run in reading.codes.iter().chain(&reading.digits) {
            let entity_type = match (scene.context.near(strand, &run.at()), run.len()) {
                (Some(Topic::Licence), 4..=20) => types::US_DRIVER_LICENSE,
                (Some(Topic::Passport), 5..=12) => types::US_PASSPORT,
                _ => continue,
            };
            let digits = run.chars().bytes().filter(u8::is_ascii_digit).count();
            if digits > 0 && !run.is_count(strand) && !run.is_year(strand) {
                found.add(strand, run.at(), entity_type, run.chars(), score::CONTEXT);
            }
        }
    }
}
