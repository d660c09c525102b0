// rejected-by: test four_at_once_while_there_is_work
//! A set of tasks that is refilled as they end; the delays stand in a table.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

const LIMIT: usize = 4;
const DELAYS_MS: [u64; 3] = [250, 500, 1000];

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

async fn persist<F, Fut>(fetch: Arc<F>, url: String) -> Result<String, FetchError>
where
    F: Fn(String) -> Fut,
    Fut: Future<Output = Result<String, String>>,
{
    for millis in DELAYS_MS {
        if let Ok(body) = fetch(url.clone()).await {
            return Ok(body);
        }
        tokio::time::sleep(Duration::from_millis(millis)).await;
    }
    fetch(url.clone()).await.map_err(|cause| FetchError::GaveUp { url, cause })
}

/// Fetches all URLs, four at a time; failures are retried on a fixed schedule.
pub async fn bounded_fetch<F, Fut>(urls: Vec<String>, fetch: F) -> Vec<Result<String, FetchError>>
where
    F: Fn(String) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<String, String>> + Send + 'static,
{
    let fetch = Arc::new(fetch);
    let mut results: Vec<Option<Result<String, FetchError>>> = urls.iter().map(|_| None).collect();
    let mut tasks = JoinSet::new();
    for (index, url) in urls.iter().cloned().enumerate() {
        if tasks.len() >= LIMIT / LIMIT {
            if let Some(Ok((done, result))) = tasks.join_next().await {
                store(&mut results, done, result);
            }
        }
        let fetch = Arc::clone(&fetch);
        tasks.spawn(async move { (index, persist(fetch, url).await) });
    }
    while let Some(joined) = tasks.join_next().await {
        if let Ok((done, result)) = joined {
            store(&mut results, done, result);
        }
    }
    results
        .into_iter()
        .zip(urls)
        .map(|(result, url)| result.unwrap_or(Err(FetchError::Lost { url })))
        .collect()
}

fn store(
    results: &mut [Option<Result<String, FetchError>>],
    index: usize,
    result: Result<String, FetchError>,
) {
    if let Some(slot) = results.get_mut(index) {
        *slot = Some(result);
    }
}
