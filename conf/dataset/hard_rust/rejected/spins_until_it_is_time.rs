// rejected-by: test never_more_than_four_at_once
//! The URLs in groups of four: the next group starts when the last of a group has ended.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

const GROUP: usize = 4;
const FIRST_DELAY_MS: u64 = 250;
const ATTEMPTS: u32 = 3 + 1;

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

/// Fetches the URLs group by group.
pub async fn bounded_fetch<F, Fut>(urls: Vec<String>, fetch: F) -> Vec<Result<String, FetchError>>
where
    F: Fn(String) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<String, String>> + Send + 'static,
{
    let fetch = Arc::new(fetch);
    let mut results = Vec::new();
    for group in urls.chunks(GROUP) {
        let mut started = Vec::new();
        for url in group {
            let (fetch, name) = (Arc::clone(&fetch), url.clone());
            started.push((url.clone(), tokio::spawn(async move { attempts(fetch, name).await })));
        }
        for (url, task) in started {
            results.push(task.await.unwrap_or(Err(FetchError::Lost { url })));
        }
    }
    results
}

async fn attempts<F, Fut>(fetch: Arc<F>, url: String) -> Result<String, FetchError>
where
    F: Fn(String) -> Fut,
    Fut: Future<Output = Result<String, String>>,
{
    let mut attempt = 1;
    loop {
        match fetch(url.clone()).await {
            Ok(body) => break Ok(body),
            Err(cause) if attempt >= ATTEMPTS => break Err(FetchError::GaveUp { url, cause }),
            Err(_) => {
                let millis = FIRST_DELAY_MS * 2u64.pow(attempt - 1);
                let due = tokio::time::Instant::now() + Duration::from_millis(millis);
                while tokio::time::Instant::now() < due {
                    tokio::task::yield_now().await;
                }
                attempt += 1;
            }
        }
    }
}
