"""`evalkit regrade`: recorded answers before another rubric, and the rules that real answers make doubtful.

The recorded answers are those of a story that happened: a rule wanted the literals 500 and 1000, and refused the
answers that double their delay.
"""

import json
import shutil
from pathlib import Path

import pytest

from evalkit.cli import main
from evalkit.wiring import Wired
from tests.e2e.command import Home

STORY = Path(__file__).parent / "backoff"
LADDER = "rungs: {recorded: {model: replay/answers.jsonl, attempts: 3, temperature: 0.5}}\n"
PASSING = [("delays", 2), ("delays-named", 2), ("delays-named", 3)]  # rejected by the strict rule alone


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """A home with the story's run by the strict rubric."""
    place = tmp_path_factory.mktemp("home")
    home = Home(place)
    for name in ("tasks.jsonl", "answers.jsonl"):
        shutil.copy(STORY / name, place / name)
    home.write("conf/ladder/story.yaml", LADDER)
    home.write("rubrics/backoff.yaml", (STORY / "strict.yaml").read_text())
    done = home.evalkit(
        "run", "dataset=jsonl", "dataset.path=tasks.jsonl", "ladder=story", "name=story", "tracker=none"
    )
    assert done.returncode == 0, done.stderr
    home.said = done.stdout
    return home


@pytest.fixture
def home(told, tmp_path, monkeypatch):
    """A copy of it for each test."""
    shutil.copytree(told.path, tmp_path / "home")
    monkeypatch.setenv("EVALKIT_HOME", str(tmp_path / "home"))
    return Home(tmp_path / "home")


@pytest.fixture
def evalkit(home, capsys):
    """Call the command line in that home; exit code, stdout, stderr."""

    def call(*args):
        code = main([str(arg) for arg in args])
        said = capsys.readouterr()
        return code, said.out, said.err

    return call


def mend(home):
    home.write("rubrics/backoff.yaml", (STORY / "mended.yaml").read_text())


def answers(suspect):
    return [(answer["instance_id"], answer["attempt"]) for answer in suspect["answers"]]


def test_the_false_reject_is_found_from_recorded_attempts_alone(evalkit):
    code, out, _ = evalkit("regrade", "story", "--suspects", "--format", "json")
    found = json.loads(out)
    (suspect,) = [one for one in found["suspects"] if one["why"] == "only_objection"]
    assert (code, suspect["rule"], answers(suspect)) == (0, "exponential-backoff", PASSING)
    assert found["flips"] == []  # the rubric is still the one of the run
    said = evalkit("regrade", "story", "--suspects")[1]
    assert "suspect rule backoff/exponential-backoff: the only objection to 3 answers that pass the tests" in said


def test_a_run_says_that_it_did_not_test_what_one_rule_rejects(told):
    assert "6 answers were rejected by one rule alone, untested" in " ".join(told.said.split())
    summary = told.summary()
    assert summary["untested"] == 6
    assert {(one["rule"], one["why"]) for one in summary["suspects"]} == {("no-print", "never_fired")}


def test_a_run_that_tests_everything_names_the_suspect_itself(home, evalkit):
    run = ["run", "dataset=jsonl", "dataset.path=tasks.jsonl", "ladder=story", "tracker=none"]
    code, out, _ = evalkit(*run, "verifier.after_rejection=run", "name=tested")
    assert code == 0
    assert "the only objection to 3 answers that pass the tests" in " ".join(out.split())


def test_the_mended_rubric_flips_what_the_strict_one_refused(home, evalkit):
    mend(home)
    code, out, _ = evalkit("regrade", "story", "--format", "json")
    found = json.loads(out)
    assert code == 0
    assert [(one["instance_id"], one["attempt"]) for one in found["flips"]] == PASSING
    assert {(one["before"], one["after"], *one["rules"]) for one in found["flips"]} == {
        ("rejected", "accepted", "exponential-backoff")
    }
    effects = {(one["instance_id"], one["attempt"]): one["effect"] for one in found["flips"]}
    assert effects["delays", 2] == "solved at attempt 2; the 1 after it would not have been made"
    assert effects["delays-named", 3].startswith("none: attempt 2 is accepted")
    assert (found["solved"], found["judged"]) == ({"before": 1, "after": 3}, {"before": 3, "after": 3})
    assert found["solved_rate"]["after"]["value"] == 1


def test_a_stricter_judge_says_that_a_climb_would_have_gone_on(home, evalkit):
    home.write("rubrics/strictest.yaml", "rules: [{id: never, kind: regex, pattern: zzz, message: Say zzz.}]\n")
    code, out, _ = evalkit("regrade", "story", "verifier.rubric=strictest", "--format", "json")
    found = json.loads(out)
    (flip,) = found["flips"]
    assert (code, flip["after"], flip["rules"]) == (0, "rejected", ["never"])
    assert flip["effect"] == "would have gone on: unknown what came next"
    assert (found["would_have_gone_on"], found["solved"]) == (1, {"before": 1, "after": 0})
    assert (
        "would have gone on, and nothing more is recorded"
        in evalkit("regrade", "story", "verifier.rubric=strictest")[1]
    )


@pytest.mark.slow
def test_a_logged_regrade_is_a_run_that_names_its_source_and_can_be_regraded(home, evalkit):
    mend(home)
    (source,) = home.runs
    assert evalkit("regrade", "story", "--log", "tracker=local")[0] == 0
    (logged,) = [run for run in home.runs if run != source]
    summary = json.loads((logged / "summary.json").read_text())
    assert summary["counts"]["solved"] == 3
    assert {row["instance_id"]: row["attempts_needed"] for row in summary["instances"]} == {
        "delays": 2, "delays-named": 2, "delays-short": 2,
    }  # fmt: skip
    assert (logged / "instances/delays/attempt_2.txt").read_text() == (
        source / "instances/delays/attempt_2.txt"
    ).read_text()
    tags = summary["tags"]
    assert (tags["evalkit.source"], tags["evalkit.regraded"], tags["evalkit.kind"]) == (source.name, "true", "run")
    assert tags["evalkit.simulated"] == "true"
    rows = {row["name"]: row for row in json.loads(evalkit("runs", "--format", "json")[1])}
    assert list(rows) == ["story regraded"]
    assert rows["story regraded"]["counts"]["solved"] == 3
    before = {path: path.read_bytes() for path in logged.glob("**/instances/**/*.json")}
    assert evalkit("regrade", "story", "--log")[0] == 0
    assert {path: path.read_bytes() for path in before} == before
    again = json.loads(evalkit("regrade", logged, "--format", "json")[1])
    assert (again["flips"], again["attempts"]) == ([], 6)


def test_what_cannot_be_judged_is_said_and_ends_with_3(home, evalkit):
    lines = (home.path / "tasks.jsonl").read_text().splitlines(keepends=True)
    home.write("tasks.jsonl", "".join(lines[1:]))
    code, out, _ = evalkit("regrade", "story")
    assert code == 3
    assert "not judged: delays, epoch 1, attempt 1: the dataset has no instance 'delays' any more" in out
    found = json.loads(evalkit("regrade", "story", "--format", "json")[1])
    assert (len(found["unjudged"]), found["judged"]) == (3, {"before": 3, "after": 2})
    assert f"none of {found['attempts'] - 3} verdicts flips" in out


def test_what_graders_took_is_on_the_bill_of_a_logged_regrade(home, evalkit):
    home.write("grader.yml", "default: [{text: 'VERDICT: yes', tokens_prompt: 10, tokens_completion: 2}]")
    rule = "{id: kind, kind: judge, model: scripted/grader.yml, prompt: 'Kind? {candidate}', message: Be kind.}"
    home.write("rubrics/graded.yaml", f"rules: [{rule}]\n")
    (source,) = home.runs
    judged = ["verifier=rubric", "verifier.rubric=graded", "--with-graders", "--log"]
    assert evalkit("regrade", "story", *judged)[0] == 0
    (logged,) = [run for run in home.runs if run != source]
    summary = json.loads((logged / "summary.json").read_text())
    assert summary["graders"]["tokens_prompt"] == 10 * summary["graders"]["requests"] > 0


def test_what_judges_is_closed_again(home, evalkit, monkeypatch):
    closed = []

    async def close(self):
        closed.append(self)

    monkeypatch.setattr(Wired, "close", close)
    evalkit("regrade", "story")
    assert len(closed) == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nosuchrun"], "no run 'nosuchrun'"),
        (["story", "ladder=local"], "recorded answers stay as they are"),
        (["story", "verifier=rubrik"], "Did you mean 'rubric'?"),
        (["story", "verifier.rubric=bakoff"], "did you mean 'backoff'?"),
    ],
)
def test_a_slip_is_named_and_ends_with_2(evalkit, arguments, said):
    code, _, err = evalkit("regrade", *arguments)
    assert code == 2
    assert said in err


def test_no_model_is_asked(home, evalkit):
    (home.path / "answers.jsonl").unlink()
    (home.path / "conf/ladder/story.yaml").unlink()
    assert evalkit("regrade", "story")[0] == 0


def test_the_strict_rule_is_brittle_and_the_mended_one_is_not(evalkit):
    assert evalkit("rubric", "test", str(STORY / "strict.yaml"))[0] == 4
    code, out, _ = evalkit("rubric", "test", str(STORY / "mended.yaml"))
    assert code == 0, out
