"""Folders of small raw frames, and a recipe that is trained on them in seconds."""

import json

import numpy as np
from astropy.io import fits

from bgrem_core.simulate.satellite_settings import SatelliteSettings
from bgrem_core.simulate.satellites import draw_frame

SCENE = SatelliteSettings(density=2e4, targets=0)
RECIPE = {
    "family": "frames",
    "name": "mine",
    "version": "1",
    "seed": 7,
    "network": "context",
    "config": {"widths": [8, 12]},
    "data": {"batch": 4, "crop": 32, "cut": 64},
    "loop": {
        "steps": 6, "rate": 3e-3, "warmup": 2, "epoch": 3, "validation": 1,
        "precision": "f32", "shards": 2, "checkpoint": 2,
    },
}  # fmt: skip


def raw(k, shape=(40, 48)):
    """Return a frame as a camera gives it: whole numbers on a bias level."""
    frame = draw_frame(np.random.default_rng([31, k]), shape, SCENE).raw
    return np.clip(np.round(frame + 1000), 0, 65535).astype(np.uint16)


def fill(folder, number=8, shape=(40, 48)):
    """Write frames into a folder, and return it."""
    folder.mkdir(parents=True, exist_ok=True)
    for k in range(number):
        fits.writeto(folder / f"frame{k}.fits", raw(k, shape))
    return folder


def recipe_file(folder, **changes):
    """Write the recipe, and return its path."""
    path = folder / "recipe.json"
    data = {**RECIPE["data"], **changes.pop("data", {})}
    path.write_text(json.dumps({**RECIPE, **changes, "data": data}))
    return path
