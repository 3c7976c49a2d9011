"""Figure: Original, Cleaned and Residual side by side in one PNG."""

from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bgrem_core.display._panels import Panels, read_panels
from bgrem_core.display._rings import Rings, make_rings
from bgrem_core.display._scale import Limits, shared_limits, symmetric_limits
from bgrem_core.words import words_of

if TYPE_CHECKING:
    from bgrem_core.display._canvas import Box, Canvas
    from bgrem_core.separation import Separation

#: Half the range of the residual's colours, in sigma.
REACH = 4


def three_panel_png(
    separation: "Separation",
    path: Path | str,
    *,
    catalog: Mapping[str, Any] | None = None,
    truth: Mapping[str, Any] | None = None,
    overwrite: bool = False,
) -> None:
    """Write a picture of the original, the cleaned image and the residual.

    Original and cleaned share their limits; the original is shown minus the median of
    what was taken away, so that its sky does not drown it. The residual is in units of
    the noise. Frames above 960 pixels a side are binned. Row 0 is at the bottom.

    Parameters
    ----------
    separation : Separation
        What a method returned; read by bands.
    path : Path or str
        The PNG.
    catalog : QTable or mapping, optional
        Sources to ring on the cleaned panel: columns ``x`` and ``y``, 0-based.
    truth : QTable or mapping, optional
        What is really there: hits become green solid rings, misses yellow dashed and
        false sources red dotted ones.
    overwrite : bool, optional
        Replace a file that exists.

    Raises
    ------
    WriteError
        The file exists, or cannot be written.
    """
    from bgrem_core.io.atomic import atomic_write

    canvas = _canvas(separation, catalog, truth)
    with atomic_write(path, overwrite=overwrite) as file:
        canvas.save(file)


def three_panel_bytes(
    separation: "Separation",
    *,
    catalog: Mapping[str, Any] | None = None,
    truth: Mapping[str, Any] | None = None,
) -> bytes:
    """Return the picture that `three_panel_png` writes, for those who show it.

    Parameters
    ----------
    separation : Separation
        What a method returned; read by bands.
    catalog, truth : QTable or mapping, optional
        As there.

    Returns
    -------
    bytes
        A PNG.
    """
    file = BytesIO()
    _canvas(separation, catalog, truth).save(file)
    return file.getvalue()


def _canvas(
    separation: "Separation",
    catalog: Mapping[str, Any] | None,
    truth: Mapping[str, Any] | None,
) -> "Canvas":
    panels = read_panels(separation)
    fwhm = separation.scale.fwhm if np.isfinite(separation.scale.fwhm) else 3.0
    rings = make_rings(catalog, truth, radius=0.6 * fwhm)
    return _draw(separation, panels, rings, fwhm)


def _draw(
    separation: "Separation", panels: Panels, rings: tuple[Rings, ...], fwhm: float
) -> "Canvas":
    from bgrem_core.display._canvas import Canvas
    from bgrem_core.display._compass import directions, pixel_scale

    canvas = Canvas(panels.size)
    canvas.heading(separation.image.name, _summary(separation, panels))
    limits = shared_limits(panels.cleaned, panels.sigma)
    wide = symmetric_limits(*_residual_unit(panels))
    words = words_of(separation)
    first = canvas.panel(0, words[0], _minus(panels, separation.image.unit))
    canvas.pixels(first, panels.original, limits, "asinh", "grey", panels.enlarged)
    second = canvas.panel(1, words[1], f"without {_parts(separation)}")
    canvas.pixels(second, panels.cleaned, limits, "asinh", "grey", panels.enlarged)
    third = canvas.panel(2, words[2], f"what was taken away: {_parts(separation)}")
    canvas.pixels(
        third, panels.residual, wide, "linear", "blue-white-orange", panels.enlarged
    )
    for ring in rings:
        places = [panels.place(x, y) for x, y in ring.at]
        canvas.rings(second, ring, places, radius=1.6 * fwhm * panels.zoom)
    scale = pixel_scale(separation.image.wcs, separation.shape)
    canvas.scale_bar(first, panels.zoom, scale)
    canvas.compass(first, directions(separation.image.wcs, separation.shape))
    _bars(canvas, (first, second, third), panels, limits, separation.image.unit)
    canvas.legend(second, rings)
    canvas.footnote(f"Row 0 is at the bottom. {_of_fluxes(separation)}")
    return canvas


def _of_fluxes(separation: "Separation") -> str:
    """Say on what fluxes are measured."""
    if separation.parts.keys() & {"noise", "background"}:
        return (
            "The cleaned image is for finding and looking; fluxes are measured on the "
            "original minus its sky."
        )
    return (
        "The sum of the last two is the first, and fluxes are measured on the second."
    )


def _bars(
    canvas: "Canvas",
    boxes: "tuple[Box, Box, Box]",
    panels: Panels,
    limits: Limits,
    unit: str,
) -> None:
    low, high = limits
    sigma = panels.sigma
    marks = [_mark(t) for t in ((0.0, 5 * sigma, high) if sigma else (low, high))]
    for box in boxes[:2]:
        canvas.bar(box, limits, "asinh", "grey", marks, unit or "image units")
    reach = symmetric_limits(*_residual_unit(panels))[1]
    wide = [_mark(t) for t in (-reach, 0.0, reach)]
    known = unit or "image units"
    if sigma:
        wide = [(k * sigma, f"{k:+d}" if k else "0") for k in range(-REACH, 5, 2)]
        known = "sigma of the noise"
    if panels.binned > 1:
        known += f", {panels.binned} x {panels.binned} binned"
    canvas.bar(boxes[2], (-reach, reach), "linear", "blue-white-orange", wide, known)


def _mark(value: float) -> tuple[float, str]:
    """Return a place on a colour bar, moved to a number of two digits."""
    short = float(f"{value:.2g}")
    return short, f"{short:g}"


def _residual_unit(panels: Panels) -> tuple[float, float]:
    """Return sigma and the reach in it, or the largest residual without noise."""
    if panels.sigma > 0:
        return panels.sigma, REACH
    good = np.abs(panels.residual[np.isfinite(panels.residual)])
    return (float(good.max()) if good.size else 0.0), 1


def _minus(panels: Panels, unit: str) -> str:
    if abs(panels.level) <= 0.02 * panels.sigma:
        return "as it was read"
    return f"minus its level of {_short(panels.level, unit)}"


def _short(value: float, unit: str) -> str:
    return f"{value:.4g} {unit}".strip()


def _parts(separation: "Separation") -> str:
    return " and ".join(separation.parts) or "nothing"


def _summary(separation: "Separation", panels: Panels) -> str:
    made, scale = separation.provenance, separation.scale
    facts = [f"method {made.method}"]
    if made.model:
        facts.append(f"model {made.model}, {made.steps} step{'s' * (made.steps != 1)}")
    noise = _short(scale.median_sigma, separation.image.unit)
    facts.append(f"noise sigma {noise} per pixel")
    facts.append(f"sky {made.sky}")
    if panels.binned > 1:
        facts.append(f"shown in bins of {panels.binned} x {panels.binned} pixels")
    return "   ·   ".join(facts)
