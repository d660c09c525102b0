"""Recipes say what an image holds; what is built is found again by its digest."""

from pathlib import Path

import pytest

from evalkit.adapters.docker_sandbox.client import connect
from evalkit.adapters.docker_sandbox.debian import _Steps
from evalkit.adapters.docker_sandbox.images import build, image, listing
from evalkit.adapters.docker_sandbox.recipe import Recipe, find, read
from evalkit.core.errors import ConfigError, SandboxError
from evalkit.core.ports import Job
from evalkit.places import Places, installed
from tests.sandboxes import docker, why_no_docker

RECIPE = "description: d\nsuite: bookworm\npackages: [python3]\nfiles: {/etc/x: text}\nrun: ['true']\n"


def recipe(folder, text, name="mine"):
    path = folder / f"{name}.yaml"
    path.write_text(text)
    return read(path)


@pytest.mark.parametrize("path", sorted((installed("conf") / "sandbox" / "image").glob("*.yaml")), ids=lambda p: p.stem)
def test_every_recipe_of_ours_reads_and_describes_itself(path):
    assert read(path).description


def test_a_tag_changes_with_what_is_in_the_image_and_with_nothing_else(tmp_path):
    first = recipe(tmp_path, RECIPE).tag
    assert first.startswith("evalkit/mine:")
    assert recipe(tmp_path, RECIPE.replace("description: d", "description: other")).tag == first
    changes = [
        ("bookworm", "trixie"),
        ("python3", "python3, git"),
        ("/etc/x", "/etc/y"),
        ("text", "more"),
        ("'true'", "'false'"),
    ]
    others = {recipe(tmp_path, RECIPE.replace(*change)).tag for change in changes}
    assert len(others - {first}) == len(changes)


FAULTS = {
    "packages: python3": "packages: 'python3' is not of type 'array'",
    "package: [python3]": "Additional properties are not allowed ('package' was unexpected)",
    "files: {etc/x: a}": "'etc/x' does not match '^/'",
    "packages: ['; rm -rf /']": "does not match",
    "suite: --help": "does not match",
    "dockerfile: Dockerfile\npackages: [python3]": "'packages' is not one of ['dockerfile', 'description']",
    "a: [": "cannot be read as a recipe",
}


@pytest.mark.parametrize("text", FAULTS)
def test_a_faulty_recipe_is_told_with_its_file(tmp_path, text):
    with pytest.raises(ConfigError) as told:
        recipe(tmp_path, text)
    assert FAULTS[text] in str(told.value)
    assert "mine.yaml" in str(told.value)


def test_the_users_own_recipe_goes_first(tmp_path, monkeypatch):
    folder = tmp_path / "conf" / "sandbox" / "image"
    folder.mkdir(parents=True)
    monkeypatch.setenv("EVALKIT_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    ours = find("python", Places())
    recipe(folder, RECIPE, "python")
    assert find("python", Places()).tag != ours.tag


@pytest.mark.parametrize("name", ["no-recipe", "registry.example/x:1", "../../run", "Python", "", "a b"])
def test_what_is_no_recipe_is_an_image_of_that_name(name):
    found = image(name, Places())
    assert (found.tag, "docker pull" in found.remedy) == (name, True)


def test_a_misspelt_recipe_is_told_the_nearest_one():
    assert "Did you mean the recipe 'python'?" in image("pyhton", Places()).remedy


# --- building; the steps from packages are proven by the images that the other tests run in ---


def steps(folder):
    (folder / "root" / "etc").mkdir(parents=True)
    return _Steps(folder / "root", folder / "log", lambda _: None)


def test_files_are_laid_readable_and_scripts_executable(tmp_path):
    steps(tmp_path).files({"/opt/a/run": "#!/bin/sh\n", "/etc/x": "text"})
    run, text = tmp_path / "root/opt/a/run", tmp_path / "root/etc/x"
    assert (run.stat().st_mode & 0o777, text.stat().st_mode & 0o777, text.read_text()) == (0o755, 0o644, "text")


def test_a_file_that_would_land_outside_the_image_is_refused(tmp_path):
    made = steps(tmp_path)
    (tmp_path / "root/out").symlink_to(tmp_path)
    for name in ("/../x", "/out/x"):
        with pytest.raises(ConfigError, match="leads out of the image"):
            made.files({name: ""})
    assert {path.name for path in tmp_path.iterdir()} == {"root"}


def test_a_step_that_fails_says_what_it_was_and_what_it_said(tmp_path):
    with pytest.raises(SandboxError, match=r"(?s)`try` ended with exit code 3:.*went wrong"):
        steps(tmp_path)._do("try", ["sh", "-c", "echo went wrong; exit 3"])


@pytest.fixture
def engine():
    if why := why_no_docker():
        pytest.skip(why)


async def test_a_dockerfile_beside_the_recipe_is_built_once_and_runs(engine, tmp_path, monkeypatch):
    folder = tmp_path / "conf" / "sandbox" / "image"
    (folder / "mine").mkdir(parents=True)
    monkeypatch.setenv("EVALKIT_HOME", str(tmp_path))
    base = find("python", Places()).tag
    (folder / "mine" / "greeting").write_text("hello from the image\n")
    (folder / "mine" / "Dockerfile").write_text(f"FROM {base}\nCOPY greeting /greeting\nVOLUME /data\n")
    mine = recipe(folder, "description: d\ndockerfile: mine/Dockerfile\n")
    said = []
    sandbox = docker(ahead=0)
    try:
        assert (build(mine, tmp_path / "cache", said.append), build(mine, tmp_path / "cache", said.append)) == (
            True,
            False,
        )
        assert listing([mine])[mine.tag] > 10**6
        code = "cat /greeting; df -k /data | tail -n 1 | awk '{print $2}'"
        done = await sandbox.run(Job(("sh", "-c", code), image="mine"))
        assert done.stdout == f"hello from the image\n{64 * 1024}\n"  # what it calls a volume is no disk of the host's
    finally:
        await sandbox.close()
        _remove(mine)


def test_a_dockerfile_that_fails_is_told(engine, tmp_path):
    (tmp_path / "Dockerfile").write_text("FROM scratch\nCOPY nothing-like-it /\n")
    with pytest.raises((ConfigError, SandboxError), match="nothing-like-it"):
        build(recipe(tmp_path, "dockerfile: Dockerfile\n"), tmp_path / "cache", lambda _: None)


def test_a_dockerfile_that_is_not_there_is_told(tmp_path):
    with pytest.raises(ConfigError, match="no Dockerfile 'Dockerfile' beside it"):
        _ = recipe(tmp_path, "dockerfile: Dockerfile\n").tag


def _remove(one: Recipe):
    api = connect()
    api.remove_image(one.tag, force=True)
    api.close()


def test_what_is_built_already_is_not_built_again(engine, tmp_path):
    said = []
    assert build(read(Path(installed("conf")) / "sandbox/image/python.yaml"), tmp_path, said.append) is False
    assert said == []
