"""The gamma-ray family: counts in, expected sources and expected background out.

Photons are drawn afresh at each step and the target is what was expected, so that the
network cannot learn the noise. Places on the sky are those outside the held-out caps
of `bgrem_core.simulate.gamma_sky`; validation sees the caps alone.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from bgrem_core.errors import UsageError
from bgrem_core.simulate.gamma import (
    DiffusePatch,
    GammaSettings,
    draw_diffuse,
    draw_patch,
)
from bgrem_core.simulate.gamma_psf import containment_radius
from bgrem_core.simulate.gamma_sky import FILE, Footprint
from bgrem_core.simulate.ranges import SEEDS, check_ranges
from bgrem_core.train import cache
from bgrem_core.train.family import Family

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bgrem_core.train.family import Draw
    from bgrem_core.train.recipe import Recipe

    Float = NDArray[np.float32]
    Double = NDArray[np.float64]

__all__ = ["GAMMA", "GammaData", "Library", "library", "loss"]

MODES = ("poisson", "infinite")
_LIMITS = {
    "batch": (1, 10**5),
    "patches": (1, 10**6),
    "held_out": (1, 10**6),
    "patch_seed": SEEDS,
    "level_share": (0, 1),
    "level_factor": (0, 10),
    "nll": (0, 1e6),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class GammaData:
    """What is simulated.

    Attributes
    ----------
    batch : int
        Patches per step.
    mode : str
        ``poisson``: photons are drawn; ``infinite``: the input is the expectation
        itself, as in Panes et al. 2021.
    patches : int
        Places on the sky that are made beforehand; sources, factors, distortion,
        mirroring and photons are drawn afresh each time one is used.
    held_out : int
        Such places in the held-out caps, for validation alone.
    patch_seed : int
        Place k is drawn from the seed [patch_seed, k, held out or not].
    level_share : float
        Share of patches that are told another level than their own median, as tiles
        of a larger map are.
    level_factor : float
        Half range of the natural log of the factor on a quantile of the counts that
        is their level.
    nll : float
        Weight of the Poisson likelihood of the sum in the loss.
    scene : GammaSettings
        Ranges of the patches.
    """

    batch: int = 48
    mode: str = "poisson"
    patches: int = 2048
    held_out: int = 192
    patch_seed: int = 161803
    level_share: float = 0.25
    level_factor: float = 1.0
    nll: float = 0.02
    scene: GammaSettings = field(default_factory=GammaSettings)

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise UsageError(
                f"mode={self.mode!r} is unknown", f"use {' or '.join(MODES)}"
            )
        check_ranges(self, _LIMITS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Library:
    """Places on the sky, made beforehand.

    Attributes
    ----------
    emission : ndarray
        (patches, ny, nx) float32, as in `DiffusePatch`.
    places : ndarray
        (patches, 7): l, b, angle, width of the PSF, relative exposure and its slopes.
    pixel : float
        Degrees.
    """

    emission: "Float"
    places: "Double"
    pixel: float

    def __len__(self) -> int:
        """Return the number of places."""
        return len(self.places)

    def __getitem__(self, k: int) -> DiffusePatch:
        """Return one place."""
        l, b, angle, scale, centre, right, up = map(float, self.places[k])  # noqa: E741
        return DiffusePatch(
            footprint=Footprint(l=l, b=b, angle=angle, pixel=self.pixel),
            scale=scale,
            emission=np.array(self.emission[k]),
            exposure=(centre, right, up),
        )


def library(data: GammaData, folder: Path, *, held_out: bool) -> Library:
    """Make the places once and keep them in the run's folder.

    Parameters
    ----------
    data : GammaData
        Number, seed and ranges.
    folder : pathlib.Path
        ``patches/`` in it is the cache.
    held_out : bool
        Those in the held-out caps, or the others.

    Returns
    -------
    Library
        The same, read or made.
    """
    number = data.held_out if held_out else data.patches
    scene = data.scene
    sky = hashlib.sha256(FILE.read_bytes()).hexdigest()
    key = cache.key(
        sky, number, held_out, data.patch_seed, scene.pixel, scene.side, scene.psf
    )

    @lru_cache
    def made() -> list[DiffusePatch]:
        return [
            draw_diffuse(
                np.random.default_rng([data.patch_seed, k, int(held_out)]),
                scene,
                held_out=held_out,
            )
            for k in range(number)
        ]

    def places() -> "Double":
        return np.array(
            [
                (p.footprint.l, p.footprint.b, p.footprint.angle, p.scale, *p.exposure)
                for p in made()
            ]
        )

    paths = [folder / "patches" / f"{key}_{k}.npy" for k in ("emission", "places")]
    if not all(path.exists() for path in paths):
        cache.announce(number, "held-out patches" if held_out else "patches")
    cache.keep(paths[0], lambda: np.stack([p.emission for p in made()]))
    cache.keep(paths[1], places)
    return Library(
        emission=cache.load(paths[0], mapped=True),
        places=cache.load(paths[1]),
        pixel=scene.pixel,
    )


def prepare(recipe: "Recipe", folder: Path) -> "Draw":
    """Make or read the places, and return what draws batches from them.

    Parameters
    ----------
    recipe : Recipe
        Of the family gamma.
    folder : pathlib.Path
        Of the run.

    Returns
    -------
    Draw
        Gives ``counts`` (b, 1, n, n), ``truth`` (b, 2, n, n), which is the expected
        sources and background in counts, and ``level`` (b,) of
        `bgrem_core.networks.expectation.ExpectationUNet`.
    """
    data: GammaData = recipe.data
    places = {k: library(data, folder, held_out=k) for k in (False, True)}

    def draw(step: int, *, held_out: bool) -> "dict[str, Float]":
        rng = np.random.default_rng([recipe.seed, step, int(held_out)])
        rows = [_draw_one(rng, data, places[held_out]) for _ in range(data.batch)]
        counts, truth, level = (np.stack(c) for c in zip(*rows, strict=True))
        return {"counts": counts, "truth": truth, "level": level}

    return draw


def loss(
    network: nn.Module, batch: Mapping[str, Tensor], recipe: "Recipe"
) -> tuple[Tensor, dict[str, float]]:
    """Return squared errors of the roots, and a little of the Poisson deviance.

    Parameters
    ----------
    network : torch.nn.Module
        With ``roots(counts, level)``.
    batch : mapping of torch.Tensor
        As from `prepare`.
    recipe : Recipe
        Gives the weight of the deviance.

    Returns
    -------
    tuple
        The loss, and loss, squared error of the root of sources and of background,
        and rms error of ln background.
    """
    counts, truth = batch["counts"], batch["truth"]
    counts = counts.contiguous(memory_format=torch.channels_last)
    roots = network.roots(counts, batch["level"]).float()  # type: ignore[operator]
    errors = (roots - truth.sqrt()).square().mean(dim=(0, 2, 3))
    total = roots.square().sum(dim=1, keepdim=True) + 1e-3
    deviance = total - counts + torch.xlogy(counts, (counts + 1e-3) / total)
    value = errors.sum() + recipe.data.nll * deviance.mean()
    with torch.no_grad():
        off = 2 * (roots[:, 1].abs().clamp(min=1e-3) / truth[:, 1].sqrt()).log()
        figures = {
            "loss": float(value),
            "source": float(errors[0]),
            "background": float(errors[1]),
            "ln_rms": float(off.square().mean().sqrt()),
        }
    return value, figures


def describe(recipe: "Recipe") -> dict[str, Any]:
    """Return what the data of a recipe decide in a model card.

    Parameters
    ----------
    recipe : Recipe
        Of the family gamma.

    Returns
    -------
    dict
        Fields of `bgrem_core.model_card.ModelCard`.
    """
    data: GammaData = recipe.data
    scene = data.scene
    r68 = containment_radius()
    return {
        "method": "gamma",
        "objective": "expectation",
        "normaliser": {
            "kind": "counts",
            "formula": "(2 sqrt(n + 3/8) - level) / 2 and level / 4, made inside the "
            "network",
            "level": "2 sqrt(median n + 3/8) of the image",
        },
        "trained": {
            "energy": "1 to 2 GeV",
            "event_class": "P8R3 ULTRACLEANVETO FRONT",
            "statistics": data.mode,
            "pixel": [scene.pixel, scene.pixel],
            "tile": [scene.side, scene.side],
            "exposure": list(scene.exposure),
            "psf_r68": [
                round(r68 * (1 - scene.psf), 3), round(r68 * (1 + scene.psf), 3)
            ],
            "emission": list(scene.emission),
            "isotropic": list(scene.isotropic),
            "distortion": [0.0, scene.distortion],
        },
    }  # fmt: skip


GAMMA = Family(
    name="gamma",
    data=GammaData,
    networks=("expectation",),
    examples=lambda data: (data.batch, data.scene.side),
    prepare=prepare,
    loss=loss,
    describe=describe,
)


def _draw_one(
    rng: np.random.Generator, data: GammaData, places: Library
) -> "tuple[Float, Float, np.float32]":
    sky = places[int(rng.integers(len(places)))]
    patch = draw_patch(rng, data.scene, diffuse=sky, ts=False)
    truth = np.stack([patch.source, patch.background])
    flip_y, flip_x, turn = rng.integers(0, 2, 3)
    truth = truth[:, :: 1 - 2 * flip_y, :: 1 - 2 * flip_x]
    truth = np.ascontiguousarray(truth.transpose(0, 2, 1) if turn else truth)
    whole = truth.sum(axis=0)
    counts = whole
    if data.mode == "poisson":
        counts = rng.poisson(whole).astype(np.float32)
    return counts[None], truth, _draw_level(rng, data, counts)


def _draw_level(
    rng: np.random.Generator, data: GammaData, counts: "Float"
) -> np.float32:
    share, factor = 0.5, 1.0
    if rng.uniform() < data.level_share:
        share = float(rng.uniform(0.05, 0.95))
        factor = float(np.exp(rng.uniform(-data.level_factor, data.level_factor)))
    order = np.sort(counts, axis=None)
    # The lower of the two middle values, as the network takes it by itself.
    value = float(order[int(share * (order.size - 1))]) * factor
    return np.float32(2 * np.sqrt(value + 0.375))
