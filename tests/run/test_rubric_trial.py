"""`rubric test`: which rules are wrong, never fire, are brittle, or do as their examples say."""

import pytest

from evalkit.adapters.bubblewrap_sandbox import BubblewrapSandbox
from evalkit.adapters.rubric_files import parse_rubric
from evalkit.core.types import Instance
from evalkit.run.rubric_trial import Effort, tried
from evalkit.run.world import RuleWorld
from tests.sandboxes import why_no_bubblewrap

SLEEPS = "def wait():\n    for delay in (250, 500, 1000):\n        sleep(delay)\n"
DOUBLES = "def wait():\n    delay = 250\n    for _ in range(3):\n        sleep(delay)\n        delay *= 2\n"
LITERALS = r"\b500\b[\s\S]*\b1000\b"
RUST = "/// Adds.\npub fn add(a: u32, b: u32) -> u32 {\n    let total = a + b;\n    total\n}\n"

RULES = [
    ("ok", {"kind": "regex", "pattern": "x", "accept": ["ax"], "reject": ["b"]}),
    ("ok", {"kind": "python_ast", "forbid_calls": "print", "accept": ["x = 1\n"], "reject": ["print(1)\n"]}),
    ("ok", {"kind": "length", "lines": {"max": 2}, "accept": ["one\ntwo"]}),
    ("ok", {"kind": "json_schema", "schema": {"required": ["a"]}, "accept": ['{"a": 1, "b": 2}']}),
    ("ok", {"kind": "regex", "pattern": "x"}),  # without examples nothing is known of it; the coverage says so
    ("wrong", {"kind": "regex", "pattern": "x", "accept": ["ax", "y"], "reject": ["b"]}),
    ("wrong", {"kind": "regex", "pattern": ".*", "accept": ["ax"], "reject": ["b"]}),
    ("never_fires", {"kind": "regex", "pattern": ".*", "accept": ["some text"]}),
    ("never_fires", {"kind": "not_regex", "pattern": "no such words here", "accept": ["some text"]}),
    ("never_fires", {"kind": "python_ast", "forbid_calls": "no.such", "accept": [DOUBLES]}),
    ("never_fires", {"kind": "json_schema", "schema": {}, "accept": ['{"a": 1}']}),
    ("never_fires", {"kind": "tree_sitter", "language": "rust", "query": "(source_file)", "accept": [RUST]}),
    # The story: only literals count, and a delay that is computed is refused.
    ("brittle", {"kind": "regex", "pattern": LITERALS, "accept": [SLEEPS], "reject": ["sleep(250)"]}),
    ("ok", {"kind": "regex", "pattern": rf"{LITERALS}|1_000|\* ?2|\*= ?2", "accept": [SLEEPS, DOUBLES]}),
    ("brittle", {"kind": "regex", "pattern": "delay = 250", "accept": [DOUBLES]}),
    ("brittle", {"kind": "regex", "pattern": '"a": 1', "accept": ['{"a": 1}']}),
    ("brittle", {"kind": "regex", "pattern": r"\Adef ", "accept": [DOUBLES]}),
    ("brittle", {"kind": "regex", "pattern": r"pub fn add\(a: u32, b: u32\)", "accept": [RUST]}),
    ("ok", {"kind": "regex", "pattern": '"a": 1', "sensitive": ["layout", "order"], "accept": ['{"a": 1}']}),
    ("ok", {"kind": "not_regex", "pattern": "#", "sensitive": ["comments"], "accept": [DOUBLES], "reject": ["# a"]}),
]


@pytest.mark.parametrize(("verdict", "rule"), RULES)
async def test_the_verdict_on_a_rule(verdict, rule):
    report = await tried(rubric(rule), None, Effort())
    assert report.rules[0].verdict == verdict, report.rules[0]
    assert bool(report.failures()) == (verdict != "ok")
    assert bool(report.failures(lenient=True)) == (verdict == "wrong")


async def test_a_brittle_rule_shows_the_rewrite():
    report = await tried(rubric({"kind": "regex", "pattern": LITERALS, "accept": [SLEEPS]}), None, Effort())
    shown = {one.rewrite: one.text for one in report.rules[0].brittle}
    assert "500 * 2" in shown["a computed number"] or "250 * 2" in shown["a computed number"]


async def test_the_same_seed_tries_the_same():
    given = rubric({"kind": "regex", "pattern": "delay", "accept": [DOUBLES], "reject": ["x"]})
    assert await tried(given, None, Effort(mutations=20)) == await tried(given, None, Effort(mutations=20))


async def test_whole_answers_are_held_against_every_rule():
    given = rubric(
        {"kind": "regex", "pattern": "a"},
        {"kind": "not_regex", "pattern": "b"},
        examples={"accept": ["a", "ab"], "reject": [{"text": "b", "rules": ["r0", "r1"]}, {"text": "a"}]},
    )
    report = await tried(given, None, Effort())
    assert [rule.verdict for rule in report.rules] == ["ok", "wrong"]
    assert [(one.expected, one.example) for one in report.rules[1].failed_examples] == [("accept", "ab")]
    assert [(one.expected, one.example) for one in report.failed_answers] == [("accept", "ab"), ("reject", "a")]
    assert report.coverage == {"without_accept": (), "without_reject": ()}


async def test_rules_without_examples_are_named_and_crossed_ones_told():
    given = rubric(
        {"kind": "regex", "pattern": "a", "accept": ["ab"]},
        {"kind": "not_regex", "pattern": "b", "reject": ["b"]},
    )
    report = await tried(given, None, Effort())
    assert report.coverage == {"without_accept": ("r1",), "without_reject": ("r0",)}
    assert [(one.rule, one.example, one.rejected_by) for one in report.crossings] == [("r0", "ab", ("r1",))]
    assert report.failures() == []


async def test_rules_that_need_what_is_not_there_are_unchecked_and_say_why():
    given = rubric(
        {"kind": "compiles", "language": "python", "accept": ["x = 1"]},
        {"kind": "judge", "model": "scripted/none.yaml", "prompt": "Good? {candidate}"},
        {"kind": "tests"},
    )
    report = await tried(given, None, Effort())
    assert {rule.verdict for rule in report.rules} == {"unchecked"}
    assert "needs a sandbox" in report.rules[0].why
    assert "--with-graders" in report.rules[1].why
    inside = await tried(given, RuleWorld(Instance("one", "")), Effort())
    assert "sandbox" in inside.rules[0].why
    assert "tests" in inside.rules[2].why
    assert report.failures() == []


FAILING = [
    (
        {"kind": "python", "call": "evalkit.core.judge:rejected"},
        "the rule's function evalkit.core.judge:rejected failed",
    ),
    ({"kind": "json_schema", "schema": {"properties": {"a": {"$dynamicRef": "#no"}}}}, "refers to nothing"),
]


@pytest.mark.parametrize(("rule", "why"), FAILING, ids=["python", "json_schema"])
@pytest.mark.parametrize("own", [True, False], ids=["its own examples", "the rubric's"])
async def test_a_rule_that_fails_on_an_example_is_wrong_and_the_others_are_tried_all_the_same(rule, why, own):
    text = '{"a": 1}'
    examples = {} if own else {"examples": {"accept": [text], "reject": [{"text": text, "rules": ["r0"]}]}}
    given = rubric({**rule, **({"accept": [text]} if own else {})}, RULES[0][1] | {"accept": [text + "x"]}, **examples)
    report = await tried(given, None, Effort())
    assert (report.rules[0].verdict, why in report.rules[0].why) == ("wrong", True), report.rules[0].why
    assert report.rules[1].rejects == 1
    assert [one.id for one in report.rules if one.verdict == "wrong"] != []


async def test_whole_answers_are_held_against_rules_that_need_the_world_too():
    if why := why_no_bubblewrap():
        pytest.skip(why)
    given = rubric(
        {"kind": "regex", "pattern": "x"},
        {"kind": "compiles", "language": "python"},
        examples={
            "accept": ["x = 1", "x = ("],
            "reject": [{"text": "x = ", "rules": ["r1"]}, {"text": "x = 2", "rules": ["r1"]}, {"text": "x ="}],
        },
    )
    unchecked = await tried(given, None, Effort())
    assert (unchecked.rules[1].verdict, unchecked.failures()) == ("unchecked", [])
    report = await tried(given, RuleWorld(Instance("one", ""), sandbox=BubblewrapSandbox()), Effort())
    assert (report.rules[1].verdict, report.rules[1].accepts, report.rules[1].rejects) == ("wrong", 1, 1)
    assert [one.example for one in report.rules[1].failed_examples] == ["x = (", "x = 2"]
    assert [(one.expected, one.example) for one in report.failed_answers] == [("accept", "x = (")]


def rubric(*rules, **more):
    data = [{"id": f"r{number}", "message": "Mend it.", **rule} for number, rule in enumerate(rules)]
    return parse_rubric({"rules": data, **more}, "here", name="mine")
