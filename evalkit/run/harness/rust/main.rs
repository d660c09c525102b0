// The tests' program: the suite, and through the bridge the candidate.

mod bridge;

fn main() {
    evalkit::run(|| suite::tests(bridge::subject()))
}
