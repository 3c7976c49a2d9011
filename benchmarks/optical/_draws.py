"""Frames of the full simulator over its whole range, as a user's frames may be."""

from dataclasses import dataclass

import numpy as np

from bgrem_core.simulate import draw_noise, draw_sky
from bgrem_core.simulate.ranges import log_uniform
from bgrem_core.simulate.survey import Field, SurveySettings, draw_field

CALIBRATION, TEST = 141421, 173205
"""Root seeds; training has 314159."""


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """An image with its truth, in sigma of the sky noise."""

    image: np.ndarray
    light: np.ndarray  # of the sky's objects and of artefacts
    sky: np.ndarray
    field: Field
    rho: float
    sigma_e: float


def draw(root: int, k: int, *, side: int = 1024, **settings: object) -> Drawn:
    """Draw frame k: random optics, density, noise, and a part of a structured sky."""
    rng = np.random.default_rng([root, k])
    field = draw_field(rng, shape=(side, side), settings=SurveySettings(**settings))
    sigma_e = log_uniform(rng, (5.0, 500.0))
    rho = 0.0 if rng.uniform() < 0.5 else float(rng.uniform(0, 0.4))
    noise = draw_noise(rng, field.source, sigma_e=sigma_e, rho=rho)
    # The image is a part of a frame of usual size, over which the sky changes.
    whole = int(log_uniform(rng, (side, max(side, 8192))))
    sky = draw_sky(rng, shape=(whole, whole), level=float(rng.uniform(5, 25)))
    y, x = rng.integers(0, whole - side + 1, 2)
    sky = sky[y : y + side, x : x + side]
    light = field.source + field.artefact
    return Drawn(
        image=(light + sky + noise).astype(np.float32),
        light=light,
        sky=sky,
        field=field,
        rho=rho,
        sigma_e=sigma_e,
    )
