"""What only bubblewrap or the unconfined sandbox has to hold; sandbox_contract/ has what all must."""

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from secrets import token_hex

import pytest

import evalkit
from evalkit.adapters.bubblewrap_sandbox import BubblewrapSandbox
from evalkit.adapters.bubblewrap_sandbox import cell as bwrap
from evalkit.adapters.bubblewrap_sandbox.inside import hidden
from evalkit.adapters.unconfined_sandbox import UnconfinedSandbox
from evalkit.core.errors import SandboxError
from evalkit.core.ports import Job, Limits
from tests.adapters.sandbox_contract.jobs import living, python, until
from tests.sandboxes import why_no_bubblewrap


@pytest.fixture
def cell():
    return pytest.skip(why_no_bubblewrap()) if why_no_bubblewrap() else BubblewrapSandbox()


async def test_python_is_our_own(cell):
    done = await cell.run(python("import sys; print(sys.version_info[:2])"))
    assert done.stdout == f"{sys.version_info[:2]}\n"


@pytest.mark.parametrize("kind", [BubblewrapSandbox, UnconfinedSandbox])
async def test_no_file_descriptor_is_lost(kind):
    sandbox = kind()
    await sandbox.run(python("pass"))
    before = sorted(os.listdir("/proc/self/fd"))
    for job in (python("pass"), python("while True: pass", seconds=0.2), python("print('x' * 10**6)")):
        await sandbox.run(job)
    assert sorted(os.listdir("/proc/self/fd")) == before


async def test_folders_of_a_killed_evalkit_are_swept_by_the_next(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    dead, own = tmp_path / "evalkit-unconfined-99999999-x", tmp_path / f"evalkit-unconfined-{os.getpid()}-x"
    dead.mkdir(), own.mkdir()
    await UnconfinedSandbox().check()
    assert [path.name for path in tmp_path.iterdir()] == [own.name]


async def test_what_the_system_has_besides_its_programs_is_not_there(cell):
    hidden = ["/etc/shadow", "/etc/hostname", "/sys/kernel", "/var"]
    done = await cell.run(python("import os, sys; print([p for p in sys.argv[1:] if os.path.exists(p)])", *hidden))
    assert done.stdout.strip() == "[]"


def test_folders_of_ours_in_pythons_folders_are_covered_but_never_python_itself(monkeypatch, tmp_path):
    packages, project = Path(evalkit.__file__).parents[1], tmp_path / "project"
    project.mkdir()
    monkeypatch.setenv("EVALKIT_HOME", str(project))
    monkeypatch.chdir(Path(sys.executable).parent)
    covered = hidden([str(packages), str(tmp_path), sys.prefix])
    assert {str(packages / "evalkit"), str(project)} <= set(covered)
    assert not any(
        Path(os.__file__).is_relative_to(path) or Path(sys.executable).is_relative_to(path) for path in covered
    )


async def test_processes_are_numbered_anew(cell):
    done = await cell.run(python("import os; print(*sorted(int(n) for n in os.listdir('/proc') if n.isdigit()))"))
    assert max(map(int, done.stdout.split())) < 10


async def test_no_mount_is_left(cell):
    def mounts():  # containers of other tests come and go meanwhile
        return [line for line in Path("/proc/self/mountinfo").read_text().splitlines() if "docker" not in line]

    before = mounts()
    await cell.run(python("pass"))
    assert mounts() == before


def climbing(token):
    """An evalkit that has just begun to start a sandbox for a minute's sleep."""
    script = f"""
import asyncio
from evalkit.adapters.bubblewrap_sandbox import BubblewrapSandbox
from evalkit.adapters.bubblewrap_sandbox.inside import hidden
from evalkit.core.ports import Job, Limits
job = Job(("python", "-c", "import time; time.sleep(60)", {token!r}[::-1][::-1]), limits=Limits(seconds=60))
print("starts", flush=True)
asyncio.run(BubblewrapSandbox().run(job))
"""
    child = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE)
    child.stdout.readline()
    return child


async def test_a_killed_evalkit_takes_its_sandboxes_along(cell):
    token = f"job{token_hex(8)}"
    child = climbing(token)
    await until(lambda: len(living(token)) > 2)
    child.kill()
    child.wait()
    await until(lambda: not living(token))


FORKS = """
import asyncio, os, signal, sys
from evalkit.adapters.bubblewrap_sandbox import BubblewrapSandbox
from evalkit.adapters.bubblewrap_sandbox.inside import hidden
from evalkit.core.ports import Job, Limits
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
for token in sys.stdin:
    if os.fork() == 0:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        job = Job(("python", "-c", "import time; time.sleep(60)", token.strip()), limits=Limits(seconds=60))
        print(os.getpid(), flush=True)
        asyncio.run(BubblewrapSandbox().run(job))
"""


@pytest.fixture(scope="module")
def beginning():
    """As `climbing`, but forks of one process, which has loaded everything once."""
    with subprocess.Popen([sys.executable, "-c", FORKS], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:

        def begin(token):
            parent.stdin.write(f"{token}\n".encode())
            parent.stdin.flush()
            return int(parent.stdout.readline())

        yield begin


@pytest.mark.parametrize("milliseconds", range(0, 60, 5))
async def test_an_evalkit_killed_while_it_sets_a_sandbox_up_leaves_nothing(cell, beginning, milliseconds):
    token = f"job{token_hex(8)}"
    pid = beginning(token)
    await asyncio.sleep(milliseconds / 1000)
    os.kill(pid, signal.SIGKILL)
    await until(lambda: not Path(f"/proc/{pid}").exists() and not living(token))


async def test_a_machine_without_user_namespaces_is_told_what_to_do(monkeypatch, tmp_path):
    refuses = tmp_path / "bwrap"
    refuses.write_text("#!/bin/sh\necho 'bwrap: No permissions to create new namespace' >&2; exit 1\n")
    refuses.chmod(0o755)
    monkeypatch.setattr("evalkit.adapters.bubblewrap_sandbox.cell._binary", lambda: str(refuses))
    with pytest.raises(SandboxError, match=r"No permissions to create new namespace.*sysctl.*sandbox=unconfined"):
        await BubblewrapSandbox().check()


OLD = """#!/bin/sh
for word in "$@"; do [ "$word" = --overlay ] && { echo "bwrap: Unknown option --overlay" >&2; exit 1; }; done
exec %s "$@"
"""


@pytest.fixture
def without_overlays(cell, monkeypatch, tmp_path):
    """A bubblewrap sandbox with a bwrap that is too old for overlays."""
    old = tmp_path / "bwrap"
    old.write_text(OLD % bwrap._binary())
    old.chmod(0o755)
    monkeypatch.setattr(bwrap, "_binary", lambda: str(old))
    return cell


async def test_without_overlays_a_tree_is_copied_and_that_is_said(without_overlays, tmp_path):
    tree = tmp_path / "tree"
    (tree / "old").mkdir(parents=True)
    for name in ("a.py", "old/b", "tool"):
        (tree / name).write_text("A = 1")
        (tree / name).chmod(0o666)
    code = "import os; print(sorted(os.listdir()), open('a.py', 'r+').read(), open('new/c').read()); open('a.py', 'w')"
    job = Job(("python", "-c", code), {"new/c": "C", "tool": "T"}, tree=str(tree), removed=("old",))
    assert without_overlays.fallback == ""
    for _ in range(2):
        assert (await without_overlays.run(job)).stdout == "['a.py', 'new', 'tool'] A = 1 C\n"
    assert "no overlay over a tree, so each job copies it" in without_overlays.fallback
    assert "Unknown option --overlay" in without_overlays.fallback


async def test_a_copied_trees_size_and_largest_file_do_not_count_against_the_limits(without_overlays, tmp_path):
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "big").write_bytes(bytes(3 * 2**20))
    small = Limits(seconds=60, scratch_mb=1, file_mb=1)
    code = "import os; print(os.path.getsize('big'), flush=True); open('new', 'wb').write(bytes(2 * 2**20))"
    done = await without_overlays.run(Job(("python", "-c", code), tree=str(tree), limits=small))
    assert (done.stdout, "File too large" in done.stderr) == (f"{3 * 2**20}\n", True)


async def test_files_that_do_not_fit_over_a_tree_are_an_outage_that_says_so(cell, tmp_path):
    with pytest.raises(SandboxError, match=r"No space left on device.*scratch_mb"):
        await cell.run(Job(("true",), {"big": "x" * 2 * 2**20}, tree=str(tmp_path), limits=Limits(scratch_mb=1)))
