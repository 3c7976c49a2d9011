"""Strength: how much of the noise is taken away, chosen after the run."""

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from bgrem_core.errors import UsageError
from bgrem_core.planes import LazyPlane

if TYPE_CHECKING:
    from bgrem_core.separation import Separation

__all__ = ["at_strength", "has_strength"]


def has_strength(separation: "Separation") -> bool:
    """Return whether a result can be shown with some of its noise left in.

    Parameters
    ----------
    separation : Separation
        What a method returned.

    Returns
    -------
    bool
        True if it was made with strength 1 and has a part "noise".
    """
    whole = separation.provenance.settings.get("strength") == 1
    return whole and "noise" in separation.parts


def at_strength(separation: "Separation", strength: float) -> "Separation":
    """Return a result as a run with another strength gives it, without a run.

    Parameters
    ----------
    separation : Separation
        Of strength 1, with a part "noise".
    strength : float
        Share of the noise that is taken away, 0 to 1; 0 takes the sky alone.

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
    if not has_strength(separation):
        raise UsageError(
            "only a result of strength 1 with a part 'noise' has a strength to choose",
            hint="run a method that takes noise away, with strength 1",
        )
    if not 0 <= strength <= 1:
        raise UsageError(f"strength={strength!r} is out of range", hint="use 0 to 1")
    if strength == 1:
        return separation
    whole, sigma = separation.parts["noise"], separation.scale.sigma
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
        parts={**separation.parts, "noise": part},
        uncertainty=uncertainty,
        catalog=None,
        provenance=dataclasses.replace(
            made, settings={**made.settings, "strength": strength}
        ),
    )
