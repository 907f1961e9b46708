//! Normalization of rows, and inner products: what takes little time beside the matrices.

use pulp::Arch;

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
    /// The weights of a layer.
    pub(crate) fn new(scale: Vec<f32>, shift: Vec<f32>) -> Self {
        let arch = Arch::new();
        Self { arch, scale, shift }
    }

    /// Normalizes rows; what they were made from, if given, is added after that.
    pub(crate) fn rows(&self, rows: &mut [f32], residual: Option<&[f32]>) {
        self.arch.dispatch(|| {
            let width = self.scale.len();
            let mut residual = residual.map(|rows| rows.chunks_exact(width));
            for row in rows.chunks_exact_mut(width) {
                self.row(row);
                if let Some(before) = residual.as_mut().and_then(Iterator::next) {
                    row.iter_mut()
                        .zip(before)
                        .for_each(|(to, from)| *to += from);
                }
            }
        });
    }

    #[inline(always)]
    fn row(&self, row: &mut [f32]) {
        let count = row.len() as f32;
        let mean = sum(row, |x| x) / count;
        let variance = sum(row, |x| (x - mean) * (x - mean)) / count + LEAST_VARIANCE;
        let factor = 1.0 / variance.sqrt();
        for (x, (scale, shift)) in row.iter_mut().zip(self.scale.iter().zip(&self.shift)) {
            *x = (*x - mean) * factor * scale + shift;
        }
    }
}

/// A sum in many parts, which the compiler can keep in vectors: enough of them that none waits for
/// the one before.
#[inline(always)]
fn sum(row: &[f32], term: impl Fn(f32) -> f32) -> f32 {
    let mut parts = [0.0f32; 32];
    let (chunks, rest) = row.as_chunks::<32>();
    for chunk in chunks {
        parts
            .iter_mut()
            .zip(chunk)
            .for_each(|(part, x)| *part += term(*x));
    }
    let mut few = [0.0f32; 8];
    for parts in parts.as_chunks::<8>().0 {
        few.iter_mut().zip(parts).for_each(|(to, part)| *to += part);
    }
    few.iter().sum::<f32>() + rest.iter().map(|x| term(*x)).sum::<f32>()
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
