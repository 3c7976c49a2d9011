"""Trails of stars, measured on a frame: direction, length, width.

All stars of a frame trail alike. The autocorrelation of the frame adds them up, however
faint they are and however they overlap; then the brightest are fitted one by one.
"""

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage, special

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Float = NDArray[np.float32]
    Floats = NDArray[np.float64]
    Shape = tuple[float, float, float, float]  # angle, length, width, cost of a fit

__all__ = ["TrailShape", "measure_trails", "trail_profile"]

_BLOCK, _MOST_BLOCKS = 512, 9
_REACH = 28
"""Farthest lag, pixels; trails of up to about twice that length are measured."""
_LOUD = 8.0
"""Sigmas at which light is cut off first, so that one bright star is not all."""
_LEAST = 6.0
"""Height of the autocorrelation over its scatter from which there are trails."""
_TURN = 12.0
"""Error of the direction, degrees, from which there are none."""
_WIDTHS = (0.4, 3.0)
_LENGTHS = (0.5, 60.0)
_UNFITTED = 10.0, 0.3
"""Error of the direction, degrees, and of the length, relative, of an autocorrelation
alone."""
_TRUE = 0.3, 30.0, 0.1
"""Least errors of one fitted trail: of the direction, degrees, of a long one, and times
the square of width over length; of the length, pixels."""
_FITTED = 8
_BRIGHT = 15.0
"""Number and least significance of trails that are fitted one by one."""
_ALONE = 14
"""Half side of a cut-out where nothing is known of the trails, pixels."""
_ELONGATED = 2.0
_LIKE = 12.0
"""Least length of what is a trail for itself, in widths, and the angle within which two
agree, degrees."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrailShape:
    """What the trails of a frame have in common.

    Attributes
    ----------
    angle, angle_err : float
        Direction, degrees from +x towards +y, 0 to 180, and its error.
    length, length_err : float
        Between the ends before the blur, pixels.
    width : float
        Sigma across, pixels: that of the PSF.
    fitted : int
        Trails that were fitted one by one; without one the width is too large by up to
        a half, and the length by the same.
    """

    angle: float
    angle_err: float
    length: float
    length_err: float
    width: float
    fitted: int

    @property
    def fwhm(self) -> float:
        """Full width at half maximum across, pixels."""
        return 2 * math.sqrt(2 * math.log(2)) * self.width


def measure_trails(rest: "Float", sigma: float) -> TrailShape | None:
    """Measure the trails of a frame.

    Parameters
    ----------
    rest : ndarray
        (ny, nx), smooth light, rows and columns taken off, bad pixels 0.
    sigma : float
        White noise of a pixel, in the unit of the frame.

    Returns
    -------
    TrailShape or None
        None where there are no trails that can be told from points.
    """
    if not sigma > 0:
        return None
    first = _Lags.of(rest, sigma).fit()
    fits = _fit_alone(rest, sigma) if first is None else _fit_each(rest, sigma, first)
    return _agreed(first, fits)


def trail_profile(
    x: "Floats", y: "Floats", *, angle: float, length: float, width: float
) -> "Floats":
    """Return the profile of a trail of unit flux: a line under a round Gaussian.

    Parameters
    ----------
    x, y : ndarray
        Offsets from its middle, pixels.
    angle : float
        Degrees from +x towards +y.
    length : float
        Between its ends, pixels; 0 for a point.
    width : float
        Sigma of the Gaussian, pixels.

    Returns
    -------
    ndarray
        Per pixel, sampled at the centres of the pixels.
    """
    turn = math.radians(angle)
    c, s = math.cos(turn), math.sin(turn)
    along, across = c * x + s * y, c * y - s * x
    wide = math.sqrt(2 * math.pi) * width
    profile = np.exp(-0.5 * (across / width) ** 2) / wide
    if length < 0.1 * width:
        return np.asarray(profile * np.exp(-0.5 * (along / width) ** 2) / wide)
    ends = special.ndtr((along + length / 2) / width)
    ends -= special.ndtr((along - length / 2) / width)
    return np.asarray(profile * ends / length)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Lags:
    """Autocorrelation of a frame over half of the lags; the other half is the same."""

    value: "Floats"
    x: "Floats"
    y: "Floats"

    @classmethod
    def of(cls, rest: "Float", sigma: float) -> "_Lags":
        reach = min(_REACH, *(n // 2 - 1 for n in rest.shape))
        sums = [_correlate(b, sigma, reach) for b in _blocks(rest)]
        value = np.mean(sums, axis=0)
        y, x = np.mgrid[-reach:1, -reach : reach + 1].astype(np.float64)
        # Noise lies at no lag, what is left of rows and columns on the axes.
        off = (x != 0) & (y != 0)
        return cls(value=value[off], x=x[off], y=y[off])

    def fit(self) -> TrailShape | None:
        """Fit the autocorrelation of a trail; None where none is there."""
        best, start = np.inf, (0.0, 0.0)
        for angle in np.arange(0, 180, 7.5):
            for length in (4.0, 12.0):
                height, misfit = self._misfit((angle, length, 1.0))
                cost = float(misfit @ misfit)
                if height > 0 and cost < best:
                    best, start = cost, (float(angle), length)
        if not np.isfinite(best):
            return None
        from scipy.optimize import least_squares

        angle, length = start
        found = least_squares(
            lambda p: self._misfit(p)[1],
            (angle, length, 1.0),
            bounds=(
                (angle - 20, _LENGTHS[0], _WIDTHS[0]),
                (angle + 20, _LENGTHS[1], _WIDTHS[1]),
            ),
            x_scale=(5.0, 2.0, 0.2),
        )
        height, misfit = self._misfit(found.x)
        scatter = 1.4826 * float(np.median(np.abs(self.value - np.median(self.value))))
        if not height > _LEAST * scatter:
            return None
        error = _errors(found.jac, misfit)
        angle, length, width = (float(v) for v in found.x)
        if error[0] > _TURN or length < max(2 * error[1], 2 * width):
            return None
        return TrailShape(
            angle=angle % 180, angle_err=error[0], length=length, length_err=error[1],
            width=width, fitted=0,
        )  # fmt: skip

    def _misfit(self, shape: "tuple[float, ...] | Floats") -> tuple[float, "Floats"]:
        """Return the height that fits best above a level, and what it leaves."""
        curve = _correlation(self.x, self.y, *shape)
        away = curve - curve.mean()
        value = self.value - self.value.mean()
        power = float(away @ away)
        height = float(away @ value) / power if power > 0 else 0.0
        return height, value - height * away


def _correlation(
    x: "Floats", y: "Floats", angle: float, length: float, width: float
) -> "Floats":
    """Return the autocorrelation of a trail, 1 at no lag without blur."""
    turn = math.radians(angle)
    c, s = math.cos(turn), math.sin(turn)
    wide = math.sqrt(2) * width
    along, across = (c * x + s * y) / wide, (c * y - s * x) / wide
    step = length / wide
    line = _ramp(along + step) - 2 * _ramp(along) + _ramp(along - step)
    return np.asarray(line / step * np.exp(-0.5 * across**2))


def _ramp(z: "Floats") -> "Floats":
    """Return the second integral of the unit Gaussian."""
    density = np.exp(-0.5 * z**2) / math.sqrt(2 * math.pi)
    return np.asarray(z * special.ndtr(z) + density)


def _correlate(block: "Float", sigma: float, reach: int) -> "Floats":
    seen = np.clip(block, -3 * sigma, _LOUD * sigma).astype(np.float64)
    seen -= np.median(seen)
    shape = [n + reach + 1 for n in block.shape]
    power = np.abs(np.fft.rfft2(seen, shape)) ** 2
    whole = np.roll(np.fft.irfft2(power, shape), (reach, reach), (0, 1))
    y, x = np.ogrid[-reach:1, -reach : reach + 1]
    pairs = (block.shape[0] - np.abs(y)) * (block.shape[1] - np.abs(x))
    return np.asarray(whole[: reach + 1, : 2 * reach + 1] / pairs)


def _blocks(rest: "Float") -> "list[Float]":
    """Return the frame, or of a large one equal blocks from all over it."""
    if max(rest.shape) <= _BLOCK:
        return [rest]
    side = tuple(min(_BLOCK, n) for n in rest.shape)
    number = [min(int(math.sqrt(_MOST_BLOCKS)), n // _BLOCK + 1) for n in rest.shape]
    starts = [
        np.linspace(0, n - b, m).astype(int)
        for n, b, m in zip(rest.shape, side, number, strict=True)
    ]
    return [
        np.asarray(rest[y : y + side[0], x : x + side[1]])
        for y in starts[0]
        for x in starts[1]
    ]


def _errors(jacobian: "Floats", misfit: "Floats") -> list[float]:
    """Return standard errors of fitted numbers, infinite for what is not decided."""
    normal = jacobian.T @ jacobian
    scatter = float(misfit @ misfit) / max(len(misfit) - len(normal), 1)
    try:
        spread = np.diag(np.linalg.inv(normal)) * scatter
    except np.linalg.LinAlgError:
        return [math.inf] * len(normal)
    return [math.sqrt(v) if v >= 0 else math.inf for v in spread]


def _fit_each(rest: "Float", sigma: float, first: TrailShape) -> "list[Shape]":
    """Fit bright trails one by one, from what the autocorrelation said."""
    reach = math.ceil(first.length / 2 + 4 * first.width)
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1].astype(np.float64)
    kernel = trail_profile(
        x, y, angle=first.angle, length=first.length, width=first.width
    )
    block = _blocks(rest)[0]
    start = first.angle, first.length, 0.8 * first.width
    turn = max(3 * first.angle_err, 10)
    fits = []
    for row, col in _brightest(block, kernel, sigma, _FITTED):
        fit = _fit_one(_cut(block, row, col, reach), sigma, start)
        if fit is not None and abs(fit[0] - first.angle) < turn:
            fits.append(fit)
    return [fit for fit in fits if fit[2] < 1.5 * first.width]


def _fit_alone(rest: "Float", sigma: float) -> "list[Shape]":
    """Fit bright stars one by one where the autocorrelation says nothing.

    Trails that are hardly longer than wide, or few, are told by two that agree.
    """
    y, x = np.mgrid[-_ALONE : _ALONE + 1, -_ALONE : _ALONE + 1].astype(np.float64)
    kernel = trail_profile(x, y, angle=0, length=0, width=1.2)
    block = _blocks(rest)[0]
    fits = []
    for row, col in _brightest(block, kernel, sigma, _FITTED // 2):
        seen = _cut(block, row, col, _ALONE)
        tries = [_fit_one(seen, sigma, (a, 4.0, 0.9)) for a in (0, 45, 90, 135)]
        known = [fit for fit in tries if fit is not None]
        if known:
            fits.append(min(known, key=lambda fit: fit[3]))
    fits = [fit for fit in fits if fit[1] > _ELONGATED * fit[2]]
    near = [
        [other for other in fits if _between(fit[0], other[0]) < _LIKE] for fit in fits
    ]
    most = max(near, key=len, default=[])
    return most if len(most) > 1 else []


def _brightest(
    block: "Float", kernel: "Floats", sigma: float, most: int
) -> "list[tuple[int, int]]":
    """Return the pixels where a kernel finds most, away from the edges."""
    from scipy.signal import fftconvolve

    reach = kernel.shape[0] // 2
    if min(block.shape) <= 2 * reach + 2:
        return []
    norm = float(np.sqrt(np.sum(kernel**2)))
    strength = fftconvolve(block, kernel, mode="same") / (norm * sigma)
    highest = ndimage.maximum_filter(strength, 2 * reach + 1)
    top = (strength == highest) & (strength > _BRIGHT)
    top[:reach] = top[-reach:] = top[:, :reach] = top[:, -reach:] = False
    at = np.argwhere(top)
    order = np.argsort(-strength[tuple(at.T)], kind="stable")[:most]
    return [(int(at[k][0]), int(at[k][1])) for k in order]


def _cut(block: "Float", row: int, col: int, reach: int) -> "Floats":
    part = block[row - reach : row + reach + 1, col - reach : col + reach + 1]
    return part.astype(np.float64)


def _fit_one(seen: "Floats", sigma: float, start: tuple[float, ...]) -> "Shape | None":
    """Fit one trail in the middle of a cut-out; None where it is none."""
    reach = seen.shape[0] // 2
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1].astype(np.float64)
    noise = np.hypot(sigma, 0.05 * np.maximum(seen, 0))  # the brightest do not decide

    def misfit(p: "Floats") -> "Floats":
        shape = trail_profile(
            x - p[1], y - p[0], angle=p[3], length=abs(p[4]), width=max(abs(p[5]), 0.1)
        )
        return np.asarray(((p[2] * shape + p[6] - seen) / noise).ravel())

    from scipy.optimize import least_squares

    flux = max(float(seen.clip(0).sum()), sigma)
    found = least_squares(
        misfit, (0, 0, flux, *start, 0), x_scale=[1, 1, flux, 3, 1, 0.2, sigma],
        loss="soft_l1", max_nfev=40,
    )  # fmt: skip
    angle, length, width = (float(v) for v in found.x[3:6])
    middle = max(abs(found.x[0]), abs(found.x[1])) < 3
    if not (middle and found.x[2] > 0 and found.success):
        return None
    if not (_WIDTHS[0] < width < _WIDTHS[1] and 0 < length < _LENGTHS[1]):
        return None
    return angle, length, width, float(found.cost)


def _between(a: float, b: float) -> float:
    """Return the angle between two directions, degrees."""
    return abs((a - b + 90) % 180 - 90)


def _agreed(first: TrailShape | None, fits: "list[Shape]") -> TrailShape | None:
    """Return what most of the fitted trails say; bright ones may be blends."""
    if not fits:
        if first is None:
            return None
        # Two stars beside each other look like a trail to an autocorrelation.
        return replace(
            first,
            angle_err=math.hypot(first.angle_err, _UNFITTED[0]),
            length_err=math.hypot(first.length_err, _UNFITTED[1] * first.length),
        )
    each = np.array([fit[:3] for fit in fits])
    # About one of them: 179 and 1 degrees are near each other.
    each[:, 0] = fits[0][0] + (each[:, 0] - fits[0][0] + 90) % 180 - 90
    angle, length, width = (float(v) for v in np.median(each, axis=0))
    scatter = 1.4826 * np.median(np.abs(each - (angle, length, width)), axis=0)
    # A short trail is nearly round: its direction is known the less.
    least = math.hypot(_TRUE[0], _TRUE[1] * (width / length) ** 2), _TRUE[2]
    share = 1.2533 / math.sqrt(len(each))
    return TrailShape(
        angle=angle % 180, angle_err=share * max(float(scatter[0]), least[0]),
        length=length, length_err=share * max(float(scatter[1]), least[1]),
        width=width, fitted=len(each),
    )  # fmt: skip
