"""Rubrics from YAML files or inline data: all faults at once, by file, line and key, nearest word."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from evalkit.adapters.rubric_files.reading import Reading
from evalkit.adapters.rubric_files.wording import key_text, near
from evalkit.adapters.rubric_files.yaml_lines import read_yaml
from evalkit.core.errors import RubricError
from evalkit.core.rubric import Rubric
from evalkit.core.rules.keys import KeyFault, KeyPath
from evalkit.core.rules.where import short

SUFFIXES = (".yaml", ".yml")
LARGEST = 2_000_000  # bytes of a file


@dataclass
class RubricFolder:
    """The rubrics of some folders by name (a file's name less its suffix); the first folder with it wins.

    A name with a suffix is a file's path: as it stands, in one of the folders, or beside one.
    """

    folders: Sequence[str]
    _known: dict[str, Rubric] = field(default_factory=dict, init=False, repr=False, compare=False)

    def names(self) -> list[str]:
        """All names, sorted."""
        return sorted(self._paths())

    def path(self, name: str) -> str:
        """The file of that name or path. Raises RubricError with the nearest names."""
        if Path(name).suffix in SUFFIXES:
            return self._file(name)
        paths = self._paths()
        if name not in paths:
            looked = ", ".join(map(str, self.folders)) or "no folder"
            raise RubricError(f"no rubric {short(name)!r} in {looked}{near(name, sorted(paths))}")
        return str(paths[name])

    def find(self, name: str) -> Rubric:
        """The rubric of that name. Raises RubricError: the nearest names, or all faults of the file."""
        if name not in self._known:
            self._known[name] = load_rubric(self.path(name))
        return self._known[name]

    def parse(self, data: object, source: str) -> Rubric:
        """The rubric inline under the key `rubric` at `source`, such as my.jsonl:3. Raises RubricError."""
        return parse_rubric(data, source, under=("rubric",))

    def used(self) -> dict[str, str]:
        """The files of the rubrics that were found so far, by the name or path that they were asked for by."""
        return {name: self.path(name) for name in self._known}

    def _file(self, name: str) -> str:
        folders = [Path(folder) for folder in self.folders]
        for folder in folders:
            if (kept := folder / kept_as(name)).is_file():
                return str(kept)
        places = [Path(), *folders, *(folder.parent for folder in folders)]
        for place in places:
            if (place / name).is_file():
                return str(place / name)
        looked = ", ".join(dict.fromkeys(str((place / name).parent) for place in places))
        raise RubricError(f"no file {short(name)!r}; looked in {looked}{near(Path(name).stem, sorted(self._paths()))}")

    def _paths(self) -> dict[str, Path]:
        found: dict[str, Path] = {}
        for folder in self.folders:
            for path in sorted(Path(folder).glob("*.y*ml")):
                if path.suffix in SUFFIXES:
                    found.setdefault(path.stem, path)
        return found


def kept_as(name: str) -> str:
    """Where a folder of rubrics that were set aside with a config keeps the one that the config names so.

    A path may lead anywhere, hence by its digest; the file's own name is the rubric's, where it gives none.
    """
    if Path(name).suffix not in SUFFIXES:
        return f"{name}.yaml"
    return f"by_path/{sha256(name.encode()).hexdigest()[:16]}/{Path(name).name}"


def load_rubric(path: str | Path) -> Rubric:
    """Read a rubric's file. Raises RubricError with all its faults, one a line."""
    path = Path(path)
    try:
        if path.stat().st_size > LARGEST:
            raise RubricError(f"{path}: is larger than {LARGEST} bytes: no rubric")
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise RubricError(f"{path}: cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise RubricError(f"{path}: is not UTF-8 text: byte {error.start} {error.reason}") from error
    return read_rubric(text, str(path), path.stem)


def read_rubric(text: str, source: str, name: str = "") -> Rubric:
    """Read a rubric's YAML text. Raises RubricError with all its faults, one a line."""
    page = read_yaml(text)
    if page.data is None and page.faults:
        raise RubricError(_text(page.faults, source))
    return _made(Reading(page.lines, page.faults), page.data, source, name, ())


def parse_rubric(
    data: object,
    source: str,
    lines: Mapping[KeyPath, int] | None = None,
    *,
    name: str = "",
    under: KeyPath = (),
) -> Rubric:
    """Make a rubric of data as JSON has it; `lines` gives the line of a key path, `under` is put before each.

    Raises RubricError with all faults, one a line.
    """
    return _made(Reading(lines or {}, []), data, source, name, under)


def _made(reading: Reading, data: object, source: str, name: str, under: KeyPath) -> Rubric:
    rubric = reading.rubric(data, name)
    if rubric is None:
        raise RubricError(_text(reading.faults, source, under))
    return rubric


def _text(faults: Sequence[tuple[int, KeyFault]], source: str, under: KeyPath = ()) -> str:
    """One line a fault: `file:line: key path: what is wrong`, in the order of the file."""
    return "\n".join(
        f"{source}{f':{line}' if line else ''}: {key_text((*under, *fault.path)) or 'the rubric'}: "
        + " ".join(fault.text.split())
        for line, fault in sorted(faults, key=lambda found: found[0])
    )
