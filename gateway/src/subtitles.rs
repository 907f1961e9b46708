//! The transcript as text for people and players: plain text, SubRip and WebVTT.
//!
//! A turn is cut into cues that can be read while they are heard, by the times of its words.

use std::fmt::Write;

use colloquy_contract::transcript::{Role, Transcript, Turn};

/// Longest text of a cue, in characters: two lines of a subtitle.
const MAX_CUE_CHARS: usize = 84;

/// Longest time of a cue, in milliseconds.
const MAX_CUE_MS: u64 = 7_000;

/// Shortest time of a cue, in milliseconds: players skip a cue of none.
const MIN_CUE_MS: u64 = 1;

/// A stretch of a turn that fits on the screen.
#[derive(Debug, PartialEq, Eq)]
struct Cue {
    start_ms: u64,
    end_ms: u64,
    text: String,
}

/// One line per turn: `[00:01:02] agent: Hello.`
pub(crate) fn text(transcript: &Transcript) -> String {
    let mut out = String::new();
    for turn in &transcript.turns {
        let (time, _) = clock(turn.start_ms);
        // Writing to a string does not fail.
        let _ = writeln!(out, "[{time}] {}: {}", speaker(turn), one_line(&turn.text));
    }
    out
}

/// SubRip.
pub(crate) fn srt(transcript: &Transcript) -> String {
    let mut out = String::new();
    let mut number = 0_u32;
    for turn in &transcript.turns {
        for cue in cues(turn) {
            number += 1;
            let (from, to) = (stamp(cue.start_ms, ','), stamp(cue.end_ms, ','));
            let text = one_line(&cue.text);
            let _ = writeln!(
                out,
                "{number}\n{from} --> {to}\n{}: {text}\n",
                speaker(turn)
            );
        }
    }
    out
}

/// WebVTT, with the speaker as the cue's voice.
pub(crate) fn vtt(transcript: &Transcript) -> String {
    let mut out = String::from("WEBVTT\n\n");
    for turn in &transcript.turns {
        for cue in cues(turn) {
            let (from, to) = (stamp(cue.start_ms, '.'), stamp(cue.end_ms, '.'));
            let text = escape(&one_line(&cue.text));
            let _ = writeln!(out, "{from} --> {to}\n<v {}>{text}</v>\n", speaker(turn));
        }
    }
    out
}

fn cues(turn: &Turn) -> Vec<Cue> {
    let mut cues: Vec<Cue> = Vec::new();
    let mut chars = 0;
    for word in &turn.words {
        let length = word.text.chars().count();
        let end_ms = word.end_ms.max(word.start_ms + MIN_CUE_MS);
        if let Some(cue) = cues.last_mut() {
            let fits = chars + 1 + length <= MAX_CUE_CHARS
                && end_ms.saturating_sub(cue.start_ms) <= MAX_CUE_MS;
            if fits {
                cue.text.push(' ');
                cue.text.push_str(&word.text);
                cue.end_ms = cue.end_ms.max(end_ms);
                chars += 1 + length;
                continue;
            }
        }
        cues.push(Cue {
            start_ms: word.start_ms,
            end_ms,
            text: word.text.clone(),
        });
        chars = length;
    }
    cues
}

fn speaker(turn: &Turn) -> String {
    match turn.role {
        Role::Agent | Role::Customer => turn.role.as_str().to_owned(),
        Role::Unknown => format!("speaker {}", turn.channel + 1),
    }
}

/// `HH:MM:SS` and the milliseconds.
fn clock(ms: u64) -> (String, u64) {
    let seconds = ms / 1_000;
    let (hours, minutes) = (seconds / 3_600, seconds / 60 % 60);
    (
        format!("{hours:02}:{minutes:02}:{:02}", seconds % 60),
        ms % 1_000,
    )
}

fn stamp(ms: u64, separator: char) -> String {
    let (time, ms) = clock(ms);
    format!("{time}{separator}{ms:03}")
}

/// Without line breaks and arrows, which would end a cue.
fn one_line(text: &str) -> String {
    text.replace(['\n', '\r'], " ").replace("-->", "->")
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use colloquy_contract::transcript::Word;

    use super::*;

    fn transcript(turns: Vec<Turn>) -> Transcript {
        Transcript {
            version: 1,
            language: "en".to_owned(),
            duration_ms: 10_000_000,
            model: "test".to_owned(),
            channels: vec![Role::Agent, Role::Customer],
            turns,
        }
    }

    fn turn(channel: u16, role: Role, start: u64, step: u64, text: &str) -> Turn {
        let words = text
            .split(' ')
            .zip(0..)
            .map(|(word, n)| Word {
                text: word.to_owned(),
                start_ms: start + n * step,
                end_ms: start + n * step + step / 2,
                confidence: 1.0,
                digit_starts_ms: Vec::new(),
            })
            .collect();
        Turn::new(channel, role, words).unwrap()
    }

    fn sample() -> Transcript {
        transcript(vec![
            turn(0, Role::Agent, 1_500, 400, "Hello, this is support."),
            turn(1, Role::Unknown, 3_661_042, 400, "A <b> & [PERSON_1] --> x"),
        ])
    }

    #[test]
    fn plain_text_has_a_line_per_turn() {
        assert_eq!(
            text(&sample()),
            "[00:00:01] agent: Hello, this is support.\n\
             [01:01:01] speaker 2: A <b> & [PERSON_1] -> x\n"
        );
    }

    #[test]
    fn subrip() {
        assert_eq!(
            srt(&sample()),
            "1\n00:00:01,500 --> 00:00:02,900\nagent: Hello, this is support.\n\n\
             2\n01:01:01,042 --> 01:01:03,242\nspeaker 2: A <b> & [PERSON_1] -> x\n\n"
        );
    }

    #[test]
    fn webvtt_escapes() {
        assert_eq!(
            vtt(&sample()),
            "WEBVTT\n\n\
             00:00:01.500 --> 00:00:02.900\n<v agent>Hello, this is support.</v>\n\n\
             01:01:01.042 --> 01:01:03.242\n\
             <v speaker 2>A &lt;b&gt; &amp; [PERSON_1] -&gt; x</v>\n\n"
        );
    }

    #[test]
    fn long_turns_are_cut_at_words() {
        let words = vec!["something"; 40].join(" ");
        let cues = cues(&turn(0, Role::Agent, 0, 500, &words));
        assert!(cues.len() > 4);
        for cue in &cues {
            assert!(cue.text.chars().count() <= MAX_CUE_CHARS);
            assert!(cue.end_ms - cue.start_ms <= MAX_CUE_MS);
            assert!(cue.start_ms < cue.end_ms);
        }
        let joined: Vec<&str> = cues.iter().map(|cue| cue.text.as_str()).collect();
        assert_eq!(joined.join(" "), words);
    }

    #[test]
    fn a_word_longer_than_a_cue_is_a_cue() {
        let word = "x".repeat(200);
        let cues = cues(&turn(0, Role::Agent, 0, 0, &word));
        assert_eq!(
            cues,
            [Cue {
                start_ms: 0,
                end_ms: 1,
                text: word
            }]
        );
    }
}
