"""Where the light of stars goes when it is diffused: simulated fields, truth known.

A field is nebula, sky, stars with a Moffat profile, photon and read noise. It is mapped
to grey levels as the package does it, and diffused. Counted is what is left above the
true field without stars, where stars were brighter than the noise of the sky: over the
light of the stars there as far as it is below white, and over all of it, the light that
the clipping at white took off included.
"""

from typing import Any

import numpy as np
from scipy import ndimage

from bgrem_core.stars.cohen import cohen2021
from bgrem_core.stars.grey import grey_map

SEED, FIELDS, SIDE = 20211, 6, 256
STARS, FWHM, BETA = 60, 3.0, 3.2
SKY, READ, NEBULA = 200.0, 5.0, 1500.0  # electrons per pixel
CONTRAST = 0.8  # of the nebula, natural log
FAINTEST, BRIGHTEST = 1e3, 1e5  # electrons per star
STEPS = (50, 200)
REACH = 12  # pixels around a star that are drawn


def field(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return a field with noise, its true light without stars, and that of stars."""
    smooth = ndimage.gaussian_filter(rng.normal(size=(SIDE, SIDE)), 20, mode="wrap")
    nebula = np.exp(CONTRAST * smooth / smooth.std())
    nebula *= NEBULA / np.quantile(nebula, 0.998)
    stars = np.zeros((SIDE, SIDE))
    offsets = np.arange(-REACH, REACH + 1)
    core = FWHM / (2 * np.sqrt(2 ** (1 / BETA) - 1))
    for flux in FAINTEST * (BRIGHTEST / FAINTEST) ** rng.uniform(size=STARS) ** 2:
        y, x = rng.uniform(REACH + 1, SIDE - REACH - 2, 2)
        j, i = int(y) + offsets, int(x) + offsets
        square = (j[:, None] - y) ** 2 + (i - x) ** 2
        profile = (1 + square / core**2) ** -BETA
        stars[np.ix_(j, i)] += flux * profile / profile.sum()
    starless = SKY + nebula
    seen = rng.poisson(starless + stars) + rng.normal(0, READ, (SIDE, SIDE))
    return seen, starless, stars


def left(seed: int) -> dict[str, Any]:
    """Return the share of light that stays, by number of steps."""
    image, starless, stars = field(np.random.default_rng([SEED, seed]))
    levels = grey_map(image)
    grey = levels.to_grey(image)
    places = stars > np.sqrt(SKY + READ**2)
    low = levels.to_grey(starless)
    seen = (levels.to_grey(starless + stars) - low)[places].sum()
    whole = stars[places].sum() * levels.to_grey(levels.black + 1)
    out: dict[str, Any] = {"sky": levels.background, "area": float(places.mean())}
    for steps in STEPS:
        made = cohen2021(grey, background=levels.background, iterations=steps).image
        rest = (made - low)[places].sum()
        out[f"below white, {steps}"] = float(rest / seen)
        out[f"all, {steps}"] = float(rest / whole)
    return out


def run() -> dict[str, Any]:
    rows = [left(seed) for seed in range(FIELDS)]
    return {
        "seed": SEED,
        "fields": FIELDS,
        "side": SIDE,
        "stars": STARS,
        "rows": rows,
        "mean": {
            key: [
                float(np.mean([r[key] for r in rows])),
                float(np.std([r[key] for r in rows], ddof=1) / FIELDS**0.5),
            ]
            for key in rows[0]
        },
    }
