"""A job with a tree: a repository lies in the working folder, and the host's own stays as it was."""

import asyncio
from pathlib import Path

import pytest

from evalkit.core.errors import SandboxError
from evalkit.core.ports import Job, Limits
from tests.adapters.sandbox_contract.jobs import listed, over


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
