//! The stretches to overwrite, per channel: cuts with their padding, joined where they are close.

use std::ops::Range;

use super::{AudioPolicy, FRAMES_PER_MS, RedactError, to_ms};
use crate::Cut;

/// Windows closer than this become one: what is left between them would be a click, not speech.
/// At least two fades, so that fades never overlap.
const JOIN_FRAMES: u64 = 100 * FRAMES_PER_MS;

/// The stretches to overwrite on each channel, in frames, in order, [`JOIN_FRAMES`] apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Windows {
    channels: Vec<Vec<Range<u64>>>,
}

impl Windows {
    /// The windows of these cuts in a recording of this size.
    pub(super) fn plan(
        cuts: &[Cut],
        policy: &AudioPolicy,
        channels: usize,
        frames: u64,
    ) -> Result<Self, RedactError> {
        let mut windows = vec![Vec::new(); channels];
        for cut in cuts {
            let channel =
                windows
                    .get_mut(usize::from(cut.channel))
                    .ok_or(RedactError::NoChannel {
                        channel: cut.channel,
                        channels,
                    })?;
            channel.push(padded(cut, policy, frames)?);
        }
        windows.iter_mut().for_each(join);
        Ok(Self { channels: windows })
    }

    /// Adds a window to a channel.
    pub(super) fn add(&mut self, channel: usize, window: Range<u64>) {
        if let Some(windows) = self.channels.get_mut(channel) {
            windows.push(window);
            join(windows);
        }
    }

    /// The windows of each channel.
    pub(super) fn channels(&self) -> &[Vec<Range<u64>>] {
        &self.channels
    }

    /// The windows in milliseconds, by channel and start.
    pub(super) fn stretches(&self) -> Vec<Cut> {
        let of_channel = |(channel, windows): (usize, &Vec<Range<u64>>)| {
            let stretch = move |window: &Range<u64>| Cut {
                channel: channel as u16,
                start_ms: window.start / FRAMES_PER_MS,
                end_ms: to_ms(window.end),
            };
            windows.iter().map(stretch).collect::<Vec<_>>()
        };
        self.channels
            .iter()
            .enumerate()
            .flat_map(of_channel)
            .collect()
    }

    /// Whether one window of the channel holds all of this stretch.
    pub(super) fn covers(&self, channel: usize, stretch: &Range<u64>) -> bool {
        let holds = |w: &Range<u64>| w.start <= stretch.start && stretch.end <= w.end;
        self.channels
            .get(channel)
            .is_some_and(|windows| windows.iter().any(holds))
    }

    /// Frames in all windows, summed over channels.
    pub(super) fn total_frames(&self) -> u64 {
        self.channels
            .iter()
            .flatten()
            .map(|window| window.end - window.start)
            .sum()
    }
}

fn padded(cut: &Cut, policy: &AudioPolicy, frames: u64) -> Result<Range<u64>, RedactError> {
    let start_ms = cut
        .start_ms
        .saturating_sub(u64::from(policy.padding_before_ms));
    let end_ms = cut
        .end_ms
        .saturating_add(u64::from(policy.padding_after_ms));
    let start = start_ms.saturating_mul(FRAMES_PER_MS);
    let end = end_ms.saturating_mul(FRAMES_PER_MS).min(frames);
    if cut.end_ms <= cut.start_ms || end <= start {
        let &Cut {
            start_ms, end_ms, ..
        } = cut;
        return Err(RedactError::Outside {
            start_ms,
            end_ms,
            duration_ms: to_ms(frames),
        });
    }
    Ok(start..end)
}

/// Sorts the windows and joins those that overlap or are close.
fn join(windows: &mut Vec<Range<u64>>) {
    windows.sort_by_key(|window| window.start);
    windows.dedup_by(|next, window| {
        let close = next.start < window.end.saturating_add(JOIN_FRAMES);
        if close {
            window.end = window.end.max(next.end);
        }
        close
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAMES: u64 = 10_000 * FRAMES_PER_MS;

    fn plan(cuts: &[(u16, u64, u64)]) -> Result<Windows, RedactError> {
        let cuts: Vec<Cut> = cuts
            .iter()
            .map(|&(channel, start_ms, end_ms)| Cut {
                channel,
                start_ms,
                end_ms,
            })
            .collect();
        Windows::plan(&cuts, &AudioPolicy::default(), 2, FRAMES)
    }

    /// The windows of a channel in milliseconds.
    fn in_ms(windows: &Windows, channel: usize) -> Vec<(u64, u64)> {
        let window_ms = |w: &Range<u64>| (w.start / FRAMES_PER_MS, w.end / FRAMES_PER_MS);
        windows.channels[channel].iter().map(window_ms).collect()
    }

    #[test]
    fn cuts_are_padded_clamped_and_joined() {
        type Case<'a> = (&'a [(u16, u64, u64)], &'a [(u64, u64)]);
        let cases: &[Case<'_>] = &[
            (&[], &[]),
            (&[(0, 1_000, 2_000)], &[(880, 2_180)]),
            (&[(0, 50, 100)], &[(0, 280)]),
            (&[(0, 9_900, 11_000)], &[(9_780, 10_000)]),
            (&[(0, 10_050, 10_500)], &[(9_930, 10_000)]),
            // 99 ms apart after padding, and 100.
            (&[(0, 2_399, 2_500), (0, 1_000, 2_000)], &[(880, 2_680)]),
            (
                &[(0, 1_000, 2_000), (0, 2_400, 2_500)],
                &[(880, 2_180), (2_280, 2_680)],
            ),
            (&[(0, 1_000, 5_000), (0, 2_000, 3_000)], &[(880, 5_180)]),
        ];
        for (cuts, expected) in cases {
            let windows = plan(cuts).unwrap();
            assert_eq!(in_ms(&windows, 0), *expected, "{cuts:?}");
            assert!(windows.channels[1].is_empty());
        }
        let windows = plan(&[(0, 1_000, 2_000), (1, 1_000, 2_000)]).unwrap();
        assert_eq!(windows.total_frames(), 2 * 1_300 * FRAMES_PER_MS);
        assert!(windows.covers(1, &(20_000..30_000)) && !windows.covers(1, &(20_000..40_000)));
    }

    #[test]
    fn cuts_that_remove_nothing_are_refused() {
        for cut in [
            (0, 1_000, 1_000),
            (0, 2_000, 1_000),
            (1, 10_120, 10_200),
            (0, u64::MAX, 0),
        ] {
            assert!(
                matches!(plan(&[cut]), Err(RedactError::Outside { .. })),
                "{cut:?}"
            );
        }
        let error = plan(&[(2, 0, 1_000)]).unwrap_err();
        assert!(matches!(
            error,
            RedactError::NoChannel {
                channel: 2,
                channels: 2
            }
        ));
    }
}
