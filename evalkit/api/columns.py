"""The tables' columns and their types, which are the same for every run (docs/api.md)."""

from collections.abc import Mapping

from evalkit.adapters.data_frames import NUMBER, TEXT, TIME, WHOLE, YES_NO

RUNS: Mapping[str, str] = {
    "key": TEXT, "name": TEXT, "id": TEXT, "kind": TEXT, "status": TEXT, "simulated": YES_NO, "experiment": TEXT,
    "dataset": TEXT, "ladder": TEXT, "solved_rate": NUMBER, "solved_rate_low": NUMBER, "solved_rate_high": NUMBER,
    "solved": WHOLE, "unsolved": WHOLE, "unfinished": WHOLE, "quarantined": WHOLE, "attempts_mean": NUMBER,
    "cost_usd": NUMBER, "tokens_prompt": WHOLE, "tokens_completion": WHOLE, "wall_seconds": NUMBER, "started": TIME,
}  # fmt: skip
INSTANCES: Mapping[str, str] = {
    "instance_id": TEXT, "epoch": WHOLE, "solved": YES_NO, "status": TEXT, "attempts": WHOLE, "attempts_needed": WHOLE,
    "rung": TEXT, "error_type": TEXT, "final_error": TEXT, "time_seconds": NUMBER, "cost_usd": NUMBER,
    "tokens_prompt": WHOLE, "tokens_completion": WHOLE,
}  # fmt: skip
ATTEMPTS: Mapping[str, str] = {
    "instance_id": TEXT, "epoch": WHOLE, "number": WHOLE, "rung": TEXT, "on_rung": WHOLE, "model": TEXT,
    "accepted": YES_NO, "skipped": YES_NO, "failure": TEXT, "cost_usd": NUMBER, "tokens_prompt": WHOLE,
    "tokens_completion": WHOLE, "seconds_model": NUMBER, "seconds_verifier": NUMBER, "prompt_digest": TEXT,
}  # fmt: skip
PHASES: Mapping[str, str] = {
    "phase": WHOLE, "name": TEXT, "instances": WHOLE, "judged": WHOLE, "solved": WHOLE, "unfinished": WHOLE,
    "quarantined": WHOLE, "solved_rate": NUMBER, "low": NUMBER, "high": NUMBER, "improvement": NUMBER,
    "attempts_mean": NUMBER, "seconds_mean": NUMBER, "cost_usd": NUMBER, "most_common_error": TEXT, "decision": TEXT,
    "rule": TEXT, "why": TEXT, "simulated": YES_NO, "runs": TEXT, "ended": TIME,
}  # fmt: skip
PHASE_INSTANCES: Mapping[str, str] = {
    "phase": WHOLE, "instance_id": TEXT, "epoch": WHOLE, "solved": YES_NO, "status": TEXT, "attempts": WHOLE,
    "attempts_needed": WHOLE, "error_type": TEXT, "final_error": TEXT, "time_seconds": NUMBER, "ladder": TEXT,
}  # fmt: skip
