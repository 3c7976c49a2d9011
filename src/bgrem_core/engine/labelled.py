"""Sources of lazy results by dask-image: a matched filter, labels, sums over labels.

For a look at what is there, not a catalogue: no deblending, no local sky, no errors.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bgrem_core.engine.extra import need
from bgrem_core.errors import UsageError
from bgrem_core.matched import MIN_COVERAGE, gaussian_kernel, weighted_noise

if TYPE_CHECKING:
    from astropy.table import QTable

Array = Any  # dask.array.Array
Boxes = dict[int, tuple[int, int, int, int]]

#: Labels that are measured: each costs some dozens of tasks.
MOST = 2000


def filtered(
    plane: Array,
    sigma: Array,
    flags: Array,
    *,
    fwhm: float,
    rho_xy: tuple[float, float] = (0.0, 0.0),
) -> Array:
    """Convolve with a Gaussian PSF, in units of the noise of the filtered image.

    Parameters
    ----------
    plane : dask array
        Sky removed, (ny, nx). Non-finite pixels are masked.
    sigma : dask array
        Noise of one pixel, in the unit of `plane`, in the same chunks.
    flags : dask array
        Pixels that are not 0 are masked; in the same chunks.
    fwhm : float
        Of the PSF, pixels.
    rho_xy : tuple of float, optional
        Correlation of the noise of neighbours along x and y.

    Returns
    -------
    dask array
        S/N of a point source at each pixel, float32, as `bgrem_core.matched` gives it
        to the rounding of float32; NaN where masked, or where too little of the filter
        lies on good pixels.
    """
    da, convolve = need("dask.array"), need("dask_image.ndfilters").convolve
    kernel = gaussian_kernel(fwhm)
    power = float(np.sum(kernel**2))
    excess = weighted_noise(kernel, rho_xy) ** 2 / power
    good = da.isfinite(plane) & (sigma > 0) & (flags == 0)
    scaled = da.where(good, plane / da.where(good, sigma, 1), 0).astype(np.float32)
    line = {"mode": "constant", "cval": 0.0}
    total = convolve(scaled, kernel.astype(np.float32), **line)
    seen = good.astype(np.float32)
    cover = convolve(seen, (kernel**2).astype(np.float32), **line)
    enough = good & (cover >= MIN_COVERAGE * power)
    snr = total / da.sqrt(da.where(enough, cover, 1) * np.float32(excess))
    return da.where(enough, snr, np.nan).astype(np.float32)


@dataclass(frozen=True, kw_only=True, eq=False)
class Labelled:
    """Groups of pixels that reach a threshold; all chunks are computed and held.

    Attributes
    ----------
    labels : dask array
        Numbers from 1 on, 0 elsewhere, int, shape (ny, nx).
    significance : dask array
        What was compared with the threshold, in sigma.
    plane : dask array
        What fluxes are summed on.
    """

    labels: Array
    significance: Array
    plane: Array

    def measure(self) -> "QTable":
        """Measure each group.

        Returns
        -------
        astropy.table.QTable
            One row for each label: id, x and y (centroid by S/N, pixels, 0-based), flux
            (sum over its pixels, unit of `plane`), npix, peak (sigma).

        Raises
        ------
        UsageError
            There are more than `MOST` labels.
        """
        dask, dm = need("dask"), need("dask_image.ndmeasure")
        boxes = _boxes(self.labels)
        if len(boxes) > MOST:
            raise UsageError(
                f"{len(boxes)} groups of pixels are too many to be measured lazily",
                hint="raise the threshold, or use clean_zarr with catalog=",
            )
        todo = []
        for k, (y0, x0, y1, x1) in boxes.items():
            # dask-image looks at all that it is given, for each label anew.
            at = (slice(y0, y1), slice(x0, x1))
            own, light = self.labels[at], self.significance[at]
            todo.append(
                (
                    dm.center_of_mass(light, own, k),
                    dm.sum_labels(self.plane[at], own, k),
                    dm.area(light, own, k),
                    dm.maximum(light, own, k),
                )
            )
        return _table(boxes, dask.compute(*todo))


def labelled(significance: Array, plane: Array, threshold: float) -> Labelled:
    """Label the groups of pixels that reach a threshold, across all chunks.

    Parameters
    ----------
    significance : dask array
        In sigma, (ny, nx); NaN belongs to nobody. Computed here, like `plane`, as
        dask-image takes apart what leads to an array for each border of chunks.
    plane : dask array
        What fluxes are summed on, in the same chunks.
    threshold : float
        Least value, in sigma.

    Returns
    -------
    Labelled
        Pixels that touch at a corner are connected.

    Raises
    ------
    UsageError
        The threshold is not above 0.
    """
    if not threshold > 0:
        raise UsageError(
            f"threshold={threshold} is not above the sky", hint="use 5 or more"
        )
    label = need("dask_image.ndmeasure").label
    significance, plane = need("dask").persist(significance, plane)
    numbers, _ = label(significance >= threshold, structure=np.ones((3, 3), int))
    return Labelled(labels=numbers.persist(), significance=significance, plane=plane)


def _table(boxes: Boxes, rows: Sequence[tuple[Any, ...]]) -> "QTable":
    import astropy.units as u
    from astropy.table import QTable

    corner = np.array([box[:2] for box in boxes.values()], float).reshape(-1, 2)
    centre = np.array([row[0] for row in rows], float).reshape(-1, 2) + corner
    return QTable(
        {
            "id": np.array(list(boxes), np.int64),
            "x": centre[:, 1] * u.pix,
            "y": centre[:, 0] * u.pix,
            "flux": np.array([row[1] for row in rows], float),
            "npix": np.array([row[2] for row in rows], np.int64),
            "peak": np.array([row[3] for row in rows], float),
        }
    )


def _boxes(labels: Array) -> Boxes:
    """Return first row and column of each label, and those after the last."""
    dask = need("dask")
    rows, cols = (np.cumsum([0, *c])[:-1].tolist() for c in labels.chunks)
    look = dask.delayed(_boxes_in)
    found = dask.compute(
        *(
            look(block, rows[j], cols[i])
            for (j, i), block in np.ndenumerate(labels.to_delayed())
        )
    )
    out: Boxes = {}
    for part in found:
        for k, (y0, x0, y1, x1) in part.items():
            a, b, c, d = out.get(k, (y0, x0, y1, x1))
            out[k] = (min(a, y0), min(b, x0), max(c, y1), max(d, x1))
    return dict(sorted(out.items()))


def _boxes_in(block: NDArray[np.integer], row: int, column: int) -> Boxes:
    from scipy.ndimage import find_objects

    names, inverse = np.unique(block, return_inverse=True)
    boxes = find_objects(inverse.reshape(block.shape) + 1)
    return {
        int(k): (row + y.start, column + x.start, row + y.stop, column + x.stop)
        for k, (y, x) in zip(names, boxes, strict=True)
        if k > 0
    }
