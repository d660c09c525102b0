"""Inside the sandbox: compiles what is to be kept, or a candidate before its tests, and starts the tests' process.

Everything of tokio is at hand or made here from Debian's sources; nothing of a candidate runs in this process. It
reads the nonce before any compiler starts and shows its memory to no other process; the tests' process does likewise
(rust/evalkit.rs) before it comes to the candidate.
"""

from __future__ import annotations

import base64
import ctypes
import io
import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

PR_SET_DUMPABLE = 4
PREBUILT = Path("/usr/lib/evalkit/rust")  # where an image has tokio; conf/sandbox/image/rust.yaml
SOURCES = Path("/usr/share/cargo/registry")
TOKIO = ("pin-project-lite", "tokio")  # in the order of need
FEATURES = ("rt", "sync", "time", "test-util")
LIBRARIES, OUT = Path("kept"), Path("out")
# The one way to code before `main` that rustc 1.63 does not count as unsafe.
FORBIDDEN = ("global_asm",)
MOST = 5  # errors that are told


def main() -> None:
    """Read the job from stdin and do it; reports are lines that begin with the nonce."""
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_DUMPABLE) failed")
    job: dict[str, Any] = json.load(sys.stdin)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)

    def report(record: Mapping[str, Any]) -> None:
        line = f"\n{job['nonce']} {json.dumps(record)}\n".encode()
        while line:
            line = line[os.write(1, line) :]

    for folder in (LIBRARIES, OUT):
        folder.mkdir(exist_ok=True)
    report({"ready": True})
    if missing := _missing():
        report({"fault": missing})
    elif job["do"] == "keep":
        report(_keep())
    else:
        _unpack("kept.b64")
        _judge(job, report)


def _missing() -> str:
    if not Path("/usr/bin/rustc").exists():
        return "there is no /usr/bin/rustc"
    if not _at_hand() and not _source("tokio"):
        return f"there is no tokio, neither in {PREBUILT} nor in {SOURCES}"
    return ""


def _at_hand() -> bool:
    return (PREBUILT / "libtokio.rlib").exists()


def _source(name: str) -> str:
    found = sorted(SOURCES.glob(f"{name}-[0-9]*"))
    return f"{found[-1]}/src/lib.rs" if found else ""


def _keep() -> dict[str, Any]:
    """Compile tokio where it is not at hand, then the harness and the suite."""
    for name in () if _at_hand() else TOKIO:
        features = [word for one in FEATURES for word in ("--cfg", f'feature="{one}"')] if name == "tokio" else []
        crate = ["--edition", "2018", "--cap-lints", "allow", "--out-dir", str(LIBRARIES), *features, _source(name)]
        if wrong := _compiled(name.replace("-", "_"), crate, ["pin_project_lite"] if name == "tokio" else []):
            return {"fault": f"{name} does not compile: {_said(wrong)}"}
    for name, needs in (("evalkit", ["tokio"]), ("suite", ["tokio", "evalkit"])):
        if wrong := _compiled(name, ["--edition", "2021", "--out-dir", str(LIBRARIES), f"{name}.rs"], needs):
            return {"fault": f"{name}.rs does not compile: {_said(wrong)}"}
    return {"kept": _packed()}


def _judge(job: Mapping[str, Any], report: Any) -> None:
    source = Path("candidate.rs").read_text(encoding="utf-8", errors="surrogateescape")
    for word in FORBIDDEN:
        if word in source:
            report({"refused": word, "line": source[: source.index(word)].count("\n") + 1})
            return
    ours = ["--edition", "2021", "--out-dir", str(OUT)]
    if wrong := _compiled("candidate", [*ours, "-F", "unsafe_code", "candidate.rs"], ["tokio"]):
        report({"compile": "candidate", **wrong})
        return
    libraries = ["tokio", "evalkit", "suite", "candidate"]
    if wrong := _compiled("tests", [*ours, "--crate-type", "bin", "main.rs"], libraries):
        report({"compile": "tests", **wrong})
        return
    words = f"{job['nonce']} {job['seconds']}\n".encode()
    done = subprocess.run([f"{OUT}/tests"], input=words, env={}, check=False)
    report({"ended": done.returncode})


def _compiled(name: str, options: list[str], needs: list[str]) -> dict[str, Any] | None:
    """Nothing, or the compiler's errors and its exit code."""
    kind = [] if "--crate-type" in options else ["--crate-type", "rlib"]
    argv = ["/usr/bin/rustc", "--crate-name", name, *kind, "-C", "debuginfo=0", "--error-format=json"]
    argv += [word for folder in _folders() for word in ("-L", str(folder))]
    argv += [word for one in needs for word in ("--extern", f"{one}={_library(one)}")]
    here = str(Path.cwd())
    done = subprocess.run(
        [*argv, *options],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env={"PATH": "/usr/bin:/bin", "TMPDIR": here, "HOME": here},
        check=False,
    )
    if done.returncode == 0:
        return None
    text = done.stderr.decode(errors="replace")
    return {"code": done.returncode, "errors": _errors(text), "said": text[-300:]}


def _folders() -> list[Path]:
    return [folder for folder in (PREBUILT, LIBRARIES, OUT) if folder.is_dir()]


def _library(name: str) -> Path:
    paths = [folder / f"lib{name}.rlib" for folder in _folders()]
    return next((path for path in paths if path.exists()), paths[-1])


def _errors(text: str) -> list[dict[str, Any]]:
    found = []
    for line in text.splitlines():
        try:
            message = json.loads(line)
        except ValueError:  # such as the linker's own words
            continue
        if message.get("level") == "error" and not message["message"].startswith("aborting due to"):
            found.append(_error(message))
    return found[:MOST]


def _error(message: Mapping[str, Any]) -> dict[str, Any]:
    """What a person reads first of an error: its text, the place, what is written beside the place."""
    code = f"[{message['code']['code']}]" if message.get("code") else ""
    place = next((span for span in message["spans"] if span["is_primary"]), None)
    label = f" ({place['label']})" if place and place.get("label") else ""
    ours = place is None or place["file_name"] != "candidate.rs"
    line = None if place is None or ours else place["line_start"]
    return {"text": f"error{code}: {message['message']}{label}", "line": line}


def _said(wrong: Mapping[str, Any]) -> str:
    return "; ".join(error["text"] for error in wrong["errors"]) or f"exit code {wrong['code']}: {wrong['said']}"


def _packed() -> str:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz", compresslevel=1) as archive:
        archive.add(LIBRARIES)
    return base64.b64encode(packed.getvalue()).decode()


def _unpack(path: str) -> None:
    packed = io.BytesIO(base64.b64decode(Path(path).read_bytes()))
    with tarfile.open(fileobj=packed) as archive:
        archive.extractall(".")  # noqa: S202  packed by our own code, in a sandbox without a candidate


if __name__ == "__main__":
    main()
