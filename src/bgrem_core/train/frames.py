"""The family of a user's own raw frames: what a sensor's frames look like, no truth.

The frames are read by `bgrem_core.train.collect`, which leaves cut-outs of them and a
list in the folder of the run; here they are drawn from, by numpy alone. The objective
is that of `bgrem_core.train.satellites`.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bgrem_core.ddpm import STEPS
from bgrem_core.errors import ReadError, UsageError
from bgrem_core.simulate.ranges import SEEDS, check_ranges
from bgrem_core.train import cache
from bgrem_core.train.family import Family
from bgrem_core.train.satellites import NORMALISER, check_times, draw_batch, loss
from bgrem_core.zscale import normalise

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bgrem_core.train.family import Draw
    from bgrem_core.train.recipe import Recipe

    Float = NDArray[np.float32]

__all__ = ["CUTS", "FRAMES", "LIST", "FrameData", "cut_outs", "read_list"]

LIST = "frames.json"
CUTS = "frames"
WHAT = "cut-outs of frames"
_LIMITS = {
    "frames": (0, 10**6),
    "held_out": (0, 10**6),
    "share": (0.01, 0.9),
    "split_seed": SEEDS,
    "cut": (1, 8192),
    "cuts": (1, 10**6),
    "batch": (1, 10**5),
    "crop": (8, 8192),
    "t_max": (2, STEPS),
    "beyond": (0, 0.9),
    "white": (0, 1e6),
}
_TRIES = 20
"""Crops of one value that are drawn again before one is taken as it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameData:
    """Which frames are trained on, and how crops of them are diffused.

    Attributes
    ----------
    frames : int
        Frames that are trained on; 0 before they are read.
    held_out : int
        Further frames, for validation alone.
    digest : str
        SHA-256 of the pixels and the parts of all of them; empty before they are read.
    share : float
        Share of the frames that is held out, at least two.
    split_seed : int
        Decides which, and where large frames are cut.
    cut : int
        Largest side of the cut-outs that are kept, pixels.
    cuts : int
        Most cut-outs, of all frames together, but at least one of each.
    batch : int
        Crops per step.
    crop : int
        Side of a crop, pixels: also the length of row over which banding is seen.
    mirror : bool
        Mirror crops, for sensors whose trails run either way. Without it crops are
        only turned by 180 degrees, which leaves the direction of the trails as it is.
    t_max : int
        Times are drawn below it.
    beyond : float
        Share of the crops whose times are drawn from `t_max` on.
    white : tuple of float
        White noise of the frames in units of the normalised cut-outs, 5 % and 95 % of
        the frames; measured, decides nothing.
    """

    frames: int = 0
    held_out: int = 0
    digest: str = ""
    share: float = 0.2
    split_seed: int = 1
    cut: int = 512
    cuts: int = 1024
    batch: int = 16
    crop: int = 128
    mirror: bool = False
    t_max: int = 500
    beyond: float = 0.0
    white: tuple[float, float] = (0.0, 0.0)

    def __post_init__(self) -> None:
        check_ranges(self, _LIMITS)
        if self.cut < self.crop:
            raise UsageError(
                f"crops of {self.crop} pix do not fit into cut-outs of {self.cut} pix",
                "correct the recipe",
            )
        check_times(self.t_max, self.beyond)


def read_list(folder: Path, digest: str) -> dict[str, Any]:
    """Read the list of the frames that a run trains on.

    Parameters
    ----------
    folder : pathlib.Path
        Of the run.
    digest : str
        Of the frames, as the recipe has it.

    Returns
    -------
    dict
        Of JSON: ``frames``, a list of objects with ``name``, ``held_out`` and
        ``cuts``, the names of its cut-outs; ``digest``.

    Raises
    ------
    UsageError
        The recipe has no frames yet.
    ReadError
        There is no such list, it is damaged or of other frames.
    """
    if not digest:
        raise UsageError(
            "the recipe trains on your own frames, and none were given",
            "name frames or folders of frames: bgrem-train satellites FRAMES...",
        )
    path = folder / LIST
    hint = "run the same command again, with the frames"
    try:
        listed = json.loads(path.read_text(encoding="utf-8"))
        known = listed["digest"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ReadError(f"the list of frames {path} cannot be read", hint) from error
    if known != digest:
        raise ReadError(f"{path} lists other frames than the recipe names", hint)
    return dict(listed)


def cut_outs(folder: Path, digest: str, *, held_out: bool) -> list[list[cache.OnDisc]]:
    """Return the cut-outs of the frames of one part.

    Parameters
    ----------
    folder : pathlib.Path
        Of the run.
    digest : str
        Of the frames, as the recipe has it.
    held_out : bool
        Those that are never trained on.

    Returns
    -------
    list of list of OnDisc
        (ny, nx) float32 in the unit of the frames, finite; a list for each frame.

    Raises
    ------
    ReadError
        The list or a cut-out is missing or damaged.
    """
    return [
        [cache.OnDisc(folder / CUTS / name, what=WHAT) for name in frame["cuts"]]
        for frame in read_list(folder, digest)["frames"]
        if frame["held_out"] is held_out
    ]


def prepare(recipe: "Recipe", folder: Path) -> "Draw":
    """Return what draws batches from the cut-outs in the folder of a run.

    Parameters
    ----------
    recipe : Recipe
        Of the family frames.
    folder : pathlib.Path
        Of the run.

    Returns
    -------
    Draw
        Gives ``x``, ``t`` and ``eps`` as that of the satellites.

    Raises
    ------
    UsageError
        The recipe has no frames yet.
    ReadError
        The list or a cut-out is missing or damaged.
    """
    data: FrameData = recipe.data
    sources = {
        part: partial(_crop, data, cut_outs(folder, data.digest, held_out=part))
        for part in (False, True)
    }

    def draw(step: int, *, held_out: bool) -> "dict[str, Float]":
        rng = np.random.default_rng([recipe.seed, step, int(held_out)])
        return draw_batch(
            rng,
            sources[held_out],
            batch=data.batch,
            t_max=data.t_max,
            beyond=data.beyond,
        )

    return draw


def describe(recipe: "Recipe") -> dict[str, Any]:
    """Return what the data of a recipe decide in a model card.

    Parameters
    ----------
    recipe : Recipe
        Of the family frames.

    Returns
    -------
    dict
        Fields of `bgrem_core.model_card.ModelCard`.
    """
    data: FrameData = recipe.data
    return {
        "method": "systematics",
        "objective": "systematics",
        "normaliser": dict(NORMALISER),
        "trained": {
            "t": [0, (STEPS if data.beyond else data.t_max) - 1],
            "tile": [data.crop, data.crop],
            "frames": [data.frames, data.frames],
            "white_noise": list(data.white),
        },
    }


FRAMES = Family(
    name="frames",
    data=FrameData,
    networks=("context",),
    examples=lambda data: (data.batch, data.crop),
    prepare=prepare,
    loss=loss,
    describe=describe,
)


def _crop(
    data: FrameData, frames: Sequence[Sequence[cache.OnDisc]], rng: np.random.Generator
) -> "Float":
    """Cut a crop out of a frame; each frame is as likely as any other."""
    for _ in range(_TRIES):
        own = frames[int(rng.integers(len(frames)))]
        image = own[int(rng.integers(len(own)))]
        n = data.crop
        y, x = (int(rng.integers(0, side - n + 1)) for side in image.shape)
        turned, mirrored = rng.integers(0, 2, 2)
        crop = image[y : y + n, x : x + n]
        if normalise(crop)[0].any():
            break
    if turned:
        crop = crop[::-1, ::-1]
    if mirrored and data.mirror:
        crop = crop[:, ::-1]
    out: Float = np.ascontiguousarray(crop, np.float32)
    return out
