"""What docker holds beyond what every sandbox must: fresh containers, leases, images, an engine that fails."""

import asyncio
import contextlib
import gc
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from secrets import token_hex

import pytest

from evalkit.adapters.docker_sandbox import clean, lease
from evalkit.adapters.docker_sandbox.client import EngineAwayError, connect
from evalkit.core.errors import SandboxError
from evalkit.core.ports import Job, Limits
from tests.adapters.sandbox_contract.jobs import python, until
from tests.sandboxes import docker, why_no_docker

SOCKET = "/var/run/docker.sock"
WHO = "import re; print(re.search('containers/([0-9a-f]{64})/', open('/proc/self/mountinfo').read())[1])"


@pytest.fixture
async def fresh():
    """Makes docker sandboxes of the test's own, and removes them."""
    if why := why_no_docker():
        pytest.skip(why)
    made = []

    def make(**settings):
        made.append(docker(**settings))
        return made[-1]

    yield make
    for one in made:
        await one.close()


def containers(label=lease.LABEL):
    api = connect()
    with contextlib.closing(api):
        return {one["Id"]: one["Labels"] for one in api.containers(all=True, filters={"label": label})}


def mark(sandbox):
    return f"{lease.LABEL}={sandbox._pool._mark}"


# --- containers ---


async def test_every_job_has_a_container_of_its_own_also_those_started_ahead(fresh):
    sandbox = fresh(ahead=2)
    seen = [(await sandbox.run(python(WHO))).stdout for _ in range(5)]
    assert len(set(seen)) == 5


async def test_containers_stand_ready_before_they_are_asked_for_and_none_is_left_at_the_end(fresh):
    sandbox = fresh(ahead=3)
    await sandbox.run(python("pass"))
    await until(lambda: len(containers(mark(sandbox))) == 3)
    await sandbox.close()
    assert containers(mark(sandbox)) == {}
    with pytest.raises(SandboxError, match="closed"):
        await sandbox.run(python("pass"))


async def test_a_container_whose_lease_is_too_short_for_the_job_is_not_used(fresh):
    sandbox = fresh(ahead=1, lease_s=3, engine_timeout_s=5)
    await sandbox.run(python("pass", seconds=1))
    await until(lambda: len(containers(mark(sandbox))) == 1)
    done = await sandbox.run(python("import time; time.sleep(4); print('whole')", seconds=60))
    assert done.stdout == "whole\n"


async def test_cancelling_at_any_moment_leaves_no_container(fresh):
    sandbox = fresh(ahead=0)
    for delay in (0, 0.01, 0.1, 0.3, 0.6, 1.0):
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(delay):
                await sandbox.run(python("import time; time.sleep(60)", seconds=60))
    await until(lambda: containers(mark(sandbox)) == {})


async def test_jobs_lose_no_descriptors_and_no_threads(fresh):
    sandbox = fresh(ahead=1)

    async def some():
        for job in [python("pass"), python("while True: pass", seconds=0.2), python("print('x' * 10**6)")] * 2:
            await sandbox.run(job)
        gc.collect()
        return len(os.listdir("/proc/self/fd")), threading.active_count()

    rounds = [await some() for _ in range(5)]  # of six jobs: one lost a job would be 24
    assert rounds[-1][0] <= rounds[0][0] + 12  # pooled connections come and go
    assert rounds[-1][1] <= rounds[0][1] + 2


async def test_a_container_ended_from_outside_is_an_outage_and_no_verdict(fresh):
    sandbox = fresh(ahead=0)
    job = asyncio.ensure_future(sandbox.run(python("import time; print(1, flush=True); time.sleep(30)", seconds=60)))
    await until(lambda: containers(mark(sandbox)))
    await asyncio.sleep(1.5)  # also while it starts it is an outage, so no harm if this is too short
    for name in containers(mark(sandbox)):
        subprocess.run(["docker", "kill", name], check=True, capture_output=True)
    with pytest.raises(SandboxError):
        await job


async def test_a_candidate_that_kills_itself_is_no_outage(fresh):
    done = await fresh(ahead=0).run(python("import os; os.kill(os.getpid(), 9)"))
    assert (done.exit_code, done.stopped) == (128 + signal.SIGKILL, "")


async def test_a_candidate_cannot_end_what_keeps_its_container(fresh):
    code = """
import os
for n in sorted(int(n) for n in os.listdir('/proc') if n.isdigit()):
    try:
        if n != os.getpid(): os.kill(n, 9); print('killed', n)
    except PermissionError: pass
print('over')
"""
    assert (await fresh(ahead=0).run(python(code))).stdout == "over\n"


async def test_files_reach_a_job_whole_whatever_their_size_and_name(fresh):
    files = {f"deep/{'d' * 90}/{'n' * 120} {number}.txt": "ä" * 50_000 for number in range(20)}
    code = "import pathlib; print(sum(len(p.read_text()) for p in pathlib.Path().rglob('*.txt')), len(input()))"
    done = await fresh(ahead=0).run(Job(("python", "-c", code), files, stdin="x" * 300_000 + "\n"))
    assert done.stdout == f"{20 * 50_000} 300000\n"


async def test_files_that_do_not_fit_are_an_outage_that_says_so(fresh):
    with pytest.raises(SandboxError, match=r"could not be unpacked: tar: big: (Wrote only|No space left)"):
        await fresh(ahead=0).run(Job(("true",), {"big": "x" * 3 * 2**20}, limits=Limits(scratch_mb=1)))


# --- leases ---

KILLED = """
import asyncio, sys
from tests.sandboxes import docker
from evalkit.core.ports import Job, Limits
sandbox = docker(ahead=3, concurrency=3)
print(sandbox._pool._mark, flush=True)
async def main():
    for code in ("pass", "import time; time.sleep(60)"):
        await sandbox.run(Job(("python", "-c", code), limits=Limits(seconds=60)))
asyncio.run(main())
"""


@pytest.fixture
def killed():
    """The label of containers whose evalkit was killed outright."""
    if why := why_no_docker():
        pytest.skip(why)
    child = subprocess.Popen(
        [sys.executable, "-c", KILLED], stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]
    )
    label = f"{lease.LABEL}={child.stdout.readline().strip()}"
    while len(containers(label)) < 3:
        assert child.poll() is None
        time.sleep(0.1)
    child.kill()
    child.wait()
    child.stdout.close()
    return label


async def test_containers_of_a_killed_run_are_removed_by_the_next(killed, fresh):
    await fresh(ahead=0).check()
    assert containers(killed) == {}


async def test_cleaning_removes_them_too_but_none_of_a_living_run(killed, fresh):
    living = fresh(ahead=1)
    await living.run(python("pass"))
    await until(lambda: len(containers(mark(living))) == 1)
    clean()  # how many is not ours to say: another worker's check may have come first
    assert containers(killed) == {}
    assert len(containers(mark(living))) == 1


def test_a_lease_is_over_when_its_process_is_gone_or_another_has_its_number():
    mine = lease.lease(100)
    assert not mine.over
    assert lease.Lease(mine.host, mine.pid, mine.began + 1, mine.expires).over
    assert lease.Lease(mine.host, 2**22 + 1, mine.began, mine.expires).over
    assert not lease.Lease("elsewhere", 2**22 + 1, 1, mine.expires).over
    assert lease.Lease("elsewhere", 1, 1, 1000).over
    assert lease.read(mine.labels("x")) == mine
    assert lease.read({}) is None


# --- an engine that fails ---


class Between:
    """Stands between evalkit and the engine; frozen, it accepts and passes nothing on."""

    def __init__(self, path):
        self.path, self.frozen, self._open = path, threading.Event(), True
        self._server = socket.socket(socket.AF_UNIX)
        self._server.bind(str(path))
        self._server.listen()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while self._open:
            with contextlib.suppress(OSError):
                ours, _ = self._server.accept()
                theirs = socket.socket(socket.AF_UNIX)
                theirs.connect(SOCKET)
                for source, sink in ((ours, theirs), (theirs, ours)):
                    threading.Thread(target=self._pass, args=(source, sink), daemon=True).start()

    def _pass(self, source, sink):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                while self.frozen.is_set():
                    threading.Event().wait(0.02)
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)

    def close(self):
        self._open = False
        self.frozen.clear()
        with contextlib.suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()


@pytest.fixture
def between(tmp_path, monkeypatch):
    if why := why_no_docker():
        pytest.skip(why)
    if os.environ.get("DOCKER_HOST"):
        pytest.skip("the engine is not on this machine's socket")
    one = Between(tmp_path / "engine.sock")
    monkeypatch.setenv("DOCKER_HOST", f"unix://{one.path}")
    yield one
    one.close()


async def test_invariant_1_an_engine_that_stops_answering_is_an_outage_soon_said_and_probed_later(between, fresh):
    sandbox = fresh(ahead=0, engine_timeout_s=2)
    sandbox._engine._breaker.pause_s = 0.5
    assert (await sandbox.run(python("print(1)", seconds=30))).stdout == "1\n"
    late = asyncio.ensure_future(sandbox.run(python("import time; time.sleep(4); print(2)", seconds=5)))
    await until(lambda: containers(mark(sandbox)))
    await asyncio.sleep(1.5)
    between.frozen.set()
    with pytest.raises(SandboxError):  # it ran too long for all that we can see, but nobody could tell
        await late
    for _ in range(3):
        with pytest.raises(EngineAwayError):
            await sandbox.run(python("print(3)"))
    with pytest.raises(EngineAwayError, match="has stopped answering"):
        await sandbox.run(python("print(4)"))
    between.frozen.clear()
    await asyncio.sleep(0.6)
    assert (await sandbox.run(python("print(5)", seconds=30))).stdout == "5\n"


async def test_no_engine_is_told_with_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    sandbox = docker(engine_timeout_s=2)
    with pytest.raises(SandboxError, match=r"no container engine answers.*scripts/engine\.sh.*sandbox=bubblewrap"):
        await sandbox.check()
    await sandbox.close()


@pytest.mark.parametrize("host", ["ssh://user@nowhere.example", "tcp://nowhere.example:2376"])
async def test_a_connection_that_cannot_end_stdin_is_refused(monkeypatch, tmp_path, host):
    monkeypatch.setenv("DOCKER_HOST", host)
    if host.startswith("tcp"):
        monkeypatch.setenv("DOCKER_TLS_VERIFY", "1")
    sandbox = docker(engine_timeout_s=2)
    with pytest.raises(SandboxError, match="not supported"):
        await sandbox.check()
    await sandbox.close()


# --- images ---


async def test_a_missing_image_is_told_with_the_command_that_builds_it(fresh, tmp_path, monkeypatch):
    recipe = tmp_path / "conf" / "sandbox" / "image" / "mine.yaml"
    recipe.parent.mkdir(parents=True)
    recipe.write_text(f"packages: [python3]\nfiles: {{/etc/x: '{token_hex(8)}'}}\n")
    monkeypatch.setenv("EVALKIT_HOME", str(tmp_path))
    sandbox = fresh(ahead=0)
    with pytest.raises(SandboxError, match=r"no image 'evalkit/mine:\w{12}'. Build it: evalkit images build mine"):
        await sandbox.check("mine")
    with pytest.raises(SandboxError, match=r"no image 'registry\.example/x:1'.*docker pull"):
        await sandbox.run(Job(("true",), image="registry.example/x:1"))


async def test_an_image_may_be_any_that_the_engine_has(fresh):
    name = subprocess.check_output(
        ["docker", "images", "--filter", "reference=evalkit/python", "--format", "{{.Repository}}:{{.Tag}}"], text=True
    ).split()[0]
    assert (await fresh(ahead=0).run(Job(("python", "-c", "print(1)"), image=name))).stdout == "1\n"


# --- trees ---


async def test_no_container_is_started_ahead_for_a_tree_whose_folder_may_be_anothers_soon(fresh, tmp_path):
    sandbox = fresh(ahead=2)
    tmp_path.chmod(0o755)
    await sandbox.run(Job(("true",), tree=str(tmp_path), limits=Limits(seconds=30)))
    await until(lambda: containers(mark(sandbox)) == {})


async def test_an_engine_elsewhere_is_told_to_see_no_tree(fresh, tmp_path, monkeypatch):
    sandbox = fresh(ahead=0)
    monkeypatch.setenv("DOCKER_HOST", "tcp://build.example:2375")
    with pytest.raises(SandboxError, match=r"needs an engine on this machine.*tcp://build.example:2375"):
        await sandbox.run(Job(("true",), tree=str(tmp_path)))


async def test_a_copied_trees_size_and_largest_file_do_not_count_against_the_limits(fresh, tmp_path):
    (tmp_path / "big").write_bytes(bytes(3 * 2**20))
    small = Limits(seconds=60, scratch_mb=1, file_mb=1)
    code = "import os; print(os.path.getsize('big'), flush=True); open('new', 'wb').write(bytes(2 * 2**20))"
    tmp_path.chmod(0o755)
    done = await fresh(ahead=0).run(Job(("python", "-c", code), tree=str(tmp_path), limits=small))
    assert (done.stdout, "File too large" in done.stderr) == (f"{3 * 2**20}\n", True)


async def test_a_folder_beneath_roots_home_can_be_read_though_an_image_lets_nobody_in_there(fresh):
    if os.geteuid() != 0 or Path.home() != Path("/root"):
        pytest.skip("a folder beneath /root can be made by root alone")
    with tempfile.TemporaryDirectory(dir="/root", prefix=".evalkit-test-") as folder:
        os.chmod(folder, 0o755)
        with open(f"{folder}/packages", "w") as file:
            file.write("there")
        done = await fresh().run(Job(("cat", f"{folder}/packages"), mounts=(folder,)))
        assert done.stdout == "there", done.stderr
