"""Strength: how much of the noise, or of the stars, is taken, chosen after the run."""

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bgrem_core.errors import UsageError
from bgrem_core.planes import LazyPlane

if TYPE_CHECKING:
    from bgrem_core.separation import Separation

__all__ = [
    "STRENGTH", "Slider", "at_strength", "has_strength", "part_of_strength",
    "slider_of",
]  # fmt: skip

_PARTS = ("stars", "noise")
"""Parts that can be taken in part, the first that a result has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Slider:
    """What the windows call the strength of a result, and how they count it.

    Attributes
    ----------
    label : str
        Beside the slider.
    about : str
        What it does, in a sentence.
    of_left : bool
        It counts the share that is left in, not the share that is taken away.
    none : str
        Of a box that is ticked to leave all in; "" for no box.
    about_none : str
        What the box does.
    """

    label: str = "Strength"
    about: str = (
        "Share of the noise that is taken away; works at once, without a new run"
    )
    of_left: bool = False
    none: str = "Gradient only (keep the noise)"
    about_none: str = "Take the sky away and leave all noise: strength 0"

    def turned(self, share: float) -> float:
        """Return what is shown of a strength, or the strength of what is shown."""
        # As it was typed: 1 - 0.7 would be written with all of its digits.
        return round(1 - share, 6) if self.of_left else share


STRENGTH = Slider()
"""That of methods that take noise away."""


def slider_of(separation: "Separation") -> Slider:
    """Return the slider of the method that made a result."""
    from bgrem_core.methods import METHODS

    method = METHODS.get(separation.provenance.method)
    return STRENGTH if method is None else method.slider


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
        Equal to that of a run, bit for bit. Without a catalogue, but for stars: theirs
        lists what can be taken, whatever the strength.

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
        catalog=separation.catalog if name == "stars" else None,
        provenance=dataclasses.replace(
            made, settings={**made.settings, "strength": strength}
        ),
    )
