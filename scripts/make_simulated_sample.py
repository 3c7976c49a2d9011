"""Make src/bgrem_core/samples/simulated.fits.fz: a field of which everything is known.

Stars, galaxies and one faint disc of the plain optical simulator, on a smooth sky with
a gradient, in white noise of known sigma, in whole ADU like a raw frame. The table
TRUTH behind the image says what was put in. An equal seed gives equal numbers.

python scripts/make_simulated_sample.py [--out src/bgrem_core/samples]
"""

import argparse
import hashlib
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS

from bgrem_core.simulate import (
    KINDS,
    Scene,
    SceneSettings,
    Truth,
    draw_noise,
    draw_scene,
    draw_sky,
)

NAME = "simulated.fits.fz"
SEED = 3  # the one disc of this field lies free, and far from the edges
SIDE = 640
SIGMA = 5.0  # ADU
GAIN = 4.0  # electrons per ADU
SKY = 100.0  # ADU: its photons are the noise, sqrt(100 * 4) / 4 = 5
PIXEL = 0.25  # arcsec
SETTINGS = SceneSettings(
    fwhm=(3.6, 3.6), beta=(3.0, 3.2), ellipticity=(0.03, 0.05), density=(450, 450),
    slope=(0.75, 0.75), snr=(0.5, 1500), galaxies=(0.5, 0.5), discs=2.5,
    disc_scale=(18, 22), disc_peak=(0.6, 0.8),
)  # fmt: skip


def main() -> None:
    """Draw the field, write it, say what is in it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("src/bgrem_core/samples"))
    path = parser.parse_args().out / NAME
    scene, pixels = draw()
    image = fits.CompImageHDU(pixels, header(scene), name="SCI")
    hdus = [fits.PrimaryHDU(), image, table(scene.truth)]
    fits.HDUList(hdus).writeto(path, overwrite=True)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    truth = scene.truth
    kinds = ", ".join(
        f"{np.sum((truth.kind == k) & (truth.snr >= 5))} {name}"
        for k, name in enumerate(KINDS)
        if np.any(truth.kind == k)
    )
    print(f"{path}: {path.stat().st_size / 1000:.0f} kB, {digest}")
    print(f"{len(truth)} sources, {np.sum(truth.snr >= 5)} from S/N 5: {kinds}")


def draw() -> tuple[Scene, np.ndarray]:
    """Return the field in units of its noise, and the frame in whole ADU."""
    rng = np.random.default_rng(SEED)
    shape = (SIDE, SIDE)
    scene = draw_scene(rng, shape=shape, settings=SETTINGS)
    sky = draw_sky(rng, shape=shape, level=SKY / SIGMA, vignette=0, blob=0, channels=0)
    noise = draw_noise(rng, scene.source, sigma_e=SIGMA * GAIN)
    frame = SIGMA * (scene.source + sky + noise)
    return scene, np.round(frame).astype(np.int16)


def header(scene: Scene) -> fits.Header:
    """Return the cards of the image."""
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval = [150.1, 2.2]
    wcs.wcs.crpix = [(SIDE + 1) / 2, (SIDE + 1) / 2]
    wcs.wcs.cdelt = [-PIXEL / 3600, PIXEL / 3600]
    wcs.wcs.radesys = "ICRS"
    out = wcs.to_header()
    out["OBJECT"] = ("simulated field", "no piece of the real sky")
    out["SIMULATE"] = (True, "simulated by scripts/make_simulated_sample.py")
    out["BUNIT"] = "adu"
    out["GAIN"] = (GAIN, "electrons per adu")
    out["MAGZERO"] = (27.0, "magnitude of 1 adu, made up")
    out["SIMSEED"] = (SEED, "seed of everything that was drawn")
    out["SIMSIGMA"] = (SIGMA, "[adu] true noise of blank sky, per pixel")
    out["SIMSKY"] = (SKY, "[adu] mean sky; it has a gradient")
    out["SIMFWHM"] = (round(scene.psf.fwhm, 4), "[pix] true FWHM of the PSF")
    return out


def table(truth: Truth) -> fits.BinTableHDU:
    """Return what was put in, the brightest source first."""
    order = np.argsort(-truth.snr, kind="stable")
    kind = np.array(KINDS)[truth.kind]
    columns = {
        "x": ("E", "pixel", truth.x, "column, 0-based: first pixel is 0"),
        "y": ("E", "pixel", truth.y, "row, 0-based: first pixel is 0"),
        "flux": ("E", "adu", SIGMA * truth.flux, "total flux"),
        "snr": ("E", None, truth.snr, "best S/N of a linear filter, white noise"),
        "kind": ("13A", None, kind, "what it is"),
        "size": ("E", "pixel", truth.size, "half-light radius before the PSF"),
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
