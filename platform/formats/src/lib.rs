//! Transcripts in the forms that people, players and programs read.
//!
//! - [`text()`]: a line per turn, with its time and speaker.
//! - [`srt`] and [`vtt`]: subtitles, cut by the times of the words so that they can be read while
//!   they are heard.
//! - [`json::Document`]: what OpenAI's transcription API calls `verbose_json`, with channels, roles
//!   and confidences besides.
//!
//! Every form promises the transcript's words in their order, and times that never go back. Nothing
//! here reads or writes files.

#![warn(missing_docs)]

mod cues;
pub mod json;
pub mod language;
mod subtitles;
mod text;

use colloquy_contract::transcript::{Role, Transcript, Turn};

pub use subtitles::{srt, vtt};
pub use text::{clock, text};

/// Who speaks in a turn, as told to readers; `None` where that would tell nothing.
///
/// A role if it is known, else the number of the channel. A transcript of one voice whose role
/// nobody knows has no labels: that is all of a mono recording, where both sides are one channel.
fn speaker(transcript: &Transcript, turn: &Turn) -> Option<String> {
    match turn.role {
        Role::Agent | Role::Customer => Some(turn.role.as_str().to_owned()),
        Role::Unknown => {
            let mut turns = transcript.turns.iter();
            let alone = turns.all(|other| other.channel == turn.channel);
            (!alone).then(|| format!("speaker {}", u32::from(turn.channel) + 1))
        }
    }
}

/// A word without line breaks and without white space at its ends.
fn one_line(text: &str) -> String {
    let parts: Vec<&str> = text.split_whitespace().collect();
    parts.join(" ")
}

/// Words as running text, with spaces where the language has them.
fn join(words: &[String], spaced: bool) -> String {
    let mut text = String::new();
    for word in words {
        if !text.is_empty() && (spaced || between_latin(&text, word)) {
            text.push(' ');
        }
        text.push_str(word);
    }
    text
}

/// Whether two words both are in Latin letters or digits where they meet: a name in a Chinese text.
fn between_latin(before: &str, after: &str) -> bool {
    before.ends_with(|c: char| c.is_ascii_graphic())
        && after.starts_with(|c: char| c.is_ascii_alphanumeric())
}
