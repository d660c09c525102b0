//! A retry policy as a type of its own, with a state that steps from delay to delay.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

/// Why a URL has no result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FetchError {
    /// Every attempt failed.
    GaveUp {
        /// What was to be fetched.
        url: String,
        /// What the last attempt said.
        cause: String,
    },
    /// The task behind it ended early.
    Lost {
        /// What was to be fetched.
        url: String,
    },
}

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::GaveUp { url, cause } => write!(f, "gave up on {url}: {cause}"),
            Self::Lost { url } => write!(f, "lost the task that fetched {url}"),
        }
    }
}

impl std::error::Error for FetchError {}

/// When to try again.
#[derive(Debug, Clone)]
pub struct Backoff {
    next: Duration,
    left: u8,
}

impl Backoff {
    const FIRST: Duration = Duration::from_millis(250);
    const RETRIES: u8 = 3;

    /// The full schedule.
    pub fn new() -> Self {
        Backoff { next: Self::FIRST, left: Self::RETRIES }
    }
}

impl Default for Backoff {
    fn default() -> Self {
        Self::new()
    }
}

impl Iterator for Backoff {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        self.left = self.left.checked_sub(1)?;
        let delay = self.next;
        self.next = delay.saturating_mul(2);
        Some(delay)
    }
}

struct Limits;

impl Limits {
    const CONCURRENT: usize = 4;
}

/// Fetches every URL under the policy.
pub async fn bounded_fetch<F, Fut>(urls: Vec<String>, fetch: F) -> Vec<Result<String, FetchError>>
where
    F: Fn(String) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<String, String>> + Send + 'static,
{
    let slots = Arc::new(Semaphore::new(Limits::CONCURRENT));
    let fetch = Arc::new(fetch);
    let handles: Vec<(String, _)> = urls
        .into_iter()
        .map(|url| (url.clone(), tokio::spawn(fetch_one(url, Arc::clone(&fetch), Arc::clone(&slots)))))
        .collect();
    let mut results = Vec::new();
    for (url, handle) in handles {
        results.push(match handle.await {
            Ok(result) => result,
            Err(_) => Err(FetchError::Lost { url }),
        });
    }
    results
}

async fn fetch_one<F, Fut>(url: String, fetch: Arc<F>, slots: Arc<Semaphore>) -> Result<String, FetchError>
where
    F: Fn(String) -> Fut,
    Fut: Future<Output = Result<String, String>>,
{
    let _slot = match slots.acquire().await {
        Ok(slot) => slot,
        Err(_) => return Err(FetchError::Lost { url }),
    };
    let mut backoff = Backoff::new();
    loop {
        let cause = match fetch(url.clone()).await {
            Ok(body) => return Ok(body),
            Err(cause) => cause,
        };
        match backoff.next() {
            Some(delay) => tokio::time::sleep(delay).await,
            None => return Err(FetchError::GaveUp { url, cause }),
        }
    }
}
