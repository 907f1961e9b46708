//! `colloquy contract`: the messages, for those who write services in other languages, and for
//! those who run the broker.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use clap::{Args, Subcommand, ValueEnum};
use colloquy_contract::{
    asyncapi, compat,
    permissions::{OPERATOR, User, nats_config},
    schema,
    services::{self, ServiceSpec},
};
use uuid::Uuid;

use super::say;

/// Options of `colloquy contract`.
#[derive(Debug, Args)]
pub(crate) struct Contract {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// JSON Schema (2020-12) of every fact, document, read model and request
    Schema,
    /// The whole contract as an AsyncAPI 3.0 document
    Asyncapi,
    /// Compare with another version of the program; fails if they do not understand each other
    Check(Check),
    /// What each service may do at the broker, as the server's configuration
    Permissions(Permissions),
}

impl Contract {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        match self.action {
            Action::Schema => say(serde_json::to_string_pretty(&schema::all())?),
            Action::Asyncapi => say(serde_json::to_string_pretty(&asyncapi::document())?),
            Action::Check(check) => check.run()?,
            Action::Permissions(permissions) => permissions.run()?,
        }
        Ok(())
    }
}

#[derive(Debug, Args)]
struct Check {
    /// What 'colloquy contract schema' of the other version printed
    base: PathBuf,
    /// Accept new versions of facts, whose readers must be updated before their writers
    #[arg(long)]
    allow_new_version: bool,
    /// Print the matrix as JSON
    #[arg(long)]
    json: bool,
}

impl Check {
    fn run(&self) -> anyhow::Result<()> {
        let shown = self.base.display();
        let text =
            fs::read(&self.base).with_context(|| format!("the base {shown} cannot be read"))?;
        let base = serde_json::from_slice(&text)
            .with_context(|| format!("the base {shown} is not JSON"))?;
        let report = compat::check(&base)?;
        let compatible = report.is_compatible(self.allow_new_version);
        if self.json {
            let mut printed = serde_json::to_value(&report)?;
            printed["compatible"] = compatible.into();
            say(serde_json::to_string_pretty(&printed)?);
        } else {
            show(&report);
        }
        if !compatible {
            bail!("the contract is incompatible with {shown}");
        }
        Ok(())
    }
}

fn show(report: &compat::Report) {
    let width = report.rows.iter().map(|row| row.name.len()).max();
    let width = width.unwrap_or_default();
    say(format!(
        "{:width$}  {:>8}  {:14}  {:14}",
        "message", "versions", "old reads new", "new reads old"
    ));
    for row in &report.rows {
        let shown = |version: Option<u64>| version.map_or("-".to_owned(), |v| v.to_string());
        let (old, new) = (shown(row.base_version), shown(row.this_version));
        let versions = match (row.base_version, row.this_version) {
            (None, None) => String::new(),
            (one, other) if one == other => new,
            _ => format!("{old} -> {new}"),
        };
        say(format!(
            "{:width$}  {versions:>8}  {:14}  {:14}",
            row.name, row.old_reader_new_writer, row.new_reader_old_writer
        ));
    }
    for row in report.rows.iter().filter(|row| !row.changes.is_empty()) {
        say(format!("\n{}:", row.name));
        for change in &row.changes {
            let direction = match change.direction {
                compat::Direction::OldReaderNewWriter => "old reads new",
                compat::Direction::NewReaderOldWriter => "new reads old",
            };
            say(format!(
                "  {direction}: {}: {}\n    {}",
                change.path, change.problem, change.advice
            ));
        }
    }
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    /// The authorization block of a NATS server's configuration
    Nats,
    /// Users and subjects, for other tools
    Json,
}

#[derive(Debug, Args)]
struct Permissions {
    /// How to print them
    #[arg(long, value_enum, default_value = "nats")]
    format: Format,
    /// Only this service, or 'operator'; may be given several times
    #[arg(long = "service", value_name = "NAME")]
    services: Vec<String>,
    /// One user of this name for one process that runs all of the services
    #[arg(long, value_name = "NAME")]
    together: Option<String>,
    /// Make a password for each user and write them into this new file, as lines of NAME=value for
    /// the server's environment
    #[arg(long, value_name = "FILE")]
    passwords: Option<PathBuf>,
}

impl Permissions {
    fn run(&self) -> anyhow::Result<()> {
        let users = self.users()?;
        if let Some(path) = &self.passwords {
            write_passwords(path, &users)?;
        }
        match self.format {
            Format::Nats => say(nats_config(&users)),
            Format::Json => say(serde_json::to_string_pretty(&users)?),
        }
        Ok(())
    }

    fn users(&self) -> anyhow::Result<Vec<User>> {
        if let Some(name) = &self.together {
            let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
            if name.is_empty() || !name.chars().all(plain) {
                bail!("a user's name has characters of a-z, 0-9 and '-'");
            }
            let services: Vec<&ServiceSpec> = match self.services.as_slice() {
                [] => services::ALL.iter().collect(),
                names => names
                    .iter()
                    .map(|name| find(name))
                    .collect::<anyhow::Result<_>>()?,
            };
            return Ok(vec![User::together(name, &services)]);
        }
        if self.services.is_empty() {
            return Ok(User::all());
        }
        let user = |name: &String| match name.as_str() {
            OPERATOR => Ok(User::operator()),
            name => find(name).map(User::of),
        };
        self.services.iter().map(user).collect()
    }
}

fn find(name: &str) -> anyhow::Result<&'static ServiceSpec> {
    services::find(name).with_context(|| {
        let known: Vec<&str> = services::ALL.iter().map(|service| service.name).collect();
        format!(
            "there is no service '{name}'; there are {}",
            known.join(", ")
        )
    })
}

/// A file that only we can read, and that is never written over: passwords in use are not lost.
fn write_passwords(path: &Path, users: &[User]) -> anyhow::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options
        .open(path)
        .with_context(|| format!("the new file {} cannot be made", path.display()))?;
    for user in users {
        // The server reads the value as a word of its configuration: one that starts with a
        // letter is never taken for a number.
        let (one, other) = (Uuid::new_v4().simple(), Uuid::new_v4().simple());
        writeln!(file, "{}=p{one}{other}", user.password_variable())?;
    }
    file.sync_all()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(services: &[&str], together: Option<&str>) -> anyhow::Result<Vec<String>> {
        let permissions = Permissions {
            format: Format::Nats,
            services: services.iter().map(|&name| name.to_owned()).collect(),
            together: together.map(str::to_owned),
            passwords: None,
        };
        let users = permissions.users()?;
        Ok(users.into_iter().map(|user| user.name).collect())
    }

    #[test]
    fn users_are_those_asked_for() {
        let all = asked(&[], None).unwrap();
        assert_eq!(all.len(), services::ALL.len() + 1);
        assert_eq!(
            asked(&["tag", "operator"], None).unwrap(),
            ["tag", "operator"]
        );
        assert_eq!(
            asked(&["tag", "decode"], Some("workers")).unwrap(),
            ["workers"]
        );
        let unknown = asked(&["tga"], None).unwrap_err().to_string();
        assert!(unknown.contains("tag"), "{unknown}");
        assert!(asked(&[], Some("no name")).is_err());
    }

    #[test]
    fn passwords_are_never_written_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("passwords.env");
        let users = User::all();
        write_passwords(&path, &users).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        let values: std::collections::BTreeSet<&str> = text
            .lines()
            .filter_map(|line| Some(line.split_once('=')?.1))
            .collect();
        assert_eq!(values.len(), users.len());
        assert!(values.iter().all(|value| value.len() == 65));
        assert!(write_passwords(&path, &users).is_err());
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
    }

    #[test]
    fn a_changed_contract_fails_the_check() {
        let folder = tempfile::tempdir().unwrap();
        let base = folder.path().join("base.json");
        let check = Check {
            base: base.clone(),
            allow_new_version: false,
            json: false,
        };
        assert!(check.run().is_err());
        let mut contract = schema::all();
        fs::write(&base, contract.to_string()).unwrap();
        check.run().unwrap();
        contract["facts"]["account.created"]["properties"]["email"]["type"] = "integer".into();
        fs::write(&base, contract.to_string()).unwrap();
        assert!(check.run().is_err());
    }
}
