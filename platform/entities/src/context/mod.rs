//! What is being talked about: the cues before a number or a name, by either side.
//!
//! A cue is a phrase such as "card number" or "date of birth". The nearest one before a number
//! says what it is: in the same turn, or in the question that the turn answers.

mod cues;

use std::ops::Range;

use cues::cue_at;

use crate::text::{Conversation, Strand};
use crate::words;

/// A cue in the same turn is near up to this many words before.
const NEAR_WORDS: usize = 14;
/// A cue counts at all up to this many words before.
const FAR_WORDS: usize = 60;
/// A cue after the number counts up to this many words behind it.
const BEHIND_WORDS: usize = 8;

/// What a cue announces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Topic {
    /// An age.
    Age,
    /// A postal address.
    Address,
    /// An account that may be a bank's.
    Account,
    /// A bank account.
    Bank,
    /// The date of birth.
    Birth,
    /// A payment card.
    Card,
    /// The security code of a card.
    Cvv,
    /// An e-mail address.
    Email,
    /// When a card expires.
    Expiry,
    /// An IBAN.
    Iban,
    /// A driver's license.
    Licence,
    /// An amount.
    Money,
    /// A person's name.
    Name,
    /// A name that the speaker states.
    NameTold,
    /// A passport.
    Passport,
    /// A telephone number.
    Phone,
    /// A registration plate.
    Plate,
    /// An order, case, policy… number.
    Reference,
    /// An individual taxpayer identification number.
    Itin,
    /// A number of the National Health Service.
    Nhs,
    /// A bank's routing number.
    Routing,
    /// A password, PIN or one-time code.
    Secret,
    /// The answer to a security question.
    SecretAnswer,
    /// A social security number.
    Ssn,
    /// The name of a user's account.
    User,
    /// A vehicle identification number.
    Vin,
    /// A postal code.
    Zip,
}

impl Topic {
    /// Whether it is asked for as such, so that "on the …" behind it only says which one.
    fn is_asked_for(self) -> bool {
        matches!(
            self,
            Self::Birth
                | Self::Phone
                | Self::Name
                | Self::Zip
                | Self::Email
                | Self::Address
                | Self::Expiry
                | Self::Cvv
                | Self::Ssn
                | Self::Plate
                | Self::Vin
                | Self::Licence
        )
    }
}

/// A cue in the conversation.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cue {
    topic: Topic,
    /// Its first token.
    pub(crate) start: usize,
    /// The token after its last.
    pub(crate) end: usize,
}

/// How close a cue is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Distance {
    /// A few words before in the same turn, or in the question just asked.
    Near,
    /// Further back.
    Far,
}

/// All cues of a conversation.
#[derive(Debug)]
pub(crate) struct Context {
    cues: Vec<Cue>,
}

impl Context {
    /// Finds the cues.
    pub(crate) fn new(conversation: &Conversation<'_>) -> Self {
        let mut cues = Vec::new();
        for turn in &conversation.turns {
            let mut at = turn.tokens.start;
            while at < turn.tokens.end {
                let cue = cue_at(conversation, at, turn.tokens.end);
                at = cue.map_or(at + 1, |cue| cue.end);
                let before = cues
                    .last()
                    .filter(|last: &&Cue| turn.tokens.contains(&last.start));
                let told = cue.filter(|cue| {
                    !before.is_some_and(|last| {
                        last.topic.is_asked_for() && is_attribute(conversation, last.end..cue.start)
                    })
                });
                cues.extend(told);
            }
        }
        Self { cues }
    }

    /// What the words in a range of a strand are about, by the nearest cue.
    ///
    /// A cue before them in the same turn comes first; then one just behind them ("4417 are the
    /// last four of my social"); then one in an earlier turn.
    pub(crate) fn topic(
        &self,
        strand: &Strand<'_>,
        at: &Range<usize>,
    ) -> Option<(Topic, Distance)> {
        let (first, last) = (
            *strand.tokens.get(at.start)?,
            *strand.tokens.get(at.end - 1)?,
        );
        let after = self.cues.partition_point(|cue| cue.start < first);
        let before = after.checked_sub(1).map(|index| self.cues[index]);
        let conversation = strand.conversation;
        let turn = conversation.tokens[first].turn;
        let same_turn = |token: usize| conversation.tokens[token].turn == turn;
        if let Some(cue) = before.filter(|cue| same_turn(cue.start)) {
            let near = first - cue.end.min(first) <= NEAR_WORDS;
            return Some((cue.topic, if near { Distance::Near } else { Distance::Far }));
        }
        let behind = self.cues[after..].iter().find(|cue| cue.start > last);
        if let Some(cue) = behind
            && cue.start - last <= BEHIND_WORDS
            && conversation.tokens[cue.start].turn == conversation.tokens[last].turn
            && is_told_behind(conversation, last + 1)
        {
            return Some((cue.topic, Distance::Near));
        }
        let cue = before.filter(|cue| first - cue.end.min(first) <= FAR_WORDS)?;
        let asked = conversation.tokens[cue.start].turn;
        let between = asked + 1..turn;
        let direct = between.into_iter().all(|between| {
            conversation.turns[between].backchannel || conversation.turns[between].dictation
        });
        let started = first - conversation.turns[turn].tokens.start <= NEAR_WORDS;
        let near = started
            && ((direct && leads_over(conversation, &cue, turn))
                || self.continues(strand, at.start, cue.topic));
        Some((cue.topic, if near { Distance::Near } else { Distance::Far }))
    }

    /// The topic, if its cue is near.
    pub(crate) fn near(&self, strand: &Strand<'_>, at: &Range<usize>) -> Option<Topic> {
        self.topic(strand, at)
            .filter(|(_, distance)| *distance == Distance::Near)
            .map(|(t, _)| t)
    }

    /// The nearest cue before a token, if it is not too far.
    pub(crate) fn cue_near(&self, conversation: &Conversation<'_>, token: usize) -> Option<Cue> {
        let after = self.cues.partition_point(|cue| cue.start < token);
        let before = after.checked_sub(1).map(|index| self.cues[index]);
        before.filter(|cue| {
            let turns = conversation.tokens[token].turn - conversation.tokens[cue.start].turn;
            token - cue.end.min(token) <= NEAR_WORDS && turns <= 1
        })
    }

    /// Whether a topic comes up anywhere within some words of a token.
    pub(crate) fn mentioned(&self, token: usize, within: usize, topics: &[Topic]) -> bool {
        let first = self.cues.partition_point(|cue| cue.start + within < token);
        self.cues[first..]
            .iter()
            .take_while(|cue| cue.start <= token + within)
            .any(|cue| topics.contains(&cue.topic))
    }

    /// The tokens right behind each cue of a topic.
    pub(crate) fn ends_of(&self, topic: Topic) -> impl Iterator<Item = usize> + '_ {
        self.cues
            .iter()
            .filter(move |cue| cue.topic == topic)
            .map(|cue| cue.end)
    }

    /// Whether the strand was already answering a question on this topic before this position.
    fn continues(&self, strand: &Strand<'_>, at: usize, topic: Topic) -> bool {
        let Some(first) = strand.tokens.first().filter(|_| at > 0) else {
            return false;
        };
        let before = self.cues.partition_point(|cue| cue.start < *first);
        before
            .checked_sub(1)
            .is_some_and(|index| self.cues[index].topic == topic)
    }
}

/// Whether a turn with a cue hands over to the turn behind it: it is the other side's, a question,
/// or ends with the cue ("My card number is …").
fn leads_over(conversation: &Conversation<'_>, cue: &Cue, answer: usize) -> bool {
    let asking = conversation.tokens[cue.start].turn;
    let turn = &conversation.turns[asking];
    conversation.channel(asking) != conversation.channel(answer)
        || turn.text.trim_end().ends_with('?')
        || (cue.end..turn.tokens.end).all(|token| is_leading(conversation.lower(token)))
}

/// Words between a cue and a number that comes in the next turn.
fn is_leading(word: &str) -> bool {
    words::is_filler(word)
        || matches!(
            word,
            "is" | "s" | "are" | "it" | "the" | "number" | "so" | "and" | "okay"
        )
}

/// `… on the`, `… for your`: the cue behind these words only says more about the one before, as in
/// "the date of birth on the policy".
fn is_attribute(conversation: &Conversation<'_>, between: Range<usize>) -> bool {
    let prepositions = ["on", "for", "of", "with", "in", "to", "from"];
    let articles = [
        "the",
        "your",
        "my",
        "this",
        "that",
        "a",
        "our",
        "file",
        "associated",
        "linked",
    ];
    let mut words = between.map(|token| conversation.lower(token)).peekable();
    words.peek().is_some_and(|first| {
        prepositions.contains(first) || matches!(*first, "associated" | "linked")
    }) && words.all(|word| prepositions.contains(&word) || articles.contains(&word))
}

/// `… is the`, `… are my`, `… for the`: what was said is explained behind it.
fn is_told_behind(conversation: &Conversation<'_>, token: usize) -> bool {
    matches!(
        conversation.lower(token),
        "is" | "are" | "was" | "s" | "for" | "on" | "as"
    )
}
