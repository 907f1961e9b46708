//! MessagePack as spaCy's files use it (<https://github.com/msgpack/msgpack/blob/master/spec.md>),
//! and the arrays of NumPy in it.
//!
//! An array is a map with the keys `nd`, `type` (such as `<f4`), `shape` and `data`
//! (<https://github.com/explosion/srsly>, which has it from msgpack-numpy).

use rmpv::ValueRef;

use crate::error::Problem;

type Result<T, E = Problem> = std::result::Result<T, E>;

/// Reads one value.
pub(crate) fn read(mut bytes: &[u8]) -> Result<ValueRef<'_>> {
    rmpv::decode::read_value_ref(&mut bytes).map_err(|_| Problem::damaged("it is not MessagePack"))
}

/// The text of a string, which older writers mark as bytes.
pub(crate) fn text<'v>(value: &'v ValueRef<'_>) -> Option<&'v str> {
    match value {
        ValueRef::String(string) => string.as_str(),
        ValueRef::Binary(bytes) => std::str::from_utf8(bytes).ok(),
        _ => None,
    }
}

/// The value of a key.
pub(crate) fn get<'v, 'b>(map: &'v ValueRef<'b>, key: &str) -> Option<&'v ValueRef<'b>> {
    let ValueRef::Map(entries) = map else {
        return None;
    };
    let entry = entries.iter().find(|(name, _)| text(name) == Some(key));
    entry.map(|(_, value)| value)
}

/// The items of a list.
pub(crate) fn list<'v, 'b>(value: &'v ValueRef<'b>) -> Option<&'v [ValueRef<'b>]> {
    match value {
        ValueRef::Array(items) => Some(items),
        _ => None,
    }
}

/// An array of numbers.
#[derive(Debug, Clone)]
pub(crate) struct Array {
    /// Its size in each dimension.
    pub(crate) shape: Vec<usize>,
    /// Row by row.
    pub(crate) data: Vec<f32>,
}

impl Array {
    /// Reads one from its map.
    pub(crate) fn read(value: &ValueRef<'_>) -> Result<Self> {
        let kind = get(value, "type").and_then(text);
        if kind != Some("<f4") {
            return Err(Problem::unsupported(
                "parameters that are not 32-bit floats",
            ));
        }
        let shape = get(value, "shape").and_then(list);
        let shape = shape.and_then(|sizes| sizes.iter().map(size).collect::<Option<Vec<_>>>());
        let Some((shape, ValueRef::Binary(data))) = shape.zip(get(value, "data")) else {
            return Err(Problem::damaged("an array has no shape or no data"));
        };
        Self::new(shape, floats(data))
    }

    /// Puts numbers in a shape.
    pub(crate) fn new(shape: Vec<usize>, data: Vec<f32>) -> Result<Self> {
        let size = shape
            .iter()
            .try_fold(1usize, |all, size| all.checked_mul(*size));
        if size == Some(data.len()) {
            Ok(Self { shape, data })
        } else {
            Err(Problem::damaged("an array is not of its size"))
        }
    }
}

fn size(value: &ValueRef<'_>) -> Option<usize> {
    value.as_u64().and_then(|size| usize::try_from(size).ok())
}

/// Numbers as they lie in a file.
pub(crate) fn floats(bytes: &[u8]) -> Vec<f32> {
    let (numbers, _) = bytes.as_chunks::<4>();
    numbers.iter().copied().map(f32::from_le_bytes).collect()
}
