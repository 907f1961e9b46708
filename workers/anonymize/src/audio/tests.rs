//! Tests of the module on synthetic voices: what is gone, what stays, and how long it is.

use std::{io::Cursor, ops::Range};

use colloquy_audio::FlacWriter;
use rand::{Rng, SeedableRng, rngs::StdRng};

use super::*;

const RATE: usize = SAMPLE_RATE_HZ as usize;

/// Noise with the spectrum and the syllables of a voice, different for each seed.
fn voice(frames: usize, seed: u64) -> Vec<i16> {
    let mut random = StdRng::seed_from_u64(seed);
    let (mut low, mut high) = (0.0_f64, 0.0_f64);
    let syllable = 3_000.0 + 500.0 * seed as f64;
    (0..frames)
        .map(|n| {
            low += 0.4 * (random.random_range(-1.0..1.0) - low);
            high += 0.05 * (low - high);
            let loudness = 0.6 + 0.4 * (n as f64 / syllable).sin();
            (20_000.0 * loudness * (low - high)) as i16
        })
        .collect()
}

/// A recording with these channels.
fn flac(channels: &[Vec<i16>]) -> Cursor<Vec<u8>> {
    let mut file = Cursor::new(Vec::new());
    let mut writer = FlacWriter::new(&mut file, SAMPLE_RATE_HZ, channels.len()).unwrap();
    let frames = channels[0].len();
    let samples: Vec<i16> = (0..frames)
        .flat_map(|n| channels.iter().map(move |channel| channel[n]))
        .collect();
    writer.write_interleaved(&samples).unwrap();
    assert_eq!(writer.finish().unwrap(), frames as u64);
    Cursor::new(file.into_inner())
}

fn cut(channel: u16, start_ms: u64, end_ms: u64) -> Cut {
    Cut {
        channel,
        start_ms,
        end_ms,
    }
}

/// The redacted samples of each channel.
fn redact_pcm(
    channels: &[Vec<i16>],
    cuts: &[Cut],
    policy: &AudioPolicy,
) -> (Redacted, Vec<Vec<i16>>) {
    let mut reader = FlacReader::new(flac(channels)).unwrap();
    let mut samples = Vec::new();
    let redacted = redact_samples(&mut reader, cuts, policy, |block| {
        samples.extend_from_slice(block);
        Ok(())
    })
    .unwrap();
    let of = |channel| {
        samples
            .iter()
            .skip(channel)
            .step_by(channels.len())
            .copied()
            .collect()
    };
    (redacted, (0..channels.len()).map(of).collect())
}

/// A range of milliseconds in frames.
fn ms(range: Range<usize>) -> Range<usize> {
    range.start * RATE / 1_000..range.end * RATE / 1_000
}

#[test]
fn a_cut_holds_nothing_of_the_voice_and_the_rest_is_untouched() {
    let (agent, customer) = (voice(5 * RATE, 1), voice(5 * RATE, 2));
    for style in [Style::Tone, Style::Silence] {
        let policy = AudioPolicy {
            style,
            ..AudioPolicy::default()
        };
        let cuts = [cut(0, 1_000, 2_000), cut(0, 4_900, 5_000)];
        let (redacted, after) = redact_pcm(&[agent.clone(), customer.clone()], &cuts, &policy);
        assert_eq!(after[1], customer, "the other channel");
        for untouched in [ms(0..870), ms(2_190..4_770)] {
            assert_eq!(after[0][untouched.clone()], agent[untouched]);
        }
        // The same cut in another voice gives the same samples: nothing of the voice is left.
        let (_, other) = redact_pcm(&[customer.clone(), agent.clone()], &cuts, &policy);
        for gone in [ms(880..2_180), ms(4_780..5_000)] {
            assert_eq!(after[0][gone.clone()], other[0][gone.clone()]);
            let loudest = after[0][gone].iter().map(|s| s.abs()).max();
            assert_eq!(loudest, Some(if style == Style::Tone { 3_277 } else { 0 }));
        }
        let expected = Redacted {
            duration_ms: 5_000,
            redacted_ms: 1_300 + 220,
            crosstalk_ms: 0,
            stretches: vec![cut(0, 880, 2_180), cut(0, 4_780, 5_000)],
        };
        assert_eq!(redacted, expected);
    }
}

#[test]
fn fades_are_monotonic_and_outside_the_cut() {
    let flat = vec![10_000_i16; 2 * RATE];
    let policy = AudioPolicy {
        style: Style::Silence,
        padding_before_ms: 0,
        padding_after_ms: 0,
        fade_ms: 20,
        format: Format::Opus,
    };
    let (_, after) = redact_pcm(&[flat], &[cut(0, 500, 1_000)], &policy);
    assert!(after[0][ms(480..500)].is_sorted_by(|a, b| a >= b));
    assert!(after[0][ms(500..1_000)].iter().all(|&sample| sample == 0));
    assert!(after[0][ms(1_000..1_020)].is_sorted());
    assert_eq!(
        (after[0][ms(479..480)][0], after[0][ms(1_020..1_021)][0]),
        (10_000, 10_000)
    );
    let step = after[0]
        .windows(2)
        .map(|pair| pair[0].abs_diff(pair[1]))
        .max();
    assert!(step < Some(100), "a click of {step:?}");
}

/// What one channel hears of another: later, fainter, over its own signal.
fn echo(voice: &[i16], delay: usize, gain: f64, own: &[i16]) -> Vec<i16> {
    (0..voice.len())
        .map(|n| {
            let heard = n.checked_sub(delay).map_or(0.0, |n| f64::from(voice[n]));
            own[n].saturating_add((gain * heard) as i16)
        })
        .collect()
}

#[test]
fn the_same_voice_on_another_channel_is_cut_too() {
    let voice_of = |seed| voice(6 * RATE, seed);
    let speaker = voice_of(1);
    let silent = vec![0_i16; 6 * RATE];
    let hiss: Vec<i16> = voice_of(3).iter().map(|s| s / 100).collect();
    let hum: Vec<i16> = (0..6 * RATE)
        .map(|n| (2_000.0 * (std::f64::consts::TAU * 50.0 * n as f64 / 16_000.0).sin()) as i16)
        .collect();
    let humming: Vec<i16> = speaker
        .iter()
        .zip(&hum)
        .map(|(a, b)| a.saturating_add(*b))
        .collect();
    let late: Vec<i16> = [vec![0; 4 * RATE], voice_of(2)[4 * RATE..].to_vec()].concat();
    let cases: [(&str, &Vec<i16>, Vec<i16>, bool); 9] = [
        ("the same", &speaker, speaker.clone(), true),
        (
            "inverted",
            &speaker,
            speaker.iter().map(|s| -s).collect(),
            true,
        ),
        (
            "a faint late echo",
            &speaker,
            echo(&speaker, 480, 0.03, &hiss),
            true,
        ),
        (
            "an early echo",
            &echo(&speaker, 640, 1.0, &silent),
            speaker.clone(),
            true,
        ),
        (
            "an echo that is talked over later",
            &speaker,
            echo(&speaker, 80, 0.1, &late),
            true,
        ),
        ("another voice", &speaker, voice_of(2), false),
        (
            "a drowned echo",
            &speaker,
            echo(&speaker, 80, 0.1, &voice_of(2)),
            false,
        ),
        ("silence", &speaker, silent.clone(), false),
        (
            "hum on both",
            &humming,
            echo(&hum, 0, 1.0, &voice_of(2)),
            false,
        ),
    ];
    for (name, own, other, same) in cases {
        let channels = [own.clone(), other.clone()];
        let cuts = [cut(0, 2_000, 5_000)];
        let (redacted, after) = redact_pcm(&channels, &cuts, &AudioPolicy::default());
        assert_eq!(
            redacted.crosstalk_ms,
            if same { 3_300 } else { 0 },
            "{name}"
        );
        assert_eq!(
            after[1][ms(1_880..5_180)] == after[0][ms(1_880..5_180)],
            same,
            "{name}"
        );
        assert_eq!(after[1] == other, !same, "{name}");
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let recording = || flac(&[voice(RATE, 1)]);
    let run = |cuts: &[Cut], policy| {
        redact(recording(), Cursor::new(Vec::new()), cuts, policy).unwrap_err()
    };
    let policy = AudioPolicy::default();
    assert!(matches!(
        run(&[cut(1, 0, 10)], &policy),
        RedactError::NoChannel { channel: 1, .. }
    ));
    assert!(matches!(
        run(&[cut(0, 10, 10)], &policy),
        RedactError::Outside { .. }
    ));
    assert!(matches!(
        run(&[cut(0, 5_000, 6_000)], &policy),
        RedactError::Outside { .. }
    ));
    let long_fade = AudioPolicy {
        fade_ms: 51,
        ..policy
    };
    let wide = AudioPolicy {
        padding_after_ms: 2_001,
        ..policy
    };
    assert!(matches!(run(&[], &long_fade), RedactError::Policy));
    assert!(matches!(run(&[], &wide), RedactError::Policy));

    let mut file = Cursor::new(Vec::new());
    let mut writer = FlacWriter::new(&mut file, 8_000, 1).unwrap();
    writer.write_interleaved(&[0; 8_000]).unwrap();
    writer.finish().unwrap();
    let file = Cursor::new(file.into_inner());
    let error = redact(file, Cursor::new(Vec::new()), &[], &policy).unwrap_err();
    assert!(matches!(
        error,
        RedactError::SampleRate {
            sample_rate_hz: 8_000
        }
    ));
    let truncated = Cursor::new(recording().into_inner()[..20_000].to_vec());
    assert!(matches!(
        redact(truncated, Cursor::new(Vec::new()), &[], &policy),
        Err(RedactError::Read(_))
    ));
}

#[test]
fn the_written_recording_has_the_same_length_and_no_voice_in_the_cut() {
    for format in [Format::Opus, Format::Flac, Format::Wav] {
        for frames in [3 * RATE, 3 * RATE + 123] {
            let speaker = voice(frames, 1);
            let mut file = Cursor::new(Vec::new());
            let cuts = [cut(0, 1_000, 2_000)];
            let policy = AudioPolicy {
                style: Style::Silence,
                format,
                ..AudioPolicy::default()
            };
            let redacted = redact(flac(&[speaker]), &mut file, &cuts, &policy).unwrap();
            assert_eq!(redacted.duration_ms, (frames as u64).div_ceil(16));
            file.set_position(0);
            let mut decoded = Vec::new();
            let keep = |block: &[i16]| {
                decoded.extend_from_slice(block);
                Ok(())
            };
            assert_eq!(read_back(file, format, keep).unwrap(), (1, frames as u64));
            assert_eq!(decoded.len(), frames);
            let rms = |range: Range<usize>| {
                let squares = decoded[range.clone()].iter().map(|&s| f64::from(s).powi(2));
                (squares.sum::<f64>() / range.len() as f64).sqrt() / 32_768.0
            };
            let (voice, gone) = (rms(ms(100..800)), rms(ms(900..2_150)));
            assert!(voice > 0.02 && gone < voice / 200.0, "{voice} and {gone}");
        }
    }
}

/// Cuts of any length at any place.
fn random_cuts(random: &mut StdRng, channels: u16, duration_ms: u64) -> Vec<Cut> {
    (0..random.random_range(0..6))
        .map(|_| {
            let start_ms = random.random_range(0..duration_ms);
            let end_ms = random.random_range(start_ms + 1..duration_ms + 900);
            cut(random.random_range(0..channels), start_ms, end_ms)
        })
        .collect()
}

#[test]
fn whatever_is_cut_the_length_stays_and_cutting_again_changes_nothing() {
    let mut random = StdRng::seed_from_u64(11);
    for round in 0..40 {
        let channels = random.random_range(1..4_u16);
        let frames = random.random_range(RATE / 2..4 * RATE);
        let voices: Vec<Vec<i16>> = (0..channels)
            .map(|channel| voice(frames, u64::from(channel) + round))
            .collect();
        let cuts = random_cuts(&mut random, channels, frames as u64 / 16);
        let policy = AudioPolicy {
            style: [Style::Tone, Style::Silence][random.random_range(0..2)],
            padding_before_ms: random.random_range(0..300),
            padding_after_ms: random.random_range(0..300),
            fade_ms: random.random_range(0..50),
            format: [Format::Opus, Format::Flac, Format::Wav][random.random_range(0..3)],
        };
        let (redacted, once) = redact_pcm(&voices, &cuts, &policy);
        assert!(
            once.iter().all(|channel| channel.len() == frames),
            "{cuts:?}"
        );
        let longest = redacted.redacted_ms <= u64::from(channels) * redacted.duration_ms + 8;
        assert!(longest, "{redacted:?}");
        // Every cut lies in a stretch, and what lies in no stretch is as it was, fades aside.
        for cut in &cuts {
            let whole = redacted.stretches.iter().any(|stretch| {
                stretch.channel == cut.channel
                    && stretch.start_ms <= cut.start_ms
                    && cut.end_ms.min(redacted.duration_ms) <= stretch.end_ms
            });
            assert!(whole, "{cut:?} in {:?}", redacted.stretches);
        }
        for (channel, (before, after)) in voices.iter().zip(&once).enumerate() {
            for (at, (before, after)) in before.iter().zip(after).enumerate() {
                let now = at as u64 / 16;
                let near = redacted.stretches.iter().any(|stretch| {
                    usize::from(stretch.channel) == channel
                        && stretch.start_ms <= now + 51
                        && now <= stretch.end_ms + 51
                });
                assert!(near || before == after, "sample {at} of channel {channel}");
            }
        }
        // The same cuts once more: in and outside of the stretches nothing is different.
        let bare = AudioPolicy {
            fade_ms: 0,
            ..policy
        };
        let (_, once) = redact_pcm(&voices, &cuts, &bare);
        let (again, twice) = redact_pcm(&once, &cuts, &bare);
        // The tone itself is alike on all channels: then it counts as one voice.
        if again.crosstalk_ms == 0 {
            assert_eq!(twice, once);
        }
        let mut file = Cursor::new(Vec::new());
        redact(flac(&voices), &mut file, &cuts, &policy).unwrap();
        file.set_position(0);
        let told = read_back(file, policy.format, |_| Ok(())).unwrap();
        assert_eq!(told, (usize::from(channels), frames as u64));
    }
}
