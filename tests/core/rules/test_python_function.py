"""python: a plug-in's function judges; what it may return, and that its failure is never the candidate's."""

import pytest

from evalkit.core.errors import GraderError, SandboxError
from evalkit.core.rubric import Violation
from evalkit.core.rules.keys import KeyFaults
from evalkit.core.rules.python_function import PythonFunction

FUNCTIONS = """
from os.path import join
from evalkit.core.errors import SandboxError
from evalkit.core.rubric import Violation

def answers(candidate, value=None): return value
def violation(candidate, line=1): return Violation("bad", line)
def several(candidate): yield "one"; yield Violation("two", 2, "mine")
def forbids(candidate, words): return [f"it says {word}" for word in words if word in candidate]
def endless(candidate):
    while True: yield "again"
def raises(candidate): return candidate.no_such_method()
def raises_late(candidate):
    yield "one"
    1 / 0
def leaves(candidate): raise SystemExit(0)
def outage(candidate): raise SandboxError("the engine is gone")
def changes(candidate, words):
    words.append("x")
    return ["changed"] * (len(words) - 1)
async def waits(candidate): return None
number = 3
"""


@pytest.fixture(autouse=True)
def plug_in(tmp_path, monkeypatch):
    package = tmp_path / "judging_plugin"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "broken.py").write_text("1 / 0")
    (package / "checks.py").write_text(FUNCTIONS)
    facts = tmp_path / "judging_plugin-1.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: judging-plugin\nVersion: 1\n")
    (facts / "entry_points.txt").write_text("[evalkit.plugins]\njudging = judging_plugin\n")
    (tmp_path / "stranger.py").write_text("def f(candidate): return None")
    monkeypatch.syspath_prepend(str(tmp_path))


def check(name, **args):
    return PythonFunction(f"judging_plugin.checks:{name}", args)


@pytest.mark.parametrize("value", [None, True, "", [], ()])
def test_nothing_to_say_means_that_the_rule_holds(value):
    assert check("answers", value=value).violations("x") == []


@pytest.mark.parametrize(
    ("name", "args", "found"),
    [
        ("answers", {"value": False}, [Violation()]),
        ("answers", {"value": "too loud"}, [Violation("too loud")]),
        ("violation", {"line": 2}, [Violation("bad", 2, "second")]),
        ("several", {}, [Violation("one"), Violation("two", 2, "mine")]),
        ("forbids", {"words": ["first", "third"]}, [Violation("it says first")]),
        ("changes", {"words": []}, []),
    ],
)
def test_what_a_function_holds_against_a_candidate(name, args, found):
    rule = check(name, **args)
    assert rule.violations("first\n  second") == found
    assert rule.violations("first\n  second") == found


def test_a_function_that_never_ends_its_list_is_cut():
    assert len(check("endless").violations("x")) == 100


@pytest.mark.parametrize(
    ("name", "args", "said"),
    [
        ("raises", {}, "checks:raises failed: AttributeError: 'str' object has no attribute 'no_such_method'"),
        ("raises_late", {}, "ZeroDivisionError"),
        ("leaves", {}, "SystemExit"),
        ("answers", {"value": 3}, "returned 3; it must return None"),
        ("answers", {"value": ["x", True]}, "returned True"),
        ("answers", {"value": {"a": 1}}, "returned {'a': 1}"),
    ],
)
def test_a_function_that_fails_is_the_graders_failure_and_no_verdict(name, args, said):
    with pytest.raises(GraderError) as raised:
        check(name, **args).violations("x")
    assert said in str(raised.value)


def test_an_outage_that_a_function_reports_stays_what_it_is():
    with pytest.raises(SandboxError, match="the engine is gone"):
        check("outage").violations("x")


@pytest.mark.parametrize(
    ("call", "args", "path", "fault"),
    [
        ("os:system", {}, "call", "neither evalkit's nor an installed plug-in's"),
        ("stranger:f", {}, "call", "refused, because it would run any code"),
        ("evalkitt.core.judge:judge", {}, "call", "did you mean 'evalkit'?"),
        ("judging_plugin.checks", {}, "call", "write package.module:function"),
        ("judging_plugin.check:answers", {}, "call", "cannot be imported"),
        ("judging_plugin.broken:f", {}, "call", "cannot be imported: ZeroDivisionError"),
        ("judging_plugin.checks:anwsers", {}, "call", "has no function 'anwsers'; did you mean 'answers'?"),
        ("judging_plugin.checks:join", {}, "call", "has no function 'join'"),
        ("judging_plugin.checks:number", {}, "call", "has no function 'number'"),
        ("judging_plugin.checks:waits", {}, "call", "is async"),
        ("judging_plugin.checks:forbids", {}, "args", "missing a required argument: 'words'"),
        ("judging_plugin.checks:answers", {"valeu": 1}, "args", "got an unexpected keyword argument 'valeu'"),
    ],
)
def test_what_cannot_be_called_is_refused_when_the_rubric_is_read(call, args, path, fault):
    with pytest.raises(KeyFaults) as raised:
        PythonFunction(call, args)
    assert raised.value.faults[0].path == (path,)
    assert fault in raised.value.faults[0].text


def test_a_function_of_evalkit_itself_may_be_called():
    assert PythonFunction("evalkit.core.rules.where:short", {"longest": 3}).violations("abcd") == [Violation("ab…")]
