"""The optical family: crops of simulated fields under fresh noise.

The network is shown source light on an arbitrary smooth sky. With the objective
``noise`` it is asked for the zero-mean noise alone: what it never has to predict, it
cannot erase. With ``joint`` it is asked for noise and sky together, as in the paper.

References
----------
.. [1] arXiv:2510.04718 (joint objective, losses of its appendix C).
"""

import dataclasses
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from bgrem_core.errors import UsageError
from bgrem_core.simulate import SceneSettings
from bgrem_core.simulate.ranges import SEEDS, TINY, check_ranges
from bgrem_core.simulate.survey_settings import SurveySettings
from bgrem_core.train import cache
from bgrem_core.train.crops import CropSettings, draw_crop
from bgrem_core.train.family import Family
from bgrem_core.train.fields import SimulatedField, fields
from bgrem_core.train.heads import heads_loss
from bgrem_core.train.losses import PLAIN, plain_loss

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bgrem_core.train.family import Draw
    from bgrem_core.train.recipe import Recipe

    Float = NDArray[np.float32]

__all__ = ["OPTICAL", "SURVEY", "OpticalData", "SurveyData"]

_OBJECTIVES = ("noise", "joint")
_LOSSES = ("heads", *PLAIN)
_LIMITS = {
    "fields": (1, 10**6),
    "field_size": (1, 8192),
    "field_seed": SEEDS,
    "held_out": (1, 10**6),
}
_CROP_LIMITS = {
    "batch": (1, 10**5),
    "flux": (0, 10),
    "sigma_e": (TINY, 1e9),
    "scale_error": (0, 2),
    "sky": (0, 1e6),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class OpticalData:
    """What optical models are trained on, and what for.

    Attributes
    ----------
    objective : str
        ``noise``: zero-mean noise is predicted, smooth light of every scale is kept;
        ``joint``: noise and sky are predicted together, as in the paper.
    loss : str
        ``heads``: absolute and squared error of two heads, in units of the local
        noise, weighted by the level; ``mae``, ``mse``, ``huber``: plain, of one output.
    fields : int
        Number of simulated fields.
    field_size : int
        Their side, pixels.
    field_seed : int
        Field k is drawn from the seed [field_seed, k].
    held_out : int
        Further fields, for validation.
    scene : SceneSettings
        Ranges of the fields, of the fast simulator.
    crops : CropSettings
        Ranges of the crops.
    """

    objective: str = "noise"
    loss: str = "heads"
    fields: int = 112
    field_size: int = 1024
    field_seed: int = 314159
    held_out: int = 4
    scene: SceneSettings = field(default_factory=SceneSettings)
    crops: CropSettings = field(default_factory=CropSettings)

    def __post_init__(self) -> None:
        for name, known in (("objective", _OBJECTIVES), ("loss", _LOSSES)):
            if getattr(self, name) not in known:
                raise UsageError(
                    f"{name}={getattr(self, name)!r} is unknown",
                    f"use {', '.join(known)}",
                )
        check_ranges(self, _LIMITS)
        check_ranges(self.crops, _CROP_LIMITS, where="crops.")
        if self.field_size < self.crops.crop + 2:
            raise UsageError(
                f"crops of {self.crops.crop} pix do not fit into fields of "
                f"{self.field_size} pix",
                "correct the recipe",
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class SurveyData(OpticalData):
    """The same, on fields of the full simulator, which needs GalSim.

    Attributes
    ----------
    scene : SurveySettings
        Ranges of the fields.
    """

    scene: SurveySettings = field(default_factory=SurveySettings)  # type: ignore[assignment]


def prepare(recipe: "Recipe", folder: Path) -> "Draw":
    """Simulate or read the fields, and return what draws batches from them.

    Parameters
    ----------
    recipe : Recipe
        Of the family optical.
    folder : pathlib.Path
        Of the run.

    Returns
    -------
    Draw
        Gives stacks of what `bgrem_core.train.crops.draw_crop` draws.
    """
    data: OpticalData = recipe.data
    number = data.fields + data.held_out
    decides = data.field_seed, data.field_size, dataclasses.asdict(data.scene)
    there = (folder / "fields").glob(f"{cache.key(*decides)}_*_sources.npy")
    cache.announce(number - len(list(there)), "fields")
    images = fields(
        data.scene,
        number=number,
        size=data.field_size,
        seed=data.field_seed,
        folder=folder,
        workers=os.cpu_count() or 1,
    )
    return partial(_draw_batch, data, recipe.seed, images)


def loss(
    network: nn.Module, batch: Mapping[str, Tensor], recipe: "Recipe"
) -> tuple[Tensor, dict[str, float]]:
    """Return the loss that the recipe names, with figures for the curve.

    Parameters
    ----------
    network : torch.nn.Module
        For the loss ``heads`` with ``forward_heads`` of the heads mae and mse.
    batch : mapping of torch.Tensor
        As from `prepare`.
    recipe : Recipe
        Names the loss.

    Returns
    -------
    tuple
        The loss, and its mean absolute and squared error: of ``heads`` in units of
        the local noise at level 1, else as they are.
    """
    kind = recipe.data.loss
    z, level = batch["z"], batch["level"]
    z = z.contiguous(memory_format=torch.channels_last)
    if kind != "heads":
        error = network(z, level, batch["condition"]).float() - batch["noise"]
        return plain_loss(error, kind)
    out = network.forward_heads(z, level, batch["condition"])  # type: ignore[operator]
    return heads_loss(out, network.heads, batch)  # type: ignore[arg-type]


def describe(recipe: "Recipe") -> dict[str, Any]:
    """Return what the data of a recipe decide in a model card.

    Parameters
    ----------
    recipe : Recipe
        Of the family optical.

    Returns
    -------
    dict
        Fields of `bgrem_core.model_card.ModelCard`.
    """
    data: OpticalData = recipe.data
    return {
        "method": "bgrem",
        "objective": data.objective,
        "normaliser": {
            "kind": "sky",
            "formula": "(image - offset) / sigma of the sky",
            "noise": 1.0,
        },
        "trained": {
            "fwhm": list(data.scene.fwhm),
            "sigma_e": list(data.crops.sigma_e),
            "rho": [0.0, data.crops.rho],
        },
    }


OPTICAL = Family(
    name="optical",
    data=OpticalData,
    networks=("fast", "attention"),
    examples=lambda data: (data.crops.batch, data.crops.crop),
    prepare=prepare,
    loss=loss,
    describe=describe,
)
SURVEY = dataclasses.replace(OPTICAL, name="survey", data=SurveyData)


def _draw_batch(
    data: OpticalData,
    seed: int,
    images: list[SimulatedField],
    step: int,
    *,
    held_out: bool,
) -> "dict[str, Float]":
    rng = np.random.default_rng([seed, step, 1] if held_out else [seed, step])
    mine = images[data.fields :] if held_out else images[: data.fields]
    joint = data.objective == "joint"
    crops = [
        draw_crop(rng, data.crops, mine, joint=joint) for _ in range(data.crops.batch)
    ]
    return {
        name: np.stack([crop[name] for crop in crops]).astype(np.float32)
        for name in crops[0]
    }
