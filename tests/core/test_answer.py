"""How a candidate is taken out of a completion."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.core.answer import blocks, candidate, form, misspelt
from evalkit.core.failure import Failure
from evalkit.core.types import Completion

TICKS = "```"
PYTHON = f"{TICKS}python\ndef f():\n    return 1\n{TICKS}"


@pytest.mark.parametrize(
    ("answer", "text", "expected"),
    [
        ("text", "  hello \n", "hello"),
        ("code:python", f"Sure!\n{PYTHON}\nDone.", "def f():\n    return 1\n"),
        ("code:python", f"{TICKS}py\na = 1\n{TICKS}", "a = 1\n"),
        ("code:python", f"{TICKS}python\nfirst\n{TICKS}\n{TICKS}python\nlast\n{TICKS}", "last\n"),
        ("code:python", f"{PYTHON}\n{TICKS}bash\nls\n{TICKS}", "def f():\n    return 1\n"),
        ("code:python", f"{TICKS}\nno label\n{TICKS}", "no label\n"),
        ("code:python", f"{TICKS}python\nnot closed", "not closed\n"),
        ("code:python", f"~~~~python\na = '''\n{TICKS}\n'''\n~~~~", f"a = '''\n{TICKS}\n'''\n"),
        ("code:sql", f"{TICKS}sqlite\nSELECT 1\n{TICKS}", "SELECT 1\n"),
        ("completion:python", "    return 1\n", "    return 1\n"),
        ("code:python", f"{TICKS}python\r\na = 1\r\n{TICKS}\r\nThat is it.", "a = 1\n"),
        ("completion:python", PYTHON, "def f():\n    return 1\n"),
        ("json", '{"a": 1}', '{"a": 1}'),
        ("json", f'{TICKS}json\n{{"a": 1}}\n{TICKS}', '{"a": 1}\n'),
    ],
)
def test_the_candidate_is_what_the_answer_form_says(answer, text, expected):
    found = candidate(answer, Completion(text))
    assert (found.text, found.failure) == (expected, None)


@pytest.mark.parametrize(
    ("answer", "text", "reason", "failure"),
    [
        ("code:python", "I would write a loop.", "stop", Failure.NO_ANSWER),
        ("code:python", f"{TICKS}bash\nls\n{TICKS}", "stop", Failure.NO_ANSWER),
        ("code:python", f"{TICKS}python\n\n{TICKS}", "stop", Failure.NO_ANSWER),
        ("code:python", f"{TICKS}python\ndef f():", "length", Failure.TRUNCATED),
        ("code:python", "Let me think", "length", Failure.TRUNCATED),
        ("text", "half a sen", "length", Failure.TRUNCATED),
        ("text", " \n ", "stop", Failure.EMPTY_RESPONSE),
    ],
)
def test_what_is_not_there_is_said_and_never_guessed(answer, text, reason, failure):
    assert candidate(answer, Completion(text, finish_reason=reason)).failure is failure


def test_a_closed_block_counts_even_if_the_text_after_it_was_cut():
    assert candidate("code:python", Completion(f"{PYTHON}\nThis func", finish_reason="length")).failure is None


def test_a_completion_that_failed_has_no_candidate():
    found = candidate("text", Completion("", failure=Failure.REFUSED, detail="filtered"))
    assert (found.text, found.failure, found.detail) == ("", Failure.REFUSED, "filtered")


@pytest.mark.parametrize("answer", ["code", "yaml", "code:", ""])
def test_an_unknown_answer_form_is_refused(answer):
    with pytest.raises(ValueError, match="is not one of"):
        form(answer)


@given(
    st.text(alphabet="`~ab\n python", max_size=200),
    st.sampled_from(["text", "json", "code:python", "completion:sql"]),
)
def test_any_text_gives_either_a_candidate_or_a_failure(text, answer):
    found = candidate(answer, Completion(text))
    assert bool(found.text.strip()) != (found.failure is not None)


@given(st.text(alphabet="ab \n", max_size=50).filter(str.strip))
def test_a_fenced_block_comes_back_as_it_was(body):
    (block,) = blocks(f"before\n{TICKS}python\n{body}\n{TICKS}\nafter")
    assert block.body == f"{body}\n"


@pytest.mark.parametrize(
    ("answer", "meant"),
    [
        ("code:pythn", "code:python"),
        ("code:pyhton", "code:python"),
        ("completion:javscript", "completion:javascript"),
        ("code:rustt", "code:rust"),
        ("code:python", ""),
        ("code:py", ""),
        ("code:vala", ""),  # real, and near to another
        ("code:brainfuck", ""),  # unknown, and near to none
        ("json", ""),
        ("text", ""),
    ],
)
def test_a_language_that_looks_like_a_slip_is_seen_and_an_unknown_one_is_left_alone(answer, meant):
    assert misspelt(answer) == meant
