"""Candidates that break out or tear down: none gets out, and the host stays usable (invariant 12)."""
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
from tests.run.candidates import ADDS_ALONE, NAME, living, read, refused
from tests.run.tasks import ADDS


@pytest.fixture
async def sandbox(sandbox):
    """Each confined sandbox; afterwards nothing of the candidate is left."""
    yield sandbox
    assert living() == []


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
    table = read(Path("/proc/net/fib_trie")).splitlines()
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
