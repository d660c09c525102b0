"""What a team's tracking server stands on: PostgreSQL, an S3 server, and `mlflow server` over both, all of this test.

PostgreSQL is Debian's (scripts/postgres.sh), its cluster in a folder of its own, reached by a socket there; as root it
runs as the package's user, since it refuses to run as root.
"""

import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.error import URLError
from urllib.parse import quote
from urllib.request import urlopen

import pytest

from tests.servers.ports import free_port

SCRIPT = Path(__file__).parents[2] / "scripts" / "postgres.sh"
PATIENT_S = 240.0  # a machine may be busy
S3 = {
    "AWS_ACCESS_KEY_ID": "marked-s3-id",
    "AWS_SECRET_ACCESS_KEY": "marked-s3-secret",
    "AWS_DEFAULT_REGION": "us-east-1",
}
BUCKET = "evalkit"


def programs():
    """The folder of initdb and postgres; skips the test where there is none, but never in CI."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres")) if "POSTGRES_BIN" not in os.environ else []
    folder = Path(os.environ["POSTGRES_BIN"]) if "POSTGRES_BIN" in os.environ else found[-1].parent if found else None
    if folder is None or not (folder / "initdb").exists():
        why = "no PostgreSQL here: sh scripts/postgres.sh"
        pytest.fail(why) if os.environ.get("CI") == "true" else pytest.skip(why)
    return folder


@contextmanager
def postgresql():
    """The address of an empty database."""
    folder = Path(tempfile.mkdtemp(prefix="evalkit-pg-"))  # pytest's own are root's alone
    who = _other_user(folder)
    bin_ = programs()
    data, log = folder / "data", folder / "log"
    initdb = [bin_ / "initdb", "-D", data, "-U", "evalkit", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"]
    subprocess.run(initdb, check=True, capture_output=True, cwd=folder, **who)
    # By the socket alone; -F: nothing of a test needs to last over a power cut.
    command = [bin_ / "postgres", "-D", data, "-k", folder, "-c", "listen_addresses=", "-F"]
    with log.open("wb") as out:
        server = subprocess.Popen(command, stdout=out, stderr=out, cwd=folder, **who)
    try:
        until((folder / ".s.PGSQL.5432").exists, server, log)
        until(lambda: _made(bin_, folder), server, log)
        yield f"postgresql+psycopg://evalkit@/evalkit?host={quote(str(folder), safe='')}"
    finally:
        server.send_signal(signal.SIGINT)  # ends all sessions
        server.wait(PATIENT_S)
        shutil.rmtree(folder)


def _other_user(folder):
    """As whom it runs: PostgreSQL refuses root."""
    if os.getuid() != 0:
        return {}
    try:
        user = pwd.getpwnam("postgres")
    except KeyError:
        user = pwd.getpwnam("nobody")
    os.chown(folder, user.pw_uid, user.pw_gid)
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def _made(bin_, folder):
    command = [bin_ / "createdb", "-h", folder, "-U", "evalkit", "evalkit"]
    made = subprocess.run(command, capture_output=True, text=True, check=False)
    return made.returncode == 0 or "already exists" in made.stderr


@contextmanager
def object_store():
    """The environment in which s3://evalkit is a bucket on this machine (moto, which keeps it in memory)."""
    from moto.server import ThreadedMotoServer  # noqa: PLC0415  a second, and only these tests need it

    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    given = {**S3, "MLFLOW_S3_ENDPOINT_URL": f"http://{host}:{port}"}
    try:
        _client(given).create_bucket(Bucket=BUCKET)
        yield given
    finally:
        server.stop()


def _client(given):
    import boto3  # noqa: PLC0415  as above

    keys = {"aws_access_key_id": S3["AWS_ACCESS_KEY_ID"], "aws_secret_access_key": S3["AWS_SECRET_ACCESS_KEY"]}
    return boto3.client("s3", endpoint_url=given["MLFLOW_S3_ENDPOINT_URL"], region_name="us-east-1", **keys)


def objects(given, prefix=""):
    """The names of all that lies in the bucket."""
    pages = _client(given).get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=prefix)
    return [one["Key"] for page in pages for one in page.get("Contents", ())]


def content(given, names):
    """What lies under each name in the bucket."""
    client = _client(given)
    return {name: client.get_object(Bucket=BUCKET, Key=name)["Body"].read() for name in names}


@contextmanager
def mlflow_server(database, artifacts, environment, folder):
    """The address of `mlflow server` over a database, which hands artifacts on to the place `artifacts`.

    One worker, with its threads: of several, uvicorn ends those that answer too late, as they do on a busy machine.
    """
    port, log = free_port(), folder / "server.log"
    command = [sys.executable, "-P", "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--backend-store-uri", database, "--artifacts-destination", artifacts, "--workers", "1"]
    quiet = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    asked = {**os.environ, **environment, **quiet, "PATH": path, "MLFLOW_DISABLE_TELEMETRY": "true"}
    with log.open("wb") as out:
        server = subprocess.Popen(command, stdout=out, stderr=out, cwd=folder, env=asked, start_new_session=True)
    try:
        until(lambda: _answers(port), server, log)
        yield f"http://127.0.0.1:{port}"
    finally:
        with suppress(ProcessLookupError):  # it did not come up
            os.killpg(server.pid, signal.SIGTERM)
        server.wait(PATIENT_S)


def _answers(port):
    try:
        with urlopen(f"http://127.0.0.1:{port}/health", timeout=2) as answer:
            return answer.status == 200
    except (URLError, OSError):
        return False


def until(holds, process, log):
    deadline = time.monotonic() + PATIENT_S
    while not holds():
        assert process.poll() is None, log.read_text()[-3000:]
        assert time.monotonic() < deadline, log.read_text()[-3000:]
        time.sleep(0.1)
