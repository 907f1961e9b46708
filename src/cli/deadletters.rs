//! `colloquy deadletters`: what services gave up on.

use std::time::Duration;

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use colloquy_bus::{
    Bus,
    deadletters::{DeadLetter, DeadLetterFilter, Redriven},
};
use colloquy_contract::{AccountId, period};
use jiff::Timestamp;

use super::{options::BrokerOptions, say};

/// Most dead letters that one command handles.
const MAX_AT_ONCE: usize = 100_000;

/// Options of `colloquy deadletters`.
#[derive(Debug, Args)]
pub(crate) struct DeadLetters {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    broker: BrokerOptions,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List dead letters, oldest first
    List {
        #[command(flatten)]
        which: Which,
        /// Most to list
        #[arg(long, default_value_t = 100)]
        limit: usize,
        /// One JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// Show one with its history
    Show {
        /// Its number
        number: u64,
        /// Also show the message's data, which may hold personal data
        #[arg(long)]
        data: bool,
    },
    /// Give dead letters back to the services that gave up on them
    Redrive {
        /// Their numbers; without any, all that match the filters
        numbers: Vec<u64>,
        #[command(flatten)]
        which: Which,
        /// Only say what would be redriven
        #[arg(long)]
        dry_run: bool,
        /// Redrive what matches the filters; without it they are only counted
        #[arg(long)]
        yes: bool,
        /// Most to redrive in a second
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=10_000))]
        rate: u32,
    },
    /// Drop dead letters; their conversations stay failed
    Discard {
        /// Their numbers
        #[arg(required = true)]
        numbers: Vec<u64>,
    },
}

/// Which dead letters.
#[derive(Debug, Args)]
struct Which {
    /// Of this service
    #[arg(long)]
    service: Option<String>,
    /// Of this account
    #[arg(long)]
    account: Option<AccountId>,
    /// Whose error holds this text
    #[arg(long, value_name = "TEXT")]
    error: Option<String>,
    /// Older than this, such as 2h or 7d
    #[arg(long, value_name = "AGE", value_parser = age)]
    older: Option<Duration>,
    /// Younger than this, such as 2h or 7d
    #[arg(long, value_name = "AGE", value_parser = age)]
    younger: Option<Duration>,
}

fn age(text: &str) -> Result<Duration, &'static str> {
    period::parse(text).ok_or("an age is such as 30m, 2h or 7d")
}

impl Which {
    fn filter(self) -> DeadLetterFilter {
        let now = Timestamp::now();
        // What lies before the beginning of time is as good as its beginning.
        let ago = |age: Duration| now.checked_sub(age).unwrap_or(Timestamp::MIN);
        DeadLetterFilter {
            service: self.service,
            account: self.account,
            error: self.error,
            before: self.older.map(ago),
            since: self.younger.map(ago),
        }
    }
}

impl DeadLetters {
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        let bus = self.broker.connect("colloquy-deadletters").await?;
        let done = act(&bus, self.action).await;
        bus.close().await;
        done
    }
}

async fn act(bus: &Bus, action: Action) -> anyhow::Result<()> {
    match action {
        Action::List { which, limit, json } => list(bus, &which.filter(), limit, json).await,
        Action::Show { number, data } => show(bus, number, data).await,
        Action::Redrive {
            numbers,
            which,
            dry_run,
            yes,
            rate,
        } => {
            let by_filter = numbers.is_empty();
            let numbers = match by_filter {
                false => numbers,
                true => bus
                    .dead_letters(&which.filter(), 0, MAX_AT_ONCE)
                    .await?
                    .iter()
                    .map(|letter| letter.sequence)
                    .collect(),
            };
            if dry_run || (by_filter && !yes) {
                say(format!("{} would be redriven", numbers.len()));
                if by_filter && !dry_run {
                    say("add --yes to redrive them");
                }
                return Ok(());
            }
            redrive(bus, &numbers, rate).await
        }
        Action::Discard { numbers } => {
            for number in numbers {
                match bus.discard(number).await? {
                    true => say(format!("{number}  discarded")),
                    false => say(format!("{number}  was not there")),
                }
            }
            Ok(())
        }
    }
}

async fn list(
    bus: &Bus,
    filter: &DeadLetterFilter,
    limit: usize,
    json: bool,
) -> anyhow::Result<()> {
    let letters = bus.dead_letters(filter, 0, limit).await?;
    for letter in &letters {
        if json {
            say(serde_json::to_string(letter)?);
        } else {
            say(line(letter));
        }
    }
    if letters.is_empty() && !json {
        say("no dead letters");
    }
    Ok(())
}

fn line(letter: &DeadLetter) -> String {
    let fact = letter
        .fact()
        .map_or_else(|| letter.subject.clone(), |fact| fact.to_string());
    let about = letter
        .scope()
        .map(|scope| scope.correlation())
        .unwrap_or_default();
    format!(
        "{:>6}  {:.0}  {:<10}  {fact}  {about}  after {} attempts: {}",
        letter.sequence, letter.at, letter.service, letter.attempts, letter.error
    )
}

async fn show(bus: &Bus, number: u64, with_data: bool) -> anyhow::Result<()> {
    let (letter, data) = bus
        .dead_letter(number)
        .await?
        .with_context(|| format!("there is no dead letter {number} (any more)"))?;
    say(serde_json::to_string_pretty(&letter)?);
    if with_data {
        say(String::from_utf8_lossy(&data));
    }
    Ok(())
}

async fn redrive(bus: &Bus, numbers: &[u64], rate: u32) -> anyhow::Result<()> {
    let mut pace = tokio::time::interval(Duration::from_secs(1) / rate);
    let mut failed = 0;
    for &number in numbers {
        pace.tick().await;
        match bus.redrive(number).await {
            Ok(Redriven::Done) => say(format!("{number}  redriven")),
            Ok(Redriven::Before) => say(format!("{number}  had been redriven before")),
            Ok(Redriven::Gone) => say(format!("{number}  was not there")),
            Err(error) => {
                failed += 1;
                say(format!("{number}  {:#}", anyhow::Error::from(error)));
            }
        }
    }
    if failed > 0 {
        bail!("{failed} of {} could not be redriven", numbers.len());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_before_all_time_matches_nothing_that_is_older() {
        let which = Which {
            service: None,
            account: None,
            error: None,
            older: Some(age("99999999d").unwrap()),
            younger: None,
        };
        assert_eq!(which.filter().before, Some(Timestamp::MIN));
        assert!(age("soon").is_err());
    }
}
