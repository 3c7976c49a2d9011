"""Simulated optical fields, made once and kept in the folder of a run."""

import dataclasses
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bgrem_core.simulate import SceneSettings, draw_scene
from bgrem_core.simulate.survey_settings import SurveySettings
from bgrem_core.train import cache

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Float = NDArray[np.float32]

Scene = SceneSettings | SurveySettings

__all__ = ["FAINTEST", "SimulatedField", "fields"]

FAINTEST = 1.0
"""True S/N below which a source is not listed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedField:
    """A field without noise, with its sources.

    Attributes
    ----------
    light : ndarray
        (size, size) float32, sigma per pixel.
    sources : ndarray
        (n, 3) float32: column and row of the centre, 0-based, and true S/N.
    fwhm : float
        Of the PSF in the middle, pixels.
    """

    light: "Float"
    sources: "Float"
    fwhm: float


def fields(
    scene: Scene,
    *,
    number: int,
    size: int,
    seed: int,
    folder: Path,
    workers: int = 2,
) -> list[SimulatedField]:
    """Simulate the fields once and keep them in the run's folder.

    Parameters
    ----------
    scene : SceneSettings or SurveySettings
        Ranges of the fast or of the full simulator; the latter needs GalSim, unless
        the fields are there already.
    number : int
        How many.
    size : int
        Side, pixels.
    seed : int
        Field k is drawn from the seed [seed, k].
    folder : pathlib.Path
        ``fields/`` in it is the cache.
    workers : int, optional
        Processes.

    Returns
    -------
    list of SimulatedField
        In order; the light is mapped from the disc.

    Raises
    ------
    UsageError
        GalSim is needed and not installed.
    WriteError
        No room.
    """
    key = cache.key(seed, size, dataclasses.asdict(scene))
    stems = [folder / "fields" / f"{key}_{k:04d}" for k in range(number)]
    missing = [k for k, stem in enumerate(stems) if not _there(stem)]
    make = partial(_make, scene, size, seed, stems)
    workers = min(workers, len(missing) // 8)  # a process takes seconds to start
    if workers > 1:
        with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
            list(pool.map(make, missing))
    else:
        for k in missing:
            make(k)
    return [_read(stem) for stem in stems]


def _make(
    scene: SceneSettings | SurveySettings,
    size: int,
    seed: int,
    stems: list[Path],
    k: int,
) -> None:
    rng = np.random.default_rng([seed, k])
    shape = (size, size)
    drawn: Any
    if isinstance(scene, SceneSettings):
        drawn = draw_scene(rng, shape=shape, settings=scene)
    else:
        # Only those who draw need GalSim and scipy, not those who read.
        from bgrem_core.simulate.survey import draw_field

        drawn = draw_field(rng, shape=shape, settings=scene)
    t = drawn.truth
    listed = np.stack([t.x, t.y, t.snr], axis=1)[t.snr >= FAINTEST]
    head = [[drawn.psf.fwhm, size, len(listed)]]
    table = np.concatenate([head, listed]).astype(np.float32)
    light, sources = _paths(stems[k])
    cache.keep(light, lambda: drawn.source)
    cache.keep(sources, lambda: table)


def _paths(stem: Path) -> tuple[Path, Path]:
    return stem.with_suffix(".npy"), stem.with_name(f"{stem.name}_sources.npy")


def _there(stem: Path) -> bool:
    return all(path.exists() for path in _paths(stem))


def _read(stem: Path) -> SimulatedField:
    light, sources = _paths(stem)
    table = cache.load(sources)
    return SimulatedField(
        light=cache.load(light, mapped=True),
        sources=table[1:],
        fwhm=float(table[0, 0]),
    )
