//! What a query means to the index: which of its own queries answer it, and how they score.

use tantivy::{
    Term,
    query::{
        AllQuery, BooleanQuery, BoostQuery, ConstScoreQuery, EmptyQuery, Occur, PhrasePrefixQuery,
        PhraseQuery, Query, TermQuery,
    },
    schema::{Field, IndexRecordOption},
};

use super::{Leaf, Node};
use crate::schema::Spoken;

/// Most words that a prefix stands for.
const MAX_EXPANSIONS: u32 = 512;

/// How much an exact form adds to the score of its stem.
const EXACT_BOOST: f32 = 0.5;

/// How much words that stand close together add, and how far apart they may be.
const NEAR_BOOST: f32 = 2.0;
const NEAR_SLOP: u32 = 5;

impl Node {
    /// The query, over what these roles said.
    pub(crate) fn to_query(&self, spoken: &[Spoken]) -> Box<dyn Query> {
        let query = self.lower(spoken);
        let Some(near) = self.nearness(spoken) else {
            return query;
        };
        Box::new(BooleanQuery::new(vec![
            (Occur::Must, query),
            (Occur::Should, near),
        ]))
    }

    fn lower(&self, spoken: &[Spoken]) -> Box<dyn Query> {
        match self {
            Self::Leaf(leaf) => leaf.to_query(spoken),
            Self::Any(nodes) => any(nodes.iter().map(|node| node.lower(spoken)).collect()),
            Self::All(nodes) => all(nodes, spoken),
            Self::Not(_) => all(std::slice::from_ref(self), spoken),
        }
    }

    /// For plain words: more score where they stand close together.
    fn nearness(&self, spoken: &[Spoken]) -> Option<Box<dyn Query>> {
        let Self::All(nodes) = self else { return None };
        let single = |node: &Self| match node {
            Self::Leaf(Leaf::Words(words)) => match words.as_slice() {
                [word] => Some(word.stem.clone()),
                _ => None,
            },
            _ => None,
        };
        let stems: Vec<String> = nodes.iter().filter_map(single).collect();
        if stems.len() < 2 {
            return None;
        }
        let near = |spoken: &Spoken| {
            let mut phrase = PhraseQuery::new(terms(spoken.stem, stems.iter()));
            phrase.set_slop(NEAR_SLOP);
            Box::new(phrase) as Box<dyn Query>
        };
        let anywhere = any(spoken.iter().map(near).collect());
        Some(Box::new(BoostQuery::new(anywhere, NEAR_BOOST)))
    }
}

impl Leaf {
    fn to_query(&self, spoken: &[Spoken]) -> Box<dyn Query> {
        let mut forms: Vec<Box<dyn Query>> = Vec::new();
        for role in spoken {
            match self {
                Self::Words(words) => {
                    forms.push(in_a_row(terms(
                        role.stem,
                        words.iter().map(|word| &word.stem),
                    )));
                    let exact = terms(role.exact, words.iter().map(|word| &word.exact));
                    forms.push(Box::new(BoostQuery::new(in_a_row(exact), EXACT_BOOST)));
                }
                Self::Prefix(words) => {
                    let mut query = PhrasePrefixQuery::new(terms(role.exact, words.iter()));
                    query.set_max_expansions(MAX_EXPANSIONS);
                    forms.push(Box::new(query));
                }
            }
        }
        any(forms)
    }
}

fn all(nodes: &[Node], spoken: &[Spoken]) -> Box<dyn Query> {
    let clause = |node: &Node| match node {
        Node::Not(inner) => (Occur::MustNot, inner.lower(spoken)),
        node => (Occur::Must, node.lower(spoken)),
    };
    let mut clauses: Vec<_> = nodes.iter().map(clause).collect();
    if clauses.iter().all(|(occur, _)| *occur == Occur::MustNot) {
        let everything = ConstScoreQuery::new(Box::new(AllQuery), 0.0);
        clauses.push((Occur::Must, Box::new(everything)));
    }
    Box::new(BooleanQuery::new(clauses))
}

fn any(queries: Vec<Box<dyn Query>>) -> Box<dyn Query> {
    Box::new(BooleanQuery::union(queries))
}

fn terms<'a>(field: Field, words: impl Iterator<Item = &'a String>) -> Vec<Term> {
    words
        .map(|word| Term::from_field_text(field, word))
        .collect()
}

fn in_a_row(mut terms: Vec<Term>) -> Box<dyn Query> {
    match terms.pop() {
        Some(only) if terms.is_empty() => {
            Box::new(TermQuery::new(only, IndexRecordOption::WithFreqs))
        }
        Some(last) => {
            terms.push(last);
            Box::new(PhraseQuery::new(terms))
        }
        None => Box::new(EmptyQuery),
    }
}
