"""What an instance is judged in, and which of its tests are left out: as a key, as tags, and for a person."""

import json

from evalkit import __version__
from evalkit.cli.tables import counted
from evalkit.wiring import Wired


def judged_by(wired: Wired) -> str:
    """What an instance's health depends on beside itself; after preflight, which finds what cannot be used."""
    judging = [wired.config["verifier"], wired.config["sandbox"], wired.shared_rubric and str(wired.shared_rubric)]
    fallback = getattr(wired.sandbox, "fallback", "")  # health in bubblewrap proves nothing of the image
    judging += [
        *wired.identity.grades,
        *([wired.identity.images] if wired.identity.images else []),
        *([wired.identity.plug_ins] if wired.identity.plug_ins else []),
        *([fallback] if fallback else []),
    ]
    return json.dumps([judging, __version__])


def sandbox_tags(wired: Wired) -> dict[str, str]:
    """What candidates run in, and what could not be used for it (invariant 11)."""
    if not wired.sandbox.confined:
        return {"evalkit.sandbox": "unconfined"}
    chosen = getattr(wired.sandbox, "chosen", wired.choices.get("sandbox", ""))
    fallback = getattr(wired.sandbox, "fallback", "")
    placed = ", ".join(f"{image}: {where}" for image, where in getattr(wired.sandbox, "placed", {}).items())
    told = {"evalkit.sandbox_images": placed, "evalkit.sandbox_fallback": fallback}
    return {"evalkit.sandbox": chosen, **{name: text for name, text in told.items() if text}}


def sandbox_lines(wired: Wired) -> list[str]:
    """The same for a person, where there was a choice to be made."""
    tags = sandbox_tags(wired)
    fallback = tags.get("evalkit.sandbox_fallback", "")
    chosen = tags["evalkit.sandbox"] if wired.images and hasattr(wired.sandbox, "chosen") else ""
    if not chosen:
        return [f"sandbox: {fallback}"] if fallback else []
    why = " instead of docker: " if "no image" in fallback else "; " if fallback else ""
    return [f"sandbox: {chosen}{why}{fallback}"]


def flaky_tags(wired: Wired) -> dict[str, str]:
    """The number of the same, where there are any."""
    found = sum(map(len, wired.flaky.of(wired.instances).values()))
    return {"evalkit.flaky_excluded": str(found)} if found else {}


def flaky_lines(wired: Wired) -> list[str]:
    """How many tests are left out, because they were found to go both ways (`dataset check --repeat`)."""
    found = wired.flaky.of(wired.instances)
    which = f"{counted(sum(map(len, found.values())), 'test')} of {counted(len(found), 'instance')}"
    return [f"flaky: {which} left out (mlruns/{wired.flaky.path.name})"] if found else []
