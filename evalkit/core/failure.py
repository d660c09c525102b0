"""The classes of what can go wrong: the ladder's policy and the run's counts are written in them."""

from enum import StrEnum


class Failure(StrEnum):
    """What went wrong with an attempt (the model's doing) or with the world (never the model's)."""

    EMPTY_RESPONSE = "empty_response"  # the model returned nothing
    NO_ANSWER = "no_answer"  # text, but no candidate in it
    TRUNCATED = "truncated"  # cut at max_tokens before the candidate was complete
    REFUSED = "refused"
    CONTEXT_WINDOW = "context_window"
    SYNTAX_ERROR = "syntax_error"  # the candidate does not parse or import
    RULE_VIOLATION = "rule_violation"
    NO_EDITS = "no_edits"  # text, but no edit in it
    APPLY_FAILED = "apply_failed"  # an edit that does not fit the files
    NO_CHANGE = "no_change"  # edits that leave every file as it was
    TEST_FAILURE = "test_failure"
    CANDIDATE_TIMEOUT = "candidate_timeout"  # the candidate ran too long
    RESOURCE_LIMIT = "resource_limit"  # memory, processes, file size or output
    MODEL_UNAVAILABLE = "model_unavailable"  # not found or not in the subscription: the rung is skipped
    RUNG_SKIPPED = "rung_skipped"  # not asked: the policy gave the rung up for the whole run

    RATE_LIMIT = "rate_limit"
    PROVIDER_TIMEOUT = "provider_timeout"
    CONNECTION = "connection"
    PROVIDER_ERROR = "provider_error"
    AUTHENTICATION = "authentication"
    BAD_REQUEST = "bad_request"
    SANDBOX = "sandbox"
    GRADER = "grader"
    STORAGE = "storage"
    INFRASTRUCTURE = "infrastructure"
    QUOTA = "quota"  # the provider says that the account's or the subscription's is used up
    BUDGET = "budget"  # a cap of the user's: limits.cost_usd and its like

    @property
    def is_outage(self) -> bool:
        """Whether the world failed, so that nothing is known of the model (invariant 1)."""
        return self in OUTAGES


OUTAGES = frozenset(
    {
        Failure.RATE_LIMIT,
        Failure.PROVIDER_TIMEOUT,
        Failure.CONNECTION,
        Failure.PROVIDER_ERROR,
        Failure.AUTHENTICATION,
        Failure.BAD_REQUEST,
        Failure.SANDBOX,
        Failure.GRADER,
        Failure.STORAGE,
        Failure.INFRASTRUCTURE,
        Failure.QUOTA,
        Failure.BUDGET,
    }
)
