"""How many tokens a text has, about: for budgets, never for bills."""

import os
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from evalkit.core.errors import ConfigError

if TYPE_CHECKING:
    from tiktoken import Encoding

CL100K = "9b5ad71b2ce5302211f9c61530b329a4922fc6a4"  # the name under which tiktoken caches the encoding


def count_tokens(text: str) -> int:
    """Tokens of `text` in cl100k (OpenAI's GPT-4), whatever the model.

    Other vendors' tokenizers differ, often by 10-30 %: what was really used stands in the completion. Words
    like `<|endoftext|>` count as ordinary text.
    """
    return len(_encoding().encode_ordinary(text))


@cache
def _encoding() -> "Encoding":
    """The encoding from litellm's own files, without importing litellm (1.5 s) and without a download."""
    from tiktoken import get_encoding  # noqa: PLC0415  loads with the first count

    os.environ["TIKTOKEN_CACHE_DIR"] = str(_bundled())  # what litellm sets as well when it counts
    return get_encoding("cl100k_base")


def _bundled() -> Path:
    spec = find_spec("litellm")
    origin = Path(spec.origin if spec and spec.origin else "")
    folder = origin.parent / "litellm_core_utils" / "tokenizers"
    if not (folder / CL100K).is_file():
        raise ConfigError(
            f"no token encoding in {str(folder)!r}: install litellm again (pip install --force-reinstall litellm)"
        )
    return folder
