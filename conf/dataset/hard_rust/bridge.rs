//! The candidate as the tests see it: the only code that is compiled against each one anew.

use std::error::Error;

use candidate::{bounded_fetch, FetchError};

pub fn subject() -> suite::Subject {
    called
}

fn called(urls: Vec<String>, fetch: suite::Fetch) -> suite::Call {
    Box::pin(async move {
        let results: Vec<Result<String, FetchError>> = bounded_fetch(urls, fetch).await;
        results.into_iter().map(|result| result.map_err(|error| shown(&error))).collect()
    })
}

fn shown(error: &dyn Error) -> String {
    error.to_string()
}
