//! A conversation as the recognizers see it: words, and strands of words of one speaker.
//!
//! A strand is what one channel says without the other side saying anything of substance: turns
//! between which there are only backchannels ("mm-hmm", "okay") or the number being repeated. A
//! number read over five turns is one stretch of a strand.

use std::ops::Range;

use colloquy_contract::transcript::Transcript;

use crate::entity::Part;
use crate::words;

/// A pause longer than this ends a strand.
const LONGEST_PAUSE_MS: u64 = 30_000;
/// A turn of more words than this is no backchannel, whatever the words.
const LONGEST_BACKCHANNEL: usize = 8;

/// A word: letters and digits without any punctuation. `I'm` is two.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Token {
    /// Index of the turn.
    pub(crate) turn: usize,
    /// First byte in the turn's text.
    pub(crate) start: usize,
    /// Byte after the last.
    pub(crate) end: usize,
}

/// A turn's text and where its tokens are.
#[derive(Debug)]
pub(crate) struct TurnText<'t> {
    /// The text as transcribed.
    pub(crate) text: &'t str,
    /// The text with ASCII letters in lower case: the same bytes otherwise.
    lower: String,
    /// Which of the conversation's tokens are this turn's.
    pub(crate) tokens: Range<usize>,
    /// Whether there is a capital letter in it: a recognizer of speech may write none.
    pub(crate) cased: bool,
    /// Nothing but fillers and agreement.
    pub(crate) backchannel: bool,
    /// Nothing but fillers and numbers.
    pub(crate) dictation: bool,
}

/// The whole conversation.
#[derive(Debug)]
pub(crate) struct Conversation<'t> {
    /// The turns, in order.
    pub(crate) turns: Vec<TurnText<'t>>,
    /// All words, turn after turn.
    pub(crate) tokens: Vec<Token>,
    /// For each strand the indexes of its tokens, in order.
    pub(crate) strands: Vec<Vec<usize>>,
    /// The channel of each turn.
    channels: Vec<u16>,
}

impl<'t> Conversation<'t> {
    /// Splits a transcript into words and strands.
    pub(crate) fn new(transcript: &'t Transcript) -> Self {
        let mut conversation = Self {
            turns: Vec::with_capacity(transcript.turns.len()),
            tokens: Vec::new(),
            strands: Vec::new(),
            channels: transcript.turns.iter().map(|turn| turn.channel).collect(),
        };
        for (index, turn) in transcript.turns.iter().enumerate() {
            conversation.add_turn(index, &turn.text);
        }
        conversation.strands = conversation.braid(transcript);
        conversation
    }

    fn add_turn(&mut self, turn: usize, text: &'t str) {
        let first = self.tokens.len();
        let mut start = None;
        for (at, c) in text.char_indices() {
            match (c.is_alphanumeric() || is_mark(c), start) {
                (true, None) => start = Some(at),
                (false, Some(from)) => {
                    self.tokens.push(Token {
                        turn,
                        start: from,
                        end: at,
                    });
                    start = None;
                }
                _ => {}
            }
        }
        if let Some(from) = start {
            self.tokens.push(Token {
                turn,
                start: from,
                end: text.len(),
            });
        }
        let lower = text.to_ascii_lowercase();
        let count = self.tokens.len() - first;
        let backchannel = count <= LONGEST_BACKCHANNEL
            && self.tokens[first..]
                .iter()
                .map(|t| &lower[t.start..t.end])
                .all(|word| words::is_backchannel(word) || words::is_prompt(word));
        let tokens = first..self.tokens.len();
        self.turns.push(TurnText {
            text,
            cased: text.chars().any(char::is_uppercase),
            lower,
            tokens,
            backchannel,
            dictation: false,
        });
        self.turns[turn].dictation = self.is_dictation(turn);
    }

    /// Puts every turn into a strand: the latest of its channel, if nothing of substance came
    /// between, else a new one.
    fn braid(&self, transcript: &Transcript) -> Vec<Vec<usize>> {
        struct Open {
            strand: usize,
            end_ms: u64,
            last_substance: usize,
        }
        let mut strands: Vec<Vec<usize>> = Vec::new();
        let mut open: Vec<(u16, Open)> = Vec::new();
        // How many turns of substance there were so far: of any channel, and not mere numbers.
        let mut substance = 0;
        for (index, turn) in transcript.turns.iter().enumerate() {
            let neutral = self.turns[index].backchannel || self.turns[index].dictation;
            let place = open
                .iter()
                .position(|(channel, _)| *channel == turn.channel);
            let joins = place.map(|at| &open[at].1).filter(|last| {
                last.last_substance == substance
                    && turn.start_ms.saturating_sub(last.end_ms) <= LONGEST_PAUSE_MS
            });
            let strand = match joins {
                Some(last) => last.strand,
                None => {
                    strands.push(Vec::new());
                    strands.len() - 1
                }
            };
            strands[strand].extend(self.turns[index].tokens.clone());
            substance += usize::from(!neutral);
            let now = Open {
                strand,
                end_ms: turn.end_ms,
                last_substance: substance,
            };
            match place {
                Some(at) => open[at].1 = now,
                None => open.push((turn.channel, now)),
            }
        }
        strands
    }

    /// Whether a turn is nothing but digits, number words and fillers.
    fn is_dictation(&self, turn: usize) -> bool {
        self.turns[turn].tokens.clone().all(|token| {
            let word = self.lower(token);
            word.bytes().all(|b| b.is_ascii_digit())
                || words::number_word(word).is_some()
                || matches!(word, "oh" | "o")
                || words::is_backchannel(word)
                || words::is_joiner(word)
        })
    }

    /// A token's text as transcribed.
    #[inline]
    pub(crate) fn raw(&self, token: usize) -> &'t str {
        let Token { turn, start, end } = self.tokens[token];
        &self.turns[turn].text[start..end]
    }

    /// A token's text with ASCII letters in lower case.
    #[inline]
    pub(crate) fn lower(&self, token: usize) -> &str {
        let Token { turn, start, end } = self.tokens[token];
        &self.turns[turn].lower[start..end]
    }

    /// A token's text with ASCII letters in lower case; empty past the end.
    pub(crate) fn lower_of(&self, token: usize) -> &str {
        self.tokens.get(token).map_or("", |_| self.lower(token))
    }

    /// The channel of a turn.
    pub(crate) fn channel(&self, turn: usize) -> u16 {
        self.channels[turn]
    }

    /// The strands, each with its conversation.
    pub(crate) fn strands(&self) -> impl Iterator<Item = Strand<'_>> {
        self.strands.iter().map(|tokens| Strand {
            conversation: self,
            tokens,
        })
    }
}

/// What a text begins with up to white space, and no more than some characters of it.
pub(crate) fn up_to_space(text: &str, most: usize) -> &str {
    let mut chars = text.char_indices();
    let end = chars.by_ref().take(most).find(|(_, c)| c.is_whitespace());
    let end = end.or_else(|| chars.next()).map(|(at, _)| at);
    text.get(..end.unwrap_or(text.len())).unwrap_or(text)
}

/// Combining marks belong to the letter before them.
fn is_mark(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{36f}')
}

/// One strand: words by position.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Strand<'c> {
    /// The conversation it is a part of.
    pub(crate) conversation: &'c Conversation<'c>,
    /// Its tokens, as indexes into the conversation's.
    pub(crate) tokens: &'c [usize],
}

impl<'c> Strand<'c> {
    /// How many words it has.
    pub(crate) fn len(&self) -> usize {
        self.tokens.len()
    }

    /// The token at a position.
    pub(crate) fn token(&self, at: usize) -> Token {
        self.conversation.tokens[self.tokens[at]]
    }

    /// The word at a position with ASCII letters in lower case; empty past the end.
    #[inline]
    pub(crate) fn lower(&self, at: usize) -> &'c str {
        self.tokens
            .get(at)
            .map_or("", |token| self.conversation.lower(*token))
    }

    /// The word at a position as transcribed; empty past the end.
    #[inline]
    pub(crate) fn raw(&self, at: usize) -> &'c str {
        self.tokens
            .get(at)
            .map_or("", |token| self.conversation.raw(*token))
    }

    /// The word before a position in lower case; empty at the start.
    pub(crate) fn lower_before(&self, at: usize) -> &'c str {
        at.checked_sub(1).map_or("", |before| self.lower(before))
    }

    /// What stands between the word before a position and the word there: `"\n"` across turns
    /// and at either end of the strand.
    pub(crate) fn gap(&self, at: usize) -> &'c str {
        if at == 0 || at >= self.len() {
            return "\n";
        }
        let (before, here) = (self.token(at - 1), self.token(at));
        if before.turn != here.turn {
            return "\n";
        }
        &self.conversation.turns[here.turn].text[before.end..here.start]
    }

    /// Whether the word at a position is the first of its turn.
    pub(crate) fn starts_turn(&self, at: usize) -> bool {
        self.gap(at) == "\n"
    }

    /// What follows the word at a position up to the next word or the end of the turn.
    pub(crate) fn tail(&self, at: usize) -> &'c str {
        let token = self.token(at);
        let turn = &self.conversation.turns[token.turn];
        let next = self.tokens[at] + 1;
        let end = if turn.tokens.contains(&next) {
            self.conversation.tokens[next].start
        } else {
            turn.text.len()
        };
        &turn.text[token.end..end]
    }

    /// The stretches of text of the words in a range, one per turn.
    pub(crate) fn parts(&self, range: Range<usize>) -> Vec<Part> {
        let mut parts: Vec<Part> = Vec::new();
        for at in range {
            let token = self.token(at);
            match parts.last_mut() {
                Some(part) if part.turn == token.turn => part.end = token.end,
                _ => parts.push(Part {
                    turn: token.turn,
                    start: token.start,
                    end: token.end,
                }),
            }
        }
        parts
    }

    /// The word at a position in lower case, whatever its letters.
    pub(crate) fn lower_any(&self, at: usize) -> std::borrow::Cow<'c, str> {
        let raw = self.raw(at);
        if raw.is_ascii() {
            self.lower(at).into()
        } else {
            raw.to_lowercase().into()
        }
    }

    /// Whether the word at a position is digits and nothing else.
    pub(crate) fn number(&self, at: usize) -> bool {
        let raw = self.raw(at);
        !raw.is_empty() && raw.bytes().all(|b| b.is_ascii_digit())
    }

    /// Whether the word at a position starts a line of its turn's text, which is not the first.
    pub(crate) fn is_line_break(&self, at: usize) -> bool {
        at > 0
            && at < self.len()
            && self.token(at - 1).turn == self.token(at).turn
            && self.gap(at).contains('\n')
    }

    /// Whether the turn of the word at a position is written with capitals.
    pub(crate) fn is_cased(&self, at: usize) -> bool {
        self.conversation.turns[self.token(at).turn].cased
    }

    /// Where the longest name ends that starts at a position and is known, and what is known of it.
    /// A name has at most this many words; what stands between two is written as `joint` says, and
    /// where that says nothing, no name goes on. `known` is asked of each in lower case, with its end.
    pub(crate) fn longest<T>(
        &self,
        at: usize,
        most: usize,
        joint: impl Fn(&str) -> Option<&'static str>,
        known: impl Fn(&str, usize) -> Option<T>,
    ) -> Option<(usize, T)> {
        let mut name = String::new();
        let mut best = None;
        for end in at + 1..=(at + most).min(self.len()) {
            if end > at + 1 {
                match joint(self.gap(end - 1)) {
                    Some(joint) => name.push_str(joint),
                    None => break,
                }
            }
            name.push_str(&self.lower_any(end - 1));
            best = known(&name, end).map(|known| (end, known)).or(best);
        }
        best
    }

    /// Whether a clause ends before the word at a position, as punctuation or the end of the turn says.
    pub(crate) fn ends_clause(&self, at: usize) -> bool {
        self.starts_turn(at) || self.gap(at).starts_with(['.', ',', '?', '!', ';'])
    }

    /// Whether the words at a position are these.
    pub(crate) fn says(&self, at: usize, phrase: &[&str]) -> bool {
        phrase
            .iter()
            .enumerate()
            .all(|(offset, word)| self.lower(at + offset) == *word)
    }
}
