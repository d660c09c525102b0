"""Two runs beside each other."""

import json

from evalkit.cli import main
from tests.e2e.command import Home

SCRIPT = "default: wrong\ninstances: {i0: right, i1: [wrong, right]}\n"
LADDER = """
rungs:
  a-rung-with-a-long-name: {model: scripted/s.yaml}
  another-rung-with-a-longer-name: {model: scripted/s.yaml, temperature: 0.5}
"""


def test_the_table_fits_80_columns(tmp_path, monkeypatch, capsys):
    home = Home(tmp_path)
    home.write("s.yaml", SCRIPT)
    home.write("conf/ladder/mine.yaml", LADDER)
    monkeypatch.setenv("EVALKIT_HOME", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "80")
    common = [*home.dataset(4), "ladder=mine", "tracker=none"]
    for place, name in enumerate(["alone", "both"], 1):
        assert main(["run", *common, f"max_attempts={place}", f"name=the-{name}-of-my-ladders-on-four-tasks"]) == 0
    capsys.readouterr()

    names = [json.loads((run / "record.json").read_text())["name"] for run in home.runs]
    assert main(["compare", *sorted(names)]) == 0
    said = capsys.readouterr().out
    assert max(len(line.rstrip()) for line in said.splitlines()) <= 80
    for part in (" 1/3", "1 of 4", "2 of 4", "only B: i1"):
        assert part in said


def test_a_run_whose_prompts_knew_what_to_change_is_marked(tmp_path, monkeypatch, capsys):
    home = Home(tmp_path)
    home.write("s.yaml", SCRIPT)
    monkeypatch.setenv("EVALKIT_HOME", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "80")
    common = [*home.dataset(4), "ladder=scripted", "ladder.rungs.script.model=scripted/s.yaml", "tracker=none"]
    for name, context in (("fair", "files"), ("knows", "oracle_files")):
        assert main(["run", *common, f"context={context}", f"name={name}"]) == 0
    capsys.readouterr()
    assert main(["compare", "fair", "knows"]) == 0
    said = capsys.readouterr().out
    assert ("A: fair [simulated] " in said, "B: knows [simulated] [oracle]" in said) == (True, True)
