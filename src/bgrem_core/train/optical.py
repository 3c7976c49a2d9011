"""The optical recipe: noise is taken away; sky, planes and faint discs are signal.

The network is shown source light on an arbitrary smooth sky and is asked for the
zero-mean noise alone. What it never has to predict, it cannot erase.
"""

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from bgrem_core.errors import ReadError, UsageError
from bgrem_core.networks import build
from bgrem_core.schedule import TRAINING
from bgrem_core.simulate import SceneSettings, correlate, draw_scene
from bgrem_core.train.loop import LoopSettings, Trainer

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Float = NDArray[np.float32]

__all__ = ["AugmentSettings", "Recipe", "draw_batch", "fields", "loss", "trainer"]

RECIPE = "recipe.json"
RECIPES = Path(__file__).parent / "recipes"
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class AugmentSettings:
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
        Scatter of offsets and of the slopes of planes, sigma; kept as signal.
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
class Recipe:
    """Everything that decides the result, read from one JSON file.

    Attributes
    ----------
    name : str
        Name of the weights.
    version : str
        Version of the weights.
    seed : int
        Of the crops and of the initial weights.
    network : str
        Key of `bgrem_core.networks.NETWORKS`.
    config : dict
        Arguments of the network.
    fields : int
        Number of simulated fields.
    field_size : int
        Their side, pixels.
    field_seed : int
        Field k is drawn from the seed [field_seed, k].
    scene : SceneSettings
        Ranges of the fields.
    augment : AugmentSettings
        Ranges of the crops.
    loop : LoopSettings
        Optimisation.
    """

    name: str
    version: str
    seed: int
    network: str
    config: dict[str, Any]
    fields: int
    field_size: int
    field_seed: int
    loop: LoopSettings
    scene: SceneSettings = field(default_factory=SceneSettings)
    augment: AugmentSettings = field(default_factory=AugmentSettings)

    @classmethod
    def read(cls, name_or_path: str) -> "Recipe":
        """Read a recipe that ships (``cpu``) or a JSON file.

        Parameters
        ----------
        name_or_path : str
            ``cpu`` for ``recipes/optical_cpu.json``, or a path ending in .json.

        Returns
        -------
        Recipe
            Checked for unknown and missing fields.

        Raises
        ------
        ReadError
            No such file, or not JSON.
        UsageError
            A field is unknown or missing.
        """
        shipped = RECIPES / f"optical_{name_or_path}.json"
        path = Path(name_or_path) if name_or_path.endswith(".json") else shipped
        try:
            data = json.loads(path.read_text())
        except (OSError, ValueError) as error:
            raise ReadError(
                f"recipe {name_or_path!r} cannot be read: {error}",
                "give the name of a shipped recipe or a .json file",
            ) from error
        return cls.from_dict(data)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Recipe":
        """Build a recipe from parsed JSON, refusing what it does not know.

        Parameters
        ----------
        data : mapping
            Fields by name, nested as in the file.

        Returns
        -------
        Recipe
            The recipe.

        Raises
        ------
        UsageError
            A field is unknown or missing.
        """
        parts = dict(data)
        for key, kind in (
            ("scene", SceneSettings),
            ("augment", AugmentSettings),
            ("loop", LoopSettings),
        ):
            if key in parts:
                parts[key] = _strict(kind, parts[key], where=key)
        return _strict(cls, parts, where="recipe")

    def digest(self) -> str:
        """Return the SHA-256 of the recipe as canonical JSON."""
        text = json.dumps(dataclasses.asdict(self), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()


def fields(recipe: Recipe, folder: Path, *, workers: int = 2) -> "list[Float]":
    """Simulate the fields of a recipe once and keep them in the run's folder.

    Parameters
    ----------
    recipe : Recipe
        Number, size, seed and ranges.
    folder : pathlib.Path
        ``fields/`` in it is the cache.
    workers : int, optional
        Processes.

    Returns
    -------
    list of ndarray
        (size, size) float32 each, sigma per pixel.
    """
    cache = folder / "fields"
    cache.mkdir(parents=True, exist_ok=True)
    key = hashlib.sha256(
        json.dumps(
            [recipe.field_seed, recipe.field_size, dataclasses.asdict(recipe.scene)]
        ).encode()
    ).hexdigest()[:12]
    paths = [cache / f"{key}_{k:04d}.npy" for k in range(recipe.fields)]
    missing = [k for k, path in enumerate(paths) if not path.exists()]
    make = partial(_make_field, recipe, paths)
    if workers > 1 and len(missing) > 1:
        with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
            list(pool.map(make, missing))
    else:
        for k in missing:
            make(k)
    return [np.load(path) for path in paths]


def draw_batch(recipe: Recipe, images: "list[Float]", step: int) -> dict[str, Tensor]:
    """Draw the crops of one step from the seed and the step's number.

    Parameters
    ----------
    recipe : Recipe
        Seed and ranges.
    images : list of ndarray
        Fields of `fields`.
    step : int
        Number of the step.

    Returns
    -------
    dict of torch.Tensor
        ``z`` (b, 1, n, n) the noisy image, ``noise`` (b, 1, n, n) what is to be
        predicted, ``spread`` (b, 1, n, n) its standard deviation, ``level`` (b,),
        ``condition`` (b, 3).
    """
    rng = np.random.default_rng([recipe.seed, step])
    rows = [
        _draw_crop(rng, recipe.augment, images) for _ in range(recipe.augment.batch)
    ]
    names = ("z", "noise", "spread", "level", "condition")
    columns = zip(*rows, strict=True)
    return {
        name: torch.from_numpy(np.stack(column).astype(np.float32))
        for name, column in zip(names, columns, strict=True)
    }


def loss(
    network: nn.Module, batch: Mapping[str, Tensor]
) -> tuple[Tensor, dict[str, float]]:
    """Return MAE of one head plus MSE of the other, in units of the local noise.

    Parameters
    ----------
    network : torch.nn.Module
        With ``forward_heads`` of the heads mae and mse.
    batch : mapping of torch.Tensor
        As from `draw_batch`.

    Returns
    -------
    tuple
        The loss and its two parts at noise level 1 for the curve.
    """
    z, level = batch["z"], batch["level"]
    z = z.contiguous(memory_format=torch.channels_last)
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


def trainer(recipe: Recipe, folder: Path, *, device: str = "cpu") -> Trainer:
    """Prepare a run, or take up the one that is in the folder.

    Parameters
    ----------
    recipe : Recipe
        What to train, on what, how long.
    folder : pathlib.Path
        Of the run: fields, recipe, checkpoint, curve.
    device : str, optional
        Torch device.

    Returns
    -------
    Trainer
        Ready to `Trainer.run`.
    """
    images = fields(recipe, folder, workers=recipe.loop.threads)
    # The state of the caller's generator is put back: seeds are handed in, not set.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        network = build(recipe.network, **recipe.config)
    run = Trainer(
        network,
        batch=partial(draw_batch, recipe, images),
        loss=loss,
        settings=recipe.loop,
        folder=folder,
        identity=recipe.digest(),
        device=device,
    )
    text = json.dumps(dataclasses.asdict(recipe), indent=2)
    (folder / RECIPE).write_text(text + "\n")
    return run


def _make_field(recipe: Recipe, paths: list[Path], k: int) -> None:
    size = recipe.field_size
    rng = np.random.default_rng([recipe.field_seed, k])
    scene = draw_scene(rng, shape=(size, size), settings=recipe.scene)
    beside = paths[k].with_suffix(".new.npy")
    np.save(beside, scene.source)
    beside.replace(paths[k])


def _draw_crop(
    rng: np.random.Generator, a: AugmentSettings, images: "list[Float]"
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
    signal = light + _draw_smooth(rng, n, a.sky)
    if rng.uniform() < a.hits:
        _add_hits(rng, signal)
    level = 1.0 if rng.uniform() < a.full else float(TRAINING.sigma(rng.uniform()))
    told = np.clip(rho + rng.normal(0, a.rho_error), 0, 0.5)
    condition = np.array([told, np.log10(sigma_e) * known, known], np.float32)
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


def _strict(kind: type[T], data: Any, *, where: str) -> T:
    if not isinstance(data, Mapping):
        raise UsageError(f"{where} is not a JSON object", "correct the recipe")
    known = {f.name for f in dataclasses.fields(kind)}  # type: ignore[arg-type]
    unknown = sorted(set(data) - known)
    if unknown:
        raise UsageError(
            f"{where} has the unknown field {unknown[0]!r}",
            f"known: {', '.join(sorted(known))}",
        )
    values = {k: tuple(v) if isinstance(v, list) else v for k, v in data.items()}
    try:
        return kind(**values)
    except TypeError as error:
        raise UsageError(f"{where} is incomplete: {error}", "add the field") from error
