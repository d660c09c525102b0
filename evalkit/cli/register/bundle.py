"""What a registered version holds of a run: its config, and all the files that made its prompts and verdicts."""

import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import yaml

from evalkit import __version__
from evalkit.adapters.litellm_model import scrub
from evalkit.adapters.rubric_files import kept_as
from evalkit.cli.provenance import as_yaml
from evalkit.core.errors import ConfigError
from evalkit.core.promotion import Ruling
from evalkit.core.skills import Skill
from evalkit.core.summary import Summary
from evalkit.wiring import Wired

FACTS, EVIDENCE = "registered.json", "evidence.json"
COPIED = ("summary.json", "lock.json", "rubric.yaml")
LEFT_OUT = ("tracker",)  # where a run is shown is the business of whoever runs it, and may name a password
TEXTS = (".json", ".yaml", ".yml", ".md", ".txt")


def write(bundle: Path, source: Path, wired: Wired, summary: Summary, facts: Mapping[str, Any]) -> None:
    """Fill the folder `bundle` from a run's folder and its objects. Raises ConfigError for a secret among it.

    `facts` is what is known beside: the run's MLflow id, margin and alias, the evidence.
    """
    bundle.mkdir(parents=True)
    config = {name: value for name, value in wired.config.items() if name not in LEFT_OUT}
    (bundle / "config.yaml").write_text(as_yaml(config), encoding="utf-8")
    for name in COPIED:
        if (source / name).is_file():
            shutil.copyfile(source / name, bundle / name)
    _prompts(bundle / "prompts", wired)
    for name, path in wired.rubrics.used().items():
        kept = bundle / "rubrics" / kept_as(name)
        kept.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, kept)
    _skills(bundle / "conf" / wired.settings.skills.folder, wired)
    told = {"evalkit": __version__, "key": summary.key, "run": summary.name, "simulated": summary.simulated}
    groups = {name: choice for name, choice in wired.choices.items() if name in config}
    told |= {"choices": groups, "dataset": asdict(summary.dataset), "tags": dict(summary.tags)}
    (bundle / FACTS).write_text(json.dumps({**told, **facts}, indent=2), encoding="utf-8")
    _refuse_secrets(bundle)


def evidence(ruling: Ruling, champion: str, margin: float) -> dict[str, Any]:
    """What the comparison with the version `champion` found, as JSON."""
    found = asdict(ruling.found) if ruling.found else None
    return {"champion": champion or None, "margin": margin, "rule": ruling.rule, "why": ruling.why, "comparison": found}


def _prompts(folder: Path, wired: Wired) -> None:
    """The templates, for people: what is run stands in config.yaml."""
    folder.mkdir()
    for name in ("system", "user"):
        if isinstance(text := wired.config["strategy"].get(name), str):
            (folder / f"{name}.txt").write_text(text, encoding="utf-8")


def _skills(folder: Path, wired: Wired) -> None:
    """Numbered, since files are read in the order of their names, and that decides between equals."""
    for number, skill in enumerate(wired.skills.skills):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{number:03}_{skill.name}.md").write_text(_as_file(skill), encoding="utf-8")


def _as_file(skill: Skill) -> str:
    head = {
        "name": skill.name,
        "description": skill.description,
        "tags": list(skill.tags),
        "keywords": list(skill.keywords),
        "always": skill.always,
    }
    return f"---\n{yaml.safe_dump(head, sort_keys=False, allow_unicode=True)}---\n\n{skill.text}\n"


def _refuse_secrets(bundle: Path) -> None:
    for path in bundle.rglob("*"):
        if path.suffix not in TEXTS:
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
            if scrub(line) != line:
                where = f"{path.relative_to(bundle)}:{number}"
                raise ConfigError(
                    f"{where} of what would be registered looks like it holds a key or password; nothing was "
                    "registered. Take it out of the config, and run again."
                )
