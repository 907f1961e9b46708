//! How one channel of a block is coded smallest: which predictor, and which Rice parameters.

/// Highest order of a fixed predictor.
const MAX_ORDER: usize = 4;
/// A block is split into at most 2^6 partitions, of 64 samples each.
const MAX_PARTITION_ORDER: u32 = 6;
const MAX_PARTITIONS: usize = 1 << MAX_PARTITION_ORDER;
/// Highest Rice parameter of four bits; 15 means that numbers of a fixed length follow, which here
/// are zeros of no length, as the silence between words is.
const MAX_PARAMETER: u32 = 14;
pub(super) const ZEROS: u32 = 15;
/// A sum of so many differences of 21 bits fits 32 bits.
const PART_FRAMES: usize = 1_024;

/// The samples of one channel of one block.
#[derive(Debug, Clone, Copy)]
pub(super) struct Signal<'a> {
    samples: &'a [i32],
    bits_per_sample: u32,
}

impl<'a> Signal<'a> {
    pub(super) fn new(samples: &'a [i32], bits_per_sample: u32) -> Self {
        Self {
            samples,
            bits_per_sample,
        }
    }
}

/// What a predictor got wrong, with the sign in the lowest bit.
#[derive(Debug, Default)]
pub(super) struct Residual(Vec<u32>);

/// How a channel is written.
#[derive(Debug)]
pub(super) enum Plan {
    /// All samples are the same.
    Constant,
    /// As it is: noise.
    Verbatim,
    /// What the predictor of this order got wrong, which is in [`Residual`].
    Fixed {
        order: usize,
        partitions: Partitions,
    },
}

/// 2^`order` parts of equal length, each with its own Rice parameter.
#[derive(Debug, Clone, Copy)]
pub(super) struct Partitions {
    pub(super) order: u32,
    parameters: [u8; MAX_PARTITIONS],
    /// At most so many bits.
    bits: u64,
}

impl Plan {
    /// The smallest plan; leaves its residual in `residual`.
    pub(super) fn of(signal: Signal<'_>, residual: &mut Residual) -> Self {
        let samples = signal.samples;
        if samples.iter().all(|sample| *sample == samples[0]) {
            return Self::Constant;
        }
        let verbatim = samples.len() as u64 * u64::from(signal.bits_per_sample);
        if samples.len() <= MAX_ORDER {
            return Self::Verbatim;
        }
        let order = best_order(samples);
        residual.fill(samples, order);
        let partitions = Partitions::best(&residual.0, samples.len(), order);
        let warm_up = order as u64 * u64::from(signal.bits_per_sample);
        if partitions.bits + warm_up < verbatim {
            Self::Fixed { order, partitions }
        } else {
            Self::Verbatim
        }
    }
}

/// The order whose errors are smallest in sum.
fn best_order(samples: &[i32]) -> usize {
    let mut sums = [0_u64; MAX_ORDER + 1];
    let mut start = 0;
    while start + MAX_ORDER < samples.len() {
        let end = (start + PART_FRAMES + MAX_ORDER).min(samples.len());
        for (sum, part) in sums.iter_mut().zip(error_sums(&samples[start..end])) {
            *sum += u64::from(part);
        }
        start = end - MAX_ORDER;
    }
    let smallest = (0..).zip(sums).min_by_key(|&(_, sum)| sum);
    smallest.map_or(0, |(order, _)| order)
}

/// The sum of each predictor's errors over all samples but the first four.
fn error_sums(samples: &[i32]) -> [u32; MAX_ORDER + 1] {
    let frames = samples.len() - MAX_ORDER;
    let before = |by: usize| &samples[MAX_ORDER - by..][..frames];
    let (x0, x1, x2, x3, x4) = (before(0), before(1), before(2), before(3), before(4));
    let mut sums = [0_u32; MAX_ORDER + 1];
    for n in 0..frames {
        // Differences of differences: each line is one order.
        let (d0, d1, d2, d3) = (x0[n] - x1[n], x1[n] - x2[n], x2[n] - x3[n], x3[n] - x4[n]);
        let (e0, e1, e2) = (d0 - d1, d1 - d2, d2 - d3);
        let (f0, f1) = (e0 - e1, e1 - e2);
        sums[0] += x0[n].unsigned_abs();
        sums[1] += d0.unsigned_abs();
        sums[2] += e0.unsigned_abs();
        sums[3] += f0.unsigned_abs();
        sums[4] += (f0 - f1).unsigned_abs();
    }
    sums
}

impl Residual {
    fn fill(&mut self, samples: &[i32], order: usize) {
        let frames = samples.len() - order;
        let before = |by: usize| &samples[order - by..][..frames];
        let fold = |error: i32| ((error << 1) ^ (error >> 31)) as u32;
        self.0.clear();
        match order {
            0 => self.0.extend(samples.iter().map(|&x| fold(x))),
            1 => {
                let (a, b) = (before(0), before(1));
                self.0.extend((0..frames).map(|n| fold(a[n] - b[n])));
            }
            2 => {
                let (a, b, c) = (before(0), before(1), before(2));
                let error = |n: usize| fold(a[n] - 2 * b[n] + c[n]);
                self.0.extend((0..frames).map(error));
            }
            3 => {
                let (a, b, c, d) = (before(0), before(1), before(2), before(3));
                let error = |n: usize| fold(a[n] - 3 * b[n] + 3 * c[n] - d[n]);
                self.0.extend((0..frames).map(error));
            }
            _ => {
                let (a, b, c, d) = (before(0), before(1), before(2), before(3));
                let e = before(4);
                let error = |n: usize| fold(a[n] - 4 * b[n] + 6 * c[n] - 4 * d[n] + e[n]);
                self.0.extend((0..frames).map(error));
            }
        }
    }
}

impl Partitions {
    /// The split that needs the fewest bits.
    fn best(residual: &[u32], frames: usize, order: usize) -> Self {
        let finest = finest_order(frames, order);
        let mut sums = [0_u64; MAX_PARTITIONS];
        for (n, sum) in sums.iter_mut().enumerate().take(1 << finest) {
            let part = &residual[range(frames, order, finest, n)];
            *sum = part.iter().map(|&number| u64::from(number)).sum();
        }
        let mut best = Self::with(&sums, frames, order, finest);
        for coarser in (0..finest).rev() {
            for n in 0..1 << coarser {
                sums[n] = sums[2 * n] + sums[2 * n + 1];
            }
            let coarse = Self::with(&sums, frames, order, coarser);
            if coarse.bits < best.bits {
                best = coarse;
            }
        }
        best
    }

    fn with(
        sums: &[u64; MAX_PARTITIONS],
        frames: usize,
        order: usize,
        partition_order: u32,
    ) -> Self {
        let mut this = Self {
            order: partition_order,
            parameters: [0; MAX_PARTITIONS],
            bits: 8 + 6,
        };
        let parts = sums.iter().zip(&mut this.parameters).enumerate();
        for (n, (&sum, chosen)) in parts.take(1 << partition_order) {
            let count = range(frames, order, partition_order, n).len() as u64;
            let (parameter, bits) = parameter(sum, count);
            *chosen = parameter as u8;
            this.bits += 4 + bits;
        }
        this
    }

    /// Each partition's part of the residual, and its parameter.
    pub(super) fn split<'a>(
        &'a self,
        residual: &'a Residual,
        frames: usize,
        order: usize,
    ) -> impl Iterator<Item = (&'a [u32], u32)> {
        let parameters = self.parameters.iter().take(1 << self.order);
        parameters.enumerate().map(move |(n, &parameter)| {
            let part = &residual.0[range(frames, order, self.order, n)];
            (part, u32::from(parameter))
        })
    }
}

/// The most partitions that are equal and longer than the predictor's warm-up.
fn finest_order(frames: usize, order: usize) -> u32 {
    let mut finest = frames.trailing_zeros().min(MAX_PARTITION_ORDER);
    while finest > 0 && frames >> finest <= order {
        finest -= 1;
    }
    finest
}

/// Where partition `n` is in the residual, which begins after `order` samples.
fn range(frames: usize, order: usize, partition_order: u32, n: usize) -> std::ops::Range<usize> {
    let len = frames >> partition_order;
    (n * len).saturating_sub(order)..(n + 1) * len - order
}

/// The Rice parameter for `count` numbers of this sum, and the most bits they need with it.
fn parameter(sum: u64, count: u64) -> (u32, u64) {
    if sum == 0 {
        return (ZEROS, 5);
    }
    let mean = sum / count.max(1);
    let guess = mean.max(1).ilog2().min(MAX_PARAMETER);
    let bits = |parameter: u32| count * u64::from(parameter + 1) + (sum >> parameter);
    let choices = [
        guess.saturating_sub(1),
        guess,
        (guess + 1).min(MAX_PARAMETER),
    ];
    let sized = choices.map(|parameter| (parameter, bits(parameter)));
    let smallest = sized.into_iter().min_by_key(|&(_, bits)| bits);
    smallest.unwrap_or((guess, bits(guess)))
}
