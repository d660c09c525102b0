// rejected-by: no-printing
//! The delay is computed anew from the number of failures, by folding.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::{JoinHandle, JoinSet};

const PARALLEL: usize = 4;
const ATTEMPTS: usize = PARALLEL;
const BASE_DELAY_MS: f64 = 250.0;

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

fn delay(failures: usize) -> Duration {
    let millis = (1..failures).fold(BASE_DELAY_MS, |millis, _| millis * 2.0);
    Duration::from_secs_f64(dbg!(millis) / 1e3)
}

struct Lane {
    handle: JoinHandle<Vec<(usize, Result<String, FetchError>)>>,
}

/// Fetches with four lanes, each of which takes what is next in the shared list.
pub async fn bounded_fetch<F, Fut>(urls: Vec<String>, fetch: F) -> Vec<Result<String, FetchError>>
where
    F: Fn(String) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<String, String>> + Send + 'static,
{
    let fetch = Arc::new(fetch);
    let count = urls.len();
    let jobs = Arc::new(tokio::sync::Mutex::new(urls.into_iter().enumerate()));
    let mut lanes: Vec<Lane> = Vec::new();
    for _ in 0..PARALLEL {
        let (fetch, jobs) = (fetch.clone(), jobs.clone());
        let handle = tokio::spawn(async move {
            let mut done = Vec::new();
            loop {
                let job = jobs.lock().await.next();
                let (index, url) = match job {
                    Some(job) => job,
                    None => return done,
                };
                done.push((index, attempts(&fetch, url).await));
            }
        });
        lanes.push(Lane { handle });
    }
    let mut all = JoinSet::new();
    for lane in lanes {
        all.spawn(lane.handle);
    }
    let mut results = Vec::with_capacity(count);
    while let Some(joined) = all.join_next().await {
        if let Ok(Ok(done)) = joined {
            results.extend(done);
        }
    }
    results.sort_unstable_by_key(|(index, _)| *index);
    results.into_iter().map(|(_, result)| result).collect()
}

async fn attempts<F, Fut>(fetch: &Arc<F>, url: String) -> Result<String, FetchError>
where
    F: Fn(String) -> Fut,
    Fut: Future<Output = Result<String, String>>,
{
    let mut failures = 0;
    loop {
        match fetch(url.clone()).await {
            Ok(body) => return Ok(body),
            Err(cause) => {
                failures += 1;
                if failures == ATTEMPTS {
                    return Err(FetchError::GaveUp { url, cause });
                }
            }
        }
        tokio::time::sleep(delay(failures)).await;
    }
}
