"""A slip in EVALKIT_HOME is said, whatever the command."""

import pytest

from evalkit.cli import main


@pytest.mark.parametrize("args", [["run", "ladder=scripted"], ["runs"], ["publish"], ["doctor"], ["dataset", "show"]])
def test_a_home_that_is_not_there_is_said_with_the_nearest_and_nothing_is_made(args, tmp_path, monkeypatch, capsys):
    (tmp_path / "studies").mkdir()
    monkeypatch.setenv("EVALKIT_HOME", str(tmp_path / "studeis"))

    assert main(args) == 2
    (said,) = capsys.readouterr().err.splitlines()
    assert f"did you mean '{tmp_path / 'studies'}'? To begin there: mkdir -p" in said
    assert [path.name for path in tmp_path.iterdir()] == ["studies"]


def test_help_needs_no_home(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("EVALKIT_HOME", str(tmp_path / "none"))
    with pytest.raises(SystemExit) as ended:
        main(["runs", "--help"])
    assert ended.value.code == 0
    assert "example: evalkit runs" in capsys.readouterr().out
