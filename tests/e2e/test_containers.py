"""Runs whose instances ask for an image: in docker where it can be had, said where it cannot."""

import json

import pytest

from tests.sandboxes import why_no_docker

GOOD = "def f(n):\n    return n + 1\n"
TESTS = {"kind": "cases", "call": "f", "cases": [{"args": [1], "returns": 2}]}


@pytest.fixture
def asking(home):
    """A run of one instance that asks for an image, and one that does not."""
    home.write("conf/ladder/mine.yaml", "rungs:\n  small: {model: scripted/small.yaml, attempts: 1}\n")
    home.write("small.yaml", f"default: {json.dumps(f'```python{chr(10)}{GOOD}```')}\n")

    def write(image):
        rows = [
            {"id": name, "prompt": "Write f.", "answer": "code:python", "tests": TESTS, "good": [GOOD], **more}
            for name, more in (("plain", {}), ("contained", {"image": image}))
        ]
        home.write("tasks.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
        return ["dataset=jsonl", "dataset.path=tasks.jsonl", "ladder=mine", "tracker=none", "sandbox.seconds=60"]

    return write


def tags(home):
    return json.loads((home.runs[0] / "record.json").read_text())["tags"]


def test_each_instance_runs_in_what_it_asks_for_and_the_run_says_so(home, asking):
    if why := why_no_docker():
        pytest.skip(why)
    found = home.evalkit("run", *asking("python"))
    assert (found.returncode, "solved 2 of 2" in found.stdout) == (0, True), found.stderr
    assert "sandbox: bubblewrap+docker" in found.stderr
    assert tags(home)["evalkit.sandbox"] == "bubblewrap+docker"
    assert "evalkit.sandbox_fallback" not in tags(home)


def test_invariant_11_what_docker_cannot_do_is_done_by_bubblewrap_and_said(home, asking):
    found = home.evalkit("run", *asking("python"), DOCKER_HOST=f"unix://{home.path}/none.sock")
    assert (found.returncode, "solved 2 of 2" in found.stdout) == (0, True), found.stderr
    assert "sandbox: bubblewrap instead of docker: no image 'python'" in found.stderr
    assert tags(home)["evalkit.sandbox"] == "bubblewrap"
    assert "no container engine answers" in tags(home)["evalkit.sandbox_fallback"]


def test_a_missing_image_is_an_error_before_anything_is_spent_with_the_command_that_builds_it(home, asking):
    if why := why_no_docker():
        pytest.skip(why)
    home.write("conf/sandbox/image/mine.yaml", f"packages: [python3]\nfiles: {{/etc/home: '{home.path}'}}\n")
    found = home.evalkit("run", *asking("mine"), "sandbox=docker")
    assert found.returncode == 2
    assert "evalkit images build mine" in found.stderr
    assert home.runs == []


def test_without_an_image_auto_and_bubblewrap_are_the_same_run(home, asking):
    overrides = asking("")
    home.evalkit("run", *overrides, "sandbox=auto")
    again = home.evalkit("run", *overrides, "sandbox=bubblewrap")
    assert len(home.runs) == 1, again.stderr
    assert tags(home)["evalkit.sandbox"] == "bubblewrap"


def test_a_run_is_not_resumed_in_another_sandbox(home, asking):
    if why := why_no_docker():
        pytest.skip(why)
    overrides, away = asking("python"), f"unix://{home.path}/none.sock"
    home.write("small.yaml", "default: {error: rate_limit}\n")
    assert home.evalkit("run", *overrides, DOCKER_HOST=away).returncode == 3
    assert "bubblewrap+docker" in home.evalkit("run", *overrides).stderr, "nothing was judged: it may begin elsewhere"
    home.write("small.yaml", f"default: {json.dumps(GOOD)}\ninstances: {{contained: {{error: rate_limit}}}}\n")
    assert home.evalkit("run", *overrides).returncode == 3
    refused = home.evalkit("run", *overrides, DOCKER_HOST=away)
    assert refused.returncode == 2
    assert "were found in docker, and now it would be bubblewrap, since no image 'python'" in refused.stderr
    home.write("small.yaml", f"default: {json.dumps(f'```python{chr(10)}{GOOD}```')}\n")
    assert home.evalkit("run", *overrides).returncode == 0


def test_images_are_listed_without_an_engine_too(home):
    found = home.evalkit("images", "list", "--format", "json", DOCKER_HOST=f"unix://{home.path}/none.sock")
    listed = {row["name"]: row["built"] for row in json.loads(found.stdout)}
    assert (found.returncode, listed["python"]) == (0, "unknown")
    assert "no container engine answers" in found.stderr


def test_a_recipe_that_is_not_there_is_told_with_the_nearest(home):
    found = home.evalkit("images", "build", "pyton")
    assert (found.returncode, "did you mean 'python'?" in found.stderr) == (2, True)
