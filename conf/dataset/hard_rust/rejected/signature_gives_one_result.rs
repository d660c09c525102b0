// rejected-by: signature
//! Permits that move into the tasks; the delay grows by itself.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, TryAcquireError};

const PERMITS: usize = 4;
const FIRST_DELAY: Duration = Duration::from_millis(250);
const LONGEST_DELAY: Duration = Duration::from_secs(1);

/// What can go wrong with a URL.
#[derive(Debug)]
#[non_exhaustive]
pub enum FetchError {
    /// All four attempts failed.
    Attempts {
        /// The URL.
        url: String,
        /// The last cause.
        cause: String,
    },
    /// There was no permit.
    Permit(String, TryAcquireError),
    /// The task was cancelled or panicked.
    Task(String),
}

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FetchError::Attempts { url, cause } => write!(f, "{}: {}", url, cause),
            FetchError::Permit(url, why) => write!(f, "{}: no permit ({})", url, why),
            FetchError::Task(url) => write!(f, "{}: its task failed", url),
        }
    }
}

impl Error for FetchError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            FetchError::Permit(_, why) => Some(why),
            _ => None,
        }
    }
}

/// Fetches the URLs under a limit, each with up to three retries.
pub async fn bounded_fetch<F, Fut>(urls: Vec<String>, fetch: F) -> Result<Vec<String>, FetchError>
where
    F: Fn(String) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<String, String>> + Send + 'static,
{
    let permits = Arc::new(Semaphore::new(PERMITS));
    let fetch = Arc::new(fetch);
    let mut tasks = Vec::new();
    for url in &urls {
        let (permits, fetch, url) = (permits.clone(), fetch.clone(), url.clone());
        tasks.push(tokio::spawn(async move {
            let permit = permits.acquire_owned().await;
            let _permit = match permit {
                Ok(permit) => permit,
                Err(_) => return Err(FetchError::Permit(url, TryAcquireError::Closed)),
            };
            let mut delay = FIRST_DELAY;
            loop {
                let cause = match fetch(url.clone()).await {
                    Ok(body) => return Ok(body),
                    Err(cause) => cause,
                };
                if delay > LONGEST_DELAY {
                    return Err(FetchError::Attempts { url, cause });
                }
                tokio::time::sleep(delay).await;
                delay += delay;
            }
        }));
    }
    let mut results = Vec::new();
    for (task, url) in tasks.into_iter().zip(urls) {
        results.push(task.await.unwrap_or_else(|_| Err(FetchError::Task(url)))?);
    }
    Ok(results)
}
