"""Recipes become environments: read with all their faults, built once, whole or not at all."""

import asyncio
import io
import os
import subprocess
import sys
import tarfile
import time
import zipfile
from pathlib import Path

import pytest

from evalkit.adapters.environments import RecipeEnvironments, forget_environments
from evalkit.adapters.environments.inheriting import merged
from evalkit.core.errors import ConfigError, SandboxError
from evalkit.places import Places, installed

OTHER = "3.9" if sys.version_info[:2] != (3, 9) else "3.10"


def environments(recipes, cache):
    return RecipeEnvironments(recipes, str(cache), Places())


def wheel(folder, name, body="", needs=()):
    """A real wheel, made by hand."""
    lines = "".join(f"Requires-Dist: {need}\n" for need in needs)
    info = f"{name}-1.0.dist-info"
    with zipfile.ZipFile(folder / f"{name}-1.0-py3-none-any.whl", "w") as archive:
        archive.writestr(f"{name}.py", body)
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n{lines}")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")


@pytest.fixture
def index(tmp_path, monkeypatch):
    """An index of two packages, of which one needs the other under an older Python only."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    wheel(folder, "shop", "price = 7\n", [f'oldshop; python_version < "3.{int(OTHER[2:]) + 1}"'])
    wheel(folder, "oldshop", "price = 1\n")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")


def modules(folder):
    """The modules below a folder, by name."""
    return {path.name: path for path in Path(folder).rglob("*.py")}


def list_of_done(cache):
    """The environments that are whole."""
    return list(Path(cache).glob("environments/*/done"))


def unreadable(folder):
    """The folders that another user could not look into."""
    return [path for path in Path(folder).rglob("*") if path.is_dir() and path.stat().st_mode & 0o005 != 0o005]


def says(built, code, cwd):
    command = [built.python, "-c", code]
    done = subprocess.run(command, env=built.env, cwd=cwd, capture_output=True, text=True, check=False)
    return (done.stdout + done.stderr).strip()


@pytest.mark.parametrize(
    ("name", "report", "image"),
    [
        ("django/django@3.0", "unittest", ""),
        ("django/django@5.0", "unittest", ""),
        ("sympy/sympy@1.1", "sympy", ""),
        ("sympy/sympy@1.12", "sympy", ""),
        ("pallets/flask@2.3", "pytest", ""),
        ("mwaskom/seaborn@0.12", "pytest", ""),
        ("pylint-dev/pylint@2.14", "pytest", ""),
        ("pytest-dev/pytest@4.6", "pytest", "python39"),
        ("sphinx-doc/sphinx@5.1", "pytest", "python39"),
    ],
)
def test_the_recipes_that_come_along_are_read_by_name(tmp_path, name, report, image):
    found = environments("swebench", tmp_path).recipe(name)
    assert (found.report, found.image) == (report, image)
    assert "{targets}" in found.test


def test_what_comes_along_pins_its_packages_so_that_a_year_changes_no_verdict(tmp_path):
    known = environments("swebench", tmp_path).known
    assert [one for recipe in known.values() for one in recipe.packages if "==" not in one] == []


def test_every_file_that_comes_along_says_what_it_is_for():
    for path in (installed("conf") / "dataset" / "swebench").glob("*.yaml"):
        assert path.read_text().startswith("# "), path


def test_a_version_takes_over_what_it_does_not_say():
    base = {"packages": ["a==1", "B_c>=2"], "env": {"X": "1", "Y": "1"}, "test": ["python", "t"]}
    own = {"packages": ["b-c==3", "d"], "env": {"Y": "2"}, "like": "other"}
    assert merged(base, own) == {
        "packages": ["a==1", "b-c==3", "d"],
        "env": {"X": "1", "Y": "2"},
        "test": ["python", "t"],
    }


def test_versions_start_from_each_other(tmp_path):
    path = tmp_path / "shop.yaml"
    path.write_text(
        "repo: me/shop\nbase: {test: [python, -m, pytest, '{targets}'], packages: [pytest]}\nversions:\n"
        "  '1.0': {env: {A: '1'}}\n  '1.1': {like: '1.0', packages: [six]}\n  '1.10': {like: '1.1', env: {B: '2'}}\n"
    )
    found = environments(str(path), tmp_path).recipe("me/shop@1.10")
    assert (found.packages, found.env) == (("pytest", "six"), {"A": "1", "B": "2"})


@pytest.mark.parametrize("form", ["mapping", "file", "folder"])
def test_recipes_by_name_stand_in_the_config_or_in_a_file(tmp_path, form):
    recipes = {"shop": {"test": ["python", "-m", "pytest", "{targets}"]}}
    if form != "mapping":
        path = tmp_path / "environments.yaml"
        path.write_text("shop: {test: [python, -m, pytest, '{targets}']}\n")
        recipes = str(path if form == "file" else tmp_path)
    assert environments(recipes, tmp_path).recipe("shop").test[-1] == "{targets}"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("repo: shop\nversions: {'1': {test: [x]}}", "repo: 'shop' does not match"),
        ("repo: me/shop\nversions: {1.10: {test: [x]}}", "versions: the key 1.1 is no text; write it in quotes"),
        ("repo: me/shop\nversions: {'1': {test: [x], pakages: []}}", "pakages: unknown; did you mean 'packages'?"),
        ("repo: me/shop\nversions: {'1': {test: [x], python: 3.9}}", "python: 3.9 is not of type 'string'; write it"),
        ("repo: me/shop\nversions: {'1': {packages: [x]}}", "versions: 1: test: required"),
        ("repo: me/shop\nversions: {'1': {like: '2.O'}, '2.0': {test: [x]}}", "like: no '2.O'; did you mean '2.0'?"),
        ("repo: me/shop\nversions: {a: {like: b, test: [x]}, b: {like: a}}", "goes in a circle (a > b > a)"),
        ("repo: me/shop\nversions: {'1': {test: [x], files: {../x: y}}}", "'../x' does not match"),
        ("repo: [", "cannot be read as recipes"),
        ("shop: {tests: [x]}", "shop: tests: unknown; did you mean 'test'?"),
        ("- x", "is not of type 'object'"),
    ],
)
def test_a_fault_is_told_with_its_file_and_key_and_all_files_faults_at_once(tmp_path, text, fault):
    (tmp_path / "a.yaml").write_text(text)
    (tmp_path / "b.yaml").write_text("repo: me/other\nversions: {'1': {report: junit, test: [x]}}")
    with pytest.raises(ConfigError) as error:
        environments(str(tmp_path), tmp_path).recipe("me/shop@1")
    told = str(error.value)
    assert fault in told
    assert f"{tmp_path / 'a.yaml'}: " in told
    assert f"{tmp_path / 'b.yaml'}: versions: 1: report: 'junit' is not one of" in told


def test_an_unknown_environment_offers_the_nearest(tmp_path):
    with pytest.raises(ConfigError, match=r"'django/django@3.3'; did you mean 'django/django@3"):
        environments("swebench", tmp_path).recipe("django/django@3.3")


async def test_packages_site_and_the_tree_are_importable_and_nothing_of_evalkits_own(tmp_path, index):
    tree = tmp_path / "tree"
    (tree / "src").mkdir(parents=True)
    (tree / "src" / "mine.py").write_text("import shop\nprice = shop.price + 1\n")
    recipe = {"test": ["python"], "packages": ["shop"], "env": {"PYTHONPATH": "src"}}
    made = environments({"shop": {**recipe, "site": {"sitecustomize.py": "import shop; shop.price = 41\n"}}}, tmp_path)
    built = await made.built("shop")
    assert says(built, "import mine; print(mine.price)", tree) == "42"
    assert "No module named 'jsonschema'" in says(built, "import jsonschema", tree)
    (mount,) = built.mounts
    assert unreadable(mount) == []


async def test_recipes_that_install_the_same_share_what_is_built_once(tmp_path, index):
    one = {"test": ["python", "a"], "packages": ["shop"]}
    recipes = {"a": one, "b": {**one, "env": {"X": "1"}}, "c": {**one, "site": {"x.py": ""}}}
    said: list[str] = []
    made = environments(recipes, tmp_path)
    await asyncio.gather(*(environments(recipes, tmp_path).prepare(["a"], said.append) for _ in range(2)))
    await made.prepare(["a", "b"], said.append)
    assert len([line for line in said if "installing" in line]) == 1
    a, b, c = [await made.built(name) for name in "abc"]
    assert a.mounts == b.mounts != c.mounts
    assert len({a.digest, b.digest, c.digest}) == 3


async def test_a_build_that_was_killed_is_begun_anew(tmp_path, index):
    recipes = {"shop": {"test": ["python"], "packages": ["shop"]}}
    (mount,) = (await environments(recipes, tmp_path).built("shop")).mounts
    (done,) = list_of_done(tmp_path)
    done.unlink()
    modules(mount)["shop.py"].write_text("price = 'half'\n")
    built = await environments(recipes, tmp_path).built("shop")
    assert says(built, "import shop; print(shop.price)", tmp_path) == "7"


async def test_a_package_that_cannot_be_had_is_named_and_nothing_is_kept(tmp_path, index):
    made = environments({"shop": {"test": ["python"], "packages": ["shop", "shoop==9"]}}, tmp_path)
    with pytest.raises((ConfigError, SandboxError), match=r"shop: pip could not install .*shoop==9"):
        await made.built("shop")
    assert not list_of_done(tmp_path)


async def test_a_package_that_cannot_be_built_is_the_recipes_fault_and_no_outage(tmp_path, index):
    parts = {
        "PKG-INFO": "Metadata-Version: 2.1\nName: hard\nVersion: 1.0\n",
        "pyproject.toml": "[build-system]\nrequires = []\nbuild-backend = 'own'\nbackend-path = ['.']\n",
        "own.py": "raise SystemExit('no compiler')\n",
    }
    with tarfile.open(tmp_path / "wheels" / "hard-1.0.tar.gz", "w:gz") as archive:
        for name, text in parts.items():
            entry = tarfile.TarInfo(f"hard-1.0/{name}")
            entry.size = len(text)
            archive.addfile(entry, io.BytesIO(text.encode()))
    with pytest.raises(ConfigError, match="no compiler"):
        await environments({"hard": {"test": ["python"], "packages": ["hard"]}}, tmp_path).built("hard")


async def test_environments_that_nobody_asked_for_long_are_forgotten_and_built_again(tmp_path, index):
    recipes = {name: {"test": ["python"], "packages": ["shop"], "site": {"x.py": name}} for name in ("old", "new")}
    old, new = [await environments(recipes, tmp_path).built(name) for name in recipes]
    for built in (old, new):
        os.utime(Path(*built.mounts, "done"), (0, 0))
    await environments(recipes, tmp_path).built("new")  # asked for, and not built again
    assert forget_environments(tmp_path, time.time_ns() - 10**12) == [Path(*old.mounts)]
    assert [path.parent for path in list_of_done(tmp_path)] == [Path(*new.mounts)]
    assert says(await environments(recipes, tmp_path).built("old"), "import shop; print(shop.price)", tmp_path) == "7"


async def test_packages_for_another_python_bring_what_only_that_one_needs(tmp_path, index):
    recipe = {"test": ["python"], "python": OTHER, "image": "old", "packages": ["shop"], "env": {"PYTHONPATH": "src"}}
    built = await environments({"shop": recipe}, tmp_path).built("shop")
    (mount,) = built.mounts
    assert built.python == "python"
    assert built.env["PYTHONPATH"] == f"src:{mount}/packages"
    assert modules(mount).keys() == {"shop.py", "oldshop.py"}


async def test_an_image_that_holds_all_needs_no_building(tmp_path):
    recipe = {"test": ["python"], "image": "registry.test/me/shop:1", "env": {"X": "1"}}
    built = await environments({"shop": recipe}, tmp_path).built("shop")
    assert (built.python, built.mounts, built.env) == ("python", (), {"X": "1"})
    assert not (tmp_path / "environments").exists()


@pytest.mark.parametrize(
    ("recipe", "fault"),
    [
        ({"python": OTHER}, r"is not this machine's .*; name an image that has it"),
        ({"image": "old", "packages": ["shop"]}, "need `python`, its Python's version"),
    ],
)
async def test_a_python_that_is_not_here_is_refused_with_what_to_do(tmp_path, recipe, fault):
    with pytest.raises(ConfigError, match=fault):
        await environments({"shop": {"test": ["python"], **recipe}}, tmp_path).built("shop")
