"""Two workers on this machine, and a small frame, for the tests of the engine."""

import numpy as np
import pytest

pytest.importorskip("distributed", reason="the extra 'distributed' is missing")

TILED = {"tile": 208, "sky_scale": 64, "threads": 1, "device": "cpu"}


def small_field():
    """A frame of noise and stars with a hole, shape (212, 268)."""
    draw = np.random.default_rng(5)
    y, x = np.mgrid[:212, :268]
    frame = 300 + 0.1 * x + draw.normal(0, 5, x.shape)
    for cy, cx in draw.uniform(0, 268, (30, 2)):
        frame += 400 * np.exp(-((y - cy) ** 2 + (x - cx) ** 2) / 5)
    frame[100:104, 90:95] = np.nan
    return frame.astype(np.float32)


def same(a, b):
    return np.array_equal(np.asarray(a), np.asarray(b), equal_nan=True)
