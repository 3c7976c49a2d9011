"""The paper's gamma-ray training: a diffusion between sources and background.

Kept beside `bgrem_core.train.gamma` for comparison. A patch is x_t = y + sigma_t x with
sources y and background x, both over the median of the patch; the network is told
sigma_t and asked for x, less 1, which the median of a background over itself is about.

References
----------
.. [1] arXiv:2510.04718 (equation 1, table 2, appendix C).
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from bgrem_core.errors import UsageError
from bgrem_core.schedule import TRAINING
from bgrem_core.train import gamma
from bgrem_core.train.losses import PLAIN, plain_loss

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bgrem_core.train.family import Draw
    from bgrem_core.train.recipe import Recipe

    Float = NDArray[np.float32]

__all__ = ["GAMMA_PAPER", "GammaPaperData", "unit_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class GammaPaperData(gamma.GammaData):
    """What is simulated; of the levels and the likelihood nothing is used.

    Attributes
    ----------
    loss : str
        ``mae``, or ``mse`` and ``huber`` of appendix C.
    """

    batch: int = 16
    mode: str = "infinite"
    level_share: float = 0.0
    nll: float = 0.0
    loss: str = "mae"

    def __post_init__(self) -> None:
        gamma.GammaData.__post_init__(self)
        if self.loss not in PLAIN:
            raise UsageError(
                f"loss={self.loss!r} is unknown", f"use {', '.join(PLAIN)}"
            )


def unit_of(counts: "NDArray[np.floating]") -> float:
    """Return what a patch is divided by.

    Parameters
    ----------
    counts : ndarray, shape (ny, nx)
        Photons, or what is expected of them.

    Returns
    -------
    float
        The lower one of the two middle values; at least 0.1.
    """
    middle = (counts.size - 1) // 2
    return max(float(np.partition(counts, middle, axis=None)[middle]), 0.1)


def prepare(recipe: "Recipe", folder: Path) -> "Draw":
    """Make or read the places, and return what draws batches from them.

    Parameters
    ----------
    recipe : Recipe
        Of the family gamma-paper.
    folder : pathlib.Path
        Of the run.

    Returns
    -------
    Draw
        Gives ``z`` and ``noise`` (b, 1, n, n), x_t and x of the reference, and
        ``level`` (b,), sigma_t.
    """
    counts = gamma.prepare(recipe, folder)

    def draw(step: int, *, held_out: bool) -> "dict[str, Float]":
        batch = counts(step, held_out=held_out)
        # The seed of the patches, and one number more.
        rng = np.random.default_rng([recipe.seed, step, int(held_out), 1])
        image, source = batch["counts"][:, 0], batch["truth"][:, 0]
        unit = np.array([unit_of(n) for n in image], np.float32)[:, None, None]
        noise, light = (image - source) / unit - 1, source / unit
        level = TRAINING.sigma(rng.uniform(size=len(image))).astype(np.float32)
        z = light + level[:, None, None] * noise
        return {"z": z[:, None], "noise": noise[:, None], "level": level}

    return draw


def loss(
    network: nn.Module, batch: Mapping[str, Tensor], recipe: "Recipe"
) -> tuple[Tensor, dict[str, float]]:
    """Return the loss that the recipe names.

    Parameters
    ----------
    network : torch.nn.Module
        Called as those of optical images.
    batch : mapping of torch.Tensor
        As from `prepare`.
    recipe : Recipe
        Names the loss.

    Returns
    -------
    tuple
        The loss, and mean absolute and squared error in units of the patch's median.
    """
    z, level = batch["z"], batch["level"]
    z = z.contiguous(memory_format=torch.channels_last)
    nothing = torch.zeros(len(z), 3, dtype=z.dtype, device=z.device)
    error = network(z, level, nothing).float() - batch["noise"]
    return plain_loss(error, recipe.data.loss)


def describe(recipe: "Recipe") -> dict[str, Any]:
    """Return what the data of a recipe decide in a model card.

    Parameters
    ----------
    recipe : Recipe
        Of the family gamma-paper.

    Returns
    -------
    dict
        Fields of `bgrem_core.model_card.ModelCard`.
    """
    return {
        **gamma.describe(recipe),
        "objective": "diffusion",
        "normaliser": {
            "kind": "median",
            "formula": "image / median - 1",
            "loss": recipe.data.loss,
        },
    }


GAMMA_PAPER = dataclasses.replace(
    gamma.GAMMA,
    name="gamma-paper",
    data=GammaPaperData,
    networks=("attention",),
    prepare=prepare,
    loss=loss,
    describe=describe,
)
