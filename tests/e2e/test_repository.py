"""A repository with its own tests from the command line: climbs, feedback, triage, the ramp, and what was recorded.

Six planted bugs (tests/repository.py); a scripted model mends two at once and one after it was told, fails at the rest.
"""

import json
import signal
import time
from collections import Counter

import jsonschema
import pytest
import yaml

from evalkit.places import PACKAGE
from tests.e2e.command import Home
from tests.repository import BUGS, ENVIRONMENT, NAME, generated
from tests.servers.threaded import serving
from tests.wheels import PYTEST, of_installed

pytestmark = pytest.mark.slow
ASKED = [
    "dataset=repo", "dataset.path=tasks.jsonl", "dataset.repos=repos", "context=repo", "feedback=tests",
    "strategy=repair", "verifier=tests", "tracker=none",
]  # fmt: skip
OF = {bug.id: bug for bug in BUGS}


def edit(name, old, new):
    """An answer that replaces `old` in the bug's module."""
    return f"{OF[name].path}\n<<<<<<< SEARCH\n{old}=======\n{new}>>>>>>> REPLACE\n"


def mended(name, text="{}"):
    """The whole lines of the bug, mended; or with `text` instead, {} standing for the mended part."""
    bug = OF[name]
    start = bug.text.rindex("\n", 0, bug.text.index(bug.wrong)) + 1
    end = bug.text.index("\n", start + len(bug.wrong) - 1) + 1
    lines = bug.text[start:end]
    return edit(name, lines, lines.replace(bug.wrong, text.format(bug.right)))


SAME = edit("options", "    found = {}\n", "    found = {}\n")
ANSWERS = {
    "shop-shares": [mended("shares")],
    "shop-hours": [mended("hours")],
    "shop-slugs": [mended("slugs", '    return re.sub(r"[^a-z0-9]+", "-", name.lower())\n'), mended("slugs")],
    "shop-options": [edit("options", "    nothing = so\n", "    is = here\n"), SAME],
    "shop-recent": [edit("recent", "class Recent:\n", "import shop.nowhere\n\n\nclass Recent:\n")],
    "shop-prices": [mended("prices", "{{cents % 100:03}} €")],
}


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    return generated(tmp_path_factory.mktemp("shop") / "repos")


@pytest.fixture(scope="module")
def home(tmp_path_factory, shop):
    """The repository, its dataset, its environment by recipe, and the script."""
    home = Home(tmp_path_factory.mktemp("home"))
    home.path.joinpath("repos").symlink_to(shop.repos)
    home.write(
        "tasks.jsonl", "".join(json.dumps(line(number, one)) + "\n" for number, one in enumerate(shop.instances))
    )
    recipe = {"packages": list(PYTEST), "test": list(ENVIRONMENT.test), "timeout_s": 120}
    home.write("environments.yaml", yaml.safe_dump({ENVIRONMENT.name: recipe}))
    home.write("answers.yaml", yaml.safe_dump({"instances": ANSWERS}))
    home.write("conf/ladder/mine.yaml", "rungs: {one: {model: scripted/answers.yaml, attempts: 2}}\n")
    return home


@pytest.fixture(scope="module")
def pip(tmp_path_factory):
    """Packages come from what is installed here."""
    return of_installed(tmp_path_factory.mktemp("wheels"))


def line(number, one):
    """An instance as a line of a dataset; "Task N." is what the server of models knows it by."""
    return {
        "id": one.id, "prompt": f"{one.prompt}\n\nTask {number}.", "gold": one.gold, "tags": ["shop"],
        "repo": {"name": NAME, "commit": one.repo.commit, "environment": ENVIRONMENT.name},
        "tests": {
            "kind": "repo", "patch": one.tests.patch, "targets": list(one.tests.targets),
            "fail_to_pass": list(one.tests.fail_to_pass), "pass_to_pass": list(one.tests.pass_to_pass),
        },
    }  # fmt: skip


@pytest.fixture(scope="module")
def climbed(home, pip):
    """The run's folder, and what was printed."""
    done = home.evalkit("run", *ASKED, "ladder=mine", "name=whole", **pip)
    assert done.returncode == 0, done.stdout + done.stderr
    (run,) = home.runs
    return run, done.stdout


def attempts(run, name):
    return [json.loads(path.read_text()) for path in sorted(run.glob(f"instances/{name}/attempt_*.json"))]


def asked(attempt):
    return "\n".join(message["content"] for message in attempt["prompt"]["messages"])


def test_each_climb_ends_as_its_answers_deserve_and_triage_says_why(home, climbed):
    run, said = climbed
    assert "solved 3 of 6" in said
    summary = json.loads((run / "summary.json").read_text())
    needed = {row["instance_id"]: row["attempts_needed"] for row in summary["instances"]}
    assert needed == {
        "shop-shares": 1, "shop-hours": 1, "shop-slugs": 2, "shop-options": None, "shop-recent": None,
        "shop-prices": None,
    }  # fmt: skip
    assert {name: [one["failure"] for one in attempts(run, name)] for name in needed} == {
        "shop-shares": [None],
        "shop-hours": [None],
        "shop-slugs": ["test_failure", None],
        "shop-options": ["apply_failed", "no_change"],
        "shop-recent": ["syntax_error"] * 2,
        "shop-prices": ["test_failure"] * 2,
    }
    causes = {row["cause"]: (row["climbs"], row["attempts"], row["lever"]) for row in summary["triage"]["rows"]}
    assert causes == {
        "syntax_error": (1, 2, "model"),
        "test_failure.right_file": (1, 3, "model"),
        "no_change": (1, 1, "prompt"),
        "apply_failed": (0, 1, "prompt"),
        "repeated": (0, 2, "feedback"),
    }
    shown = home.evalkit("triage", "whole", "--cause", "no_change")
    assert "ended so: shop-options" in shown.stdout


def test_the_second_prompt_tells_the_failing_test_with_its_line_and_no_prompt_tells_the_solution(shop, climbed):
    run, _ = climbed
    second = asked(attempts(run, "shop-slugs")[1])
    assert "- tests/test_slugs.py::test_dashes[a!-a]: AssertionError: assert 'a-' == 'a'" in second
    assert "tests/test_slugs.py:13: assert slug(name) == made" in second
    for number, one in enumerate(shop.instances):
        here = {line.strip() for text in one.files.values() for line in text.splitlines()}
        later = shop.instances[number:]  # its own solution and tests, and all that history brings after them
        secret = {line for after in later for line in added(after.gold) + added(after.tests.patch)} - here
        assert len(secret) > len(later)
        for attempt in attempts(run, one.id):
            assert not secret & {line.strip() for line in asked(attempt).splitlines()}


def added(patch):
    """The lines that a patch brings, as they would stand in a prompt."""
    return [line[1:].strip() for line in patch.splitlines() if line.startswith("+") and not line.startswith("+++")]


def test_a_ramp_climbs_in_phases_whose_files_fit_the_schema(home, climbed, pip):
    home.write("conf/ramp/tiny.yaml", yaml.safe_dump({
        "defaults": ["default"],
        "phases": {f"p{size}": {"size": size, "rule": "health", "unhealthy_most": 0.9} for size in (2, 4, 6)},
    }))  # fmt: skip
    without = [f"~ramp.phases.p{size}" for size in (5, 10, 30, 100, 300)]
    done = home.evalkit("ramp", *ASKED, "ladder=mine", "ramp=tiny", *without, **pip)
    assert done.returncode == 0, done.stdout + done.stderr
    (folder,) = home.path.glob("mlruns/ramps/*")
    schema = json.loads((PACKAGE / "schemas" / "phase.json").read_text())
    phases = [json.loads((folder / f"phase_{number}_results.json").read_text()) for number in (1, 2, 3)]
    for one in phases:
        jsonschema.Draft202012Validator(schema).validate(one)
    assert [one["summary"]["total"] for one in phases] == [2, 4, 6]
    assert phases[2]["summary"]["verified"] == 3


@pytest.fixture(scope="module")
def resumed(home, climbed, pip):
    """The run of a server's model that was killed and resumed; what the server and the journal held in between."""
    with serving() as server:
        server.texts = {f"i{number}": ANSWERS[f"shop-{bug.id}"][0] for number, bug in enumerate(BUGS)}
        rung = f"{{model: openai/m, api_base: '{server.url}/v1', attempts: 1, timeout_s: 60}}"
        home.write("conf/ladder/remote.yaml", f"rungs: {{only: {rung}}}\n")
        command = ["run", *ASKED, "ladder=remote", "limits.concurrency=1", "name=resumed"]
        server.hold = {"i3"}
        known = set(home.runs)
        process = home.start(*command, **pip)
        while not server.held:
            time.sleep(0.02)
            assert process.poll() is None, process.communicate()
        process.send_signal(signal.SIGKILL)
        process.communicate()
        (run,) = set(home.runs) - known
        between = Counter(server.answered), (run / "journal.jsonl").read_bytes()
        server.hold = set()
        done = home.evalkit(*command, **pip)
        assert "solved 2 of 6" in done.stdout, done.stdout + done.stderr
        return run, server.answered, between


def test_kill_9_in_the_middle_and_the_same_command_asks_nothing_twice_that_was_answered(resumed):
    run, answered, (before, kept) = resumed
    assert 0 < len(before) < 6
    assert {task: count for task, count in answered.items() if task != "i3"} == dict.fromkeys(
        ("i0", "i1", "i2", "i4", "i5"), 1
    )  # i3 was in flight
    journal = (run / "journal.jsonl").read_bytes()
    assert journal.startswith(kept[: kept.rfind(b"\n") + 1])
    keys = [json.loads(record)["record"]["key"] for record in journal.splitlines()]
    assert len(keys) == len(set(keys)) == 1 + 2 * 6


def test_two_runs_are_compared_and_a_run_is_judged_again(home, resumed, pip):
    shown = home.evalkit("compare", "resumed", "whole", "--allow-simulated", "--format", "json")
    (found,) = json.loads(shown.stdout)["comparisons"]
    assert (found["both"], found["only_a"], found["only_b"], found["neither"]) == (2, 0, 1, 3)
    again = json.loads(home.evalkit("regrade", "resumed", "--format", "json", **pip).stdout)
    assert (again["flips"], again["solved"]) == ([], {"before": 2, "after": 2})
