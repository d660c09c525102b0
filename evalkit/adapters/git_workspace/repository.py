"""One repository: its objects through a git folder of our own, so that nothing in its own settings counts."""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from posixpath import splitext
from sys import intern

from evalkit.adapters.git_workspace.git import GitError, local
from evalkit.adapters.git_workspace.locks import held
from evalkit.adapters.git_workspace.moving import difference
from evalkit.adapters.git_workspace.objects import Objects
from evalkit.adapters.git_workspace.sources import Source, slug, told
from evalkit.adapters.git_workspace.texts import Texts
from evalkit.adapters.git_workspace.trees import Trees
from evalkit.core.errors import DatasetError

FOLDER = "trees"
LISTINGS = 32  # commits whose list of files is kept
REGULAR = (0o100644, 0o100755, 0o100664)
# Never text; not read to find that out.
NOT_TEXT = frozenset({
    ".png", ".jpg", ".jpeg", ".gif", ".bmp", ".ico", ".icns", ".tif", ".tiff", ".webp", ".pdf", ".eps", ".zip",
    ".gz", ".bz2", ".xz", ".zst", ".tar", ".tgz", ".whl", ".egg", ".jar", ".exe", ".dll", ".so", ".dylib", ".o",
    ".a", ".pyc", ".pyd", ".mo", ".ttf", ".otf", ".woff", ".woff2", ".eot", ".mp3", ".mp4", ".ogg", ".wav", ".webm",
    ".npy", ".npz", ".fits", ".h5", ".hdf5", ".nc", ".pkl", ".pickle", ".parquet", ".sqlite", ".db", ".doc",
    ".docx", ".xls", ".xlsx", ".ppt", ".pptx", ".odt",
})  # fmt: skip
SETTINGS = """\
[core]
	repositoryformatversion = {version}
	bare = true
	fileMode = true
	symlinks = true
	autocrlf = false
{format}"""
# Files are laid out byte for byte as they were committed: what a candidate edits is what the tests read. This file
# goes before any .gitattributes.
ATTRIBUTES = "* -text !eol -ident -filter !working-tree-encoding\n"


class Repository:
    """Files and trees of one source at any of its commits. Threads may share it."""

    def __init__(self, name: str, source: Source, cache: Path, texts: Texts, slots: int) -> None:
        self.name = name
        self._source = source
        digest = sha256(str(source.objects).encode("utf-8", "surrogateescape")).hexdigest()[:8]
        self._folder = cache / FOLDER / f"{slug(name)}-{digest}"
        self._git_dir = self._folder / "git"
        self._objects = Objects(self._git_dir)
        self._texts = texts
        self._is_text: dict[str, bool] = {}  # by blob
        self._slots = slots
        self._listed: tuple[str, Mapping[str, str]] = "", {}  # the last commit, with its files
        self.blobs = lru_cache(LISTINGS)(self._blobs)

    def require(self, commit: str) -> None:
        """Make sure of a commit, fetching it where it can be. Raises DatasetError."""
        if self.has(commit):
            return
        self._source.fetch(commit)
        if not self.has(commit):
            place, url = str(self._source.place), self._source.url
            mend = f"{told(url)!r} does not give it" if url else f"fetch it: git -C {place} fetch --all --tags"
            raise DatasetError(f"repository {told(self.name)!r} in {place!r} has no commit {commit!r}; {mend}.")

    def has(self, commit: str) -> bool:
        """Whether the commit is here, without fetching. Raises DatasetError."""
        self._make(commit)
        return self._read([f"{commit}^{{commit}}"])[0] is not None

    def text(self, blob: str) -> str | None:
        """A blob's text, None if it is no UTF-8 text."""
        if self._is_text.get(blob) is False:
            return None
        text = self._texts.get(blob)
        return text if text is not None else next(self._decoded([blob]))

    def sift(self, blobs: Mapping[str, str]) -> list[str]:
        """The paths whose blobs are text."""
        if unknown := [blob for blob in dict.fromkeys(blobs.values()) if blob not in self._is_text]:
            for _ in self._decoded(unknown):
                pass
        return [path for path, blob in blobs.items() if self._is_text[blob]]

    def trees(self, commit: str) -> Trees:
        """The folders with trees, `commit` being one that is here. Raises DatasetError."""
        self.require(commit)
        return Trees(self._folder, self._read, self._slots)

    def close(self) -> None:
        """End what was started; again changes nothing."""
        self._objects.close()

    def _decoded(self, blobs: list[str]) -> Iterator[str | None]:
        for start in range(0, len(blobs), 200):
            some = blobs[start : start + 200]
            for blob, content in zip(some, self._read(some), strict=True):
                text = _text(content)
                self._is_text[blob] = text is not None
                if text is not None:
                    self._texts.put(blob, text)
                yield text

    def _read(self, names: Sequence[str]) -> list[bytes | None]:
        try:
            return self._objects.read(names)
        except GitError:  # killed by somebody, or the repository was packed anew: once more
            try:
                return self._objects.read(names)
            except GitError as error:
                raise DatasetError(f"repository {told(self.name)!r} in {str(self._source.place)!r}: {error}") from error

    def _blobs(self, commit: str) -> Mapping[str, str]:
        self.require(commit)
        before, known = self._listed
        try:
            listed = self._listed_anew(before, known, commit) if before else self._listed_whole(commit)
        except GitError as error:
            raise DatasetError(f"repository {told(self.name)!r} at {commit!r} cannot be listed: {error}") from error
        self._listed = commit, listed
        return listed

    def _listed_whole(self, commit: str) -> Mapping[str, str]:
        listed = local("--git-dir", str(self._git_dir), "ls-tree", "-r", "-z", "--full-tree", commit)
        return dict(_texts(_entries(listed)))

    def _listed_anew(self, before: str, known: Mapping[str, str], commit: str) -> Mapping[str, str]:
        """By what differs from another commit, in the order in which git would list it."""
        move = difference(self._read, before, commit)
        gone = move.gone
        found = {path: blob for path, blob in known.items() if path not in gone}
        found.update(_texts((path, entry.mode, entry.object) for path, entry in move.written))
        return {path: found[path] for path in sorted(found, key=os.fsencode)}

    def _make(self, commit: str) -> None:
        """The git folder of our own: the source's objects, and none of its settings, hooks, filters and refs."""
        if self._git_dir.is_dir():
            return
        self._folder.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._folder.mkdir(exist_ok=True, mode=0o700)
        with held(self._folder / "lock"):
            if self._git_dir.is_dir():
                return
            part = self._folder / "git.part"
            modern = len(commit) == 64  # noqa: PLR2004  the hexadecimal digits of SHA-256
            settings = SETTINGS.format(
                version=int(modern), format="[extensions]\n\tobjectFormat = sha256\n" if modern else ""
            )
            for path, text in (
                ("HEAD", "ref: refs/heads/main\n"),
                ("config", settings),
                ("refs/none", ""),
                ("info/attributes", ATTRIBUTES),
                ("objects/info/alternates", f"{self._source.objects}\n"),
            ):
                (part / path).parent.mkdir(parents=True, exist_ok=True)
                (part / path).write_text(text, encoding="utf-8", errors="surrogateescape")
            (part / "refs" / "none").unlink()
            part.rename(self._git_dir)


def _entries(listed: bytes) -> Iterator[tuple[str, int, str]]:
    for line in listed.split(b"\0")[:-1]:
        head, _, name = line.partition(b"\t")
        mode, _, blob = head.split(b" ")
        yield os.fsdecode(name), int(mode, 8), blob.decode()


def _texts(entries: Iterable[tuple[str, int, str]]) -> Iterator[tuple[str, str]]:
    for path, mode, blob in entries:
        if mode in REGULAR and splitext(path)[1].lower() not in NOT_TEXT:
            yield intern(path), intern(blob)  # shared by the commits


def _text(content: bytes | None) -> str | None:
    if content is None or b"\0" in content:
        return None
    try:
        return content.decode()
    except UnicodeDecodeError:
        return None
