"""Makes an image's file system from Debian packages alone: no registry, nothing but debootstrap and apt."""

import fcntl
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from evalkit.adapters.docker_sandbox.recipe import Recipe
from evalkit.core.errors import ConfigError, SandboxError

Say = Callable[[str], None]
TOOLS = ("debootstrap", "chroot", "unshare", "tar")
QUIET = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "LANG": "C.UTF-8",
    "HOME": "/root",
    "DEBIAN_FRONTEND": "noninteractive",
}
PROXIES = ("http_proxy", "https_proxy", "no_proxy")
NO_SERVICES = "#!/bin/sh\nexit 101\n"  # what a package asks before it starts a service
LEFT_OVER = ("var/lib/apt/lists", "var/cache/apt", "var/cache/debconf", "var/log", "usr/share/doc", "usr/share/man")


@contextmanager
def built(recipe: Recipe, cache: Path, say: Say) -> Iterator[Path]:
    """The recipe's file system in a folder that is gone afterwards. Raises SandboxError where a step fails."""
    _needs()
    cache.mkdir(parents=True, exist_ok=True)
    # On the cache's disk and not in /tmp, which may be small, or mounted without devices.
    with tempfile.TemporaryDirectory(prefix="image-", dir=cache, ignore_cleanup_errors=True) as folder:
        steps = _Steps(Path(folder, "root"), Path(folder, "log"), say)
        steps.base(recipe.suite, cache)
        steps.packages(recipe.packages)
        steps.files(recipe.files)
        steps.commands(recipe.run)
        steps.clean()
        yield steps.root


def _needs() -> None:
    if os.geteuid() != 0:
        raise ConfigError("building an image from Debian packages needs root: sudo evalkit images build …")
    if missing := [name for name in TOOLS if shutil.which(name) is None]:
        raise ConfigError(f"not installed here: {', '.join(missing)}. apt-get install debootstrap util-linux tar")


class _Steps:
    def __init__(self, root: Path, log: Path, say: Say) -> None:
        self.root, self._log, self._say = root, log, say

    def base(self, suite: str, cache: Path) -> None:
        """Debian's smallest system, out of the cache from the second time on."""
        tar = cache / f"debian-{suite}.tar"
        with (cache / f"debian-{suite}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not tar.is_file():
                self._do(f"debootstrap {suite}", ["debootstrap", "--variant=minbase", suite, str(self.root)])
                part = tar.with_suffix(".part")
                self._do("keep it for the next image", ["tar", "-C", str(self.root), "-cf", str(part), "."])
                part.rename(tar)
                return
        self.root.mkdir()
        self._do(f"debian {suite} from the cache", ["tar", "-C", str(self.root), "-xpf", str(tar)])

    def packages(self, names: Sequence[str]) -> None:
        """Install packages, starting no service."""
        if not names:
            return
        policy, resolver = self.root / "usr/sbin/policy-rc.d", self.root / "etc/resolv.conf"
        policy.write_text(NO_SERVICES)
        policy.chmod(0o755)
        resolver.write_text(Path("/etc/resolv.conf").read_text())
        # Inside, root is root: apt's own user could not read the folder that this lies in.
        apt = ["apt-get", "-qq", "-o", "APT::Sandbox::User=root"]
        self._inside("apt-get update", [*apt, "update"])
        install = [*apt, "install", "-y", "--no-install-recommends", *names]
        self._inside(f"apt-get install {' '.join(names)}", install)
        policy.unlink()
        resolver.write_text("")

    def files(self, files: Mapping[str, str]) -> None:
        """Lay the recipe's files."""
        for name, text in files.items():
            path = self.root / name.lstrip("/")
            if not path.resolve().is_relative_to(self.root.resolve()):
                raise ConfigError(f"files: {name!r} leads out of the image")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            path.chmod(0o755 if text.startswith("#!") else 0o644)

    def commands(self, commands: Sequence[str]) -> None:
        """Run the recipe's commands, without network: what an image holds is in its recipe."""
        for command in commands:
            self._inside(f"run {command[:60]}", ["sh", "-ec", command], network=False)

    def clean(self) -> None:
        """What no attempt needs."""
        for name in LEFT_OVER:
            for path in (self.root / name).glob("*"):
                shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()

    def _inside(self, what: str, command: Sequence[str], *, network: bool = True) -> None:
        # The mounts and processes are the child's own, so that a killed build leaves neither.
        apart = ["unshare", "--mount", "--pid", "--fork", "--kill-child", f"--mount-proc={self.root}/proc"]
        apart += [] if network else ["--net"]
        self._do(what, [*apart, "chroot", str(self.root), *command])

    def _do(self, what: str, command: Sequence[str]) -> None:
        began = time.monotonic()
        environment = QUIET | {name: os.environ[name] for name in PROXIES if name in os.environ}
        with self._log.open("wb") as log:
            code = subprocess.run(command, stdout=log, stderr=log, env=environment, check=False).returncode
        if code:
            said = self._log.read_text(errors="replace").strip()[-1500:]
            raise SandboxError(f"`{what}` ended with exit code {code}:\n{said}")
        self._say(f"  {what} ({time.monotonic() - began:.0f} s)")
