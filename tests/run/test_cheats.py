"""Candidates that cheat, break out or tear down: none is accepted, none gets out, the host stays usable (invariants 3, 12)."""
# ruff: noqa: E501  tables of candidates read best with one a line

import contextlib
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from secrets import token_hex
from types import SimpleNamespace

import pytest

from evalkit.adapters.unconfined_sandbox import UnconfinedSandbox
from evalkit.core.types import Candidate
from evalkit.run.tests_verifier import TestsVerifier
from tests.run.tasks import ADDS, ADDS_COMMAND, ADDS_SUITE, suite

ADDS_ALONE = "def f(n):\n    return n + 1\nif __name__ == '__main__':\n    print(f(int(input())))\n"
NAME = f"job{token_hex(6)}"  # what a candidate's processes are called, by which they are found from the host


@pytest.fixture
async def sandbox(sandbox):
    """Each confined sandbox; afterwards nothing of the candidate is left."""
    yield sandbox
    assert _living() == []


def _living():
    """The candidate's processes, as the host sees them; one that is being ended gets a moment."""
    for _ in range(100):
        found = [entry.parent.name for entry in Path("/proc").glob("[0-9]*/comm") if _read(entry).strip() == NAME]
        if not found:
            break
        time.sleep(0.02)
    return found


def _read(path):
    with contextlib.suppress(OSError):
        return path.read_text(errors="replace")
    return ""


# --- cheats: none solves the task, none may be accepted ---

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


async def refused(sandbox, one, text, timeout_s=20):
    name = f"open('/proc/self/comm', 'w').write({NAME!r})\n"
    verdict = await TestsVerifier(sandbox, timeout_s=timeout_s).verify(one, Candidate(name + text))
    assert not verdict.accepted
    assert verdict.failure is not None
    assert verdict.findings
    return verdict


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


# --- escapes: each is the body of a function that returns something true if it got out ---

LIBC = "libc = ctypes.CDLL(None, use_errno=True)\n"
# These need no power that a user lacks: without a sandbox they all succeed, so they prove something.
READING = {
    "reaches a port of the host": "socket.create_connection(('127.0.0.1', PORT), 2); return True",
    "sends a datagram to the host": "s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.connect(('127.0.0.1', PORT)); s.send(b'x'); time.sleep(.05); s.send(b'x'); return True",
    "reaches an abstract socket": "socket.socket(socket.AF_UNIX).connect('\\0' + SOCKET); return True",
    "reaches a socket in the file system": "socket.socket(socket.AF_UNIX).connect(SOCKET); return True",
    "sees the host's interfaces": "return {name for _, name in socket.if_nameindex()} - {'lo'} or len(socket.if_nameindex()) == INTERFACES == 1",
    "reads a file": "return WORD in open(SECRET).read()",
    "goes up and over": "return WORD in open('../' * 30 + SECRET).read()",
    "links to a file": "os.symlink(SECRET, new()); return WORD in open(new.last).read()",
    "links to the root": "os.symlink('/', new()); return WORD in open(new.last + SECRET).read()",
    "hard-links to a file": "os.link(SECRET, new()); return WORD in open(new.last).read()",
    "goes through a process's root": "return any(WORD in text(f'/proc/{pid}/root{SECRET}') for pid in pids())",
    "reads the environments": "return WORD in str(os.environ) or any(WORD in text(f'/proc/{pid}/environ') for pid in pids())",
    "reads the command lines": "return any(WORD in text(f'/proc/{pid}/cmdline') for pid in pids())",
    "reads the project": "return any(os.path.exists(os.path.join(PROJECT, name)) for name in ('pyproject.toml', 'conf/dataset/starter.jsonl', 'rubrics', 'evalkit/core'))",
    "finds the host's process": "return os.kill(PID, 0) is None",
}  # fmt: skip
ESCAPES = READING | {
    "asks for an address": "return socket.gethostbyname('example.com')",
    "asks every name server": "return any(not ask(line.split()[1]) for line in open('/etc/resolv.conf') if line.startswith('nameserver'))",
    "goes out by any address": "return any(reaches(address) for address in ADDRESSES)",
    "makes packets of its own": "return socket.socket(socket.AF_PACKET, socket.SOCK_RAW) or True",
    "makes raw sockets": "return socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) or True",
    "talks to a container engine": "return any(not socket.socket(socket.AF_UNIX).connect_ex(path) for path in ('/var/run/docker.sock', '/run/docker.sock', '/run/containerd/containerd.sock', '/run/podman/podman.sock', '/run/dbus/system_bus_socket'))",
    "reads evalkit where Python has its packages": "return any(os.listdir(path) for entry in sys.path for path in (f'{entry}/evalkit', f'{entry}/conf') if os.path.isdir(path))",
    "reads the passwords": "return open('/etc/shadow').read()",
    "reads the user's home": "return [path for path in AT_HOME if os.path.exists(path)]",
    "reads disks and memory": "return [path for path in glob.glob('/dev/*') if any(word in path for word in ('/sd', '/vd', '/nvme', '/mem', '/kmem', '/port', '/kvm', '/fuse', '/loop', '/dm-', '/kmsg')) and os.access(path, os.R_OK)]",
    "makes a device": "os.mknod('disk', 0o60666, os.makedev(8, 0)); return open('disk', 'rb').read(1) or True",
    "opens files by their handles": LIBC + "here = os.open('.', os.O_RDONLY)\nhandle = struct.pack('=Ii8s', 8, 1, struct.pack('=Q', 2))\nreturn libc.open_by_handle_at(here, handle, 0) >= 0",
    "uses what was left open": "return [path for path in map(link, os.listdir('/proc/self/fd')) if path.startswith('/') and not path.startswith(('/dev/null', '/proc/', os.getcwd()))]",
    "types into the terminal": "return open('/dev/tty', 'w') or True",
    "ends the host's process": "return os.kill(PID, signal.SIGKILL) is None",
    "becomes root": "os.setuid(0); return os.getuid() == 0",
    "takes another group": "os.setgroups([0]); return True",
    "may gain by a setuid program": LIBC + "return libc.prctl(39, 0, 0, 0, 0) == 0",
    "is root by a setuid program of its own": "shutil.copy('/bin/sh', 'sh'); os.chmod('sh', 0o6755); return b'uid=0' in subprocess.check_output(['./sh', '-c', 'id'])",
    "mounts": LIBC + "return libc.mount(b'none', b'/tmp', b'tmpfs', 0, 0) == 0",
    "unmounts what hides": LIBC + "return any(libc.umount2(path.encode(), 2) == 0 for path in mounts())",
    "unmounts in namespaces of its own": LIBC + "libc.unshare(0x10020000)\n[libc.umount2(path.encode(), 2) for path in reversed(mounts())]\nreturn os.path.exists(SECRET) or os.path.exists(f'{PROJECT}/pyproject.toml')",
    "binds the host's root in namespaces of its own": LIBC + "libc.unshare(0x10020000)\nos.mkdir('all')\nreturn any(libc.mount(f'/proc/{pid}/root'.encode(), b'all', 0, 0x5000, 0) == 0 and os.path.exists('all' + SECRET) for pid in pids())",
    "changes its root": "os.chroot('/tmp'); return True",
    "changes the clock": "time.clock_settime(time.CLOCK_REALTIME, time.time()); return True",
    "changes the host's name": "socket.sethostname('mine'); return True",
    "changes the kernel's settings": "return [path for path in ('/proc/sys/kernel/core_pattern', '/proc/sys/kernel/hostname', '/proc/sys/vm/overcommit_memory', '/proc/sysrq-trigger', '/sys/fs/cgroup/release_agent', '/sys/kernel/uevent_helper') if writes(path)]",
    "loads into the kernel": LIBC + "return libc.syscall(175 if os.uname().machine == 'x86_64' else 105, b'', 0, b'') == 0",
    "turns the machine off": LIBC + "return libc.reboot(0) == 0",
    "raises its limits": "return [kind for kind in (resource.RLIMIT_NPROC, resource.RLIMIT_NOFILE, resource.RLIMIT_FSIZE) if raises(kind)]",
    "goes before others": "return os.nice(-5) < 0",
    "writes where programs lie": "return [path for path in ('/usr/bin', '/bin', '/etc', '/lib', '/', sys.prefix, sys.base_prefix, os.path.dirname(os.__file__)) if writes(path + '/evalkit-was-here')]",
    "replaces a program": "return [path for path in ('/bin/sh', '/usr/bin/env', sys.executable) if not os.chmod(path, 0o777)]",
}  # fmt: skip
AROUND = """
import ctypes, glob, os, resource, shutil, signal, socket, struct, subprocess, sys, time
def pids(): return [name for name in os.listdir('/proc') if name.isdigit() and int(name) != os.getpid()]
def text(path):
    try: return open(path, errors='replace').read()
    except OSError: return ''
def link(fd):
    try: return os.readlink('/proc/self/fd/' + fd)
    except OSError: return ''
def new():
    new.last = f'new{time.monotonic_ns()}'
    return new.last
def mounts(): return [line.split()[4] for line in open('/proc/self/mountinfo')]
def writes(path):
    try: return open(path, 'w') and True
    except OSError: return False
def raises(kind):
    hard = resource.getrlimit(kind)[1]
    try: return resource.setrlimit(kind, (hard + 1, hard + 1)) is None
    except (ValueError, OSError): return False
def reaches(address):
    try: return socket.create_connection((address, PORT), 0.5) and True
    except OSError: return False
def ask(address):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(0.5)
    try: s.sendto(bytes.fromhex('000101000001000000000000076578616d706c6503636f6d0000010001'), (address, 53)); s.recv(512)
    except OSError: return True
def f(n):
    try: out = escapes()
    except BaseException: out = False
    return n + 1 if out else 0
def escapes():
    """


@pytest.fixture(scope="module")
def host(tmp_path_factory):
    """What there is to be found: sockets, a file, a process with a word in its environment and command line."""
    word, place = token_hex(8), tmp_path_factory.mktemp("host")
    secret, path = place / "secret", f"/tmp/evalkit-test-{token_hex(4)}"
    secret.write_text(word)
    secret.chmod(0o644)
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(socket.create_server(("0.0.0.0", 0)))
        port = server.getsockname()[1]
        stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)).bind(("127.0.0.1", port))
        for name in (path, f"\0{path}"):
            listening = stack.enter_context(socket.socket(socket.AF_UNIX))
            listening.bind(name)
            listening.listen()
        stack.callback(os.unlink, path)
        sleeping = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(3600)", word], env={"KEY": word})
        stack.callback(sleeping.wait)
        stack.callback(sleeping.kill)
        interfaces = len(socket.if_nameindex())
        yield SimpleNamespace(
            facts={
                "PORT": port, "SOCKET": path, "SECRET": str(secret), "WORD": word, "PID": sleeping.pid,
                "PROJECT": str(Path(__file__).parents[2]), "INTERFACES": interfaces, "ADDRESSES": _addresses(),
                "AT_HOME": [str(path) for path in Path.home().iterdir() if path.is_file()],
            },
            process=sleeping,
        )  # fmt: skip


def _addresses():
    """Every IPv4 address that the host has."""
    table = _read(Path("/proc/net/fib_trie")).splitlines()
    local = [table[number - 1].split()[-1] for number, line in enumerate(table) if "/32 host LOCAL" in line]
    return sorted(set(local) - {"127.0.0.1"})


def escaping(body, host):
    facts = "".join(f"{name} = {value!r}\n" for name, value in host.facts.items())
    return facts + AROUND + body.replace("\n", "\n    ")


@pytest.mark.parametrize("name", ESCAPES)
async def test_invariant_12_none_gets_out(sandbox, host, name):
    await refused(sandbox, ADDS, escaping(ESCAPES[name], host))
    assert host.process.poll() is None, "the host's process was ended"


@pytest.mark.parametrize("name", READING)
async def test_what_the_sandbox_refuses_succeeds_without_one(host, name):
    if name in ("sees the host's interfaces", "hard-links to a file"):
        pytest.skip("depends on the machine: no network here, or another file system")
    verdict = await TestsVerifier(UnconfinedSandbox(), timeout_s=20).verify(
        ADDS, Candidate(escaping(READING[name], host))
    )
    assert verdict.accepted, verdict.findings


LEAVES = """
import ctypes, os, socket, threading, time
libc = ctypes.CDLL(None, use_errno=True)
PLACES = ['.', '/tmp', '/var/tmp', '/dev/shm', '/dev/mqueue', '/run', os.path.expanduser('~')]
KEYRINGS = [-1, -2, -3, -4, -5]
def leave():
    for place in PLACES:
        try: open(f'{place}/WORD', 'w').write('x')
        except OSError: pass
    for ring in KEYRINGS: libc.syscall(248, b'user', b'WORD', b'x', 1, ring)
    shared = libc.shmget(4242, 4096, 0o1666)
    libc.msgget(4242, 0o1666)
    if os.fork() == 0:
        os.setsid()
        if os.fork(): os._exit(0)
        s = socket.socket(socket.AF_UNIX); s.bind('\\0WORD'); s.listen(); time.sleep(60)
def found():
    seen = [place for place in PLACES if os.path.exists(f'{place}/WORD')]
    seen += [ring for ring in KEYRINGS if libc.syscall(250, 10, ring, b'user', b'WORD', 0) > 0]
    seen += [call for call in (libc.shmget(4242, 4096, 0), libc.msgget(4242, 0)) if call >= 0]
    try: socket.socket(socket.AF_UNIX).connect('\\0WORD')
    except OSError: return seen
    return [*seen, 'socket']
"""


async def test_nothing_of_an_attempt_is_seen_by_the_next(sandbox):
    mine = LEAVES.replace("WORD", NAME)
    left = f"{mine}leave()\ntime.sleep(.2)\ndef f(n): return n + 1 if len(found()) > 4 else 0"
    assert (await TestsVerifier(sandbox, timeout_s=20).verify(ADDS, Candidate(left))).accepted, (
        "nothing was left to be found"
    )
    await refused(sandbox, ADDS, f"{mine}def f(n): return n + 1 if found() else 0")


# --- bombs: each ends by a limit, and the next job runs as if nothing had been ---

BOMBS = {
    "forks without end": "while True:\n        try: os.fork()\n        except OSError: pass",
    "forks without end in namespaces of its own": "ctypes.CDLL(None).unshare(0x30000000)\n    while True:\n        try: os.fork()\n        except OSError: pass",
    "starts threads without end": "while True:\n        try: threading.Thread(target=time.sleep, args=(60,)).start()\n        except RuntimeError: pass",
    "leaves zombies": "while True:\n        try: os.fork() or os._exit(0)\n        except OSError: pass",
    "takes all memory": "x = []\n    while True: x.append(bytearray(b'x') * 2**20)",
    "takes all memory by many": "[os.fork() for _ in range(4)]\n    x = []\n    while True:\n        try: x.append(bytearray(b'x') * 2**20)\n        except MemoryError: pass",
    "takes all memory by files": "n = 0\n    while True:\n        for place in ('.', '/tmp', '/dev/shm'):\n            try: open(f'{place}/{n}', 'wb').write(bytes(2**20)); n += 1\n            except OSError: pass",
    "takes all memory by files without a name": "x = []\n    while True:\n        x.append(os.memfd_create('x'))\n        for _ in range(15): os.write(x[-1], bytes(2**20))",
    "prints without end": "while True: os.write(2, b'x' * 65536)",
    "returns too much": "return 'x' * 10**8",
    "returns a number that is too long": "return 10**5000",
    "returns what is nested too deep": "x = []\n    for _ in range(10**5): x = [x]\n    return x",
    "returns what holds itself": "x = []\n    x.append(x)\n    return x",
    "writes a huge file": "with open('big', 'wb') as big:\n        while True: big.write(bytes(2**20))",
    "makes a huge file with a hole": "os.truncate(os.open('big', os.O_RDWR | os.O_CREAT), 2**50)",
    "takes every inode": "n = 0\n    while True:\n        os.close(os.open(f'{n}', os.O_CREAT)); n += 1",
    "takes every descriptor": "x = []\n    while True: x.append(os.open('.', os.O_RDONLY))",
    "makes a folder without end": "while True:\n        os.mkdir('x'); os.chdir('x')",
    "ignores every signal": "for kind in set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP}: signal.signal(kind, signal.SIG_IGN)\n    while True: pass",
    "recurses without end": "sys.setrecursionlimit(10**9)\n    return f(n)",
    "stops itself": "os.kill(os.getpid(), signal.SIGSTOP)",
    "stops everybody": "os.kill(-1, signal.SIGSTOP)\n    os.kill(os.getpid(), signal.SIGSTOP)",
    "leaves a daemon": "if os.fork() == 0:\n        os.setsid()\n        if os.fork() == 0:\n            while True: time.sleep(.01)\n        os._exit(0)\n    return 0",
    "leaves a daemon that holds every pipe and ignores signals": "if os.fork() == 0:\n        os.setsid()\n        for kind in set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP}: signal.signal(kind, signal.SIG_IGN)\n        while True: os.write(2, b'x'); time.sleep(.1)\n    os._exit(0)",
    "compiles something enormous": "return eval('+'.join(['1'] * 10**6))",
    "matches for ever": "import re\n    return re.match('(a+)+$', 'a' * 64 + 'b')",
}  # fmt: skip


@pytest.mark.parametrize("name", BOMBS)
async def test_a_bomb_ends_and_the_next_job_runs(sandbox, name):
    text = f"import ctypes, os, signal, sys, threading, time\ndef f(n):\n    {BOMBS[name]}"
    start = time.monotonic()
    await refused(sandbox, ADDS, text, timeout_s=2)
    assert time.monotonic() - start < 60
    assert (await TestsVerifier(sandbox, timeout_s=20).verify(ADDS, Candidate(ADDS_ALONE))).accepted
