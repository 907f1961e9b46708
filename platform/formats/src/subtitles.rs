//! Subtitles: SubRip and WebVTT.

use std::fmt::Write;

use colloquy_contract::transcript::Transcript;

use crate::{
    cues::{Label, cues},
    text::clock,
};

/// SubRip, with the speaker in front of the text: it has no other place for one.
pub fn srt(transcript: &Transcript) -> String {
    let mut out = String::new();
    for (cue, number) in cues(transcript, Label::InText).iter().zip(1_u64..) {
        let (from, to) = (stamp(cue.start_ms, ','), stamp(cue.end_ms, ','));
        // An arrow would be read as a time line; SubRip has no way to escape it.
        let text = cue.lines.join("\n").replace("-->", "->");
        // Writing to a string does not fail.
        let _ = writeln!(out, "{number}\n{from} --> {to}\n{text}\n");
    }
    out
}

/// WebVTT, with the speaker as the cue's voice.
pub fn vtt(transcript: &Transcript) -> String {
    let mut out = String::from("WEBVTT\n\n");
    for cue in cues(transcript, Label::Apart) {
        let (from, to) = (stamp(cue.start_ms, '.'), stamp(cue.end_ms, '.'));
        let text = escape(&cue.lines.join("\n"));
        let _ = match &cue.speaker {
            Some(voice) => writeln!(out, "{from} --> {to}\n<v {voice}>{text}</v>\n"),
            None => writeln!(out, "{from} --> {to}\n{text}\n"),
        };
    }
    out
}

fn stamp(ms: u64, separator: char) -> String {
    format!("{}{separator}{:03}", clock(ms), ms % 1_000)
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
pub(crate) mod tests {
    use colloquy_contract::transcript::{Role, Turn, Word};
    use rand::{Rng, SeedableRng, rngs::StdRng};

    use super::*;

    pub(crate) fn transcript(turns: Vec<Turn>) -> Transcript {
        Transcript {
            version: Transcript::VERSION,
            language: "en".to_owned(),
            duration_ms: 4_000_000,
            model: "test".to_owned(),
            channels: vec![Role::Agent, Role::Customer],
            turns,
        }
    }

    /// A turn whose words begin every `step` milliseconds and last half of that.
    pub(crate) fn turn(channel: u16, role: Role, start: u64, step: u64, text: &str) -> Turn {
        let word = |(word, n): (&str, u64)| Word {
            text: word.to_owned(),
            start_ms: start + n * step,
            end_ms: start + n * step + step / 2,
            confidence: 0.9,
            digit_starts_ms: Vec::new(),
        };
        Turn::new(channel, role, text.split(' ').zip(0..).map(word).collect()).unwrap()
    }

    fn sample() -> Transcript {
        transcript(vec![
            turn(
                0,
                Role::Agent,
                1_500,
                400,
                "Hello, this is support, what can I do for you?",
            ),
            turn(1, Role::Unknown, 3_661_042, 400, "A <b> & [PERSON_1] --> x"),
        ])
    }

    #[test]
    fn subrip() {
        assert_eq!(
            srt(&sample()),
            "1\n00:00:01,500 --> 00:00:05,300\n\
             agent: Hello, this is support,\nwhat can I do for you?\n\n\
             2\n01:01:01,042 --> 01:01:03,242\nspeaker 2: A <b> & [PERSON_1] -> x\n\n"
        );
        assert_eq!(srt(&transcript(Vec::new())), "");
    }

    #[test]
    fn webvtt() {
        assert_eq!(
            vtt(&sample()),
            "WEBVTT\n\n\
             00:00:01.500 --> 00:00:05.300\n\
             <v agent>Hello, this is support,\nwhat can I do for you?</v>\n\n\
             01:01:01.042 --> 01:01:03.242\n\
             <v speaker 2>A &lt;b&gt; &amp; [PERSON_1] --&gt; x</v>\n\n"
        );
        assert_eq!(vtt(&transcript(Vec::new())), "WEBVTT\n\n");
        let mono = transcript(vec![turn(0, Role::Unknown, 0, 2_000, "Hi.")]);
        assert_eq!(
            vtt(&mono),
            "WEBVTT\n\n00:00:00.000 --> 00:00:01.000\nHi.\n\n"
        );
    }

    /// A cue as a player reads it.
    #[derive(Debug)]
    struct Read {
        speaker: String,
        start_ms: u64,
        end_ms: u64,
        lines: Vec<String>,
    }

    fn time(text: &str, separator: char) -> u64 {
        let (clock, ms) = text.split_once(separator).expect("a fraction");
        let fields: Vec<u64> = clock.split(':').map(|n| n.parse().unwrap()).collect();
        assert_eq!((fields.len(), ms.len()), (3, 3), "{text}");
        assert!(fields[1] < 60 && fields[2] < 60, "{text}");
        fields.iter().fold(0, |sum, n| sum * 60 + n) * 1_000 + ms.parse::<u64>().unwrap()
    }

    fn times(line: &str, separator: char) -> (u64, u64) {
        let (from, to) = line.split_once(" --> ").expect("a time line");
        (time(from, separator), time(to, separator))
    }

    fn blocks(text: &str) -> impl Iterator<Item = Vec<&str>> {
        text.split("\n\n")
            .filter(|block| !block.is_empty())
            .map(|block| block.lines().collect())
    }

    fn read_srt(text: &str) -> Vec<Read> {
        let read = |(block, number): (Vec<&str>, usize)| {
            assert_eq!(block[0], number.to_string());
            let (start_ms, end_ms) = times(block[1], ',');
            let mut lines: Vec<String> = block[2..].iter().map(|&line| line.to_owned()).collect();
            let (speaker, rest) = match lines[0].split_once(": ") {
                Some((speaker, rest)) => (speaker.to_owned(), rest.to_owned()),
                None => (String::new(), lines[0].clone()),
            };
            assert!(lines[0].chars().count() <= 42, "{}", lines[0]);
            lines[0] = rest;
            Read {
                speaker,
                start_ms,
                end_ms,
                lines,
            }
        };
        blocks(text).zip(1..).map(read).collect()
    }

    fn read_vtt(text: &str) -> Vec<Read> {
        let text = text.strip_prefix("WEBVTT\n\n").expect("the signature");
        let read = |block: Vec<&str>| {
            let (start_ms, end_ms) = times(block[0], '.');
            let payload = block[1..].join("\n");
            let (speaker, payload) = match payload.strip_prefix("<v ") {
                Some(voice) => {
                    let (speaker, rest) = voice.split_once('>').expect("the end of the tag");
                    (speaker.to_owned(), rest.strip_suffix("</v>").unwrap())
                }
                None => (String::new(), payload.as_str()),
            };
            assert!(!payload.contains(['<', '>']), "{payload}");
            let plain = payload
                .replace("&lt;", "<")
                .replace("&gt;", ">")
                .replace("&amp;", "&");
            Read {
                speaker,
                start_ms,
                end_ms,
                lines: plain.lines().map(str::to_owned).collect(),
            }
        };
        blocks(text).map(read).collect()
    }

    /// What holds of the subtitles of every transcript.
    fn check(read: &[Read], call: &Transcript) {
        assert!(read.is_sorted_by_key(|cue| cue.start_ms));
        for cue in read {
            assert!(cue.start_ms < cue.end_ms, "{cue:?}");
            assert!(cue.end_ms - cue.start_ms <= 7_000, "{cue:?}");
            assert!((1..=2).contains(&cue.lines.len()), "{cue:?}");
            let wide = cue.lines.iter().any(|line| line.chars().count() > 42);
            assert!(!wide, "{cue:?}");
        }
        for (channel, speaker) in [(0, "agent"), (1, "speaker 2")] {
            let of: Vec<&Read> = read.iter().filter(|cue| cue.speaker == speaker).collect();
            let apart = of.windows(2).all(|pair| pair[0].end_ms <= pair[1].start_ms);
            assert!(apart, "{of:?}");
            let heard: Vec<&str> = of
                .iter()
                .flat_map(|cue| &cue.lines)
                .flat_map(|line| line.split(' '))
                .collect();
            let turns = call.turns.iter().filter(|turn| turn.channel == channel);
            let said: Vec<&str> = turns
                .flat_map(|turn| &turn.words)
                .map(|word| word.text.as_str())
                .collect();
            assert_eq!(heard, said);
        }
    }

    /// Turns of random words on two channels: pauses, none, words without length or out of order.
    fn random(rng: &mut StdRng) -> Transcript {
        let letters: Vec<char> = "abcdefghij<>&,.?!'é漢".chars().collect();
        let mut turns = Vec::new();
        for (channel, role) in [(0, Role::Agent), (1, Role::Unknown)] {
            let mut at = 0_u64;
            for _ in 0..rng.random_range(1..12) {
                at += rng.random_range(0..40_000);
                let mut words = Vec::new();
                for _ in 0..rng.random_range(1..60) {
                    let length = rng.random_range(1..14);
                    let mut letter = || letters[rng.random_range(0..letters.len())];
                    let text: String = (0..length).map(|_| letter()).collect();
                    let start_ms = at.saturating_sub(rng.random_range(0..300));
                    let end_ms = start_ms + rng.random_range(0..2_000) * rng.random_range(0..4);
                    words.push(Word {
                        text,
                        start_ms,
                        end_ms,
                        confidence: 0.5,
                        digit_starts_ms: Vec::new(),
                    });
                    at += rng.random_range(0..900);
                }
                at += 300;
                turns.extend(Turn::new(channel, role, words));
            }
        }
        turns.sort_by_key(|turn| (turn.start_ms, turn.channel));
        transcript(turns)
    }

    #[test]
    fn players_read_the_same_words_at_times_that_never_go_back() {
        for seed in 0..60 {
            let call = random(&mut StdRng::seed_from_u64(seed));
            check(&read_srt(&srt(&call)), &call);
            check(&read_vtt(&vtt(&call)), &call);
        }
    }
}
