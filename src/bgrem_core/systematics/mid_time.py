"""Mid-exposure time of a frame, from what its header says."""

import datetime
import math
import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bgrem_core.image import Image

__all__ = ["MidTime", "header_of", "mid_time"]

_MIDDLE = ("DATE-AVG", "MJD-AVG", "DATE-MID", "MJD-MID")
_ENDS = (("DATE-BEG", "DATE-END"), ("MJD-BEG", "MJD-END"))
_START = ("DATE-BEG", "MJD-BEG", "DATE-OBS", "MJD-OBS")
_EXPOSURE = ("XPOSURE", "EXPTIME", "EXPOSURE", "EXP_TIME", "ITIME")
_CLOCK = ("TIME-OBS", "UTSTART", "UT", "UTC")
_ISO = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d(?:\.\d*)?))?)?\s*Z?"
)
_OLD = re.compile(r"(\d\d)/(\d\d)/(\d\d)")
_HOURS = re.compile(r"(\d\d?):(\d\d):(\d\d(?:\.\d*)?)")
_EPOCH = datetime.date(1858, 11, 17).toordinal()
"""Day 0 of the modified Julian date."""
_DAY = 86400.0
_TT = 32.184
_GPS = 19.0
_MJD = 2400000.5
_UTC = ("UTC", "UT", "UT1", "GMT", "")
#: Seconds to TAI.
_ATOMIC = {"TAI": 0.0, "IAT": 0.0, "TT": -_TT, "TDT": -_TT, "ET": -_TT, "TDB": -_TT}
_ATOMIC["GPS"] = _GPS

Instant = tuple[int, float]
"""Day of the modified Julian date and seconds into it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MidTime:
    """The middle of an exposure.

    Attributes
    ----------
    mjd : float
        Modified Julian date, UTC; NaN if it is not known.
    iso : str
        The same as a date, "" if it is not known.
    source : str
        Keywords that it comes from, or why it is not known.
    scale : str
        Time scale of the header, by TIMESYS.
    """

    mjd: float
    iso: str
    source: str
    scale: str

    @property
    def known(self) -> bool:
        """Whether there is a time."""
        return math.isfinite(self.mjd)


def mid_time(header: Mapping[str, Any] | None) -> MidTime:
    """Return the middle of an exposure.

    Parameters
    ----------
    header : mapping or None
        Keywords of FITS. Taken in this order: the middle itself (DATE-AVG, MJD-AVG),
        beginning and end (DATE-BEG and DATE-END), the beginning (DATE-BEG, DATE-OBS,
        MJD-OBS) and half of the exposure time. TIMESYS tells the scale, UTC without
        it.

    Returns
    -------
    MidTime
        In UTC, whatever the header has.

    References
    ----------
    .. [1] Rots et al. 2015, A&A 574, A36 (times in FITS).
    """
    values = {} if header is None else header
    scale = str(values.get("TIMESYS") or "UTC").strip().upper()
    if scale not in (*_UTC, *_ATOMIC):
        return _unknown(f"TIMESYS = {scale!r} is not known", scale)
    found = _middle(values)
    if isinstance(found, str):
        return _unknown(found, scale)
    instant, source = found
    if scale in _ATOMIC:
        instant = _to_utc(_later(instant, _ATOMIC[scale]))
    day, seconds = instant
    return MidTime(
        mjd=day + seconds / _DAY,
        iso=_text(instant),
        source=f"{source}{'' if scale in ('UTC', '') else f', {scale}'}",
        scale=scale or "UTC",
    )


def header_of(image: "Image") -> Mapping[str, Any]:
    """Return the keywords of an image, those of its file's first HDU behind them.

    Parameters
    ----------
    image : Image
        As opened.

    Returns
    -------
    mapping
        Empty without a header.
    """
    own = {} if image.header is None else _plain(image.header)
    origin = image.origin
    if origin.format != "fits" or origin.path is None or origin.hdu == 0:
        return own
    from astropy.io import fits

    from bgrem_core.io.fits import quiet

    try:
        with quiet():
            first = _plain(fits.getheader(origin.path, 0))
    except (OSError, ValueError, TypeError, KeyError):
        return own
    return {**first, **own}


def _plain(header: Any) -> dict[str, Any]:
    return {key: value for key in header for value in _value(header, key)}


def _value(header: Any, key: str) -> Iterator[Any]:
    # A card may be broken in any way.
    with suppress(Exception):
        yield header[key]


def _unknown(why: str, scale: str) -> MidTime:
    return MidTime(mjd=math.nan, iso="", source=why, scale=scale)


def _middle(values: Mapping[str, Any]) -> tuple[Instant, str] | str:
    for key in _MIDDLE:
        instant = _instant(values, key)
        if instant is not None:
            return instant, key
    for first, last in _ENDS:
        begin, end = _instant(values, first), _instant(values, last)
        if begin is not None and end is not None:
            seconds = (end[0] - begin[0]) * _DAY + end[1] - begin[1]
            if seconds >= 0:
                return _later(begin, seconds / 2), f"middle of {first} and {last}"
    exposure = next(
        (k for k in _EXPOSURE if _number(values.get(k), least=0) is not None), None
    )
    for key in _START:
        begin = _instant(values, key)
        if begin is None:
            continue
        if exposure is None:
            return f"{key} is the beginning, and no exposure time is known"
        seconds = float(values[exposure])
        return _later(begin, seconds / 2), f"{key} + {exposure} / 2"
    return "no DATE-OBS or other time in the header"


def _instant(values: Mapping[str, Any], key: str) -> Instant | None:
    value = values.get(key)
    if key.startswith("MJD"):
        days = _number(value)
        if days is None or not 0 < days < 1e6:
            return None
        whole = math.floor(days)
        return whole, (days - whole) * _DAY
    if not isinstance(value, str):
        return None
    date = _date(value.strip())
    if date is None or date[1] is not None:
        return None if date is None else (date[0], date[1] or 0.0)
    if key != "DATE-OBS":
        return None
    # A date of its own, and the time of day in another keyword.
    for name in _CLOCK:
        clock = _clock(values.get(name))
        if clock is not None:
            return date[0], clock
    return None


def _date(text: str) -> tuple[int, float | None] | None:
    found = _ISO.fullmatch(text)
    if found:
        year, month, day, hour, minute, second = found.groups()
        seconds = None
        if hour is not None:
            seconds = int(hour) * 3600 + int(minute) * 60 + float(second or 0)
    else:
        found = _OLD.fullmatch(text)
        if not found:
            return None
        day, month, year = found.groups()
        year, seconds = f"19{year}", None
    try:
        date = datetime.date(int(year), int(month), int(day))
    except ValueError:
        return None
    return date.toordinal() - _EPOCH, seconds


def _clock(value: Any) -> float | None:
    found = _HOURS.fullmatch(value.strip()) if isinstance(value, str) else None
    if not found:
        return None
    hour, minute, second = found.groups()
    return int(hour) * 3600 + int(minute) * 60 + float(second)


def _number(value: Any, *, least: float = -math.inf) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if math.isfinite(value) and value >= least else None


def _later(instant: Instant, seconds: float) -> Instant:
    total = instant[1] + seconds
    days = math.floor(total / _DAY)
    return instant[0] + days, total - days * _DAY


def _to_utc(instant: Instant) -> Instant:
    """Turn atomic time into UTC, by the leap seconds that come with erfa."""
    import erfa  # type: ignore[import-untyped]

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a year for which none are known yet
        days, part = erfa.taiutc(_MJD + instant[0], instant[1] / _DAY)
    whole = math.floor(days - _MJD + part)
    return whole, ((float(days) - _MJD - whole) + float(part)) * _DAY


def _text(instant: Instant) -> str:
    """Return a date to the millisecond."""
    day, milli = _later(instant, 0.0)
    whole = round(milli * 1000)
    if whole >= round(_DAY * 1000):
        day, whole = day + 1, 0
    date = datetime.date.fromordinal(day + _EPOCH)
    hours, rest = divmod(whole, 3600_000)
    minutes, rest = divmod(rest, 60_000)
    return f"{date.isoformat()}T{hours:02d}:{minutes:02d}:{rest / 1000:06.3f}"
