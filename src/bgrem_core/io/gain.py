"""Gain and zero point: what is known of the unit of an image, and from where."""

import re
from collections.abc import Mapping

_DIGITAL = re.compile(r"adu|dn|counts?|cts?", re.IGNORECASE)
_ELECTRON = re.compile(r"(photo-?)?electrons?|e-?|elec?|elecs", re.IGNORECASE)
_PER_SECOND = re.compile(
    r"(?P<unit>.+?)\s*(/\s*s(ec|ecs|econd|econds)?|[ .*]s(ec)?\s*(\^|\*\*)?-1)",
    re.IGNORECASE,
)
# EGAIN first: amateur cameras use GAIN for a setting without unit.
_GAINS = ("EGAIN", "GAIN")
_EXPOSURES = ("EXPTIME", "EXPOSURE")
_ZEROPOINTS = (
    "MAGZERO", "MAGZPT", "MAGZP", "ZEROPT", "ZEROPNT", "ZEROPOIN", "PHOTZP", "PHOTZPT",
    "ZPMAG", "ZP",
)  # fmt: skip
_ZEROPOINT_OF_UNIT = {
    "nanomaggy": 22.5, "nanomaggies": 22.5, "nmgy": 22.5,
    "jy": 8.9, "mjy": 16.4, "ujy": 23.9, "njy": 31.4,
}  # fmt: skip


def number(values: Mapping[str, object], key: str) -> float | None:
    """Return a finite number from a header, also one written as text, or None."""
    value = values.get(key)
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        found = float(value)
    except ValueError:
        return None
    return found if abs(found) < float("inf") else None


def find_gain(
    chosen: float | None, unit: str, values: Mapping[str, object]
) -> tuple[float | None, str]:
    """Find the electrons per image unit.

    Parameters
    ----------
    chosen : float or None
        What the user said.
    unit : str
        As in BUNIT; "" tells nothing.
    values : mapping
        Keywords of the header.

    Returns
    -------
    gain : float or None
        None if unknown.
    assumed : str
        One line on where it comes from.
    """
    if chosen is not None:
        return chosen, f"gain {chosen:g} e-/{unit or 'unit'} as stated (--gain)"
    unit = unit.strip()
    if _DIGITAL.fullmatch(unit):
        for key in _GAINS:
            value = number(values, key)
            if value is not None and value > 0:
                return value, f"gain {value:g} e-/{unit} from {key} (--gain)"
    if _ELECTRON.fullmatch(unit):
        return 1.0, f"gain 1, as BUNIT is {unit} (--gain)"
    rate = _PER_SECOND.fullmatch(unit)
    if rate and _ELECTRON.fullmatch(rate["unit"]):
        for key in _EXPOSURES:
            seconds = number(values, key)
            if seconds is not None and seconds > 0:
                return (
                    seconds,
                    f"gain {seconds:g} from {key}, as BUNIT is {unit} (--gain)",
                )
    return None, f"gain unknown{_why(unit, values)} (--gain)"


def _why(unit: str, values: Mapping[str, object]) -> str:
    for key in _GAINS:
        value = number(values, key)
        if value is not None:
            said = f"BUNIT is {unit}" if unit else "there is no BUNIT"
            if value <= 0:
                said = "it is not positive"
            return f": {key}={value:g} is not used, as {said}"
        if isinstance(values.get(key), str):
            return f": {key}={values[key]!r} is not used, as it is not a number"
    return ""


def find_zeropoint(
    chosen: float | None, unit: str, values: Mapping[str, object]
) -> tuple[float | None, str]:
    """Find the magnitude of one image unit.

    Parameters
    ----------
    chosen : float or None
        What the user said.
    unit : str
        As in BUNIT.
    values : mapping
        Keywords of the header.

    Returns
    -------
    zeropoint : float or None
        As in mag = zeropoint - 2.5 log10(flux); None if unknown.
    assumed : str
        One line on where it comes from, "" if it is unknown.
    """
    if chosen is not None:
        return chosen, f"zero point {chosen:g} mag as stated (--zeropoint)"
    for key in _ZEROPOINTS:
        value = number(values, key)
        if value is not None and value > 0:
            return value, f"zero point {value:g} mag from {key} (--zeropoint)"
    value = _ZEROPOINT_OF_UNIT.get(unit.strip().lower())
    if value is not None:
        return value, f"zero point {value:g} mag (AB), as BUNIT is {unit} (--zeropoint)"
    return None, ""
