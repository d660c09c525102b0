"""evalkit doctor: is everything that this config needs there? One line each, with the mend.

`evalkit doctor --clean` removes the containers that killed runs have left behind, and what of the cache nobody uses.
"""

import asyncio
import os
import shutil
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from evalkit.adapters.no_tracker import NoTracker
from evalkit.adapters.run_folder import RunFolder
from evalkit.cli.execute_sharded import is_sharded, looked
from evalkit.cli.hydra_app import Composed, launch
from evalkit.cli.judged_in import sandbox_lines
from evalkit.cli.own_options import take_form
from evalkit.cli.tables import counted, show
from evalkit.cli.watch.held import held_by
from evalkit.core.errors import ConfigError, EvalkitError, StorageError
from evalkit.places import cache, mlruns, plug_ins
from evalkit.settings import read
from evalkit.wiring import Wired

HELP = """evalkit doctor [OVERRIDE…]: is everything that this config needs there? One line each, with the mend.

It looks at the dataset, each rung's model and key, the sandbox, the tracking store, the folder that runs are written
to, the run itself (new, begun, complete) and plug-ins, and spends nothing. The overrides are those of `evalkit run`,
whose --help lists groups and settings. Exit code 0 if all is well, else 2.

  --format json    the lines for programs: what, ok, detail
  --clean [DAYS]   remove the containers that a killed run left behind, and trees and environments in the cache that
                   no run has used for so many days (30); say what the rest takes, and end

example: evalkit doctor ladder=local dataset=starter"""

UNUSED_DAYS = "30"
LEAST_FREE = 200_000_000  # bytes: a run of a few hundred climbs with its reports


@dataclass(frozen=True)
class Check:
    """One thing that a run needs, and how to find out."""

    what: str
    look: Callable[[], Awaitable[str]]


def main(argv: Sequence[str]) -> int:
    """Check what the overrides describe; 0 if all is well, else 2. `--clean` removes containers instead."""
    if {"-h", "--help"} & set(argv):
        print(HELP)
        return 0
    if "--clean" in argv:
        return _clean([argument for argument in argv if argument != "--clean"])
    rest = list(argv)
    return launch(rest, "evalkit doctor", Doctor(take_form(rest)))


@dataclass(frozen=True)
class Doctor:
    """Checks one composed config; `form` is table, for lines as they come, or json."""

    form: str = "table"

    def __call__(self, composed: Composed) -> int:
        """Look at everything; 0 if all is well, else 2."""
        wired = Wired(composed.config, composed.choices, read(composed.config))
        rows = asyncio.run(self._looked(_checks(wired)))
        well = all(row["ok"] for row in rows)
        if self.form == "json":
            show(rows, {}, form="json")
        else:
            print("all is there" if well else "not ready: mend the lines marked `no`")
        return 0 if well else 2

    async def _looked(self, checks: Sequence[Check]) -> list[dict[str, object]]:
        rows: list[dict[str, object]] = []
        said: dict[str, str] = {}
        for check in checks:
            try:
                rows.append({"what": check.what, "ok": True, "detail": await check.look()})
            except EvalkitError as error:
                first = said.setdefault(str(error), check.what)
                detail = str(error) if first == check.what else f"could not be looked at: mend {first!r} first"
                rows.append({"what": check.what, "ok": False, "detail": detail})
            if self.form == "table":
                print(_line(rows[-1]), flush=True)
        return rows


def _line(row: Mapping[str, object]) -> str:
    return f"  {'ok' if row['ok'] else 'no'}  {row['what']}" + (f": {row['detail']}" if row["detail"] else "")


def _clean(rest: Sequence[str]) -> int:
    from evalkit.adapters.docker_sandbox import clean  # noqa: PLC0415  loads the docker SDK

    days, *more = rest or [UNUSED_DAYS]
    if more or not days.isdecimal() or int(days) == 0:
        raise ConfigError(
            f"--clean takes a number of days, 1 at least, and looks at no config; {' '.join(rest)!r} was given with it"
        )
    for line in _forgotten(int(days)):  # before the engine is asked: there may be none
        print(line)
    print(f"removed {clean()} containers of runs that are gone")
    return 0


def _forgotten(days: int) -> Iterator[str]:
    """Remove what the cache has not been asked for so long, and say what is left."""
    from evalkit.adapters.environments import environments, forget_environments  # noqa: PLC0415  pip's metadata
    from evalkit.adapters.git_workspace import forget_trees, trees  # noqa: PLC0415  as above

    before = time.time_ns() - days * 86_400 * 10**9
    for what, listed, forget in (
        ("trees", trees, forget_trees),
        ("environments", environments, forget_environments),
    ):
        gone = forget(cache(), before)
        left = listed(cache())
        size = sum(map(_megabytes, left))
        yield f"removed {len(gone)} {what} that were unused for {days} days; {len(left)} are left, {size:.0f} MB"


def _megabytes(folder: Path) -> float:
    """What a folder takes on the disk."""
    found = (Path(at, name) for at, _, names in os.walk(folder) for name in names)
    return sum(path.lstat().st_blocks * 512 for path in found if path.is_symlink() or path.exists()) / 1e6


def _checks(wired: Wired) -> list[Check]:
    async def dataset() -> str:
        whole = counted(len(wired.dataset.instances), "instance")
        return f"{len(wired.instances)} of {whole}, digest {wired.dataset.digest[:12]}"

    async def repositories() -> str:
        return await asyncio.to_thread(wired.find_repositories, wired.instances)

    async def sandbox() -> str:
        await wired.sandbox.check(*wired.images)
        lines = sandbox_lines(wired)
        return (
            "; ".join(lines).removeprefix("sandbox: ")
            if wired.sandbox.confined
            else "UNCONFINED: candidates run with your rights; the run is tagged so"
        )

    async def tracker() -> str:
        await asyncio.to_thread(wired.tracker.check)
        if isinstance(wired.tracker, NoTracker):
            return "none: the run's folder is all there is"
        return str(wired.config["tracker"].get("uri") or f"sqlite in {mlruns()}")

    def model(name: str) -> Check:
        async def look() -> str:
            await wired.models[name].check()
            return wired.rungs[name].model

        return Check(f"rung {name}", look)

    async def graders() -> str:
        for grader in wired.graders.values():
            await grader.check()
        return ", ".join(name.removeprefix("grader ") for name in wired.graders) or "no rule asks one"

    return [
        Check("dataset", dataset),
        *([Check("repositories", repositories)] if "repos" in wired.config["dataset"] else []),
        *(model(name) for name in wired.rungs),
        Check("graders", graders),
        Check(f"sandbox {wired.choices.get('sandbox', '')}", sandbox),
        Check("tracking store", tracker),
        *([Check("workers", lambda: looked(wired))] if is_sharded(wired) else []),
        Check("folder", _folder),
        Check("run", lambda: _run(wired)),
        *_plugged(),
    ]


async def _folder() -> str:
    """Whether runs can be written, and how much. Raises StorageError."""
    there = next(path for path in (mlruns(), *mlruns().parents) if path.exists())
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        raise StorageError(f"{there} cannot be written to. Make it a folder of yours, or set EVALKIT_HOME to one.")
    free = shutil.disk_usage(there).free
    if free < LEAST_FREE:
        raise StorageError(
            f"{there} has {free / 1e6:.0f} MB left. Free space: `evalkit doctor --clean` empties the cache."
        )
    return f"{mlruns()}, {free / 1e9:.0f} GB free"


async def _run(wired: Wired) -> str:
    """What `evalkit run` with this config would begin with. Raises ConfigError where somebody works on it."""
    folder = Path(wired.folder)
    if (process := held_by(folder / "journal.jsonl")) is not None:
        mend = f"Wait for it (`evalkit watch {folder.name}`), or stop it first."
        raise ConfigError(f"process {process} works on {folder.name} just now. {mend}")
    summary = RunFolder(folder).summary()
    if summary is not None and summary.status == "complete":
        return f"{folder.name} is complete already: the same command does nothing"
    begun = (folder / "journal.jsonl").is_file()
    return f"{folder.name} was begun: the same command continues" if begun else f"{folder.name} is new"


def _plugged() -> list[Check]:
    """What plug-ins are installed, where any are."""
    found = ", ".join(f"{name} {version}" for name, version in plug_ins().items())

    async def named() -> str:
        return found

    return [Check("plug-ins", named)] if found else []
