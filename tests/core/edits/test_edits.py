"""Edits of every format: they land where they belong, all of them or none, and what fails is said."""
# ruff: noqa: E501  tables of edits read best with one a line

from difflib import unified_diff

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from evalkit.core.edits import FORMATS, apply, edited, written
from evalkit.core.edits.edit import Reading
from evalkit.core.edits.hunks import _fits_as_stated
from evalkit.core.edits.unified_diff import parse
from evalkit.core.failure import Failure
from evalkit.core.types import Candidate, Instance

T = "```"
CALC = "def add(a, b):\n    return a - b\n\n\ndef half(a):\n    return a / 2\n"
MENDED = CALC.replace("a - b", "a + b")
SHOP = "class Cart:\n    def total(self):\n        total = 0\n        for item in self.items:\n            total =+ item\n        return total\n\n    def count(self):\n        return len(self.items)\n"
FILES = {"calc.py": CALC, "pkg/shop.py": SHOP, "conftest.py": "", "empty.txt": ""}


def block(path, old, new, fence=False):
    text = f"<<<<<<< SEARCH\n{old}=======\n{new}>>>>>>> REPLACE"
    return f"{path}\n{T}python\n{text}\n{T}\n" if fence else f"{path}\n{text}\n"


def diff(path, body, head="@@ -1,2 +1,2 @@"):
    return f"--- a/{path}\n+++ b/{path}\n{head}\n{body}"


SWAP = "-    return a - b\n+    return a + b\n"

# --- what applies, and what is made of it ---

APPLIES = {
    "a block": ("search_replace", block("calc.py", "    return a - b\n", "    return a + b\n"), {"calc.py": MENDED}),
    "in a fence": ("search_replace", "I see.\n" + block("`calc.py`", "    return a - b\n", "    return a + b\n", fence=True) + "Done.", {"calc.py": MENDED}),
    "a path in bold with a colon": ("search_replace", block("**File: calc.py**:", "    return a - b\n", "    return a + b\n"), {"calc.py": MENDED}),
    "a path in the marker's line": ("search_replace", block("", "    return a - b\n", "    return a + b\n").replace("SEARCH", "SEARCH calc.py"), {"calc.py": MENDED}),
    "a path with ./": ("search_replace", block("./calc.py", "    return a - b\n", "    return a + b\n"), {"calc.py": MENDED}),
    "two blocks beneath one path": ("search_replace", block("calc.py", "    return a - b\n", "    return a + b\n") + block("and", "    return a / 2\n", "    return a // 2\n"), {"calc.py": MENDED.replace("/", "//")}),
    "white space at line ends": ("search_replace", block("calc.py", "def add(a, b):  \n    return a - b\t\n", "def add(a, b):\n    return a + b\n"), {"calc.py": MENDED}),
    "indentation that was lost": ("search_replace", block("pkg/shop.py", "for item in self.items:\n    total =+ item\n", "for item in self.items:\n    total += item\n"), {"pkg/shop.py": SHOP.replace("=+", "+=")}),
    "indentation too many": ("search_replace", block("calc.py", "        return a - b\n", "        return a + b\n"), {"calc.py": MENDED}),
    "blank lines around": ("search_replace", block("calc.py", "\n    return a - b\n\n", "\n    return a + b\n\n"), {"calc.py": MENDED}),
    "Windows' line ends": ("search_replace", block("calc.py", "    return a - b\n", "    return a + b\n").replace("\n", "\r\n"), {"calc.py": MENDED}),
    "markers of uneven length": ("search_replace", block("calc.py", "    return a - b\n", "    return a + b\n").replace("=======", "========"), {"calc.py": MENDED}),
    "a new file": ("search_replace", block("pkg/new.py", "", "x = 1\n"), {"pkg/new.py": "x = 1\n"}),
    "a file that was empty": ("search_replace", block("empty.txt", "", "x\n"), {"empty.txt": "x\n"}),
    "a deletion": ("search_replace", "DELETE FILE: calc.py", {"calc.py": None}),
    "lines that go": ("search_replace", block("calc.py", "\n\ndef half(a):\n    return a / 2\n", ""), {"calc.py": "def add(a, b):\n    return a - b\n"}),
    "a diff": ("unified_diff", diff("calc.py", " def add(a, b):\n" + SWAP), {"calc.py": MENDED}),
    "a diff in a fence": ("unified_diff", f"Here:\n\n{T}diff\n{diff('calc.py', ' def add(a, b):' + chr(10) + SWAP)}{T}\nI am sure.", {"calc.py": MENDED}),
    "no a/ and b/": ("unified_diff", f"--- calc.py\n+++ calc.py\n@@ -1,2 +1,2 @@\n def add(a, b):\n{SWAP}", {"calc.py": MENDED}),
    "line numbers that are off": ("unified_diff", diff("calc.py", " def add(a, b):\n" + SWAP, "@@ -70,2 +70,2 @@"), {"calc.py": MENDED}),
    "counts that are wrong": ("unified_diff", diff("calc.py", " def add(a, b):\n" + SWAP, "@@ -1,9 +1,3 @@"), {"calc.py": MENDED}),
    "no line numbers": ("unified_diff", diff("calc.py", " def add(a, b):\n" + SWAP, "@@ def add @@"), {"calc.py": MENDED}),
    "empty lines without their blank": ("unified_diff", diff("calc.py", SWAP + "\n\n def half(a):\n", "@@ -2,4 +2,4 @@"), {"calc.py": MENDED}),
    "a wrong line of context": ("unified_diff", diff("calc.py", " def plus(a, b):\n" + SWAP + " \n"), {"calc.py": MENDED}),
    "indentation that a diff lost": ("unified_diff", diff("pkg/shop.py", " for item in self.items:\n-    total =+ item\n+    total += item\n"), {"pkg/shop.py": SHOP.replace("=+", "+=")}),
    "hunks that share context": ("unified_diff", diff("calc.py", " def add(a, b):\n" + SWAP + " \n \n@@ @@\n \n \n def half(a):\n-    return a / 2\n+    return a // 2\n", "@@ @@"), {"calc.py": MENDED.replace("/", "//")}),
    "a new file by diff": ("unified_diff", "--- /dev/null\n+++ b/new.py\n@@ -0,0 +1 @@\n+x = 1\n", {"new.py": "x = 1\n"}),
    "a deletion by diff": ("unified_diff", "--- a/calc.py\n+++ /dev/null\n@@ -1,6 +0,0 @@\n" + "".join(f"-{line}\n" for line in CALC.split("\n")[:-1]), {"calc.py": None}),
    "a move": ("unified_diff", f"--- a/calc.py\n+++ b/sums.py\n@@ -1,2 +1,2 @@\n def add(a, b):\n{SWAP}", {"calc.py": None, "sums.py": MENDED}),
    "git's words": ("unified_diff", f"diff --git a/calc.py b/calc.py\nindex 1..2 100644\n{diff('calc.py', ' def add(a, b):' + chr(10) + SWAP)}", {"calc.py": MENDED}),
    "a whole file": ("whole_file", f"calc.py\n{T}python\n{MENDED}{T}\n", {"calc.py": MENDED}),
    "a whole file named in its fence": ("whole_file", f"{T}python calc.py\n{MENDED}{T}\n", {"calc.py": MENDED}),
    "a heading with the path": ("whole_file", f"### `calc.py`\n\n{T}python\n{MENDED}{T}\nRun it:\n{T}bash\npytest\n{T}\n", {"calc.py": MENDED}),
    "a whole new file": ("whole_file", f"pkg/new.py:\n{T}\nx = 1\n{T}\n", {"pkg/new.py": "x = 1\n"}),
}  # fmt: skip


@pytest.mark.parametrize(("form", "text", "changed"), APPLIES.values(), ids=APPLIES)
def test_an_edit_lands_where_it_belongs(form, text, changed):
    done = apply(form, text, FILES)
    assert done.findings == ()
    assert dict(done.files) == {path: text for path, text in {**FILES, **changed}.items() if text is not None}


def test_one_file_need_not_be_named():
    for form, text in (
        ("search_replace", block("Sure!", "    return a - b\n", "    return a + b\n")),
        ("unified_diff", f"@@ @@\n def add(a, b):\n{SWAP}"),
        ("whole_file", f"Here you are:\n{T}python\n{MENDED}{T}"),
    ):
        assert apply(form, text, {"calc.py": CALC}).files == {"calc.py": MENDED}


def test_a_file_of_windows_stays_one():
    done = apply(
        "search_replace",
        block("calc.py", "    return a - b\n", "    return a + b\n"),
        {"calc.py": CALC.replace("\n", "\r\n")},
    )
    assert done.files == {"calc.py": MENDED.replace("\n", "\r\n")}


# --- what does not apply, and what is said of it ---

GOOD = block("calc.py", "    return a - b\n", "    return a + b\n")
FAILS = {
    "prose": ("search_replace", "I would change the sign.", "no_edits", ["no <<<<<<< SEARCH block"]),
    "code but no diff": ("unified_diff", f"{T}python\n{MENDED}{T}", "no_edits", ["no diff"]),
    "no block": ("whole_file", "Use a plus.", "no_edits", ["no code block"]),
    "nothing changes": ("search_replace", block("calc.py", "    return a - b\n", "    return a - b\n"), "no_change", ["every file as it is"]),
    "a diff of context": ("unified_diff", diff("calc.py", " def add(a, b):\n     return a - b\n"), "no_change", ["every file"]),
    "not there": ("search_replace", block("calc.py", "    return a  -  bb\n", "    return a + b\n"), "apply_failed", ["Edit 1 (calc.py)", "not in calc.py", "line 2", "    return a - b"]),
    "nothing like it": ("search_replace", block("calc.py", "zzz qqq\n", "x\n"), "apply_failed", ["nor is anything like it"]),
    "a blank search": ("search_replace", block("pkg/shop.py", "\n", "x\n"), "apply_failed", ["SEARCH is empty"]),
    "ambiguous": ("search_replace", block("two.txt", "x\n", "y\n"), "apply_failed", ["2 times, at lines 1, 3"]),
    "ambiguous hunk": ("unified_diff", diff("two.txt", "-x\n+y\n", "@@ -9 +9 @@"), "apply_failed", ["2 times, at lines 1, 3"]),
    "no such file": ("search_replace", block("calk.py", "x\n", "y\n"), "apply_failed", ["no file 'calk.py'", "'calc.py'"]),
    "no such file in a diff": ("unified_diff", diff("shop.py", "-x\n+y\n"), "apply_failed", ["no file 'shop.py'", "'pkg/shop.py'"]),
    "one of two": ("search_replace", GOOD + block("calc.py", "    return a / 3\n", "x\n"), "apply_failed", ["Edit 2 (calc.py)", "line 6"]),
    "both of two": ("search_replace", block("calc.py", "nowhere\n", "x\n") + block("no.py", "y\n", "x\n"), "apply_failed", ["Edit 1 (calc.py)", "Edit 2 (no.py)"]),
    "one of two hunks": ("unified_diff", diff("calc.py", " def add(a, b):\n" + SWAP + "@@ -5,2 +5,2 @@\n def half(a):\n-    return a / 3\n+    return a\n"), "apply_failed", ["hunk 2 of 2", "line 5"]),
    "no divider": ("search_replace", "calc.py\n<<<<<<< SEARCH\nx\n>>>>>>> REPLACE\n", "apply_failed", ["not whole"]),
    "two dividers": ("search_replace", "calc.py\n<<<<<<< SEARCH\nx\n=======\ny\n=======\nz\n>>>>>>> REPLACE\n", "apply_failed", ["more than one"]),
    "not closed": ("search_replace", "calc.py\n<<<<<<< SEARCH\nx\n=======\ny\n", "apply_failed", ["not whole"]),
    "no name": ("search_replace", block("Here:", "x\n", "y\n"), "apply_failed", ["names no file"]),
    "a diff without a name": ("unified_diff", "@@ -1 +1 @@\n-x\n+y\n", "apply_failed", ["name no file"]),
    "an empty search": ("search_replace", block("calc.py", "", "y\n"), "apply_failed", ["SEARCH is empty"]),
    "an insertion without context": ("unified_diff", diff("calc.py", "+y\n", "@@ -3,0 +4 @@"), "apply_failed", ["no line of calc.py to go by"]),
    "a move without a hunk": ("unified_diff", "diff --git a/calc.py b/x.py\nrename from calc.py\nrename to x.py\n", "apply_failed", ["no hunk"]),
    "a deletion with lines left": ("unified_diff", "--- a/calc.py\n+++ /dev/null\n@@ -1 +0,0 @@\n-def add(a, b):\n", "apply_failed", ["5 lines of it"]),
    "a new file that is there": ("unified_diff", "--- /dev/null\n+++ b/calc.py\n@@ -0,0 +1 @@\n+x\n", "apply_failed", ["there already"]),
    "hunks over the same lines": ("unified_diff", diff("calc.py", SWAP + "@@ @@\n" + SWAP, "@@ @@"), "apply_failed", ["same lines as hunk 1"]),
    "deleting what is not there": ("whole_file", "DELETE FILE: nope.py", "apply_failed", ["no file 'nope.py'"]),
    "a file twice": ("whole_file", f"calc.py\n{T}\nx\n{T}\ncalc.py\n{T}\ny\n{T}\n", "apply_failed", ["given twice"]),
    "blocks without a path": ("whole_file", f"{T}python\nx = 1\n{T}\n", "apply_failed", ["names its file"]),
    "out of the folder": ("whole_file", f"../calc.py\n{T}\nx\n{T}\n", "apply_failed", ["no path inside the folder"]),
    "an absolute path": ("search_replace", block("/etc/passwd", "", "x\n"), "apply_failed", ["no path inside the folder"]),
    "out by a diff": ("unified_diff", "--- /dev/null\n+++ b/pkg/../../x.py\n@@ -0,0 +1 @@\n+x\n", "apply_failed", ["no path inside the folder"]),
    "conftest.py": ("whole_file", f"conftest.py\n{T}\nx\n{T}\n", "apply_failed", ["must stay as it is"]),
    "a conftest.py below": ("search_replace", block("pkg/conftest.py", "", "x\n"), "apply_failed", ["must stay as it is"]),
    "the tests' own file": ("whole_file", f"test_candidate.py\n{T}\nx\n{T}\n", "apply_failed", ["must stay as it is"]),
    "pytest.ini": ("unified_diff", "--- /dev/null\n+++ b/pytest.ini\n@@ -0,0 +1 @@\n+x\n", "apply_failed", ["must stay as it is"]),
    "Python's own module": ("whole_file", f"math.py\n{T}\nx\n{T}\n", "apply_failed", ["would hide the module 'math'"]),
    "pytest itself": ("whole_file", f"_pytest/runner.py\n{T}\nx\n{T}\n", "apply_failed", ["would hide"]),
    "beneath a file": ("whole_file", f"calc.py/x.py\n{T}\nx\n{T}\n", "apply_failed", ["beneath 'calc.py'"]),
    "a folder": ("search_replace", block("pkg", "", "x\n"), "apply_failed", []),
}  # fmt: skip


@pytest.mark.parametrize(("form", "text", "failure", "said"), FAILS.values(), ids=FAILS)
def test_invariant_4_an_edit_that_does_not_apply_changes_nothing_and_says_why(form, text, failure, said):
    files = {**FILES, "two.txt": "x\nz\nx\n"}
    done = apply(form, text, files)
    assert (done.failure, done.files) == (Failure(failure), files)
    told = "\n".join(found.message for found in done.findings)
    assert all(words in told for words in said), told


def test_an_instance_may_give_away_or_keep_back_other_files():
    text = f"conftest.py\n{T}\nx = 1\n{T}\n"
    assert apply("whole_file", text, FILES, ()).failure is None
    assert apply("whole_file", text, FILES, ("pkg/*",)).failure is None
    assert apply("whole_file", text.replace("conftest", "pkg/shop"), FILES, ("pkg/*",)).failure is Failure.APPLY_FAILED
    assert apply("whole_file", text.replace("conftest", "test_candidate"), FILES, ()).failure is Failure.APPLY_FAILED


def test_invariant_4_each_attempt_starts_from_the_files_of_the_instance():
    instance = Instance("i", "?", answer="search_replace", files={"calc.py": CALC})
    first = edited(instance, Candidate(GOOD))
    again = edited(instance, Candidate(GOOD))
    assert first.files == again.files == {"calc.py": MENDED}
    assert instance.files == {"calc.py": CALC}


# --- properties ---

LINE = st.text(alphabet="ab-+ @\\\t\r\f=<>#", max_size=6)
TEXT = st.builds(
    lambda lines, ends: "\n".join(lines) + "\n" * bool(lines and ends), st.lists(LINE, max_size=12), st.booleans()
)
WHOLE = st.lists(LINE, max_size=12).map(lambda lines: "".join(f"{line}\n" for line in lines))
MARKED = st.sampled_from(
    [
        "<<<<<<< SEARCH",
        "=======",
        ">>>>>>> REPLACE",
        "```",
        "~~~~",
        "a.py",
        "x",
        "",
        "--- a/x",
        "+++ b/x",
        "@@ -1 +1 @@",
    ]
)
UNIX = LINE.filter(lambda line: "\r" not in line)  # a file of Windows stays one, whatever the answer's line ends
MARKED_TEXT = st.lists(MARKED | UNIX, max_size=8).map(lambda lines: "".join(f"{line}\n" for line in lines))


@given(TEXT, TEXT, TEXT | st.none(), TEXT | st.none())
def test_a_diff_of_two_texts_makes_exactly_the_second_of_the_first(old, new, other, made):
    before = {path: text for path, text in {"a.py": old, "b.py": other}.items() if text is not None}
    after = {path: text for path, text in {"a.py": new, "b.py": made}.items() if text is not None}
    done = apply("unified_diff", written("unified_diff", before, after), before)
    assert done.failure in (None, Failure.NO_EDITS)
    assert dict(done.files) == after


@given(WHOLE, WHOLE)
def test_a_diff_by_difflib_alone_makes_exactly_the_second_of_the_first(old, new):
    kept = [[line + "\n" for line in text.split("\n")[:-1]] for text in (old, new)]
    text = "".join(unified_diff(*kept, "a/a.py", "b/a.py"))
    assert apply("unified_diff", text, {"a.py": old}).files == {"a.py": new}


@given(st.sampled_from(["search_replace", "whole_file"]), MARKED_TEXT, MARKED_TEXT | st.none())
def test_blocks_and_whole_files_come_back_as_they_were_written_whatever_they_hold(form, old, new):
    before = {"a.py": old, "b.py": "y\n"}
    after = {path: text for path, text in {"a.py": new, "b.py": "y\n"}.items() if text is not None}
    done = apply(form, written(form, before, after), before)
    assert done.failure in (None, Failure.NO_EDITS), done.findings
    assert dict(done.files) == after


FEW = st.lists(st.sampled_from(["a", "b", "  a", "c", "d", ""]), min_size=1, max_size=14)


@given(FEW, FEW, FEW)
def test_a_hunk_lands_at_its_own_place_in_a_file_that_has_grown_above_it_or_it_fails(old, new, above):
    before, after, shift = ("".join(f"{line}\n" for line in lines) for lines in (old, new, above))
    text = written("unified_diff", {"a.py": before}, {"a.py": after})
    assume(text)
    grown = shift + before
    patches = parse(Reading({}), text)
    assume(not _fits_as_stated(grown.split("\n")[:-1], patches[0].hunks))  # then no reader could tell
    done = apply("unified_diff", text, {"a.py": grown})
    assert done.failure is not None or done.files == {"a.py": shift + after}


@given(FEW, st.integers(0, 13), st.integers(1, 4), FEW)
def test_a_block_replaces_what_it_names_once_or_fails(lines, at, size, new):
    old = lines[at : at + size]
    assume(old and old != new)
    text = block("a.py", "".join(f"{line}\n" for line in old), "".join(f"{line}\n" for line in new))
    done = apply("search_replace", text, {"a.py": "".join(f"{line}\n" for line in lines)})
    expected = "".join(f"{line}\n" for line in [*lines[:at], *new, *lines[at + size :]])
    assert done.failure is not None or done.files == {"a.py": expected}


@given(
    st.sampled_from(sorted(FORMATS)),
    MARKED_TEXT | st.text(max_size=60),
    st.dictionaries(st.sampled_from(["a.py", "x"]), MARKED_TEXT, max_size=2),
)
def test_any_text_is_applied_or_held_against_the_answer_and_nothing_breaks(form, text, files):
    done = apply(form, text, files)
    assert (done.failure is None) == (dict(done.files) != files)
    assert bool(done.findings) == (done.failure is not None)
