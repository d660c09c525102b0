"""Whether the Python that a repository's tests were described for is there, where the sandbox would run them."""

import sys

from evalkit.core.environment import Built
from evalkit.core.ports import Sandbox
from evalkit.core.types import Instance

OWN = f"{sys.version_info.major}.{sys.version_info.minor}"
WITHOUT_PATH = "python"  # Built.python of an environment that runs under whatever Python is there


async def misplaced(instance: Instance, built: Built, sandbox: Sandbox) -> str:
    """Why the tests must not run here, and what to do; empty where they may.

    Packages for one Python under another, or a container without the Python that an environment was built with, would
    give verdicts that say nothing of a candidate. A sandbox that cannot say where a job goes (a plug-in's) is trusted.
    """
    contains = getattr(sandbox, "contains", None)
    if contains is None:
        return ""
    recipe = built.environment
    image = instance.image or recipe.image
    if await contains(image):
        if built.python == WITHOUT_PATH:
            return ""
        return (
            f"environment {recipe.name!r} is built with this machine's Python, which a container"
            f"{f' of {image!r}' if image else ''} has not: give its recipe `python` and `image`, or use sandbox=auto"
            f"{' and no image of the instance' if instance.image else ''}"
        )
    if not recipe.image or recipe.python == OWN:
        return ""
    return (
        f"environment {recipe.name!r} needs the image {recipe.image!r}, and its tests would run under this machine's "
        f"Python {OWN}: have the image (`evalkit images build {recipe.image}`, or pull it) and use sandbox=auto or "
        "docker"
    )
