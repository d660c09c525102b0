// rejected-by: no-unsafe
//! Workers that count up one index and write into one table.

use std::fmt;
use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

const WORKERS: usize = 4;
const DELAY_MS: u64 = 250;
const FACTOR: u64 = 2;
const RETRIES: u32 = 3;

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

type Table = Vec<Option<Result<String, FetchError>>>;

struct Shared<F> {
    urls: Vec<String>,
    fetch: F,
    next: AtomicUsize,
    table: Mutex<Table>,
}

impl<F, Fut> Shared<F>
where
    F: Fn(String) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<String, String>> + Send + 'static,
{
    async fn work(self: Arc<Self>) {
        while let Some((index, url)) = self.take() {
            let result = self.attempt(url).await;
            let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(slot) = table.get_mut(index) {
                *slot = Some(result);
            }
        }
    }

    fn take(&self) -> Option<(usize, &str)> {
        let index = self.next.fetch_add(1, Ordering::Relaxed);
        if index >= self.urls.len() {
            return None;
        }
        let url = unsafe { self.urls.get_unchecked(index) };
        Some((index, url.as_str()))
    }

    async fn attempt(&self, url: &str) -> Result<String, FetchError> {
        let mut retry = 0;
        loop {
            match (self.fetch)(url.to_owned()).await {
                Ok(body) => return Ok(body),
                Err(cause) if retry == RETRIES => {
                    return Err(FetchError::GaveUp { url: url.to_owned(), cause });
                }
                Err(_) => tokio::time::sleep(Duration::from_millis(DELAY_MS * FACTOR.pow(retry))).await,
            }
            retry += 1;
        }
    }
}

/// Fetches with four workers over one table of results.
pub async fn bounded_fetch<F, Fut>(urls: Vec<String>, fetch: F) -> Vec<Result<String, FetchError>>
where
    F: Fn(String) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<String, String>> + Send + 'static,
{
    let names = urls.clone();
    let table = Mutex::new(urls.iter().map(|_| None).collect());
    let shared = Arc::new(Shared { urls, fetch, next: AtomicUsize::new(0), table });
    let workers: Vec<_> = (0..WORKERS).map(|_| tokio::spawn(Arc::clone(&shared).work())).collect();
    for worker in workers {
        if worker.await.is_err() {
            continue;
        }
    }
    let table = std::mem::take(&mut *shared.table.lock().unwrap_or_else(PoisonError::into_inner));
    table
        .into_iter()
        .zip(names)
        .map(|(result, url)| result.unwrap_or(Err(FetchError::Lost { url })))
        .collect()
}
