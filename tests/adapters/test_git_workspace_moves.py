"""Moves of a folder between trees: whatever lay there before, afterwards it is the other tree and nothing else."""

import os
import stat
from collections.abc import Iterator
from hashlib import sha1
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit.adapters.git_workspace.git import GitError
from evalkit.adapters.git_workspace.moving import carry_out, difference
from evalkit.adapters.git_workspace.trees import after, digest, facts

FILE, PROGRAM, OLD, LINK, MODULE, FOLDER = 0o100644, 0o100755, 0o100664, 0o120000, 0o160000, 0o40000
NAMES = st.sampled_from(["a", "b", "c.py", "é", "a-b"])
LEAVES = st.tuples(st.sampled_from([FILE, PROGRAM, OLD, LINK, MODULE]), st.sampled_from([b"", b"one\n", b"two", b"."]))
SOME = st.dictionaries(NAMES, LEAVES, min_size=1, max_size=3)
TREES = st.recursive(SOME, lambda below: st.dictionaries(NAMES, LEAVES | below, min_size=1, max_size=4), max_leaves=12)


class Store:
    """Objects as `git cat-file` gives them."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}

    def read(self, names: list[str]) -> list[bytes | None]:
        return [self.objects.get(name) for name in names]

    def commit(self, tree: dict) -> str:
        root = self._tree(tree)
        self.objects[f"{root}^{{tree}}"] = self.objects[root]
        return root

    def put(self, content: bytes) -> str:
        name = sha1(content).hexdigest()
        self.objects[name] = content
        return name

    def _tree(self, tree: dict) -> str:
        return self.put(b"".join(self._entry(name, what) for name, what in tree.items()))

    def _entry(self, name: str, what: object) -> bytes:
        mode, made = (FOLDER, self._tree(what)) if isinstance(what, dict) else (what[0], self.put(what[1] or b"-"))
        return f"{mode:o} {name}\0".encode() + bytes.fromhex(made)


def wanted(tree: dict, at: str = "") -> Iterator[tuple[str, object]]:
    for name, what in tree.items():
        path = at + name
        if isinstance(what, dict) or what[0] == MODULE:
            yield path, 0o777
            yield from wanted(what if isinstance(what, dict) else {}, f"{path}/")
        else:
            content = what[1] or b"-"
            yield path, content if what[0] == LINK else (content, 0o777 if what[0] == PROGRAM else 0o666)


def found(folder: Path) -> Iterator[tuple[str, object]]:
    for path in folder.rglob("*"):
        name, mode = str(path.relative_to(folder)), stat.S_IMODE(path.lstat().st_mode)
        if path.is_symlink():
            yield name, os.readlink(os.fsencode(path))
        else:
            yield name, mode if path.is_dir() else (path.read_bytes(), mode)


@settings(max_examples=100, deadline=None)
@given(st.lists(TREES, min_size=1, max_size=4))
def test_a_move_leaves_the_other_tree_and_knows_what_must_be_there(trees):
    store, was, known = Store(), "", {}
    with TemporaryDirectory() as name:
        folder = Path(name)
        for tree in trees:
            now = store.commit(tree)
            move = difference(store.read, was, now)
            carry_out(move, folder, store.read)
            assert dict(found(folder)) == dict(wanted(tree))
            known = after(known, move, folder)
            assert digest(known) == digest(facts(folder))
            was = now


@pytest.mark.parametrize("name", ["..", ".", ".git", ".GIT", "a/b"])
def test_a_tree_whose_entries_lead_elsewhere_is_refused(name):
    store = Store()
    with pytest.raises(GitError, match="refuses to check out"):
        difference(store.read, "", store.commit({"a": {name: (FILE, b"x")}}))


def test_an_object_that_is_missing_is_told():
    with pytest.raises(GitError, match=r"the object 12\^\{tree\} is missing"):
        difference(Store().read, "", "12")
