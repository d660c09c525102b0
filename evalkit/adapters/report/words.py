"""Numbers as a reader wants them: shares, money, times, counts; unknown is said, never zero."""

from collections.abc import Callable, Mapping

UNKNOWN = "unknown"
FINE = 100  # instances: from here on a tenth of a percent means something
MINUTE, HOUR = 60, 3600
SMALL = 0.01  # US dollars


def percent(value: float | None, of: int = 0) -> str:
    """A share from 0 to 1, with a decimal where so many instances carry it."""
    return UNKNOWN if value is None else f"{value:.{1 if of >= FINE else 0}%}".replace("%", " %")


def points(value: float | None, of: int = 0) -> str:
    """A difference of shares, in percentage points, with its sign."""
    if value is None:
        return UNKNOWN
    return f"{100 * value:+.{1 if of >= FINE else 0}f} points".replace("-", "−")


def between(low: float, high: float, of: int = 0) -> str:
    """An interval of such differences."""
    return f"{points(low, of).removesuffix(' points')} to {points(high, of)}"


def money(value: float | None) -> str:
    """US dollars; four digits count below a cent."""
    if value is None:
        return UNKNOWN
    sign = "−" if value < 0 else ""
    return sign + (f"${abs(value):.2g}" if 0 < abs(value) < SMALL else f"${abs(value):,.2f}")


def duration(seconds: float | None) -> str:
    """Seconds, minutes or hours."""
    if seconds is None:
        return UNKNOWN
    if seconds < MINUTE:
        return f"{seconds:.1f} s" if seconds >= 1 else f"{seconds:.2f} s"
    if seconds < HOUR:
        return f"{int(seconds // MINUTE)} min {int(seconds % MINUTE)} s"
    return f"{int(seconds // HOUR)} h {int(seconds % HOUR // MINUTE)} min"


def count(value: float | None) -> str:
    """A number with its thousands apart."""
    return UNKNOWN if value is None else f"{value:,.0f}"


def mean(value: float | None) -> str:
    """A mean with two decimals."""
    return UNKNOWN if value is None else f"{value:.2f}"


def noun(number: int, one: str, many: str = "") -> str:
    """`1 climb`, `2 climbs`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def size(number: int) -> str:
    """Bytes, as kB or MB."""
    return f"{number / 1e6:.1f} MB" if number >= 1e6 else f"{number / 1e3:.0f} kB"  # noqa: PLR2004  a million


FILTERS: Mapping[str, Callable[..., str]] = {
    "percent": percent,
    "points": points,
    "between": between,
    "money": money,
    "duration": duration,
    "count": count,
    "mean": mean,
    "noun": noun,
}
