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
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from bgrem_core.errors import UsageError
from bgrem_core.schedule import TRAINING
from bgrem_core.simulate import SceneSettings, correlate, draw_scene
from bgrem_core.train import cache
from bgrem_core.train.family import Family

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bgrem_core.train.family import Draw
    from bgrem_core.train.recipe import Recipe

    Float = NDArray[np.float32]

__all__ = ["OPTICAL", "CropSettings", "OpticalData", "fields"]

_OBJECTIVES = ("noise", "joint")
_LOSSES = ("heads", "mae", "mse", "huber")


@dataclass(frozen=True, slots=True, kw_only=True)
class CropSettings:
    """How crops are made from fields, afresh in each step.

    Attributes
    ----------
    batch : int
        Crops per step.
    crop : int
        Side of a crop, pixels.
    flux : float
        Half range of the natural log of a factor on all source light.
    sigma_e : tuple of float
        Sky noise of a pixel in electrons; log-uniform.
    known : float
        Share of crops in which the network is told that number.
    poisson_below : float
        Sky electrons per pixel below which photons are drawn one by one.
    white : float
        Share of crops with white noise.
    rho : float
        Largest neighbour correlation of the others.
    rho_error : float
        Scatter of the correlation that the network is told.
    scale_error : float
        Scatter of ln(noise / its estimate).
    sky : float
        Scatter of offsets and of the slopes of planes, sigma; signal, unless the
        objective is joint.
    hits : float
        Share of crops with cosmic rays or hot pixels; kept as signal.
    full : float
        Share of crops at noise level 1, the others follow the schedule.
    """

    batch: int = 24
    crop: int = 128
    flux: float = 0.5
    sigma_e: tuple[float, float] = (3.0, 1000.0)
    known: float = 0.6
    poisson_below: float = 30.0
    white: float = 0.45
    rho: float = 0.45
    rho_error: float = 0.02
    scale_error: float = 0.08
    sky: float = 1.5
    hits: float = 0.25
    full: float = 0.6


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
        Ranges of the fields.
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
        if min(self.fields, self.held_out, self.crops.batch) < 1:
            raise UsageError(
                "fields, held_out and batch must be at least 1", "correct the recipe"
            )
        if self.field_size < self.crops.crop + 2:
            raise UsageError(
                f"crops of {self.crops.crop} pix do not fit into fields of "
                f"{self.field_size} pix",
                "correct the recipe",
            )


def fields(data: OpticalData, folder: Path, *, workers: int = 2) -> "list[Float]":
    """Simulate the fields once and keep them in the run's folder.

    Parameters
    ----------
    data : OpticalData
        Number, size, seed and ranges.
    folder : pathlib.Path
        ``fields/`` in it is the cache.
    workers : int, optional
        Processes.

    Returns
    -------
    list of ndarray
        (size, size) float32 each, sigma per pixel; those held out come last.
    """
    key = cache.key(data.field_seed, data.field_size, dataclasses.asdict(data.scene))
    count = data.fields + data.held_out
    paths = [folder / "fields" / f"{key}_{k:04d}.npy" for k in range(count)]
    missing = [k for k, path in enumerate(paths) if not path.exists()]
    make = partial(_make_field, data, paths)
    workers = min(workers, len(missing) // 8)  # a process takes seconds to start
    if workers > 1:
        with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
            list(pool.map(make, missing))
    else:
        for k in missing:
            make(k)
    return [np.load(path) for path in paths]


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
        Gives ``z`` (b, 1, n, n) the noisy image, ``noise`` (b, 1, n, n) what is to be
        predicted, ``spread`` (b, 1, n, n) its standard deviation, ``level`` (b,),
        ``condition`` (b, 3).
    """
    data: OpticalData = recipe.data
    images = fields(data, folder, workers=os.cpu_count() or 1)
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
        mae, mse = error.abs().mean(), error.square().mean()
        figures = {"mae": float(mae.detach()), "mse": float(mse.detach())}
        huber = functional.huber_loss(error, torch.zeros_like(error))
        return {"mae": mae, "mse": mse, "huber": huber}[kind], figures
    out = network.forward_heads(z, level, batch["condition"])  # type: ignore[operator]
    # Times the level: the error of z - level * x_hat, so that the levels at which
    # noise cannot be told from light do not rule the gradient.
    weight = level[:, None, None, None] / batch["spread"]
    error = (out.float() - batch["noise"]) * weight
    mae = error[:, :1].abs().mean(dim=(1, 2, 3))
    mse = error[:, 1:].square().mean(dim=(1, 2, 3))
    full = level == 1
    figures = {
        "mae": float(mae.detach()[full].mean()),
        "mse": float(mse.detach()[full].mean()),
    }
    return mae.mean() + mse.mean(), figures


def describe(recipe: "Recipe") -> dict[str, Any]:
    """Return what the data of a recipe decide in a model card.

    Parameters
    ----------
    recipe : Recipe
        Of the family optical.

    Returns
    -------
    dict
        Fields of `bgrem_core.models.ModelCard`.
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
    name="optical", data=OpticalData, prepare=prepare, loss=loss, describe=describe
)


def _draw_batch(
    data: OpticalData, seed: int, images: "list[Float]", step: int, *, held_out: bool
) -> "dict[str, Float]":
    rng = np.random.default_rng([seed, step, 1] if held_out else [seed, step])
    mine = images[data.fields :] if held_out else images[: data.fields]
    joint = data.objective == "joint"
    rows = [
        _draw_crop(rng, data.crops, mine, joint=joint) for _ in range(data.crops.batch)
    ]
    names = ("z", "noise", "spread", "level", "condition")
    columns = zip(*rows, strict=True)
    return {
        name: np.stack(column).astype(np.float32)
        for name, column in zip(names, columns, strict=True)
    }


def _make_field(data: OpticalData, paths: list[Path], k: int) -> None:
    shape = (data.field_size, data.field_size)
    rng = np.random.default_rng([data.field_seed, k])
    cache.keep(
        paths[k], lambda: draw_scene(rng, shape=shape, settings=data.scene).source
    )


def _draw_crop(
    rng: np.random.Generator, a: CropSettings, images: "list[Float]", *, joint: bool
) -> "tuple[Float, Float, Float, float, Float]":
    n = a.crop
    light = _draw_light(rng, n, images) * np.float32(
        np.exp(rng.uniform(-a.flux, a.flux))
    )
    sigma_e = float(np.exp(rng.uniform(*np.log(a.sigma_e))))
    known = float(rng.uniform() < a.known)
    rho = 0.0 if rng.uniform() < a.white else float(rng.uniform(0, a.rho))
    spread = np.sqrt(1 + light / np.float32(sigma_e))
    if sigma_e**2 < a.poisson_below:
        mean = sigma_e**2 + light * sigma_e
        unit = ((rng.poisson(mean) - mean) / sigma_e).astype(np.float32)
        noise = correlate(unit, rho) if rho else unit[1:-1, 1:-1]
    else:
        unit = rng.standard_normal((n + 2, n + 2), dtype=np.float32)
        noise = (correlate(unit, rho) if rho else unit[1:-1, 1:-1]) * spread[1:-1, 1:-1]
    light, spread = light[1:-1, 1:-1], spread[1:-1, 1:-1]
    noise = noise * np.float32(np.exp(rng.normal(0, a.scale_error)))
    smooth = _draw_smooth(rng, n, a.sky)
    signal = light + smooth
    if rng.uniform() < a.hits:
        _add_hits(rng, signal)
    level = 1.0 if rng.uniform() < a.full else float(TRAINING.sigma(rng.uniform()))
    told = np.clip(rho + rng.normal(0, a.rho_error), 0, 0.5)
    condition = np.array([told, np.log10(sigma_e) * known, known], np.float32)
    if joint:
        signal, noise = signal - smooth, noise + smooth
    z = signal + np.float32(level) * noise
    return z[None], noise[None], spread[None], level, condition


def _draw_light(rng: np.random.Generator, n: int, images: "list[Float]") -> "Float":
    """Return a turned crop, one pixel wider on each side than asked for."""
    image = images[rng.integers(len(images))]
    y, x = rng.integers(0, [image.shape[0] - n - 1, image.shape[1] - n - 1])
    crop = image[y : y + n + 2, x : x + n + 2]
    flip_y, flip_x, turn = rng.integers(0, 2, 3)
    crop = crop[:: 1 - 2 * flip_y, :: 1 - 2 * flip_x]
    return crop.T if turn else crop


def _draw_smooth(rng: np.random.Generator, n: int, scatter: float) -> "Float":
    """Return an offset, a plane and a bowl: sky, which is not to be taken away."""
    ramp = np.linspace(-1, 1, n, dtype=np.float32)
    y, x = ramp[:, None], ramp[None, :]
    offset, bowl = rng.normal(0, scatter), rng.normal(0, 0.2 * scatter)
    down, right = rng.normal(0, 0.3 * scatter, 2)
    plane = np.float32(offset) + np.float32(down) * y + np.float32(right) * x
    smooth: Float = plane + np.float32(bowl) * (x * x + y * y)
    return smooth


def _add_hits(rng: np.random.Generator, signal: "Float") -> None:
    """Add hot pixels and short tracks: not noise of zero mean, hence signal."""
    n = signal.shape[0]
    for _ in range(rng.integers(1, 7)):
        y, x = rng.uniform(0, n, 2)
        angle = rng.uniform(0, 2 * np.pi)
        peak = np.float32(np.exp(rng.uniform(np.log(8), np.log(200))))
        length = 1 if rng.uniform() < 0.5 else int(rng.integers(2, 16))
        for k in range(length):
            iy, ix = int(y + k * np.sin(angle)), int(x + k * np.cos(angle))
            if 0 <= iy < n and 0 <= ix < n:
                signal[iy, ix] += peak * np.float32(rng.uniform(0.4, 1))
