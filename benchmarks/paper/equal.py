"""True positives of several arms at equal false ones, over the matched filter."""

import dataclasses
from typing import Any

import numpy as np
from arms import CLASSICAL, PRIMARY, Arm
from cache import Cache
from cleaned import Maker
from detection import BOOTSTRAP_SEED, ArmOnKind, Prepared, by_place
from frames import Frame
from read_off import PRIMARY_CAP, bootstrap, bounds, read_off
from recipes import Searched

RECIPES = ("maxima", "sep 64/0.0001")
"""The same two in all arms, the better one counts."""
MATCHED = PRIMARY


def arm(make: Maker, *, start: float, key: str, wide: float = 1.0) -> Arm:
    """Return an arm; ``wide`` is the width of a point in its image, in FWHM."""
    return Arm(
        prepare=lambda f: Searched(
            image=np.ascontiguousarray(make(f), np.float32), fwhm=wide * f.fwhm
        ),
        start=start,
        key=key,
        recipes=RECIPES,
        coarse=True,
    )


def matched() -> Arm:
    """Return the matched filter with the recipes of this room."""
    own = CLASSICAL[MATCHED]
    return dataclasses.replace(own, recipes=RECIPES, coarse=True)


def compare(
    frames: list[Frame], arms: dict[str, Arm], cache: Cache
) -> dict[str, dict[str, Any]]:
    """Read all arms off at the cap; ratios have 68 % bounds, paired by sub-tiles.

    Returns
    -------
    dict
        By arm: ``true``, ``recipe``, ``ratio`` [value, low, high] to the matched
        filter, which is added as ``matched``.
    """
    kind = Prepared(frames, cache)
    area = float(kind.area.sum())
    best: dict[str, tuple[float, str, np.ndarray]] = {}
    for name, one in {MATCHED: matched(), **arms}.items():
        on = ArmOnKind(kind, name, one)
        rows = []
        for recipe in one.recipes:
            counts = by_place(on.sweep(recipe).counts, frames)
            rows.append((float(read_off(counts, area, PRIMARY_CAP)[0]), recipe, counts))
        best[name] = max(rows, key=lambda r: r[0])
    rng = np.random.default_rng(BOOTSTRAP_SEED)
    draws = bootstrap([b[2] for b in best.values()], area, rng)
    base = draws[0]
    return {
        name: {
            "true": round(value, 1),
            "recipe": recipe,
            "ratio": [
                round(value / best[MATCHED][0], 4) if best[MATCHED][0] else None,
                *bounds(draw / np.maximum(base, 1e-9)),
            ],
        }
        for draw, (name, (value, recipe, _)) in zip(draws, best.items(), strict=True)
    }
