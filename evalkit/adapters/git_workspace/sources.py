"""Where repositories lie: in a folder of clones, at paths or URLs by name, or behind a URL template."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from hashlib import sha256
from pathlib import Path
from typing import Protocol

from evalkit.adapters.git_workspace.git import GitError, local, remote
from evalkit.adapters.git_workspace.locks import held
from evalkit.core.errors import ConfigError, DatasetError

URL = re.compile(r"[a-z][a-z0-9+.-]*://|[\w.-]+@[\w.-]+:", re.IGNORECASE)
SECRET = re.compile(r"(?<=://)[^/@]+@")
PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
PARTS = ("repo", "owner", "name")
LAYOUTS = ("{owner}/{name}", "{owner}__{name}", "{owner}+{name}", "{owner}-{name}", "{name}")
FOLDER = "repos"
MEND = (
    " Put a clone there (git clone --bare), or say where it is: dataset.repos=FOLDER of clones, or a URL with {repo} in"
    " it to clone from."
)


class Folders(Protocol):
    """Finds the folders that a config names."""

    def folder(self, path: str) -> str:
        """The folder that is meant. Raises ConfigError where there is none."""
        ...


@dataclass(frozen=True)
class Source:
    """A repository on this machine: where it is, its folder of objects, and the URL that it can be fetched from."""

    place: Path
    objects: Path
    url: str = ""

    def fetch(self, commit: str) -> None:
        """Try to bring a commit that is missing: by itself, else with all that is there."""
        if not self.url:
            return
        with held(self.place.with_name(f"{self.place.name}.lock")):
            # Some servers give no commit by its hash; they may have got it in a branch since.
            wanted = f"+{commit}:refs/evalkit/{commit}"
            for what in ((wanted,), ("+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*")):
                try:
                    remote("--git-dir", str(self.place), "fetch", "--quiet", "--no-write-fetch-head", self.url, *what)
                except GitError:
                    continue
                return


@dataclass(frozen=True)
class Sources:
    """`repos` is a folder, a path or URL with {repo}, {owner} or {name} in it, or a mapping of names to these."""

    repos: str | Mapping[str, str]
    cache: Path
    places: Folders = field(repr=False)

    def __post_init__(self) -> None:
        """Refuse what can never work. Raises ValueError."""
        given = [self.repos] if isinstance(self.repos, str) else self.repos.values()
        for text in given:
            for part in PLACEHOLDER.findall(text):
                if part not in PARTS:
                    raise ValueError(
                        f"repos: {told(text)!r} has {{{part}}} in it; there are {{repo}}, {{owner}}, {{name}}"
                    )

    def find(self, name: str) -> Source:
        """The repository called `name`. Raises DatasetError that says where it was looked for."""
        where = self._where(name)
        if URL.match(where):
            return self._cloned(name, where)
        root = self._root(name, where)
        for path in self._paths(name, root) if root else ():
            if _is_repository(path):
                return _source(name, path)
        raise DatasetError(f"repository {told(name)!r} is not here; {self._looked(name, root)}{MEND}")

    def _where(self, name: str) -> str:
        """What is said of it: a path, a URL or a folder of many."""
        if URL.match(name) or name.startswith(("/", "./", "../", "~")):
            return name
        if isinstance(self.repos, str):
            return _filled(self.repos, name)
        if name not in self.repos:
            near = get_close_matches(name, self.repos, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(self.repos)}."
            raise DatasetError(f"repository {name!r} is not in dataset.repos; {hint}")
        return _filled(self.repos[name], name)

    def _root(self, name: str, where: str) -> Path | None:
        try:
            return Path(self.places.folder(where)) if where else None
        except ConfigError as error:
            raise DatasetError(f"repository {told(name)!r} is not here: {error}{MEND}") from error

    def _paths(self, name: str, root: Path) -> Iterator[Path]:
        """Where it may be: the folder itself, or one in it."""
        yield root
        if not _is_repository(root):
            for layout in LAYOUTS:
                path = root / _filled(layout, name)
                yield from (path, path.with_name(f"{path.name}.git"))

    def _looked(self, name: str, root: Path | None) -> str:
        if root is None:
            return "dataset.repos is empty."
        layouts = ", ".join(dict.fromkeys(_filled(layout, name) for layout in LAYOUTS))
        near = get_close_matches(name.replace("/", "+"), [path.name for path in root.iterdir()], 1)
        hint = f" Is it {near[0]!r}? Then rename or link it." if near else ""
        return f"looked in {str(root)!r} for {layouts}, each also with .git.{hint}"

    def _cloned(self, name: str, url: str) -> Source:
        digest = sha256(url.encode()).hexdigest()[:8]
        place = self.cache / FOLDER / f"{slug(name)}-{digest}.git"
        place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with held(place.with_name(f"{place.name}.lock")):
            if not place.exists():
                _clone(name, url, place)
        return Source(place, place / "objects", url)


def _clone(name: str, url: str, place: Path) -> None:
    part = place.with_name(f"{place.name}.part")  # whole or not there, also after a kill
    try:
        local("init", "--quiet", "--bare", "--template=", str(part))
        remote(
            "--git-dir", str(part), "fetch", "--quiet", url, "+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"
        )
    except GitError as error:
        raise DatasetError(
            f"repository {told(name)!r} cannot be cloned from {told(url)!r}: {told(str(error))}. "
            "Is dataset.repos right, and the network there? A folder of clones works without one."
        ) from error
    part.rename(place)


def _source(name: str, path: Path) -> Source:
    try:
        said = local("-C", str(path), "rev-parse", "--git-path", "objects")
    except GitError as error:
        raise DatasetError(f"repository {told(name)!r} at {str(path)!r} cannot be read: {error}") from error
    return Source(path, (path / said.decode("utf-8", "surrogateescape").rstrip("\n")).resolve())


def _is_repository(path: Path) -> bool:
    return (path / ".git").exists() or ((path / "HEAD").is_file() and (path / "objects").is_dir())


def _filled(text: str, name: str) -> str:
    owner, _, own = name.rpartition("/")
    values = {"repo": name, "owner": owner or own, "name": own}
    return PLACEHOLDER.sub(lambda found: values.get(found[1], found[0]), text)


def slug(name: str) -> str:
    """A folder's name for a repository's."""
    return re.sub(r"[^\w.-]+", "+", SECRET.sub("", name))[-80:].strip("+")


def told(text: str) -> str:
    """As it can be printed: without the user and password of a URL."""
    return SECRET.sub("…@", text)
