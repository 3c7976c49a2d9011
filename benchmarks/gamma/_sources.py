"""Iterative search for point sources in counts, given a background map.

Each pass takes the place with the highest score test, fits flux and place by the
Poisson likelihood, adds the source to the model and goes on; afterwards all sources
are fitted again with the others in the model. Test statistics are likelihood ratios.
"""

from dataclasses import dataclass

import numpy as np

from bgrem_core.simulate.gamma_psf import RADIUS, SUBPIXELS, kernel, stamps

REACH = 7  # half side of the fit window, pixels: 96 % of the PSF
LEAST = 0.02  # counts per pixel: a background below it is taken as this
_CUT = slice(RADIUS - REACH, RADIUS + REACH + 1)


@dataclass
class Found:
    """One source: place on the grid of stamps, expected counts, test statistic."""

    iy: int
    ix: int
    ky: int
    kx: int
    counts: float
    ts: float

    @property
    def x(self) -> float:
        """0-based column."""
        return self.ix + (self.kx - (SUBPIXELS - 1) / 2) / SUBPIXELS

    @property
    def y(self) -> float:
        """0-based row."""
        return self.iy + (self.ky - (SUBPIXELS - 1) / 2) / SUBPIXELS


class Search:
    """Search one patch of counts."""

    def __init__(
        self, counts: np.ndarray, background: np.ndarray, pixel: float = 0.2
    ) -> None:
        self.counts = counts.astype(float)
        self.model = np.maximum(background.astype(float), LEAST)
        self.table = stamps(pixel).astype(float)
        small = self.table[..., _CUT, _CUT]
        self.small = small.reshape(SUBPIXELS**2, 2 * REACH + 1, 2 * REACH + 1)
        core = kernel(pixel)[_CUT, _CUT].astype(float)
        self.shape = [n + 2 * REACH for n in counts.shape]
        # Correlation; the kernels are mirror images of themselves.
        self.score = np.fft.rfft2(core, self.shape)
        self.information = np.fft.rfft2(core**2, self.shape)

    def run(self, least: float = 6.0, most: int = 150) -> list[Found]:
        """Return sources whose TS is at least ``least``."""
        found: list[Found] = []
        blocked = np.zeros(self.counts.shape, bool)
        while len(found) < most:
            ts = np.where(blocked, 0, self._score_test())
            iy, ix = np.unravel_index(np.argmax(ts), ts.shape)
            if ts[iy, ix] < least:
                break
            one = self._fit(int(iy), int(ix))
            # Also after success: a second source on the same place is the first one
            # with the wrong PSF.
            blocked[max(iy - 1, 0) : iy + 2, max(ix - 1, 0) : ix + 2] = True
            if one.ts >= least:
                self._add(one, 1)
                found.append(one)
        for _ in range(2):
            found = [self._again(one) for one in found]
        return [one for one in found if one.ts >= least]

    def _score_test(self) -> np.ndarray:
        inverse = 1 / self.model
        u, i = (
            np.fft.irfft2(np.fft.rfft2(image, self.shape) * k, self.shape)[
                REACH : REACH + self.counts.shape[0],
                REACH : REACH + self.counts.shape[1],
            ]
            for image, k in (
                (self.counts * inverse - 1, self.score),
                (inverse, self.information),
            )
        )
        return np.maximum(u, 0) ** 2 / i

    def _window(self, iy: int, ix: int) -> tuple[tuple[slice, slice], ...]:
        """Return the slices of the patch and of a small stamp that overlap."""
        ny, nx = self.counts.shape
        low = [max(iy - REACH, 0), max(ix - REACH, 0)]
        high = [min(iy + REACH + 1, ny), min(ix + REACH + 1, nx)]
        image = (slice(low[0], high[0]), slice(low[1], high[1]))
        start = (iy - REACH, ix - REACH)
        stamp = tuple(
            slice(s.start - o, s.stop - o) for s, o in zip(image, start, strict=True)
        )
        return image, stamp

    def _fit(self, iy: int, ix: int) -> Found:
        image, stamp = self._window(iy, ix)
        n, m = self.counts[image].ravel(), self.model[image].ravel()
        p = self.small[:, stamp[0], stamp[1]].reshape(SUBPIXELS**2, -1)
        counts = np.maximum(((n / m - 1) * p).sum(1) / (p * p / m).sum(1), 0.1)
        for _ in range(3):
            total = m + counts[:, None] * p
            slope = (p * (n / total - 1)).sum(1)
            curve = (p * p * n / total**2).sum(1) + 1e-9
            counts = np.clip(counts + slope / curve, 0.3 * counts, 3 * counts + 3)
        whole = counts[:, None] * p
        ts = 2 * (n * np.log1p(whole / m) - whole).sum(1)
        best = int(np.argmax(ts))
        ky, kx = divmod(best, SUBPIXELS)
        return Found(iy, ix, ky, kx, float(counts[best]), float(ts[best]))

    def _add(self, one: Found, sign: int) -> None:
        ny, nx = self.counts.shape
        rows = slice(max(one.iy - RADIUS, 0), min(one.iy + RADIUS + 1, ny))
        cols = slice(max(one.ix - RADIUS, 0), min(one.ix + RADIUS + 1, nx))
        stamp = self.table[one.ky, one.kx][
            rows.start - one.iy + RADIUS : rows.stop - one.iy + RADIUS,
            cols.start - one.ix + RADIUS : cols.stop - one.ix + RADIUS,
        ]
        self.model[rows, cols] += sign * one.counts * stamp

    def _again(self, one: Found) -> Found:
        self._add(one, -1)
        np.maximum(self.model, LEAST, out=self.model)
        best = self._fit(one.iy, one.ix)
        # A place at the edge of the pixel may continue in the next one.
        step_y = (best.ky == SUBPIXELS - 1) - (best.ky == 0)
        step_x = (best.kx == SUBPIXELS - 1) - (best.kx == 0)
        iy, ix = best.iy + step_y, best.ix + step_x
        ny, nx = self.counts.shape
        if (step_y or step_x) and 0 <= iy < ny and 0 <= ix < nx:
            other = self._fit(iy, ix)
            best = other if other.ts > best.ts else best
        self._add(best, 1)
        return best
