"""The demo: the main job on a real frame, through the same functions as anyone's."""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bgrem_core import samples
from bgrem_core.errors import WriteError
from bgrem_core.plain_text import plain

if TYPE_CHECKING:
    from astropy.table import QTable

    from bgrem_core.separation import Separation

SAMPLE = "decam_r"
TITLE = "one exposure of 45 s in r with the Dark Energy Camera, its sky left in"
#: What its header says in its own way: GAINA without a BUNIT, and the seeing.
KNOWN: dict[str, Any] = {"unit": "adu", "gain": 3.7121, "fwhm": 4.02}


def run_demo(folder: Path, *, overwrite: bool) -> int:
    """Clean the sample frame, find its sources, write all and say what was found.

    Parameters
    ----------
    folder : Path
        Made if it does not exist.
    overwrite : bool
        Replace what an earlier demo left there.

    Returns
    -------
    int
        0.

    Raises
    ------
    WriteError
        The folder cannot be made, or an output exists.
    """
    from bgrem_core import clean, find_sources, open_image, write
    from bgrem_core.catalog import write_catalog
    from bgrem_core.display import three_panel_png
    from bgrem_core.io import check_target

    _make(folder)
    source = samples.path(SAMPLE)
    cleaned = folder / f"BGRem_{SAMPLE}.fits"
    listing, picture = cleaned.with_suffix(".ecsv"), cleaned.with_suffix(".png")
    for target in (cleaned, listing, picture):
        check_target(target, source, overwrite=overwrite)

    print(f"Cleaning {source.name}: {TITLE} ...")
    result = clean(open_image(source, **KNOWN))
    sources = find_sources(result)
    write(result, cleaned, layers=True, overwrite=overwrite)
    write_catalog(sources, listing, overwrite=overwrite)
    three_panel_png(result, picture, catalog=sources, overwrite=overwrite)

    print("\n".join(_found(result, sources)))
    print(f"""
Look at    {plain(picture)}
Cleaned    {plain(cleaned)}, with a layer for each part
Catalogue  {plain(listing)}
Your turn  bgrem -f FRAME.fits --catalog .ecsv""")
    return 0


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WriteError(
            f"the folder {folder} cannot be made ({error.strerror})",
            hint="name another with -o",
        ) from error


def _found(result: "Separation", sources: "QTable") -> list[str]:
    """Return what was found, a line for each thing."""
    import numpy as np

    scale, made, unit = result.scale, result.provenance, result.image.unit
    width = sources.meta["fwhm"]
    level = float(np.nanmedian(result.sky))
    noise = f"sigma {scale.median_sigma:.3g} {unit} per pixel"
    rho = round(scale.rho, 2) + 0.0  # no "-0.00"
    chance = f"{sources.meta['expected_false']:.1g}"
    lines = [
        f"Noise      {noise}, neighbour correlation {rho:.2f}",
        f"Sky        {level:.4g} {unit} ({made.sky})",
        f"Stars      FWHM {width:.2f} pixels" if math.isfinite(width) else "",
        f"Found      {len(sources)} sources; pure noise would give at most {chance}",
        _brightest(sources, unit),
        *(f"Note       {notice}" for notice in result.notices),
    ]
    return [line for line in lines if line]


def _brightest(sources: "QTable", unit: str) -> str:
    """Return a line about the brightest source that nothing disturbs."""
    import numpy as np

    from bgrem_core.catalog import SourceFlag
    from bgrem_core.display import format_value

    disturbed = (
        SourceFlag.EDGE
        | SourceFlag.SATURATED
        | SourceFlag.BLENDED
        | SourceFlag.TRUNCATED
        | SourceFlag.SKY_RING
    )
    alone = (np.asarray(sources["flags"]) & disturbed) == 0
    flux = np.where(alone, np.asarray(sources["flux"], np.float64), np.nan)
    if not np.isfinite(flux).any():
        return ""
    row = sources[int(np.nanargmax(flux))]
    x, y, ra, dec, error, snr = (
        float(getattr(row[name], "value", row[name]))
        for name in ("x", "y", "ra", "dec", "flux_err", "snr")
    )
    where = f"x {x:.1f}, y {y:.1f}"
    if math.isfinite(ra):
        where += f" (RA {ra:.5f}, Dec {dec:+.5f})"
    size = format_value(float(np.nanmax(flux)), error, unit)
    return f"Brightest  of those that stand alone: {size}, S/N {snr:.0f}, at {where}"
