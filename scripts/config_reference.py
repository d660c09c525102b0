"""Writes docs/config.md from the settings classes and conf/, so that it cannot grow old (make docs)."""

import dataclasses
import inspect
import re
from pathlib import Path
from typing import Any, get_type_hints

import yaml

from evalkit.adapters.litellm_model import RetrySettings
from evalkit.core.budget import Context
from evalkit.core.caps import Caps
from evalkit.core.feedback import Feedback
from evalkit.core.gate import Gate
from evalkit.core.ladder import Ladder, Price, Rung
from evalkit.core.ramp import Phase, Ramp
from evalkit.core.skills import Skills
from evalkit.settings import PORTS, TARGETS, Limits, Sample, Settings, target

CONF = Path(__file__).resolve().parent.parent / "conf"
PLAIN = {"ladder": Ladder, "rung": Rung, "price": Price, "context": Context, "feedback": Feedback, "limits": Limits}
PLAIN |= {"caps": Caps}  # what limits.instance and limits.sweep hold
OF_RUN = {"retry": RetrySettings, "sample": Sample, "skills": Skills}  # blocks of conf/run.yaml
LINE = re.compile(r'( *)"?(\w+)"?:(?: .*?)?(?: # (.+))?')  # of a YAML file: indentation, key, what its comment says
HEAD = """# Config reference

Written by `make docs` from the settings classes and conf/; do not edit. Every setting can be overridden on the command
line (`evalkit run context.tokens=1000`), swept (`evalkit run -m context.tokens=1000,2000`), and put into a file of your
own under `EVALKIT_HOME/conf/`, which goes before the installed one. A key that does not exist is refused with the
nearest one.
"""


def main() -> None:
    print(HEAD)
    print("## The run\n")
    print(described(Settings, meanings([CONF / "run.yaml"])))
    for name, cls in {**PLAIN, **OF_RUN}.items():
        print(f"## `{name}`\n")
        print(described(cls, meanings_of(name)))
        if any((CONF / name).glob("*.yaml")):
            print(options(name))
    for name in TARGETS:
        print(f"## `{name}`\n")
        print(options(name))
        for cls in classes(name):
            print(f"### {cls.__name__}\n")
            print(described(cls, meanings(files(name, cls))))
    print("## `ramp`\n")
    print(options("ramp"))
    print("### Ramp\n")
    print(described(Ramp, meanings([CONF / "ramp" / "default.yaml"])))
    for cls, block in ((Gate, "gate"), (Phase, "phases")):
        print(f"### {cls.__name__}\n")
        print(described(cls, meanings([CONF / "ramp" / "default.yaml"], block)))


def meanings_of(name: str) -> dict[str, str]:
    if name in OF_RUN:
        return meanings([CONF / "run.yaml"], name)
    return meanings(sorted((CONF / ("limits" if name == "caps" else name)).glob("*.yaml")))


def meanings(paths: list[Path], block: str = "") -> dict[str, str]:
    """What the comments of YAML files say of each key, at the top or in a block: the first that says something."""
    found: dict[str, str] = {}
    for path in paths:
        parent = above = ""
        for line in path.read_text().splitlines():
            if line.startswith("#"):
                above = f"{above} {line.lstrip('# ')}".strip()
            elif at := LINE.fullmatch(line):
                indent, key, said = at.groups()
                parent = parent if indent else key
                # A comment of its own line is of the key below it; at the head of a file, of the whole file.
                said = said or ("" if indent or above == comment(path) else above)
                if said and (key if not indent else parent) == (block or key) and bool(indent) == bool(block):
                    found.setdefault(key, said)
                above = ""
    return found


def files(group: str, cls: type) -> list[Path]:
    """The options that name the class."""
    read = {path: yaml.safe_load(path.read_text()) for path in sorted((CONF / group).glob("*.yaml"))}
    return [path for path, node in read.items() if "_target_" in node and target(node, group) is cls]


def described(cls: type, said: dict[str, str]) -> str:
    """A class's docstring and its settings as a table, with what is `said` of each."""
    hints = get_type_hints(cls)
    rows = [
        f"| `{one.name}` | {shown_type(hints[one.name])} | {shown_default(one)} | {cell(said.get(one.name, ''))} |"
        for one in dataclasses.fields(cls)
        if one.name not in PORTS or cls is Settings
        if one.init
    ]
    table = "\n".join(["| setting | type | default | |", "|---|---|---|---|", *rows]) if rows else "No settings."
    return f"{inspect.getdoc(cls)}\n\n{table}\n"


def cell(text: str) -> str:
    return text.replace("|", "\\|")


def shown_type(hint: Any) -> str:
    text = hint.__name__ if isinstance(hint, type) and not getattr(hint, "__args__", None) else str(hint)
    return "`" + re.sub(r"\b[a-z_]+(\.[a-z_]+)*\.", "", text).replace("|", "or") + "`"


def shown_default(one: dataclasses.Field[Any]) -> str:
    if one.default is not dataclasses.MISSING:
        return f"`{one.default!r}`" if one.default is not None else "none"
    if one.default_factory is not dataclasses.MISSING:
        made = one.default_factory()
        return "see there" if dataclasses.is_dataclass(made) else f"`{made!r}`"
    return "required"


def options(group: str) -> str:
    rows = [f"| `{group}={path.stem}` | {comment(path)} |" for path in sorted((CONF / group).glob("*.yaml"))]
    return "\n".join(["| option | what it is |", "|---|---|", *rows]) + "\n"


def comment(path: Path) -> str:
    lines = []
    for line in path.read_text().splitlines():
        if not line.startswith("#"):
            break
        lines.append(line.lstrip("# "))
    return " ".join(lines) or "the settings above, as the file has them"


def classes(group: str) -> list[type]:
    nodes = [yaml.safe_load(path.read_text()) for path in sorted((CONF / group).glob("*.yaml"))]
    # An option that builds on another one has that one's class.
    return list(dict.fromkeys(target(node, group) for node in nodes if "_target_" in node))


if __name__ == "__main__":
    main()
