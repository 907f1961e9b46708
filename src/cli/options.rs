//! Options that several commands share. Every setting is documented here or at its command, once,
//! and each has an environment variable of the same meaning.

mod broker;
mod gateway;
mod models;
mod workers;

use clap::{
    Args, ValueEnum,
    builder::{PossibleValuesParser, TypedValueParser},
};
use colloquy_contract::transcript::Role;
use colloquy_runtime::telemetry::{LogFormat, TelemetryOptions};

pub(crate) use broker::{BrokerOptions, Identity};
pub(crate) use gateway::GatewayArgs;
pub(crate) use models::{EntityModel, SpeechModel};
pub(crate) use workers::WorkerArgs;

/// What is logged where `RUST_LOG` does not say.
const DEFAULT_LOG: &str = "warn,colloquy=info";

/// How the process logs.
#[derive(Debug, Args)]
pub(crate) struct LogOptions {
    /// How log lines look; RUST_LOG says which there are
    #[arg(
        long,
        global = true,
        env = "COLLOQUY_LOG_FORMAT",
        default_value = "text"
    )]
    log_format: LogFormatOption,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum LogFormatOption {
    /// For people
    Text,
    /// One JSON object a line
    Json,
}

impl LogOptions {
    pub(crate) fn telemetry(&self, service: &str) -> TelemetryOptions {
        TelemetryOptions {
            service: service.to_owned(),
            format: match self.log_format {
                LogFormatOption::Text => LogFormat::Text,
                LogFormatOption::Json => LogFormat::Json,
            },
            default_filter: DEFAULT_LOG,
            otlp_endpoint: None,
        }
    }
}

/// A number of bytes, such as 512MiB.
pub(crate) fn size(text: &str) -> Result<u64, String> {
    let units = [("MiB", 20), ("GiB", 30), ("TiB", 40)];
    let parsed = units.iter().find_map(|(unit, bits)| {
        let number: u64 = text.strip_suffix(unit)?.trim().parse().ok()?;
        number.checked_mul(1 << bits).filter(|bytes| *bytes > 0)
    });
    parsed.ok_or_else(|| "a size is such as 512MiB, 20GiB or 1TiB".to_owned())
}

/// Reads the name of a role.
pub(crate) fn role_names() -> impl TypedValueParser<Value = Role> {
    let names = [Role::Agent, Role::Customer, Role::Unknown].map(|role| role.as_str());
    PossibleValuesParser::new(names).map(|name| {
        let mut known = [Role::Agent, Role::Customer].into_iter();
        known.find(|role| role.as_str() == name).unwrap_or_default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units() {
        assert_eq!(size("512MiB"), Ok(512 * 1024 * 1024));
        assert_eq!(size("20 GiB"), Ok(20 * 1024 * 1024 * 1024));
        for bad in ["", "20", "GiB", "0GiB", "-1GiB", "20GB", "99999999999TiB"] {
            assert!(size(bad).is_err(), "{bad}");
        }
    }
}
