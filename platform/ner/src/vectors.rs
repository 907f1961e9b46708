//! The word vectors of a model: most words share the vector of a similar word
//! (<https://spacy.io/api/vectors>).
//!
//! The network sees a vector only through one layer without bias. As that layer's output is a third
//! as wide as the vector, it is computed for all vectors when the model is loaded, and the vectors
//! themselves are dropped.

use std::path::Path;

use crate::error::{Problem, Result, read};
use crate::kernel::Packed;
use crate::msgpack::{self, Array};

/// The projected vectors.
#[derive(Debug)]
pub(crate) struct Vectors {
    /// The numbers of words, sorted, and the row of each.
    rows: Vec<(u64, u32)>,
    width: usize,
    projected: Vec<f32>,
}

impl Vectors {
    /// Reads the vectors and projects them.
    pub(crate) fn load(folder: &Path, projection: &Array) -> Result<Self> {
        let configuration = folder.join("vocab/vectors.cfg");
        check_mode(&read(&configuration)?).map_err(|problem| problem.within(&configuration))?;
        let path = folder.join("vocab/key2row");
        let rows = read_rows(&read(&path)?).map_err(|problem| problem.within(&path))?;
        let path = folder.join("vocab/vectors");
        let vectors = numpy(&read(&path)?).map_err(|problem| problem.within(&path))?;
        Self::new(rows, &vectors, projection).map_err(|problem| problem.within(&path))
    }

    fn new(rows: Vec<(u64, u32)>, vectors: &Array, projection: &Array) -> Result<Self, Problem> {
        let ([count, inputs], [width, expected]) = (&*vectors.shape, &*projection.shape) else {
            return Err(Problem::damaged("the vectors are no table"));
        };
        if inputs != expected || rows.iter().any(|(_, row)| *row as usize >= *count) {
            return Err(Problem::damaged("the vectors don't fit the network"));
        }
        let weight = |output: usize, input: usize| {
            let at = output * inputs + input;
            projection.data.get(at).copied().unwrap_or(0.0)
        };
        let layer = Packed::linear(*inputs, *width, weight, |_| 0.0);
        let mut projected = Vec::new();
        layer.rows(&vectors.data, *inputs, 0..*count, &mut projected);
        Ok(Self {
            rows,
            width: *width,
            projected,
        })
    }

    /// The projected vector of a word, if it has one.
    pub(crate) fn get(&self, word: u64) -> Option<&[f32]> {
        let at = self
            .rows
            .binary_search_by_key(&word, |(key, _)| *key)
            .ok()?;
        let start = self.rows.get(at)?.1 as usize * self.width;
        self.projected.get(start..start + self.width)
    }
}

fn check_mode(configuration: &[u8]) -> Result<(), Problem> {
    let configuration: serde_json::Value =
        serde_json::from_slice(configuration).map_err(|_| Problem::damaged("it is not JSON"))?;
    match configuration.get("mode").and_then(|mode| mode.as_str()) {
        None | Some("default") => Ok(()),
        Some(_) => Err(Problem::unsupported("vectors of another mode")),
    }
}

/// Reads which row a word has.
fn read_rows(mut bytes: &[u8]) -> Result<Vec<(u64, u32)>, Problem> {
    let wrong = || Problem::damaged("it is not a table of rows");
    let count = rmp::decode::read_map_len(&mut bytes).map_err(|_| wrong())?;
    // An entry takes at least two bytes.
    let mut rows = Vec::with_capacity((count as usize).min(bytes.len() / 2));
    for _ in 0..count {
        let word = rmp::decode::read_int(&mut bytes).map_err(|_| wrong())?;
        let row: i64 = rmp::decode::read_int(&mut bytes).map_err(|_| wrong())?;
        // A word without a vector may have a negative row.
        if let Ok(row) = u32::try_from(row) {
            rows.push((word, row));
        }
    }
    rows.sort_unstable();
    Ok(rows)
}

/// Reads a file of NumPy (<https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html>).
fn numpy(bytes: &[u8]) -> Result<Array, Problem> {
    let wrong = || Problem::damaged("it is no array of NumPy");
    let rest = bytes.strip_prefix(b"\x93NUMPY").ok_or_else(wrong)?;
    let (length, rest) = match rest {
        [1, _, low, high, rest @ ..] => (u32::from(u16::from_le_bytes([*low, *high])), rest),
        [_, _, a, b, c, d, rest @ ..] => (u32::from_le_bytes([*a, *b, *c, *d]), rest),
        _ => return Err(wrong()),
    };
    let (header, data) = rest.split_at_checked(length as usize).ok_or_else(wrong)?;
    let header = std::str::from_utf8(header).map_err(|_| wrong())?;
    if !header.contains("'<f4'") || !header.contains("'fortran_order': False") {
        return Err(Problem::unsupported(
            "vectors that are not rows of 32-bit floats",
        ));
    }
    let shape = header
        .split_once("'shape': (")
        .and_then(|(_, rest)| rest.split_once(')'));
    let sizes = shape
        .map_or("", |(shape, _)| shape)
        .split(',')
        .map(str::trim);
    let shape = sizes
        .filter(|size| !size.is_empty())
        .map(str::parse::<usize>);
    let shape = shape.collect::<Result<_, _>>().map_err(|_| wrong())?;
    Array::new(shape, msgpack::floats(data))
}
