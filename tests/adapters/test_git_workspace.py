"""Repositories at their commits: where they are found, what of them is read, and trees that are always pristine."""

# ruff: noqa: ASYNC240  looking at a folder of six files blocks nobody

import asyncio
import os
import shutil
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from evalkit.adapters.git_workspace import GitWorkspace, forget_trees, trees
from evalkit.core.errors import DatasetError, SandboxError
from evalkit.core.types import Repo
from evalkit.places import Places
from tests.repository import git

NAME = "example/tool"


@pytest.fixture(scope="module")
def origin(tmp_path_factory) -> Path:
    """A repository with three commits, tagged one, two and three, and all that a checkout may trip over."""
    path = tmp_path_factory.mktemp("origin") / "tool"
    (path / "pkg").mkdir(parents=True)
    git(path, "init", "--quiet", "--initial-branch", "main")
    (path / ".git/info").mkdir(exist_ok=True)
    (path / ".git/info/attributes").write_text("* -text !eol -ident -filter !working-tree-encoding\n")
    (path / "pkg/core.py").write_text("VALUE = 1\n")
    (path / "run.sh").write_text("#!/bin/sh\n")
    (path / "run.sh").chmod(0o755)
    (path / "link").symlink_to("pkg/core.py")
    (path / "latin.py").write_bytes("# é\n".encode("latin-1"))
    (path / "logo.png").write_bytes(b"\x89PNG\0")
    (path / "blob.dat").write_bytes(b"a\0b")
    (path / "dos.bat").write_bytes(b"echo\r\n")
    (path / "café.txt").write_text("ü\n", encoding="utf-8")
    (path / ".gitattributes").write_text("*.py text eol=crlf ident\n*.txt filter=lfs working-tree-encoding=UTF-16\n")
    commit(path, "one")
    git(path, "update-index", "--add", "--cacheinfo", f"160000,{git(path, 'rev-parse', 'one').strip()},vendored")
    git(path, "rm", "--quiet", "-r", "blob.dat")
    (path / "pkg/core.py").write_text("VALUE = 2\n")
    (path / "pkg/deep").mkdir()
    (path / "pkg/deep/new.py").write_text("NEW = 1\n")
    commit(path, "two")
    git(path, "rm", "--quiet", "-r", "pkg/deep", "link")
    (path / "pkg/core.py").write_text("VALUE = 3\n")
    commit(path, "three")
    return path


def commit(path: Path, tag: str) -> None:
    git(path, "add", "--all", ":!vendored")
    git(path, "commit", "--quiet", "--no-gpg-sign", "-m", tag)
    git(path, "tag", tag)


def at(origin: Path, tag: str) -> Repo:
    return Repo(NAME, git(origin, "rev-parse", tag).strip())


@contextmanager
def opened(repos: object, cache: Path, **settings: int) -> Iterator[GitWorkspace]:
    workspace = GitWorkspace(repos=repos, cache=str(cache), places=Places(), **settings)
    try:
        yield workspace
    finally:
        workspace.close()


@pytest.fixture
def workspace(origin, tmp_path) -> Iterator[GitWorkspace]:
    with opened({NAME: str(origin)}, tmp_path, slots=2) as made:
        yield made


def content(folder: str) -> dict[str, bytes]:
    root = Path(folder)
    return {
        str(path.relative_to(root)): os.readlink(path).encode() if path.is_symlink() else path.read_bytes()
        for path in root.rglob("*")
        if not path.is_dir()
    }


@pytest.mark.parametrize(
    ("layout", "kind"),
    [
        ("example/tool", "clone"),
        ("example__tool", "bare"),
        ("example+tool", "link"),
        ("example-tool", "worktree"),
        ("tool", "bare"),
        ("example/tool.git", "bare"),
        ("tool.git", "link"),
    ],
)
def test_a_repository_is_found_in_a_folder_of_clones(layout, kind, origin, tmp_path):
    place = tmp_path / "repos" / layout
    place.parent.mkdir(parents=True)
    match kind:
        case "link":
            place.symlink_to(origin)
        case "worktree":
            git(tmp_path, "clone", "--quiet", str(origin), "main")
            git(tmp_path / "main", "worktree", "add", "--quiet", "--detach", str(place))
        case _:
            git(tmp_path, "clone", "--quiet", *(["--bare"] if kind == "bare" else []), str(origin), str(place))
    with opened(str(tmp_path / "repos"), tmp_path / "cache") as workspace:
        assert workspace.files(at(origin, "one"))["pkg/core.py"] == "VALUE = 1\n"


def test_relative_folders_templates_and_names_that_are_paths_are_found(origin, tmp_path, monkeypatch):
    monkeypatch.chdir(origin.parent)
    commit_one = at(origin, "one").commit
    for repos, name in ((".", "any/tool"), ("{name}", NAME), (str(origin.parent / "{name}"), NAME), ("", "./tool")):
        with opened(repos, tmp_path / "cache") as workspace:
            assert workspace.has(Repo(name, commit_one)), (repos, name)


def test_a_url_is_cloned_once_and_fetched_again_for_a_commit_that_is_missing(origin, tmp_path):
    upstream = tmp_path / "upstream" / "example" / "tool"
    git(tmp_path, "clone", "--quiet", str(origin), str(upstream))
    url = f"file://{tmp_path}/upstream/{{repo}}"
    with opened(url, tmp_path / "cache") as workspace:
        assert "pkg/core.py" in workspace.files(at(origin, "one"))
    (upstream / "later.py").write_text("LATER = 1\n")
    commit(upstream, "later")
    git(upstream, "branch", "hidden")
    with opened(url, tmp_path / "cache") as workspace:
        assert not workspace.has(at(upstream, "later"))
        assert workspace.files(at(upstream, "later"))["later.py"] == "LATER = 1\n"
    shutil.rmtree(upstream)
    with opened(url, tmp_path / "cache") as workspace:  # no network: what was cloned serves
        assert len(workspace.files(at(origin, "two"))) > 3
        with pytest.raises(DatasetError, match="has no commit"):
            workspace.files(Repo(NAME, "0" * 40))


def test_what_cannot_be_had_is_told_with_where_it_was_looked_for_all_at_once(origin, tmp_path):
    (tmp_path / "example+toll").mkdir()
    with opened(str(tmp_path), tmp_path / "cache") as workspace:
        with pytest.raises(DatasetError, match=r"example__tool.*Is it 'example\+toll'.*dataset.repos=FOLDER"):
            workspace.files(at(origin, "one"))
        (tmp_path / "tool").symlink_to(origin)
        missing = [Repo(NAME, "0" * 40), Repo("other/thing", "1" * 40), at(origin, "two")]
        with pytest.raises(DatasetError) as caught:
            workspace.check(missing)
    assert str(caught.value).count("dataset.repos=FOLDER") == 1
    assert [line.split(";")[0] for line in str(caught.value).splitlines()] == [
        f"repository 'example/tool' in '{tmp_path}/tool' has no commit '{'0' * 40}'",
        "repository 'other/thing' is not here",
    ]


def test_a_url_that_cannot_be_cloned_tells_no_password(tmp_path):
    where = "file://user:secret@nowhere.invalid/{repo}"
    with opened(where, tmp_path) as workspace, pytest.raises(DatasetError, match="cannot be cloned") as caught:
        workspace.files(Repo(NAME, "0" * 40))
    assert "secret" not in str(caught.value)


def test_a_misspelt_placeholder_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"\{ower\}"):
        GitWorkspace(repos="https://example.org/{ower}", cache=str(tmp_path), places=Places())


def test_files_are_the_text_files_byte_for_byte(workspace, origin):
    files = workspace.files(at(origin, "one"))
    assert sorted(files) == [".gitattributes", "café.txt", "dos.bat", "pkg/core.py", "run.sh"]
    assert (files["dos.bat"], files["café.txt"], len(files)) == ("echo\r\n", "ü\n", 5)
    for absent in ("latin.py", "logo.png", "blob.dat", "link", "nothing"):
        assert absent not in files
        assert files.get(absent) is None
    assert "vendored" not in workspace.files(at(origin, "two"))


def test_files_are_listed_alike_whichever_commit_was_listed_before(workspace, origin, tmp_path):
    for tag in ("one", "three", "two", "one"):
        with opened({NAME: str(origin)}, tmp_path) as fresh:
            assert list(workspace.files(at(origin, tag)).items()) == list(fresh.files(at(origin, tag)).items())


def test_files_know_their_blobs_and_are_compared_by_commit(workspace, origin):
    one, two = (workspace.files(at(origin, tag)) for tag in ("one", "two"))
    assert one == workspace.files(at(origin, "one"))
    assert one != two
    assert repr(one) == f"CommitFiles('example/tool', '{at(origin, 'one').commit}')"
    assert one.blob("run.sh") == two.blob("run.sh") == git(origin, "rev-parse", "one:run.sh").strip()
    assert one.blob("pkg/core.py") != two.blob("pkg/core.py")


def test_threads_read_together_and_a_killed_git_is_started_again(workspace, origin):
    files = [workspace.files(at(origin, tag)) for tag in ("one", "two", "three")]
    with ThreadPoolExecutor(8) as pool:
        texts = list(pool.map(lambda number: dict(files[number % 3])["pkg/core.py"], range(60)))
    assert texts == [f"VALUE = {number % 3 + 1}\n" for number in range(60)]
    workspace._known[NAME]._objects._process.kill()
    workspace._known[NAME]._objects._process.wait()
    assert workspace.has(at(origin, "one"))


def test_texts_beyond_the_bound_are_read_again(origin, tmp_path):
    with opened({NAME: str(origin)}, tmp_path, text_mb=0) as workspace:
        assert [dict(workspace.files(at(origin, "one"))) for _ in range(2)][1]["run.sh"] == "#!/bin/sh\n"
        assert not workspace._texts._texts


async def test_a_tree_is_what_was_committed_without_history(workspace, origin):
    async with workspace.tree(at(origin, "two")) as folder:
        found = content(folder)
        assert ".git" not in os.listdir(folder)
        assert found["link"] == b"pkg/core.py"
        assert found["pkg/core.py"] == b"VALUE = 2\n", "byte for byte, whatever .gitattributes ask for"
        assert (found["latin.py"], found["café.txt"]) == ("# é\n".encode("latin-1"), "ü\n".encode())
        assert sorted(os.listdir(Path(folder, "vendored"))) == []
        modes = {name: stat.S_IMODE(Path(folder, name).stat().st_mode) for name in ("run.sh", "pkg/core.py", "pkg")}
        assert modes == {"run.sh": 0o777, "pkg/core.py": 0o666, "pkg": 0o777}
        assert stat.S_IMODE(Path(folder).parent.stat().st_mode) == 0o700


async def test_a_tree_moves_between_commits_and_is_shared_at_the_same_one(workspace, origin):
    seen = []
    for tag in ("one", "two", "three", "one"):
        async with workspace.tree(at(origin, tag)) as first, workspace.tree(at(origin, tag)) as second:
            assert first == second
            seen.append((first, sorted(content(first)), content(first)["pkg/core.py"]))
    assert len({folder for folder, _, _ in seen}) == 1
    assert seen[0] == seen[3]
    assert "pkg/deep/new.py" in seen[1][1]
    assert not Path(seen[2][0], "pkg/deep").exists()


async def test_commits_in_use_together_have_a_tree_each_and_a_third_one_waits(workspace, origin):
    async with workspace.tree(at(origin, "one")) as first:
        async with workspace.tree(at(origin, "two")) as second:
            assert first != second
            third = asyncio.ensure_future(workspace.tree(at(origin, "three")).__aenter__())
            assert workspace._take(at(origin, "three")) is None
        assert await asyncio.wait_for(third, 60) == second


@pytest.mark.parametrize(
    "spoil",
    [
        lambda tree: (tree / "pkg/core.py").write_text("VALUE = 9\n"),
        lambda tree: (tree / "pkg/stray.py").write_text(""),
        lambda tree: (tree / "run.sh").unlink(),
        lambda tree: (tree / "run.sh").chmod(0o644),
        lambda tree: (tree / "empty").mkdir(),
        shutil.rmtree,
    ],
    ids=["changed", "added", "removed", "rights", "folder", "all"],
)
@pytest.mark.parametrize("then", ["one", "two"])
async def test_a_tree_that_somebody_touched_is_laid_out_anew(spoil, then, workspace, origin, tmp_path):
    async with workspace.tree(at(origin, "one")) as folder:
        pass
    spoil(Path(folder))
    async with workspace.tree(at(origin, then)) as folder:
        found = content(folder)
        listed = git(origin, "ls-tree", "-r", "--name-only", "-z", then).split("\0")
        assert sorted(found) == sorted(name for name in listed if name and name != "vendored")
        assert found["pkg/core.py"] == f"VALUE = {['one', 'two'].index(then) + 1}\n".encode()
        assert os.access(Path(folder, "run.sh"), os.X_OK)
        assert not Path(folder, "empty").exists()


HOLDER = """
import sys
from evalkit.adapters.git_workspace import GitWorkspace, forget_trees, trees
from evalkit.core.types import Repo
from evalkit.places import Places
origin, cache, commit = sys.argv[1:]
workspace = GitWorkspace({"example/tool": origin}, cache, Places(), slots=1)
lease = workspace._take(Repo("example/tool", commit))
print(lease.slot.folder, flush=True)
sys.stdin.read()
"""


def other_process(origin: Path, cache: Path, tag: str, **settings: object) -> subprocess.Popen[str]:
    argv = [sys.executable, "-c", HOLDER, str(origin), str(cache), at(origin, tag).commit]
    return subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, **settings)


def test_two_processes_share_a_tree_and_neither_moves_the_others(origin, tmp_path):
    with other_process(origin, tmp_path, "one") as other, opened({NAME: str(origin)}, tmp_path, slots=1) as ours:
        folder = other.stdout.readline().strip()
        assert ours._take(at(origin, "two")) is None
        same = ours._take(at(origin, "one"))
        assert str(same.slot.folder) == folder
        same.release()
        other.communicate("")
        moved = ours._take(at(origin, "two"))
        assert content(folder)["pkg/core.py"] == b"VALUE = 2\n"
        moved.release()


# A git that kills who asks it for one object; what came before is answered.
KILLER = """#!{python}
import os, subprocess, sys
if "cat-file" not in sys.argv:
    os.execv("{git}", ["git", *sys.argv[1:]])
git = subprocess.Popen(["{git}", *sys.argv[1:]], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
for line in sys.stdin.buffer:
    if line.strip() == b"{last}":
        os.kill(os.getppid(), 9)
        sys.exit()
    git.stdin.write(line)
    git.stdin.flush()
    head = git.stdout.readline()
    sys.stdout.buffer.write(head + git.stdout.read(int(head.split()[2]) + 1))
    sys.stdout.buffer.flush()
"""


async def test_a_move_that_was_killed_leaves_no_tree_behind_that_is_taken_for_whole(workspace, origin, tmp_path):
    async with workspace.tree(at(origin, "one")) as folder:
        pass
    shim = tmp_path / "bin" / "git"
    shim.parent.mkdir()
    last = git(origin, "rev-parse", "two:pkg/core.py").strip()
    shim.write_text(KILLER.format(python=sys.executable, git=shutil.which("git"), last=last))
    shim.chmod(0o755)
    path = f"{shim.parent}:{os.environ['PATH']}"
    killed = other_process(origin, tmp_path, "two", env={**os.environ, "PATH": path})
    assert (killed.communicate("")[0], killed.returncode) == ("", -9)
    assert not Path(folder, "pkg/core.py").exists()
    assert Path(folder, "pkg/deep").exists()
    for tag, value in (("two", b"VALUE = 2\n"), ("one", b"VALUE = 1\n")):
        async with workspace.tree(at(origin, tag)) as folder:
            assert content(folder)["pkg/core.py"] == value
            assert Path(folder, "pkg/deep").exists() is (tag == "two")


async def test_one_who_is_cancelled_while_a_tree_is_laid_out_holds_none(workspace, origin):
    for _ in range(3):
        task = asyncio.ensure_future(workspace.tree(at(origin, "one")).__aenter__())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
    async with workspace.tree(at(origin, "two")), workspace.tree(at(origin, "three")):
        pass  # both slots are free


async def test_neither_the_users_git_nor_the_repositorys_settings_count(origin, tmp_path, monkeypatch):
    theirs = tmp_path / "tool"
    git(tmp_path, "clone", "--quiet", str(origin), str(theirs))
    marker = tmp_path / "ran"
    hook = theirs / ".git/hooks/post-checkout"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\ntouch {marker}\n")
    hook.chmod(0o755)
    settings = tmp_path / "settings"
    for where in (theirs / ".git/config", settings):
        for name, value in (
            ("core.fsmonitor", f"touch {marker}"),
            ("filter.lfs.smudge", f"touch {marker}; cat"),
            ("core.autocrlf", "true"),
            ("core.worktree", str(tmp_path)),
        ):
            git(tmp_path, "config", "--file", str(where), name, value)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(settings))
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(tmp_path / "index"))
    with opened(str(tmp_path), tmp_path / "cache") as workspace:
        async with workspace.tree(at_plain(theirs, "one")) as folder:
            assert content(folder)["café.txt"] == "ü\n".encode()
        assert workspace.files(at_plain(theirs, "one"))["run.sh"] == "#!/bin/sh\n"
    assert not marker.exists()
    assert not (tmp_path / "index").exists()


def at_plain(path: Path, tag: str) -> Repo:
    """The same, read from the files: git itself would follow the environment that a test sets."""
    packed = (path / ".git/packed-refs").read_text().splitlines()
    return Repo(NAME, next(line.split()[0] for line in packed if line.endswith(f"refs/tags/{tag}")))


async def test_a_repository_that_is_gone_in_a_run_is_an_outage(workspace, origin, tmp_path):
    with opened(str(tmp_path / "gone"), tmp_path) as other, pytest.raises(SandboxError, match="gone"):
        async with other.tree(at(origin, "one")):
            pass


async def test_repositories_with_sha256_work_alike(tmp_path):
    path = tmp_path / "tool"
    git(tmp_path, "init", "--quiet", "--object-format=sha256", "--initial-branch", "main", str(path))
    (path / "a.py").write_text("A = 1\n")
    commit(path, "one")
    with opened(str(tmp_path), tmp_path / "cache") as workspace:
        async with workspace.tree(at(path, "one")) as folder:
            assert content(folder) == {"a.py": b"A = 1\n"}
        assert dict(workspace.files(at(path, "one"))) == {"a.py": "A = 1\n"}


async def test_trees_that_nobody_used_for_long_are_forgotten_and_those_in_use_are_not(origin, tmp_path):
    with opened(str(origin), tmp_path) as workspace:
        async with workspace.tree(at(origin, "one")) as held:
            async with workspace.tree(at(origin, "two")) as old:
                pass
            assert forget_trees(tmp_path, 1) == []  # used since 1970
            assert forget_trees(tmp_path, time.time_ns()) == [Path(old)]
            assert trees(tmp_path) == [Path(held)]
            assert (Path(held, "pkg/core.py").is_file(), Path(old).exists()) == (True, False)
        async with workspace.tree(at(origin, "two")) as again:
            assert Path(again, "pkg/core.py").read_text() == "VALUE = 2\n"
    assert forget_trees(tmp_path / "none", time.time_ns()) == []
