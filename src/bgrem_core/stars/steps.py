"""What the diffusion methods share: checks of settings, the last of the steps."""

import math
from collections.abc import Iterable
from typing import TypeVar

from bgrem_core.errors import UsageError

T = TypeVar("T")

#: Of the explicit scheme in two dimensions.
_STABLE = 0.25


def check_steps(iterations: int, gamma: float, **positive: float) -> None:
    """Check the settings that each diffusion has.

    Parameters
    ----------
    iterations : int
        Number of steps, at least 1.
    gamma : float
        Length of a step, above 0 and at most 1/4.
    **positive : float
        Further numbers that must be finite and above 0.

    Raises
    ------
    UsageError
        A setting out of its range.
    """
    if iterations != int(iterations) or iterations < 1:
        raise UsageError(
            f"iterations={iterations!r} is out of range",
            hint="use a whole number from 1",
        )
    if not 0 < gamma <= _STABLE:
        raise UsageError(
            f"gamma={gamma!r} is out of range",
            hint=f"use a number above 0 and at most {_STABLE}; above it nothing "
            "holds the steps together",
        )
    for name, value in positive.items():
        if not (math.isfinite(value) and value > 0):
            raise UsageError(
                f"{name}={value!r} is out of range", hint="use a finite number above 0"
            )


def last(steps: Iterable[T]) -> T:
    """Return the last of some steps; the others are let go.

    Parameters
    ----------
    steps : iterable
        At least one step.

    Returns
    -------
    object
        The last one.
    """
    for step in steps:
        final = step
    return final
