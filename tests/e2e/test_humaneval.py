"""HumanEval from recorded answers: verdicts are the published ones, but where benchmarks/humaneval.py says why."""

import pytest

from benchmarks.humaneval import DATA, regrade
from tests.sandboxes import why_no_bubblewrap

ANSWERS = sorted(DATA.glob("answers_*.jsonl"))


@pytest.mark.slow
@pytest.mark.skipif(not ANSWERS, reason="the recorded HumanEval answers are not on this machine")
@pytest.mark.parametrize("answers", ANSWERS, ids=[path.stem for path in ANSWERS])
def test_verdicts_agree_with_the_published_ones(answers):
    if why := why_no_bubblewrap():
        pytest.skip(why)
    found = regrade(answers, DATA / "problems.jsonl", ["sample.size=40", "verifier.timeout_s=20"])
    assert len(found.ours) == len(found.published) == 40
    assert [(one, found.messages[one]) for one in found.unexplained] == []
