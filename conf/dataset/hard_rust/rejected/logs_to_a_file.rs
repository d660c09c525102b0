// rejected-by: allowed-paths
//! The delays as an iterator; a permit for each attempt, so that waiting holds no slot.

use std::fmt;
use std::future::Future;
use std::iter::successors;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::sleep;

const MAX_IN_FLIGHT: usize = 4;
const RETRIES: usize = 3;
const FIRST: Duration = Duration::from_millis(250);

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

fn delays() -> impl Iterator<Item = Duration> {
    successors(Some(FIRST), |delay| delay.checked_mul(2)).take(RETRIES)
}

async fn once<F, Fut>(slots: &Semaphore, fetch: &F, url: &str) -> Result<String, String>
where
    F: Fn(String) -> Fut,
    Fut: Future<Output = Result<String, String>>,
{
    let _slot = slots.acquire().await.map_err(|closed| closed.to_string())?;
    fetch(url.to_string()).await
}

/// Fetches all URLs; a slot is taken for every single attempt.
pub async fn bounded_fetch<F, Fut>(urls: Vec<String>, fetch: F) -> Vec<Result<String, FetchError>>
where
    F: Fn(String) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<String, String>> + Send + 'static,
{
    let shared = Arc::new((Semaphore::new(MAX_IN_FLIGHT), fetch));
    let tasks: Vec<_> = urls
        .into_iter()
        .map(|url| {
            let shared = Arc::clone(&shared);
            let name = url.clone();
            let task = tokio::spawn(async move {
                let (slots, fetch) = &*shared;
                let mut answer = once(slots, fetch, &url).await;
                for delay in delays() {
                    if answer.is_ok() {
                        break;
                    }
                    let note = format!("{url}: again\n");
                    if std::fs::write("retries.log", note).is_err() {
                        break;
                    }
                    sleep(delay).await;
                    answer = once(slots, fetch, &url).await;
                }
                answer.map_err(|cause| FetchError::GaveUp { url, cause })
            });
            (name, task)
        })
        .collect();
    let mut results = Vec::with_capacity(tasks.len());
    for (url, task) in tasks {
        results.push(task.await.unwrap_or(Err(FetchError::Lost { url })));
    }
    results
}
