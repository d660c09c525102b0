"""Suites whose candidate has a process of its own: what crosses, what does not, and that no cheat of one process works."""
# ruff: noqa: E501  tables of candidates read best with one a line

import pytest

from evalkit.adapters.bubblewrap_sandbox import BubblewrapSandbox
from evalkit.core.errors import GraderError
from evalkit.core.failure import Failure
from evalkit.core.types import Candidate
from evalkit.run.judging.suite import needs_pytest
from evalkit.run.tests_verifier import TestsVerifier
from tests.run.candidates import refused
from tests.run.tasks import suite
from tests.run.test_cheats import HOLES, SUITE_CHEATS
from tests.sandboxes import why_no_bubblewrap


@pytest.fixture
def verifier(request):
    """What crosses is the same in each sandbox: the first that works. Cheats are tried in all."""
    sandbox = request.getfixturevalue("shared_docker") if why_no_bubblewrap() else BubblewrapSandbox()
    return TestsVerifier(sandbox, timeout_s=20)


# What a test does, and a candidate that is right.
CROSSES = {
    "plain values, exactly": (
        "from candidate import f\ndef test_it():\n    for one in (1, 10**5000, 1.5, 'ä\\ud800', b'x', bytearray(b'x'), None, True, (1, (2,)), [1, [2]], {1: {2: (3,)}}, {1, 2}, frozenset([1]), 1j, range(3), float('inf')):\n        got = f(one)\n        assert got == one and type(got) is type(one)\n    assert f(float('nan')) != f(0)",
        "def f(x): return x",
    ),
    "values of the standard library": (
        "import datetime as d, decimal, fractions, pathlib, uuid\nfrom candidate import f\ndef test_it():\n    for one in (decimal.Decimal('1.10'), fractions.Fraction(1, 3), d.date(2020, 1, 2), d.datetime(2020, 1, 2, 3, 4, 5), d.timedelta(1, 2), pathlib.Path('a/b'), uuid.UUID(int=5)):\n        assert f(one) == one",
        "def f(x): return x",
    ),
    "a named tuple": (
        "from candidate import f\ndef test_it():\n    assert f() == (1, 2) and f().x == 1",
        "from collections import namedtuple\nP = namedtuple('P', 'x y')\ndef f(): return P(1, 2)",
    ),
    "builtin exceptions": (
        "from candidate import f\ndef test_it():\n    try: f()\n    except LookupError as error: assert error.args == ('k',) and type(error) is KeyError\n    else: assert False",
        "def f(): return {}['k']",
    ),
    "exceptions of its own": (
        "import candidate, pytest\ndef test_it():\n    with pytest.raises(candidate.Broken, match='broken by 3') as caught: candidate.f(3)\n    assert caught.value.by == 3 and isinstance(caught.value, ValueError) and isinstance(caught.value, candidate.Fault)",
        "class Fault(Exception): pass\nclass Broken(Fault, ValueError):\n    def __init__(self, by): self.by = by\n    def __str__(self): return f'broken by {self.by}'\ndef f(n): raise Broken(n)",
    ),
    "functions of the test's": (
        "from candidate import twice\ndef test_it():\n    seen = []\n    assert twice(lambda n: seen.append(n) or n + 1, 3) == 5 and seen == [3, 4]",
        "def twice(f, n): return f(f(n))",
    ),
    "exceptions of the test's functions": (
        "from candidate import safe\nclass Mine(Exception): pass\ndef test_it():\n    def bad(): raise KeyError('x')\n    assert safe(bad) == 'KeyError'",
        "def safe(f):\n    try: f()\n    except KeyError as error: return type(error).__name__",
    ),
    "iterators of the test's": ("from candidate import f\ndef test_it():\n    assert f(n for n in (1, 2)) == 3", "def f(some): return sum(some)"),
    "functions that it gives": ("from candidate import adder\ndef test_it():\n    add = adder(2)\n    assert add(3) == 5 and callable(add)", "def adder(n): return lambda m: m + n"),
    "generators": ("from candidate import f\ndef test_it():\n    assert list(f(3)) == [0, 1, 2]\n    assert next(f(1)) == 0", "def f(n): yield from range(n)"),
    "lists that are changed in place": (
        "from candidate import f\ndef test_it():\n    some, more = [3, 1, 2], {}\n    assert f(some, more) is None\n    assert some == [1, 2, 3] and more == {'n': 3}",
        "def f(some, more): some.sort(); more['n'] = len(some)",
    ),
    "classes and their objects": (
        "from candidate import Point, Stack\ndef test_it():\n    p = Point(1, 2)\n    assert p.x == 1 and p == Point(1, 2) and p != Point(2, 1) and isinstance(p, Point) and not isinstance(3, Point)\n    assert (p + Point(1, 1)) == Point(2, 3) and 2 * p == Point(2, 4) and repr(p) == 'Point(x=1, y=2)' and len({p, Point(1, 2)}) == 1\n    s = Stack()\n    s.push('a')\n    s.name = 'mine'\n    assert len(s) == 1 and s and 'a' in s and s[0] == 'a' and list(s) == ['a'] and s.pop() == 'a' and not s and s.name == 'mine'",
        "from dataclasses import dataclass\n@dataclass(frozen=True)\nclass Point:\n    x: int\n    y: int\n    def __add__(self, other): return Point(self.x + other.x, self.y + other.y)\n    def __rmul__(self, n): return Point(n * self.x, n * self.y)\nclass Stack:\n    def __init__(self): self.items = []\n    def push(self, one): self.items.append(one)\n    def pop(self): return self.items.pop()\n    def __len__(self): return len(self.items)\n    def __contains__(self, one): return one in self.items\n    def __getitem__(self, n): return self.items[n]\n    def __iter__(self): return iter(self.items)\n",
    ),
    "enumerations": ("from candidate import Colour, f\ndef test_it():\n    assert f() is Colour.RED and f() == Colour.RED and f().value == 1", "import enum\nclass Colour(enum.Enum):\n    RED = 1\ndef f(): return Colour.RED"),
    "context managers": ("from candidate import opened\ndef test_it():\n    with opened() as one: assert one == 1", "import contextlib\n@contextlib.contextmanager\ndef opened(): yield 1"),
    "coroutines": ("import asyncio\nfrom candidate import f\nasync def go(): return await f(1)\ndef test_it():\n    assert asyncio.run(go()) == 2", "async def f(n): return n + 1"),
    "what it prints": ("from candidate import f\ndef test_it(capsys):\n    f()\n    assert capsys.readouterr().out == 'hello\\n'", "def f(): print('hello')"),
    "names that the test replaces": ("import candidate\ndef test_it(monkeypatch):\n    monkeypatch.setattr(candidate, 'now', lambda: 5)\n    assert candidate.f() == 6", "def now(): return 0\ndef f(): return now() + 1"),
    "everything by a star": ("from candidate import *\ndef test_it():\n    assert f() == LIMIT == 3", "LIMIT = 3\ndef f(): return LIMIT"),
    "a test class": ("import unittest, candidate\nclass TestIt(unittest.TestCase):\n    def test_it(self):\n        self.assertEqual(candidate.f(), 1)", "def f(): return 1"),
}  # fmt: skip


@pytest.mark.parametrize("name", CROSSES)
async def test_what_crosses(verifier, name):
    code, text = CROSSES[name]
    verdict = await verifier.verify(suite(code, isolation="process"), Candidate(text))
    assert verdict.accepted, verdict.findings


DOES_NOT = {
    "an object of the test's": ("from candidate import f\ndef test_it():\n    f(object())", "def f(x): pass", "a object cannot be given to a candidate in a process of its own"),
    "a value of its own class, where a plain one is meant": ("from candidate import f\ndef test_it():\n    assert f() == 1", "class E:\n    def __eq__(self, other): return True\ndef f(): return E()", "AssertionError: assert f() == 1"),
    "the order of such a value": ("from candidate import f\ndef test_it():\n    assert f() < 1", "class E:\n    def __lt__(self, other): return True\ndef f(): return E()", "TypeError: '<' not supported"),
}  # fmt: skip


@pytest.mark.parametrize("name", DOES_NOT)
async def test_what_does_not_cross_is_said(verifier, name):
    code, text, words = DOES_NOT[name]
    verdict = await verifier.verify(suite(code, isolation="process"), Candidate(text))
    assert not verdict.accepted
    assert words in verdict.findings[0].message


async def test_where_values_are_asked_for_nothing_else_is_taken(verifier):
    one = suite("from candidate import f\ndef test_it():\n    assert abs(f() - 1) < 2", isolation="values")
    text = "class E:\n    __sub__ = lambda a, b: 0\ndef f(): return E()"
    verdict = await verifier.verify(one, Candidate(text))
    assert "the code gives 'E' where only plain values can be given" in verdict.findings[0].message
    assert (await verifier.verify(one, Candidate("def f(): return 1"))).accepted


# --- the same words and classes as in one process ---

PLAIN = "from candidate import f\ndef test_one():\n    assert f(1) == 2\ndef test_zero():\n    assert f(0) == 1\n"
ADDS = {"plain": suite(PLAIN, isolation="process"), "pytest": suite("import pytest\n" + PLAIN, isolation="process")}
WRONG = {
    "a wrong value": ("def f(n):\n    return 2", Failure.TEST_FAILURE, "test_zero: AssertionError: assert", None),
    "an exception": (
        "def f(n):\n    return n / 0",
        Failure.TEST_FAILURE,
        "test_one: ZeroDivisionError: division by zero",
        2,
    ),
    "no function": ("x = 1", Failure.SYNTAX_ERROR, "cannot import name 'f' from 'candidate'", None),
    "a missing import": ("import nothing_like_it", Failure.SYNTAX_ERROR, "No module named 'nothing_like_it'", 1),
    "an end": ("import os\ndef f(n):\n    os._exit(0)", Failure.TEST_FAILURE, "the code ended its process", None),
}


@pytest.mark.parametrize("kind", ADDS)
@pytest.mark.parametrize("name", WRONG)
async def test_a_wrong_candidate_is_told_what_was_wrong_and_where(verifier, kind, name):
    text, failure, words, line = WRONG[name]
    verdict = await verifier.verify(ADDS[kind], Candidate(text))
    assert (verdict.accepted, verdict.failure) == (False, failure)
    assert words in verdict.findings[0].message
    assert verdict.findings[0].line == line


@pytest.mark.parametrize(
    "code", ["1 / 0\ndef test_x():\n    pass", "import nothing_like_it\ndef test_x():\n    pass", "x = 1"]
)
async def test_a_fault_of_the_tests_is_the_graders(verifier, code):
    with pytest.raises(GraderError, match="Mend the dataset"):
        await verifier.verify(suite(code, isolation="process"), Candidate("def f(n): return n"))


async def test_a_file_beside_the_tests_is_imported_as_it_was(verifier):
    one = suite(
        "from candidate import f\ndef test_it():\n    import beside\n    assert f() == beside.ANSWER",
        isolation="process",
    )
    one = one.__class__(
        **{name: getattr(one, name) for name in one.__slots__} | {"files": {"beside.py": "ANSWER = 42"}}
    )
    assert (await verifier.verify(one, Candidate("import beside\ndef f(): return beside.ANSWER"))).accepted
    await refused(verifier.sandbox, one, "open('beside.py', 'w').write('ANSWER = 0')\ndef f(): return 0")


@pytest.mark.parametrize(
    ("code", "needs"),
    [
        (PLAIN, False), ("import pytest\n" + PLAIN, True), ("def test_x():\n    from pytest import raises", True), ("class TestX: pass\n" + PLAIN, True),
        ("def test_x(tmp_path): pass", True), ("@mark\ndef test_x(): pass", True), ("async def test_x(): pass", True), ("x = 1", True),
    ],
)  # fmt: skip
def test_pytest_is_loaded_only_where_it_is_needed(code, needs):
    assert needs_pytest(code) is needs


# --- cheats: the holes of one process are closed, and the way between the two opens no other ---


@pytest.mark.parametrize("name", HOLES)
async def test_invariant_3_the_holes_of_one_process_are_closed(sandbox, name):
    one, text = HOLES[name]
    await refused(sandbox, suite(one.tests.code, isolation="process"), text)


FRAMES = """
import gc, json, os, sys
peer = next(one for one in gc.get_objects() if type(one).__name__ == 'Peer')
def say(record):
    peer._out.write(json.dumps(record).encode() + b'\\n'); peer._out.flush()
"""
SAYS = {
    "answers before it is asked": "for _ in range(50): say({'ok': 2, 'changed': None, 'said': ''})\ndef f(n): return 0",
    "gives a line that is none": "def f(n): say({'err': {'class': {'$': 'class', 'n': 'ValueError', 'v': 0}, 'text': '', 'line': {'x': 1}, 'args': [], 'has': {'$': 'dict', 'v': []}}})",
    "answers with an unknown tag": "def f(n): say({'ok': {'$': 'odd', 'v': 1}})",
    "names a function as an exception": "def f(n): say({'err': {'class': {'$': 'class', 'n': 'eval', 'v': 0}, 'text': '', 'line': None, 'args': [], 'has': {'$': 'dict', 'v': []}}})",
    "names a module that is none of the standard ones": "def f(n): say({'ok': {'$': 'standard', 'n': 'os.system', 'v': 'true'}})",
    "calls a function that was not given": "def f(n): say({'do': 'call', 'with': [{'$': 'yours', 'v': 1}, [], {'$': 'dict', 'v': []}]})",
    "asks for more than calls": "def f(n): say({'do': 'operate', 'with': ['getattr', 1, 'x']})",
    "nests an answer too deep": "def f(n): peer._out.write(b'[' * 10**6 + b'\\n'); peer._out.flush()",
    "answers without end": "def f(n):\n    while True: peer._out.write(b'x' * 65536)",
    "closes the way": "def f(n): peer._out.close(); peer._in.close()",
    "raises a skip": "import _pytest.outcomes as o\ndef f(n): o.skip('no need')",
    "raises an expected failure": "import _pytest.outcomes as o\ndef f(n): o.xfail('as expected')",
    "raises an end of the session": "import _pytest.outcomes as o\ndef f(n): o.exit('fine', 0)",
    "raises an interrupt": "def f(n): raise KeyboardInterrupt",
    "raises an exit": "def f(n): raise SystemExit(0)",
    "looks for the tests": "import glob\nfound = [name for name in glob.glob('/tmp/**', recursive=True) if 'test_candidate' in name]\nfor pid in os.listdir('/proc'):\n    for name in ('environ', 'cmdline', 'mem', 'maps', 'fd/0', 'fd/3', 'fd/4', 'cwd/test_candidate.py'):\n        try:\n            if pid.isdigit() and int(pid) != os.getpid() and b'test' + b'_zero' in open(f'/proc/{pid}/{name}', 'rb').read(10**6): found.append(name)\n        except OSError: pass\ndef f(n): return n + 1 if found else 0",
    "ends the tests": "import signal\nos.kill(os.getppid(), signal.SIGKILL)\ndef f(n): return 0",
    "traces the tests": "import ctypes\ngot = [ctypes.CDLL(None).ptrace(16, int(pid), 0, 0) for pid in os.listdir('/proc') if pid.isdigit() and int(pid) == os.getppid()]\ndef f(n): return n + 1 if 0 in got else 0",
    "leaves modules for the tests to import": "for name in ('json.py', 'linecache.py', 'pytest.py', 're.py', 'conftest.py', 'test_candidate.py'): open(name, 'w').write('import os; os._exit(0)')\ndef f(n): return 0",
    "starts processes that stay": "if os.fork() == 0:\n    os.setsid()\n    while True:\n        try: say({'ok': 1})\n        except OSError: os._exit(0)\ndef f(n): return 0",
}  # fmt: skip


@pytest.mark.parametrize("kind", ADDS)
@pytest.mark.parametrize("name", SAYS)
async def test_invariant_3_nothing_that_it_says_is_more_than_an_answer(sandbox, kind, name):
    # Answers that come too early are answers: they are held against other questions, too.
    await refused(sandbox, ADDS[kind], FRAMES + SAYS[name], timeout_s=4 if "without end" in name else 20)


@pytest.mark.parametrize(
    "name", ["patches how tests are called", "adds a conftest", "deletes the tests", "patches the reporter"]
)
async def test_invariant_3_what_cheats_pytest_does_not_reach_it(sandbox, name):
    await refused(sandbox, ADDS["pytest"], "import gc, os, sys\n" + SUITE_CHEATS[name])
