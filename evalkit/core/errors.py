"""Every error that evalkit raises on purpose.

EvalkitError                    says what, where, and what to do
├── UsageError                  the user's input is wrong; nothing was spent (exit 2)
│   ├── ConfigError             a setting, an override, an argument
│   ├── DatasetError            a dataset file: all its faults at once
│   ├── RubricError             a rubric file: all its faults at once
│   └── JournalError            a run's journal is damaged, locked, or of another run
├── InfrastructureError         the world failed: the instance is unfinished, never unsolved (exit 3)
│   ├── ModelError              the provider did not give an answer
│   │   ├── RateLimitError
│   │   │   └── QuotaError       the quota or subscription is used up: no wait of minutes mends it (exit 5)
│   │   ├── ProviderTimeoutError
│   │   ├── ProviderConnectionError
│   │   ├── ProviderServerError
│   │   ├── AuthenticationError
│   │   ├── ModelUnavailableError  not found, or not in this subscription
│   │   ├── ContextWindowError
│   │   ├── ContentRefusedError
│   │   └── BadRequestError
│   ├── SandboxError            the sandbox could not run the candidate
│   ├── GraderError             the grader itself failed: no verdict
│   │   └── NoGradeError        a model as grader abstained, or said nothing that can be read
│   ├── StorageError            a full disk, an unwritable folder
│   ├── BudgetError             a cap of the user's leaves no room for the next call (exit 5)
│   └── TrackerError            the tracking server did not take what was sent
├── RefusedError                a rule of evalkit's says no, such as one of registration (exit 4)
└── RunStopped                  the run stopped itself, e.g. the same error over and over (exit 3)
"""

from typing import TYPE_CHECKING, ClassVar

from evalkit.core.failure import Failure

if TYPE_CHECKING:
    from evalkit.core.types import Grading


class EvalkitError(Exception):
    """The root: its text is one line for a person, `exit_code` what the command line ends with."""

    exit_code: ClassVar[int] = 2


class UsageError(EvalkitError):
    """The user's input is wrong; nothing was spent."""


class ConfigError(UsageError):
    """A setting, an override or an argument is wrong."""


class DatasetError(UsageError):
    """A dataset is wrong: the text holds one line a fault."""


class RubricError(UsageError):
    """A rubric is wrong: the text holds one line a fault."""


class JournalError(UsageError):
    """A journal is damaged, locked by another process, or belongs to another run."""


class InfrastructureError(EvalkitError):
    """The world failed: what was under way is unfinished, never unsolved.

    `spent` is what grader models took before it failed.
    """

    exit_code = 3
    failure: ClassVar[Failure] = Failure.INFRASTRUCTURE
    spent: "tuple[Grading, ...]" = ()


class ModelError(InfrastructureError):
    """The provider did not give an answer.

    `retry_after_s` is what the provider asked for, in seconds; `requests` how many requests were sent.
    """

    failure = Failure.PROVIDER_ERROR

    def __init__(self, message: str, *, retry_after_s: float | None = None, requests: int = 1) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s
        self.requests = requests


class RateLimitError(ModelError):
    """Too many requests, also after the retries."""

    failure = Failure.RATE_LIMIT


class QuotaError(RateLimitError):
    """The provider says that the quota, credit or subscription is used up."""

    exit_code = 5
    failure = Failure.QUOTA


class ProviderTimeoutError(ModelError):
    """No answer within the rung's `timeout_s`."""

    failure = Failure.PROVIDER_TIMEOUT


class ProviderConnectionError(ModelError):
    """The provider could not be reached."""

    failure = Failure.CONNECTION


class ProviderServerError(ModelError):
    """The provider answered with an error of its own (5xx) or with nothing that can be read."""


class AuthenticationError(ModelError):
    """The key is missing or was refused."""

    failure = Failure.AUTHENTICATION


class ModelUnavailableError(ModelError):
    """The provider does not know the model, or the subscription does not include it."""

    failure = Failure.MODEL_UNAVAILABLE


class ContextWindowError(ModelError):
    """The prompt is longer than the model's context."""

    failure = Failure.CONTEXT_WINDOW


class ContentRefusedError(ModelError):
    """The provider's content filter refused the prompt or the answer."""

    failure = Failure.REFUSED


class BadRequestError(ModelError):
    """The provider refused the request's form, e.g. a parameter that the model does not take."""

    failure = Failure.BAD_REQUEST


# What a provider's trouble is called, where it is told by its name: in scripts, in records.
MODEL_ERRORS: dict[Failure, type[ModelError]] = {kind.failure: kind for kind in ModelError.__subclasses__()}
MODEL_ERRORS[QuotaError.failure] = QuotaError


class SandboxError(InfrastructureError):
    """The sandbox could not run the candidate."""

    failure = Failure.SANDBOX


class GraderError(InfrastructureError):
    """The grader itself failed: there is no verdict."""

    failure = Failure.GRADER


class NoGradeError(GraderError):
    """A model as grader abstained, or gave no verdict that can be read: no fault of the dataset, nor of the rule."""


class StorageError(InfrastructureError):
    """The disk is full or the folder cannot be written."""

    failure = Failure.STORAGE


class BudgetError(InfrastructureError):
    """A cap leaves no room for the next call; the text says which cap, and which override raises it."""

    exit_code = 5
    failure = Failure.BUDGET


class TrackerError(InfrastructureError):
    """The tracking server did not take what was sent; the run itself goes on."""


class RefusedError(EvalkitError):
    """The input is right, and a rule says no all the same; the text holds the rule and what can be done."""

    exit_code = 4


class RunStopped(EvalkitError):  # noqa: N818  it is an outcome as much as an error
    """The run stopped itself; the text holds the one reason."""

    exit_code = 3
