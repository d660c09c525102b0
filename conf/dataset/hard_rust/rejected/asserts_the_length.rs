// rejected-by: no-panic
//! Four workers take from one queue and send what they found over a channel.

use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, Mutex};
use tokio::time;

/// How many workers there are.
pub const WORKERS: usize = 4;
/// The wait before the first retry.
pub const FIRST_WAIT: Duration = Duration::from_millis(250);
/// How many retries there are.
pub const RETRIES: usize = 3;

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

type Numbered<T> = (usize, T);

async fn work<F, Fut>(
    queue: Arc<Mutex<VecDeque<Numbered<String>>>>,
    fetch: Arc<F>,
    out: mpsc::UnboundedSender<Numbered<Result<String, FetchError>>>,
) where
    F: Fn(String) -> Fut,
    Fut: Future<Output = Result<String, String>>,
{
    loop {
        let next = queue.lock().await.pop_front();
        let (index, url) = match next {
            Some(job) => job,
            None => return,
        };
        let result = with_retries(&*fetch, url).await;
        if out.send((index, result)).is_err() {
            return;
        }
    }
}

async fn with_retries<F, Fut>(fetch: &F, url: String) -> Result<String, FetchError>
where
    F: Fn(String) -> Fut,
    Fut: Future<Output = Result<String, String>>,
{
    let mut wait = FIRST_WAIT;
    let mut left = RETRIES;
    loop {
        let cause = match fetch(url.clone()).await {
            Ok(body) => return Ok(body),
            Err(cause) => cause,
        };
        if left == 0 {
            return Err(FetchError::GaveUp { url, cause });
        }
        left -= 1;
        time::sleep(wait).await;
        wait = wait * 2;
    }
}

/// Fetches every URL with a pool of workers.
///
/// The results stand in the order of the URLs.
pub async fn bounded_fetch<F, Fut>(urls: Vec<String>, fetch: F) -> Vec<Result<String, FetchError>>
where
    F: Fn(String) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<String, String>> + Send + 'static,
{
    let names = urls.clone();
    let queue: VecDeque<_> = urls.into_iter().enumerate().collect();
    let queue = Arc::new(Mutex::new(queue));
    let fetch = Arc::new(fetch);
    let (sender, mut receiver) = mpsc::unbounded_channel();
    for _ in 0..WORKERS.min(names.len()) {
        tokio::spawn(work(Arc::clone(&queue), Arc::clone(&fetch), sender.clone()));
    }
    drop(sender);
    let mut numbered = Vec::with_capacity(names.len());
    while let Some(found) = receiver.recv().await {
        numbered.push(found);
    }
    debug_assert_eq!(numbered.len(), names.len());
    numbered.sort_by_key(|(index, _)| *index);
    let mut found = numbered.into_iter().peekable();
    names
        .into_iter()
        .enumerate()
        .map(|(index, url)| match found.next_if(|(number, _)| *number == index) {
            Some((_, result)) => result,
            None => Err(FetchError::Lost { url }),
        })
        .collect()
}
