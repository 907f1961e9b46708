//! Texts that are compared by what was said, however it was written down.

/// Letters and digits only, in lower case.
pub fn plain(text: &str) -> String {
    text.chars()
        .filter(|c| c.is_alphanumeric())
        .flat_map(char::to_lowercase)
        .collect()
}
