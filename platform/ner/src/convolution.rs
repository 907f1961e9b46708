//! Convolutions over a token and its two neighbours, with half of the multiplications.
//!
//! Four neighbouring outputs come of six neighbouring inputs. Taken one by one, they cost twelve
//! products of a row and a matrix. But a convolution is a product of polynomials, and that can be
//! had from their values at enough points (Toom, 1963; Cook, 1966; Winograd, "Arithmetic complexity
//! of computations", 1980; Lavin and Gray, "Fast algorithms for convolutional neural networks",
//! 2016): six inputs are *spread* to their values at six points, each is multiplied with the
//! weights' values at that point, and four outputs are *gathered* from the six products. The values
//! of the weights are computed once, when the model is loaded.
//!
//! The points 0, 1, -1, 1/2, -2 and infinity keep rounding small (Barabasz et al., "Error analysis
//! and improving the accuracy of Winograd convolution for deep neural networks", 2020): the error is
//! 1.6 times that of adding up the products one by one in 32 bits.
//!
//! The rows are computed four by four from the first, so what an output is, to the last bit, depends
//! on its place among the four and on the rows that it sees, and on nothing else.

use pulp::{Arch, Simd, WithSimd};

use crate::kernel::{Lanes, PIECES, sums};

/// So many rows are computed together; texts begin at multiples of it.
pub(crate) const TILE: usize = 4;

/// Points at which the polynomials are known.
const POINTS: usize = TILE + 2;

/// Tiles that are computed together: so many that the weights, which are more than a processor's
/// second cache holds, are fetched seldom; so few that the tiles' values stay in it.
const BLOCK: usize = 66;

/// From six inputs to the values at the points.
const SPREAD: [[f32; POINTS]; POINTS] = [
    [1.0, -1.5, -2.0, 1.5, 1.0, 0.0],
    [0.0, -1.0, 0.5, 2.5, 1.0, 0.0],
    [0.0, 1.0, -2.5, 0.5, 1.0, 0.0],
    [0.0, -2.0, -1.0, 2.0, 1.0, 0.0],
    [0.0, 0.5, -1.0, -0.5, 1.0, 0.0],
    [0.0, 1.0, -1.5, -2.0, 1.5, 1.0],
];

/// From the three weights to the values at the points.
const WEIGHTS: [[f64; 3]; POINTS] = [
    [1.0, 0.0, 0.0],
    [1.0 / 3.0, 1.0 / 3.0, 1.0 / 3.0],
    [-1.0 / 3.0, 1.0 / 3.0, -1.0 / 3.0],
    [-16.0 / 15.0, -8.0 / 15.0, -4.0 / 15.0],
    [1.0 / 15.0, -2.0 / 15.0, 4.0 / 15.0],
    [0.0, 0.0, 1.0],
];

/// From the products at the points to four outputs.
const GATHER: [[f32; POINTS]; TILE] = [
    [1.0, 1.0, 1.0, 1.0, 1.0, 0.0],
    [0.0, 1.0, -1.0, 0.5, -2.0, 0.0],
    [0.0, 1.0, 1.0, 0.25, 4.0, 0.0],
    [0.0, 1.0, -1.0, 0.125, -8.0, 1.0],
];

/// The weights of a maxout layer over windows of three, at the points, packed for the processor.
#[derive(Debug)]
pub(crate) struct Convolution {
    arch: Arch,
    inputs: usize,
    outputs: usize,
    /// Panel by panel; in a panel point by point; there input by input; for each, the vectors of
    /// the panel, which are the pieces of the same outputs.
    weights: Vec<f32>,
    /// Panel by panel; in a panel piece by piece.
    bias: Vec<f32>,
}

impl Convolution {
    /// Packs a layer; inputs and outputs are multiples of any vector's length. `weight` tells that
    /// of an output's piece, a place in the window and an input.
    pub(crate) fn new(
        inputs: usize,
        outputs: usize,
        weight: impl Fn(usize, usize, usize, usize) -> f32,
        bias: impl Fn(usize, usize) -> f32,
    ) -> Self {
        Self::on(Arch::new(), inputs, outputs, weight, bias)
    }

    /// Packs it for some of the vector instructions that there are.
    fn on(
        arch: Arch,
        inputs: usize,
        outputs: usize,
        weight: impl Fn(usize, usize, usize, usize) -> f32,
        bias: impl Fn(usize, usize) -> f32,
    ) -> Self {
        let lanes = arch.dispatch(Lanes);
        let mut weights = Vec::with_capacity(POINTS * inputs * PIECES * outputs);
        let mut biases = Vec::with_capacity(PIECES * outputs);
        for first in (0..outputs).step_by(lanes) {
            let panel = first..(first + lanes).min(outputs);
            for (point, input) in WEIGHTS
                .iter()
                .flat_map(|point| (0..inputs).map(move |input| (point, input)))
            {
                for piece in 0..PIECES {
                    weights.extend(panel.clone().map(|output| {
                        let terms = point.iter().enumerate();
                        let terms = terms.map(|(place, factor)| {
                            factor * f64::from(weight(output, piece, place, input))
                        });
                        terms.sum::<f64>() as f32
                    }));
                }
            }
            for piece in 0..PIECES {
                biases.extend(panel.clone().map(|output| bias(output, piece)));
            }
        }
        Self {
            arch,
            inputs,
            outputs,
            weights,
            bias: biases,
        }
    }

    /// Computes as many rows as there are; that is a multiple of [`TILE`]. Before the first and
    /// behind the last, zeros are seen. `finish` is given what is computed, some rows at a time
    /// while they are in the cache, with the place of the first number.
    pub(crate) fn rows(
        &self,
        input: &[f32],
        output: &mut [f32],
        finish: impl FnMut(&mut [f32], usize),
    ) {
        self.arch.dispatch(Convolve {
            layer: self,
            input,
            output,
            finish,
        });
    }
}

struct Convolve<'a, F> {
    layer: &'a Convolution,
    input: &'a [f32],
    output: &'a mut [f32],
    finish: F,
}

impl<F: FnMut(&mut [f32], usize)> WithSimd for Convolve<'_, F> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let inputs = self.layer.inputs;
        let weights = S::as_simd_f32s(&self.layer.weights).0.as_chunks().0;
        let biases = S::as_simd_f32s(&self.layer.bias).0.as_chunks().0;
        let tiles = self.output.len() / (TILE * self.layer.outputs.max(1));
        let mut values = vec![0.0; POINTS * BLOCK * inputs];
        let mut products = vec![[simd.splat_f32s(0.0); PIECES]; POINTS * BLOCK];
        let blocks = self
            .output
            .chunks_mut(BLOCK * TILE * self.layer.outputs.max(1));
        for (first, output) in (0..tiles).step_by(BLOCK).zip(blocks) {
            let count = BLOCK.min(tiles - first);
            for tile in 0..count {
                spread(
                    simd,
                    self.input,
                    first + tile,
                    inputs,
                    |point| (point * BLOCK + tile) * inputs,
                    &mut values,
                );
            }
            let panels = weights.chunks_exact((POINTS * inputs).max(1)).zip(biases);
            for (panel, (weights, bias)) in panels.enumerate() {
                let points = weights.chunks_exact(inputs.max(1));
                let values = values.chunks_exact((BLOCK * inputs).max(1));
                let points = points.zip(values.zip(products.chunks_exact_mut(BLOCK)));
                for (weights, (values, products)) in points {
                    let values = values.get(..count * inputs).unwrap_or(&[]);
                    multiply(simd, weights, values, products);
                }
                let rows = output.chunks_exact_mut(TILE * self.layer.outputs);
                for (tile, rows) in rows.enumerate() {
                    gather(simd, &products, tile, bias, panel, rows);
                }
            }
            (self.finish)(output, first * TILE * self.layer.outputs);
        }
    }
}

/// Writes the values of a tile at the points.
#[inline(always)]
fn spread<S: Simd>(
    simd: S,
    input: &[f32],
    tile: usize,
    width: usize,
    place: impl Fn(usize) -> usize,
    values: &mut [f32],
) {
    let mut rows: [&[S::f32s]; POINTS] = [&[]; POINTS];
    for (offset, row) in rows.iter_mut().enumerate() {
        let start = (tile * TILE + offset).checked_sub(1).map(|row| row * width);
        let found = start.and_then(|start| input.get(start..start + width));
        *row = S::as_simd_f32s(found.unwrap_or(&[])).0;
    }
    for at in 0..width / S::F32_LANES {
        let mut inputs = [simd.splat_f32s(0.0); POINTS];
        for (input, row) in inputs.iter_mut().zip(&rows) {
            *input = row.get(at).copied().unwrap_or(*input);
        }
        for (point, factors) in SPREAD.iter().enumerate() {
            let start = place(point);
            let to = values.get_mut(start..start + width).unwrap_or(&mut []);
            if let Some(to) = S::as_mut_simd_f32s(to).0.get_mut(at) {
                *to = combine(simd, factors, &inputs);
            }
        }
    }
}

/// Multiplies the values of all tiles at a point with the weights of a panel there: as many tiles
/// together as there are registers for their sums, three vectors each, beside the weights; and what
/// is left over by fewer.
#[inline(always)]
fn multiply<S: Simd>(
    simd: S,
    weights: &[[S::f32s; PIECES]],
    values: &[f32],
    products: &mut [[S::f32s; PIECES]],
) {
    let mut left = (values, products);
    if S::REGISTER_COUNT >= 32 {
        left = together::<S, 6>(simd, weights, left);
    }
    left = together::<S, 3>(simd, weights, left);
    left = together::<S, 2>(simd, weights, left);
    together::<S, 1>(simd, weights, left);
}

/// Multiplies `R` tiles at a time; returns what is left over.
#[inline(always)]
fn together<'a, S: Simd, const R: usize>(
    simd: S,
    weights: &[[S::f32s; PIECES]],
    (values, products): (&'a [f32], &'a mut [[S::f32s; PIECES]]),
) -> (&'a [f32], &'a mut [[S::f32s; PIECES]]) {
    let width = weights.len().max(1);
    let tiles = values.chunks_exact(R * width);
    let left = tiles.remainder();
    let (products, others) = products.split_at_mut(R * tiles.len());
    for (values, products) in tiles.zip(products.chunks_exact_mut(R)) {
        let mut rows: [&[f32]; R] = [&[]; R];
        let each = rows.iter_mut().zip(values.chunks_exact(width));
        each.for_each(|(row, values)| *row = values);
        products.copy_from_slice(&sums::<S, PIECES, R>(simd, weights, rows));
    }
    (left, others)
}

/// Writes the part of a tile's rows that a panel computes.
#[inline(always)]
fn gather<S: Simd>(
    simd: S,
    products: &[[S::f32s; PIECES]],
    tile: usize,
    bias: &[S::f32s; PIECES],
    panel: usize,
    rows: &mut [f32],
) {
    let zero = [simd.splat_f32s(0.0); PIECES];
    let mut points = [zero; POINTS];
    let products = products.iter().skip(tile).step_by(BLOCK);
    points
        .iter_mut()
        .zip(products)
        .for_each(|(to, from)| *to = *from);
    let rows = rows.chunks_exact_mut(rows.len() / TILE);
    for (factors, row) in GATHER.iter().zip(rows) {
        let mut pieces = *bias;
        for (at, piece) in pieces.iter_mut().enumerate() {
            let mut terms = [simd.splat_f32s(0.0); POINTS];
            for (term, point) in terms.iter_mut().zip(&points) {
                *term = point[at];
            }
            *piece = simd.add_f32s(combine(simd, factors, &terms), *piece);
        }
        let [first, second, third] = pieces;
        if let Some(to) = S::as_mut_simd_f32s(row).0.get_mut(panel) {
            *to = simd.max_f32s(simd.max_f32s(first, second), third);
        }
    }
}

/// A sum with factors, most of which are nothing or one.
#[inline(always)]
fn combine<S: Simd>(simd: S, factors: &[f32; POINTS], terms: &[S::f32s; POINTS]) -> S::f32s {
    let mut sum = simd.splat_f32s(0.0);
    for (factor, term) in factors.iter().zip(terms) {
        if *factor != 0.0 {
            sum = simd.mul_add_e_f32s(simd.splat_f32s(*factor), *term, sum);
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::tests::kinds;

    #[test]
    fn rows_are_what_the_sums_over_windows_are() {
        for arch in kinds() {
            check(arch);
        }
    }

    fn check(arch: Arch) {
        const WIDTH: usize = 32;
        // Some numbers between -1 and 1, always the same.
        let number = |at: usize| (at as f32 * 12.989_8).sin();
        let weight = |output: usize, piece: usize, place: usize, input: usize| {
            number(((output * PIECES + piece) * 3 + place) * WIDTH + input)
        };
        let bias = |output: usize, piece: usize| number(output + 7 * piece);
        let layer = Convolution::on(arch, WIDTH, WIDTH, weight, bias);
        // A block and some, and numbers of tiles that leave each rest.
        for tiles in [1, 2, 3, 4, 5, 6, 11, BLOCK + 2] {
            let rows = tiles * TILE;
            let input: Vec<_> = (0..rows * WIDTH).map(|at| number(at * 31 + 5)).collect();
            let mut output = vec![f32::NAN; rows * WIDTH];
            layer.rows(&input, &mut output, |_, _| ());
            for (at, found) in output.iter().enumerate() {
                let (row, output) = (at / WIDTH, at % WIDTH);
                let piece = |piece| {
                    let mut sum = f64::from(bias(output, piece));
                    for (place, input_at) in (0..3).flat_map(|p| (0..WIDTH).map(move |i| (p, i))) {
                        let seen = (row + place)
                            .checked_sub(1)
                            .map(|row| row * WIDTH + input_at);
                        let seen = seen.and_then(|at| input.get(at)).copied().unwrap_or(0.0);
                        sum += f64::from(weight(output, piece, place, input_at)) * f64::from(seen);
                    }
                    sum
                };
                let best = (0..PIECES).map(piece).fold(f64::NEG_INFINITY, f64::max);
                let error = (best - f64::from(*found)).abs();
                assert!(
                    error < 1e-4,
                    "{arch:?}, {tiles} tiles, row {row}: {found}, not {best}"
                );
            }
        }
    }
}
