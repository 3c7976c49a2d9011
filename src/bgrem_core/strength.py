"""Strength: how much of the noise, or of the stars, is taken, chosen after the run."""

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from bgrem_core.errors import UsageError
from bgrem_core.planes import LazyPlane

if TYPE_CHECKING:
    from bgrem_core.separation import Separation

__all__ = ["at_strength", "has_strength", "part_of_strength"]

_PARTS = ("stars", "noise")
"""Parts that can be taken in part, the first that a result has."""


def part_of_strength(separation: "Separation") -> str | None:
    """Return the part of a result of which a share can be left in.

    Parameters
    ----------
    separation : Separation
        What a method returned.

    Returns
    -------
    str or None
        "stars" or "noise"; None if it has neither.
    """
    return next((name for name in _PARTS if name in separation.parts), None)


def has_strength(separation: "Separation") -> bool:
    """Return whether a result can be shown with some of its noise or stars left in.

    Parameters
    ----------
    separation : Separation
        What a method returned.

    Returns
    -------
    bool
        True if it was made with strength 1 and has a part "noise" or "stars".
    """
    whole = separation.provenance.settings.get("strength") == 1
    return whole and part_of_strength(separation) is not None


def at_strength(separation: "Separation", strength: float) -> "Separation":
    """Return a result as a run with another strength gives it, without a run.

    Parameters
    ----------
    separation : Separation
        Of strength 1, with a part "noise" or "stars".
    strength : float
        Share of it that is taken away, 0 to 1; 0 takes the other parts alone.

    Returns
    -------
    Separation
        Equal to that of a run, bit for bit; without a catalogue.

    Raises
    ------
    UsageError
        It has no such part, was made with another strength, or the strength is out of
        range.
    """
    name = part_of_strength(separation)
    if name is None or not has_strength(separation):
        raise UsageError(
            "only a result of strength 1 with a part 'noise' or 'stars' has a strength "
            "to choose",
            hint="run a method that takes noise or stars away, with strength 1",
        )
    if not 0 <= strength <= 1:
        raise UsageError(f"strength={strength!r} is out of range", hint="use 0 to 1")
    if strength == 1:
        return separation
    whole, sigma = separation.parts[name], separation.scale.sigma
    made = separation.provenance
    part = LazyPlane(separation.shape, lambda r, c: strength * whole[r, c])
    width, left = separation.uncertainty, 1 - strength
    uncertainty = None
    if width is not None:
        uncertainty = LazyPlane(
            separation.shape, lambda r, c: np.hypot(width[r, c], left * sigma[r, c])
        )
    return dataclasses.replace(
        separation,
        parts={**separation.parts, name: part},
        uncertainty=uncertainty,
        catalog=None,
        provenance=dataclasses.replace(
            made, settings={**made.settings, "strength": strength}
        ),
    )
