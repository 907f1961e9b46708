//! Measures the resampler: length, time, pass band, noise and aliases.

#![allow(
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "helpers of tests count as code outside of tests"
)]

use std::f64::consts::TAU;

use colloquy_audio::Resampler;

fn resample(from: u32, to: u32, input: &[f32], slice: usize) -> Vec<f32> {
    let mut resampler = Resampler::new(from, to, 1).unwrap();
    let mut output = vec![Vec::new()];
    for block in input.chunks(slice) {
        resampler.push(&[block], &mut output).unwrap();
    }
    resampler.finish(&mut output).unwrap();
    output.remove(0)
}

fn tone(rate: u32, hz: f64, frames: usize) -> Vec<f32> {
    (0..frames)
        .map(|n| (0.9 * (TAU * hz * n as f64 / f64::from(rate)).sin()) as f32)
        .collect()
}

/// Fits a sine of known frequency and returns (gain in dB, phase error in samples, SNR in dB).
fn fit(signal: &[f32], rate: u32, hz: f64, offset: usize) -> (f64, f64, f64) {
    // Least squares: sine and cosine are not quite orthogonal over a partial period.
    let (mut xs, mut xc, mut ss, mut cc, mut sc, mut energy) = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0);
    let w = TAU * hz / f64::from(rate);
    for (n, &x) in signal.iter().enumerate() {
        let (sin, cos) = (w * (n + offset) as f64).sin_cos();
        let x = f64::from(x);
        xs += x * sin;
        xc += x * cos;
        ss += sin * sin;
        cc += cos * cos;
        sc += sin * cos;
        energy += x * x;
    }
    let det = ss * cc - sc * sc;
    let (s, c) = ((xs * cc - xc * sc) / det, (xc * ss - xs * sc) / det);
    let residual: f64 = signal
        .iter()
        .enumerate()
        .map(|(n, &x)| {
            let t = w * (n + offset) as f64;
            (f64::from(x) - s * t.sin() - c * t.cos()).powi(2)
        })
        .sum();
    let gain = 20.0 * (s.hypot(c) / 0.9).log10();
    (gain, c.atan2(s) / w, 10.0 * (energy / residual).log10())
}

/// The pairs of rates that calls have.
const RATES: [(u32, u32); 4] = [
    (8_000, 16_000),
    (44_100, 16_000),
    (48_000, 16_000),
    (32_000, 16_000),
];

#[test]
fn the_length_is_exact() {
    for (from, to) in [
        (8_000, 16_000),
        (44_100, 16_000),
        (48_000, 16_000),
        (11_025, 16_000),
        (16_000, 48_000),
        (22_050, 16_000),
        (12_345, 16_000),
    ] {
        for frames in [1_usize, 2, 100, 1_000, 44_100, 99_991] {
            let out = resample(from, to, &vec![0.1; frames], 1_152);
            let want = (frames as f64 * f64::from(to) / f64::from(from)).round() as usize;
            assert_eq!(out.len(), want, "{frames} frames {from} -> {to}");
        }
    }
}

#[test]
fn equal_rates_change_nothing() {
    let input = tone(16_000, 1_000.0, 5_000);
    assert_eq!(resample(16_000, 16_000, &input, 999), input);
}

#[test]
fn the_pass_band_is_flat_clean_and_in_time() {
    for (from, to) in [
        (8_000, 16_000),
        (44_100, 16_000),
        (48_000, 16_000),
        (96_000, 16_000),
        (11_025, 16_000),
    ] {
        let nyquist = f64::from(from.min(to)) / 2.0;
        let (mut worst_snr, mut worst_gain, mut worst_shift) = (f64::MAX, 0.0_f64, 0.0_f64);
        for percent in [1.0, 5.0, 12.5, 25.0, 40.0, 60.0, 75.0, 85.0, 90.0, 94.0] {
            let hz = nyquist * percent / 100.0 + 0.37;
            let out = resample(from, to, &tone(from, hz, from as usize), 1_000);
            let skip = to as usize / 4;
            let (gain, shift, snr) = fit(&out[skip..out.len() - skip], to, hz, skip);
            worst_snr = worst_snr.min(snr);
            worst_gain = worst_gain.max(gain.abs());
            worst_shift = worst_shift.max(shift.abs());
        }
        println!(
            "{from} -> {to}: SNR {worst_snr:.1} dB, ripple {worst_gain:.4} dB, shift {worst_shift:.5} frames"
        );
        assert!(
            worst_snr > 130.0 && worst_gain < 0.001 && worst_shift < 0.001,
            "{from} -> {to}"
        );
    }
}

#[test]
fn nothing_aliases() {
    for from in [44_100_u32, 48_000, 96_000, 22_050] {
        let mut worst = f64::MIN;
        let mut hz = 8_010.0;
        while hz < f64::from(from) / 2.0 - 100.0 {
            let out = resample(from, 16_000, &tone(from, hz, from as usize / 2), 1_000);
            let inner = &out[out.len() / 4..out.len() * 3 / 4];
            let power: f64 =
                inner.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>() / inner.len() as f64;
            worst = worst.max(10.0 * (power / (0.9 * 0.9 / 2.0)).log10());
            hz += 611.0;
        }
        println!("{from} -> 16000: loudest alias {worst:.1} dB");
        assert!(worst < -130.0, "{from}: {worst:.1} dB");
    }
}

#[test]
fn images_of_upsampling_are_gone() {
    // 8 kHz audio must leave 4..8 kHz of the 16 kHz output empty: fit finds it as noise.
    let out = resample(8_000, 16_000, &tone(8_000, 3_400.0, 16_000), 160);
    let (_, _, snr) = fit(&out[4_000..28_000], 16_000, 3_400.0, 4_000);
    assert!(snr > 100.0, "{snr:.1} dB");
}

#[test]
fn what_is_no_number_is_silence() {
    let mut input = tone(8_000, 1_000.0, 16_000);
    let clean = resample(8_000, 16_000, &input, 160);
    for (n, bad) in [
        f32::NAN,
        f32::INFINITY,
        f32::NEG_INFINITY,
        f32::MAX,
        -f32::MAX,
    ]
    .into_iter()
    .enumerate()
    {
        input[8_000 + n] = bad;
    }
    let out = resample(8_000, 16_000, &input, 160);
    assert!(out.iter().all(|sample| sample.is_finite()));
    // Half a second away nothing is left of it.
    assert_eq!(out[..8_000], clean[..8_000]);
    assert_eq!(out[24_000..], clean[24_000..]);
}

#[test]
fn slicing_does_not_matter_and_channels_stay_apart() {
    let (a, b) = (tone(44_100, 440.0, 30_000), tone(44_100, 3_000.0, 30_000));
    let mut resampler = Resampler::new(44_100, 16_000, 2).unwrap();
    let mut output = vec![Vec::new(), Vec::new()];
    for at in (0..30_000).step_by(313) {
        let end = (at + 313).min(30_000);
        resampler
            .push(&[&a[at..end], &b[at..end]], &mut output)
            .unwrap();
    }
    resampler.finish(&mut output).unwrap();
    assert_eq!(output[0], resample(44_100, 16_000, &a, 30_000));
    assert_eq!(output[1], resample(44_100, 16_000, &b, 30_000));
}

/// THD+N: everything in the output but the sine that went in, in dB below it.
#[test]
fn sines_come_out_clean() {
    for (from, to) in RATES {
        let pass_band = 0.94 * f64::from(from.min(to)) / 2.0;
        for hz in [50.0, 300.0, 997.0, 3_400.0, pass_band] {
            let out = resample(from, to, &tone(from, hz, 2 * from as usize), 1_000);
            let skip = to as usize / 4;
            let (_, _, snr) = fit(&out[skip..out.len() - skip], to, hz, skip);
            println!("{from} -> {to}: {hz:.0} Hz, THD+N -{snr:.1} dB");
            assert!(
                snr > 130.0,
                "{from} -> {to}: {hz:.0} Hz, THD+N -{snr:.1} dB"
            );
        }
    }
}

/// A sine that rises from 20 Hz to `last_hz`, and its frequency at each frame.
fn sweep(rate: u32, last_hz: f64, seconds: f64) -> (Vec<f32>, impl Fn(f64) -> f64) {
    let slope = (last_hz - 20.0) / seconds;
    let at = move |t: f64| 20.0 + slope * t;
    let frames = (seconds * f64::from(rate)) as usize;
    let samples = (0..frames)
        .map(|n| {
            let t = n as f64 / f64::from(rate);
            (0.9 * (TAU * (20.0 * t + slope * t * t / 2.0)).sin()) as f32
        })
        .collect();
    (samples, at)
}

/// Loudness of each 10 ms in dB beside the sweep, with the frequency in its middle.
fn levels(out: &[f32], rate: u32, hz_at: impl Fn(f64) -> f64) -> Vec<(f64, f64)> {
    let window = rate as usize / 100;
    // Weighted, so that a part of a period at either end does not count.
    let weight = |n: usize| 1.0 - (TAU * (n as f64 + 0.5) / window as f64).cos();
    let loudness = |part: &[f32]| {
        let weighted = part.iter().enumerate();
        let power: f64 = weighted
            .map(|(n, &x)| weight(n) * f64::from(x).powi(2))
            .sum();
        10.0 * (power / window as f64 / (0.9 * 0.9 / 2.0))
            .max(1e-20)
            .log10()
    };
    let middle = |n: usize| (n as f64 + 0.5) * window as f64 / f64::from(rate);
    let parts = out.chunks_exact(window).enumerate();
    parts
        .map(|(n, part)| (hz_at(middle(n)), loudness(part)))
        .collect()
}

/// A sweep through everything the input can hold: what the output can hold comes out as loud as
/// it was, and the rest not at all.
#[test]
fn a_sweep_is_flat_and_then_gone() {
    for (from, to) in RATES {
        let (input, hz_at) = sweep(from, f64::from(from) / 2.0, 20.0);
        let out = resample(from, to, &input, 1_000);
        let levels = levels(&out, to, hz_at);
        let nyquist = f64::from(from.min(to)) / 2.0;
        // Below, 10 ms are a few periods only.
        let flat = levels
            .iter()
            .filter(|(hz, _)| (500.0..nyquist * 0.94).contains(hz));
        let ripple = flat.fold(0.0_f64, |most, (_, db)| most.max(db.abs()));
        let half = levels.iter().find(|(hz, db)| *hz > 500.0 && *db < -3.0);
        let half = half.map_or(nyquist, |(hz, _)| *hz);
        // In 32 ms, the length of the filter, the sweep goes on by this much.
        let margin = (hz_at_end(from) / 20.0) * 0.05;
        let stopped = levels.iter().filter(|(hz, _)| *hz > 8_000.0 + margin);
        let alias = stopped.fold(-200.0_f64, |most, (_, db)| most.max(*db));
        println!(
            "{from} -> {to}: ripple {ripple:.3} dB up to {:.0} Hz, -3 dB at {half:.0} Hz, \
             alias {alias:.1} dB",
            nyquist * 0.94
        );
        assert!(ripple < 0.01, "{from} -> {to}: {ripple:.3} dB");
        assert!(half > nyquist * 0.95, "{from} -> {to}: {half:.0} Hz");
        assert!(alias < -130.0, "{from} -> {to}: {alias:.1} dB");
    }
}

fn hz_at_end(rate: u32) -> f64 {
    f64::from(rate) / 2.0
}

/// In 16 bits the rounding is all the noise there is: 98 dB below a sine of full scale.
#[test]
fn sixteen_bits_are_the_only_noise() {
    for (from, to) in RATES {
        let out = resample(from, to, &tone(from, 997.0, 2 * from as usize), 1_000);
        let rounded: Vec<f32> = out
            .iter()
            .map(|&sample| f32::from(colloquy_audio::quantize(sample)) / 32_768.0)
            .collect();
        let skip = to as usize / 4;
        let (_, _, snr) = fit(&rounded[skip..out.len() - skip], to, 997.0, skip);
        println!("{from} -> {to}: SNR {snr:.1} dB in 16 bits");
        assert!(snr > 96.5, "{from} -> {to}: {snr:.1} dB");
    }
}
