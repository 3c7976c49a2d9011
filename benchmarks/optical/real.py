"""Real frames with a truth from deeper data of the same sky.

The truth is what a matched filter with SExtractor's segmentation finds in the deeper
image at 5 sigma and more. Neutral, neither true nor false, is what it finds down to 2.5
sigma, and what only stronger deblending or maxima find there, or maxima of the deeper
image under half the smoothing: close pairs and clumps that a matched filter merges.
This favours the matched filter slightly; no arm that is tested sees that image. As on
simulated frames, what surrounds very bright stars (halos, spikes, bleeding) counts in
no arm. All frames are scarce; the number of true sources stands in the tables.
"""

import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import sep
from astropy.io import fits
from astropy.wcs import WCS
from frames import SEED, Frame, digest, table, with_noise
from images import psf_filtered
from recipes import maxima, segments
from scipy import ndimage
from scipy.spatial import cKDTree
from score import MATCH

import bgrem_core
from bgrem_core.matched import gaussian_kernel, weighted_noise
from bgrem_core.simulate import Truth

DATA = Path(__file__).parents[3] / "shared" / "data" / "optical"
COUNTED, LISTED = 5.0, 2.5  # sigma of the deeper image
LEAST = 2.0  # S/N in the frame itself from which truth counts, whatever the depth
TRANSIENT, SEEING = 7.0, 0.3  # sigma, and share of the light, that may differ
CORNER = 1024  # pixels, of a frame that is larger
GLARE, WIDE = 500.0, 12.0  # peak in sigma from which, and FWHM to which, glare counts
SHARP = 5.0  # sigma of the deeper image under half the smoothing
GROUND_I = 2  # index of the i band in the HSC cut-outs


def flattened(image: np.ndarray) -> np.ndarray:
    image = np.ascontiguousarray(image, np.float32)
    return image - sep.Background(image, bw=64, bh=64).back()


def _spread(image: np.ndarray) -> float:
    """Return the noise sigma from the lower half of the pixels."""
    low, middle = np.percentile(image, [15.87, 50])
    return float(middle - low)


def frame(
    name: str,
    sky: str,
    place: str,
    image: np.ndarray,
    deep: np.ndarray,
    *,
    gain: float | None,
    fwhm: float | None = None,
    edge: int = 12,
    tiles: int = 4,
    noise: float | None = None,
    depth: float | None = None,
    alone: bool = False,
) -> Frame:
    """Put a frame and a deeper, flat image of the same sky and unit together.

    ``depth`` is the noise of the deeper image over that of the frame, where sources
    leave no blank sky to measure it.
    """
    image = np.nan_to_num(np.asarray(image, np.float32))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scale = bgrem_core.clean(image, method="mesh", fwhm=fwhm).scale
    sigma = noise or scale.median_sigma
    width = fwhm or (scale.fwhm if np.isfinite(scale.fwhm) else 4.0)
    unit = np.asarray(image / sigma, np.float32)
    source = np.asarray(deep / sigma, np.float32)
    own = psf_filtered(source, width)
    kernel = gaussian_kernel(width)
    here = weighted_noise(kernel, scale.rho_xy) / float(np.sqrt(np.sum(kernel**2)))
    depth = _spread(own) if depth is None else depth * here
    floor = max(COUNTED * depth / here, LEAST)
    x, y, size, counts = _sources(own, LISTED * depth, width)
    x, y, size, counts = _with_sharp(source, x, y, size, counts, width)
    seen = ndimage.map_coordinates(own, [y, x], order=1, mode="nearest")
    snr = np.where(counts, seen / here, np.minimum(seen / here, 0.99 * floor))
    kind = np.zeros(len(x), np.int8)
    truth = Truth(x=x, y=y, flux=seen, snr=snr, kind=kind, size=size)
    if alone:
        differs = psf_filtered(flattened(unit) - source, width) / here
        wrong = np.abs(differs) > TRANSIENT + SEEING * np.abs(own) / here
        mask = ndimage.binary_dilation(wrong, iterations=round(width))
    else:
        mask = np.zeros(unit.shape, bool)
    mask |= _glare(flattened(unit), width)
    return Frame(
        kind=name, sky=sky, place=place, image=unit, source=source,
        mask=mask, truth=truth, fwhm=float(width),
        rho=float(scale.rho), sigma_e=gain * sigma if gain else None,
        digest=digest(
            unit, source, mask, table(truth),
            np.array([floor, width, edge, gain * sigma if gain else 0]),
        ),
        floor=round(floor, 3), edge=edge, tiles=tiles,
        real=True,
    )  # fmt: skip


def _sources(
    image: np.ndarray, threshold: float, fwhm: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return x, y, half-light radius (0 = a point), and whether a source counts."""
    found = sep.extract(
        image, threshold, minarea=3, filter_kernel=None, deblend_nthresh=32,
        deblend_cont=0.005,
    )  # fmt: skip
    point = 2**0.5 * fwhm / 2.3548
    own = np.sqrt(np.maximum(found["a"] * found["b"] - point**2, 0))
    x, y, size = found["x"], found["y"], np.where(own > point, 1.18 * own, 0.0)
    counts = np.ones(len(x), bool)
    parted = segments(image, threshold, levels=64, contrast=1e-4, minarea=3)
    peaks = maxima(image)
    for more in (parted, peaks[:, peaks[2] >= threshold]):
        tree = cKDTree(np.stack([x, y], 1))
        new = tree.query(more[:2].T)[0] > MATCH * fwhm
        count = int(new.sum())
        x, y = np.r_[x, more[0, new]], np.r_[y, more[1, new]]
        size = np.r_[size, np.zeros(count)]
        counts = np.r_[counts, np.zeros(count, bool)]
    return x, y, size, counts


def _with_sharp(
    source: np.ndarray,
    x: np.ndarray,
    y: np.ndarray,
    size: np.ndarray,
    counts: np.ndarray,
    fwhm: float,
) -> tuple[np.ndarray, ...]:
    """Add what only the less smoothed deeper image shows; it does not count."""
    sharp = psf_filtered(source, fwhm / 2)
    peaks = maxima(sharp)
    peaks = peaks[:, peaks[2] >= SHARP * _spread(sharp)]
    new = cKDTree(np.stack([x, y], 1)).query(peaks[:2].T)[0] > MATCH / 2 * fwhm
    count = int(new.sum())
    return (
        np.r_[x, peaks[0, new]], np.r_[y, peaks[1, new]],
        np.r_[size, np.zeros(count)], np.r_[counts, np.zeros(count, bool)],
    )  # fmt: skip


def _glare(image: np.ndarray, fwhm: float) -> np.ndarray:
    """Return the surroundings of stars so bright that their halos are seen."""
    bright = image > GLARE
    if not bright.any():
        return bright
    return ndimage.distance_transform_edt(~bright) < WIDE * fwhm


def decam(folder: Path) -> Iterator[Frame]:
    """Yield each exposure against the stack of the four others of its field."""
    for field in ("04", "18"):
        paths = sorted((folder / "decam_pairs").glob(f"DEC-OBS{field}*.fits"))
        data, headers = [], []
        for path in paths:
            with fits.open(path) as hdus:
                data.append(np.asarray(hdus[0].data, np.float32))
                headers.append(hdus[0].header)
        flat = [flattened(np.nan_to_num(d)) for d in data]
        weight = np.array([_spread(f) ** -2 for f in flat])
        for k, image in enumerate(data):
            others = [j for j in range(len(data)) if j != k]
            stack = np.average([flat[j] for j in others], 0, weight[others])
            yield frame(
                "decam", f"exposure {k}", f"field {field}", image, stack,
                gain=headers[k]["GAIN"], fwhm=float(headers[k]["FWHM"]),
                alone=True,
            )  # fmt: skip


def _quiet_corner(data: np.ndarray) -> np.ndarray:
    """Return the faintest corner: segmentation of a cluster's core takes hours."""
    if max(data.shape) <= CORNER:
        return data
    cuts = (slice(None, CORNER), slice(-CORNER, None))
    corners = [data[rows, columns] for rows in cuts for columns in cuts]
    return min(corners, key=lambda c: float(np.mean(c)))


def noisier(
    name: str,
    folder: Path,
    paths: dict[str, str],
    times: float,
    *,
    edge: int,
    tiles: int,
) -> Iterator[Frame]:
    """Yield deep images with so much noise added that it is `times` their own."""
    for k, (band, path) in enumerate(paths.items()):
        with fits.open(folder / path) as hdus:
            data = np.nan_to_num(np.asarray(hdus[0].data, np.float32))
            gain = hdus[0].header.get("GAIN")
        data = _quiet_corner(data)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            scale = bgrem_core.clean(data, method="mesh").scale
        image = with_noise(
            data, scale.rho, times=times, seed=[SEED, 2000, k, round(times)],
            sigma=scale.median_sigma,
        )  # fmt: skip
        fwhm = float(scale.fwhm) if np.isfinite(scale.fwhm) else None
        yield frame(
            name, band, "field", image, flattened(data), fwhm=fwhm, edge=edge,
            tiles=tiles, gain=gain,
            noise=times * scale.median_sigma,
        )  # fmt: skip


CFHTLS = {b: f"cfhtls/CFHTLS-test_{b}.fits" for b in "gri"}
KIDS = {"r": "cfhtls/KiDS-test_r.fits"}
M2 = {b: f"sdss_m2/frame-{b}-002583-2-0136.fits.bz2" for b in "gr"}


def hsc(folder: Path) -> Iterator[Frame]:
    """Yield ground-based cut-outs against the same sky from space."""
    for k, tail in enumerate(("", "1")):
        with fits.open(folder / f"hsc_lsb/Cut_HSC{tail}.fits") as hdus:
            ground = np.asarray(hdus[0].data[GROUND_I], np.float32)
            there = WCS(hdus[0].header).celestial
        with fits.open(folder / f"hsc_lsb/Cut_HST{tail}.fits") as hdus:
            space = np.asarray(hdus[0].data, np.float32)
            here = WCS(hdus[0].header).celestial
        y, x = np.indices(ground.shape)
        px, py = here.world_to_pixel(there.pixel_to_world(x, y))
        step = float(np.hypot(px[0, 1] - px[0, 0], py[0, 1] - py[0, 0]))
        fwhm = 3.6  # pixels, of the PSF that comes with the cut-outs
        smooth = ndimage.gaussian_filter(space - np.median(space), fwhm * step / 2.3548)
        deep = ndimage.map_coordinates(smooth, [py, px], order=1, mode="constant")
        flat = ground - np.median(ground)
        deep = deep * (np.sum(flat * deep) / np.sum(deep**2))
        yield frame(
            "hsc", f"cut-out {k}", f"cut-out {k}", ground, deep, gain=None, fwhm=fwhm,
            edge=4, tiles=3, depth=0.4,
        )  # fmt: skip


Make = Callable[[Path], Iterator[Frame]]


def _with_noise(name: str, paths: dict[str, str], times: float, **more: int) -> Make:
    return lambda folder: noisier(name, folder, paths, times, **more)


KINDS: dict[str, Make] = {
    "decam": decam,
    "cfhtls x3": _with_noise("cfhtls x3", CFHTLS, 3, edge=12, tiles=6),
    "cfhtls x6": _with_noise("cfhtls x6", CFHTLS, 6, edge=12, tiles=6),
    "kids x3": _with_noise("kids x3", KIDS, 3, edge=6, tiles=4),
    "kids x6": _with_noise("kids x6", KIDS, 6, edge=6, tiles=4),
    "m2 x3": _with_noise("m2 x3", M2, 3, edge=24, tiles=8),
    "hsc": hsc,
}


def load(name: str, folder: Path) -> list[Frame]:
    """Return the frames of a kind; none where its data are not here."""
    try:
        return list(KINDS[name](folder))
    except FileNotFoundError:
        return []
