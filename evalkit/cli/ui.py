"""The MLflow UI over the configured store, on this machine only; Ctrl-C ends it."""

import argparse
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO
from urllib.error import URLError
from urllib.request import urlopen

from evalkit.adapters.mlflow_store import ENVIRONMENT, artifacts, lock, sqlite_file
from evalkit.adapters.mlflow_views import TAG, VIEW, addresses
from evalkit.cli.store import add_uri, store_uri
from evalkit.core.errors import ConfigError, TrackerError
from evalkit.places import home, mlruns

EXAMPLE = "evalkit ui --port 5001"
START_S, STOP_S = 180.0, 10.0
PORTS = 65536
BY_NAME = "/api/2.0/mlflow/experiments/get-by-name?experiment_name="
WORDS = {"table": "all runs", "charts": "charts of all runs", "instances": "instances side by side"}
LOOPBACK = ("127.0.0.1", "localhost", "::1")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's options."""
    parser.add_argument("--port", type=int, default=5000, help="default 5000")
    parser.add_argument("--host", default="127.0.0.1", help="default 127.0.0.1")
    add_uri(parser)


def run(args: argparse.Namespace) -> int:
    """Serve until interrupted. Returns the exit code."""
    uri = store_uri(args.uri)
    if uri.startswith(("http://", "https://")):
        print(f"the configured store is a server with a UI of its own: {uri}")
        return 0
    if not 0 < args.port < PORTS:
        raise ConfigError(f"--port {args.port}: a port is a number from 1 to {PORTS - 1}")
    _must_be_free(args.host, args.port)
    if args.host not in LOOPBACK:
        print(f"warning: {args.host} lets others on the network read and change all runs; MLflow asks for no login")
    signal.signal(signal.SIGTERM, _stop)
    print(f"starting MLflow's UI over {uri}: this takes some seconds …", flush=True)
    try:
        with tempfile.TemporaryFile() as log, _server(uri, args.host, args.port, log) as server:
            with _alone(uri):
                _wait(server, args.host, args.port, log)
            _say_where(f"http://{args.host}:{args.port}")
            server.wait()
            raise TrackerError(f"MLflow's server ended by itself.\n{_tail(log)}")
    except KeyboardInterrupt:
        return 0


def _stop(number: int, frame: object) -> None:  # noqa: ARG001  a signal handler's signature
    raise KeyboardInterrupt


def _must_be_free(host: str, port: int) -> None:
    try:
        with socket.create_connection((host, port), timeout=1):
            pass
    except OSError:
        return
    raise ConfigError(f"port {port} is taken on {host}; choose another: evalkit ui --port {port + 1}")


@contextmanager
def _alone(uri: str) -> Iterator[None]:
    """While the server creates a new sqlite store nobody else may: of two at once, one would die."""
    file = sqlite_file(uri)
    if file is None or file.exists():
        yield
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    with lock(file):
        yield


@contextmanager
def _server(uri: str, host: str, port: int, log: IO[bytes]) -> Iterator["subprocess.Popen[bytes]"]:
    """MLflow's server with one worker: its defaults take 15 processes, and dead-lock beside litellm."""
    mlruns().mkdir(parents=True, exist_ok=True)
    command = [
        *(sys.executable, "-P", "-m", "mlflow", "server", "--backend-store-uri", uri, "--workers", "1"),
        *("--artifacts-destination", artifacts(uri, str(home())).as_uri(), "--host", host, "--port", str(port)),
    ]
    started = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
        cwd=mlruns(),
        env=_environment(),
        start_new_session=True,
    )
    try:
        yield started
    finally:
        _end(started)


def _environment() -> dict[str, str]:
    """Not the tracker's short time-outs: a server is asked, it does not ask."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    forced = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "PATH": path}
    return {**ENVIRONMENT, **os.environ, **forced}


def _wait(server: "subprocess.Popen[bytes]", host: str, port: int, log: IO[bytes]) -> None:
    """Until the server answers. Raises TrackerError with its last words if it does not."""
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and server.poll() is None:
        try:
            with urlopen(f"http://{host}:{port}/health", timeout=2) as answer:
                if answer.status == 200:  # noqa: PLR2004  OK
                    return
        except (URLError, OSError):
            time.sleep(0.2)
    raise TrackerError(f"MLflow's server did not start.\n{_tail(log)}")


def _say_where(address: str) -> None:
    """The address, and where in the UI evalkit's own experiment is seen best."""
    print(f"MLflow's UI: {address}   (Ctrl-C ends it)")
    try:
        with urlopen(f"{address}{BY_NAME}evalkit", timeout=5) as answer:  # noqa: S310  our own server
            experiment = json.load(answer)["experiment"]
        view = (
            VIEW if any(tag["key"] == TAG + VIEW for tag in experiment.get("tags", ())) else ""
        )  # not in an old store
        for what, place in addresses(experiment["experiment_id"], view).items():
            print(f"  {WORDS[what]:24}{address}/{place}")
    except (OSError, ValueError, KeyError):  # there is no such experiment yet
        pass
    sys.stdout.flush()


def _tail(log: IO[bytes]) -> str:
    log.seek(0)
    return "\n".join(log.read().decode(errors="replace").splitlines()[-10:])


def _end(server: "subprocess.Popen[bytes]") -> None:
    """End the server and all its workers, which are a process group of their own."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(server.pid, number)
            server.wait(STOP_S)
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            continue
