"""What the shell offers for the last word of a command line."""

import json

import pytest

from evalkit.cli import COMMANDS
from evalkit.cli.completion import candidates


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("EVALKIT_HOME", str(tmp_path))
    folder = tmp_path / "mlruns" / "runs" / "0123456789ab"
    folder.mkdir(parents=True)
    (folder / "record.json").write_text(json.dumps({"name": "nightly"}))


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("evalkit re", ["register", "regrade", "report"]),
        ("evalkit ", sorted(COMMANDS)),
        ("evalkit sweep lad", ["ladders"]),
        ("evalkit run --fa", ["--fail-under"]),
        ("evalkit run ladder=local --format ", ["json", "table"]),
        ("evalkit run --junit ", []),
        ("evalkit report nig", ["nightly"]),
        ("evalkit watch ", ["0123456789ab", "nightly"]),
        ("evalkit compare nightly 0", ["0123456789ab"]),
        ("evalkit watch --on", ["--once"]),
        ("evalkit triage nightly --j", ["--json"]),
        ("evalkit dataset ch", ["check"]),
        ("evalkit dataset check sta", ["starter"]),
        ("evalkit dataset check --format c", ["csv"]),
        ("evalkit rubric show json", ["json_only"]),
        ("evalkit nothing ", []),
    ],
)
def test_commands_options_and_names_are_offered(line, offered):
    assert candidates(line) == offered


@pytest.mark.parametrize(
    "line", ["evalkit run ", "evalkit run ladder=si", "evalkit doctor lad", "evalkit sweep ladders s"]
)
def test_settings_are_left_to_hydra(line):
    assert candidates(line) is None
