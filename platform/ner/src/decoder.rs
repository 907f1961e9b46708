//! Decides, token by token, where entities begin and end.
//!
//! The decoder reads the tokens from left to right and takes one action for each: it begins an
//! entity of some kind (B), goes on with it (I), ends it (L), makes the token an entity of its own
//! (U), or leaves it out (O) (Ratinov and Roth, "Design challenges and misconceptions in named
//! entity recognition", 2009; Lample et al., "Neural architectures for named entity recognition",
//! 2016). It takes the best action that is allowed and never goes back.
//!
//! An action's score is a linear layer over a maxout of the sum of three products: of the next
//! token's vector, of that of the first token of the open entity, and of that of the token before
//! (<https://spacy.io/api/architectures#TransitionBasedParser>). Outside of an entity, the last two
//! are constants; so the scores of all tokens are computed at once, as if none were in an entity,
//! and only inside of entities one by one.
//!
//! What is allowed: outside of an entity, B, U and O, but not B on the last token, and only O on
//! white space; inside, I and L of the open kind, and on the last token only L.

use std::ops::Range;
use std::path::Path;

use rmpv::ValueRef;

use crate::error::{Problem, Result, read};
use crate::kernel::Packed;
use crate::label::Label;
use crate::model::{Model, States};
use crate::msgpack;
use crate::norm::dot;

/// Pieces of the maxout.
const TWO: usize = 2;

/// An action outside of an entity.
#[derive(Debug, Clone, Copy)]
enum Move {
    Begin(Label),
    Unit(Label),
    Out,
}

/// The two actions inside of an entity.
#[derive(Debug, Clone)]
struct Inside {
    label: Label,
    go_on: (Vec<f32>, f32),
    end: (Vec<f32>, f32),
}

/// The layers.
#[derive(Debug)]
pub(crate) struct Decoder {
    tokens: Packed,
    /// The products of the next token, the first of the entity, and the token before.
    features: [Packed; 3],
    /// What is added to the first feature outside of entities, and inside.
    outside_bias: Vec<f32>,
    inside_bias: Vec<f32>,
    scores: Packed,
    moves: Vec<Move>,
    inside: Vec<Inside>,
}

/// What is computed of tokens before it is known which of them are in an entity; row by row. It is
/// large, and used again for other tokens.
#[derive(Debug, Default)]
pub(crate) struct Products {
    tokens: Vec<f32>,
    /// Each as the next token.
    features: Vec<f32>,
    /// From which the scores are computed.
    hidden: Vec<f32>,
    /// Of the actions outside of an entity.
    scores: Vec<f32>,
}

/// An entity, as a range of tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) label: Label,
    pub(crate) tokens: Range<usize>,
}

/// What is kept from one piece of a text to the next.
#[derive(Debug, Default)]
pub(crate) struct State {
    /// How many tokens were read.
    read: usize,
    /// The open entity: its place in `inside`, its first token and that token's feature.
    open: Option<(usize, usize, Vec<f32>)>,
    /// The vector of the token before.
    before: Vec<f32>,
    /// The entities that are closed.
    pub(crate) spans: Vec<Span>,
}

impl Decoder {
    /// Packs the layers of a model, and reads its actions.
    pub(crate) fn load(folder: &Path, model: &Model) -> Result<Self> {
        let path = folder.join("ner/moves");
        let actions = actions(&read(&path)?).map_err(|problem| problem.within(&path))?;
        Self::new(model, &actions).map_err(|problem| problem.within(&path))
    }

    fn new(model: &Model, actions: &[Action]) -> Result<Self, Problem> {
        let scores = &model.scores;
        let hidden = scores.weights.shape.get(1).copied().unwrap_or(0);
        if scores.bias.data.len() != actions.len() {
            return Err(Problem::damaged(
                "it does not have the actions of the network",
            ));
        }
        let mut rows = scores.weights.data.chunks_exact(hidden.max(1));
        let mut outside = Vec::new();
        let mut moves = Vec::new();
        let mut inside: Vec<Inside> = Vec::new();
        for (action, bias) in actions.iter().zip(&scores.bias.data) {
            let row = (rows.next().unwrap_or(&[]).to_vec(), *bias);
            match *action {
                Action::Outside(step) => {
                    moves.push(step);
                    outside.push(row);
                }
                Action::GoOn(label) => inside.push(Inside {
                    label,
                    go_on: row,
                    end: (Vec::new(), 0.0),
                }),
                Action::End(label) => {
                    let open = inside.iter_mut().find(|open| open.label == label);
                    let open =
                        open.ok_or_else(|| Problem::damaged("a kind cannot be gone on with"))?;
                    open.end = row;
                }
                Action::Never => {}
            }
        }
        let begins = moves
            .iter()
            .filter(|step| matches!(step, Move::Begin(_)))
            .count();
        if begins != inside.len() || inside.iter().any(|open| open.end.0.is_empty()) {
            return Err(Problem::damaged(
                "a kind cannot be begun, gone on with or ended",
            ));
        }
        let weight = |output: usize, input: usize| value(outside.get(output), input);
        let bias = |output: usize| outside.get(output).map_or(0.0, |(_, bias)| *bias);
        let (outside_bias, inside_bias) = biases(&model.states);
        Ok(Self {
            tokens: linear(model),
            features: [0, 1, 2].map(|feature| feature_layer(&model.states, feature)),
            outside_bias,
            inside_bias,
            scores: Packed::linear(hidden, moves.len(), weight, bias),
            moves,
            inside,
        })
    }

    /// All that does not depend on the entities before.
    pub(crate) fn products(&self, vectors: &[f32], products: &mut Products) {
        let count = vectors.len() / self.tokens.inputs().max(1);
        let Products {
            tokens,
            features,
            hidden,
            scores,
        } = products;
        self.tokens
            .rows(vectors, self.tokens.inputs(), 0..count, tokens);
        let [next, _, _] = &self.features;
        next.rows(tokens, next.inputs(), 0..count, features);
        self.hidden_outside(features, hidden);
        self.scores
            .rows(hidden, self.scores.inputs(), 0..count, scores);
    }

    /// Reads the next tokens. `last` says that no more follow.
    pub(crate) fn read(&self, state: &mut State, products: &Products, blank: &[bool], last: bool) {
        let count = blank.len();
        let Products {
            tokens,
            features,
            scores,
            ..
        } = products;
        let [next, first, before] = &self.features;
        let size = self.tokens.outputs();
        let mut scratch = Vec::new();
        let rows = features.chunks_exact(next.outputs());
        let rows = rows
            .zip(scores.chunks_exact(self.scores.outputs()))
            .zip(blank);
        for (at, ((feature, scores), blank)) in rows.enumerate() {
            let token = state.read + at;
            let is_last = last && at + 1 == count;
            match &state.open {
                None => match self.best(scores, *blank, is_last) {
                    Move::Begin(label) => {
                        let kind = self.inside.iter().position(|open| open.label == label);
                        let mut feature = Vec::new();
                        first.rows(tokens, size, at..at + 1, &mut feature);
                        state.open = kind.map(|kind| (kind, token, feature));
                    }
                    Move::Unit(label) => state.close(label, token..token + 1),
                    Move::Out => {}
                },
                Some((kind, start, begun)) => {
                    let Some(open) = self.inside.get(*kind) else {
                        continue;
                    };
                    match at.checked_sub(1) {
                        Some(at) => before.rows(tokens, size, at..at + 1, &mut scratch),
                        None => before.rows(&state.before, size, 0..1, &mut scratch),
                    }
                    let hidden = self.hidden_inside(feature, begun, &scratch);
                    let score = |(weights, bias): &(Vec<f32>, f32)| dot(&hidden, weights) + bias;
                    if is_last || score(&open.end) > score(&open.go_on) {
                        let span = *start..token + 1;
                        state.close(open.label, span);
                    }
                }
            }
        }
        state.read += count;
        state.before = tokens
            .rchunks_exact(size.max(1))
            .next()
            .unwrap_or(&[])
            .to_vec();
    }

    /// The best allowed action outside of an entity; the first of equals.
    fn best(&self, scores: &[f32], blank: bool, last: bool) -> Move {
        let mut best = (Move::Out, f32::NEG_INFINITY);
        for (step, score) in self.moves.iter().zip(scores) {
            let allowed = match step {
                Move::Begin(_) => !blank && !last,
                Move::Unit(_) => !blank,
                Move::Out => true,
            };
            if allowed && *score > best.1 {
                best = (*step, *score);
            }
        }
        best.0
    }

    fn hidden_outside(&self, features: &[f32], hidden: &mut Vec<f32>) {
        let width = self.outside_bias.len() / TWO;
        hidden.clear();
        for row in features.chunks_exact(TWO * width) {
            let sums = row.iter().zip(&self.outside_bias).map(|(a, b)| a + b);
            hidden.extend(sums.clone().zip(sums.skip(width)).map(|(a, b)| a.max(b)));
        }
    }

    fn hidden_inside(&self, next: &[f32], first: &[f32], before: &[f32]) -> Vec<f32> {
        let terms = next.iter().zip(first).zip(before).zip(&self.inside_bias);
        let sums: Vec<_> = terms.map(|(((a, b), c), bias)| a + b + c + bias).collect();
        let (one, other) = sums.split_at(sums.len() / TWO);
        one.iter().zip(other).map(|(a, b)| a.max(*b)).collect()
    }
}

impl State {
    fn close(&mut self, label: Label, tokens: Range<usize>) {
        self.open = None;
        self.spans.push(Span { label, tokens });
    }
}

fn value(row: Option<&(Vec<f32>, f32)>, at: usize) -> f32 {
    row.and_then(|(row, _)| row.get(at)).copied().unwrap_or(0.0)
}

fn linear(model: &Model) -> Packed {
    let layer = &model.tokens;
    let [outputs, inputs] = *layer.weights.shape else {
        return Packed::linear(0, 0, |_, _| 0.0, |_| 0.0);
    };
    let weight = |output: usize, input: usize| {
        let at = output * inputs + input;
        layer.weights.data.get(at).copied().unwrap_or(0.0)
    };
    let bias = |output: usize| layer.bias.data.get(output).copied().unwrap_or(0.0);
    Packed::linear(inputs, outputs, weight, bias)
}

/// The layer of a feature; its outputs are written piece by piece.
fn feature_layer(states: &States, feature: usize) -> Packed {
    let [_, hidden, pieces, inputs] = *states.weights.shape else {
        return Packed::linear(0, 0, |_, _| 0.0, |_| 0.0);
    };
    let weight = |output: usize, input: usize| {
        let (piece, output) = (output / hidden, output % hidden);
        let at = ((feature * hidden + output) * pieces + piece) * inputs + input;
        states.weights.data.get(at).copied().unwrap_or(0.0)
    };
    Packed::linear(inputs, hidden * pieces, weight, |_| 0.0)
}

/// The bias outside of entities, with what stands for the missing features, and that inside.
fn biases(states: &States) -> (Vec<f32>, Vec<f32>) {
    let hidden = states.bias.data.len() / TWO;
    let place = |at: usize| (at % hidden) * TWO + at / hidden;
    let bias = |at: usize| states.bias.data.get(place(at)).copied().unwrap_or(0.0);
    let padding = |feature: usize, at: usize| {
        let at = feature * hidden * TWO + place(at);
        states.padding.data.get(at).copied().unwrap_or(0.0)
    };
    let all = 0..hidden * TWO;
    (
        all.clone()
            .map(|at| padding(1, at) + padding(2, at) + bias(at))
            .collect(),
        all.map(bias).collect(),
    )
}

/// What an output of the network stands for.
#[derive(Debug, Clone, Copy)]
enum Action {
    Outside(Move),
    GoOn(Label),
    End(Label),
    /// Only for tokens that something before the recognizer has set aside.
    Never,
}

/// Reads the actions, in the order of the network's outputs: by action, then by how often a label
/// was seen in training, then by its name, both downwards.
fn actions(bytes: &[u8]) -> Result<Vec<Action>, Problem> {
    let wrong = || Problem::damaged("it does not list actions");
    let file = msgpack::read(bytes)?;
    let json = msgpack::get(&file, "moves").and_then(|moves: &ValueRef<'_>| msgpack::text(moves));
    let moves: serde_json::Map<String, serde_json::Value> =
        serde_json::from_str(json.ok_or_else(wrong)?).map_err(|_| wrong())?;
    let mut moves: Vec<_> = moves.into_iter().collect();
    moves.sort_by(|(a, _), (b, _)| a.cmp(b));
    let mut actions = Vec::new();
    for (action, labels) in &moves {
        let labels = labels.as_object().ok_or_else(wrong)?;
        let mut labels: Vec<_> = labels
            .iter()
            .map(|(name, count)| (count.as_i64(), name))
            .collect();
        labels.sort();
        for (count, name) in labels.into_iter().rev() {
            if count.is_none_or(|count| count < 0) {
                return Err(Problem::unsupported(
                    "labels that were added after training",
                ));
            }
            actions.push(action_of(action, name)?);
        }
    }
    Ok(actions)
}

fn action_of(action: &str, name: &str) -> Result<Action, Problem> {
    let label = || Label::named(name).ok_or_else(|| Problem::unsupported("labels of its own"));
    Ok(match (action, name) {
        ("5", "") => Action::Outside(Move::Out),
        ("4", "") => Action::Never,
        ("1", _) => Action::Outside(Move::Begin(label()?)),
        ("2", _) => Action::GoOn(label()?),
        ("3", _) => Action::End(label()?),
        ("4", _) => Action::Outside(Move::Unit(label()?)),
        _ => return Err(Problem::unsupported("actions of another kind")),
    })
}
