"""Commands: the candidate lies in a file, and exit code 0 accepts it."""

from evalkit.core.failure import Failure
from evalkit.core.ports import Execution, Job
from evalkit.core.types import Outcome, TestResult, Verdict
from evalkit.run.judging.channel import Trial, ending, finding, verdict
from evalkit.run.judging.suite import candidate_file


def command_job(trial: Trial) -> Job:
    """The command as the dataset words it."""
    files = {**trial.instance.files, candidate_file(trial): trial.candidate.text}
    return Job(trial.tests.command, files, limits=trial.limits)


def judge(trial: Trial, done: Execution) -> Verdict:
    """The exit code is the whole report: what the command proves is the dataset's business."""
    name = " ".join(trial.tests.command)
    if done.exit_code == 0 and not done.stopped:
        return verdict([TestResult(name, Outcome.PASSED)], [], None, done, whole=True)
    said = (done.stderr.strip() or done.stdout.strip())[-400:]
    how = ending(done, trial.limits) if done.stopped else f"ended with exit code {done.exit_code}"
    message = f"`{name}` {how}" + (f": {said}" if said else ".")
    test = TestResult(name, Outcome.FAILED, message)
    return verdict([test], [finding(name, message)], Failure.TEST_FAILURE, done, whole=True)
