"""The paper's network on gamma rays: background of patches by reverse steps.

Weights are exported from a run of ``bgrem-train gamma-paper``, of which only this
benchmark makes any use.
"""

from functools import lru_cache
from pathlib import Path

import numpy as np

from bgrem_core.models import Model, load_model
from bgrem_core.sampler import sample
from bgrem_core.schedule import levels
from bgrem_core.train.gamma_paper import unit_of

BATCH = 32


def background_of(file: Path | str, counts: np.ndarray, steps: int = 1) -> np.ndarray:
    """Return the background of patches (n, ny, nx), counts per pixel."""
    model, sigmas = _load(str(file)), list(levels(steps))
    unit = np.array([unit_of(n) for n in counts], np.float32)[:, None, None]
    z = (counts / unit - 1).astype(np.float32)[:, None]

    def denoise(x: np.ndarray, sigma: float) -> np.ndarray:
        level = np.full(len(x), sigma, np.float32)
        return model.evaluate(x, level, np.zeros((len(x), 3), np.float32))

    parts = np.array_split(z, -(-len(z) // BATCH))
    light = np.concatenate([sample(denoise, part, sigmas) for part in parts])
    # What is left are the sources; the image without them is the background.
    return counts - light[:, 0] * unit


@lru_cache(maxsize=2)
def _load(file: str) -> Model:
    model = load_model(file, device="cpu")
    if model.card.objective != "diffusion":
        raise SystemExit(f"{file} was not trained by bgrem-train gamma-paper")
    return model
