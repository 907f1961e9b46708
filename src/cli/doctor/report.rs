//! What the doctor says: a line for each look, and what to do where it is needed.

use std::fmt;

use serde::Serialize;

/// How a look came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum State {
    /// As it should be.
    Ok,
    /// It works; somebody should look at it.
    Warning,
    /// It does not work.
    Failed,
}

impl State {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Failed => "failed",
        }
    }
}

/// One look.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Check {
    /// What was looked at, such as `streams`.
    pub(super) area: &'static str,
    pub(super) state: State,
    /// What was found.
    pub(super) found: String,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) advice: Option<String>,
}

impl Check {
    pub(super) fn ok(area: &'static str, found: impl Into<String>) -> Self {
        Self {
            area,
            state: State::Ok,
            found: found.into(),
            advice: None,
        }
    }

    pub(super) fn warning(
        area: &'static str,
        found: impl Into<String>,
        advice: impl Into<String>,
    ) -> Self {
        Self {
            area,
            state: State::Warning,
            found: found.into(),
            advice: Some(advice.into()),
        }
    }

    pub(super) fn failed(
        area: &'static str,
        found: impl Into<String>,
        advice: impl Into<String>,
    ) -> Self {
        Self {
            state: State::Failed,
            ..Self::warning(area, found, advice)
        }
    }
}

/// All looks.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    /// The worst of all.
    state: State,
    warnings: usize,
    failed: usize,
    checks: Vec<Check>,
}

impl Report {
    pub(super) fn new(checks: Vec<Check>) -> Self {
        let count = |state| checks.iter().filter(|check| check.state == state).count();
        Self {
            state: checks
                .iter()
                .map(|check| check.state)
                .max()
                .unwrap_or(State::Ok),
            warnings: count(State::Warning),
            failed: count(State::Failed),
            checks,
        }
    }

    /// Whether nothing failed; with `strict`, whether there is not even a warning.
    pub(super) const fn is_well(&self, strict: bool) -> bool {
        self.failed == 0 && (self.warnings == 0 || !strict)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for check in &self.checks {
            let (state, area) = (check.state.as_str(), check.area);
            writeln!(f, "{state:<8} {area:<13} {}", check.found)?;
            if let Some(advice) = &check.advice {
                writeln!(f, "{:<22} -> {advice}", "")?;
            }
        }
        match (self.failed, self.warnings) {
            (0, 0) => write!(f, "all is well"),
            (failed, warnings) => write!(f, "{failed} failed, {warnings} warnings"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_counts() {
        let report = Report::new(vec![
            Check::ok("broker", "there"),
            Check::warning("clocks", "apart", "set them"),
        ]);
        assert!(report.is_well(false) && !report.is_well(true));
        let text = report.to_string();
        assert!(text.contains("-> set them"), "{text}");
        assert!(text.ends_with("0 failed, 1 warnings"), "{text}");
        let json = serde_json::to_value(&report).unwrap();
        assert_eq!(json["state"], "warning");
        assert_eq!(json["checks"][0]["advice"], serde_json::Value::Null);
        let report = Report::new(vec![Check::failed("broker", "away", "start it")]);
        assert!(!report.is_well(false));
    }
}
