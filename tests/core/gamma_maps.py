"""Counts maps that tests of the gamma-ray photons share."""

import numpy as np
from astropy.io import fits

from bgrem_core.gamma.psf import PointSpread
from bgrem_core.simulate.gamma import draw_counts, draw_patch

EXPOSURE = 1.9e11
PSF = PointSpread(0.2)


def header(shape=(64, 64), *, proj="TAN", pixel=0.2, frame="G", centre=(40.0, 50.0)):
    """Give the header of a map, as gtbin writes it."""
    names = {"G": ("GLON", "GLAT"), "E": ("RA--", "DEC-")}[frame]
    ny, nx = shape
    lon, lat = centre
    # gtbin moves the equator of CAR maps to their middle.
    return fits.Header({
        "CTYPE1": f"{names[0]}-{proj}", "CRVAL1": lon, "CRPIX1": (nx + 1) / 2,
        "CTYPE2": f"{names[1]}-{proj}", "CRVAL2": lat, "CRPIX2": (ny + 1) / 2,
        "CDELT1": -pixel, "CDELT2": pixel, "CUNIT1": "deg", "CUNIT2": "deg",
        "DSTYP1": "ENERGY", "DSUNI1": "MeV", "DSVAL1": "1000:2000",
        "DSTYP2": "BIT_MASK(EVENT_TYPE,1,P8R3)", "DSUNI2": "DIMENSIONLESS",
        "DSVAL2": "1:1",
    })  # fmt: skip


def held_out(k, **options):
    """Give a simulated patch of the held-out sky, and its photons."""
    rng = np.random.default_rng([20, k])
    patch = draw_patch(rng, held_out=True, **options)
    return patch, draw_counts(rng, patch)


def expected(shape, sources, background=2.0, psf=PSF):
    """Give the expectation of sources (x, y, counts) on a background."""
    wide = 40
    out = np.pad(np.broadcast_to(np.asarray(background, float), shape).copy(), wide)
    for x, y, counts in sources:
        i, j = round(x), round(y)
        stamp = counts * psf.stamp(y - j, x - i)
        half = len(stamp) // 2
        rows = slice(j + wide - half, j + wide + half + 1)
        cols = slice(i + wide - half, i + wide + half + 1)
        out[rows, cols] += stamp
    return out[wide:-wide, wide:-wide]


def photons(expectation, seed=1):
    """Draw photons."""
    return np.random.default_rng(seed).poisson(expectation).astype(np.float32)


def write(path, counts, head=None):
    """Write a counts map as gtbin does: whole numbers in the primary HDU."""
    head = header(counts.shape) if head is None else head
    fits.writeto(path, np.asarray(counts, np.int32), head, overwrite=True)
    return path
