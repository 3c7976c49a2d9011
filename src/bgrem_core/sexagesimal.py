"""Sexagesimal: positions as astronomers write them."""

__all__ = ["sexagesimal"]


def sexagesimal(ra: float, dec: float, *, digits: int = 1) -> str:
    """Return a position as astronomers write it.

    Parameters
    ----------
    ra, dec : float
        Degrees.
    digits : int, optional
        Decimals of the seconds of Dec; RA has one more.

    Returns
    -------
    str
        Such as "10:00:23.34 +02:12:00.4".
    """
    sign = "-" if dec < 0 else "+"
    return f"{_parts(ra / 15 % 24, digits + 1, 24)} {sign}{_parts(abs(dec), digits)}"


def _parts(value: float, digits: int, wrap: int | None = None) -> str:
    """Return hours or degrees, minutes and seconds; 59.99 never becomes 60.0."""
    unit = 10**digits
    total = round(value * 3600 * unit)
    if wrap is not None:
        total %= wrap * 3600 * unit
    whole, fraction = divmod(total, unit)
    minutes, seconds = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    tail = f".{fraction:0{digits}d}" if digits else ""
    return f"{hours:02d}:{minutes:02d}:{seconds:02d}{tail}"
