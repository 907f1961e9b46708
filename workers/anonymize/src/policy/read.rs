//! From the text of a file to policies.

use std::{borrow::Cow, collections::BTreeMap, ops::Range, sync::Arc};

use colloquy_contract::{AccountId, facts::PolicyVersion};
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{Action, BUILT_IN, Key, Pattern, Policies, Policy, PolicyError, Rule, Verify, kinds};
use crate::audio::{AudioPolicy, Format, Style};

/// Most entries of a list.
const MAX_ENTRIES: usize = 1_000;
/// Longest name of a file.
const MAX_NAME: usize = 64;

/// Reads the text of a file on top of the built-in policy.
pub(super) fn policies(text: &str, key: Option<&Key>) -> Result<Policies, PolicyError> {
    let mut default = Policy::strictest();
    default.key = key.cloned();
    let rules = kinds::defaults().map(|(kind, action)| {
        let rule = Rule {
            action,
            threshold: 0.0,
        };
        (kind.to_owned(), rule)
    });
    default.rules = rules.collect();
    let built_in = Source { text: BUILT_IN };
    built_in.file(default, "").and_then(|policies| {
        let default = Policy::clone(&policies.default);
        Source { text }.file(default, text)
    })
}

type Name<'i> = Spanned<Cow<'i, str>>;
type Value<'i> = Spanned<DeValue<'i>>;

/// What stands in a table under a name.
#[derive(Clone, Copy)]
struct Entry<'t, 'i> {
    key: &'t Name<'i>,
    value: &'t Value<'i>,
}

impl Entry<'_, '_> {
    fn name(&self) -> &str {
        self.key.get_ref()
    }

    fn key_span(&self) -> Range<usize> {
        self.key.span()
    }
}

/// What stands in a table, in order.
fn entries<'t, 'i>(table: &'t DeTable<'i>) -> impl Iterator<Item = Entry<'t, 'i>> {
    table.iter().map(|(key, value)| Entry { key, value })
}

/// A text, to tell lines.
struct Source<'a> {
    text: &'a str,
}

impl<'a> Source<'a> {
    fn file(&self, mut default: Policy, versioned: &str) -> Result<Policies, PolicyError> {
        let table = DeTable::parse(self.text).map_err(|error| PolicyError::Syntax {
            line: self.line(error.span().map_or(0, |span| span.start)),
            problem: error.message().to_owned(),
        })?;
        default.version = PolicyVersion {
            version: super::version_of(versioned.as_bytes()),
            name: None,
        };
        // The default section first, wherever it stands.
        let mut accounts = None;
        for entry in entries(table.get_ref()) {
            match entry.name() {
                "name" => default.version.name = Some(self.name(entry)?),
                "default" => self.section(entry, &mut default)?,
                "accounts" => accounts = Some(self.table(entry)?),
                _ => return Err(self.unknown(entry, &["name", "default", "accounts"])),
            }
        }
        let mut own = BTreeMap::new();
        for entry in accounts.into_iter().flat_map(entries) {
            let account: AccountId = entry.name().parse().map_err(|_| {
                self.invalid(
                    entry.key_span(),
                    "under [accounts] stands what is no account's id",
                )
            })?;
            let mut policy = default.clone();
            self.section(entry, &mut policy)?;
            own.insert(account, Arc::new(policy));
        }
        Ok(Policies {
            default: Arc::new(default),
            accounts: own,
        })
    }

    /// What is said for all accounts, or for one, on top of what is there.
    fn section(&self, section: Entry<'_, '_>, to: &mut Policy) -> Result<(), PolicyError> {
        for entry in entries(self.table(section)?) {
            match entry.name() {
                "types" => self.types(entry, to)?,
                "allow" => to.allow.extend(self.patterns(entry)?),
                "deny" => to.deny.extend(self.patterns(entry)?),
                "audio" => self.audio(entry, &mut to.audio)?,
                "proof" => self.proof(entry, to)?,
                _ => return Err(self.unknown(entry, &["types", "allow", "deny", "audio", "proof"])),
            }
        }
        Ok(())
    }

    fn types(&self, section: Entry<'_, '_>, to: &mut Policy) -> Result<(), PolicyError> {
        for entry in entries(self.table(section)?) {
            let name = entry.name();
            let Some(kind) = kinds::names().find(|kind| *kind == name) else {
                let known: Vec<&str> = kinds::names().collect();
                let known = known.join(", ");
                let problem = format!("'{name}' is no entity type; there are {known}");
                return Err(self.invalid(entry.key_span(), &problem));
            };
            let mut rule = to.rule(kind);
            match entry.value.get_ref() {
                DeValue::Table(table) => {
                    for entry in entries(table) {
                        match entry.name() {
                            "action" => rule.action = self.choice(entry, &Action::ALL)?,
                            "threshold" => rule.threshold = self.share(entry)?,
                            _ => return Err(self.unknown(entry, &["action", "threshold"])),
                        }
                    }
                }
                _ => rule.action = self.choice(entry, &Action::ALL)?,
            }
            if rule.action == Action::Hash && to.key.is_none() {
                return Err(self.invalid(
                    entry.key_span(),
                    "\"hash\" needs a key, which does not stand here: give --redaction-key-file",
                ));
            }
            if rule.action == Action::Keep && kind == kinds::CUSTOM {
                return Err(self.invalid(
                    entry.key_span(),
                    "what a deny list finds cannot be kept; shorten the list instead",
                ));
            }
            to.rules.insert(kind.to_owned(), rule);
        }
        Ok(())
    }

    fn audio(&self, section: Entry<'_, '_>, to: &mut AudioPolicy) -> Result<(), PolicyError> {
        let styles = [("tone", Style::Tone), ("silence", Style::Silence)];
        let formats = [
            ("opus", Format::Opus),
            ("flac", Format::Flac),
            ("wav", Format::Wav),
        ];
        let padding = AudioPolicy::MAX_PADDING_MS;
        for entry in entries(self.table(section)?) {
            match entry.name() {
                "cover" => to.style = self.choice(entry, &styles)?,
                "padding_before_ms" => to.padding_before_ms = self.number(entry, padding)?,
                "padding_after_ms" => to.padding_after_ms = self.number(entry, padding)?,
                "fade_ms" => to.fade_ms = self.number(entry, AudioPolicy::MAX_FADE_MS)?,
                "format" => to.format = self.choice(entry, &formats)?,
                _ => {
                    return Err(self.unknown(
                        entry,
                        &[
                            "cover",
                            "padding_before_ms",
                            "padding_after_ms",
                            "fade_ms",
                            "format",
                        ],
                    ));
                }
            }
        }
        Ok(())
    }

    fn proof(&self, section: Entry<'_, '_>, to: &mut Policy) -> Result<(), PolicyError> {
        for entry in entries(self.table(section)?) {
            match entry.name() {
                "verify" => to.verify = self.choice(entry, &Verify::ALL)?,
                "retries" => to.retries = self.number(entry, crate::proof::MAX_RETRIES)?,
                _ => return Err(self.unknown(entry, &["verify", "retries"])),
            }
        }
        Ok(())
    }

    fn patterns(&self, list: Entry<'_, '_>) -> Result<Vec<Pattern>, PolicyError> {
        let (name, value) = (list.name(), list.value);
        let DeValue::Array(entries) = value.get_ref() else {
            let problem = format!("'{name}' is a list, such as {name} = [\"Word\", \"AC-###\"]");
            return Err(self.invalid(value.span(), &problem));
        };
        if entries.len() > MAX_ENTRIES {
            let problem = format!("'{name}' has more than {MAX_ENTRIES} entries");
            return Err(self.invalid(value.span(), &problem));
        }
        let pattern = |(entry, number): (&Value<'_>, usize)| {
            let DeValue::String(text) = entry.get_ref() else {
                let problem = format!("entry {number} of '{name}' is no text; put it in quotes");
                return Err(self.invalid(entry.span(), &problem));
            };
            Pattern::parse(text).map_err(|problem| {
                self.invalid(
                    entry.span(),
                    &format!("entry {number} of '{name}' {problem}"),
                )
            })
        };
        entries.iter().zip(1..).map(pattern).collect()
    }

    fn name(&self, entry: Entry<'_, '_>) -> Result<String, PolicyError> {
        let is_name = |text: &str| {
            let is_sign = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
            (1..=MAX_NAME).contains(&text.len()) && text.chars().all(is_sign)
        };
        match entry.value.get_ref() {
            DeValue::String(text) if is_name(text) => Ok(text.clone().into_owned()),
            _ => Err(self.invalid(
                entry.key_span(),
                "'name' is a short text of letters, digits, '.', '_' and '-', such as \"2026-11\"",
            )),
        }
    }

    fn table<'t, 'i>(&self, section: Entry<'t, 'i>) -> Result<&'t DeTable<'i>, PolicyError> {
        match section.value.get_ref() {
            DeValue::Table(table) => Ok(table),
            _ => {
                let problem = format!("'{}' is a section, in brackets", section.name());
                Err(self.invalid(section.key_span(), &problem))
            }
        }
    }

    fn choice<T: Copy>(
        &self,
        entry: Entry<'_, '_>,
        choices: &[(&str, T)],
    ) -> Result<T, PolicyError> {
        let named = match entry.value.get_ref() {
            DeValue::String(text) => choices.iter().find(|(name, _)| *name == text.as_ref()),
            _ => None,
        };
        named.map(|(_, choice)| *choice).ok_or_else(|| {
            let names: Vec<String> = choices
                .iter()
                .map(|(name, _)| format!("\"{name}\""))
                .collect();
            let problem = format!("'{}' is one of {}", entry.name(), names.join(", "));
            self.invalid(entry.value.span(), &problem)
        })
    }

    fn number(&self, entry: Entry<'_, '_>, most: u32) -> Result<u32, PolicyError> {
        let number = match entry.value.get_ref() {
            DeValue::Integer(number) if number.radix() == 10 => number.as_str().parse().ok(),
            _ => None,
        };
        number.filter(|number| *number <= most).ok_or_else(|| {
            let problem = format!("'{}' is a number from 0 to {most}", entry.name());
            self.invalid(entry.value.span(), &problem)
        })
    }

    fn share(&self, entry: Entry<'_, '_>) -> Result<f32, PolicyError> {
        let share: Option<f32> = match entry.value.get_ref() {
            DeValue::Integer(number) => number.as_str().parse().ok(),
            DeValue::Float(number) => number.as_str().parse().ok(),
            _ => None,
        };
        share
            .filter(|share| (0.0..=1.0).contains(share))
            .ok_or_else(|| {
                let problem = format!("'{}' is a number from 0 to 1", entry.name());
                self.invalid(entry.value.span(), &problem)
            })
    }

    fn unknown(&self, entry: Entry<'_, '_>, known: &[&str]) -> PolicyError {
        let problem = format!(
            "'{}' is not known here; there are {}",
            entry.name(),
            known.join(", ")
        );
        self.invalid(entry.key_span(), &problem)
    }

    fn invalid(&self, span: Range<usize>, problem: &str) -> PolicyError {
        PolicyError::Invalid {
            line: self.line(span.start),
            problem: problem.to_owned(),
        }
    }

    fn line(&self, at: usize) -> usize {
        let before = self.text.as_bytes().iter().take(at);
        before.filter(|byte| **byte == b'\n').count() + 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(text: &str) -> AccountId {
        text.parse().unwrap()
    }

    #[test]
    fn the_built_in_policy_is_read() {
        let policies = Policies::parse("", None).unwrap();
        let policy = policies.of(&account("acme"));
        for (kind, redacted) in [
            ("PERSON", true),
            ("LOCATION", true),
            ("CREDIT_CARD", true),
            ("MONEY", true),
            ("DATE_TIME", true),
            ("ORGANIZATION", false),
            ("NRP", false),
            ("TITLE", false),
            ("NEVER_HEARD_OF", true),
        ] {
            assert_eq!(policy.redacts(kind, 0.1), redacted, "{kind}");
        }
        assert_eq!(policy.audio, AudioPolicy::default());
        assert_eq!((policy.verify, policy.retries), (Verify::Removed, 3));
        assert_eq!(policies.version(), Policy::default().version());
    }

    #[test]
    fn an_account_has_its_own_policy_on_top_of_the_default_one() {
        let key = Key::new("0123456789abcdef").unwrap();
        let text = r#"
            name = "2026-11"
            [accounts.acme]
            deny = ["Nightingale"]
            [accounts.acme.types]
            CREDIT_CARD = "last4"
            PERSON = "hash"
            [accounts.acme.audio]
            cover = "silence"
            format = "flac"
            [default]
            deny = ["Project X"]
            [default.types]
            MONEY = "keep"
            PERSON = { action = "mask", threshold = 0.5 }
            [default.proof]
            verify = "all"
            retries = 1
        "#;
        let policies = Policies::parse(text, Some(&key)).unwrap();
        assert_eq!(policies.accounts(), 1);
        let (own, other) = (
            policies.of(&account("acme")),
            policies.of(&account("other")),
        );
        assert_eq!(own.rule("PERSON").action, Action::Hash);
        assert!(!own.redacts("PERSON", 0.4) && own.redacts("person", 0.5));
        assert_eq!(other.rule("PERSON").action, Action::Mask);
        assert_eq!(own.rule("CREDIT_CARD").action, Action::LastFour);
        assert!(!own.redacts("MONEY", 1.0) && other.redacts("CREDIT_CARD", 0.0));
        assert_eq!((own.deny.len(), other.deny.len()), (2, 1));
        assert_eq!(own.audio.style, Style::Silence);
        assert_eq!(
            (own.audio.format, other.audio.format),
            (Format::Flac, Format::Opus)
        );
        assert_eq!((own.verify, own.retries), (Verify::All, 1));
        let version = own.version();
        assert_eq!(version.name.as_deref(), Some("2026-11"));
        assert_eq!(version.version.len(), 12);
        assert_eq!(version, other.version());
        assert_ne!(version.version, Policy::default().version().version);
        assert!(!format!("{policies:?}").contains("ightingale"));
    }

    #[test]
    fn what_cannot_be_used_is_refused_with_its_line_and_without_being_quoted() {
        for (text, line, expected) in [
            ("[default]\nallow = [\"secret\"", 2, "no TOML"),
            ("[default]\n\nverify = \"all\"", 3, "there are types"),
            ("policies = 1", 1, "there are name, default, accounts"),
            (
                "[default.types]\nPERSONS = \"label\"",
                2,
                "PERSON, PHONE_NUMBER",
            ),
            ("[default.types]\nPERSON = \"secret\"", 2, "\"label\""),
            (
                "[default.types]\nPERSON = \"hash\"",
                2,
                "--redaction-key-file",
            ),
            ("[default.types]\nCUSTOM = \"keep\"", 2, "deny list"),
            ("[default.types]\nPERSON = { threshold = 2 }", 2, "0 to 1"),
            (
                "[default.types]\nPERSON = { score = 1 }",
                2,
                "action, threshold",
            ),
            (
                "[default]\ndeny = [\"fine\",\n\"*secret\"]",
                3,
                "entry 2 of 'deny'",
            ),
            ("[default]\ndeny = \"secret\"", 2, "is a list"),
            ("[default]\nallow = [12]", 2, "quotes"),
            ("[default.audio]\ncover = \"secret\"", 2, "\"silence\""),
            (
                "[default.audio]\nformat = \"mp3\"",
                2,
                "\"opus\", \"flac\", \"wav\"",
            ),
            ("[default.audio]\npadding_before_ms = -1", 2, "0 to 2000"),
            ("[default.audio]\nfade_ms = 51", 2, "0 to 50"),
            ("[default.proof]\nverify = true", 2, "\"removed\""),
            ("[default.proof]\nretries = 99", 2, "0 to"),
            (
                "[accounts.\"Secret Ltd!\"]\nallow = []",
                1,
                "no account's id",
            ),
            ("name = \"my secret name\"", 1, "short text"),
            ("default = 1", 1, "section"),
        ] {
            let error = Policies::parse(text, None).unwrap_err().to_string();
            assert!(
                error.starts_with(&format!("line {line} ")),
                "{text}: {error}"
            );
            assert!(error.contains(expected), "{text}: {error}");
            assert!(!error.to_lowercase().contains("secret"), "{text}: {error}");
        }
    }
}
