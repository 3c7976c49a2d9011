"""Development frames of the fast simulator, one of each kind.

They need no GalSim and take seconds; `frames` has those of the full simulator, which
`run` measures. The scripts beside it share what is imported here.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2] / "src"))

from denoiser import Denoiser
from frames import Frame, digest
from images import filtered, flatten, psf_filtered
from recipes import maxima, segments
from score import COUNTS, Scorer

from bgrem_core.simulate import SceneSettings, draw_noise, draw_scene, draw_sky

__all__ = [
    "COUNTS", "FRAME_SEED", "KINDS", "RESULTS", "Denoiser", "Frame", "Scorer",
    "filtered", "flatten", "make_frame", "maxima", "psf_filtered", "segments",
]  # fmt: skip

RESULTS = Path(__file__).parent / "results"
FRAME_SEED = 27182  # never used in training, whose fields have the seed 314159


@dataclass(frozen=True, kw_only=True)
class Kind:
    fwhm: float
    beta: float
    density: float
    slope: float
    galaxies: float
    sigma_e: float
    level: float  # of the sky, sigma
    rho: float = 0.0


KINDS = {
    "dark": Kind(
        fwhm=4.3, beta=3.0, density=180, slope=0.7, galaxies=0.6, sigma_e=16, level=10
    ),
    "bright sky": Kind(
        fwhm=5.9, beta=3.0, density=120, slope=0.7, galaxies=0.6, sigma_e=20, level=16
    ),
    "deep": Kind(
        fwhm=4.3,
        beta=2.6,
        density=500,
        slope=0.75,
        galaxies=0.75,
        sigma_e=60,
        level=20,
        rho=0.3,
    ),
    "crowded": Kind(
        fwhm=5.1, beta=3.0, density=800, slope=0.7, galaxies=0.15, sigma_e=16, level=10
    ),
    # Sparse stars in white noise: nothing should beat the matched filter here.
    "control": Kind(
        fwhm=4.3, beta=4.5, density=100, slope=0.7, galaxies=0.0, sigma_e=100, level=10
    ),
}


def make_frame(name: str, *, side: int = 2048) -> Frame:
    kind = KINDS[name]
    rng = np.random.default_rng([FRAME_SEED, list(KINDS).index(name)])
    scene = draw_scene(
        rng,
        shape=(side, side),
        settings=SceneSettings(
            fwhm=(kind.fwhm, kind.fwhm),
            beta=(kind.beta, kind.beta),
            ellipticity=(0.05, 0.05),
            density=(kind.density, kind.density),
            slope=(kind.slope, kind.slope),
            galaxies=(kind.galaxies, kind.galaxies),
            discs=0.5 if kind.galaxies else 0.0,
        ),
    )
    noise = draw_noise(rng, scene.source, sigma_e=kind.sigma_e, rho=kind.rho)
    sky = draw_sky(rng, shape=(side, side), level=kind.level)
    image = scene.source + sky + noise
    return Frame(
        kind=name,
        sky="structured",
        place="field 0",
        image=image,
        source=scene.source,
        mask=np.zeros(image.shape, bool),
        truth=scene.truth,
        fwhm=kind.fwhm,
        rho=kind.rho,
        sigma_e=kind.sigma_e,
        digest=digest(image),
        background=sky,
    )
