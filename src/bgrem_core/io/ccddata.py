"""Results as astropy CCDData."""

from typing import TYPE_CHECKING, Any

import numpy as np

from bgrem_core.io.fits import quiet
from bgrem_core.separation import Separation

if TYPE_CHECKING:
    from astropy.nddata import CCDData

_ALIASES = {
    "": "", "e-": "electron", "electrons": "electron", "counts": "count",
    "electrons/s": "electron/s", "e-/s": "electron/s", "e/s": "electron/s",
    "dn": "adu", "adus": "adu", "cts": "count",
}  # fmt: skip


def to_ccddata(separation: Separation) -> "CCDData":
    """Return the cleaned image as astropy CCDData.

    Parameters
    ----------
    separation : Separation
        The result.

    Returns
    -------
    astropy.nddata.CCDData
        With unit (dimensionless where it is not known), mask, WCS, header and, if there
        is one, the uncertainty.
    """
    from astropy.io.fits import Header
    from astropy.nddata import CCDData, StdDevUncertainty

    image = separation.image
    header = Header() if image.header is None else image.header.copy()
    with quiet():
        for key, value, comment in separation.provenance.cards():
            if key == "HISTORY":
                header.add_history(str(value))
            else:
                header[key] = (value, comment)
        uncertainty = None
        if separation.uncertainty is not None:
            uncertainty = StdDevUncertainty(np.asarray(separation.uncertainty))
        return CCDData(
            separation.cleaned,
            unit=_unit(image.unit),
            mask=separation.mask,
            wcs=image.wcs,
            meta=header,
            uncertainty=uncertainty,
        )


def _unit(text: str) -> Any:
    from astropy import units

    name = _ALIASES.get(text.strip().lower(), text.strip())
    for spelling in (name, name.lower()):
        try:
            return units.Unit(spelling)
        except ValueError:
            continue
    return units.dimensionless_unscaled
