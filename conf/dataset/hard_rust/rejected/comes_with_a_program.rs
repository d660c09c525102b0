// rejected-by: library-only
//! Each retry's delay in an arm of its own.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::sleep;

const MAX: usize = 4;
const FIRST_MS: u64 = 250;

/// The only way to fail: every attempt did.
#[derive(Debug)]
pub enum FetchError {
    /// The URL and what its last attempt said.
    Failed(String, String),
}

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let FetchError::Failed(url, cause) = self;
        write!(f, "{url}: no success after all attempts, at last: {cause}")
    }
}

impl std::error::Error for FetchError {}

fn delay_after(failures: u32) -> Option<Duration> {
    match failures {
        1 => Some(Duration::from_millis(FIRST_MS)),
        2 => Some(Duration::from_millis(500)),
        3 => Some(Duration::from_secs(1)),
        _ => None,
    }
}

#[tokio::main]
async fn main() {
    let results = bounded_fetch(Vec::new(), |url| async move { Ok(url) }).await;
    drop(results);
}

/// Fetches the URLs with a semaphore of four permits.
pub async fn bounded_fetch<F, Fut>(urls: Vec<String>, fetch: F) -> Vec<Result<String, FetchError>>
where
    F: Fn(String) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<String, String>> + Send + 'static,
{
    let semaphore = Arc::new(Semaphore::new(MAX));
    let fetch = Arc::new(fetch);
    let mut tasks = Vec::new();
    for url in urls {
        let semaphore = semaphore.clone();
        let fetch = fetch.clone();
        let task_url = url.clone();
        let task = tokio::spawn(async move {
            let _permit = semaphore.acquire().await.map_err(|why| why.to_string())?;
            let mut failures = 0;
            loop {
                match fetch(task_url.clone()).await {
                    Ok(body) => return Ok(body),
                    Err(cause) => {
                        failures += 1;
                        match delay_after(failures) {
                            Some(delay) => sleep(delay).await,
                            None => return Err(cause),
                        }
                    }
                }
            }
        });
        tasks.push((url, task));
    }
    let mut results = Vec::new();
    for (url, task) in tasks {
        let result = match task.await {
            Ok(Ok(body)) => Ok(body),
            Ok(Err(cause)) => Err(FetchError::Failed(url, cause)),
            Err(why) => Err(FetchError::Failed(url, why.to_string())),
        };
        results.push(result);
    }
    results
}
