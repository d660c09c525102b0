"""evalkit as a process of its own, forked from one that has imported already: litellm alone takes seconds a start.

The forked process has its own arguments, environment, folder, output and exit code. It ends as Python ends (threads
are joined, atexit runs, output is flushed), but does not take apart what it has inherited: that took 2 s a command.
What it does not prove is start and end themselves; tests that start `python -m evalkit` (Home.start) do.
"""

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

SERVER = """
import atexit, gc, importlib, json, os, sys, threading, traceback
from evalkit.cli import main

def command():
    try:
        code = main()
    except SystemExit as end:
        code = end.code
    except BaseException:
        traceback.print_exc()
        code = 1
    if isinstance(code, str):
        print(code, file=sys.stderr)
    threading._shutdown()
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code if isinstance(code, int) else int(code is not None))

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
for name in ("cli.execute", "cli.run", "wiring", "adapters.litellm_model", "adapters.template_strategy",
             "adapters.jsonl_dataset", "adapters.rubric_files"):
    importlib.import_module("evalkit." + name)
import hydra, jinja2, jsonschema, litellm, omegaconf, rich.progress, scipy.stats
assert len(os.listdir("/proc/self/task")) == 1, "a process with threads must not fork"
gc.collect()
gc.freeze()  # else a collection in the forked process copies all pages
print("ready", flush=True)
for line in sys.stdin:
    asked = json.loads(line)
    child = os.fork()
    if child == 0:
        for number, path in ((0, os.devnull), (1, asked["out"]), (2, asked["err"])):
            os.dup2(os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC), number)
        os.chdir(asked["cwd"])
        os.environ.clear()
        os.environ.update(asked["env"])
        sys.argv = ["evalkit", *asked["args"]]
        command()
    print(child, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


@cache
def _server():
    return subprocess.Popen(
        [sys.executable, "-c", SERVER],
        env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},  # else scipy starts threads
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        bufsize=1,
    )


def run(args, env, cwd, timeout):
    """As subprocess.run. Raises TimeoutExpired, as it does."""
    server = _server()
    if not hasattr(server, "is_ready"):
        server.is_ready = server.stdout.readline() == "ready\n"
        assert server.is_ready, "the process that forks did not start"
    with tempfile.TemporaryDirectory() as place:
        out, err = Path(place, "out"), Path(place, "err")
        asked = {"args": list(args), "env": env, "cwd": str(cwd), "out": str(out), "err": str(err)}
        server.stdin.write(json.dumps(asked) + "\n")
        child = int(server.stdout.readline())
        if not select.select([server.stdout], [], [], timeout)[0]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
            server.stdout.readline()
            raise subprocess.TimeoutExpired(args, timeout, out.read_text(), err.read_text())
        code = int(server.stdout.readline())
        return subprocess.CompletedProcess(args, code, out.read_text(), err.read_text())
