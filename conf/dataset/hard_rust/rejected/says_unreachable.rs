// rejected-by: no-panic
//! No tasks: up to four futures are held and polled by one future of our own.

use std::collections::VecDeque;
use std::fmt::{self, Display, Formatter};
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

const AT_ONCE: usize = 4;
const BASE: Duration = Duration::from_millis(250);
const RETRIES: u32 = 3;

/// Why a fetch came to nothing.
#[derive(Debug)]
pub enum FetchError {
    /// It failed as often as it may.
    TooOften {
        /// Which URL.
        url: String,
        /// The last failure.
        last: String,
    },
    /// It was never done.
    NeverDone,
}

impl Display for FetchError {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            FetchError::TooOften { url, last } => write!(f, "fetching {} failed too often: {}", url, last),
            FetchError::NeverDone => f.write_str("never done"),
        }
    }
}

impl std::error::Error for FetchError {}

type Work = Pin<Box<dyn Future<Output = Result<String, FetchError>> + Send>>;

struct Bounded {
    waiting: VecDeque<(usize, Work)>,
    running: Vec<(usize, Work)>,
    done: Vec<Option<Result<String, FetchError>>>,
}

impl Future for Bounded {
    type Output = Vec<Option<Result<String, FetchError>>>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        loop {
            while this.running.len() < AT_ONCE {
                match this.waiting.pop_front() {
                    Some(next) => this.running.push(next),
                    None => break,
                }
            }
            let mut still = Vec::with_capacity(this.running.len());
            let mut ended = false;
            for (index, mut work) in this.running.drain(..) {
                match work.as_mut().poll(context) {
                    Poll::Ready(result) => {
                        ended = true;
                        this.done[index] = Some(result);
                    }
                    Poll::Pending => still.push((index, work)),
                }
            }
            this.running = still;
            if this.running.is_empty() && this.waiting.is_empty() {
                return Poll::Ready(std::mem::take(&mut this.done));
            }
            if !ended {
                return Poll::Pending;
            }
        }
    }
}

fn delay(retry: u32) -> Duration {
    BASE * (1 << retry)
}

/// Fetches every URL, with at most four fetches held at once.
pub async fn bounded_fetch<F, Fut>(urls: Vec<String>, fetch: F) -> Vec<Result<String, FetchError>>
where
    F: Fn(String) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<String, String>> + Send + 'static,
{
    let fetch = std::sync::Arc::new(fetch);
    let waiting = urls.into_iter().map(|url| {
        let fetch = fetch.clone();
        let work: Work = Box::pin(async move {
            let mut last = String::new();
            for retry in 0..=RETRIES {
                match fetch(url.clone()).await {
                    Ok(body) => return Ok(body),
                    Err(cause) => last = cause,
                }
                if retry < RETRIES {
                    tokio::time::sleep(delay(retry)).await;
                }
            }
            if last.is_empty() {
                unreachable!("four failures have a cause")
            }
            Err(FetchError::TooOften { url, last })
        });
        work
    });
    let waiting: VecDeque<_> = waiting.enumerate().collect();
    let done = waiting.iter().map(|_| None).collect();
    let results = Bounded { waiting, running: Vec::new(), done }.await;
    results.into_iter().map(|result| result.unwrap_or(Err(FetchError::NeverDone))).collect()
}
