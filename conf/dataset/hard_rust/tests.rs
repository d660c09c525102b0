//! What `bounded_fetch` does, on tokio's paused clock.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use evalkit::{paused, Outcome, Test};
use tokio::time::{sleep, Instant};

pub type Results = Vec<Result<String, String>>;
pub type Answer = Pin<Box<dyn Future<Output = Result<String, String>> + Send>>;
pub type Fetch = Box<dyn Fn(String) -> Answer + Send + Sync>;
/// `bounded_fetch` of a candidate, with its errors as texts.
pub type Subject = fn(Vec<String>, Fetch) -> Call;
pub type Call = Pin<Box<dyn Future<Output = Results>>>;

type Check = fn(Subject) -> Outcome;
const TESTS: &[(&str, Check)] = &[
    ("no_urls_give_no_results", no_urls_give_no_results),
    ("each_url_is_fetched_once_if_all_goes_well", each_url_is_fetched_once_if_all_goes_well),
    ("results_stand_in_the_order_of_the_urls", results_stand_in_the_order_of_the_urls),
    ("never_more_than_four_at_once", never_more_than_four_at_once),
    ("four_at_once_while_there_is_work", four_at_once_while_there_is_work),
    ("calls_do_not_share_the_limit", calls_do_not_share_the_limit),
    ("retries_after_250_500_and_1000_ms", retries_after_250_500_and_1000_ms),
    ("a_success_ends_the_retries", a_success_ends_the_retries),
    ("gives_up_at_the_fourth_failure", gives_up_at_the_fourth_failure),
    ("an_error_names_the_url_and_the_last_cause", an_error_names_the_url_and_the_last_cause),
    ("one_failure_spoils_no_other", one_failure_spoils_no_other),
    ("nothing_goes_on_after_the_return", nothing_goes_on_after_the_return),
];

pub fn tests(bounded_fetch: Subject) -> Vec<Test> {
    TESTS.iter().map(|(name, check)| (*name, Box::new(move || check(bounded_fetch)) as _)).collect()
}

const SECONDS: u64 = 60; // of the paused clock: what takes longer never ends
const SLACK: Duration = Duration::from_millis(8); // tokio's timers round up to whole milliseconds, each time

/// The world that is fetched from: how long an answer takes, how often it fails first, and all that was seen.
#[derive(Clone, Default)]
struct Site(Arc<Mutex<Seen>>);

#[derive(Default)]
struct Seen {
    takes: HashMap<String, u64>,
    failures: HashMap<String, usize>,
    calls: Vec<(String, Instant)>,
    under_way: usize,
    most: usize,
}

struct UnderWay(Site);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.look(|seen| seen.under_way -= 1);
    }
}

impl Site {
    fn look<T>(&self, with: impl FnOnce(&mut Seen) -> T) -> T {
        with(&mut self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner()))
    }

    fn takes(&self, url: &str, millis: u64) {
        self.look(|seen| seen.takes.insert(url.to_owned(), millis));
    }

    fn fails(&self, url: &str, times: usize) {
        self.look(|seen| seen.failures.insert(url.to_owned(), times));
    }

    /// A closure for `bounded_fetch`: `body of URL`, or `fault K of URL` for the K-th failure.
    fn fetch(&self) -> Fetch {
        let site = self.clone();
        Box::new(move |url| Box::pin(site.clone().answer(url)))
    }

    async fn answer(self, url: String) -> Result<String, String> {
        let (millis, fails, nth) = self.look(|seen| {
            seen.calls.push((url.clone(), Instant::now()));
            seen.under_way += 1;
            seen.most = seen.most.max(seen.under_way);
            let nth = seen.calls.iter().filter(|(other, _)| *other == url).count();
            let takes = seen.takes.get(&url).copied().unwrap_or(0);
            (takes, seen.failures.get(&url).copied().unwrap_or(0), nth)
        });
        let _under_way = UnderWay(self.clone());
        sleep(Duration::from_millis(millis)).await;
        if nth <= fails {
            return Err(format!("fault {} of {}", nth, url));
        }
        Ok(format!("body of {}", url))
    }

    fn calls(&self, url: &str) -> Vec<Instant> {
        self.look(|seen| seen.calls.iter().filter(|(other, _)| other == url).map(|(_, at)| *at).collect())
    }

    fn most(&self) -> usize {
        self.look(|seen| seen.most)
    }
}

fn urls(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("http://site.test/{}", number)).collect()
}

fn ensure(holds: bool, otherwise: impl FnOnce() -> String) -> Outcome {
    if holds {
        Ok(())
    } else {
        Err(otherwise())
    }
}

/// That so much time has passed, give or take what the timers round.
fn ensure_took(what: &str, took: Duration, millis: u64) -> Outcome {
    let wanted = Duration::from_millis(millis);
    ensure(took >= wanted && took <= wanted + SLACK, || {
        format!("{} took {} ms; it should take {} ms", what, took.as_millis(), millis)
    })
}

fn bodies(urls: &[String]) -> Results {
    urls.iter().map(|url| Ok(format!("body of {}", url))).collect()
}

fn no_urls_give_no_results(bounded_fetch: Subject) -> Outcome {
    paused(SECONDS, async {
        let results = bounded_fetch(Vec::new(), Site::default().fetch()).await;
        ensure(results.is_empty(), || format!("{} results for no URL", results.len()))
    })
}

fn each_url_is_fetched_once_if_all_goes_well(bounded_fetch: Subject) -> Outcome {
    paused(SECONDS, async {
        let (site, urls, begin) = (Site::default(), urls(10), Instant::now());
        let results = bounded_fetch(urls.clone(), site.fetch()).await;
        ensure(results == bodies(&urls), || format!("the results are {:?}", results))?;
        for url in &urls {
            let calls = site.calls(url).len();
            ensure(calls == 1, || format!("{} was fetched {} times", url, calls))?;
        }
        ensure_took("fetching without failures", begin.elapsed(), 0)
    })
}

fn results_stand_in_the_order_of_the_urls(bounded_fetch: Subject) -> Outcome {
    paused(SECONDS, async {
        let (site, urls) = (Site::default(), urls(9));
        for (number, url) in urls.iter().enumerate() {
            site.takes(url, [700, 30, 450, 10, 220, 600, 80, 340, 5][number]);
        }
        let results = bounded_fetch(urls.clone(), site.fetch()).await;
        ensure(results == bodies(&urls), || format!("where later URLs answer first, the results are {:?}", results))
    })
}

fn never_more_than_four_at_once(bounded_fetch: Subject) -> Outcome {
    paused(SECONDS, async {
        let (site, urls) = (Site::default(), urls(23));
        for (number, url) in urls.iter().enumerate() {
            site.takes(url, 40 + 37 * (number as u64 % 5));
            site.fails(url, number % 3);
        }
        let results = bounded_fetch(urls.clone(), site.fetch()).await;
        ensure(results == bodies(&urls), || format!("the results are {:?}", results))?;
        ensure(site.most() <= 4, || format!("{} fetches were under way at once", site.most()))
    })
}

fn four_at_once_while_there_is_work(bounded_fetch: Subject) -> Outcome {
    paused(SECONDS, async {
        let (site, urls, begin) = (Site::default(), urls(12), Instant::now());
        urls.iter().for_each(|url| site.takes(url, 100));
        bounded_fetch(urls, site.fetch()).await;
        ensure(site.most() >= 4, || format!("no more than {} fetches were under way at once", site.most()))?;
        ensure_took("fetching 12 URLs of 100 ms each, four at once,", begin.elapsed(), 300)
    })
}

fn calls_do_not_share_the_limit(bounded_fetch: Subject) -> Outcome {
    paused(SECONDS, async {
        let (site, begin) = (Site::default(), Instant::now());
        let (first, second) = (urls(8), urls(8));
        first.iter().for_each(|url| site.takes(url, 100));
        Both(Some(bounded_fetch(first, site.fetch())), Some(bounded_fetch(second, site.fetch()))).await;
        ensure_took("two calls at once of 8 URLs of 100 ms each", begin.elapsed(), 200)
    })
}

/// Two calls at once, neither of which need be Send.
struct Both(Option<Call>, Option<Call>);

impl Future for Both {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let Both(first, second) = &mut *self;
        for call in [first, second] {
            if call.as_mut().map_or(false, |going| going.as_mut().poll(context).is_ready()) {
                *call = None;
            }
        }
        if self.0.is_none() && self.1.is_none() { Poll::Ready(()) } else { Poll::Pending }
    }
}

/// The pauses between one URL's fetches.
async fn pauses(bounded_fetch: Subject, failures: usize) -> (Vec<Duration>, Duration) {
    let (site, urls, begin) = (Site::default(), urls(1), Instant::now());
    site.fails(&urls[0], failures);
    bounded_fetch(urls.clone(), site.fetch()).await;
    let calls = site.calls(&urls[0]);
    (calls.windows(2).map(|pair| pair[1] - pair[0]).collect(), begin.elapsed())
}

fn retries_after_250_500_and_1000_ms(bounded_fetch: Subject) -> Outcome {
    paused(SECONDS, async {
        let (pauses, _) = pauses(bounded_fetch, 3).await;
        ensure(pauses.len() == 3, || format!("a fetch that fails three times was tried {} times", pauses.len() + 1))?;
        for (pause, (nth, millis)) in pauses.iter().zip([("first", 250), ("second", 500), ("third", 1000)]) {
            ensure_took(&format!("the wait before the {} retry", nth), *pause, millis)?;
        }
        Ok(())
    })
}

fn a_success_ends_the_retries(bounded_fetch: Subject) -> Outcome {
    paused(SECONDS, async {
        let (pauses, took) = pauses(bounded_fetch, 2).await;
        let calls = pauses.len() + 1;
        ensure(calls == 3, || format!("a fetch that fails twice and then succeeds was tried {} times", calls))?;
        ensure_took("two failures and a success", took, 750)
    })
}

fn gives_up_at_the_fourth_failure(bounded_fetch: Subject) -> Outcome {
    paused(SECONDS, async {
        let (pauses, took) = pauses(bounded_fetch, usize::MAX).await;
        let calls = pauses.len() + 1;
        ensure(calls == 4, || format!("a fetch that always fails was tried {} times", calls))?;
        ensure_took("giving up", took, 1750)
    })
}

fn an_error_names_the_url_and_the_last_cause(bounded_fetch: Subject) -> Outcome {
    paused(SECONDS, async {
        let (site, urls) = (Site::default(), urls(1));
        site.fails(&urls[0], usize::MAX);
        match bounded_fetch(urls.clone(), site.fetch()).await.pop() {
            Some(Err(text)) => {
                ensure(text.replace(&format!("fault 4 of {}", urls[0]), "").contains(&urls[0]), || {
                    format!("the error's text {:?} does not name the URL beside the last cause", text)
                })?;
                ensure(text.contains("fault 4 of"), || {
                    format!("the error's text {:?} does not hold what the last of four attempts said", text)
                })
            }
            other => Err(format!("a URL that always fails gives {:?}", other)),
        }
    })
}

fn one_failure_spoils_no_other(bounded_fetch: Subject) -> Outcome {
    paused(SECONDS, async {
        let (site, urls) = (Site::default(), urls(9));
        urls.iter().for_each(|url| site.takes(url, 900)); // so that the failure is final long before the end
        for failing in [1, 6] {
            site.takes(&urls[failing], 0);
            site.fails(&urls[failing], usize::MAX);
        }
        let results = bounded_fetch(urls.clone(), site.fetch()).await;
        ensure(results.len() == 9, || format!("9 URLs give {} results", results.len()))?;
        for (number, (result, good)) in results.iter().zip(bodies(&urls)).enumerate() {
            let failed = matches!(result, Err(text) if text.contains("fault 4 of"));
            let right = if [1, 6].contains(&number) { failed } else { *result == good };
            ensure(right, || format!("URL {} of 9 (of which 2 and 7 always fail) gives {:?}", number + 1, result))?;
        }
        Ok(())
    })
}

fn nothing_goes_on_after_the_return(bounded_fetch: Subject) -> Outcome {
    paused(SECONDS, async {
        let (site, urls) = (Site::default(), urls(6));
        site.fails(&urls[1], usize::MAX);
        bounded_fetch(urls, site.fetch()).await;
        let before = site.look(|seen| seen.calls.len());
        sleep(Duration::from_secs(10)).await;
        let (after, under_way) = site.look(|seen| (seen.calls.len(), seen.under_way));
        ensure(after == before && under_way == 0, || "fetches go on after the function has returned".to_owned())
    })
}
