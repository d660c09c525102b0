// Runs a suite, one test after another, reports each by name, and lends it a clock that stands still.
//
// Reports carry a nonce that is read here before any of the candidate's code runs; the process then shows its memory
// to no other (prctl), and the candidate was compiled without `unsafe`, so it cannot look into it from inside.

use std::future::Future;
use std::io::{Read, Write};
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{channel, RecvTimeoutError};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{sleep_until, timeout, Instant};

/// What a test says: nothing, or what is wrong.
pub type Outcome = Result<(), String>;
/// A test with its name.
pub type Test = (&'static str, Box<dyn FnOnce() -> Outcome + Send>);

const PR_SET_DUMPABLE: i32 = 4;
const TICK: Duration = Duration::from_millis(5);
const LATE: Duration = Duration::from_millis(3);

extern "C" {
    fn prctl(option: i32, ...) -> i32;
    fn _exit(code: i32) -> !;
}

/// The tests' process: reads `NONCE SECONDS` from stdin, runs the tests, and never returns.
pub fn run(tests: impl FnOnce() -> Vec<Test>) -> ! {
    // SAFETY: plain system calls, without pointers.
    if unsafe { prctl(PR_SET_DUMPABLE, 0u64, 0u64, 0u64, 0u64) } != 0 {
        leave(70);
    }
    let mut words = String::new();
    if std::io::stdin().read_to_string(&mut words).is_err() {
        leave(70);
    }
    let mut words = words.split_whitespace().map(str::to_owned);
    let (nonce, seconds) = match (words.next(), words.next().and_then(|word| word.parse().ok())) {
        (Some(nonce), Some(seconds)) => (nonce, Duration::from_secs_f64(seconds)),
        _ => leave(70),
    };
    let reporter = Reporter { nonce };
    let tests = tests();
    let names: Vec<String> = tests.iter().map(|(name, _)| quoted(name)).collect();
    reporter.say(&format!("{{\"tests\": [{}]}}", names.join(", ")));
    for (name, test) in tests {
        let ended = within(seconds, test);
        let late = ended.is_none();
        let message = match ended {
            Some(Ok(())) => String::new(),
            Some(Err(why)) => why,
            None => format!("it did not come to an end within {} s", seconds.as_secs_f64()),
        };
        let outcome = if message.is_empty() { "passed" } else { "failed" };
        reporter.say(&format!(
            "{{\"test\": {}, \"outcome\": \"{}\", \"late\": {}, \"message\": {}}}",
            quoted(name),
            outcome,
            late,
            quoted(&message)
        ));
        if late {
            break; // what does not end keeps a processor busy: the tests after it would be slow
        }
    }
    reporter.say("{\"done\": true}");
    leave(0);
}

/// Leaves at once: nothing that the candidate registered or left running is waited for.
fn leave(code: i32) -> ! {
    // SAFETY: it does not return.
    unsafe { _exit(code) }
}

/// A test's outcome, or None if it takes longer than that in real time.
fn within(seconds: Duration, test: Box<dyn FnOnce() -> Outcome + Send>) -> Option<Outcome> {
    let (send, receive) = channel();
    let started = std::thread::Builder::new().spawn(move || {
        let ended = catch_unwind(AssertUnwindSafe(test));
        let _ = send.send(ended.unwrap_or_else(|panic| Err(format!("it panicked{}", said(panic.as_ref())))));
    });
    if let Err(why) = started {
        return Some(Err(format!("no thread for the test: {}", why)));
    }
    match receive.recv_timeout(seconds) {
        Ok(outcome) => Some(outcome),
        Err(RecvTimeoutError::Timeout) => None,
        Err(RecvTimeoutError::Disconnected) => Some(Err("it ended its thread".to_owned())),
    }
}

fn said(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| text.to_string());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    text.map(|text| format!(": {}", text)).unwrap_or_default()
}

struct Reporter {
    nonce: String,
}

impl Reporter {
    /// One line, past the lock of `std::io::stdout`, which the candidate may hold.
    fn say(&self, record: &str) {
        use std::os::unix::io::FromRawFd;
        // SAFETY: descriptor 1 is open for as long as the process lives; `forget` keeps it so.
        let mut out = unsafe { std::fs::File::from_raw_fd(1) };
        let line = format!("\n{} {}\n", self.nonce, record);
        let written = out.write_all(line.as_bytes());
        std::mem::forget(out);
        if written.is_err() {
            leave(71);
        }
    }
}

/// A text as JSON writes it, in ASCII.
fn quoted(text: &str) -> String {
    let mut json = String::from("\"");
    for unit in text.chars().take(600).collect::<String>().encode_utf16() {
        match char::from_u32(u32::from(unit)) {
            Some(plain @ (' '..='!' | '#'..='[' | ']'..='~')) => json.push(plain),
            _ => json.push_str(&format!("\\u{:04x}", unit)),
        }
    }
    json + "\""
}

/// Runs it with tokio's clock paused: waiting takes no time, and a future that waits for nothing is found out.
///
/// `seconds` of that clock are given to it. The clock goes from timer to timer; somebody who moves it by hand makes
/// a ticking task late, which is an error.
pub fn paused(seconds: u64, work: impl Future<Output = Outcome>) -> Outcome {
    in_runtime(seconds, Box::pin(work))
}

/// Boxed, so that the compiler makes tokio's scheduler once and not once a test.
fn in_runtime(seconds: u64, work: Pin<Box<dyn Future<Output = Outcome> + '_>>) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    let runtime = runtime.map_err(|why| format!("no runtime: {}", why))?;
    let moved = Arc::new(AtomicBool::new(false));
    let witness = Arc::clone(&moved);
    let outcome = runtime.block_on(async move {
        tokio::spawn(async move {
            loop {
                let due = Instant::now() + TICK;
                sleep_until(due).await;
                if Instant::now() > due + LATE {
                    witness.store(true, Ordering::SeqCst);
                }
            }
        });
        timeout(Duration::from_secs(seconds), work).await
    });
    runtime.shutdown_background();
    if moved.load(Ordering::SeqCst) {
        return Err("the clock was moved by hand".to_owned());
    }
    outcome.unwrap_or_else(|_| Err(format!("it came to no end (within {} s of the paused clock)", seconds)))
}
