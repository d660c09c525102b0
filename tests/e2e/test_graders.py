"""Rules that ask a model, as a user meets them: preflight, the run's mark, its bill, and going on after an outage."""

import json

import pytest

from evalkit.cli.hydra_app import composed
from evalkit.settings import read
from evalkit.wiring import Wired
from tests.servers.threaded import serving

GRADER = "default: [{text: 'VERDICT: yes', tokens_prompt: 10, tokens_completion: 2}]"
COUNTS = "tokens_prompt: 1, tokens_completion: 1"
ANSWERS = f"default: [{{text: wrong, {COUNTS}}}, {{text: right, {COUNTS}}}]"


def dataset(home, model="scripted/grader.yaml", **keys):
    judge = {"id": "kind", "kind": "judge", "model": model, "prompt": "Is it kind? {candidate}", "message": "Be kind."}
    right = {"id": "right", "kind": "regex", "pattern": "right", "message": "Say the right word."}
    rows = [{"id": f"i{n}", "prompt": f"Task {n}.", "rubric": {"rules": [judge | keys, right]}} for n in range(2)]
    home.write("tasks.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    return ["dataset=jsonl", "dataset.path=tasks.jsonl", "verifier=rubric", "tracker=none"]


@pytest.fixture
def scripted(home):
    home.write("grader.yaml", GRADER)
    home.write("answers.yaml", ANSWERS)
    return ["ladder=scripted", "ladder.rungs.script.model=scripted/answers.yaml"]


@pytest.fixture
def wired(home, monkeypatch):
    monkeypatch.setenv("EVALKIT_HOME", str(home.path))
    monkeypatch.chdir(home.path)

    def opened(*overrides):
        found = composed(overrides)
        return Wired(found.config, found.choices, read(found.config))

    return opened


def test_invariant_8_a_scripted_grader_marks_the_run_whatever_its_rungs_are(home, scripted, wired):
    live = "ladder=smallest"
    assert wired(live, *dataset(home)).simulated
    assert not wired(live, *dataset(home, model="local/smollm2-135m")).simulated
    assert not wired(live, *dataset(home), "verifier=tests").simulated


def test_another_grader_or_other_votes_of_its_script_make_another_run(home, scripted, wired):
    keys = [wired(*dataset(home)).key, wired(*dataset(home, model="scripted/answers.yaml")).key]
    home.write("grader.yaml", GRADER.replace("yes", "no"))
    keys.append(wired(*dataset(home)).key)
    home.write("grader.yaml", GRADER)
    keys.append(wired(*dataset(home)).key)
    assert len(set(keys)) == 3
    assert keys[0] == keys[3]


def test_invariant_9_a_rule_that_tells_of_hidden_tests_marks_the_run(home, wired):
    rules = {"rules": [{"id": "t", "kind": "tests", "message": "Pass the tests."}]}
    row = {"id": "i", "prompt": "p", "rubric": rules, "tests": {"kind": "command", "command": ["true"]}}
    home.write("tasks.jsonl", json.dumps(row))
    overrides = ["dataset=jsonl", "dataset.path=tasks.jsonl", "verifier=rubric", "ladder=smallest"]
    assert wired(*overrides).feedback_tag == "hidden-tests"
    assert wired(*overrides, "feedback.tests=none").feedback_tag == "last"


UNREACHABLE = [
    ("scripted/nosuch.yaml", {}, "scripted/nosuch.yaml: no such file"),
    ("anthropic/claude", {}, "set ANTHROPIC_API_KEY in the environment"),
    ("openai/x", {"params": {"api_base": "http://127.0.0.1:9/v1"}}, "nothing answers at"),
    ("openai/x", {"params": {"api_key": "k"}}, "would put a secret into the config"),
]


@pytest.mark.parametrize(("model", "keys", "text"), UNREACHABLE)
def test_a_grader_that_cannot_be_asked_is_found_before_the_first_instance(home, scripted, model, keys, text):
    found = home.evalkit("run", *scripted, *dataset(home, model=model, **keys), ANTHROPIC_API_KEY="")
    assert (found.returncode, text in found.stderr) == (2, True), found.stderr
    assert not (home.path / "answers").exists()
    assert "Traceback" not in found.stderr


@pytest.mark.slow
def test_what_graders_took_is_on_the_bill_once_also_where_no_verdict_came_of_it_at_first(home, scripted):
    """Each instance needs two answers of a token, the second one a vote of five; i1's grader only mumbles at first."""
    with serving() as server:
        params = {"api_base": f"{server.url}/v1", "price": {"prompt": 100_000, "completion": 0}}
        overrides = dataset(home, model="openai/m", prompt="{prompt} Is it kind? {candidate}", params=params)
        server.texts = {"i0": "VERDICT: yes", "i1": "hm"}
        first = home.evalkit("run", *scripted, *overrides)
        assert first.returncode == 3, first.stderr
        before = home.summary()
        assert before["counts"]["unfinished"] == 1
        assert "gave no verdict that can be read, asked twice: 'hm'" in before["instances"][1]["final_error"]
        assert before["tokens"] == {"prompt": 4 + 5 + 10, "completion": 4 + 1 + 2}
        assert before["cost_usd"] == pytest.approx(1.5)

        server.texts["i1"] = "VERDICT: yes"
        second = home.evalkit("run", *scripted, *overrides)
        assert second.returncode == 0, second.stderr
        after = home.summary()
        assert after["tokens"] == {"prompt": 4 + 5 + 10 + 5, "completion": 4 + 1 + 2 + 1}
        assert after["cost_usd"] == pytest.approx(2.0)
        assert sum(row["cost_usd"] for row in after["instances"]) == pytest.approx(2.0)
        assert after["by_rung"][0]["cost_usd"] == 0.0
        graders = {"requests": 4, "cost_usd": 2.0, "tokens_prompt": 20, "tokens_completion": 4}
        assert after["graders"] == pytest.approx(graders)
        assert "(of it graders $2.0000)" in second.stdout
        assert sum(server.answered.values()) == 4


@pytest.mark.slow
def test_what_graders_took_to_prove_instances_healthy_is_on_the_bill_too(home, scripted):
    overrides = dataset(home)
    rows = [json.loads(line) | {"good": ["right"]} for line in (home.path / "tasks.jsonl").open()]
    home.write("tasks.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    assert home.evalkit("run", *scripted, *overrides).returncode == 0
    assert home.summary()["tokens"] == {"prompt": 4 + 20 + 20, "completion": 4 + 4 + 4}
    assert home.evalkit("dataset", "check", "tasks.jsonl", "verifier=rubric").returncode == 0


@pytest.mark.slow
def test_a_grader_without_a_verdict_on_a_good_answer_stops_the_run_and_quarantines_nothing(home, scripted):
    overrides = dataset(home, samples=2)
    rows = [json.loads(line) | {"good": ["right"]} for line in (home.path / "tasks.jsonl").open()]
    home.write("tasks.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    votes = {"abstains": "default: ['VERDICT: yes', 'VERDICT: no']", "asked twice: 'hm'": "default: hm"}
    for text, script in votes.items():
        home.write("grader.yaml", script)
        found = home.evalkit("run", *scripted, *overrides)
        assert (found.returncode, text in found.stderr, "quarantined" in found.stderr) == (3, True, False), found.stderr
        assert "good answer 1: rule 'kind': the grader" in found.stderr
    home.write("grader.yaml", GRADER)
    found = home.evalkit("run", *scripted, *overrides)
    assert found.returncode == 0, found.stderr
