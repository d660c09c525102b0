"""Kinds that need the world: keys that cannot be used, how votes are read, what compilers say."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.core.rubric import leaves, source
from evalkit.core.rules.command import Command
from evalkit.core.rules.compilers import COMPILERS, argv, file_name
from evalkit.core.rules.compiles import Compiles
from evalkit.core.rules.composite import AllOf, Not, Part
from evalkit.core.rules.grader import Judge
from evalkit.core.rules.grader_words import Scale, again, question, read_scale
from evalkit.core.rules.instance_tests import InstanceTests
from evalkit.core.rules.keys import KeyFaults
from evalkit.core.rules.regex import Regex
from evalkit.core.types import Instance

ASK = {"model": "scripted/g.yaml", "prompt": "Is it kind? {candidate}"}

FAULTS = [
    (Compiles, {"language": "c", "command": ["cc"], "flags": ["-O2"]}, ("flags",), "write them into command"),
    (Compiles, {"language": "c", "file": "/a.c"}, ("file",), "no path inside"),
    (Compiles, {"language": "c", "files": {"../a.h": ""}}, ("files", "../a.h"), "no path inside"),
    (Compiles, {"language": "c", "file": "a.c", "files": {"a.c": ""}}, ("files", "a.c"), "where the candidate lies"),
    (Command, {"command": ["a"], "stdout": "", "stdout_matches": "a"}, ("stdout_matches",), "give one of them"),
    (Command, {"command": ["a"], "stdout_matches": "("}, ("stdout_matches",), "no regular expression"),
    (Judge, ASK | {"prompt": "Is it kind?"}, ("prompt",), "write {candidate} into it"),
    (Judge, ASK | {"scale": "1-5"}, ("scale",), "yes/no, or a range such as 1..5"),
    (Judge, ASK | {"scale": "5..1"}, ("scale",), "is no scale"),
    (Judge, ASK | {"scale": "1..5"}, ("pass_at",), "above 1 and at most 5"),
    (Judge, ASK | {"scale": "1..5", "pass_at": 1}, ("pass_at",), "above 1 and at most 5"),
    (Judge, ASK | {"pass_at": 3}, ("pass_at",), "no meaning for yes/no"),
    (Judge, ASK | {"abstain": [0.6, 0.4]}, ("abstain",), "the lower first"),
    (Judge, ASK | {"abstain": [0.4]}, ("abstain",), "two shares"),
    (Judge, ASK | {"samples": 3, "params": {"temperature": 0}}, ("samples",), "all be the same vote"),
    (Judge, ASK | {"samples": 3, "params": {"seed": 1}}, ("params", "seed"), "each draws its own"),
]


@pytest.mark.parametrize(("kind", "keys", "path", "text"), FAULTS)
def test_keys_that_can_never_work_are_refused(kind, keys, path, text):
    with pytest.raises(KeyFaults) as caught:
        kind(**keys)
    assert [fault.path for fault in caught.value.faults] == [path]
    assert text in caught.value.faults[0].text


VOTES = [
    ("yes/no", "It is kind.\nVERDICT: yes", "yes"),
    ("yes/no", "**Verdict:** **No**.", "no"),
    ("yes/no", "Yes.", "yes"),
    ("yes/no", "The verdict is no", "no"),
    ("yes/no", "It is kind.\nVERDICT:\n**yes**\n", "yes"),
    ("yes/no", "VERDICT: yes\nOn second thoughts, VERDICT: no", None),
    ("yes/no", "VERDICT: yes (or) VERDICT: no", None),
    ("yes/no", "```\nIt is kind.\nVERDICT: yes\n```\n", "yes"),
    ("yes/no", "It says:\n> VERDICT: yes\nThat is an instruction, and I cannot", None),
    ("yes/no", "VERDICT: no\nIt is not kind.", None),  # asked once more for the line alone
    ("yes/no", "", None),
    ("yes/no", "not at all", None),
    ("yes/no", "VERDICT: 4", None),
    ("1..5", "VERDICT: 4/5", "4"),
    ("1..5", "4", "4"),
    ("1..5", "Verdict - 3", "3"),
    ("1..5", "VERDICT: 4.5", None),
    ("1..5", "VERDICT: 9", None),
    ("1..5", "VERDICT: yes", None),
    ("-2..2", "VERDICT: -1", "-1"),
]


@pytest.mark.parametrize(("scale", "text", "vote"), VOTES)
def test_a_vote_is_read_or_there_is_none(scale, text, vote):
    assert read_scale(scale).vote(text) == vote


@given(st.text(), st.sampled_from([Scale(), Scale(1, 5)]))
def test_no_text_breaks_the_reading_of_votes(text, scale):
    assert scale.vote(text) is None or scale.vote(text).lstrip("-").isalnum()


@given(st.text())
def test_a_candidate_cannot_end_its_quotation(candidate):
    system, user = question("Is it kind? {candidate} Well?", candidate, Instance("i", "Be kind."), Scale())
    (mark,) = {word for word in user.content.split() if word.startswith("</candidate-") and word.endswith(">")} - set(
        candidate.split()
    )
    assert user.content.count(mark) == 1
    assert user.content.endswith(f"{mark}\n Well?")
    assert mark.removeprefix("</candidate-") in system.content


def test_places_within_what_is_quoted_stay_as_they_are():
    instance = Instance("i", "Say {reference}.", good=("the secret",))
    user = question("{prompt}{candidate}", "{reference} {prompt}", instance, Scale())[1].content
    assert "the secret" not in user
    assert "{reference} {prompt}" in user


def test_the_question_is_put_again_with_the_answer_that_could_not_be_read():
    first = question("{candidate}", "x", Instance("i", "p"), Scale(1, 5))
    assert [message.role for message in again(first, "hm", Scale(1, 5))] == ["system", "user", "assistant", "user"]
    assert [message.role for message in again(first, " ", Scale(1, 5))] == ["system", "user", "user"]


NAMES = [
    ("java", "import x;\npublic final class Stack<T> {}", "Stack.java"),
    ("java", "class Stack {}", "Candidate.java"),
    ("javascript", "import fs from 'fs'", "candidate.mjs"),
    ("javascript", "export const a = 1", "candidate.mjs"),
    ("javascript", "const a = import('fs')", "candidate.js"),
    ("rust", "pub fn f() {}", "candidate.rs"),
]


@pytest.mark.parametrize(("language", "candidate", "name"), NAMES)
def test_a_file_is_called_what_its_compiler_wants(language, candidate, name):
    assert file_name(language, candidate) == name


def test_flags_and_the_file_are_filled_into_a_command():
    assert argv(("cc", "{flags}", "-o{file}.o", "{file}"), ["-a", "-b"], "x.c") == ("cc", "-a", "-b", "-ox.c.o", "x.c")


def test_whatever_rests_on_the_instance_s_tests_is_hidden_information():
    either = AllOf((Part("regex", Regex("a")), Part("not", Not((Part("tests", InstanceTests()),)))))
    assert [type(leaf) for leaf in leaves(either)] == [Regex, InstanceTests]
    assert (source(either), source(Regex("a")), source(Compiles("c"))) == ("test", "rule", "rule")


def test_every_compiler_has_what_the_kind_needs():
    for compiler in COMPILERS.values():
        assert compiler.command.count("{flags}") == 1
        assert all({"message"} <= set(pattern.groupindex) for pattern in compiler.errors)
