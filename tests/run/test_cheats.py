"""Candidates that cheat: none is accepted (invariant 3)."""
# ruff: noqa: E501  tables of candidates read best with one a line

import pytest

from evalkit.core.types import Candidate
from evalkit.run.tests_verifier import TestsVerifier
from tests.run.candidates import ADDS_ALONE, living, refused
from tests.run.tasks import ADDS, ADDS_COMMAND, ADDS_SUITE, suite


@pytest.fixture
async def sandbox(sandbox):
    """Each confined sandbox; afterwards nothing of the candidate is left."""
    yield sandbox
    assert living() == []


SEE_ALL = "import sys, gc, os, atexit, json, builtins\n"
# Reports as the reporter makes them, for candidates that know our code: `forge(say)` says them all and leaves.
FORGE = """
NAMES = ['test_candidate.py::test_adds[1]', 'test_candidate.py::test_adds[5]', 'test_candidate.py::TestMore::test_zero']
PHASE = {'outcome': 'passed', 'message': '', 'line': None}
TOLD = [{'collected': NAMES}, *({'test': t, 'when': w, **PHASE} for t in NAMES for w in ('setup', 'call', 'teardown'))]
TOLD += [{'done': True, 'exit': 0, 'traced': False, 'changed': []}]
def forge(say):
    for told in TOLD: say(told)
    os._exit(0)
def raw(fd, nonce):
    forge(lambda told: os.write(fd, f'\\n{nonce} {json.dumps(told)}\\n'.encode()))
"""
# As `raw`, but from a process that goes on when the candidate has answered; it also keeps rewriting the tests.
FORGE_LATER = (
    FORGE
    + """
if os.fork() == 0:
    os.setsid()
    if os.fork(): os._exit(0)
    import time
    os._exit = lambda code: None
    while True:
        for fd in [*range(1, 32)]:
            try: raw(fd, '0' * 32)
            except OSError: pass
        for name in ('test_candidate.py', 'conftest.py', 'results.xml'):
            try: open(name, 'w').write('def test_adds(): pass')
            except OSError: pass
        time.sleep(.002)
"""
)
# Against any harness.
CHEATS = {
    "leaves with success": "sys.exit(0)",
    "leaves at once": "os._exit(0)",
    "leaves when called": "def f(n):\n    os._exit(0)",
    "raises SystemExit when called": "def f(n):\n    raise SystemExit(0)",
    "prints a report": "print('1 passed in 0.01s'); print('{\"case\": 0, \"returns\": 2}'); print('PASSED')\ndef f(n): return 0",
    "writes to every descriptor": "for fd in range(3, 64):\n    try: os.write(fd, b'\\nx {\"case\": 0, \"returns\": 2}\\n\\nx {\"done\": true}\\n')\n    except OSError: pass\ndef f(n): return 0",
    "closes every descriptor": "os.closerange(0, 64)\ndef f(n): return 0",
    "reports at exit": "atexit.register(lambda: print('ok') or os._exit(0))\ndef f(n): return 0",
    "jumps over the assertion": "def f(n):\n    fr = sys._getframe(1)\n    def tr(frame, event, arg):\n        return tr\n    fr.f_trace = tr\n    sys.settrace(tr)\n    return 0",
    "takes nonce and channel from the frames": FORGE + "fr = sys._getframe()\nwhile fr:\n    for s in (fr.f_locals, fr.f_globals):\n        if 'nonce' in s: raw(s.get('channel', 1), s['nonce'])\n    fr = fr.f_back\ndef f(n): return 0",
    "takes nonce and channel from the collector": FORGE + "for o in gc.get_objects():\n    if type(o) is dict and isinstance(o.get('nonce'), str): raw(1, o['nonce'])\n    if type(o).__name__ == 'cell':\n        try: v = o.cell_contents\n        except ValueError: continue\n        if isinstance(v, str) and len(v) == 32: [raw(fd, v) for fd in (1, 3, 4, 5, 6, 7)]\ndef f(n): return 0",
    "looks into the process above": FORGE + "import re\nup = os.getppid()\nfor pid in (up, 1):\n    for name in ('mem', 'environ', 'cmdline', 'fd/0', 'maps'):\n        try: found = os.read(os.open(f'/proc/{pid}/{name}', os.O_RDONLY | os.O_NONBLOCK), 10**6)\n        except OSError: continue\n        for nonce in re.findall(rb'\"nonce\": ?\"([0-9a-f]{32})', found):\n            for fd in ('/proc/%d/fd/1' % up, '/proc/1/fd/1'):\n                try: raw(os.open(fd, os.O_WRONLY), nonce.decode())\n                except OSError: pass\ndef f(n): return 0",
    "ends the process above": "import signal\nos.kill(os.getppid(), signal.SIGKILL)\ndef f(n): return 0",
    "hangs up as interrupted": "def f(n): raise KeyboardInterrupt",
    "ends everybody": "import signal\nos.kill(-1, signal.SIGKILL)\ndef f(n): return 0",
    "replaces itself": "os.execvp('true', ['true'])",
    "traces the process above": "import ctypes\ngot = ctypes.CDLL(None).ptrace(16, os.getppid(), 0, 0)\ndef f(n): return n + 1 if got == 0 else 0",
    "reads the job from stdin": "said = sys.stdin.read() + open('/dev/stdin').read()\ndef f(n): return n + 1 if 'nonce' in said else 0",
    "waits for a word from stdin": "def f(n): return input()",
    "leaves from a thread": "import threading\nthreading.Thread(target=lambda: os._exit(0)).start()\ndef f(n): return 0",
    "leaves by a signal": "import signal\nsignal.signal(signal.SIGALRM, lambda *a: os._exit(0))\nsignal.setitimer(signal.ITIMER_REAL, 0.01)\ndef f(n):\n    while True: pass",
    "writes results from the background": FORGE_LATER + "def f(n): return 0",
    "changes how all Python starts": "for name in ('sitecustomize.py', 'usercustomize.py', 'json.py', 'pytest.py', 'os.py'):\n    open(name, 'w').write('import os; os._exit(0)')\nos.environ.update(PYTHONPATH=os.getcwd(), PYTHONSTARTUP='json.py')\ndef f(n): return 0",
    "raises what cannot be told": "class E(Exception):\n    def __str__(self): raise SystemExit(0)\ndef f(n): raise E",
    "raises what cannot be written": "def f(n): raise ValueError(chr(0xd800))",
    "returns what tells lies of itself": "class E(int):\n    __eq__ = __index__ = __int__ = lambda *a: 2\n    __class__ = bool\n    def __repr__(self): os._exit(0)\ndef f(n): return [E(0)] if 'pytest' in sys.modules else E(0)",
    "unwinds to the harness": "def f(n):\n    fr = sys._getframe(1)\n    while fr:\n        for name in list(fr.f_globals):\n            if name in ('encode', 'same', '_outcome', '_result', '_message'): fr.f_globals[name] = lambda *a, **k: {'returns': 2}\n        fr = fr.f_back\n    return 0",
}  # fmt: skip

# Against pytest and the parts that hold its word.
SUITE_CHEATS = {
    "edits the tests": "open('test_candidate.py', 'w').write('def test_adds(): pass')\ndef f(n): return 0",
    "starts over with tests of its own": "open('test_mine.py', 'w').write('def test_adds(): pass')\nos.execv(sys.executable, [sys.executable, '-m', 'pytest', '-q', 'test_mine.py'])",
    "adds a conftest": "open('conftest.py', 'w').write('def pytest_runtest_call(item): item.obj = lambda *a: None')\ndef f(n): return 0",
    "patches the reporter": "import _pytest.runner as r, _pytest.reports as p\nr.check_interactive_exception = lambda *a: False\np.TestReport.passed = property(lambda s: True)\np.TestReport.failed = property(lambda s: False)\ndef f(n): return 0",
    "patches the report's making": "import _pytest.reports as p\nold = p.TestReport.from_item_and_call.__func__\ndef new(cls, item, call):\n    call.excinfo = None\n    return old(cls, item, call)\np.TestReport.from_item_and_call = classmethod(new)\ndef f(n): return 0",
    "gives tests a mark": "def f(n):\n    import pytest\n    for o in gc.get_objects():\n        if type(o).__name__ == 'Function' and hasattr(o, 'add_marker'): o.add_marker(pytest.mark.xfail)\n    return 0",
    "patches the collected item": "def f(n):\n    for o in gc.get_objects():\n        if type(o).__name__ == 'Function' and hasattr(o, 'runtest'): o.runtest = lambda: None\n    return n + 1 if n == 1 else 0",
    "patches how tests are called": "import _pytest.python as p\np.Function.runtest = lambda self: None\ndef f(n): return 0",
    "patches code in place": "import _pytest.python as p\np.Function.runtest.__code__ = (lambda self: None).__code__\ndef f(n): return 0",
    "takes the tests away": "import _pytest.python as p\np.Module.collect = lambda self: []\ndef f(n): return 0",
    "skips the tests": "import _pytest.outcomes as o\ndef f(n): o.skip('no need')",
    "skips the module": "import _pytest.outcomes as o\no.skip('no need', allow_module_level=True)",
    "expects the tests to fail": "import _pytest.outcomes as o\ndef f(n): o.xfail('as expected')",
    "makes all equal by a builtin": "builtins.AssertionError = type('A', (BaseException,), {})\ndef f(n): return 0",
    "replaces the tests' code": "def f(n):\n    g = sys._getframe(1).f_globals\n    for t in [v for k, v in g.items() if k.startswith('test_')]: t.__code__ = (lambda *a, **k: None).__code__\n    return n + 1 if n == 1 else 0",
    "ends the session early": "def f(n):\n    import _pytest.outcomes as o\n    o.exit('all fine', 0)",
    "takes the reporter from the frames": FORGE + "def f(n):\n    fr = sys._getframe()\n    while fr:\n        r = fr.f_globals.get('report')\n        if r: forge(lambda told: r(told, {}))\n        fr = fr.f_back\n    return 0",
    "takes the reporter at import": FORGE + "fr = sys._getframe()\nwhile fr:\n    r = fr.f_globals.get('report')\n    if r: forge(lambda told: r(told, {}))\n    fr = fr.f_back\ndef f(n): return 0",
    "raises the reporter's event": FORGE + "forge(lambda told: sys.audit('evalkit.report', told, {}))",
    "takes the reporter from the collector": FORGE + "for o in gc.get_objects():\n    if type(o).__name__ == 'function' and o.__name__ == 'report': forge(lambda told: o(told, {}))\ndef f(n): return 0",
    "takes the witness from the collector": FORGE + "for o in gc.get_objects():\n    if type(o).__name__ == 'function' and o.__name__ == 'hook' and 'swear_in' in o.__globals__: forge(lambda told: [o('evalkit.report', (told, {})), exec('c=dict(zip(o.__code__.co_freevars, o.__closure__))')])\ndef f(n): return 0",
    "makes the reporter say something else": "from functools import partial\nfor o in gc.get_objects():\n    if type(o).__name__ == 'function' and o.__name__ == 'report': o.__globals__['audit'] = lambda e, r, s: sys.audit(e, {**r, 'outcome': 'passed'} if 'outcome' in r else r, s)\ndef f(n): return 0",
    "makes the reporter see no error": "for o in gc.get_objects():\n    if type(o).__name__ == 'function' and o.__name__ == '_message' and '_candidate_line' in o.__globals__: o.__globals__['_tests'] = lambda *a: {}\nimport _pytest.python as p\np.Function.runtest = lambda self: None\ndef f(n): return 0",
    "forgets what was before": "for o in gc.get_objects():\n    if type(o) is dict and '_pytest.python.Function.runtest' in o: o.clear()\nimport _pytest.python as p\np.Function.runtest = lambda self: None\ndef f(n): return 0",
    "registers a plugin": "class P:\n    def pytest_pyfunc_call(self, pyfuncitem): return True\nfor o in gc.get_objects():\n    if type(o).__name__ == 'PytestPluginManager':\n        o.register(P()); break\ndef f(n): return 0",
    "writes to every descriptor it finds": FORGE + "import marshal\ndef say(told):\n    body = bytes(16) + marshal.dumps(told)\n    for fd in os.listdir('/proc/self/fd'):\n        if int(fd) > 2:\n            try: os.write(int(fd), len(body).to_bytes(4, 'big') + body)\n            except OSError: pass\nforge(say)",
    "writes settings of pytest's": "for name in ('pytest.ini', 'tox.ini', 'setup.cfg', 'pyproject.toml'): open(name, 'w').write('[pytest]\\naddopts = --collect-only -p mine\\n[tool.pytest.ini_options]\\naddopts = \"--collect-only\"\\n')\nopen('mine.py', 'w').write('def pytest_pyfunc_call(pyfuncitem): return True')\nos.environ.update(PYTEST_ADDOPTS='--collect-only', PYTEST_PLUGINS='mine')\ndef f(n): return 0",
    "brings a plugin as a package": "os.makedirs('mine-1.dist-info')\nopen('mine-1.dist-info/METADATA', 'w').write('Name: mine\\nVersion: 1')\nopen('mine-1.dist-info/entry_points.txt', 'w').write('[pytest11]\\nmine = mine')\nopen('mine.py', 'w').write('def pytest_pyfunc_call(pyfuncitem): return True')\ndef f(n): return 0",
    "deletes the tests": "os.unlink('test_candidate.py')\ndef f(n): return 0",
    "puts a folder in the tests' place": "os.rename('test_candidate.py', 'old.py')\nos.mkdir('test_candidate.py')\ndef f(n): return 0",
    "patches how a comparison is explained": "import _pytest.assertion.util as u, _pytest.assertion as a\nu._reprcompare = lambda *a: os._exit(0)\na.util._assertion_pass = None\ndef f(n): return 0",
    "patches how an exception is caught": "import _pytest.runner as r\nr.CallInfo.from_call = classmethod(lambda cls, func, when, reraise=None: cls(None, None, 0, 0, 0, when, _ispytest=True))\ndef f(n): return 0",
    "patches unittest": "import unittest\nunittest.TestCase.run = lambda *a, **k: None\ndef f(n): return 0",
    "puts another module in the tests' place": "def f(n):\n    m = sys.modules.get('test_candidate')\n    if m: m.test_adds = m.TestMore.test_zero = lambda *a, **k: None\n    return n + 1 if n == 1 else 0",
    "changes the reporter's hook": "for o in gc.get_objects():\n    if type(o).__name__ == 'Reporter': o.pytest_runtest_makereport = lambda *a: None\ndef f(n): return 0",
    "changes the exit code": "import _pytest.main as m\nfor o in gc.get_objects():\n    if isinstance(o, m.Session): o.testsfailed = 0; o.exitstatus = 0\ndef f(n): return 0",
}  # fmt: skip

# Against a command that looks from outside.
COMMAND_CHEATS = {
    "leaves with success": "import sys; sys.exit(0)",
    "leaves at once": "import os; os._exit(0)",
    "prints a report": "print('1 passed in 0.01s')",
    "replaces itself": "import os; os.execvp('true', ['true'])",
    "ends the shell": "import os, signal; os.kill(os.getppid(), signal.SIGKILL)",
    "ends everybody": "import os, signal; os.kill(-1, signal.SIGKILL)",
    "hangs the shell up": "import os, signal; os.kill(os.getppid(), signal.SIGHUP)",
    "brings commands of its own": "import os\nfor name in ('test', '[', 'sh', '.profile', '.shrc'):\n    open(name, 'w').write('#!/bin/sh\\nexit 0'); os.chmod(name, 0o777)",
    "answers on every descriptor": "import os\nfor fd in range(3, 64):\n    try: os.write(fd, b'5\\n')\n    except OSError: pass",
}  # fmt: skip


@pytest.mark.parametrize("one", [ADDS, ADDS_SUITE], ids=["cases", "pytest"])
@pytest.mark.parametrize("name", CHEATS)
async def test_invariant_3_a_cheat_is_not_accepted(sandbox, one, name):
    await refused(sandbox, one, SEE_ALL + CHEATS[name])


@pytest.mark.parametrize("name", SUITE_CHEATS)
async def test_invariant_3_a_cheat_of_pytest_is_not_accepted(sandbox, name):
    await refused(sandbox, ADDS_SUITE, SEE_ALL + SUITE_CHEATS[name])


@pytest.mark.parametrize("name", COMMAND_CHEATS)
async def test_invariant_3_a_cheat_of_a_command_is_not_accepted(sandbox, name):
    await refused(sandbox, ADDS_COMMAND, COMMAND_CHEATS[name])


async def test_what_a_command_accepts(sandbox):
    assert (await TestsVerifier(sandbox, timeout_s=20).verify(ADDS_COMMAND, Candidate(ADDS_ALONE))).accepted


# A candidate that has found nonce and channel can still not say what a harness would not; nor does it end the run.
OF_ITS_OWN = (
    "[" * 50_000, "1" * 5000, '{"fault": "x", "case": 0}', '{"fault": "x"}', '{"case": []}', '{"case": 0, "raises": 5}',
    '{"case": 0, "raises": []}', '{"case": 0, "raises": ["E"], "message": 5, "line": "z"}', '{"import": 0}', '{"start": []}',
    '{"case": 0, "returns": {"$set": 5}}', '{"case": 0, "returns": ' + "[" * 900 + "]" * 900 + "}",
)  # fmt: skip
SAY = """
fr = sys._getframe()
while fr:
    report = fr.f_locals.get('report') or fr.f_globals.get('report')
    if getattr(report, '__closure__', None):
        known = dict(zip(report.__code__.co_freevars, (cell.cell_contents for cell in report.__closure__)))
        os.write(known['channel'], ('\\n%s %s\\n' % (known['nonce'], SAID)).encode())
    fr = fr.f_back
def f(n): return 0
"""


@pytest.mark.parametrize("said", OF_ITS_OWN, ids=[text[:40] for text in OF_ITS_OWN])
async def test_a_report_of_its_own_is_no_fault_of_the_grader(sandbox, said):
    await refused(sandbox, ADDS, f"{SEE_ALL}SAID = {said!r}\n{SAY}")


# Not closed: these candidates share pytest's process, and lie to the test itself. See docs/sandbox.md.
HOLES = {
    "equals everything": (ADDS_SUITE, "class E(int):\n    __eq__ = lambda a, b: True\n    __hash__ = int.__hash__\ndef f(n):\n    return E(0)"),
    "reads the tests": (ADDS_SUITE, "import linecache, sys\ndef f(n):\n    up = sys._getframe(1)\n    line = linecache.getline('test_candidate.py', up.f_lineno)\n    return eval(line.partition('==')[2], up.f_globals, up.f_locals)"),
    "patches a library that the test calls": (suite("import re\nfrom candidate import f\ndef test_it():\n    assert re.fullmatch('ab', f())"), "import re\nre.fullmatch = lambda *a: True\ndef f():\n    return ''"),
}  # fmt: skip


@pytest.mark.xfail(strict=True, reason="what lies to the test in the test's own process is not seen: docs/sandbox.md")
@pytest.mark.parametrize("name", HOLES)
async def test_invariant_3_a_known_hole_is_not_accepted(sandbox, name):
    one, text = HOLES[name]
    assert not (await TestsVerifier(sandbox, timeout_s=20).verify(one, Candidate(text))).accepted
