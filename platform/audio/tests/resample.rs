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
            worst_snr > 100.0 && worst_gain < 0.05 && worst_shift < 0.001,
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
        assert!(worst < -100.0, "{from}: {worst:.1} dB");
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
