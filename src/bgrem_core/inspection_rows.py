"""Rows of an inspection: what a window says of one source, in one style."""

from math import floor, isfinite, log10
from typing import TYPE_CHECKING

from bgrem_core.catalog import SourceFlag
from bgrem_core.columns import DESCRIPTIONS
from bgrem_core.display import format_value
from bgrem_core.sexagesimal import sexagesimal
from bgrem_core.words import DEFAULT, Words

if TYPE_CHECKING:
    from bgrem_core.inspection import Inspection

__all__ = [
    "HELP",
    "SIGNIFICANCE",
    "flag_words",
    "format_like",
    "inspection_rows",
    "place_rows",
    "row_help",
]

SIGNIFICANCE = "S/N (noise)"
"""Label of the flux over the noise alone, which is not the flux over its error."""

HELP = {
    "Flux": f"{DESCRIPTIONS['flux']}; the error also holds the doubt of the "
    "aperture correction",
    SIGNIFICANCE: "flux over the noise in its aperture; the doubt of the aperture "
    "correction, which is in the error of the flux, is left out",
    "Flux (PSF fit)": "photons over the exposure at this place; the error is that of "
    "the fit with that of the background; the exposure is taken as known",
    "Photons (PSF fit)": "of the whole source, 0 or more, by the Poisson likelihood of "
    "the counts on the background and on the sources that were found",
    "Flux (corrected)": "of a target by a fit with a local level on the frame without "
    "its map, over what the map leaves of such a target",
    "Kept by the map": "share of a target of this brightness that the map leaves, by "
    "artificial targets on this frame; the error is that of one place",
    "S/N (fit)": "flux over the scatter of the same fit around the place and, where "
    "the gain is known, the noise of its own photons",
    "SNR before": "highest pixel above the mean over the standard deviation of a box "
    "of 21 pixels in the frame; robust: by median and median absolute deviation",
    "SNR after": "the same pixel without the map",
    "Flux (star)": "all light that was taken away as this star, whatever the star "
    "amount; the error is that of a fit of the PSF in the noise of the sky and, with a "
    "gain, of photons",
    "S/N (star)": "that flux over its error",
    "Spread": "how much wider than the PSF it is; galaxies and knots are wider: they "
    "stay",
    "Left of it": "light in a circle of one FWHM radius at the place of the star, in "
    "the image as it is shown and over the level of the ring round it, in percent of "
    "the light of stars that was there; the error is that of noise: a nebula adds its "
    "own",
    "TS": "test statistic, 2 (ln L1 - ln L0), given the background; its square root is "
    "about the significance in sigma",
}
"""What the labels of rows mean, where a label alone does not say it."""

_LEAST = 0.01
"""Percent; digits beyond it are of no use."""
_SOME = 0.05
"""Share of the noise below which none was taken away."""


def row_help(words: Words = DEFAULT) -> dict[str, str]:
    """Return what the labels of rows mean, in the words of a result.

    Parameters
    ----------
    words : tuple of str, optional
        As `words_of` gives them.

    Returns
    -------
    dict of str to str
        By label.
    """
    left, taken = words[1].lower(), words[2].lower()
    return {
        **HELP,
        f"Flux in {left}": f"same aperture on the {left} image; carries no error",
        f"Flux in {taken}": f"what the {left} image lacks; both sum to the flux",
        _kept_label(words): f"flux in the {left} image over the flux; the error is "
        "that of the noise that was taken away in the aperture",
    }


def inspection_rows(seen: "Inspection") -> tuple[tuple[str, str], ...]:
    """Return what a window shows of a source.

    Parameters
    ----------
    seen : Inspection
        The source.

    Returns
    -------
    tuple of (str, str)
        Labels and texts, with units and errors; texts of one quantity have the same
        number of decimals.
    """
    rows = list(place_rows(seen.x, seen.y, seen.ra, seen.dec))
    if seen.listed is not None:
        return (*rows, *seen.listed.rows, *_around_rows(seen))
    unit = f" {seen.unit}" if seen.unit else ""
    left, taken = seen.words[1].lower(), seen.words[2].lower()
    cleaned, residual = (
        format_like(value, seen.flux, seen.flux_err) + unit
        for value in (seen.flux_cleaned, seen.flux_residual)
    )
    rows += [
        ("Flux", format_value(seen.flux, seen.flux_err) + unit),
        (SIGNIFICANCE, f"{seen.snr:.1f}" if isfinite(seen.snr) else "unknown"),
        (f"Flux in {left}", cleaned),
        (f"Flux in {taken}", residual),
        (_kept_label(seen.words), _kept(seen)),
    ]
    if isfinite(seen.mag):
        error = 1.0857 * seen.flux_err / seen.flux
        rows.append(("Magnitude", format_value(seen.mag, error, "mag")))
    rows.append(("FWHM", f"{seen.fwhm:.2f} pix" if isfinite(seen.fwhm) else "unknown"))
    return (*rows, *_around_rows(seen))


def place_rows(
    x: float, y: float, ra: float, dec: float
) -> tuple[tuple[str, str], ...]:
    """Return what a window shows of a place.

    Parameters
    ----------
    x, y : float
        Pixels, 0-based.
    ra, dec : float
        Degrees; left out where they are not known.

    Returns
    -------
    tuple of (str, str)
        Labels and texts.
    """
    rows = [("Position", f"x {x:.2f}, y {y:.2f} pix")]
    if isfinite(ra) and isfinite(dec):
        # As it is written here, each can be typed where a place is asked for.
        rows += [
            ("RA, Dec", sexagesimal(ra, dec)),
            ("in degrees", f"{ra:.5f} {dec:+.5f} deg"),
        ]
    return tuple(rows)


def format_like(value: float, flux: float, flux_err: float) -> str:
    """Return a flux with the decimals, and the power of ten, of another one.

    Parameters
    ----------
    value : float
        What is written.
    flux, flux_err : float
        What it stands below, as `format_value` writes it.

    Returns
    -------
    str
        Such as "0.034e-17" below "(1.234 ± 0.056)e-17".
    """
    if not (isfinite(value) and isfinite(flux) and isfinite(flux_err) and flux_err > 0):
        return format_value(value)
    whole = format_value(flux, flux_err)
    power = int(whole.rpartition("e")[2]) if "e" in whole else 0
    decimals = power + 1 - floor(log10(float(f"{flux_err:.1e}")))
    # What rounds to nothing has no sign.
    scaled = round(value / 10.0**power, decimals) + 0.0
    return f"{scaled:.{max(decimals, 0)}f}" + (f"e{power}" if power else "")


def flag_words(flags: int) -> str:
    """Return the names of the bits of a source flag, "none" for 0."""
    words = [(f.name or "").lower().replace("_", " ") for f in SourceFlag if flags & f]
    return ", ".join(words) or "none"


def _around_rows(seen: "Inspection") -> tuple[tuple[str, str], ...]:
    """Return where light was summed, and what is to be said of that."""
    return (
        ("Aperture", f"radius {seen.radius:.1f} pix"),
        ("Sky ring", f"{seen.ring[0]:.1f} to {seen.ring[1]:.1f} pix"),
        ("Flags", flag_words(seen.flags)),
    )


def _kept_label(words: Words) -> str:
    """Return the label of the share of the flux that is left."""
    return "Kept by cleaning" if words == DEFAULT else f"Kept in {words[1].lower()}"


def _kept(seen: "Inspection") -> str:
    """Return the share of the flux that is left, in percent."""
    if not isfinite(seen.kept):
        return "unknown (flux below 3 sigma)" if isfinite(seen.snr) else "unknown"
    if seen.noise_taken < _SOME:
        return f"{100 * seen.kept:.2f} %"
    return format_value(100 * seen.kept, max(100 * seen.kept_err, _LEAST), "%")
