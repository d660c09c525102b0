"""What every sandbox must hold, and what only a confined one can: the same tests over all of them."""

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from secrets import token_hex

import pytest

from evalkit.adapters.bubblewrap_sandbox import BubblewrapSandbox
from evalkit.adapters.unconfined_sandbox import UnconfinedSandbox
from evalkit.core.errors import SandboxError
from evalkit.core.ports import Job, Limits
from tests.sandboxes import CONFINED, docker, why_no_bubblewrap


def opened(name, request):
    """The sandbox of that name, as `tests/sandboxes.py` has it."""
    if name == "docker":
        return request.getfixturevalue("shared_docker")
    if name == "bubblewrap":
        return pytest.skip(why_no_bubblewrap()) if why_no_bubblewrap() else BubblewrapSandbox()
    return UnconfinedSandbox()


@pytest.fixture(params=[*CONFINED, "unconfined"])
def sandbox(request, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    yield opened(request.param, request)
    assert list(tmp_path.iterdir()) == [], "a job left files behind"


@pytest.fixture(params=CONFINED)
def cell(request):
    return opened(request.param, request)


@pytest.fixture(params=[*CONFINED, "unconfined"])
async def another(request):
    """Makes a sandbox with settings of its own."""
    made = []

    def make(**settings):
        one = opened(request.param, request)
        made.append(docker(**settings) if request.param == "docker" else type(one)(**settings))
        return made[-1]

    yield make
    for one in made:
        if request.param == "docker":
            await one.close()


@pytest.fixture
async def token():
    """A word in a job's command lines, by which its processes are found from the host."""
    word = f"job{token_hex(8)}"
    yield word
    await until(lambda: living(word) == [])


def python(code, *argv, **limits):
    return Job(("python", "-c", code, *argv), limits=Limits(**limits))


def living(word):
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if word.encode() in (entry / "cmdline").read_bytes() and entry.name != str(os.getpid()):
                found.append(entry.name)
    return found


async def until(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        await asyncio.sleep(0.02)


# --- every sandbox ---


async def test_files_and_stdin_arrive_and_the_exit_code_comes_back(sandbox):
    code = "import sys; print(open('a/b.txt').read(), sys.stdin.read()); print('x', file=sys.stderr); sys.exit(7)"
    done = await sandbox.run(Job(("python", "main.py"), {"a/b.txt": "häl", "main.py": code}, stdin="lo ß"))
    assert (done.exit_code, done.stdout, done.stderr, done.stopped) == (7, "häl lo ß\n", "x\n", "")


async def test_files_lie_in_a_folder_that_can_be_written_and_is_home(sandbox):
    code = "import os; open('x', 'w').close(); print(os.getcwd() == os.environ['HOME'], *sorted(os.listdir()))"
    done = await sandbox.run(Job(("python", "-c", code), {"f": "1"}))
    assert done.stdout == "True f x\n"


@pytest.mark.parametrize("name", ["/etc/x", "../x", "a/../../x"])
async def test_a_file_outside_the_folder_is_refused(sandbox, name):
    with pytest.raises(ValueError, match="is no path inside"):
        await sandbox.run(Job(("true",), {name: ""}))


async def test_python_has_pytest_and_writes_no_bytecode(sandbox):
    done = await sandbox.run(python("import sys, pytest; print(sys.version_info >= (3, 11), sys.dont_write_bytecode)"))
    assert done.stdout == "True True\n"


async def test_a_module_beside_the_script_can_be_imported(sandbox):
    done = await sandbox.run(Job(("python", "main.py"), {"main.py": "import other", "other.py": "print('here')"}))
    assert done.stdout == "here\n"


async def test_no_environment_of_ours_is_seen(sandbox, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    code = "import pathlib; print(*(p.read_text() for p in pathlib.Path('/proc').glob('[0-9]*/environ')))"
    code = "import os; print(os.environ)" if not sandbox.confined else code
    assert "sk-secret" not in (await sandbox.run(python(code))).stdout


async def test_a_command_that_is_not_there_is_an_outage(sandbox):
    with pytest.raises(SandboxError, match="'no-such-command' is not installed"):
        await sandbox.run(Job(("no-such-command",)))


async def test_a_signal_is_told_as_a_shell_does(sandbox):
    done = await sandbox.run(python("import os; os.abort()"))
    assert (done.exit_code, done.stopped) == (128 + signal.SIGABRT, "")


async def test_a_timeout_ends_all_children_also_those_in_their_own_session(sandbox, token):
    code = """
import os, sys, time
for _ in range(3):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0: os.setsid()
print('started', flush=True)
time.sleep(60)
"""
    done = await sandbox.run(python(code, token, seconds=2))
    assert (done.stopped, done.stdout.count("started") > 0) == ("timeout", True)
    assert done.seconds < 30
    assert living(token) == []


async def test_a_child_that_outlives_the_command_is_ended_and_not_waited_for(sandbox, token):
    code = "import os, time\nif os.fork() == 0:\n    os.setsid(); time.sleep(60)\nprint('over')"
    done = await sandbox.run(python(code, token, seconds=30))
    assert (done.exit_code, done.stdout, done.stopped) == (0, "over\n", "")


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
async def test_output_beyond_the_cap_stops_the_job_and_costs_no_memory(sandbox, token, stream):
    code = f"import sys\nwhile True: sys.{stream}.write('x' * 65536)"
    done = await sandbox.run(python(code, token, seconds=30, output_kb=64))
    assert (done.stopped, len(getattr(done, stream))) == ("output", 64 * 1024)


async def test_a_candidate_that_reads_no_stdin_is_no_fault(sandbox):
    done = await sandbox.run(Job(("true",), stdin="x" * 2_000_000))
    assert done.exit_code == 0


async def test_one_process_cannot_take_more_memory_than_allowed(sandbox):
    done = await sandbox.run(python("x = [bytearray(10**7) for _ in range(1000)]", memory_mb=200))
    assert (done.exit_code != 0, done.stopped) == (True, "memory")


async def test_many_processes_together_cannot_take_more_memory_than_allowed(sandbox, token):
    code = """
import os, time
for _ in range(8):
    if os.fork() == 0:
        x = bytearray(b'x') * (60 * 2**20)
        time.sleep(60)
time.sleep(60)
"""
    done = await sandbox.run(python(code, token, seconds=30, memory_mb=200))
    assert done.stopped == "memory"


async def test_a_file_cannot_grow_beyond_its_limit(sandbox):
    done = await sandbox.run(python("open('big', 'wb').write(bytes(3 * 2**20))", file_mb=2))
    assert "File too large" in done.stderr


async def test_cancelling_ends_everything(sandbox, token):
    job = asyncio.ensure_future(sandbox.run(python("import time; time.sleep(60)", token, seconds=60)))
    await until(lambda: living(token))
    job.cancel()
    with pytest.raises(asyncio.CancelledError):
        await job
    assert living(token) == []


async def test_cancelling_at_any_moment_leaves_nothing(sandbox, token):
    for delay in (0, 0.001, 0.003, 0.006, 0.01, 0.02, 0.04):
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(delay):
                await sandbox.run(python("import time; time.sleep(60)", token, seconds=60))
    await until(lambda: not living(token))


async def test_only_so_many_run_at_once(another):
    sandbox = another(concurrency=2)
    code = "import time; a = time.time(); time.sleep(.3); print(a, time.time())"
    spans = [
        tuple(map(float, done.stdout.split()))
        for done in await asyncio.gather(*[sandbox.run(python(code)) for _ in range(5)])
    ]
    for start, _ in spans:
        assert sum(a <= start < b for a, b in spans) <= 2


@pytest.mark.parametrize("name", ["seconds", "memory_mb", "processes", "concurrency"])
def test_a_limit_under_which_nothing_runs_is_refused(another, name):
    with pytest.raises(ValueError, match=f"{name} is 0"):
        another(**{name: 0})


def test_settings_are_what_a_job_gets_by_default(another):
    assert another().limits == Limits()
    assert another(processes=5).limits.processes == 5


async def test_check_passes_where_the_sandbox_works(sandbox):
    await sandbox.check()


# --- a confined one ---


def test_a_confined_one_says_so(cell):
    assert (cell.confined, UnconfinedSandbox().confined) == (True, False)


async def test_there_is_no_network_not_even_to_this_host(cell):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        code = f"import socket; socket.create_connection(('127.0.0.1', {port}), 2)"
        assert "ConnectionRefusedError" in (await cell.run(python(code))).stderr
        done = await cell.run(python("import socket; print(*(name for _, name in socket.if_nameindex()))"))
        assert done.stdout.split() == ["lo"]
        assert (
            "unreachable"
            in (await cell.run(python("import socket; socket.create_connection(('192.0.2.1', 80), 2)"))).stderr
        )


async def test_an_abstract_socket_of_the_host_cannot_be_reached(cell):
    name = f"evalkit-{token_hex(4)}"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(f"\0{name}")
        server.listen()
        code = f"import socket; socket.socket(socket.AF_UNIX).connect('\\0{name}')"
        assert "ConnectionRefusedError" in (await cell.run(python(code))).stderr


async def test_files_of_the_host_are_not_there(cell, tmp_path):
    (tmp_path / "secret").write_text("x")
    project = Path(__file__).parents[2]
    hidden = [
        tmp_path / "secret",
        project / "pyproject.toml",
        project / "evalkit",
        Path.home() / ".bashrc",
        Path.home() / ".cache",
        Path.home() / ".ssh",
        Path("/var/run/docker.sock"),
    ]
    done = await cell.run(
        python("import os, sys; print([p for p in sys.argv[1:] if os.path.exists(p)])", *map(str, hidden))
    )
    assert done.stdout.strip() == "[]"


async def test_evalkit_and_its_datasets_answers_are_hidden_even_where_they_lie_in_python(cell):
    seen = "import os, evalkit; print([name for path in evalkit.__path__ for name in os.listdir(path)])"
    done = await cell.run(python(seen))
    # Nothing to import, or a folder that is covered by an empty one (where the checkout lies around the venv).
    assert "ModuleNotFoundError" in done.stderr or done.stdout.strip() == "[]"


async def test_nothing_but_the_working_folder_can_be_written(cell):
    code = """
import os, sys
places = ['/', '/usr', '/etc', '/dev', '/proc', '/home', '/root']
for place in [*places, sys.prefix, sys.base_prefix, os.path.dirname(os.__file__)]:
    try:
        open(place + '/evalkit-was-here', 'w'); print('wrote to', place)
    except OSError:
        pass
for place in [os.getcwd(), '/tmp', '/dev/shm']:
    open(place + '/fine', 'w')
"""
    done = await cell.run(python(code))
    assert (done.exit_code, done.stdout, done.stderr) == (0, "", "")


async def test_the_working_folder_has_a_size(cell):
    code = "n = 0\nwhile True:\n    open(f'f{n}', 'wb').write(bytes(2**20)); n += 1; print(n, flush=True)"
    done = await cell.run(Job(("python", "-c", code), limits=Limits(scratch_mb=8)))
    assert "No space left" in done.stderr
    assert int(done.stdout.split()[-1]) <= 8


async def test_a_candidate_is_nobody_without_any_capability(cell):
    done = await cell.run(
        python(
            "import os; print(os.getuid(), os.getgid(), {*os.getgroups()} - {65534}, open('/proc/self/status').read())"
        )
    )
    assert done.stdout.startswith("65534 65534 set()")
    lines = dict(line.split(":\t", 1) for line in done.stdout.splitlines() if ":\t" in line)
    assert {lines[f"Cap{kind}"].strip("0") for kind in ("Eff", "Prm", "Inh", "Amb")} == {""}
    assert lines["NoNewPrivs"].strip() == "1"


DEEDS = (
    "os.setuid(0)",
    "os.chroot('/tmp')",
    "open('/proc/sys/kernel/hostname', 'w')",
    "os.mknod('/tmp/disk', 0o60666, os.makedev(8, 0))",
    "ctypes.CDLL(None, use_errno=True).mount(b'none', b'/tmp', b'tmpfs', 0, 0) == 0 or sys.exit(1)",
)


@pytest.mark.parametrize("deed", DEEDS)
async def test_privileged_deeds_are_refused(cell, deed):
    done = await cell.run(python(f"import ctypes, os, sys\n{deed}\nprint('did it')"))
    assert (done.exit_code, done.stdout) == (1, "")


async def test_processes_of_the_host_are_not_seen(cell):
    code = "import os; print(*(open(f'/proc/{n}/cmdline').read() for n in os.listdir('/proc') if n.isdigit()))"
    seen = (await cell.run(python(code))).stdout
    assert "python" in seen
    assert not any(name in seen for name in ("pytest", "dockerd", "execnet"))


async def test_a_fork_bomb_meets_the_limit_and_the_host_stays_usable(cell, token):
    code = """
import os, time
made = 0
try:
    while True:
        if os.fork() == 0: time.sleep(60)
        made += 1
except BlockingIOError:
    print(made, flush=True)
while True:
    try: os.fork()
    except OSError: pass
"""
    job = asyncio.ensure_future(cell.run(python(code, token, seconds=3, processes=20)))
    await until(lambda: len(living(token)) > 10)
    assert subprocess.run(["true"], check=True).returncode == 0
    most = len(living(token))
    done = await job
    assert done.stopped == "timeout"
    assert int(done.stdout.split()[0]) <= 20
    assert most <= 25
    assert living(token) == []


async def test_many_at_once_do_not_share_a_limit(another):
    code = "import os, time\nfor _ in range(10):\n    if os.fork() == 0: time.sleep(1); os._exit(0)\nprint('ok')"
    sandbox = another(concurrency=4)
    runs = await asyncio.gather(*[sandbox.run(python(code, processes=14)) for _ in range(4)])
    assert [run.stdout for run in runs] == ["ok\n"] * 4


async def test_nothing_of_a_job_is_there_for_the_next(cell):
    deed = "open('left', 'w').close(); open('/tmp/left', 'w').close(); open('/dev/shm/left', 'w').close()"
    assert (await cell.run(python(deed))).exit_code == 0
    code = "import os; print([p for p in ('left', '/tmp/left', '/dev/shm/left') if os.path.exists(p)])"
    assert (await cell.run(python(code))).stdout == "[]\n"


# --- a job with a tree ---


@pytest.fixture
def tree(tmp_path_factory):
    """A repository's tree as the workspace checks it out, with rare things: links, spaces, programs, locked folders."""
    root = tmp_path_factory.mktemp("checkout") / "a tree, of: ours"
    secret = root.parent / "beside"
    for name, text in {
        "a.py": "A = 1\n",
        "pkg/__init__.py": "",
        "pkg/deep/b c ü.py": "B = 1\n",
        "doomed/x": "x",
        "tool": "#!/bin/sh\necho old\n",
        "locked/old": "old\n",
        "../beside": "SECRET",
        ".git/HEAD": "ref: SECRET\n",
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    for link, leads in {"out": secret, "up": "../beside", "folder": "pkg", "passwd": "/etc/passwd"}.items():
        (root / link).symlink_to(leads)
    for path in root.rglob("*"):
        if not path.is_symlink():
            path.chmod(0o777 if path.is_dir() or path.name == "tool" else 0o666)
    root.chmod(0o777)
    (root / "locked").chmod(0o755)
    return root


def over(tree, code, files=None, **more):
    limits = Limits(**{"seconds": 60, **more.pop("limits", {})})
    return Job(("python", "-c", code), files or {}, tree=str(tree), limits=limits, **more)


def listed(tree):
    return {
        str(path.relative_to(tree)): os.readlink(path) if path.is_symlink() else path.is_file() and path.read_text()
        for path in sorted(tree.rglob("*"))
    }


async def test_a_tree_lies_in_the_working_folder_beneath_the_files_and_without_what_is_removed(sandbox, tree):
    files = {"a.py": "A = 2\n", "new/er/c.py": "C = 3\n", "locked/d": "4", "tool": "#!/bin/sh\necho new\n", "out": "5"}
    files |= {"folder/inside": "6", "passwd": "7", "doomed": "8"}
    removed = ("doomed", "pkg/deep/b c ü.py", "not there", "locked/old")
    code = """
import os, subprocess
found = {os.path.join(at, name)[2:] for at, _, names in os.walk('.') for name in names}
print(sorted(found))
laid = ('a.py', 'new/er/c.py', 'locked/d', 'out', 'folder/inside', 'passwd', 'doomed')
print(*(open(name).read().strip() for name in laid))
print(subprocess.run(['./tool'], capture_output=True, text=True).stdout.strip(), os.path.islink('folder'))
"""
    done = await sandbox.run(over(tree, code, files, removed=removed))
    names = ["a.py", "doomed", "folder/inside", "locked/d", "new/er/c.py", "out", "passwd", "pkg/__init__.py"]
    assert done.stdout.splitlines() == [
        str(sorted([*names, "tool", "up"])),
        "A = 2 C = 3 4 5 6 7 8",
        "new False",
    ], done.stderr


async def test_all_of_a_tree_can_be_changed_and_neither_the_host_nor_the_next_job_sees_it(sandbox, tree):
    deed = """
import os, shutil
open('a.py', 'w').write('changed'); open('new', 'w').close(); open('pkg/new', 'w').close()
os.remove('doomed/x'); shutil.rmtree('pkg/deep'); os.rename('tool', 'pkg/tool'); os.mkdir('folders')
os.remove('out'); os.symlink('/', 'out')
print(os.listdir('pkg') and 'done')
"""
    before = listed(tree)
    assert (await sandbox.run(over(tree, deed))).stdout == "done\n"
    assert listed(tree) == before
    seen = "import os; print(open('a.py').read().strip(), os.path.exists('new'), os.path.exists('pkg/deep/b c ü.py'))"
    assert (await sandbox.run(over(tree, seen))).stdout == "A = 1 False True\n"


async def test_two_jobs_use_a_tree_at_once_and_do_not_meet(another, tree):
    code = """
import os, sys, time
open('mine', 'w').write(sys.argv[1]); open('a.py', 'a').write(sys.argv[1]); time.sleep(1)
print(open('mine').read(), open('a.py').read().split())
"""
    jobs = [Job(("python", "-c", code, word), tree=str(tree), limits=Limits(seconds=60)) for word in ("one", "two")]
    done = await asyncio.gather(*map(another(concurrency=2).run, jobs))
    assert [one.stdout for one in done] == [f"{word} ['A', '=', '1', '{word}']\n" for word in ("one", "two")]


async def test_home_and_temporary_files_are_not_in_the_tree(sandbox, tree):
    code = """
import os, tempfile
from pathlib import Path
for folder in (Path.home(), Path(tempfile.gettempdir())):
    (folder / 'fine').write_text('')
    print(folder.resolve().is_relative_to(os.getcwd()))
"""
    assert (await sandbox.run(over(tree, code))).stdout == "False\nFalse\n"


async def test_environment_variables_go_over_the_sandboxs_own(sandbox, tree):
    code = "import os; print(os.environ['LANG'], os.environ['NEW'], os.environ['PYTHONHASHSEED'])"
    for job in (over(tree, code, env={"LANG": "C", "NEW": "ä b=c"}), over("", code, env={"LANG": "C", "NEW": "ä b=c"})):
        assert (await sandbox.run(job)).stdout == "C ä b=c 0\n"


async def test_mounts_can_be_read_at_their_own_paths_and_not_written_where_confined(sandbox, tree, tmp_path_factory):
    venv = tmp_path_factory.mktemp("home") / "cache" / "venv"
    (venv / "bin").mkdir(parents=True)
    (venv / "bin" / "greet").write_text("#!/bin/sh\necho hello $1\n")
    (venv / "bin" / "greet").chmod(0o755)
    (venv.parent / "secret").write_text("x")
    mounts = (str(venv),)
    done = await sandbox.run(Job((f"{venv}/bin/greet", "you"), tree=str(tree), mounts=mounts))
    assert done.stdout == "hello you\n", done.stderr
    if sandbox.confined:
        code = f"import os; print(os.listdir({str(venv.parent)!r})); open({str(venv / 'x')!r}, 'w')"
        done = await sandbox.run(over(tree, code, mounts=mounts))
        assert (done.stdout, "Read-only file system" in done.stderr) == ("['venv']\n", True)


async def test_a_program_links_from_one_mount_into_another(sandbox, tmp_path_factory):
    base, venv = tmp_path_factory.mktemp("base"), tmp_path_factory.mktemp("venv")
    (base / "real").write_text("#!/bin/sh\necho real\n")
    for path in (base, venv, base / "real"):
        path.chmod(0o755)
    (venv / "program").symlink_to(base / "real")
    done = await sandbox.run(Job((str(venv / "program"),), mounts=(str(venv), str(base))))
    assert done.stdout == "real\n", done.stderr


@pytest.mark.parametrize("field", [{"tree": "/no/such"}, {"mounts": ("/no/such",)}])
async def test_a_folder_that_is_not_there_is_an_outage(sandbox, field):
    with pytest.raises(SandboxError, match=r"'/no/such'.* is not there"):
        await sandbox.run(Job(("true",), **field))


@pytest.mark.parametrize("field", [{"tree": "relative"}, {"mounts": ("relative",)}, {"removed": ("../x",)}])
async def test_a_path_that_cannot_be_meant_is_refused(sandbox, field):
    with pytest.raises(ValueError, match="is no "):
        await sandbox.run(Job(("true",), **field))


async def test_a_tree_has_what_test_runners_need(sandbox, tree):
    code = """
import multiprocessing, resource, socket, threading, time
def square(n): return n * n
with socket.create_server(('127.0.0.1', 0)) as server, socket.create_connection(server.getsockname()): pass
with socket.create_server(('localhost', 0)): pass
with multiprocessing.get_context('fork').Pool(4) as pool: print(pool.map(square, range(4)))
threads = [threading.Thread(target=time.sleep, args=(.2,)) for _ in range(60)]
for one in threads: one.start()
print(resource.getrlimit(resource.RLIMIT_NOFILE)[0], len(open('big', 'wb').write(bytes(40 * 2**20)) and 'wrote'))
print('x' * 600_000)
"""
    wide = {"processes": 128, "memory_mb": 3000, "file_mb": 64, "scratch_mb": 128, "output_kb": 1024}
    done = await sandbox.run(over(tree, code, limits=wide))
    first, second, rest = done.stdout.split("\n", 2)
    assert (first, second, len(rest), done.exit_code) == ("[0, 1, 4, 9]", "1024 5", 600_001, 0), done.stderr


async def test_many_files_are_laid_over_a_tree(sandbox, tree):
    files = {f"tests/data/{'n' * 80} {number}.txt": "ä" * 1000 for number in range(600)}
    code = "import pathlib; print(sum(len(path.read_text()) for path in pathlib.Path('tests').rglob('*.txt')))"
    assert (await sandbox.run(over(tree, code, files))).stdout == "600000\n"


async def test_a_killed_job_leaves_nothing_of_its_tree(sandbox, tree, token):
    before = listed(tree)
    code = "open('a.py', 'w').close()\nwhile True: pass"
    job = Job(("python", "-c", code, token), tree=str(tree), limits=Limits(seconds=1))
    assert (await sandbox.run(job)).stopped == "timeout"
    assert listed(tree) == before


# --- a confined one with a tree ---


async def test_what_is_written_to_a_tree_has_a_size_and_temporary_files_count(cell, tree):
    code = """
n = 0
while True:
    open(f'{["pkg", "/tmp"][n % 2]}/f{n}', 'wb').write(bytes(2**20)); n += 1; print(n, flush=True)
"""
    done = await cell.run(over(tree, code, limits={"scratch_mb": 8}))
    assert "No space left" in done.stderr
    assert 5 <= int(done.stdout.split()[-1]) <= 8


async def test_links_of_a_tree_show_nothing_of_the_host(cell, tree):
    code = "import os; print([name for name in ('out', 'up') if not os.path.islink(name) or os.path.exists(name)])"
    assert (await cell.run(over(tree, code))).stdout == "[]\n"


SEEN = {
    "the tree at the host's path": "os.path.exists(TREE)",
    "what lies beside it": "os.path.exists(os.path.dirname(TREE))",
    "the repository's history": "os.path.lexists('.git')",
    "evalkit": f"os.path.exists({str(Path(__file__).parents[2] / 'evalkit')!r} + '/core')",
    "the cache": "os.path.exists(os.path.join(HOST_HOME, '.cache'))",
    "a way to write to the tree": "writes()",
    "history in any mount": "histories()",
    "another root": "any(os.path.exists(f'/proc/{pid}/root' + TREE) for pid in os.listdir('/proc') if pid.isdigit())",
}


@pytest.mark.parametrize("what", SEEN)
async def test_a_candidate_over_a_tree_does_not_reach(cell, tree, what):
    code = f"""
import os
TREE, HOST_HOME = {str(tree)!r}, {str(Path.home())!r}
def writes():
    for line in open('/proc/self/mountinfo'):
        place = line.split()[4].encode().decode('unicode_escape')
        if place.startswith(('/tmp', '/proc', '/dev')): continue
        try: open(os.path.join(place, 'evalkit-was-here'), 'w'); return place
        except OSError: pass
def histories():
    for at, folders, files in os.walk('/'):
        if at.startswith('/proc'): folders.clear()
        if '.git' in folders and os.listdir(at + '/.git'): return at
        if '.git' in files and open(at + '/.git').read(): return at
print(bool({SEEN[what]}))
"""
    done = await cell.run(over(tree, code))
    assert done.stdout == "False\n", done.stderr


async def test_a_candidate_cannot_pass_its_failure_off_as_an_outage(cell, tree):
    code = """
import glob, os, sys
words = {word for path in glob.glob('/proc/[0-9]*/cmdline') for word in open(path).read().split('\\0')}
for word in words: print(word, 'no space', file=sys.stderr)
os._exit(125)
"""
    done = await cell.run(over(tree, code))
    assert (done.exit_code, done.stopped) == (125, "")
