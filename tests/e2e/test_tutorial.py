"""The tutorial's commands, as they stand in docs/tutorial.md, on the smallest real model."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import mlflow
import pytest

from evalkit import api
from evalkit.adapters.local_model.fetch import fetch
from evalkit.adapters.mlflow_store import local_uri
from evalkit.core.errors import InfrastructureError
from tests.cache import USERS
from tests.e2e.command import Home
from tests.e2e.test_register_weights import SMALLEST, facts
from tests.servers.ports import free_port

PAGE = (Path(__file__).parents[2] / "docs" / "tutorial.md").read_text()


def script():
    """All sh blocks of the page, with the words replaced that its comment names."""
    (comment,) = re.findall(r"<!--(.*?)-->", PAGE, re.DOTALL)
    swaps = re.findall(r"^`(.+)` -> (?:`(.+)`|a free port)$", comment, re.MULTILINE)
    text = "\n".join(re.findall(r"^```sh\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL))
    for old, new in swaps:
        assert old in text, f"the page's commands have no {old!r} any more"
        text = text.replace(old, new or str(free_port()))
    return text


def walk(home):
    """The script to its end, in a session of its own, which is ended whatever it left running."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    shell = subprocess.Popen(
        ["bash", "-euo", "pipefail", "-x"],
        stdin=subprocess.PIPE,
        stdout=(home.path / "out.txt").open("w"),
        stderr=subprocess.STDOUT,
        cwd=home.path,
        env=home.environment(PATH=path),
        start_new_session=True,
        text=True,
    )
    try:
        shell.communicate(script(), timeout=1500)
    finally:
        with contextlib.suppress(ProcessLookupError):  # nothing was left
            os.killpg(shell.pid, signal.SIGKILL)
    return shell.returncode, (home.path / "out.txt").read_text()


def completions(folder):
    """What the model said, as it said it: cut off so early, there are hardly candidates."""
    return [path.read_text() for path in sorted(folder.glob("instances/*/attempt_*.txt"))]


@pytest.mark.weights
@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_tutorial_leads_from_nothing_to_a_champion_that_answers(tmp_path, monkeypatch):
    pytest.importorskip("xllamacpp", reason="the extra `local` is not installed")
    try:
        fetch(SMALLEST, str(USERS))
    except InfrastructureError as error:
        pytest.skip(f"no weights and no way to fetch them: {error}")
    home = Home(tmp_path)
    code, said = walk(home)
    assert code == 0, said[-6000:]

    monkeypatch.setenv("EVALKIT_HOME", str(tmp_path))
    kinds = api.runs().kind.value_counts().to_dict()
    assert (kinds["run"], kinds["sweep"], kinds["comparison"] >= 2) == (8, 1, True), kinds
    assert len((tmp_path / "leaderboard.csv").read_text().splitlines()) == 9

    version = mlflow.MlflowClient(local_uri(str(tmp_path))).get_model_version_by_alias("solver", "champion")
    first = tmp_path / "mlruns" / "runs" / version.tags["evalkit.key"]
    again = tmp_path / "elsewhere" / "mlruns" / "runs" / first.name
    assert completions(first)
    assert (facts(again), completions(again)) == (facts(first), completions(first))

    (answer,) = json.loads((tmp_path / "answer.json").read_text())["predictions"]
    assert answer["verdict"] in {"accepted", "rejected"}
    assert answer["attempts"] >= 1
    assert "<html" in (tmp_path / "champion.html").read_text()
    assert json.loads((tmp_path / "ab.ipynb").read_text())["cells"]
