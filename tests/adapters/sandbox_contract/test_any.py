"""What every sandbox must hold: the same tests over all of them."""

import asyncio
import contextlib
import signal

import pytest

from evalkit.core.errors import SandboxError
from evalkit.core.ports import Job, Limits
from tests.adapters.sandbox_contract.jobs import living, python, until


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
