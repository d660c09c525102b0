"""Inside the sandbox: prepares a repository's tree, runs its test command, and passes on what the reporter says.

Started as `PYTHON -I -c THIS` in the tree, with a job on stdin; plain Python from 3.6 on, since the environment's own
Python runs it. The nonce stays here: this process shows its memory to no other, and the tests' output goes to a pipe.
"""

import ctypes
import json
import os
import shlex
import signal
import subprocess
import sys
import tempfile
import threading
from contextlib import suppress
from typing import Any

PR_SET_DUMPABLE = 4
LOG = 20000  # bytes of the end of the output that are kept
GRACE = 5.0


class Run:
    """One job. `say` writes a record to the host."""

    def __init__(self, job: "dict[str, Any]") -> None:
        self.job = job
        self.log = b""
        self.under_way = ""
        self.lock = threading.Lock()  # guards stdout: records are written by two threads

    def say(self, record: "dict[str, Any]") -> None:
        """A record with the nonce."""
        with self.lock:
            data = "\n{} {}\n".format(self.job["nonce"], json.dumps(record)).encode()
            while data:
                data = data[os.write(1, data) :]

    def command(self, argv: "list[str]", env: "dict[str, str]", fds: "tuple[int, ...]" = ()) -> "int | None":
        """Run it to its end, or to the job's; None, then."""
        argv = [sys.executable, *argv[1:]] if argv[0] == "python" else argv
        try:
            process = subprocess.Popen(
                argv,
                env=env,
                pass_fds=fds,
                start_new_session=True,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
            )
        except OSError as error:
            self.say({"fault": f"{argv[0]!r} cannot be run: {error}"})
            for fd in fds:
                os.close(fd)
            return 127
        reader = threading.Thread(target=self._keep, args=(process.stdout,), daemon=True)
        reader.start()
        for fd in fds:
            os.close(fd)
        try:
            code = process.wait(self.job["seconds"])  # type: int | None
        except subprocess.TimeoutExpired:
            code = None
        with suppress(OSError):  # nothing of it is left
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        reader.join(GRACE)
        return code

    def _keep(self, stream: Any) -> None:
        while True:
            chunk = os.read(stream.fileno(), 65536)
            if not chunk:
                return
            self.log = (self.log + chunk)[-LOG:]

    def hear(self, reports: int, key: bytes) -> None:
        """Pass on the reporter's records; lines without its key are somebody else's."""
        rest = b""
        while True:
            try:
                chunk = os.read(reports, 65536)
            except OSError:
                return
            if not chunk:
                return
            lines = (rest + chunk).split(b"\n")
            rest = lines.pop()
            for line in lines:
                self._heard(line, key)

    def _heard(self, line: bytes, key: bytes) -> None:
        try:
            record = json.loads(line[len(key) :].decode()) if line.startswith(key) else None
        except ValueError:
            record = None
        if not isinstance(record, dict):
            self.say({"forged": "a report that the tests did not make"})
        elif "start" in record:
            self.under_way = str(record["start"])
        else:
            self.under_way = "" if "test" in record else self.under_way
            self.say(record)


def main() -> None:
    """Prepare, test, tell how it ended."""
    with suppress(OSError, AttributeError):  # no Linux: then nothing hides memory
        ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)
    run = Run(json.load(sys.stdin))
    run.say({"ready": True, "here": os.getcwd()})  # noqa: PTH109  strings all along
    env = _environment()
    for argv in run.job["setup"]:
        code = run.command(argv, env)
        if code != 0:
            run.say(
                {"setup": " ".join(map(shlex.quote, argv)), "exit": code, "log": run.log.decode("utf-8", "replace")}
            )
            break
    else:
        _test(run, env)
    sys.stdout.flush()
    os._exit(0)


def _test(run: Run, env: "dict[str, str]") -> None:
    reports, theirs = os.pipe()
    key = os.urandom(16).hex().encode()
    listener = threading.Thread(target=run.hear, args=(reports, key), daemon=True)
    listener.start()
    run.log = b""
    code = run.command(run.job["test"], _reporting(run, env, theirs, key), (theirs,))
    listener.join(GRACE)
    run.say({"under_way": run.under_way, "log": run.log.decode("utf-8", "replace")})
    run.say({"done": True, "exit": code})


def _environment() -> "dict[str, str]":
    """What commands see: this Python first, and places for scratch that lie outside of the tree."""
    env = dict(os.environ)
    env["PATH"] = os.path.dirname(sys.executable) + os.pathsep + env.get("PATH", "")  # noqa: PTH120  see below
    here = os.getcwd()  # noqa: PTH109  strings all along: the variables are
    for name in ("HOME", "TMPDIR"):
        if env.get(name, here) == here:
            env[name] = tempfile.mkdtemp(prefix="evalkit-", dir=_outside(here))
    return env


def _outside(here: str) -> str:
    return "/tmp" if os.access("/tmp", os.W_OK) else here  # noqa: S108  the sandbox's own


def _reporting(run: Run, env: "dict[str, str]", fd: int, key: bytes) -> "dict[str, str]":
    """Lay the reporter out, made after the set-up has run whatever it runs; Python loads it as sitecustomize."""
    folder = tempfile.mkdtemp(prefix="evalkit-", dir=_outside(os.getcwd()))  # noqa: PTH109
    for name, text in run.job["reporter"].items():
        with open(os.path.join(folder, name), "w", encoding="utf-8") as file:  # noqa: PTH118, PTH123
            file.write(text)
    before = env.get("PYTHONPATH", "")
    told = {"fd": fd, "key": key.decode(), "report": run.job["report"], "path": before, "folder": folder}
    made = {**env, "PYTHONPATH": folder + (os.pathsep + before if before else ""), "EVALKIT_REPORT": json.dumps(told)}
    if run.job["report"] == "pytest":
        made["PYTEST_PLUGINS"] = "evalkit_reporter" + ("," + env["PYTEST_PLUGINS"] if "PYTEST_PLUGINS" in env else "")
    return made


if __name__ == "__main__":
    main()
