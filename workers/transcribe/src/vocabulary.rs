//! The tokens of a Whisper model: what they spell, and the special ones.

use std::path::Path;

use tokenizers::Tokenizer;

use crate::error::{Cause, EngineError};

/// Files that can hold the tokens; CTranslate2's converter writes one of them.
pub(crate) const FILES: [&str; 2] = ["vocabulary.json", "vocabulary.txt"];
/// The tokenizer, needed only for a request's vocabulary.
const TOKENIZER: &str = "tokenizer.json";
/// The most tokens of a prompt: half of the decoder's 448 positions, less the task tokens.
const MAX_PROMPT: usize = 223;

/// The tokens of a model.
pub(crate) struct Vocabulary {
    tokens: Vec<String>,
    end_of_text: usize,
    tokenizer: Option<Tokenizer>,
}

impl Vocabulary {
    /// Reads the tokens of the model in `folder`.
    pub(crate) fn read(folder: &Path) -> Result<Self, EngineError> {
        let unreadable = |file: &str, source| EngineError::ModelUnreadable {
            folder: folder.to_owned(),
            file: file.to_owned(),
            source,
        };
        let file = FILES
            .into_iter()
            .find(|file| folder.join(file).is_file())
            .unwrap_or(FILES[0]);
        let tokens = read_tokens(&folder.join(file)).map_err(|source| unreadable(file, source))?;
        let end_of_text = tokens
            .iter()
            .position(|token| token == "<|endoftext|>")
            .ok_or_else(|| unreadable(file, "there is no <|endoftext|> among the tokens".into()))?;
        let path = folder.join(TOKENIZER);
        let tokenizer = path
            .is_file()
            .then(|| Tokenizer::from_file(&path))
            .transpose()
            .map_err(|source| unreadable(TOKENIZER, source))?;
        Ok(Self {
            tokens,
            end_of_text,
            tokenizer,
        })
    }

    /// The number of a special token.
    pub(crate) fn special(&self, token: &str) -> Option<usize> {
        let rest = self.tokens.get(self.end_of_text..)?;
        rest.iter()
            .position(|known| known == token)
            .map(|at| self.end_of_text + at)
    }

    /// Whether a token is text, not an order to the decoder.
    pub(crate) fn is_text(&self, token: usize) -> bool {
        token < self.end_of_text
    }

    /// The bytes that a text token spells: part of a character, a character, or several.
    pub(crate) fn spelling(&self, token: usize) -> Vec<u8> {
        let token = self.tokens.get(token).map_or("", String::as_str);
        token.chars().filter_map(byte_of).collect()
    }

    /// The text that tokens spell together.
    pub(crate) fn text(&self, tokens: &[usize]) -> String {
        let bytes: Vec<u8> = tokens
            .iter()
            .flat_map(|&token| self.spelling(token))
            .collect();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// A text in tokens, its first ones if they are more than a prompt can have.
    pub(crate) fn prompt(&self, model: &str, text: &str) -> Result<Vec<String>, EngineError> {
        let no_tokenizer = || EngineError::NoTokenizer {
            model: model.to_owned(),
        };
        let tokenizer = self.tokenizer.as_ref().ok_or_else(no_tokenizer)?;
        let encoding = tokenizer
            .encode(format!(" {}", text.trim()), false)
            .map_err(|source| EngineError::Vocabulary {
                model: model.to_owned(),
                source,
            })?;
        let known = encoding
            .get_ids()
            .iter()
            .filter_map(|&id| self.tokens.get(id as usize));
        Ok(known.take(MAX_PROMPT).cloned().collect())
    }
}

fn read_tokens(path: &Path) -> Result<Vec<String>, Cause> {
    let text = std::fs::read_to_string(path)?;
    if path
        .extension()
        .is_some_and(|extension| extension == "json")
    {
        return Ok(serde_json::from_str(&text)?);
    }
    let lines = text.strip_suffix('\n').unwrap_or(&text).split('\n');
    Ok(lines
        .map(|line| line.strip_suffix('\r').unwrap_or(line).to_owned())
        .collect())
}

/// The byte that a character of a token stands for.
///
/// Byte-level BPE writes each byte as a printable character: itself if it is printable, else one
/// from U+0100 on, in order.
fn byte_of(sign: char) -> Option<u8> {
    match u32::from(sign) {
        code @ (0x21..=0x7e | 0xa1..=0xac | 0xae..=0xff) => u8::try_from(code).ok(),
        code @ 0x100..=0x120 => u8::try_from(code - 0x100).ok(),
        code @ 0x121..=0x142 => u8::try_from(code - 0x121 + 0x7f).ok(),
        0x143 => Some(0xad),
        _ => None,
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A vocabulary of these text tokens, numbered in order, and the special ones after them.
    pub(crate) fn of(tokens: &[&str]) -> Vocabulary {
        let specials = ["<|endoftext|>", "<|startoftranscript|>", "<|en|>"];
        let tokens: Vec<String> = tokens
            .iter()
            .chain(&specials)
            .map(|&t| t.to_owned())
            .collect();
        let end_of_text = tokens.len() - specials.len();
        Vocabulary {
            tokens,
            end_of_text,
            tokenizer: None,
        }
    }

    #[test]
    fn every_byte_has_one_sign() {
        let mut bytes: Vec<u8> = (0..0x200)
            .filter_map(char::from_u32)
            .filter_map(byte_of)
            .collect();
        bytes.sort_unstable();
        assert_eq!(bytes, (0..=255).collect::<Vec<u8>>());
    }

    #[test]
    fn tokens_spell_text() {
        let vocabulary = of(&["ĠZ", "o", "Ã", "«", "Ċ"]);
        assert_eq!(vocabulary.text(&[0, 1, 2, 3, 4]), " Zoë\n");
        assert_eq!(vocabulary.spelling(2), [0xc3]);
        assert!(vocabulary.is_text(4) && !vocabulary.is_text(5));
        assert_eq!(vocabulary.special("<|en|>"), Some(7));
        assert_eq!(vocabulary.special("o"), None);
        let refused = vocabulary.prompt("tiny", "Zoë");
        assert!(matches!(refused, Err(EngineError::NoTokenizer { .. })));
    }
}
