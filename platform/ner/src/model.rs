//! The parameters of the entity recognizer, as Thinc writes them
//! (<https://thinc.ai/docs/api-model#to_bytes>).
//!
//! The file lists the layers in breadth-first order, each with a name and its parameters. The
//! architecture is not written down, but the names tell it; see [`crate::encoder`] and
//! [`crate::decoder`] for what it computes. What is not of that architecture is refused.

use std::path::Path;

use rmpv::ValueRef;

use crate::error::{Problem, Result, read};
use crate::msgpack::{self, Array};
use crate::vocabulary::Attribute;

/// An embedding table that is found by hashes of an attribute.
#[derive(Debug, Clone)]
pub(crate) struct Table {
    /// The attribute.
    pub(crate) attribute: Attribute,
    /// The seed of its hash.
    pub(crate) seed: u32,
    /// A row per hash.
    pub(crate) rows: Array,
}

/// A maxout layer with the normalization behind it.
#[derive(Debug)]
pub(crate) struct Maxout {
    /// Outputs, pieces, inputs.
    pub(crate) weights: Array,
    /// Outputs, pieces.
    pub(crate) bias: Array,
    /// Of the normalization.
    pub(crate) scale: Array,
    /// Of the normalization.
    pub(crate) shift: Array,
}

/// A layer of weights and bias.
#[derive(Debug)]
pub(crate) struct Linear {
    /// Outputs, inputs.
    pub(crate) weights: Array,
    /// Outputs.
    pub(crate) bias: Array,
}

/// The layer whose products with every token are added up to a state.
#[derive(Debug)]
pub(crate) struct States {
    /// Features, outputs, pieces, inputs.
    pub(crate) weights: Array,
    /// Outputs, pieces.
    pub(crate) bias: Array,
    /// 1, features, outputs, pieces: what is added for a feature that there is not.
    pub(crate) padding: Array,
}

/// All parameters.
#[derive(Debug)]
pub(crate) struct Model {
    pub(crate) tables: Vec<Table>,
    /// Outputs, inputs; smaller models have no vectors.
    pub(crate) vectors: Option<Array>,
    pub(crate) mix: Maxout,
    pub(crate) windows: Vec<Maxout>,
    pub(crate) tokens: Linear,
    pub(crate) states: States,
    pub(crate) scores: Linear,
}

impl Model {
    /// Reads the parameters.
    pub(crate) fn load(folder: &Path) -> Result<Self> {
        let path = folder.join("ner/model");
        Self::parse(&read(&path)?).map_err(|problem| problem.within(&path))
    }

    fn parse(bytes: &[u8]) -> Result<Self, Problem> {
        let file = msgpack::read(bytes)?;
        let layers = Layers::new(&file)?;
        let attributes = layers.attributes()?;
        let tables = layers.all("hashembed");
        let tables = tables.map(|layer| table(layer, &attributes));
        let tables = tables.collect::<Result<Vec<_>, _>>()?;
        let mut maxouts = layers.all("maxout").zip(layers.all("layernorm"));
        let mut maxouts = maxouts.by_ref().map(|(maxout, norm)| {
            let maxout = Maxout {
                weights: maxout.array("W", 3)?,
                bias: maxout.array("b", 2)?,
                scale: norm.array("G", 1)?,
                shift: norm.array("b", 1)?,
            };
            Ok(maxout)
        });
        let mix = maxouts.next().ok_or_else(|| missing("maxout"))??;
        let windows = maxouts.collect::<Result<Vec<_>, Problem>>()?;
        layers.check_windows(windows.len())?;
        let mut linear = layers.all("linear").map(|layer| {
            let weights = layer.array("W", 2)?;
            let bias = layer.array("b", 1)?;
            Ok::<_, Problem>(Linear { weights, bias })
        });
        // In breadth-first order, the upper layer comes before what is inside the lower one.
        let scores = linear.next().ok_or_else(|| missing("linear"))??;
        let tokens = linear.next().ok_or_else(|| missing("linear"))??;
        let states = layers.all("precomputable_affine").next();
        let states = states.ok_or_else(|| missing("precomputable_affine"))?;
        let states = States {
            weights: states.array("W", 4)?,
            bias: states.array("b", 2)?,
            padding: states.array("pad", 4)?,
        };
        let vectors = layers.all("static_vectors").next();
        let vectors = vectors.map(|layer| layer.array("W", 2)).transpose()?;
        let model = Self {
            tables,
            vectors,
            mix,
            windows,
            tokens,
            states,
            scores,
        };
        model.check()?;
        Ok(model)
    }

    /// How many numbers a token is in the network.
    pub(crate) fn width(&self) -> usize {
        self.mix.scale.data.len()
    }

    /// Whether all layers fit together.
    fn check(&self) -> Result<(), Problem> {
        let width = self.width();
        let embedded: usize = self
            .tables
            .iter()
            .filter_map(|table| table.rows.shape.get(1))
            .sum();
        let vector = self.vectors.as_ref().and_then(|array| array.shape.first());
        let embedded = embedded + vector.unwrap_or(&0);
        // Whole vectors of any processor.
        let mut fits = width > 0 && width.is_multiple_of(16);
        fits &= self
            .tables
            .iter()
            .all(|table| table.rows.shape.first() > Some(&0));
        fits &= self.mix.fits(width, embedded);
        fits &= !self.windows.is_empty();
        fits &= self
            .windows
            .iter()
            .all(|window| window.fits(width, 3 * width));
        let token = self.tokens.bias.data.len();
        let hidden = self.states.bias.shape.first().copied().unwrap_or(0);
        let classes = self.scores.bias.data.len();
        fits &= self.tokens.weights.shape == [token, width];
        fits &= self.scores.weights.shape == [classes, hidden];
        fits &= self.states.bias.shape == [hidden, 2];
        fits &= self.states.weights.shape == [3, hidden, 2, token];
        fits &= self.states.padding.shape == [1, 3, hidden, 2];
        if fits {
            Ok(())
        } else {
            Err(Problem::unsupported("layers of other sizes"))
        }
    }
}

impl Maxout {
    fn fits(&self, width: usize, inputs: usize) -> bool {
        self.weights.shape == [width, 3, inputs]
            && self.bias.shape == [width, 3]
            && self.scale.shape == [width]
            && self.shift.shape == [width]
    }
}

fn missing(layer: &str) -> Problem {
    Problem::unsupported(format!("a network without the layer {layer}"))
}

fn table(layer: Layer<'_, '_>, attributes: &[Attribute]) -> Result<Table, Problem> {
    let number = |name| layer.attribute(name).and_then(|value| value.as_u64());
    let seed = number("seed").and_then(|seed| u32::try_from(seed).ok());
    let column = number("column").and_then(|column| usize::try_from(column).ok());
    let attribute = column.and_then(|column| attributes.get(column));
    match (attribute, seed) {
        (Some(attribute), Some(seed)) => Ok(Table {
            attribute: *attribute,
            seed,
            rows: layer.array("E", 2)?,
        }),
        _ => Err(Problem::unsupported("embedding tables of another kind")),
    }
}

/// The layers of a file.
struct Layers<'v, 'b> {
    nodes: &'v [ValueRef<'b>],
    attributes: &'v [ValueRef<'b>],
    parameters: &'v [ValueRef<'b>],
}

/// One of them.
#[derive(Clone, Copy)]
struct Layer<'v, 'b> {
    attributes: &'v ValueRef<'b>,
    parameters: &'v ValueRef<'b>,
}

impl<'v, 'b> Layers<'v, 'b> {
    fn new(file: &'v ValueRef<'b>) -> Result<Self, Problem> {
        let list = |key| msgpack::get(file, key).and_then(msgpack::list);
        match (list("nodes"), list("attrs"), list("params")) {
            (Some(nodes), Some(attributes), Some(parameters)) => Ok(Self {
                nodes,
                attributes,
                parameters,
            }),
            _ => Err(Problem::damaged("it does not list its layers")),
        }
    }

    /// The layers of a name, in order.
    fn all(&self, wanted: &'static str) -> impl Iterator<Item = Layer<'v, 'b>> + use<'v, 'b> {
        let layers = self.nodes.iter().zip(self.attributes).zip(self.parameters);
        layers.filter_map(move |((node, attributes), parameters)| {
            let name = msgpack::get(node, "name").and_then(msgpack::text);
            (name == Some(wanted)).then_some(Layer {
                attributes,
                parameters,
            })
        })
    }

    /// The attributes of words that go in.
    fn attributes(&self) -> Result<Vec<Attribute>, Problem> {
        let layer = self.all("extract_features").next();
        let columns = layer.and_then(|layer| layer.attribute("columns"));
        let names = columns.as_ref().and_then(msgpack::list);
        let names = names.ok_or_else(|| missing("extract_features"))?;
        let attribute = |name| {
            let name = msgpack::text(name).unwrap_or("another kind");
            let attribute = Attribute::named(name);
            attribute.ok_or_else(|| Problem::unsupported(format!("the word attribute {name}")))
        };
        names.iter().map(attribute).collect()
    }

    /// Each convolution is to see one token to either side.
    fn check_windows(&self, expected: usize) -> Result<(), Problem> {
        let size = |layer: Layer<'v, 'b>| layer.attribute("window_size").and_then(|v| v.as_u64());
        let sizes: Vec<_> = self.all("expand_window").map(size).collect();
        if sizes.len() == expected && sizes.iter().all(|size| *size == Some(1)) {
            Ok(())
        } else {
            Err(Problem::unsupported("convolutions of another width"))
        }
    }
}

impl<'b> Layer<'_, 'b> {
    /// An attribute, which is MessagePack inside of MessagePack.
    fn attribute(&self, name: &str) -> Option<ValueRef<'b>> {
        match msgpack::get(self.attributes, name)? {
            ValueRef::Binary(bytes) => msgpack::read(bytes).ok(),
            _ => None,
        }
    }

    fn array(&self, name: &str, dimensions: usize) -> Result<Array, Problem> {
        let array = msgpack::get(self.parameters, name);
        let array = array.ok_or_else(|| Problem::damaged("a layer has no parameters"))?;
        let array = Array::read(array)?;
        if array.shape.len() == dimensions {
            Ok(array)
        } else {
            Err(Problem::damaged(
                "an array has another number of dimensions",
            ))
        }
    }
}
