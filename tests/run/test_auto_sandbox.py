"""docker where an instance asks for an image that can be had, else bubblewrap; what was chosen is said."""

import asyncio
import subprocess
import sys

import pytest

from evalkit.core.errors import SandboxError
from evalkit.core.ports import Execution, Job, Limits
from evalkit.run.auto_sandbox import AutoSandbox

NO_ENGINE = "no container engine answers"


class Recorded:
    """A sandbox that says its name; `without` are the images that it lacks, with the reason."""

    confined = True

    def __init__(self, name, without=None, **settings):
        self.name, self.settings, self.without = name, settings, without or {}
        self.checked, self.asked, self.closed = [], [], False

    async def run(self, job):
        return Execution(0, self.name, "", 0.0)

    async def check(self, *images):
        self.checked.append(images)

    async def lacks(self, image):
        self.asked.append(image)
        await asyncio.sleep(0)
        return self.without.get(image, self.without.get("*", ""))

    async def close(self):
        self.closed = True


def auto(without=None, **settings):
    made = {}

    def maker(name, **more):
        return lambda **given: made.setdefault(name, Recorded(name, **more, **given))

    sandboxes = {"bubblewrap": maker("bubblewrap"), "docker": maker("docker", without=without)}
    return AutoSandbox(sandboxes=sandboxes, **settings), made


async def where(sandbox, image):
    return (await sandbox.run(Job(("true",), image=image))).stdout


async def test_without_an_image_it_is_bubblewrap_and_docker_is_not_even_made():
    sandbox, made = auto()
    await sandbox.check()
    assert (await where(sandbox, ""), set(made), sandbox.chosen, sandbox.fallback) == (
        "bubblewrap",
        {"bubblewrap"},
        "bubblewrap",
        "",
    )
    await sandbox.close()


async def test_an_image_that_the_engine_has_is_docker():
    sandbox, made = auto()
    await sandbox.check("rust")
    assert (await where(sandbox, "rust"), sandbox.chosen, sandbox.fallback) == ("docker", "docker", "")
    assert (made["docker"].checked, made["bubblewrap"].checked) == ([("rust",)], [])
    await sandbox.close()
    assert made["docker"].closed


async def test_each_instance_gets_what_it_asks_for():
    sandbox, made = auto(without={"none": "not built"})
    await sandbox.check("", "rust", "none")
    assert [await where(sandbox, image) for image in ("", "rust", "none")] == ["bubblewrap", "docker", "bubblewrap"]
    assert (sandbox.chosen, sandbox.fallback) == ("bubblewrap+docker", "no image 'none': not built")
    assert (made["bubblewrap"].checked, made["docker"].checked) == ([()], [("rust",)])


async def test_invariant_11_without_an_engine_it_is_bubblewrap_and_the_reason_is_kept():
    sandbox, _ = auto(without={"*": NO_ENGINE})
    await sandbox.check("rust")
    assert (await where(sandbox, "rust"), sandbox.chosen) == ("bubblewrap", "bubblewrap")
    assert sandbox.fallback == f"no image 'rust': {NO_ENGINE}"


async def test_the_engine_is_asked_once_for_an_image_and_what_was_chosen_stays():
    sandbox, made = auto()
    assert set(await asyncio.gather(*[where(sandbox, "rust") for _ in range(5)])) == {"docker"}
    made["docker"].without["*"] = NO_ENGINE
    assert await where(sandbox, "rust") == "docker"
    assert made["docker"].asked == ["rust"]


async def test_who_only_asks_where_a_job_would_go_chooses_nothing():
    sandbox, _ = auto(without={"none": "not built"})
    assert [await sandbox.contains(image) for image in ("", "rust", "none")] == [False, True, False]
    assert sandbox.placed == {}
    await sandbox.check("", "rust", "none")
    assert sandbox.placed == {"none": "bubblewrap", "rust": "docker"}


async def test_an_engine_that_goes_away_later_is_an_outage_and_no_change_of_sandbox():
    sandbox, made = auto()
    await sandbox.check("rust")

    async def away(_):
        raise SandboxError("the engine has stopped answering")

    made["docker"].run = away
    with pytest.raises(SandboxError):
        await where(sandbox, "rust")


async def test_settings_reach_both():
    sandbox, made = auto(seconds=3.0, ahead=7)
    await where(sandbox, "rust")
    assert sandbox.limits == Limits(seconds=3.0)
    assert made["bubblewrap"].settings["seconds"] == made["docker"].settings["seconds"] == 3.0
    assert (made["docker"].settings["ahead"], "ahead" in made["bubblewrap"].settings) == (7, False)


def test_a_run_that_needs_no_image_loads_no_docker():
    code = """
import asyncio, sys
from evalkit.core.ports import Job
from evalkit.wiring import _SANDBOXES
from evalkit.run.auto_sandbox import AutoSandbox
asyncio.run(AutoSandbox(sandboxes=_SANDBOXES).close())
print([name for name in sys.modules if name.split('.')[0] == 'docker' or 'docker_sandbox' in name])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
