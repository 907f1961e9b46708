//! From a batch of windows to words: encoded once, written down, aligned, and where speech was left
//! out, heard again.

use crate::batches::Order;
use crate::decode::{Doubts, Effort, RETRY_BEAM, Sound, decode};
use crate::error::EngineError;
use crate::model::{Encoded, Hearing, Model, Task, length_class};
use crate::speech::Span;
use crate::windows::Window;
use crate::words::{TimedWord, is_spaced, words};

/// What was heard in some windows.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    /// One for each window.
    pub(crate) windows: Vec<HeardWindow>,
}

/// What was heard in a window.
#[derive(Debug, Default)]
pub(crate) struct HeardWindow {
    pub(crate) words: Vec<TimedWord>,
    /// What finding them took.
    pub(crate) effort: Effort,
    /// Whether it was transcribed again, for its text left out speech.
    pub(crate) heard_again: bool,
}

impl Heard {
    /// Takes the last windows.
    pub(crate) fn split_off(&mut self, count: usize) -> Self {
        let at = self.windows.len().saturating_sub(count);
        Self {
            windows: self.windows.split_off(at),
        }
    }
}

/// The words of some windows.
pub(crate) fn hear(model: &Model, beam: usize, order: &Order) -> Result<Heard, EngineError> {
    let encoded = model.encode(&sounds(&order.sounds), Hearing::Sound(order.columns))?;
    hear_encoded(model, beam, order, &encoded)
}

/// The same, of what the encoder has made of the windows.
pub(crate) fn hear_encoded(
    model: &Model,
    beam: usize,
    order: &Order,
    encoded: &Encoded,
) -> Result<Heard, EngineError> {
    let listener = Listener {
        model,
        beam,
        task: &order.task,
        spaced: is_spaced(order.task.language()),
    };
    let mut windows = listener.understand(&order.sounds, encoded, Doubts::Keep)?;
    listener.hear_again(&order.sounds, &mut windows)?;
    Ok(Heard { windows })
}

/// The samples of some windows.
pub(crate) fn sounds(batch: &[Sound]) -> Vec<&[i16]> {
    batch
        .iter()
        .map(|(_, samples)| samples.as_slice())
        .collect()
}

struct Listener<'a> {
    model: &'a Model,
    beam: usize,
    task: &'a Task,
    spaced: bool,
}

impl Listener<'_> {
    fn understand(
        &self,
        batch: &[Sound],
        encoded: &Encoded,
        doubts: Doubts,
    ) -> Result<Vec<HeardWindow>, EngineError> {
        let decoded = decode(self.model, encoded, batch, self.task, self.beam, doubts)?;
        let (tokens, efforts): (Vec<Vec<usize>>, Vec<Effort>) = decoded
            .into_iter()
            .map(|one| (one.hypothesis.tokens, one.effort))
            .unzip();
        let lengths: Vec<usize> = batch.iter().map(|(_, sound)| sound.len()).collect();
        let alignments = self.model.align(encoded, self.task, &tokens, &lengths)?;
        let said = batch.iter().zip(tokens.iter().zip(&alignments));
        Ok(said
            .zip(efforts)
            .map(|(((window, _), (tokens, alignment)), effort)| HeardWindow {
                words: words(
                    &self.model.vocabulary,
                    self.spaced,
                    window,
                    tokens,
                    alignment,
                ),
                effort,
                heard_again: false,
            })
            .collect())
    }

    /// Transcribes speech that a window's text leaves out: by itself, and if that does not help, the
    /// window over all that Whisper can hear. Models at times end a text long before the sound, or
    /// skip a row of digits. What by itself is no speech at all, such as music, is left at that.
    fn hear_again(&self, batch: &[Sound], heard: &mut [HeardWindow]) -> Result<(), EngineError> {
        for (sound, one) in batch.iter().zip(heard) {
            let (window, samples) = sound;
            let left = left_out(window, &one.words);
            // Without any words, the model heard no speech, and may be right.
            if left.is_empty() || one.words.is_empty() {
                continue;
            }
            one.heard_again = true;
            let only = window.part(samples, left);
            let length = Hearing::Sound(length_class(only.1.len()));
            let Some(words) = self.hear_alone(only, length)? else {
                continue;
            };
            let said = [one.words.clone(), words].concat();
            Self::take_better(window, one, in_order(said));
            if !left_out(window, &one.words).is_empty() {
                let said = self.hear_alone(sound.clone(), Hearing::Whole)?;
                Self::take_better(window, one, said.unwrap_or_default());
            }
        }
        Ok(())
    }

    /// The words of one window, searched harder; none where it is no speech.
    fn hear_alone(
        &self,
        sound: Sound,
        hearing: Hearing,
    ) -> Result<Option<Vec<TimedWord>>, EngineError> {
        let harder = Self {
            beam: self.beam.max(RETRY_BEAM),
            ..*self
        };
        let encoded = self.model.encode(&[&sound.1], hearing)?;
        let heard = harder.understand(&[sound], &encoded, Doubts::Drop)?;
        let window = heard.into_iter().next();
        Ok(window
            .filter(|window| window.effort != Effort::GivenUp)
            .map(|window| window.words))
    }

    /// Takes other words for a window if they leave out less.
    fn take_better(window: &Window, heard: &mut HeardWindow, said: Vec<TimedWord>) {
        if frames(&left_out(window, &said)) < frames(&left_out(window, &heard.words)) {
            heard.words = said;
        }
    }
}

/// Words by time; none reaches into the next.
fn in_order(mut words: Vec<TimedWord>) -> Vec<TimedWord> {
    words.sort_by_key(|word| word.samples.start);
    for at in 1..words.len() {
        let next = words[at].samples.start;
        let samples = &mut words[at - 1].samples;
        samples.end = samples.end.min(next).max(samples.start);
    }
    words.retain(|word| !word.samples.is_empty());
    words
}

/// The speech in a window that its words leave out.
fn left_out(window: &Window, words: &[TimedWord]) -> Vec<Span> {
    let times: Vec<_> = words.iter().map(|word| word.samples.clone()).collect();
    window.left_out(&times)
}

fn frames(spans: &[Span]) -> usize {
    spans.iter().map(ExactSizeIterator::len).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_were_found_later_find_their_place() {
        let word = |text: &str, samples| TimedWord {
            text: text.to_owned(),
            samples,
            confidence: 1.0,
            digits: Vec::new(),
        };
        let words = in_order(vec![
            word("bottle?", 0..900),
            word("That", 2_000..2_200),
            word("four", 800..1_200),
            word("eight", 1_200..2_100),
        ]);
        let places: Vec<_> = words.iter().map(|word| word.samples.clone()).collect();
        assert_eq!(places, [0..800, 800..1_200, 1_200..2_000, 2_000..2_200]);
    }
}
