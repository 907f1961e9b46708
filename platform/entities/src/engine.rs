//! What runs the recognizers over a conversation or a text.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::ops::Range;
use std::sync::OnceLock;

use colloquy_contract::entities::{Entities, Mention};
use colloquy_contract::transcript::{Role, Transcript, Turn, WordTimes};
use colloquy_ner::{Entity, Ner, Reading, side_by_side};

use crate::companies;
use crate::entity::{Candidate, Part};
use crate::explain::{self, Explanation, Losses};
use crate::overlap::{self, Lost, Taken};
use crate::parallel::both;
use crate::people;
use crate::propagation;
use crate::recognizers::{self, Claims, Scene};
use crate::speakers;
use crate::text::Conversation;

/// The recognizers, ready to read. Loaded once, they are used by any number of threads; a clone
/// shares the model.
#[derive(Debug, Clone)]
pub struct Recognizers {
    ner: Option<Ner>,
    threads: usize,
}

/// Shorter texts, in bytes, are read on one thread: starting another takes longer than they do.
const LONG: usize = 32 * 1024;

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
        Self { ner, threads: 1 }
    }

    /// The same, reading a long text, or many texts, on up to this many threads at once. Workers,
    /// which read several conversations at once anyway, have no use for it.
    #[must_use]
    pub fn on_threads(self, threads: usize) -> Self {
        let threads = threads.max(1);
        let ner = self.ner.map(|ner| ner.on_threads(threads));
        Self { ner, threads }
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
        let (entities, _) = entities(&scene, None);
        Entities {
            version: Entities::VERSION,
            mentions: mentions(&conversation, &entities),
        }
    }

    /// Finds the entities of a text. If its lines say who speaks ("Agent: …"), it is read as their
    /// conversation, else as one speaker's turn; offsets are those of the text in any case.
    pub fn recognize_text(&self, text: &str) -> Vec<Finding> {
        self.recognize_texts(&[text]).pop().unwrap_or_default()
    }

    /// Finds the entities of each of several texts, which know nothing of each other. Together
    /// they take less time than one by one if they are short.
    pub fn recognize_texts(&self, texts: &[&str]) -> Vec<Vec<Finding>> {
        let written: Vec<Written> = texts.iter().map(|text| Written::new(text)).collect();
        if let ([written], [text]) = (&*written, texts) {
            return vec![self.read_alone(written, text)];
        }
        let said = written.iter().flat_map(|text| &text.transcript.turns);
        let said: Vec<&str> = said.map(|turn| turn.text.as_str()).collect();
        let mut named = self.named(&said).into_iter();
        let of_text = |text: &Written| named.by_ref().take(text.transcript.turns.len()).collect();
        let named: Vec<Vec<_>> = written.iter().map(of_text).collect();
        let texts: Vec<_> = texts.iter().zip(&written).zip(&named).collect();
        side_by_side(self.threads, &texts, |((text, written), named)| {
            let conversation = Conversation::new(&written.transcript);
            let scene = Scene::new(&conversation, (*named).clone());
            written.findings(text, &conversation, &entities(&scene, None).0)
        })
    }

    /// Reads one text. If it is long, one thread cuts it for the model and reads it with the model,
    /// while on another its words, numbers and cues are read and then, on all but the first, one
    /// recognizer after the other that can do without the model; threads that find none left read
    /// with the model, too.
    fn read_alone(&self, written: &Written, text: &str) -> Vec<Finding> {
        let threads = self.threads_for(text);
        let said = written.transcript.turns.iter();
        let said: Vec<&str> = said.map(|turn| turn.text.as_str()).collect();
        let conversation = OnceCell::new();
        let conversation = || conversation.get_or_init(|| Conversation::new(&written.transcript));
        let (cut, reading) = (OnceLock::new(), OnceLock::new());
        let read = || {
            if let Some(ner) = &self.ner {
                let cut = cut.get_or_init(|| ner.tokenize(&said));
                reading.get_or_init(|| cut.reading()).work();
            }
        };
        let first = || {
            let mut scene = Scene::new(conversation(), Vec::new());
            let reads = usize::from(self.ner.is_some());
            scene.threads = threads.saturating_sub(reads).max(1);
            let claims = recognizers::first_claims(&scene, &read);
            (scene, claims)
        };
        let ((), (mut scene, claims)) = both(threads, read, first);
        scene.threads = threads;
        scene.named = reading
            .into_inner()
            .map_or_else(Vec::new, Reading::entities);
        // As large as the text several times over, and done with.
        drop(cut);
        written.findings(text, conversation(), &entities(&scene, Some(claims)).0)
    }

    fn threads_for(&self, text: &str) -> usize {
        if text.len() < LONG { 1 } else { self.threads }
    }

    /// As [`Self::recognize_text`], and says of each finding why it is one.
    pub fn explain_text(&self, text: &str) -> Vec<(Finding, Explanation)> {
        let written = Written::new(text);
        let conversation = Conversation::new(&written.transcript);
        let said = written.transcript.turns.iter();
        let said: Vec<&str> = said.map(|turn| turn.text.as_str()).collect();
        let mut scene = Scene::new(&conversation, self.named(&said));
        scene.threads = self.threads_for(text);
        let (entities, lost) = entities(&scene, None);
        let losses = Losses::new(&lost);
        // An entity of several parts is several findings, with one explanation.
        let explanations = in_order(&entities)
            .into_iter()
            .map(|(_, entity)| explain::explain(&scene, entity, &losses));
        let findings = written.findings(text, &conversation, &entities);
        findings.into_iter().zip(explanations).collect()
    }

    /// What the model finds in each of some texts; nothing at all without a model.
    fn named(&self, texts: &[&str]) -> Vec<Vec<Entity>> {
        let ner = self.ner.as_ref();
        ner.map(|ner| ner.entities_of(texts)).unwrap_or_default()
    }
}

/// A text as a conversation. Its words are not told apart: nothing asks for their times.
#[derive(Debug)]
struct Written {
    /// One turn for each time that somebody speaks.
    transcript: Transcript,
    /// Where each turn begins in the text, in bytes.
    starts: Vec<usize>,
}

impl Written {
    /// Where a text was taken out of JSON or a log, a line may end with a backslash and an n:
    /// these are read as white space, at the same place.
    fn new(text: &str) -> Self {
        let mut text = Cow::Borrowed(text);
        if text.contains('\\') {
            for (escape, space) in [("\\n", " \n"), ("\\r", " \r"), ("\\t", " \t")] {
                text = text.replace(escape, space).into();
            }
        }
        let said = speakers::turns(&text);
        let turns = said.iter().map(|said| Turn {
            channel: said.channel,
            role: Role::Unknown,
            start_ms: 0,
            end_ms: 0,
            text: text[said.bytes.clone()].to_owned(),
            words: Vec::new(),
            word_times: WordTimes::Estimated,
        });
        Self {
            transcript: Transcript {
                version: Transcript::VERSION,
                language: String::new(),
                duration_ms: 0,
                model: String::new(),
                channels: Vec::new(),
                turns: turns.collect(),
            },
            starts: said.iter().map(|said| said.bytes.start).collect(),
        }
    }

    /// The findings, with their places in the text.
    fn findings(
        &self,
        original: &str,
        conversation: &Conversation<'_>,
        entities: &[Candidate],
    ) -> Vec<Finding> {
        // Where counting stands: byte, character.
        let mut counted = (0, 0);
        let mut first_of = Vec::with_capacity(self.starts.len());
        for start in &self.starts {
            let between = original.get(counted.0..*start).unwrap_or("");
            counted = (*start, counted.1 + between.chars().count());
            first_of.push(counted.1);
        }
        let finding = |(part, chars, candidate): (Part, Range<usize>, &Candidate)| {
            let (byte, first) = (self.starts[part.turn], first_of[part.turn]);
            let text = original.get(byte + part.start..byte + part.end);
            Finding {
                entity_type: candidate.entity_type,
                start: first + chars.start,
                end: first + chars.end,
                text: text.unwrap_or("").to_owned(),
                value: candidate.value.clone(),
                score: candidate.score,
                recognizer: candidate.recognizer,
            }
        };
        placed(conversation, entities).map(finding).collect()
    }
}

/// What is found in a conversation, and what was found and then given up. The claims that don't
/// need the model may have been made already.
fn entities(scene: &Scene<'_>, claims: Option<Claims>) -> (Vec<Candidate>, Vec<Lost>) {
    let claims = claims.unwrap_or_else(|| recognizers::first_claims(scene, &|| {}));
    let mut candidates = recognizers::candidates(scene, claims);
    people::unite(scene.conversation, &mut candidates);
    companies::find_again(scene.conversation, &mut candidates);
    let mut taken = Taken::default();
    let (mut entities, lost) = overlap::resolve(scene.conversation, candidates, &mut taken);
    let again = propagation::find_again(scene, &mut entities);
    entities.extend(overlap::resolve(scene.conversation, again, &mut taken).0);
    recognizers::sweep(scene, &taken, &mut entities);
    (entities, lost)
}

/// The parts of candidates in order.
fn in_order(entities: &[Candidate]) -> Vec<(Part, &Candidate)> {
    let mut parts: Vec<(Part, &Candidate)> = entities
        .iter()
        .flat_map(|candidate| candidate.parts.iter().map(move |part| (*part, candidate)))
        .collect();
    parts.sort_by_key(|(part, _)| *part);
    parts
}

/// The parts of candidates in order, with their places counted in characters.
fn placed<'e>(
    conversation: &'e Conversation<'_>,
    entities: &'e [Candidate],
) -> impl Iterator<Item = (Part, Range<usize>, &'e Candidate)> {
    let parts = in_order(entities);
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
