//! Matrix products for few rows and many weights, with the vector instructions there are.
//!
//! A text is a dozen rows, and its weights fill the second-level cache; so the weights are packed
//! once, when the model is loaded, in the order they are used. A *panel* holds the weights of a few
//! output vectors, input by input; it is multiplied with some rows at a time, whose sums stay in
//! registers (Goto and van de Geijn, "Anatomy of high-performance matrix multiplication", 2008).
//! What an output is does not depend on which other rows are computed with it.

use pulp::{Arch, Simd, WithSimd};

/// Pieces of a maxout layer.
pub(crate) const PIECES: usize = 3;

/// Vectors in a panel of a layer without pieces.
const WIDE: usize = 4;

/// Weights, packed for the processor.
#[derive(Debug)]
pub(crate) struct Packed {
    arch: Arch,
    inputs: usize,
    outputs: usize,
    /// Panel by panel; in a panel input by input; for each, the vectors of the panel.
    weights: Vec<f32>,
    /// Panel by panel; in a panel vector by vector.
    bias: Vec<f32>,
}

/// How many floats a vector has.
pub(crate) struct Lanes;

impl WithSimd for Lanes {
    type Output = usize;

    fn with_simd<S: Simd>(self, _: S) -> usize {
        S::F32_LANES
    }
}

impl Packed {
    /// Packs a linear layer; `weight` tells that of an output and an input.
    pub(crate) fn linear(
        inputs: usize,
        outputs: usize,
        weight: impl Fn(usize, usize) -> f32,
        bias: impl Fn(usize) -> f32,
    ) -> Self {
        Self::on(Arch::new(), inputs, outputs, weight, bias)
    }

    /// Packs it for some of the vector instructions that there are.
    fn on(
        arch: Arch,
        inputs: usize,
        outputs: usize,
        weight: impl Fn(usize, usize) -> f32,
        bias: impl Fn(usize) -> f32,
    ) -> Self {
        let lanes = arch.dispatch(Lanes);
        let panel = WIDE * lanes;
        let panels = outputs.div_ceil(panel);
        let mut packed = Self {
            arch,
            inputs,
            outputs,
            weights: Vec::with_capacity(panels * panel * inputs),
            bias: Vec::with_capacity(panels * panel),
        };
        for first in (0..panels * panel).step_by(panel) {
            // What fills up the last panel is computed and thrown away.
            let known = |output: usize| output < outputs;
            for input in 0..inputs {
                let weight = |output| known(output).then(|| weight(output, input));
                let weights = (first..first + panel).map(|output| weight(output).unwrap_or(0.0));
                packed.weights.extend(weights);
            }
            let bias = |output| known(output).then(|| bias(output));
            let biases = (first..first + panel).map(|output| bias(output).unwrap_or(0.0));
            packed.bias.extend(biases);
        }
        packed
    }

    /// How many inputs a row has.
    pub(crate) fn inputs(&self) -> usize {
        self.inputs
    }

    /// How many outputs a row gets.
    pub(crate) fn outputs(&self) -> usize {
        self.outputs
    }

    /// Computes rows. Row `r` reads `input` from `stride * (first + r)` on; that is more than the
    /// stride if rows overlap, as the windows of a convolution do. Its outputs are written one row
    /// after the other.
    pub(crate) fn rows(
        &self,
        input: &[f32],
        stride: usize,
        rows: std::ops::Range<usize>,
        output: &mut Vec<f32>,
    ) {
        // All of it is written.
        output.resize(rows.len() * self.outputs, 0.0);
        self.arch.dispatch(Multiply {
            packed: self,
            input,
            stride,
            first: rows.start,
            rows: rows.len(),
            output,
        });
    }
}

struct Multiply<'a> {
    packed: &'a Packed,
    input: &'a [f32],
    stride: usize,
    first: usize,
    rows: usize,
    output: &'a mut [f32],
}

impl WithSimd for Multiply<'_> {
    type Output = ();

    /// With four vectors a row, two rows' sums fit in sixteen registers, and are enough to keep two
    /// multipliers busy. Where there are twice as many registers, four rows share each weight.
    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let width = WIDE * S::F32_LANES;
        for panel in Panel::<S, WIDE>::all(self.packed) {
            let mut row = 0;
            while row < self.rows {
                row += match self.rows - row {
                    1 => self.all(simd, &panel, row, panel.rows::<1>(simd, &self, row), width),
                    4.. if S::REGISTER_COUNT >= 32 => {
                        self.all(simd, &panel, row, panel.rows::<4>(simd, &self, row), width)
                    }
                    _ => self.all(simd, &panel, row, panel.rows::<2>(simd, &self, row), width),
                };
            }
        }
    }
}

impl Multiply<'_> {
    /// The part of an output row that a panel computes.
    #[inline(always)]
    fn part(&mut self, row: usize, panel: usize, width: usize) -> &mut [f32] {
        let start = row * self.packed.outputs;
        let row = self.output.get_mut(start..start + self.packed.outputs);
        let part = row.and_then(|row| row.chunks_mut(width).nth(panel));
        part.unwrap_or(&mut [])
    }

    /// Writes all outputs; returns how many rows.
    #[inline(always)]
    fn all<S: Simd, const R: usize>(
        &mut self,
        simd: S,
        panel: &Panel<'_, S, WIDE>,
        row: usize,
        sums: [[S::f32s; WIDE]; R],
        width: usize,
    ) -> usize {
        for (offset, sums) in sums.into_iter().enumerate() {
            let parts = self
                .part(row + offset, panel.index, width)
                .chunks_mut(S::F32_LANES);
            for (part, sum) in parts.zip(sums) {
                simd.partial_store_f32s(part, sum);
            }
        }
        R
    }
}

/// A panel of `V` vectors.
struct Panel<'a, S: Simd, const V: usize> {
    index: usize,
    weights: &'a [[S::f32s; V]],
    bias: &'a [S::f32s; V],
}

impl<'a, S: Simd, const V: usize> Panel<'a, S, V> {
    #[inline(always)]
    fn all(packed: &'a Packed) -> impl Iterator<Item = Self> {
        let vectors = S::as_simd_f32s(&packed.weights).0.as_chunks::<V>().0;
        let biases = S::as_simd_f32s(&packed.bias).0.as_chunks::<V>().0;
        let panels = vectors.chunks_exact(packed.inputs.max(1)).zip(biases);
        panels.enumerate().map(|(index, (weights, bias))| Self {
            index,
            weights,
            bias,
        })
    }

    /// The sums of some rows.
    #[inline(always)]
    fn rows<const R: usize>(&self, simd: S, of: &Multiply<'_>, row: usize) -> [[S::f32s; V]; R] {
        let mut inputs: [&[f32]; R] = [&[]; R];
        for (offset, input) in inputs.iter_mut().enumerate() {
            let start = of.stride * (of.first + row + offset);
            *input = of
                .input
                .get(start..start + self.weights.len())
                .unwrap_or(&[]);
        }
        let mut sums = sums(simd, self.weights, inputs);
        for sums in &mut sums {
            for (sum, bias) in sums.iter_mut().zip(self.bias) {
                *sum = simd.add_f32s(*sum, *bias);
            }
        }
        sums
    }
}

/// The sums of the products of some rows with weights, which are listed input by input.
#[inline(always)]
pub(crate) fn sums<S: Simd, const V: usize, const R: usize>(
    simd: S,
    weights: &[[S::f32s; V]],
    inputs: [&[f32]; R],
) -> [[S::f32s; V]; R] {
    let mut sums = [[simd.splat_f32s(0.0); V]; R];
    // Four inputs at a time: the bounds are checked once for them.
    let (fours, rest) = weights.as_chunks::<4>();
    for (at, weights) in fours.iter().enumerate() {
        let mut quads = [&[0.0; 4]; R];
        for (quad, input) in quads.iter_mut().zip(&inputs) {
            *quad = input.as_chunks::<4>().0.get(at).unwrap_or(&[0.0; 4]);
        }
        for (place, weights) in weights.iter().enumerate() {
            for (sums, quad) in sums.iter_mut().zip(&quads) {
                let input = simd.splat_f32s(quad[place]);
                for (sum, weight) in sums.iter_mut().zip(weights) {
                    *sum = simd.mul_add_e_f32s(input, *weight, *sum);
                }
            }
        }
    }
    for (at, weights) in rest.iter().enumerate() {
        for (sums, input) in sums.iter_mut().zip(&inputs) {
            let input = input.as_chunks::<4>().1.get(at).copied().unwrap_or(0.0);
            let input = simd.splat_f32s(input);
            for (sum, weight) in sums.iter_mut().zip(weights) {
                *sum = simd.mul_add_e_f32s(input, *weight, *sum);
            }
        }
    }
    sums
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// All vector instructions of this processor, not only the widest.
    pub(crate) fn kinds() -> Vec<Arch> {
        let mut kinds = vec![Arch::Scalar];
        #[cfg(target_arch = "x86_64")]
        {
            kinds.extend(pulp::x86::V3::try_new().map(Arch::V3));
            kinds.extend(pulp::x86::V4::try_new().map(Arch::V4));
        }
        #[cfg(target_arch = "aarch64")]
        kinds.extend(pulp::aarch64::Neon::try_new().map(Arch::Neon));
        kinds
    }

    #[test]
    fn rows_are_the_sums_of_products() {
        const INPUTS: usize = 23;
        const OUTPUTS: usize = 70;
        // Some numbers between -1 and 1, always the same.
        let number = |at: usize| (at as f32 * 12.989_8).sin();
        let weight = |output: usize, input: usize| number(output * INPUTS + input);
        for (arch, rows) in kinds()
            .into_iter()
            .flat_map(|a| (0..10).map(move |r| (a, r)))
        {
            let packed = Packed::on(arch, INPUTS, OUTPUTS, weight, number);
            let input: Vec<_> = (0..(rows + 1) * INPUTS)
                .map(|at| number(at * 31 + 5))
                .collect();
            let mut output = vec![f32::NAN; 3];
            packed.rows(&input, INPUTS, 1..rows + 1, &mut output);
            assert_eq!(output.len(), rows * OUTPUTS);
            for (at, found) in output.iter().enumerate() {
                let (row, output) = (at / OUTPUTS, at % OUTPUTS);
                let terms = input
                    .iter()
                    .skip((row + 1) * INPUTS)
                    .take(INPUTS)
                    .enumerate();
                let terms =
                    terms.map(|(at, input)| f64::from(weight(output, at)) * f64::from(*input));
                let sum = terms.sum::<f64>() + f64::from(number(output));
                let error = (sum - f64::from(*found)).abs();
                assert!(
                    error < 1e-4,
                    "{arch:?}, row {row} of {rows}: {found}, not {sum}"
                );
            }
        }
    }
}
