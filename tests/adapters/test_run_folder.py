"""A run's folder: summary.json is written in parts, and is the same as if it were written at once."""

from dataclasses import replace

import msgspec
import pytest

from evalkit.adapters.run_folder import ROWS, RunFolder
from tests.adapters.mlflow_builders import MIXED, MadeRun


@pytest.mark.parametrize("count", [0, 1, 3, ROWS, ROWS + 1])
def test_a_summary_in_parts_is_the_summary_at_once(tmp_path, count):
    made = MadeRun(tmp_path)
    summary = made.end(*MIXED)
    rows = [replace(summary.instances[number % 3], instance_id=f'i{number} "\n') for number in range(count)]
    whole = replace(summary, instances=tuple(rows), why='\n  "instances": []')
    RunFolder(made.path).finish(whole)

    written = (made.path / "summary.json").read_bytes()
    assert written == msgspec.json.format(msgspec.json.encode(whole), indent=2)
    assert RunFolder(made.path).summary() == whole
    assert RunFolder(made.path).earlier_seconds() == whole.wall_seconds


def test_a_run_that_never_ended_took_no_time(tmp_path):
    assert (RunFolder(tmp_path).earlier_seconds(), RunFolder(tmp_path).summary()) == (0.0, None)
