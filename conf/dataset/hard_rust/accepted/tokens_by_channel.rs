//! A channel of four tokens instead of a semaphore: who has one may fetch, and gives it back.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::{sleep_until, Instant};

const TOKENS: usize = 4;
const MILLIS: u64 = 250;

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

struct Token;

/// Fetches the URLs; the tokens wander between the tasks.
pub async fn bounded_fetch<F, Fut>(urls: Vec<String>, fetch: F) -> Vec<Result<String, FetchError>>
where
    F: Fn(String) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<String, String>> + Send + 'static,
{
    let (give, mut take) = mpsc::channel(TOKENS);
    for _ in 0..TOKENS {
        if give.send(Token).await.is_err() {
            break;
        }
    }
    let fetch = Arc::new(fetch);
    let mut answers = Vec::with_capacity(urls.len());
    for url in urls {
        let (tell, told) = oneshot::channel();
        answers.push((url.clone(), told));
        if let Some(token) = take.recv().await {
            let (give, fetch) = (give.clone(), Arc::clone(&fetch));
            tokio::spawn(async move {
                let result = stubborn(&*fetch, url).await;
                let told = tell.send(result).is_ok();
                let returned = give.send(token).await.is_ok();
                told && returned
            });
        }
    }
    let mut results = Vec::with_capacity(answers.len());
    for (url, told) in answers {
        results.push(told.await.unwrap_or(Err(FetchError::Lost { url })));
    }
    results
}

async fn stubborn<F, Fut>(fetch: &F, url: String) -> Result<String, FetchError>
where
    F: Fn(String) -> Fut,
    Fut: Future<Output = Result<String, String>>,
{
    let mut result = fetch(url.clone()).await;
    for retry in 0..3_u32 {
        if let Ok(body) = result {
            return Ok(body);
        }
        sleep_until(Instant::now() + Duration::from_millis(MILLIS << retry)).await;
        result = fetch(url.clone()).await;
    }
    result.map_err(|cause| FetchError::GaveUp { url, cause })
}
