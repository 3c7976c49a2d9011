"""The satellite family: diffusion of raw frames, no truth needed.

The network learns what frames of a sensor look like. What it can foresee in a frame
is its systematic background; a target that sits elsewhere in each frame it cannot.

References
----------
.. [1] Ho, Jain & Abbeel 2020, arXiv:2006.11239 (objective: equation 14).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from bgrem_core.ddpm import STEPS, diffuse
from bgrem_core.errors import UsageError
from bgrem_core.simulate.plain import later, plain
from bgrem_core.simulate.ranges import SEEDS, check_ranges
from bgrem_core.simulate.satellite_settings import SatelliteSettings
from bgrem_core.simulate.satellites import (
    draw_exposure,
    draw_frame,
    read_out,
    white_noise,
)
from bgrem_core.train import cache
from bgrem_core.train.family import Family
from bgrem_core.white import white_rms
from bgrem_core.zscale import CLIP, normalise

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bgrem_core.train.family import Draw
    from bgrem_core.train.recipe import Recipe

    Float = NDArray[np.float32]
    Source = Callable[[np.random.Generator], Float]

__all__ = [
    "NORMALISER",
    "SATELLITES",
    "SatelliteData",
    "check_times",
    "draw_batch",
    "exposures",
    "loss",
]

NORMALISER = {
    "kind": "zscale",
    "formula": "(image - offset) / scale, cut at clip of the zscale range, "
    "mean 0 and variance 1",
    "clip": list(CLIP),
}
"""How frames become what the network sees, as a model card has it."""
_LOOK = 100
"""Frames that are looked at for the card."""
_LIMITS = {
    "exposures": (1, 10**6),
    "size": (1, 8192),
    "exposure_seed": SEEDS,
    "held_out": (1, 10**6),
    "batch": (1, 10**5),
    "crop": (1, 8192),
    "t_max": (2, STEPS),
    "beyond": (0, 0.9),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SatelliteData:
    """What is simulated and how crops of it are diffused.

    Attributes
    ----------
    exposures : int
        Exposures that are simulated beforehand; each crop of one gets its own noise,
        row and column pattern and targets.
    size : int
        Their side, pixels.
    exposure_seed : int
        Exposure k is drawn from the seed [exposure_seed, k].
    held_out : int
        Further exposures, for validation alone.
    batch : int
        Crops per step.
    crop : int
        Side of a crop, pixels: also the length of row over which banding is seen.
    mirror : bool
        Mirror crops, for sensors whose trails run either way. Without it crops are
        only turned by 180 degrees, which leaves the direction of the trails as it is.
    t_max : int
        Times are drawn below it: those that are used later, and less noise than that.
    beyond : float
        Share of the crops whose times are drawn from `t_max` on: what only a whole
        chain from noise to frame needs (`bgrem_core.simulate.sampling`).
    scene : SatelliteSettings
        Ranges of the frames.
    """

    exposures: int = 768
    size: int = 256
    exposure_seed: int = 271828
    held_out: int = 32
    batch: int = 16
    crop: int = 128
    mirror: bool = False
    t_max: int = 500
    beyond: float = later(0.0)
    scene: SatelliteSettings = field(default_factory=SatelliteSettings)

    def __post_init__(self) -> None:
        check_ranges(self, _LIMITS)
        if self.size < self.crop:
            raise UsageError(
                f"crops of {self.crop} pix do not fit into frames of {self.size} pix",
                "correct the recipe",
            )
        check_times(self.t_max, self.beyond)


def exposures(data: SatelliteData, folder: Path) -> list[cache.OnDisc]:
    """Simulate the exposures once and keep them in the run's folder.

    Parameters
    ----------
    data : SatelliteData
        Number, size, seed and ranges.
    folder : pathlib.Path
        ``exposures/`` in it is the cache.

    Returns
    -------
    list of OnDisc
        (size, size) float32 mean electrons; those held out come last.
    """
    key = cache.key(data.exposure_seed, data.size, plain(data.scene))
    shape = (data.size, data.size)

    def make(k: int) -> "Float":
        rng = np.random.default_rng([data.exposure_seed, k])
        return draw_exposure(rng, shape, data.scene).expected()

    number = data.exposures + data.held_out
    paths = [folder / "exposures" / f"{key}_{k:05d}.npy" for k in range(number)]
    cache.announce(sum(not path.exists() for path in paths), "exposures")
    for k, path in enumerate(paths):
        cache.keep(path, partial(make, k))
    return [cache.OnDisc(path) for path in paths]


def prepare(recipe: "Recipe", folder: Path) -> "Draw":
    """Simulate or read the exposures, and return what draws batches from them.

    Parameters
    ----------
    recipe : Recipe
        Of the family satellites.
    folder : pathlib.Path
        Of the run.

    Returns
    -------
    Draw
        Gives ``x`` (b, 1, n, n) diffused crops, ``t`` (b,) their times, ``eps``
        (b, 1, n, n) the noise in them.
    """
    data: SatelliteData = recipe.data
    images = exposures(data, folder)
    parts = {False: images[: data.exposures], True: images[data.exposures :]}
    sources = {k: partial(_simulated_crop, data, own) for k, own in parts.items()}

    def draw(step: int, *, held_out: bool) -> "dict[str, Float]":
        rng = np.random.default_rng([recipe.seed, step, int(held_out)])
        part = sources[held_out]
        return draw_batch(
            rng, part, batch=data.batch, t_max=data.t_max, beyond=data.beyond
        )

    return draw


def check_times(t_max: int, beyond: float) -> None:
    """Refuse a share of times that there are none for.

    Parameters
    ----------
    t_max : int
        Where they begin.
    beyond : float
        Their share.

    Raises
    ------
    UsageError
        All times lie below `t_max` already.
    """
    if beyond and t_max == STEPS:
        raise UsageError(
            f"beyond={beyond:g} asks for times from {t_max} on, and there are {STEPS}",
            "lower t_max, or leave it out",
        )


def draw_batch(
    rng: np.random.Generator,
    source: "Source",
    *,
    batch: int,
    t_max: int,
    beyond: float = 0.0,
) -> "dict[str, Float]":
    """Draw raw crops from a source, normalise and diffuse them.

    Parameters
    ----------
    rng : numpy.random.Generator
        Chance.
    source : callable
        ``source(rng)`` gives a raw crop (n, n) in any linear unit.
    batch : int
        Crops.
    t_max : int
        Times are whole numbers below it.
    beyond : float, optional
        Share of the crops whose times lie from `t_max` to the end of the schedule.

    Returns
    -------
    dict of ndarray
        ``x`` (b, 1, n, n), ``t`` (b,) and ``eps`` (b, 1, n, n), float32.
    """
    frames = [normalise(source(rng))[0] for _ in range(batch)]
    x0 = np.stack(frames)[:, None]
    # One time from each of as many equal ranges, every second range first: halves of
    # the batch see the whole range, and the loss scatters less from step to step.
    order = np.argsort(np.arange(batch) % 2, kind="stable")
    place = order + rng.uniform(size=batch)
    if beyond:
        place = np.interp(place / batch, (0, 1 - beyond, 1), (0, t_max, STEPS))
        t = np.minimum(place.astype(int), STEPS - 1)
    else:
        t = np.minimum(np.floor(place * t_max / batch).astype(int), t_max - 1)
    eps = rng.standard_normal(x0.shape, dtype=np.float32)
    return {"x": diffuse(x0, t, eps), "t": t.astype(np.float32), "eps": eps}


def loss(
    network: nn.Module, batch: Mapping[str, Tensor], recipe: "Recipe"
) -> tuple[Tensor, dict[str, float]]:
    """Return the mean squared error of the predicted noise.

    Parameters
    ----------
    network : torch.nn.Module
        ``network(x, t)`` predicts eps.
    batch : mapping of torch.Tensor
        As from `prepare`.
    recipe : Recipe
        Gives the range of times.

    Returns
    -------
    tuple
        The loss, and itself in the earlier and the later half of the times.
    """
    x, t = batch["x"], batch["t"]
    x = x.contiguous(memory_format=torch.channels_last)
    error = (network(x, t).float() - batch["eps"]).square().mean(dim=(1, 2, 3))
    early = t < recipe.data.t_max / 2
    known = error.detach()
    figures = {
        "loss": float(known.mean()),
        "early": float(known[early].mean()),
        "late": float(known[~early].mean()),
    }
    return error.mean(), figures


def describe(recipe: "Recipe") -> dict[str, Any]:
    """Return what the data of a recipe decide in a model card.

    Parameters
    ----------
    recipe : Recipe
        Of the family satellites.

    Returns
    -------
    dict
        Fields of `bgrem_core.model_card.ModelCard`.
    """
    data: SatelliteData = recipe.data
    scene = data.scene
    trails = [scene.rate * t / scene.pixel for t in scene.exposures]
    low, high = scene.angle
    mirrored = f" or {180 - high:g} to {180 - low:g}" if data.mirror else ""
    return {
        "method": "systematics",
        "objective": "systematics",
        "normaliser": dict(NORMALISER),
        "trained": {
            "t": [0, (STEPS if data.beyond else data.t_max) - 1],
            "tile": [data.crop, data.crop],
            "exposure": [min(scene.exposures), max(scene.exposures)],
            "trail_length": [round(min(trails), 2), round(max(trails), 2)],
            "trail_angle": f"{low:g} to {high:g}{mirrored} degrees",
            "trail_fwhm": [scene.fwhm / scene.pixel, scene.fwhm / scene.pixel],
            "sky": list(scene.sky),
            "rows": list(scene.rows),
            "columns": list(scene.columns),
            "white_noise": _white(data),
            **_sensor(scene),
        },
    }


SATELLITES = Family(
    name="satellites",
    data=SatelliteData,
    networks=("context",),
    examples=lambda data: (data.batch, data.crop),
    prepare=prepare,
    loss=loss,
    describe=describe,
)


def _white(data: SatelliteData) -> list[float]:
    """Return the range of the white noise of crops, in their normalised units."""
    rng = np.random.default_rng([data.exposure_seed, _LOOK])
    frames = (draw_frame(rng, (data.crop,) * 2, data.scene).raw for _ in range(_LOOK))
    shares = [white_rms(f) / normalise(f)[2] for f in frames]
    return [round(v, 3) for v in (min(shares), max(shares))]


def _sensor(scene: SatelliteSettings) -> dict[str, list[float]]:
    """Return ranges of what not every recipe has."""
    out: dict[str, list[float]] = {}
    if max(scene.amplifiers) > 1:
        out["amplifiers"] = [min(scene.amplifiers), max(scene.amplifiers)]
    if scene.saturating:
        out["full_well"] = list(scene.full_well)
    return out


def _simulated_crop(
    data: SatelliteData, images: list[cache.OnDisc], rng: np.random.Generator
) -> "Float":
    """Cut a crop out of an exposure and read it out afresh."""
    image = images[rng.integers(len(images))]
    n = data.crop
    y, x = rng.integers(0, data.size - n + 1, 2)
    expected = image[y : y + n, x : x + n]
    turned, mirrored = rng.integers(0, 2, 2)
    if turned:
        expected = expected[::-1, ::-1]
    if mirrored and data.mirror:
        expected = expected[:, ::-1]
    expected = np.ascontiguousarray(expected)
    white = white_noise(float(np.median(expected)), data.scene)
    # The amplifiers meet in the middle of the exposure, wherever that is in the crop.
    row, column = (data.size / 2 - k for k in (y, x))
    if turned:
        row, column = n - row, n - column
    if mirrored and data.mirror:
        column = n - column
    out = read_out(rng, expected, white, data.scene, middle=(row, column))
    return out.on(expected)
