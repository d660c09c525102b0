//! The schedule in a module of its own, made by a scan; results through a map.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::{error, fmt};

use tokio::sync::Semaphore;
use tokio::task::JoinSet;

mod schedule {
    use std::time::Duration;

    const START: Duration = Duration::from_millis(250);
    const STEPS: usize = 3;
    const GROWTH: u32 = 2;

    pub(super) fn delays() -> impl Iterator<Item = Duration> {
        (0..STEPS).scan(START, |next, _| {
            let delay = *next;
            *next *= GROWTH;
            Some(delay)
        })
    }
}

const MAX_CONCURRENCY: usize = 4;

/** What went wrong with one URL. */
#[derive(Debug)]
pub enum FetchError {
    /** It failed four times. */
    Exhausted(Box<str>, Box<str>),
    /** There is no result of it. */
    Missing,
}

impl fmt::Display for FetchError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FetchError::Exhausted(url, cause) => write!(out, "<{url}> failed: {cause}"),
            FetchError::Missing => write!(out, "no result"),
        }
    }
}

impl error::Error for FetchError {}

/** Fetches everything, in order, four at a time. */
pub async fn bounded_fetch<F, Fut>(urls: Vec<String>, fetch: F) -> Vec<Result<String, FetchError>>
where
    F: Fn(String) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<String, String>> + Send + 'static,
{
    let count = urls.len();
    let slots = Arc::new(Semaphore::new(MAX_CONCURRENCY));
    let fetch = Arc::new(fetch);
    let mut tasks = JoinSet::new();
    for (index, url) in urls.into_iter().enumerate() {
        let slots = Arc::clone(&slots);
        let fetch = Arc::clone(&fetch);
        tasks.spawn(async move {
            let _slot = slots.acquire_owned().await.ok()?;
            let mut delays = schedule::delays();
            loop {
                match (fetch(url.clone()).await, delays.next()) {
                    (Ok(body), _) => return Some((index, Ok(body))),
                    (Err(_), Some(delay)) => tokio::time::sleep(delay).await,
                    (Err(cause), None) => {
                        return Some((index, Err(FetchError::Exhausted(url.into(), cause.into()))));
                    }
                }
            }
        });
    }
    let mut found = BTreeMap::new();
    while let Some(ended) = tasks.join_next().await {
        if let Ok(Some((index, result))) = ended {
            found.insert(index, result);
        }
    }
    (0..count).map(|index| found.remove(&index).unwrap_or(Err(FetchError::Missing))).collect()
}
