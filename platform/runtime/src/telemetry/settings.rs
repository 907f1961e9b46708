//! What OpenTelemetry's standard variables say that its crates leave to the program.

use super::{Receiver, TelemetryError};

/// The variables of a process.
#[derive(Clone, Copy)]
pub(super) struct Settings<'a>(pub(super) &'a dyn Fn(&str) -> Option<String>);

/// What is exported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Signal {
    Traces,
    Metrics,
}

impl Signal {
    const fn name(self) -> &'static str {
        match self {
            Self::Traces => "TRACES",
            Self::Metrics => "METRICS",
        }
    }
}

/// The only protocol that is spoken.
const PROTOCOL: &str = "http/protobuf";

impl Settings<'_> {
    /// What a variable says; an empty one counts as not set.
    pub(super) fn get(&self, name: &str) -> Option<String> {
        (self.0)(name).filter(|value| !value.trim().is_empty())
    }

    /// Whether nothing is to leave the process.
    pub(super) fn disabled(&self) -> bool {
        self.get("OTEL_SDK_DISABLED")
            .is_some_and(|value| value.trim().eq_ignore_ascii_case("true"))
    }

    /// Whether the environment names a receiver for a signal.
    pub(super) fn has_endpoint(&self, signal: Signal) -> bool {
        let own = format!("OTEL_EXPORTER_OTLP_{}_ENDPOINT", signal.name());
        self.get("OTEL_EXPORTER_OTLP_ENDPOINT").is_some() || self.get(&own).is_some()
    }

    /// Whether a signal is to be exported this way: `otlp` or `prometheus`.
    ///
    /// # Errors
    /// If the list has an exporter that there is none of.
    pub(super) fn exports(&self, signal: Signal, exporter: &str) -> Result<bool, TelemetryError> {
        let variable = format!("OTEL_{}_EXPORTER", signal.name());
        let known: &[&str] = match signal {
            Signal::Traces => &["otlp", "none"],
            Signal::Metrics => &["otlp", "prometheus", "none"],
        };
        let Some(list) = self.get(&variable) else {
            return Ok(true);
        };
        let mut found = false;
        for wanted in list.split(',').map(str::trim) {
            if !known.contains(&wanted) {
                return Err(TelemetryError::Setting {
                    variable,
                    value: wanted.to_owned(),
                    known: known.join(", "),
                });
            }
            found |= wanted == exporter;
        }
        Ok(found)
    }

    /// Checks that a signal goes out by a protocol that is spoken.
    pub(super) fn check_protocol(&self, signal: Signal) -> Result<(), TelemetryError> {
        let own = format!("OTEL_EXPORTER_OTLP_{}_PROTOCOL", signal.name());
        let general = "OTEL_EXPORTER_OTLP_PROTOCOL".to_owned();
        let set = [own, general]
            .into_iter()
            .find_map(|variable| Some((self.get(&variable)?, variable)));
        match set {
            Some((value, variable)) if value.trim() != PROTOCOL => Err(TelemetryError::Setting {
                variable,
                value,
                known: PROTOCOL.to_owned(),
            }),
            _ => Ok(()),
        }
    }
}

impl Settings<'_> {
    /// Where a signal goes, if anywhere.
    ///
    /// # Errors
    /// If a variable asks for something that there is not.
    pub(super) fn receiver(&self, signal: Signal) -> Result<Option<Receiver>, TelemetryError> {
        if self.disabled() || !self.exports(signal, "otlp")? {
            return Ok(None);
        }
        let own = |what: &str| self.get(&format!("OTEL_EXPORTER_OTLP_{}_{what}", signal.name()));
        let general = || {
            let base = self.get("OTEL_EXPORTER_OTLP_ENDPOINT")?;
            let path = signal.name().to_lowercase();
            Some(format!("{}/v1/{path}", base.trim_end_matches('/')))
        };
        let Some(url) = own("ENDPOINT").or_else(general) else {
            return Ok(None);
        };
        self.check_protocol(signal)?;
        let headers = own("HEADERS").or_else(|| self.get("OTEL_EXPORTER_OTLP_HEADERS"));
        let headers = headers.unwrap_or_default();
        let pair = |pair: &str| {
            let (name, value) = pair.split_once('=')?;
            Some((name.trim().to_owned(), value.trim().to_owned()))
        };
        Ok(Some(Receiver {
            signal: match signal {
                Signal::Traces => "traces",
                Signal::Metrics => "metrics",
            },
            url,
            headers: headers.split(',').filter_map(pair).collect(),
        }))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    fn with<T>(variables: &[(&str, &str)], look: impl FnOnce(Settings<'_>) -> T) -> T {
        let variables: HashMap<&str, &str> = variables.iter().copied().collect();
        let get = |name: &str| variables.get(name).map(|value| (*value).to_owned());
        look(Settings(&get))
    }

    #[test]
    fn exporters_are_a_list() {
        with(&[], |settings| {
            assert!(settings.exports(Signal::Metrics, "otlp").unwrap());
            assert!(settings.exports(Signal::Metrics, "prometheus").unwrap());
        });
        with(&[("OTEL_METRICS_EXPORTER", "prometheus")], |settings| {
            assert!(!settings.exports(Signal::Metrics, "otlp").unwrap());
            assert!(settings.exports(Signal::Traces, "otlp").unwrap());
        });
        with(&[("OTEL_METRICS_EXPORTER", "otlp, prometheus")], |s| {
            assert!(s.exports(Signal::Metrics, "otlp").unwrap());
            assert!(s.exports(Signal::Metrics, "prometheus").unwrap());
        });
        with(&[("OTEL_TRACES_EXPORTER", "none")], |settings| {
            assert!(!settings.exports(Signal::Traces, "otlp").unwrap());
        });
        with(&[("OTEL_TRACES_EXPORTER", "zipkin")], |settings| {
            let error = settings.exports(Signal::Traces, "otlp").unwrap_err();
            assert!(error.to_string().contains("'zipkin'"), "{error}");
        });
    }

    #[test]
    fn endpoints_are_general_or_of_one_signal() {
        with(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "")], |settings| {
            assert!(!settings.has_endpoint(Signal::Traces), "empty is not set");
        });
        with(
            &[("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "http://x")],
            |s| {
                assert!(s.has_endpoint(Signal::Metrics) && !s.has_endpoint(Signal::Traces));
            },
        );
        with(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://x")], |settings| {
            assert!(settings.has_endpoint(Signal::Metrics));
            assert!(settings.has_endpoint(Signal::Traces));
        });
    }

    #[test]
    fn receivers_have_an_address_each() {
        let general = [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://x:4318/"),
            ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "http://y/otlp"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "a=b, c = d=e"),
        ];
        with(&general, |settings| {
            let traces = settings.receiver(Signal::Traces).unwrap().unwrap();
            assert_eq!(traces.url, "http://x:4318/v1/traces");
            let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
            assert_eq!(traces.headers, [pair("a", "b"), pair("c", "d=e")]);
            let metrics = settings.receiver(Signal::Metrics).unwrap().unwrap();
            assert_eq!(metrics.url, "http://y/otlp");
        });
        with(&[general[0], ("OTEL_SDK_DISABLED", "true")], |settings| {
            assert!(settings.receiver(Signal::Traces).unwrap().is_none());
        });
    }

    #[test]
    fn a_protocol_that_is_not_spoken_is_an_error() {
        let grpc = [("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")];
        with(&grpc, |settings| {
            let error = settings.check_protocol(Signal::Traces).unwrap_err();
            let said = error.to_string();
            assert!(said.contains("OTEL_EXPORTER_OTLP_PROTOCOL"), "{said}");
            assert!(said.contains("http/protobuf"), "{said}");
        });
        let own = [grpc[0], ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", PROTOCOL)];
        with(&own, |settings| {
            assert!(settings.check_protocol(Signal::Traces).is_ok());
            assert!(settings.check_protocol(Signal::Metrics).is_err());
        });
    }
}
