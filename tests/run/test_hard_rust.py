"""The hard task: every answer of its dataset gets the verdict that is stated for it, and cheating gets none."""

import asyncio
import fcntl
import pickle
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from evalkit.adapters.bubblewrap_sandbox import BubblewrapSandbox
from evalkit.adapters.rubric_files import RubricFolder
from evalkit.core.judge import judge
from evalkit.core.types import Candidate, Instance, Outcome, Tests, Verdict
from evalkit.run.judging import rust
from evalkit.run.tests_verifier import TestsVerifier
from tests.sandboxes import alone, docker, needs_rust, rust_sandbox, why_no_rust_image

ROOT = Path(__file__).parents[2]
SOURCES = ROOT / "conf" / "dataset" / "hard_rust"
ACCEPTED = sorted(SOURCES.glob("accepted/*.rs"))
REJECTED = sorted(SOURCES.glob("rejected/*.rs"))
RUBRIC = RubricFolder([str(ROOT / "rubrics")]).find("bounded_fetch")
SUITE = Tests(
    kind="rust",
    code=(SOURCES / "tests.rs").read_text(),
    bridge=(SOURCES / "bridge.rs").read_text(),
    timeout_s=120,
)
INSTANCE = Instance("bounded-fetch", "…", answer="code:rust", tests=SUITE, image="rust")


def stated(path: Path) -> str:
    """What rejects the answer: `RULE, RULE`, `test NAME NAME`, or `compile`."""
    return path.read_text().splitlines()[0].removeprefix("// rejected-by: ")


def by_rules(path: Path) -> bool:
    return not stated(path).startswith("test ") and stated(path) != "compile"


def named(paths: Iterable[Path]) -> list[object]:
    return [pytest.param(path, id=path.stem) for path in paths]


def broken(text: str) -> set[str]:
    return {finding.rule for finding in judge(RUBRIC, text).findings}


@pytest.mark.parametrize("path", named(ACCEPTED))
def test_an_accepted_answer_breaks_no_rule(path: Path) -> None:
    assert broken(path.read_text()) == set()


@pytest.mark.parametrize("path", named(filter(by_rules, REJECTED)))
def test_a_rejected_answer_breaks_exactly_the_rules_that_it_states(path: Path) -> None:
    assert broken(path.read_text()) == set(stated(path).split(", "))


@pytest.mark.parametrize("path", named(path for path in REJECTED if not by_rules(path)))
def test_what_only_running_shows_breaks_no_rule(path: Path) -> None:
    assert broken(path.read_text()) == set()


def test_every_rule_has_fifteen_companions_and_an_answer_that_breaks_it() -> None:
    rules = {rule.id for rule in RUBRIC.rules}
    assert len(rules) == 15
    assert rules == {name for path in REJECTED if by_rules(path) for name in stated(path).split(", ")}
    assert len(ACCEPTED) >= 12
    assert len(REJECTED) >= 30


def test_the_dataset_is_what_its_sources_say() -> None:
    script = ROOT / "scripts" / "hard_rust.py"
    done = subprocess.run([sys.executable, script, "--check"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def verifier(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestsVerifier]:
    """One for all tests here: tokio and the suite are compiled once, also where pytest has several workers."""
    containers = None if rust_sandbox() == "bubblewrap" else docker(concurrency=2)
    one = TestsVerifier(sandbox=containers or BubblewrapSandbox(concurrency=2))
    with (tmp_path_factory.getbasetemp().parent / "compiled").open("a+b") as compiled:
        fcntl.flock(compiled, fcntl.LOCK_EX)
        compiled.seek(0)
        one._kept._made.update(pickle.loads(compiled.read() or pickle.dumps({})))
        if not one._kept._made:
            alone(one.verify, INSTANCE, Candidate("is no Rust", "rust"))
            compiled.write(pickle.dumps(one._kept._made))
    yield one
    if containers is not None:
        alone(containers.close)


async def verdicts(verifier: TestsVerifier, texts: Iterable[str]) -> list[Verdict]:
    return await asyncio.gather(*(verifier.verify(INSTANCE, Candidate(text, "rust")) for text in texts))


@needs_rust
@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.asyncio(loop_scope="module")
async def test_accepted_answers_pass_every_test(verifier: TestsVerifier) -> None:
    found = await verdicts(verifier, [path.read_text() for path in ACCEPTED])
    wrong = {path.stem: one.findings for path, one in zip(ACCEPTED, found, strict=True) if not one.accepted}
    assert wrong == {}
    assert {len(one.tests) for one in found} == {12}


@needs_rust
@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.asyncio(loop_scope="module")
async def test_answers_that_keep_the_rules_and_do_wrong_fail_by_the_tests_that_they_state(
    verifier: TestsVerifier,
) -> None:
    paths = [path for path in REJECTED if not by_rules(path)]
    found = await verdicts(verifier, [path.read_text() for path in paths])
    for path, one in zip(paths, found, strict=True):
        assert not one.accepted, path.stem
        failed = {test.name for test in one.tests if test.outcome is Outcome.FAILED} or {one.findings[0].rule}
        assert set(stated(path).removeprefix("test ").split()) <= failed, path.stem


HEAD = """
use std::future::Future;

#[derive(Debug)]
pub enum FetchError { Failed }

impl std::fmt::Display for FetchError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { write!(f, "failed") }
}

impl std::error::Error for FetchError {}
"""
FUNCTION = """
pub async fn bounded_fetch<F, Fut>(_urls: Vec<String>, _fetch: F) -> Vec<Result<String, FetchError>>
where
    F: Fn(String) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<String, String>> + Send + 'static,
{
    BODY
    Vec::new()
}
"""
# Looks for the nonce (32 hex digits) in all that can be read, and reports a full pass under each that it finds.
SPY = r"""
fn spy() {
    use std::io::{Read, Seek, SeekFrom, Write};
    let mut seen: Vec<u8> = Vec::new();
    if let Ok(entries) = std::fs::read_dir("/proc") {
        for entry in entries.flatten() {
            for name in ["cmdline", "environ", "fd/0", "fd/3", "fd/4"] {
                if let Ok(mut file) = std::fs::File::open(entry.path().join(name)) {
                    let mut bytes = vec![0; 65536];
                    if let Ok(count) = file.read(&mut bytes) { seen.extend(&bytes[..count]); }
                }
            }
            let maps = std::fs::read_to_string(entry.path().join("maps")).unwrap_or_default();
            if let Ok(mut memory) = std::fs::File::open(entry.path().join("mem")) {
                for line in maps.lines().filter(|line| line.contains(" rw-p ")) {
                    let ends: Vec<u64> = line.split(' ').next().unwrap_or("").split('-')
                        .filter_map(|end| u64::from_str_radix(end, 16).ok()).collect();
                    let mut bytes = vec![0; (ends[1] - ends[0]).min(1 << 24) as usize];
                    if memory.seek(SeekFrom::Start(ends[0])).is_ok() && memory.read(&mut bytes).is_ok() {
                        seen.extend(bytes);
                    }
                }
            }
        }
    }
    for window in seen.windows(32) {
        if window.iter().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(byte)) {
            let nonce = String::from_utf8_lossy(window);
            let names = [NAMES];
            let mut report = format!("\n{} {{\"tests\": {:?}}}\n", nonce, names);
            for name in names {
                let passed = "\"outcome\": \"passed\", \"late\": false, \"message\": \"\"";
                report += &format!("{} {{\"test\": \"{}\", {}}}\n", nonce, name, passed);
            }
            report += &format!("{} {{\"done\": true}}\n", nonce);
            let _ = std::io::stdout().write_all(report.as_bytes());
        }
    }
    std::process::exit(0);
}
"""


def cheat(body: str = "", beside: str = "", first: str = "") -> str:
    names = ", ".join(f'"{line.split(chr(34))[1]}"' for line in SUITE.code.splitlines() if line.startswith('    ("'))
    return first + HEAD + beside.replace("NAMES", names) + FUNCTION.replace("BODY", body)


GOOD = (SOURCES / "accepted" / "semaphore_tasks.rs").read_text()
CHEATS = {
    "leaves with success": cheat("std::process::exit(0);"),
    "aborts": cheat("std::process::abort();"),
    "panics with a hook that leaves": cheat(
        'std::panic::set_hook(Box::new(|_| std::process::exit(0)));\n    if true { panic!("caught?") }'
    ),
    "prints a report without the nonce": cheat(
        'println!("\\n{} {{\\"done\\": true}}", "0".repeat(32)); std::process::exit(0);'
    ),
    "spies for the nonce": cheat("spy();", SPY),
    "spies for the nonce when it is compiled": cheat(
        'println!("{}", JOB); std::process::exit(0);', 'const JOB: &str = include_str!("/proc/self/fd/0");'
    ),
    "spies on the driver when it is compiled": cheat("", 'const JOB: &str = include_str!("/proc/2/fd/0");'),
    "spies on the first process when it is compiled": cheat(
        "", 'const JOB: &[u8] = include_bytes!("/proc/1/environ");'
    ),
    "runs before main by assembler": cheat("", 'core::arch::global_asm!(".section .init_array", ".quad 0");'),
    "runs before main by a section": cheat(
        "", '#[used]\n#[link_section = ".init_array"]\nstatic EARLY: extern "C" fn() = early;\nextern "C" fn early() {}'
    ),
    "takes the place of write": cheat(
        "", '#[no_mangle]\npub extern "C" fn write(_: i32, _: *const u8, n: usize) -> isize { n as isize }'
    ),
    "is unsafe": cheat("unsafe { std::hint::unreachable_unchecked() }"),
    "allows itself to be unsafe": cheat(
        "unsafe { std::hint::unreachable_unchecked() }", first="#![allow(unsafe_code)]"
    ),
    "calls itself the suite": cheat(first='#![crate_name = "suite"]'),
    "takes the output for itself": cheat("std::mem::forget(std::io::stdout().lock());"),
    "never returns": cheat("loop { std::hint::spin_loop() }"),
    "waits for nothing": cheat("std::future::pending::<()>().await;"),
    "blocks its thread": cheat("std::thread::sleep(std::time::Duration::from_secs(3600));"),
    "recurses for ever": cheat(
        'println!("{}", deep(1));', "fn deep(n: u64) -> u64 { if n == 0 { 0 } else { deep(n + 1) + n } }"
    ),
    "eats all memory": cheat("let mut all = Vec::new(); loop { all.push(vec![1u8; 1 << 24]); }"),
    "prints for ever": cheat('loop { println!("{}", "x".repeat(1000)); }'),
    "starts a process that stays": cheat(
        'drop(std::process::Command::new("/bin/sh").args(["-c", "sleep 600 & exec >&-"]).spawn());'
    ),
    "writes over the tests": cheat(
        'for name in ["out/tests", "main.rs", "kept/libsuite.rlib"] { drop(std::fs::write(name, "")); }'
    ),
    "leaves when its thread ends": cheat(
        "AT_END.with(|_| ());",
        "struct AtEnd;\nimpl Drop for AtEnd { fn drop(&mut self) { std::process::exit(0) } }\n"
        "thread_local! { static AT_END: AtEnd = AtEnd; }",
    ),
    "moves the clock instead of waiting": GOOD.replace(
        "sleep(retry_delay)", "tokio::time::advance(retry_delay)"
    ).replace("use tokio::time::sleep;\n", ""),
    "lets the clock run": cheat("tokio::time::resume();"),
    "is empty": "",
    "is no Rust": "def bounded_fetch(urls, fetch): ...",
}


@needs_rust
@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.asyncio(loop_scope="module")
async def test_no_cheat_is_accepted(verifier: TestsVerifier, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rust, "TEST_SECONDS", 2.0)  # five of them never end
    found = dict(zip(CHEATS, await verdicts(verifier, CHEATS.values()), strict=True))
    assert [name for name, one in found.items() if one.accepted] == []
    assert [name for name, one in found.items() if not one.findings] == []
    assert found["moves the clock instead of waiting"].findings[0].message.endswith("the clock was moved by hand")


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_in_a_container_the_verdicts_are_the_same(shared_docker: object) -> None:
    if why := why_no_rust_image():
        pytest.skip(why)
    wrong = next(path for path in REJECTED if stated(path).startswith("test "))
    verifier = TestsVerifier(sandbox=shared_docker)
    good, bad = await verdicts(verifier, [ACCEPTED[0].read_text(), wrong.read_text()])
    assert (good.accepted, len(good.tests)) == (True, 12), good.findings
    assert set(stated(wrong).removeprefix("test ").split()) <= {
        test.name for test in bad.tests if test.outcome is Outcome.FAILED
    }
