"""`evalkit rubric` from the command line."""

import json

import pytest

from evalkit.cli import main
from tests.sandboxes import why_no_bubblewrap

GOOD = """\
rules:
  - {id: an-x, kind: regex, pattern: x, message: Write an x., accept: [ax], reject: [b]}
"""
WRONG = GOOD.replace("[ax]", "[ax, y]")

BACKOFF = """\
rules:
  - id: literals
    kind: regex
    pattern: '\\b500\\b[\\s\\S]*\\b1000\\b'
    message: Wait 500 and then 1000 ms.
    accept:
      - |
        def wait():
            for delay in (250, 500, 1000):
                sleep(delay)
"""


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("EVALKIT_HOME", str(tmp_path))
    (tmp_path / "rubrics").mkdir()
    return tmp_path


def test_the_shipped_rubrics_and_the_users_own_are_tested(home, capsys):
    (home / "rubrics" / "mine.yaml").write_text(GOOD)
    assert main(["rubric", "test", "--format", "json"]) == 0
    tested = {rubric["name"]: rubric["rules"] for rubric in json.loads(capsys.readouterr().out)["rubrics"]}
    assert {"mine", "python_function", "sql_select", "json_only", "plain_prose"} <= set(tested)
    (mine,) = tested["mine"]
    assert mine.items() >= {"id": "an-x", "accepts": 1, "rejects": 1, "failed_examples": [], "verdict": "ok"}.items()
    assert 0 < mine["mutations"]["caught"] < mine["mutations"]["tried"]
    assert {rule["verdict"] for rules in tested.values() for rule in rules} <= {"ok", "unchecked"}


def test_a_wrong_example_ends_with_4_and_is_named(home, capsys):
    path = home / "wrong.yaml"
    path.write_text(WRONG)
    assert main(["rubric", "test", str(path)]) == 4
    out = capsys.readouterr().out
    assert "wrong: an-x: should accept 'y', but found Write an x." in out
    assert "1 rule in 1 rubric: 1 failed: an-x" in out
    assert main(["rubric", "test", str(path), "--format", "json"]) == 4
    (rule,) = json.loads(capsys.readouterr().out)["rubrics"][0]["rules"]
    assert (rule["verdict"], rule["accepts"], len(rule["failed_examples"])) == ("wrong", 1, 1)


def test_a_brittle_rule_ends_with_4_and_shows_the_rewrite_but_not_with_lenient(home, capsys):
    path = home / "backoff.yaml"
    path.write_text(BACKOFF)
    assert main(["rubric", "test", str(path)]) == 4
    out = capsys.readouterr().out
    assert "fires after a computed number (numbers)" in out
    assert "+    for delay in (250, 500, 500 * 2):" in out
    assert "without reject examples: literals" in out
    assert main(["rubric", "test", str(path), "--lenient"]) == 0


UNUSABLE = [  # the keys; the exit code, and what the closing line says
    ("flags: [--no-such-flag]", 4, "1 rule in 1 rubric: 1 failed: it-compiles"),
    ("command: [nosuchcompiler, '{file}']", 0, "1 rule in 1 rubric: 1 could not be checked: it-compiles"),
]


@pytest.mark.parametrize(("keys", "code", "closing"), UNUSABLE)
def test_a_rule_that_can_never_judge_is_wrong_and_one_without_its_program_is_not_called_good(
    home, capsys, keys, code, closing
):
    if why := why_no_bubblewrap():
        pytest.skip(why)
    rule = f"id: it-compiles, kind: compiles, language: python, message: Mend it., accept: ['x = 1'], {keys}"
    path = home / "compiled.yaml"
    path.write_text(f"rules:\n  - {{{rule}}}\n")
    found = main(["rubric", "test", str(path), "sandbox=bubblewrap"])
    out = capsys.readouterr().out
    assert (found, out.splitlines()[-1]) == (code, closing), out
    assert "it-compiles: " in out


def test_faulty_files_end_with_2_and_all_their_faults(home, capsys):
    for name in ("one", "two"):
        (home / "rubrics" / f"{name}.yaml").write_text(GOOD.replace("pattern", "patern"))
    assert main(["rubric", "test"]) == 2
    err = capsys.readouterr().err
    assert err.count("unknown key; did you mean 'pattern'?") == 2


def test_parts_of_a_rule_are_shown_as_they_were_written(home, capsys):
    assert main(["rubric", "show", "bounded_fetch", "--format", "json"]) == 0
    out = capsys.readouterr().out
    assert "tree_sitter: language: rust, query:" in out
    assert "Part(" not in out


def test_a_rubric_is_shown_by_its_name(home, capsys):
    assert main(["rubric", "show", "json_only"]) == 0
    assert "no-fence" in capsys.readouterr().out
    assert main(["rubric", "show", "jsn_only"]) == 2
    assert "did you mean 'json_only'?" in capsys.readouterr().err
