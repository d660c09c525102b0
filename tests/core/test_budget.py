"""What of an instance's files goes into the prompt."""

from hypothesis import given
from hypothesis import strategies as st

from evalkit.core.budget import Context, choose
from evalkit.core.ladder import Rung
from evalkit.core.types import Instance

RUNG = Rung("scripted/x")
FILES = {"a.txt": "one\ntwo\nthree\n", "b.txt": "four\n"}
ASKED = Instance("i", "", files=FILES)


def words(text):
    return len(text.split())


def test_all_files_go_in_while_there_is_room():
    chosen = choose(Context(tokens=10), ASKED, RUNG, words)
    assert {one.path: one.text for one in chosen.files} == FILES
    assert chosen.dropped == ()


def test_the_file_that_does_not_fit_is_cut_at_a_line_and_what_is_dropped_is_said():
    chosen = choose(Context(tokens=2), ASKED, RUNG, words)
    assert [(one.path, one.text) for one in chosen.files] == [("a.txt", "one\ntwo\n")]
    assert chosen.dropped == ("a.txt: 6 of 14 characters", "b.txt: 5 of 5 characters")


def test_a_rung_with_a_small_window_takes_less():
    small = Rung("scripted/x", context_tokens=101, max_tokens=100)
    assert [one.text for one in choose(Context(tokens=50), ASKED, small, words).files] == ["one\n"]


def test_none_takes_nothing():
    assert choose(Context("none", 0), ASKED, RUNG, words).files == ()


@given(st.dictionaries(st.text("ab", min_size=1), st.text("xy \n"), max_size=4), st.integers(0, 12))
def test_the_budget_holds_and_every_kept_part_is_a_head(files, tokens):
    chosen = choose(Context(tokens=tokens), Instance("i", "", files=files), RUNG, words)
    assert sum(words(one.text) for one in chosen.files) <= tokens
    assert all(files[one.path].startswith(one.text) for one in chosen.files)
