"""Numbers drawn from ranges, and ranges that can be drawn from."""

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from bgrem_core.errors import UsageError

__all__ = ["SEEDS", "TINY", "check_crowd", "check_ranges", "log_uniform"]

TINY = 1e-30
"""Least number that counts as positive."""
SEEDS = (0, 2**63 - 1)
"""Least and greatest seed."""
_CROWD = 1e7
"""Most sources per unit of area: more would fill the memory."""


def log_uniform(rng: np.random.Generator, bounds: tuple[float, float]) -> float:
    """Return a number whose logarithm is uniform between two positive bounds."""
    return float(np.exp(rng.uniform(np.log(bounds[0]), np.log(bounds[1]))))


def check_ranges(
    settings: object,
    limits: Mapping[str, tuple[float, float]],
    *,
    unordered: Collection[str] = (),
    where: str = "",
) -> None:
    """Refuse settings with a number that nothing can be drawn from.

    Parameters
    ----------
    settings : object
        Its fields are numbers or tuples of numbers.
    limits : mapping
        Least and greatest allowed number, by field.
    unordered : collection of str, optional
        Fields whose numbers need not rise.
    where : str, optional
        Put before the name of a field, such as "crops.".

    Raises
    ------
    UsageError
        It begins with the name of the field.
    """
    for name, (least, most) in limits.items():
        value = getattr(settings, name)
        numbers = value if isinstance(value, tuple) else (value,)
        text = f"{where}{name}={', '.join(map(_text, numbers))}"
        wrong = next((v for v in numbers if not least <= v <= most), None)
        if wrong is not None or not numbers:
            raise UsageError(
                f"{text} {_duty(wrong, least, most)}", f"give {least:g} to {most:g}"
            )
        if name not in unordered and list(numbers) != sorted(numbers):
            raise UsageError(f"{text} is no range", "give the smaller number first")


def check_crowd(number: float, what: str) -> None:
    """Refuse settings that ask for more sources than can be drawn.

    Parameters
    ----------
    number : float
        Most that may be asked for per unit of area.
    what : str
        The fields that decide it, and the unit of area.

    Raises
    ------
    UsageError
        More than 10^7.
    """
    if number > _CROWD:
        raise UsageError(
            f"{what}: {number:.0e} sources cannot be drawn", f"ask for {_CROWD:g}"
        )


def _text(number: Any) -> str:
    return f"{number:g}" if isinstance(number, float) else str(number)[:40]


def _duty(wrong: float | None, least: float, most: float) -> str:
    if wrong is None:
        return "is empty"
    if wrong < 0 == least:
        return "must not be negative"
    if wrong < least:
        return f"must be at least {least:g}"
    return f"must be at most {most:g}"
