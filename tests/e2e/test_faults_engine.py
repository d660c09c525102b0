"""A container engine that is killed in the middle of a run and started again: outages, and never a verdict."""

import io
import json
import os
import shutil
import signal
import subprocess
import tarfile
import tempfile
import time
from contextlib import closing
from pathlib import Path

import pytest

from tests.e2e.test_run import remote
from tests.servers.threaded import serving

COUNT = 8
TOOLS = ("sh", "sleep", "true", "tar", "dd", "mkdir", "rm", "cat", "grep")
IMAGE = "evalkit-tests/tools:1"


class Engine:
    """A dockerd of the test's own, with its own socket, state and images."""

    def __init__(self, place):
        self.place, self.host = place, f"unix://{place}/engine.sock"
        self._process = None

    def start(self):
        """Until it answers. One that ends is started again, as systemd does it: containerd may need another try.

        Raises TimeoutError.
        """
        deadline = time.monotonic() + 120
        self._begin()
        while not self.answers():
            if time.monotonic() > deadline:
                raise TimeoutError((self.place / "log").read_text()[-2000:])
            if self._process.poll() is not None:
                self._begin()
            time.sleep(0.1)

    def _begin(self):
        named = {"data-root": "data", "exec-root": "exec", "pidfile": "pid"}
        command = ["dockerd", "-H", self.host, *(f"--{name}={self.place}/{path}" for name, path in named.items())]
        command += ["--bridge=none", "--iptables=false", "--ip-forward=false"]
        with (self.place / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)

    def answers(self):
        with closing(self.api()) as api:
            try:
                return api.ping()
            except Exception:  # noqa: BLE001  what the SDK raises while it starts
                return False

    def api(self):
        import docker  # noqa: PLC0415  the test is skipped where it is not installed

        return docker.APIClient(self.host, version="1.41", timeout=60)

    def kill(self):
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def end(self):
        self._process.terminate()
        self._process.wait(60)


@pytest.fixture
def engine():
    if os.geteuid() or not shutil.which("dockerd"):
        pytest.skip("needs root and dockerd (scripts/engine.sh)")
    pytest.importorskip("docker")
    place = Path(tempfile.mkdtemp(prefix="ek"))  # sockets' paths are short
    one = Engine(place)
    try:
        one.start()
    except TimeoutError as error:
        why = f"no engine of the test's own starts here: {error}"
        pytest.fail(why) if os.environ.get("CI") == "true" else pytest.skip(why)
    with closing(one.api()) as api:
        api.import_image_from_data(tools(), *IMAGE.split(":"))
    yield one
    one.end()
    for mounted in ("exec", "data"):  # which it leaves mounted where it was killed
        subprocess.run(["umount", "-R", "-q", "-l", place / mounted], check=False)
    shutil.rmtree(place, ignore_errors=True)


def tools():
    """A root file system with a shell and what the sandbox needs of it: this machine's own programs."""
    paths = {shutil.which(name) for name in TOOLS}
    found = subprocess.run(["ldd", *paths], capture_output=True, text=True, check=True).stdout
    paths |= {word for word in found.split() if word.startswith("/") and not word.endswith(":")}
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", dereference=True) as tar:
        for path in sorted(paths):
            tar.add(path)
        for name in ("tmp", "proc", "sys", "dev", "etc"):
            made = tarfile.TarInfo(name)
            made.type, made.mode = tarfile.DIRTYPE, 0o1777 if name == "tmp" else 0o755
            tar.addfile(made)
    return packed.getvalue()


def judged(home):
    """The verdicts that are on record."""
    (run,) = home.runs
    lines = [json.loads(line)["record"] for line in (run / "journal.jsonl").open() if line.endswith("\n")]
    return [line["value"] for line in lines if line["key"].endswith("/verdict")]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_an_engine_killed_and_started_again_makes_no_verdict_and_the_same_command_judges_the_rest(home, engine):
    with serving() as server:
        arguments = [*remote(home, COUNT, server, preflight="false"), "sandbox=docker", "sandbox.ahead=0"]
        tests = {"kind": "command", "command": ["sh", "-c", "sleep 1; grep -q right candidate.txt"]}
        rows = [{"id": f"i{n}", "prompt": f"Task {n}.", "tests": tests, "image": IMAGE} for n in range(COUNT)]
        home.write("tasks.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
        process = home.start("run", *arguments, DOCKER_HOST=engine.host)
        while not home.runs or not judged(home):
            time.sleep(0.05)
            assert process.poll() is None, process.communicate()
        engine.kill()
        engine.start()
        _, err = process.communicate(timeout=120)
        assert (process.returncode, "Traceback" in err) == (3, False), err
        first = home.summary()
        assert (first["counts"]["unsolved"], 0 < first["counts"]["solved"] < COUNT) == (0, True)
        assert set(first["failures"]) == {"sandbox"}
        assert all(verdict["accepted"] for verdict in judged(home))
        done = home.evalkit("run", *arguments, DOCKER_HOST=engine.host)
        assert done.returncode == 0, done.stderr
    assert home.summary()["counts"]["solved"] == COUNT
    assert set(server.answered.values()) == {1}, "what models had answered was judged, not asked again"
    with closing(engine.api()) as api:
        assert api.containers(all=True) == []
