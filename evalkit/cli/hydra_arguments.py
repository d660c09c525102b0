"""A Hydra application's arguments: flags and overrides in any order, and a slip among them told in one line."""

from argparse import ArgumentError, Namespace
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from hydra._internal.utils import get_args_parser  # the one way to tell its flags from overrides as Hydra does

from evalkit.core.errors import ConfigError

# What Hydra does not know of its own applications' options, by command.
OWN = {
    "run": ("--fail-under", "--junit", "--format", "--json"),
    "sweep": ("--fail-fast", "--format", "--json"),
    "ramp": ("--format", "--json"),
    "plan": ("--format", "--uplift", "--json"),
    "doctor": ("--format", "--clean", "--json"),
}


@dataclass(frozen=True)
class Arguments:
    """`asked` are Hydra's flags as it reads them, `flags` and `overrides` the same arguments as they were written."""

    asked: Namespace
    flags: tuple[str, ...]
    overrides: tuple[str, ...]

    @property
    def in_order(self) -> list[str]:
        """As Hydra takes them: behind a flag that stands among the overrides it would refuse the others."""
        return [*self.overrides, *self.flags]


ONE_OF = ("run", "multirun", "cfg", "info", "shell_completion")


def parsed(argv: Sequence[str], prog: str) -> Arguments:
    """Flags and overrides apart; evalkit's own options were taken out before, but one of them may have been meant.

    Raises ConfigError, where Hydra would print all its usage and exit, or a traceback.
    """
    parser = get_args_parser()
    parser.exit_on_error = False
    try:
        asked, unknown = parser.parse_known_intermixed_args(list(argv))
    except ArgumentError as error:
        raise ConfigError(f"{error}. `{prog} --hydra-help` shows Hydra's options.") from error
    if unknown:
        own = OWN.get(prog.removeprefix("evalkit "), ())
        known = [*own, *(name for action in parser._actions for name in action.option_strings)]  # noqa: SLF001  no other way
        near = get_close_matches(unknown[0].partition("=")[0], known, 1)
        hint = f"did you mean {near[0]!r}?" if near else f"an override is key=value, without dashes; `{prog} --help`."
        raise ConfigError(f"no option {unknown[0]!r}; {hint}")
    if len(told := [name for name in ONE_OF if getattr(asked, name)]) > 1:
        raise ConfigError(f"only one of --{' and --'.join(told)} at once")
    flags, left = [], list(asked.overrides)
    for argument in argv:
        if left and argument == left[0]:
            left.pop(0)
        else:
            flags.append(argument)
    return Arguments(asked, tuple(flags), tuple(asked.overrides))
