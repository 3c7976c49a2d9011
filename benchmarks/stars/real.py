"""Frames of telescopes: what sep still finds once the stars are off, and pictures.

There is no truth: a source less is a star that is gone or a galaxy that is. Both are
counted, with what is as small as a star apart. Holes that were dug are shallow and
wide: they are what lies below the sky once the image is smoothed by a PSF and a half.
"""

import hashlib
import warnings
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import sep
from arms import Arm
from astropy.io import fits
from scipy import ndimage

import bgrem_core

DATA = Path(__file__).parents[3] / "shared" / "data" / "optical"
CUT = 512
FRAMES: dict[str, tuple[str, tuple[int, ...], tuple[int, int]]] = {
    "eso085": ("eso085/aligned_eso085-030-004.fit", (), (85, 256)),
    "cfhtls": ("cfhtls/CFHTLS-test_g.fits", (), (0, 0)),
    "sdss_m2": ("sdss_m2/frame-r-002583-2-0136.fits.bz2", (), (400, 700)),
    "hsc_lsb": ("hsc_lsb/lsbg_hsc.fits", (2,), (0, 0)),
}
"""File, plane, and first row and column of what is used."""
LEVEL = 5.0
"""Sigmas of the input above which sep detects."""
WIDE, HOLE = 1.5, 5
"""FWHM of the Gaussian for holes, in that of the PSF; least number of their pixels."""
SMALL, ROUND = 0.75, 0.7
"""Of a point: half-light radius over the FWHM at most, minor over major axis at least.
"""


def present(folder: Path) -> tuple[list[str], list[str]]:
    """Return the frames that are there, and words about the others."""
    here = {n: (folder / f[0]).is_file() for n, f in FRAMES.items()}
    lost = [f"{n}: no {FRAMES[n][0]} in the data" for n, ok in here.items() if not ok]
    return [n for n, ok in here.items() if ok], lost


@cache
def load(folder: str, name: str) -> np.ndarray:
    """Return the part of a frame that is used, float32."""
    path, plane, (row, column) = FRAMES[name]
    with warnings.catch_warnings(), fits.open(Path(folder) / path) as hdus:
        warnings.simplefilter("ignore")
        data = next(h.data for h in hdus if h.data is not None)
    part = np.asarray(data[plane] if plane else data, np.float32)
    cut = part[row : row + CUT, column : column + CUT]
    return np.nan_to_num(np.ascontiguousarray(cut, np.float32))


def identity(folder: str, name: str) -> list[Any]:
    data = load(folder, name)
    return [name, data.shape, hashlib.sha256(data.tobytes()).hexdigest()[:16]]


def measure(folder: str, name: str, arm: Arm) -> dict[str, Any]:
    """Return detections left, and what an arm said."""
    image = load(folder, name)
    done = arm.run(image)
    sky, sigma, fwhm = _state(folder, name)
    rest = np.asarray(done.starless, np.float32) - sky
    points, every = _counts(rest, sigma, fwhm)
    return {
        "points": points, "all": every, "holes": _holes(image, done.starless, fwhm),
        "fwhm": fwhm,
        "filled": None if done.filled is None else float(done.filled.mean()),
        "shape": list(image.shape), "words": done.words,
    }  # fmt: skip


@cache
def _state(folder: str, name: str) -> tuple[np.ndarray, float, float]:
    """Return sky, noise and FWHM of the input: the same for all arms."""
    image = load(folder, name)
    sky = sep.Background(image, bw=64, bh=64)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fwhm = bgrem_core.clean(image, method="mesh").scale.fwhm
    return sky.back(), float(sky.globalrms), float(fwhm if fwhm > 0 else 4.0)


def _counts(data: np.ndarray, sigma: float, fwhm: float) -> tuple[int, int]:
    sep.set_extract_pixstack(2_000_000)
    flat = np.ascontiguousarray(data, np.float32)
    found = sep.extract(flat, LEVEL, err=sigma)
    if not len(found):
        return 0, 0
    reach = np.clip(4 * found["a"], 2 * fwhm, 10 * fwhm)
    half, _ = sep.flux_radius(flat, found["x"], found["y"], reach, 0.5, subpix=5)
    small = (half < SMALL * fwhm) & (found["b"] > ROUND * found["a"])
    return int(np.sum(small & np.isfinite(half))), len(found)


def _holes(image: np.ndarray, out: np.ndarray, fwhm: float) -> int:
    """Count what is below the sky of the result itself, in the input's noise."""
    before, after = (_smooth(plane, fwhm) for plane in (image, out))
    sigma = 1.4826 * float(np.median(np.abs(before - np.median(before))))
    found = sep.extract(-after, LEVEL, err=sigma, minarea=HOLE, filter_kernel=None)
    return len(found)


def _smooth(plane: np.ndarray, fwhm: float) -> np.ndarray:
    data = np.ascontiguousarray(plane, np.float32)
    sky = sep.Background(data, bw=64, bh=64)
    # Its mean is the sky's: stars are cut off before they are smeared.
    flat = np.minimum(data - sky.back(), LEVEL * sky.globalrms)
    return np.ascontiguousarray(ndimage.gaussian_filter(flat, WIDE * fwhm / 2.3548))


def picture(folder: str, name: str, arm: Arm, path: Path) -> None:
    """Write input, starless and stars beside each other."""
    from PIL import Image

    image = load(folder, name)
    out = np.asarray(arm.run(image).starless, np.float32)
    sky, sigma, _ = _state(folder, name)
    shown = [
        _bytes(plane, sigma) for plane in (image - sky, out - sky, image - out)
    ]  # fmt: skip
    gap = np.full((len(image), 4), 255, np.uint8)
    whole = np.hstack([shown[0], gap, shown[1], gap, shown[2]])
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(whole[::-1]).save(path)


def _bytes(plane: np.ndarray, sigma: float) -> np.ndarray:
    """Return grey levels, by an inverse hyperbolic sine from -3 to 300 sigmas."""
    low, high = np.arcsinh(-3 / 2), np.arcsinh(300 / 2)
    grey = (np.arcsinh(plane / sigma / 2) - low) / (high - low)
    return np.rint(255 * np.clip(grey, 0, 1)).astype(np.uint8)
