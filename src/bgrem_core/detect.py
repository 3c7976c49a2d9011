"""Detect: one detector for all images, raw or denoised.

Connected pixels above a threshold are a segment. Inside it, the hills of the image are
parted where the pass between them is as deep as two point sources would leave it, and
deeper than ripples of the noise: crowded stars are parted, galaxies are not shredded.
"""

from dataclasses import dataclass, replace
from functools import lru_cache
from math import log10
from typing import TYPE_CHECKING, Any

import numpy as np

from bgrem_core.catalog import SourceFlag
from bgrem_core.maxima import Hills, find_hills

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bgrem_core.planes import Block, Plane

    Float = NDArray[np.float32]
    Bool = NDArray[np.bool_]
    Labels = NDArray[np.int32]
    Index = NDArray[np.intp]

RIPPLE = 0.05
"""Least rise of a maximum above its pass, as a share of the threshold.

A threshold is set by what noise alone reaches, so it measures the ripples of the noise
in any image, filtered, denoised or raw.
"""
STAR_RISE, STAR_SHARE = 1.8, 0.06
"""A maximum on brighter, extended light is kept where it rises by this many thresholds
and by this share of its own height."""
_PASS_STEPS, _PASS_RATIOS = 61, 25


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Detections:
    """Sources found in one image.

    Attributes
    ----------
    x, y : ndarray of float64, shape (n,)
        Position, pixels, 0-based, centre of the first pixel = 0.
    peak : ndarray of float32, shape (n,)
        Highest value, in the units of the image that was searched.
    npix : ndarray of int64, shape (n,)
        Pixels above the threshold.
    flags : ndarray of int32, shape (n,)
        `SourceFlag`: EDGE, BLENDED, MASKED (touches masked pixels), TRUNCATED (cut at
        the end of what was searched at once).
    top : ndarray of intp, shape (n, 2)
        Row and column of the highest pixel.
    segm : ndarray of int32, shape (ny, nx)
        Label k + 1 on the pixels of source k, 0 elsewhere.
    """

    x: "NDArray[np.float64]"
    y: "NDArray[np.float64]"
    peak: "Float"
    npix: "NDArray[np.int64]"
    flags: "NDArray[np.int32]"
    top: "Index"
    segm: "Labels"

    def __len__(self) -> int:
        """Return the number of sources."""
        return len(self.x)

    def take(self, keep: "NDArray[np.bool_]") -> "Detections":
        """Return some of the sources; the segments stay as they are."""
        names = ("x", "y", "peak", "npix", "flags", "top")
        return replace(self, **{name: getattr(self, name)[keep] for name in names})

    def on(self, segm: "Labels") -> "Detections":
        """Return the same sources with other segments."""
        return replace(self, segm=segm)

    def without_pixels(self) -> "Detections":
        """Return the sources alone, without their segments."""
        return self.on(np.zeros((0, 0), np.int32))


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What makes a source; see `detect`.

    Attributes
    ----------
    threshold : float
        Least value of a pixel of a source.
    minarea : int
        Least number of connected pixels above it.
    deblend : float
        Least depth of a pass, as a share of what two point sources would leave.
    fwhm : float
        FWHM of a point source in the image that is searched, pixels.
    """

    threshold: float
    minarea: int = 3
    deblend: float = 0.4
    fwhm: float = 3.0


def detect(
    significance: "Plane",
    *,
    threshold: float,
    minarea: int = 3,
    deblend: float = 0.4,
    fwhm: float = 3.0,
    mask: "Bool | None" = None,
) -> Detections:
    """Find sources in a flattened image.

    Parameters
    ----------
    significance : Plane
        (ny, nx) in units of a noise sigma, sky removed. Non-finite pixels are ignored.
    threshold : float
        Least value of a pixel of a source.
    minarea : int, optional
        Least number of connected pixels above the threshold (eight neighbours).
    deblend : float, optional
        Least depth of the pass between two sources, as a share of the depth that two
        point sources of these heights at this distance would leave.
    fwhm : float, optional
        FWHM of a point source in this image, pixels.
    mask : ndarray of bool, optional
        True = pixel is ignored.

    Returns
    -------
    Detections
        In the order of the rows of their peaks.
    """
    rules = Rules(threshold=threshold, minarea=minarea, deblend=deblend, fwhm=fwhm)
    ny, nx = significance.shape
    image = np.ascontiguousarray(significance[:, :], np.float32)
    whole = (slice(0, ny), slice(0, nx))
    return detect_piece(image, rules, at=whole, shape=(ny, nx), mask=mask)


def detect_piece(
    image: "Float",
    rules: Rules,
    *,
    at: "Block",
    shape: tuple[int, int],
    mask: "Bool | None" = None,
) -> Detections:
    """Find sources in a rectangle of a frame.

    Parameters
    ----------
    image : ndarray of float32
        Its pixels, as for `detect`.
    rules : Rules
        What makes a source.
    at : tuple of slice
        Rows and columns of the frame.
    shape : tuple of int
        (ny, nx) of the frame.
    mask : ndarray of bool, optional
        Of the rectangle; True = pixel is ignored.

    Returns
    -------
    Detections
        In coordinates of the frame, with `segm` of the rectangle. Positions have the
        bits that they have in any rectangle that holds the source. EDGE: at the edge of
        the frame; TRUNCATED: at another end of the rectangle.
    """
    bad = ~np.isfinite(image)
    if mask is not None:
        bad |= mask
    with np.errstate(invalid="ignore"):
        above = (image >= rules.threshold) & ~bad
    hills = find_hills(image, above)
    owner, blended, segment = _part(hills, image.shape[1], rules)
    area = np.bincount(segment[hills.basin], minlength=len(owner))
    owner[area[segment] < rules.minarea] = -1
    return _collect(image, bad, hills, owner, blended, at, shape)


def _part(hills: Hills, nx: int, rules: Rules) -> tuple["Index", "Bool", "Index"]:
    """Decide which maxima are sources and what the others belong to.

    Returns
    -------
    owner : ndarray of intp, shape (m,)
        The basin whose maximum is the source that each basin belongs to.
    blended : ndarray of bool, shape (m,)
        The source of this basin meets another one above the threshold.
    segment : ndarray of intp, shape (m,)
        The basin with the highest maximum of the same segment.
    """
    count = len(hills.top)
    height = hills.height.tolist()
    row, col = (i.tolist() for i in np.divmod(hills.top, nx))
    segment, owner = list(range(count)), list(range(count))
    blended = np.zeros(count, bool)
    judge = _Judge(rules)
    for one, two, level in zip(
        hills.left.tolist(), hills.right.tolist(), hills.level.tolist(), strict=True
    ):
        high, low = _root(segment, one), _root(segment, two)
        if high == low:
            continue
        beside = one
        if (height[low], low) > (height[high], high):
            high, low, beside = low, high, two
        segment[low] = high
        other = _root(owner, beside)
        far = ((row[low] - row[other]) ** 2 + (col[low] - col[other]) ** 2) ** 0.5
        if judge.keeps(height[low], level, height[other], far):
            blended[[low, other]] = True
        else:
            owner[low] = other
    return (
        np.array([_root(owner, i) for i in range(count)], np.intp),
        blended,
        np.array([_root(segment, i) for i in range(count)], np.intp),
    )


def _root(parent: list[int], item: int) -> int:
    while parent[item] != item:
        parent[item] = parent[parent[item]]
        item = parent[item]
    return item


class _Judge:
    """Decides whether a maximum is a source of its own."""

    def __init__(self, rules: Rules) -> None:
        self._ripple = RIPPLE * rules.threshold
        self._star = STAR_RISE * rules.threshold
        self._deblend = rules.deblend
        self._fwhm = rules.fwhm

    def keeps(self, peak: float, level: float, other: float, distance: float) -> bool:
        """Judge a maximum by its pass towards a neighbour.

        Parameters
        ----------
        peak, level, other : float
            Height of the maximum, of the pass, and of the source beyond it.
        distance : float
            From maximum to maximum, pixels.

        Returns
        -------
        bool
            It is a source.
        """
        rise = peak - level
        if rise < self._ripple:
            return False
        if rise >= self._star and rise >= STAR_SHARE * peak:
            return True
        fall = _expected_fall(distance / self._fwhm, min(peak / other, 1.0))
        return rise >= self._deblend * fall * peak


def _expected_fall(distance: float, ratio: float) -> float:
    """Return the depth of the pass between two point sources.

    Parameters
    ----------
    distance : float
        Between them, FWHM.
    ratio : float
        Height of the fainter maximum over that of the brighter.

    Returns
    -------
    float
        Depth below the fainter maximum, as a share of its height; 0 to 1.
    """
    table = _fall_table()
    i = min(round(distance * 10), _PASS_STEPS - 1)
    j = min(round(-8 * log10(max(ratio, 1e-9))), _PASS_RATIOS - 1)
    return table[i][j]


@lru_cache(maxsize=1)
def _fall_table() -> list[list[float]]:
    """Tabulate the pass between two Moffat profiles, by 0.1 FWHM and 1/8 dex."""
    distance = np.arange(_PASS_STEPS)[:, None, None] / 10
    ratio = 10 ** (-np.arange(_PASS_RATIOS)[None, :, None] / 8)
    way = np.linspace(0, 1, 65)[None, None, :] * distance
    wing = _moffat(distance)
    apart = np.maximum(1 - wing**2, 1e-9)
    bright, faint = (1 - ratio * wing) / apart, (ratio - wing) / apart
    level = (bright * _moffat(way) + faint * _moffat(distance - way)).min(axis=-1)
    fall = 1 - level / ratio[..., 0]
    # No pass at all: the fainter one is a shoulder, or the wing itself.
    fall = np.where(faint[..., 0] > 0, np.clip(fall, 0, 1), 0)
    table: list[list[float]] = fall.tolist()
    return table


def _moffat(radius: Any) -> Any:
    """Return a Moffat profile of height 1; radius in FWHM."""
    beta = 3.0
    return (1 + (2 * radius) ** 2 * (2 ** (1 / beta) - 1)) ** -beta


def _collect(
    image: "Float",
    bad: "Bool",
    hills: Hills,
    owner: "Index",
    blended: "Bool",
    at: "Block",
    shape: tuple[int, int],
) -> Detections:
    ny, nx = image.shape
    y0, x0 = at[0].start, at[1].start
    source = np.unique(owner[owner >= 0])
    source = source[np.argsort(hills.top[source], kind="stable")]
    label = np.zeros(len(owner) + 1, np.int32)  # the last one serves owner -1
    label[source] = 1 + np.arange(len(source))
    pixel_label = label[owner[hills.basin]] if len(owner) else np.zeros(0, np.int32)
    segm = np.zeros((ny, nx), np.int32)
    segm.ravel()[hills.pixel] = pixel_label
    row, col = np.divmod(hills.top[source], nx)
    # In coordinates of the frame from the start: their last bits must not tell where
    # the rectangle lies, or two would not agree on whose a source is.
    x, y = _shifts(image, row, col) + np.stack([col + x0, row + y0])
    flat = _is_flat(image, row, col)
    if flat.any():
        middle = _barycentres(image, hills, pixel_label, (y0, x0), source)
        x[flat], y[flat] = middle[:, flat]
    flags = np.where(blended[source], SourceFlag.BLENDED, 0).astype(np.int32)
    lines = _end_lines(hills, at)
    for bit, frame_edge in ((SourceFlag.EDGE, True), (SourceFlag.TRUNCATED, False)):
        ends = [line for line, edge in zip(lines, _edges(at, shape), strict=True)
                if edge == frame_edge]  # fmt: skip
        hit = np.logical_or.reduce(ends) if ends else np.zeros(len(pixel_label), bool)
        touched = np.bincount(pixel_label[hit], minlength=len(source) + 1)[1:] > 0
        flags |= np.where(touched, bit, 0).astype(np.int32)
    flags |= np.where(_touches_bad(hills, pixel_label, bad, len(source)),
                      SourceFlag.MASKED, 0).astype(np.int32)  # fmt: skip
    return Detections(
        x=x,
        y=y,
        peak=hills.height[source],
        npix=np.bincount(pixel_label, minlength=len(source) + 1)[1:],
        flags=flags,
        top=np.stack([row + y0, col + x0], axis=1),
        segm=segm,
    )


def _neighbours(
    image: "Float", row: "Index", col: "Index"
) -> tuple["Float", "Float", "Float", "Float", "Float"]:
    """Return the value at a pixel and at those left, right, below and above."""
    ny, nx = image.shape
    return (
        image[row, col],
        image[row, np.maximum(col - 1, 0)],
        image[row, np.minimum(col + 1, nx - 1)],
        image[np.maximum(row - 1, 0), col],
        image[np.minimum(row + 1, ny - 1), col],
    )


def _shifts(image: "Float", row: "Index", col: "Index") -> "NDArray[np.float64]":
    """Refine maxima by a parabola through three pixels along each axis; x and y."""
    centre, left, right, below, above = _neighbours(image, row, col)
    ny, nx = image.shape
    # A maximum on the first or last line has no third pixel.
    in_x, in_y = (col > 0) & (col < nx - 1), (row > 0) & (row < ny - 1)
    x = np.where(in_x, _vertex(left, centre, right), 0.0)
    y = np.where(in_y, _vertex(below, centre, above), 0.0)
    return np.stack([x, y])


def _vertex(before: "Float", centre: "Float", after: "Float") -> "NDArray[np.float64]":
    bend = 2.0 * centre - before - after
    with np.errstate(invalid="ignore", divide="ignore"):
        shift = np.where(bend > 0, (after - before) / (2.0 * bend), 0.0)
    return np.asarray(np.clip(np.nan_to_num(shift), -0.5, 0.5), np.float64)


def _is_flat(image: "Float", row: "Index", col: "Index") -> "Bool":
    """Return which maxima are plateaus: saturated cores."""
    centre, *around = _neighbours(image, row, col)
    return np.asarray(sum((n == centre).astype(int) for n in around) >= 2)


def _barycentres(
    image: "Float",
    hills: Hills,
    label: "Labels",
    start: tuple[int, int],
    source: "Index",
) -> "NDArray[np.float64]":
    """Return x and y of the light above half the peak, shape (2, n)."""
    n = len(source)
    value = image.ravel()[hills.pixel].astype(np.float64)
    half = np.append(0.0, hills.height[source] / 2.0)
    weight = np.where((label > 0) & (value >= half[label]), value, 0.0)
    row, col = np.divmod(hills.pixel, image.shape[1])
    total = np.bincount(label, weight, n + 1)[1:]
    return np.stack(
        [
            np.bincount(label, weight * (k + k0), n + 1)[1:] / total
            for k, k0 in ((col, start[1]), (row, start[0]))
        ]
    )


def _end_lines(hills: Hills, at: "Block") -> list["Bool"]:
    """Return which pixels lie on the first and last row, the first and last column."""
    ny, nx = (s.stop - s.start for s in at)
    row, col = np.divmod(hills.pixel, nx)
    return [row == 0, row == ny - 1, col == 0, col == nx - 1]


def _edges(at: "Block", shape: tuple[int, int]) -> list[bool]:
    """Return which of those are edges of the frame."""
    return [
        end == edge
        for s, n in zip(at, shape, strict=True)
        for end, edge in ((s.start, 0), (s.stop, n))
    ]


def _touches_bad(hills: Hills, label: "Labels", bad: "Bool", n: int) -> "Bool":
    if not bad.any():
        return np.zeros(n, bool)
    ny, nx = bad.shape
    row, col = np.divmod(hills.pixel, nx)
    near = np.zeros(len(row), bool)
    for step_row, step_col in ((-1, 0), (1, 0), (0, -1), (0, 1)):
        there = (
            np.clip(row + step_row, 0, ny - 1),
            np.clip(col + step_col, 0, nx - 1),
        )
        near |= bad[there]
    return np.bincount(label[near], minlength=n + 1)[1:] > 0
