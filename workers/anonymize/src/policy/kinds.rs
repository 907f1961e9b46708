//! The entity types that a policy may name, and what is done with each where no policy says.

use colloquy_entities::types;

use super::Action;

/// What a deny list finds.
pub const CUSTOM: &str = "CUSTOM";

/// What is left where nothing is said: it tells what a call is about, not who somebody is or what
/// belongs to somebody, so that the text stays of use.
const KEPT: [&str; 3] = [types::NRP, types::ORGANIZATION, types::TITLE];

/// All types: those that the recognizers find, and what a deny list finds.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    let found = types::ALL.iter().map(|(name, _)| *name);
    found.chain([CUSTOM])
}

/// What is done with each type where nothing is said.
pub(super) fn defaults() -> impl Iterator<Item = (&'static str, Action)> {
    names().map(|name| {
        let action = if KEPT.contains(&name) {
            Action::Keep
        } else {
            Action::Label
        };
        (name, action)
    })
}
