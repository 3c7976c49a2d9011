"""Ways to make the map of a frame: the true one, classical layers, the method's modes.

The method runs as users run it, `bgrem_core.clean(method="systematics")`, on one frame
of the size of a tile, and is told the width of a target.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from disc import disc_map
from draws import FWHM, Drawn
from scipy import ndimage

import bgrem_core
from bgrem_core.separation import Separation
from bgrem_core.systematics.classical import along, plain, rows_and_columns, smooth
from bgrem_core.systematics.settings import (
    CLASSICAL,
    ONE_STEP,
    PAPER,
    QUICK,
    TIMES,
    SystematicsSettings,
)

TIME, SAMPLES, FAST = TIMES[ONE_STEP], SystematicsSettings().samples, QUICK
"""Time and draws of the default mode, and draws of a preview."""
ORACLE = "oracle: the true systematics"
DISC = "hidden discs, predicted"
WORDS = {"absorb": ", as a chain", "protect": ", no points kept out"}
LAYERS: dict[str, Callable[[np.ndarray, float | None], np.ndarray]] = {
    "sep mesh 16": lambda x, _: smooth(x),
    "median 9 x 9": lambda x, _: ndimage.median_filter(x, 9),
    "row + column median": lambda x, _: rows_and_columns(x),
    "mesh + rows and columns": lambda x, _: plain(x),
    "directional median 9": lambda x, a: np.zeros_like(x) if a is None else along(x, a),
}


@dataclass(frozen=True, kw_only=True)
class Arm:
    """A way to make a map.

    Attributes
    ----------
    name : str
        In tables.
    settings : tuple
        Pairs for the method; empty for what is none of its modes.
    model, digest : str
        Of a network: name or file, and hash of its tensors.
    """

    name: str
    settings: tuple[tuple[str, Any], ...] = ()
    model: str = ""
    digest: str = ""

    @property
    def key(self) -> list[Any]:
        return [self.name, self.settings, self.digest]


PRODUCT = Arm(name="classical", settings=(("mode", CLASSICAL),))


def one_step(model: str, digest: str, t: int, samples: int, **more: Any) -> Arm:
    """Give the method's default mode.

    `protect=0` keeps no points from the network; `absorb=True` leaves the share of the
    white noise in the map, as the mean of the paper's chains has it.
    """
    words = "".join(WORDS.get(k, f", {k} = {v:g}") for k, v in more.items())
    return Arm(
        name=f"one-step t = {t}, N = {samples}{words}", model=model, digest=digest,
        settings=(("mode", ONE_STEP), ("t", t), ("samples", samples), *more.items()),
    )  # fmt: skip


def chain(model: str, digest: str, t: int, samples: int) -> Arm:
    """Give the paper's mode."""
    return Arm(
        name=f"chain t = {t}, N = {samples}", model=model, digest=digest,
        settings=(("mode", PAPER), ("t", t), ("samples", samples)),
    )  # fmt: skip


def separate(
    arm: Arm, d: Drawn, frame: np.ndarray, *, angle: float | None = None, **more: Any
) -> Separation:
    """Return a frame and its map; no artificial targets unless asked for.

    What is found on the maps of the oracle and of single layers is found by the method,
    which knows trails and noise as the classical mode measures them.
    """
    settings = {"injections": 0, "threads": 1, "gain": 1.0, **more}
    settings |= dict(arm.settings or PRODUCT.settings)
    if arm.model and arm.settings:
        settings["model"] = arm.model
    if angle is not None:
        settings["angle"] = angle
    done = bgrem_core.clean(frame, method="systematics", fwhm=FWHM, **settings)
    if arm.settings:
        return done
    own = map_of(arm, d, frame, angle_of(done)).astype(np.float32)
    return replace(done, parts={"systematics": own}, photometric=frame - own)


def map_of(arm: Arm, d: Drawn, frame: np.ndarray, angle: float | None) -> np.ndarray:
    """Return the map of the oracle, of a layer or of the network of discs."""
    if arm.name == ORACLE:
        return d.systematics
    if arm.name == DISC:
        return disc_map(frame, arm.model)
    return LAYERS[arm.name](frame, angle)


def angle_of(separation: Separation) -> float | None:
    """Return the direction of the trails as the method measured it."""
    trails = separation.provenance.measured["trails"]
    return None if trails is None else float(trails["angle"])


def taken(separation: Separation) -> np.ndarray:
    """Return the map."""
    return np.asarray(separation.parts["systematics"], np.float64)
