"""The sandboxes that the contract is for, each in its turn."""

import tempfile
from secrets import token_hex

import pytest

from evalkit.adapters.bubblewrap_sandbox import BubblewrapSandbox
from evalkit.adapters.unconfined_sandbox import UnconfinedSandbox
from tests.adapters.sandbox_contract.jobs import living, until
from tests.sandboxes import CONFINED, docker, why_no_bubblewrap


def opened(name, request):
    """The sandbox of that name, as `tests/sandboxes.py` has it."""
    if name == "docker":
        return request.getfixturevalue("shared_docker")
    if name == "bubblewrap":
        return pytest.skip(why_no_bubblewrap()) if why_no_bubblewrap() else BubblewrapSandbox()
    return UnconfinedSandbox()


@pytest.fixture(params=[*CONFINED, "unconfined"])
def sandbox(request, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    yield opened(request.param, request)
    assert list(tmp_path.iterdir()) == [], "a job left files behind"


@pytest.fixture(params=CONFINED)
def cell(request):
    return opened(request.param, request)


@pytest.fixture(params=[*CONFINED, "unconfined"])
async def another(request):
    """Makes a sandbox with settings of its own."""
    made = []

    def make(**settings):
        one = opened(request.param, request)
        made.append(docker(**settings) if request.param == "docker" else type(one)(**settings))
        return made[-1]

    yield make
    for one in made:
        if request.param == "docker":
            await one.close()


@pytest.fixture
async def token():
    """A word in a job's command lines, by which its processes are found from the host."""
    word = f"job{token_hex(8)}"
    yield word
    await until(lambda: living(word) == [])


@pytest.fixture
def tree(tmp_path_factory):
    """A repository's tree as the workspace checks it out, with rare things: links, spaces, programs, locked folders."""
    root = tmp_path_factory.mktemp("checkout") / "a tree, of: ours"
    secret = root.parent / "beside"
    for name, text in {
        "a.py": "A = 1\n",
        "pkg/__init__.py": "",
        "pkg/deep/b c ü.py": "B = 1\n",
        "doomed/x": "x",
        "tool": "#!/bin/sh\necho old\n",
        "locked/old": "old\n",
        "../beside": "SECRET",
        ".git/HEAD": "ref: SECRET\n",
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    for link, leads in {"out": secret, "up": "../beside", "folder": "pkg", "passwd": "/etc/passwd"}.items():
        (root / link).symlink_to(leads)
    for path in root.rglob("*"):
        if not path.is_symlink():
            path.chmod(0o777 if path.is_dir() or path.name == "tool" else 0o666)
    root.chmod(0o777)
    (root / "locked").chmod(0o755)
    return root
