"""Declared ways to search an image: from a threshold to a list of positions.

Fixed before any weights of the benchmark existed, the same for all arms that are an
image; programs with a search of their own (SExtractor, photutils' deblender, PSF
photometry) are arms with one recipe.
"""

import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import sep
from scipy import ndimage

from bgrem_core.detect import detect

VERSION = 1  # raised when a recipe changes
MINAREA = 5
Find = Callable[[float], np.ndarray]


@dataclass(frozen=True, kw_only=True, eq=False)
class Searched:
    """What a recipe looks at.

    Attributes
    ----------
    image : ndarray
        (ny, nx) float32.
    fwhm : float
        Of a point source in it, pixels.
    listed : ndarray or None
        (3, n) x, y and significance, where the arm is a list already.
    """

    image: np.ndarray
    fwhm: float
    listed: np.ndarray | None = None


def maxima(image: np.ndarray) -> np.ndarray:
    """Return x, y, value of the maxima of 5 x 5 pixels, sub-pixel by a parabola."""
    top = image == ndimage.maximum_filter(image, 5)
    top[:2], top[-2:], top[:, :2], top[:, -2:] = False, False, False, False
    y, x = np.nonzero(top & (image > 0))
    value = image[y, x]

    def vertex(before: np.ndarray, after: np.ndarray) -> np.ndarray:
        bend = before - 2 * value + after
        return np.where(bend < 0, 0.5 * (before - after) / np.minimum(bend, -1e-9), 0)

    dx = np.clip(vertex(image[y, x - 1], image[y, x + 1]), -0.5, 0.5)
    dy = np.clip(vertex(image[y - 1, x], image[y + 1, x]), -0.5, 0.5)
    return np.stack([x + dx, y + dy, value])


def segments(
    image: np.ndarray, threshold: float, *, levels: int, contrast: float, minarea: int
) -> np.ndarray:
    """Return x, y, peak of SExtractor's segmentation, as sep does it."""
    # All of it is allocated in each call: no more than the image can need, which is
    # all of it where a poor network leaves one object.
    sep.set_extract_pixstack(max(100_000, image.size + 1000))
    sep.set_sub_object_limit(131_072)
    found = sep.extract(
        image,
        threshold,
        minarea=minarea,
        filter_kernel=None,
        deblend_nthresh=levels,
        deblend_cont=contrast,
    )
    return np.stack([found["x"], found["y"], found["peak"]])


def by_segments(levels: int, contrast: float) -> Callable[[Searched], Find]:
    def prepare(s: Searched) -> Find:
        return lambda t: segments(
            s.image, t, levels=levels, contrast=contrast, minarea=MINAREA
        )[:2]

    return prepare


def by_maxima(s: Searched) -> Find:
    peaks = maxima(s.image)
    return lambda t: peaks[:2, peaks[2] >= t]


def by_product(s: Searched) -> Find:
    def find(t: float) -> np.ndarray:
        found = detect(s.image, threshold=t, fwhm=s.fwhm)
        return np.stack([found.x, found.y])

    return find


def by_list(s: Searched) -> Find:
    assert s.listed is not None
    return lambda t: s.listed[:2, s.listed[2] >= t]


def by_photutils(s: Searched) -> Find:
    """Search with photutils' segmentation and its own deblender, at its defaults."""
    from photutils.segmentation import SourceCatalog, SourceFinder

    finder = SourceFinder(n_pixels=MINAREA, progress_bar=False)

    def find(t: float) -> np.ndarray:
        segments_ = finder(s.image, t)
        if segments_ is None:
            return np.zeros((2, 0))
        found = SourceCatalog(s.image, segments_)
        return np.stack([found.x_centroid, found.y_centroid])

    return find


def by_sextractor(s: Searched) -> Find:
    """Run the program with its default.sex and default.conv; its threshold is ours."""
    from astropy.io import fits

    def find(t: float) -> np.ndarray:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            fits.PrimaryHDU(s.image).writeto(folder / "frame.fits")
            (folder / "columns.param").write_text("X_IMAGE\nY_IMAGE\n")
            shared = Path("/usr/share/source-extractor")
            command = [
                "source-extractor", "frame.fits", "-c", str(shared / "default.sex"),
                "-FILTER_NAME", str(shared / "default.conv"),
                "-PARAMETERS_NAME", "columns.param", "-CATALOG_NAME", "found.cat",
                "-CATALOG_TYPE", "ASCII", "-VERBOSE_TYPE", "QUIET",
                "-DETECT_MINAREA", str(MINAREA), "-DETECT_THRESH", f"{t:.5f}",
                "-ANALYSIS_THRESH", f"{t:.5f}", "-SATUR_LEVEL", "1e9",
                "-MEMORY_PIXSTACK", "3000000", "-MEMORY_OBJSTACK", "30000",
            ]  # fmt: skip
            subprocess.run(command, cwd=folder, check=True, capture_output=True)
            text = (folder / "found.cat").read_text().split()
        # FITS counts pixels from 1.
        return np.array(text, float).reshape(-1, 2).T - 1

    return find


RECIPES: dict[str, Callable[[Searched], Find]] = {
    "sep 32/0.005": by_segments(32, 0.005),
    "sep 64/0.0001": by_segments(64, 0.0001),
    "maxima": by_maxima,
    "product": by_product,
}
"""Those that every image is searched with."""
OWN: dict[str, Callable[[Searched], Find]] = {
    "source-extractor": by_sextractor,
    "photutils": by_photutils,
    "list": by_list,
}
"""Those that belong to one arm."""


def finder(searched: Searched, recipe: str) -> Find:
    return (RECIPES | OWN)[recipe](searched)
