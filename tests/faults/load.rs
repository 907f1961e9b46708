//! What people do meanwhile: sign up, post calls, post what is no call.

use std::{
    future::Future,
    time::{Duration, Instant},
};

use colloquy_bus::CancellationToken;
use colloquy_contract::facts::AccountSignupRequested;
use futures::StreamExt;

use crate::{client::Posted, platform::Platform, speech};

/// Of each kind so many are under way at most; who waits for an answer posts nothing else.
const AT_ONCE: usize = 8;

/// One sign-up in so many uses the address of the one before.
const TAKEN_ONE_IN: u64 = 10;

/// How much is done.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// Time between two sign-ups.
    pub signups: Duration,
    /// Time between two posts of what is no recording.
    pub rejects: Duration,
    /// Time between two posts of calls.
    pub calls: Duration,
}

impl Pace {
    /// As much as leaves a small machine room for thirteen processes.
    pub const STEADY: Self = Self {
        signups: Duration::from_millis(50),
        rejects: Duration::from_millis(100),
        calls: Duration::from_millis(250),
    };
}

/// What was accepted.
#[derive(Debug, Default)]
pub struct Load {
    /// Ids of the accounts to be, with their addresses.
    pub signups: Vec<(String, String)>,
    /// Posts of what is no recording.
    pub rejects: Vec<Posted>,
    /// Posts of calls.
    pub calls: Vec<Posted>,
}

impl Load {
    /// Everything that was posted.
    pub fn posted(&self) -> impl Iterator<Item = &Posted> {
        self.rejects.iter().chain(&self.calls)
    }

    pub fn len(&self) -> usize {
        self.signups.len() + self.rejects.len() + self.calls.len()
    }

    /// Adds what was accepted at another time.
    pub fn and(&mut self, other: Self) {
        self.signups.extend(other.signups);
        self.rejects.extend(other.rejects);
        self.calls.extend(other.calls);
    }
}

/// Does it for so long, or until it is told to stop. Everything that was begun is accepted when
/// this returns. `label` keeps its keys apart from those of other times.
pub async fn run(
    platform: &Platform,
    label: &str,
    pace: Pace,
    duration: Duration,
    stop: &CancellationToken,
) -> Load {
    let client = &platform.client;
    let signups = paced(pace.signups, duration, stop, |number| async move {
        let place = match number % TAKEN_ONE_IN {
            9 => number - 1,
            _ => number,
        };
        let email = format!("{label}.{place}@example.com");
        let signup = AccountSignupRequested {
            email: email.clone(),
            name: "Pat Example".to_owned(),
            company: None,
        };
        let scope = platform.kit.begin(signup).await;
        (scope.correlation(), email)
    });
    let rejects = paced(pace.rejects, duration, stop, |number| async move {
        let content = format!("{label}: this is text and no recording, number {number}");
        let key = format!("{label}-reject-{number}");
        client.post_recording(&key, content.as_bytes()).await
    });
    let calls = paced(pace.calls, duration, stop, |number| async move {
        let key = format!("{label}-call-{number}");
        client
            .post_recording(&key, &speech::recording(number))
            .await
    });
    let (signups, rejects, calls) = tokio::join!(signups, rejects, calls);
    Load {
        signups,
        rejects,
        calls,
    }
}

/// Does something again and again at a pace; what cannot be done in time is done later. So the same
/// duration does the same, whatever strikes.
async fn paced<T, F: Future<Output = T>>(
    every: Duration,
    duration: Duration,
    stop: &CancellationToken,
    each: impl Fn(u64) -> F,
) -> Vec<T> {
    let start = Instant::now();
    let ticks = futures::stream::unfold(0_u32, |number| async move {
        let at = every * number;
        if at >= duration {
            return None;
        }
        tokio::select! {
            biased;
            () = stop.cancelled() => None,
            () = tokio::time::sleep(at.saturating_sub(start.elapsed())) => {
                Some((u64::from(number), number + 1))
            }
        }
    });
    ticks.map(each).buffer_unordered(AT_ONCE).collect().await
}
