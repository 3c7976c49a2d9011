"""Inspection: one source before and after, from the pixel that was clicked.

Only cut-outs are read, so that a click is answered at once; what comes back depends on
the pixel and the separation alone.
"""

from dataclasses import dataclass, field, replace
from math import hypot, isfinite, nan
from typing import TYPE_CHECKING

import numpy as np

from bgrem_core.catalog import SourceFlag
from bgrem_core.columns import sky_position
from bgrem_core.errors import UsageError
from bgrem_core.growth import Profile
from bgrem_core.image import MaskBit
from bgrem_core.matched import circle_noise
from bgrem_core.photometry import APERTURE, DEFAULT_FWHM
from bgrem_core.rings import ring_radii, ring_sky
from bgrem_core.shapes import measure_shapes, moment_growth
from bgrem_core.words import DEFAULT, words_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from astropy.table import QTable
    from numpy.typing import NDArray

    from bgrem_core.methods.base import Method
    from bgrem_core.planes import Block, Plane
    from bgrem_core.separation import Separation
    from bgrem_core.words import Words

    Floats = NDArray[np.float64]

REACH = 5.0
"""Radius of profiles and curves of growth, FWHM."""
SEARCH = 1.0
"""Farthest centre that a click can mean, FWHM."""
LEAST_SNR = 3.0
"""Below this S/N what was clicked may be noise: nothing is said of what was kept."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Curves:
    """How light is spread round a centre, on one plane.

    Attributes
    ----------
    profile : ndarray of float64, shape (n,)
        Mean per pixel in rings, image unit; NaN where no pixel is good.
    growth : ndarray of float64, shape (n,)
        Sum within each radius, image unit.
    """

    profile: "Floats"
    growth: "Floats"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Listed:
    """One source that a method knows itself, such as a star that it took away.

    Attributes
    ----------
    row : int
        Of the catalogue of the result.
    x, y : float
        Pixels, 0-based.
    flux, flux_err, snr : float
        As in that catalogue, image unit.
    left, left_err : float
        What is left of it in the cleaned image, image unit.
    fwhm : float
        Pixels.
    radius : float
        Of the circle in which light is left, pixels.
    flags : int
        `SourceFlag`.
    own : mapping
        Values of the columns of the method.
    rows : tuple of (str, str)
        Labels and texts that say so.
    """

    row: int
    x: float
    y: float
    flux: float
    flux_err: float
    snr: float
    left: float
    left_err: float
    fwhm: float
    radius: float
    flags: int
    own: "Mapping[str, float]"
    rows: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Inspection:
    """One source before and after.

    Attributes
    ----------
    x, y : float
        Centre, pixels, 0-based.
    ra, dec : float
        Degrees; NaN without a WCS.
    found : bool
        A centre was found near the click; else the click itself is measured.
    flux, flux_err, snr : float
        Total flux of a point source on the photometric plane, local sky taken off.
    flux_cleaned, flux_residual : float
        The same aperture and correction on the cleaned image, its local level taken
        off too, and what that lacks: both sum to `flux`. They carry no error.
    noise_taken : float
        Share of the noise of a pixel that was taken away around the source, 0 to 1:
        the width of the residual over that of the noise.
    fwhm : float
        Pixels, NaN where the light does not decide it.
    peak : float
        Highest pixel within the aperture, photometric plane, image unit.
    sky : float
        Local sky per pixel that was taken off.
    flags : int
        `SourceFlag`.
    radius : float
        Of the aperture, pixels.
    ring : tuple of float
        Inner and outer radius of the sky ring, pixels.
    radii : ndarray of float64, shape (n,)
        Outer radius of each ring of the curves, pixels.
    original, cleaned, residual : Curves
        Of the photometric plane less its local sky, of the cleaned image likewise, and
        of what cleaning took of the former.
    unit : str
        Unit of the image.
    flux_unit : str
        Unit of the fluxes, that of the image unless a method measures them itself.
    zeropoint : float or None
        Of magnitudes.
    own : mapping
        Values of the columns that the method adds to the catalogue, by their names.
    words : tuple of str
        What the image, the cleaned image and the residual are called.
    listed : Listed or None
        What the method itself knows of the source. Then `flux`, `flux_err`, `snr`,
        `fwhm` and `flags` are its own, `flux_cleaned` is what is left of it, and
        `radius` that of the circle in which it is left; `flux_residual` is NaN.
    """

    x: float
    y: float
    ra: float
    dec: float
    found: bool
    flux: float
    flux_err: float
    snr: float
    flux_cleaned: float
    flux_residual: float
    noise_taken: float
    fwhm: float
    peak: float
    sky: float
    flags: int
    radius: float
    ring: tuple[float, float]
    radii: "Floats"
    original: Curves
    cleaned: Curves
    residual: Curves
    unit: str = ""
    flux_unit: str = ""
    zeropoint: float | None = None
    own: "Mapping[str, float]" = field(default_factory=dict)
    words: "Words" = DEFAULT
    listed: Listed | None = None

    @property
    def mag(self) -> float:
        """Magnitude, NaN where the zero point is unknown or the flux not positive."""
        if self.zeropoint is None or not self.flux > 0:
            return nan
        return float(self.zeropoint - 2.5 * np.log10(self.flux))

    @property
    def kept(self) -> float:
        """Flux in the cleaned image over `flux`; NaN below three sigma of the noise."""
        # With so little light the ratio says nothing of what was done to it.
        known = self.snr >= LEAST_SNR and self.flux > 0
        return self.flux_cleaned / self.flux if known else nan

    @property
    def kept_err(self) -> float:
        """Error of `kept`, by the noise that was taken away in the aperture.

        The doubt of the aperture correction is not in it: it is the same in both.
        """
        return self.noise_taken / self.snr if self.snr >= LEAST_SNR else nan

    def rows(self) -> tuple[tuple[str, str], ...]:
        """Return what a window shows: labels and texts, with units and errors."""
        from bgrem_core.inspection_rows import inspection_rows

        return inspection_rows(self)


def inspect(separation: "Separation", x: float, y: float) -> Inspection:
    """Look at the source nearest to a pixel, before and after.

    Parameters
    ----------
    separation : Separation
        What a method returned.
    x, y : float
        Position, pixels, 0-based. The centre is the nearest maximum of the smoothed
        photometric plane within one FWHM; where there is none, the position itself. A
        source that the method lists itself goes before that.

    Returns
    -------
    Inspection
        In the image's unit.

    Raises
    ------
    UsageError
        The position lies outside the image.
    """
    from bgrem_core.methods import METHODS

    method = METHODS.get(separation.provenance.method)
    # First: a star may shine in from outside.
    known = method.listed and method.listed(separation, x, y) if method else None
    if known is not None:
        return _as_listed(separation, known)
    ny, nx = separation.shape
    inside = -0.5 <= x < nx - 0.5 and -0.5 <= y < ny - 0.5
    if not inside:
        raise UsageError(
            f"position ({x:g}, {y:g}) lies outside the image",
            hint=f"x goes from 0 to {nx - 1}, y from 0 to {ny - 1}",
        )
    cut = _Cut(separation, round(x), round(y))
    at_x, at_y, found = cut.centre(x - cut.x0, y - cut.y0)
    if found and method and method.listed:
        known = method.listed(separation, at_x + cut.x0, at_y + cut.y0)
        if known is not None:
            return _as_listed(separation, known)
    if found and method is not None and method.centre is not None:
        own_x, own_y = method.centre(separation, at_x + cut.x0, at_y + cut.y0)
        at_x, at_y = own_x - cut.x0, own_y - cut.y0
    seen = cut.look(at_x, at_y, found=found)
    if method is None or method.measure is None:
        return seen
    top, own = (
        method.measure(separation, np.array([at[0]]), np.array([at[1]]))
        for at in ((seen.x, seen.y), (x, y))
    )
    if top["snr"][0] >= own["snr"][0]:
        return _with_own(seen, top, method)
    # A maximum of few photons may be none: then the place itself was meant.
    return _with_own(cut.look(x - cut.x0, y - cut.y0, found=False), own, method)


def _as_listed(separation: "Separation", known: Listed) -> Inspection:
    """Return the source that a method knows, with the curves of its place."""
    ny, nx = separation.shape
    # A star that shines in from outside has its middle there.
    col, row = (
        min(max(round(at), 0), n - 1) for at, n in ((known.x, nx), (known.y, ny))
    )
    cut = _Cut(separation, col, row)
    return replace(
        cut.look(known.x - cut.x0, known.y - cut.y0, found=True),
        flux=known.flux,
        flux_err=known.flux_err,
        snr=known.snr,
        flux_cleaned=known.left,
        flux_residual=nan,
        fwhm=known.fwhm,
        radius=known.radius,
        flags=known.flags,
        own=known.own,
        listed=known,
    )


def _with_own(seen: Inspection, table: "QTable", method: "Method") -> Inspection:
    """Put what a method measured itself in place of what the aperture holds."""

    def value(name: str) -> float:
        return float(getattr(table[name][0], "value", table[name][0]))

    flux, flux_err, snr = (value(name) for name in ("flux", "flux_err", "snr"))
    unit = getattr(table["flux"], "unit", None)
    return replace(
        seen,
        flux=flux,
        flux_err=flux_err,
        snr=snr,
        flux_cleaned=nan,
        flux_residual=nan,
        fwhm=nan,
        flags=int(table["flags"][0]),
        flux_unit=str(unit or ""),
        zeropoint=None,
        own={name: value(name) for name, *_ in method.columns},
    )


class _Cut:
    """Cut-outs of all planes round a pixel."""

    def __init__(self, separation: "Separation", x: int, y: int) -> None:
        scale, image = separation.scale, separation.image
        # A catalogue has measured the PSF better than the scale pass could.
        catalog = separation.catalog
        self.meta = {} if catalog is None else catalog.meta
        fwhm = float(self.meta.get("fwhm") or image.fwhm or scale.fwhm)
        self.fwhm = fwhm if isfinite(fwhm) else DEFAULT_FWHM
        self.separation = separation
        half = int(np.ceil(ring_radii(self.fwhm)[1] + SEARCH * self.fwhm)) + 2
        ny, nx = separation.shape
        self.y0, self.x0 = max(y - half, 0), max(x - half, 0)
        self.block: Block = (
            slice(self.y0, min(y + half + 1, ny)),
            slice(self.x0, min(x + half + 1, nx)),
        )
        self.flags = np.asarray(separation.flags[self.block])
        self.data = self._read(separation.photometric)
        quiet = separation.quiet_plane
        self.quiet = None if quiet is None else self._read(quiet)
        # What was filled is so in the cleaned image alone.
        bad = self.flags & ~np.uint8(MaskBit.FILLED)
        self.good = (bad == 0) & np.isfinite(self.data)
        self.sigma = float(np.median(np.asarray(scale.sigma[self.block])))

    def _read(self, plane: "Plane") -> "NDArray[np.float32]":
        return np.array(plane[self.block], np.float32, order="C")

    def centre(self, x: float, y: float) -> tuple[float, float, bool]:
        """Return the nearest maximum of the smoothed cut, in its own pixels."""
        from scipy import ndimage

        width = self.fwhm / 2.3548200450309493
        light = np.where(self.good, self.data, 0)
        smooth = ndimage.gaussian_filter(light, width, mode="constant")
        # Normalised, so that edges and masked pixels do not push maxima away.
        weight = ndimage.gaussian_filter(
            self.good.astype(np.float32), width, mode="constant"
        )
        smooth = np.where(weight > 0.05, smooth / np.maximum(weight, 0.05), 0)
        top = (smooth == ndimage.maximum_filter(smooth, 3)) & (smooth > 0)
        row, col = np.nonzero(top)
        distance = np.hypot(col - x, row - y)
        near = np.flatnonzero(distance <= SEARCH * self.fwhm)
        if not len(near):
            return x, y, False
        k = near[np.argmin(distance[near])]
        return (
            _vertex(smooth[row[k]], int(col[k])),
            _vertex(smooth[:, col[k]], int(row[k])),
            True,
        )

    def look(self, x: float, y: float, *, found: bool) -> Inspection:
        """Measure everything at a centre in the cut's pixels."""
        import sep

        image, scale = self.separation.image, self.separation.scale
        radius = APERTURE * self.fwhm
        at = np.array([x]), np.array([y])
        seen = self.data if self.quiet is None else self.quiet
        sky = ring_sky(
            np.where(self.good, seen, 0), self.good, *at, fwhm=self.fwhm,
            sigma=np.array([self.sigma]), rho_xy=scale.rho_xy,
            noise_free=self.quiet is not None,
        )  # fmt: skip
        level, level_err = float(sky.level[0]), float(sky.error[0])
        bad = ~self.good
        original = np.where(self.good, self.data - level, 0).astype(np.float32)
        # Where noise was taken, the level was measured without it: one level for both.
        cleaned = self._flat(at, None if self.quiet is None else level)
        planes = {
            "original": original,
            "cleaned": cleaned,
            "residual": (original - cleaned).astype(np.float32),
        }
        factor = self._correction(radius)
        doubt = float(self.meta.get("aperture_correction_err") or 0.0)
        total = {
            name: float(sep.sum_circle(plane, *at, radius, mask=bad, subpix=0)[0][0])
            for name, plane in planes.items()
        }
        area = np.pi * radius**2
        noise = hypot(self.sigma * circle_noise(radius, scale.rho_xy), area * level_err)
        if image.gain:
            noise = hypot(noise, (max(total["original"], 0) / image.gain) ** 0.5)
        shape = measure_shapes(
            original, *at, level=np.zeros(1), fwhm=self.fwhm,
            large=np.array([total["original"] > 10 * noise]),
        )  # fmt: skip
        distance = np.hypot(*np.meshgrid(
            np.arange(original.shape[1]) - x, np.arange(original.shape[0]) - y
        ))  # fmt: skip
        core = self.good & (distance <= radius)
        radii = np.arange(1.0, np.ceil(REACH * self.fwhm) + 1)
        curves = {k: _curves(v, self.good, distance, radii) for k, v in planes.items()}
        ra, dec = sky_position(image, at[0] + self.x0, at[1] + self.y0)
        return Inspection(
            x=x + self.x0,
            y=y + self.y0,
            ra=float(ra[0]),
            dec=float(dec[0]),
            found=found,
            flux=factor * total["original"],
            flux_err=float(np.hypot(factor * noise, doubt * total["original"])),
            snr=total["original"] / noise if noise > 0 else nan,
            flux_cleaned=factor * total["cleaned"],
            flux_residual=factor * total["residual"],
            noise_taken=self._noise_taken(planes["residual"]),
            fwhm=float(shape.fwhm[0]) / moment_growth(Profile(fwhm=self.fwhm)),
            peak=float(original[core].max()) if core.any() else nan,
            sky=level,
            flags=self._flags(
                distance,
                radius,
                gap=self._gap(x + self.x0, y + self.y0),
                contaminated=bool(sky.contaminated[0]),
            ),
            radius=radius,
            ring=ring_radii(self.fwhm),
            radii=radii,
            unit=image.unit,
            flux_unit=image.unit,
            zeropoint=image.zeropoint,
            original=curves["original"],
            cleaned=curves["cleaned"],
            residual=curves["residual"],
            words=words_of(self.separation),
        )

    def _correction(self, radius: float) -> float:
        """Return the factor from the aperture to the total flux of a point source."""
        measured = self.meta.get("aperture_correction")
        if measured and isfinite(measured):
            return float(measured)
        return float(1 / Profile(fwhm=self.fwhm).enclosed(radius))

    def _flat(
        self, at: tuple["Floats", "Floats"], level: float | None
    ) -> "NDArray[np.float32]":
        """Return the cleaned plane, masked pixels 0, less a level or its own ring's."""
        plane = self._without()
        data = np.where(self.good, plane, 0).astype(np.float32)
        if level is None:
            ring = ring_sky(
                data, self.good, *at, fwhm=self.fwhm, sigma=np.array([self.sigma])
            )
            level = float(ring.level[0])
        return np.where(self.good, data - level, 0).astype(np.float32)

    def _without(self) -> "NDArray[np.float32]":
        """Return the cut without what was taken, from the plane fluxes are read off."""
        separation = self.separation
        if "stars" in separation.parts:
            # The sky stays in the cleaned image; the slope of it is no light of stars.
            return self.data - self._read(separation.residual_plane)
        return self._read(separation.cleaned_plane)

    def _noise_taken(self, residual: "NDArray[np.float32]") -> float:
        """Return the width of the residual over that of the noise, at most 1."""
        values = residual[self.good]
        if not (len(values) and self.sigma > 0):
            return 0.0
        # Of the cut most pixels are sky: light that was taken does not widen it.
        width = 1.4826 * float(np.median(np.abs(values - np.median(values))))
        return min(width / self.sigma, 1.0)

    def _gap(self, x: float, y: float) -> float:
        """Return the distance to the nearest edge of the frame, pixels."""
        ny, nx = self.separation.shape
        return min(x + 0.5, y + 0.5, nx - 0.5 - x, ny - 0.5 - y)

    def _flags(
        self, distance: "Floats", radius: float, *, gap: float, contaminated: bool
    ) -> int:
        image = self.separation.image
        near = distance <= radius + 0.5
        flags = SourceFlag(0)
        if (near & ~self.good).any():
            flags |= SourceFlag.MASKED
        if (near & ((self.flags & MaskBit.SATURATED) != 0)).any():
            flags |= SourceFlag.SATURATED
        if (near & ((self.flags & MaskBit.ARTEFACT) != 0)).any():
            flags |= SourceFlag.ARTEFACT
        if gap < radius:
            flags |= SourceFlag.TRUNCATED
        if contaminated:
            flags |= SourceFlag.SKY_RING
        if image.gain is None:
            flags |= SourceFlag.NO_GAIN
        return int(flags)


def _vertex(line: "NDArray[np.floating]", k: int) -> float:
    """Refine a maximum of a line by a parabola."""
    if not 0 < k < len(line) - 1:
        return float(k)
    bend = 2 * line[k] - line[k - 1] - line[k + 1]
    shift = (line[k + 1] - line[k - 1]) / (2 * bend) if bend > 0 else 0.0
    return float(k + np.clip(shift, -0.5, 0.5))


def _curves(
    data: "NDArray[np.float32]",
    good: "NDArray[np.bool_]",
    distance: "Floats",
    radii: "Floats",
) -> Curves:
    ring = np.minimum(np.digitize(distance, radii, right=True), len(radii))
    count = np.bincount(ring[good], minlength=len(radii) + 1)[:-1]
    total = np.bincount(ring[good], data[good], minlength=len(radii) + 1)[:-1]
    with np.errstate(invalid="ignore", divide="ignore"):
        profile = total / count
    # A ring with masked pixels counts with its mean over its whole area.
    area = np.diff(np.pi * np.concatenate([[0.0], radii]) ** 2)
    growth = np.cumsum(np.nan_to_num(profile) * area)
    return Curves(profile=np.asarray(profile), growth=growth)
