"""A field with its truth, separated by the mesh; shared by several test modules."""

from dataclasses import replace
from functools import lru_cache

import numpy as np
from astropy.wcs import WCS

from bgrem_core.image import Image
from bgrem_core.io.provenance import Provenance
from bgrem_core.normalize import Scale
from bgrem_core.planes import constant
from bgrem_core.separation import Separation
from bgrem_core.simulate.optical import SceneSettings, draw_noise, draw_scene

FWHM, SKY = 4.0, 100.0


def tan_header(side):
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval = [150.0, 2.0]
    wcs.wcs.crpix = [side / 2, side / 2]
    wcs.wcs.cdelt = [-1e-4, 1e-4]
    return wcs.to_header()


@lru_cache
def scene(side=600, density=500, seed=11):
    settings = SceneSettings(
        fwhm=(FWHM, FWHM + 0.01), density=(density, density + 1), galaxies=(0.2, 0.2),
        discs=0,
    )  # fmt: skip
    rng = np.random.default_rng(seed)
    return draw_scene(rng, shape=(side, side), settings=settings)


def mesh_result(data, **fields):
    """What the method "mesh" would give for a flat sky of `SKY`."""
    data = np.asarray(data, np.float32)
    shape = data.shape
    flags = fields.pop("flags", np.zeros(shape, np.uint8))
    image = Image(data=data, flags=flags, **{"unit": "adu", "gain": 16.0} | fields)
    scale = Scale(
        offset=constant(SKY, shape), sigma=constant(1, shape), median_sigma=1.0,
        fwhm=FWHM,
    )  # fmt: skip
    return Separation(
        image=image, parts={"sky": constant(SKY, shape)}, flags=flags, scale=scale,
        provenance=Provenance(version="0", method="mesh", gain=16.0),
        photometric=data - np.float32(SKY),
    )  # fmt: skip


@lru_cache
def result(side=600, density=500, seed=11):
    field = scene(side, density, seed)
    rng = np.random.default_rng(seed + 1)
    noisy = field.source + draw_noise(rng, field.source, sigma_e=16) + SKY
    return mesh_result(noisy, zeropoint=25.0, header=tan_header(side))


def denoised_result():
    """A perfect denoiser: cleaned is the truth."""
    raw, field = result(), scene()
    noise = raw.image.data - SKY - field.source
    return replace(raw, parts={"sky": raw.parts["sky"], "noise": noise})
