"""Make src/bgrem_core/samples/photons.fits: gamma rays of which everything is known.

A counts map as gtbin writes it, 1 to 2 GeV, ten years, about a place in a held-out cap
of the sky of `bgrem_core.simulate.gamma`. The table TRUTH behind it says what was put
in. An equal seed gives equal numbers.

python scripts/make_photons_sample.py [--out src/bgrem_core/samples]
"""

import argparse
import hashlib
from pathlib import Path

import numpy as np
from astropy.io import fits

from bgrem_core.simulate.gamma import (
    GammaPatch,
    GammaSettings,
    draw_counts,
    draw_patch,
    view_diffuse,
)
from bgrem_core.simulate.gamma_sky import Footprint
from bgrem_core.simulate.gamma_sources import CLASSES

NAME = "photons.fits"
SEED = 5
SIDE = 128
PIXEL = 0.2  # degrees
PLACE = 45.0, 6.0  # l, b: the plane of the Galaxy runs through the lower part
EXPOSURE = 1.9e11  # cm2 s, mean over the sky
SETTINGS = GammaSettings(
    side=SIDE, pixel=PIXEL, exposure=(EXPOSURE, EXPOSURE), emission=(1, 1),
    isotropic=(1, 1), psf=0, distorted=0, density=(1, 1), faint_share=0,
)  # fmt: skip


def main() -> None:
    """Draw the photons, write them, say what is in them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("src/bgrem_core/samples"))
    path = parser.parse_args().out / NAME
    patch, counts = draw()
    image = fits.PrimaryHDU(counts.astype(np.int16), header(patch))
    fits.HDUList([image, table(patch)]).writeto(path, overwrite=True)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    ts = patch.catalogue.ts
    print(f"{path}: {path.stat().st_size / 1000:.0f} kB, {digest}")
    print(
        f"{counts.sum():.0f} photons, {len(ts)} sources, {np.sum(ts > 25)} of TS > 25"
    )


def draw() -> tuple[GammaPatch, np.ndarray]:
    """Return what is expected, and photons."""
    rng = np.random.default_rng(SEED)
    l, b = PLACE  # noqa: E741
    sky = view_diffuse(Footprint(l=l, b=b, pixel=PIXEL), SIDE)
    patch = draw_patch(rng, SETTINGS, diffuse=sky)
    return patch, draw_counts(rng, patch)


def header(patch: GammaPatch) -> fits.Header:
    """Return the cards of the map, those of gtbin among them."""
    middle = (SIDE + 1) / 2
    out = fits.Header({
        "CTYPE1": "GLON-ZEA", "CRVAL1": PLACE[0], "CRPIX1": middle,
        "CTYPE2": "GLAT-ZEA", "CRVAL2": PLACE[1], "CRPIX2": middle,
        "CDELT1": -PIXEL, "CDELT2": PIXEL, "CUNIT1": "deg", "CUNIT2": "deg",
        "BUNIT": "ct",
        "DSTYP1": "ENERGY", "DSUNI1": "MeV", "DSVAL1": "1000:2000",
        "DSTYP2": "BIT_MASK(EVENT_TYPE,1,P8R3)", "DSUNI2": "DIMENSIONLESS",
        "DSVAL2": "1:1",
    })  # fmt: skip
    out["OBJECT"] = ("simulated sky", "no photon of the real sky")
    out["SIMULATE"] = (True, "simulated by scripts/make_photons_sample.py")
    out["SIMSEED"] = (SEED, "seed of everything that was drawn")
    middle_exposure = round(patch.exposure / 1e8) * 1e8
    out["SIMEXPO"] = (middle_exposure, "[cm2 s] true exposure in the middle")
    return out


def table(patch: GammaPatch) -> fits.BinTableHDU:
    """Return what was put in, the brightest source first."""
    c = patch.catalogue
    order = np.argsort(-c.ts, kind="stable")
    columns = {
        "x": ("E", "pixel", c.x, "column, 0-based: first pixel is 0"),
        "y": ("E", "pixel", c.y, "row, 0-based: first pixel is 0"),
        "flux": ("E", "ct", c.counts, "expected photons"),
        "snr": ("E", None, np.sqrt(c.ts), "square root of the Asimov TS"),
        "kind": ("10A", None, np.array(CLASSES)[c.kind], "population"),
        "size": ("E", "pixel", np.zeros(len(c)), "half-light radius before the PSF"),
    }
    hdu = fits.BinTableHDU.from_columns(
        [
            fits.Column(name=name, format=code, unit=unit, array=values[order])
            for name, (code, unit, values, _) in columns.items()
        ],
        name="TRUTH",
    )
    for k, (*_, about) in enumerate(columns.values(), start=1):
        hdu.header[f"TCOMM{k}"] = about
    return hdu


if __name__ == "__main__":
    main()
