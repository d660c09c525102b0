"""Which tests a dataset's name means."""
# ruff: noqa: E501  a case a line

import pytest

from evalkit.core.test_names import Named, by_name, meant

FORM = Named("app.tests.Form.test_valid", "A form is valid.")
OTHER = Named("app.tests.Other.test_valid", "A form is valid.")

CASES = {
    "Python until 3.10": ("unittest", [FORM, OTHER], "test_valid (app.tests.Form)", [FORM]),
    "Python since 3.11": ("unittest", [FORM, OTHER], "test_valid (app.tests.Form.test_valid)", [FORM]),
    "an id": ("unittest", [FORM], "app.tests.Form.test_valid", [FORM]),
    "a docstring's first line, of two tests": ("unittest", [FORM, OTHER], "A form is valid.", [FORM, OTHER]),
    "a node id": ("pytest", [Named("t.py::test[a b]")], "t.py::test[a b]", [Named("t.py::test[a b]")]),
    "a node id cut at its first blank": ("pytest", [Named("t.py::test[a b]")], "t.py::test[a", [Named("t.py::test[a b]")]),
    "a node id cut at a dash": ("pytest", [Named("t.py::test[a - b]")], "t.py::test[a", [Named("t.py::test[a - b]")]),
    "a cut one of several tests": (
        "pytest",
        [Named("t.py::test[a b]"), Named("t.py::test[a c]"), Named("t.py::test[d]")],
        "t.py::test[a",
        [Named("t.py::test[a b]"), Named("t.py::test[a c]")],
    ),
    "a path of another machine": ("pytest", [Named("t.py::test[/here/x.cfg]")], "t.py::test[/x.cfg]", [Named("t.py::test[/here/x.cfg]")]),
    "no other than the whole": ("pytest", [Named("t.py::test_ab")], "t.py::test_a", []),
    "a number for a mouse's button": (
        "pytest",
        [Named("t.py::test[MouseButton.LEFT]")],
        "t.py::test[1]",
        [Named("t.py::test[MouseButton.LEFT]")],
    ),
    "a function": ("sympy", [Named("a/test_b.py:test_c"), Named("a/test_d.py:test_e")], "test_c", [Named("a/test_b.py:test_c")]),
    "what did not run": ("sympy", [], "test_c", []),
}  # fmt: skip


@pytest.mark.parametrize(("report", "ran", "name", "wanted"), CASES.values(), ids=CASES)
def test_a_name_means(report, ran, name, wanted):
    assert meant(name, by_name(report, ran)) == tuple(one.id for one in wanted)
