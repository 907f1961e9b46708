//! Vehicles: identification numbers and plates.

use super::{Found, Scene};
use crate::context::Topic;
use crate::entity::{score, types};
use crate::runs::Run;
use crate::text::Strand;

/// The length of a vehicle identification number.
const VIN_LENGTH: usize = 17;

/// A vehicle is spoken of at most so many words before its plate.
const VEHICLE_TALK: usize = 6;

pub(super) fn find(scene: &Scene<'_>, found: &mut Found) {
    for reading in &scene.readings {
        let strand = &reading.strand;
        for run in &reading.codes {
            for (items, chars) in run.windows(&run.chars(), VIN_LENGTH, VIN_LENGTH) {
                if passes_check(chars) {
                    found.add(
                        strand,
                        run.at_items(items),
                        types::VIN,
                        chars.to_owned(),
                        score::CHECKED,
                    );
                }
            }
        }
        for run in reading.codes.iter().filter(|run| is_british(strand, run)) {
            found.add(
                strand,
                run.at(),
                types::LICENSE_PLATE,
                run.chars(),
                score::PARTIAL,
            );
        }
        for run in reading.codes.iter().chain(&reading.digits) {
            let entity_type = match (scene.context.near(strand, &run.at()), run.len()) {
                (Some(Topic::Vin), 6..=20) => types::VIN,
                (topic, 5..=8) if topic != Some(Topic::Vin) && is_on_vehicle(strand, run) => {
                    types::LICENSE_PLATE
                }
                (Some(Topic::Plate), 2..=9) if !run.is_count(strand) => types::LICENSE_PLATE,
                _ => continue,
            };
            found.add(
                strand,
                run.at(),
                entity_type,
                run.chars(),
                score::CONTEXT + 0.01,
            );
        }
    }
}

/// Whether a code looks like a plate and a vehicle is spoken of right before it: `white van, LK19
/// ZRT`.
fn is_on_vehicle(strand: &Strand<'_>, run: &Run) -> bool {
    let at = run.at().start;
    let chars = run.chars();
    let digits = chars.bytes().filter(u8::is_ascii_digit).count();
    let form = (5..=8).contains(&chars.len()) && (1..=5).contains(&digits);
    let letters = chars.len() - digits;
    let capitals = run
        .at()
        .all(|at| strand.raw(at) == strand.raw(at).to_uppercase());
    let before = (at.saturating_sub(VEHICLE_TALK)..at).rev();
    let mut words = before.map(|at| strand.lower(at));
    let told = words.find(|word| is_vehicle(word) || is_other_number(word));
    let vehicle = told.is_some_and(is_vehicle);
    form && (2..=5).contains(&letters) && capitals && vehicle
}

/// Whether a code has the form that plates have in Great Britain since 2001, with its space: `BD51
/// SMR`.
fn is_british(strand: &Strand<'_>, run: &Run) -> bool {
    let at = run.at();
    let (place, letters) = (
        strand.raw(at.start).as_bytes(),
        strand.raw(at.start + 1).as_bytes(),
    );
    let [a, b, c, d] = place else {
        return false;
    };
    at.len() == 2
        && strand.gap(at.start + 1) == " "
        && (a.is_ascii_uppercase() && b.is_ascii_uppercase())
        && (c.is_ascii_digit() && d.is_ascii_digit())
        && letters.len() == 3
        && letters.iter().all(u8::is_ascii_uppercase)
}

/// What else has a number: `my car insurance policy …`.
fn is_other_number(lower: &str) -> bool {
    matches!(
        lower,
        "policy"
            | "insurance"
            | "claim"
            | "number"
            | "order"
            | "reference"
            | "ref"
            | "code"
            | "id"
            | "invoice"
            | "ticket"
            | "booking"
            | "case"
            | "model"
            | "part"
            | "loan"
            | "rental"
    )
}

/// What has a plate.
fn is_vehicle(lower: &str) -> bool {
    matches!(
        lower,
        "vehicle"
            | "car"
            | "van"
            | "truck"
            | "lorry"
            | "motorcycle"
            | "motorbike"
            | "sedan"
            | "hatchback"
            | "suv"
            | "taxi"
            | "cab"
            | "trailer"
            | "reg"
            | "plates"
            | "parked"
    )
}

/// The ninth place is the sum of the others by weight, modulo 11; I, O and Q do not occur.
fn passes_check(chars: &str) -> bool {
    const WEIGHTS: [u32; VIN_LENGTH] = [8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2];
    let mut sum = 0;
    for (byte, weight) in chars.bytes().zip(WEIGHTS) {
        let value = match byte {
            b'0'..=b'9' => byte - b'0',
            b'A'..=b'H' => byte - b'A' + 1,
            b'J'..=b'N' => byte - b'J' + 1,
            b'P' => 7,
            b'R' => 9,
            b'S'..=b'Z' => byte - b'S' + 2,
            _ => return false,
        };
        sum += u32::from(value) * weight;
    }
    let check = chars.as_bytes().get(VIN_LENGTH / 2).copied();
    let digit = match sum % 11 {
        10 => Some(b'X'),
        rest => u8::try_from(rest).ok().map(|rest| b'0' + rest),
    };
    check == digit && chars.bytes().any(|byte| byte.is_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use super::passes_check;

    #[test]
    fn the_ninth_place_checks_the_others() {
        assert!(passes_check("1HGCM82633A004352") && passes_check("1M8GDM9AXKP042788"));
        assert!(!passes_check("1HGCM82633A004353") && !passes_check("IOQ"));
    }
}
