//! Normalization of rows, and inner products: what takes little time beside the matrices.

use pulp::{Arch, Simd, WithSimd};

use crate::model::Maxout;

/// Scales each row to mean 0 and variance 1 and then by weights of its own (Ba, Kiros and Hinton,
/// "Layer normalization", 2016).
#[derive(Debug)]
pub(crate) struct Norm {
    arch: Arch,
    scale: Vec<f32>,
    shift: Vec<f32>,
}

/// Added to the variance, so that a row of equal numbers is not divided by zero.
const LEAST_VARIANCE: f32 = 1e-8;

impl Norm {
    /// The weights of a layer; as many as a multiple of any vector's length.
    pub(crate) fn new(scale: Vec<f32>, shift: Vec<f32>) -> Self {
        let arch = Arch::new();
        Self { arch, scale, shift }
    }

    /// That of a maxout layer.
    pub(crate) fn of(layer: &Maxout) -> Self {
        Self::new(layer.scale.data.clone(), layer.shift.data.clone())
    }

    /// Normalizes rows; what they were made from, if given, is added after that.
    pub(crate) fn rows(&self, rows: &mut [f32], residual: Option<&[f32]>) {
        self.arch.dispatch(Normalize {
            norm: self,
            rows,
            residual,
        });
    }
}

/// A type and no closure: a closure is not always compiled with the vector instructions that it is
/// called for.
struct Normalize<'a> {
    norm: &'a Norm,
    rows: &'a mut [f32],
    residual: Option<&'a [f32]>,
}

impl WithSimd for Normalize<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let width = self.norm.scale.len().max(1);
        let scale = S::as_simd_f32s(&self.norm.scale).0;
        let shift = S::as_simd_f32s(&self.norm.shift).0;
        let mut residual = self.residual.map(|rows| rows.chunks_exact(width));
        for row in self.rows.chunks_exact_mut(width) {
            let before = residual.as_mut().and_then(Iterator::next);
            let row = S::as_mut_simd_f32s(row).0;
            let (mean, factor) = measure(simd, row, width);
            let weights = scale.iter().zip(shift);
            let scaled = |x, (scale, shift): (&S::f32s, &S::f32s)| {
                let x = simd.mul_f32s(simd.sub_f32s(x, mean), factor);
                simd.add_f32s(simd.mul_f32s(x, *scale), *shift)
            };
            match before {
                Some(before) => {
                    let before = S::as_simd_f32s(before).0;
                    for ((x, weights), before) in row.iter_mut().zip(weights).zip(before) {
                        *x = simd.add_f32s(scaled(*x, weights), *before);
                    }
                }
                None => {
                    for (x, weights) in row.iter_mut().zip(weights) {
                        *x = scaled(*x, weights);
                    }
                }
            }
        }
    }
}

/// The mean of a row, and the inverse of its deviation.
#[inline(always)]
fn measure<S: Simd>(simd: S, row: &[S::f32s], width: usize) -> (S::f32s, S::f32s) {
    let mean = simd.splat_f32s(sum(simd, row, |x| x) / width as f32);
    let square = |x| {
        let x = simd.sub_f32s(x, mean);
        simd.mul_f32s(x, x)
    };
    let variance = sum(simd, row, square) / width as f32 + LEAST_VARIANCE;
    (mean, simd.splat_f32s(1.0 / variance.sqrt()))
}

/// A sum in some parts, so that none waits for the one before.
#[inline(always)]
fn sum<S: Simd>(simd: S, row: &[S::f32s], term: impl Fn(S::f32s) -> S::f32s) -> f32 {
    let mut parts = [simd.splat_f32s(0.0); 4];
    let (chunks, rest) = row.as_chunks::<4>();
    for chunk in chunks {
        for (part, x) in parts.iter_mut().zip(chunk) {
            *part = simd.add_f32s(*part, term(*x));
        }
    }
    for (part, x) in parts.iter_mut().zip(rest) {
        *part = simd.add_f32s(*part, term(*x));
    }
    let [a, b, c, d] = parts;
    simd.reduce_sum_f32s(simd.add_f32s(simd.add_f32s(a, b), simd.add_f32s(c, d)))
}

/// The inner product of two rows.
pub(crate) fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut parts = [0.0f32; 8];
    let ((a, rest_a), (b, rest_b)) = (a.as_chunks::<8>(), b.as_chunks::<8>());
    for (a, b) in a.iter().zip(b) {
        for (part, (a, b)) in parts.iter_mut().zip(a.iter().zip(b)) {
            *part += a * b;
        }
    }
    let rest: f32 = rest_a.iter().zip(rest_b).map(|(a, b)| a * b).sum();
    parts.iter().sum::<f32>() + rest
}
