"""Keys and what `tracker.scrub` names reach nothing that evalkit writes or prints; what models write is text only."""

import json

import pytest

from tests.e2e.command import SECRET
from tests.servers.threaded import serving

KEYS = {
    "OPENAI_API_KEY": SECRET,
    "ANTHROPIC_API_KEY": "marked-anthropic-0123456789",
    "AWS_SECRET_ACCESS_KEY": "marked/aws/0123456789",
    "HF_TOKEN": "marked-hf-0123456789",
    "MLFLOW_TRACKING_PASSWORD": "marked-mlflow-0123456789",
    "DB_PASSWORD": "marked-db-0123456789",
}
PERSON, FIRM = "ada.lovelace@example.org", "Acme Corporation"
HOSTILE = '\x1b]0;mine\x07 | a | <script>alert(1)</script> =HYPERLINK("http://x")'
KEPT = ("journal.jsonl", "answers.sqlite", "answers.sqlite-wal")  # with texts as they were: docs/security.md
SWEEP = "# @package _global_\nhydra: {mode: MULTIRUN, sweeper: {params: {seed: '2,3'}}}\n"
PHASES = ["ramp.phases.p5.size=2", "ramp.phases.p10.size=4"]
PHASES += [f"~ramp.phases.{name}" for name in ("p30", "p100", "p300")]
# Commands that read what the others have written, and write pages, notebooks and figures of it; test_register looks
# into what is registered.
READING = [
    ("report", "a"),
    ("report", "a", "b", "--notebook"),
    ("compare", "a", "b", "--notebook"),
    ("compare", "--sweep", "seeds", "--format", "markdown"),
    ("triage", "a"),
    ("triage", "a", "--format", "markdown"),
    ("regrade", "a"),
    ("simulate", "b"),
    ("watch", "a", "--once"),
    ("runs", "--format", "csv"),
    ("publish",),
]


def files(home):
    return [path for path in home.path.rglob("*") if path.is_file()]


def holding(home, text, but=()):
    return [path for path in files(home) if text.encode() in path.read_bytes() and path.name not in but]


def made(home, server):
    """A dataset with a person in its prompts, judged by tests."""
    server.texts = {
        "i0": f"Write to {PERSON} of {FIRM}.\n```python\ndef f(x):\n    return x\n```",
        "i1": f"```python\ndef f(x):\n    raise ValueError({HOSTILE!r} + ' {PERSON}')\n```",
        "i2": f"{HOSTILE} {PERSON}",
    }
    server.broken = {"i3"}
    server.says = f"bad key Bearer {SECRET}, of {PERSON}"
    tests = {"kind": "cases", "call": "f", "cases": [{"args": [1], "returns": 1}]}
    rows = [
        {"id": f"i{n}", "prompt": f"Task {n}. Ask {PERSON}.", "answer": "code:python", "tests": tests} for n in range(4)
    ]
    home.write("tasks.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    model = f"{{model: openai/m, api_base: '{server.url}/v1', attempts: 1, timeout_s: 20}}"
    home.write("conf/ladder/one.yaml", f"rungs: {{only: {model}}}\n")
    base = ["dataset=jsonl", "dataset.path=tasks.jsonl", "ladder=one", "retry.attempts=1", "preflight=false"]
    return [*base, "tracker.scrub=[emails,'Ac.e Corporation']"]


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_invariant_12_no_key_and_nothing_scrubbed_is_in_any_file_or_line_of_a_whole_project(home):
    said = ""

    def evalkit(*args, codes=(0,)):
        nonlocal said
        done = home.evalkit(*args, **KEYS)
        assert done.returncode in codes, (args, done.stderr)
        assert "Traceback" not in done.stderr + done.stdout
        said += done.stdout + done.stderr
        return done

    with serving() as server:
        arguments = made(home, server)
        evalkit("run", *arguments, "name=a", "cache=all", codes=(3,))
        server.broken = set()
        evalkit("run", *arguments, "name=b", "seed=1")
        home.write("sweeps/seeds.yaml", SWEEP)
        evalkit("sweep", "seeds", *arguments)
        evalkit("ramp", *arguments, *PHASES, codes=(0, 4))
        evalkit("doctor", *arguments, codes=(0, 3))
    for words in READING:
        evalkit(*words)
    assert server.keys == {f"Bearer {SECRET}"}, "it was used"
    assert {path.name for path in files(home)} >= {"answers.sqlite", "mlflow.db", "phase_1_results.json", "report.html"}
    for name, key in KEYS.items():
        assert (name, holding(home, key), key in said) == (name, [], False)
    assert (holding(home, PERSON, but=("tasks.jsonl", *KEPT)), PERSON in said) == ([], False)
    assert (holding(home, FIRM, but=KEPT), FIRM in said) == ([], False)
    assert "\x1b" not in said
    assert "\x07" not in said
    pages = [path for path in files(home) if path.suffix in (".html", ".ipynb", ".md")]
    assert pages
    assert [path for path in pages if "<script>alert(1)" in path.read_text()] == []
    (a,) = (run for run in home.runs if json.loads((run / "record.json").read_text())["name"] == "a")
    answer = (a / "instances/i0/attempt_1.txt").read_text()
    assert answer.startswith("Write to [scrubbed: emails] of [scrubbed].")


REFUSED = {
    "tracker.scrub=['(']": "scrub[0]",
    "tracker.scrub=[email]": "did you mean 'emails'",
    f"tracker.uri=http://me:{SECRET}@host": "uri holds a password; set MLFLOW_TRACKING_USERNAME",
}


@pytest.mark.parametrize("override", REFUSED)
def test_what_cannot_keep_a_secret_ends_with_2_before_anything_is_spent(home, override):
    found = home.evalkit("run", *home.dataset(1), "ladder=scripted", override)
    assert (found.returncode, REFUSED[override] in found.stderr, home.runs) == (2, True, [])
    assert SECRET not in found.stdout + found.stderr
