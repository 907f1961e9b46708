//! Who speaks when: time with one speaker, with several, with none.

use colloquy_contract::analysis::Span;

/// Intervals without overlap, in order.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Intervals(Vec<Span>);

impl Intervals {
    /// The union of these stretches, which are by start time.
    pub(crate) fn union(stretches: impl Iterator<Item = (u64, u64)>) -> Self {
        let mut intervals: Vec<Span> = Vec::new();
        for (start_ms, end_ms) in stretches.filter(|(start, end)| start < end) {
            match intervals.last_mut() {
                Some(last) if start_ms <= last.end_ms => last.end_ms = last.end_ms.max(end_ms),
                _ => intervals.push(Span { start_ms, end_ms }),
            }
        }
        Self(intervals)
    }

    /// Their length together.
    pub(crate) fn length_ms(&self) -> u64 {
        self.0.iter().map(length_ms).sum()
    }

    /// What lies between them, from 0 to `duration_ms`.
    pub(crate) fn gaps(&self, duration_ms: u64) -> Vec<Span> {
        let starts = std::iter::once(0).chain(self.0.iter().map(|span| span.end_ms));
        let ends = self.0.iter().map(|span| span.start_ms).chain([duration_ms]);
        starts
            .zip(ends)
            .filter(|(start_ms, end_ms)| start_ms < end_ms)
            .map(|(start_ms, end_ms)| Span { start_ms, end_ms })
            .collect()
    }
}

/// Time in which at least two of several speakers speak, given when each of them does.
pub(crate) fn overlap_ms(speakers: &[Intervals]) -> u64 {
    let mut edges: Vec<(u64, i32)> = speakers
        .iter()
        .flat_map(|speaker| &speaker.0)
        .flat_map(|span| [(span.start_ms, 1), (span.end_ms, -1)])
        .collect();
    edges.sort_unstable();
    let (mut overlap_ms, mut speaking, mut since_ms) = (0, 0, 0);
    for (at_ms, change) in edges {
        if speaking > 1 {
            overlap_ms += at_ms - since_ms;
        }
        speaking += change;
        since_ms = at_ms;
    }
    overlap_ms
}

/// The length of a stretch.
pub(crate) fn length_ms(span: &Span) -> u64 {
    span.end_ms - span.start_ms
}

/// The median; the mean of the middle two for an even number.
pub(crate) fn median(mut numbers: Vec<u64>) -> Option<u64> {
    numbers.sort_unstable();
    let middle = numbers.len() / 2;
    let upper = *numbers.get(middle)?;
    let is_even = numbers.len().is_multiple_of(2);
    Some(if is_even {
        numbers[middle - 1].midpoint(upper)
    } else {
        upper
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn union(stretches: &[(u64, u64)]) -> Intervals {
        Intervals::union(stretches.iter().copied())
    }

    #[test]
    fn unions_gaps_and_overlaps() {
        let one = union(&[(0, 5), (3, 4), (5, 8), (10, 10), (12, 14)]);
        assert_eq!(one.length_ms(), 10);
        let gaps: Vec<_> = one
            .gaps(20)
            .iter()
            .map(|s| (s.start_ms, s.end_ms))
            .collect();
        assert_eq!(gaps, [(8, 12), (14, 20)]);
        assert_eq!(
            union(&[]).gaps(7),
            [Span {
                start_ms: 0,
                end_ms: 7
            }]
        );
        assert!(union(&[]).gaps(0).is_empty());
        let two = union(&[(4, 6), (8, 13)]);
        assert_eq!(overlap_ms(&[one, two, union(&[(5, 6)])]), 3);
        assert_eq!(overlap_ms(&[]), 0);
    }

    #[test]
    fn medians() {
        assert_eq!(median(vec![]), None);
        assert_eq!(median(vec![9, 1, 5]), Some(5));
        assert_eq!(median(vec![9, 1, 5, 6]), Some(5));
    }
}
