"""What only a confined sandbox can hold."""

import asyncio
import socket
import subprocess
from pathlib import Path
from secrets import token_hex

import pytest

from evalkit.adapters.unconfined_sandbox import UnconfinedSandbox
from evalkit.core.ports import Job, Limits
from tests.adapters.sandbox_contract.jobs import living, python, until


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
