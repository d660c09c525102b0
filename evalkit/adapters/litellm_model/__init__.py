"""Models over litellm: one rung's model, remote or in process, with our own retry, errors and prices.

A package, since adapters may not import each other: `model` asks, `client` loads and warms litellm, `bridge`
makes in-process generators litellm providers, `retry` tries again, `first` holds back all but the first
request, `straight` asks a server without litellm, `forms` keeps how, `loopback` hears what litellm sends,
`marks` writes messages, `params` refuses, `errors` translates, `answers` reads, `checks` finds out without
spending, `tokens` counts, `grading` asks grader models by name.
"""

from evalkit.adapters.litellm_model.client import close
from evalkit.adapters.litellm_model.errors import scrub
from evalkit.adapters.litellm_model.forms import Forms
from evalkit.adapters.litellm_model.grading import Graders
from evalkit.adapters.litellm_model.model import LitellmModel
from evalkit.adapters.litellm_model.prices import mapped_price
from evalkit.adapters.litellm_model.retry import RetrySettings
from evalkit.adapters.litellm_model.tokens import count_tokens

__all__ = ["Forms", "Graders", "LitellmModel", "RetrySettings", "close", "count_tokens", "mapped_price", "scrub"]
