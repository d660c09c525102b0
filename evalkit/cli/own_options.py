"""Options of evalkit's own among a Hydra application's arguments: taken out before Hydra sees the rest."""

from pathlib import Path

from evalkit.core.errors import ConfigError


def take(argv: list[str], option: str) -> str | None:
    """The option's value, `--option VALUE` or `--option=VALUE`, taken out of `argv`; None where it is not there.

    Raises ConfigError where it has no value, or is there twice.
    """
    found: list[str] = []
    place = 0
    while place < len(argv):
        if argv[place].startswith(f"{option}="):
            found.append(argv.pop(place).partition("=")[2])
        elif argv[place] == option:
            if place + 1 == len(argv):
                raise ConfigError(f"{option} needs a value")
            argv.pop(place)
            found.append(argv.pop(place))
        else:
            place += 1
    if len(found) > 1:
        raise ConfigError(f"{option} is given {len(found)} times: {', '.join(map(repr, found))}")
    return found[0] if found else None


def take_form(argv: list[str]) -> str:
    """The value of --format, `table` where it is not there. Raises ConfigError."""
    form = take(argv, "--format") or "table"
    if form not in ("table", "json"):
        raise ConfigError(f"--format {form!r}: it is table or json")
    return form


def take_share(argv: list[str], option: str) -> float | None:
    """A share such as 0.8 or 80%. Raises ConfigError for what is none."""
    text = take(argv, option)
    if text is None:
        return None
    try:
        share = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise ConfigError(f"{option} {text!r}: it is a share of 0 to 1, such as 0.8 or 80%")
    return share


def take_file(argv: list[str], option: str) -> Path | None:
    """A file to be written. Raises ConfigError where its folder is not there: said before anything is spent."""
    text = take(argv, option)
    if text is None:
        return None
    path = Path(text).expanduser().absolute()
    if path.is_dir():
        raise ConfigError(f"{option} {text!r}: it is a folder; name a file in it")
    if not path.parent.is_dir():
        raise ConfigError(f"{option} {text!r}: there is no folder {str(path.parent)!r}; make it first")
    return path
