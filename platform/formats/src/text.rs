//! Plain text, for people.

use std::fmt::Write;

use colloquy_contract::transcript::Transcript;

use crate::{join, language, one_line, speaker};

/// One line per turn: `[00:01:02] agent: Hello.`
pub fn text(transcript: &Transcript) -> String {
    let spaced = language::is_spaced(&transcript.language);
    let mut out = String::new();
    for turn in &transcript.turns {
        let words: Vec<String> = turn.words.iter().map(|word| one_line(&word.text)).collect();
        let label = speaker(transcript, turn).map(|name| format!("{name}: "));
        // Writing to a string does not fail.
        let _ = writeln!(
            out,
            "[{}] {}{}",
            clock(turn.start_ms),
            label.unwrap_or_default(),
            join(&words, spaced)
        );
    }
    out
}

/// A time as `HH:MM:SS`.
pub fn clock(ms: u64) -> String {
    let seconds = ms / 1_000;
    let (hours, minutes) = (seconds / 3_600, seconds / 60 % 60);
    format!("{hours:02}:{minutes:02}:{:02}", seconds % 60)
}

#[cfg(test)]
mod tests {
    use colloquy_contract::transcript::Role;

    use super::*;
    use crate::subtitles::tests::{transcript, turn};

    #[test]
    fn a_line_per_turn() {
        let call = transcript(vec![
            turn(0, Role::Agent, 1_500, 400, "Hello, this is support."),
            turn(1, Role::Unknown, 3_661_042, 400, "A <b> & [PERSON_1] x"),
        ]);
        assert_eq!(
            text(&call),
            "[00:00:01] agent: Hello, this is support.\n\
             [01:01:01] speaker 2: A <b> & [PERSON_1] x\n"
        );
    }

    #[test]
    fn one_voice_that_nobody_knows_has_no_label() {
        let mono = transcript(vec![
            turn(0, Role::Unknown, 0, 400, "Hello?"),
            turn(0, Role::Unknown, 9_000, 400, "Anyone?"),
        ]);
        assert_eq!(text(&mono), "[00:00:00] Hello?\n[00:00:09] Anyone?\n");
        assert_eq!(text(&transcript(Vec::new())), "");
    }

    #[test]
    fn languages_without_spaces_have_none() {
        let mut call = transcript(vec![turn(
            0,
            Role::Agent,
            0,
            400,
            "今 日 は iPhone 15 です。",
        )]);
        call.language = "ja".to_owned();
        assert_eq!(text(&call), "[00:00:00] agent: 今日はiPhone 15です。\n");
    }
}
