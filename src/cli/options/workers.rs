//! How workers work.

use std::{num::NonZeroUsize, path::PathBuf};

use clap::Args;
use colloquy_anonymize::policy::Sources;
use colloquy_contract::transcript::Role;

use super::{
    models::{EntityModel, SpeechModel, SpeechServerArgs},
    role_names,
};

/// How workers work.
#[derive(Debug, Clone, Args)]
pub(crate) struct WorkerArgs {
    #[command(flatten)]
    pub(crate) model: SpeechModel,

    /// Threads of the speech model [default: all cores]
    #[arg(long, env = "COLLOQUY_MODEL_THREADS")]
    pub(crate) model_threads: Option<NonZeroUsize>,

    #[command(flatten)]
    pub(crate) speech: SpeechServerArgs,

    #[command(flatten)]
    pub(crate) entity_model: EntityModel,

    /// Names and terms to expect, by account: a TOML file
    #[arg(long, env = "COLLOQUY_VOCABULARY_FILE", value_name = "FILE")]
    pub(crate) vocabulary_file: Option<PathBuf>,

    /// Who is on which channel of calls that do not say so, such as agent,customer
    ///
    /// It holds for recordings with as many channels.
    #[arg(long, env = "COLLOQUY_CHANNEL_ROLES", value_name = "ROLE,…",
          value_delimiter = ',', value_parser = role_names(), hide_possible_values = true)]
    pub(crate) channel_roles: Vec<Role>,

    #[command(flatten)]
    pub(crate) redaction: RedactionArgs,

    /// Folder of the search index [default: in the data folder]
    #[arg(long, env = "COLLOQUY_INDEX_DIR", value_name = "FOLDER")]
    pub(crate) index_dir: Option<PathBuf>,

    /// Partitions that this index node owns, such as 0-31
    #[arg(long, env = "COLLOQUY_INDEX_PARTITIONS", default_value = "0-63",
          value_parser = partitions)]
    pub(crate) index_partitions: Partitions,

    /// Mail server, such as smtps://mail.example.com; without one, e-mails become files
    #[arg(long, env = "COLLOQUY_SMTP_URL", value_name = "URL")]
    pub(crate) smtp_url: Option<String>,

    /// User of the mail server
    #[arg(long, env = "COLLOQUY_SMTP_USER", requires = "smtp_password")]
    pub(crate) smtp_user: Option<String>,

    /// Password of the mail server
    #[arg(long, env = "COLLOQUY_SMTP_PASSWORD", hide_env_values = true)]
    pub(crate) smtp_password: Option<String>,

    /// Sender of e-mails
    #[arg(
        long,
        env = "COLLOQUY_MAIL_FROM",
        default_value = "Colloquy <colloquy@localhost.localdomain>"
    )]
    pub(crate) mail_from: String,

    /// Folder of e-mails where there is no mail server [default: in the data folder]
    #[arg(long, env = "COLLOQUY_MAIL_DIR", value_name = "FOLDER")]
    pub(crate) mail_dir: Option<PathBuf>,

    /// Address of the customer-relations system that is told of new accounts; without one, none is
    #[arg(
        long,
        env = "COLLOQUY_CRM_URL",
        hide_env_values = true,
        value_name = "URL",
        requires = "crm_secret"
    )]
    pub(crate) crm_url: Option<String>,

    /// Secret that webhooks to it are signed with, whsec_… (Standard Webhooks)
    #[arg(
        long,
        env = "COLLOQUY_CRM_SECRET",
        hide_env_values = true,
        value_name = "SECRET"
    )]
    pub(crate) crm_secret: Option<String>,

    /// Address that is told how conversations end; without one, none is
    #[arg(
        long,
        env = "COLLOQUY_WEBHOOK_URL",
        hide_env_values = true,
        value_name = "URL",
        requires = "webhook_secret"
    )]
    pub(crate) webhook_url: Option<String>,

    /// Secret that webhooks to it are signed with, whsec_… (Standard Webhooks)
    #[arg(
        long,
        env = "COLLOQUY_WEBHOOK_SECRET",
        hide_env_values = true,
        value_name = "SECRET"
    )]
    pub(crate) webhook_secret: Option<String>,

    /// Folder of the warehouse's Parquet files [default: in the data folder]
    #[arg(long, env = "COLLOQUY_WAREHOUSE_DIR", value_name = "FOLDER")]
    pub(crate) warehouse_dir: Option<PathBuf>,

    /// Folder for data that is not with the broker
    #[arg(
        long,
        env = "COLLOQUY_DATA",
        default_value = "data",
        value_name = "FOLDER"
    )]
    pub(crate) data: PathBuf,
}

/// What is redacted, and how.
#[derive(Debug, Clone, Args)]
pub(crate) struct RedactionArgs {
    /// What is redacted and how, by account: a TOML file, which is read again when it changes
    /// [default: the built-in policy]
    #[arg(long, env = "COLLOQUY_REDACTION_POLICY", value_name = "FILE")]
    redaction_policy: Option<PathBuf>,

    /// File with the key of the redaction policy's hashes
    #[arg(
        long,
        env = "COLLOQUY_REDACTION_KEY_FILE",
        value_name = "FILE",
        conflicts_with = "redaction_key"
    )]
    redaction_key_file: Option<PathBuf>,

    /// Key of the redaction policy's hashes; better by file or environment, for others see command
    /// lines
    #[arg(
        long,
        env = "COLLOQUY_REDACTION_KEY",
        hide_env_values = true,
        value_name = "KEY"
    )]
    redaction_key: Option<String>,
}

impl RedactionArgs {
    /// Where policies come from.
    pub(crate) fn sources(&self) -> anyhow::Result<Sources> {
        let key = self.redaction_key.as_deref();
        Ok(Sources {
            policy: self.redaction_policy.clone(),
            key_file: self.redaction_key_file.clone(),
            key: key.map(colloquy_anonymize::policy::Key::new).transpose()?,
        })
    }
}

/// A range of partitions.
#[derive(Debug, Clone)]
pub(crate) struct Partitions(pub(crate) std::ops::RangeInclusive<u8>);

fn partitions(text: &str) -> Result<Partitions, String> {
    let last = colloquy_contract::subject::PARTITIONS - 1;
    let bounds = text.split_once('-').unwrap_or((text, text));
    match (bounds.0.trim().parse::<u8>(), bounds.1.trim().parse::<u8>()) {
        (Ok(from), Ok(to)) if from <= to && to <= last => Ok(Partitions(from..=to)),
        _ => Err(format!(
            "a range of partitions is such as 0-31, within 0-{last}"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_are_a_range() {
        assert_eq!(partitions("0-31").unwrap().0, 0..=31);
        assert_eq!(partitions("7").unwrap().0, 7..=7);
        for bad in ["", "x", "3-2", "0-64", "-", "1-2-3"] {
            assert!(partitions(bad).is_err(), "{bad}");
        }
    }
}
