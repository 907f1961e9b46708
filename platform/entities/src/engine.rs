//! What runs the recognizers over a conversation or a text.

use std::ops::Range;

use colloquy_contract::entities::{Entities, Mention};
use colloquy_contract::transcript::{Role, Transcript, Turn, WordTimes};
use colloquy_ner::{Entity, Ner};

use crate::entity::{Candidate, Part};
use crate::explain::{self, Explanation};
use crate::overlap::{self, Lost, Taken};
use crate::people;
use crate::propagation;
use crate::recognizers::{self, Scene};
use crate::text::Conversation;

/// The recognizers, ready to read. Loaded once, they are used by any number of threads; a clone
/// shares the model.
#[derive(Debug, Clone)]
pub struct Recognizers {
    ner: Option<Ner>,
}

/// An entity in a text that is no conversation.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// What it is: one of [`crate::types`].
    pub entity_type: &'static str,
    /// Start in the text, in Unicode characters.
    pub start: usize,
    /// End (exclusive) in the text, in Unicode characters.
    pub end: usize,
    /// The text there.
    pub text: String,
    /// The canonical value: equal values are the same entity.
    pub value: String,
    /// How sure the recognizer is, 0 to 1.
    pub score: f32,
    /// Which recognizer found it.
    pub recognizer: &'static str,
}

impl Recognizers {
    /// Recognizers with a model for names of people, places and organizations; `None` is patterns
    /// only, which find names by what is said before them and by lists.
    ///
    /// The model reads English. Conversations that are said to be in another language are read
    /// with patterns only.
    pub fn new(ner: Option<Ner>) -> Self {
        Self { ner }
    }

    /// Which model it is; `None` for patterns only.
    pub fn model(&self) -> Option<&str> {
        self.ner.as_ref().map(Ner::name)
    }

    /// Finds the entities of a conversation.
    ///
    /// Offsets are in Unicode characters of the turn's text. A number that goes over several turns
    /// is one mention per turn, all with the same value.
    pub fn recognize(&self, transcript: &Transcript) -> Entities {
        let named = if transcript.language.starts_with("en") {
            let texts: Vec<&str> = transcript.turns.iter().map(|t| t.text.as_str()).collect();
            self.named(&texts)
        } else {
            Vec::new()
        };
        let conversation = Conversation::new(transcript);
        let scene = Scene::new(&conversation, named);
        let (entities, _) = entities(&scene);
        Entities {
            version: Entities::VERSION,
            mentions: mentions(&conversation, &entities),
        }
    }

    /// Finds the entities of a text, which is read as one speaker's turn.
    pub fn recognize_text(&self, text: &str) -> Vec<Finding> {
        self.recognize_texts(&[text]).pop().unwrap_or_default()
    }

    /// Finds the entities of each of several texts, which know nothing of each other. Together
    /// they take less time than one by one if they are short.
    pub fn recognize_texts(&self, texts: &[&str]) -> Vec<Vec<Finding>> {
        let turns: Vec<Transcript> = texts.iter().map(|text| as_turn(text)).collect();
        let said = turns.iter().flat_map(|call| call.turns.iter());
        let said: Vec<&str> = said.map(|turn| turn.text.as_str()).collect();
        let named = self.named(&said);
        let named = named.into_iter().map(Some).chain(std::iter::repeat(None));
        let read = |((transcript, text), named): ((&Transcript, &&str), Option<Vec<Entity>>)| {
            let conversation = Conversation::new(transcript);
            let scene = Scene::new(&conversation, named.into_iter().collect());
            findings(text, &conversation, &entities(&scene).0)
        };
        turns.iter().zip(texts).zip(named).map(read).collect()
    }

    /// As [`Self::recognize_text`], and says of each finding why it is one.
    pub fn explain_text(&self, text: &str) -> Vec<(Finding, Explanation)> {
        let transcript = as_turn(text);
        let conversation = Conversation::new(&transcript);
        let said: Vec<&str> = transcript
            .turns
            .iter()
            .map(|turn| turn.text.as_str())
            .collect();
        let scene = Scene::new(&conversation, self.named(&said));
        let (mut entities, lost) = entities(&scene);
        // In the order of the findings: a text has one turn, so every entity has one part.
        entities.sort_by_key(|entity| entity.parts.first().copied());
        let explained = |entity: &Candidate| explain::explain(&scene, entity, &lost);
        let explanations: Vec<_> = entities.iter().map(explained).collect();
        let findings = findings(text, &conversation, &entities);
        findings.into_iter().zip(explanations).collect()
    }

    /// What the model finds in each of some texts; nothing at all without a model.
    fn named(&self, texts: &[&str]) -> Vec<Vec<Entity>> {
        let ner = self.ner.as_ref();
        ner.map(|ner| ner.entities_of(texts)).unwrap_or_default()
    }
}

/// A text as a conversation of one turn. Its words are not told apart: nothing asks for their
/// times.
///
/// Where a text was taken out of JSON or a log, a line may end with a backslash and an n: these
/// are read as white space, at the same place.
fn as_turn(text: &str) -> Transcript {
    let text = text
        .replace("\\n", " \n")
        .replace("\\r", " \r")
        .replace("\\t", " \t");
    Transcript {
        version: Transcript::VERSION,
        language: String::new(),
        duration_ms: 0,
        model: String::new(),
        channels: Vec::new(),
        turns: vec![Turn {
            channel: 0,
            role: Role::Unknown,
            start_ms: 0,
            end_ms: 0,
            text,
            words: Vec::new(),
            word_times: WordTimes::Estimated,
        }],
    }
}

/// What is found in a conversation, and what was found and then given up.
fn entities(scene: &Scene<'_>) -> (Vec<Candidate>, Vec<Lost>) {
    let mut candidates = recognizers::candidates(scene);
    people::unite(scene.conversation, &mut candidates);
    let mut taken = Taken::default();
    let (mut entities, lost) = overlap::resolve(scene.conversation, candidates, &mut taken);
    let again = propagation::find_again(scene, &mut entities);
    entities.extend(overlap::resolve(scene.conversation, again, &mut taken).0);
    recognizers::sweep(scene, &taken, &mut entities);
    (entities, lost)
}

/// The parts of candidates in order, with their places counted in characters.
fn placed<'e>(
    conversation: &'e Conversation<'_>,
    entities: &'e [Candidate],
) -> impl Iterator<Item = (Part, Range<usize>, &'e Candidate)> {
    let mut parts: Vec<(Part, &Candidate)> = entities
        .iter()
        .flat_map(|candidate| candidate.parts.iter().map(move |part| (*part, candidate)))
        .collect();
    parts.sort_by_key(|(part, _)| *part);
    // Where counting stands: turn, byte, character.
    let mut counted = (0, 0, 0);
    parts.into_iter().map(move |(part, candidate)| {
        let text = conversation.turns[part.turn].text;
        if counted.0 != part.turn {
            counted = (part.turn, 0, 0);
        }
        let start = counted.2 + text[counted.1..part.start].chars().count();
        let end = start + text[part.start..part.end].chars().count();
        counted = (part.turn, part.end, end);
        (part, start..end, candidate)
    })
}

fn mentions(conversation: &Conversation<'_>, entities: &[Candidate]) -> Vec<Mention> {
    let mention = |(part, chars, candidate): (Part, Range<usize>, &Candidate)| Mention {
        entity_type: candidate.entity_type.to_owned(),
        turn: part.turn,
        start: chars.start,
        end: chars.end,
        text: conversation.turns[part.turn].text[part.start..part.end].to_owned(),
        value: candidate.value.clone(),
        score: candidate.score,
        recognizer: candidate.recognizer.to_owned(),
    };
    placed(conversation, entities).map(mention).collect()
}

fn findings(
    original: &str,
    conversation: &Conversation<'_>,
    entities: &[Candidate],
) -> Vec<Finding> {
    let finding = |(part, chars, candidate): (Part, Range<usize>, &Candidate)| Finding {
        entity_type: candidate.entity_type,
        start: chars.start,
        end: chars.end,
        text: original.get(part.start..part.end).unwrap_or("").to_owned(),
        value: candidate.value.clone(),
        score: candidate.score,
        recognizer: candidate.recognizer,
    };
    placed(conversation, entities).map(finding).collect()
}
