"""Confined sandboxes for tests: skipped with a reason where one cannot work, but never in CI."""

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

import pytest

from evalkit.adapters.bubblewrap_sandbox import BubblewrapSandbox
from evalkit.adapters.docker_sandbox import DockerSandbox
from evalkit.core.errors import SandboxError
from evalkit.places import Places

CONFINED = ("bubblewrap", "docker")
NO_RUST = "needs Debian's rustc and librust-tokio-dev, or the image `rust`"


def docker(**settings):
    """A docker sandbox; close it."""
    return DockerSandbox(places=Places(), **settings)


def alone(work, *args):
    """A coroutine's result, also where a loop is running: in a loop and a thread of its own."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(lambda: asyncio.run(work(*args))).result()


@cache
def why_no_bubblewrap():
    try:
        alone(BubblewrapSandbox().check)
    except SandboxError as error:
        return f"no user namespaces here: {error}"
    return ""


@cache
def why_no_docker():
    one = docker(engine_timeout_s=20)
    why = alone(_lacks, one)
    if why and os.environ.get("CI") == "true":
        pytest.fail(f"CI must test docker: {why}", pytrace=False)
    return why


@cache
def why_no_rust_image():
    if why := why_no_docker():
        return why
    why = alone(_lacks, docker(engine_timeout_s=20), "rust")
    if why and os.environ.get("CI") == "true":
        pytest.fail(f"CI must test Rust in docker: {why}", pytrace=False)
    return why


@cache
def rust_sandbox():
    """The name of the sandbox that can compile Rust with tokio here; empty for none."""
    if Path("/usr/bin/rustc").exists() and [*Path("/usr/share/cargo/registry").glob("tokio-1.*")]:
        return "bubblewrap"
    return "" if why_no_rust_image() else "docker"


needs_rust = pytest.mark.skipif("not rust_sandbox()", reason=NO_RUST)  # asked when a test runs; import both names


async def _lacks(one, image=""):
    why = await one.lacks(image)
    await one.close()
    return why


@pytest.fixture(scope="session")
def shared_docker():
    """One for all tests of a worker: its containers are never used twice anyway."""
    if why := why_no_docker():
        pytest.skip(why)
    one = docker(concurrency=8, ahead=0)  # so many that no two tests' event loops wait at its semaphore
    yield one
    alone(one.close)


@pytest.fixture(params=CONFINED)
def sandbox(request):
    """Each confined sandbox in turn."""
    if request.param == "docker":
        return request.getfixturevalue("shared_docker")
    return pytest.skip(why_no_bubblewrap()) if why_no_bubblewrap() else BubblewrapSandbox()
