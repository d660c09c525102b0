"""How litellm asks a rung's server, kept on disk: the next run need not load litellm (1.5 s, 150 MB) to know it.

A form is kept for what it depends on: the rung's settings, the versions of litellm and evalkit, and the environment's
variables that litellm looks at. Keys are not written: a header names the variable whose value stands in it.
"""

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import asdict
from functools import cache
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from evalkit import __version__
from evalkit.adapters.litellm_model.client import NO_KEY, PLAIN_HTTP
from evalkit.adapters.litellm_model.errors import SECRET_NAME, scrub
from evalkit.adapters.litellm_model.straight import Straight, is_straight
from evalkit.core.ladder import Rung

LOOKED_AT = ("OPENAI_", "HOSTED_VLLM_", "LITELLM_", "EXPERIMENTAL_")
OURS = ("LITELLM_LOCAL_MODEL_COST_MAP", PLAIN_HTTP)  # set when litellm is loaded, and so known without looking
MARK = "\0"  # on both sides of a variable's name, in the place of its value


class Forms:
    """A folder with a file a form. It is only a cache: what cannot be read or written costs time, not truth."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def kept(self, rung: Rung) -> Straight | None:
        """The form for a rung; None where there is none, or litellm is loaded already and may have been changed."""
        base = rung.api_base or ""
        if "litellm" in sys.modules or not is_straight(base):
            return None
        try:
            kept = json.loads(self._path(rung).read_text(encoding="utf-8"))
            headers = {str(name): _filled(value) for name, value in kept["headers"].items()}
            return Straight(f"http://{urlsplit(base).netloc}{kept['path']}", headers, dict(kept["fields"]))
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None

    def keep(self, rung: Rung, form: Straight) -> None:
        """Keep it, if it can be written without a key."""
        provider = rung.model.partition("/")[0]
        headers = {name: _masked(value, provider) for name, value in form.headers.items()}
        if any(value is None for value in headers.values()):
            return
        url = urlsplit(form.url)
        path = url.path + (f"?{url.query}" if url.query else "")
        content = json.dumps({"path": path, "headers": headers, "fields": form.fields})
        if scrub(content.replace(f"Bearer {NO_KEY}", "")) != content.replace(f"Bearer {NO_KEY}", ""):
            return
        place = self._path(rung)
        new = place.with_suffix(f".{os.getpid()}")
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            new.write_text(content, encoding="utf-8")
            os.replace(new, place)  # noqa: PTH105  both are fine
        except OSError:
            return

    def _path(self, rung: Rung) -> Path:
        url = urlsplit(rung.api_base or "")  # whose host is not in the form
        asked = {**asdict(rung), "api_base": [url.path, url.query], "price": rung.price is not None}
        depends = [{**asked, "attempts": 0, "on": {}}, _looked_at(os.environ), _versions()]
        return (
            self._folder / f"{sha256(json.dumps(depends, sort_keys=True, default=str).encode()).hexdigest()[:24]}.json"
        )


@cache
def _versions() -> tuple[str, str]:
    return __version__, version("litellm")


def _looked_at(environment: Mapping[str, str]) -> dict[str, str]:
    """Of variables with keys only that they are set."""
    found = {name: value for name, value in environment.items() if name.startswith(LOOKED_AT) and value}
    usual = {name: value for name, value in found.items() if name in OURS and value == "True"}
    return {name: "" if SECRET_NAME.search(name) else value for name, value in found.items() if name not in usual}


def _masked(value: str, provider: str) -> str | None:
    """A header's value without a key; None where one may be left in it."""
    scheme, _, secret = value.partition(" ")
    if scheme != "Bearer" or secret == NO_KEY:
        return value if secret == NO_KEY or scrub(value) == value else None
    own = f"{provider.upper()}_API_KEY"
    names = [name for name in (own, *sorted(os.environ)) if SECRET_NAME.search(name) and os.environ.get(name) == secret]
    return f"Bearer {MARK}{names[0]}{MARK}" if names else None


def _filled(value: Any) -> str:
    """The value with the keys of today. Raises KeyError where one is not set."""
    parts = str(value).split(MARK)
    return "".join(os.environ[part] if at % 2 else part for at, part in enumerate(parts))
