// rejected-by: documented
//! Fetches with a task for each URL and a semaphore before them.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::sleep;

/// How many fetches may be under way at once.
const MAX_CONCURRENT: usize = 4;
/// How often a failed fetch is tried again.
const MAX_RETRIES: u32 = 3;
/// What is waited before the first of these.
const FIRST_DELAY_MS: u64 = 250;

/// Why a URL has no result.
#[derive(Debug)]
pub enum FetchError {
    /// All attempts failed.
    Exhausted {
        /// What was to be fetched.
        url: String,
        /// What the last attempt said.
        cause: String,
    },
    /// The task that fetched it came to no end.
    Lost(String),
}

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FetchError::Exhausted { url, cause } => write!(f, "{} could not be fetched: {}", url, cause),
            FetchError::Lost(url) => write!(f, "the task for {} was lost", url),
        }
    }
}

impl Error for FetchError {}

async fn fetch_with_retries<F, Fut>(fetch: &F, url: &str) -> Result<String, FetchError>
where
    F: Fn(String) -> Fut,
    Fut: Future<Output = Result<String, String>>,
{
    let mut retry_delay = Duration::from_millis(FIRST_DELAY_MS);
    let mut retries = 0;
    loop {
        match fetch(url.to_string()).await {
            Ok(body) => return Ok(body),
            Err(cause) if retries == MAX_RETRIES => {
                return Err(FetchError::Exhausted { url: url.to_string(), cause });
            }
            Err(_) => {
                sleep(retry_delay).await;
                retry_delay *= 2;
                retries += 1;
            }
        }
    }
}

pub async fn bounded_fetch<F, Fut>(urls: Vec<String>, fetch: F) -> Vec<Result<String, FetchError>>
where
    F: Fn(String) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<String, String>> + Send + 'static,
{
    let semaphore = Arc::new(Semaphore::new(MAX_CONCURRENT));
    let fetch = Arc::new(fetch);
    let mut tasks = Vec::with_capacity(urls.len());
    for url in urls {
        let semaphore = Arc::clone(&semaphore);
        let fetch = Arc::clone(&fetch);
        let name = url.clone();
        let task = tokio::spawn(async move {
            match semaphore.acquire().await {
                Ok(_permit) => fetch_with_retries(fetch.as_ref(), &url).await,
                Err(_) => Err(FetchError::Lost(url)),
            }
        });
        tasks.push((name, task));
    }
    let mut results = Vec::with_capacity(tasks.len());
    for (url, task) in tasks {
        results.push(match task.await {
            Ok(result) => result,
            Err(_) => Err(FetchError::Lost(url)),
        });
    }
    results
}
