"""Compare lists of positions with the truth of one frame, by sub-tiles."""

import numpy as np
from frames import Frame, is_extended, is_star
from images import flat_raw, psf_filtered
from scipy import ndimage
from scipy.spatial import cKDTree

VERSION = 1  # raised when the same detections get other fates
COUNTS = ("true", "false", "double", "shred", "neutral")
MATCH = 0.6  # of the FWHM
NEUTRAL = 0.5  # true S/N down to which a detection is not false
FLUX_FACTOR = 3.0
BINS = np.geomspace(1, 200, 27)  # of true S/N, for completeness


class Scorer:
    """Fates of detections and of true sources in one frame.

    Parameters
    ----------
    frame : Frame
        With its truth.
    noise_free : bool, optional
        Detections were made on the noise-free image, and their flux is read there.
    """

    def __init__(self, frame: Frame, *, noise_free: bool = False) -> None:
        self.frame, self.tiles = frame, frame.tiles
        t = frame.truth
        self.radius = MATCH * frame.fwhm
        # One and the same yardstick for truth and detections: the PSF-weighted S/N.
        pure = psf_filtered(frame.source, frame.fwhm)
        self.seen = pure
        if not noise_free:
            self.seen = psf_filtered(flat_raw(frame.image, frame.fwhm), frame.fwhm)
        self.truth_flux = self._at(pure, t.x, t.y)
        self.points = np.stack([t.x, t.y], 1)
        sources = ~is_extended(t)
        self.counted = sources & (t.snr >= frame.floor)
        wanted = np.flatnonzero(self.counted)
        self.order = wanted[np.argsort(-t.snr[wanted], kind="stable")]
        self.usable = np.flatnonzero(sources & (t.snr >= NEUTRAL))
        self.tree = cKDTree(self.points[self.usable])
        # What lies on light that belongs to a large source is a part of it: a shred.
        disc = is_extended(t)
        self.big = np.flatnonzero((t.size > 0) & (t.snr > 20) | disc)
        reach = np.where(disc, 2.0, 1.5) * np.hypot(t.size, frame.fwhm / 2)
        self.reach = reach[self.big]
        self.inner = self.counted & self._inside(t.x, t.y)
        self.total = int(self.inner.sum())
        self.area = self._area()

    def _at(self, image: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return ndimage.map_coordinates(image, [y, x], order=1, mode="nearest")

    def _inside(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        (ny, nx), edge = self.frame.image.shape, self.frame.edge
        inside = (x >= edge) & (x <= nx - 1 - edge) & (y >= edge) & (y <= ny - 1 - edge)
        row = np.clip(np.rint(y), 0, ny - 1).astype(int)
        col = np.clip(np.rint(x), 0, nx - 1).astype(int)
        return inside & ~self.frame.mask[row, col]

    def _area(self) -> float:
        """Return the area that counts, Mpix."""
        edge = self.frame.edge
        return float(np.sum(~self.frame.mask[edge:-edge, edge:-edge])) / 1e6

    def match(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the fate of each detection, and which true sources were found."""
        t = self.frame.truth
        flux = self._at(self.seen, x, y)
        fate, found = np.full(len(x), -1), np.zeros(len(t), bool)
        if not len(x):
            return fate, found
        tree = cKDTree(np.stack([x, y], 1))
        near = tree.query_ball_point(self.points[self.order], self.radius)
        for k, hits in zip(self.order, near, strict=True):
            free = [h for h in hits if fate[h] < 0 and self._alike(k, flux[h])]
            if free:
                d = [(x[h] - t.x[k]) ** 2 + (y[h] - t.y[k]) ** 2 for h in free]
                fate[free[int(np.argmin(d))]] = 0
                found[k] = True
        for h in np.flatnonzero(fate < 0):
            fate[h] = self._fate(x[h], y[h], flux[h])
        return fate, found

    def __call__(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Return counts (5, tiles^2) in the order of `COUNTS`."""
        fate, _ = self.match(x, y)
        inner = self._inside(x, y)
        (ny, nx), tiles = self.frame.image.shape, self.tiles
        row, col = ((v * tiles // n).astype(int) for v, n in ((y, ny), (x, nx)))
        tile = np.clip(row, 0, tiles - 1) * tiles + np.clip(col, 0, tiles - 1)
        return np.stack(
            [
                np.bincount(tile[inner & (fate == k)], minlength=tiles**2)
                for k in range(len(COUNTS))
            ]
        )

    def completeness(self, x: np.ndarray, y: np.ndarray) -> dict[str, list[list[int]]]:
        """Return numbers of true sources and of found ones in `BINS`, by class."""
        _, found = self.match(x, y)
        t, star = self.frame.truth, is_star(self.frame.truth)
        inner = ~is_extended(t) & self._inside(t.x, t.y)
        out = {}
        for name, group in (("stars", star), ("galaxies", ~star)):
            rows = (inner & group, inner & group & found)
            out[name] = [np.histogram(t.snr[r], BINS)[0].tolist() for r in rows]
        return out

    def _alike(self, k: int, flux: float) -> bool:
        true = max(self.truth_flux[k], 1e-3)
        return true / FLUX_FACTOR <= flux <= true * FLUX_FACTOR

    def _fate(self, x: float, y: float, flux: float) -> int:
        t = self.frame.truth
        near = self.usable[self.tree.query_ball_point([x, y], self.radius)]
        if np.any(self.counted[near]):
            return 2
        # A neutral source excuses a detection only if it is as bright: in a crowd
        # there is some faint source near every place.
        if any(self._alike(k, flux) for k in near):
            return 4
        far = np.hypot(t.x[self.big] - x, t.y[self.big] - y)
        return 3 if np.any(far < self.reach) else 1
