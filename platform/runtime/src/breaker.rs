//! A circuit breaker: after some failures in a row nobody calls for a while, then one does.
//!
//! It is *closed* while calls go through, *open* while none does, and *half-open* when the pause is
//! over: one call is let through, and what becomes of it closes or opens the breaker again.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// A circuit breaker.
#[derive(Debug)]
pub struct Breaker {
    threshold: u32,
    pause: Duration,
    state: Mutex<State>,
}

#[derive(Debug, Clone, Copy)]
enum State {
    Closed { failures: u32 },
    Open { until: Instant },
    HalfOpen,
}

/// Leave to call once. Dropped without a word, because the call was cancelled, it says nothing
/// about the callee.
#[derive(Debug)]
pub struct Call<'a> {
    breaker: &'a Breaker,
    probe: bool,
    told: bool,
}

impl Breaker {
    /// A breaker that opens after so many failures in a row, for so long.
    pub const fn new(threshold: u32, pause: Duration) -> Self {
        Self {
            threshold,
            pause,
            state: Mutex::new(State::Closed { failures: 0 }),
        }
    }

    /// Leave to call; `None` while the breaker is open or somebody else is trying.
    pub fn call(&self) -> Option<Call<'_>> {
        let mut state = self.state();
        let probe = match *state {
            State::Closed { .. } => false,
            State::Open { until } if Instant::now() >= until => {
                *state = State::HalfOpen;
                true
            }
            State::Open { .. } | State::HalfOpen => return None,
        };
        drop(state);
        Some(Call {
            breaker: self,
            probe,
            told: false,
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Call<'_> {
    /// Whether this is the one call that is let through to see whether the callee is back.
    pub const fn is_probe(&self) -> bool {
        self.probe
    }

    /// The callee answered. Returns whether that closed the breaker.
    pub fn succeeded(mut self) -> bool {
        self.told = true;
        let mut state = self.breaker.state();
        let closes = !matches!(*state, State::Closed { .. });
        *state = State::Closed { failures: 0 };
        closes
    }

    /// The callee did not answer, or asked to be left alone for so long. Returns whether that
    /// opened the breaker.
    pub fn failed(mut self, asked_pause: Option<Duration>) -> bool {
        self.told = true;
        let pause = self.breaker.pause.max(asked_pause.unwrap_or_default());
        let open = State::Open {
            until: Instant::now() + pause,
        };
        let mut state = self.breaker.state();
        let next = match *state {
            State::Closed { failures }
                if failures + 1 < self.breaker.threshold && asked_pause.is_none() =>
            {
                State::Closed {
                    failures: failures + 1,
                }
            }
            // Another call opened it while this one was under way.
            standing @ State::Open { .. } => standing,
            State::Closed { .. } | State::HalfOpen => open,
        };
        let opens = matches!(next, State::Open { .. }) && !matches!(*state, State::Open { .. });
        *state = next;
        opens
    }

    /// The callee answered that it wants to be left alone for so long: for that long nobody calls,
    /// and it counts as no failure.
    pub fn deferred(mut self, pause: Duration) {
        self.told = true;
        let asked = Instant::now() + pause;
        let mut state = self.breaker.state();
        *state = match *state {
            State::Open { until } => State::Open {
                until: until.max(asked),
            },
            State::Closed { .. } | State::HalfOpen => State::Open { until: asked },
        };
    }
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        if self.told {
            return;
        }
        let mut state = self.breaker.state();
        // The next one may try.
        if matches!(*state, State::HalfOpen) {
            *state = State::Open {
                until: Instant::now(),
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fail(breaker: &Breaker) -> bool {
        breaker.call().unwrap().failed(None)
    }

    #[test]
    fn it_opens_after_failures_in_a_row_and_lets_one_try() {
        let breaker = Breaker::new(3, Duration::from_millis(20));
        fail(&breaker);
        fail(&breaker);
        assert!(!breaker.call().unwrap().succeeded());
        assert!(!fail(&breaker) && !fail(&breaker));
        assert!(fail(&breaker), "the third in a row opens it");
        assert!(breaker.call().is_none());
        std::thread::sleep(Duration::from_millis(25));
        let probe = breaker.call().unwrap();
        assert!(probe.is_probe());
        assert!(breaker.call().is_none(), "one at a time");
        assert!(probe.failed(None));
        std::thread::sleep(Duration::from_millis(25));
        assert!(breaker.call().unwrap().succeeded());
        assert!(breaker.call().is_some_and(|call| !call.is_probe()) && breaker.call().is_some());
    }

    #[test]
    fn a_cancelled_try_leaves_it_to_the_next() {
        let breaker = Breaker::new(1, Duration::from_millis(1));
        fail(&breaker);
        std::thread::sleep(Duration::from_millis(3));
        drop(breaker.call().unwrap());
        assert!(breaker.call().is_some());
    }

    #[test]
    fn who_asks_for_a_short_pause_gets_no_longer_one() {
        let breaker = Breaker::new(1, Duration::from_secs(60));
        breaker.call().unwrap().deferred(Duration::from_millis(1));
        std::thread::sleep(Duration::from_millis(3));
        let (probe, late) = (breaker.call().unwrap(), breaker.call());
        assert!(late.is_none());
        assert!(probe.failed(None));
        std::thread::sleep(Duration::from_millis(3));
        assert!(breaker.call().is_none(), "a failure has its own pause");
    }

    #[test]
    fn who_asks_to_be_left_alone_is() {
        let breaker = Breaker::new(5, Duration::from_millis(1));
        let call = breaker.call().unwrap();
        let late = breaker.call().unwrap();
        assert!(call.failed(Some(Duration::from_secs(60))));
        assert!(!late.failed(None), "it was open already");
        std::thread::sleep(Duration::from_millis(3));
        assert!(breaker.call().is_none());
    }
}
