"""The command line: one module a command, imported when it is called; errors become exit codes here only."""

import argparse
import os
import sys
from collections.abc import Sequence
from difflib import get_close_matches
from importlib import import_module
from typing import NoReturn

from evalkit import __version__
from evalkit.core.errors import ConfigError, EvalkitError
from evalkit.core.shown import visible
from evalkit.places import refuse_missing_home

COMMANDS = {
    "init": "start a project folder: tasks, ladder, rules, sweep, README",
    "run": "instances climb the ladder; the same command again resumes",
    "sweep": "every cell of sweeps/NAME.yaml as a run of its own",
    "ramp": "phases of growing samples, each behind its gate",
    "watch": "a run while it goes, in a second terminal: rungs, rates, limits, cost, time left",
    "runs": "the runs in the tracking store",
    "compare": "runs paired on their instances, or a sweep: is the difference real?",
    "report": "a run as one HTML file, or two beside each other, with every climb",
    "regrade": "judge a run's recorded answers again; calls no model",
    "register": "a run's config as a model version, with its evidence",
    "triage": "what went wrong in a run, by cause, and which lever it points at",
    "simulate": "ladders never run, priced from recorded attempts",
    "plan": "what a run or a sweep would take, before it takes anything",
    "doctor": "is everything that this config needs there?",
    "dataset": "check, show or sample a dataset, or make one of git history",
    "rubric": "test or show rubrics",
    "models": "fetch the embedded models",
    "images": "build or list the images of sandbox=docker",
    "publish": "bring journals to MLflow that could not be published when they ran",
    "ui": "the MLflow UI over the configured store",
}
HYDRA = frozenset({"run", "sweep", "ramp", "plan", "doctor"})  # their arguments are Hydra's, not argparse's
INTERRUPTED = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code (the README lists them)."""
    args = _long_form(sys.argv[1:] if argv is None else argv)
    # Both are read when the libraries are imported; see docs/decisions/0004-quiet-libraries.md.
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    try:
        if not {"-h", "--help", "--version"} & set(args):
            refuse_missing_home()
        return _dispatch(args)
    except EvalkitError as error:
        return fail(str(error), error.exit_code)
    except KeyboardInterrupt:
        return fail("interrupted. Nothing recorded is lost: the same command continues.", INTERRUPTED)
    except BrokenPipeError:  # `evalkit runs | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _long_form(args: Sequence[str]) -> list[str]:
    """`--json` is short for `--format json` in every command that has it."""
    return [word for one in args for word in (("--format", "json") if one == "--json" else (one,))]


def fail(message: str, code: int) -> int:
    """Say what went wrong on stderr; returns `code`."""
    print(f"evalkit: {visible(message)}", file=sys.stderr)
    return code


def _dispatch(args: list[str]) -> int:
    if args and args[0] in ("-sc", "--shell-completion"):
        return int(import_module("evalkit.cli.completion").main(args))
    if args and args[0] in HYDRA:
        return int(import_module(f"evalkit.cli.{args[0]}").main(args[1:]))
    if args and args[0] in COMMANDS:
        return _ordinary(args[0], args[1:])
    if args and not args[0].startswith("-"):
        near = get_close_matches(args[0], COMMANDS, 1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(COMMANDS)}"
        raise ConfigError(f"no command {args[0]!r}; {hint}")
    parser = _parser()
    parser.parse_args(args)
    parser.print_help()
    return 0


class _Parser(argparse.ArgumentParser):
    """argparse, saying what is wrong in one line as all else does; its sub-commands are of this class too."""

    def error(self, message: str) -> NoReturn:
        """Raises ConfigError instead of printing the usage and exiting."""
        raise ConfigError(f"{message}. `{self.prog} --help` shows what it takes.")


def _ordinary(name: str, args: list[str]) -> int:
    module = import_module(f"evalkit.cli.{name}")
    parser = _Parser(
        prog=f"evalkit {name}",
        description=module.__doc__,
        epilog=f"example: {module.EXAMPLE}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    module.add_arguments(parser)
    # With overrides, options may stand among them; argparse cannot do that for commands that have commands.
    parse = parser.parse_intermixed_args if getattr(module, "MIXED", False) else parser.parse_args
    return int(module.run(parse(args)))


def _parser() -> argparse.ArgumentParser:
    commands = "\n".join(f"  {name:9} {text}" for name, text in COMMANDS.items())
    parser = argparse.ArgumentParser(
        prog="evalkit",
        description="Which ladder of models, prompt, context size and attempts solves your tasks, at what price?",
        epilog=f"commands:\n{commands}\n\nexample: evalkit run ladder=local dataset=starter sample.size=5",
        usage="evalkit COMMAND [OVERRIDE…]   (evalkit COMMAND --help says more)",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"evalkit {__version__}")
    return parser
